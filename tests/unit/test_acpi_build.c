/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/build.c src/acpi/madt_build.c src/acpi/policy.c src/acpi/ssdt.c src/acpi/stao.c src/acpi/cpus.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/aml_write.c src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/madt.c src/acpi/digest.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <torii/acpi_build.h>
#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/irq.h>

#include "../../src/acpi/build.h"
#include "fake_memory.h"
#include "fakes.h"
#include "firmware.h"

#define GPA 0x7f00000u

static struct ioapic_info ioapics[] = {{.id = 2, .base = 0xfec00000, .gsi_base = 0, .nr_pins = 24},
                                       {.id = 3, .base = 0xfec01000, .gsi_base = 24, .nr_pins = 32}};
static unsigned nr_ioapics;

unsigned ioapic_count(void)
{
    return nr_ioapics;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    return &ioapics[i];
}

static u8 *buf;
static size_t size;
static struct acpi_built out;

static int reset(void **state)
{
    (void)state;
    fw_reset();
    memset(&acpi_info, 0, sizeof(acpi_info));
    processors_begin(&acpi_natives);
    nr_ioapics = 1;
    free(buf);
    buf = NULL;
    return 0;
}

static int release(void **state)
{
    (void)state;
    free(buf);
    buf = NULL;
    return 0;
}

/* Exactly as large as acpi_build_size says, and dirty. */
static int build(unsigned nr_vcpus)
{
    free(buf);
    size = acpi_build_size(nr_vcpus);
    buf = malloc(size);
    memset(buf, 0xa5, size);
    return acpi_build(buf, size, GPA, nr_vcpus, &out);
}

static const void *seen(gpa_t gpa)
{
    assert_in_range(gpa, GPA, GPA + size - 1);
    return buf + (gpa - GPA);
}

static void add_native(const char *signature, paddr_t address)
{
    struct acpi_table *t = &acpi_info.table[acpi_info.nr_tables++];

    memcpy(t->signature, signature, 4);
    t->address = address;
    t->length = 100;
}

static bool listed(paddr_t address)
{
    const struct acpi_header *x = seen(out.xsdt);
    const u8 *entry = (const u8 *)(x + 1);

    for (unsigned i = 0; i < (x->length - sizeof(*x)) / 8; i++) {
        u64 a;

        memcpy(&a, entry + 8 * i, 8);
        if (a == address)
            return true;
    }
    return false;
}

/* The whole of what a machine like QEMU's q35 with one override gets, byte by byte. */
static void two_vcpus_get_exactly_these_tables(void **state)
{
    static const u8 golden[] = {
        /* RSDP */
        'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ', 0x38, 'T', 'O', 'R', 'I', 'I', ' ', 2, 0, 0, 0, 0, 36, 0, 0, 0, 0x50, 1,
        0xf0, 7, 0, 0, 0, 0, 0x94, 0, 0, 0, /* padding */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        /* MADT at +48, 82 bytes */
        'A', 'P', 'I', 'C', 82, 0, 0, 0, 3, 0x92, 'T', 'O', 'R', 'I', 'I', ' ', 'T', 'O', 'R', 'I', 'I', 'D', 'M', '0',
        1, 0, 0, 0, 'T', 'O', 'R', 'I', 1, 0, 0, 0, 0, 0, 0xe0, 0xfe, 0, 0, 0, 0, /* LAPICs */ 0, 8, 0, 0, 1, 0, 0, 0,
        0, 8, 1, 1, 1, 0, 0, 0, /* IO-APIC */ 1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0, /* IRQ 0 is GSI 2 */ 2, 10, 0,
        0, 2, 0, 0, 0, 0, 0};

    acpi_info.madt_revision = 3;
    acpi_info.nr_overrides = 1;
    acpi_info.override[0] = (struct acpi_override){.irq = 0, .gsi = 2};
    add_native("FACP", 0x7fe1000);
    assert_int_equal(build(2), 0);
    assert_int_equal(out.rsdp, GPA);
    assert_int_equal(out.madt, GPA + 48);
    assert_memory_equal(buf + 48, golden + 48, sizeof(golden) - 48);
    assert_memory_equal(buf, golden, 48);
    assert_true(listed(0x7fe1000));
    assert_true(listed(out.madt));
    assert_int_equal(out.nr_kept, 1);
}

