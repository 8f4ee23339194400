/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/mtrr.c */
/* Memory types of the boot CPU, given to others whose registers are an array here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/cpu.h>
#include <torii/mtrr.h>

#define FIRST 0x200
#define LAST  0x2ff
#define PAIRS 8
#define ON    0xc06ull /* write-back, all enabled */

static u64 cap;
static bool has_mtrrs, has_fixed, off;
static u64 msrs[LAST - FIRST + 1];
static unsigned writes;

static bool is_there(u32 msr)
{
    if (!has_mtrrs)
        return false;
    if (msr == MSR_MTRR_DEF || (msr >= FIRST && msr < FIRST + 2 * PAIRS))
        return true;
    return has_fixed && (msr == 0x250 || msr == 0x258 || msr == 0x259 || (msr >= 0x268 && msr <= 0x26f));
}

bool rdmsr_safe(u32 msr, u64 *val)
{
    if (msr == MSR_MTRR_CAP && has_mtrrs) {
        *val = cap;
        return true;
    }
    if (!is_there(msr))
        return false;
    *val = msrs[msr - FIRST];
    return true;
}

/* Ranges change only while caches are off and all ranges are disabled. */
bool wrmsr_safe(u32 msr, u64 val)
{
    assert_true(off);
    assert_true(is_there(msr));
    if (msr == MSR_MTRR_DEF)
        assert_int_equal(val & 0xff, ON & 0xff);
    else
        assert_int_equal(msrs[MSR_MTRR_DEF - FIRST] & 0xc00, 0);
    msrs[msr - FIRST] = val;
    writes++;
    return true;
}

void caches_off(struct cache_state *before)
{
    assert_false(off);
    before->cr0 = 0x1234;
    off = true;
}

void caches_on(const struct cache_state *before)
{
    assert_true(off);
    assert_int_equal(before->cr0, 0x1234);
    assert_int_equal(msrs[MSR_MTRR_DEF - FIRST], ON);
    off = false;
}

static int setup(void **state)
{
    has_mtrrs = has_fixed = true;
    off = false;
    writes = 0;
    cap = PAIRS | BIT(8);
    for (unsigned i = 0; i < LAST - FIRST; i++)
        msrs[i] = 0x1000 * (i + 1) + 6;
    msrs[MSR_MTRR_DEF - FIRST] = ON;
    return 0;
}

static void a_cpu_with_the_same_types_is_left_alone(void **state)
{
    mtrr_save();
    assert_false(mtrr_restore());
    assert_int_equal(writes, 0);
}

static void a_cpu_that_was_reset_gets_all_of_them(void **state)
{
    u64 before[LAST - FIRST + 1];

    mtrr_save();
    memcpy(before, msrs, sizeof(before));
    for (u32 msr = FIRST; msr <= LAST; msr++)
        if (is_there(msr))
            msrs[msr - FIRST] = 0;
    assert_true(mtrr_restore());
    assert_memory_equal(msrs, before, sizeof(before));
    assert_int_equal(writes, 2 * PAIRS + 11 + 2);
    assert_false(mtrr_restore());
}

static void one_different_range_is_enough(void **state)
{
    mtrr_save();
    msrs[0x26f - FIRST] ^= 1;
    assert_true(mtrr_restore());
    msrs[2 * PAIRS - 1] ^= BIT(11);
    assert_true(mtrr_restore());
    msrs[MSR_MTRR_DEF - FIRST] = 0;
    assert_true(mtrr_restore());
    assert_false(mtrr_restore());
}

static void fixed_ranges_that_are_not_there_are_not_touched(void **state)
{
    has_fixed = false;
    cap = PAIRS;
    mtrr_save();
    msrs[0] = 0;
    assert_true(mtrr_restore());
    assert_int_equal(writes, 2 * PAIRS + 2);
}

/* MTRRCAP has eight bits for the number; registers end at 0x21f. */
static void an_absurd_number_of_ranges_is_cut(void **state)
{
    cap = 0xff | BIT(8);
    mtrr_save();
    msrs[0] = 0;
    assert_true(mtrr_restore());
    assert_int_equal(writes, 2 * PAIRS + 11 + 2);
}

static void a_machine_without_them_is_left_alone(void **state)
{
    has_mtrrs = false;
    mtrr_save();
    assert_false(mtrr_restore());
    assert_int_equal(writes, 0);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_cpu_with_the_same_types_is_left_alone), T(a_cpu_that_was_reset_gets_all_of_them),
        T(one_different_range_is_enough),           T(fixed_ranges_that_are_not_there_are_not_touched),
        T(an_absurd_number_of_ranges_is_cut),       T(a_machine_without_them_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
