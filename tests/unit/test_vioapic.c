/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vioapic.c src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
/* The virtual IO-APIC: registers, binding, lines nobody takes, life cycle. */
#include "vioapic_world.h"

/* --- registers --- */

static void it_mirrors_every_physical_ioapic(void **state)
{
    assert_int_equal(reg_read(IO0, 0), 2u << 24);
    assert_int_equal(reg_read(IO0, 1), 0x00170011);
    assert_int_equal(reg_read(IO0, 2), 2u << 24);
    assert_int_equal(reg_read(IO1, 0), 5u << 24);
    assert_int_equal(reg_read(IO1, 1), 0x00070011);
    for (unsigned gsi = 0; gsi < 32; gsi++) {
        assert_int_equal(rte(gsi), MASKED);
        assert_int_equal(reg_read(base_of(gsi), reg_of(gsi) + 1), 0);
    }
}

static void registers_that_do_not_exist_read_0_and_ignore_writes(void **state)
{
    static const u8 none[] = {0x03, 0x0f, 0x20, 0x3f, 0x40, 0xff};

    for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
        reg_write(IO1, none[i], 0xffffffff);
        assert_int_equal(reg_read(IO1, none[i]), 0);
    }
    reg_write(IO0, 1, 0xffffffff);
    reg_write(IO0, 2, 0xffffffff);
    assert_int_equal(reg_read(IO0, 1), 0x00170011);
    assert_int_equal(reg_read(IO0, 2), 2u << 24);
}

static void the_id_has_four_writable_bits(void **state)
{
    reg_write(IO0, 0, 0xffffffff);
    assert_int_equal(reg_read(IO0, 0), 0x0f000000);
    assert_int_equal(reg_read(IO0, 2), 0x0f000000);
}

static void the_select_register_holds_eight_bits(void **state)
{
    env_mmio_write(0, IO0, 4, 0xabcdef01);
    assert_int_equal(env_mmio_read(0, IO0, 4), 1);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 4), 0x00170011);
    env_mmio_write(0, IO0, 1, 2);
    assert_int_equal(env_mmio_read(0, IO0, 1), 2);
}

static void entries_keep_their_writable_bits(void **state)
{
    rte_low(3, 0xffffffff);
    assert_int_equal(rte(3), 0x1afff);
    rte_low(3, MASKED);
    reg_write(IO0, reg_of(3) + 1, 0xffffffff);
    assert_int_equal(reg_read(IO0, reg_of(3) + 1), 0xff000000);
}

static void odd_accesses_are_sane(void **state)
{
    env_mmio_write(0, IO0, 4, 1);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 1), 0x11);
    assert_int_equal(env_mmio_read(0, IO0 + 0x12, 1), 0x17);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 8), 0x00170011);
    env_mmio_write(0, IO0, 4, reg_of(3));
    env_mmio_write(0, IO0 + 0x10, 1, 0x44);
    env_mmio_write(0, IO0 + 0x10, 2, 0x44);
    env_mmio_write(0, IO0 + 0x12, 4, 0);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 4), MASKED);
    env_mmio_write(0, IO0 + 0x40, 4, 0x44); /* the EOI register of later versions */
    env_mmio_write(0, IO0 + 0xffc, 4, 0x44);
    assert_int_equal(env_mmio_read(0, IO0 + 0x40, 4), 0);
    assert_int_equal(env_mmio_read(0, IO0 + 0x20, 4), 0);
}

/* --- binding --- */

static void nothing_is_bound_before_the_first_unmask(void **state)
{
    rte_low(9, MASKED | LEVEL | 0x31);
    rte_dest(9, 2);
    for (unsigned i = 0; i < GSI_MAX; i++)
        assert_int_equal(gsi_state[i].binds, 0);
}

static void unmasking_binds_with_the_entrys_trigger_polarity_and_cpu(void **state)
{
    rte_dest(9, 2);
    rte_low(9, LEVEL | LOW | 0x31);
    assert_true(gsi_state[9].bound);
    assert_true(gsi_state[9].cfg.level);
    assert_true(gsi_state[9].cfg.active_low);
    assert_int_equal(gsi_state[9].cfg.cpu, 102);
    rte_dest(25, 1);
    rte_low(25, 0x32);
    assert_false(gsi_state[25].cfg.level);
    assert_false(gsi_state[25].cfg.active_low);
    assert_int_equal(gsi_state[25].cfg.cpu, 101);
}

static void a_virtual_line_binds_nothing_and_interrupts(void **state)
{
    vioapic_set_virtual(&env_domain, 4);
    vioapic_set_virtual(&env_domain, 200);
    rte_low(4, 0x44);
    assert_false(gsi_state[4].bound);
    vioapic_set_line(&env_domain, 4, true);
    assert_int_equal(env_take(0), 0x44);
    rte_low(4, MASKED);
    rte_low(4, 0x44 | LEVEL);
    assert_int_equal(gsi_state[4].binds + gsi_state[4].masks + gsi_state[4].unmasks, 0);
}

