/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpower.c src/vdev/vpower_machine.c src/vdev/legacy.c tests/unit/fakes.c */
/* Reset registers, the hypercall that sleeps, and how the machine itself sleeps and ends. */
#include "vpower_world.h"

/* --- reset --- */

static void the_reset_register_ends_the_domain(void **state)
{
    acpi_info.reset_reg = io_gas(0xb2);
    acpi_info.reset_value = 0x11;
    acpi_info.reset_supported = true;
    start();
    out(0xb2, 1, 0x10);
    assert_int_equal(ended, -1);
    assert_int_equal(ports[0xb2], 0x10);
    out(0xb2, 1, 0x11);
    assert_int_equal(ended, SHUTDOWN_reboot);
    assert_int_equal(ports[0xb2], 0x10);
}

static void an_unsupported_reset_register_is_not_watched(void **state)
{
    acpi_info.reset_reg = io_gas(0xb2);
    start();
    assert_false(trapped(0xb2));
}

static void reset_control_resets_on_its_cpu_bit(void **state)
{
    u32 val = 2;

    start();
    vpower_reset_control(&vcpu, NULL, 0xcf9, 1, true, &val);
    assert_int_equal(ended, -1);
    assert_int_equal(ports[0xcf9], 2);
    val = 0;
    vpower_reset_control(&vcpu, NULL, 0xcf9, 1, false, &val);
    assert_int_equal(val, 2);
    val = 6;
    vpower_reset_control(&vcpu, NULL, 0xcf9, 1, true, &val);
    assert_int_equal(ended, SHUTDOWN_reboot);
}

static void the_tables_may_name_reset_control_with_a_value_of_its_own(void **state)
{
    u32 val = 0x08;

    acpi_info.reset_reg = io_gas(0xcf9);
    acpi_info.reset_value = 0x08;
    acpi_info.reset_supported = true;
    start();
    assert_false(trapped(0xcf9));
    vpower_reset_control(&vcpu, NULL, 0xcf9, 1, true, &val);
    assert_int_equal(ended, SHUTDOWN_reboot);
}

static void only_the_reset_pulse_of_the_keyboard_controller_counts(void **state)
{
    start();
    ports[0x64] = 0x1c;
    assert_int_equal(in(0x64, 1), 0x1c);
    out(0x64, 1, 0xaa);
    out(0x64, 1, 0xff); /* pulses nothing */
    assert_int_equal(ended, -1);
    assert_int_equal(ports[0x64], 0xff);
    out(0x64, 1, 0xfe);
    assert_int_equal(ended, SHUTDOWN_reboot);
}

static void fast_reset_counts_and_a20_passes(void **state)
{
    start();
    out(0x92, 1, 2);
    assert_int_equal(in(0x92, 1), 2);
    assert_int_equal(ended, -1);
    out(0x92, 1, 3);
    assert_int_equal(ended, SHUTDOWN_reboot);
}

/* --- XENPF_enter_acpi_sleep --- */

static void the_hypercall_powers_off(void **state)
{
    start();
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 6 << 10, 5, false), 0);
    assert_int_equal(ended, SHUTDOWN_poweroff);
}

static void the_hypercall_suspends(void **state)
{
    acpi_info.pm1b_cnt = io_gas(PM1B);
    start();
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10 | 1, 1 << 10, 3, false), 0);
    assert_int_equal(suspends, 1);
    assert_true(asked.by_call);
    assert_int_equal(asked.val[0], 1 << 10 | 1);
    assert_int_equal(asked.val[1], 1 << 10);
    suspend_error = -XEN_EBUSY;
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10 | 1 << 13, 1 << 10 | 1 << 13, 3, false), -XEN_EBUSY);
    suspend_error = -XEN_EOPNOTSUPP;
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10, 1 << 10, 3, false), -XEN_EOPNOTSUPP);
    assert_int_equal(ended, -1);
    assert_int_equal(nr_outs, 0);
}

static void the_hypercall_refuses_states_the_machine_does_not_have(void **state)
{
    start();
    acpi_info.sleep[2] = (struct acpi_sleep_state){.valid = true, .typ = {6, 6}};
    acpi_info.sleep[3].valid = acpi_info.sleep[4].valid = false;
    for (u8 n = 1; n < 5; n++)
        for (u32 type = 0; type < 8; type++)
            assert_int_equal(vpower_enter_sleep(&domain, type << 10, 0, n, false), -XEN_EOPNOTSUPP);
    assert_int_equal(ended, -1);
    assert_int_equal(suspends, 0);
    assert_int_equal(nr_outs, 0);
}

