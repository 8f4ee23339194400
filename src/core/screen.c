/* SPDX-License-Identifier: BSD-2-Clause */
/* VGA text mode 3: 80 x 25 cells of character and attribute at 0xb8000. */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/lib.h>
#include <torii/screen.h>

#define TEXT_BASE    0xb8000
#define TEXT_COLUMNS 80
#define TEXT_ROWS    25
#define TEXT_ATTR    0x0700 /* light grey on black */

static volatile u16 *text;
static unsigned column, row;

void screen_init(void)
{
    if (!boot_info.text_mode || text)
        return;
    text = machine_map(TEXT_BASE, TEXT_COLUMNS * TEXT_ROWS * sizeof(u16), true);
    for (unsigned i = 0; text && i < TEXT_COLUMNS * TEXT_ROWS; i++)
        text[i] = TEXT_ATTR | ' ';
}

void screen_release(void)
{
    text = NULL;
}

static void new_line(void)
{
    column = 0;
    if (++row < TEXT_ROWS)
        return;
    row = TEXT_ROWS - 1;
    for (unsigned i = 0; i < TEXT_COLUMNS * row; i++)
        text[i] = text[i + TEXT_COLUMNS];
    for (unsigned i = 0; i < TEXT_COLUMNS; i++)
        text[TEXT_COLUMNS * row + i] = TEXT_ATTR | ' ';
}

void screen_write(const char *s, size_t n)
{
    for (; text && n; n--, s++) {
        if (*s == '\n' || column == TEXT_COLUMNS)
            new_line();
        if (*s != '\n')
            text[TEXT_COLUMNS * row + column++] = TEXT_ATTR | (u8)*s;
    }
}
