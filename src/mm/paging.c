/* SPDX-License-Identifier: BSD-2-Clause */
/* Torii's own page tables: direct map, vmap, the image with W^X. */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/cpu.h>
#include <torii/lib.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/mm.h>
#include <torii/percpu.h>

struct torii_region torii_region;

static u64 *root;                    /* virtual address of the PML4, valid for the phase we are in */
static paddr_t root_pa, trampoline_pa;
static paddr_t early_next, early_end; /* bump allocation until the frame allocator runs */
u64 direct_map;
static bool have_1g;
static spinlock_t lock = SPINLOCK(LOCK_PTAB);

extern char image_start[], text_end[], rodata_end[], image_end[];

/* torii.lds links the image there. */
#define LOAD_ADDRESS 0x200000ul
void relocate_switch(void *dst, const void *src, size_t bytes, u64 new_cr3);

paddr_t virt_to_paddr(const void *p)
{
    u64 va = (u64)p;

    if (va >= IMAGE_VIRT)
        return va - (u64)image_start + torii_region.start;
    return va - DIRECT_MAP_BASE;
}

static paddr_t table_alloc(void)
{
    paddr_t pa = early_next;
    void *p;

    if (early_end) {
        if (pa + PAGE_SIZE > early_end)
            panic("no memory for Torii's page tables\n");
        early_next += PAGE_SIZE;
        memset(paddr_to_virt(pa), 0, PAGE_SIZE);
        return pa;
    }
    p = frames_alloc(0);
    return p ? virt_to_paddr(p) : 0;
}

/* The entry for va at `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB), making tables on the way; NULL when out of memory. */
static u64 *pte_get(u64 va, unsigned level)
{
    u64 *table = root;

    for (unsigned l = 3;; l--) {
        u64 *e = &table[va >> (12 + 9 * l) & 511];

        if (l == level)
            return e;
        if (!(*e & PTE_P)) {
            paddr_t pa = table_alloc();

            if (!pa)
                return NULL;
            *e = pa | PTE_P | PTE_W;
        }
        assert(!(*e & PTE_PS));
        table = paddr_to_virt(*e & PTE_ADDR);
    }
}

static bool map_range(u64 va, paddr_t pa, u64 bytes, u64 flags)
{
    while (bytes) {
        unsigned level = 0;
        u64 *e, size;

        if (have_1g && !((va | pa) & (SIZE_1G - 1)) && bytes >= SIZE_1G)
            level = 2;
        else if (!((va | pa) & (SIZE_2M - 1)) && bytes >= SIZE_2M)
            level = 1;
        e = pte_get(va, level);
        if (e && level && (*e & (PTE_P | PTE_PS)) == PTE_P)
            e = pte_get(va, level = 0); /* a table stands there from an earlier mapping */
        if (!e)
            return false;
        *e = pa | flags | PTE_P | (level ? PTE_PS : 0);
        size = PAGE_SIZE << 9 * level;
        va += size;
        pa += size;
        bytes -= size;
    }
    return true;
}

static void map_boot(u64 va, paddr_t pa, u64 bytes, u64 flags)
{
    if (!map_range(va, pa, bytes, flags))
        panic("no memory for Torii's page tables\n");
}

/* RAM pages, whole ones only. Torii's text and rodata stay read-only in the direct map too (W^X for the alias). */
static void map_direct(void)
{
    paddr_t image = torii_region.start, rw = image + (rodata_end - image_start);

    for (unsigned i = 0; i < boot_info.e820.nr; i++) {
        const struct e820_entry *e = &boot_info.e820.entry[i];
        paddr_t start = ALIGN_UP(e->addr, PAGE_SIZE), end = ALIGN_DOWN(e->addr + e->size, PAGE_SIZE);

        if (e->type != E820_RAM || start >= end)
            continue;
        if (image >= start && image < end) {
            map_boot(DIRECT_MAP_BASE + start, start, image - start, PTE_W | PTE_NX | PTE_G);
            map_boot(DIRECT_MAP_BASE + image, image, rw - image, PTE_NX | PTE_G);
            start = rw;
        }
        map_boot(DIRECT_MAP_BASE + start, start, end - start, PTE_W | PTE_NX | PTE_G);
    }
}

static void map_image(void)
{
    paddr_t pa = torii_region.start;

    map_boot((u64)image_start, pa, text_end - image_start, PTE_G);
    map_boot((u64)text_end, pa + (text_end - image_start), rodata_end - text_end, PTE_NX | PTE_G);
    map_boot((u64)rodata_end, pa + (rodata_end - image_start), image_end - rodata_end, PTE_W | PTE_NX | PTE_G);
}

static bool overlaps(paddr_t start, u64 size, paddr_t other, u64 other_size)
{
    return start < other + other_size && other < start + size;
}

