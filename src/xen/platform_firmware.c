/* SPDX-License-Identifier: BSD-2-Clause */
/* What firmware told Torii and Dom0 asks for: EFI tables (UEFI 2.10 §4.3, §4.5, §7.2.3), the display. */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/lib.h>

#include "platform.h"

#define EFI_SYSTEM_TABLE_SIGNATURE 0x5453595320494249ul
#define EFI_VENDOR_MAX             100 /* characters, terminator included */

struct efi_table_header {
    u64 signature;
    u32 revision, header_size, crc32, reserved;
};

struct efi_system_table {
    struct efi_table_header hdr;
    u64 firmware_vendor; /* UCS-2 string */
    u32 firmware_revision, pad;
    u64 con_in_handle, con_in, con_out_handle, con_out, std_err_handle, std_err;
    u64 runtime_services, boot_services;
    u64 nr_configuration_tables, configuration_table;
};
_Static_assert(sizeof(struct efi_system_table) == 120, "UEFI 2.10 §4.3");

struct efi_memory_descriptor {
    u32 type, pad;
    u64 physical, virtual, pages, attribute;
};

/* A copy of n bytes of machine memory. 0, or -XEN_ENOMEM when it cannot be mapped. */
static int machine_read(paddr_t pa, void *dst, size_t n)
{
    void *p = machine_map(pa, n, false);

    if (!p)
        return -XEN_ENOMEM;
    memcpy(dst, p, n);
    machine_unmap(p, n);
    return 0;
}

/* 0, or -XEN_ENODEV if what is there is no system table. */
static int read_system_table(struct efi_system_table *st)
{
    int rc = machine_read(boot_info.efi_system_table, st, sizeof(*st));

    if (rc)
        return rc;
    return st->hdr.signature == EFI_SYSTEM_TABLE_SIGNATURE && st->hdr.header_size >= sizeof(*st) ? 0 : -XEN_ENODEV;
}

static int efi_rt_version(const struct efi_system_table *st, u32 *version)
{
    struct efi_table_header rt;
    int rc;

    if (!st->runtime_services)
        return -XEN_ENODEV;
    rc = machine_read(st->runtime_services, &rt, sizeof(rt));
    if (!rc)
        *version = rt.revision;
    return rc;
}

/* The string is read up to the end of its page's successor at most: firmware memory beyond it may be anything. */
static int efi_vendor(const struct hcall *c, const struct efi_system_table *st, union xenpf_efi_info *info)
{
    u64 gva = c->compat ? (u32)handle_gva(info->vendor.name) : handle_gva(info->vendor.name);
    u32 n = min(info->vendor.bufsz / (u32)sizeof(u16), (u32)EFI_VENDOR_MAX), used = 0;
    u16 name[EFI_VENDOR_MAX];
    int rc;

    info->vendor.revision = st->firmware_revision;
    if (n == 0 || !st->firmware_vendor)
        return 0;
    rc = machine_read(st->firmware_vendor, name, n * sizeof(*name));
    if (rc)
        return rc;
    while (used < n - 1 && name[used])
        used++;
    name[used] = 0;
    return hcall_write(c, gva, name, (used + 1) * sizeof(*name));
}

/* Where the caller's address lies in the EFI memory map. */
static int efi_mem_info(union xenpf_efi_info *info)
{
    u64 addr = info->mem.addr, bytes;
    struct efi_memory_descriptor d;
    u32 at = 0;

    if (!boot_info.efi_memmap || boot_info.efi_desc_size < sizeof(d))
        return -XEN_ESRCH;
    for (; at + boot_info.efi_desc_size <= boot_info.efi_memmap_size; at += boot_info.efi_desc_size) {
        if (machine_read(boot_info.efi_memmap + at, &d, sizeof(d)))
            return -XEN_ENOMEM;
        bytes = d.pages << PAGE_SHIFT;
        if (addr < d.physical || addr - d.physical >= bytes)
            continue;
        info->mem.addr = d.physical;
        info->mem.size = bytes;
        info->mem.attr = d.attribute;
        info->mem.type = d.type;
        return 0;
    }
    return -XEN_ESRCH;
}

