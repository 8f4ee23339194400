/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vPCI: the table of intercepted registers of each device, accesses composed from it, and the life cycle of devices. A
 * device's structure is never freed, so a lookup needs no lock.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/stage2.h>

#include "vpci_internal.h"

/* --- registers --- */

int vpci_add_register(struct vpci_dev *dev, unsigned offset, unsigned bytes, vpci_read_fn *read, vpci_write_fn *write,
                      void *ctx)
{
    struct vpci_register *r, **link = &dev->registers;

    if ((bytes != 1 && bytes != 2 && bytes != 4) || offset & (bytes - 1) || offset >= PCIE_CONFIG_SIZE)
        return -XEN_EINVAL;
    while (*link && (*link)->offset + (*link)->bytes <= (int)offset)
        link = &(*link)->next;
    if (*link && (*link)->offset < offset + bytes)
        return -XEN_EEXIST;
    r = xzalloc(sizeof(*r));
    if (!r)
        return -XEN_ENOMEM;
    r->offset = offset;
    r->bytes = bytes;
    r->read = read;
    r->write = write;
    r->ctx = ctx;
    r->next = *link;
    *link = r;
    return 0;
}

bool vpci_claimed(struct vpci_dev *dev, unsigned offset, unsigned bytes)
{
    const struct vpci_register *r;

    for (r = dev->registers; r; r = r->next)
        if (r->offset < offset + bytes && r->offset + r->bytes > (int)offset)
            return true;
    return false;
}

static void registers_free(struct vpci_dev *dev)
{
    struct vpci_register *r;

    while ((r = dev->registers)) {
        dev->registers = r->next;
        xfree(r);
    }
}

/* The register that covers `reg`, or the next one above it, or NULL. */
static struct vpci_register *register_at(struct vpci_dev *dev, unsigned reg)
{
    struct vpci_register *r = dev->registers;

    while (r && r->offset + r->bytes <= (int)reg)
        r = r->next;
    return r;
}

static u32 register_read(struct vpci_dev *dev, const struct vpci_register *r)
{
    return r->read ? r->read(dev, r->offset, r->ctx) : pci_read(dev->sbdf, r->offset, r->bytes);
}

/* The largest naturally aligned access that starts at reg and stays below end. */
static unsigned native_bytes(unsigned reg, unsigned end)
{
    unsigned bytes = 4;

    while (reg & (bytes - 1) || reg + bytes > end)
        bytes /= 2;
    return bytes;
}

static u32 native_read(u32 sbdf, unsigned reg, unsigned bytes)
{
    unsigned pos, n, end = reg + bytes;
    u32 val = 0;

    for (pos = reg; pos < end; pos += n) {
        n = native_bytes(pos, end);
        val |= pci_read(sbdf, pos, n) << (pos - reg) * 8;
    }
    return val;
}

static void native_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    unsigned pos, n, end = reg + bytes;

    for (pos = reg; pos < end; pos += n) {
        n = native_bytes(pos, end);
        pci_write(sbdf, pos, n, val >> (pos - reg) * 8 & vpci_ones(n));
    }
}

static u32 composed_read(struct vpci_dev *dev, unsigned reg, unsigned bytes)
{
    unsigned pos = reg, end = reg + bytes, stop;
    struct vpci_register *r;
    u32 part, val = 0;

    for (; pos < end; pos = stop) {
        r = register_at(dev, pos);
        if (r && r->offset <= pos) {
            stop = min(end, (unsigned)r->offset + r->bytes);
            part = register_read(dev, r) >> (pos - r->offset) * 8;
        } else {
            stop = r ? min(end, (unsigned)r->offset) : end;
            part = native_read(dev->sbdf, pos, stop - pos);
        }
        val |= (part & vpci_ones(stop - pos)) << (pos - reg) * 8;
    }
    return val;
}