/* Is [start, start + size) free of what the loader put into memory? If not, *below is where the obstacle starts. */
static bool region_is_clear(paddr_t start, u64 size, u64 load_offset, paddr_t *below)
{
    paddr_t image = LOAD_ADDRESS + load_offset;

    if (overlaps(start, size, image, (u64)image_end - IMAGE_VIRT - LOAD_ADDRESS)) {
        *below = image;
        return false;
    }
    if (overlaps(start, size, boot_info.loader_info, boot_info.loader_info_size)) {
        *below = boot_info.loader_info;
        return false;
    }
    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.module[i];

        if (overlaps(start, size, m->start, m->size)) {
            *below = m->start;
            return false;
        }
    }
    return true;
}

/* The highest clear, 2 MiB-aligned piece of RAM below 4 GiB. */
static paddr_t choose_home(u64 size, u64 load_offset)
{
    for (unsigned i = boot_info.e820.nr; i-- > 0;) {
        const struct e820_entry *e = &boot_info.e820.entry[i];
        paddr_t end = min(e->addr + e->size, 1ull << 32);

        if (e->type != E820_RAM || e->addr >= 1ull << 32)
            continue;
        while (end >= size) {
            paddr_t start = ALIGN_DOWN(end - size, SIZE_2M), below;

            if (start < e->addr || start < 0x1000000)
                break;
            if (region_is_clear(start, size, load_offset, &below))
                return start;
            end = below;
        }
    }
    return 0;
}

static paddr_t highest_ram(u64 *total)
{
    paddr_t top = 0;

    *total = 0;
    for (unsigned i = 0; i < boot_info.e820.nr; i++) {
        const struct e820_entry *e = &boot_info.e820.entry[i];

        if (e->type == E820_RAM) {
            top = max(top, e->addr + e->size);
            *total += e->size;
        }
    }
    return top;
}

/*
 * Image, tables for stage 2 split down to 4 KiB (RAM / 512), the frame bitmap, and room for the rest. For
 * terabytes those tables would take more than there is below 4 GiB; no guest splits all of its memory.
 */
#define HOME_BASE_SIZE   (8ul << 20)
#define HOME_TABLES_MAX  (256ul << 20)

/* torii_region: as much as is wanted, or with fewer tables where memory is in small pieces. */
static void find_home(u64 tables, u64 rest, u64 load_offset)
{
    do {
        torii_region.size = ALIGN_UP(rest + tables, SIZE_2M);
        torii_region.start = choose_home(torii_region.size, load_offset);
        tables /= 2;
    } while (!torii_region.start && tables >= SIZE_2M);
    if (!torii_region.start)
        panic("no %lu MiB of free RAM below 4 GiB for Torii itself\n", torii_region.size >> 20);
}

void mm_init(u64 load_offset)
{
    u64 total, image_bytes = image_end - image_start;
    paddr_t top = highest_ram(&total), image_pa = (paddr_t)image_start - IMAGE_VIRT + load_offset;
    void *bitmap;

    have_1g = cpuid(0x80000000, 0).eax >= 0x80000001 && cpuid(0x80000001, 0).edx >> 26 & 1;
    find_home(min(total / 512, HOME_TABLES_MAX), HOME_BASE_SIZE + image_bytes + frames_bitmap_bytes(top), load_offset);

    early_next = torii_region.start + ALIGN_UP(image_bytes, PAGE_SIZE);
    early_end = torii_region.start + torii_region.size;
    root_pa = table_alloc();
    root = (u64 *)root_pa;
    map_direct();
    map_image();
    trampoline_pa = table_alloc();
    bitmap = (void *)early_next;
    early_next += ALIGN_UP(frames_bitmap_bytes(top), PAGE_SIZE);

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    direct_map = DIRECT_MAP_BASE; /* for the copy of this variable that the new tables will show */
    root = paddr_to_virt(root_pa);
    relocate_switch((void *)torii_region.start, (const void *)image_pa, image_bytes,
                    root_pa);

    write_cr0((read_cr0() | CR0_WP | CR0_NE) & ~(CR0_CD | CR0_NW));
    frames_init(top, paddr_to_virt((paddr_t)bitmap));
    /* The trampoline's root: Torii's half, and low memory 1:1 through a 1 GiB chain of 2 MiB pages. */
    paddr_t pdpt = table_alloc(), pd = table_alloc();

    memcpy(paddr_to_virt(trampoline_pa), root, PAGE_SIZE);
    ((u64 *)paddr_to_virt(trampoline_pa))[0] = pdpt | PTE_P | PTE_W;
    ((u64 *)paddr_to_virt(pdpt))[0] = pd | PTE_P | PTE_W;
    ((u64 *)paddr_to_virt(pd))[0] = 0 | PTE_P | PTE_W | PTE_PS;
    /* The upper half's root entries must exist before they are shared: vmap's is made now. */
    if (!pte_get(VMAP_BASE, 2))
        panic("no memory for Torii's page tables\n");
    memcpy(paddr_to_virt(trampoline_pa + PAGE_SIZE / 2), root + 256, PAGE_SIZE / 2);

    frames_release_range(early_next, early_end);
    early_end = 0;
}

