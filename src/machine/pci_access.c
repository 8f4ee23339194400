/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space access: mechanism 1 (PCI 3.0 §3.2.2.3.2) for the first 256 bytes of segment 0, ECAM (PCIe 5.0
 * §7.2.2) for all else, and for everything once the ports have been left. ECAM buses are mapped at first use.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lock.h>
#include <torii/pci.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  BIT(31)

#define ECAM_REGIONS 32

struct ecam {
    paddr_t base; /* of bus_first */
    u16 seg;
    u8 bus_first, bus_last;
    void *bus[256]; /* mapping of each bus, made at first use and kept */
};

static struct ecam *ecams[ECAM_REGIONS]; /* entries are published by the store to ecam_count and never change */
static unsigned ecam_count;
static spinlock_t config_lock = SPINLOCK(LOCK_PCI);
static bool ports_left; /* set once, while one CPU runs */

static struct ecam *ecam_find(u16 seg, u8 bus)
{
    unsigned i, n = atomic_load(&ecam_count);

    for (i = 0; i < n; i++)
        if (ecams[i]->seg == seg && bus >= ecams[i]->bus_first && bus <= ecams[i]->bus_last)
            return ecams[i];
    return NULL;
}

bool pci_has_ecam(u32 sbdf)
{
    return ecam_find(PCI_SEG(sbdf), PCI_BUS(sbdf)) != NULL;
}

int pci_ecam_add(paddr_t base, u16 seg, u8 bus_first, u8 bus_last)
{
    paddr_t first = base + bus_first * PCI_ECAM_BUS_SIZE;
    struct ecam *e, *known;
    unsigned bus, n = ecam_count;

    if (bus_last < bus_first || !base || base & (PCI_ECAM_BUS_SIZE - 1) || first < base)
        return -XEN_EINVAL;
    for (bus = bus_first; bus <= bus_last; bus++) {
        known = ecam_find(seg, bus);
        if (!known)
            continue;
        if (known->base == first && known->bus_first == bus_first && known->bus_last == bus_last)
            return 0;
        return -XEN_EEXIST;
    }
    if (n == ECAM_REGIONS)
        return -XEN_ENOSPC;
    e = xzalloc(sizeof(*e));
    if (!e)
        return -XEN_ENOMEM;
    e->base = first;
    e->seg = seg;
    e->bus_first = bus_first;
    e->bus_last = bus_last;
    ecams[n] = e;
    atomic_store(&ecam_count, n + 1);
    return 0;
}

bool pci_ecam_get(unsigned n, paddr_t *base, u16 *seg, u8 *bus_first, u8 *bus_last)
{
    if (n >= atomic_load(&ecam_count))
        return false;
    *base = ecams[n]->base;
    *seg = ecams[n]->seg;
    *bus_first = ecams[n]->bus_first;
    *bus_last = ecams[n]->bus_last;
    return true;
}

/* The register's address in ECAM, or NULL. */
static void *ecam_register(u32 sbdf, unsigned reg)
{
    struct ecam *e = ecam_find(PCI_SEG(sbdf), PCI_BUS(sbdf));
    void *bus, *old = NULL;

    if (!e || reg >= PCIE_CONFIG_SIZE)
        return NULL;
    bus = atomic_load(&e->bus[PCI_BUS(sbdf)]);
    if (!bus) {
        bus = machine_map(e->base + (PCI_BUS(sbdf) - e->bus_first) * PCI_ECAM_BUS_SIZE, PCI_ECAM_BUS_SIZE, true);
        if (!bus)
            return NULL;
        if (!atomic_cmpxchg(&e->bus[PCI_BUS(sbdf)], &old, bus)) {
            machine_unmap(bus, PCI_ECAM_BUS_SIZE);
            bus = old;
        }
    }
    return (char *)bus + ((size_t)PCI_DEVFN(sbdf) << 12) + reg;
}

/* AMD family 10h and later reach ECAM through EAX, AX and AL only (BKDG 31116 §2.11.1), hence the fixed register. */
static u32 ecam_read(const void *p, unsigned bytes)
{
    u32 val = 0;

    switch (bytes) {
    case 1:
        asm volatile("movb %1, %b0" : "+a"(val) : "m"(*(const volatile u8 *)p) : "memory");
        break;
    case 2:
        asm volatile("movw %1, %w0" : "+a"(val) : "m"(*(const volatile u16 *)p) : "memory");
        break;
    default:
        asm volatile("movl %1, %0" : "=a"(val) : "m"(*(const volatile u32 *)p) : "memory");
    }
    return val;
}

