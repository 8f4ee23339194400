/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/aml_scan.c src/acpi/aml_write.c src/acpi/processors.c tests/unit/asl.c tests/unit/fakes.c */
/* Reading and writing AML: the walk, the writer, native processors found and hidden. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/acpi/aml_write.h"
#include "../../src/acpi/processors.h"
#include "asl.h"
#include "fakes.h"

static char seen[4096];
static size_t stopped;

static void note(void *ctx, const struct aml_definition *d)
{
    static const char kind[] = {'P', 'D', 'N', 'M'};
    char path[AML_PATH_BYTES];

    (void)ctx;
    aml_name_print(d->name, path);
    snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%c%s ", kind[d->kind], path);
}

/* A copy of exactly that size: reading past its end is caught. */
static bool scan(const void *aml, size_t bytes)
{
    u8 *copy = malloc(bytes);
    bool ok;

    memcpy(copy, aml, bytes);
    seen[0] = 0;
    ok = aml_scan(copy, bytes, note, NULL, &stopped);
    free(copy);
    return ok;
}

#define SCAN(...) scan((const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

static void definitions_are_seen_with_their_whole_names(void **state)
{
    (void)state;
    assert_true(SCAN(0x10, 21, '\\', '_', 'S', 'B', '_', 0x5b, 0x82, 13, 'D', 'E', 'V', '0', 8, '_', 'U', 'I', 'D', 10,
                     7, 0xa3));
    assert_string_equal(seen, "D\\_SB.DEV0 N\\_SB.DEV0._UID ");
    /* parent prefixes, dual and multi names */
    assert_true(SCAN(0x10, 0x14, 0x2f, 3, 'A', 'A', 'A', 'A', 'B', 'B', 'B', 'B', 'C', '_', '_', '_', 8, '^', '^', 'X',
                     'Y', 'Z', '_', 1) == false);
    assert_true(SCAN(0x10, 23, 0x2f, 3, 'A', 'A', 'A', 'A', 'B', 'B', 'B', 'B', 'C', '_', '_', '_', 8, '^', '^', 'X',
                     'Y', 'Z', '_', 1));
    assert_string_equal(seen, "N\\AAAA.XYZ ");
}

static void bodies_of_methods_are_not_read(void **state)
{
    (void)state;
    assert_true(SCAN(0x14, 9, 'M', 'E', 'T', 'H', 0, 0x5b, 0x83, 0xff));
    assert_string_equal(seen, "M\\METH ");
}

static void arguments_of_calls_are_passed_over(void **state)
{
    (void)state;
    /* METH(5, "a"); If (FUNC(2) == 3) {} */
    assert_true(SCAN('M', 'E', 'T', 'H', 10, 5, 13, 'a', 0, 0xa0, 9, 0x93, 'F', 'U', 'N', 'C', 10, 2, 10, 3) == false);
    assert_true(SCAN('M', 'E', 'T', 'H', 10, 5, 13, 'a', 0, 0xa0, 10, 0x93, 'F', 'U', 'N', 'C', 10, 2, 10, 3));
}

static void what_is_not_aml_is_refused_where_it_begins(void **state)
{
    (void)state;
    assert_false(SCAN(0xa3, 0xa3, 0x02));
    assert_false(SCAN(10, 5));                                                      /* a constant is no term */
    assert_false(SCAN(0x5b, 0x83, 12, 'C', 'P', 'U', '0', 0, 0, 0, 0, 0, 3, 0xa3)); /* P_BLK of three bytes */
    assert_false(SCAN(0x5b, 0x83, 20, 'C', 'P', 'U', '0', 0, 0, 0, 0, 0, 0));       /* longer than what is there */
    assert_false(SCAN(0x5b, 0x83, 2, 'C', 'P', 'U', '0', 0, 0, 0, 0, 0, 0));        /* shorter than its name */
    assert_false(SCAN(0x10, 0x40, '\\', 0));                                        /* two length bytes, one missing */
    assert_false(SCAN(0x08, '^', 'A', 'B', 'C', 'D', 0));                           /* above the root */
    assert_false(SCAN(0x08, 'a', 'B', 'C', 'D', 0));
    assert_false(SCAN(0x08, 'A', 'B', 'C', 'D', 13, 'x')); /* string without end */
    assert_false(SCAN(0x5b));
}

