/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/build.c src/acpi/madt_build.c src/acpi/policy.c src/acpi/ssdt.c src/acpi/stao.c src/acpi/cpus.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/aml_write.c src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/madt.c src/acpi/digest.c tests/unit/asl.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
/* Processors in Dom0's namespace: SSDT and STAO, and native tables with their processors taken out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/irq.h>

#include "../../src/acpi/build.h"
#include "asl.h"
#include "fake_memory.h"
#include "fakes.h"
#include "firmware.h"

#define GPA 0x7f00000u

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

static u8 *buf;
static size_t size;
static struct acpi_built out;

static int reset(void **state)
{
    (void)state;
    fw_reset();
    memset(&acpi_info, 0, sizeof(acpi_info));
    processors_begin(&acpi_natives);
    acpi_build_online(0);
    free(buf);
    buf = NULL;
    return 0;
}

static int release(void **state)
{
    reset(state);
    assert_int_equal(fake_maps_live, 0);
    return 0;
}

static int build(unsigned nr_vcpus)
{
    free(buf);
    size = acpi_build_size(nr_vcpus);
    buf = malloc(size);
    memset(buf, 0xa5, size);
    return acpi_build(buf, size, GPA, nr_vcpus, &out);
}

static const struct acpi_header *seen(gpa_t gpa)
{
    assert_in_range(gpa, GPA, GPA + size - 1);
    return (const void *)(buf + (gpa - GPA));
}

/* The n-th table of this signature that the XSDT lists, in the built tables or in firmware's. */
static const struct acpi_header *listed(const char *signature, unsigned n)
{
    const struct acpi_header *x = seen(out.xsdt), *h;
    const u8 *entry = (const u8 *)(x + 1);

    for (unsigned i = 0; i < (x->length - sizeof(*x)) / 8; i++) {
        u64 a;

        memcpy(&a, entry + 8ul * i, 8);
        h = a >= GPA && a < GPA + size ? seen(a) : fw_at((u32)a);
        if (!memcmp(h->signature, signature, 4) && n-- == 0)
            return h;
    }
    return NULL;
}

/* A firmware of this DSDT and SSDT (or none), whose MADT lists processors with these ids. */
static void boot(const char *dsdt, const char *ssdt, const u8 *uids, unsigned nr)
{
    struct acpi_fadt f = {.sci = 9};
    u8 madt[8 + 8 * 8] = {0};
    size_t bytes;
    u8 *t;

    if (dsdt) {
        t = asl_compile(dsdt, &bytes);
        f.dsdt = fw_table("DSDT", 2, t + 36, bytes - 36);
        f.x_dsdt = f.dsdt;
        free(t);
    }
    fw_listed("FACP", 3, (u8 *)&f + 36, sizeof(f) - 36);
    if (ssdt) {
        t = asl_compile(ssdt, &bytes);
        fw_listed("SSDT", 2, t + 36, bytes - 36);
        free(t);
    }
    for (unsigned i = 0; i < nr; i++)
        memcpy(madt + 8 + 8 * i, (u8[]){0, 8, uids[i], (u8)(16 * i), 1, 0, 0, 0}, 8);
    fw_listed("APIC", 3, madt, 8 + 8 * nr);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
}

