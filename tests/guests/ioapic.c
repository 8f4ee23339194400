/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 qemu="-device edu,addr=5" */
/* IO-APIC (82093AA data sheet): registers, edge and level delivery, Remote IRR, masks; driven by edu's INTx and the RTC. */
#include "rt.h"

#define VECTOR 0x71

static u64 edu;
static u32 gsi;
static volatile u32 *const count = &irq_count[0][VECTOR];
static u32 irr_in_handler, tmr_in_handler;
static unsigned ack_at;
static volatile u32 up;

static void edu_ack(void)
{
    write32(edu + EDU_ACK, read32(edu + EDU_PENDING));
}

static void handler(void)
{
    irr_in_handler = rte_low(gsi) & RTE_REMOTE_IRR;
    tmr_in_handler = lapic_bit(LAPIC_TMR, VECTOR);
    if (!ack_at || irq_count[this_cpu()->index][VECTOR] >= ack_at)
        edu_ack();
}

static void idle(void *unused)
{
    up = 1;
    for (;;)
        halt();
}

static void registers(void)
{
    const struct ioapic *io = &ioapics[0];
    bool masked = true;
    u32 version, id;

    ok(nr_ioapics >= 1, "the MADT has an IO-APIC");
    id = ioapic_read(io, 0);
    is(id >> 24 & 0xf, io->id & 0xf, "its id is the MADT's");
    version = ioapic_read(io, 1);
    ok((version & 0xff) >= 0x11 && (version & 0xff) <= 0x20, "its version is an IO-APIC's");
    ok((version >> 16 & 0xff) >= 23, "it has at least 24 pins");
    for (u32 pin = 0; pin < io->pins; pin++)
        masked &= ioapic_read(io, 0x10 + 2 * pin) >> 16 & 1;
    if (on_xen)
        ok(masked, "all entries start masked");
    else
        skip("all entries start masked", "firmware has been here");
    ioapic_write(io, 1, 0);
    is(ioapic_read(io, 1), version, "the version register is read-only");
    ioapic_write(io, 0x10 + 2 * 20, RTE_MASKED | 0xf7ff);
    is(ioapic_read(io, 0x10 + 2 * 20) & ~0x5000u, RTE_MASKED | 0xa7ff, "an entry keeps what is written");
    ioapic_write(io, 0x11 + 2 * 20, 0x1000000);
    is(ioapic_read(io, 0x11 + 2 * 20), 0x1000000, "and its destination");
    is(ioapic_read(io, 0x10 + 2 * 20) & (RTE_REMOTE_IRR | 0x1000), 0, "Remote IRR and delivery status are read-only");
    ioapic_write(io, 0x10 + 2 * 20, RTE_MASKED);
    write32(io->base, 0x14);
    is(read32(io->base) & 0xff, 0x14, "the index register reads back");
}

static void level(void)
{
    *count = 0;
    rte_write(gsi, RTE_LEVEL | VECTOR, cpus[0].apic_id);
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(count, 1, 2000), "a level interrupt is delivered");
    wait_ms(20);
    is(*count, 1, "once");
    is(irr_in_handler, RTE_REMOTE_IRR, "Remote IRR is set in its handler");
    is(tmr_in_handler, 1, "TMR says level");
    is(rte_low(gsi) & RTE_REMOTE_IRR, 0, "and clear after EOI");
    ack_at = 5;
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(count, 5, 2000), "as long as the line is asserted it comes again after EOI");
    wait_ms(20);
    is(*count, 5, "and no longer");
    ack_at = 0;
    rte_write(gsi, RTE_MASKED | RTE_LEVEL | VECTOR, cpus[0].apic_id);
    write32(edu + EDU_RAISE, 1);
    wait_ms(20);
    is(*count, 5, "a masked pin delivers nothing");
    rte_write(gsi, RTE_LEVEL | VECTOR, cpus[0].apic_id);
    ok(wait_count(count, 6, 2000), "unmasked with the line asserted it does");
    irq_count[1][VECTOR] = 0;
    rte_write(gsi, RTE_LEVEL | VECTOR, cpus[1].apic_id);
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(&irq_count[1][VECTOR], 1, 2000), "to the other CPU by physical destination");
    is(*count, 6, "and not to this one");
    wait_ms(20);
    is(rte_low(gsi) & RTE_REMOTE_IRR, 0, "its EOI there clears Remote IRR");
    lapic_write(LAPIC_LDR, 1u << 24);
    rte_write(gsi, RTE_LEVEL | RTE_LOGICAL | VECTOR, 1);
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(count, 7, 2000), "to this CPU by logical destination");
    rte_write(gsi, RTE_LEVEL | RTE_LOGICAL | ICR_LOWEST | VECTOR, 1);
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(count, 8, 2000), "by lowest priority");
}

