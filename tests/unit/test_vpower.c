/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpower.c src/vdev/vpower_machine.c src/vdev/legacy.c tests/unit/fakes.c */
/* Sleep and reset registers: what passes, what ends the domain, and how the machine is ended; denied ports. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <torii/acpi.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/stage2.h>
#include <torii/suspend.h>
#include <torii/vpower.h>
#include <xen/sched.h>

#include "fakes.h"

#define PM1A  0x604
#define PM1B  0x704
#define EVT   0x600
#define FIXED 0xfed0000000ull

struct acpi_info acpi_info;
static struct domain domain;
static struct vcpu vcpu = {.d = &domain};
static int ended; /* SHUTDOWN_* or -1 */
static unsigned triple_faults, unmapped;
static u8 ports[0x10000];
static u8 memory[2 * PAGE_SIZE];
static char console[16];
static unsigned console_bytes;
static int register_error;

static struct {
    u16 port;
    unsigned bytes;
    u32 val;
} outs[64];
static unsigned nr_outs;

static struct {
    u16 first, last;
    pio_fn *fn;
    void *ctx;
} pio[32];
static unsigned pios;

static struct {
    gpa_t first, last;
    mmio_fn *fn;
    void *ctx;
} mmio[8];
static unsigned mmios;

void domain_shutdown(struct domain *d, u8 reason)
{
    assert_ptr_equal(d, &domain);
    assert_int_equal(fake_locks_held, 0);
    ended = reason;
}

static struct suspend asked; /* the last suspend_request */
static unsigned suspends;
static int suspend_error;

int suspend_request(const struct suspend *s)
{
    asked = *s;
    suspends++;
    return suspend_error;
}

void machine_triple_fault(void)
{
    triple_faults++;
}

void console_guest_write(const char *s, size_t n)
{
    memcpy(console + console_bytes, s, n);
    console_bytes += n;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (!write) {
        *val = 0;
        memcpy(val, ports + port, bytes);
        return;
    }
    memcpy(ports + port, val, bytes);
    if (port == 0x80 || nr_outs == ARRAY_SIZE(outs))
        return;
    outs[nr_outs].port = port;
    outs[nr_outs].bytes = bytes;
    outs[nr_outs++].val = bytes == 4 ? *val : *val & ((1u << bytes * 8) - 1);
}

void pio_deny(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (!write)
        *val = ~0u;
}

void mmio_hardware(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    u8 *p = memory + (gpa - FIXED);

    if (!write)
        *val = 0;
    write ? memcpy(p, val, bytes) : memcpy(val, p, bytes);
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    assert_true(uncached && pa >= FIXED && pa + bytes <= FIXED + sizeof(memory));
    return memory + (pa - FIXED);
}

int s2_unmap(struct domain *d, gfn_t gfn, u64 nr)
{
    unmapped += nr;
    return 0;
}

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    if (register_error)
        return register_error;
    for (unsigned i = 0; i < pios; i++)
        if (first <= pio[i].last && last >= pio[i].first)
            return -XEN_EEXIST;
    pio[pios].first = first;
    pio[pios].last = last;
    pio[pios].fn = fn;
    pio[pios++].ctx = ctx;
    return 0;
}

int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < mmios; i++)
        if (first <= mmio[i].last && last >= mmio[i].first)
            return -XEN_EEXIST;
    mmio[mmios].first = first;
    mmio[mmios].last = last;
    mmio[mmios].fn = fn;
    mmio[mmios++].ctx = ctx;
    return 0;
}

static struct acpi_gas io_gas(u16 port)
{
    return (struct acpi_gas){.space = 1, .width = 16, .address = port};
}

static int setup(void **state)
{
    memset(&acpi_info, 0, sizeof(acpi_info));
    memset(ports, 0, sizeof(ports));
    memset(memory, 0, sizeof(memory));
    pios = mmios = nr_outs = triple_faults = console_bytes = unmapped = 0;
    register_error = 0;
    ended = -1;
    fake_alloc_fail_after = -1;
    fake_log_count = 0;
    acpi_info.pm1a_cnt = io_gas(PM1A);
    acpi_info.pm1a_evt = io_gas(EVT);
    suspends = 0;
    suspend_error = 0;
    acpi_info.sleep[5].valid = acpi_info.sleep[3].valid = acpi_info.sleep[4].valid = true;
    acpi_info.sleep[4].typ[0] = 2;
    acpi_info.sleep[4].typ[1] = 3;
    acpi_info.sleep[5].typ[0] = 5;
    acpi_info.sleep[5].typ[1] = 6;
    acpi_info.sleep[3].typ[0] = acpi_info.sleep[3].typ[1] = 1;
    return 0;
}

static int teardown(void **state)
{
    if (domain.vpower)
        vpower_free(&domain);
    return 0;
}

static void start(void)
{
    assert_int_equal(vpower_init(&domain), 0);
    nr_outs = 0;
}

static bool trapped(u16 port)
{
    for (unsigned i = 0; i < pios; i++)
        if (port >= pio[i].first && port <= pio[i].last)
            return true;
    return false;
}

static u32 access(u16 port, unsigned bytes, bool write, u32 val)
{
    for (unsigned i = 0; i < pios; i++) {
        if (port >= pio[i].first && port <= pio[i].last) {
            pio[i].fn(&vcpu, pio[i].ctx, port, bytes, write, &val);
            return bytes == 4 ? val : val & ((1u << bytes * 8) - 1);
        }
    }
    fail_msg("port 0x%x is not registered", port);
    return 0;
}

static void out(u16 port, unsigned bytes, u32 val)
{
    access(port, bytes, true, val);
}

static u32 in(u16 port, unsigned bytes)
{
    return access(port, bytes, false, 0x5a5a5a5a);
}

static u64 as_guest(gpa_t gpa, unsigned bytes, bool write, u64 val)
{
    for (unsigned i = 0; i < mmios; i++) {
        if (gpa >= mmio[i].first && gpa <= mmio[i].last) {
            mmio[i].fn(&vcpu, mmio[i].ctx, gpa, bytes, write, &val);
            return val;
        }
    }
    fail_msg("address 0x%lx is not registered", (unsigned long)gpa);
    return 0;
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(failures_of_registration_are_returned),
        TEST(the_interrupt_controllers_read_all_ones),
        TEST(what_is_dom0s_is_not_trapped),
        TEST(the_debug_port_writes_to_the_console),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
