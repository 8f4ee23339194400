/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/msr.c src/hvm/mtrr.c src/hvm/iomap.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/iomap.h>

#include "fakes.h"

#define GP (-XEN_EINVAL)

/* --- the processor's MSRs --- */

static struct {
    u32 msr;
    u64 val;
} hardware[64];
static unsigned nr_hardware, hardware_writes;

static u64 *hardware_find(u32 msr)
{
    for (unsigned i = 0; i < nr_hardware; i++)
        if (hardware[i].msr == msr)
            return &hardware[i].val;
    return NULL;
}

static void hardware_has(u32 msr, u64 val)
{
    u64 *p = hardware_find(msr);

    if (!p) {
        assert_true(nr_hardware < ARRAY_SIZE(hardware));
        hardware[nr_hardware].msr = msr;
        p = &hardware[nr_hardware++].val;
    }
    *p = val;
}

bool rdmsr_safe(u32 msr, u64 *val)
{
    u64 *p = hardware_find(msr);

    if (p)
        *val = *p;
    return p;
}

bool wrmsr_safe(u32 msr, u64 val)
{
    u64 *p = hardware_find(msr);

    hardware_writes++;
    if (p)
        *p = val;
    return p;
}

/* No port is accessed here. */
void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    fail();
}

static bool amd;

bool hvm_vendor_is_amd(void)
{
    return amd;
}

/* --- the control block --- */

static u64 offset, pat, efer, cr0;
static unsigned moved;

static void set_tsc_offset(struct vcpu *v, u64 val)
{
    offset = val;
}

static u64 get_tsc_offset(struct vcpu *v)
{
    return offset;
}

static u64 get_pat(struct vcpu *v)
{
    return pat;
}

static void set_pat(struct vcpu *v, u64 val)
{
    pat = val;
}

static void set_efer(struct vcpu *v, u64 val)
{
    efer = val;
}

static void get_control(struct vcpu *v, struct hvm_control *c)
{
    *c = (struct hvm_control){.cr0 = cr0, .efer = efer};
}

static const struct hvm_ops ops = {.set_tsc_offset = set_tsc_offset,
                                   .get_tsc_offset = get_tsc_offset,
                                   .get_pat = get_pat,
                                   .set_pat = set_pat,
                                   .set_efer = set_efer,
                                   .get_control = get_control};
const struct hvm_ops *hvm = &ops;

static struct domain dom;
static struct vcpu cpu, other;

static void note_move(struct vcpu *v)
{
    assert_ptr_equal(v, &cpu);
    moved++;
}

/* 10 variable ranges, fixed ranges, write-combining. */
#define MACHINE_CAP 0x50aull

static int open_domain(bool is_amd)
{
    amd = is_amd;
    nr_hardware = hardware_writes = moved = 0;
    offset = 0;
    pat = HVM_PAT_RESET;
    efer = EFER_LME | EFER_LMA;
    cr0 = CR0_PE | CR0_PG;
    hardware_has(0xfe, MACHINE_CAP);
    hardware_has(0x2ff, 0xc06);
    for (u32 msr = 0x200; msr < 0x214; msr++)
        hardware_has(msr, msr & 1 ? 0xffffffc000000800ull : (u64)msr << 20 | 6);
    hardware_has(0x250, 0x0606060606060606);
    hardware_has(0x258, 0x0606060606060606);
    hardware_has(0x259, 0);
    for (u32 msr = 0x268; msr <= 0x26f; msr++)
        hardware_has(msr, 0x0505050505050505);
    dom = (struct domain){.nr_vcpus = 2, .vcpu = {&cpu, &other}, .tsc_offset_changed = note_move};
    cpu = (struct vcpu){.d = &dom};
    other = (struct vcpu){.id = 1, .d = &dom};
    fake_alloc_fail_after = -1;
    if (io_map_init(&dom))
        return -1;
    return hvm_msr_register(&dom);
}

static int setup_amd(void **state)
{
    return open_domain(true);
}

static int setup_intel(void **state)
{
    return open_domain(false);
}

static int close_domain(void **state)
{
    fake_alloc_fail_after = -1;
    xfree(dom.mtrrs);
    io_map_free(&dom);
    return fake_allocs_live || fake_locks_held ? -1 : 0;
}

static u64 rd(u32 msr)
{
    u64 val = 0;

    assert_int_equal(hvm_msr_access_read(&cpu, msr, &val), 0);
    return val;
}

