/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot 2 (specification 2.0): a list of tags. Command lines hold the arguments alone and are kept whole. On UEFI
 * the firmware's own memory map, where the loader passes it, is better than the loader's E820 made from it.
 */
#include "multiboot.h"

#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/lib.h>

#define INFO_BYTES_MAX (1u << 20)
#define RSDP_V1_BYTES  20
#define EFI_PAGE_SHIFT 12

/* Tags that are evaluated after the whole list is known. */
struct mb2_found {
    const struct mb2_tag_mmap *mmap;
    const struct mb2_tag_efi_mmap *efi_mmap;
    bool efi, rsdp_new, framebuffer;
};

/* UEFI 2.10 §7.2.3 and table 7.6: what each type is after ExitBootServices. */
static u32 efi_type_to_e820(const struct efi_memory_descriptor *d)
{
    switch (d->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BS_CODE:
    case EFI_BS_DATA:
    case EFI_CONVENTIONAL:
        /* Memory that cannot be cached, that runtime services keep or that has an owner is not for general use. */
        if (!(d->attribute & EFI_MEMORY_WB) || (d->attribute & (EFI_MEMORY_RUNTIME | EFI_MEMORY_SP)))
            return E820_RESERVED;
        return E820_RAM;
    case EFI_UNUSABLE:
        return E820_UNUSABLE;
    case EFI_ACPI_RECLAIM:
        return E820_ACPI;
    case EFI_ACPI_NVS:
        return E820_NVS;
    default:
        return E820_RESERVED;
    }
}

