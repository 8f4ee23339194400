/* SPDX-License-Identifier: BSD-2-Clause */
/* The log on a screen: VGA text cells, and pixels of a framebuffer. src/core/screen.c over memory of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* The font: 256 glyphs of 2 lines; the first line of each is its character, the second its complement. */
#define font_psf     test_font
#define font_psf_end test_font_end
#include "../../src/core/screen.c"
#undef font_psf
#undef font_psf_end

#define GLYPH_LINES 2

struct font {
    struct psf1_header head;
    u8 lines[256 * GLYPH_LINES];
};
extern struct font font_data __asm__("test_font");
struct font font_data;
__asm__(".globl test_font_end\n.set test_font_end, test_font + 4 + 512");

struct boot_info boot_info;
static u8 *memory;
static size_t mapped_bytes;
static paddr_t mapped_at;

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    assert_true(uncached);
    mapped_at = pa;
    mapped_bytes = bytes;
    /* Of exactly that size, so that the sanitizer sees a byte too far. */
    memory = malloc(bytes);
    memset(memory, 0x55, bytes);
    return memory;
}

static int start(void **state)
{
    memset(&boot_info, 0, sizeof(boot_info));
    font_data.head = (struct psf1_header){.magic = PSF1_MAGIC, .glyph_bytes = GLYPH_LINES};
    for (unsigned c = 0; c < 256; c++) {
        font_data.lines[c * GLYPH_LINES] = (u8)c;
        font_data.lines[c * GLYPH_LINES + 1] = (u8)~c;
    }
    text = NULL;
    pixels = NULL;
    columns = rows = column = row = 0;
    memory = NULL;
    mapped_bytes = 0;
    return 0;
}

static int end(void **state)
{
    free(memory);
    return 0;
}

static void put(const char *s)
{
    screen_write(s, strlen(s));
}

static u16 cell(unsigned x, unsigned y)
{
    return ((u16 *)memory)[y * TEXT_COLUMNS + x];
}

static void text_cells_are_light_grey_on_black(void **state)
{
    boot_info.text_mode = true;
    screen_init();
    assert_int_equal(mapped_at, 0xb8000);
    assert_int_equal(mapped_bytes, 80 * 25 * 2);
    assert_int_equal(cell(79, 24), 0x0720);
    put("Hi\r\n\xe4");
    assert_int_equal(cell(0, 0), 0x0700 | 'H');
    assert_int_equal(cell(1, 0), 0x0700 | 'i');
    assert_int_equal(cell(2, 0), 0x0720);
    assert_int_equal(cell(0, 1), 0x07e4);
}

static void a_long_line_goes_on_in_the_next_row(void **state)
{
    boot_info.text_mode = true;
    screen_init();
    for (unsigned i = 0; i < 81; i++)
        put("x");
    assert_int_equal(cell(79, 0), 0x0700 | 'x');
    assert_int_equal(cell(0, 1), 0x0700 | 'x');
    assert_int_equal(cell(1, 1), 0x0720);
}

static void after_the_last_row_the_first_is_used_with_a_blank_one_ahead(void **state)
{
    boot_info.text_mode = true;
    screen_init();
    for (unsigned i = 0; i < 25; i++)
        put("line\n");
    put("new");
    assert_int_equal(cell(0, 0), 0x0700 | 'n');
    assert_int_equal(cell(3, 0), 0x0720);
    assert_int_equal(cell(0, 1), 0x0720);
    assert_int_equal(cell(0, 2), 0x0700 | 'l');
}

static void a_framebuffer(u8 bpp)
{
    boot_info.fb = (struct boot_framebuffer){
        .present = true, .base = 0xe0000000, .width = 20, .height = 5, .pitch = 100, .bpp = bpp};
}

/* 20 x 5 pixels are 2 x 2 glyphs of 8 x 2; the rest stays untouched. */
static void glyphs_are_drawn_pixel_by_pixel(void **state)
{
    static const u8 depths[] = {24, 32};

    for (unsigned d = 0; d < ARRAY_SIZE(depths); d++) {
        unsigned bytes = depths[d] / 8;

        start(NULL);
        a_framebuffer(depths[d]);
        screen_init();
        assert_int_equal(mapped_bytes, 500);
        put("ab");
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(memory[i * bytes], 'a' << i & 0x80 ? 0xaa : 0);
            assert_int_equal(memory[100 + i * bytes + 2], (u8) ~'a' << i & 0x80 ? 0xaa : 0);
            assert_int_equal(memory[(8 + i) * bytes + 1], 'b' << i & 0x80 ? 0xaa : 0);
        }
        assert_int_equal(memory[16 * bytes], 0x55);
        assert_int_equal(memory[400], 0x55);
        if (d == 0)
            free(memory);
    }
}

static void a_character_beyond_the_font_takes_its_first_glyph(void **state)
{
    font_data.head.glyph_bytes = 4; /* then there are 128 of them */
    a_framebuffer(32);
    screen_init();
    put("\xf0");
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(memory[100 + i * 4], 0xaa); /* line 1 of glyph 0: 0xff */
}

static void without_a_usable_screen_nothing_is_written(void **state)
{
    screen_init();
    put("lost\n");
    assert_null(memory);
    a_framebuffer(16);
    screen_init();
    assert_null(memory);
    a_framebuffer(32);
    font_data.head.magic = 0;
    screen_init();
    font_data.head.magic = PSF1_MAGIC;
    font_data.head.glyph_bytes = 0;
    screen_init();
    assert_null(memory);
    put("lost\n");
}

static void a_framebuffer_smaller_than_a_glyph_is_none(void **state)
{
    a_framebuffer(32);
    boot_info.fb.width = 7;
    screen_init();
    put("lost\n");
    assert_int_equal(memory[0], 0x55);
}

static void dom0_draws_alone_after_the_release(void **state)
{
    boot_info.text_mode = true;
    screen_init();
    screen_release();
    put("late\n");
    assert_int_equal(cell(0, 0), 0x0720);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_cells_are_light_grey_on_black, start, end),
        cmocka_unit_test_setup_teardown(a_long_line_goes_on_in_the_next_row, start, end),
        cmocka_unit_test_setup_teardown(after_the_last_row_the_first_is_used_with_a_blank_one_ahead, start, end),
        cmocka_unit_test_setup_teardown(glyphs_are_drawn_pixel_by_pixel, start, end),
        cmocka_unit_test_setup_teardown(a_character_beyond_the_font_takes_its_first_glyph, start, end),
        cmocka_unit_test_setup_teardown(without_a_usable_screen_nothing_is_written, start, end),
        cmocka_unit_test_setup_teardown(a_framebuffer_smaller_than_a_glyph_is_none, start, end),
        cmocka_unit_test_setup_teardown(dom0_draws_alone_after_the_release, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
