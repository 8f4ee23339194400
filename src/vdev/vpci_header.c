/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header's registers that decide where a device's memory is: COMMAND, base address registers, expansion ROM
 * (PCI 3.0 §6.2). The guest writes them as on bare metal; Torii follows with the domain's map.
 */
#include <torii/errno.h>
#include <torii/log.h>

#include "vpci_internal.h"

static u32 bar_flags(const struct vpci_bar *bar)
{
    return bar->type == BAR_ROM ? ~PCI_ROM_MASK : ~PCI_BAR_MEM_MASK;
}

bool vpci_header_decodes(struct vpci_dev *dev)
{
    const struct vpci_sriov *sriov;

    if (dev->pf) {
        sriov = dev->pf->sriov;
        return sriov && sriov->enabled && sriov->memory;
    }
    return pci_read(dev->sbdf, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;
}

static u64 hardware_address(struct vpci_dev *dev, const struct vpci_bar *bar)
{
    u64 address = pci_read(dev->sbdf, bar->reg, 4) & ~bar_flags(bar);

    if (bar->is64)
        address |= (u64)pci_read(dev->sbdf, bar->reg + 4, 4) << 32;
    return address;
}

u64 vpci_bar_size(struct vpci_dev *dev, unsigned n)
{
    if (n >= VPCI_BARS_STD)
        return 0;
    if (dev->pf)
        return dev->pf->bar[VPCI_BAR_VF0 + n].type == BAR_VF ? dev->pf->bar[VPCI_BAR_VF0 + n].size : 0;
    return dev->bar[n].type == BAR_MEM ? dev->bar[n].size : 0;
}

u64 vpci_bar_address(struct vpci_dev *dev, unsigned n)
{
    u64 size = vpci_bar_size(dev, n);

    if (!size)
        return 0;
    if (dev->pf)
        return hardware_address(dev->pf, &dev->pf->bar[VPCI_BAR_VF0 + n]) + dev->vf_index * size;
    return hardware_address(dev, &dev->bar[n]);
}

/* Where BAR n ought to be mapped now: size 0 for nowhere. */
static u64 wanted(struct vpci_dev *dev, unsigned n, bool memory, u64 *address)
{
    struct vpci_bar *bar = &dev->bar[n];

    *address = 0;
    switch (bar->type) {
    case BAR_ROM:
        memory = memory && pci_read(dev->sbdf, bar->reg, 4) & PCI_ROM_ENABLE;
        break;
    case BAR_VF:
        memory = dev->sriov && dev->sriov->enabled && dev->sriov->memory && !dev->removed;
        break;
    case BAR_MEM:
        break;
    default:
        return 0;
    }
    if (!memory || !bar->size)
        return 0;
    *address = hardware_address(dev, bar);
    return bar->type == BAR_VF ? bar->size * dev->sriov->nr : bar->size;
}

/* First what goes, then the MSI-X traps, then what comes: a table's page is never reachable in between. */
void vpci_header_update(struct vpci_dev *dev, bool memory)
{
    u64 address[VPCI_BARS], size[VPCI_BARS];
    unsigned n;

    /* Of a card that was pulled, registers read all ones. */
    if (dev->removed || (!dev->pf && pci_read(dev->sbdf, PCI_ID, 4) == ~0u))
        memory = false;
    for (n = 0; n < VPCI_BARS; n++) {
        size[n] = wanted(dev, n, memory, &address[n]);
        if (dev->bar[n].mapped != address[n] || dev->bar[n].mapped_size != size[n])
            vpci_map_bar(dev, n, 0, 0);
    }
    if (dev->msix)
        vpci_msix_place(dev, memory ? vpci_bar_address(dev, dev->msix->bir) : 0);
    for (n = 0; n < VPCI_BARS; n++)
        vpci_map_bar(dev, n, address[n], size[n]);
}

/* --- COMMAND --- */

/* A sizing cycle begun while the BAR was decoded goes on in the hardware once it is not. */
static void sizing_to_hardware(struct vpci_dev *dev)
{
    struct vpci_bar *bar;

    for (bar = dev->bar; bar < dev->bar + VPCI_BARS_STD; bar++) {
        if (bar->sizing_low)
            pci_write(dev->sbdf, bar->reg, 4, ~0u);
        if (bar->sizing_high)
            pci_write(dev->sbdf, bar->reg + 4, 4, ~0u);
        bar->sizing_low = bar->sizing_high = false;
    }
}

static void command_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    if (val & PCI_COMMAND_MEMORY) {
        vpci_header_update(dev, true);
        pci_write(dev->sbdf, reg, 2, val);
        vpci_msix_sync(dev);
    } else {
        pci_write(dev->sbdf, reg, 2, val);
        sizing_to_hardware(dev);
        vpci_header_update(dev, false);
    }
}