static void every_checksum_is_right(void **state)
{
    static const unsigned cpus[] = {1, 2, 3, 16, 128, 254, 255, 256, 300};

    for (unsigned n = 0; n < ARRAY_SIZE(cpus); n++) {
        const struct acpi_header *h;

        add_native("SSDT", 0x7fe1000 + n);
        assert_int_equal(build(cpus[n]), 0);
        assert_true(acpi_sum_is_zero(seen(out.rsdp), 20));
        assert_true(acpi_sum_is_zero(seen(out.rsdp), 36));
        h = seen(out.xsdt);
        assert_true(acpi_sum_is_zero(h, h->length));
        h = seen(out.madt);
        assert_true(acpi_sum_is_zero(h, h->length));
    }
}

static void up_to_255_vcpus_are_type_0_entries(void **state)
{
    const u8 *e;

    assert_int_equal(build(255), 0);
    e = (const u8 *)seen(out.madt) + sizeof(struct acpi_madt);
    for (unsigned i = 0; i < 255; i++, e += 8) {
        const struct acpi_madt_lapic *l = (const void *)e;

        assert_int_equal(l->head.type, ACPI_MADT_LAPIC);
        assert_int_equal(l->uid, i);
        assert_int_equal(l->apic_id, i);
        assert_int_equal(l->flags, ACPI_MADT_ENABLED);
    }
}

static void more_vcpus_are_all_type_9_entries(void **state)
{
    const u8 *e;

    assert_int_equal(build(256), 0);
    e = (const u8 *)seen(out.madt) + sizeof(struct acpi_madt);
    for (unsigned i = 0; i < 256; i++, e += 16) {
        const struct acpi_madt_x2apic *x = (const void *)e;

        assert_int_equal(x->head.type, ACPI_MADT_X2APIC);
        assert_int_equal(x->uid, i);
        assert_int_equal(x->apic_id, i);
    }
}

static void local_nmis_have_the_width_of_the_processors(void **state)
{
    const struct acpi_madt_x2apic_nmi *n;

    acpi_info.nr_nmis = 1;
    acpi_info.nmi[0] = (struct acpi_nmi){.local = true, .uid = 0xff, .lint = 1};
    assert_int_equal(build(256), 0);
    n = (const void *)((const u8 *)seen(out.madt) + sizeof(struct acpi_madt) + 256 * sizeof(struct acpi_madt_x2apic) +
                       sizeof(struct acpi_madt_ioapic));
    assert_int_equal(n->head.type, ACPI_MADT_X2APIC_NMI);
    assert_int_equal(n->uid, 0xffffffff);
    assert_int_equal(n->lint, 1);
}

static void every_ioapic_and_override_and_nmi_is_copied(void **state)
{
    unsigned io = 0, overrides = 0, nmis = 0, others = 0;
    const struct acpi_header *h;
    const u8 *e;

    nr_ioapics = 2;
    acpi_info.nr_overrides = 3;
    acpi_info.override[0] = (struct acpi_override){.irq = 0, .gsi = 2};
    acpi_info.override[1] = (struct acpi_override){.irq = 9, .gsi = 9, .flags = 0xd};
    acpi_info.override[2] = (struct acpi_override){.irq = 5, .gsi = 30, .flags = 5};
    acpi_info.nr_nmis = 4;
    acpi_info.nmi[0] = (struct acpi_nmi){.local = true, .uid = 0, .lint = 1, .flags = 5};
    acpi_info.nmi[1] = (struct acpi_nmi){.local = true, .uid = 1, .lint = 1, .flags = 5};
    acpi_info.nmi[2] = (struct acpi_nmi){.gsi = 7, .flags = 0xd};
    acpi_info.nmi[3] = (struct acpi_nmi){.local = true, .uid = 1, .lint = 0};
    assert_int_equal(build(1), 0);
    h = seen(out.madt);
    for (e = (const u8 *)h + sizeof(struct acpi_madt); e < (const u8 *)h + h->length; e += e[1]) {
        const struct acpi_madt_ioapic *i = (const void *)e;
        const struct acpi_madt_override *o = (const void *)e;
        const struct acpi_madt_nmi_source *source = (const void *)e;
        const struct acpi_madt_lapic_nmi *lint = (const void *)e;

        if (e[0] == ACPI_MADT_IOAPIC) {
            assert_int_equal(i->address, ioapics[io].base);
            assert_int_equal(i->gsi_base, ioapics[io].gsi_base);
            assert_int_equal(i->id, ioapics[io].id);
            io++;
        } else if (e[0] == ACPI_MADT_OVERRIDE) {
            assert_int_equal(o->gsi, acpi_info.override[overrides].gsi);
            assert_int_equal(o->flags, acpi_info.override[overrides].flags);
            overrides++;
        } else if (e[0] == ACPI_MADT_NMI_SOURCE) {
            assert_int_equal(source->gsi, 7);
            assert_int_equal(source->flags, 0xd);
            nmis++;
        } else if (e[0] == ACPI_MADT_LAPIC_NMI) {
            assert_int_equal(lint->uid, 0xff);
            assert_int_equal(lint->flags, lint->lint ? 5 : 0);
            nmis++;
        } else if (e[0] != ACPI_MADT_LAPIC) {
            others++;
        }
    }
    assert_int_equal(io, 2);
    assert_int_equal(overrides, 3);
    assert_int_equal(nmis, 3);
    assert_int_equal(others, 0);
}

