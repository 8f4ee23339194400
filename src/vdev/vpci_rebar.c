/* SPDX-License-Identifier: BSD-2-Clause */
/* Resizable BARs (PCIe 5.0 §7.8.6): the size of a BAR changes by a write to its control register. */
#include <torii/log.h>

#include "vpci_internal.h"

#define REBAR_CONTROL(i)    (8 + 8 * (i))
#define REBAR_CONTROL_INDEX 0x7u
#define REBAR_CONTROL_COUNT 0xe0u /* in the first only */
#define REBAR_CONTROL_SIZE  0x3f00u
#define REBAR_SIZE_UNIT     20 /* size 0 is 1 MiB */

static void control_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    struct vpci_bar *bar = ctx;
    unsigned log2;

    /* Undefined while the BAR is decoded: software must not, and the map could not follow (§7.8.6.3). */
    if (vpci_header_decodes(dev)) {
        log_warn("vPCI: " PCI_FMT " BAR resize dropped, memory decode is on\n", PCI_ARGS(dev->sbdf));
        return;
    }
    pci_write(dev->sbdf, reg, 4, val);
    val = pci_read(dev->sbdf, reg, 4);
    log2 = ((val & REBAR_CONTROL_SIZE) >> 8) + REBAR_SIZE_UNIT;
    bar->size = log2 < 64 ? BIT(log2) : 0;
}

int vpci_rebar_setup(struct vpci_dev *dev)
{
    u16 pos = dev->pf ? 0 : pci_find_ext_cap(dev->sbdf, PCI_EXT_CAP_REBAR);
    unsigned i, n, count;
    u32 control;
    int err = 0;

    if (!pos || pos + REBAR_CONTROL(0) >= PCIE_CONFIG_SIZE)
        return 0;
    count = (pci_read(dev->sbdf, pos + REBAR_CONTROL(0), 4) & REBAR_CONTROL_COUNT) >> 5;
    for (i = 0; i < count && i < VPCI_BARS_STD && pos + REBAR_CONTROL(i) < PCIE_CONFIG_SIZE && !err; i++) {
        control = pci_read(dev->sbdf, pos + REBAR_CONTROL(i), 4);
        n = control & REBAR_CONTROL_INDEX;
        if (n >= VPCI_BARS_STD || dev->bar[n].type != BAR_MEM)
            continue;
        err = vpci_add_register(dev, pos + REBAR_CONTROL(i), 4, NULL, control_write, &dev->bar[n]);
    }
    return err;
}
