/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpower.c src/vdev/vpower_machine.c src/vdev/legacy.c tests/unit/fakes.c */
/* Sleep registers: what passes, what suspends, what ends the domain; denied ports. */
#include "vpower_world.h"

/* --- PM1 control --- */

static void control_without_sleep_enable_passes(void **state)
{
    start();
    out(PM1A, 2, 5 << 10 | 1);
    assert_int_equal(ended, -1);
    assert_int_equal(in(PM1A, 2), 5 << 10 | 1);
    out(PM1A, 1, 0xff); /* the low byte has no sleep bits */
    assert_int_equal(ended, -1);
    assert_int_equal(nr_outs, 2);
}

static void sleep_enable_with_the_s5_type_powers_off(void **state)
{
    start();
    out(PM1A, 2, 5 << 10 | 1 << 13 | 1);
    assert_int_equal(ended, SHUTDOWN_poweroff);
    assert_int_equal(nr_outs, 0); /* Torii writes it when it is done */
}

static void the_high_byte_alone_powers_off_too(void **state)
{
    start();
    out(PM1A + 1, 1, 5 << 2 | 1 << 5);
    assert_int_equal(ended, SHUTDOWN_poweroff);
}

static void each_block_has_its_own_type(void **state)
{
    acpi_info.pm1b_cnt = io_gas(PM1B);
    start();
    out(PM1B, 2, 5 << 10 | 1 << 13);
    assert_int_equal(ended, -1);
    out(PM1B, 2, 6 << 10 | 1 << 13);
    assert_int_equal(ended, SHUTDOWN_poweroff);
}

static void any_sleep_without_a_known_s5_is_power_off(void **state)
{
    acpi_info.sleep[5].valid = false;
    start();
    out(PM1A, 2, 3 << 10 | 1 << 13);
    assert_int_equal(ended, SHUTDOWN_poweroff);
    assert_int_equal(fake_log_count, 2);
}

static void standby_and_hibernation_are_the_hardwares(void **state)
{
    acpi_info.sleep[1] = (struct acpi_sleep_state){.valid = true, .typ = {4, 4}};
    start();
    out(PM1A, 2, 2 << 10 | 1 << 13);
    out(PM1A, 2, 4 << 10 | 1 << 13);
    assert_int_equal(ended, -1);
    assert_int_equal(outs[0].val, 2 << 10 | 1 << 13);
    assert_int_equal(outs[1].val, 4 << 10 | 1 << 13);
    assert_int_equal(suspends, 0);
}

static void a_type_that_no_table_names_never_reaches_the_hardware(void **state)
{
    acpi_info.sleep[2] = (struct acpi_sleep_state){.valid = true, .typ = {7, 7}};
    start();
    for (u32 type = 0; type < 8; type++) {
        if (type == 5 || type == 1 || type == 2)
            continue;
        out(EVT, 2, 0x8000);
        nr_outs = 0;
        out(PM1A, 2, type << 10 | 1 << 13);
        assert_int_equal(nr_outs, 0);
        assert_int_equal(in(EVT, 2) & 0x8000, 0x8000);
    }
    assert_int_equal(ended, -1);
    assert_int_equal(suspends, 0);
}

static void the_s3_type_suspends_with_the_registers_as_they_will_be(void **state)
{
    start();
    out(PM1A, 2, 1 << 10 | 1 << 13 | 1);
    assert_int_equal(suspends, 1);
    assert_ptr_equal(asked.d, &domain);
    assert_false(asked.by_call);
    assert_false(asked.extended);
    assert_int_equal(asked.val[0], 1 << 10 | 1 << 13 | 1);
    assert_int_equal(ended, -1);
    assert_int_equal(nr_outs, 0);
    assert_int_equal(in(EVT, 2) & 0x8000, 0);
}

static void a_byte_write_of_the_s3_type_keeps_the_low_half(void **state)
{
    start();
    ports[PM1A] = 0x01;
    out(PM1A + 1, 1, 1 << 2 | 1 << 5);
    assert_int_equal(suspends, 1);
    assert_int_equal(asked.val[0], 1 << 10 | 1 << 13 | 1);
}

