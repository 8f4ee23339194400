/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpci.c src/vdev/vpci_access.c src/vdev/vpci_op.c src/vdev/vpci_map.c src/vdev/vpci_header.c src/vdev/vpci_msi.c src/vdev/vpci_msix.c src/vdev/vpci_sriov.c src/vdev/vpci_rebar.c src/machine/pci.c tests/unit/pci_world.c tests/unit/pci_world_irq.c tests/unit/fakes.c */
/*
 * A guest does what the input says to the configuration spaces and MSI-X tables of three devices and a virtual
 * function, devices get reset and interrupt in between. After each step what the guest reaches and what the devices
 * hold is checked.
 */
#include <stdlib.h>
#include <string.h>

#include <torii/boot_info.h>
#include <torii/machine.h>
#include <torii/vpower.h>

#include "../unit/pci_world.h"
#include "../../src/vdev/vpci_internal.h"

#define NIC    PCI_SBDF(0, 0, 0x18)
#define HBA    PCI_SBDF(0, 0, 0x28)
#define BRIDGE PCI_SBDF(0, 0, 0xe0)
#define VF     PCI_SBDF(0, 0, 0x30)

#define NIC_MSI   0x50
#define NIC_MSIX  0x70
#define NIC_SRIOV 0x160
#define ENABLE    0x8000u