static void one_vcpu_gets_exactly_this_ssdt(void **state)
{
    static const u8 golden[] = {'S',
                                'S',
                                'D',
                                'T',
                                125,
                                0,
                                0,
                                0,
                                2,
                                0xec,
                                'T',
                                'O',
                                'R',
                                'I',
                                'I',
                                ' ',
                                'T',
                                'O',
                                'R',
                                'I',
                                'I',
                                'D',
                                'M',
                                '0',
                                1,
                                0,
                                0,
                                0,
                                'T',
                                'O',
                                'R',
                                'I',
                                1,
                                0,
                                0,
                                0,
                                /* Scope (\_SB) */ 0x10,
                                0x48,
                                5,
                                '\\',
                                '_',
                                'S',
                                'B',
                                '_',
                                /* Device (TCPU) */ 0x5b,
                                0x82,
                                0x4f,
                                4,
                                'T',
                                'C',
                                'P',
                                'U',
                                /* Name (_HID, "ACPI0010") */ 8,
                                '_',
                                'H',
                                'I',
                                'D',
                                13,
                                'A',
                                'C',
                                'P',
                                'I',
                                '0',
                                '0',
                                '1',
                                '0',
                                0,
                                /* Name (_UID, Zero) */ 8,
                                '_',
                                'U',
                                'I',
                                'D',
                                0,
                                /* Device (C000) */ 0x5b,
                                0x82,
                                0x32,
                                'C',
                                '0',
                                '0',
                                '0',
                                /* Name (_HID, "ACPI0007") */ 8,
                                '_',
                                'H',
                                'I',
                                'D',
                                13,
                                'A',
                                'C',
                                'P',
                                'I',
                                '0',
                                '0',
                                '0',
                                '7',
                                0,
                                /* Name (_UID, Zero) */ 8,
                                '_',
                                'U',
                                'I',
                                'D',
                                0,
                                /* Name (_STA, 0x0f) */ 8,
                                '_',
                                'S',
                                'T',
                                'A',
                                10,
                                15,
                                /* Name (_MAT, Buffer (8) {...}) */ 8,
                                '_',
                                'M',
                                'A',
                                'T',
                                0x11,
                                11,
                                10,
                                8,
                                0,
                                8,
                                0,
                                0,
                                1,
                                0,
                                0,
                                0};

    assert_int_equal(build(1), 0);
    assert_int_equal(seen(out.ssdt)->length, sizeof(golden));
    assert_memory_equal(seen(out.ssdt), golden, sizeof(golden));
    assert_int_equal(out.stao, 0);
}

static void iasl_reads_the_ssdt_without_a_remark(void **state)
{
    static const unsigned vcpus[] = {1, 2, 8, 128, 300};

    if (!asl_available())
        skip();
    for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++) {
        const void *table[1];
        size_t bytes[1];
        const char *dsl;

        assert_int_equal(build(vcpus[i]), 0);
        table[0] = seen(out.ssdt);
        bytes[0] = seen(out.ssdt)->length;
        assert_true(acpi_sum_is_zero(table[0], bytes[0]));
        dsl = asl_disassemble(table, bytes, 1, 0);
        assert_non_null(strstr(dsl, "Device (C000)"));
        assert_int_equal(strstr(dsl, "Device (C001)") != NULL, vcpus[i] > 1);
        assert_int_equal(strstr(dsl, "Device (C12B)") != NULL, vcpus[i] == 300);
    }
}

static const char native_dsdt[] =
    "DefinitionBlock (\"\", \"DSDT\", 2, \"OEMID \", \"TESTDSDT\", 1) {\n"
    " Scope (\\_PR) { Processor (CPU0, 7, 0x410, 6) { } Processor (CPU1, 9, 0x410, 6) { } }\n"
    " Scope (\\_SB) { Device (DEV0) { Name (_HID, EisaId (\"PNP0C02\")) Name (_UID, 7) } }\n"
    "}\n";
static const char native_ssdt[] =
    "DefinitionBlock (\"\", \"SSDT\", 2, \"OEMID \", \"TESTSSDT\", 1) {\n"
    " External (\\_PR.CPU0, DeviceObj)\n"
    " Scope (\\_PR.CPU0) { Method (_CST) { Return (Package () { 0 }) } Method (_PDC, 1) { } }\n"
    " Device (\\_SB.CPU2) { Name (_HID, \"ACPI0007\") Name (_UID, 11) }\n"
    "}\n";

