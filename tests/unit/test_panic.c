/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of addresses, and walks up the stack: src/core/panic.c with an image made up here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define __stack_chk_guard torii_stack_chk_guard
#define __stack_chk_fail  torii_stack_chk_fail
#include "../../src/core/panic.c"

/* The image: 4 KiB of text. */
asm(".pushsection .rodata\n"
    ".globl image_start, text_end\n"
    "image_start: .skip 4096\n"
    "text_end: .byte 0\n"
    ".popsection");

const u32 symbol_count = 4;
const u32 symbol_offsets[] = {0, 0x10, 0x10, 0x200};
const char symbol_names[] = "_start\0alias\0main\0last";

static char logged[2048];
static unsigned lines;

void log_printf(enum log_level level, const char *fmt, ...)
{
    size_t n = strlen(logged);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(logged + n, sizeof(logged) - n, fmt, ap);
    va_end(ap);
    lines++;
}

/* A panic ends in these; no test goes so far. */
struct boot_info boot_info;

bool cmdline_get(const char *cmdline, const char *name, char *value, size_t n)
{
    abort();
}

void console_force(void)
{
    abort();
}

void machine_delay_ms(unsigned ms)
{
    abort();
}

void machine_reset(void)
{
    abort();
}

void stop_all_but_self(void)
{
    abort();
}

void trace_dump(const struct pcpu *c)
{
    abort();
}

static const char *name_at(u64 offset)
{
    static char buf[64];

    return symbol_name((u64)image_start + offset, buf, sizeof(buf));
}

static void an_address_is_named_after_the_symbol_before_it(void **state)
{
    assert_string_equal(name_at(0), "_start+0");
    assert_string_equal(name_at(0xf), "_start+0xf");
    assert_string_equal(name_at(0x10), "main+0");
    assert_string_equal(name_at(0x1ff), "main+0x1ef");
    assert_string_equal(name_at(0x200), "last+0");
    assert_string_equal(name_at(0xfff), "last+0xdff");
}

static void an_address_outside_the_text_has_no_name(void **state)
{
    char buf[64];

    assert_string_equal(name_at(0x1000), "?");
    assert_string_equal(name_at((u64)-1), "?");
    assert_string_equal(symbol_name(0, buf, sizeof(buf)), "?");
    assert_string_equal(symbol_name(~0ull, buf, sizeof(buf)), "?");
    assert_string_equal(symbol_name((u64)image_start + (1ull << 32), buf, sizeof(buf)), "?");
}

static void a_long_name_is_cut_to_the_buffer(void **state)
{
    char buf[6];

    memset(buf, '#', sizeof(buf));
    assert_string_equal(symbol_name((u64)image_start, buf, 4), "_st");
    assert_int_equal(buf[4], '#');
}

static void a_frame_pointer_that_is_none_ends_the_walk(void **state)
{
    static const u64 bad[] = {0, 8, 0x7fffffffffff, 0xffff7ffffffffff8, 0xffff800000000001, ~0ull};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        logged[0] = '\0';
        lines = 0;
        backtrace((u64)image_start + 0x12, bad[i]);
        assert_int_equal(lines, 1);
        assert_non_null(strstr(logged, "] main+0x2\n"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_named_after_the_symbol_before_it),
        cmocka_unit_test(an_address_outside_the_text_has_no_name),
        cmocka_unit_test(a_long_name_is_cut_to_the_buffer),
        cmocka_unit_test(a_frame_pointer_that_is_none_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
