/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/hvm.c src/hvm/iomap.c src/hvm/svm/svm.c src/hvm/vmx/vmcs_setup.c src/hvm/vmx/events.c src/hvm/bitmaps.c src/hvm/pio_pass.c src/hvm/lazy.c tests/unit/hvm_state_svm.c tests/unit/hvm_state_vmx.c tests/unit/fake_vmcs.c tests/unit/fakes.c */
/* The same guest states through both builders: VMCB and VMCS must say the same; so must the permission bitmaps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/iomap.h>

#include "fakes.h"
#include "fake_vmcs.h"
#include "hvm_state_views.h"
#include "../../src/hvm/hvm_internal.h"
#include "../../src/hvm/vmx/vmcs.h"

/* iomap.c wants the hardware's handlers. */
bool rdmsr_safe(u32 msr, u64 *val)
{
    return false;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    panic("port %#x\n", port);
}

typedef void view_fn(const struct hvm_state *s, struct hvm_view *out);
static view_fn *const views[] = {svm_view, vmx_view};

/* --- starts --- */

static struct hvm_state pvh(u32 entry, u32 start_info)
{
    struct hvm_state s;

    hvm_state_pvh(&s, entry, start_info);
    return s;
}

static struct hvm_state sipi(u8 vector)
{
    /* RDX at a start is the processor's signature, which the test's own CPU may give. */
    struct hvm_state s;

    hvm_state_sipi(&s, vector);
    return s;
}

static struct hvm_state wake(u32 vector)
{
    struct hvm_state s;

    hvm_state_wake(&s, vector);
    return s;
}

static struct hvm_state wake_flat(u32 vector)
{
    struct hvm_state s;

    hvm_state_wake_flat(&s, vector);
    return s;
}

/* As VCPUOP_initialise asks for it: 64-bit mode from the first instruction. */
static struct hvm_state long_mode(void)
{
    struct hvm_state s = pvh(0x1000000, 0);

    s.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_WP;
    s.efer = EFER_LME | EFER_LMA | EFER_NXE;
    s.seg[SEG_CS] = (struct hvm_segment){.sel = 8, .attr = 0xa9b, .limit = ~0u};
    s.regs.rip = 0xffffffff81000000;
    s.regs.rsp = 0xffff888000010000;
    return s;
}

static struct hvm_state with_an_absent_segment(void)
{
    struct hvm_state s = pvh(0x1000000, 0);

    s.seg[SEG_FS] = (struct hvm_segment){0};
    s.seg[SEG_LDTR] = (struct hvm_segment){0};
    return s;
}

#define FLAT_CODE                   \
    {                               \
        .attr = 0xc9b, .limit = ~0u \
    }
#define FLAT_DATA                   \
    {                               \
        .attr = 0xc93, .limit = ~0u \
    }
#define REAL_DATA                     \
    {                                 \
        .attr = 0x93, .limit = 0xffff \
    }
#define LDT                           \
    {                                 \
        .attr = 0x82, .limit = 0xffff \
    }
#define TSS                         \
    {                               \
        .attr = 0x8b, .limit = 0x67 \
    }

struct state_case {
    const char *name;
    struct hvm_state state;
    struct hvm_view expected;
};

