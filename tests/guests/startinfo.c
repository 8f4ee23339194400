/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=1 cmdline=check=startinfo */
/* What hvm_start_info tells, and that it is true: strings, module, memory map. */
#include "rt.h"

#include <xen/memory.h>

#define MAX_ENTRIES 128

struct region {
    u64 addr, size;
    u32 type;
} __attribute__((packed));

static struct region map[MAX_ENTRIES];
static unsigned nr;

static bool covers(u64 at, u64 bytes, u32 type)
{
    for (unsigned i = 0; i < nr; i++)
        if (map[i].type == type && at >= map[i].addr && at + bytes <= map[i].addr + map[i].size)
            return true;
    return false;
}

static bool outside_image(u64 at, u64 bytes)
{
    return at + bytes <= (u64)image_start || at >= (u64)image_end;
}

static void strings(void)
{
    const char *cmdline = (const char *)start_info->cmdline_paddr;

    ok(start_info->version >= 1, "start_info is of version 1 or later");
    if (on_xen)
        is(start_info->flags, SIF_PRIVILEGED | SIF_INITDOMAIN, "flags say Dom0");
    else
        skip("flags say Dom0", "bare machine");
    ok(start_info->cmdline_paddr && start_info->cmdline_paddr < BIT(32), "the command line lies below 4 GiB");
    ok(cmdline && contains(cmdline, "check=startinfo"), "the command line is the one given");
    ok(outside_image(start_info->cmdline_paddr, 256), "the command line lies outside the image");
}

static void module(void)
{
    static const char want[] = "A module for the conformance suite.\n";
    const struct hvm_modlist_entry *m = (const void *)start_info->modlist_paddr;

    if (!is(start_info->nr_modules, 1, "there is one module"))
        return;
    ok(start_info->modlist_paddr < BIT(30), "the module list lies below 1 GiB");
    is(m->size, sizeof(want) - 1, "the module has its size");
    ok(m->paddr < BIT(32) && outside_image(m->paddr, m->size), "the module lies below 4 GiB and outside the image");
    ok(!memcmp((const void *)m->paddr, want, sizeof(want) - 1), "the module has its content");
}

/* Version 0 has no map: the hypercall has. */
static void read_map(void)
{
    struct xen_memory_map m = {.nr_entries = MAX_ENTRIES};
    const struct hvm_memmap_table_entry *e = (const void *)start_info->memmap_paddr;
    unsigned given = start_info->version >= 1 ? start_info->memmap_entries : 0;
    bool same = true;

    ok(given > 0 && given <= 126, "start_info has a memory map of at most 126 entries");
    for (nr = 0; nr < given && nr < MAX_ENTRIES; nr++)
        map[nr] = (struct region){e[nr].addr, e[nr].size, e[nr].type};
    if (!on_xen) {
        skip("XENMEM_memory_map works", "bare machine");
        skip("XENMEM_memory_map says what start_info says", "bare machine");
        return;
    }
    static struct region hyper[MAX_ENTRIES];

    set_xen_guest_handle(m.buffer, hyper);
    is(HYPERCALL(__HYPERVISOR_memory_op, XENMEM_memory_map, &m, 0), 0, "XENMEM_memory_map works");
    if (!given) {
        skip("XENMEM_memory_map says what start_info says", "start_info says nothing");
        nr = m.nr_entries;
        memcpy(map, hyper, sizeof(map));
        return;
    }
    same = m.nr_entries == nr && !memcmp(map, hyper, nr * sizeof(map[0]));
    ok(same, "XENMEM_memory_map says what start_info says");
}

static void map_shape(void)
{
    bool sorted = true, apart = true, aligned = true, known = true;
    u64 ram = 0;

    for (unsigned i = 0; i < nr; i++) {
        sorted &= !i || map[i].addr >= map[i - 1].addr;
        apart &= !i || map[i].addr >= map[i - 1].addr + map[i - 1].size;
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && map[i].addr >= 0x100000)
            aligned &= !(map[i].addr % PAGE_SIZE) && !(map[i].size % PAGE_SIZE);
        known &= map[i].type >= 1 && map[i].type <= 8 && map[i].size;
        ram += map[i].type == XEN_HVM_MEMMAP_TYPE_RAM ? map[i].size : 0;
    }
    ok(sorted, "the map is sorted");
    ok(apart, "no entries overlap");
    ok(aligned, "RAM starts and ends at pages");
    ok(known, "every entry has a size and a known type");
    ok(ram > 384ull << 20, "there is the memory that was promised");
    note("%lu MiB of RAM in %u entries", ram >> 20, nr);
    ok(covers((u64)image_start, image_end - image_start, 1), "the image lies in RAM");
    ok(!covers(LAPIC_BASE, 4096, 1), "the local APIC lies in no RAM");
    ok(covers(TRAMPOLINE_PAGE, 4096, 1), "there is RAM below 1 MiB for a trampoline");
}

/* One word of a page: is it memory? */
static bool is_ram(u64 at)
{
    volatile u64 *p = (volatile u64 *)at;
    u64 old = *p;
    bool good;

    *p = ~old;
    good = *p == ~old;
    *p = old;
    return good;
}

static void map_truth(void)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < nr; i++) {
        if (map[i].type != XEN_HVM_MEMMAP_TYPE_RAM || map[i].size < PAGE_SIZE)
            continue;
        u64 first = map[i].addr ? map[i].addr : 8, last = map[i].addr + map[i].size - 8;

        bad += !is_ram(first) + !is_ram(last);
        for (u64 at = (first + 0xfffff) & ~0xfffffull; at + 8 < last; at += 0x100000)
            bad += !is_ram(at);
    }
    is(bad, 0, "RAM is memory at the ends of each entry and once a MiB");
}

void test(void)
{
    strings();
    module();
    read_map();
    map_shape();
    map_truth();
    ok(start_info->rsdp_paddr && !memcmp((const void *)start_info->rsdp_paddr, "RSD PTR ", 8), "rsdp_paddr is an RSDP");
}
