/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * To restore the chipset's own registers after suspend to RAM is firmware's work, with one firmware that leaves some:
 * SeaBIOS (1.16) on QEMU's q35. Without its ACPI registers, its interrupt routes and its ECAM window the machine wakes
 * once and never sleeps or powers off again, bare Linux likewise. Only what differs is written.
 */
#include <torii/pci.h>
#include <torii/suspend.h>

#define PCI_SUBSYSTEM  0x2c
#define SUBSYSTEM_QEMU 0x11001af4u

#define ICH9_LPC PCI_SBDF(0, 0, 0xf8)
#define Q35_MCH  PCI_SBDF(0, 0, 0)

/* ICH9 data sheet §13.1: PMBASE, ACPI_CNTL, PIRQ routing, RCBA. Q35 MCH data sheet §5.1.16: PCIEXBAR, enabled by its
 * low half. */
static struct {
    u32 sbdf, id;
    u8 reg, bytes;
    u32 val;
} registers[] = {
    {ICH9_LPC, 0x29188086, 0x40, 4, 0}, {ICH9_LPC, 0x29188086, 0x44, 1, 0}, {ICH9_LPC, 0x29188086, 0x60, 4, 0},
    {ICH9_LPC, 0x29188086, 0x68, 4, 0}, {ICH9_LPC, 0x29188086, 0xf0, 4, 0}, {Q35_MCH, 0x29c08086, 0x64, 4, 0},
    {Q35_MCH, 0x29c08086, 0x60, 4, 0},
};

static bool is_there(unsigned i)
{
    return pci_ports_read(registers[i].sbdf, PCI_ID, 4) == registers[i].id &&
           pci_ports_read(registers[i].sbdf, PCI_SUBSYSTEM, 4) == SUBSYSTEM_QEMU;
}

void chipset_save(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        if (is_there(i))
            registers[i].val = pci_ports_read(registers[i].sbdf, registers[i].reg, registers[i].bytes);
}

void chipset_restore(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        if (is_there(i) && pci_ports_read(registers[i].sbdf, registers[i].reg, registers[i].bytes) != registers[i].val)
            pci_ports_write(registers[i].sbdf, registers[i].reg, registers[i].bytes, registers[i].val);
}
