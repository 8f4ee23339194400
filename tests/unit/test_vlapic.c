/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
/* The virtual local APIC: reset, modes, registers, pins. */
#include "vlapic_world.h"

/* --- state at power-up --- */

static void registers_have_their_reset_values(void **state)
{
    static const struct {
        unsigned reg;
        u32 val;
    } reset[] = {
        {APIC_ID, 2u << 24}, {APIC_VERSION, 0x00050014},
        {APIC_TPR, 0},       {APIC_APR, 0},
        {APIC_PPR, 0},       {APIC_EOI, 0},
        {APIC_RRD, 0},       {APIC_LDR, 0},
        {APIC_DFR, ~0u},     {APIC_SVR, 0xff},
        {APIC_ESR, 0},       {APIC_ICR, 0},
        {APIC_ICR_HIGH, 0},  {APIC_TICR, 0},
        {APIC_TCCR, 0},      {APIC_DCR, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(reset); i++)
        assert_int_equal(env_read(2, reset[i].reg), reset[i].val);
    for (unsigned i = 0; i < LVT_COUNT; i++)
        assert_int_equal(env_read(2, APIC_LVT + i), LVT_MASKED);
    for (unsigned i = 0; i < 24; i++)
        assert_int_equal(env_read(2, APIC_ISR + i), 0);
    assert_int_equal(env_l(2)->esr_pending, 0);
}

static void only_vcpu_0_is_the_boot_processor(void **state)
{
    assert_int_equal(env_read_msr(0, MSR_APIC_BASE), BASE | APIC_BASE_EN | APIC_BASE_BSP);
    assert_int_equal(env_read_msr(1, MSR_APIC_BASE), BASE | APIC_BASE_EN);
    assert_true(vlapic_hw_enabled(&env_vcpu[1]));
    assert_false(vlapic_sw_enabled(&env_vcpu[1]));
    assert_int_equal(vlapic_id(&env_vcpu[3]), 3);
}

static void no_memory_is_an_error_and_leaves_nothing(void **state)
{
    struct vcpu v = {.id = 9, .d = &env_domain};

    fake_alloc_fail_after = 0;
    assert_int_equal(vlapic_init(&v), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    assert_null(v.vlapic);
    vlapic_free(&v);
}

static void init_resets_all_but_id_and_base(void **state)
{
    env_x2apic(1);
    env_enable(1);
    env_write(1, APIC_TPR, 0x55);
    vlapic_set_irq(&env_vcpu[1], 0x80, true);
    assert_int_equal(env_take(1), 0x80);
    vlapic_set_nmi(&env_vcpu[1]);
    vlapic_reset(&env_vcpu[1]);
    assert_int_equal(env_read_msr(1, MSR_APIC_BASE), BASE | APIC_BASE_EN | APIC_BASE_EXTD);
    assert_int_equal(env_read(1, APIC_ID), 1);
    assert_int_equal(env_read(1, APIC_TPR), 0);
    assert_int_equal(env_read(1, APIC_SVR), 0xff);
    assert_int_equal(env_read(1, APIC_ISR + 4), 0);
    assert_int_equal(env_read(1, APIC_TMR + 4), 0);
    assert_false(vlapic_nmi_pending(&env_vcpu[1]));
}

/* --- IA32_APIC_BASE --- */

#define XAPIC  (BASE | APIC_BASE_EN)
#define X2APIC (BASE | APIC_BASE_EN | APIC_BASE_EXTD)

static void mode_transitions_follow_the_manual(void **state)
{
    static const u64 value[] = {BASE, XAPIC, X2APIC, BASE | APIC_BASE_EXTD};
    static const bool legal[3][4] = {
        {true, true, false, false}, /* from disabled */
        {true, true, true, false},  /* from xAPIC */
        {true, false, true, false}, /* from x2APIC */
    };

    for (unsigned from = 0; from < 3; from++) {
        for (unsigned to = 0; to < 4; to++) {
            assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, BASE), 0);
            if (from)
                assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, XAPIC), 0);
            if (from == 2)
                assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, X2APIC), 0);
            assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, value[to]), legal[from][to] ? 0 : GP);
            assert_int_equal(env_read_msr(1, MSR_APIC_BASE), legal[from][to] ? value[to] : value[from]);
        }
    }
}

