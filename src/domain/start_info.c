/* SPDX-License-Identifier: BSD-2-Clause */
/* Where Dom0's kernel and what it is told at the start go, and the latter's bytes (xen/arch-x86/hvm/start_info.h). */
#include <torii/dom0_layout.h>
#include <torii/errno.h>
#include <torii/lib.h>

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#define LOW_END            0x100000ull  /* firmware data, option ROMs, AP trampolines: nothing is put below */
#define BOOT_MAP_END       SIZE_1G      /* what the kernels' first page tables reach */
#define INITRD_END         BIT(32)      /* Linux cuts its address to 32 bits */
#define FREE_BEHIND        (4ull << 20) /* FreeBSD allocates its first pages behind start_info */
#define STRUCT_ALIGN       8ull
#define START_INFO_VERSION 1

/* A place to be searched: `bytes` in RAM of [lo, hi), clear of the request's ranges and of two more. */
struct search {
    const struct dom0_request *req;
    u64 bytes;
    gpa_t lo, hi;
    struct paddr_range taken[2];
};

static gpa_t skip_range(gpa_t at, u64 bytes, const struct paddr_range *r)
{
    bool apart = !r->size || at + bytes <= r->start || at >= r->start + r->size;

    return apart ? at : ALIGN_UP(r->start + r->size, PAGE_SIZE);
}

/* The lowest address >= at from which `bytes` collide with no range to avoid. */
static gpa_t skip_ranges(const struct search *s, gpa_t at)
{
    gpa_t before;

    do {
        before = at;
        for (unsigned i = 0; i < s->req->nr_avoid; i++)
            at = skip_range(at, s->bytes, &s->req->avoid[i]);
        for (unsigned i = 0; i < ARRAY_SIZE(s->taken); i++)
            at = skip_range(at, s->bytes, &s->taken[i]);
    } while (at != before);
    return at;
}

/* The lowest page-aligned fit, or 0. */
static gpa_t find_place(const struct search *s)
{
    const struct e820 *map = s->req->map;

    for (unsigned i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];
        gpa_t end = min(e->addr + e->size, s->hi), at = ALIGN_UP(max(e->addr, s->lo), PAGE_SIZE);

        if (e->type != E820_RAM || e->addr >= s->hi || at >= end)
            continue;
        at = skip_ranges(s, at);
        if (at < end && end - at >= s->bytes)
            return at;
    }
    return 0;
}

static u64 string_bytes(const char *s)
{
    return ALIGN_UP((u64)strlen(s) + 1, STRUCT_ALIGN);
}

/* The small objects lie together; the start_info page comes last. */
static u64 small_bytes(const struct dom0_request *req)
{
    u64 bytes = string_bytes(req->cmdline) + string_bytes(req->initrd_cmdline) + sizeof(struct hvm_modlist_entry) +
                req->map->nr * sizeof(struct hvm_memmap_table_entry);

    return ALIGN_UP(bytes, PAGE_SIZE) + PAGE_SIZE;
}

static void place_small(const struct dom0_request *req, struct dom0_layout *l, gpa_t at)
{
    l->start_info = at + small_bytes(req) - PAGE_SIZE;
    l->cmdline = at;
    l->initrd_cmdline = l->cmdline + string_bytes(req->cmdline);
    l->modlist = l->initrd_cmdline + string_bytes(req->initrd_cmdline);
    l->memmap = l->modlist + sizeof(struct hvm_modlist_entry);
}

/* What found no room. */
struct shortage {
    const char *what; /* NULL: nothing, or the kernel itself */
    u64 bytes;
    const char *below;
};

static u64 initrd_pages_bytes(const struct dom0_request *req)
{
    return max(ALIGN_UP(req->initrd_bytes, PAGE_SIZE), PAGE_SIZE);
}

/* Kernel, initrd, small objects: the order that suits every guest. */
static bool place_in_order(const struct dom0_request *req, struct dom0_layout *l)
{
    struct search s = {.req = req, .lo = l->kernel_end, .hi = BOOT_MAP_END};
    gpa_t at;

    l->initrd = 0;
    if (req->has_initrd) {
        s.bytes = initrd_pages_bytes(req);
        l->initrd = find_place(&s);
        if (!l->initrd)
            return false;
        s.lo = l->initrd + s.bytes;
    }
    s.bytes = small_bytes(req) + FREE_BEHIND;
    at = find_place(&s);
    if (at)
        place_small(req, l, at);
    return at;
}

/* The small objects wherever the boot map has room for them, the initrd wherever 32 bits reach. */
static bool place_anywhere(const struct dom0_request *req, struct dom0_layout *l, struct shortage *none)
{
    struct search s = {.req = req, .bytes = small_bytes(req) + FREE_BEHIND, .lo = l->kernel_end, .hi = BOOT_MAP_END};
    gpa_t at = find_place(&s);

    s.taken[0] = (struct paddr_range){l->kernel, l->kernel_end - l->kernel};
    s.lo = LOW_END;
    if (!at)
        at = find_place(&s);
    if (!at) {
        *none = (struct shortage){"hvm_start_info", s.bytes, "1 GiB"};
        return false;
    }
    place_small(req, l, at);
    if (!req->has_initrd)
        return true;
    s.taken[1] = (struct paddr_range){at, s.bytes};
    s.bytes = initrd_pages_bytes(req);
    s.hi = INITRD_END;
    l->initrd = find_place(&s);
    if (!l->initrd)
        *none = (struct shortage){"the initrd", s.bytes, "4 GiB"};
    return l->initrd;
}