static unsigned get_cases(struct state_case cases[8])
{
    const struct hvm_view flat = {
        .cr0 = CR0_PE | CR0_ET,
        .rip = 0x1000850,
        .rflags = 2,
        .dr7 = 0x400,
        .pat = 0x0007040600070406,
        .seg = {FLAT_DATA, FLAT_CODE, FLAT_DATA, FLAT_DATA, FLAT_DATA, FLAT_DATA, LDT, TSS},
        .usable = {true, true, true, true, true, true, true, true},
    };
    const struct hvm_view real = {
        .cr0 = CR0_ET | CR0_NW | CR0_CD,
        .rip = 0,
        .rflags = 2,
        .dr7 = 0x400,
        .pat = 0x0007040600070406,
        .seg = {REAL_DATA,
                {.sel = 0x9900, .attr = 0x9b, .limit = 0xffff, .base = 0x99000},
                REAL_DATA,
                REAL_DATA,
                REAL_DATA,
                REAL_DATA,
                LDT,
                TSS,
                {.limit = 0xffff},
                {.limit = 0xffff}},
        .usable = {true, true, true, true, true, true, true, true},
    };

    cases[0] = (struct state_case){"PVH entry", pvh(0x1000850, 0x4a00000), flat};
    cases[1] = (struct state_case){"start-up IPI", sipi(0x99), real};
    cases[2] = (struct state_case){"start-up IPI at the top", sipi(0xff), real};
    cases[2].expected.seg[SEG_CS].sel = 0xff00;
    cases[2].expected.seg[SEG_CS].base = 0xff000;
    cases[3] = (struct state_case){"64-bit mode", long_mode(), flat};
    cases[3].expected.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_WP;
    cases[3].expected.efer = EFER_LME | EFER_LMA | EFER_NXE;
    cases[3].expected.long_mode = true;
    cases[3].expected.rip = 0xffffffff81000000;
    cases[3].expected.rsp = 0xffff888000010000;
    cases[3].expected.seg[SEG_CS] = (struct hvm_segment){.sel = 8, .attr = 0xa9b, .limit = ~0u};
    cases[4] = (struct state_case){"absent segments", with_an_absent_segment(), flat};
    cases[4].expected.rip = 0x1000000;
    cases[4].expected.seg[SEG_FS] = cases[4].expected.seg[SEG_LDTR] = (struct hvm_segment){0};
    cases[4].expected.usable[SEG_FS] = cases[4].expected.usable[SEG_LDTR] = false;
    /* ACPI 6.5 §16.3.1.1: CS is the vector without its last digit, and the caches are on. */
    cases[5] = (struct state_case){"waking vector", wake(0x9a1c5), real};
    cases[5].expected.cr0 = CR0_ET;
    cases[5].expected.rip = 5;
    cases[5].expected.seg[SEG_CS].sel = 0x9a1c;
    cases[5].expected.seg[SEG_CS].base = 0x9a1c0;
    cases[6] = (struct state_case){"waking vector at the top", wake(0xfffff), real};
    cases[6].expected.cr0 = CR0_ET;
    cases[6].expected.rip = 0xf;
    cases[6].expected.seg[SEG_CS].sel = 0xffff;
    cases[6].expected.seg[SEG_CS].base = 0xffff0;
    cases[7] = (struct state_case){"flat waking vector", wake_flat(0x1000850), flat};
    return 8;
}

static void check_segment(const struct hvm_segment *a, const struct hvm_segment *b)
{
    assert_int_equal(a->sel, b->sel);
    assert_int_equal(a->attr, b->attr);
    assert_int_equal(a->limit, b->limit);
    assert_int_equal(a->base, b->base);
}

static void check_view(const struct hvm_view *got, const struct hvm_view *want)
{
    assert_int_equal(got->cr0, want->cr0);
    assert_int_equal(got->cr3, want->cr3);
    assert_int_equal(got->cr4, want->cr4);
    assert_int_equal(got->efer, want->efer);
    assert_int_equal(got->rip, want->rip);
    assert_int_equal(got->rsp, want->rsp);
    assert_int_equal(got->rflags, want->rflags);
    assert_int_equal(got->dr7, want->dr7);
    assert_int_equal(got->pat, want->pat);
    assert_int_equal(got->cpl, want->cpl);
    assert_int_equal(got->long_mode, want->long_mode);
    assert_int_equal(got->event_queued, want->event_queued);
    assert_int_equal(got->interrupts_blocked, want->interrupts_blocked);
    assert_int_equal(got->nmis_blocked, want->nmis_blocked);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        check_segment(&got->seg[i], &want->seg[i]);
    assert_memory_equal(got->usable, want->usable, sizeof(got->usable));
}

static void every_start_is_the_same_in_both_control_blocks(void **state)
{
    struct state_case cases[8];
    unsigned n = get_cases(cases);

    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < ARRAY_SIZE(views); j++) {
            struct hvm_view got;

            print_message("  %s, %s\n", cases[i].name, j ? "VMCS" : "VMCB");
            views[j](&cases[i].state, &got);
            check_view(&got, &cases[i].expected);
        }
}

static void the_pvh_entry_gets_its_start_info_in_ebx(void **state)
{
    struct hvm_state s = pvh(0x1000850, 0x4a00000);

    assert_int_equal(s.regs.rbx, 0x4a00000);
    assert_int_equal(s.regs.rax | s.regs.rcx | s.regs.rdx | s.regs.rsi | s.regs.rdi | s.regs.rbp, 0);
}

static void vmx_keeps_its_own_bits_in_hardware(void **state)
{
    struct hvm_state s = sipi(1);
    struct hvm_view view;

    vmx_view(&s, &view);
    assert_int_equal(vmread(VMCS_GUEST_CR0), CR0_ET | CR0_NE); /* caching stays on, whatever the guest believes */
    assert_int_equal(vmread(VMCS_GUEST_CR4), BIT(13));         /* VMXE */
}

/* --- events --- */

static const struct {
    void (*inject)(enum hvm_event_type type, u8 vector, struct hvm_queued *out);
    void (*exception)(u8 vector, bool has_error, u32 error, u64 cr2, struct hvm_queued *out);
    struct hvm_accepts (*accepts)(const struct hvm_moment *m);
} events[] = {{svm_inject_view, svm_exception_view, svm_accepts}, {vmx_inject_view, vmx_exception_view, vmx_accepts}};

