/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VGA text mode 3 (80 x 25 cells of character and attribute at 0xb8000), or a framebuffer of 32 or 24 bits a pixel.
 * Reading video memory back is slow, so nothing scrolls: after the last row the first one is written again, with a
 * blank row ahead.
 */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/screen.h>

#define TEXT_BASE    0xb8000
#define TEXT_COLUMNS 80
#define TEXT_ROWS    25
#define TEXT_ATTR    0x0700 /* light grey on black */

/* PSF 1: magic, mode, bytes a glyph; glyphs are 8 pixels wide. */
#define PSF1_MAGIC   0x0436
#define GLYPH_WIDTH  8
struct psf1_header {
    u16 magic;
    u8 mode, glyph_bytes;
    u8 glyphs[];
};
extern const struct psf1_header font_psf;
extern const u8 font_psf_end[];

static volatile u16 *text;
static volatile u8 *pixels;
static unsigned columns, rows, column, row;

static void cell_put(unsigned x, unsigned y, char c);

static unsigned glyph_height(void)
{
    return font_psf.glyph_bytes;
}

static const u8 *glyph(char c)
{
    const u8 *g = font_psf.glyphs + (u8)c * font_psf.glyph_bytes;

    return g + font_psf.glyph_bytes <= font_psf_end ? g : font_psf.glyphs;
}

static void row_clear(unsigned y)
{
    for (unsigned x = 0; x < columns; x++)
        cell_put(x, y, ' ');
}

static void glyph_draw(unsigned x, unsigned y, char c)
{
    const struct boot_framebuffer *fb = &boot_info.fb;
    unsigned bytes = fb->bpp / 8;
    const u8 *bits = glyph(c);

    for (unsigned line = 0; line < glyph_height(); line++) {
        volatile u8 *p = pixels + (u64)(y * glyph_height() + line) * fb->pitch + x * GLYPH_WIDTH * bytes;

        for (unsigned i = 0; i < GLYPH_WIDTH; i++, p += bytes) {
            u8 level = bits[line] >> (GLYPH_WIDTH - 1 - i) & 1 ? 0xaa : 0;

            /* Grey: the order of the colours does not matter. */
            p[0] = p[1] = p[2] = level;
        }
    }
}

static void cell_put(unsigned x, unsigned y, char c)
{
    if (text)
        text[TEXT_COLUMNS * y + x] = TEXT_ATTR | (u8)c;
    else
        glyph_draw(x, y, c);
}

static bool framebuffer_open(void)
{
    const struct boot_framebuffer *fb = &boot_info.fb;

    if (!fb->present || (fb->bpp != 32 && fb->bpp != 24) || font_psf.magic != PSF1_MAGIC || !glyph_height())
        return false;
    pixels = machine_map(fb->base, (size_t)fb->pitch * fb->height, true);
    columns = fb->width / GLYPH_WIDTH;
    rows = fb->height / glyph_height();
    return pixels && columns && rows;
}

static bool text_open(void)
{
    if (!boot_info.text_mode)
        return false;
    text = machine_map(TEXT_BASE, TEXT_COLUMNS * TEXT_ROWS * sizeof(u16), true);
    columns = TEXT_COLUMNS;
    rows = TEXT_ROWS;
    return text;
}

void screen_init(void)
{
    if (!framebuffer_open() && !text_open()) {
        columns = 0;
        return;
    }
    for (unsigned y = 0; y < rows; y++)
        row_clear(y);
}

void screen_release(void)
{
    columns = 0;
}

static void new_line(void)
{
    column = 0;
    row = (row + 1) % rows;
    row_clear(row);
    row_clear((row + 1) % rows);
}

void screen_write(const char *s, size_t n)
{
    for (; columns && n; n--, s++) {
        if (*s == '\n' || column == columns)
            new_line();
        if (*s != '\n' && *s != '\r')
            cell_put(column++, row, *s);
    }
}
