/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/memmap.c src/core/e820.c src/core/cmdline.c src/core/refusal.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <torii/dom0_layout.h>
#include <torii/errno.h>

#define M (1ull << 20)
#define G (1ull << 30)

static struct e820 map;
static struct dom0_memmap m;
static struct refusal why;

static void set_map(unsigned nr, const struct e820_entry *e)
{
    map.nr = nr;
    memcpy(map.entry, e, nr * sizeof(*e));
}
#define MAP(...) \
    set_map(sizeof((struct e820_entry[]){__VA_ARGS__}) / sizeof(struct e820_entry), (struct e820_entry[]){__VA_ARGS__})

static void check_entries(const struct e820 *got, unsigned nr, const struct e820_entry *want)
{
    assert_int_equal(got->nr, nr);
    for (unsigned i = 0; i < nr; i++) {
        assert_true(got->entry[i].addr == want[i].addr);
        assert_true(got->entry[i].size == want[i].size);
        assert_int_equal(got->entry[i].type, want[i].type);
    }
}
#define expect_map(got, ...)                                                                   \
    check_entries(got, sizeof((struct e820_entry[]){__VA_ARGS__}) / sizeof(struct e820_entry), \
                  (struct e820_entry[]){__VA_ARGS__})

/* A PC of 8 GiB, as firmware reports it. */
static void pc_map(void)
{
    MAP({0, 0x9fc00, E820_RAM}, {0x9fc00, 0x400, E820_RESERVED}, {0xf0000, 0x10000, E820_RESERVED},
        {M, 0xbff00000 - M, E820_RAM}, {0xbff00000, 0x80000, E820_ACPI}, {0xbff80000, 0x80000, E820_NVS},
        {0xfec00000, 0x1000, E820_RESERVED}, {4 * G, 5 * G, E820_RAM});
}

/* --- e820 --- */

static void an_unsorted_map_is_sorted_and_joined(void **state)
{
    MAP({4 * G, G, E820_RAM}, {0, 0xa0000, E820_RAM}, {2 * M, M, E820_RAM}, {M, M, E820_RAM});
    assert_int_equal(e820_sanitize(&map), 0);
    expect_map(&map, {0, 0xa0000, E820_RAM}, {M, 2 * M, E820_RAM}, {4 * G, G, E820_RAM});
}

static void the_more_restrictive_type_wins_an_overlap(void **state)
{
    MAP({M, 9 * M, E820_RAM}, {2 * M, M, E820_RESERVED}, {5 * M, 2 * M, E820_ACPI}, {6 * M, 2 * M, E820_UNUSABLE},
        {9 * M, 5 * M, E820_NVS});
    assert_int_equal(e820_sanitize(&map), 0);
    expect_map(&map, {M, M, E820_RAM}, {2 * M, M, E820_RESERVED}, {3 * M, 2 * M, E820_RAM}, {5 * M, M, E820_ACPI},
               {6 * M, 2 * M, E820_UNUSABLE}, {8 * M, M, E820_RAM}, {9 * M, 5 * M, E820_NVS});
}

static void empty_and_wrapping_entries_are_dropped(void **state)
{
    MAP({M, 0, E820_RAM}, {~0ull - 100, 200, E820_RESERVED}, {~0ull, 1, E820_RAM}, {M, M, E820_RAM}, {8 * M, M, 0});
    assert_int_equal(e820_sanitize(&map), 0);
    expect_map(&map, {M, M, E820_RAM}, {8 * M, M, E820_RESERVED});
    map.nr = 0;
    assert_int_equal(e820_sanitize(&map), 0);
    assert_int_equal(map.nr, 0);
}

static void a_map_that_splits_beyond_the_limit_keeps_its_lower_part(void **state)
{
    map.nr = E820_MAX;
    map.entry[0] = (struct e820_entry){0, 4 * G, E820_RAM};
    for (unsigned i = 1; i < E820_MAX; i++)
        map.entry[i] = (struct e820_entry){i * M, 0x1000, E820_RESERVED};
    assert_int_equal(e820_sanitize(&map), -XEN_E2BIG);
    assert_int_equal(map.nr, E820_MAX);
    assert_true(e820_covers(&map, 0, M, E820_RAM));
    assert_true(e820_covers(&map, M, M + 0x1000, E820_RESERVED));
}

