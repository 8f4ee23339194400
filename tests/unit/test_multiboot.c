/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/boot/multiboot.c src/boot/multiboot1.c src/boot/multiboot2.c src/core/e820.c src/core/refusal.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/errno.h>

#include "../../src/boot/multiboot.h"

/* The machine's memory as the loader left it: these bytes at MEM, nothing elsewhere. */
#define MEM       0x10000u
#define MEM_BYTES 0x8000u
static u8 memory[MEM_BYTES];
static struct boot_info bi;
static struct refusal why;

/* A copy that ends where the mapping does, so that ASan sees a read past it. */
static void *window;
static const void *map_memory(paddr_t pa, size_t bytes)
{
    if (pa < MEM || bytes > MEM_BYTES || pa - MEM > MEM_BYTES - bytes)
        return NULL;
    return memory + (pa - MEM);
}

static const void *map_exact(paddr_t pa, size_t bytes)
{
    const void *p = map_memory(pa, bytes);

    free(window);
    window = p ? malloc(bytes) : NULL;
    return p ? memcpy(window, p, bytes) : NULL;
}

static int reset(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(&bi, 0xa5, sizeof(bi));
    memset(&why, 0, sizeof(why));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    free(window);
    window = NULL;
    return 0;
}

static void *at(u32 pa)
{
    return memory + (pa - MEM);
}

/* --- Multiboot 1 --- */

#define MB1_INFO MEM
#define MB1_STR  (MEM + 0x1000)
#define MB1_MODS (MEM + 0x200)
#define MB1_MMAP (MEM + 0x400)

static struct mb1_info *mb1(void)
{
    return at(MB1_INFO);
}

static u32 mb1_string(const char *s)
{
    static u32 next;
    u32 pa;

    if (!mb1()->cmdline && !mb1()->boot_loader_name && !mb1()->mods_count)
        next = MB1_STR;
    pa = next;
    strcpy(at(pa), s);
    next += strlen(s) + 1;
    return pa;
}

static void mb1_range(u64 addr, u64 len, u32 type)
{
    struct mb1_mmap_entry e = {20, addr, len, type};

    mb1()->flags |= MB1_INFO_MMAP;
    mb1()->mmap_addr = MB1_MMAP;
    memcpy(at(MB1_MMAP + mb1()->mmap_length), &e, sizeof(e));
    mb1()->mmap_length += sizeof(e);
}

static void mb1_module(u32 start, u32 end, const char *cmdline)
{
    struct mb1_module m = {start, end, cmdline ? mb1_string(cmdline) : 0, 0};

    mb1()->flags |= MB1_INFO_MODULES;
    mb1()->mods_addr = MB1_MODS;
    memcpy(at(MB1_MODS + mb1()->mods_count++ * sizeof(m)), &m, sizeof(m));
}

static void mb1_cmdline(const char *s)
{
    u32 pa = mb1_string(s);

    mb1()->flags |= MB1_INFO_CMDLINE;
    mb1()->cmdline = pa;
}

static void mb1_loader(const char *s)
{
    u32 pa = mb1_string(s);

    mb1()->flags |= MB1_INFO_LOADER;
    mb1()->boot_loader_name = pa;
}

static void mb1_ram(void)
{
    mb1_range(0, 0x9fc00, 1);
    mb1_range(0x9fc00, 0x400, 2);
    mb1_range(0xf0000, 0x10000, 2);
    mb1_range(0x100000, 0x7fe0000 - 0x100000, 1);
    mb1_range(0x7fe0000, 0x20000, 2);
}

static int mb1_run(void)
{
    return multiboot_parse(MB1_BOOT_MAGIC, MB1_INFO, map_memory, &bi, &why);
}

static void refused(int rc, int error, const char *words)
{
    assert_int_equal(rc, error);
    assert_non_null(strstr(why.line, words));
    assert_null(strchr(why.line, '\n'));
}