static void the_other_block_sleeps_with_its_own_type(void **state)
{
    acpi_info.pm1b_cnt = io_gas(PM1B);
    acpi_info.sleep[3].typ[1] = 4;
    start();
    ports[PM1A] = 0x03;
    ports[PM1B] = 0x05;
    out(PM1A, 2, 1 << 10 | 1 << 13 | 1);
    assert_int_equal(asked.val[1], 4 << 10 | 5);
    out(PM1B, 2, 4 << 10 | 1 << 13 | 5);
    assert_int_equal(asked.val[0], 1 << 10 | 3);
    assert_int_equal(asked.val[1], 4 << 10 | 1 << 13 | 5);
    assert_int_equal(suspends, 2);
}

static void a_suspend_that_is_refused_looks_like_an_immediate_wake(void **state)
{
    start();
    suspend_error = -XEN_EINVAL;
    ports[EVT] = 1;
    assert_int_equal(in(EVT, 2), 1);
    out(PM1A, 2, 1 << 10 | 1 << 13);
    out(PM1A, 2, 1 << 10 | 1 << 13);
    assert_int_equal(ended, -1);
    assert_int_equal(nr_outs, 0);
    assert_int_equal(fake_log_count, 1);
    assert_int_equal(in(EVT, 2), 0x8001);
    assert_int_equal(in(EVT + 1, 1), 0x80);
    out(EVT, 2, 1);
    assert_int_equal(in(EVT, 2) & 0x8000, 0x8000);
    out(EVT, 2, 0x8000);
    ports[EVT + 1] = 0;
    assert_int_equal(in(EVT, 2) & 0x8000, 0);
}

static void reduced_hardware_suspends_by_its_own_registers(void **state)
{
    acpi_info.sleep_control = io_gas(0x500);
    acpi_info.sleep_status = io_gas(0x501);
    start();
    out(0x500, 1, 1 << 2 | 1 << 5);
    assert_int_equal(suspends, 1);
    assert_true(asked.extended);
    assert_int_equal(asked.val[0], 1);
    assert_int_equal(in(0x501, 1), 0);
    suspend_error = -XEN_EOPNOTSUPP;
    out(0x500, 1, 1 << 2 | 1 << 5);
    assert_int_equal(in(0x501, 1), 0x80);
    out(0x501, 1, 0x80);
    ports[0x501] = 0;
    assert_int_equal(in(0x501, 1), 0);
    assert_int_equal(ports[0x500], 0);
}

static void a_machine_without_registers_traps_none(void **state)
{
    memset(&acpi_info, 0, sizeof(acpi_info));
    start();
    assert_int_equal(pios, 2); /* 0x64 and 0x92 */
    assert_int_equal(mmios, 0);
}

static void sleep_control_of_reduced_hardware_powers_off(void **state)
{
    acpi_info.sleep_control = io_gas(0x500);
    start();
    out(0x500, 1, 5 << 2);
    assert_int_equal(ended, -1);
    out(0x500, 1, 5 << 2 | 1 << 5);
    assert_int_equal(ended, SHUTDOWN_poweroff);
}