/* --- bus numbers of a bridge --- */

static bool leads_to(const struct vpci_buses *b, u8 bus)
{
    return b->secondary && bus >= b->secondary && bus <= b->subordinate;
}

/* Deeper buses have their numbers from the bridges that lead to them. */
bool vpci_buses_differ(const struct vpci_buses *was, const struct vpci_buses *is, u8 bus)
{
    if (leads_to(was, bus) != leads_to(is, bus))
        return true;
    return was->secondary != is->secondary && (bus == was->secondary || bus == is->secondary) && leads_to(is, bus);
}

static struct vpci_buses buses_of(u32 val)
{
    return (struct vpci_buses){.secondary = val >> 8, .subordinate = val >> 16};
}

static void bus_numbers_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    dev->buses_before = buses_of(pci_read(dev->sbdf, reg, 4));
    pci_write(dev->sbdf, reg, 4, val);
    dev->buses = buses_of(pci_read(dev->sbdf, reg, 4));
    dev->renumbered =
        dev->buses.secondary != dev->buses_before.secondary || dev->buses.subordinate != dev->buses_before.subordinate;
}

/* --- BARs --- */

static u32 bar_low_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    struct vpci_bar *bar = ctx;
    u32 val = pci_read(dev->sbdf, reg, 4);

    return bar->sizing_low ? ((u32)-bar->size & PCI_BAR_MEM_MASK) | (val & ~PCI_BAR_MEM_MASK) : val;
}

static u32 bar_high_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    struct vpci_bar *bar = ctx;

    return bar->sizing_high ? (u32)(-bar->size >> 32) : pci_read(dev->sbdf, reg, 4);
}

/*
 * One half of a BAR. With decode off the hardware does it all. With decode on, writing all ones is how software that
 * leaves decode on asks for the size (PCI 3.0 §6.2.5.1): the hardware's BAR must not move for that.
 */
static void bar_half_write(struct vpci_dev *dev, unsigned reg, u32 val, u32 address_bits, bool *sizing)
{
    bool memory = vpci_header_decodes(dev);

    *sizing = memory && (val & address_bits) == address_bits;
    if (*sizing)
        return;
    if (memory && ((val ^ pci_read(dev->sbdf, reg, 4)) & address_bits) == 0)
        return;
    pci_write(dev->sbdf, reg, 4, val);
    vpci_header_update(dev, memory);
    if (memory)
        vpci_msix_sync(dev);
}

static void bar_low_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    bar_half_write(dev, reg, val, PCI_BAR_MEM_MASK, &((struct vpci_bar *)ctx)->sizing_low);
}

static void bar_high_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    bar_half_write(dev, reg, val, ~0u, &((struct vpci_bar *)ctx)->sizing_high);
}

/* The enable bit is the ROM's own decode bit, and the usual sizing write leaves it clear (PCI 3.0 §6.2.5.2). */
static void rom_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    pci_write(dev->sbdf, reg, 4, val);
    vpci_header_update(dev, vpci_header_decodes(dev));
}

/* --- finding them --- */

u64 vpci_bar_probe(u32 sbdf, unsigned reg, bool *is64)
{
    u32 low = pci_read(sbdf, reg, 4), high = 0;
    u64 mask;

    *is64 = (low & PCI_BAR_TYPE) == PCI_BAR_64;
    pci_write(sbdf, reg, 4, ~0u);
    mask = pci_read(sbdf, reg, 4) & PCI_BAR_MEM_MASK;
    if (*is64) {
        high = pci_read(sbdf, reg + 4, 4);
        pci_write(sbdf, reg + 4, 4, ~0u);
        mask |= (u64)pci_read(sbdf, reg + 4, 4) << 32;
        pci_write(sbdf, reg + 4, 4, high);
    } else if (mask) {
        mask |= ~0ull << 32;
    }
    pci_write(sbdf, reg, 4, low);
    /* The lowest address bit that holds a one; a BAR whose address bits all read 0 is not there. */
    return mask & -mask;
}