static void qemu_command_lines_lose_their_file_names(void **state)
{
    mb1_loader("qemu");
    mb1_cmdline("/tmp/torii console=com1 loglvl=all");
    mb1_module(0x200000, 0x300000, "vmlinuz root=/dev/sda1 quiet");
    mb1_module(0x300000, 0x380000, "initrd.gz");
    mb1_ram();
    assert_int_equal(mb1_run(), 0);
    assert_string_equal(bi.protocol, "Multiboot 1");
    assert_string_equal(bi.loader, "qemu");
    assert_string_equal(bi.cmdline, "console=com1 loglvl=all");
    assert_int_equal(bi.nr_modules, 2);
    assert_int_equal(bi.module[0].start, 0x200000);
    assert_int_equal(bi.module[0].size, 0x100000);
    assert_string_equal(bi.module[0].cmdline, "root=/dev/sda1 quiet");
    assert_string_equal(bi.module[1].cmdline, "");
    assert_true(bi.text_mode);
    assert_false(bi.efi);
    assert_false(bi.rsdp_copied);
}

static void grub_2_command_lines_are_kept_whole(void **state)
{
    mb1_loader("GRUB 2.06-13+deb12u1");
    mb1_cmdline("console=com1 dom0_mem=1G");
    mb1_module(0x200000, 0x300000, "root=/dev/sda1");
    mb1_ram();
    assert_int_equal(mb1_run(), 0);
    assert_string_equal(bi.cmdline, "console=com1 dom0_mem=1G");
    assert_string_equal(bi.module[0].cmdline, "root=/dev/sda1");
}

static void grub_legacy_command_lines_lose_their_paths(void **state)
{
    mb1_loader("GNU GRUB 0.97");
    mb1_cmdline("  /boot/torii   console=vga ");
    mb1_module(0x200000, 0x300000, NULL);
    mb1_ram();
    assert_int_equal(mb1_run(), 0);
    assert_string_equal(bi.cmdline, "console=vga ");
    assert_string_equal(bi.module[0].cmdline, "");
}

static void the_memory_map_comes_out_sorted_and_typed(void **state)
{
    mb1_range(0x100000000, 0x40000000, 1);
    mb1_range(0x100000, 0x7ef0000, 1);
    mb1_range(0x7ff0000, 0x8000, 3);
    mb1_range(0x7ff8000, 0x8000, 4);
    mb1_range(0xfffc0000, 0x40000, 2);
    mb1_range(0, 0xa0000, 1);
    mb1_range(0xd0000000, 0x1000, 5);
    mb1_range(0xd0001000, 0x1000, 77);
    assert_int_equal(mb1_run(), 0);
    assert_int_equal(bi.e820.nr, 8);
    for (unsigned i = 1; i < bi.e820.nr; i++)
        assert_true(bi.e820.entry[i - 1].addr + bi.e820.entry[i - 1].size <= bi.e820.entry[i].addr);
    assert_int_equal(bi.e820.entry[0].type, E820_RAM);
    assert_int_equal(bi.e820.entry[2].type, E820_ACPI);
    assert_int_equal(bi.e820.entry[3].type, E820_NVS);
    assert_int_equal(bi.e820.entry[4].type, E820_UNUSABLE);
    assert_int_equal(bi.e820.entry[5].type, E820_RESERVED);
    assert_int_equal(bi.e820.entry[7].addr, 0x100000000);
}

static void larger_memory_map_entries_are_stepped_over_by_their_size(void **state)
{
    struct mb1_mmap_entry a = {24, 0, 0xa0000, 1}, b = {20, 0x100000, 0x100000, 1};

    mb1()->flags = MB1_INFO_MMAP;
    mb1()->mmap_addr = MB1_MMAP;
    mb1()->mmap_length = 28 + 24;
    memcpy(at(MB1_MMAP), &a, sizeof(a));
    memcpy(at(MB1_MMAP + 28), &b, sizeof(b));
    assert_int_equal(mb1_run(), 0);
    assert_int_equal(bi.e820.nr, 2);
    assert_int_equal(bi.e820.entry[1].addr, 0x100000);
}

