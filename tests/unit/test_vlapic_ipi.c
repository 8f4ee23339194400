/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vdev_fakes.h"

#define N       36
#define LOGICAL ICR_LOGICAL
#define SELF    (1u << 18)
#define ALL     (2u << 18)
#define OTHERS  (3u << 18)
#define MODE(m) ((m) << 8)
#define VECTOR  0x71

static int setup(void **state)
{
    env_init(N);
    return 0;
}

static int teardown(void **state)
{
    env_fini();
    return 0;
}

static void enable_all(bool x2apic)
{
    for (unsigned i = 0; i < N; i++) {
        if (x2apic)
            env_x2apic(i);
        env_enable(i);
    }
}

static void icr(unsigned vcpu, u32 low, u32 dest)
{
    if (vlapic_in_x2apic(env_l(vcpu))) {
        assert_int_equal(env_wrmsr(vcpu, MSR_X2APIC_ICR, (u64)dest << 32 | low), 0);
    } else {
        env_write(vcpu, APIC_ICR_HIGH, dest << 24);
        env_write(vcpu, APIC_ICR, low);
    }
}

/* Which vCPUs hold VECTOR in IRR, and forget it. */
static u64 receivers(void)
{
    u64 set = 0;

    for (unsigned i = 0; i < N; i++) {
        if (env_l(i)->irr[VECTOR / 64] & BIT(VECTOR % 64))
            set |= BIT(i);
        env_l(i)->irr[VECTOR / 64] = 0;
    }
    return set;
}

static u64 nmis(void)
{
    u64 set = 0;

    for (unsigned i = 0; i < N; i++)
        set |= vlapic_take_nmi(&env_vcpu[i]) ? BIT(i) : 0;
    return set;
}

/* --- destinations --- */

static void a_physical_id_names_one(void **state)
{
    for (unsigned x2 = 0; x2 < 2; x2++) {
        enable_all(x2);
        for (unsigned i = 0; i < N; i++) {
            icr(3, VECTOR, i);
            assert_int_equal(receivers(), BIT(i));
        }
        icr(3, VECTOR, N);
        icr(3, VECTOR, 200);
        assert_int_equal(receivers(), 0);
    }
}

static void physical_broadcast_names_all(void **state)
{
    enable_all(false);
    icr(3, VECTOR, 0xff);
    assert_int_equal(receivers(), BIT(N) - 1);
}

static void x2apic_broadcast_is_32_bits_of_ones(void **state)
{
    enable_all(true);
    icr(3, VECTOR, 0xffffffff);
    assert_int_equal(receivers(), BIT(N) - 1);
    icr(3, VECTOR | LOGICAL, 0xffffffff);
    assert_int_equal(receivers(), BIT(N) - 1);
    icr(3, VECTOR, 0xff);
    assert_int_equal(receivers(), 0);
}

static void shorthands_name_self_all_and_others(void **state)
{
    for (unsigned x2 = 0; x2 < 2; x2++) {
        enable_all(x2);
        icr(3, VECTOR | SELF, 9);
        assert_int_equal(receivers(), BIT(3));
        icr(3, VECTOR | ALL, 9);
        assert_int_equal(receivers(), BIT(N) - 1);
        icr(3, VECTOR | OTHERS, 9);
        assert_int_equal(receivers(), (BIT(N) - 1) & ~BIT(3));
    }
}

static void flat_logical_ids_are_a_bit_mask(void **state)
{
    enable_all(false);
    for (unsigned i = 0; i < 8; i++)
        env_write(i, APIC_LDR, 1u << (24 + i));
    icr(8, VECTOR | LOGICAL, 0x85);
    assert_int_equal(receivers(), BIT(0) | BIT(2) | BIT(7));
    icr(8, VECTOR | LOGICAL, 0);
    assert_int_equal(receivers(), 0);
    icr(8, VECTOR | LOGICAL, 0x7f);
    assert_int_equal(receivers(), 0x7f);
}

static void cluster_logical_ids_match_cluster_and_member(void **state)
{
    enable_all(false);
    for (unsigned i = 0; i < 16; i++) {
        env_write(i, APIC_DFR, 0x0fffffff);
        env_write(i, APIC_LDR, (i / 4) << 28 | 1u << (24 + i % 4));
    }
    icr(0, VECTOR | LOGICAL, 0x26);
    assert_int_equal(receivers(), BIT(9) | BIT(10));
    icr(0, VECTOR | LOGICAL, 0xf1);
    assert_int_equal(receivers(), BIT(0) | BIT(4) | BIT(8) | BIT(12));
    icr(0, VECTOR | LOGICAL, 0x50);
    assert_int_equal(receivers(), 0);
}