static void masking_closes_the_pin_and_unmasking_opens_it(void **state)
{
    rte_low(9, LEVEL | 0x31);
    rte_low(9, LEVEL | 0x31 | MASKED);
    assert_false(gsi_state[9].open);
    rte_low(9, LEVEL | 0x31);
    assert_true(gsi_state[9].open);
    assert_int_equal(gsi_state[9].binds, 1);
    assert_int_equal(gsi_state[9].unmasks, 1);
}

static void lines_follow_a_vcpu_to_its_new_cpu_open_or_not(void **state)
{
    rte_dest(9, 3);
    rte_low(9, LEVEL | 0x31);
    rte_low(8, 0x32);
    rte_low(8, MASKED | 0x32);
    vioapic_rehome(&env_domain);
    assert_int_equal(gsi_state[9].cfg.cpu, 103);
    assert_int_equal(gsi_state[8].cfg.cpu, 100);
    env_moved_to = 7;
    vioapic_rehome(&env_domain);
    assert_int_equal(gsi_state[9].cfg.cpu, 7);
    assert_int_equal(gsi_state[8].cfg.cpu, 7);
    /* Each is asked every time: one that could not move may now. */
    assert_int_equal(gsi_state[9].set_cpus, 2);
    assert_int_equal(gsi_state[8].set_cpus, 2);
    env_moved_to = -1;
    assert_int_equal(gsi_state[9].binds, 1);
}

static void a_new_destination_moves_the_physical_interrupt(void **state)
{
    rte_low(9, LEVEL | 0x31);
    rte_dest(9, 3);
    assert_int_equal(gsi_state[9].cfg.cpu, 103);
    assert_int_equal(gsi_state[9].set_cpus, 1);
    rte_dest(9, 3);
    assert_int_equal(gsi_state[9].set_cpus, 1);
    assert_int_equal(gsi_state[9].binds, 1);
}

static void trigger_and_polarity_changed_while_masked_are_programmed_at_unmask(void **state)
{
    rte_low(9, 0x31);
    rte_low(9, MASKED | LEVEL | LOW | 0x31);
    assert_int_equal(gsi_state[9].binds, 1);
    rte_low(9, LEVEL | LOW | 0x31);
    assert_int_equal(gsi_state[9].binds, 2);
    assert_true(gsi_state[9].cfg.level);
    assert_true(gsi_state[9].cfg.active_low);
}

static void trigger_changed_while_open_is_programmed_at_once(void **state)
{
    rte_low(9, 0x31);
    rte_low(9, LEVEL | 0x31);
    assert_int_equal(gsi_state[9].binds, 2);
    assert_true(gsi_state[9].cfg.level);
}

static void a_refused_line_is_logged_once_and_keeps_its_entry(void **state)
{
    gsi_state[4].refuse = true;
    rte_low(4, 0x35);
    rte_low(4, 0x36);
    rte_low(4, 0x36 | MASKED);
    rte_low(4, 0x36);
    rte_dest(4, 1);
    assert_int_equal(fake_log_count, 1);
    assert_int_equal(gsi_state[4].binds, 2);
    assert_int_equal(gsi_state[4].eois + gsi_state[4].masks + gsi_state[4].unmasks + gsi_state[4].set_cpus, 0);
    assert_int_equal(rte(4), 0x36);
}

static void modes_nobody_can_deliver_bind_nothing(void **state)
{
    rte_low(5, DELIVER(DELIVERY_EXTINT));
    rte_low(6, DELIVER(DELIVERY_SMI));
    rte_low(7, DELIVER(3) | 0x40);
    assert_int_equal(gsi_state[5].binds + gsi_state[6].binds + gsi_state[7].binds, 0);
    rte_low(5, 0x41);
    assert_true(gsi_state[5].open);
    rte_low(5, DELIVER(DELIVERY_EXTINT));
    assert_false(gsi_state[5].open);
}

static void an_unreachable_destination_still_binds(void **state)
{
    rte_dest(9, 77);
    rte_low(9, 0x31);
    assert_true(gsi_state[9].bound);
    assert_int_equal(gsi_state[9].cfg.cpu, 100);
}

/* --- nobody accepts --- */

static void a_level_interrupt_without_a_target_waits_for_one(void **state)
{
    env_write(1, APIC_SVR, 0xff);
    rte_dest(9, 1);
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(rte(9), LEVEL | 0x61);
    assert_false(gsi_state[9].open);
    env_enable(1);
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
    assert_int_equal(env_take(1), 0x61);
    eoi(1);
    assert_true(gsi_state[9].open);
}