static void deep_nesting_ends_the_walk(void **state)
{
    u8 nots[512], scopes[512];

    (void)state;
    memset(nots, 0x92, sizeof(nots));
    assert_false(scan(nots, sizeof(nots)));
    for (unsigned i = 0; i + 4 <= sizeof(scopes); i += 4) {
        unsigned length = sizeof(scopes) - i - 1;

        scopes[i] = 0xa1;
        scopes[i + 1] = (u8)(0x40 | (length & 0xf));
        scopes[i + 2] = (u8)(length >> 4);
        scopes[i + 3] = 0xa3;
    }
    assert_false(scan(scopes, sizeof(scopes)));
}

static const char firmware[] =
    "DefinitionBlock (\"\", \"DSDT\", 2, \"OEMID \", \"TESTDSDT\", 1) {\n"
    " External (\\_SB.EXTM, MethodObj)\n"
    " Name (\\PICM, 0)\n"
    " OperationRegion (DBG, SystemIO, 0x402, Add (1, 0))\n"
    " Field (DBG, ByteAcc, NoLock, Preserve) { DBGB, 8 }\n"
    " Mutex (MTX0, 1)\n"
    " Event (EVT0)\n"
    " Method (DBUG, 2, Serialized) { Store (Arg0, DBGB) Return (Arg1) }\n"
    " If (LEqual (DBUG (1, 2), 3)) { Name (\\COND, Package () { 1, \"two\", DBGB }) }\n"
    " Else { Name (\\CONE, Buffer (4) { 1, 2, 3, 4 }) }\n"
    " If (CondRefOf (\\_SB.EXTM)) { \\_SB.EXTM (DBUG (1, 2), \"x\") }\n"
    " Scope (\\_PR) {\n"
    "  Processor (CPU0, 1, 0x410, 6) { Name (_CST, Package () { 0 }) Method (_PDC, 1) { Store (Arg0, Local0) } }\n"
    "  Processor (CPU1, 2, 0, 0) { }\n"
    " }\n"
    " PowerResource (PWR0, 0, 0) { Method (_STA) { Return (1) } Method (_ON) { } Method (_OFF) { } }\n"
    " Scope (\\_SB) {\n"
    "  ThermalZone (TZ0) { Method (_TMP) { Return (3000) } }\n"
    "  Device (C000) { Name (_HID, \"ACPI0007\") Name (_UID, 0x1234) Name (_PCT, Package () { 0, 0 }) }\n"
    "  Device (C001) { Name (_UID, 5) Name (_HID, \"ACPI0007\") Method (_PSS) { Return (Package () { 0 }) } }\n"
    "  Device (C002) { Name (_HID, \"ACPI0007\") Name (_UID, \"text\") }\n"
    "  Device (PCI0) { Name (_HID, EisaId (\"PNP0A08\")) Name (_UID, 1) Name (_CST, 0)\n"
    "   Method (MAKE) { Name (LOCL, 1) }\n"
    "   Name (BUF0, ResourceTemplate () { IO (Decode16, 0xcf8, 0xcf8, 1, 8) })\n"
    "   CreateWordField (BUF0, 2, BMIN)\n"
    "   CreateField (BUF0, 0, 3, BITS)\n"
    "  }\n"
    " }\n"
    " Scope (\\_GPE) { Method (_E02) { Notify (\\_PR.CPU0, 1) Notify (\\_SB.C000, 0) } }\n"
    "}\n";

static struct native_processors natives;

static void processors_are_found_in_compiled_asl(void **state)
{
    const struct native_processor *p;
    char path[AML_PATH_BYTES];
    size_t bytes;
    u8 *t;

    (void)state;
    if (!asl_available())
        skip();
    t = asl_compile(firmware, &bytes);
    processors_begin(&natives);
    processors_add(&natives, t + 36, bytes - 36, "DSDT");
    assert_true(natives.sure);
    assert_int_equal(natives.nr, 5);
    p = processors_find(&natives, 1);
    assert_non_null(p);
    assert_int_equal(aml_name_print(&p->name, path), 9);
    assert_string_equal(path, "\\_PR.CPU0");
    assert_int_equal(p->methods, BIT(0) | BIT(6)); /* _CST, _PDC */
    assert_int_equal(p->p_blk, 0x410);
    assert_int_equal(processors_find(&natives, 2)->methods, 0);
    assert_int_equal(processors_find(&natives, 2)->p_blk, 0);
    p = processors_find(&natives, 0x1234);
    aml_name_print(&p->name, path);
    assert_string_equal(path, "\\_SB.C000");
    assert_int_equal(p->methods, BIT(2)); /* _PCT */
    p = processors_find(&natives, 5);
    assert_non_null(p);
    assert_int_equal(p->methods, BIT(3)); /* _PSS */
    assert_null(processors_find(&natives, 0));
    assert_false(natives.processor[4].has_id);
    free(t);
}