/* Try the kernel at delta: true and a complete layout if everything fits. */
static bool try_kernel_at(const struct dom0_request *req, u64 delta, struct dom0_layout *l, struct shortage *none)
{
    const struct elf_image *k = req->kernel;

    l->delta = delta;
    l->kernel = ALIGN_DOWN(k->start + delta, PAGE_SIZE);
    l->kernel_end = ALIGN_UP(k->end + delta, PAGE_SIZE);
    l->entry = k->entry + delta;
    if (l->kernel < LOW_END || !e820_covers(req->map, l->kernel, l->kernel_end, E820_RAM))
        return false;
    return place_in_order(req, l) || place_anywhere(req, l, none);
}

/* Relocatable kernels: the lowest place in each RAM entry. */
static bool try_elsewhere(const struct dom0_request *req, struct dom0_layout *l, struct shortage *none)
{
    const struct elf_image *k = req->kernel;
    u64 span = k->end - k->start;

    for (unsigned i = 0; i < req->map->nr; i++) {
        const struct e820_entry *e = &req->map->entry[i];
        gpa_t lo = max(max(e->addr, (u64)k->reloc_min), LOW_END), hi = min(e->addr + e->size, (u64)k->reloc_max + 1);
        gpa_t at = lo + ((k->start - lo) & (k->align - 1ull)); /* the kernel keeps its place within the alignment */

        if (e->type == E820_RAM && at < hi && hi - at >= span && try_kernel_at(req, at - k->start, l, none))
            return true;
    }
    return false;
}

/* Say what is where the kernel wants RAM. */
static int refuse_kernel(const struct dom0_request *req, struct refusal *why)
{
    const struct elf_image *k = req->kernel;
    gpa_t at = k->start;
    const struct e820_entry *e;
    const char *moved = k->relocatable ? ", and there is no other place it may be moved to" : "";

    while ((e = e820_find(req->map, at)) && e->type == E820_RAM && at < k->end)
        at = e->addr + e->size;
    if (k->start < LOW_END)
        return refuse(why, -XEN_ENOMEM, "kernel wants 0x%llx-0x%llx, but below 1 MiB is the firmware's memory%s",
                      (unsigned long long)k->start, (unsigned long long)k->end - 1, moved);
    if (e && at < k->end)
        return refuse(why, -XEN_ENOMEM, "no RAM at 0x%llx-0x%llx wanted by the kernel: 0x%llx-0x%llx is %s%s",
                      (unsigned long long)k->start, (unsigned long long)k->end - 1, (unsigned long long)e->addr,
                      (unsigned long long)(e->addr + e->size - 1), e820_type_name(e->type), moved);
    return refuse(why, -XEN_ENOMEM, "no RAM at 0x%llx-0x%llx wanted by the kernel: nothing is at 0x%llx%s",
                  (unsigned long long)k->start, (unsigned long long)k->end - 1, (unsigned long long)at, moved);
}

int dom0_layout_plan(const struct dom0_request *req, struct dom0_layout *out, struct refusal *why)
{
    struct shortage none = {0};

    memset(out, 0, sizeof(*out));
    why->line[0] = '\0';
    if (try_kernel_at(req, 0, out, &none))
        return 0;
    if (req->kernel->relocatable && try_elsewhere(req, out, &none))
        return 0;
    if (!none.what)
        return refuse_kernel(req, why);
    return refuse(why, -XEN_ENOMEM, "no room in Dom0's RAM below %s for %s, 0x%llx bytes, besides the kernel's 0x%llx",
                  none.below, none.what, (unsigned long long)none.bytes,
                  (unsigned long long)(req->kernel->end - req->kernel->start));
}

static int write_memmap(const struct dom0_request *req, gpa_t at, const struct gpa_sink *sink)
{
    int rc = 0;

    for (unsigned i = 0; i < req->map->nr && !rc; i++) {
        const struct e820_entry *e = &req->map->entry[i];
        struct hvm_memmap_table_entry m = {.addr = e->addr, .size = e->size, .type = e->type};

        rc = sink->copy(sink->ctx, at + i * sizeof(m), &m, sizeof(m));
    }
    return rc;
}

int dom0_start_info_write(const struct dom0_request *req, const struct dom0_layout *at, const struct gpa_sink *sink)
{
    struct hvm_modlist_entry module = {
        .paddr = at->initrd, .size = req->initrd_bytes, .cmdline_paddr = at->initrd_cmdline};
    struct hvm_start_info info = {
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = START_INFO_VERSION,
        .flags = SIF_PRIVILEGED | SIF_INITDOMAIN,
        .nr_modules = req->has_initrd,
        .modlist_paddr = req->has_initrd ? at->modlist : 0,
        .cmdline_paddr = at->cmdline,
        .rsdp_paddr = req->rsdp,
        .memmap_paddr = at->memmap,
        .memmap_entries = req->map->nr,
    };
    int rc = sink->copy(sink->ctx, at->cmdline, req->cmdline, strlen(req->cmdline) + 1);

    if (!rc)
        rc = sink->copy(sink->ctx, at->initrd_cmdline, req->initrd_cmdline, strlen(req->initrd_cmdline) + 1);
    if (!rc && req->has_initrd)
        rc = sink->copy(sink->ctx, at->modlist, &module, sizeof(module));
    if (!rc)
        rc = write_memmap(req, at->memmap, sink);
    return rc ? rc : sink->copy(sink->ctx, at->start_info, &info, sizeof(info));
}