static void native_processors_give_way_to_vcpus(void **state)
{
    const struct acpi_header *fadt, *dsdt;
    struct acpi_fadt f;
    const void *table[3];
    size_t bytes[3];
    const char *dsl;

    if (!asl_available())
        skip();
    boot(native_dsdt, native_ssdt, (const u8[]){7, 9}, 2);
    assert_int_equal(acpi_natives.nr, 3);
    assert_int_equal(build(2), 0);
    assert_int_equal(fake_maps_live, 0);
    fadt = listed("FACP", 0);
    assert_true((const u8 *)fadt >= buf && (const u8 *)fadt < buf + size);
    assert_true(acpi_sum_is_zero(fadt, fadt->length));
    memcpy(&f, fadt, sizeof(f));
    assert_int_equal(f.dsdt, f.x_dsdt);
    assert_int_equal(f.sci, 9);
    dsdt = seen(f.dsdt);
    assert_true(acpi_sum_is_zero(dsdt, dsdt->length));
    assert_memory_equal(dsdt->signature, "DSDT", 4);

    table[0] = dsdt;
    table[1] = listed("SSDT", 0);
    table[2] = seen(out.ssdt);
    assert_ptr_equal(listed("SSDT", 1), table[2]);
    for (unsigned i = 0; i < 3; i++)
        bytes[i] = ((const struct acpi_header *)table[i])->length;
    dsl = asl_disassemble(table, bytes, 3, 0);
    assert_null(strstr(dsl, "Processor ("));
    dsl = asl_disassemble(table, bytes, 3, 1);
    assert_null(strstr(dsl, "ACPI0007"));
    dsl = asl_disassemble(table, bytes, 3, 2);
    assert_non_null(strstr(dsl, "Method (_CST, 0, Serialized)"));
    assert_non_null(strstr(dsl, "Return (\\_PR.CPU0._CST"));
    assert_non_null(strstr(dsl, "Return (\\_PR.CPU0._PDC (Arg0))"));
    assert_null(strstr(dsl, "CPU1"));
}

static void firmware_tables_stay_as_they_were(void **state)
{
    static u8 before[FW_TABLES_BYTES];

    if (!asl_available())
        skip();
    boot(native_dsdt, native_ssdt, (const u8[]){7, 9}, 2);
    memcpy(before, fw_at(FW_TABLES), sizeof(before));
    assert_int_equal(build(4), 0);
    assert_memory_equal(before, fw_at(FW_TABLES), sizeof(before));
}

static void the_stao_names_native_processors(void **state)
{
    static const char names[] = "\0\\_PR.CPU0\0\\_PR.CPU1\0\\_SB.CPU2";
    const struct acpi_header *stao;

    if (!asl_available())
        skip();
    boot(native_dsdt, native_ssdt, (const u8[]){7, 9}, 2);
    assert_int_equal(build(2), 0);
    stao = seen(out.stao);
    assert_ptr_equal(listed("STAO", 0), stao);
    assert_true(acpi_sum_is_zero(stao, stao->length));
    assert_int_equal(stao->length, sizeof(*stao) + sizeof(names));
    assert_memory_equal(stao + 1, names, sizeof(names));
    asl_disassemble((const void *[]){stao}, (const size_t[]){stao->length}, 1, 0);
}

