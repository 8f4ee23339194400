/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vioapic.c src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
/* The virtual IO-APIC: edge and level interrupts. */
#include "vioapic_world.h"

/* --- edge --- */

static void an_edge_interrupts_each_time(void **state)
{
    rte_dest(1, 1);
    rte_low(1, 0x51);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fire(1));
        assert_int_equal(env_take(1), 0x51);
        eoi(1);
    }
    assert_int_equal(rte(1), 0x51);
    assert_int_equal(gsi_state[1].eois, 0);
}

static void an_edge_on_a_masked_pin_is_lost(void **state)
{
    vioapic_set_line(&env_domain, 1, true);
    vioapic_assert(&env_domain, 2);
    rte_low(1, 0x51);
    rte_low(2, 0x52);
    assert_int_equal(env_take(0), -1);
    vioapic_set_line(&env_domain, 1, true);
    assert_int_equal(env_take(0), -1);
    vioapic_set_line(&env_domain, 1, false);
    vioapic_set_line(&env_domain, 1, true);
    assert_int_equal(env_take(0), 0x51);
}

static void nmi_is_delivered_as_an_edge_even_when_programmed_level(void **state)
{
    rte_dest(1, 2);
    rte_low(1, DELIVER(DELIVERY_NMI) | LEVEL);
    assert_false(gsi_state[1].cfg.level);
    fire(1);
    assert_true(vlapic_take_nmi(&env_vcpu[2]));
    assert_int_equal(rte(1) & RIRR, 0);
    fire(1);
    assert_true(vlapic_take_nmi(&env_vcpu[2]));
}

static void init_by_a_pin_reaches_the_destination(void **state)
{
    u8 vector;

    env_rec[2].online = true;
    rte_dest(1, 2);
    rte_low(1, DELIVER(DELIVERY_INIT));
    fire(1);
    assert_int_equal(vlapic_take_startup(&env_vcpu[2], &vector), STARTUP_INIT);
}

static void logical_and_lowest_priority_destinations_work(void **state)
{
    unsigned got[4] = {0};

    for (unsigned i = 0; i < 4; i++)
        env_write(i, APIC_LDR, 1u << (24 + i));
    rte_dest(1, 0x0c);
    rte_low(1, LOGICAL | 0x51);
    assert_int_equal(gsi_state[1].cfg.cpu, 102);
    fire(1);
    assert_int_equal(env_take(2), 0x51);
    assert_int_equal(env_take(3), 0x51);
    eoi(2);
    eoi(3);
    rte_low(1, LOGICAL | DELIVER(DELIVERY_LOWEST) | 0x51);
    for (unsigned i = 0; i < 4; i++) {
        fire(1);
        for (unsigned v = 0; v < 4; v++) {
            if (env_take(v) == 0x51) {
                got[v]++;
                eoi(v);
            }
        }
    }
    assert_int_equal(got[0] + got[1], 0);
    assert_int_equal(got[2], 2);
    assert_int_equal(got[3], 2);
}

/* --- level --- */

static void a_physical_level_interrupt_is_closed_until_the_guests_eoi(void **state)
{
    rte_dest(9, 1);
    rte_low(9, LEVEL | 0x61);
    assert_true(fire(9));
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
    assert_false(gsi_state[9].open);
    assert_int_equal(env_take(1), 0x61);
    assert_int_equal(gsi_state[9].eois, 0);
    eoi(1);
    assert_int_equal(rte(9), LEVEL | 0x61);
    assert_int_equal(gsi_state[9].eois, 1);
    assert_true(gsi_state[9].open);
    assert_true(fire(9));
    assert_int_equal(env_take(1), 0x61);
}

static void a_level_interrupt_asserts_again_after_eoi(void **state)
{
    rte_low(30, LEVEL | 0x61);
    vioapic_set_line(&env_domain, 30, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(env_take(0), 0x61);
        eoi(0);
    }
    vioapic_set_line(&env_domain, 30, false);
    assert_int_equal(env_take(0), 0x61);
    eoi(0);
    assert_int_equal(env_take(0), -1);
    assert_int_equal(rte(30) & RIRR, 0);
}

static void a_level_line_high_while_masked_interrupts_at_unmask(void **state)
{
    vioapic_set_line(&env_domain, 30, true);
    rte_low(30, LEVEL | MASKED | 0x61);
    assert_int_equal(env_take(0), -1);
    rte_low(30, LEVEL | 0x61);
    assert_int_equal(env_take(0), 0x61);
}

static void a_level_line_that_fell_before_unmask_does_not_interrupt(void **state)
{
    rte_low(30, LEVEL | MASKED | 0x61);
    vioapic_set_line(&env_domain, 30, true);
    vioapic_set_line(&env_domain, 30, false);
    rte_low(30, LEVEL | 0x61);
    assert_int_equal(env_take(0), -1);
}

static void remote_irr_holds_back_a_second_interrupt(void **state)
{
    rte_low(30, LEVEL | 0x61);
    vioapic_set_line(&env_domain, 30, true);
    assert_int_equal(env_take(0), 0x61);
    vioapic_set_line(&env_domain, 30, false);
    vioapic_set_line(&env_domain, 30, true);
    assert_false(env_irr(0, 0x61));
    rte_low(30, LEVEL | MASKED | 0x61);
    rte_low(30, LEVEL | 0x61);
    assert_false(env_irr(0, 0x61));
    eoi(0);
    assert_true(env_irr(0, 0x61));
}