static void the_hypercalls_values_must_be_the_states(void **state)
{
    start();
    acpi_info.sleep[1] = (struct acpi_sleep_state){.valid = true, .typ = {4, 4}};
    /* Under the name of another state the machine would sleep without Torii. */
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10, 0, 1, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10, 0, 4, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 0, 3, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 0, 1, false), -XEN_EINVAL);
    acpi_info.pm1b_cnt = io_gas(PM1B);
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10, 0, 3, false), -XEN_EINVAL);
    acpi_info.sleep_control = io_gas(0x500);
    assert_int_equal(vpower_enter_sleep(&domain, 2, 0xff, 3, true), -XEN_EINVAL);
    assert_int_equal(suspends, 0);
    assert_int_equal(nr_outs, 0);
    assert_int_equal(vpower_enter_sleep(&domain, 1, 0xff, 3, true), 0);
    assert_int_equal(suspends, 1);
    assert_true(asked.extended);
}

static void the_hypercall_writes_other_states_itself(void **state)
{
    acpi_info.pm1b_cnt = io_gas(PM1B);
    start();
    assert_int_equal(vpower_enter_sleep(&domain, 2 << 10 | 1, 3 << 10, 4, false), 0);
    assert_int_equal(nr_outs, 4);
    assert_int_equal(outs[0].port, PM1A);
    assert_int_equal(outs[0].val, 2 << 10 | 1);
    assert_int_equal(outs[2].val, 2 << 10 | 1 | 1 << 13);
    assert_int_equal(outs[3].port, PM1B);
    assert_int_equal(outs[3].val, 3 << 10 | 1 << 13);
}

static void the_hypercalls_arguments_are_checked(void **state)
{
    start();
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 0, 0, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 0, 6, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 0, 255, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10 | 1 << 13, 6 << 10, 5, false), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 8, 0xff, 5, true), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5, 8, 5, true), -XEN_EINVAL);
    assert_int_equal(vpower_enter_sleep(&domain, 5, 0xff, 5, true), -XEN_EPERM);
    assert_int_equal(vpower_enter_sleep(&domain, 1, 0xff, 3, true), -XEN_EPERM);
    acpi_info.pm1a_cnt.address = 0;
    assert_int_equal(vpower_enter_sleep(&domain, 5 << 10, 0, 5, false), -XEN_EPERM);
    assert_int_equal(vpower_enter_sleep(&domain, 1 << 10, 0, 3, false), -XEN_EPERM);
    assert_int_equal(ended, -1);
    acpi_info.sleep_control = io_gas(0x500);
    assert_int_equal(vpower_enter_sleep(&domain, 2, 0xff, 4, true), 0);
    assert_int_equal(ports[0x500], 2 << 2 | 1 << 5);
    assert_int_equal(vpower_enter_sleep(&domain, 5, 0xff, 5, true), 0);
    assert_int_equal(ended, SHUTDOWN_poweroff);
    assert_int_equal(suspends, 0);
}

/* --- Torii's own use of the registers --- */

static void the_machine_sleeps_with_the_wake_status_cleared_before(void **state)
{
    struct suspend s = {.val = {1 << 10 | 1, 4 << 10}};

    acpi_info.pm1b_cnt = io_gas(PM1B);
    start();
    vpower_machine_sleep(&s);
    assert_int_equal(outs[0].port, EVT);
    assert_int_equal(outs[0].val, 0x8000);
    assert_int_equal(nr_outs, 5);
    assert_int_equal(outs[1].val, 1 << 10 | 1);
    assert_int_equal(outs[2].val, 4 << 10);
    assert_int_equal(outs[3].val, 1 << 10 | 1 | 1 << 13);
    assert_int_equal(outs[4].port, PM1B);
    assert_int_equal(outs[4].val, 4 << 10 | 1 << 13);
    assert_int_equal(fake_locks_held, 0);
}

