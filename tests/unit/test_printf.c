/* SPDX-License-Identifier: BSD-2-Clause */
/* Torii's snprintf against libc's: src/core/printf.c under other names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define snprintf  torii_snprintf
#define vsnprintf torii_vsnprintf
#include "../../src/core/printf.c"
#undef snprintf
#undef vsnprintf

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

/* Both print the same, byte for byte, and say the same length. */
#define SAME(...)                                                            \
    do {                                                                     \
        char ours_[256], libcs_[256];                                        \
        int n_ = torii_snprintf(ours_, sizeof(ours_), __VA_ARGS__);          \
        assert_int_equal(n_, snprintf(libcs_, sizeof(libcs_), __VA_ARGS__)); \
        assert_memory_equal(ours_, libcs_, (size_t)n_ + 1);                  \
    } while (0)

static void integers_print_as_in_libc(void **state)
{
    static const long long values[] = {0,          1,           -1,         9,         10,        -10,       255,
                                       2147483647, -2147483648, 4294967295, INT64_MAX, INT64_MIN, 0x12345678};

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        SAME("%d|%i|%u|%x|%X", (int)values[i], (int)values[i], (int)values[i], (int)values[i], (int)values[i]);
        SAME("%ld|%lu|%lx|%lX", values[i], values[i], values[i], values[i]);
        SAME("%lld|%llu|%llx", values[i], values[i], values[i]);
        SAME("%zd|%zu|%zx", values[i], values[i], values[i]);
        SAME("%hd|%hu|%hx|%hhd|%hhu|%hhx", (int)values[i], (int)values[i], (int)values[i], (int)values[i],
             (int)values[i], (int)values[i]);
        SAME("%#x|%#lX|%+d|%+ld", (int)values[i], values[i], (int)values[i], values[i]);
    }
}

static void a_width_pads_and_a_precision_adds_zeros(void **state)
{
    SAME("[%5d][%-5d][%05d][%+05d][%-05d]", 42, 42, 42, 42, 42);
    SAME("[%5d][%-5d][%05d][%+5d]", -42, -42, -42, -42);
    SAME("[%.3d][%8.3d][%-8.3d][%08.3d]", 7, 7, 7, -7);
    SAME("[%#10x][%#010x][%-#10x][%#10.4x]", 0xabc, 0xabc, 0xabc, 0xabc);
    SAME("[%1d][%2d]", 12345, 12345);
    SAME("[%016lx][%04lx]", 0xffff800000001000ul, 0x8ul);
    SAME("[%.0d][%.0x][%5.0u]", 0, 0, 0);
    SAME("[%.d]", 0);
}

static void a_star_takes_width_and_precision_from_the_arguments(void **state)
{
    SAME("[%*d][%-*d][%0*d]", 6, 42, 6, 42, 6, 42);
    SAME("[%*d]", -6, 42);
    SAME("[%.*d][%*.*d]", 4, 42, 8, 4, 42);
    SAME("[%.*d]", -1, 42);
    SAME("[%.*s][%*s]", 2, "abcdef", 8, "abc");
}

static void strings_are_cut_at_the_precision_and_not_read_beyond(void **state)
{
    char *tight = malloc(3), buf[32]; /* the address sanitizer's libc would read its end */

    memcpy(tight, "abc", 3);
    assert_int_equal(torii_snprintf(buf, sizeof(buf), "[%.3s][%.2s][%.0s]", tight, tight, tight), 11);
    assert_string_equal(buf, "[abc][ab][]");
    SAME("[%s][%10s][%-10s][%10.2s]", "xyz", "xyz", "xyz", "xyz");
    SAME("[%s][%c%c][%3c][%-3c]", "", 'a', 'b', 'c', 'd');
    SAME("[%s]", (char *)NULL);
    free(tight);
}

static void pointers_are_hexadecimal_even_if_null(void **state)
{
    char buf[64];

    SAME("[%p][%20p][%-20p]", (void *)0x1234, (void *)0xffff800000000000ul, (void *)1);
    assert_int_equal(torii_snprintf(buf, sizeof(buf), "%p", NULL), 3);
    assert_string_equal(buf, "0x0");
}

static void a_percent_sign_an_unknown_letter_and_a_lone_end_do_no_harm(void **state)
{
    char buf[64];

    SAME("100%%|%d%%", 5);
    assert_int_equal(torii_snprintf(buf, sizeof(buf), "a%yb"), 3);
    assert_string_equal(buf, "ayb");
    assert_int_equal(torii_snprintf(buf, sizeof(buf), "a%"), 1);
    assert_string_equal(buf, "a");
    assert_int_equal(torii_snprintf(buf, sizeof(buf), "a%-08l"), 1);
    assert_string_equal(buf, "a");
}