static void eoi_ends_every_pin_with_the_vector(void **state)
{
    rte_low(9, LEVEL | 0x61);
    rte_low(11, LEVEL | 0x61);
    rte_low(26, LEVEL | 0x61);
    rte_low(12, LEVEL | 0x62);
    fire(9);
    fire(11);
    fire(26);
    fire(12);
    assert_int_equal(env_take(0), 0x62);
    eoi(0);
    assert_int_equal(gsi_state[12].eois, 1);
    assert_int_equal(rte(9) & RIRR, RIRR);
    assert_int_equal(env_take(0), 0x61);
    eoi(0);
    assert_int_equal(gsi_state[9].eois, 1);
    assert_int_equal(gsi_state[11].eois, 1);
    assert_int_equal(gsi_state[26].eois, 1);
    assert_int_equal((rte(9) | rte(11) | rte(26)) & RIRR, 0);
}

static void eoi_of_another_vector_changes_nothing(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    vioapic_eoi(&env_domain, 0x62);
    vioapic_eoi(&env_domain, 0);
    assert_int_equal(rte(9) & RIRR, RIRR);
    assert_int_equal(gsi_state[9].eois, 0);
}

static void eoi_while_masked_leaves_the_pin_closed_until_unmask(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(env_take(0), 0x61);
    rte_low(9, LEVEL | MASKED | 0x61);
    eoi(0);
    assert_int_equal(rte(9), LEVEL | MASKED | 0x61);
    assert_false(gsi_state[9].open);
    rte_low(9, LEVEL | 0x61);
    assert_true(gsi_state[9].open);
    assert_true(fire(9));
    assert_int_equal(env_take(0), 0x61);
}

static void mask_and_unmask_in_service_leave_the_pin_closed(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    rte_low(9, LEVEL | MASKED | 0x61);
    rte_low(9, LEVEL | 0x61);
    assert_false(gsi_state[9].open);
    assert_int_equal(env_take(0), 0x61);
    eoi(0);
    assert_true(gsi_state[9].open);
}

static void flipping_to_edge_and_back_ends_a_stuck_interrupt(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
    /* What Linux does with an IO-APIC that has no EOI register. */
    rte_low(9, MASKED | 0x61);
    assert_int_equal(rte(9), MASKED | 0x61);
    rte_low(9, LEVEL | 0x61);
    assert_true(gsi_state[9].open);
    assert_int_equal(gsi_state[9].binds, 1);
    assert_true(fire(9));
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
}

static void flipping_to_edge_while_open_ends_the_interrupt_too(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    rte_low(9, 0x61);
    assert_int_equal(rte(9), 0x61);
    assert_true(gsi_state[9].open);
    assert_false(gsi_state[9].cfg.level);
    assert_true(fire(9));
}

static void masking_alone_keeps_remote_irr(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    rte_low(9, LEVEL | MASKED | 0x61);
    assert_int_equal(rte(9), LEVEL | MASKED | RIRR | 0x61);
}

static void a_level_interrupt_that_fires_during_the_flip_is_delivered_after_it(void **state)
{
    rte_low(9, LEVEL | 0x61);
    gsi_state[9].fired = true;
    gsi_update(9);
    rte_low(9, MASKED | 0x61);
    gsi_state[9].fn(gsi_state[9].ctx); /* was on its way when the pin closed */
    assert_int_equal(env_take(0), -1);
    rte_low(9, LEVEL | 0x61);
    assert_int_equal(env_take(0), 0x61);
    assert_false(gsi_state[9].open);
    eoi(0);
    assert_true(gsi_state[9].open);
}

static void guests_cannot_write_remote_irr(void **state)
{
    rte_low(9, LEVEL | RIRR | 0x1000 | 0x61);
    assert_int_equal(rte(9), LEVEL | 0x61);
    fire(9);
    rte_low(9, LEVEL | 0x61);
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_edge_interrupts_each_time),
        T(an_edge_on_a_masked_pin_is_lost),
        T(nmi_is_delivered_as_an_edge_even_when_programmed_level),
        T(init_by_a_pin_reaches_the_destination),
        T(logical_and_lowest_priority_destinations_work),
        T(a_physical_level_interrupt_is_closed_until_the_guests_eoi),
        T(a_level_interrupt_asserts_again_after_eoi),
        T(a_level_line_high_while_masked_interrupts_at_unmask),
        T(a_level_line_that_fell_before_unmask_does_not_interrupt),
        T(remote_irr_holds_back_a_second_interrupt),
        T(eoi_ends_every_pin_with_the_vector),
        T(eoi_of_another_vector_changes_nothing),
        T(eoi_while_masked_leaves_the_pin_closed_until_unmask),
        T(mask_and_unmask_in_service_leave_the_pin_closed),
        T(flipping_to_edge_and_back_ends_a_stuck_interrupt),
        T(flipping_to_edge_while_open_ends_the_interrupt_too),
        T(masking_alone_keeps_remote_irr),
        T(a_level_interrupt_that_fires_during_the_flip_is_delivered_after_it),
        T(guests_cannot_write_remote_irr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