static void memory_mapped_registers_are_watched_and_their_neighbours_pass(void **state)
{
    acpi_info.pm1a_cnt = (struct acpi_gas){.space = 0, .address = FIXED + 0x804};
    acpi_info.pm1a_evt = (struct acpi_gas){.space = 0, .address = FIXED + 0x800};
    acpi_info.sleep_control = (struct acpi_gas){.space = 0, .address = FIXED + 0x900};
    acpi_info.reset_reg = (struct acpi_gas){.space = 0, .address = FIXED + 0x1010};
    acpi_info.reset_value = 0x77;
    acpi_info.reset_supported = true;
    start();
    assert_int_equal(mmios, 2);
    assert_true(unmapped >= 2);
    as_guest(FIXED + 0x804, 2, true, 1);
    assert_int_equal(as_guest(FIXED + 0x804, 2, false, 0), 1);
    as_guest(FIXED + 0x100, 8, true, 0x1122334455667788ull);
    assert_int_equal(as_guest(FIXED + 0x104, 4, false, 0), 0x11223344);
    suspend_error = -XEN_EINVAL;
    as_guest(FIXED + 0x804, 2, true, 1 << 10 | 1 << 13);
    assert_int_equal(as_guest(FIXED + 0x800, 2, false, 0), 0x8000);
    as_guest(FIXED + 0x800, 2, true, 0x8000);
    memset(memory + 0x800, 0, 2);
    assert_int_equal(as_guest(FIXED + 0x800, 2, false, 0), 0);
    assert_int_equal(ended, -1);
    as_guest(FIXED + 0x1010, 1, true, 0x76);
    assert_int_equal(ended, -1);
    as_guest(FIXED + 0x1010, 1, true, 0x77);
    assert_int_equal(ended, SHUTDOWN_reboot);
    as_guest(FIXED + 0x900, 1, true, 5 << 2 | 1 << 5);
    assert_int_equal(ended, SHUTDOWN_poweroff);
    vpower_machine_reset();
    assert_int_equal(memory[0x1010], 0x77);
    vpower_machine_off();
    assert_int_equal(memory[0x900], 5 << 2 | 1 << 5);
    assert_int_equal(memory[0x805], 5 << 2 | 1 << 5);
}

static void failures_of_registration_are_returned(void **state)
{
    fake_alloc_fail_after = 0;
    assert_int_equal(vpower_init(&domain), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    register_error = -XEN_ENOSPC;
    assert_int_equal(vpower_init(&domain), -XEN_ENOSPC);
    assert_int_equal(legacy_ports_register(&domain), -XEN_ENOSPC);
}

/* --- legacy ports --- */

static void the_interrupt_controllers_read_all_ones(void **state)
{
    static const u16 denied[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x22, 0x23};

    assert_int_equal(legacy_ports_register(&domain), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(denied); i++) {
        out(denied[i], 1, 0);
        assert_int_equal(in(denied[i], 1), 0xff);
    }
    assert_int_equal(nr_outs, 0);
    assert_int_not_equal(in(0x10, 2), 0x49d2);
}

static void what_is_dom0s_is_not_trapped(void **state)
{
    static const u16 free_ports[] = {0x00, 0x40, 0x43, 0x60, 0x61, 0x70, 0x71, 0x80, 0xc0, 0x3f8, 0x3c0};

    assert_int_equal(legacy_ports_register(&domain), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(free_ports); i++)
        assert_false(trapped(free_ports[i]));
}

static void the_debug_port_writes_to_the_console(void **state)
{
    assert_int_equal(legacy_ports_register(&domain), 0);
    out(0xe9, 1, 'h');
    out(0xe9, 1, 'i');
    assert_int_equal(console_bytes, 2);
    assert_memory_equal(console, "hi", 2);
    assert_int_equal(in(0xe9, 1), 0xe9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(control_without_sleep_enable_passes),
        TEST(sleep_enable_with_the_s5_type_powers_off),
        TEST(the_high_byte_alone_powers_off_too),
        TEST(each_block_has_its_own_type),
        TEST(any_sleep_without_a_known_s5_is_power_off),
        TEST(standby_and_hibernation_are_the_hardwares),
        TEST(a_type_that_no_table_names_never_reaches_the_hardware),
        TEST(the_s3_type_suspends_with_the_registers_as_they_will_be),
        TEST(a_byte_write_of_the_s3_type_keeps_the_low_half),
        TEST(the_other_block_sleeps_with_its_own_type),
        TEST(a_suspend_that_is_refused_looks_like_an_immediate_wake),
        TEST(reduced_hardware_suspends_by_its_own_registers),
        TEST(a_machine_without_registers_traps_none),
        TEST(sleep_control_of_reduced_hardware_powers_off),
        TEST(memory_mapped_registers_are_watched_and_their_neighbours_pass),
        TEST(failures_of_registration_are_returned),
        TEST(the_interrupt_controllers_read_all_ones),
        TEST(what_is_dom0s_is_not_trapped),
        TEST(the_debug_port_writes_to_the_console),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
