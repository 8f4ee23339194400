/* SPDX-License-Identifier: BSD-2-Clause */
#include "aml_write.h"

#include <torii/lib.h>
#include <torii/log.h>

#define OP_NAME       0x08
#define OP_BYTE       0x0a
#define OP_WORD       0x0b
#define OP_DWORD      0x0c
#define OP_STRING     0x0d
#define OP_QWORD      0x0e
#define OP_SCOPE      0x10
#define OP_BUFFER     0x11
#define OP_METHOD     0x14
#define OP_DUAL_NAME  0x2e
#define OP_MULTI_NAME 0x2f
#define OP_EXTENDED   0x5b
#define OP_ARG0       0x68
#define OP_DEVICE     0x82
#define OP_LOCAL0     0x60
#define OP_STORE      0x70
#define OP_REGION     0x80
#define OP_FIELD      0x81
#define OP_NOTIFY     0x86
#define OP_IF         0xa0
#define OP_RETURN     0xa4

#define SPACE_SYSTEM_MEMORY 0
#define FIELD_BYTE_ACCESS   1
#define BITS_PER_BYTE       8

static void put(struct aml *a, u8 byte)
{
    if (a->used < a->size)
        a->buf[a->used] = byte;
    a->used++;
}

static void put_bytes(struct aml *a, const void *p, size_t n)
{
    const u8 *b = p;

    while (n--)
        put(a, *b++);
}

static void put_integer(struct aml *a, u64 value)
{
    if (value <= 1) {
        put(a, (u8)value);
    } else if (value <= UINT8_MAX) {
        put(a, OP_BYTE);
        put(a, (u8)value);
    } else if (value <= UINT16_MAX) {
        put(a, OP_WORD);
        put_bytes(a, &value, 2);
    } else if (value <= UINT32_MAX) {
        put(a, OP_DWORD);
        put_bytes(a, &value, 4);
    } else {
        put(a, OP_QWORD);
        put_bytes(a, &value, 8);
    }
}

/* §20.2.2: one segment, two behind a prefix, or more behind a prefix and their number. */
static void put_segments(struct aml *a, const struct aml_name *name)
{
    if (name->nr == 0) {
        put(a, 0);
    } else if (name->nr == 2) {
        put(a, OP_DUAL_NAME);
    } else if (name->nr > 2) {
        put(a, OP_MULTI_NAME);
        put(a, name->nr);
    }
    put_bytes(a, name->segment, 4ul * name->nr);
}

static void put_path(struct aml *a, const char *path)
{
    struct aml_name name = {0};

    if (*path == '\\')
        put(a, (u8)*path++);
    while (*path) {
        char *segment = name.segment[name.nr++];

        assert(name.nr <= AML_SEGMENTS_MAX);
        for (unsigned i = 0; i < 4; i++)
            segment[i] = *path && *path != '.' ? *path++ : '_';
        if (*path == '.')
            path++;
    }
    put_segments(a, &name);
}

size_t aml_scope(struct aml *a, const char *path)
{
    size_t mark;

    put(a, OP_SCOPE);
    mark = a->used;
    put_path(a, path);
    return mark;
}

size_t aml_device(struct aml *a, const char *path)
{
    size_t mark;

    put(a, OP_EXTENDED);
    put(a, OP_DEVICE);
    mark = a->used;
    put_path(a, path);
    return mark;
}

size_t aml_method(struct aml *a, const char *path, u8 flags)
{
    size_t mark;

    put(a, OP_METHOD);
    mark = a->used;
    put_path(a, path);
    put(a, flags);
    return mark;
}

/* §20.2.4: six bits in one byte, else four and eight in each that follows. Counts itself; it goes where the mark is. */
void aml_end(struct aml *a, size_t mark)
{
    size_t content = a->used - mark, length;
    u8 field[4];
    unsigned n = 1;

    while (content + n >= (n == 1 ? BIT(6) : BIT(8 * n - 4)))
        n++;
    assert(n <= sizeof(field));
    length = content + n;
    field[0] = n == 1 ? (u8)length : (u8)((n - 1) << 6 | (length & 0xf));
    for (unsigned i = 1; i < n; i++)
        field[i] = (u8)(length >> (8 * i - 4));
    a->used += n;
    if (a->used > a->size)
        return;
    memmove(a->buf + mark + n, a->buf + mark, content);
    memcpy(a->buf + mark, field, n);
}

void aml_name_integer(struct aml *a, const char *path, u64 value)
{
    put(a, OP_NAME);
    put_path(a, path);
    put_integer(a, value);
}

void aml_name_string(struct aml *a, const char *path, const char *value)
{
    put(a, OP_NAME);
    put_path(a, path);
    put(a, OP_STRING);
    put_bytes(a, value, strlen(value) + 1);
}

void aml_name_buffer(struct aml *a, const char *path, const void *bytes, size_t n)
{
    size_t mark;

    put(a, OP_NAME);
    put_path(a, path);
    put(a, OP_BUFFER);
    mark = a->used;
    put_integer(a, n);
    put_bytes(a, bytes, n);
    aml_end(a, mark);
}

void aml_return_call(struct aml *a, const struct aml_name *object, const char member[4], unsigned nr_args)
{
    struct aml_name callee = *object;

    assert(callee.nr < AML_SEGMENTS_MAX);
    memcpy(callee.segment[callee.nr++], member, 4);
    put(a, OP_RETURN);
    put(a, '\\');
    put_segments(a, &callee);
    for (unsigned i = 0; i < nr_args; i++)
        put(a, (u8)(OP_ARG0 + i));
}

void aml_memory_region(struct aml *a, const char *path, u64 address, u64 bytes)
{
    put(a, OP_EXTENDED);
    put(a, OP_REGION);
    put_path(a, path);
    put(a, SPACE_SYSTEM_MEMORY);
    put_integer(a, address);
    put_integer(a, bytes);
}

size_t aml_byte_field(struct aml *a, const char *region)
{
    size_t mark;

    put(a, OP_EXTENDED);
    put(a, OP_FIELD);
    mark = a->used;
    put_path(a, region);
    put(a, FIELD_BYTE_ACCESS);
    return mark;
}

void aml_byte_unit(struct aml *a, const char *segment)
{
    put_path(a, segment);
    put(a, BITS_PER_BYTE);
}

void aml_return(struct aml *a, const char *path)
{
    put(a, OP_RETURN);
    put_path(a, path);
}

void aml_store(struct aml *a, u64 value, const char *path)
{
    put(a, OP_STORE);
    put_integer(a, value);
    put_path(a, path);
}

void aml_load_local0(struct aml *a, const char *path)
{
    put(a, OP_STORE);
    put_path(a, path);
    put(a, OP_LOCAL0);
}

size_t aml_if_local0(struct aml *a)
{
    size_t mark;

    put(a, OP_IF);
    mark = a->used;
    put(a, OP_LOCAL0);
    return mark;
}

void aml_notify_local0(struct aml *a, const char *path)
{
    put(a, OP_NOTIFY);
    put_path(a, path);
    put(a, OP_LOCAL0);
}

void aml_call(struct aml *a, const char *path)
{
    put_path(a, path);
}