static void a_linear_framebuffer_is_described(void **state)
{
    mb1_ram();
    mb1()->flags |= MB1_INFO_FRAMEBUFFER;
    mb1()->framebuffer_addr = 0xfd000000;
    mb1()->framebuffer_pitch = 4096;
    mb1()->framebuffer_width = 1024;
    mb1()->framebuffer_height = 768;
    mb1()->framebuffer_bpp = 32;
    mb1()->framebuffer_type = MB_FRAMEBUFFER_RGB;
    mb1()->red_pos = 16;
    mb1()->blue_size = 8;
    assert_int_equal(mb1_run(), 0);
    assert_true(bi.fb.present);
    assert_int_equal(bi.fb.base, 0xfd000000);
    assert_int_equal(bi.fb.red_pos, 16);
    assert_int_equal(bi.fb.blue_size, 8);
    assert_false(bi.text_mode);
}

static void ega_text_is_text_mode(void **state)
{
    mb1_ram();
    mb1()->flags |= MB1_INFO_FRAMEBUFFER;
    mb1()->framebuffer_type = MB_FRAMEBUFFER_TEXT;
    assert_int_equal(mb1_run(), 0);
    assert_false(bi.fb.present);
    assert_true(bi.text_mode);
}

static void a_missing_memory_map_is_refused(void **state)
{
    mb1_cmdline("torii");
    refused(mb1_run(), -XEN_EINVAL, "no memory map");
}

static void a_map_without_ram_is_refused(void **state)
{
    mb1_range(0xf0000, 0x10000, 2);
    refused(mb1_run(), -XEN_EINVAL, "no RAM");
}

static void a_memory_map_cut_inside_an_entry_is_refused(void **state)
{
    mb1_ram();
    mb1()->mmap_length -= 4;
    refused(mb1_run(), -XEN_EINVAL, "ends inside an entry");
}

static void a_memory_map_entry_of_wrong_size_is_refused(void **state)
{
    mb1_ram();
    memset(at(MB1_MMAP), 0, 4);
    refused(mb1_run(), -XEN_EINVAL, "has size 0");
    memset(at(MB1_MMAP), 0xff, 4);
    refused(mb1_run(), -XEN_EINVAL, "has size");
}

static void an_absurd_memory_map_length_is_refused(void **state)
{
    mb1_ram();
    mb1()->mmap_length = 0xfffffff0;
    refused(mb1_run(), -XEN_EINVAL, "memory map of");
}

static void overlapping_modules_are_refused(void **state)
{
    mb1_module(0x200000, 0x300000, "a");
    mb1_module(0x2fffff, 0x310000, "b");
    mb1_ram();
    refused(mb1_run(), -XEN_EINVAL, "modules 0 and 1 overlap at 0x2fffff");
}

static void touching_modules_do_not_overlap(void **state)
{
    mb1_module(0x200000, 0x300000, "a");
    mb1_module(0x300000, 0x310000, "b");
    mb1_module(0x100000, 0x200000, "c");
    mb1_ram();
    assert_int_equal(mb1_run(), 0);
    assert_int_equal(bi.nr_modules, 3);
}

static void a_module_outside_ram_is_refused(void **state)
{
    mb1_module(0x7fd0000, 0x7ff0000, "a");
    mb1_ram();
    refused(mb1_run(), -XEN_EINVAL, "module 0 (0x7fd0000-0x7ff0000) is not in RAM");
}

static void a_module_across_two_touching_ram_ranges_is_in_ram(void **state)
{
    mb1_module(0x180000, 0x280000, "a");
    mb1_range(0x200000, 0x100000, 1);
    mb1_range(0x100000, 0x100000, 1);
    assert_int_equal(mb1_run(), 0);
    assert_int_equal(bi.module[0].size, 0x100000);
}

static void an_empty_or_reversed_module_is_refused(void **state)
{
    mb1_module(0x200000, 0x200000, "a");
    mb1_ram();
    refused(mb1_run(), -XEN_EINVAL, "module 0 is empty");
    reset(NULL);
    mb1_module(0x300000, 0x200000, "a");
    mb1_ram();
    refused(mb1_run(), -XEN_EINVAL, "module 0 is empty");
}