static void another_base_or_a_reserved_bit_is_gp(void **state)
{
    assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, 0xfee01000 | APIC_BASE_EN), GP);
    assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, XAPIC | BIT(36)), GP);
    assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, XAPIC | BIT(9)), GP);
    assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, XAPIC | 1), GP);
    assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, 0), GP);
    assert_int_equal(env_read_msr(1, MSR_APIC_BASE), XAPIC);
}

static void the_bsp_bit_does_not_change(void **state)
{
    assert_int_equal(env_wrmsr(0, MSR_APIC_BASE, XAPIC), 0);
    assert_int_equal(env_read_msr(0, MSR_APIC_BASE), XAPIC | APIC_BASE_BSP);
    assert_int_equal(env_wrmsr(1, MSR_APIC_BASE, XAPIC | APIC_BASE_BSP), 0);
    assert_int_equal(env_read_msr(1, MSR_APIC_BASE), XAPIC);
}

static void disabling_loses_the_state(void **state)
{
    env_enable(1);
    env_write(1, APIC_TPR, 0x30);
    vlapic_set_irq(&env_vcpu[1], 0x50, false);
    env_wrmsr(1, MSR_APIC_BASE, BASE);
    assert_false(vlapic_hw_enabled(&env_vcpu[1]));
    assert_int_equal(vlapic_pending_vector(&env_vcpu[1]), -1);
    vlapic_set_irq(&env_vcpu[1], 0x60, false);
    env_wrmsr(1, MSR_APIC_BASE, XAPIC);
    assert_int_equal(env_read(1, APIC_TPR), 0);
    assert_int_equal(env_read(1, APIC_SVR), 0xff);
    assert_int_equal(vlapic_highest_irr(&env_vcpu[1]), -1);
}

static void going_to_x2apic_keeps_the_state(void **state)
{
    env_enable(1);
    env_write(1, APIC_TPR, 0x30);
    env_write(1, APIC_LVT + LVT_PMC, 0x4ee);
    vlapic_set_irq(&env_vcpu[1], 0x50, false);
    env_x2apic(1);
    assert_int_equal(env_read(1, APIC_TPR), 0x30);
    assert_int_equal(env_read(1, APIC_SVR), 0x1ff);
    assert_int_equal(env_read(1, APIC_LVT + LVT_PMC), 0x4ee);
    assert_int_equal(env_take(1), 0x50);
}

static void the_page_is_gone_in_x2apic_mode_and_when_disabled(void **state)
{
    env_enable(1);
    env_x2apic(1);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_VERSION), 4), 0xffffffff);
    env_mmio_write(1, REG_MMIO(APIC_TPR), 4, 0x20);
    assert_int_equal(env_read(1, APIC_TPR), 0);
    env_wrmsr(1, MSR_APIC_BASE, BASE);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_SVR), 4), 0xffffffff);
    env_mmio_write(1, REG_MMIO(APIC_SVR), 4, 0x1ff);
    assert_false(vlapic_sw_enabled(&env_vcpu[1]));
}

static void the_msrs_are_gp_in_xapic_mode_and_when_disabled(void **state)
{
    u64 val;

    for (u32 msr = 0x800; msr <= 0x8ff; msr++) {
        assert_int_equal(env_rdmsr(1, msr, &val), GP);
        assert_int_equal(env_wrmsr(1, msr, 0), GP);
    }
    env_wrmsr(1, MSR_APIC_BASE, BASE);
    assert_int_equal(env_rdmsr(1, 0x802, &val), GP);
    assert_int_equal(env_wrmsr(1, MSR_X2APIC_EOI, 0), GP);
}

/* --- register access --- */

static void xapic_registers_keep_their_writable_bits_only(void **state)
{
    static const struct {
        unsigned reg;
        u32 ones, zeroes;
    } r[] = {
        {APIC_ID, 1u << 24, 1u << 24},
        {APIC_VERSION, 0x50014, 0x50014},
        {APIC_TPR, 0xff, 0},
        {APIC_LDR, 0xff000000, 0},
        {APIC_DFR, ~0u, 0x0fffffff},
        {APIC_SVR, 0x1ff, 0x000},
        {APIC_ICR_HIGH, 0xff000000, 0},
        {APIC_TICR, ~0u, 0},
        {APIC_DCR, 0xb, 0},
    };
    static const u32 lvt[LVT_COUNT] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

    env_enable(1);
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        env_write(1, APIC_LVT + i, ~0u);
        assert_int_equal(env_read(1, APIC_LVT + i), lvt[i]);
        env_write(1, APIC_LVT + i, 0);
        assert_int_equal(env_read(1, APIC_LVT + i), 0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(r); i++) {
        env_write(1, r[i].reg, ~0u);
        assert_int_equal(env_read(1, r[i].reg), r[i].ones);
        env_write(1, r[i].reg, 0);
        assert_int_equal(env_read(1, r[i].reg), r[i].zeroes);
    }
}

