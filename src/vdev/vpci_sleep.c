/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all functions of a domain do at once because of the machine.
 *
 * After suspend to RAM every function is as after a reset, or as firmware has set it up since. The domain restores its
 * configuration space register by register; until then nothing may be mapped that nobody decodes. Its messages it takes
 * away and gives again, which gets the devices Torii's.
 */
#include <torii/atomic.h>
#include <torii/domain.h>

#include "vpci_internal.h"

void vpci_woke(struct domain *d)
{
    struct vpci_dev *dev;

    for (dev = atomic_load(&d->vpci->all); dev; dev = dev->all_next) {
        vpci_lock(dev);
        if (dev->present && !dev->read_only) {
            vpci_sriov_woke(dev);
            vpci_header_update(dev, vpci_header_decodes(dev));
        }
        vpci_unlock(dev);
    }
}

void vpci_rehome(struct domain *d)
{
    struct vpci_dev *dev;

    for (dev = atomic_load(&d->vpci->all); dev; dev = dev->all_next) {
        vpci_lock(dev);
        if (dev->present) {
            vpci_msi_rehome(dev);
            vpci_msix_rehome(dev);
        }
        vpci_unlock(dev);
    }
}
