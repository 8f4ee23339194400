/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 1 (GNU Multiboot Specification 0.6.96).
 *
 * Command lines: the specification lets the image's name be their first word. QEMU, GRUB legacy, iPXE and syslinux put
 * it there, GRUB 2 passes the arguments alone (its "multiboot" command as its "multiboot2"). So the first word is
 * dropped unless the loader calls itself GRUB with a version from 1 on; GRUB legacy says "GNU GRUB 0.97". Xen decides
 * the same.
 */
#include "multiboot.h"

#include <torii/errno.h>
#include <torii/lib.h>

#define MMAP_BYTES_MAX   (1u << 20)
#define STRING_BYTES_MAX (1u << 16)

static bool loader_omits_name(const char *loader)
{
    const char *grub = strstr(loader, "GRUB ");

    return grub && grub[5] >= '1' && grub[5] <= '9';
}

static int parse_modules(const struct multiboot_parser *p, const struct mb1_info *info, bool strip_name)
{
    if (info->mods_count > BOOT_MODULES_MAX)
        return refuse(p->why, -XEN_E2BIG, "%u modules, more than %u", info->mods_count, BOOT_MODULES_MAX);
    for (unsigned i = 0; i < info->mods_count; i++) {
        paddr_t pa = (paddr_t)info->mods_addr + i * sizeof(struct mb1_module);
        const struct mb1_module *m = p->map(pa, sizeof(*m));
        int rc;

        if (!m)
            return refuse(p->why, -XEN_EFAULT, "module list at 0x%llx is out of reach", (unsigned long long)pa);
        rc = multiboot_add_module(p, m->mod_start, m->mod_end, m->cmdline, STRING_BYTES_MAX, strip_name);
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_mmap(const struct multiboot_parser *p, const struct mb1_info *info)
{
    const u32 size_field = sizeof(u32), least = sizeof(struct mb1_mmap_entry) - sizeof(u32);
    u32 length = info->mmap_length;

    if (length > MMAP_BYTES_MAX)
        return refuse(p->why, -XEN_EINVAL, "memory map of %u bytes", length);
    for (u32 off = 0; off < length;) {
        const struct mb1_mmap_entry *e = NULL;
        int rc;

        if (length - off < sizeof(*e))
            return refuse(p->why, -XEN_EINVAL, "memory map ends inside an entry (offset %u of %u)", off, length);
        e = p->map((paddr_t)info->mmap_addr + off, sizeof(*e));
        if (!e)
            return refuse(p->why, -XEN_EFAULT, "memory map at 0x%x is out of reach", info->mmap_addr);
        if (e->size < least || e->size > length - off - size_field)
            return refuse(p->why, -XEN_EINVAL, "memory map entry at offset %u has size %u", off, e->size);
        rc = multiboot_add_range(p, e->addr, e->len, e->type);
        if (rc)
            return rc;
        off += e->size + size_field;
    }
    return 0;
}

static void parse_framebuffer(struct boot_info *out, const struct mb1_info *info)
{
    /* A loader that says nothing left the BIOS in the mode it starts with. */
    if (!(info->flags & MB1_INFO_FRAMEBUFFER)) {
        out->text_mode = true;
        return;
    }
    out->text_mode = info->framebuffer_type == MB_FRAMEBUFFER_TEXT;
    if (info->framebuffer_type != MB_FRAMEBUFFER_RGB)
        return;
    out->fb = (struct boot_framebuffer){
        .present = true,
        .base = info->framebuffer_addr,
        .pitch = info->framebuffer_pitch,
        .width = info->framebuffer_width,
        .height = info->framebuffer_height,
        .bpp = info->framebuffer_bpp,
        .red_pos = info->red_pos,
        .red_size = info->red_size,
        .green_pos = info->green_pos,
        .green_size = info->green_size,
        .blue_pos = info->blue_pos,
        .blue_size = info->blue_size,
    };
}

int multiboot1_parse(paddr_t info_pa, multiboot_map_fn *map, struct boot_info *out, struct refusal *why)
{
    const struct multiboot_parser p = {map, out, why};
    const struct mb1_info *mapped = map(info_pa, sizeof(*mapped));
    struct mb1_info info;
    bool strip_name;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    out->protocol = "Multiboot 1";
    if (!mapped)
        return refuse(why, -XEN_EFAULT, "information at 0x%llx is out of reach", (unsigned long long)info_pa);
    info = *mapped;
    out->loader_info = info_pa;
    out->loader_info_size = sizeof(info);

    if (info.flags & MB1_INFO_LOADER)
        rc =
            multiboot_copy_string(&p, info.boot_loader_name, STRING_BYTES_MAX, out->loader, sizeof(out->loader), false);
    if (rc)
        return rc;
    strip_name = !loader_omits_name(out->loader);

    if (info.flags & MB1_INFO_CMDLINE)
        rc = multiboot_copy_string(&p, info.cmdline, STRING_BYTES_MAX, out->cmdline, sizeof(out->cmdline), strip_name);
    if (!rc && (info.flags & MB1_INFO_MODULES))
        rc = parse_modules(&p, &info, strip_name);
    if (rc)
        return rc;
    if (!(info.flags & MB1_INFO_MMAP))
        return refuse(why, -XEN_EINVAL, "the boot loader gave no memory map");
    rc = parse_mmap(&p, &info);
    if (rc)
        return rc;
    parse_framebuffer(out, &info);
    return multiboot_finish(&p);
}
