/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain sees of its CPUs: src/hvm/cpuid.c over this host's CPUID, and over processors made up here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/cpu.h>

static struct cpuid_regs processor(uint32_t leaf, uint32_t subleaf);
#define cpuid processor
#include "../../src/hvm/cpuid.c"
#undef cpuid

/* --- the processor --- */

enum { THIS_HOST, ALL_ONES, ALL_ZEROS };
static unsigned kind, vendor;
enum { INTEL, AMD, HYGON, OTHER };
static u32 max_leaf;
static u32 address_bits;
static struct cpuid_regs cache[5]; /* leaf 4 */

static const char *const vendor_name[] = {"GenuntelineI", "AuthcAMDenti", "HygouinenGen", "CentaulsaurH"};

static struct cpuid_regs processor(u32 leaf, u32 subleaf)
{
    struct cpuid_regs r;

    if (kind == THIS_HOST)
        return cpuid(leaf, subleaf);
    memset(&r, kind == ALL_ONES ? 0xff : 0, sizeof(r));
    if (leaf == 0) {
        r.eax = max_leaf;
        memcpy(&r.ebx, vendor_name[vendor], 12);
    } else if (leaf == 4 && subleaf < ARRAY_SIZE(cache)) {
        r = cache[subleaf];
    } else if (leaf == 0x80000008 && address_bits) {
        r.eax = address_bits | 0x3000;
    }
    return r;
}

/* --- the rooms beside it --- */

static u64 cr4;
static bool apic_on;

static void get_control(struct vcpu *v, struct hvm_control *c)
{
    *c = (struct hvm_control){.cr4 = cr4};
}

static u64 get_cr4(struct vcpu *v)
{
    return cr4;
}

static const struct hvm_ops ops = {.get_control = get_control, .get_cr4 = get_cr4};
const struct hvm_ops *hvm = &ops;

u32 vlapic_id(const struct vcpu *v)
{
    return v->id;
}

bool vlapic_hw_enabled(const struct vcpu *v)
{
    return apic_on;
}

static struct domain dom;
static struct vcpu vcpus[MAX_VCPUS];

static void vcpus_set(unsigned n)
{
    dom.nr_vcpus = n;
    for (unsigned i = 0; i < n; i++) {
        vcpus[i] = (struct vcpu){.id = i, .d = &dom};
        dom.vcpu[i] = &vcpus[i];
    }
}

static struct cpuid_regs see(unsigned id, u32 leaf, u32 subleaf)
{
    struct cpuid_regs r;

    hvm_cpuid(&vcpus[id], leaf, subleaf, &r);
    return r;
}

static int setup(void **state)
{
    kind = ALL_ONES;
    vendor = INTEL;
    max_leaf = 0x20;
    address_bits = 0;
    cr4 = 0;
    apic_on = true;
    vcpus_set(2);
    cache[0] = (struct cpuid_regs){.eax = 0xfc000121}; /* data, level 1 */
    cache[1] = (struct cpuid_regs){.eax = 0xfc000122}; /* code, level 1 */
    cache[2] = (struct cpuid_regs){.eax = 0xfc03c143}; /* level 2 */
    cache[3] = (struct cpuid_regs){.eax = 0xffffc163, .ebx = 0x02c0003f, .ecx = 0xffff, .edx = 4};
    cache[4] = (struct cpuid_regs){0};
    return 0;
}

static unsigned log2_up(unsigned n)
{
    unsigned bits = 0;

    while ((1u << bits) < n)
        bits++;
    return bits;
}

static const unsigned sizes[] = {1, 2, 3, 4, 5, 8, 9, 16, 64, 65, 128};

static void leaf_1_names_the_vcpu_and_how_many_there_are(void **state)
{
    for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
        vcpus_set(sizes[s]);
        for (unsigned i = 0; i < sizes[s]; i++) {
            struct cpuid_regs r = see(i, 1, 0);

            assert_int_equal(r.ebx >> 24, i);
            assert_int_equal(r.ebx >> 16 & 0xff, sizes[s]);
            assert_int_equal(r.ebx >> 8 & 0xff, 0xff); /* CLFLUSH line: the processor's */
            assert_int_equal(r.edx >> 28 & 1, sizes[s] > 1);
        }
    }
}