static void rd_gp(u32 msr)
{
    u64 val;

    assert_int_equal(hvm_msr_access_read(&cpu, msr, &val), GP);
}

static void wr(u32 msr, u64 val)
{
    assert_int_equal(hvm_msr_access_write(&cpu, msr, val), 0);
}

static void wr_gp(u32 msr, u64 val)
{
    assert_int_equal(hvm_msr_access_write(&cpu, msr, val), GP);
}

/* Written without a fault and without effect. */
static void wr_dropped(u32 msr)
{
    u64 before = hardware_find(msr) ? *hardware_find(msr) : 0;

    wr(msr, ~before);
    assert_int_equal(hardware_writes, 0);
    if (hardware_find(msr))
        assert_int_equal(*hardware_find(msr), before);
}

static void an_msr_nobody_claims_is_the_hardwares(void **state)
{
    hardware_has(0x1234, 77);
    assert_int_equal(rd(0x1234), 77);
    wr(0x1234, 78);
    assert_int_equal(*hardware_find(0x1234), 78);
}

static void an_msr_the_processor_lacks_faults(void **state)
{
    rd_gp(0x1235);
    wr_gp(0x1235, 0);
    rd_gp(0xc0011fff);
    rd_gp(~0u);
}

static void the_domain_starts_with_the_machines_mtrrs(void **state)
{
    assert_int_equal(rd(0xfe), MACHINE_CAP); /* ten variable ranges, all of them */
    assert_int_equal(rd(0x2ff), 0xc06);
    for (u32 msr = 0x200; msr < 0x214; msr++)
        assert_int_equal(rd(msr), *hardware_find(msr));
    assert_int_equal(rd(0x250), 0x0606060606060606);
    assert_int_equal(rd(0x259), 0);
    for (u32 msr = 0x268; msr <= 0x26f; msr++)
        assert_int_equal(rd(msr), 0x0505050505050505);
    wr_gp(0xfe, MACHINE_CAP);
}

static void mtrrs_are_the_domains_own_and_all_its_vcpus_share_them(void **state)
{
    u64 val;

    wr(0x200, 0x12340005);
    wr(0x201, 0xffff0800);
    wr(0x2ff, 0x806);
    wr(0x26f, 0x0101010101010101);
    assert_int_equal(hvm_msr_access_read(&other, 0x200, &val), 0);
    assert_int_equal(val, 0x12340005);
    assert_int_equal(hvm_msr_access_read(&other, 0x26f, &val), 0);
    assert_int_equal(val, 0x0101010101010101);
    assert_int_equal(rd(0x2ff), 0x806);
    assert_int_equal(*hardware_find(0x200), 0x20000006);
    assert_int_equal(hardware_writes, 0);
}

static void a_memory_type_that_does_not_exist_faults(void **state)
{
    static const bool valid[] = {true, true, false, false, true, true, true};

    for (unsigned type = 0; type < 256; type++) {
        bool ok = type < ARRAY_SIZE(valid) && valid[type];

        assert_int_equal(hvm_msr_access_write(&cpu, 0x2ff, type), ok ? 0 : GP);
        assert_int_equal(hvm_msr_access_write(&cpu, 0x20e, 0x100000 | type), ok ? 0 : GP);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(hvm_msr_access_write(&cpu, 0x259, (u64)type << 8 * i), ok ? 0 : GP);
        assert_int_equal(rd(0x2ff) & 0xff, ok ? type : rd(0x2ff) & 0xff);
    }
    wr(0x2ff, 0xc06);
    wr_gp(0x2ff, 0x2c06);
    wr_gp(0x2ff, 0x1006);
    wr_gp(0x2ff, 0x106);
    wr_gp(0x2ff, BIT(32) | 6);
    assert_int_equal(rd(0x2ff), 0xc06); /* what faulted did nothing */
}

static void reserved_bits_of_a_variable_range_fault(void **state)
{
    wr(0x202, 0x100000006);
    wr_gp(0x202, 0x100000106);
    wr_gp(0x202, 0x100000806);
    wr(0x203, 0xfff00000800);
    wr_gp(0x203, 0xfff00000801);
    wr_gp(0x203, 0xfff00000c00);
    assert_int_equal(rd(0x202), 0x100000006);
    assert_int_equal(rd(0x203), 0xfff00000800);
}

