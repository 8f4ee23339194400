/* SPDX-License-Identifier: BSD-2-Clause */
/* vPCI: what physdev_op asks of it, and the debug console. */
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/stage2.h>

#include <xen/physdev.h>

#include "vpci_internal.h"

int vpci_op_mmcfg_reserved(struct domain *d, u64 address, u16 segment, u8 start_bus, u8 end_bus, u32 flags)
{
    unsigned before;
    bool added;
    int err;

    if (flags & ~XEN_PCI_MMCFG_RESERVED)
        return -XEN_EINVAL;
    /* A region that the guest's firmware tables do not reserve is not used; what is known already stays trapped. */
    if (!(flags & XEN_PCI_MMCFG_RESERVED))
        return 0;
    spin_lock(&d->vpci->map_lock);
    before = vpci_ecam_regions();
    err = pci_ecam_add(address, segment, start_bus, end_bus);
    added = !err && vpci_ecam_regions() > before;
    spin_unlock(&d->vpci->map_lock);
    if (!added)
        return err;
    err = vpci_ecam_register(d, before);
    s2_flush(d);
    return err;
}

int vpci_op_device_add(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    struct vpci_dev *dev;
    int err = vpci_device_add(d->vpci, PCI_SBDF(seg, bus, devfn));

    dev = vpci_find(d->vpci, PCI_SBDF(seg, bus, devfn));
    if (!err && dev)
        vpci_id_was_read(dev, 4, dev->id);
    return err;
}

int vpci_op_device_remove(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    struct vpci_dev *dev = vpci_find(d->vpci, PCI_SBDF(seg, bus, devfn));

    if (!dev || !dev->present)
        return -XEN_ENODEV;
    vpci_lock(dev);
    if (!dev->read_only) {
        vpci_teardown(dev);
        /* It still answers, and drivers of slots write to it before they cut its power: nothing is to be mapped for
         * that. */
        dev->removed = true;
    }
    vpci_unlock(dev);
    return 0;
}

int vpci_op_device_reset(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    struct vpci_dev *dev = vpci_find(d->vpci, PCI_SBDF(seg, bus, devfn));
    int err = 0;

    if (!dev || !dev->present)
        return -XEN_ENODEV;
    vpci_lock(dev);
    if (!dev->read_only) {
        vpci_teardown(dev);
        err = vpci_setup(dev);
    }
    vpci_unlock(dev);
    return err;
}

int vpci_op_restore_msi(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    struct vpci_dev *dev = vpci_find(d->vpci, PCI_SBDF(seg, bus, devfn));

    if (!dev || !dev->present)
        return -XEN_ENODEV;
    vpci_lock(dev);
    vpci_msi_restore(dev);
    vpci_msix_restore(dev);
    vpci_unlock(dev);
    return 0;
}

void vpci_dump(const struct domain *d)
{
    const struct vpci_dev *dev;
    unsigned n;

    for (dev = d->vpci->all; dev; dev = dev->all_next) {
        if (!dev->present)
            continue;
        log_info("pci " PCI_FMT " %04x:%04x%s\n", PCI_ARGS(dev->sbdf), dev->id & 0xffff, dev->id >> 16,
                 dev->read_only ? " read-only" : "");
        for (n = 0; n < VPCI_BARS; n++)
            if (dev->bar[n].mapped_size)
                log_info("  bar %u: 0x%llx size 0x%llx\n", n, (unsigned long long)dev->bar[n].mapped,
                         (unsigned long long)dev->bar[n].mapped_size);
        vpci_msi_dump(dev);
        vpci_msix_dump(dev);
    }
}