static void x2apic_reserved_bits_are_gp(void **state)
{
    static const struct {
        unsigned reg;
        u64 good, bad;
    } r[] = {
        {APIC_TPR, 0xff, 0x100},
        {APIC_EOI, 0, 1},
        {APIC_SVR, 0x1ff, 0x200},
        {APIC_SVR, 0x100, 0x1000},
        {APIC_ESR, 0, 1},
        {APIC_LVT + LVT_TIMER, 0x710ff, 0x100},
        {APIC_LVT + LVT_TIMER, 0, 0x80000},
        {APIC_LVT + LVT_THERMAL, 0x117ff, 0x2000},
        {APIC_LVT + LVT_PMC, 0x117ff, 0x20000},
        {APIC_LVT + LVT_LINT0, 0x1f7ff, 0x800},
        {APIC_LVT + LVT_LINT1, 0x1f7ff, 0x20000},
        {APIC_LVT + LVT_ERROR, 0x110ff, 0x400},
        {APIC_TICR, ~0u, BIT(32)},
        {APIC_DCR, 0xb, 4},
        {APIC_DCR, 0, 0x10},
        {APIC_SELF_IPI, 0x40, 0x140},
        {APIC_ICR, 0x40000 | 0x30, 0x1000},
        {APIC_ICR, 0x40030, 0x2000},
        {APIC_ICR, 0x40030, 0x10000},
        {APIC_ICR, 0x40030, 0x100000},
        {APIC_TPR, 0, BIT(32)},
        {APIC_EOI, 0, BIT(40)},
        {APIC_DCR, 0, BIT(63)},
        {APIC_SVR, 0x1ff, BIT(33)},
    };

    env_x2apic(1);
    for (unsigned i = 0; i < ARRAY_SIZE(r); i++) {
        assert_int_equal(env_wrmsr(1, MSR_X2APIC + r[i].reg, r[i].good), 0);
        assert_int_equal(env_wrmsr(1, MSR_X2APIC + r[i].reg, r[i].good | r[i].bad), GP);
    }
}

static void x2apic_has_exactly_the_registers_of_the_table(void **state)
{
    static const u8 readable[] = {0x02, 0x03, 0x08, 0x0a, 0x0d, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                                  0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25,
                                  0x26, 0x27, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3e};
    static const u8 writable[] = {0x08, 0x0b, 0x0f, 0x28, 0x30, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x3e, 0x3f};

    env_x2apic(1);
    for (unsigned reg = 0; reg < 0x100; reg++) {
        bool r = false, w = false;
        u64 val;

        for (unsigned i = 0; i < sizeof(readable); i++)
            r |= readable[i] == reg;
        for (unsigned i = 0; i < sizeof(writable); i++)
            w |= writable[i] == reg;
        assert_int_equal(env_rdmsr(1, MSR_X2APIC + reg, &val), r ? 0 : GP);
        assert_int_equal(env_wrmsr(1, MSR_X2APIC + reg, 0), w ? 0 : GP);
    }
}

static void x2apic_ids_are_32_bits_and_ldr_follows_from_the_id(void **state)
{
    env_fini();
    env_init(20);
    env_x2apic(19);
    assert_int_equal(env_read(19, APIC_ID), 19);
    assert_int_equal(env_read(19, APIC_LDR), 1u << 16 | 1u << 3);
}

static void x2apic_icr_is_one_register_of_64_bits(void **state)
{
    env_x2apic(1);
    assert_int_equal(env_wrmsr(1, MSR_X2APIC_ICR, 0x0000000200004030), 0);
    assert_int_equal(env_read_msr(1, MSR_X2APIC_ICR), 0x0000000200004030);
}

