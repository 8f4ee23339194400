/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torii/acpi.h>
#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/machine.h>
#include <torii/vlapic.h>
#include <torii/vpower.h>

#include "pci_world.h"

struct world_fn world[WORLD_FNS];
struct domain world_domain;
struct vcpu world_vcpu[WORLD_CPUS];
struct world_msi world_msi[WORLD_HANDLES];
unsigned world_msis_live, world_msi_room;
struct world_delivery world_delivered[64];
unsigned world_deliveries, world_flushes, world_unmapped_pages, world_mapped_pages, world_moves;
unsigned world_lookups;
int world_s2_map_error, world_mmio_error;
mfn_t world_protected;
bool world_ports_left, world_data_passes;
struct acpi_info acpi_info;
struct boot_info boot_info;

#define PFNS  (1u << 21)
#define PAGES 4096
static u8 s2_types[PFNS];
static struct {
    mfn_t pfn;
    u8 *bytes;
} memory[PAGES];
static unsigned memory_pages;
static struct {
    gpa_t first, last;
    mmio_fn *fn;
    void *ctx;
} mmio[64];
static struct {
    u16 first, last;
    pio_fn *fn;
    void *ctx;
} pio[32];
static unsigned mmios, pios;
static struct {
    paddr_t base;
    u16 seg;
    u8 first, last;
} ecam[4];
static unsigned ecams;

void world_fail(const char *what)
{
    fprintf(stderr, "pci_world: %s\n", what);
    abort();
}

/* --- configuration space --- */

static struct world_fn *fn_at(u32 sbdf)
{
    for (unsigned i = 0; i < WORLD_FNS; i++)
        if (world[i].used && world[i].sbdf == sbdf)
            return &world[i];
    return NULL;
}

u32 world_get(const struct world_fn *f, unsigned reg, unsigned bytes)
{
    u32 val = 0;

    memcpy(&val, f->cfg + reg, bytes);
    return val;
}

void world_set(struct world_fn *f, unsigned reg, unsigned bytes, u32 val)
{
    memcpy(f->cfg + reg, &val, bytes);
}

void world_writable(struct world_fn *f, unsigned reg, unsigned bytes, u32 mask)
{
    memcpy(f->writable + reg, &mask, bytes);
}

/* Memory that belongs to a device goes where its BAR goes. */
static struct {
    struct world_fn *f;
    unsigned reg, bytes;
    u32 offset;
} track[4];
static unsigned tracks;

void world_track(struct world_fn *f, unsigned reg, u32 offset, unsigned bytes)
{
    track[tracks].f = f;
    track[tracks].reg = reg;
    track[tracks].offset = offset;
    track[tracks++].bytes = bytes;
}

static u64 track_at(unsigned t)
{
    return (world_get(track[t].f, track[t].reg, 4) & ~0xfu) + track[t].offset;
}

static void check_access(unsigned reg, unsigned bytes)
{
    if ((bytes != 1 && bytes != 2 && bytes != 4) || reg & (bytes - 1) || reg + bytes > PCIE_CONFIG_SIZE)
        world_fail("configuration access of a size no hardware has");
}

u32 pci_read(u32 sbdf, unsigned reg, unsigned bytes)
{
    struct world_fn *f = fn_at(sbdf);

    check_access(reg, bytes);
    if (!f)
        return bytes == 4 ? ~0u : (1u << bytes * 8) - 1;
    f->last_reg = reg;
    f->last_bytes = bytes;
    return world_get(f, reg, bytes);
}

void pci_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    struct world_fn *f = fn_at(sbdf);
    u64 from[4], to;

    check_access(reg, bytes);
    if (!f)
        return;
    f->writes++;
    for (unsigned t = 0; t < tracks; t++)
        from[t] = track_at(t);
    for (unsigned i = 0; i < bytes; i++) {
        u8 w = f->writable[reg + i];

        f->cfg[reg + i] = (f->cfg[reg + i] & ~w) | ((val >> i * 8) & w);
    }
    for (unsigned t = 0; t < tracks; t++)
        for (unsigned i = 0; (to = track_at(t)) != from[t] && i < track[t].bytes; i += 4)
            world_mem_set32(to + i, world_mem32(from[t] + i));
}