static int efi_info(const struct hcall *c, u32 index, union xenpf_efi_info *info)
{
    struct efi_system_table st;
    int rc;

    if (!boot_info.efi)
        return -XEN_ENOSYS;
    rc = read_system_table(&st);
    if (rc)
        return rc;
    switch (index) {
    case XEN_FW_EFI_VERSION:
        info->version = st.hdr.revision;
        return 0;
    case XEN_FW_EFI_RT_VERSION:
        return efi_rt_version(&st, &info->version);
    case XEN_FW_EFI_CONFIG_TABLE:
        info->cfg.addr = st.configuration_table;
        info->cfg.nent = (u32)st.nr_configuration_tables;
        return 0;
    case XEN_FW_EFI_VENDOR:
        return efi_vendor(c, &st, info);
    case XEN_FW_EFI_MEM_INFO:
        return efi_mem_info(info);
    case XEN_FW_EFI_PCI_ROM: /* option ROMs are read from the device */
        return -XEN_ESRCH;
    case XEN_FW_EFI_APPLE_PROPERTIES:
        return -XEN_ENODATA;
    default:
        return -XEN_EINVAL;
    }
}

int platform_firmware_info(const struct hcall *c, struct xenpf_firmware_info *info)
{
    switch (info->type) {
    case XEN_FW_EFI_INFO:
        return efi_info(c, info->index, &info->u.efi_info);
    case XEN_FW_DISK_INFO: /* real-mode BIOS calls, which Torii does not make */
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
    case XEN_FW_KBD_SHIFT_FLAGS:
        return -XEN_ESRCH;
    default:
        return -XEN_EINVAL;
    }
}

#define LFB_UNIT     65536ul /* lfb_size counts these */
#define TEXT_ROWS    25
#define TEXT_COLUMNS 80
#define TEXT_FONT    16

static long text_console(struct dom0_vga_console_info *info)
{
    info->video_type = XEN_VGATYPE_TEXT_MODE_3;
    info->u.text_mode_3.font_height = TEXT_FONT;
    info->u.text_mode_3.rows = TEXT_ROWS;
    info->u.text_mode_3.columns = TEXT_COLUMNS;
    return offsetof(struct dom0_vga_console_info, u) + sizeof(info->u.text_mode_3);
}

static long framebuffer_console(struct dom0_vga_console_info *info)
{
    const struct boot_framebuffer *fb = &boot_info.fb;

    info->video_type = boot_info.efi ? XEN_VGATYPE_EFI_LFB : XEN_VGATYPE_VESA_LFB;
    info->u.vesa_lfb.width = (u16)fb->width;
    info->u.vesa_lfb.height = (u16)fb->height;
    info->u.vesa_lfb.bytes_per_line = (u16)fb->pitch;
    info->u.vesa_lfb.bits_per_pixel = fb->bpp;
    info->u.vesa_lfb.lfb_base = (u32)fb->base;
    info->u.vesa_lfb.ext_lfb_base = (u32)(fb->base >> 32);
    info->u.vesa_lfb.lfb_size = (u32)(((u64)fb->pitch * fb->height + LFB_UNIT - 1) / LFB_UNIT);
    info->u.vesa_lfb.red_pos = fb->red_pos;
    info->u.vesa_lfb.red_size = fb->red_size;
    info->u.vesa_lfb.green_pos = fb->green_pos;
    info->u.vesa_lfb.green_size = fb->green_size;
    info->u.vesa_lfb.blue_pos = fb->blue_pos;
    info->u.vesa_lfb.blue_size = fb->blue_size;
    return sizeof(*info);
}

long platform_console_info(struct dom0_vga_console_info *info)
{
    memset(info, 0, sizeof(*info));
    if (boot_info.fb.present)
        return framebuffer_console(info);
    if (boot_info.text_mode)
        return text_console(info);
    return -XEN_ENODEV;
}
