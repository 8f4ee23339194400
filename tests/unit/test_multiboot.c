/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/boot/multiboot.c src/boot/multiboot1.c src/boot/multiboot2.c src/core/e820.c src/core/refusal.c */
/* Multiboot 1: what loaders pass, and each kind of bad information. */
#include "multiboot_world.h"

/* --- Multiboot 1 --- */
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