bool pci_has_ecam(u32 sbdf)
{
    return true;
}

int pci_ecam_add(paddr_t base, u16 seg, u8 first, u8 last)
{
    if (last < first || base & 0xfffff)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < ecams; i++) {
        if (ecam[i].seg != seg || first > ecam[i].last || last < ecam[i].first)
            continue;
        return ecam[i].base == base + ((u64)first << 20) && ecam[i].first == first ? 0 : -XEN_EEXIST;
    }
    ecam[ecams].base = base + ((u64)first << 20);
    ecam[ecams].seg = seg;
    ecam[ecams].first = first;
    ecam[ecams++].last = last;
    return 0;
}

bool pci_ecam_get(unsigned n, paddr_t *base, u16 *seg, u8 *first, u8 *last)
{
    if (n >= ecams)
        return false;
    *base = ecam[n].base;
    *seg = ecam[n].seg;
    *first = ecam[n].first;
    *last = ecam[n].last;
    return true;
}

struct world_fn *world_add(u32 sbdf, u32 id, u16 class, u8 header)
{
    struct world_fn *f = world;

    while (f->used)
        f++;
    memset(f, 0, sizeof(*f));
    f->used = true;
    f->sbdf = sbdf;
    world_set(f, PCI_ID, 4, id);
    world_set(f, PCI_CLASS, 4, (u32) class << 16);
    world_set(f, PCI_HEADER_TYPE, 1, header);
    world_writable(f, PCI_COMMAND, 2, 0x0547);
    return f;
}

void world_bar32(struct world_fn *f, unsigned n, u32 address, u32 size)
{
    world_set(f, PCI_BAR0 + 4 * n, 4, address);
    world_writable(f, PCI_BAR0 + 4 * n, 4, -size & ~0xfu);
}

void world_bar64(struct world_fn *f, unsigned n, u64 address, u64 size)
{
    world_set(f, PCI_BAR0 + 4 * n, 4, (u32)address | PCI_BAR_64 | (u32)PCI_BAR_PREFETCH);
    world_set(f, PCI_BAR0 + 4 * n + 4, 4, address >> 32);
    world_writable(f, PCI_BAR0 + 4 * n, 4, (u32)-size & ~0xfu);
    world_writable(f, PCI_BAR0 + 4 * n + 4, 4, -size >> 32);
}

void world_io_bar(struct world_fn *f, unsigned n, u16 address, u16 size)
{
    world_set(f, PCI_BAR0 + 4 * n, 4, address | 1);
    world_writable(f, PCI_BAR0 + 4 * n, 4, -(u32)size & ~3u);
}

void world_rom(struct world_fn *f, u32 address, u32 size)
{
    unsigned reg = world_get(f, PCI_HEADER_TYPE, 1) & 1 ? PCI_ROM_BRIDGE : PCI_ROM;

    world_set(f, reg, 4, address);
    world_writable(f, reg, 4, (-size & PCI_ROM_MASK) | 1);
}

void world_cap(struct world_fn *f, u8 pos, u8 id)
{
    unsigned at = PCI_CAP_PTR;

    world_set(f, PCI_STATUS, 2, world_get(f, PCI_STATUS, 2) | PCI_STATUS_CAPS);
    while (f->cfg[at])
        at = f->cfg[at] + 1;
    f->cfg[at] = pos;
    f->cfg[pos] = id;
    f->cfg[pos + 1] = 0;
}

void world_msi_cap(struct world_fn *f, u8 pos, bool is64, bool maskable, unsigned log2)
{
    world_cap(f, pos, PCI_CAP_MSI);
    world_set(f, pos + 2, 2, log2 << 1 | (is64 ? 0x80 : 0) | (maskable ? 0x100 : 0));
    world_writable(f, pos + 2, 2, 0x71);
    memset(f->writable + pos + 4, 0xff, is64 ? 10 : 6);
    f->writable[pos + 4] = 0xfc;
    if (maskable)
        memset(f->writable + pos + (is64 ? 16 : 12), 0xff, 4);
}

