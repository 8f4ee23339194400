/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine is made of: ACPI tables, IO-APICs, PCI configuration space. */
#include "rt.h"
#include "internal.h"

struct acpi_ports acpi_ports;
struct ioapic ioapics[8];
unsigned nr_ioapics;
static struct {
    u32 gsi;
    u16 flags;
} isa[16];

struct rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
} __attribute__((packed));

u8 byte_sum(const void *p, size_t n)
{
    u8 sum = 0;

    for (const u8 *b = p; n; n--)
        sum += *b++;
    return sum;
}

const struct acpi_header *acpi_table(const char *signature)
{
    const struct rsdp *r = (const void *)start_info->rsdp_paddr;
    bool wide = r && r->revision >= 2 && r->xsdt;
    const struct acpi_header *root = (const void *)(wide ? r->xsdt : r ? r->rsdt : 0);

    if (!root)
        return NULL;
    for (const u8 *p = (const u8 *)(root + 1); p < (const u8 *)root + root->length; p += wide ? 8 : 4) {
        const struct acpi_header *t = (const void *)(wide ? *(const u64 *)p : *(const u32 *)p);

        if (!memcmp(t->signature, signature, 4))
            return t;
    }
    return NULL;
}

static void madt_entry(const u8 *e)
{
    u32 flags = e[0] == 0 ? *(const u32 *)(e + 4) : *(const u32 *)(e + 8);

    if ((e[0] == 0 || e[0] == 9) && flags & 1 && nr_cpus < MAX_CPUS) {
        cpus[nr_cpus].index = nr_cpus;
        cpus[nr_cpus++].apic_id = e[0] == 0 ? e[3] : *(const u32 *)(e + 4);
    } else if (e[0] == 1 && nr_ioapics < ARRAY_SIZE(ioapics)) {
        struct ioapic *io = &ioapics[nr_ioapics++];

        io->id = e[2];
        io->base = *(const u32 *)(e + 4);
        io->gsi_base = *(const u32 *)(e + 8);
        io->pins = (ioapic_read(io, 1) >> 16 & 0xff) + 1;
    } else if (e[0] == 2 && e[3] < 16) {
        isa[e[3]].gsi = *(const u32 *)(e + 4);
        isa[e[3]].flags = *(const u16 *)(e + 8);
    }
}

/* The sleep types lie in packages of the DSDT: NAME "_S5_" PACKAGE length count, then BYTE n or a constant opcode. */
static u8 sleep_type(const struct acpi_header *dsdt, const char *name)
{
    const u8 *p = (const u8 *)dsdt, *end = p + dsdt->length;

    for (; p + 12 < end; p++) {
        if (memcmp(p, name, 4) || p[4] != 0x12)
            continue;
        p += 7; /* one byte of length, one of count */
        return *p == 0x0a ? p[1] : *p;
    }
    return 0;
}

void acpi_init(void)
{
    const u8 *madt = (const u8 *)acpi_table("APIC"), *fadt = (const u8 *)acpi_table("FACP");

    for (unsigned i = 0; i < 16; i++)
        isa[i].gsi = i;
    if (madt)
        for (const u8 *e = madt + 44; e < madt + ((struct acpi_header *)madt)->length && e[1]; e += e[1])
            madt_entry(e);
    if (!fadt)
        return;
    acpi_ports = (struct acpi_ports){
        .sci = *(const u16 *)(fadt + 46),
        .pm1a_event = *(const u32 *)(fadt + 56),
        .pm1a_control = *(const u32 *)(fadt + 64),
        .pm1b_control = *(const u32 *)(fadt + 68),
        .pm_timer = *(const u32 *)(fadt + 76),
        .s5_type = sleep_type((const void *)(u64)*(const u32 *)(fadt + 40), "_S5_"),
        .s3_type = sleep_type((const void *)(u64)*(const u32 *)(fadt + 40), "_S3_"),
    };
}

/* IO-APIC: index register at 0, window at 0x10. */
u32 ioapic_read(const struct ioapic *io, u8 reg)
{
    write32(io->base, reg);
    return read32(io->base + 0x10);
}

void ioapic_write(const struct ioapic *io, u8 reg, u32 value)
{
    write32(io->base, reg);
    write32(io->base + 0x10, value);
}

static const struct ioapic *ioapic_of(u32 *gsi)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        if (*gsi >= ioapics[i].gsi_base && *gsi < ioapics[i].gsi_base + ioapics[i].pins) {
            *gsi -= ioapics[i].gsi_base;
            return &ioapics[i];
        }
    }
    bail("GSI %u has no IO-APIC", *gsi);
}

void rte_write(u32 gsi, u32 low, u32 dest)
{
    const struct ioapic *io = ioapic_of(&gsi);

    ioapic_write(io, 0x10 + 2 * gsi, RTE_MASKED);
    ioapic_write(io, 0x11 + 2 * gsi, dest << 24);
    ioapic_write(io, 0x10 + 2 * gsi, low);
}

u32 rte_low(u32 gsi)
{
    const struct ioapic *io = ioapic_of(&gsi);

    return ioapic_read(io, 0x10 + 2 * gsi);
}

u32 isa_gsi(u8 irq, u32 *rte_flags)
{
    u16 flags = isa[irq].flags;

    *rte_flags = ((flags & 3) == 3 ? RTE_LOW : 0) | ((flags >> 2 & 3) == 3 ? RTE_LEVEL : 0);
    return isa[irq].gsi;
}

/* PCI by ports 0xcf8 and 0xcfc. */
u32 pci_read(u16 bdf, unsigned reg, unsigned bytes)
{
    outl(0xcf8, BIT(31) | (u32)bdf << 8 | (reg & 0xfc));
    return bytes == 1 ? inb(0xcfc + (reg & 3)) : bytes == 2 ? inw(0xcfc + (reg & 2)) : inl(0xcfc);
}

void pci_write(u16 bdf, unsigned reg, unsigned bytes, u32 value)
{
    outl(0xcf8, BIT(31) | (u32)bdf << 8 | (reg & 0xfc));
    if (bytes == 1)
        outb(0xcfc + (reg & 3), value);
    else if (bytes == 2)
        outw(0xcfc + (reg & 2), value);
    else
        outl(0xcfc, value);
}

u16 pci_find(u16 vendor, u16 device)
{
    for (u32 bdf = 0; bdf < 0x100; bdf++)
        if (pci_read(bdf, 0, 4) == (vendor | (u32)device << 16))
            return bdf;
    return PCI_NONE;
}

u8 pci_capability(u16 bdf, u8 id)
{
    u8 at;

    if (!(pci_read(bdf, 6, 2) & 0x10))
        return 0;
    at = pci_read(bdf, 0x34, 1) & 0xfc;
    for (unsigned n = 0; at && n < 48 && pci_read(bdf, at, 1) != id; n++)
        at = pci_read(bdf, at + 1, 1) & 0xfc;
    return at;
}

u64 pci_bar(u16 bdf, unsigned bar)
{
    u32 low = pci_read(bdf, 0x10 + 4 * bar, 4);

    if (low & 1)
        return low & ~3u;
    return (low & ~0xfu) | ((low & 6) == 4 ? (u64)pci_read(bdf, 0x14 + 4 * bar, 4) << 32 : 0);
}

void pci_enable(u16 bdf)
{
    u16 command = pci_read(bdf, PCI_COMMAND, 2);

    pci_write(bdf, PCI_COMMAND, 2, command | PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_MASTER);
}

u64 pci_ecam(void)
{
    const u8 *mcfg = (const u8 *)acpi_table("MCFG");

    return mcfg ? *(const u64 *)(mcfg + 44) : 0;
}
