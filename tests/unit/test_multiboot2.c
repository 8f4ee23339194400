/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/boot/multiboot.c src/boot/multiboot1.c src/boot/multiboot2.c src/core/e820.c src/core/refusal.c */
/* Multiboot 2: what loaders pass, and each kind of bad information. */
#include "multiboot_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