static void a_variable_range_beyond_the_count_faults(void **state)
{
    close_domain(state);
    open_domain(amd);
    close_domain(state);
    nr_hardware = 0;
    hardware_has(0xfe, 0x502);
    hardware_has(0x200, 6);
    io_map_init(&dom);
    dom.mtrrs = NULL;
    assert_int_equal(hvm_msr_register(&dom), 0);
    assert_int_equal(rd(0x200), 6);
    assert_int_equal(rd(0x203), 0); /* the machine did not say */
    rd_gp(0x204);
    wr_gp(0x204, 6);
    rd_gp(0x20f);
}

static void a_machine_without_mtrrs_has_none_for_the_domain(void **state)
{
    close_domain(state);
    nr_hardware = 0;
    io_map_init(&dom);
    assert_int_equal(hvm_msr_register(&dom), 0);
    assert_int_equal(rd(0xfe), 0);
    rd_gp(0x200);
}

static void without_memory_registration_fails(void **state)
{
    close_domain(state);
    dom.mtrrs = NULL;
    fake_alloc_fail_after = -1;
    io_map_init(&dom);
    fake_alloc_fail_after = 0;
    assert_int_equal(hvm_msr_register(&dom), -XEN_ENOMEM);
}

static void tsc_adjust_and_the_tsc_move_together(void **state)
{
    u64 seed = 0x7031;

    for (unsigned i = 0; i < 1000; i++) {
        u64 before, val = seed ^= seed << 13;

        seed ^= seed >> 7;
        seed ^= seed << 17;
        moved = 0;
        if (i & 1) {
            wr(MSR_TSC_ADJUST, val);
            assert_int_equal(rd(MSR_TSC_ADJUST), val);
            assert_int_equal(offset, val);
        } else {
            before = rdtsc();
            wr(MSR_TSC, val);
            /* The guest reads val, and the little time that has passed. */
            assert_true(rdtsc() + offset - val <= rdtsc() - before);
        }
        /* Nothing but these two ever moved it: what remains is the start, 0. */
        assert_int_equal(offset - rd(MSR_TSC_ADJUST), 0);
        assert_int_equal(moved, 1);
    }
    assert_int_equal(hardware_writes, 0);
}

static void a_write_of_tsc_adjust_adds_to_an_offset_torii_chose(void **state)
{
    offset = 5000;
    wr(MSR_TSC_ADJUST, 100);
    assert_int_equal(offset, 5100);
    wr(MSR_TSC_ADJUST, (u64)-7);
    assert_int_equal(offset, 4993);
    wr(MSR_TSC_ADJUST, 0);
    assert_int_equal(offset, 5000);
    dom.tsc_offset_changed = NULL; /* nobody above keeps time */
    wr(MSR_TSC_ADJUST, 1);
    assert_int_equal(offset, 5001);
}

static void the_pat_is_the_control_blocks(void **state)
{
    assert_int_equal(rd(MSR_PAT), HVM_PAT_RESET);
    wr(MSR_PAT, 0x0606060606060606);
    assert_int_equal(pat, 0x0606060606060606);
    for (unsigned i = 0; i < 8; i++)
        for (u64 type = 0; type < 256; type++) {
            u64 val = (pat & ~(0xffull << 8 * i)) | type << 8 * i;

            if (type < 8 && type != 2 && type != 3)
                wr(MSR_PAT, val);
            else
                wr_gp(MSR_PAT, val);
        }
    assert_int_equal(pat, 0x0707070707070707);
    assert_int_equal(hardware_writes, 0);
}

static void efer_is_the_control_blocks_and_takes_only_bits_the_processor_has(void **state)
{
    u64 always = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE, perhaps = BIT(14) | BIT(15) | BIT(21);

    assert_int_equal(rd(MSR_EFER), EFER_LME | EFER_LMA);
    cr0 = CR0_PE;
    efer = 0;
    wr(MSR_EFER, EFER_SCE | EFER_LME | EFER_NXE);
    assert_int_equal(efer, EFER_SCE | EFER_LME | EFER_NXE);
    for (unsigned bit = 0; bit < 64; bit++)
        if (BIT(bit) & always)
            wr(MSR_EFER, BIT(bit));
        else if (!(BIT(bit) & perhaps))
            wr_gp(MSR_EFER, BIT(bit));
    assert_int_equal(hardware_writes, 0);
}