static void a_new_destination_receives_what_the_old_one_could_not(void **state)
{
    rte_dest(9, 99);
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(rte(9) & RIRR, 0);
    rte_dest(9, 2);
    assert_int_equal(env_take(2), 0x61);
    eoi(2);
    assert_true(gsi_state[9].open);
}

static void an_illegal_vector_does_not_set_remote_irr(void **state)
{
    rte_low(9, LEVEL | 0x05);
    fire(9);
    assert_int_equal(rte(9), LEVEL | 0x05);
    rte_low(9, LEVEL | 0x55);
    assert_int_equal(env_take(0), 0x55);
}

static void an_edge_without_a_target_is_lost(void **state)
{
    rte_dest(1, 99);
    rte_low(1, 0x51);
    fire(1);
    rte_dest(1, 0);
    assert_int_equal(env_take(0), -1);
}

static void lines_outside_all_ioapics_are_ignored(void **state)
{
    vioapic_assert(&env_domain, 32);
    vioapic_set_line(&env_domain, 4096, true);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(env_rec[i].kicks, 0);
}

/* --- life cycle --- */

static void a_failed_init_leaves_nothing(void **state)
{
    vioapic_free(&env_domain);
    for (int after = 0; after < 3; after++) {
        fake_alloc_fail_after = after;
        assert_int_equal(vioapic_init(&env_domain), -XEN_ENOMEM);
        assert_null(env_domain.vioapic);
        assert_false(env_mmio_registered(IO0));
    }
    fake_alloc_fail_after = -1;
    vioapic_eoi(&env_domain, 0x30);
    vioapic_resample(&env_domain);
    vioapic_assert(&env_domain, 1);
    vioapic_free(&env_domain);
}

static void a_taken_page_is_an_error(void **state)
{
    struct vioapic *first = env_domain.vioapic;

    env_domain.vioapic = NULL;
    assert_int_equal(vioapic_init(&env_domain), -XEN_EEXIST);
    assert_null(env_domain.vioapic);
    env_domain.vioapic = first;
}

static void free_gives_the_lines_back(void **state)
{
    rte_low(9, LEVEL | 0x61);
    rte_low(25, 0x62 | MASKED);
    vioapic_free(&env_domain);
    assert_false(gsi_state[9].bound);
    assert_false(env_mmio_registered(IO0));
    assert_false(env_mmio_registered(IO1));
}

static void dump_prints_pins_in_use(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fake_log_count = 0;
    vioapic_dump(&env_domain);
    assert_int_equal(fake_log_count, 3);
}

static void after_power_up_nothing_is_routed(void **state)
{
    rte_low(4, 0x51);
    rte_low(30, LEVEL | LOW | 0x52);
    assert_true(fire(30));
    reg_write(IO0, 0, 0);
    vioapic_reset(&env_domain);
    assert_false(gsi_state[4].bound);
    assert_false(gsi_state[30].bound);
    assert_int_equal(rte(4), MASKED);
    assert_int_equal(rte(30), MASKED);
    /* The OS programs it as at boot, and the line that is still high interrupts again. */
    rte_low(30, LEVEL | LOW | 0x52);
    assert_true(gsi_state[30].bound && gsi_state[30].open);
    env_l(0)->irr[1] = 0;
    assert_true(fire(30));
    assert_true(env_irr(0, 0x52));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(it_mirrors_every_physical_ioapic),
        T(registers_that_do_not_exist_read_0_and_ignore_writes),
        T(the_id_has_four_writable_bits),
        T(the_select_register_holds_eight_bits),
        T(entries_keep_their_writable_bits),
        T(odd_accesses_are_sane),
        T(nothing_is_bound_before_the_first_unmask),
        T(unmasking_binds_with_the_entrys_trigger_polarity_and_cpu),
        T(a_virtual_line_binds_nothing_and_interrupts),
        T(masking_closes_the_pin_and_unmasking_opens_it),
        T(lines_follow_a_vcpu_to_its_new_cpu_open_or_not),
        T(a_new_destination_moves_the_physical_interrupt),
        T(trigger_and_polarity_changed_while_masked_are_programmed_at_unmask),
        T(trigger_changed_while_open_is_programmed_at_once),
        T(a_refused_line_is_logged_once_and_keeps_its_entry),
        T(modes_nobody_can_deliver_bind_nothing),
        T(an_unreachable_destination_still_binds),
        T(a_level_interrupt_without_a_target_waits_for_one),
        T(a_new_destination_receives_what_the_old_one_could_not),
        T(an_illegal_vector_does_not_set_remote_irr),
        T(an_edge_without_a_target_is_lost),
        T(lines_outside_all_ioapics_are_ignored),
        T(a_failed_init_leaves_nothing),
        T(a_taken_page_is_an_error),
        T(free_gives_the_lines_back),
        T(after_power_up_nothing_is_routed),
        T(dump_prints_pins_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
