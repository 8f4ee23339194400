/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/start_info.c src/core/e820.c src/core/refusal.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <torii/dom0_layout.h>
#include <torii/errno.h>

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#define M (1ull << 20)
#define G (1ull << 30)

static struct e820 map;
static struct elf_image kernel;
static struct dom0_request req;
static struct dom0_layout at;
static struct refusal why;

/* Debian's 6.1 kernel on a PC of 4 GiB with an initrd of 30 MiB. */
static int setup(void **state)
{
    map = (struct e820){.nr = 3, .entry = {{0, 0x9f000, E820_RAM}, {M, 2 * G, E820_RAM}, {4 * G, 2 * G, E820_RAM}}};
    kernel = (struct elf_image){.start = 16 * M, .end = 74 * M, .entry = 16 * M + 0x850};
    req = (struct dom0_request){.map = &map,
                                .kernel = &kernel,
                                .has_initrd = true,
                                .initrd_bytes = 30 * M + 1,
                                .cmdline = "console=hvc0",
                                .initrd_cmdline = "initrd.img",
                                .rsdp = 0x7fff0000};
    return 0;
}

static void relocatable(void)
{
    kernel.relocatable = true;
    kernel.align = 0x200000;
    kernel.reloc_min = 16 * M;
    kernel.reloc_max = G - 1;
}

static bool in_ram(gpa_t start, u64 bytes)
{
    return start >= M && e820_covers(&map, start, start + bytes, E820_RAM);
}

/* What holds for every layout. */
static void expect_sound(void)
{
    u64 initrd_end = at.initrd + req.initrd_bytes;
    u64 map_bytes = map.nr * sizeof(struct hvm_memmap_table_entry);
    gpa_t small_end = at.start_info + PAGE_SIZE + 4 * M - PAGE_SIZE;

    assert_true(in_ram(at.kernel, at.kernel_end - at.kernel));
    assert_true(at.kernel <= kernel.start + at.delta && at.kernel_end >= kernel.end + at.delta);
    assert_true(at.entry == kernel.entry + at.delta);
    assert_true(in_ram(at.cmdline, small_end - at.cmdline));
    assert_true(at.cmdline + strlen(req.cmdline) < at.initrd_cmdline);
    assert_true(at.initrd_cmdline + strlen(req.initrd_cmdline) < at.modlist);
    assert_true(at.modlist + sizeof(struct hvm_modlist_entry) <= at.memmap);
    assert_true(at.memmap + map_bytes <= at.start_info);
    assert_int_equal(at.start_info % PAGE_SIZE, 0);
    assert_int_equal((at.modlist | at.memmap) % 8, 0);
    assert_true(small_end <= G);
    assert_true(small_end <= at.kernel || at.cmdline >= at.kernel_end);
    if (!req.has_initrd)
        return;
    assert_int_equal(at.initrd % PAGE_SIZE, 0);
    assert_true(in_ram(at.initrd, req.initrd_bytes) && initrd_end <= 4 * G);
    assert_true(initrd_end <= at.kernel || at.initrd >= at.kernel_end);
    assert_true(initrd_end <= at.cmdline || at.initrd >= small_end);
}

static void objects_follow_the_kernel_in_order(void **state)
{
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.delta, 0);
    assert_int_equal(at.kernel, 16 * M);
    assert_int_equal(at.initrd, 74 * M);
    assert_true(at.cmdline > at.initrd && at.start_info < 106 * M);
}

static void without_an_initrd_start_info_is_still_last(void **state)
{
    req.has_initrd = false;
    req.initrd_bytes = 0;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.initrd, 0);
    assert_true(at.cmdline >= at.kernel_end);
}

static void an_empty_initrd_is_passed_on(void **state)
{
    req.initrd_bytes = 0;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    assert_true(at.initrd >= at.kernel_end && at.cmdline > at.initrd);
}

static void objects_keep_clear_of_what_must_be_avoided(void **state)
{
    struct paddr_range avoid[] = {{74 * M, 5 * M}, {300 * M, 40 * M}, {109 * M + 5, 60 * M}, {79 * M, 1}};

    req.avoid = avoid;
    req.nr_avoid = ARRAY_SIZE(avoid);
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.initrd, 169 * M + PAGE_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(avoid); i++) {
        u64 end = avoid[i].start + avoid[i].size;

        assert_true(at.initrd + req.initrd_bytes <= avoid[i].start || at.initrd >= end);
        assert_true(at.start_info + PAGE_SIZE <= avoid[i].start || at.cmdline >= end);
    }
}