static void too_many_modules_are_refused(void **state)
{
    mb1_ram();
    for (unsigned i = 0; i <= BOOT_MODULES_MAX; i++)
        mb1_module(0x200000 + i * 0x1000, 0x201000 + i * 0x1000, NULL);
    refused(mb1_run(), -XEN_E2BIG, "9 modules");
}

static void a_module_list_out_of_reach_is_refused(void **state)
{
    mb1_ram();
    mb1()->flags |= MB1_INFO_MODULES;
    mb1()->mods_count = 1;
    mb1()->mods_addr = 0xfffffff8;
    refused(mb1_run(), -XEN_EFAULT, "module list");
}

static void a_string_out_of_reach_is_refused(void **state)
{
    mb1_ram();
    mb1()->flags |= MB1_INFO_CMDLINE;
    mb1()->cmdline = 0x40;
    refused(mb1_run(), -XEN_EFAULT, "out of reach");
}

static void information_out_of_reach_is_refused(void **state)
{
    refused(multiboot_parse(MB1_BOOT_MAGIC, MEM + MEM_BYTES - 8, map_memory, &bi, &why), -XEN_EFAULT, "out of reach");
    refused(multiboot_parse(MB2_BOOT_MAGIC, MEM + MEM_BYTES - 4, map_memory, &bi, &why), -XEN_EFAULT, "out of reach");
}

static void an_unknown_magic_is_refused(void **state)
{
    refused(multiboot_parse(0x12345678, MB1_INFO, map_memory, &bi, &why), -XEN_EINVAL, "0x12345678");
}

static void a_long_command_line_is_cut_and_terminated(void **state)
{
    char *s;

    mb1_ram();
    mb1()->flags |= MB1_INFO_CMDLINE;
    mb1()->cmdline = MB1_STR;
    s = at(MB1_STR);
    memset(s, 'x', 4 * BOOT_CMDLINE_MAX);
    s[5] = ' ';
    assert_int_equal(mb1_run(), 0);
    assert_int_equal(strlen(bi.cmdline), BOOT_CMDLINE_MAX - 1);
}

static void a_range_that_wraps_is_dropped(void **state)
{
    mb1_ram();
    mb1_range(0xfffffffffffff000, 0x2000, 1);
    mb1_range(0x200000000, 0, 1);
    assert_int_equal(mb1_run(), 0);
    assert_int_equal(bi.e820.entry[bi.e820.nr - 1].addr, 0x7fe0000);
}

/* --- Multiboot 2 --- */

static u32 mb2_bytes;

static void mb2_begin(void)
{
    mb2_bytes = sizeof(struct mb2_info);
}

static void *mb2_tag(u32 type, const void *body, u32 bytes)
{
    struct mb2_tag t = {type, sizeof(t) + bytes};
    u8 *p = at(MEM + mb2_bytes);

    memcpy(p, &t, sizeof(t));
    if (body)
        memcpy(p + sizeof(t), body, bytes);
    mb2_bytes += ALIGN_UP(t.size, 8u);
    return p;
}

static void mb2_text(u32 type, const char *s)
{
    mb2_tag(type, s, strlen(s) + 1);
}

static void mb2_module(u32 start, u32 end, const char *cmdline)
{
    u8 body[256];

    memcpy(body, &start, 4);
    memcpy(body + 4, &end, 4);
    strcpy((char *)body + 8, cmdline);
    mb2_tag(MB2_TAG_MODULE, body, 8 + strlen(cmdline) + 1);
}

static void mb2_ram(void)
{
    struct {
        u32 size, version;
        struct mb2_mmap_entry e[3];
    } packed body = {24, 0, {{0, 0xa0000, 1, 0}, {0x100000, 0x7f00000, 1, 0}, {0xfffc0000, 0x40000, 2, 0}}};

    mb2_tag(MB2_TAG_MMAP, &body, sizeof(body));
}

