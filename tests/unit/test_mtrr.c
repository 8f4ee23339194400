/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/mtrr.c tests/unit/fakes.c */
/* What memory type the machine's MTRRs give an address (SDM vol. 3 §12.11). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/cpu.h>

#include "fakes.h"
#include "../../src/hvm/mtrr.h"

#define MIB          0x100000ull
#define GIB          (1024 * MIB)
#define ADDRESS_BITS 0xfffffff000ull /* 40 of them */

/* --- the machine --- */

static struct {
    u32 msr;
    u64 val;
} machine[64];
static unsigned nr_machine;

bool rdmsr_safe(u32 msr, u64 *val)
{
    for (unsigned i = 0; i < nr_machine; i++)
        if (machine[i].msr == msr) {
            *val = machine[i].val;
            return true;
        }
    return false;
}

static void has(u32 msr, u64 val)
{
    machine[nr_machine].msr = msr;
    machine[nr_machine++].val = val;
}

static struct mtrrs m;

/* A machine as firmware leaves it: write-back but for what ranges say, the first megabyte by fixed ranges. */
static int set_up(void **state)
{
    nr_machine = 0;
    m = (struct mtrrs){.cap = MTRR_CAP_FIXED | 8, .def = MTRR_DEF_ENABLE | MTRR_DEF_FIXED | MEMORY_WB};
    memset(m.fix, MEMORY_WB, sizeof(m.fix));
    return 0;
}

static void range(unsigned i, u64 base, u64 bytes, enum memory_type type)
{
    m.phys[2 * i] = base | type;
    m.phys[2 * i + 1] = (ADDRESS_BITS & ~(bytes - 1)) | MTRR_MASK_VALID;
}

static enum memory_type type_of(u64 pa, u64 bytes)
{
    enum memory_type type;

    assert_true(mtrr_type(&m, pa, bytes, &type));
    return type;
}

static bool several(u64 pa, u64 bytes)
{
    enum memory_type type;

    return !mtrr_type(&m, pa, bytes, &type);
}

/* --- ranges --- */

static void what_no_range_covers_has_the_default_type(void **state)
{
    assert_int_equal(type_of(4 * GIB, PAGE_SIZE), MEMORY_WB);
    m.def = MTRR_DEF_ENABLE | MEMORY_UC;
    assert_int_equal(type_of(4 * GIB, PAGE_SIZE), MEMORY_UC);
}

static void a_range_covers_from_its_base_to_its_end(void **state)
{
    range(0, 3 * GIB, GIB, MEMORY_UC);
    assert_int_equal(type_of(3 * GIB - PAGE_SIZE, PAGE_SIZE), MEMORY_WB);
    assert_int_equal(type_of(3 * GIB, PAGE_SIZE), MEMORY_UC);
    assert_int_equal(type_of(4 * GIB - PAGE_SIZE, PAGE_SIZE), MEMORY_UC);
    assert_int_equal(type_of(4 * GIB, PAGE_SIZE), MEMORY_WB);
}

static void a_large_page_is_of_one_type_if_a_range_covers_it_whole_or_not_at_all(void **state)
{
    range(0, 3 * GIB, GIB, MEMORY_UC);
    assert_int_equal(type_of(3 * GIB, GIB), MEMORY_UC);
    assert_int_equal(type_of(2 * GIB, GIB), MEMORY_WB);
    assert_int_equal(type_of(3 * GIB + 2 * MIB, 2 * MIB), MEMORY_UC);
}

static void a_large_page_with_a_range_inside_is_of_several(void **state)
{
    range(0, 3 * GIB + 16 * MIB, 16 * MIB, MEMORY_WC);
    assert_true(several(3 * GIB, GIB));
    assert_int_equal(type_of(3 * GIB, 2 * MIB), MEMORY_WB);
    assert_int_equal(type_of(3 * GIB + 16 * MIB, 2 * MIB), MEMORY_WC);
    range(0, 3 * GIB + 64 * 1024, 64 * 1024, MEMORY_WC);
    assert_true(several(3 * GIB, 2 * MIB));
    assert_int_equal(type_of(3 * GIB + 64 * 1024, PAGE_SIZE), MEMORY_WC);
}

static void where_ranges_overlap_the_stricter_type_holds(void **state)
{
    static const struct {
        enum memory_type a, b, both;
    } cases[] = {
        {MEMORY_WB, MEMORY_UC, MEMORY_UC}, {MEMORY_WC, MEMORY_UC, MEMORY_UC}, {MEMORY_WB, MEMORY_WT, MEMORY_WT},
        {MEMORY_WT, MEMORY_WT, MEMORY_WT}, {MEMORY_WB, MEMORY_WB, MEMORY_WB}, {MEMORY_WC, MEMORY_WB, MEMORY_UC},
        {MEMORY_WP, MEMORY_WT, MEMORY_UC},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        range(0, 0, 8 * GIB, cases[i].a);
        range(1, 2 * GIB, GIB, cases[i].b);
        assert_int_equal(type_of(2 * GIB, PAGE_SIZE), cases[i].both);
        range(1, 0, 8 * GIB, cases[i].a);
        range(0, 2 * GIB, GIB, cases[i].b);
        assert_int_equal(type_of(2 * GIB, PAGE_SIZE), cases[i].both);
        assert_int_equal(type_of(4 * GIB, PAGE_SIZE), cases[i].a);
    }
}