/* The port of QEMU's processor hotplug registers in a DSDT with this device. */
static unsigned hotplug_port(const char *device)
{
    char source[1024];
    size_t bytes;
    u8 *t;

    snprintf(source, sizeof(source),
             "DefinitionBlock (\"\", \"DSDT\", 1, \"TORII\", \"TEST\", 1) { Scope (\\_SB) { Device (PRES) { %s } } }",
             device);
    t = asl_compile(source, &bytes);
    processors_begin(&natives);
    processors_add(&natives, t + 36, bytes - 36, "DSDT");
    assert_true(natives.sure);
    free(t);
    return natives.hotplug_port;
}

#define HOTPLUG_UID "Name (_UID, \"CPU Hotplug resources\") "

static void hotplug_registers_are_known_by_their_device(void **state)
{
    (void)state;
    if (!asl_available())
        skip();
    assert_int_equal(hotplug_port(HOTPLUG_UID "OperationRegion (PRST, SystemIO, 0x0CD8, 0x0C)"), 0xcd8);
    assert_int_equal(hotplug_port("Name (_UID, \"another\") OperationRegion (PRST, SystemIO, 0x0CD8, 0x0C)"), 0);
    assert_int_equal(hotplug_port(HOTPLUG_UID "OperationRegion (PRST, SystemMemory, 0x0CD8, 0x0C)"), 0);
    assert_int_equal(hotplug_port(HOTPLUG_UID "OperationRegion (PRST, SystemIO, 0x0CD8, 0x20)"), 0);
    assert_int_equal(hotplug_port(HOTPLUG_UID "OperationRegion (PRST, SystemIO, 0xFFFC, 0x0C)"), 0);
    assert_int_equal(hotplug_port(HOTPLUG_UID "OperationRegion (PRST, SystemIO, 0, 0x0C)"), 0);
    assert_int_equal(hotplug_port(HOTPLUG_UID "Name (PORT, 0xCD8) OperationRegion (PRST, SystemIO, PORT, 0x0C)"), 0);
    assert_int_equal(hotplug_port(HOTPLUG_UID "Device (SUB) { OperationRegion (PRST, SystemIO, 0x0CD8, 0x0C) }"), 0);
}

/* --- AML that Debian ships: QEMU's of old as a file, others inside firmware images --- */

#define IMAGE_MAX (2u << 20)

/* A whole table starts here: its bytes, or 0. */
static size_t table_at(const u8 *p, size_t left)
{
    u32 bytes;
    u8 sum = 0;

    if (left < 36 || (memcmp(p, "DSDT", 4) && memcmp(p, "SSDT", 4)))
        return 0;
    memcpy(&bytes, p + 4, sizeof(bytes));
    if (bytes <= 36 || bytes > left)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        sum += p[i];
    return sum ? 0 : bytes;
}

/* Every processor is found, and none is left in the changed copy. */
static void check_shipped(u8 *table, size_t bytes)
{
    processors_begin(&natives);
    processors_add(&natives, table + 36, bytes - 36, "DSDT");
    assert_true(natives.sure);
    /* hvmloader's have a _HID in the Processor: two changes for one. */
    assert_in_range(processors_hide(table + 36, bytes - 36), natives.nr, 2 * natives.nr);
    processors_begin(&natives);
    processors_add(&natives, table + 36, bytes - 36, "DSDT");
    assert_true(natives.sure);
    assert_int_equal(natives.nr, 0);
}

static unsigned tables_in(const char *path)
{
    FILE *f = fopen(path, "rb");
    u8 *image;
    size_t bytes, length;
    unsigned nr = 0;

    if (!f)
        return 0;
    image = malloc(IMAGE_MAX);
    bytes = fread(image, 1, IMAGE_MAX, f);
    fclose(f);
    for (size_t i = 0; i < bytes; i += length ? length : 1) {
        length = table_at(image + i, bytes - i);
        if (length) {
            check_shipped(image + i, length);
            nr++;
        }
    }
    free(image);
    return nr;
}