static void mb2_efi_map(const struct efi_memory_descriptor *d, unsigned nr, u32 step)
{
    u8 body[4096] = {0};
    u32 version = 1;

    memcpy(body, &step, 4);
    memcpy(body + 4, &version, 4);
    for (unsigned i = 0; i < nr; i++)
        memcpy(body + 8 + i * step, &d[i], sizeof(d[i]));
    mb2_tag(MB2_TAG_EFI_MMAP, body, 8 + nr * step);
}

static int mb2_run(void)
{
    struct mb2_info info;

    mb2_tag(MB2_TAG_END, NULL, 0);
    info = (struct mb2_info){mb2_bytes, 0};
    memcpy(at(MEM), &info, sizeof(info));
    return multiboot_parse(MB2_BOOT_MAGIC, MEM, map_memory, &bi, &why);
}

static void grub_passes_everything_by_tags(void **state)
{
    u64 st = 0x7e8d018;
    u32 base = 0x400000;
    u8 fb[30] = {0};

    mb2_begin();
    mb2_text(MB2_TAG_CMDLINE, "console=com1 com1=115200");
    mb2_text(MB2_TAG_LOADER, "GRUB 2.06");
    mb2_module(0x1000000, 0x1800000, "root=/dev/vda1 ro");
    mb2_module(0x2000000, 0x3000000, "");
    mb2_ram();
    memcpy(fb, &(u64){0x80000000}, 8);
    memcpy(fb + 8, &(u32){3200}, 4);
    memcpy(fb + 12, &(u32){800}, 4);
    memcpy(fb + 16, &(u32){600}, 4);
    fb[20] = 32;
    fb[21] = MB_FRAMEBUFFER_RGB;
    fb[24] = 16;
    fb[25] = 8;
    mb2_tag(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb));
    mb2_tag(MB2_TAG_EFI64, &st, sizeof(st));
    mb2_tag(MB2_TAG_LOAD_BASE, &base, sizeof(base));
    mb2_tag(4, "abcdefg", 8);
    mb2_tag(9999, NULL, 0);
    assert_int_equal(mb2_run(), 0);
    assert_string_equal(bi.protocol, "Multiboot 2");
    assert_string_equal(bi.loader, "GRUB 2.06");
    assert_string_equal(bi.cmdline, "console=com1 com1=115200");
    assert_int_equal(bi.nr_modules, 2);
    assert_string_equal(bi.module[0].cmdline, "root=/dev/vda1 ro");
    assert_string_equal(bi.module[1].cmdline, "");
    assert_true(bi.efi);
    assert_int_equal(bi.efi_system_table, st);
    assert_true(bi.fb.present);
    assert_int_equal(bi.fb.pitch, 3200);
    assert_int_equal(bi.fb.red_pos, 16);
    assert_int_equal(bi.load_base, base);
    assert_int_equal(bi.loader_info, MEM);
    assert_int_equal(bi.loader_info_size, mb2_bytes);
    assert_false(bi.text_mode);
}

static void a_bios_without_framebuffer_tag_is_in_text_mode(void **state)
{
    mb2_begin();
    mb2_ram();
    assert_int_equal(mb2_run(), 0);
    assert_true(bi.text_mode);
    assert_false(bi.efi);
}

static void the_new_rsdp_wins_over_the_old_in_either_order(void **state)
{
    for (unsigned order = 0; order < 2; order++) {
        u8 old[20], new[36];

        reset(NULL);
        memset(old, 1, sizeof(old));
        memset(new, 2, sizeof(new));
        mb2_begin();
        mb2_ram();
        if (order)
            mb2_tag(MB2_TAG_ACPI_NEW, new, sizeof(new));
        mb2_tag(MB2_TAG_ACPI_OLD, old, sizeof(old));
        if (!order)
            mb2_tag(MB2_TAG_ACPI_NEW, new, sizeof(new));
        assert_int_equal(mb2_run(), 0);
        assert_true(bi.rsdp_copied);
        assert_memory_equal(bi.rsdp_copy, new, sizeof(new));
    }
}

