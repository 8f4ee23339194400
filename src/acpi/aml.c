/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The little AML Torii reads (ACPI 6.5 §20.2): integer packages that are the value of a Name. Recognised by encoding
 * alone; nothing is executed.
 */
#include <torii/acpi.h>
#include <torii/lib.h>

#define AML_ZERO         0x00
#define AML_ONE          0x01
#define AML_NAME         0x08
#define AML_BYTE_PREFIX  0x0a
#define AML_WORD_PREFIX  0x0b
#define AML_DWORD_PREFIX 0x0c
#define AML_QWORD_PREFIX 0x0e
#define AML_PACKAGE      0x12
#define AML_ROOT_CHAR    '\\'

#define SLEEP_TYPE_MAX 7 /* SLP_TYP has three bits, §4.8.3.2.1 */

struct aml_reader {
    const u8 *p, *end;
};

static bool take_byte(struct aml_reader *r, u8 *b)
{
    if (r->p == r->end)
        return false;
    *b = *r->p++;
    return true;
}

/* §20.2.4: the length counts its own bytes. Narrows r to what it covers. */
static bool enter_pkg_length(struct aml_reader *r)
{
    const u8 *start = r->p;
    u32 length;
    u8 lead, b;

    if (!take_byte(r, &lead))
        return false;
    length = lead >> 6 ? lead & 0x0f : lead & 0x3f;
    for (unsigned i = 0; i < lead >> 6; i++) {
        if (!take_byte(r, &b))
            return false;
        length |= (u32)b << (4 + 8 * i);
    }
    if (length < (u32)(r->p - start) || length > (size_t)(r->end - start))
        return false;
    r->end = start + length;
    return true;
}

static bool take_integer(struct aml_reader *r, u64 *value)
{
    unsigned bytes;
    u8 op;

    if (!take_byte(r, &op))
        return false;
    switch (op) {
    case AML_ZERO:
    case AML_ONE:
        *value = op;
        return true;
    case AML_BYTE_PREFIX:
        bytes = 1;
        break;
    case AML_WORD_PREFIX:
        bytes = 2;
        break;
    case AML_DWORD_PREFIX:
        bytes = 4;
        break;
    case AML_QWORD_PREFIX:
        bytes = 8;
        break;
    default:
        return false;
    }
    if ((size_t)(r->end - r->p) < bytes)
        return false;
    *value = 0;
    memcpy(value, r->p, bytes);
    r->p += bytes;
    return true;
}

/* Behind the name: Package of at least one element; §7.4.2: SLP_TYPa, SLP_TYPb. Firmware that has no PM1b may stop
 * early. */
static bool read_package(struct aml_reader r, u8 typ[2])
{
    u64 value[2] = {0, 0};
    u8 op, count;

    if (!take_byte(&r, &op) || op != AML_PACKAGE || !enter_pkg_length(&r) || !take_byte(&r, &count) || !count)
        return false;
    for (unsigned i = 0; i < min((unsigned)count, 2u); i++)
        if (r.p == r.end ? i == 0 : !take_integer(&r, &value[i]))
            return false;
    if (value[0] > SLEEP_TYPE_MAX || value[1] > SLEEP_TYPE_MAX)
        return false;
    typ[0] = value[0];
    typ[1] = value[1];
    return true;
}

/* Is the segment at `at` the operand of a Name, written bare or as \NAME? */
static bool is_named(const u8 *aml, size_t at)
{
    if (at >= 1 && aml[at - 1] == AML_NAME)
        return true;
    return at >= 2 && aml[at - 1] == AML_ROOT_CHAR && aml[at - 2] == AML_NAME;
}

bool acpi_find_sleep_types(const u8 *aml, size_t bytes, const char name[4], u8 typ[2])
{
    for (size_t at = 1; at + 4 <= bytes; at++) {
        struct aml_reader r = {aml + at + 4, aml + bytes};

        if (aml[at] == (u8)name[0] && !memcmp(aml + at, name, 4) && is_named(aml, at) && read_package(r, typ))
            return true;
    }
    return false;
}
