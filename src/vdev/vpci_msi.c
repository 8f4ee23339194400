/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSI capability (PCI 3.0 §6.8.1). The guest's message is kept here, the device holds Torii's. Also what MSI and
 * MSI-X share: turning a message into a route.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/log.h>
#include <torii/vlapic.h>

#include "vpci_internal.h"

/* Offsets in the capability; those after ADDRESS_HIGH are 4 lower when the address is 32 bits wide. */
#define MSI_CONTROL         2
#define MSI_CONTROL_ENABLE  BIT(0)
#define MSI_CONTROL_CAPABLE 0x000e
#define MSI_CONTROL_COUNT   0x0070
#define MSI_CONTROL_64      BIT(7)
#define MSI_CONTROL_MASK    BIT(8)
#define MSI_ADDRESS         4
#define MSI_ADDRESS_HIGH    8
#define MSI_DATA            12
#define MSI_MASK            16

/* Message format, SDM vol. 3 §10.11. */
#define MSI_ADDRESS_BASE     0xfee00000u
#define MSI_ADDRESS_LOGICAL  BIT(2)
#define MSI_DATA_VECTOR      0xffu
#define ROUTE_VECTOR_SHIFT   32
#define ROUTE_DELIVERY_SHIFT 40
#define ROUTE_LOGICAL        BIT(43)

/* --- routes --- */

/* Bits 11:5 extend the destination to 15 bits (XEN_HVM_CPUID_EXT_DEST_ID); they are reserved, 0, otherwise. */
vpci_route_t vpci_route(u64 address, u32 data)
{
    u32 dest = (address >> 12 & 0xff) | (address >> 5 & 0x7f) << 8;

    if (address >> 20 != MSI_ADDRESS_BASE >> 20)
        return 0;
    return ROUTE_VALID | dest | (u64)(data & MSI_DATA_VECTOR) << ROUTE_VECTOR_SHIFT |
           (u64)(data >> 8 & 7) << ROUTE_DELIVERY_SHIFT | (address & MSI_ADDRESS_LOGICAL ? ROUTE_LOGICAL : 0);
}

unsigned vpci_route_cpu(struct domain *d, vpci_route_t route)
{
    struct vcpu *v = NULL;

    if (route & ROUTE_VALID)
        v = vlapic_destination(d, (u32)route, route & ROUTE_LOGICAL);
    return v ? vcpu_cpu(v) : 0;
}

void vpci_route_deliver(struct domain *d, vpci_route_t route)
{
    if (route & ROUTE_VALID)
        vlapic_deliver(d, (u32)route, route & ROUTE_LOGICAL, route >> ROUTE_DELIVERY_SHIFT & 7,
                       route >> ROUTE_VECTOR_SHIFT & 0xff, false);
}

int vpci_vectors_alloc(struct vpci_dev *dev, unsigned count, unsigned cpu, irq_fn *fn, void *ctx, size_t stride,
                       struct msi_message *msg, unsigned *got)
{
    unsigned i, cpus = cpu_count();
    int handle = -XEN_ENOSPC;

    for (i = 0; i < cpus && handle < 0; i++) {
        *got = (cpu + i) % cpus;
        handle = msi_alloc(count, *got, fn, ctx, stride, msg);
    }
    if (handle < 0)
        log_err("vPCI: " PCI_FMT " gets no %u interrupt vector%s\n", PCI_ARGS(dev->sbdf), count, count > 1 ? "s" : "");
    return handle;
}

/* --- the device's message --- */

static unsigned data_reg(const struct vpci_msi *msi)
{
    return msi->pos + MSI_DATA - (msi->is64 ? 0 : 4);
}

static unsigned mask_reg(const struct vpci_msi *msi)
{
    return msi->pos + MSI_MASK - (msi->is64 ? 0 : 4);
}

static void message_to_hardware(struct vpci_dev *dev)
{
    struct vpci_msi *msi = dev->msi;

    pci_write(dev->sbdf, msi->pos + MSI_ADDRESS, 4, msi->physical.address);
    if (msi->is64)
        pci_write(dev->sbdf, msi->pos + MSI_ADDRESS_HIGH, 4, msi->physical.address >> 32);
    pci_write(dev->sbdf, data_reg(msi), 2, msi->physical.data);
}

static void msi_interrupt(void *ctx)
{
    struct vpci_msi_vector *vector = ctx;

    vector->count++;
    vpci_route_deliver(vector->d, READ_ONCE(vector->route));
}

/* The vectors of the guest's message: the device varies its low bits (PCI 3.0 §6.8.1.3). */
static void routes_update(struct vpci_msi *msi)
{
    unsigned i;

    for (i = 0; i < msi->count; i++)
        WRITE_ONCE(msi->vector[i].route, vpci_route(msi->address, (msi->data & ~(msi->count - 1)) | i));
}

/*
 * Follow the guest's destination to another physical CPU. Address and data take two writes, and between them the
 * device must not send: that needs per-vector masks. A device without them keeps interrupting the CPU it was set up
 * on, and the interrupt is handed over from there; so none is ever lost.
 */