#define MMIO_FIRST 0xd0000000ul
#define MMIO_PAGES 512ul

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define CHECK(cond)                                                 \
    do {                                                            \
        if (!(cond))                                                \
            panic("%s does not hold (line %d)\n", #cond, __LINE__); \
    } while (0)

void vpower_reset_control(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
}

static const u32 sbdfs[] = {NIC, HBA, BRIDGE, VF};

/* --- the machine --- */

static void machine(void)
{
    struct world_fn *nic = world_add(NIC, 0x10d38086, 0x0200, 0);
    struct world_fn *hba = world_add(HBA, 0x29228086, 0x0106, 0);
    struct world_fn *bridge = world_add(BRIDGE, 0x34208086, PCI_CLASS_PCI_BRIDGE, 1);
    struct world_fn *vf = world_add(VF, 0xffffffff, 0x0200, 0);

    boot_info.e820.entry[boot_info.e820.nr++] = (struct e820_entry){MMIO_FIRST + 0x5000, 0x2000, E820_RESERVED};
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_bar64(nic, 2, 0xd0010000, 0x2000);
    world_rom(nic, 0xd0020000, 0x1000);
    world_msi_cap(nic, NIC_MSI, true, true, 2);
    world_msix_cap(nic, NIC_MSIX, 4, 0x1f80, 0x2800);
    world_ext_cap(nic, NIC_SRIOV, PCI_EXT_CAP_SRIOV);
    world_writable(nic, NIC_SRIOV + 8, 2, 0x1f);
    world_writable(nic, NIC_SRIOV + 0x10, 2, 0x3);
    world_set(nic, NIC_SRIOV + 0x14, 2, VF - NIC);
    world_set(nic, NIC_SRIOV + 0x16, 2, 2);
    world_set(nic, NIC_SRIOV + 0x24, 4, 0xd0080000);
    world_writable(nic, NIC_SRIOV + 0x24, 4, ~0x3fffu);
    world_bar32(hba, 5, 0xd0030800, 0x800);
    world_msi_cap(hba, 0x80, false, false, 0);
    world_msix_cap(hba, 0xa0, 2, 5, 0x405);
    world_bar32(bridge, 0, 0xd0030000, 0x400);
    world_rom(bridge, 0xd0040000, 0x800);
    world_track(nic, 0x10, 0x1f80, 64);
    world_track(hba, 0x24, 0, 32);
    world_track(nic, NIC_SRIOV + 0x24, 0x1000, 32);
    world_writable(vf, PCI_COMMAND, 2, 4);
    world_msix_cap(vf, 0x40, 2, 0x1000, 0x2000);
}

static void machine_free(void)
{
    struct vpci *vpci = world_domain.vpci;
    struct vpci_dev *dev;
    struct vpci_page *p;

    world_fini();
    while ((dev = vpci->all)) {
        vpci->all = dev->all_next;
        xfree(dev->msi_memory);
        xfree(dev->msix_memory ? dev->msix_memory->entry : NULL);
        for (unsigned i = 0; dev->msix_memory && i < dev->msix_memory->nr_outgrown; i++)
            xfree(dev->msix_memory->outgrown[i]);
        xfree(dev->msix_memory);
        xfree(dev->sriov_memory);
        xfree(dev);
    }
    CHECK(!vpci->pages);
    while ((p = vpci->spare_pages)) {
        vpci->spare_pages = p->next;
        xfree(p);
    }
    xfree(vpci);
    world_domain.vpci = NULL;
}

/* --- what must hold --- */

static struct world_fn *fn(u32 sbdf)
{
    for (unsigned i = 0; i < WORLD_FNS; i++)
        if (world[i].used && world[i].sbdf == sbdf)
            return &world[i];
    return NULL;
}

static bool bound(u64 address, u32 data)
{
    for (unsigned h = 0; h < WORLD_HANDLES; h++)
        if (world_msi[h].used && world_msi[h].msg.address == address && data >= world_msi[h].msg.data &&
            data < world_msi[h].msg.data + world_msi[h].count)
            return true;
    return false;
}

/* A device that can send an MSI holds a message of Torii's. */
static void check_msi(const struct world_fn *f, u8 pos, bool is64)
{
    if (!(world_get(f, pos + 2, 2) & 1))
        return;
    CHECK(bound(world_get(f, pos + 4, 4) | (is64 ? (u64)world_get(f, pos + 8, 4) << 32 : 0),
                world_get(f, pos + (is64 ? 12 : 8), 2)));
}

static void check_table(const struct world_fn *f, u8 pos, u64 table, unsigned entries)
{
    u16 control = world_get(f, pos + 2, 2);

    if (!(control & ENABLE) || control & 0x4000)
        return;
    for (unsigned i = 0; i < entries; i++)
        if (!(world_mem32(table + i * 16 + 12) & 1))
            CHECK(bound(world_mem32(table + i * 16) | (u64)world_mem32(table + i * 16 + 4) << 32,
                        world_mem32(table + i * 16 + 8)));
}

static bool in_bar(mfn_t pfn, u64 address, u64 size)
{
    return address >> PAGE_SHIFT <= pfn && pfn <= (address + size - 1) >> PAGE_SHIFT;
}

static bool decoded(mfn_t pfn)
{
    const struct world_fn *nic = fn(NIC), *hba = fn(HBA), *bridge = fn(BRIDGE);
    u32 rom;

    if (world_get(nic, PCI_COMMAND, 2) & 2) {
        rom = world_get(nic, PCI_ROM, 4);
        if (in_bar(pfn, world_get(nic, 0x10, 4) & ~0xfu, 0x4000) ||
            in_bar(pfn, (world_get(nic, 0x18, 4) & ~0xfu) | (u64)world_get(nic, 0x1c, 4) << 32, 0x2000) ||
            (rom & 1 && in_bar(pfn, rom & ~1u, 0x1000)))
            return true;
    }
    if (world_get(hba, PCI_COMMAND, 2) & 2 && in_bar(pfn, world_get(hba, 0x24, 4), 0x800))
        return true;
    if (world_get(bridge, PCI_COMMAND, 2) & 2) {
        rom = world_get(bridge, PCI_ROM_BRIDGE, 4);
        if (in_bar(pfn, world_get(bridge, 0x10, 4), 0x400) || (rom & 1 && in_bar(pfn, rom & ~1u, 0x800)))
            return true;
    }
    return (world_get(nic, NIC_SRIOV + 8, 2) & 9) == 9 && vpci_find(world_domain.vpci, NIC)->sriov->nr &&
           in_bar(pfn, world_get(nic, NIC_SRIOV + 0x24, 4), 0x4000ul * vpci_find(world_domain.vpci, NIC)->sriov->nr);
}

static void check_map(void)
{
    for (mfn_t pfn = MMIO_FIRST >> PAGE_SHIFT; pfn < (MMIO_FIRST >> PAGE_SHIFT) + MMIO_PAGES; pfn++) {
        enum s2_type type = world_s2(pfn << PAGE_SHIFT);
        u64 at = (pfn << PAGE_SHIFT) - MMIO_FIRST;

        if (world_trapped(pfn << PAGE_SHIFT) || (at >= 0x5000 && at < 0x7000))
            CHECK(type == S2_NONE);
        else
            CHECK(type == (decoded(pfn) ? S2_MMIO : S2_NONE));
    }
}

/* RAM is no table, wherever a BAR stands. */
static bool traps(u64 table)
{
    return table < 1ull << 52 && !machine_page_is_ram(table >> PAGE_SHIFT);
}

static void check(void)
{
    const struct world_fn *nic = fn(NIC), *hba = fn(HBA);
    struct vpci_dev *dev;
    u64 table;

    CHECK(!fake_locks_held);
    check_msi(nic, NIC_MSI, true);
    check_msi(hba, 0x80, false);
    /* A table that is decoded is trapped, and what the device would send from it is Torii's. */
    if (world_get(nic, PCI_COMMAND, 2) & 2) {
        table = (world_get(nic, 0x10, 4) & ~0xfu) + 0x1f80;
        if (traps(table) && traps(table + 0x3f)) {
            CHECK(world_trapped(table) && world_trapped(table + 0x3f));
            check_table(nic, NIC_MSIX, table, 4);
        }
    }
    if (world_get(hba, PCI_COMMAND, 2) & 2) {
        table = world_get(hba, 0x24, 4) & ~0xfu;
        if (traps(table)) {
            CHECK(world_trapped(table));
            check_table(hba, 0xa0, table, 2);
        }
    }
    dev = vpci_find(world_domain.vpci, VF);
    table = (world_get(nic, NIC_SRIOV + 0x24, 4) & ~0xfu) + 0x1000;
    if (dev && dev->present && dev->pf && traps(table) && (world_get(nic, NIC_SRIOV + 8, 2) & 9) == 9 &&
        vpci_sriov_index(dev->pf, VF) == 0)
        CHECK(world_trapped(table));
}

/* --- what happens --- */

/* Registers worth hitting more often than chance would. */
static const u16 hot[] = {0x04, 0x10, 0x14, 0x18, 0x1c, 0x24, 0x30,  0x38,  0x34,  0x42, 0x52, 0x54, 0x58, 0x5c,
                          0x60, 0x72, 0x82, 0x84, 0x88, 0xa2, 0x168, 0x170, 0x184, 0x05, 0x12, 0x53, 0x73};

/* Addresses stay in a window, so that tables are moved over each other and into reserved pages. */
static u32 value_of(const u8 *p)
{
    u32 val = p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;

    switch (p[3] & 3) {
    case 0:
        return MMIO_FIRST + ((val & 0x1ff) << 12 & 0x1fe000) + (val >> 16 & 0xc00) + (p[3] >> 2 & 1);
    case 1:
        return ~0u;
    case 2:
        return p[3] & 4 ? 0xfee00000 | (val & 0xff) << 12 : val & 0xc0ff;
    default:
        return val;
    }
}

static void table_access(const u8 *p)
{
    u64 base[3] = {(world_get(fn(NIC), 0x10, 4) & ~0xfu) + 0x1f80, world_get(fn(HBA), 0x24, 4) & ~0xfu,
                   (world_get(fn(NIC), NIC_SRIOV + 0x24, 4) & ~0xfu) + 0x1000};
    gpa_t gpa = base[p[1] % 3] + (p[2] & 0x7f);
    unsigned bytes = 1u << (p[1] >> 4 & 3);
    u32 val = p[1] & 8 ? 0xfee00000 | p[4] << 12 : p[4];

    if (!world_trapped(gpa) || !world_trapped(gpa + bytes - 1))
        return;
    if (p[3] & 1)
        guest_mmio_read(gpa, bytes);
    else
        guest_mmio_write(gpa, bytes, val | (u64)p[5] << 32);
}

static void step(const u8 *p)
{
    u32 sbdf = sbdfs[p[1] & 3], dead;
    unsigned reg = p[1] & 4 ? hot[p[2] % ARRAY_SIZE(hot)] : (p[2] | (p[1] & 0x10) << 4), bytes = 1u << (p[1] >> 6) % 3;

    switch (p[0] % 8) {
    case 0:
    case 1:
    case 2:
        guest_write(sbdf, reg, bytes, value_of(p + 3) & (bytes == 4 ? ~0u : (1u << bytes * 8) - 1));
        break;
    case 3:
        guest_read(sbdf, reg, bytes);
        break;
    case 4:
    case 5:
        table_access(p);
        break;
    case 6:
        dead = p[2] & 0xff;
        world_interrupt(0xfee00000 | (p[1] & 3) << 12, 0x4000 + dead);
        if (p[3] & 1)
            world_msi_room = p[4] & 7;
        else
            world_msi_room = 1000;
        break;
    default:
        if (p[2] & 1) {
            world_reset(fn(sbdf));
            guest_write(sbdf, PCI_COMMAND, 2, 0);
        }
        if (p[2] & 2)
            vpci_op_restore_msi(&world_domain, 0, PCI_BUS(sbdf), PCI_DEVFN(sbdf));
        if (p[2] & 4)
            vpci_op_device_reset(&world_domain, 0, PCI_BUS(sbdf), PCI_DEVFN(sbdf));
        if (p[2] & 8)
            vpci_op_device_remove(&world_domain, 0, PCI_BUS(sbdf), PCI_DEVFN(sbdf));
        vpci_op_device_add(&world_domain, 0, PCI_BUS(sbdf), PCI_DEVFN(sbdf));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static bool scanned;

    world_init();
    world_msi_room = 1000;
    machine();
    if (!scanned)
        pci_init();
    scanned = true;
    CHECK(!vpci_init(&world_domain));
    CHECK(!vpci_domain_add_devices(&world_domain));
    for (unsigned n = 0; size >= 8 && n < 200; data += 8, size -= 8, n++) {
        step(data);
        check();
    }
    check_map();
    machine_free();
    return 0;
}