/* `part` is `bytes` wide and goes to r from its byte `at` on: the rest of the register keeps its value. */
static void register_write(struct vpci_dev *dev, const struct vpci_register *r, unsigned at, unsigned bytes, u32 part)
{
    u32 mask = vpci_ones(bytes) << at * 8;

    if (!r->write)
        return;
    part <<= at * 8;
    if (bytes < r->bytes)
        part = (part & mask) | (register_read(dev, r) & ~mask);
    r->write(dev, r->offset, part & vpci_ones(r->bytes), r->ctx);
}

static void composed_write(struct vpci_dev *dev, unsigned reg, unsigned bytes, u32 val)
{
    unsigned pos = reg, end = reg + bytes, stop;
    struct vpci_register *r;
    u32 part;

    for (; pos < end; pos = stop) {
        r = register_at(dev, pos);
        part = val >> (pos - reg) * 8;
        if (r && r->offset <= pos) {
            stop = min(end, (unsigned)r->offset + r->bytes);
            register_write(dev, r, pos - r->offset, stop - pos, part & vpci_ones(stop - pos));
        } else {
            stop = r ? min(end, (unsigned)r->offset) : end;
            native_write(dev->sbdf, pos, stop - pos, part & vpci_ones(stop - pos));
        }
    }
}

static u32 hidden_next(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    return composed_read(dev, (uintptr_t)ctx + 1, 1);
}

int vpci_hide_capability(struct vpci_dev *dev, u8 pos, u8 link)
{
    int err = vpci_add_register(dev, link, 1, hidden_next, NULL, (void *)(uintptr_t)pos);

    /* What is already claimed is under that handler's control: good enough. */
    if (!err || err == -XEN_EEXIST)
        err = vpci_add_register(dev, pos + 2, 2, NULL, NULL, NULL);
    return err == -XEN_EEXIST ? 0 : err;
}

/* --- devices --- */

static unsigned hash(u32 sbdf)
{
    return (sbdf ^ sbdf >> 8 ^ sbdf >> 16) % VPCI_BUCKETS;
}

struct vpci_dev *vpci_find(struct vpci *vpci, u32 sbdf)
{
    struct vpci_dev *dev = atomic_load(&vpci->bucket[hash(sbdf)]);

    while (dev && dev->sbdf != sbdf)
        dev = dev->hash_next;
    return dev;
}

void vpci_lock(struct vpci_dev *dev)
{
    spin_lock(&dev->lock);
}

/* Virtual functions follow the VF BARs and VF Enable of pf; true if the domain's TLBs are to be flushed. */
static bool update_virtual_functions(struct vpci_dev *pf)
{
    struct vpci_dev *vf;
    bool flush = false;

    for (vf = atomic_load(&pf->vpci->all); vf; vf = vf->all_next) {
        if (vf->pf != pf)
            continue;
        spin_lock(&vf->lock);
        if (vf->present && vpci_sriov_index(pf, vf->sbdf) < 0)
            vpci_teardown(vf);
        else if (vf->present)
            vpci_header_update(vf, vpci_header_decodes(vf));
        flush |= vf->flush;
        vf->flush = false;
        spin_unlock(&vf->lock);
    }
    return flush;
}

/* The bridge leads to other buses than before: what was known there is found anew at the next look. */
static bool forget_renumbered(struct vpci_dev *bridge, const struct vpci_buses *was, const struct vpci_buses *is)
{
    struct vpci_dev *dev;
    bool flush = false;

    for (dev = atomic_load(&bridge->vpci->all); dev; dev = dev->all_next) {
        if (PCI_SEG(dev->sbdf) != PCI_SEG(bridge->sbdf) || !vpci_buses_differ(was, is, PCI_BUS(dev->sbdf)))
            continue;
        spin_lock(&dev->lock);
        if (dev->present && !dev->read_only)
            vpci_teardown(dev);
        flush |= dev->flush;
        dev->flush = false;
        spin_unlock(&dev->lock);
    }
    return flush;
}

void vpci_unlock(struct vpci_dev *dev)
{
    bool flush = dev->flush, vfs = dev->vfs_dirty, renumbered = dev->renumbered;
    struct vpci_buses was = dev->buses_before, is = dev->buses;

    dev->flush = dev->vfs_dirty = dev->renumbered = false;
    spin_unlock(&dev->lock);
    if (vfs)
        flush |= update_virtual_functions(dev);
    if (renumbered)
        flush |= forget_renumbered(dev, &was, &is);
    if (flush)
        s2_flush(dev->vpci->d);
}

