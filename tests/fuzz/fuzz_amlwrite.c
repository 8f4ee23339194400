/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/aml_write.c src/acpi/aml_scan.c tests/unit/fakes.c */
/*
 * Any sequence of terms written into room for some of it: nothing is written past the end, measuring gives the same
 * length, and what fits reads back as AML with as many definitions as were written.
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/acpi/aml_write.h"

#define DEPTH_MAX 8 /* a name of seven below that has as many segments as the walk takes */
#define TERMS_MAX 64
#define PATHS     8

static const char *const paths[PATHS] = {"ABCD",      "X",           "\\_SB",        "\\_SB.CPUS.C000",
                                         "\\_GPE._E3F", "\\_SB.A.B.C", "_STA", "\\A.B.C.D.E.F.G"};

static void check(bool ok)
{
    if (!ok)
        abort();
}

struct input {
    const uint8_t *p;
    size_t left;
};

static u8 byte(struct input *in)
{
    return in->left ? in->left--, *in->p++ : 0;
}

static u64 number(struct input *in)
{
    u64 val = 0;

    for (unsigned n = byte(in) % 9; n; n--)
        val = val << 8 | byte(in);
    return val;
}

/* A method's body holds statements, the rest definitions. Returns how many definitions a walk will see. */
static unsigned terms(struct aml *a, struct input *in, unsigned depth, bool in_method)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < TERMS_MAX && in->left; i++) {
        u8 op = byte(in) % (in_method ? 7 : 8);
        const char *path = paths[byte(in) % PATHS];
        size_t mark;
        u8 bytes[16];

        if (op == 0)
            return seen;
        if (in_method) {
            if (op == 1 && depth < DEPTH_MAX) {
                mark = aml_if_local0(a);
                terms(a, in, depth + 1, true);
                aml_end(a, mark);
            } else if (op == 2) {
                aml_return(a, path);
            } else if (op == 3) {
                aml_store(a, number(in), path);
            } else if (op == 4) {
                aml_load_local0(a, path);
            } else if (op == 5) {
                aml_notify_local0(a, path);
            } else {
                aml_call(a, path);
            }
            continue;
        }
        switch (op) {
        case 1:
        case 2:
            if (depth == DEPTH_MAX)
                break;
            mark = op == 1 ? aml_scope(a, path) : aml_device(a, path);
            seen += op == 2;
            seen += terms(a, in, depth + 1, false);
            aml_end(a, mark);
            break;
        case 3:
            mark = aml_method(a, path, byte(in) & 0xf);
            terms(a, in, depth + 1, true);
            aml_end(a, mark);
            seen++;
            break;
        case 4:
            aml_name_integer(a, path, number(in));
            seen++;
            break;
        case 5:
            aml_name_string(a, path, "ACPI0007");
            seen++;
            break;
        case 6:
            memset(bytes, byte(in), sizeof(bytes));
            aml_name_buffer(a, path, bytes, byte(in) % (sizeof(bytes) + 1));
            seen++;
            break;
        default:
            aml_memory_region(a, path, number(in), number(in));
            mark = aml_byte_field(a, path);
            for (unsigned units = byte(in); units; units--)
                aml_byte_unit(a, "UNIT");
            aml_end(a, mark);
            seen++;
        }
    }
    return seen;
}

static void count(void *ctx, const struct aml_definition *d)
{
    (void)d;
    ++*(unsigned *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    size_t room = (size_t)byte(&in) * 64, at;
    struct aml measure = {0}, a = {.buf = malloc(room + 1), .size = room};
    struct input again = in;
    unsigned written = terms(&measure, &in, 0, false), read = 0;

    check(terms(&a, &again, 0, false) == written);
    check(a.used == measure.used);
    if (a.used <= room) {
        check(aml_scan(a.buf, a.used, count, &read, &at));
        check(read == written);
    }
    free(a.buf);
    return 0;
}