static void narrow_and_odd_accesses_to_the_page_are_sane(void **state)
{
    env_mmio_write(1, REG_MMIO(APIC_ICR_HIGH), 4, 0x12345678);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_VERSION), 1), 0x14);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_VERSION) + 2, 1), 0x05);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_VERSION) + 2, 2), 0x05);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_VERSION), 8), 0x50014);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_VERSION) + 4, 4), 0);
    assert_int_equal(env_mmio_read(1, REG_MMIO(APIC_ICR_HIGH) + 3, 1), 0x12);
    env_mmio_write(1, REG_MMIO(APIC_TPR), 1, 0x40);
    assert_int_equal(env_read(1, APIC_TPR), 0x40);
    env_mmio_write(1, REG_MMIO(APIC_LDR) + 3, 1, 0x77);
    assert_int_equal(env_read(1, APIC_LDR), 0x77000000);
    env_mmio_write(1, REG_MMIO(APIC_LDR) + 4, 4, ~0u);
    env_mmio_write(1, REG_MMIO(APIC_TPR), 8, ~0ull);
    assert_int_equal(env_read(1, APIC_LDR), 0x77000000);
    assert_int_equal(env_read(1, APIC_TPR), 0xff);
}

static void cr8_is_the_upper_half_of_tpr(void **state)
{
    env_write(1, APIC_TPR, 0x5a);
    assert_int_equal(vlapic_get_cr8(&env_vcpu[1]), 5);
    vlapic_set_cr8(&env_vcpu[1], 5);
    assert_int_equal(env_read(1, APIC_TPR), 0x5a);
    vlapic_set_cr8(&env_vcpu[1], 9);
    assert_int_equal(env_read(1, APIC_TPR), 0x90);
}

/* --- LINT pins --- */

static void lint1_is_an_nmi_when_programmed_so(void **state)
{
    env_enable(1);
    vlapic_lint(&env_vcpu[1], 1);
    assert_false(vlapic_nmi_pending(&env_vcpu[1]));
    env_write(1, APIC_LVT + LVT_LINT1, DELIVERY_NMI << 8);
    vlapic_lint(&env_vcpu[1], 0);
    assert_false(vlapic_nmi_pending(&env_vcpu[1]));
    vlapic_lint(&env_vcpu[1], 1);
    assert_true(vlapic_take_nmi(&env_vcpu[1]));
}

static void lint0_delivers_its_vector_and_ignores_extint(void **state)
{
    env_enable(1);
    env_write(1, APIC_LVT + LVT_LINT0, 0x66);
    vlapic_lint(&env_vcpu[1], 0);
    assert_int_equal(env_take(1), 0x66);
    env_write(1, APIC_EOI, 0);
    env_write(1, APIC_LVT + LVT_LINT0, DELIVERY_EXTINT << 8 | 0x66);
    vlapic_lint(&env_vcpu[1], 0);
    assert_int_equal(vlapic_highest_irr(&env_vcpu[1]), -1);
}

static void without_an_apic_lint1_is_the_nmi_pin(void **state)
{
    env_wrmsr(1, MSR_APIC_BASE, BASE);
    vlapic_lint(&env_vcpu[1], 0);
    assert_false(vlapic_nmi_pending(&env_vcpu[1]));
    vlapic_lint(&env_vcpu[1], 1);
    assert_true(vlapic_nmi_pending(&env_vcpu[1]));
}

static void dump_prints_the_state(void **state)
{
    fake_log_count = 0;
    vlapic_dump(&env_vcpu[1]);
    assert_true(fake_log_count >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers_have_their_reset_values),
        T(only_vcpu_0_is_the_boot_processor),
        T(no_memory_is_an_error_and_leaves_nothing),
        T(init_resets_all_but_id_and_base),
        T(mode_transitions_follow_the_manual),
        T(another_base_or_a_reserved_bit_is_gp),
        T(the_bsp_bit_does_not_change),
        T(disabling_loses_the_state),
        T(going_to_x2apic_keeps_the_state),
        T(the_page_is_gone_in_x2apic_mode_and_when_disabled),
        T(the_msrs_are_gp_in_xapic_mode_and_when_disabled),
        T(xapic_registers_keep_their_writable_bits_only),
        T(x2apic_reserved_bits_are_gp),
        T(x2apic_has_exactly_the_registers_of_the_table),
        T(x2apic_ids_are_32_bits_and_ldr_follows_from_the_id),
        T(x2apic_icr_is_one_register_of_64_bits),
        T(narrow_and_odd_accesses_to_the_page_are_sane),
        T(cr8_is_the_upper_half_of_tpr),
        T(lint1_is_an_nmi_when_programmed_so),
        T(lint0_delivers_its_vector_and_ignores_extint),
        T(without_an_apic_lint1_is_the_nmi_pin),
        T(dump_prints_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