static void a_short_buffer_is_cut_terminated_and_never_overrun(void **state)
{
    for (size_t size = 0; size <= 16; size++) {
        char ours[32], libcs[32];

        memset(ours, '#', sizeof(ours));
        memset(libcs, '#', sizeof(libcs));
        assert_int_equal(torii_snprintf(ours, size, "%s-%d", "hello", -1234), 11);
        snprintf(libcs, size, "%s-%d", "hello", -1234);
        assert_memory_equal(ours, libcs, sizeof(ours));
    }
    assert_int_equal(torii_snprintf(NULL, 0, "%d", 12345), 5);
}

static u64 seed = 0x7031;

static u64 rnd(u64 below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

/* One conversion with every part present or not, valid in ISO C. Returns its letter. */
static char random_conversion(char *fmt, const char **length)
{
    static const char *const lengths[] = {"", "", "hh", "h", "l", "ll", "z"};
    char conv = "diuxXcsp"[rnd(8)], flags[8] = "", width[8] = "", precision[8] = "";
    bool number = strchr("diuxX", conv), hex = strchr("xX", conv);

    *length = number ? lengths[rnd(ARRAY_SIZE(lengths))] : "";
    if (rnd(3) == 0)
        strcat(flags, "-");
    if (number && rnd(3) == 0)
        strcat(flags, "0");
    if (strchr("di", conv) && rnd(3) == 0)
        strcat(flags, "+");
    if (hex && rnd(3) == 0)
        strcat(flags, "#");
    if (rnd(2))
        sprintf(width, "%d", 1 + (int)rnd(30));
    if ((number || conv == 's') && rnd(2))
        sprintf(precision, ".%d", (int)rnd(25));
    sprintf(fmt, "<%%%s%s%s%s%c>", flags, width, precision, *length, conv);
    return conv;
}

static void any_conversion_prints_as_in_libc(void **state)
{
    for (unsigned i = 0; i < 200000; i++) {
        char fmt[64], ours[96], libcs[96];
        const char *length, *text = &"the quick brown fox"[rnd(20)];
        char conv = random_conversion(fmt, &length);
        u64 val = rnd(8) ? seed >> rnd(64) : 0;
        size_t size = rnd(sizeof(ours) + 1);
        int a, b;

        memset(ours, '#', sizeof(ours));
        memset(libcs, '#', sizeof(libcs));
        if (conv == 's') {
            a = torii_snprintf(ours, size, fmt, text);
            b = snprintf(libcs, size, fmt, text);
        } else if (conv == 'p' || strchr("lz", *length ? *length : '?')) {
            a = torii_snprintf(ours, size, fmt, val | 1);
            b = snprintf(libcs, size, fmt, val | 1);
        } else {
            a = torii_snprintf(ours, size, fmt, (int)val);
            b = snprintf(libcs, size, fmt, (int)val);
        }
        if (a != b || memcmp(ours, libcs, sizeof(ours)))
            fail_msg("round %u: %s of %#lx in %zu: ours %d \"%.90s\", libc's %d \"%.90s\"", i, fmt, val, size, a, ours,
                     b, libcs);
    }
}

static void arguments_beyond_the_registers_are_found(void **state)
{
    char buf[32];

    SAME("%d %s %lx %c %u %x %d %s", 1, "two", 3ul, '4', 5u, 6, 7, "eight");
    assert_int_equal(torii_snprintf(buf, sizeof(buf), "%d%d%d%d%d%d%d", 1, 2, 3, 4, 5, 6, 7), 7);
    assert_string_equal(buf, "1234567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_print_as_in_libc),
        cmocka_unit_test(a_width_pads_and_a_precision_adds_zeros),
        cmocka_unit_test(a_star_takes_width_and_precision_from_the_arguments),
        cmocka_unit_test(strings_are_cut_at_the_precision_and_not_read_beyond),
        cmocka_unit_test(pointers_are_hexadecimal_even_if_null),
        cmocka_unit_test(a_percent_sign_an_unknown_letter_and_a_lone_end_do_no_harm),
        cmocka_unit_test(a_short_buffer_is_cut_terminated_and_never_overrun),
        cmocka_unit_test(any_conversion_prints_as_in_libc),
        cmocka_unit_test(arguments_beyond_the_registers_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