static void random_maps_come_out_canonical(void **state)
{
    srand(1);
    for (int round = 0; round < 300; round++) {
        struct e820 in;

        map.nr = rand() % 20;
        for (unsigned i = 0; i < map.nr; i++)
            map.entry[i] = (struct e820_entry){rand() % 64, rand() % 16, rand() % 7};
        in = map;
        assert_int_equal(e820_sanitize(&map), 0);
        for (u64 at = 0; at < 96; at++) {
            const struct e820_entry *e = e820_find(&map, at);
            u32 want = 0;

            for (unsigned i = 0; i < in.nr; i++) {
                u32 type = in.entry[i].type ? in.entry[i].type : E820_RESERVED;

                if (at >= in.entry[i].addr && at < in.entry[i].addr + in.entry[i].size && type > want)
                    want = type;
            }
            assert_int_equal(e ? e->type : 0, want);
        }
        for (unsigned i = 1; i < map.nr; i++) {
            u64 end = map.entry[i - 1].addr + map.entry[i - 1].size;

            assert_true(map.entry[i].size && end <= map.entry[i].addr);
            assert_true(end < map.entry[i].addr || map.entry[i - 1].type != map.entry[i].type);
        }
    }
}

static void setting_a_range_cuts_what_was_there(void **state)
{
    MAP({M, 3 * M, E820_RAM}, {6 * M, 2 * M, E820_RAM});
    assert_int_equal(e820_set(&map, 2 * M, 7 * M, E820_NVS), 0);
    expect_map(&map, {M, M, E820_RAM}, {2 * M, 5 * M, E820_NVS}, {7 * M, M, E820_RAM});
    assert_int_equal(e820_set(&map, 0, M, E820_RAM), 0);
    expect_map(&map, {0, 2 * M, E820_RAM}, {2 * M, 5 * M, E820_NVS}, {7 * M, M, E820_RAM});
    assert_int_equal(e820_set(&map, 10 * M, 11 * M, E820_ACPI), 0);
    assert_int_equal(e820_set(&map, 5 * M, 5 * M, E820_ACPI), 0);
    expect_map(&map, {0, 2 * M, E820_RAM}, {2 * M, 5 * M, E820_NVS}, {7 * M, M, E820_RAM}, {10 * M, M, E820_ACPI});
}

static void converting_leaves_other_types_and_holes_alone(void **state)
{
    MAP({M, M, E820_RAM}, {2 * M, M, E820_NVS}, {3 * M, M, E820_RAM}, {8 * M, M, E820_RAM}, {9 * M, M, E820_NVS});
    assert_int_equal(e820_convert(&map, M + 0x1000, 8 * M + 0x1000, E820_RAM, E820_UNUSABLE), 0);
    expect_map(&map, {M, 0x1000, E820_RAM}, {M + 0x1000, M - 0x1000, E820_UNUSABLE}, {2 * M, M, E820_NVS},
               {3 * M, M, E820_UNUSABLE}, {8 * M, 0x1000, E820_UNUSABLE}, {8 * M + 0x1000, M - 0x1000, E820_RAM},
               {9 * M, M, E820_NVS});
    assert_true(e820_bytes(&map, E820_NVS) == 2 * M);
    assert_false(e820_covers(&map, 2 * M, 3 * M + 1, E820_NVS));
    assert_null(e820_find(&map, 4 * M));
    assert_string_equal(e820_type_name(E820_NVS), "ACPI NVS");
    assert_string_equal(e820_type_name(77), "of unknown type");
}

static void a_full_map_refuses_to_split(void **state)
{
    struct e820 before;

    map.nr = E820_MAX;
    for (unsigned i = 0; i < E820_MAX; i++)
        map.entry[i] = (struct e820_entry){i * M, 0x3000, E820_RAM};
    before = map;
    assert_int_equal(e820_set(&map, 0x1000, 0x2000, E820_NVS), -XEN_E2BIG);
    assert_memory_equal(&map, &before, sizeof(map));
}

/* --- Dom0's map --- */

static void without_limits_dom0_sees_the_machine(void **state)
{
    pc_map();
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 0, &m, &why), 0);
    expect_map(&m.map, {0, 0x9f000, E820_RAM}, {0x9f000, 0x1000, E820_RESERVED}, {0xf0000, 0x10000, E820_RESERVED},
               {M, 0xbff00000 - M, E820_RAM}, {0xbff00000, 0x80000, E820_ACPI}, {0xbff80000, 0x80000, E820_NVS},
               {0xfec00000, 0x1000, E820_RESERVED}, {4 * G, 5 * G, E820_RAM});
    assert_true(m.ram_bytes == 0x9f000 + 0xbff00000 - M + 5 * G);
    assert_int_equal(m.acpi_start, 0);
    assert_int_equal(m.absorbed, 0);
}

