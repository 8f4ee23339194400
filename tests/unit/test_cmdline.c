/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/core/cmdline.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <torii/cmdline.h>

static char value[16];

static void expect_option(const char *cmdline, const char *name, const char *want)
{
    memset(value, 'x', sizeof(value));
    assert_true(cmdline_get(cmdline, name, value, sizeof(value)));
    assert_string_equal(value, want);
}

static void expect_none(const char *cmdline, const char *name)
{
    strcpy(value, "kept");
    assert_false(cmdline_get(cmdline, name, value, sizeof(value)));
    assert_string_equal(value, "kept");
}

static void values_and_bare_names_are_found(void **state)
{
    expect_option("console=com1,vga noreboot com1=115200,8n1", "console", "com1,vga");
    expect_option("console=com1,vga noreboot com1=115200,8n1", "com1", "115200,8n1");
    expect_option("console=com1,vga noreboot com1=115200,8n1", "noreboot", "");
    expect_option("  \t a=1\n", "a", "1");
    expect_option("a=b=c", "a", "b=c");
    expect_option("a=", "a", "");
    expect_option("no-watchdog", "watchdog", "no");
}

static void similar_names_do_not_match(void **state)
{
    expect_none("com1=1 com10=2", "com");
    expect_none("xcom1=1", "com1");
    expect_none("", "com1");
    expect_none("noreboot", "reboot");
    expect_none("no-watchdog=1", "watchdog");
}

static void the_last_occurrence_wins(void **state)
{
    expect_option("a=1 b=2 a=3", "a", "3");
    expect_option("watchdog no-watchdog", "watchdog", "no");
    expect_option("no-watchdog watchdog", "watchdog", "");
}

static void two_dashes_end_the_options(void **state)
{
    expect_option("a=1 -- a=2", "a", "1");
    expect_none("-- a=2", "a");
    expect_option("--x a=2", "a", "2");
}

static void dashes_and_underscores_are_the_same_in_names(void **state)
{
    expect_option("dom0-mem=1G", "dom0_mem", "1G");
    expect_option("no-dom0_x", "dom0-x", "no");
}

static void quotes_keep_spaces(void **state)
{
    expect_option("a=\"1 2\" b=3", "a", "1 2");
    expect_option("\"a=1 2\" b=3", "b", "3");
    expect_option("a=\"unfinished b=3", "a", "unfinished b=3");
}

static void long_values_are_cut_to_the_buffer(void **state)
{
    char tiny[1] = {'x'};

    expect_option("a=0123456789abcdefghij", "a", "0123456789abcde");
    assert_true(cmdline_get("a=1", "a", tiny, 1));
    assert_int_equal(tiny[0], 0);
    assert_true(cmdline_get("a=1", "a", NULL, 0));
}

static void booleans_have_many_spellings(void **state)
{
    const char *yes[] = {"b", "b=1", "b=yes", "b=on", "b=true", "b=enable", "no-b b"};
    const char *no[] = {"no-b", "b=0", "b=no", "b=off", "b=false", "b=disable", "b no-b"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        assert_true(cmdline_bool(yes[i], "b", false));
        assert_false(cmdline_bool(no[i], "b", true));
    }
    assert_true(cmdline_bool("", "b", true));
    assert_false(cmdline_bool("b=maybe", "b", false));
    assert_true(cmdline_bool("b=maybe", "b", true));
}

static void expect_size(const char *text, u64 want, size_t used)
{
    const char *end;

    assert_true(parse_size(text, &end) == want);
    assert_int_equal(end - text, used);
}

static void sizes_take_suffixes_and_default_to_kib(void **state)
{
    expect_size("512", 512ull << 10, 3);
    expect_size("512B", 512, 4);
    expect_size("3k,", 3ull << 10, 2);
    expect_size("512M", 512ull << 20, 4);
    expect_size("2g+", 2ull << 30, 2);
    expect_size("1T", 1ull << 40, 2);
    expect_size("0x10M", 16ull << 20, 5);
    expect_size("0", 0, 1);
    expect_size("16777215T", 16777215ull << 40, 9);
}

static void numbers_that_are_none_or_too_large_are_not_taken(void **state)
{
    expect_size("", 0, 0);
    expect_size("M", 0, 0);
    expect_size("-5M", 0, 0);
    expect_size("16777216T", 0, 0);
    expect_size("18446744073709551616B", 0, 0);
    expect_size("0x1ffffffffffffffff", 0, 0);
    expect_size("0xz", 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_bare_names_are_found),
        cmocka_unit_test(similar_names_do_not_match),
        cmocka_unit_test(the_last_occurrence_wins),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(dashes_and_underscores_are_the_same_in_names),
        cmocka_unit_test(quotes_keep_spaces),
        cmocka_unit_test(long_values_are_cut_to_the_buffer),
        cmocka_unit_test(booleans_have_many_spellings),
        cmocka_unit_test(sizes_take_suffixes_and_default_to_kib),
        cmocka_unit_test(numbers_that_are_none_or_too_large_are_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