void world_msix_cap(struct world_fn *f, u8 pos, unsigned entries, u32 table, u32 pba)
{
    world_cap(f, pos, PCI_CAP_MSIX);
    world_set(f, pos + 2, 2, entries - 1);
    world_writable(f, pos + 2, 2, 0xc000);
    world_set(f, pos + 4, 4, table);
    world_set(f, pos + 8, 4, pba);
}

void world_ext_cap(struct world_fn *f, u16 pos, u16 id)
{
    unsigned at = PCI_CONFIG_SIZE;

    if (!world_get(f, at, 4)) {
        world_set(f, at, 4, 0x10000 | (pos == at ? id : 0xffee));
        if (pos == at)
            return;
    }
    while (world_get(f, at, 4) >> 20)
        at = world_get(f, at, 4) >> 20;
    world_set(f, at, 4, world_get(f, at, 4) | (u32)pos << 20);
    world_set(f, pos, 4, 0x10000 | id);
}

void world_reset(struct world_fn *f)
{
    unsigned pos;

    world_set(f, PCI_COMMAND, 2, 0);
    for (unsigned reg = PCI_BAR0; reg < PCI_ROM + 4u; reg++)
        f->cfg[reg] &= ~f->writable[reg];
    for (pos = f->cfg[PCI_CAP_PTR]; pos; pos = f->cfg[pos + 1])
        for (unsigned i = 2; i < 24 && (f->cfg[pos] == PCI_CAP_MSI || (f->cfg[pos] == PCI_CAP_MSIX && i < 4)); i++)
            f->cfg[pos + i] &= ~f->writable[pos + i];
}

/* --- memory --- */

static u8 *mem_page(mfn_t pfn)
{
    for (unsigned i = 0; i < memory_pages; i++)
        if (memory[i].pfn == pfn)
            return memory[i].bytes;
    if (memory_pages == PAGES)
        world_fail("too much device memory looked at");
    memory[memory_pages].pfn = pfn;
    memory[memory_pages].bytes = calloc(1, PAGE_SIZE);
    return memory[memory_pages++].bytes;
}

u32 world_mem32(paddr_t pa)
{
    u32 val;

    memcpy(&val, mem_page(pa >> PAGE_SHIFT) + (pa & ~PAGE_MASK), 4);
    return val;
}

void world_mem_set32(paddr_t pa, u32 val)
{
    memcpy(mem_page(pa >> PAGE_SHIFT) + (pa & ~PAGE_MASK), &val, 4);
}

volatile void *machine_window(paddr_t pa)
{
    return mem_page(pa >> PAGE_SHIFT) + (pa & ~PAGE_MASK);
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    if ((pa & ~PAGE_MASK) + bytes > PAGE_SIZE || !uncached)
        world_fail("machine_map of device memory: more than a page, or cached");
    return mem_page(pa >> PAGE_SHIFT) + (pa & ~PAGE_MASK);
}

void machine_unmap(void *p, size_t bytes)
{
    if (!p)
        world_fail("machine_unmap of nothing");
}

/* --- stage 2 --- */

enum s2_type world_s2(gpa_t gpa)
{
    return gpa >> PAGE_SHIFT < PFNS ? s2_types[gpa >> PAGE_SHIFT] : S2_NONE;
}

void world_s2_set(gpa_t gpa, enum s2_type type)
{
    s2_types[gpa >> PAGE_SHIFT] = type;
}

int s2_map(struct domain *d, gfn_t gfn, mfn_t mfn, u64 nr, enum s2_type type, unsigned access)
{
    if (gfn != mfn || type != S2_MMIO || access & S2_EXEC || !nr)
        world_fail("device memory must be mapped 1:1, not executable");
    if (world_s2_map_error)
        return world_s2_map_error;
    for (; nr--; gfn++) {
        if (gfn < PFNS)
            s2_types[gfn] = type;
        world_mapped_pages++;
    }
    return 0;
}