static void ram_beyond_the_allotment_is_unusable(void **state)
{
    pc_map();
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, G + 5, 0, &m, &why), 0);
    assert_true(m.ram_bytes == G);
    /* Counted from the bottom, the low 636 KiB included. */
    assert_true(e820_covers(&m.map, M, M + G - 0x9f000, E820_RAM));
    assert_true(e820_covers(&m.map, M + G - 0x9f000, 0xbff00000, E820_UNUSABLE));
    assert_true(e820_covers(&m.map, 0xbff00000, 0xbff80000, E820_ACPI));
    assert_true(e820_covers(&m.map, 4 * G, 9 * G, E820_UNUSABLE));
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 6 * G, 0, &m, &why), 0);
    assert_true(m.ram_bytes == 6 * G);
    assert_true(e820_covers(&m.map, 8 * G, 9 * G, E820_UNUSABLE));
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 600 * G, 0, &m, &why), 0);
    assert_int_equal(e820_bytes(&m.map, E820_UNUSABLE), 0);
}

static void toriis_memory_is_unusable_but_reserved_below_1_mib(void **state)
{
    struct paddr_range torii[] = {{0x200100, 0x4ff00}, {0x8000, 0x1000}, {0xfec00000, 0x1000}, {0x9f000, 0x200000}};

    pc_map();
    assert_int_equal(dom0_memmap_build(&map, torii, 3, 0, 0, &m, &why), 0);
    assert_true(e820_covers(&m.map, 0x200000, 0x250000, E820_UNUSABLE));
    assert_true(e820_covers(&m.map, M, 0x200000, E820_RAM));
    assert_true(e820_covers(&m.map, 0x8000, 0x9000, E820_RESERVED));
    assert_true(e820_covers(&m.map, 0xfec00000, 0xfec01000, E820_RESERVED));
    assert_int_equal(dom0_memmap_build(&map, torii + 3, 1, 0, 0, &m, &why), 0);
    assert_true(e820_covers(&m.map, M, 0x29f000, E820_UNUSABLE));
    assert_null(e820_find(&m.map, 0xb0000));
}

static void acpi_pages_come_from_the_top_of_low_ram(void **state)
{
    struct paddr_range torii = {0xbf000000, 0xf00000};

    pc_map();
    assert_int_equal(dom0_memmap_build(&map, &torii, 1, 0, 16, &m, &why), 0);
    assert_int_equal(m.acpi_start, 0xbeff0000);
    assert_true(e820_covers(&m.map, 0xbeff0000, 0xbf000000, E820_ACPI));
    assert_true(e820_covers(&m.map, 0xbf000000, 0xbff00000, E820_UNUSABLE));
    assert_true(m.ram_bytes == 0x9f000 + 0xbeff0000 - M + 5 * G);
    /* Of the allotment, not beyond it. */
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 512 * M, 16, &m, &why), 0);
    assert_true(m.acpi_start == M + 512 * M - 0x9f000 - 0x10000);
}

static void acpi_pages_are_never_below_1_mib_or_above_4_gib(void **state)
{
    MAP({0, 0xa0000, E820_RAM}, {4 * G, G, E820_RAM});
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 1, &m, &why), -XEN_ENOMEM);
    assert_non_null(strstr(why.line, "no 1 pages"));
    MAP({0, 0xa0000, E820_RAM}, {4 * G - 0x2000, G, E820_RAM});
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 2, &m, &why), 0);
    assert_true(m.acpi_start == 4 * G - 0x2000);
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 3, &m, &why), -XEN_ENOMEM);
}

static void parts_of_pages_are_reserved(void **state)
{
    MAP({0x100800, 0x400, E820_RAM}, {0x200800, 0x2000, E820_RAM}, {0x203800, 0x800, E820_RAM});
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 0, &m, &why), 0);
    expect_map(&m.map, {0x100800, 0x400, E820_RESERVED}, {0x200800, 0x800, E820_RESERVED}, {0x201000, 0x1000, E820_RAM},
               {0x202000, 0x800, E820_RESERVED}, {0x203800, 0x800, E820_RESERVED});
}

static void a_map_with_too_many_entries_gives_up_the_smallest(void **state)
{
    map.nr = 0;
    for (unsigned i = 0; i < 200; i++) {
        map.entry[map.nr++] = (struct e820_entry){M + i * 16 * M, i < 100 ? M + i * 0x1000 : 8 * M, E820_RAM};
    }
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 4, &m, &why), 0);
    assert_int_equal(m.map.nr, DOM0_MEMMAP_MAX);
    assert_int_equal(m.absorbed, 201 - DOM0_MEMMAP_MAX);
    assert_true(m.absorbed_bytes == 75 * M + 74 * 75 / 2 * 0x1000);
    assert_true(e820_covers(&m.map, m.acpi_start, m.acpi_start + 0x4000, E820_ACPI));
    assert_int_equal(m.map.entry[0].addr, M + 75 * 16 * M);
}

