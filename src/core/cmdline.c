/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/cmdline.h>
#include <torii/lib.h>

struct option {
    const char *text; /* name, and what follows it, quotes included */
    size_t bytes;
};

/* The next option at or after *s, which is moved past it. False at the end of the options. */
static bool next_option(const char **s, struct option *o)
{
    const char *p = *s;
    bool quoted = false;

    while (*p == ' ' || *p == '\t' || *p == '\n')
        p++;
    o->text = p;
    for (; *p && (quoted || (*p != ' ' && *p != '\t' && *p != '\n')); p++) {
        if (*p == '"')
            quoted = !quoted;
    }
    o->bytes = p - o->text;
    *s = p;
    return o->bytes && !(o->bytes == 2 && o->text[0] == '-' && o->text[1] == '-');
}

static char name_char(char c)
{
    return c == '_' ? '-' : c;
}

/* Does text start with name, followed by '=' or its end? */
static bool name_matches(const char *text, size_t bytes, const char *name, size_t name_bytes)
{
    if (bytes < name_bytes || (bytes > name_bytes && text[name_bytes] != '='))
        return false;
    for (size_t i = 0; i < name_bytes; i++) {
        if (name_char(text[i]) != name_char(name[i]))
            return false;
    }
    return true;
}

static void copy_unquoted(char *buf, size_t n, const char *text, size_t bytes)
{
    size_t used = 0;

    for (size_t i = 0; i < bytes && used + 1 < n; i++) {
        if (text[i] != '"')
            buf[used++] = text[i];
    }
    if (n)
        buf[used] = '\0';
}

bool cmdline_get(const char *cmdline, const char *name, char *buf, size_t n)
{
    size_t name_bytes = strlen(name);
    struct option o;
    bool found = false;

    while (next_option(&cmdline, &o)) {
        if (name_matches(o.text, o.bytes, name, name_bytes)) {
            size_t skip = name_bytes < o.bytes ? name_bytes + 1 : name_bytes;

            copy_unquoted(buf, n, o.text + skip, o.bytes - skip);
            found = true;
        } else if (o.bytes == name_bytes + 3 && name_matches(o.text, 3, "no-", 3) &&
                   name_matches(o.text + 3, o.bytes - 3, name, name_bytes)) {
            copy_unquoted(buf, n, "no", 2);
            found = true;
        }
    }
    return found;
}

bool cmdline_bool(const char *cmdline, const char *name, bool fallback)
{
    static const char *const yes[] = {"", "yes", "on", "true", "enable", "1"};
    static const char *const no[] = {"no", "off", "false", "disable", "0"};
    char value[16];

    if (!cmdline_get(cmdline, name, value, sizeof(value)))
        return fallback;
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcmp(value, yes[i]))
            return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
        if (!strcmp(value, no[i]))
            return false;
    }
    return fallback;
}

/* Value of a digit in any base up to 16, or 16. */
static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

u64 parse_size(const char *s, const char **end)
{
    bool hex = s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16;
    unsigned base = hex ? 16 : 10, shift = 10;
    const char *p = hex ? s + 2 : s;
    u64 value = 0;

    *end = s;
    if (digit(*p) >= base)
        return 0;
    for (; digit(*p) < base; p++) {
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit(*p), &value))
            return 0;
    }
    switch (*p | 0x20) {
    case 'b':
        shift = 0;
        p++;
        break;
    case 'k':
        p++;
        break;
    case 'm':
        shift = 20;
        p++;
        break;
    case 'g':
        shift = 30;
        p++;
        break;
    case 't':
        shift = 40;
        p++;
        break;
    }
    if (value << shift >> shift != value)
        return 0;
    *end = p;
    return value << shift;
}