int s2_unmap(struct domain *d, gfn_t gfn, u64 nr)
{
    for (; nr--; gfn++) {
        if (gfn < PFNS)
            s2_types[gfn] = S2_NONE;
        world_unmapped_pages++;
    }
    return 0;
}

enum s2_type s2_lookup(struct domain *d, gfn_t gfn, mfn_t *mfn, unsigned *access)
{
    return world_s2(gfn << PAGE_SHIFT);
}

enum s2_type s2_lookup_run(struct domain *d, gfn_t gfn, u64 *nr)
{
    enum s2_type type = s2_lookup(d, gfn, NULL, NULL);

    world_lookups++;
    if (gfn >= PFNS) {
        *nr = ~0ull - gfn;
        return type;
    }
    for (*nr = 1; (gfn + *nr) % 512 && s2_lookup(d, gfn + *nr, NULL, NULL) == type; ++*nr)
        ;
    return type;
}

void s2_flush(struct domain *d)
{
    if (fake_locks_held)
        world_fail("s2_flush with a lock held");
    world_flushes++;
}

bool machine_page_is_ram(mfn_t mfn)
{
    for (unsigned i = 0; i < boot_info.e820.nr; i++)
        if (boot_info.e820.entry[i].type == E820_RAM && mfn >= boot_info.e820.entry[i].addr >> PAGE_SHIFT &&
            mfn < (boot_info.e820.entry[i].addr + boot_info.e820.entry[i].size) >> PAGE_SHIFT)
            return true;
    return false;
}

mfn_t machine_protected_from(mfn_t mfn)
{
    return world_protected && mfn <= world_protected ? world_protected : INVALID_MFN;
}

unsigned world_paddr_bits = 52;

paddr_t machine_paddr_limit(void)
{
    return BIT(world_paddr_bits);
}

bool machine_page_is_protected(mfn_t mfn)
{
    return machine_protected_from(mfn) == mfn;
}

/* --- dispatch --- */

bool pci_leave_ports(void)
{
    return false;
}

bool pci_ports_left(void)
{
    return world_ports_left;
}

bool pio_pass(struct domain *d, u16 first, u16 last, bool pass)
{
    if (first != 0xcfc || last != 0xcff)
        world_fail("pio_pass of other ports than the data register's");
    world_data_passes = pass;
    return true;
}

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    pio[pios].first = first;
    pio[pios].last = last;
    pio[pios].fn = fn;
    pio[pios++].ctx = ctx;
    return 0;
}

int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx)
{
    if (world_mmio_error)
        return world_mmio_error;
    for (unsigned i = 0; i < mmios; i++)
        if (first <= mmio[i].last && last >= mmio[i].first)
            return -XEN_EEXIST;
    mmio[mmios].first = first;
    mmio[mmios].last = last;
    mmio[mmios].fn = fn;
    mmio[mmios++].ctx = ctx;
    return 0;
}

int mmio_unregister(struct domain *d, gpa_t first, gpa_t last)
{
    for (unsigned i = 0; i < mmios; i++) {
        if (mmio[i].first == first && mmio[i].last == last) {
            mmio[i] = mmio[--mmios];
            return 0;
        }
    }
    world_fail("mmio_unregister of a range that is not registered");
    return -XEN_ENOENT;
}

bool world_trapped(gpa_t gpa)
{
    for (unsigned i = 0; i < mmios; i++)
        if (gpa >= mmio[i].first && gpa <= mmio[i].last)
            return true;
    return false;
}

bool mmio_next(const struct domain *d, gpa_t gpa, struct mmio_range *range)
{
    bool found = false;

    for (unsigned i = 0; i < mmios; i++) {
        if (mmio[i].last < gpa || (found && range->first < mmio[i].first))
            continue;
        *range = (struct mmio_range){mmio[i].first, mmio[i].last, mmio[i].fn, mmio[i].ctx};
        found = true;
    }
    return found;
}