static void the_x2apic_topology_is_one_package_of_one_thread_cores(void **state)
{
    static const u32 leaves[] = {0xb, 0x1f};

    for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++)
        for (unsigned l = 0; l < 2; l++) {
            vcpus_set(sizes[s]);
            for (unsigned i = 0; i < sizes[s]; i++) {
                struct cpuid_regs thread = see(i, leaves[l], 0), core = see(i, leaves[l], 1);

                assert_int_equal(thread.eax, 0);
                assert_int_equal(thread.ebx, 1);
                assert_int_equal(thread.ecx, 1 << 8 | 0);
                assert_int_equal(thread.edx, i);
                assert_int_equal(core.eax, log2_up(sizes[s]));
                assert_int_equal(core.ebx, sizes[s]);
                assert_int_equal(core.ecx, 2 << 8 | 1);
                assert_int_equal(core.edx, i);
                assert_int_equal(i >> core.eax, 0); /* the same package for all */
                for (u32 sub = 2; sub < 6; sub++) {
                    struct cpuid_regs end = see(i, leaves[l], sub);

                    assert_int_equal(end.eax | end.ebx, 0);
                    assert_int_equal(end.ecx, sub);
                    assert_int_equal(end.edx, i);
                }
            }
        }
}

static void caches_are_private_but_the_last_level_is_everybodys(void **state)
{
    for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
        unsigned ids = 1u << log2_up(sizes[s]);

        vcpus_set(sizes[s]);
        for (u32 sub = 0; sub < 4; sub++) {
            struct cpuid_regs r = see(0, 4, sub);

            assert_int_equal(r.eax & 0x3fff, cache[sub].eax & 0x3fff);
            assert_int_equal((r.eax >> 14 & 0xfff) + 1, sub == 3 ? ids : 1);
            assert_int_equal((r.eax >> 26) + 1, min(ids, 64u));
            assert_int_equal(r.ebx, cache[sub].ebx);
            assert_int_equal(r.ecx, cache[sub].ecx);
            assert_int_equal(r.edx, cache[sub].edx);
        }
        assert_int_equal(see(0, 4, 4).eax, 0); /* no more caches */
    }
}

static void amd_counts_the_same_cores(void **state)
{
    for (vendor = AMD; vendor <= HYGON; vendor++)
        for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
            struct cpuid_regs r;

            vcpus_set(sizes[s]);
            r = see(0, 0x80000008, 0);
            assert_int_equal((r.ecx & 0xff) + 1, sizes[s]);
            assert_int_equal(r.ecx >> 12 & 0xf, log2_up(sizes[s]));
            assert_int_equal(see(0, 0x80000001, 0).ecx >> 1 & 1, sizes[s] > 1); /* CmpLegacy */
            assert_int_equal(see(0, 0x80000001, 0).ecx & BIT(22), 0);           /* no topology extensions */
            r = see(0, 0x8000001e, 0);
            assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
        }
}

static void the_vendor_is_told_by_its_name(void **state)
{
    for (vendor = INTEL; vendor <= OTHER; vendor++)
        assert_int_equal(hvm_vendor_is_amd(), vendor == AMD || vendor == HYGON);
    vendor = INTEL;
}

/* Feature bits that must not be seen, from the manuals: of leaf 1, 7, 0x80000001. */
static void what_torii_does_not_virtualise_is_never_seen(void **state)
{
    static const struct {
        u32 leaf, subleaf;
        u64 ebx, ecx, edx;
    } hidden[] = {
        /* MONITOR, VMX, SMX, EIST, TM2, xTPR, PDCM, DCA; PSN, DS, ACPI, TM, PBE */
        {1, 0, 0, BIT(3) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(14) | BIT(15) | BIT(18),
         BIT(18) | BIT(21) | BIT(22) | BIT(29) | BIT(31)},
        /* SGX, PQM, PQE, PT; WAITPKG, CET_SS, TME, SGX_LC, PKS; UINTR, HYBRID, PCONFIG, LBR, IBT, AMX */
        {7, 0, BIT(2) | BIT(12) | BIT(15) | BIT(25), BIT(5) | BIT(7) | BIT(13) | BIT(30) | BIT(31),
         BIT(5) | BIT(15) | BIT(18) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | BIT(25)},
        /* UIRET, CET_SSS, AMX-COMPLEX */
        {7, 1, 0, 0, BIT(8) | BIT(17) | BIT(18)},
        /* SVM, IBS, SKINIT, WDT, LWP, NodeId, TopoExt, PerfCtr, MWAITX */
        {0x80000001, 0, 0,
         BIT(2) | BIT(10) | BIT(12) | BIT(13) | BIT(15) | BIT(19) | BIT(22) | BIT(23) | BIT(24) | BIT(28) | BIT(29), 0},
    };

    for (vendor = INTEL; vendor <= OTHER; vendor++)
        for (unsigned pass = 0; pass < 2; pass++) {
            cr4 = pass ? ~0ull : 0;
            for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++) {
                struct cpuid_regs r = see(0, hidden[i].leaf, hidden[i].subleaf);

                assert_int_equal(r.ebx & hidden[i].ebx, 0);
                assert_int_equal(r.ecx & hidden[i].ecx, 0);
                assert_int_equal(r.edx & hidden[i].edx, 0);
            }
        }
    /* FRED, AMX-FP16, HRESET, MSRLIST */
    assert_int_equal(see(0, 7, 1).eax & (BIT(17) | BIT(21) | BIT(22) | BIT(27)), 0);
}

