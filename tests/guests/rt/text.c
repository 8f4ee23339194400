/* SPDX-License-Identifier: BSD-2-Clause */
/* Text: the console, printing, results in TAP. */
#include "rt.h"
#include "internal.h"

#include <stdarg.h>

#define COM1 0x3f8

static char line[512];
static unsigned used, checks, failures;

/* A hypercall on Xen's interface; the UART of a bare machine. */
static void flush(void)
{
    if (on_xen) {
        HYPERCALL(__HYPERVISOR_console_io, CONSOLEIO_write, used, line);
    } else {
        for (unsigned i = 0; i < used; i++) {
            while (!(inb(COM1 + 5) & 0x20))
                cpu_relax();
            outb(COM1, line[i]);
        }
    }
    used = 0;
}

static void put(char c)
{
    line[used++] = c;
    if (c == '\n' || used == sizeof(line))
        flush();
}

static void put_number(u64 n, unsigned base, unsigned width, char pad, bool negative)
{
    char digits[24];
    unsigned i = 0;

    do
        digits[i++] = "0123456789abcdef"[n % base];
    while (n /= base);
    if (negative)
        put('-');
    for (unsigned k = i; k < width; k++)
        put(pad);
    while (i)
        put(digits[--i]);
}

/* %s %c %d %u %x, l, zero padding and width. */
static void vprint(const char *f, va_list ap)
{
    for (; *f; f++) {
        unsigned width = 0;
        bool wide = false;
        char pad = ' ';
        s64 n;

        if (*f != '%') {
            put(*f);
            continue;
        }
        if (*++f == '0')
            pad = '0';
        for (; *f >= '0' && *f <= '9'; f++)
            width = width * 10 + *f - '0';
        for (; *f == 'l'; f++)
            wide = true;
        switch (*f) {
        case 's':
            for (const char *s = va_arg(ap, const char *); *s; s++)
                put(*s);
            break;
        case 'c':
            put(va_arg(ap, int));
            break;
        case 'd':
            n = wide ? va_arg(ap, s64) : va_arg(ap, int);
            put_number(n < 0 ? -(u64)n : (u64)n, 10, width, pad, n < 0);
            break;
        case 'u':
        case 'x':
            put_number(wide ? va_arg(ap, u64) : va_arg(ap, u32), *f == 'u' ? 10 : 16, width, pad, false);
            break;
        default:
            put(*f);
        }
    }
}

void print(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprint(fmt, ap);
    va_end(ap);
}

void note(const char *fmt, ...)
{
    va_list ap;

    print("# ");
    va_start(ap, fmt);
    vprint(fmt, ap);
    va_end(ap);
    print("\n");
}

bool ok(bool passed, const char *name, ...)
{
    va_list ap;

    failures += !passed;
    print("%s %u - ", passed ? "ok" : "not ok", ++checks);
    va_start(ap, name);
    vprint(name, ap);
    va_end(ap);
    print("\n");
    return passed;
}

bool is(u64 got, u64 want, const char *name, ...)
{
    va_list ap;

    failures += got != want;
    print("%s %u - ", got == want ? "ok" : "not ok", ++checks);
    va_start(ap, name);
    vprint(name, ap);
    va_end(ap);
    if (got != want)
        print(" (got 0x%lx want 0x%lx)", got, want);
    print("\n");
    return got == want;
}

void skip(const char *name, const char *why)
{
    print("ok %u - %s # SKIP %s\n", ++checks, name, why);
}

void plan(void)
{
    if (failures)
        print("# %u of %u failed\n", failures, checks);
    print("1..%u\n", checks);
}

void (*bail_hook)(void);

void bail(const char *fmt, ...)
{
    va_list ap;

    failures++;
    print("not ok %u - ", ++checks);
    va_start(ap, fmt);
    vprint(fmt, ap);
    va_end(ap);
    print("\n");
    if (bail_hook)
        bail_hook();
    finish();
}

void *memset(void *p, int c, size_t n)
{
    void *to = p;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return p;
}

void *memcpy(void *to, const void *from, size_t n)
{
    void *p = to;

    __asm__ volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n) : : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

static const char *find(const char *s, const char *word)
{
    size_t n = strlen(word);

    for (; *s; s++)
        if (!memcmp(s, word, n))
            return s;
    return NULL;
}

bool contains(const char *s, const char *word)
{
    return find(s, word);
}

u64 option(const char *name, u64 fallback)
{
    const char *s = start_info->cmdline_paddr ? find((const char *)start_info->cmdline_paddr, name) : NULL;
    u64 n = 0;

    if (!s || s[strlen(name)] != '=')
        return fallback;
    for (s += strlen(name) + 1; *s >= '0' && *s <= '9'; s++)
        n = n * 10 + *s - '0';
    return n;
}
