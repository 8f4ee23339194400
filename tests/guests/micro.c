/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cmdline=rounds=20 */
/*
 * What single operations cost, in TSC cycles: the least of a number of rounds. Under -icount the TSC counts instructions of
 * guest and hypervisor together, and the figures are exact. bench/bench.py reads the "cost" lines.
 */
#include "hyper.h"

#define VECTOR 0x51

static unsigned rounds;
static struct shared_info *s;
static long port;
static u64 edu;

static u64 fastest(void (*fn)(void))
{
    u64 least = ~0ull;

    for (unsigned i = 0; i < rounds; i++) {
        u64 t = rdtsc();

        fn();
        t = rdtsc() - t;
        if (t < least)
            least = t;
    }
    return least;
}

static void nothing(void)
{
}

static void null_hypercall(void)
{
    HYPERCALL(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
}

static void cpuid_1(void)
{
    cpuid(1, 0);
}

static void eoi_x2apic(void)
{
    wrmsr(0x80b, 0);
}

static void eoi_xapic(void)
{
    write32(LAPIC_BASE + LAPIC_EOI, 0);
}

/* Sent with interrupts off, taken and ended afterwards, out of the measurement's way. */
static void self_ipi_x2apic(void)
{
    wrmsr(0x830, ICR_SELF | VECTOR);
}

static void self_ipi_taken(void)
{
    wrmsr(0x830, ICR_SELF | VECTOR);
    __asm__ volatile("sti; nop; nop; cli");
}

static void self_ipi_xapic(void)
{
    write32(LAPIC_BASE + LAPIC_ICR, ICR_SELF | VECTOR);
}

static void tpr_xapic(void)
{
    write32(LAPIC_BASE + LAPIC_TPR, 0);
}

static void id_xapic(void)
{
    read32(LAPIC_BASE + LAPIC_ID);
}

static void timer_apic(void)
{
    lapic_write(LAPIC_TICR, 100000000);
}

static void timer_deadline(void)
{
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000000000);
}

static void timer_xen(void)
{
    struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = pvclock_ns(&s->vcpu_info[0].time) + 1000000000};

    vcpu_op(VCPUOP_set_singleshot_timer, 0, &t);
}

static void send_event(void)
{
    evtchn_send(port);
    s->vcpu_info[0].evtchn_upcall_pending = 0;
    s->vcpu_info[0].evtchn_pending_sel = 0;
    port_clear(port);
}

static void ioapic_fault(void)
{
    read32(ioapics[0].base + 0x10);
}

static void config_read(void)
{
    pci_read(0, 0, 4);
}

static void pm1_write(void)
{
    outw(acpi_ports.pm1a_control, 1);
}

static void msr_apic_base(void)
{
    rdmsr(MSR_APIC_BASE);
}

static void ecam_read(void)
{
    read32(pci_ecam());
}

static void msi_taken(void)
{
    u32 n = irq_count[0][VECTOR + 1];

    write32(edu + EDU_RAISE, 1);
    __asm__ volatile("sti");
    while (irq_count[0][VECTOR + 1] == n)
        cpu_relax();
    __asm__ volatile("cli");
}

static void edu_ack(void)
{
    write32(edu + EDU_ACK, 1);
}

static u64 empty;

/* op=N of the command line: that one alone, a hundred thousand times, for a profile (tools/hvprof). */
static unsigned wanted, number;

static void cost(const char *name, void (*fn)(void))
{
    if (wanted && ++number != wanted)
        return;
    for (unsigned i = 0; wanted && i < 100000; i++)
        fn();
    print("cost %s = %lu\n", name, fastest(fn) - empty);
}

/* A page that nothing has touched: each at its first read. */
static void fault_in(void)
{
    u64 at = 0xd0000000, least = ~0ull, v;

    if (wanted)
        return;
    for (unsigned i = 0; i < rounds; i++) {
        u64 t = rdtsc();

        read64_safe(at + i * 0x200000ull, &v);
        t = rdtsc() - t;
        if (t < least)
            least = t;
    }
    print("cost page fault-in = %lu\n", least - empty);
}