static void whole_leaves_of_what_is_hidden_are_empty(void **state)
{
    static const u32 leaves[] = {5,          9,          0xa,        0xf,        0x10,       0x12,
                                 0x14,       0x17,       0x18,       0x19,       0x1b,       0x1c,
                                 0x1d,       0x1e,       0x8000000a, 0x8000001b, 0x8000001c, 0x8000001d,
                                 0x8000001e, 0x8000001f, 0x80000020, 0x80000022, 0x80000026};

    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
        for (u32 sub = 0; sub < 4; sub++) {
            struct cpuid_regs r = see(0, leaves[i], sub);

            assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
        }
}

static void state_components_of_what_is_hidden_are_not_listed(void **state)
{
    struct cpuid_regs r;

    kind = ALL_ONES;
    r = see(0, 0xd, 0);
    assert_int_equal(r.eax, 0x2ff); /* x87 to AVX-512, PKRU; no AMX */
    assert_int_equal(r.edx, 0);
    r = see(0, 0xd, 1); /* nothing for IA32_XSS: no processor trace, no CET */
    assert_int_equal(r.ecx | r.edx, 0);
    for (u32 sub = 2; sub < 64; sub++) {
        r = see(0, 0xd, sub);
        assert_int_equal(!!(r.eax | r.ebx | r.ecx | r.edx), sub < 8 || sub == 9);
    }
    kind = THIS_HOST;
    r = see(0, 0xd, 0);
    assert_in_range(r.ecx, r.eax ? 576 : 0, cpuid(0xd, 0).ecx);
}

static void power_management_is_a_timer_that_runs_on_and_an_invariant_tsc(void **state)
{
    struct cpuid_regs r = see(0, 6, 0);

    assert_int_equal(r.eax, BIT(2));
    assert_int_equal(r.ebx | r.ecx | r.edx, 0);
    r = see(0, 0x80000007, 0);
    assert_int_equal(r.edx, BIT(8));
    assert_int_equal(r.eax | r.ebx | r.ecx, 0);
    kind = ALL_ZEROS;
    assert_int_equal(see(0, 0x80000007, 0).edx, 0); /* not invariant where the processor's is not */
}

static void what_torii_adds_is_seen_on_any_processor(void **state)
{
    kind = ALL_ZEROS;
    assert_int_equal(see(0, 1, 0).ecx, BIT(21) | BIT(24) | BIT(31)); /* x2APIC, TSC deadline, a hypervisor */
    assert_int_equal(see(0, 1, 0).edx, BIT(9) | BIT(28));
}

static void bits_that_mirror_registers_follow_them(void **state)
{
    assert_false(see(0, 1, 0).ecx & BIT(27)); /* OSXSAVE: the processor's own says what Torii uses */
    assert_false(see(0, 7, 0).ecx & BIT(4));  /* OSPKE */
    assert_true(see(0, 1, 0).edx & BIT(9));
    cr4 = CR4_OSXSAVE;
    assert_true(see(0, 1, 0).ecx & BIT(27));
    cr4 = CR4_PKE;
    assert_true(see(0, 7, 0).ecx & BIT(4));
    apic_on = false;
    assert_false(see(0, 1, 0).edx & BIT(9));
    vendor = AMD;
    assert_false(see(0, 0x80000001, 0).edx & BIT(9));
    apic_on = true;
    assert_true(see(0, 0x80000001, 0).edx & BIT(9));
    kind = ALL_ZEROS;
    assert_false(see(0, 7, 0).ecx & BIT(4)); /* no protection keys at all */
}

