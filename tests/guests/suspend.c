/* SPDX-License-Identifier: BSD-2-Clause */
/* run: name=call cmdline=how=0 cpus=2 qemu="-rtc base=utc" only=torii */
/* run: name=register cmdline=how=1 cpus=2 qemu="-rtc base=utc" only=torii */
/* run: name=refused cmdline=how=2 qemu="-rtc base=utc" only=torii */
/* run: name=off cmdline=how=3 only=torii */
/* Suspend to RAM by hypercall and by the register, woken by the CMOS clock's alarm. */
#include "hyper.h"

#define SLP_EN  0x2000u
#define RTC_EN  0x0400u
#define WAK_STS 0x8000u

#define RTC_SECONDS 0
#define RTC_ALARM   1
#define RTC_B       11
#define RTC_C       12
#define RTC_B_ALARM 0x20
#define ANY         0xc0

/* MC146818: the alarm's minutes and hours do not matter, its second does. */
static u8 cmos(u8 reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static void cmos_write(u8 reg, u8 value)
{
    outb(0x70, reg);
    outb(0x71, value);
}

static void alarm_in(unsigned seconds)
{
    u8 bcd = cmos(RTC_SECONDS);
    unsigned at = ((bcd >> 4) * 10u + (bcd & 15) + seconds) % 60;

    cmos_write(RTC_ALARM, (u8)(at / 10 << 4 | at % 10));
    cmos_write(RTC_ALARM + 2, ANY);
    cmos_write(RTC_ALARM + 4, ANY);
    cmos_write(RTC_B, cmos(RTC_B) | RTC_B_ALARM);
    cmos(RTC_C);
    outw(acpi_ports.pm1a_event, 0xffff);
    outw(acpi_ports.pm1a_event + 2, RTC_EN);
}

static u64 wall_clock(void)
{
    const struct shared_info *s = shared_info_map();

    return s->wc_sec * 1000000000ull + s->wc_nsec + now_ns();
}

static long enter_sleep(u32 state, u32 a, u32 b, u32 flags)
{
    struct xen_platform_op o = {.cmd = XENPF_enter_acpi_sleep, .interface_version = XENPF_INTERFACE_VERSION};

    o.u.enter_acpi_sleep =
        (struct xenpf_enter_acpi_sleep){.val_a = (u16)a, .val_b = (u16)b, .sleep_state = state, .flags = flags};
    return HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0);
}

static u32 s3(void)
{
    return (inw(acpi_ports.pm1a_control) & ~0x3c00u) | (u32)acpi_ports.s3_type << 10;
}

static volatile u64 counted;

static void count(void *unused)
{
    for (;;)
        counted++;
}

static void by_hypercall(void)
{
    u64 before, wall, counted_before, port;

    ok(ap_start(1, count, NULL), "CPU 1 counts");
    port = (u64)alloc_unbound(DOMID_SELF);
    before = now_ns();
    wall = wall_clock();
    alarm_in(3);
    is((u64)enter_sleep(3, s3(), 0, 0), 0, "the call returns 0 when the machine is awake");
    ok(wall_clock() - wall >= 1500000000 && wall_clock() - wall < 60000000000ull, "the wall clock went on");
    ok(now_ns() - before < 1500000000, "system time stood still");
    ok(now_ns() - before < 1ull << 62, "and did not go back");
    counted_before = counted;
    udelay(100000);
    ok(counted > counted_before, "CPU 1 still counts");
    is((u64)evtchn_close((u32)port), 0, "event channels are still there");
    ok(inw(acpi_ports.pm1a_event) & WAK_STS, "the hardware says that it woke up");
    alarm_in(3);
    is((u64)enter_sleep(3, s3() | SLP_EN, SLP_EN, 0), 0, "again, with SLP_EN in the values");
    finish();
}

static u8 *facs(void)
{
    return (u8 *)(u64) * (const u32 *)((const u8 *)acpi_table("FACP") + 36);
}

static u64 system_time;