static void a_range_that_is_not_valid_covers_nothing(void **state)
{
    range(0, 2 * GIB, GIB, MEMORY_UC);
    m.phys[1] &= ~MTRR_MASK_VALID;
    assert_int_equal(type_of(2 * GIB, GIB), MEMORY_WB);
}

static void ranges_beyond_the_count_are_not_looked_at(void **state)
{
    m.cap = 1;
    range(1, 2 * GIB, GIB, MEMORY_UC);
    assert_int_equal(type_of(2 * GIB, GIB), MEMORY_WB);
}

/* --- the first megabyte --- */

static void each_fixed_range_has_its_byte(void **state)
{
    static const struct {
        u64 pa;
        unsigned reg, byte;
    } cases[] = {
        {0, 0, 0},       {0xf000, 0, 0},  {0x10000, 0, 1}, {0x7f000, 0, 7},  {0x80000, 1, 0},
        {0x83000, 1, 0}, {0x84000, 1, 1}, {0x9f000, 1, 7}, {0xa0000, 2, 0},  {0xbf000, 2, 7},
        {0xc0000, 3, 0}, {0xc1000, 3, 1}, {0xc8000, 4, 0}, {0xff000, 10, 7},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        memset(m.fix, MEMORY_WB, sizeof(m.fix));
        ((u8 *)m.fix)[8 * cases[i].reg + cases[i].byte] = MEMORY_WP;
        assert_int_equal(type_of(cases[i].pa, PAGE_SIZE), MEMORY_WP);
    }
}

static void fixed_ranges_come_before_variable_ones(void **state)
{
    range(0, 0, 2 * MIB, MEMORY_UC);
    assert_int_equal(type_of(0xff000, PAGE_SIZE), MEMORY_WB);
    assert_int_equal(type_of(MIB, PAGE_SIZE), MEMORY_UC);
}

static void a_large_page_over_them_may_be_of_several(void **state)
{
    assert_true(several(0, 2 * MIB));
    assert_true(several(0, GIB));
}

static void switched_off_they_say_nothing(void **state)
{
    memset(m.fix, MEMORY_UC, sizeof(m.fix));
    m.def &= ~MTRR_DEF_FIXED;
    assert_int_equal(type_of(0, 2 * MIB), MEMORY_WB);
    m.def |= MTRR_DEF_FIXED;
    m.cap &= ~MTRR_CAP_FIXED;
    assert_int_equal(type_of(0, 2 * MIB), MEMORY_WB);
}

static void all_is_uncacheable_while_mtrrs_are_off(void **state)
{
    m.def = MTRR_DEF_FIXED | MEMORY_WB;
    assert_false(mtrr_enabled(&m));
    assert_int_equal(type_of(0, GIB), MEMORY_UC);
    assert_int_equal(type_of(4 * GIB, GIB), MEMORY_UC);
}

/* --- reading them --- */

static void the_machines_are_read(void **state)
{
    has(0xfe, MTRR_CAP_FIXED | 2);
    has(0x200, 2 * GIB | MEMORY_UC);
    has(0x201, (ADDRESS_BITS & ~(GIB - 1)) | MTRR_MASK_VALID);
    has(0x2ff, MTRR_DEF_ENABLE | MEMORY_WB);
    has(0x202, 0);
    mtrr_read_machine(&m);
    assert_true(mtrr_enabled(&m));
    assert_int_equal(type_of(2 * GIB, GIB), MEMORY_UC);
    assert_int_equal(type_of(GIB, GIB), MEMORY_WB);
    assert_int_equal(m.phys[3], 0); /* the machine did not say */
}

static void a_machine_without_any_has_none(void **state)
{
    mtrr_read_machine(&m);
    assert_false(mtrr_enabled(&m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_no_range_covers_has_the_default_type, set_up),
        cmocka_unit_test_setup(a_range_covers_from_its_base_to_its_end, set_up),
        cmocka_unit_test_setup(a_large_page_is_of_one_type_if_a_range_covers_it_whole_or_not_at_all, set_up),
        cmocka_unit_test_setup(a_large_page_with_a_range_inside_is_of_several, set_up),
        cmocka_unit_test_setup(where_ranges_overlap_the_stricter_type_holds, set_up),
        cmocka_unit_test_setup(a_range_that_is_not_valid_covers_nothing, set_up),
        cmocka_unit_test_setup(ranges_beyond_the_count_are_not_looked_at, set_up),
        cmocka_unit_test_setup(each_fixed_range_has_its_byte, set_up),
        cmocka_unit_test_setup(fixed_ranges_come_before_variable_ones, set_up),
        cmocka_unit_test_setup(a_large_page_over_them_may_be_of_several, set_up),
        cmocka_unit_test_setup(switched_off_they_say_nothing, set_up),
        cmocka_unit_test_setup(all_is_uncacheable_while_mtrrs_are_off, set_up),
        cmocka_unit_test_setup(the_machines_are_read, set_up),
        cmocka_unit_test_setup(a_machine_without_any_has_none, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