static void a_reserved_logical_model_matches_nobody(void **state)
{
    enable_all(false);
    env_write(1, APIC_LDR, 0x02000000);
    env_write(1, APIC_DFR, 0x50000000);
    icr(0, VECTOR | LOGICAL, 0x02);
    assert_int_equal(receivers(), 0);
}

static void x2apic_logical_ids_name_members_of_one_cluster(void **state)
{
    enable_all(true);
    icr(0, VECTOR | LOGICAL, 0x00010005);
    assert_int_equal(receivers(), BIT(16) | BIT(18));
    icr(0, VECTOR | LOGICAL, 0x0002ffff);
    assert_int_equal(receivers(), BIT(32) | BIT(33) | BIT(34) | BIT(35));
    icr(0, VECTOR | LOGICAL, 0x8003);
    assert_int_equal(receivers(), BIT(0) | BIT(1) | BIT(15));
    icr(0, VECTOR | LOGICAL, 0x00030001);
    icr(0, VECTOR | LOGICAL, 0xffff0001);
    assert_int_equal(receivers(), 0);
}

static void an_8_bit_sender_reaches_x2apics_too(void **state)
{
    enable_all(true);
    assert_int_equal(vlapic_deliver(&env_domain, 5, false, DELIVERY_FIXED, VECTOR, false), 1);
    assert_int_equal(receivers(), BIT(5));
    assert_int_equal(vlapic_deliver(&env_domain, 0x03, true, DELIVERY_FIXED, VECTOR, false), 2);
    assert_int_equal(receivers(), BIT(0) | BIT(1));
    assert_int_equal(vlapic_deliver(&env_domain, 0xff, false, DELIVERY_FIXED, VECTOR, false), N);
    assert_int_equal(receivers(), BIT(N) - 1);
}

static void hardware_disabled_apics_receive_nothing(void **state)
{
    enable_all(false);
    env_wrmsr(2, MSR_APIC_BASE, VLAPIC_BASE);
    icr(0, VECTOR, 2);
    icr(0, VECTOR, 0xff);
    assert_int_equal(receivers(), (BIT(N) - 1) & ~BIT(2));
    icr(0, MODE(DELIVERY_NMI), 2);
    assert_int_equal(nmis(), 0);
    assert_int_equal(vlapic_deliver(&env_domain, 2, false, DELIVERY_INIT, 0, false), 0);
}

static void software_disabled_apics_receive_nmi_but_no_vectors(void **state)
{
    env_enable(0);
    icr(0, VECTOR, 1);
    assert_int_equal(receivers(), 0);
    icr(0, MODE(DELIVERY_NMI), 1);
    assert_int_equal(nmis(), BIT(1));
}

static void destination_is_the_lowest_numbered_match(void **state)
{
    enable_all(false);
    env_write(4, APIC_LDR, 0x10000000);
    env_write(6, APIC_LDR, 0x30000000);
    assert_ptr_equal(vlapic_destination(&env_domain, 7, false), &env_vcpu[7]);
    assert_ptr_equal(vlapic_destination(&env_domain, 0x10, true), &env_vcpu[4]);
    assert_ptr_equal(vlapic_destination(&env_domain, 0x20, true), &env_vcpu[6]);
    assert_ptr_equal(vlapic_destination(&env_domain, 0xff, false), &env_vcpu[0]);
    assert_null(vlapic_destination(&env_domain, 0x40, true));
    assert_null(vlapic_destination(&env_domain, 99, false));
}

/* --- lowest priority --- */

static void lowest_priority_takes_turns_among_equals(void **state)
{
    u64 seen = 0;

    enable_all(true);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vlapic_deliver(&env_domain, 0x2222, true, DELIVERY_LOWEST, VECTOR, false), 1);
        seen |= receivers();
    }
    assert_int_equal(seen, BIT(1) | BIT(5) | BIT(9) | BIT(13));
}

static void lowest_priority_prefers_the_least_busy(void **state)
{
    enable_all(true);
    env_write(1, APIC_TPR, 0x20);
    env_write(5, APIC_TPR, 0x10);
    vlapic_set_irq(&env_vcpu[9], 0x90, false);
    env_take(9);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(vlapic_deliver(&env_domain, 0x0222, true, DELIVERY_LOWEST, VECTOR, false), 1);
        assert_int_equal(receivers(), BIT(5));
    }
}