static void new_vector(void)
{
    irq_count[0][0x72] = 0;
    irq_handler[0x72] = edu_ack;
    rte_write(gsi, RTE_LEVEL | 0x72, cpus[0].apic_id);
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(&irq_count[0][0x72], 1, 2000), "a new vector is used");
}

/* A kernel without an EOI register ends a stuck level interrupt by switching its pin to edge and back. */
static void end_by_edge(void)
{
    irq_no_eoi[VECTOR] = true;
    irq_handler[VECTOR] = edu_ack;
    *count = 0;
    rte_write(gsi, RTE_LEVEL | VECTOR, cpus[0].apic_id);
    write32(edu + EDU_RAISE, 1);
    wait_count(count, 1, 2000);
    is(rte_low(gsi) & RTE_REMOTE_IRR, RTE_REMOTE_IRR, "Remote IRR stays without an EOI");
    rte_write(gsi, RTE_MASKED | VECTOR, cpus[0].apic_id);
    rte_write(gsi, RTE_MASKED | RTE_LEVEL | VECTOR, cpus[0].apic_id);
    is(rte_low(gsi) & RTE_REMOTE_IRR, 0, "edge and back clears it");
    lapic_eoi();
    irq_no_eoi[VECTOR] = false;
    rte_write(gsi, RTE_LEVEL | VECTOR, cpus[0].apic_id);
    write32(edu + EDU_RAISE, 1);
    ok(wait_count(count, 2, 2000), "and the pin delivers again");
    rte_write(gsi, RTE_MASKED, 0);
}

static u8 rtc_read(u8 reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static void rtc_write(u8 reg, u8 v)
{
    outb(0x70, reg);
    outb(0x71, v);
}

static void rtc_handler(void)
{
    rtc_read(0xc);
}

/* Periodic interrupts of the RTC: IRQ 8, edge; each needs register C read. */
static void edge(void)
{
    u32 flags, irq8 = isa_gsi(8, &flags);
    u8 b = rtc_read(0xb);

    irq_handler[0x73] = rtc_handler;
    irq_count[0][0x73] = 0;
    rtc_write(0xa, (rtc_read(0xa) & 0xf0) | 10); /* 64 Hz */
    rtc_read(0xc);
    rte_write(irq8, flags | 0x73, cpus[0].apic_id);
    rtc_write(0xb, b | 0x40);
    ok(wait_count(&irq_count[0][0x73], 5, 3000), "edge interrupts of the RTC come");
    is(rte_low(irq8) & RTE_REMOTE_IRR, 0, "Remote IRR stays clear for an edge");
    is(lapic_bit(LAPIC_TMR, 0x73), 0, "TMR says edge");
    rtc_write(0xb, b & ~0x40);
    rte_write(irq8, RTE_MASKED, 0);
    rtc_read(0xc);
}

static void sci_handler(void)
{
    outw(acpi_ports.pm1a_event, 1); /* TMR_STS */
}

/* The ACPI timer's carry, every 2.34 s, as SCI. */
static void sci(void)
{
    const u8 *fadt = (const u8 *)acpi_table("FACP");
    u32 flags;
    u32 at = isa_gsi(acpi_ports.sci, &flags);

    if (!(inw(acpi_ports.pm1a_control) & 1))
        outb(*(const u32 *)(fadt + 48), fadt[52]);
    irq_handler[0x74] = sci_handler;
    outw(acpi_ports.pm1a_event, 0xffff);
    rte_write(at, RTE_LEVEL | (flags & RTE_LOW) | 0x74, cpus[0].apic_id);
    outw(acpi_ports.pm1a_event + 2, 1);
    ok(wait_count(&irq_count[0][0x74], 2, 12000), "the SCI comes, level, twice");
    outw(acpi_ports.pm1a_event + 2, 0);
    rte_write(at, RTE_MASKED, 0);
}

void test(void)
{
    u16 bdf = pci_find(EDU_VENDOR, EDU_DEVICE);

    registers();
    if (bdf == PCI_NONE)
        bail("no edu device");
    pci_enable(bdf);
    edu = pci_bar(bdf, 0);
    gsi = 20 + (bdf >> 3 & 3); /* q35: slot n, INTA is PIRQ E + n % 4 */
    irq_handler[VECTOR] = handler;
    ap_start(1, idle, NULL);
    while (!up)
        cpu_relax();
    level();
    new_vector();
    end_by_edge();
    edge();
    sci();
}