static int bar_setup(struct vpci_dev *dev, unsigned n, bool last)
{
    struct vpci_bar *bar = &dev->bar[n];
    int err;

    bar->reg = PCI_BAR0 + 4 * n;
    if (pci_read(dev->sbdf, bar->reg, 4) & PCI_BAR_IO) {
        bar->type = BAR_IO;
        return 0;
    }
    bar->size = vpci_bar_probe(dev->sbdf, bar->reg, &bar->is64);
    if (bar->is64 && last) {
        log_warn("vPCI: " PCI_FMT " BAR %u is 64 bits wide and the last: ignored\n", PCI_ARGS(dev->sbdf), n);
        bar->is64 = false;
        bar->size = 0;
    }
    if (!bar->size)
        return 0;
    bar->type = BAR_MEM;
    err = vpci_add_register(dev, bar->reg, 4, bar_low_read, bar_low_write, bar);
    if (!err && bar->is64) {
        bar[1].type = BAR_HIGH;
        err = vpci_add_register(dev, bar->reg + 4, 4, bar_high_read, bar_high_write, bar);
    }
    return err;
}

static int rom_setup(struct vpci_dev *dev, unsigned reg)
{
    struct vpci_bar *bar = &dev->bar[VPCI_BAR_ROM];
    u32 val = pci_read(dev->sbdf, reg, 4), mask;

    pci_write(dev->sbdf, reg, 4, PCI_ROM_MASK);
    mask = pci_read(dev->sbdf, reg, 4) & PCI_ROM_MASK;
    pci_write(dev->sbdf, reg, 4, val);
    if (!mask)
        return 0;
    bar->type = BAR_ROM;
    bar->reg = reg;
    bar->size = mask & -mask;
    return vpci_add_register(dev, reg, 4, NULL, rom_write, bar);
}

static int bars_setup(struct vpci_dev *dev, unsigned nr, unsigned rom)
{
    unsigned n;
    int err = 0;

    for (n = 0; n < nr && !err; n++)
        if (dev->bar[n].type != BAR_HIGH)
            err = bar_setup(dev, n, n == nr - 1);
    return err ? err : rom_setup(dev, rom);
}

int vpci_header_setup(struct vpci_dev *dev)
{
    u16 command = pci_read(dev->sbdf, PCI_COMMAND, 2);
    u16 class = pci_read(dev->sbdf, PCI_CLASS, 4) >> 16;
    unsigned n;
    int err;

    for (n = 0; n < VPCI_BARS; n++)
        dev->bar[n].type = BAR_NONE;
    /* A virtual function's BARs and decode bit are the physical one's (PCIe 5.0 §9.3.4.1). */
    if (dev->pf)
        return 0;
    /* The memory controller behind a host bridge may stop answering with its decode off. */
    if (class != PCI_CLASS_HOST_BRIDGE)
        pci_write(dev->sbdf, PCI_COMMAND, 2, command & ~PCI_COMMAND_MEMORY);
    switch (pci_read(dev->sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) {
    case 0:
        err = bars_setup(dev, VPCI_BARS_STD, PCI_ROM);
        break;
    case 1:
        err = bars_setup(dev, 2, PCI_ROM_BRIDGE);
        if (!err)
            err = vpci_add_register(dev, PCI_BUS_NUMBERS, 4, NULL, bus_numbers_write, NULL);
        break;
    default:
        err = 0;
    }
    if (class != PCI_CLASS_HOST_BRIDGE)
        pci_write(dev->sbdf, PCI_COMMAND, 2, command);
    return err ? err : vpci_add_register(dev, PCI_COMMAND, 2, NULL, command_write, NULL);
}

void vpci_header_teardown(struct vpci_dev *dev)
{
    unsigned n;

    for (n = 0; n < VPCI_BARS; n++) {
        vpci_map_bar(dev, n, 0, 0);
        dev->bar[n] = (struct vpci_bar){0};
    }
}