static void an_old_rsdp_alone_is_copied_and_padded(void **state)
{
    u8 old[20], zero[16] = {0};

    memset(old, 1, sizeof(old));
    mb2_begin();
    mb2_ram();
    mb2_tag(MB2_TAG_ACPI_OLD, old, sizeof(old));
    assert_int_equal(mb2_run(), 0);
    assert_memory_equal(bi.rsdp_copy, old, sizeof(old));
    assert_memory_equal(bi.rsdp_copy + 20, zero, sizeof(zero));
}

static const struct efi_memory_descriptor efi_map[] = {
    {EFI_BS_CODE, 0, 0, 0, 0xa0, EFI_MEMORY_WB},
    {EFI_CONVENTIONAL, 0, 0x100000, 0, 0x700, EFI_MEMORY_WB},
    {EFI_ACPI_NVS, 0, 0x800000, 0, 8, EFI_MEMORY_WB},
    {EFI_LOADER_CODE, 0, 0x808000, 0, 0x3f8, EFI_MEMORY_WB},
    {EFI_LOADER_DATA, 0, 0xc00000, 0, 0x400, EFI_MEMORY_WB},
    {EFI_RT_DATA, 0, 0x1000000, 0, 0x10, EFI_MEMORY_WB | EFI_MEMORY_RUNTIME},
    {EFI_ACPI_RECLAIM, 0, 0x1010000, 0, 0x10, EFI_MEMORY_WB},
    {EFI_UNUSABLE, 0, 0x1020000, 0, 0x10, EFI_MEMORY_WB},
    {EFI_CONVENTIONAL, 0, 0x1030000, 0, 0x10, EFI_MEMORY_WB | EFI_MEMORY_SP},
    {EFI_CONVENTIONAL, 0, 0x1040000, 0, 0x10, 0},
    {EFI_PERSISTENT, 0, 0x1050000, 0, 0x10, EFI_MEMORY_WB},
    {EFI_MMIO, 0, 0xfec00000, 0, 1, EFI_MEMORY_RUNTIME},
};

static void the_efi_memory_map_is_preferred_and_typed(void **state)
{
    static const struct e820_entry want[] = {
        {0, 0xa0000, E820_RAM},
        {0x100000, 0x700000, E820_RAM},
        {0x800000, 0x8000, E820_NVS},
        {0x808000, 0x7f8000, E820_RAM},
        {0x1000000, 0x10000, E820_RESERVED},
        {0x1010000, 0x10000, E820_ACPI},
        {0x1020000, 0x10000, E820_UNUSABLE},
        {0x1030000, 0x30000, E820_RESERVED},
        {0xfec00000, 0x1000, E820_RESERVED},
    };

    mb2_begin();
    mb2_ram();
    mb2_efi_map(efi_map, ARRAY_SIZE(efi_map), 48);
    mb2_module(0x900000, 0xa00000, "in loader memory");
    assert_int_equal(mb2_run(), 0);
    assert_int_equal(bi.e820.nr, ARRAY_SIZE(want));
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        assert_int_equal(bi.e820.entry[i].addr, want[i].addr);
        assert_int_equal(bi.e820.entry[i].size, want[i].size);
        assert_int_equal(bi.e820.entry[i].type, want[i].type);
    }
    assert_int_equal(bi.efi_desc_size, 48);
    assert_int_equal(bi.efi_desc_version, 1);
    assert_int_equal(bi.efi_memmap_size, 48 * ARRAY_SIZE(efi_map));
    assert_memory_equal(at(bi.efi_memmap), efi_map, sizeof(efi_map[0]));
}

static void a_broken_efi_map_falls_back_on_the_loaders(void **state)
{
    mb2_begin();
    mb2_efi_map(efi_map, ARRAY_SIZE(efi_map), 48);
    memset(at(MEM + 8 + 8), 0, 4); /* descriptor size 0 */
    mb2_ram();
    assert_int_equal(mb2_run(), 0);
    assert_int_equal(bi.e820.nr, 3);
    assert_int_equal(bi.e820.entry[1].size, 0x7f00000);
}