static void lme_stands_while_paging_is_on_and_lma_is_the_processors(void **state)
{
    wr_gp(MSR_EFER, 0);
    wr(MSR_EFER, EFER_LME | EFER_NXE);
    assert_int_equal(efer, EFER_LME | EFER_LMA | EFER_NXE);
    efer = 0;
    wr_gp(MSR_EFER, EFER_LME);
    wr(MSR_EFER, EFER_LMA);
    assert_int_equal(efer, 0);
    cr0 = CR0_PE;
    wr(MSR_EFER, EFER_LME);
    assert_int_equal(efer, EFER_LME);
}

static void microcode_is_not_the_domains_to_load(void **state)
{
    hardware_has(0x8b, 0x1234ull << 32);
    hardware_has(0x79, 0);
    wr_dropped(0x79);
    rd_gp(0x79);
    wr_dropped(0x8b);
    assert_int_equal(rd(0x8b), 0x1234ull << 32);
}

static void intel_hides_vmx_and_locks_feature_control(void **state)
{
    hardware_has(0x3a, 5);
    hardware_has(0x1a0, 0x850089);
    assert_int_equal(rd(0x3a), 1);
    wr_gp(0x3a, 5);
    assert_int_equal(rd(0x1a0), 0x850089);
    wr_dropped(0x1a0);
    for (u32 msr = 0x480; msr <= 0x491; msr++) {
        hardware_has(msr, ~0ull);
        rd_gp(msr);
        wr_gp(msr, 0);
    }
    assert_int_equal(hardware_writes, 0);
}

static void amd_hides_svm_and_keeps_the_memory_map(void **state)
{
    static const u32 kept[] = {0xc0010010, 0xc0010015, 0xc0010016, 0xc001001a,
                               0xc001001d, 0xc001001f, 0xc0010058, 0xc0011029};

    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
        hardware_has(kept[i], 0x5a5a);
        assert_int_equal(rd(kept[i]), 0x5a5a);
        wr_dropped(kept[i]);
    }
    for (u32 msr = 0xc0010114; msr <= 0xc0010118; msr++) {
        hardware_has(msr, ~0ull);
        assert_int_equal(rd(msr), 0);
        wr_dropped(msr);
    }
    hardware_has(0xc0010055, ~0ull);
    assert_int_equal(rd(0xc0010055), 0);
    wr_dropped(0xc0010055);
    hardware_has(0xc0010020, 0);
    rd_gp(0xc0010020);
    wr_dropped(0xc0010020);
    hardware_has(0xc0010112, 3);
    assert_int_equal(rd(0xc0010112), 3);
    wr_gp(0xc0010112, 0);
    hardware_has(0xc0010131, 1);
    rd_gp(0xc0010131);
    wr_gp(0xc0010131, 0);
    assert_int_equal(hardware_writes, 0);
}

static void one_vendors_msrs_mean_nothing_to_the_other(void **state)
{
    if (amd) {
        rd_gp(0x480);
        rd_gp(0x3a);
    } else {
        rd_gp(0xc0010114);
        rd_gp(0xc0010010);
    }
    assert_int_equal(hardware_writes, 0);
}

int main(void)
{
#define T(f, vendor)                                               \
    {                                                              \
#f " (" #vendor ")", f, setup_##vendor, close_domain, NULL \
    }
#define BOTH(f) T(f, amd), T(f, intel)
    const struct CMUnitTest tests[] = {
        BOTH(an_msr_nobody_claims_is_the_hardwares),
        BOTH(an_msr_the_processor_lacks_faults),
        BOTH(the_domain_starts_with_the_machines_mtrrs),
        BOTH(mtrrs_are_the_domains_own_and_all_its_vcpus_share_them),
        BOTH(a_memory_type_that_does_not_exist_faults),
        BOTH(reserved_bits_of_a_variable_range_fault),
        T(a_variable_range_beyond_the_count_faults, amd),
        T(a_machine_without_mtrrs_has_none_for_the_domain, amd),
        T(without_memory_registration_fails, amd),
        BOTH(tsc_adjust_and_the_tsc_move_together),
        T(a_write_of_tsc_adjust_adds_to_an_offset_torii_chose, amd),
        BOTH(the_pat_is_the_control_blocks),
        BOTH(efer_is_the_control_blocks_and_takes_only_bits_the_processor_has),
        BOTH(lme_stands_while_paging_is_on_and_lma_is_the_processors),
        BOTH(microcode_is_not_the_domains_to_load),
        T(intel_hides_vmx_and_locks_feature_control, intel),
        T(amd_hides_svm_and_keeps_the_memory_map, amd),
        BOTH(one_vendors_msrs_mean_nothing_to_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
