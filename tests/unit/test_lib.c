/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory and string functions against libc's: src/core/lib.c under other names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define memcpy  torii_memcpy
#define memmove torii_memmove
#define memset  torii_memset
#define memcmp  torii_memcmp
#define memchr  torii_memchr
#define strlen  torii_strlen
#define strnlen torii_strnlen
#define strcmp  torii_strcmp
#define strncmp torii_strncmp
#define strchr  torii_strchr
#define strstr  torii_strstr
#define strtoul torii_strtoul
#include "../../src/core/lib.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strstr
#undef strtoul

static u64 seed = 0x7031;

static u64 rnd(u64 below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static void fill(u8 *p, size_t n)
{
    while (n--)
        p[n] = (u8)rnd(256);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void memcpy_and_memset_touch_exactly_their_bytes(void **state)
{
    u8 src[80], ours[80], libcs[80];

    for (size_t n = 0; n <= 64; n++) {
        size_t at = rnd(16), from = rnd(16);

        fill(src, sizeof(src));
        fill(ours, sizeof(ours));
        memcpy(libcs, ours, sizeof(ours));
        assert_ptr_equal(torii_memcpy(ours + at, src + from, n), ours + at);
        memcpy(libcs + at, src + from, n);
        assert_memory_equal(ours, libcs, sizeof(ours));
        assert_ptr_equal(torii_memset(ours + at, 0x1a5, n), ours + at);
        memset(libcs + at, 0x1a5, n);
        assert_memory_equal(ours, libcs, sizeof(ours));
    }
}

static void memmove_is_right_for_every_overlap(void **state)
{
    for (unsigned to = 0; to <= 24; to++)
        for (unsigned from = 0; from <= 24; from++)
            for (size_t n = 0; n <= 72; n += 3) {
                u8 ours[96], libcs[96];

                fill(ours, sizeof(ours));
                memcpy(libcs, ours, sizeof(ours));
                assert_ptr_equal(torii_memmove(ours + to, ours + from, n), ours + to);
                memmove(libcs + to, libcs + from, n);
                assert_memory_equal(ours, libcs, sizeof(ours));
            }
}

static void comparisons_have_libcs_sign(void **state)
{
    for (unsigned i = 0; i < 20000; i++) {
        char a[8], b[8];
        size_t n = rnd(10);

        for (unsigned k = 0; k < 7; k++) {
            a[k] = "a\xff\0b"[rnd(4)];
            b[k] = rnd(4) ? a[k] : "a\xff\0b"[rnd(4)];
        }
        a[7] = b[7] = '\0';
        assert_int_equal(sign(torii_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(torii_strncmp(a, b, n)), sign(strncmp(a, b, n)));
        assert_int_equal(sign(torii_memcmp(a, b, min(n, sizeof(a)))), sign(memcmp(a, b, min(n, sizeof(a)))));
    }
}

static void nothing_is_read_beyond_the_given_length(void **state)
{
    char *tight = malloc(4);

    memcpy(tight, "abcd", 4);
    assert_int_equal(torii_strnlen(tight, 4), 4);
    assert_int_equal(torii_strncmp(tight, "abcdef", 4), 0);
    assert_int_equal(torii_memcmp(tight, "abcd", 4), 0);
    assert_null(torii_memchr(tight, 'x', 4));
    assert_int_equal(torii_memcmp(tight, "x", 0), 0);
    assert_int_equal(torii_strncmp(tight, "x", 0), 0);
    free(tight);
}

static void searches_find_what_libc_finds(void **state)
{
    for (unsigned i = 0; i < 20000; i++) {
        char hay[13], needle[4] = "";
        int c = "abc\0"[rnd(4)];

        for (unsigned k = 0; k < 12; k++)
            hay[k] = "abab\0"[rnd(i & 1 ? 4 : 5)];
        hay[12] = '\0';
        for (unsigned k = 0, n = rnd(4); k < n; k++)
            needle[k] = "ab"[rnd(2)];
        assert_ptr_equal(torii_strchr(hay, c), strchr(hay, c));
        assert_ptr_equal(torii_strchr(hay, 0x100 | c), strchr(hay, 0x100 | c));
        assert_ptr_equal(torii_memchr(hay, 0x100 | c, 12), memchr(hay, 0x100 | c, 12));
        assert_ptr_equal(torii_strstr(hay, needle), strstr(hay, needle));
        assert_int_equal(torii_strlen(hay), strlen(hay));
        assert_int_equal(torii_strnlen(hay, 5), strnlen(hay, 5));
    }
}

static void same_number(const char *s, int base)
{
    char *ours_end, *libcs_end;
    unsigned long ours = torii_strtoul(s, &ours_end, base), libcs = strtoul(s, &libcs_end, base);

    if (ours != libcs || ours_end != libcs_end)
        fail_msg("\"%s\" base %d: %#lx and %zd characters, libc %#lx and %zd", s, base, ours, ours_end - s, libcs,
                 libcs_end - s);
    assert_true(torii_strtoul(s, NULL, base) == libcs);
}

static void numbers_are_read_as_in_libc(void **state)
{
    static const char *const numbers[] = {
        "",
        "0",
        "1",
        "10",
        "010",
        "08",
        "0x",
        "0x10",
        "0XfF",
        "0xg",
        "x",
        "zz",
        "G",
        "12,34",
        "4096M",
        "7f",
        "0x0",
        "00x1",
        "089",
        "a0",
        "0b1",
        "@",
        "[",
        "`1",
        "{",
        "1 2",
        "18446744073709551615",
        "18446744073709551616",
        "0xffffffffffffffff",
        "0x10000000000000000",
        "99999999999999999999999x",
        "01777777777777777777777",
        "02000000000000000000000",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
        for (unsigned b = 0; b < 5; b++)
            same_number(numbers[i], (int[]){0, 8, 10, 16, 36}[b]);
}

static void random_text_is_read_as_in_libc(void **state)
{
    for (unsigned i = 0; i < 100000; i++) {
        char s[32];
        unsigned n = rnd(24);

        for (unsigned k = 0; k < n; k++)
            s[k] = "0123456789abcdefABCDEFxXgzGZ,:/@`{[. "[rnd(k ? 37 : 36)];
        s[n] = '\0';
        same_number(s, (int[]){0, 2, 8, 10, 16, 36}[rnd(6)]);
    }
}

static void a_sign_or_a_blank_is_no_number(void **state)
{
    static const char *const not [] = {"-1", "+1", " 1", "\t1"};

    for (unsigned i = 0; i < ARRAY_SIZE(not ); i++) {
        char *end;

        assert_int_equal(torii_strtoul(not [i], &end, 0), 0);
        assert_ptr_equal(end, not [i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcpy_and_memset_touch_exactly_their_bytes),
        cmocka_unit_test(memmove_is_right_for_every_overlap),
        cmocka_unit_test(comparisons_have_libcs_sign),
        cmocka_unit_test(nothing_is_read_beyond_the_given_length),
        cmocka_unit_test(searches_find_what_libc_finds),
        cmocka_unit_test(numbers_are_read_as_in_libc),
        cmocka_unit_test(random_text_is_read_as_in_libc),
        cmocka_unit_test(a_sign_or_a_blank_is_no_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