static void reduced_hardware_sleeps_by_its_own_registers(void **state)
{
    struct suspend s = {.extended = true, .val = {1}};

    memset(&acpi_info, 0, sizeof(acpi_info));
    acpi_info.sleep_control = io_gas(0x500);
    acpi_info.sleep_status = io_gas(0x501);
    vpower_machine_sleep(&s);
    assert_int_equal(nr_outs, 2);
    assert_int_equal(outs[0].port, 0x501);
    assert_int_equal(outs[0].val, 0x80);
    assert_int_equal(outs[1].port, 0x500);
    assert_int_equal(outs[1].val, 1 << 2 | 1 << 5);
}

/* --- the end --- */

static void power_off_writes_the_type_then_enable_to_both_blocks(void **state)
{
    acpi_info.pm1b_cnt = io_gas(PM1B);
    start();
    ports[PM1A] = 1; /* SCI_EN stays */
    vpower_machine_off();
    assert_int_equal(outs[0].port, PM1A);
    assert_int_equal(outs[0].val, 5 << 10 | 1);
    assert_int_equal(outs[1].port, PM1B);
    assert_int_equal(outs[1].val, 6 << 10);
    assert_int_equal(outs[2].val, 5 << 10 | 1 | 1 << 13);
    assert_int_equal(outs[3].val, 6 << 10 | 1 << 13);
    assert_int_equal(fake_locks_held, 0);
}

static void power_off_without_tables_tries_what_emulators_have(void **state)
{
    memset(&acpi_info, 0, sizeof(acpi_info));
    vpower_machine_off();
    assert_int_equal(nr_outs, 3);
    assert_int_equal(outs[0].port, 0x604);
    assert_int_equal(outs[0].val, 0x2000);
    assert_int_equal(outs[1].port, 0xb004);
    assert_int_equal(outs[2].val, 0x3400);
}

static void reset_goes_down_the_list(void **state)
{
    acpi_info.reset_reg = io_gas(0xb2);
    acpi_info.reset_value = 0x11;
    acpi_info.reset_supported = true;
    start();
    vpower_machine_reset();
    assert_int_equal(nr_outs, 4);
    assert_int_equal(outs[0].port, 0xb2);
    assert_int_equal(outs[0].val, 0x11);
    assert_int_equal(outs[1].port, 0xcf9);
    assert_int_equal(outs[1].val, 2);
    assert_int_equal(outs[2].val, 6);
    assert_int_equal(outs[3].port, 0x64);
    assert_int_equal(outs[3].val, 0xfe);
    assert_int_equal(triple_faults, 1);
}

static void a_reset_register_in_configuration_space_is_written_there(void **state)
{
    acpi_info.reset_reg = (struct acpi_gas){.space = 2, .address = 31ull << 32 | 2 << 16 | 0xd9};
    acpi_info.reset_value = 6;
    acpi_info.reset_supported = true;
    start();
    vpower_machine_reset();
    assert_int_equal(outs[0].port, 0xcf8);
    assert_int_equal(outs[0].val, 0x80000000u | 31 << 11 | 2 << 8 | 0xd8);
    assert_int_equal(outs[1].port, 0xcfd);
    assert_int_equal(outs[1].val, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_reset_register_ends_the_domain),
        TEST(an_unsupported_reset_register_is_not_watched),
        TEST(reset_control_resets_on_its_cpu_bit),
        TEST(the_tables_may_name_reset_control_with_a_value_of_its_own),
        TEST(only_the_reset_pulse_of_the_keyboard_controller_counts),
        TEST(fast_reset_counts_and_a20_passes),
        TEST(the_hypercall_powers_off),
        TEST(the_hypercall_suspends),
        TEST(the_hypercall_refuses_states_the_machine_does_not_have),
        TEST(the_hypercalls_values_must_be_the_states),
        TEST(the_hypercall_writes_other_states_itself),
        TEST(the_hypercalls_arguments_are_checked),
        TEST(the_machine_sleeps_with_the_wake_status_cleared_before),
        TEST(reduced_hardware_sleeps_by_its_own_registers),
        TEST(power_off_writes_the_type_then_enable_to_both_blocks),
        TEST(power_off_without_tables_tries_what_emulators_have),
        TEST(reset_goes_down_the_list),
        TEST(a_reset_register_in_configuration_space_is_written_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