void vpci_teardown(struct vpci_dev *dev)
{
    vpci_msi_teardown(dev);
    vpci_msix_teardown(dev);
    vpci_sriov_teardown(dev);
    vpci_header_teardown(dev);
    registers_free(dev);
    dev->present = false;
}

/* The list may loop: a capability met again is no second one. */
static int setup_listed(struct vpci_dev *dev)
{
    unsigned budget = PCI_CAPS_MAX;
    u64 met = 0; /* capabilities are aligned to 4 bytes: one bit each */
    u8 pos = 0, link;
    int err = 0;

    while (!err && (pos = pci_next_cap(dev->sbdf, pos, &link, &budget)) && !(met & BIT(pos / 4))) {
        met |= BIT(pos / 4);
        switch (pci_read(dev->sbdf, pos, 1)) {
        case PCI_CAP_MSI:
            err = vpci_msi_setup(dev, pos, link);
            break;
        case PCI_CAP_MSIX:
            err = vpci_msix_setup(dev, pos, link);
            break;
        }
    }
    return err;
}

static int setup_capabilities(struct vpci_dev *dev)
{
    int err = vpci_header_setup(dev);

    if (!err)
        err = setup_listed(dev);
    if (!err)
        err = vpci_sriov_setup(dev);
    if (!err)
        err = vpci_rebar_setup(dev);
    return err;
}

int vpci_setup(struct vpci_dev *dev)
{
    const struct pci_device *phys = pci_find(dev->sbdf);
    int err = 0;

    dev->id = pci_read(dev->sbdf, PCI_ID, 4);
    dev->read_only = phys && phys->owned;
    if (!dev->read_only)
        err = setup_capabilities(dev);
    if (err) {
        /* With half its handlers the guest could program raw vectors. */
        vpci_teardown(dev);
        dev->read_only = true;
        log_err("vPCI: " PCI_FMT " stays read-only: error %d\n", PCI_ARGS(dev->sbdf), err);
    } else if (!dev->read_only) {
        vpci_header_update(dev, vpci_header_decodes(dev));
    }
    dev->present = true;
    return err;
}

/* The physical function that has sbdf among its enabled virtual ones, or NULL. */
static struct vpci_dev *physical_function(struct vpci *vpci, u32 sbdf, unsigned *index)
{
    struct vpci_dev *pf;
    int i;

    for (pf = atomic_load(&vpci->all); pf; pf = pf->all_next) {
        i = vpci_sriov_index(pf, sbdf);
        if (i >= 0) {
            *index = i;
            return pf;
        }
    }
    return NULL;
}

/* The function's structure, made if something answers at sbdf. NULL if nothing does; err says which. */
static struct vpci_dev *device_insert(struct vpci *vpci, u32 sbdf, int *err)
{
    struct vpci_dev *dev = NULL;

    spin_lock(&vpci->map_lock);
    *err = -XEN_ENODEV;
    if (!pci_probe(sbdf))
        goto out;
    dev = vpci_find(vpci, sbdf);
    if (dev)
        goto out;
    *err = -XEN_ENOMEM;
    dev = xzalloc(sizeof(*dev));
    if (!dev)
        goto out;
    dev->vpci = vpci;
    dev->sbdf = sbdf;
    spin_lock_init(&dev->lock, LOCK_VPCI);
    dev->hash_next = vpci->bucket[hash(sbdf)];
    dev->all_next = vpci->all;
    atomic_store(&vpci->bucket[hash(sbdf)], dev);
    atomic_store(&vpci->all, dev);
out:
    spin_unlock(&vpci->map_lock);
    return dev;
}

int vpci_device_add(struct vpci *vpci, u32 sbdf)
{
    struct vpci_dev *dev;
    int err;

    dev = device_insert(vpci, sbdf, &err);
    if (!dev)
        return err;
    err = 0;
    vpci_lock(dev);
    if (!dev->present) {
        dev->pf = physical_function(vpci, sbdf, &dev->vf_index);
        err = vpci_setup(dev);
    }
    vpci_unlock(dev);
    return err;
}

