/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel and initrd: from boot modules to their places in Dom0's memory, which is the machine's. */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/cpu.h>
#include <torii/dom0.h>
#include <torii/dom0_layout.h>
#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/image.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/mm.h>
#include <torii/time.h>

/* RAM in use while loading: modules, two pieces of scratch for decompression, and for each of two moves source and
 * target. */
#define RANGES_MAX (BOOT_MODULES_MAX + 2 + 2 * 2)
static struct paddr_range busy[RANGES_MAX];
static unsigned nr_busy;

static bool range_overlaps(const struct paddr_range *r, u64 start, u64 end)
{
    return r->start < end && start < r->start + r->size;
}

/* Scratch RAM, page-aligned, as high as possible below 4 GiB and clear of what is busy. 0 if there is none. */
static paddr_t scratch_alloc(const struct e820 *map, u64 bytes)
{
    bytes = ALIGN_UP(bytes, PAGE_SIZE);
    for (unsigned i = map->nr; i-- > 0;) {
        const struct e820_entry *e = &map->entry[i];
        u64 end = min(e->addr + e->size, 1ull << 32);

        if (e->type != E820_RAM || e->addr >= 1ull << 32 || end < SIZE_2M)
            continue;
    again:
        if (end < bytes || ALIGN_DOWN(end - bytes, PAGE_SIZE) < max(e->addr, 0x100000ull))
            continue;
        for (unsigned k = 0; k < nr_busy; k++)
            if (range_overlaps(&busy[k], ALIGN_DOWN(end - bytes, PAGE_SIZE), end)) {
                end = busy[k].start;
                goto again;
            }
        if (nr_busy == RANGES_MAX)
            return 0;
        busy[nr_busy++] = (struct paddr_range){ALIGN_DOWN(end - bytes, PAGE_SIZE), bytes};
        return busy[nr_busy - 1].start;
    }
    return 0;
}

/* Dom0 is identity mapped: its memory is reached through the direct map. */
static int sink_copy(void *ctx, gpa_t gpa, const void *src, size_t bytes)
{
    (void)ctx;
    memmove(paddr_to_virt(gpa), src, bytes);
    return 0;
}

static int sink_zero(void *ctx, gpa_t gpa, size_t bytes)
{
    (void)ctx;
    memset(paddr_to_virt(gpa), 0, bytes);
    return 0;
}

static const struct gpa_sink sink = {NULL, sink_copy, sink_zero};

static int decompress(const struct image_source *src, void *dst, void *arena, struct refusal *why)
{
    size_t peak;
    u64 start = now_ns();
    int rc;

    rc = image_decompress(src, dst, arena, src->arena_bytes, &peak, why);
    if (!rc)
        log_info("Dom0 kernel: %s, %lu KiB to %lu KiB in %lu ms\n", image_compression_name(src->compression),
                 src->payload_bytes >> 10, src->image_bytes >> 10, (now_ns() - start) / 1000000);
    return rc;
}

/* The ELF image of the kernel module, unpacked to scratch memory if it is packed. */
static int open_image(const struct e820 *map, const struct boot_module *m, const void **elf, size_t *bytes,
                      struct refusal *why)
{
    struct image_source src;
    paddr_t dst, arena = 0;
    int rc = image_probe(paddr_to_virt(m->start), m->size, &src, why);

    if (rc)
        return rc;
    *elf = src.payload;
    *bytes = src.image_bytes;
    if (src.compression == IMAGE_PLAIN)
        return 0;
    dst = scratch_alloc(map, src.image_bytes);
    if (src.arena_bytes)
        arena = scratch_alloc(map, src.arena_bytes);
    if (!dst || (src.arena_bytes && !arena))
        return refuse(why, -XEN_ENOMEM, "Dom0 kernel: no %lu KiB of RAM below 4 GiB to decompress it in",
                      (src.image_bytes + src.arena_bytes) >> 10);
    *elf = paddr_to_virt(dst);
    return decompress(&src, paddr_to_virt(dst), arena ? paddr_to_virt(arena) : NULL, why);
}

/* What is still to be read must not lie where something is about to be written: move it up. */
static int move_away(const struct e820 *map, const void **p, size_t bytes, u64 start, u64 end, struct refusal *why)
{
    struct paddr_range r = {virt_to_paddr(*p), bytes};
    paddr_t to;

    if (!range_overlaps(&r, start, end))
        return 0;
    busy[nr_busy++] = (struct paddr_range){start, end - start};
    to = scratch_alloc(map, bytes);
    if (!to)
        return refuse(why, -XEN_ENOMEM, "Dom0: no RAM to move a boot module of %lu KiB out of the kernel's way",
                      bytes >> 10);
    memmove(paddr_to_virt(to), *p, bytes);
    *p = paddr_to_virt(to);
    return 0;
}

int dom0_load(const struct dom0_memmap *map, gpa_t rsdp, u32 *entry, u32 *start_info, struct refusal *why)
{
    const struct boot_module *kernel = &boot_info.module[0];
    const struct boot_module *initrd = boot_info.nr_modules > 1 ? &boot_info.module[1] : NULL;
    const void *file, *initrd_data = initrd ? paddr_to_virt(initrd->start) : NULL;
    struct elf_image elf;
    struct dom0_layout at;
    struct paddr_range avoid[2];
    struct dom0_request req = {.map = &map->map,
                               .kernel = &elf,
                               .has_initrd = initrd,
                               .initrd_bytes = initrd ? initrd->size : 0,
                               .cmdline = kernel->cmdline,
                               .initrd_cmdline = initrd ? initrd->cmdline : "",
                               .rsdp = rsdp,
                               .avoid = avoid};
    static u8 tls[64];
    size_t bytes;
    int rc;

    for (unsigned i = 0; i < boot_info.nr_modules; i++)
        busy[nr_busy++] = (struct paddr_range){boot_info.module[i].start, boot_info.module[i].size};
    /* The decompressors' stack protector reads %fs:0x28. */
    wrmsr(MSR_FS_BASE, (u64)tls);
    rc = open_image(&map->map, kernel, &file, &bytes, why);
    wrmsr(MSR_FS_BASE, 0);
    if (!rc)
        rc = elf_parse(file, bytes, &elf, why);
    if (!rc)
        rc = dom0_layout_plan(&req, &at, why);
    if (rc)
        return rc;
    /* Plan once more knowing what is read last; the kernel's place does not change. */
    rc = move_away(&map->map, &file, bytes, at.kernel, at.kernel_end, why);
    if (!rc && initrd)
        rc = move_away(&map->map, &initrd_data, initrd->size, at.kernel, at.kernel_end, why);
    if (rc)
        return rc;
    elf.file = file;
    avoid[req.nr_avoid++] = (struct paddr_range){virt_to_paddr(file), bytes};
    if (initrd)
        avoid[req.nr_avoid++] = (struct paddr_range){virt_to_paddr(initrd_data), initrd->size};
    rc = dom0_layout_plan(&req, &at, why);
    if (rc)
        return rc;
    elf_load(&elf, at.delta, &sink);
    if (initrd)
        sink_copy(NULL, at.initrd, initrd_data, initrd->size);
    dom0_start_info_write(&req, &at, &sink);
    *entry = at.entry;
    *start_info = (u32)at.start_info;
    log_info("Dom0 kernel at %#lx-%#lx%s, entry %#x, initrd at %#lx (%lu KiB), start_info at %#lx\n", at.kernel,
             at.kernel_end - 1, at.delta ? " (moved)" : "", at.entry, at.initrd, req.initrd_bytes >> 10, at.start_info);
    return 0;
}
