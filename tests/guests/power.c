/* SPDX-License-Identifier: BSD-2-Clause */
/* run: name=s5 cmdline=end=0 */
/* run: name=poweroff cmdline=end=1 only=torii,xen */
/* run: name=reboot cmdline=end=2 exit=guest-reset only=torii,xen */
/* run: name=crash cmdline=end=3 exit=guest-reset only=torii,xen */
/* run: name=resetreg cmdline=end=4 exit=guest-reset */
/* run: name=triplefault cmdline=end=5 exit=guest-reset */
/* run: name=halted cmdline=end=6 cpus=2 exit=none only=torii,xen */
/* run: name=watchdog cmdline=end=7 exit=guest-reset only=torii,xen */
/* run: name=keyboard cmdline=end=8 exit=guest-reset */
/* run: name=code cmdline=end=9 only=torii,xen */
/* run: name=delivery cmdline=end=10 exit=guest-reset only=torii,xen */
/* Every way a Dom0 ends, and what becomes of the machine: its end is checked from outside. */
#include "hyper.h"

static void shut_down(unsigned reason)
{
    struct sched_shutdown s = {.reason = reason};

    ok(true, "about to shut down for reason %u", reason);
    plan();
    sched_op(SCHEDOP_shutdown, &s);
    note("SCHEDOP_shutdown returned");
}

static void keyboard_reset(void)
{
    outb(0x64, 0xfe);
}

/* From ACPI 2.0 on, in tables of 129 bytes and more: §5.2.9. */
static void reset_register(void)
{
    static const char name[] = "the FADT has a reset register, a port";
    const u8 *fadt = (const u8 *)acpi_table("FACP");
    bool has_one = ((const struct acpi_header *)fadt)->length >= 129 && *(const u32 *)(fadt + 112) & BIT(10);

    if (has_one)
        ok(fadt[116] == 1, name);
    else
        skip(name, "this firmware's announces none; the keyboard controller resets instead");
    plan();
    if (has_one)
        outb(*(const u64 *)(fadt + 120), fadt[128]);
    else
        keyboard_reset();
}

static void triple_fault(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) none = {0, 0};

    ok(true, "about to fault three times");
    plan();
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void watchdog(void)
{
    struct sched_watchdog w = {.id = 3, .timeout = 1};
    long id;

    is(sched_op(SCHEDOP_watchdog, &w), ERR(XEN_EINVAL), "a watchdog that is not");
    w = (struct sched_watchdog){.timeout = 3};
    id = sched_op(SCHEDOP_watchdog, &w);
    ok(id > 0, "a watchdog of 3 s");
    w.id = id;
    is(sched_op(SCHEDOP_watchdog, &w), 0, "kicked");
    w.timeout = 0;
    is(sched_op(SCHEDOP_watchdog, &w), 0, "put down");
    w = (struct sched_watchdog){.timeout = 2};
    ok(sched_op(SCHEDOP_watchdog, &w) > 0, "one of 2 s, not kicked");
    plan();
    for (;;)
        stay_disabled();
}

static void nothing(void *unused)
{
}

static void all_halted(void)
{
    ok(ap_start(1, nothing, NULL), "CPU 1 parks itself");
    plan();
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void code(void)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_poweroff};

    is(sched_op(SCHEDOP_shutdown_code, &s), 0, "shutdown_code stores a reason and returns");
    s.reason = 99;
    ok(true, "about to power off");
    plan();
    power_off();
}

/* A machine drops what is pushed, and fails when the handler returns. */
static void exception_on_a_device(void)
{
    ok(true, "about to take an exception with the local APIC as its stack");
    plan();
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(LAPIC_BASE + 0xff0ull));
}

void test(void)
{
    switch (option("end", 0)) {
    case 0:
        ok(acpi_ports.pm1a_control, "the FADT has PM1a control");
        finish();
    case 1:
        shut_down(SHUTDOWN_poweroff);
        break;
    case 2:
        shut_down(SHUTDOWN_reboot);
        break;
    case 3:
        shut_down(SHUTDOWN_crash);
        break;
    case 4:
        reset_register();
        break;
    case 5:
        triple_fault();
        break;
    case 6:
        all_halted();
        break;
    case 7:
        watchdog();
        break;
    case 8:
        ok(true, "about to reset by the keyboard controller");
        plan();
        keyboard_reset();
        break;
    case 9:
        code();
        break;
    case 10:
        exception_on_a_device();
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