paddr_t mm_trampoline_cr3(void)
{
    return trampoline_pa;
}

u64 mm_kernel_cr3(void)
{
    return root_pa;
}

/* --- vmap: first fit over a sorted list of areas --- */

struct vmap_area {
    u64 start, end; /* with the guard page behind */
    struct vmap_area *next;
};
static struct vmap_area *areas;

static u64 vmap_reserve(u64 bytes, u64 align)
{
    struct vmap_area *a = xzalloc(sizeof(*a)), **link;
    u64 va = VMAP_BASE + PAGE_SIZE;

    if (!a)
        return 0;
    spin_lock(&lock);
    for (link = &areas;; link = &(*link)->next) {
        va = ALIGN_UP(va, align);
        if (!*link || va + bytes + PAGE_SIZE <= (*link)->start)
            break;
        va = (*link)->end;
    }
    if (va + bytes + PAGE_SIZE > VMAP_BASE + VMAP_SIZE) {
        spin_unlock(&lock);
        xfree(a);
        return 0;
    }
    *a = (struct vmap_area){va, va + bytes + PAGE_SIZE, *link};
    *link = a;
    spin_unlock(&lock);
    return va;
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    u64 offset = pa & (PAGE_SIZE - 1), size = ALIGN_UP(bytes + offset, PAGE_SIZE);
    u64 align = size >= SIZE_2M && !((pa - offset) & (SIZE_2M - 1)) ? SIZE_2M : PAGE_SIZE;
    u64 va = vmap_reserve(size, align);
    bool ok;

    if (!va)
        return NULL;
    spin_lock(&lock);
    ok = map_range(va, pa - offset, size, PTE_W | PTE_NX | PTE_G | (uncached ? PTE_PCD | PTE_PWT : 0));
    spin_unlock(&lock);
    return ok ? (void *)(va + offset) : NULL;
}

/*
 * A window of the calling CPU's own, at one virtual address for good: what is looked at once, and at a guest's
 * request, must neither use up addresses nor tell other CPUs.
 */
volatile void *machine_window(paddr_t pa)
{
    const u64 flags = PTE_P | PTE_W | PTE_NX | PTE_G | PTE_PCD | PTE_PWT;
    char *window = this_cpu()->window;
    u64 *pte = pte_get((u64)window, 0);

    assert(pte); /* machine_window_create made its tables */
    *pte = (pa & PAGE_MASK & PTE_ADDR) | flags;
    invlpg(window);
    return window + (pa & (PAGE_SIZE - 1));
}

void *machine_window_create(void)
{
    u64 va = vmap_reserve(PAGE_SIZE, PAGE_SIZE);
    bool ok = false;

    if (va) {
        spin_lock(&lock);
        ok = pte_get(va, 0); /* the tables are there from now on */
        spin_unlock(&lock);
    }
    return ok ? (void *)va : NULL;
}

/*
 * Once several CPUs run, another one may still hold the translation: the virtual range is then retired instead of reused,
 * which is cheap in 64 GiB and saves a shootdown.
 */
void machine_unmap(void *p, size_t bytes)
{
    u64 va = (u64)p & PAGE_MASK;
    struct vmap_area **link, *a = NULL;

    if (!p)
        return;
    spin_lock(&lock);
    for (link = &areas; *link; link = &(*link)->next)
        if ((*link)->start == va) {
            a = *link;
            break;
        }
    if (!a)
        panic("machine_unmap of %p, which is not mapped\n", p);
    for (; va < a->end - PAGE_SIZE; va += PAGE_SIZE) {
        u64 *pd = pte_get(va, 1);

        if (pd && *pd & PTE_PS) {
            *pd = 0;
            invlpg((void *)va);
            va += SIZE_2M - PAGE_SIZE;
        } else {
            u64 *e = pte_get(va, 0);

            if (e)
                *e = 0;
            invlpg((void *)va);
        }
    }
    if (pcpu_nr > 1)
        a = NULL;
    else
        *link = a->next;
    spin_unlock(&lock);
    xfree(a);
}

void *stack_alloc(unsigned pages)
{
    u64 va = vmap_reserve((u64)pages << PAGE_SHIFT, PAGE_SIZE);
    bool ok;

    if (!va)
        return NULL;
    for (unsigned i = 0; i < pages; i++) {
        void *frame = frames_alloc(0);

        if (!frame)
            return NULL;
        spin_lock(&lock);
        ok = map_range(va + i * PAGE_SIZE, virt_to_paddr(frame), PAGE_SIZE, PTE_W | PTE_NX | PTE_G);
        spin_unlock(&lock);
        if (!ok)
            return NULL;
    }
    return (void *)va;
}