static void aml_that_debian_ships_is_understood(void **state)
{
    static const struct {
        const char *path;
        unsigned tables;
    } shipped[] = {
        {"/usr/share/seabios/acpi-dsdt.aml", 1},
        {"/usr/share/bochs/BIOS-bochs-latest", 2},
        {"/usr/lib/xen-4.17/boot/hvmloader", 8},
    };
    bool any = false;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(shipped); i++)
        if (!access(shipped[i].path, R_OK)) {
            assert_int_equal(tables_in(shipped[i].path), shipped[i].tables);
            any = true;
        }
    if (!any)
        skip();
}

/* What is true of a table: an OS that loads the changed copy finds no processor, and all else as before. */
static void hidden_processors_are_devices_of_the_same_name(void **state)
{
    const void *table[1];
    const char *dsl;
    size_t bytes;
    u8 *t;

    (void)state;
    if (!asl_available())
        skip();
    t = asl_compile(firmware, &bytes);
    assert_int_equal(processors_hide(t + 36, bytes - 36), 5);
    t[9] = 0;
    for (size_t i = 0; i < bytes; i++)
        t[9] -= i == 9 ? 0 : t[i];
    table[0] = t;
    dsl = asl_disassemble(table, &bytes, 1, 0);
    assert_null(strstr(dsl, "Processor ("));
    assert_null(strstr(dsl, "ACPI0007"));
    assert_non_null(strstr(dsl, "Device (CPU0)"));
    assert_non_null(strstr(dsl, "Name (TORI, Zero)"));
    assert_non_null(strstr(dsl, "Notify (\\_PR.CPU0, "));
    assert_non_null(strstr(dsl, "\"TORI0007\""));
    processors_begin(&natives);
    processors_add(&natives, t + 36, bytes - 36, "DSDT");
    assert_true(natives.sure);
    assert_int_equal(natives.nr, 0);
    assert_int_equal(processors_hide(t + 36, bytes - 36), 0);
    free(t);
}

static void methods_of_later_tables_count(void **state)
{
    static const char more[] = "DefinitionBlock (\"\", \"SSDT\", 2, \"OEMID \", \"TESTSSDT\", 1) {\n"
                               " External (\\_PR.CPU1, DeviceObj)\n"
                               " Scope (\\_PR.CPU1) { Method (_PPC) { Return (0) } Name (_PSD, 0) }\n"
                               "}\n";
    size_t bytes;
    u8 *t;

    (void)state;
    if (!asl_available())
        skip();
    processors_begin(&natives);
    t = asl_compile(firmware, &bytes);
    processors_add(&natives, t + 36, bytes - 36, "DSDT");
    free(t);
    t = asl_compile(more, &bytes);
    processors_add(&natives, t + 36, bytes - 36, "SSDT");
    free(t);
    assert_true(natives.sure);
    assert_int_equal(natives.nr, 5);
    assert_int_equal(processors_find(&natives, 2)->methods, BIT(4) | BIT(5));
}

/* Every prefix of a good table, and every table with one byte changed: no fault, and no more processors than bytes
 * allow. */
static void damaged_tables_do_no_harm(void **state)
{
    unsigned understood = 0;
    size_t bytes, body;
    u8 *t, *copy;

    (void)state;
    if (!asl_available())
        skip();
    t = asl_compile(firmware, &bytes);
    body = bytes - 36;
    for (size_t n = 0; n < body; n++) {
        copy = malloc(n ? n : 1);
        memcpy(copy, t + 36, n);
        processors_begin(&natives);
        processors_add(&natives, copy, n, "DSDT");
        assert_true(natives.nr <= 5);
        free(copy);
    }
    copy = malloc(body);
    for (size_t n = 0; n < body * 8; n++) {
        memcpy(copy, t + 36, body);
        copy[n / 8] ^= (u8)BIT(n % 8);
        processors_begin(&natives);
        processors_add(&natives, copy, body, "DSDT");
        understood += natives.sure;
        if (natives.sure)
            processors_hide(copy, body);
    }
    assert_in_range(understood, 1, body * 8 - 1);
    free(copy);
    free(t);
}

static void too_many_processors_are_left_alone(void **state)
{
    static u8 many[(PROCESSORS_MAX + 1) * 13];

    (void)state;
    for (unsigned i = 0; i <= PROCESSORS_MAX; i++) {
        u8 *p = many + 13 * i;

        p[0] = 0x5b;
        p[1] = 0x83;
        p[2] = 11;
        p[3] = 'C';
        snprintf((char *)p + 4, 4, "%03X", i);
        memset(p + 7, 0, 6);
    }
    processors_begin(&natives);
    processors_add(&natives, many, sizeof(many) - 13, "DSDT");
    assert_true(natives.sure);
    assert_int_equal(natives.nr, PROCESSORS_MAX);
    processors_begin(&natives);
    processors_add(&natives, many, sizeof(many), "DSDT");
    assert_false(natives.sure);
}