/* Instead of an AP, the boot CPU comes out of the trampoline. */
static void awake(void *unused)
{
    const struct trampoline_state *seen = trampoline_seen();
    bool masked = true;

    is(seen->cs, TRAMPOLINE_PAGE >> 4, "CS is the waking vector without its last digit");
    is(seen->cr0 & 1, 0, "in real mode");
    is(rdmsr(MSR_APIC_BASE) & 0xfff, 0x900, "on the boot CPU, its APIC not in x2APIC mode");
    for (unsigned i = 0; i < ioapics[0].pins; i++)
        masked &= !!(ioapic_read(&ioapics[0], (u8)(0x10 + 2 * i)) & RTE_MASKED);
    ok(masked, "every IO-APIC entry is masked");
    ok(now_ns() > system_time && now_ns() - system_time < 1500000000, "system time stood still");
    ok(inw(acpi_ports.pm1a_event) & WAK_STS, "the hardware says that it woke up");
    is(*(u32 *)(facs() + 12), TRAMPOLINE_PAGE, "the waking vector is the one that was stored");
    finish();
}

static void by_register(void)
{
    u16 control = (u16)s3();

    lapic_enable_x2apic();
    rte_write(4, 0x51 | RTE_MASKED, 0);
    rte_write(12, 0x52, 0);
    ap_prepare(1, awake, NULL);
    *(u32 *)(facs() + 12) = TRAMPOLINE_PAGE;
    system_time = now_ns();
    alarm_in(3);
    outw(acpi_ports.pm1a_control, control);
    outw(acpi_ports.pm1a_control, control | SLP_EN);
    bail("the machine did not sleep");
}

static void refused(void)
{
    u16 control = inw(acpi_ports.pm1a_control) & ~0x3c00u;

    is((u64)enter_sleep(0, s3(), 0, 0), ERR(XEN_EINVAL), "S0 is no sleep");
    is((u64)enter_sleep(6, s3(), 0, 0), ERR(XEN_EINVAL), "there is no S6");
    is((u64)enter_sleep(256 + 3, s3(), 0, 0), ERR(XEN_EINVAL), "nor more");
    is((u64)enter_sleep(1, s3(), 0, 0), ERR(XEN_EOPNOTSUPP), "S1, which the machine does not have");
    is((u64)enter_sleep(2, s3(), 0, 0), ERR(XEN_EOPNOTSUPP), "S2");
    is((u64)enter_sleep(4, s3(), 0, 0), ERR(XEN_EINVAL), "S4 with the type of S3");
    is((u64)enter_sleep(3, control | 7 << 10, 0, 0), ERR(XEN_EINVAL), "S3 with another type");
    is((u64)enter_sleep(3, s3() | SLP_EN, 1, 0), ERR(XEN_EINVAL), "SLP_EN in one value only");
    is((u64)enter_sleep(3, acpi_ports.s3_type, 0xff, XENPF_ACPI_SLEEP_EXTENDED), ERR(XEN_EPERM),
       "extended registers, which the machine does not have");
    is((u64)enter_sleep(3, 8, 0xff, XENPF_ACPI_SLEEP_EXTENDED), ERR(XEN_EINVAL), "a type of more than three bits");
    is((u64)enter_sleep(3, s3(), 0, 2), ERR(XEN_EINVAL), "a flag that is none");
    *(u32 *)(facs() + 12) = 0;
    for (u16 type = 3; type < 8; type++) {
        outw(acpi_ports.pm1a_event, WAK_STS);
        outw(acpi_ports.pm1a_control, (u16)(control | type << 10 | SLP_EN));
        ok(inw(acpi_ports.pm1a_event) & WAK_STS, "a write of sleep type %u that no table names is over at once", type);
    }
    outw(acpi_ports.pm1a_event, WAK_STS);
    outw(acpi_ports.pm1a_control, (u16)(s3() | SLP_EN));
    ok(inw(acpi_ports.pm1a_event) & WAK_STS, "so is S3 without a waking vector");
    outw(acpi_ports.pm1a_event, WAK_STS);
    is(inw(acpi_ports.pm1a_event) & WAK_STS, 0, "the wake status can be cleared");
    finish();
}

/* The machine's end is checked from outside. */
static void off(void)
{
    u32 control = (inw(acpi_ports.pm1a_control) & ~0x3c00u) | (u32)acpi_ports.s5_type << 10;

    ok(true, "about to enter S5 by hypercall");
    plan();
    enter_sleep(5, control, 0, 0);
    note("XENPF_enter_acpi_sleep returned");
    for (;;)
        stay_disabled();
}

void test(void)
{
    switch (option("how", 0)) {
    case 0:
        by_hypercall();
        break;
    case 1:
        by_register();
        break;
    case 2:
        refused();
        break;
    default:
        off();
    }
}