static void a_broken_efi_map_alone_is_refused(void **state)
{
    struct efi_memory_descriptor huge = {EFI_CONVENTIONAL, 0, 0, 0, ~0ull, EFI_MEMORY_WB};

    mb2_begin();
    mb2_efi_map(&huge, 1, 48);
    refused(mb2_run(), -XEN_EINVAL, "EFI memory descriptor");
    mb2_begin();
    mb2_efi_map(&efi_map[2], 1, 48);
    refused(mb2_run(), -XEN_EINVAL, "no RAM");
    mb2_begin();
    mb2_efi_map(&efi_map[2], 1, 36);
    refused(mb2_run(), -XEN_EINVAL, "36 bytes");
}

static void more_ranges_than_fit_are_refused(void **state)
{
    static u8 body[8 + 300 * 24];
    u32 step = 24;

    memcpy(body, &step, 4);
    for (unsigned i = 0; i < 300; i++) {
        struct mb2_mmap_entry e = {i * 0x2000ull, 0x1000, 1, 0};

        memcpy(body + 8 + i * 24, &e, sizeof(e));
    }
    mb2_begin();
    mb2_tag(MB2_TAG_MMAP, body, sizeof(body));
    refused(mb2_run(), -XEN_E2BIG, "more than 256 ranges");
}

static void touching_ranges_are_joined_before_they_are_counted(void **state)
{
    static u8 body[8 + 300 * 24];
    u32 step = 24;

    memcpy(body, &step, 4);
    for (unsigned i = 0; i < 300; i++) {
        struct mb2_mmap_entry e = {i * 0x1000ull, 0x1000, 1, 0};

        memcpy(body + 8 + i * 24, &e, sizeof(e));
    }
    mb2_begin();
    mb2_tag(MB2_TAG_MMAP, body, sizeof(body));
    assert_int_equal(mb2_run(), 0);
    assert_int_equal(bi.e820.nr, 1);
    assert_int_equal(bi.e820.entry[0].size, 300 * 0x1000);
}

static void running_boot_services_are_refused(void **state)
{
    mb2_begin();
    mb2_ram();
    mb2_tag(MB2_TAG_EFI_BS, NULL, 0);
    refused(mb2_run(), -XEN_EOPNOTSUPP, "boot services");
}

static void a_tag_past_the_end_is_refused(void **state)
{
    struct mb2_tag *t;

    mb2_begin();
    mb2_ram();
    t = mb2_tag(MB2_TAG_CMDLINE, "x", 2);
    t->size = 0x10000;
    refused(mb2_run(), -XEN_EINVAL, "tag 1 at offset");
}

static void a_tag_shorter_than_its_head_is_refused(void **state)
{
    struct mb2_tag *t;

    mb2_begin();
    t = mb2_tag(MB2_TAG_CMDLINE, "x", 2);
    t->size = 0;
    refused(mb2_run(), -XEN_EINVAL, "has 0 bytes");
}

static void every_tag_type_is_refused_when_too_short(void **state)
{
    static const u32 types[] = {MB2_TAG_MODULE,   MB2_TAG_MMAP,     MB2_TAG_FRAMEBUFFER, MB2_TAG_EFI64,
                                MB2_TAG_ACPI_OLD, MB2_TAG_ACPI_NEW, MB2_TAG_EFI_MMAP,    MB2_TAG_LOAD_BASE};

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        mb2_begin();
        mb2_tag(types[i], "ab", 2);
        refused(mb2_run(), -XEN_EINVAL, "too short");
    }
}

static void an_rgb_framebuffer_without_colours_is_refused(void **state)
{
    u8 fb[24] = {0};

    fb[21] = MB_FRAMEBUFFER_RGB;
    mb2_begin();
    mb2_ram();
    mb2_tag(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb));
    refused(mb2_run(), -XEN_EINVAL, "too short");
    fb[21] = MB_FRAMEBUFFER_TEXT;
    mb2_begin();
    mb2_ram();
    mb2_tag(MB2_TAG_FRAMEBUFFER, fb, sizeof(fb));
    assert_int_equal(mb2_run(), 0);
    assert_true(bi.text_mode);
}

