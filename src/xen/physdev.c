/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * physdev_op: what the control domain tells about its PCI devices. Interrupts need no call: a GSI is bound when its RTE
 * is unmasked, an MSI when the capability is enabled, so there are no PIRQs.
 */
#include <torii/irq.h>
#include <torii/vpci.h>

#include <xen/physdev.h>

#include "hcall.h"

/* Newer than the 4.17 headers (Linux 6.12). */
#define PHYSDEVOP_pci_device_reset 32
#define PCI_DEVICE_RESET_MASK      3u
struct physdev_pci_device_reset {
    physdev_pci_device_t dev;
    u32 flags; /* which kind of reset: 0 cold, 1 warm, 2 hot, 3 function level */
};

typedef int device_fn(struct domain *d, u16 seg, u8 bus, u8 devfn);

static long mmcfg_reserved(const struct hcall *c)
{
    struct physdev_pci_mmcfg_reserved r;

    if (hcall_read(c, &r, c->args[1], sizeof(r)))
        return -XEN_EFAULT;
    return vpci_op_mmcfg_reserved(c->v->d, r.address, r.segment, r.start_bus, r.end_bus, r.flags);
}

/* The ops whose argument is a function's address, with and without segment. */
static long device_op(const struct hcall *c, device_fn *fn)
{
    struct physdev_pci_device dev;

    if (hcall_read(c, &dev, c->args[1], sizeof(dev)))
        return -XEN_EFAULT;
    return fn(c->v->d, dev.seg, dev.bus, dev.devfn);
}

static long device_op_segment0(const struct hcall *c, device_fn *fn)
{
    struct physdev_manage_pci dev;

    if (hcall_read(c, &dev, c->args[1], sizeof(dev)))
        return -XEN_EFAULT;
    return fn(c->v->d, 0, dev.bus, dev.devfn);
}

/* The proximity domain that may follow the fixed part says nothing Torii needs. */
static long device_add(const struct hcall *c)
{
    struct physdev_pci_device_add add;

    if (hcall_read(c, &add, c->args[1], offsetof(struct physdev_pci_device_add, optarr)))
        return -XEN_EFAULT;
    return vpci_op_device_add(c->v->d, add.seg, add.bus, add.devfn);
}

static long manage_add_ext(const struct hcall *c)
{
    struct physdev_manage_pci_ext add;

    if (hcall_read(c, &add, c->args[1], sizeof(add)))
        return -XEN_EFAULT;
    if (add.is_extfn > 1 || add.is_virtfn > 1)
        return -XEN_EINVAL;
    return vpci_op_device_add(c->v->d, 0, add.bus, add.devfn);
}

static long device_reset(const struct hcall *c)
{
    struct physdev_pci_device_reset r;

    if (hcall_read(c, &r, c->args[1], sizeof(r)))
        return -XEN_EFAULT;
    if (r.flags & ~PCI_DEVICE_RESET_MASK)
        return -XEN_EINVAL;
    return vpci_op_device_reset(c->v->d, r.dev.seg, r.dev.bus, r.dev.devfn);
}

static bool gsi_exists(u32 gsi)
{
    const struct ioapic_info *io;

    for (unsigned i = 0; i < ioapic_count(); i++) {
        io = ioapic_get(i);
        if (gsi >= io->gsi_base && gsi - io->gsi_base < io->nr_pins)
            return true;
    }
    return false;
}

static long setup_gsi(const struct hcall *c)
{
    struct physdev_setup_gsi s;

    if (hcall_read(c, &s, c->args[1], sizeof(s)))
        return -XEN_EFAULT;
    return s.gsi >= 0 && gsi_exists((u32)s.gsi) ? 0 : -XEN_EINVAL;
}

/* A reset of the EHCI controller that has the debug port; Torii's console is never there. */
static long debug_port(const struct hcall *c)
{
    struct physdev_dbgp_op op;

    if (hcall_read(c, &op, c->args[1], sizeof(op)))
        return -XEN_EFAULT;
    if (op.op != PHYSDEVOP_DBGP_RESET_PREPARE && op.op != PHYSDEVOP_DBGP_RESET_DONE)
        return -XEN_ENOSYS;
    return op.bus <= PHYSDEVOP_DBGP_BUS_PCI ? 0 : -XEN_EINVAL;
}

static bool is_known(u32 cmd)
{
    return (cmd >= PHYSDEVOP_manage_pci_add && cmd <= PHYSDEVOP_manage_pci_remove) ||
           (cmd >= PHYSDEVOP_restore_msi && cmd <= PHYSDEVOP_setup_gsi) ||
           (cmd >= PHYSDEVOP_pci_mmcfg_reserved && cmd <= PHYSDEVOP_restore_msi_ext) || cmd == PHYSDEVOP_dbgp_op ||
           cmd == PHYSDEVOP_pci_device_reset;
}

long hypercall_physdev_op(struct hcall *c)
{
    u32 cmd = (u32)c->args[0];

    if (!is_known(cmd))
        return -XEN_ENOSYS;
    if (!c->v->d->privileged)
        return -XEN_EPERM;
    switch (cmd) {
    case PHYSDEVOP_pci_mmcfg_reserved:
        return mmcfg_reserved(c);
    case PHYSDEVOP_pci_device_add:
        return device_add(c);
    case PHYSDEVOP_pci_device_remove:
        return device_op(c, vpci_op_device_remove);
    case PHYSDEVOP_pci_device_reset:
        return device_reset(c);
    case PHYSDEVOP_restore_msi_ext:
        return device_op(c, vpci_op_restore_msi);
    case PHYSDEVOP_restore_msi:
        return device_op_segment0(c, vpci_op_restore_msi);
    case PHYSDEVOP_manage_pci_add:
        return device_op_segment0(c, vpci_op_device_add);
    case PHYSDEVOP_manage_pci_add_ext:
        return manage_add_ext(c);
    case PHYSDEVOP_manage_pci_remove:
        return device_op_segment0(c, vpci_op_device_remove);
    case PHYSDEVOP_setup_gsi:
        return setup_gsi(c);
    case PHYSDEVOP_dbgp_op:
        return debug_port(c);
    default:
        return -XEN_ENOSYS;
    }
}