static void follow_destination(struct vpci_dev *dev)
{
    struct vpci_msi *msi = dev->msi;
    unsigned cpu = vpci_route_cpu(dev->vpci->d, msi->vector[0].route);
    struct msi_message msg;

    if (!msi->maskable || cpu == msi->cpu || msi_move(msi->handle, cpu, &msg) < 0)
        return;
    msi->physical = msg;
    msi->cpu = cpu;
    pci_write(dev->sbdf, mask_reg(msi), 4, ~0u);
    message_to_hardware(dev);
    pci_write(dev->sbdf, mask_reg(msi), 4, msi->mask);
    /* The read returns after every message sent before it (PCI 3.0 §3.2.5): the old vectors fall silent. */
    pci_read(dev->sbdf, mask_reg(msi), 4);
    msi_move_done(msi->handle);
}

/* Without masks it still works if the vectors' numbers are free over there: one write of the address does it. */
static void follow_by_address(struct vpci_dev *dev, unsigned cpu)
{
    struct vpci_msi *msi = dev->msi;
    struct msi_message msg;

    if (cpu == msi->cpu || msi_move_same(msi->handle, cpu, &msg))
        return;
    msi->physical = msg;
    msi->cpu = cpu;
    pci_write(dev->sbdf, msi->pos + MSI_ADDRESS, 4, msg.address);
    pci_read(dev->sbdf, msi->pos + MSI_ADDRESS, 4);
    msi_move_done(msi->handle);
}

void vpci_msi_rehome(struct vpci_dev *dev)
{
    if (!dev->msi || !dev->msi->enabled)
        return;
    if (dev->msi->maskable)
        follow_destination(dev);
    else
        follow_by_address(dev, vpci_route_cpu(dev->vpci->d, dev->msi->vector[0].route));
}

static void message_changed(struct vpci_dev *dev)
{
    if (!dev->msi->enabled)
        return;
    routes_update(dev->msi);
    follow_destination(dev);
}

/* --- control --- */

static void msi_disable(struct vpci_dev *dev)
{
    struct vpci_msi *msi = dev->msi;
    unsigned i;

    if (!msi->enabled)
        return;
    msi->enabled = false;
    msi_free(msi->handle);
    msi->handle = -1;
    for (i = 0; i < MSI_VECTORS_MAX; i++)
        WRITE_ONCE(msi->vector[i].route, 0);
}

static bool msi_enable(struct vpci_dev *dev, unsigned count)
{
    struct vpci_msi *msi = dev->msi;
    unsigned cpu;

    msi->count = count;
    routes_update(msi);
    cpu = vpci_route_cpu(dev->vpci->d, msi->vector[0].route);
    msi->handle = vpci_vectors_alloc(dev, count, cpu, msi_interrupt, msi->vector, sizeof(msi->vector[0]),
                                     &msi->physical, &msi->cpu);
    msi->enabled = msi->handle >= 0;
    return msi->enabled;
}

static void program(struct vpci_dev *dev)
{
    message_to_hardware(dev);
    if (dev->msi->maskable)
        pci_write(dev->sbdf, mask_reg(dev->msi), 4, dev->msi->mask);
}

static unsigned vectors_wanted(const struct vpci_msi *msi, u16 control)
{
    return 1u << min((unsigned)((control & MSI_CONTROL_COUNT) >> 4), (unsigned)msi->max_log2);
}

static void control_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    struct vpci_msi *msi = dev->msi;
    unsigned count = vectors_wanted(msi, val);
    u16 old = pci_read(dev->sbdf, reg, 2);

    /* The device must not vary more bits of Torii's message than it has vectors for. */
    val = (val & ~MSI_CONTROL_COUNT) | (u32)__builtin_ctz(count) << 4;
    if (!(val & MSI_CONTROL_ENABLE)) {
        pci_write(dev->sbdf, reg, 2, val);
        msi_disable(dev);
        return;
    }
    if (msi->enabled && count != msi->count) {
        pci_write(dev->sbdf, reg, 2, old & ~MSI_CONTROL_ENABLE);
        msi_disable(dev);
    }
    if (!msi->enabled) {
        if (!msi_enable(dev, count)) {
            pci_write(dev->sbdf, reg, 2, val & ~MSI_CONTROL_ENABLE);
            return;
        }
        program(dev);
    } else if (!(old & MSI_CONTROL_ENABLE)) {
        /* A reset took the message away behind Torii's back. */
        program(dev);
    }
    pci_write(dev->sbdf, reg, 2, val);
}

/* --- the guest's view of the message --- */

static u32 address_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    return dev->msi->address;
}

static u32 address_high_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    return dev->msi->address >> 32;
}

static u32 data_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    return dev->msi->data;
}

static void address_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    dev->msi->address = (dev->msi->address & ~0xffffffffull) | (val & ~3u);
    message_changed(dev);
}

