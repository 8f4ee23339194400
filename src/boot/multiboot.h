/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two Multiboot protocols: constants and structures as the GNU specifications (0.6.96 and 2.0) lay them out, and
 * the parsers that turn what a loader left in memory into one struct boot_info. The constants are usable from assembly.
 */
#ifndef TORII_BOOT_MULTIBOOT_H
#define TORII_BOOT_MULTIBOOT_H

/* In the image: what a loader looks for. Checksum: header words sum to 0. */
#define MB1_HEADER_MAGIC       0x1badb002
#define MB1_HEADER_PAGE_ALIGN  0x00000001 /* modules start on page boundaries */
#define MB1_HEADER_MEMORY_INFO 0x00000002
#define MB1_HEADER_VIDEO_MODE  0x00000004
#define MB1_HEADER_ADDRESSES   0x00010000 /* load addresses follow in the header */

#define MB2_HEADER_MAGIC        0xe85250d6
#define MB2_ARCHITECTURE_I386   0
#define MB2_HEADER_END          0
#define MB2_HEADER_INFO_REQUEST 1
#define MB2_HEADER_ADDRESS      2
#define MB2_HEADER_ENTRY        3
#define MB2_HEADER_CONSOLE      4
#define MB2_HEADER_FRAMEBUFFER  5
#define MB2_HEADER_MODULE_ALIGN 6
#define MB2_HEADER_EFI_BS       7
#define MB2_HEADER_ENTRY_EFI64  9
#define MB2_HEADER_RELOCATABLE  10

/* In EAX at entry; EBX holds the address of the information structure. */
#define MB1_BOOT_MAGIC 0x2badb002
#define MB2_BOOT_MAGIC 0x36d76289

#ifndef __ASSEMBLY__

#include <torii/boot_info.h>
#include <torii/refusal.h>

/* struct mb1_info.flags */
#define MB1_INFO_CMDLINE     BIT(2)
#define MB1_INFO_MODULES     BIT(3)
#define MB1_INFO_MMAP        BIT(6)
#define MB1_INFO_LOADER      BIT(9)
#define MB1_INFO_FRAMEBUFFER BIT(12)

#define MB_FRAMEBUFFER_RGB  1
#define MB_FRAMEBUFFER_TEXT 2

/* Multiboot 0.6.96 §3.3. */
struct mb1_info {
    u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    u32 mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm_table;
    u32 vbe_control_info, vbe_mode_info;
    u16 vbe_mode, vbe_interface_seg, vbe_interface_off, vbe_interface_len;
    u64 framebuffer_addr;
    u32 framebuffer_pitch, framebuffer_width, framebuffer_height;
    u8 framebuffer_bpp, framebuffer_type;
    u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
} packed;

struct mb1_module {
    u32 mod_start, mod_end, cmdline, reserved;
} packed;

struct mb1_mmap_entry {
    u32 size; /* of what follows this field */
    u64 addr, len;
    u32 type;
} packed;

/* Multiboot 2.0 §3.4 - §3.6. */
struct mb2_info {
    u32 total_size, reserved;
} packed;

#define MB2_TAG_ALIGN 8

enum mb2_tag_type {
    MB2_TAG_END = 0,
    MB2_TAG_CMDLINE = 1,
    MB2_TAG_LOADER = 2,
    MB2_TAG_MODULE = 3,
    MB2_TAG_MMAP = 6,
    MB2_TAG_FRAMEBUFFER = 8,
    MB2_TAG_EFI32 = 11,
    MB2_TAG_EFI64 = 12,
    MB2_TAG_ACPI_OLD = 14,
    MB2_TAG_ACPI_NEW = 15,
    MB2_TAG_EFI_MMAP = 17,
    MB2_TAG_EFI_BS = 18,
    MB2_TAG_LOAD_BASE = 21,
};

struct mb2_tag {
    u32 type, size;
} packed;

struct mb2_tag_module {
    struct mb2_tag tag;
    u32 mod_start, mod_end;
    char cmdline[];
} packed;

struct mb2_tag_mmap {
    struct mb2_tag tag;
    u32 entry_size, entry_version;
} packed;

struct mb2_mmap_entry {
    u64 addr, len;
    u32 type, zero;
} packed;

struct mb2_tag_framebuffer {
    struct mb2_tag tag;
    u64 addr;
    u32 pitch, width, height;
    u8 bpp, type;
    u16 reserved;
    u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
} packed;

struct mb2_tag_efi64 {
    struct mb2_tag tag;
    u64 system_table;
} packed;

struct mb2_tag_efi_mmap {
    struct mb2_tag tag;
    u32 descriptor_size, descriptor_version;
} packed;

struct mb2_tag_load_base {
    struct mb2_tag tag;
    u32 load_base;
} packed;

/* UEFI 2.10 §7.2.3, EFI_MEMORY_DESCRIPTOR version 1. */
struct efi_memory_descriptor {
    u32 type, pad;
    u64 physical_start, virtual_start, pages, attribute;
} packed;

enum efi_memory_type {
    EFI_RESERVED = 0,
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BS_CODE = 3,
    EFI_BS_DATA = 4,
    EFI_RT_CODE = 5,
    EFI_RT_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_MMIO = 11,
    EFI_MMIO_PORT = 12,
    EFI_PAL_CODE = 13,
    EFI_PERSISTENT = 14,
};
#define EFI_MEMORY_WB      BIT(3)
#define EFI_MEMORY_SP      BIT(18) /* set aside for a special purpose */
#define EFI_MEMORY_RUNTIME BIT(63)

/* Bytes pa .. pa + bytes - 1 of machine memory for reading, or NULL if they cannot be reached. */
typedef const void *multiboot_map_fn(paddr_t pa, size_t bytes);

/*
 * Fill *out from the structure at machine address `info`. `magic` is EAX at entry. Everything is copied but the EFI
 * memory map, of which the address is kept. 0, or -XEN_EINVAL, -XEN_E2BIG (more modules or ranges than there is room
 * for), -XEN_EFAULT (an address that cannot be reached), -XEN_EOPNOTSUPP; then `why` holds
 * one line for a human. Boot context; pure.
 */
int multiboot_parse(u32 magic, paddr_t info, multiboot_map_fn *map, struct boot_info *out, struct refusal *why);
int multiboot1_parse(paddr_t info, multiboot_map_fn *map, struct boot_info *out, struct refusal *why);
int multiboot2_parse(paddr_t info, multiboot_map_fn *map, struct boot_info *out, struct refusal *why);

/* --- shared by the two parsers, multiboot.c --- */

struct multiboot_parser {
    multiboot_map_fn *map;
    struct boot_info *out;
    struct refusal *why;
};

/*
 * Copy the string at pa, at most `limit` bytes long there, to buf: blanks in front are dropped, `strip_name` drops the
 * first word too; cut to size - 1 characters.
 */
int multiboot_copy_string(const struct multiboot_parser *p, paddr_t pa, size_t limit, char *buf, size_t size,
                          bool strip_name);
int multiboot_add_range(const struct multiboot_parser *p, u64 addr, u64 size, u32 type);
int multiboot_add_module(const struct multiboot_parser *p, u64 start, u64 end, paddr_t cmdline, size_t limit,
                         bool strip_name);
/* Last step: sort the memory map, check the modules against it and against each other. */
int multiboot_finish(const struct multiboot_parser *p);

#endif /* __ASSEMBLY__ */
#endif