/* --- the writer --- */

static u8 out[1 << 16];

static void integers_take_their_shortest_form(void **state)
{
    static const u8 golden[] = {8,  'A', '_', '_', '_', 0,   8,   'A', '_', '_', '_', 1,   8,   'A', '_', '_', '_',
                                10, 2,   8,   'A', '_', '_', '_', 11,  0,   1,   8,   'A', '_', '_', '_', 12,  0,
                                0,  1,   0,   8,   'A', '_', '_', '_', 14,  0,   0,   0,   0,   1,   0,   0,   0};
    struct aml a = {.buf = out, .size = sizeof(out)};

    (void)state;
    aml_name_integer(&a, "A", 0);
    aml_name_integer(&a, "A", 1);
    aml_name_integer(&a, "A", 2);
    aml_name_integer(&a, "A", 0x100);
    aml_name_integer(&a, "A", 0x10000);
    aml_name_integer(&a, "A", 0x100000000);
    assert_int_equal(a.used, sizeof(golden));
    assert_memory_equal(out, golden, sizeof(golden));
}

static void lengths_grow_with_what_they_cover(void **state)
{
    static const size_t content[] = {0, 57, 58, 59, 4087, 4088, 4089, 60000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(content); i++) {
        struct aml a = {.buf = out, .size = sizeof(out)};
        size_t mark = aml_scope(&a, "\\");
        static const u8 zeros[60000];
        size_t before;

        aml_name_buffer(&a, "BUFF", zeros, content[i]);
        aml_end(&a, mark);
        before = a.used;
        assert_true(scan(out, a.used));
        assert_string_equal(seen, "N\\BUFF ");
        /* measured alike */
        a = (struct aml){0};
        mark = aml_scope(&a, "\\");
        aml_name_buffer(&a, "BUFF", zeros, content[i]);
        aml_end(&a, mark);
        assert_int_equal(a.used, before);
    }
}

static void nothing_is_written_past_the_end(void **state)
{
    (void)state;
    for (size_t size = 0; size < 40; size++) {
        u8 *buf = malloc(size ? size : 1);
        struct aml a = {.buf = buf, .size = size};
        size_t mark = aml_device(&a, "\\_SB.CPU0");

        aml_name_string(&a, "_HID", "ACPI0007");
        aml_end(&a, mark);
        assert_int_equal(a.used, 28);
        free(buf);
    }
}

static void paths_are_encoded_by_their_length(void **state)
{
    struct aml a = {.buf = out, .size = sizeof(out)};
    struct aml_name name = {.nr = 1, .segment = {"CPU0"}};
    size_t mark = aml_method(&a, "\\_SB.AB.C", 1);

    (void)state;
    aml_return_call(&a, &name, "_PDC", 1);
    aml_end(&a, mark);
    assert_memory_equal(out,
                        "\x14\x1d\\\x2f\x03_SB_AB__C___\x01\xa4\\\x2e"
                        "CPU0_PDC\x68",
                        a.used);
    assert_int_equal(a.used, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definitions_are_seen_with_their_whole_names),
        cmocka_unit_test(bodies_of_methods_are_not_read),
        cmocka_unit_test(arguments_of_calls_are_passed_over),
        cmocka_unit_test(what_is_not_aml_is_refused_where_it_begins),
        cmocka_unit_test(deep_nesting_ends_the_walk),
        cmocka_unit_test(processors_are_found_in_compiled_asl),
        cmocka_unit_test(aml_that_debian_ships_is_understood),
        cmocka_unit_test(hotplug_registers_are_known_by_their_device),
        cmocka_unit_test(hidden_processors_are_devices_of_the_same_name),
        cmocka_unit_test(methods_of_later_tables_count),
        cmocka_unit_test(damaged_tables_do_no_harm),
        cmocka_unit_test(too_many_processors_are_left_alone),
        cmocka_unit_test(integers_take_their_shortest_form),
        cmocka_unit_test(lengths_grow_with_what_they_cover),
        cmocka_unit_test(nothing_is_written_past_the_end),
        cmocka_unit_test(paths_are_encoded_by_their_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