static void address_high_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    dev->msi->address = (dev->msi->address & 0xffffffffull) | (u64)val << 32;
    message_changed(dev);
}

static void data_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    dev->msi->data = val;
    message_changed(dev);
}

static void mask_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    dev->msi->mask = val;
    pci_write(dev->sbdf, reg, 4, val);
}

/* --- life cycle --- */

static int registers_add(struct vpci_dev *dev)
{
    struct vpci_msi *msi = dev->msi;
    int err = vpci_add_register(dev, msi->pos + MSI_CONTROL, 2, NULL, control_write, NULL);

    if (!err)
        err = vpci_add_register(dev, msi->pos + MSI_ADDRESS, 4, address_read, address_write, NULL);
    if (!err && msi->is64)
        err = vpci_add_register(dev, msi->pos + MSI_ADDRESS_HIGH, 4, address_high_read, address_high_write, NULL);
    if (!err)
        err = vpci_add_register(dev, data_reg(msi), 2, data_read, data_write, NULL);
    if (!err && msi->maskable)
        err = vpci_add_register(dev, mask_reg(msi), 4, NULL, mask_write, NULL);
    return err;
}

/* What is wrong with the capability, or NULL. */
static const char *malformed(struct vpci_dev *dev, u8 pos, u16 control)
{
    unsigned bytes = (control & MSI_CONTROL_MASK ? MSI_MASK + 8 : MSI_DATA + 2) - (control & MSI_CONTROL_64 ? 0 : 4);

    if (dev->msi)
        return "is the second";
    if (pos + bytes > PCI_CONFIG_SIZE || vpci_claimed(dev, pos + MSI_CONTROL, bytes - MSI_CONTROL))
        return "overlaps another";
    return NULL;
}

int vpci_msi_setup(struct vpci_dev *dev, u8 pos, u8 link)
{
    struct vpci_msi *msi = dev->msi_memory;
    const char *wrong;
    u16 control;
    unsigned i;

    control = pci_read(dev->sbdf, pos + MSI_CONTROL, 2);
    wrong = malformed(dev, pos, control);
    if (wrong) {
        log_warn("vPCI: " PCI_FMT " MSI capability %s: hidden\n", PCI_ARGS(dev->sbdf), wrong);
        return vpci_hide_capability(dev, pos, link);
    }
    if (!msi)
        msi = dev->msi_memory = xzalloc(sizeof(*msi));
    if (!msi)
        return -XEN_ENOMEM;
    if (control & MSI_CONTROL_ENABLE)
        pci_write(dev->sbdf, pos + MSI_CONTROL, 2, control & ~MSI_CONTROL_ENABLE);
    msi->pos = pos;
    msi->is64 = control & MSI_CONTROL_64;
    msi->maskable = control & MSI_CONTROL_MASK;
    msi->max_log2 = min((unsigned)((control & MSI_CONTROL_CAPABLE) >> 1), 5u);
    msi->enabled = false;
    msi->count = 1;
    msi->handle = -1;
    msi->address = 0;
    msi->data = 0;
    msi->mask = msi->maskable ? pci_read(dev->sbdf, mask_reg(msi), 4) : 0;
    for (i = 0; i < MSI_VECTORS_MAX; i++)
        msi->vector[i].d = dev->vpci->d;
    dev->msi = msi;
    return registers_add(dev);
}

void vpci_msi_teardown(struct vpci_dev *dev)
{
    unsigned reg;

    if (!dev->msi)
        return;
    if (dev->msi->enabled) {
        reg = dev->msi->pos + MSI_CONTROL;
        pci_write(dev->sbdf, reg, 2, pci_read(dev->sbdf, reg, 2) & ~MSI_CONTROL_ENABLE);
    }
    msi_disable(dev);
    dev->msi = NULL;
}

void vpci_msi_restore(struct vpci_dev *dev)
{
    struct vpci_msi *msi = dev->msi;
    u16 control;

    if (!msi || !msi->enabled)
        return;
    program(dev);
    control = pci_read(dev->sbdf, msi->pos + MSI_CONTROL, 2) & ~MSI_CONTROL_COUNT;
    control |= (u16)__builtin_ctz(msi->count) << 4 | MSI_CONTROL_ENABLE;
    pci_write(dev->sbdf, msi->pos + MSI_CONTROL, 2, control);
}

void vpci_msi_dump(const struct vpci_dev *dev)
{
    const struct vpci_msi *msi = dev->msi;
    unsigned i;

    if (!msi || !msi->enabled)
        return;
    for (i = 0; i < msi->count; i++)
        log_info("  msi %u: guest %08llx/%04x route %016llx, device %08llx/%04x cpu %u, mask %u, %llu taken\n", i,
                 (unsigned long long)msi->address, msi->data, (unsigned long long)msi->vector[i].route,
                 (unsigned long long)msi->physical.address, msi->physical.data + i, msi->cpu, msi->mask >> i & 1,
                 (unsigned long long)msi->vector[i].count);
}