static void msi(void)
{
    u16 bdf = pci_find(EDU_VENDOR, EDU_DEVICE);
    u8 cap;

    if (bdf == PCI_NONE)
        return;
    pci_enable(bdf);
    edu = pci_bar(bdf, 0);
    cap = pci_capability(bdf, PCI_CAP_MSI);
    pci_write(bdf, cap + 4, 4, MSI_ADDRESS(cpus[0].apic_id));
    pci_write(bdf, cap + 12, 2, VECTOR + 1);
    pci_write(bdf, cap + 2, 2, pci_read(bdf, cap + 2, 2) | 1);
    irq_handler[VECTOR + 1] = edu_ack;
    cost("MSI, raised to handled", msi_taken);
}

static void sleeper(void *arg)
{
    lapic_enable_x2apic();
    for (;;)
        __asm__ volatile("sti; hlt; cli");
}

/* The sender's part, the other processor asleep: it has woken up, and gone to sleep again, before the next. */
static void remote_ipi(void)
{
    u64 least = ~0ull;

    if (wanted || nr_cpus < 2 || !ap_start(1, sleeper, NULL))
        return;
    for (unsigned i = 0; i < rounds; i++) {
        u32 n = irq_count[1][VECTOR];
        u64 t;

        for (unsigned j = 0; j < 1000000; j++)
            cpu_relax();
        t = rdtsc();
        wrmsr(0x830, (u64)cpus[1].apic_id << 32 | VECTOR);
        t = rdtsc() - t;
        while (irq_count[1][VECTOR] == n)
            cpu_relax();
        if (t < least)
            least = t;
    }
    print("cost x2APIC ICR remote = %lu\n", least - empty);
}

static void x2apic(void)
{
    lapic_enable_x2apic();
    cost("x2APIC EOI", eoi_x2apic);
    cost("x2APIC ICR self", self_ipi_x2apic);
    cost("x2APIC ICR self, taken, EOI", self_ipi_taken);
    cost("x2APIC timer", timer_apic);
    lapic_write(LAPIC_TICR, 0);
    remote_ipi();
}

void test(void)
{
    rounds = option("rounds", 100);
    wanted = option("op", 0);
    if (on_xen) {
        s = shared_info_map();
        upcall_vector(0, 0xf3);
        port = bind_ipi(0);
    }
    empty = fastest(nothing);
    note("an empty measurement is %lu", empty);
    if (on_xen)
        cost("null hypercall", null_hypercall);
    cost("CPUID", cpuid_1);
    cost("RDMSR APIC_BASE", msr_apic_base);
    cost("xAPIC EOI", eoi_xapic);
    cost("xAPIC TPR write", tpr_xapic);
    cost("xAPIC ID read", id_xapic);
    cost("xAPIC ICR self", self_ipi_xapic);
    lapic_write(LAPIC_LVTT, VECTOR);
    cost("xAPIC timer", timer_apic);
    lapic_write(LAPIC_TICR, 0);
    if (on_xen) {
        cost("single-shot timer hypercall", timer_xen);
        vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL);
        cost("event channel send", send_event);
    }
    cost("IO-APIC read", ioapic_fault);
    cost("PCI read by CF8", config_read);
    cost("PCI read by ECAM", ecam_read);
    cost("PIO exit, PM1 control", pm1_write);
    fault_in();
    msi();
    if (cpuid(1, 0).ecx & BIT(21))
        x2apic();
    if (cpuid(1, 0).ecx & BIT(24)) {
        lapic_write(LAPIC_LVTT, LVT_TSC_DEADLINE | VECTOR);
        cost("TSC deadline", timer_deadline);
    }
    ok(true, "measured");
}