/* A namespace Torii cannot follow is handed on untouched, and none of its own stands beside it. */
static void aml_that_is_not_understood_is_left_alone(void **state)
{
    static const u8 soup[] = {0x5b, 0x83, 11, 'C', 'P', 'U', '0', 0, 0, 0, 0, 0, 0, 0x99, 0x02, 0x03};
    struct acpi_fadt f = {0};
    const struct acpi_fadt *seen_fadt;

    f.dsdt = fw_table("DSDT", 2, soup, sizeof(soup));
    fw_listed("FACP", 3, (u8 *)&f + 36, sizeof(f) - 36);
    fw_finish(0, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_false(acpi_natives.sure);
    assert_int_equal(build(2), 0);
    assert_int_equal(out.ssdt, 0);
    assert_int_equal(out.stao, 0);
    assert_null(listed("SSDT", 0));
    seen_fadt = (const void *)listed("FACP", 0);
    assert_int_equal(seen_fadt->dsdt, f.dsdt);
}

static void processor_ids_of_dom0_name_physical_processors(void **state)
{
    acpi_info.nr_cpus = 3;
    acpi_info.cpu[0] = (struct acpi_cpu){.uid = 7, .apic_id = 0, .enabled = true};
    acpi_info.cpu[1] = (struct acpi_cpu){.uid = 8, .apic_id = 2};
    acpi_info.cpu[2] = (struct acpi_cpu){.uid = 1, .apic_id = 4, .enabled = true};
    acpi_number_cpus();
    assert_ptr_equal(acpi_cpu_of_id(0), &acpi_info.cpu[0]);
    assert_ptr_equal(acpi_cpu_of_id(1), &acpi_info.cpu[2]);
    assert_null(acpi_cpu_of_id(2));
    assert_null(acpi_cpu_of_id(UINT32_MAX));
    assert_int_equal(acpi_id_of_cpu(&acpi_info.cpu[2]), 1);
    acpi_natives.sure = false;
    assert_ptr_equal(acpi_cpu_of_id(7), &acpi_info.cpu[0]);
    assert_ptr_equal(acpi_cpu_of_id(1), &acpi_info.cpu[2]);
    assert_null(acpi_cpu_of_id(8));
    assert_null(acpi_cpu_of_id(0));
    assert_int_equal(acpi_id_of_cpu(&acpi_info.cpu[0]), 7);
}

static void processors_that_come_later_take_the_next_ids(void **state)
{
    acpi_info.nr_cpus = 4;
    for (unsigned i = 0; i < 4; i++)
        acpi_info.cpu[i] = (struct acpi_cpu){.uid = 10 + i, .apic_id = 2 * i, .enabled = i == 1};
    acpi_number_cpus();
    acpi_enable_cpu(&acpi_info.cpu[3]);
    acpi_enable_cpu(&acpi_info.cpu[0]);
    assert_ptr_equal(acpi_cpu_of_id(0), &acpi_info.cpu[1]);
    assert_ptr_equal(acpi_cpu_of_id(1), &acpi_info.cpu[3]);
    assert_ptr_equal(acpi_cpu_of_id(2), &acpi_info.cpu[0]);
    assert_null(acpi_cpu_of_id(3));
    assert_int_equal(acpi_id_of_cpu(&acpi_info.cpu[3]), 1);
}

static void blocks_of_ports_are_told_once_each(void **state)
{
    u32 p_blk;

    acpi_natives.nr = 4;
    for (unsigned i = 0; i < 4; i++)
        acpi_natives.processor[i] = (struct native_processor){.p_blk = (u32[]){0, 0x410, 0x410, 0x810}[i]};
    assert_true(acpi_p_blk(0, &p_blk));
    assert_int_equal(p_blk, 0x410);
    assert_true(acpi_p_blk(1, &p_blk));
    assert_int_equal(p_blk, 0x810);
    assert_false(acpi_p_blk(2, &p_blk));
}

static void give_gpes(unsigned bytes)
{
    acpi_info.gpe0 = (struct acpi_gas){.space = ACPI_SPACE_IO, .width = (u8)(8 * bytes), .address = 0x620};
}

static void vcpus_that_come_later_are_there_but_not_present(void **state)
{
    const struct acpi_hotplug *h;
    const struct acpi_madt_lapic *cpu;
    const void *table[1];
    size_t bytes[1];
    const char *dsl;

    give_gpes(16);
    acpi_build_online(2);
    assert_int_equal(build(4), 0);
    assert_int_not_equal(out.hotplug, 0);
    h = (const void *)(buf + (out.hotplug - GPA));
    cpu = (const void *)((const u8 *)seen(out.madt) + sizeof(struct acpi_madt));
    for (unsigned n = 0; n < 4; n++) {
        assert_int_equal(h[n].sta, n < 2 ? 0xf : 0);
        assert_int_equal(h[n].event, 0);
        assert_int_equal(cpu[n].flags, n < 2 ? ACPI_MADT_ENABLED : ACPI_MADT_ONLINE_CAPABLE);
    }
    if (!asl_available())
        skip();
    table[0] = seen(out.ssdt);
    bytes[0] = seen(out.ssdt)->length;
    assert_true(acpi_sum_is_zero(table[0], bytes[0]));
    dsl = asl_disassemble(table, bytes, 1, 0);
    assert_non_null(strstr(dsl, "OperationRegion (TREG, SystemMemory, 0x07F"));
    assert_non_null(strstr(dsl, "Field (TREG, ByteAcc, NoLock, Preserve)"));
    assert_non_null(strstr(dsl, "Return (S003)"));
    assert_null(strstr(dsl, "S000 = Zero"));
    assert_non_null(strstr(dsl, "S001 = Zero"));
    assert_non_null(strstr(dsl, "Local0 = E003"));
    assert_non_null(strstr(dsl, "Notify (C003, Local0)"));
    assert_non_null(strstr(dsl, "Scope (\\_GPE)"));
    assert_non_null(strstr(dsl, "Method (_E3F, 0, NotSerialized)"));
    assert_non_null(strstr(dsl, "\\_SB.TCPU.SCAN ()"));
}

static void without_a_free_gpe_every_vcpu_is_there_from_the_start(void **state)
{
    acpi_build_online(2);
    assert_int_equal(acpi_unused_gpe(), -1);
    assert_int_equal(build(4), 0);
    assert_int_equal(out.hotplug, 0);
    give_gpes(2);
    acpi_natives.gpe_used[0] = 0xff;
    assert_int_equal(acpi_unused_gpe(), -1);
    acpi_natives.gpe_used[0] = 0xdf;
    assert_int_equal(acpi_unused_gpe(), 5);
    acpi_info.gpe0.space = ACPI_SPACE_MEMORY;
    assert_int_equal(acpi_unused_gpe(), -1);
}

static void native_methods_keep_their_gpes(void **state)
{
    static const char asl[] =
        "DefinitionBlock (\"\", \"DSDT\", 2, \"OEMID \", \"TESTDSDT\", 1) {\n"
        " Scope (\\_GPE) { Method (_E0F) { } Method (_L0E) { } Method (_E1A) { } Method (_X0D) { }\n"
        "  Name (_E0C, 0) }\n"
        " Scope (\\_SB) { Method (_E0B) { } }\n"
        "}\n";

    if (!asl_available())
        skip();
    boot(asl, NULL, (const u8[]){0}, 1);
    give_gpes(4);
    assert_int_equal(acpi_natives.gpe_used[1], 0xc0);
    assert_int_equal(acpi_natives.gpe_used[3], 0x04);
    assert_int_equal(acpi_unused_gpe(), 13);
}

static void the_sci_follows_its_override(void **state)
{
    acpi_info.sci = 9;
    assert_int_equal(acpi_sci_gsi(), 9);
    acpi_info.nr_overrides = 2;
    acpi_info.override[0] = (struct acpi_override){.irq = 0, .gsi = 2};
    acpi_info.override[1] = (struct acpi_override){.irq = 9, .gsi = 20};
    assert_int_equal(acpi_sci_gsi(), 20);
}

static void a_table_that_cannot_be_mapped_any_more_ends_the_build(void **state)
{
    if (!asl_available())
        skip();
    boot(native_dsdt, native_ssdt, (const u8[]){7, 9}, 2);
    for (int n = 0; n < 3; n++) {
        fake_map_fail_after = n;
        assert_int_equal(build(2), -XEN_ENOMEM);
        fake_map_fail_after = -1;
        assert_int_equal(fake_maps_live, 0);
    }
    assert_int_equal(build(2), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, reset, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_vcpu_gets_exactly_this_ssdt),
        T(iasl_reads_the_ssdt_without_a_remark),
        T(native_processors_give_way_to_vcpus),
        T(firmware_tables_stay_as_they_were),
        T(the_stao_names_native_processors),
        T(aml_that_is_not_understood_is_left_alone),
        T(processor_ids_of_dom0_name_physical_processors),
        T(processors_that_come_later_take_the_next_ids),
        T(blocks_of_ports_are_told_once_each),
        T(vcpus_that_come_later_are_there_but_not_present),
        T(without_a_free_gpe_every_vcpu_is_there_from_the_start),
        T(native_methods_keep_their_gpes),
        T(the_sci_follows_its_override),
        T(a_table_that_cannot_be_mapped_any_more_ends_the_build),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
