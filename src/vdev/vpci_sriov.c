/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single-root I/O virtualisation (PCIe 5.0 §9.3.3): the physical function's VF BARs are mapped as long as VF Enable and
 * VF MSE are set. Virtual functions become devices at the guest's first look at them.
 */
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/log.h>

#include "vpci_internal.h"

#define SRIOV_CONTROL        0x08
#define SRIOV_CONTROL_ENABLE BIT(0)
#define SRIOV_CONTROL_MSE    BIT(3)
#define SRIOV_NUM_VFS        0x10
#define SRIOV_FIRST_OFFSET   0x14
#define SRIOV_STRIDE         0x16
#define SRIOV_VF_BAR0        0x24
#define SRIOV_BYTES          0x40

static bool decodes(const struct vpci_sriov *sriov)
{
    return sriov->enabled && sriov->memory;
}

/* Sizes depend on the system page size the guest chose, so they are taken each time before decode goes on. */
static void vf_bars_probe(struct vpci_dev *dev)
{
    struct vpci_bar *bar = &dev->bar[VPCI_BAR_VF0];
    unsigned n;
    u64 size;

    for (n = 0; n < VPCI_BARS_STD; n++) {
        bar[n] = (struct vpci_bar){
            .reg = dev->sriov->pos + SRIOV_VF_BAR0 + 4 * n, .mapped = bar[n].mapped, .mapped_size = bar[n].mapped_size};
        size = vpci_bar_probe(dev->sbdf, bar[n].reg, &bar[n].is64);
        if (bar[n].is64 && n == VPCI_BARS_STD - 1) {
            bar[n].is64 = false;
            size = 0;
        }
        bar[n].size = size;
        bar[n].type = size ? BAR_VF : BAR_NONE;
        if (bar[n].is64) {
            n++;
            bar[n] = (struct vpci_bar){.type = BAR_HIGH};
        }
    }
}

/* Both may depend on the number of functions enabled. */
static void routing_ids_read(struct vpci_dev *dev)
{
    dev->sriov->first_offset = pci_read(dev->sbdf, dev->sriov->pos + SRIOV_FIRST_OFFSET, 2);
    dev->sriov->stride = pci_read(dev->sbdf, dev->sriov->pos + SRIOV_STRIDE, 2);
}

/* Firmware, or the guest before the device was set up anew, left virtual functions on. */
static void take_over(struct vpci_dev *dev)
{
    struct vpci_sriov *sriov = dev->sriov;
    unsigned reg = sriov->pos + SRIOV_CONTROL;
    u16 control = pci_read(dev->sbdf, reg, 2);

    if (!(control & SRIOV_CONTROL_ENABLE))
        return;
    pci_write(dev->sbdf, reg, 2, control & ~SRIOV_CONTROL_MSE);
    vf_bars_probe(dev);
    pci_write(dev->sbdf, reg, 2, control);
    sriov->enabled = true;
    sriov->memory = control & SRIOV_CONTROL_MSE;
    sriov->nr = pci_read(dev->sbdf, sriov->pos + SRIOV_NUM_VFS, 2);
    routing_ids_read(dev);
    dev->vfs_dirty = true;
}

static void control_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    struct vpci_sriov *sriov = dev->sriov;
    bool was = decodes(sriov), enabled = val & SRIOV_CONTROL_ENABLE, memory = val & SRIOV_CONTROL_MSE;

    /* The tables of functions that are looked at before their memory is decoded are judged by the BARs' sizes, too. */
    if (enabled && !was && (memory || !sriov->enabled))
        vf_bars_probe(dev);
    if (enabled && !sriov->enabled)
        sriov->nr = pci_read(dev->sbdf, sriov->pos + SRIOV_NUM_VFS, 2);
    if (was && !(enabled && memory))
        pci_write(dev->sbdf, reg, 2, val);
    sriov->enabled = enabled;
    sriov->memory = memory;
    vpci_header_update(dev, vpci_header_decodes(dev));
    pci_write(dev->sbdf, reg, 2, val);
    routing_ids_read(dev);
    dev->vfs_dirty = true;
}

/* The specification leaves a VF BAR that moves while decoded undefined; here it is followed. */
static void vf_bar_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    pci_write(dev->sbdf, reg, 4, val);
    if (!decodes(dev->sriov))
        return;
    vpci_header_update(dev, vpci_header_decodes(dev));
    dev->vfs_dirty = true;
}

int vpci_sriov_index(const struct vpci_dev *pf, u32 sbdf)
{
    const struct vpci_sriov *sriov = pf->sriov;
    u32 first;

    if (!sriov || !sriov->enabled || !sriov->nr || PCI_SEG(pf->sbdf) != PCI_SEG(sbdf))
        return -1;
    first = (pf->sbdf & 0xffff) + sriov->first_offset;
    sbdf &= 0xffff;
    if (sbdf < first || !sriov->first_offset)
        return -1;
    if (sbdf == first)
        return 0;
    if (!sriov->stride || (sbdf - first) % sriov->stride || (sbdf - first) / sriov->stride >= sriov->nr)
        return -1;
    return (sbdf - first) / sriov->stride;
}

int vpci_sriov_setup(struct vpci_dev *dev)
{
    struct vpci_sriov *sriov = dev->sriov_memory;
    u16 pos = dev->pf ? 0 : pci_find_ext_cap(dev->sbdf, PCI_EXT_CAP_SRIOV);
    unsigned n;
    int err;

    if (!pos)
        return 0;
    if (pos + SRIOV_BYTES > PCIE_CONFIG_SIZE || vpci_claimed(dev, pos, SRIOV_BYTES)) {
        log_warn("vPCI: " PCI_FMT " SR-IOV capability overlaps another: not used\n", PCI_ARGS(dev->sbdf));
        return 0;
    }
    if (!sriov)
        sriov = dev->sriov_memory = xzalloc(sizeof(*sriov));
    if (!sriov)
        return -XEN_ENOMEM;
    *sriov = (struct vpci_sriov){.pos = pos};
    dev->sriov = sriov;
    take_over(dev);
    err = vpci_add_register(dev, pos + SRIOV_CONTROL, 2, NULL, control_write, NULL);
    for (n = 0; n < VPCI_BARS_STD && !err; n++)
        err = vpci_add_register(dev, pos + SRIOV_VF_BAR0 + 4 * n, 4, NULL, vf_bar_write, NULL);
    return err;
}

void vpci_sriov_woke(struct vpci_dev *dev)
{
    struct vpci_sriov *sriov = dev->sriov;
    u16 control;

    if (!sriov)
        return;
    control = pci_read(dev->sbdf, sriov->pos + SRIOV_CONTROL, 2);
    if (control == 0xffff) /* the bridge above has no bus numbers yet */
        control = 0;
    sriov->enabled = control & SRIOV_CONTROL_ENABLE;
    sriov->memory = control & SRIOV_CONTROL_MSE;
    dev->vfs_dirty = true;
}

void vpci_sriov_teardown(struct vpci_dev *dev)
{
    if (!dev->sriov)
        return;
    dev->sriov->enabled = false;
    dev->sriov = NULL;
    dev->vfs_dirty = true;
}
