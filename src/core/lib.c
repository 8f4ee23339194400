/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and string functions. memcpy and memset move words: by string instructions, short code and fast microcode; what is
 * too short to be worth the start of one by two moves that may overlap. The tail of what is longer likewise.
 */
#include <torii/lib.h>

#define STRING_MIN 32

#define DEFINE_UNALIGNED(type)                                                                     \
    static inline type load_##type(const void *p)                                                  \
    {                                                                                              \
        type val;                                                                                  \
                                                                                                   \
        __builtin_memcpy(&val, p, sizeof(val));                                                    \
        return val;                                                                                \
    }                                                                                              \
    static inline void store_##type(void *p, type val)                                             \
    {                                                                                              \
        __builtin_memcpy(p, &val, sizeof(val));                                                    \
    }

DEFINE_UNALIGNED(u16)
DEFINE_UNALIGNED(u32)
DEFINE_UNALIGNED(u64)

/* Up to 31 bytes. All are read before the first is written, which is what memmove needs. */
static void copy_short(u8 *d, const u8 *s, size_t n)
{
    if (n >= 16) {
        u64 first = load_u64(s), second = load_u64(s + 8), third = load_u64(s + n - 16), last = load_u64(s + n - 8);

        store_u64(d, first);
        store_u64(d + 8, second);
        store_u64(d + n - 16, third);
        store_u64(d + n - 8, last);
    } else if (n >= 8) {
        u64 first = load_u64(s), last = load_u64(s + n - 8);

        store_u64(d, first);
        store_u64(d + n - 8, last);
    } else if (n >= 4) {
        u32 first = load_u32(s), last = load_u32(s + n - 4);

        store_u32(d, first);
        store_u32(d + n - 4, last);
    } else if (n >= 2) {
        u16 first = load_u16(s), last = load_u16(s + n - 2);

        store_u16(d, first);
        store_u16(d + n - 2, last);
    } else if (n) {
        *d = *s;
    }
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    void *d = dst;
    size_t words = n / 8;
    u64 last;

    if (n < STRING_MIN) {
        copy_short(dst, src, n);
        return dst;
    }
    last = load_u64((const u8 *)src + n - 8); /* before it is written over, if they overlap */
    asm volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
    store_u64((u8 *)dst + n - 8, last);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    char *d = dst;
    const char *s = src;

    if (n < STRING_MIN || (uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(dst, src, n);
    while (n--)
        d[n] = s[n];
    return dst;
}

static void set_short(u8 *d, u64 pattern, size_t n)
{
    if (n >= 16) {
        store_u64(d, pattern);
        store_u64(d + 8, pattern);
        store_u64(d + n - 16, pattern);
        store_u64(d + n - 8, pattern);
    } else if (n >= 8) {
        store_u64(d, pattern);
        store_u64(d + n - 8, pattern);
    } else if (n >= 4) {
        store_u32(d, (u32)pattern);
        store_u32(d + n - 4, (u32)pattern);
    } else if (n >= 2) {
        store_u16(d, (u16)pattern);
        store_u16(d + n - 2, (u16)pattern);
    } else if (n) {
        *d = (u8)pattern;
    }
}

void *memset(void *dst, int c, size_t n)
{
    u64 pattern = (u8)c * 0x0101010101010101ull;
    size_t words = n / 8;
    void *d = dst;

    if (n < STRING_MIN) {
        set_short(dst, pattern, n);
        return dst;
    }
    asm volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
    store_u64((u8 *)dst + n - 8, pattern);
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    for (const u8 *p = s; n; n--, p++)
        if (*p == (u8)c)
            return (void *)p;
    return NULL;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;

    while (n < max && s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--)
        a++, b++;
    return n ? (u8)*a - (u8)*b : 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (!*s)
            return NULL;
    }
}

char *strstr(const char *haystack, const char *needle)
{
    size_t n = strlen(needle);

    for (; *haystack; haystack++)
        if (!strncmp(haystack, needle, n))
            return (char *)haystack;
    return n ? NULL : (char *)haystack;
}

/* No blanks, no sign: a number starts with a digit. One too large is ULONG_MAX, as in C. */
unsigned long strtoul(const char *s, char **end, int base)
{
    bool prefix = (base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x', over = false;
    unsigned long val = 0;
    const char *first;

    if (prefix) {
        s += 2;
        base = 16;
    } else if (base == 0) {
        base = s[0] == '0' ? 8 : 10;
    }
    for (first = s;; s++) {
        int digit = *s >= '0' && *s <= '9' ? *s - '0' : (*s | 0x20) >= 'a' && (*s | 0x20) <= 'z' ? (*s | 0x20) - 'a' + 10 : 99;

        if (digit >= base)
            break;
        over |= __builtin_mul_overflow(val, (unsigned long)base, &val);
        over |= __builtin_add_overflow(val, (unsigned long)digit, &val);
    }
    if (end)
        *end = (char *)(s == first && prefix ? s - 1 : s);
    return over ? ~0ul : val;
}