static void ecam_write(void *p, unsigned bytes, u32 val)
{
    switch (bytes) {
    case 1:
        asm volatile("movb %b1, %0" : "=m"(*(volatile u8 *)p) : "a"(val) : "memory");
        break;
    case 2:
        asm volatile("movw %w1, %0" : "=m"(*(volatile u16 *)p) : "a"(val) : "memory");
        break;
    default:
        asm volatile("movl %1, %0" : "=m"(*(volatile u32 *)p) : "a"(val) : "memory");
    }
}

static void mechanism1(u32 sbdf, unsigned reg, unsigned bytes, bool write, u32 *val)
{
    u32 address = CONFIG_ENABLE | (sbdf & 0xffff) << 8 | (reg & 0xfc);

    spin_lock(&config_lock);
    pio_hardware(NULL, NULL, CONFIG_ADDRESS, 4, true, &address);
    pio_hardware(NULL, NULL, CONFIG_DATA | (reg & 3), bytes, write, val);
    spin_unlock(&config_lock);
}

/* Torii's use of the ports is over: without the enable bit nothing decodes the data port (§3.2.2.3.2). */
static void ports_disable(void)
{
    u32 disabled = 0;

    pio_hardware(NULL, NULL, CONFIG_ADDRESS, 4, true, &disabled);
}

static bool by_ports(u32 sbdf, unsigned reg)
{
    return !PCI_SEG(sbdf) && reg < PCI_CONFIG_SIZE && !ports_left;
}

/* All of a region's buses by one mapping of large pages, instead of one by one. */
static bool ecam_map_whole(struct ecam *e)
{
    size_t bytes = (e->bus_last - e->bus_first + 1) * PCI_ECAM_BUS_SIZE;
    char *all = machine_map(e->base, bytes, true);

    if (!all)
        return false;
    for (unsigned bus = e->bus_first; bus <= e->bus_last; bus++, all += PCI_ECAM_BUS_SIZE)
        if (!e->bus[bus])
            atomic_store(&e->bus[bus], all);
    return true;
}

/* Do both mechanisms show the same function? Some north bridges' own are not in ECAM, and tables can be wrong. */
static bool mechanisms_agree(u32 sbdf)
{
    static const u8 constant[] = {PCI_ID, PCI_CLASS};
    void *p;
    u32 val;

    for (unsigned i = 0; i < sizeof(constant); i++) {
        p = ecam_register(sbdf, constant[i]);
        mechanism1(sbdf, constant[i], 4, false, &val);
        if (!p || ecam_read(p, 4) != val)
            return false;
    }
    return true;
}

bool pci_leave_ports(void)
{
    struct ecam *e = ecam_find(0, 0);
    struct pci_device *dev;

    if (!e || e->bus_first || e->bus_last != 255 || !ecam_map_whole(e))
        return false;
    for (dev = pci_first(); dev; dev = dev->next)
        if (!PCI_SEG(dev->sbdf) && !mechanisms_agree(dev->sbdf))
            return false;
    ports_left = true;
    ports_disable();
    return true;
}

bool pci_ports_left(void)
{
    return ports_left;
}

static u32 size_mask(unsigned bytes)
{
    return bytes == 4 ? ~0u : (1u << bytes * 8) - 1;
}

u32 pci_ports_read(u32 sbdf, unsigned reg, unsigned bytes)
{
    u32 val = ~0u;

    mechanism1(sbdf, reg, bytes, false, &val);
    if (ports_left)
        ports_disable();
    return val & size_mask(bytes);
}

void pci_ports_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    mechanism1(sbdf, reg, bytes, true, &val);
    if (ports_left)
        ports_disable();
}

u32 pci_read(u32 sbdf, unsigned reg, unsigned bytes)
{
    u32 val = ~0u;
    void *p;

    if (by_ports(sbdf, reg)) {
        mechanism1(sbdf, reg, bytes, false, &val);
    } else {
        p = ecam_register(sbdf, reg);
        if (p)
            val = ecam_read(p, bytes);
    }
    return val & size_mask(bytes);
}

void pci_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    void *p;

    if (by_ports(sbdf, reg)) {
        mechanism1(sbdf, reg, bytes, true, &val);
        return;
    }
    p = ecam_register(sbdf, reg);
    if (p)
        ecam_write(p, bytes, val);
}