static void given_up_ram_joins_reserved_neighbours(void **state)
{
    map.nr = 0;
    for (unsigned i = 0; i < 100; i++) {
        u64 at = M + i * 16 * M;

        map.entry[map.nr++] = (struct e820_entry){at, (i + 1) * 0x10000, E820_RAM};
        map.entry[map.nr++] = (struct e820_entry){at + (i + 1) * 0x10000, M, i % 2 ? E820_UNUSABLE : E820_RESERVED};
    }
    assert_int_equal(dom0_memmap_build(&map, NULL, 0, 0, 0, &m, &why), 0);
    assert_int_equal(m.map.nr, DOM0_MEMMAP_MAX);
    assert_int_equal(m.absorbed, 74);
    assert_true(e820_covers(&m.map, M, 2 * M + 0x10000, E820_RESERVED));
    assert_true(e820_covers(&m.map, 17 * M, 18 * M + 0x20000, E820_UNUSABLE));
}

static void a_machine_without_ram_for_dom0_is_refused(void **state)
{
    struct paddr_range all = {0, 16 * G};

    pc_map();
    assert_int_equal(dom0_memmap_build(&map, &all, 1, 0, 0, &m, &why), -XEN_ENOMEM);
    assert_string_equal(why.line, "no RAM is left for Dom0");
    map.nr = E820_MAX;
    for (unsigned i = 0; i < E820_MAX; i++)
        map.entry[i] = (struct e820_entry){M + i * M, 0x3000, E820_RAM};
    all = (struct paddr_range){M + 0x1000, 0x1000};
    assert_int_equal(dom0_memmap_build(&map, &all, 1, 0, 0, &m, &why), -XEN_E2BIG);
    assert_non_null(strstr(why.line, "too fragmented"));
}

/* --- dom0_mem= --- */

static void expect_mem(const char *value, u64 want)
{
    u64 bytes = 1;

    assert_true(parse_dom0_mem(value, 8 * G, &bytes));
    assert_true(bytes == want);
}

static void dom0_mem_has_xens_syntax(void **state)
{
    expect_mem(NULL, 8 * G);
    expect_mem("", 8 * G);
    expect_mem("512M", 512 * M);
    expect_mem("1048576", G);
    expect_mem("-1G", 7 * G);
    expect_mem("100G", 8 * G);
    expect_mem("4G,max:2G", 2 * G);
    expect_mem("max:2G", 2 * G);
    expect_mem("max:-6G", 2 * G);
    expect_mem("min:1G,512M,max:4G", G);
    expect_mem("-7G,min:2G", 2 * G);
    expect_mem("-9G,min:2G", 2 * G);
    expect_mem("25%", 2 * G);
    expect_mem("1G+25%", 3 * G);
    expect_mem("4097B", 4096);
    expect_mem("max:100%,1G,", G);
}

static void a_dom0_mem_that_makes_no_sense_gives_everything(void **state)
{
    const char *bad[] = {"M",
                         "lots",
                         "1G 2G",
                         "min:",
                         "1G,,2G",
                         "-",
                         "--1G",
                         "101%",
                         "1G+",
                         "1G+x",
                         "1G+-5%",
                         "+5%",
                         "max",
                         "0",
                         "-8G",
                         "-9G",
                         "99999999999999999999G",
                         ","};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        u64 bytes = 1;

        assert_false(parse_dom0_mem(bad[i], 8 * G, &bytes));
        assert_true(bytes == 8 * G);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unsorted_map_is_sorted_and_joined),
        cmocka_unit_test(the_more_restrictive_type_wins_an_overlap),
        cmocka_unit_test(empty_and_wrapping_entries_are_dropped),
        cmocka_unit_test(a_map_that_splits_beyond_the_limit_keeps_its_lower_part),
        cmocka_unit_test(random_maps_come_out_canonical),
        cmocka_unit_test(setting_a_range_cuts_what_was_there),
        cmocka_unit_test(converting_leaves_other_types_and_holes_alone),
        cmocka_unit_test(a_full_map_refuses_to_split),
        cmocka_unit_test(without_limits_dom0_sees_the_machine),
        cmocka_unit_test(ram_beyond_the_allotment_is_unusable),
        cmocka_unit_test(toriis_memory_is_unusable_but_reserved_below_1_mib),
        cmocka_unit_test(acpi_pages_come_from_the_top_of_low_ram),
        cmocka_unit_test(acpi_pages_are_never_below_1_mib_or_above_4_gib),
        cmocka_unit_test(parts_of_pages_are_reserved),
        cmocka_unit_test(a_map_with_too_many_entries_gives_up_the_smallest),
        cmocka_unit_test(given_up_ram_joins_reserved_neighbours),
        cmocka_unit_test(a_machine_without_ram_for_dom0_is_refused),
        cmocka_unit_test(dom0_mem_has_xens_syntax),
        cmocka_unit_test(a_dom0_mem_that_makes_no_sense_gives_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