static void holes_behind_the_kernel_are_skipped(void **state)
{
    map = (struct e820){.nr = 5,
                        .entry = {{M, 80 * M, E820_RAM},
                                  {81 * M, M, E820_NVS},
                                  {82 * M, 20 * M, E820_RAM},
                                  {200 * M, 40 * M, E820_RAM},
                                  {240 * M, M, E820_UNUSABLE}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.initrd, 200 * M);
}

static void an_initrd_too_large_for_the_boot_map_goes_above_it(void **state)
{
    req.initrd_bytes = 1000 * M;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_true(at.cmdline >= at.kernel_end && at.initrd > at.start_info);
}

static void ram_below_the_kernel_is_used_when_none_is_behind(void **state)
{
    map = (struct e820){.nr = 2, .entry = {{M, 74 * M, E820_RAM}, {2 * G, G, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_true(at.start_info < at.kernel);
    assert_int_equal(at.initrd, 2 * G);
}

static void a_small_machine_is_enough_if_all_fits_exactly(void **state)
{
    u64 end = 74 * M + 30 * M + PAGE_SIZE + 2 * PAGE_SIZE + 4 * M;

    map = (struct e820){.nr = 1, .entry = {{16 * M, end - 16 * M, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    map.entry[0].size -= PAGE_SIZE;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), -XEN_ENOMEM);
    assert_non_null(strstr(why.line, "for the initrd"));
    assert_non_null(strstr(why.line, "below 4 GiB"));
    map.entry[0].size = 59 * M;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), -XEN_ENOMEM);
    assert_non_null(strstr(why.line, "for hvm_start_info"));
}

static void a_blocked_kernel_names_what_blocks_it(void **state)
{
    map = (struct e820){.nr = 3,
                        .entry = {{M, 31 * M, E820_RAM}, {32 * M, 0x8000, E820_NVS}, {32 * M + 0x8000, G, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), -XEN_ENOMEM);
    assert_string_equal(why.line,
                        "no RAM at 0x1000000-0x49fffff wanted by the kernel: 0x2000000-0x2007fff is ACPI NVS");
    map = (struct e820){.nr = 1, .entry = {{M, 40 * M, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), -XEN_ENOMEM);
    assert_string_equal(why.line, "no RAM at 0x1000000-0x49fffff wanted by the kernel: nothing is at 0x2900000");
    map.entry[0].addr = 0;
    kernel.start = 0x10000;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), -XEN_ENOMEM);
    assert_non_null(strstr(why.line, "below 1 MiB"));
}

static void a_relocatable_kernel_moves_out_of_the_way(void **state)
{
    relocatable();
    map = (struct e820){.nr = 3,
                        .entry = {{M, 31 * M, E820_RAM}, {32 * M, 0x8000, E820_NVS}, {32 * M + 0x8000, G, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.delta, 18 * M);
    assert_int_equal(at.entry, 34 * M + 0x850);
}

static void a_relocatable_kernel_keeps_its_place_within_the_alignment(void **state)
{
    relocatable();
    kernel.start = 16 * M + 0x1000;
    map = (struct e820){.nr = 1, .entry = {{100 * M, 500 * M, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.kernel, 100 * M + 0x1000);
    assert_int_equal(at.delta % kernel.align, 0);
}

static void a_relocatable_kernel_moves_down_too(void **state)
{
    relocatable();
    kernel.start += 512 * M;
    kernel.end += 512 * M;
    kernel.entry += 512 * M;
    map = (struct e820){.nr = 1, .entry = {{M, 255 * M, E820_RAM}}};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    assert_int_equal(at.kernel, 16 * M);
    assert_true(at.delta == -(512 * M));
}

static void relocation_stays_within_the_notes_limits(void **state)
{
    relocatable();
    map = (struct e820){.nr = 1, .entry = {{900 * M, G, E820_RAM}}};
    kernel.reloc_max = 950 * M;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), -XEN_ENOMEM);
    assert_non_null(strstr(why.line, "nothing is at 0x1000000, and there is no other place"));
    kernel.reloc_max = 958 * M - 1;
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    assert_int_equal(at.kernel, 900 * M);
}

/* --- the bytes --- */

static u8 memory[64 * 1024];
static gpa_t memory_at;
static unsigned calls_left;

static int to_memory(void *ctx, gpa_t gpa, const void *src, size_t bytes)
{
    if (!calls_left--)
        return -XEN_EFAULT;
    assert_true(gpa >= memory_at && gpa - memory_at + bytes <= sizeof(memory));
    memcpy(memory + gpa - memory_at, src, bytes);
    return 0;
}

static const struct gpa_sink sink = {.copy = to_memory};

static void start_info_tells_where_everything_is(void **state)
{
    struct hvm_start_info info;
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry entry;

    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    memset(memory, 0xee, sizeof(memory));
    memory_at = at.cmdline;
    calls_left = ~0u;
    assert_int_equal(dom0_start_info_write(&req, &at, &sink), 0);
    memcpy(&info, memory + at.start_info - memory_at, sizeof(info));
    assert_int_equal(info.magic, XEN_HVM_START_MAGIC_VALUE);
    assert_int_equal(info.version, 1);
    assert_int_equal(info.flags, SIF_PRIVILEGED | SIF_INITDOMAIN);
    assert_int_equal(info.nr_modules, 1);
    assert_int_equal(info.modlist_paddr, at.modlist);
    assert_int_equal(info.rsdp_paddr, 0x7fff0000);
    assert_int_equal(info.memmap_entries, map.nr);
    assert_int_equal(info.reserved, 0);
    assert_string_equal((char *)memory + info.cmdline_paddr - memory_at, "console=hvc0");
    memcpy(&module, memory + info.modlist_paddr - memory_at, sizeof(module));
    assert_int_equal(module.paddr, at.initrd);
    assert_int_equal(module.size, req.initrd_bytes);
    assert_int_equal(module.reserved, 0);
    assert_string_equal((char *)memory + module.cmdline_paddr - memory_at, "initrd.img");
    for (unsigned i = 0; i < map.nr; i++) {
        memcpy(&entry, memory + info.memmap_paddr - memory_at + i * sizeof(entry), sizeof(entry));
        assert_true(entry.addr == map.entry[i].addr && entry.size == map.entry[i].size);
        assert_int_equal(entry.type, map.entry[i].type);
        assert_int_equal(entry.reserved, 0);
    }
}

static void no_module_is_announced_without_an_initrd(void **state)
{
    struct hvm_start_info info;

    req.has_initrd = false;
    req.cmdline = req.initrd_cmdline = "";
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    memory_at = at.cmdline;
    calls_left = ~0u;
    assert_int_equal(dom0_start_info_write(&req, &at, &sink), 0);
    memcpy(&info, memory + at.start_info - memory_at, sizeof(info));
    assert_int_equal(info.nr_modules, 0);
    assert_int_equal(info.modlist_paddr, 0);
    assert_int_equal(memory[info.cmdline_paddr - memory_at], 0);
}

static void the_largest_map_and_command_line_fit(void **state)
{
    static char line[4096];

    memset(line, 'x', sizeof(line) - 1);
    req.cmdline = req.initrd_cmdline = line;
    for (map.nr = 2; map.nr < DOM0_MEMMAP_MAX; map.nr++)
        map.entry[map.nr] = (struct e820_entry){(4 + map.nr) * G, M, E820_RAM};
    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    expect_sound();
    memory_at = at.cmdline;
    calls_left = ~0u;
    assert_int_equal(dom0_start_info_write(&req, &at, &sink), 0);
}

static void every_failing_write_is_passed_on(void **state)
{
    unsigned writes = 4 + map.nr;

    assert_int_equal(dom0_layout_plan(&req, &at, &why), 0);
    memory_at = at.cmdline;
    for (unsigned n = 0; n <= writes; n++) {
        calls_left = n;
        assert_int_equal(dom0_start_info_write(&req, &at, &sink), n < writes ? -XEN_EFAULT : 0);
    }
}

static void random_machines_get_sound_layouts_or_a_reason(void **state)
{
    unsigned planned = 0, refusals = 0;

    srand(2);
    for (int round = 0; round < 3000; round++) {
        u64 a = 0;

        setup(NULL);
        if (rand() % 2)
            relocatable();
        req.initrd_bytes = (u64)rand() % (200 * M);
        kernel.end = kernel.start + (1 + rand() % 80) * M - rand() % 4096;
        for (map.nr = 0; map.nr < 6; map.nr++) {
            u64 size = (1 + rand() % 60000) * PAGE_SIZE;

            a += (rand() % 3) * M;
            map.entry[map.nr] = (struct e820_entry){a, size, rand() % 4 ? E820_RAM : E820_RESERVED};
            a += size;
        }
        assert_int_equal(e820_sanitize(&map), 0);
        if (dom0_layout_plan(&req, &at, &why)) {
            refusals++;
            assert_true(why.line[0]);
        } else {
            planned++;
            expect_sound();
        }
    }
    assert_true(planned > 300 && refusals > 300);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(objects_follow_the_kernel_in_order),
        TEST(without_an_initrd_start_info_is_still_last),
        TEST(an_empty_initrd_is_passed_on),
        TEST(objects_keep_clear_of_what_must_be_avoided),
        TEST(holes_behind_the_kernel_are_skipped),
        TEST(an_initrd_too_large_for_the_boot_map_goes_above_it),
        TEST(ram_below_the_kernel_is_used_when_none_is_behind),
        TEST(a_small_machine_is_enough_if_all_fits_exactly),
        TEST(a_blocked_kernel_names_what_blocks_it),
        TEST(a_relocatable_kernel_moves_out_of_the_way),
        TEST(a_relocatable_kernel_keeps_its_place_within_the_alignment),
        TEST(a_relocatable_kernel_moves_down_too),
        TEST(relocation_stays_within_the_notes_limits),
        TEST(start_info_tells_where_everything_is),
        TEST(no_module_is_announced_without_an_initrd),
        TEST(the_largest_map_and_command_line_fit),
        TEST(every_failing_write_is_passed_on),
        TEST(random_machines_get_sound_layouts_or_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