/*
 * The device behind a configuration read. Devices that appear later (hot-plug, bus numbers assigned by the guest,
 * virtual functions) get their handlers at the first look, for not every kernel reports them.
 */
struct vpci_dev *vpci_device_for_access(struct vpci *vpci, u32 sbdf)
{
    struct vpci_dev *dev = vpci_find(vpci, sbdf);

    if (dev && dev->present)
        return dev;
    if (vpci_device_add(vpci, sbdf) == -XEN_ENODEV)
        return NULL;
    return vpci_find(vpci, sbdf);
}

/*
 * The guest reads the id: that is how it looks for cards. Another one may sit in the slot than the handlers were made
 * for, or none; one that the guest had taken out is in use again.
 */
void vpci_id_was_read(struct vpci_dev *dev, unsigned bytes, u32 id)
{
    bool same = id == (dev->id & vpci_ones(bytes)), empty = !same && id == vpci_ones(bytes);
    bool exchanged = !same && !empty && bytes == 4 && (id & 0xffff) > 1;

    if (!exchanged && !empty && !(same && READ_ONCE(dev->removed)))
        return;
    vpci_lock(dev);
    if (dev->present && exchanged) {
        log_info("vPCI: " PCI_FMT " changed from %08x to %08x\n", PCI_ARGS(dev->sbdf), dev->id, id);
        vpci_teardown(dev);
        vpci_setup(dev);
    } else if (dev->present && !dev->read_only) {
        dev->removed = empty && dev->removed;
        vpci_header_update(dev, vpci_header_decodes(dev));
    }
    vpci_unlock(dev);
}

u32 vpci_config_read(struct domain *d, u32 sbdf, unsigned reg, unsigned bytes)
{
    struct vpci_dev *dev;
    u32 val;

    if (reg + bytes > PCIE_CONFIG_SIZE)
        return vpci_ones(bytes);
    dev = vpci_device_for_access(d->vpci, sbdf);
    if (!dev)
        return native_read(sbdf, reg, bytes);
    vpci_lock(dev);
    val = composed_read(dev, reg, bytes);
    vpci_unlock(dev);
    if (reg == PCI_ID && bytes >= 2)
        vpci_id_was_read(dev, bytes, val);
    return val;
}

void vpci_config_write(struct domain *d, u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    struct vpci_dev *dev;

    if (reg + bytes > PCIE_CONFIG_SIZE)
        return;
    dev = vpci_device_for_access(d->vpci, sbdf);
    if (!dev) {
        native_write(sbdf, reg, bytes, val);
        return;
    }
    vpci_lock(dev);
    if (!dev->read_only)
        composed_write(dev, reg, bytes, val);
    vpci_unlock(dev);
}

/* --- life cycle --- */

int vpci_init(struct domain *d)
{
    struct vpci *vpci = xzalloc(sizeof(*vpci));

    if (!vpci)
        return -XEN_ENOMEM;
    vpci->d = d;
    spin_lock_init(&vpci->map_lock, LOCK_VPCI_MAP);
    d->vpci = vpci;
    spin_lock_init(&vpci->cf8_lock, LOCK_VPCI_MAP);
    return vpci_access_register(d);
}

int vpci_domain_add_devices(struct domain *d)
{
    struct pci_device *phys;
    unsigned found = 0;
    int err = 0;

    for (phys = pci_first(); phys; phys = phys->next) {
        if (vpci_device_add(d->vpci, phys->sbdf) == -XEN_ENOMEM)
            err = -XEN_ENOMEM;
        found++;
    }
    log_info("vPCI: %u functions for domain %u\n", found, d->id);
    return err;
}

void vpci_free(struct domain *d)
{
    struct vpci_dev *dev;

    for (dev = d->vpci->all; dev; dev = dev->all_next) {
        vpci_lock(dev);
        vpci_teardown(dev);
        vpci_unlock(dev);
    }
}