static void an_interrupt_or_nmi_is_queued_alike(void **state)
{
    static const struct {
        enum hvm_event_type type;
        u8 vector;
    } cases[] = {{HVM_EVENT_INTERRUPT, 0x10}, {HVM_EVENT_INTERRUPT, 0xff}, {HVM_EVENT_NMI, EXC_NMI}};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        for (unsigned j = 0; j < ARRAY_SIZE(events); j++) {
            struct hvm_queued q;

            events[j].inject(cases[i].type, cases[i].vector, &q);
            assert_true(q.valid);
            assert_int_equal(q.type, cases[i].type);
            assert_int_equal(q.vector, cases[i].vector);
            assert_false(q.has_error);
            assert_int_equal(q.cr2, 0);
        }
}

static void an_exception_is_queued_alike(void **state)
{
    static const struct {
        u8 vector;
        bool has_error;
        u32 error;
        u64 cr2, cr2_after;
    } cases[] = {
        {EXC_UD, false, 0, 0, 0},
        {EXC_GP, true, 0, 0, 0},
        {EXC_GP, true, 0x1234, 0, 0},
        {EXC_PF, true, 6, 0xffff888000001234, 0xffff888000001234},
        {EXC_GP, true, 0, 0x5678, 0}, /* the address is a page fault's */
        {EXC_MC, false, 0, 0, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        for (unsigned j = 0; j < ARRAY_SIZE(events); j++) {
            struct hvm_queued q;

            events[j].exception(cases[i].vector, cases[i].has_error, cases[i].error, cases[i].cr2, &q);
            assert_true(q.valid);
            assert_int_equal(q.type, HVM_EVENT_EXCEPTION);
            assert_int_equal(q.vector, cases[i].vector);
            assert_int_equal(q.has_error, cases[i].has_error);
            assert_int_equal(q.error, cases[i].error);
            assert_int_equal(q.cr2, cases[i].cr2_after);
        }
}

static void a_guest_accepts_the_same_at_the_same_moment(void **state)
{
    for (unsigned bits = 0; bits < 16; bits++) {
        struct hvm_moment m = {bits & 1, bits & 2, bits & 4, bits & 8};

        for (unsigned j = 0; j < ARRAY_SIZE(events); j++) {
            struct hvm_accepts a = events[j].accepts(&m);

            assert_int_equal(a.irq, m.interrupts_enabled && !m.shadow && !m.event_queued);
            assert_int_equal(a.nmi, !m.nmi_in_service && !m.shadow && !m.event_queued);
            assert_int_equal(a.queued, m.event_queued);
        }
    }
}

/* --- what both share --- */

/* --- bitmaps --- */

static int some_read(struct vcpu *v, u32 msr, u64 *val)
{
    return 0;
}

static int some_write(struct vcpu *v, u32 msr, u64 val)
{
    return 0;
}

static void some_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
}

static const struct {
    u32 first, last;
    bool read, write;
} msr_cases[] = {
    {0x10, 0x10, false, true},
    {0x1b, 0x1b, true, true},
    {0x1f8, 0x20f, true, false},
    {0x800, 0x8ff, true, true},
    {0x1fff, 0x1fff, true, true},
    {0xc0000000, 0xc0000000, true, true},
    {0xc0000080, 0xc0000080, true, true},
    {0xc0001fff, 0xc0001fff, false, true},
    {0xc0010114, 0xc0010118, true, true},
};
static const struct {
    u16 first, last;
} port_cases[] = {{0, 0}, {0x20, 0x21}, {0x3f8, 0x3ff}, {0xcf8, 0xcff}, {0x7fff, 0x8000}, {0xffff, 0xffff}};

static bool expected_msr_exit(u32 msr, bool write)
{
    for (unsigned i = 0; i < ARRAY_SIZE(msr_cases); i++)
        if (msr >= msr_cases[i].first && msr <= msr_cases[i].last)
            return write ? msr_cases[i].write : msr_cases[i].read;
    return false;
}

static bool expected_port_exit(u16 port)
{
    for (unsigned i = 0; i < ARRAY_SIZE(port_cases); i++)
        if (port >= port_cases[i].first && port <= port_cases[i].last)
            return true;
    return false;
}

static struct domain *filled_domain(void)
{
    static struct domain d;

    memset(&d, 0, sizeof(d));
    assert_int_equal(io_map_init(&d), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(msr_cases); i++)
        assert_int_equal(msr_register(&d, msr_cases[i].first, msr_cases[i].last, msr_cases[i].read ? some_read : NULL,
                                      msr_cases[i].write ? some_write : NULL),
                         0);
    for (unsigned i = 0; i < ARRAY_SIZE(port_cases); i++)
        assert_int_equal(pio_register(&d, port_cases[i].first, port_cases[i].last, some_port, NULL), 0);
    return &d;
}

typedef bool msr_exits_fn(struct domain *d, u32 msr, bool write);
typedef bool port_exits_fn(struct domain *d, u16 port);

static void check_bitmaps(struct domain *d, msr_exits_fn *msr_exits, port_exits_fn *port_exits, const u32 *bases,
                          unsigned nr_bases)
{
    for (unsigned port = 0; port <= 0xffff; port++)
        assert_int_equal(port_exits(d, (u16)port), expected_port_exit((u16)port));
    for (unsigned i = 0; i < nr_bases; i++)
        for (u32 msr = bases[i]; msr < bases[i] + 0x2000; msr++) {
            assert_int_equal(msr_exits(d, msr, false), expected_msr_exit(msr, false));
            assert_int_equal(msr_exits(d, msr, true), expected_msr_exit(msr, true));
        }
}

static void bitmaps_say_what_the_tables_say(void **state)
{
    static const u32 bases[] = {0, 0xc0000000, 0xc0010000};
    struct domain *d = filled_domain();

    svm_bitmaps(d);
    check_bitmaps(d, svm_msr_exits, svm_port_exits, bases, 3);
    svm_bitmaps_free(d);
    vmx_bitmaps(d);
    check_bitmaps(d, vmx_msr_exits, vmx_port_exits, bases, 2);
    assert_true(vmx_msr_exits(d, 0xc0010114, false)); /* no bit for it: always exits */
    vmx_bitmaps_free(d);
    io_map_free(d);
    assert_int_equal(fake_allocs_live, 0);
}

static void bitmaps_are_made_anew_when_the_tables_change(void **state)
{
    struct domain *d = filled_domain();

    vmx_bitmaps(d);
    assert_false(vmx_msr_exits(d, 0x179, false));
    assert_int_equal(msr_register(d, 0x179, 0x179, some_read, NULL), 0);
    vmx_bitmaps(d);
    assert_true(vmx_msr_exits(d, 0x179, false));
    assert_false(vmx_msr_exits(d, 0x179, true));
    vmx_bitmaps_free(d);
    io_map_free(d);
    assert_int_equal(fake_allocs_live, 0);
}

/* SDM vol. 3 §25.11.4: VMX wants its bitmaps to stay as they are while a vCPU runs. */
static void a_port_changes_hands_in_a_running_domain_where_the_vendor_allows_it(void **state)
{
    struct domain *d = filled_domain();
    u16 port = 0x3f8;

    svm_bitmaps(d);
    assert_int_equal(pio_register_late(d, 0x1234, some_port, NULL), 0);
    assert_true(svm_port_exits(d, 0x1234));
    svm_bitmaps_free(d);
    vmx_bitmaps(d);
    assert_int_equal(pio_register_late(d, 0x1235, some_port, NULL), -XEN_EOPNOTSUPP);
    assert_false(vmx_port_exits(d, 0x1235));
    assert_false(pio_pass(d, port, port, true));
    vmx_bitmaps_free(d);
    io_map_free(d);
    assert_int_equal(fake_allocs_live, 0);
}

static void without_memory_there_are_no_bitmaps(void **state)
{
    static const struct hvm_bitmap_format format = {.io_order = 1, .msr_stride = 1};
    static const struct hvm_ops ops = {.bitmaps = &format};
    struct domain *d = filled_domain();

    hvm = &ops;
    for (int allocations = 0; allocations < 3; allocations++) {
        fake_alloc_fail_after = allocations;
        assert_int_equal(hvm_domain_init(d), -XEN_ENOMEM);
        fake_alloc_fail_after = -1;
        hvm_domain_free(d);
        assert_null(d->hvm);
    }
    hvm_domain_free(d); /* of a domain that has none */
    io_map_free(d);
    assert_int_equal(fake_allocs_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_start_is_the_same_in_both_control_blocks),
        cmocka_unit_test(the_pvh_entry_gets_its_start_info_in_ebx),
        cmocka_unit_test(vmx_keeps_its_own_bits_in_hardware),
        cmocka_unit_test(an_interrupt_or_nmi_is_queued_alike),
        cmocka_unit_test(an_exception_is_queued_alike),
        cmocka_unit_test(a_guest_accepts_the_same_at_the_same_moment),
        cmocka_unit_test(bitmaps_say_what_the_tables_say),
        cmocka_unit_test(a_port_changes_hands_in_a_running_domain_where_the_vendor_allows_it),
        cmocka_unit_test(without_memory_there_are_no_bitmaps),
        cmocka_unit_test(bitmaps_are_made_anew_when_the_tables_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