static void lowest_priority_skips_those_that_cannot_accept(void **state)
{
    enable_all(true);
    env_write(1, APIC_SVR, 0xff);
    for (unsigned i = 0; i < 3; i++) {
        icr(0, VECTOR | LOGICAL | MODE(DELIVERY_LOWEST), 0x6);
        assert_int_equal(receivers(), BIT(2));
    }
    env_write(2, APIC_SVR, 0xff);
    assert_int_equal(vlapic_deliver(&env_domain, 0x6, true, DELIVERY_LOWEST, VECTOR, true), 0);
}

/* --- vectors and modes --- */

static void an_illegal_vector_is_not_sent_and_logged(void **state)
{
    enable_all(false);
    icr(0, 15, 1);
    icr(0, 3 | MODE(DELIVERY_LOWEST), 1);
    assert_int_equal(env_read(1, APIC_IRR), 0);
    env_write(0, APIC_ESR, 0);
    assert_int_equal(env_read(0, APIC_ESR), ESR_SEND_ILLEGAL_VECTOR);
    env_write(1, APIC_ESR, 0);
    assert_int_equal(env_read(1, APIC_ESR), 0);
}

static void self_ipi_reaches_its_sender(void **state)
{
    enable_all(true);
    assert_int_equal(env_wrmsr(4, MSR_X2APIC + APIC_SELF_IPI, VECTOR), 0);
    assert_int_equal(receivers(), BIT(4));
    assert_int_equal(env_wrmsr(4, MSR_X2APIC + APIC_SELF_IPI, 8), 0);
    env_write(4, APIC_ESR, 0);
    assert_int_equal(env_read(4, APIC_ESR), ESR_SEND_ILLEGAL_VECTOR);
}

static void a_fixed_ipi_is_an_edge_whatever_the_trigger_bit_says(void **state)
{
    enable_all(true);
    icr(0, VECTOR | ICR_LEVEL_TRIGGERED | ICR_ASSERT, 1);
    assert_int_equal(env_read(1, APIC_TMR + VECTOR / 32), 0);
    assert_int_equal(env_take(1), VECTOR);
}

static void writing_icr_high_sends_nothing(void **state)
{
    enable_all(false);
    env_write(0, APIC_ICR, VECTOR);
    receivers();
    env_write(0, APIC_ICR_HIGH, 2u << 24);
    assert_int_equal(receivers(), 0);
    assert_int_equal(env_read(0, APIC_ICR_HIGH), 2u << 24);
    assert_int_equal(env_read(0, APIC_ICR), VECTOR);
}

static void nmi_goes_where_it_is_sent(void **state)
{
    enable_all(true);
    icr(0, MODE(DELIVERY_NMI), 7);
    assert_int_equal(nmis(), BIT(7));
    icr(0, MODE(DELIVERY_NMI) | OTHERS, 0);
    assert_int_equal(nmis(), (BIT(N) - 1) & ~BIT(0));
    icr(2, MODE(DELIVERY_NMI) | SELF, 0);
    assert_int_equal(nmis(), BIT(2));
}

static void smi_extint_and_reserved_modes_do_nothing(void **state)
{
    static const unsigned modes[] = {DELIVERY_SMI, 3, DELIVERY_EXTINT};

    enable_all(true);
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        icr(0, VECTOR | MODE(modes[i]), 1);
        icr(0, VECTOR | MODE(modes[i]) | OTHERS, 1);
        assert_int_equal(vlapic_deliver(&env_domain, 1, false, modes[i], VECTOR, false), 0);
    }
    assert_int_equal(receivers() | nmis(), 0);
    assert_int_equal(env_rec[1].kicks, 0);
}

static void a_kick_goes_to_the_target_only_if_news(void **state)
{
    enable_all(true);
    icr(0, VECTOR, 1);
    icr(0, VECTOR, 1);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_int_equal(env_rec[1].todo, TODO_EVENTS);
    assert_int_equal(env_rec[0].kicks, 0);
}

/* --- INIT and STARTUP --- */

#define INIT_ASSERT   (MODE(DELIVERY_INIT) | ICR_ASSERT | ICR_LEVEL_TRIGGERED)
#define INIT_DEASSERT (MODE(DELIVERY_INIT) | ICR_LEVEL_TRIGGERED)
#define STARTUP(page) (MODE(DELIVERY_STARTUP) | (page))

static enum vlapic_startup take(unsigned vcpu, u8 *vector)
{
    return vlapic_take_startup(&env_vcpu[vcpu], vector);
}

