/* SPDX-License-Identifier: BSD-2-Clause */
/* A network card with an MSI-X table of four entries. */
#ifndef TORII_TESTS_MSIX_WORLD_H
#define TORII_TESTS_MSIX_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/vpower.h>

#include "pci_world.h"
#include "../../src/vdev/vpci_internal.h"

#define NIC PCI_SBDF(0, 0, 0x18)
#define HBA PCI_SBDF(0, 0, 0x28)

static struct world_fn *nic;

void vpower_reset_control(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
}

static inline int teardown(void **state)
{
    world_fini();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define CAP     0x70
#define CONTROL (CAP + 2)
#define ENABLE  0x8000
#define FMASK   0x4000
#define BAR     0xd0000000ul
#define TABLE   (BAR + 0x2000)

/* Four entries at 0x2000 of BAR 0, pending bits at 0x2800 of the same page. */
static inline int setup(void **state)
{
    world_init();
    nic = world_add(NIC, 0x10d38086, 0x0200, 0);
    world_bar32(nic, 0, BAR, 0x4000);
    world_msix_cap(nic, CAP, 4, 0x2000, 0x2800);
    return 0;
}

static inline void start(void)
{
    world_start();
    guest_write(NIC, PCI_COMMAND, 2, 2);
}

static inline void entry(unsigned i, unsigned cpu, u32 data, u32 control)
{
    guest_mmio_write(TABLE + i * 16, 4, 0xfee00000 | cpu << 12);
    guest_mmio_write(TABLE + i * 16 + 4, 4, 0);
    guest_mmio_write(TABLE + i * 16 + 8, 4, data);
    guest_mmio_write(TABLE + i * 16 + 12, 4, control);
}

static inline bool fire_at(u64 table, unsigned i)
{
    if (world_mem32(table + i * 16 + 12) & 1)
        return false;
    return world_interrupt(world_mem32(table + i * 16) | (u64)world_mem32(table + i * 16 + 4) << 32,
                           world_mem32(table + i * 16 + 8));
}

static inline bool fire(unsigned i)
{
    return fire_at(TABLE, i);
}

static inline const struct world_delivery *last(void)
{
    return &world_delivered[(world_deliveries - 1) % 64];
}

#endif