static void a_missing_end_tag_is_refused(void **state)
{
    struct mb2_info info;

    mb2_begin();
    mb2_ram();
    info = (struct mb2_info){mb2_bytes, 0};
    memcpy(at(MEM), &info, sizeof(info));
    refused(multiboot_parse(MB2_BOOT_MAGIC, MEM, map_memory, &bi, &why), -XEN_EINVAL, "no end tag");
    info.total_size = 4;
    memcpy(at(MEM), &info, sizeof(info));
    refused(multiboot_parse(MB2_BOOT_MAGIC, MEM, map_memory, &bi, &why), -XEN_EINVAL, "information of 4 bytes");
}

static void a_command_line_tag_without_terminator_ends_with_the_tag(void **state)
{
    mb2_begin();
    mb2_tag(MB2_TAG_CMDLINE, "abcdefgh", 8);
    mb2_ram();
    assert_int_equal(mb2_run(), 0);
    assert_string_equal(bi.cmdline, "abcdefgh");
}

static void no_map_tag_at_all_is_refused(void **state)
{
    mb2_begin();
    mb2_text(MB2_TAG_CMDLINE, "x");
    refused(mb2_run(), -XEN_EINVAL, "no memory map");
}

static void no_byte_past_a_mapping_is_read(void **state)
{
    mb1_loader("qemu");
    mb1_cmdline("torii a b c");
    mb1_ram();
    assert_int_equal(multiboot_parse(MB1_BOOT_MAGIC, MB1_INFO, map_exact, &bi, &why), 0);
    assert_string_equal(bi.cmdline, "a b c");
}

#define T(f) cmocka_unit_test_setup_teardown(f, reset, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(qemu_command_lines_lose_their_file_names),
        T(grub_2_command_lines_are_kept_whole),
        T(grub_legacy_command_lines_lose_their_paths),
        T(the_memory_map_comes_out_sorted_and_typed),
        T(larger_memory_map_entries_are_stepped_over_by_their_size),
        T(a_linear_framebuffer_is_described),
        T(ega_text_is_text_mode),
        T(a_missing_memory_map_is_refused),
        T(a_map_without_ram_is_refused),
        T(a_memory_map_cut_inside_an_entry_is_refused),
        T(a_memory_map_entry_of_wrong_size_is_refused),
        T(an_absurd_memory_map_length_is_refused),
        T(overlapping_modules_are_refused),
        T(touching_modules_do_not_overlap),
        T(a_module_outside_ram_is_refused),
        T(a_module_across_two_touching_ram_ranges_is_in_ram),
        T(an_empty_or_reversed_module_is_refused),
        T(too_many_modules_are_refused),
        T(a_module_list_out_of_reach_is_refused),
        T(a_string_out_of_reach_is_refused),
        T(information_out_of_reach_is_refused),
        T(an_unknown_magic_is_refused),
        T(a_long_command_line_is_cut_and_terminated),
        T(a_range_that_wraps_is_dropped),
        T(grub_passes_everything_by_tags),
        T(a_bios_without_framebuffer_tag_is_in_text_mode),
        T(the_new_rsdp_wins_over_the_old_in_either_order),
        T(an_old_rsdp_alone_is_copied_and_padded),
        T(the_efi_memory_map_is_preferred_and_typed),
        T(a_broken_efi_map_falls_back_on_the_loaders),
        T(a_broken_efi_map_alone_is_refused),
        T(more_ranges_than_fit_are_refused),
        T(touching_ranges_are_joined_before_they_are_counted),
        T(running_boot_services_are_refused),
        T(a_tag_past_the_end_is_refused),
        T(a_tag_shorter_than_its_head_is_refused),
        T(every_tag_type_is_refused_when_too_short),
        T(an_rgb_framebuffer_without_colours_is_refused),
        T(a_missing_end_tag_is_refused),
        T(a_command_line_tag_without_terminator_ends_with_the_tag),
        T(no_map_tag_at_all_is_refused),
        T(no_byte_past_a_mapping_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