static void init_sipi_sipi_starts_a_processor_once(void **state)
{
    u8 vector = 0;

    icr(0, INIT_ASSERT, 1);
    icr(0, INIT_DEASSERT, 1);
    assert_int_equal(env_rec[1].kicks, 0);
    icr(0, STARTUP(0x9a), 1);
    icr(0, STARTUP(0x9b), 1);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_int_equal(env_rec[1].todo, TODO_RESET); /* which runs it, and is what starts it */
    assert_int_equal(take(1, &vector), STARTUP_SIPI);
    assert_int_equal(vector, 0x9a);
    assert_int_equal(take(1, &vector), STARTUP_NONE);
}

static void init_stops_a_running_processor_and_resets_its_apic(void **state)
{
    u8 vector = 0;

    env_rec[1].online = true;
    env_l(1)->startup = 0;
    env_enable(1);
    icr(0, INIT_ASSERT, 1);
    assert_int_equal(env_rec[1].todo, TODO_RESET);
    assert_int_equal(env_rec[1].starts, 0);
    assert_int_equal(take(1, &vector), STARTUP_INIT);
    assert_false(vlapic_sw_enabled(&env_vcpu[1]));
    assert_int_equal(take(1, &vector), STARTUP_NONE);
}

static void sipi_to_a_running_processor_is_ignored(void **state)
{
    u8 vector = 0;

    env_rec[1].online = true;
    env_l(1)->startup = 0;
    icr(0, STARTUP(0x9a), 1);
    assert_int_equal(take(1, &vector), STARTUP_NONE);
    assert_int_equal(env_rec[1].starts, 0);
    icr(1, STARTUP(0x9a), 0);
    assert_int_equal(take(0, &vector), STARTUP_NONE);
}

static void sipi_to_a_processor_brought_up_by_hypercall_is_ignored_but_init_counts(void **state)
{
    u8 vector = 0;

    env_rec[1].online = true;
    icr(0, STARTUP(0x10), 1);
    assert_int_equal(take(1, &vector), STARTUP_NONE);
    icr(0, INIT_ASSERT, 1);
    assert_int_equal(take(1, &vector), STARTUP_INIT);
    icr(0, STARTUP(0x10), 1);
    assert_int_equal(take(1, &vector), STARTUP_SIPI);
    assert_int_equal(vector, 0x10);
}

static void sipi_that_overtakes_the_handling_of_init_is_not_lost(void **state)
{
    u8 vector = 0;

    env_rec[1].online = true;
    env_l(1)->startup = 0;
    env_enable(1);
    icr(0, INIT_ASSERT, 1);
    icr(0, STARTUP(0x42), 1);
    assert_int_equal(take(1, &vector), STARTUP_SIPI);
    assert_int_equal(vector, 0x42);
    assert_false(vlapic_sw_enabled(&env_vcpu[1]));
}

static void sipi_between_init_and_offline_is_seen_by_a_second_look(void **state)
{
    u8 vector = 0;

    env_rec[1].online = true;
    env_l(1)->startup = 0;
    icr(0, INIT_ASSERT, 1);
    assert_int_equal(take(1, &vector), STARTUP_INIT);
    icr(0, STARTUP(0x42), 1);
    assert_int_equal(take(1, &vector), STARTUP_SIPI);
}

static void init_after_sipi_waits_for_another_sipi(void **state)
{
    u8 vector = 0;

    icr(0, STARTUP(0x11), 1);
    icr(0, INIT_ASSERT, 1);
    assert_int_equal(take(1, &vector), STARTUP_INIT);
    icr(0, STARTUP(0x12), 1);
    assert_int_equal(take(1, &vector), STARTUP_SIPI);
    assert_int_equal(vector, 0x12);
}

static void an_nmi_sent_to_a_waiting_processor_does_not_meet_its_first_instruction(void **state)
{
    u8 vector;

    icr(0, MODE(DELIVERY_NMI) | OTHERS, 0);
    icr(0, STARTUP(0x11), 1);
    assert_int_equal(take(1, &vector), STARTUP_SIPI);
    assert_false(vlapic_nmi_pending(&env_vcpu[1]));
}

static void broadcast_init_and_sipi_start_all_others(void **state)
{
    u8 vector;

    icr(0, INIT_ASSERT | OTHERS, 0);
    icr(0, STARTUP(0x08) | OTHERS, 0);
    assert_int_equal(take(0, &vector), STARTUP_NONE);
    for (unsigned i = 1; i < N; i++)
        assert_int_equal(take(i, &vector), STARTUP_SIPI);
}

