/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/build.c src/acpi/madt_build.c src/acpi/policy.c src/acpi/ssdt.c src/acpi/stao.c src/acpi/cpus.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/aml_write.c src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/madt.c src/acpi/digest.c tests/unit/asl.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
/*
 * Every table Torii makes, byte by byte: tests/unit/golden/NAME.dat, and NAME.dsl is what iasl says of it. The firmware
 * is native.dat, compiled from native.asl. After a wanted change: GOLDEN=write build/unit/test_acpi_golden, and read the
 * difference of the .dsl files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/boot_info.h>
#include <torii/irq.h>

#include "../../src/acpi/build.h"
#include "asl.h"
#include "fake_memory.h"
#include "firmware.h"

#define GPA      0x7f00000u
#define FADT_REVISION_3_BYTES 244
#define TABLES   8
#define TEXT_MAX 65536

static struct ioapic_info ioapic = {.id = 2, .base = 0xfec00000, .nr_pins = 24};

unsigned ioapic_count(void)
{
    return 1;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    (void)i;
    return &ioapic;
}

static bool writing;
static u8 *buf;
static size_t size;

static FILE *open_golden(const char *name, const char *kind, const char *mode)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "tests/unit/golden/%s.%s", name, kind);
    f = fopen(path, mode);
    if (!f)
        fail_msg("%s: cannot be opened; run me in the project's folder", path);
    return f;
}

static size_t read_golden(const char *name, const char *kind, void *to, size_t max)
{
    FILE *f = open_golden(name, kind, "rb");
    size_t bytes = fread(to, 1, max, f);

    fclose(f);
    return bytes;
}

static void write_golden(const char *name, const char *kind, const void *from, size_t bytes)
{
    FILE *f = open_golden(name, kind, "wb");

    assert_int_equal(fwrite(from, 1, bytes, f), bytes);
    fclose(f);
}

static void same_bytes(const char *name, const void *table, size_t bytes)
{
    static u8 golden[TEXT_MAX];

    if (writing)
        write_golden(name, "dat", table, bytes);
    assert_int_equal(read_golden(name, "dat", golden, sizeof(golden)), bytes);
    assert_memory_equal(golden, table, bytes);
}

/* Without iasl's first comment, which has its version and the day. */
static const char *behind_banner(const char *text)
{
    const char *end = strstr(text, "*/");

    assert_non_null(end);
    return end;
}

static void same_text(const char *name, const char *text)
{
    static char golden[TEXT_MAX];
    const char *body = behind_banner(text);

    if (writing) {
        snprintf(golden, sizeof(golden), "/* SPDX-License-Identifier: BSD-2-Clause\n * iasl's reading of %s.dat.\n %s", name,
                 body);
        write_golden(name, "dsl", golden, strlen(golden));
    }
    golden[read_golden(name, "dsl", golden, sizeof(golden) - 1)] = 0;
    assert_string_equal(behind_banner(golden), body);
}

/* Firmware with the DSDT of native.dat and a MADT of two processors, ids 1 and 2. */
static void boot(void)
{
    static const u8 madt[] = {0, 0, 0xe0, 0xfe, 1, 0, 0, 0, /* processors */ 0, 8, 1, 0, 1, 0, 0, 0, 0, 8, 2, 2, 1, 0, 0, 0,
                              /* IRQ 9 is level, high */ 2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0,
                              /* LINT1 is NMI */ 4, 6, 0xff, 0, 0, 1};
    static u8 dsdt[TEXT_MAX];
    struct acpi_fadt f = {.sci = 9, .pm1a_evt = 0x600, .pm1_evt_len = 4, .pm1a_cnt = 0x604, .pm1_cnt_len = 2,
                          .pm_tmr = 0x608, .pm_tmr_len = 4, .gpe0 = 0x620, .gpe0_len = 16};
    size_t bytes = read_golden("native", "dat", dsdt, sizeof(dsdt));

    fw_reset();
    memset(&acpi_info, 0, sizeof(acpi_info));
    processors_begin(&acpi_natives);
    f.dsdt = fw_table("DSDT", 2, dsdt + 36, bytes - 36);
    f.x_dsdt = f.dsdt;
    fw_listed("FACP", 3, (u8 *)&f + 36, FADT_REVISION_3_BYTES - 36);
    fw_listed("APIC", 3, madt, sizeof(madt));
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_true(acpi_has_own_processors());
}

static const void *at(gpa_t gpa)
{
    assert_in_range(gpa, GPA, GPA + size - 1);
    return buf + (gpa - GPA);
}

/* Four vCPUs, two of them there from the start. */
static void every_table_is_what_it_was(void **state)
{
    const struct acpi_rsdp *rsdp;
    const struct acpi_header *xsdt;
    const void *table[TABLES];
    const char *name[TABLES];
    size_t bytes[TABLES];
    unsigned nr = 0;
    struct acpi_built out;

    (void)state;
    boot();
    acpi_build_online(2);
    size = acpi_build_size(4);
    buf = calloc(1, size);
    assert_int_equal(acpi_build(buf, size, GPA, 4, &out), 0);
    rsdp = at(out.rsdp);
    assert_int_equal(rsdp->xsdt, out.xsdt);
    same_bytes("rsdp", rsdp, sizeof(*rsdp));
    xsdt = at(out.xsdt);
    table[nr] = xsdt;
    name[nr] = "xsdt";
    bytes[nr++] = xsdt->length;
    for (const u8 *e = (const u8 *)(xsdt + 1); e < (const u8 *)xsdt + xsdt->length; e += 8) {
        const struct acpi_header *h;
        u64 a;

        memcpy(&a, e, sizeof(a));
        h = at(a); /* all of them are Torii's, or copies */
        assert_true(acpi_sum_is_zero(h, h->length));
        table[nr] = h;
        name[nr] = !memcmp(h->signature, "APIC", 4)   ? "apic"
                   : !memcmp(h->signature, "FACP", 4) ? "facp"
                   : !memcmp(h->signature, "SSDT", 4) ? "ssdt"
                                                      : "stao";
        bytes[nr++] = h->length;
        if (!memcmp(h->signature, "FACP", 4)) {
            const struct acpi_header *dsdt = at(((const struct acpi_fadt *)h)->x_dsdt);

            table[nr] = dsdt;
            name[nr] = "dsdt";
            bytes[nr++] = dsdt->length;
        }
    }
    assert_int_equal(nr, 6);
    for (unsigned i = 0; i < nr; i++)
        same_bytes(name[i], table[i], bytes[i]);
    for (unsigned i = 0; i < nr && asl_available(); i++)
        same_text(name[i], asl_disassemble(table + i, bytes + i, 1, 0));
    free(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_is_what_it_was),
    };

    writing = getenv("GOLDEN") && !strcmp(getenv("GOLDEN"), "write");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
