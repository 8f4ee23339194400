/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot protocols tell us, in one form. Filled once at boot, read-only afterwards. */
#ifndef TORII_BOOT_INFO_H
#define TORII_BOOT_INFO_H

#include <torii/types.h>

/* Types as in E820 and hvm_start_info's memory map. */
enum e820_type {
    E820_RAM = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3,
    E820_NVS = 4,
    E820_UNUSABLE = 5,
};

struct e820_entry {
    u64 addr, size; /* bytes */
    u32 type;       /* enum e820_type */
};

#define E820_MAX 256
struct e820 {
    unsigned nr;
    struct e820_entry entry[E820_MAX];
};

#define BOOT_MODULES_MAX 8
#define BOOT_CMDLINE_MAX 2048

struct boot_module {
    paddr_t start;
    u64 size;
    char cmdline[BOOT_CMDLINE_MAX]; /* NUL-terminated; what followed the file name, as Xen passes it */
};

struct boot_framebuffer {
    bool present;
    paddr_t base;
    u32 pitch, width, height; /* bytes, pixels */
    u8 bpp;
    u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

struct boot_info {
    const char *protocol; /* "Multiboot 1", "Multiboot 2" */
    char loader[64];
    char cmdline[BOOT_CMDLINE_MAX];
    struct e820 e820; /* sorted, no overlaps */
    unsigned nr_modules;
    struct boot_module module[BOOT_MODULES_MAX];
    struct boot_framebuffer fb;
    bool text_mode;     /* VGA text mode 3 is active */
    paddr_t rsdp;       /* address of a copy the loader gave, or 0 */
    u8 rsdp_copy[36];   /* the copy itself, when the loader embedded one */
    bool rsdp_copied;
    bool efi;           /* booted by UEFI; efi_system_table valid */
    paddr_t efi_system_table;
    paddr_t efi_memmap; /* the EFI memory map's copy, its bytes and descriptor size and version */
    u32 efi_memmap_size, efi_desc_size, efi_desc_version;
    paddr_t loader_info; /* the loader's structure; keep its memory while efi_memmap is read */
    u32 loader_info_size;
    paddr_t load_base;   /* where a relocating loader put Torii's image; 0: where it was linked */
};

extern struct boot_info boot_info;

#endif