static void there_is_no_8259_and_the_revision_is_capped(void **state)
{
    const struct acpi_madt *m;

    acpi_info.pcat_compat = true;
    acpi_info.madt_revision = 6;
    assert_int_equal(build(1), 0);
    m = seen(out.madt);
    assert_int_equal(m->flags, 0);
    assert_int_equal(m->lapic_address, 0xfee00000);
    assert_int_equal(m->header.revision, 4);
    acpi_info.madt_revision = 0;
    assert_int_equal(build(1), 0);
    m = seen(out.madt);
    assert_int_equal(m->header.revision, 1);
}

static void tables_of_what_torii_owns_are_withheld(void **state)
{
    static const char keep[][5] = {"FACP", "SSDT", "PSDT", "MCFG", "TPM2", "WDAT", "OEM1", "OEMB", "VFCT"},
                      hide[][5] = {"APIC", "DMAR", "IVRS", "HPET", "SRAT", "SLIT",
                                   "BGRT", "SPCR", "DBG2", "HEST", "QQQQ"};
    paddr_t pa = 0x7fe0000;

    for (unsigned i = 0; i < ARRAY_SIZE(keep); i++)
        add_native(keep[i], pa += 0x100);
    for (unsigned i = 0; i < ARRAY_SIZE(hide); i++)
        add_native(hide[i], pa += 0x100);
    assert_int_equal(build(1), 0);
    assert_int_equal(out.nr_kept, ARRAY_SIZE(keep));
    assert_int_equal(out.nr_withheld, ARRAY_SIZE(hide));
    for (unsigned i = 0; i < acpi_info.nr_tables; i++)
        assert_int_equal(listed(acpi_info.table[i].address), i < ARRAY_SIZE(keep));
}

static void every_policy_has_a_reason(void **state)
{
    const char *why = NULL;

    assert_true(acpi_table_is_kept("FACP", &why));
    assert_non_null(strstr(why, "fixed hardware"));
    assert_false(acpi_table_is_kept("DMAR", &why));
    assert_non_null(strstr(why, "IOMMU"));
    assert_false(acpi_table_is_kept("ABCD", &why));
    assert_string_equal(why, "not known");
    assert_true(acpi_table_is_kept("OEMZ", NULL));
}

static void a_table_in_ram_is_withheld(void **state)
{
    boot_info.e820.nr = 2;
    boot_info.e820.entry[0] = (struct e820_entry){0x100000, 0x7ee0000, E820_RAM};
    boot_info.e820.entry[1] = (struct e820_entry){0x7fe0000, 0x20000, E820_RESERVED};
    add_native("SSDT", 0x7fe0000 - 50); /* its end lies outside */
    add_native("SSDT", 0x7fe0000);
    add_native("SSDT", 0xf0000);
    assert_int_equal(build(1), 0);
    assert_int_equal(out.nr_kept, 2);
    assert_false(listed(0x7fe0000 - 50));
    assert_true(listed(0x7fe0000));
    assert_true(listed(0xf0000));
}