static int parse_efi_mmap(const struct multiboot_parser *p, const struct mb2_tag_efi_mmap *tag)
{
    u32 bytes = tag->tag.size - sizeof(*tag), step = tag->descriptor_size;
    const u8 *map = (const u8 *)(tag + 1);

    if (step < sizeof(struct efi_memory_descriptor) || step % 8)
        return refuse(p->why, -XEN_EINVAL, "EFI memory descriptors of %u bytes", step);
    for (u32 off = 0; bytes - off >= step; off += step) {
        struct efi_memory_descriptor d;
        int rc;

        memcpy(&d, map + off, sizeof(d));
        if (d.pages > ~0ull >> EFI_PAGE_SHIFT)
            return refuse(p->why, -XEN_EINVAL, "EFI memory descriptor at offset %u has 0x%llx pages", off,
                          (unsigned long long)d.pages);
        rc = multiboot_add_range(p, d.physical_start, d.pages << EFI_PAGE_SHIFT, efi_type_to_e820(&d));
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_mmap(const struct multiboot_parser *p, const struct mb2_tag_mmap *tag)
{
    u32 bytes = tag->tag.size - sizeof(*tag), step = tag->entry_size;
    const u8 *map = (const u8 *)(tag + 1);

    if (step < sizeof(struct mb2_mmap_entry) || step % 8)
        return refuse(p->why, -XEN_EINVAL, "memory map entries of %u bytes", step);
    for (u32 off = 0; bytes - off >= step; off += step) {
        struct mb2_mmap_entry e;
        int rc;

        memcpy(&e, map + off, sizeof(e));
        rc = multiboot_add_range(p, e.addr, e.len, e.type);
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_memory(const struct multiboot_parser *p, const struct mb2_found *f)
{
    if (f->efi_mmap) {
        int rc = parse_efi_mmap(p, f->efi_mmap);

        if (!rc && e820_bytes(&p->out->e820, E820_RAM))
            return 0;
        if (!f->mmap)
            return rc ? rc : refuse(p->why, -XEN_EINVAL, "the EFI memory map has no RAM");
        p->out->e820.nr = 0;
    }
    if (!f->mmap)
        return refuse(p->why, -XEN_EINVAL, "the boot loader gave no memory map");
    return parse_mmap(p, f->mmap);
}

static void parse_framebuffer(struct boot_info *out, const struct mb2_tag_framebuffer *tag)
{
    out->text_mode = tag->type == MB_FRAMEBUFFER_TEXT;
    if (tag->type != MB_FRAMEBUFFER_RGB)
        return;
    out->fb = (struct boot_framebuffer){
        .present = true,
        .base = tag->addr,
        .pitch = tag->pitch,
        .width = tag->width,
        .height = tag->height,
        .bpp = tag->bpp,
        .red_pos = tag->red_pos,
        .red_size = tag->red_size,
        .green_pos = tag->green_pos,
        .green_size = tag->green_size,
        .blue_pos = tag->blue_pos,
        .blue_size = tag->blue_size,
    };
}

static void parse_rsdp(struct boot_info *out, struct mb2_found *f, const struct mb2_tag *tag, bool new)
{
    size_t bytes = tag->size - sizeof(*tag);

    if (f->rsdp_new && !new)
        return;
    memset(out->rsdp_copy, 0, sizeof(out->rsdp_copy));
    memcpy(out->rsdp_copy, tag + 1, min(bytes, new ? sizeof(out->rsdp_copy) : RSDP_V1_BYTES));
    out->rsdp_copied = true;
    f->rsdp_new = new;
}

/* The least each tag must hold to be read; 0: not one of ours. */
static size_t tag_least(u32 type)
{
    switch (type) {
    case MB2_TAG_CMDLINE:
    case MB2_TAG_LOADER:
    case MB2_TAG_EFI_BS:
        return sizeof(struct mb2_tag);
    case MB2_TAG_MODULE:
        return sizeof(struct mb2_tag_module);
    case MB2_TAG_MMAP:
        return sizeof(struct mb2_tag_mmap);
    case MB2_TAG_FRAMEBUFFER:
        /* An indexed or text framebuffer has no colour fields. */
        return offsetof(struct mb2_tag_framebuffer, red_pos);
    case MB2_TAG_EFI64:
        return sizeof(struct mb2_tag_efi64);
    case MB2_TAG_EFI_MMAP:
        return sizeof(struct mb2_tag_efi_mmap);
    case MB2_TAG_ACPI_OLD:
        return sizeof(struct mb2_tag) + RSDP_V1_BYTES;
    case MB2_TAG_ACPI_NEW:
        return sizeof(struct mb2_tag) + sizeof(((struct boot_info *)0)->rsdp_copy);
    case MB2_TAG_LOAD_BASE:
        return sizeof(struct mb2_tag_load_base);
    }
    return 0;
}

static bool framebuffer_complete(const struct mb2_tag *tag)
{
    const struct mb2_tag_framebuffer *fb = (const void *)tag;

    return fb->type != MB_FRAMEBUFFER_RGB || tag->size >= sizeof(*fb);
}

/* One tag, at machine address pa; its size is within the structure. */
static int parse_tag(const struct multiboot_parser *p, const struct mb2_tag *tag, paddr_t pa, struct mb2_found *f)
{
    struct boot_info *out = p->out;
    const struct mb2_tag_module *m = (const void *)tag;

    if (tag->size < tag_least(tag->type) || (tag->type == MB2_TAG_FRAMEBUFFER && !framebuffer_complete(tag)))
        return refuse(p->why, -XEN_EINVAL, "tag %u of %u bytes is too short", tag->type, tag->size);

    switch (tag->type) {
    case MB2_TAG_CMDLINE:
        return multiboot_copy_string(p, pa + sizeof(*tag), tag->size - sizeof(*tag), out->cmdline, sizeof(out->cmdline),
                                     false);
    case MB2_TAG_LOADER:
        return multiboot_copy_string(p, pa + sizeof(*tag), tag->size - sizeof(*tag), out->loader, sizeof(out->loader),
                                     false);
    case MB2_TAG_MODULE:
        return multiboot_add_module(p, m->mod_start, m->mod_end, pa + sizeof(*m), tag->size - sizeof(*m), false);
    case MB2_TAG_MMAP:
        f->mmap = (const void *)tag;
        return 0;
    case MB2_TAG_FRAMEBUFFER:
        f->framebuffer = true;
        parse_framebuffer(out, (const void *)tag);
        return 0;
    case MB2_TAG_EFI32:
        f->efi = true; /* 32-bit firmware: only its memory map is of use */
        return 0;
    case MB2_TAG_EFI64:
        f->efi = out->efi = true;
        out->efi_system_table = ((const struct mb2_tag_efi64 *)tag)->system_table;
        return 0;
    case MB2_TAG_ACPI_OLD:
    case MB2_TAG_ACPI_NEW:
        parse_rsdp(out, f, tag, tag->type == MB2_TAG_ACPI_NEW);
        return 0;
    case MB2_TAG_EFI_MMAP:
        f->efi_mmap = (const void *)tag;
        out->efi_memmap = pa + sizeof(struct mb2_tag_efi_mmap);
        out->efi_memmap_size = tag->size - sizeof(struct mb2_tag_efi_mmap);
        out->efi_desc_size = f->efi_mmap->descriptor_size;
        out->efi_desc_version = f->efi_mmap->descriptor_version;
        return 0;
    case MB2_TAG_EFI_BS:
        return refuse(p->why, -XEN_EOPNOTSUPP, "EFI boot services are still running");
    case MB2_TAG_LOAD_BASE:
        out->load_base = ((const struct mb2_tag_load_base *)tag)->load_base;
        return 0;
    }
    return 0;
}

int multiboot2_parse(paddr_t info_pa, multiboot_map_fn *map, struct boot_info *out, struct refusal *why)
{
    const struct multiboot_parser p = {map, out, why};
    const struct mb2_info *info = map(info_pa, sizeof(*info));
    struct mb2_found found = {0};
    const struct mb2_tag *tag;
    u32 total;
    int rc;

    memset(out, 0, sizeof(*out));
    out->protocol = "Multiboot 2";
    total = info ? info->total_size : 0;
    if (info && (total < sizeof(*info) || total > INFO_BYTES_MAX))
        return refuse(why, -XEN_EINVAL, "information of %u bytes", total);
    info = info ? map(info_pa, total) : NULL;
    if (!info)
        return refuse(why, -XEN_EFAULT, "information at 0x%llx is out of reach", (unsigned long long)info_pa);
    out->loader_info = info_pa;
    out->loader_info_size = total;

    for (u32 off = sizeof(*info);; off += ALIGN_UP(tag->size, MB2_TAG_ALIGN)) {
        if (off > total || total - off < sizeof(*tag))
            return refuse(why, -XEN_EINVAL, "no end tag in %u bytes", total);
        tag = (const void *)((const u8 *)info + off);
        if (tag->type == MB2_TAG_END)
            break;
        if (tag->size < sizeof(*tag) || tag->size > total - off)
            return refuse(why, -XEN_EINVAL, "tag %u at offset %u has %u bytes", tag->type, off, tag->size);
        rc = parse_tag(&p, tag, info_pa + off, &found);
        if (rc)
            return rc;
    }
    rc = parse_memory(&p, &found);
    if (rc)
        return rc;
    /* Without a framebuffer tag a BIOS machine is in the mode it starts with. */
    if (!found.framebuffer)
        out->text_mode = !found.efi;
    return multiboot_finish(&p);
}