static void mmio_do(gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    for (unsigned i = 0; i < mmios; i++) {
        if (gpa >= mmio[i].first && gpa <= mmio[i].last) {
            mmio[i].fn(&world_vcpu[0], mmio[i].ctx, gpa, bytes, write, val);
            return;
        }
    }
    world_fail("access to an address that is not trapped");
}

u64 guest_mmio_read(gpa_t gpa, unsigned bytes)
{
    u64 val = 0x5a5a5a5a5a5a5a5aull;

    mmio_do(gpa, bytes, false, &val);
    return bytes == 8 ? val : val & ((1ull << bytes * 8) - 1);
}

void guest_mmio_write(gpa_t gpa, unsigned bytes, u64 val)
{
    mmio_do(gpa, bytes, true, &val);
}

static void pio_do(u16 port, unsigned bytes, bool write, u32 *val)
{
    for (unsigned i = 0; i < pios; i++) {
        if (port >= pio[i].first && port <= pio[i].last) {
            pio[i].fn(&world_vcpu[0], pio[i].ctx, port, bytes, write, val);
            return;
        }
    }
    world_fail("access to a port that is not registered");
}

u32 guest_in(u16 port, unsigned bytes)
{
    u32 val = 0x5a5a5a5a;

    pio_do(port, bytes, false, &val);
    return bytes == 4 ? val : val & ((1u << bytes * 8) - 1);
}

void guest_out(u16 port, unsigned bytes, u32 val)
{
    pio_do(port, bytes, true, &val);
}

u32 guest_read(u32 sbdf, unsigned reg, unsigned bytes)
{
    u32 val = vpci_config_read(&world_domain, sbdf, reg, bytes);

    if (fake_locks_held)
        world_fail("a lock stayed held");
    return val;
}

void guest_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    vpci_config_write(&world_domain, sbdf, reg, bytes, val);
    if (fake_locks_held)
        world_fail("a lock stayed held");
}

/* --- life --- */

/* What vPCI keeps for a domain's life; reachable, so that the leak checker does not mind. */
static struct vpci *past[1024];
static unsigned pasts;

void world_init(void)
{
    if (world_domain.vpci)
        past[pasts++ % ARRAY_SIZE(past)] = world_domain.vpci;
    memset(world, 0, sizeof(world));
    memset(world_msi, 0, sizeof(world_msi));
    memset(s2_types, 0, sizeof(s2_types));
    memset(&boot_info, 0, sizeof(boot_info));
    memset(&acpi_info, 0, sizeof(acpi_info));
    memset(&world_domain, 0, sizeof(world_domain));
    for (unsigned i = 0; i < memory_pages; i++)
        free(memory[i].bytes);
    memory_pages = mmios = pios = ecams = tracks = 0;
    world_ports_left = world_data_passes = false;
    world_deliveries = world_flushes = world_unmapped_pages = world_mapped_pages = world_moves = 0;
    world_msis_live = 0;
    world_msi_room = ~0u;
    world_s2_map_error = world_mmio_error = 0;
    world_protected = 0;
    world_next_vector = 0;
    fake_alloc_fail_after = -1;
    fake_log_count = 0;
    fake_log_last[0] = 0;
    boot_info.e820.nr = 2;
    boot_info.e820.entry[0] = (struct e820_entry){0, 0xa0000, E820_RAM};
    boot_info.e820.entry[1] = (struct e820_entry){0x100000, 0x7ff00000, E820_RAM};
    for (unsigned i = 0; i < WORLD_CPUS; i++) {
        world_vcpu[i].id = i;
        world_vcpu[i].d = &world_domain;
        world_domain.vcpu[i] = &world_vcpu[i];
    }
    world_domain.nr_vcpus = WORLD_CPUS;
}

void world_start(void)
{
    pci_init();
    if (vpci_init(&world_domain))
        world_fail("vpci_init");
    vpci_domain_add_devices(&world_domain);
}

void world_fini(void)
{
    if (world_domain.vpci)
        vpci_free(&world_domain);
    if (fake_locks_held || world_msis_live)
        world_fail("a lock or a vector was left over");
}