static void init_to_self_by_shorthand_is_ignored_and_by_id_is_not(void **state)
{
    u8 vector;

    icr(0, INIT_ASSERT | SELF, 0);
    icr(0, INIT_ASSERT | ALL, 0);
    assert_int_equal(take(0, &vector), STARTUP_NONE);
    icr(0, INIT_ASSERT, 0);
    assert_int_equal(take(0, &vector), STARTUP_INIT);
}

static void init_keeps_x2apic_mode(void **state)
{
    u8 vector;

    enable_all(true);
    env_rec[1].online = true;
    env_l(1)->startup = 0;
    icr(0, INIT_ASSERT, 1);
    assert_int_equal(take(1, &vector), STARTUP_INIT);
    assert_int_equal(env_read_msr(1, MSR_APIC_BASE), VLAPIC_BASE | APIC_BASE_EN | APIC_BASE_EXTD);
    assert_int_equal(env_read(1, APIC_SVR), 0xff);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void after_power_up_the_first_runs_and_the_others_wait_for_sipi(void **state)
{
    u8 vector;

    for (unsigned i = 0; i < 2; i++) {
        env_x2apic(i);
        env_enable(i);
        vlapic_set_irq(&env_vcpu[i], VECTOR, true);
        vlapic_set_nmi(&env_vcpu[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        vlapic_power_up(&env_vcpu[i]);
        assert_int_equal(env_read_msr(i, MSR_APIC_BASE), VLAPIC_BASE | APIC_BASE_EN | (i ? 0 : APIC_BASE_BSP));
        assert_int_equal(vlapic_highest_irr(&env_vcpu[i]), -1);
        assert_false(vlapic_nmi_pending(&env_vcpu[i]));
        assert_false(vlapic_sw_enabled(&env_vcpu[i]));
    }
    env_rec[1].online = false;
    env_x2apic(0);
    env_enable(0);
    assert_int_equal(env_wrmsr(0, MSR_X2APIC_ICR, (u64)1 << 32 | MODE(DELIVERY_INIT) | ICR_ASSERT), 0);
    assert_int_equal(env_wrmsr(0, MSR_X2APIC_ICR, (u64)1 << 32 | MODE(DELIVERY_STARTUP) | ICR_ASSERT | 0x9a), 0);
    assert_int_equal(vlapic_take_startup(&env_vcpu[1], &vector), STARTUP_SIPI);
    assert_int_equal(vector, 0x9a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_physical_id_names_one),
        T(physical_broadcast_names_all),
        T(x2apic_broadcast_is_32_bits_of_ones),
        T(shorthands_name_self_all_and_others),
        T(flat_logical_ids_are_a_bit_mask),
        T(cluster_logical_ids_match_cluster_and_member),
        T(a_reserved_logical_model_matches_nobody),
        T(x2apic_logical_ids_name_members_of_one_cluster),
        T(an_8_bit_sender_reaches_x2apics_too),
        T(hardware_disabled_apics_receive_nothing),
        T(software_disabled_apics_receive_nmi_but_no_vectors),
        T(destination_is_the_lowest_numbered_match),
        T(lowest_priority_takes_turns_among_equals),
        T(lowest_priority_prefers_the_least_busy),
        T(lowest_priority_skips_those_that_cannot_accept),
        T(an_illegal_vector_is_not_sent_and_logged),
        T(self_ipi_reaches_its_sender),
        T(a_fixed_ipi_is_an_edge_whatever_the_trigger_bit_says),
        T(writing_icr_high_sends_nothing),
        T(nmi_goes_where_it_is_sent),
        T(smi_extint_and_reserved_modes_do_nothing),
        T(a_kick_goes_to_the_target_only_if_news),
        T(init_sipi_sipi_starts_a_processor_once),
        T(init_stops_a_running_processor_and_resets_its_apic),
        T(sipi_to_a_running_processor_is_ignored),
        T(sipi_to_a_processor_brought_up_by_hypercall_is_ignored_but_init_counts),
        T(sipi_that_overtakes_the_handling_of_init_is_not_lost),
        T(sipi_between_init_and_offline_is_seen_by_a_second_look),
        T(init_after_sipi_waits_for_another_sipi),
        T(an_nmi_sent_to_a_waiting_processor_does_not_meet_its_first_instruction),
        T(broadcast_init_and_sipi_start_all_others),
        T(init_to_self_by_shorthand_is_ignored_and_by_id_is_not),
        T(init_keeps_x2apic_mode),
        T(after_power_up_the_first_runs_and_the_others_wait_for_sipi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