static void physical_addresses_end_where_stage_2_does(void **state)
{
    static const u32 bits[][2] = {{36, 36}, {39, 39}, {46, 46}, {48, 48}, {52, 48}};

    for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
        address_bits = bits[i][0];
        assert_int_equal(see(0, 0x80000008, 0).eax, bits[i][1] | 0x3000);
    }
}

static void another_hypervisors_leaves_are_not_passed_on(void **state)
{
    for (u32 leaf = 0x40000000; leaf < 0x40010000; leaf += 0xff) {
        struct cpuid_regs r = see(0, leaf, 0);

        assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    }
}

static void a_processor_without_leaf_b_is_given_none(void **state)
{
    max_leaf = 0xa;
    assert_int_equal(see(1, 0xb, 0).edx, ~0u); /* as it answers any leaf it does not have */
    max_leaf = 0xb;
    assert_int_equal(see(1, 0xb, 0).edx, 1);
    assert_int_equal(see(1, 0x1f, 0).edx, ~0u);
}

/* This host: nothing is made up but what is listed. */
static void no_feature_appears_that_the_processor_lacks(void **state)
{
    struct cpuid_regs ours, real;

    kind = THIS_HOST;
    cr4 = CR4_OSXSAVE | CR4_PKE;
    ours = see(0, 1, 0);
    real = cpuid(1, 0);
    assert_int_equal(ours.eax, real.eax);
    assert_int_equal(ours.ecx & ~real.ecx & ~(BIT(21) | BIT(24) | BIT(27) | BIT(31)), 0);
    assert_int_equal(ours.edx & ~real.edx & ~(BIT(9) | BIT(28)), 0);
    /* Plain instruction sets are untouched: FPU, CMOV, CX8, SSE; SSE3, SSSE3, CX16, SSE4, POPCNT, AES, XSAVE, AVX. */
    assert_int_equal((ours.edx ^ real.edx) & (BIT(0) | BIT(8) | BIT(15) | BIT(25) | BIT(26)), 0);
    assert_int_equal((ours.ecx ^ real.ecx) &
                         (BIT(0) | BIT(9) | BIT(13) | BIT(19) | BIT(20) | BIT(23) | BIT(25) | BIT(26) | BIT(28)),
                     0);
    ours = see(0, 7, 0);
    real = cpuid(7, 0);
    assert_int_equal(ours.ebx & ~real.ebx, 0);
    assert_int_equal(ours.ecx & ~real.ecx & ~BIT(4), 0);
    assert_int_equal(ours.edx & ~real.edx, 0);
    assert_int_equal((ours.ebx ^ real.ebx) & (BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(20)),
                     0); /* BMI, AVX2, SMEP, SMAP */
    ours = see(0, 0x80000001, 0);
    real = cpuid(0x80000001, 0);
    assert_int_equal(ours.ecx & ~real.ecx & ~BIT(1), 0);
    assert_int_equal(ours.edx & ~real.edx & ~BIT(9), 0);
    assert_int_equal((ours.edx ^ real.edx) & (BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29)), 0); /* SYSCALL .. LM */
}

static void names_and_cache_sizes_are_the_processors(void **state)
{
    static const u32 leaves[] = {0, 2, 0x80000000, 0x80000002, 0x80000003, 0x80000004, 0x80000005, 0x80000006};

    kind = THIS_HOST;
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        struct cpuid_regs ours = see(0, leaves[i], 0), real = cpuid(leaves[i], 0);

        assert_memory_equal(&ours, &real, sizeof(real));
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(leaf_1_names_the_vcpu_and_how_many_there_are),
        T(the_x2apic_topology_is_one_package_of_one_thread_cores),
        T(caches_are_private_but_the_last_level_is_everybodys),
        T(amd_counts_the_same_cores),
        T(the_vendor_is_told_by_its_name),
        T(what_torii_does_not_virtualise_is_never_seen),
        T(whole_leaves_of_what_is_hidden_are_empty),
        T(state_components_of_what_is_hidden_are_not_listed),
        T(power_management_is_a_timer_that_runs_on_and_an_invariant_tsc),
        T(what_torii_adds_is_seen_on_any_processor),
        T(bits_that_mirror_registers_follow_them),
        T(physical_addresses_end_where_stage_2_does),
        T(another_hypervisors_leaves_are_not_passed_on),
        T(a_processor_without_leaf_b_is_given_none),
        T(no_feature_appears_that_the_processor_lacks),
        T(names_and_cache_sizes_are_the_processors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
