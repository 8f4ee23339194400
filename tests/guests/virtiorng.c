/* SPDX-License-Identifier: BSD-2-Clause */
/* run: qemu="-device virtio-rng-pci,addr=6,disable-legacy=on,iommu_platform=on" */
/* A virtio device (virtio 1.1 §4.1): capabilities, a 64-bit BAR, a queue, MSI-X. */
#include "rt.h"

#define VECTOR 0x7a
#define SIZE   8

static struct {
    u64 address;
    u32 bytes;
    u16 flags, next;
} desc[SIZE] PAGE_ALIGNED;
static struct {
    u16 flags, index, ring[SIZE];
} avail PAGE_ALIGNED;
static volatile struct {
    u16 flags, index;
    struct {
        u32 id, bytes;
    } ring[SIZE];
} used PAGE_ALIGNED;
static u8 random[4][64];
static u16 bdf;
static u64 common, notify;
static u32 notify_multiplier;

static void find_structures(void)
{
    u8 at = pci_read(bdf, 0x34, 1);

    for (; at; at = pci_read(bdf, at + 1, 1)) {
        u64 where;

        if (pci_read(bdf, at, 1) != PCI_CAP_VENDOR)
            continue;
        where = pci_bar(bdf, pci_read(bdf, at + 4, 1)) + pci_read(bdf, at + 8, 4);
        switch (pci_read(bdf, at + 3, 1)) {
        case 1:
            common = where;
            break;
        case 2:
            notify = where;
            notify_multiplier = pci_read(bdf, at + 16, 4);
        }
    }
}

static void set_up(void)
{
    write8(common + 0x14, 0); /* reset */
    while (read8(common + 0x14))
        cpu_relax();
    write8(common + 0x14, 3); /* acknowledge, driver */
    write32(common + 8, 1);
    write32(common, 1);
    write32(common + 12, 1 | (read32(common + 4) & 2)); /* VERSION_1, ACCESS_PLATFORM: an IOMMU may be in the way */
    write8(common + 0x14, 11);
    is(read8(common + 0x14), 11, "the device accepts its features");
    write16(common + 0x16, 0); /* queue 0 */
    write16(common + 0x18, SIZE);
    write16(common + 0x1a, 0);
    is(read16(common + 0x1a), 0, "the queue takes MSI-X entry 0");
    write64(common + 0x20, (u64)desc);
    write64(common + 0x28, (u64)&avail);
    write64(common + 0x30, (u64)&used);
    write16(common + 0x1c, 1);
    write8(common + 0x14, 15);
}

static void ask(unsigned n)
{
    desc[n].address = (u64)random[n];
    desc[n].bytes = sizeof(random[n]);
    desc[n].flags = 2;
    avail.ring[avail.index % SIZE] = n;
    __asm__ volatile("" ::: "memory");
    avail.index++;
    write16(notify + read16(common + 0x1e) * notify_multiplier, 0);
}

void test(void)
{
    u64 table;
    u32 at;
    u8 cap;

    bdf = pci_find(0x1af4, 0x1044);
    if (bdf == PCI_NONE)
        bail("no virtio-rng device");
    pci_enable(bdf);
    find_structures();
    if (!ok(common && notify, "its capabilities lead to its registers"))
        return;
    cap = pci_capability(bdf, PCI_CAP_MSIX);
    at = pci_read(bdf, cap + 4, 4);
    table = pci_bar(bdf, at & 7) + (at & ~7u);
    write32(table, MSI_ADDRESS(cpus[0].apic_id));
    write32(table + 4, 0);
    write32(table + 8, VECTOR);
    write32(table + 12, 0);
    pci_write(bdf, cap + 2, 2, 0x8000);
    set_up();
    for (unsigned n = 0; n < 4; n++) {
        ask(n);
        ok(wait_count(&irq_count[0][VECTOR], n + 1, 3000), "request %u interrupts", n);
        is(used.index, n + 1, "and is used");
    }
    ok(memcmp(random[0], random[1], 64) && memcmp(random[1], random[2], 64), "the bytes differ");
}
