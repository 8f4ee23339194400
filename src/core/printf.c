/* SPDX-License-Identifier: BSD-2-Clause */
/* vsnprintf: d i u x X c s p %, flags 0 - + #, width, precision, * and the length modifiers hh h l ll z. */
#include <torii/lib.h>

struct sink {
    char *buf;
    size_t size, len; /* len counts what a large enough buffer would hold */
};

static void put(struct sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->buf[s->len] = c;
    s->len++;
}

struct spec {
    bool left, zero, plus, alt, upper;
    int width, precision; /* -1: none */
};

static void put_field(struct sink *s, const struct spec *sp, const char *sign, const char *text, size_t n, int zeros)
{
    int pad = sp->width - (int)(n + strlen(sign)) - zeros;

    for (; !sp->left && pad > 0; pad--)
        put(s, ' ');
    while (*sign)
        put(s, *sign++);
    while (zeros-- > 0)
        put(s, '0');
    while (n--)
        put(s, *text++);
    for (; pad > 0; pad--)
        put(s, ' ');
}

static void put_number(struct sink *s, const struct spec *sp, u64 val, unsigned base, const char *sign)
{
    const char *digits = sp->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24], *p = text + sizeof(text);
    int n, zeros = 0;

    for (; val; val /= base)
        *--p = digits[val % base];
    if (p == text + sizeof(text) && sp->precision)
        *--p = '0';
    n = text + sizeof(text) - p;
    if (sp->precision > n)
        zeros = sp->precision - n;
    else if (sp->zero && !sp->left && sp->precision < 0)
        zeros = sp->width - n - (int)strlen(sign);
    put_field(s, sp, sign, p, n, max(zeros, 0));
}

static int read_int(const char **fmt, va_list *ap)
{
    int n = 0;

    if (**fmt == '*') {
        (*fmt)++;
        return va_arg(*ap, int);
    }
    for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
        n = n * 10 + **fmt - '0';
    return n;
}

/* longs: -2 hh, -1 h, 0 int, more l and z. */
static s64 read_signed(va_list *ap, int longs)
{
    int val;

    if (longs > 0)
        return va_arg(*ap, s64);
    val = va_arg(*ap, int);
    return longs < -1 ? (s8)val : longs < 0 ? (s16)val : val;
}

static u64 read_unsigned(va_list *ap, int longs)
{
    unsigned val;

    if (longs > 0)
        return va_arg(*ap, u64);
    val = va_arg(*ap, unsigned);
    return longs < -1 ? (u8)val : longs < 0 ? (u16)val : val;
}

static void put_conversion(struct sink *s, struct spec *sp, char conv, int longs, va_list *ap)
{
    char c;
    const char *str;
    s64 val;
    u64 uval;

    switch (conv) {
    case 'd':
    case 'i':
        val = read_signed(ap, longs);
        put_number(s, sp, val < 0 ? -(u64)val : (u64)val, 10, val < 0 ? "-" : sp->plus ? "+" : "");
        break;
    case 'u':
        put_number(s, sp, read_unsigned(ap, longs), 10, "");
        break;
    case 'X':
        sp->upper = true;
        /* fall through */
    case 'x':
        uval = read_unsigned(ap, longs);
        put_number(s, sp, uval, 16, !sp->alt || !uval ? "" : sp->upper ? "0X" : "0x");
        break;
    case 'p':
        put_number(s, sp, (u64)va_arg(*ap, void *), 16, "0x");
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_field(s, sp, "", &c, 1, 0);
        break;
    case 's':
        str = va_arg(*ap, const char *);
        if (!str)
            str = "(null)";
        put_field(s, sp, "", str, sp->precision >= 0 ? strnlen(str, sp->precision) : strlen(str), 0);
        break;
    default:
        put(s, conv);
    }
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct sink s = {.buf = buf, .size = size};
    va_list ap;

    va_copy(ap, args);
    for (; *fmt; fmt++) {
        struct spec sp = {.precision = -1};
        int longs = 0;

        if (*fmt != '%') {
            put(&s, *fmt);
            continue;
        }
        for (fmt++;; fmt++) {
            if (*fmt == '-')
                sp.left = true;
            else if (*fmt == '0')
                sp.zero = true;
            else if (*fmt == '+')
                sp.plus = true;
            else if (*fmt == '#')
                sp.alt = true;
            else if (*fmt != ' ')
                break;
        }
        sp.width = read_int(&fmt, &ap);
        if (sp.width < 0) {
            sp.left = true;
            sp.width = -sp.width;
        }
        if (*fmt == '.') {
            fmt++;
            sp.precision = read_int(&fmt, &ap);
        }
        for (; *fmt == 'l' || *fmt == 'z' || *fmt == 'h'; fmt++)
            longs += *fmt == 'h' ? -1 : 1;
        if (!*fmt)
            break;
        put_conversion(&s, &sp, *fmt, longs, &ap);
    }
    va_end(ap);
    if (size)
        buf[min(s.len, size - 1)] = '\0';
    return (int)s.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
