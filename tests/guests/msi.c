/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 qemu="-device edu,addr=5" */
/* Message signalled interrupts of a single vector (PCI 3.0 §6.8.1), on the edu device. */
#include "rt.h"

#define VECTOR 0x75

static u16 bdf;
static u64 edu;
static u8 cap;
static volatile u32 up;

static void ack(void)
{
    write32(edu + EDU_ACK, read32(edu + EDU_PENDING));
}

static void idle(void *unused)
{
    up = 1;
    for (;;)
        halt();
}

static void message(u64 address, u16 data)
{
    pci_write(bdf, cap + 4, 4, address);
    pci_write(bdf, cap + 8, 4, address >> 32);
    pci_write(bdf, cap + 12, 2, data);
}

static void enable(bool on)
{
    u16 control = pci_read(bdf, cap + 2, 2);

    pci_write(bdf, cap + 2, 2, on ? control | 1 : control & ~1);
}

static bool raised(unsigned cpu, u8 vector)
{
    u32 n = irq_count[cpu][vector];

    irq_handler[vector] = ack;
    write32(edu + EDU_RAISE, 1);
    if (wait_count(&irq_count[cpu][vector], n + 1, 500)) {
        wait_ms(10);
        return irq_count[cpu][vector] == n + 1;
    }
    ack();
    return false;
}

void test(void)
{
    u32 gsi;

    bdf = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (bdf == PCI_NONE)
        bail("no edu device");
    pci_enable(bdf);
    edu = pci_bar(bdf, 0);
    cap = pci_capability(bdf, PCI_CAP_MSI);
    ap_start(1, idle, NULL);
    while (!up)
        cpu_relax();
    is(pci_read(bdf, cap + 2, 2) & 1, 0, "MSI starts disabled");
    is(pci_read(bdf, cap + 2, 2) & 0x80, 0x80, "edu's MSI takes 64-bit addresses");
    message(MSI_ADDRESS(cpus[0].apic_id), VECTOR);
    ok(!raised(0, VECTOR), "nothing comes before it is enabled");
    enable(true);
    is(pci_read(bdf, cap + 2, 2) & 1, 1, "it reads as enabled");
    ok(raised(0, VECTOR), "a message arrives, once");
    is(pci_read(bdf, cap + 4, 4), MSI_ADDRESS(cpus[0].apic_id), "the address reads back as written");
    is(pci_read(bdf, cap + 12, 2), VECTOR, "and the data");
    is(lapic_bit(LAPIC_TMR, VECTOR), 0, "it is an edge");
    pci_write(bdf, cap + 4, 4, MSI_ADDRESS(cpus[1].apic_id));
    ok(raised(1, VECTOR), "a new address while enabled: the other CPU");
    pci_write(bdf, cap + 12, 2, VECTOR + 1);
    ok(raised(1, VECTOR + 1), "new data while enabled: another vector");
    lapic_write(LAPIC_LDR, 1u << 24);
    message(0xfee00000 | 1 << 12 | 0xc, 0x100 | VECTOR);
    ok(raised(0, VECTOR), "logical destination, redirection hint, lowest priority");
    pci_write(bdf, cap + 3, 1, 0xff);
    ok(raised(0, VECTOR), "the upper control byte changes nothing");
    message(0x12345000, VECTOR);
    ok(!raised(0, VECTOR), "an address that is no interrupt's delivers nothing");
    message(MSI_ADDRESS(0x5a), VECTOR);
    ok(!raised(0, VECTOR), "a destination nobody has");
    message(MSI_ADDRESS(cpus[0].apic_id), 3);
    ok(!raised(0, VECTOR), "a vector below 16 does no harm");
    message(MSI_ADDRESS(cpus[0].apic_id), VECTOR);
    ok(raised(0, VECTOR), "after all of which a message arrives");
    pci_write(bdf, PCI_COMMAND, 2, pci_read(bdf, PCI_COMMAND, 2) | PCI_COMMAND_NO_INTX);
    enable(false);
    ok(!raised(0, VECTOR), "disabled, nothing comes");
    pci_write(bdf, PCI_COMMAND, 2, pci_read(bdf, PCI_COMMAND, 2) & ~PCI_COMMAND_NO_INTX);
    gsi = 20 + (bdf >> 3 & 3);
    rte_write(gsi, RTE_LEVEL | (VECTOR + 2), cpus[0].apic_id);
    ok(raised(0, VECTOR + 2), "the pin works in its place");
    rte_write(gsi, RTE_MASKED, 0);
    enable(true);
    ok(raised(0, VECTOR), "enabled again, messages come");
    for (unsigned i = 0; i < 200; i++)
        if (!raised(0, VECTOR))
            bail("message %u got lost", i);
    ok(true, "two hundred more, none lost or doubled");
}