static void bad_arguments_are_refused(void **state)
{
    u8 small[4096];

    assert_int_equal(acpi_build(small, sizeof(small), GPA + 8, 1, &out), -XEN_EINVAL);
    assert_int_equal(acpi_build(small, sizeof(small), GPA, 0, &out), -XEN_EINVAL);
    assert_int_equal(acpi_build(small, sizeof(small), 0x100000000, 1, &out), -XEN_EINVAL);
    assert_int_equal(acpi_build(small, sizeof(small), 0xfffffff0, 1, &out), -XEN_EINVAL);
    assert_int_equal(acpi_build(small, acpi_build_size(1) - 1, GPA, 1, &out), -XEN_ENOSPC);
    assert_int_equal(acpi_build(small, acpi_build_size(1), GPA, 1, &out), 0);
}

static void the_result_reads_back_as_firmware(void **state)
{
    struct acpi_fadt f = {.sci = 9, .pm1a_cnt = 0x604, .pm1_cnt_len = 2};

    fw_listed("FACP", 1, (u8 *)&f + 36, 116 - 36);
    fw_finish(0, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    acpi_info.nr_overrides = 1;
    acpi_info.override[0] = (struct acpi_override){.irq = 9, .gsi = 9, .flags = 0xd};
    assert_int_equal(build(4), 0);
    fake_memory_add(GPA, buf, size);
    boot_info.rsdp = out.rsdp;
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(acpi_info.rsdp, GPA);
    assert_int_equal(acpi_info.rsdp_revision, 2);
    assert_int_equal(acpi_info.nr_cpus, 4);
    assert_int_equal(acpi_info.cpu[3].uid, 3);
    assert_int_equal(acpi_info.nr_overrides, 1);
    assert_int_equal(acpi_info.sci, 9);
}

static void write_file(const char *dir, const char *name, const void *p, size_t bytes)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, bytes, f), bytes);
    fclose(f);
}

static bool contains(const char *dir, const char *name, const char *what)
{
    static char text[1 << 20];
    char path[256];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (!f)
        return false;
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = 0;
    fclose(f);
    return strstr(text, what) != NULL;
}

static void iasl_reads_the_tables(void **state)
{
    char dir[] = "/tmp/torii-acpi-XXXXXX", command[256];
    const struct acpi_header *h;

    if (system("iasl -v >/dev/null 2>&1"))
        skip();
    assert_non_null(mkdtemp(dir));
    nr_ioapics = 2;
    acpi_info.madt_revision = 4;
    acpi_info.nr_overrides = 2;
    acpi_info.override[0] = (struct acpi_override){.irq = 0, .gsi = 2};
    acpi_info.override[1] = (struct acpi_override){.irq = 9, .gsi = 9, .flags = 0xd};
    add_native("FACP", 0x7fe1000);
    for (unsigned large = 0; large < 2; large++) {
        assert_int_equal(build(large ? 256 : 4), 0);
        h = seen(out.madt);
        write_file(dir, "apic.dat", h, h->length);
        h = seen(out.xsdt);
        write_file(dir, "xsdt.dat", h, h->length);
        snprintf(command, sizeof(command), "cd %s && iasl -d apic.dat xsdt.dat >log 2>&1", dir);
        assert_int_equal(system(command), 0);
        assert_false(contains(dir, "log", "rror"));
        assert_false(contains(dir, "log", "arning"));
        assert_true(contains(dir, "apic.dsl", large ? "Processor Local x2APIC" : "Processor Local APIC"));
        assert_true(contains(dir, "apic.dsl", "I/O APIC"));
        assert_true(contains(dir, "apic.dsl", "Interrupt Source Override"));
        assert_false(contains(dir, "apic.dsl", "ncorrect checksum"));
        assert_true(contains(dir, "xsdt.dsl", "0000000007FE1000"));
    }
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, reset, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(two_vcpus_get_exactly_these_tables),
        T(every_checksum_is_right),
        T(up_to_255_vcpus_are_type_0_entries),
        T(more_vcpus_are_all_type_9_entries),
        T(local_nmis_have_the_width_of_the_processors),
        T(every_ioapic_and_override_and_nmi_is_copied),
        T(there_is_no_8259_and_the_revision_is_capped),
        T(tables_of_what_torii_owns_are_withheld),
        T(every_policy_has_a_reason),
        T(a_table_in_ram_is_withheld),
        T(bad_arguments_are_refused),
        T(the_result_reads_back_as_firmware),
        T(iasl_reads_the_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
