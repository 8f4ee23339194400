/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/build.c src/acpi/madt_build.c src/acpi/policy.c src/acpi/ssdt.c src/acpi/stao.c src/acpi/cpus.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/aml_write.c src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/madt.c src/acpi/digest.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
/*
 * A firmware with any bytes in its tables. Input: the first byte is options, then tables as (signature number,
 * revision, length 16 bits, body). Checksums are made good, or nothing behind them would be reached; one option breaks
 * some. What was digested must keep within its arrays, and Dom0's tables built from it must read back.
 */
#include <stdlib.h>
#include <string.h>

#include <torii/acpi_build.h>
#include <torii/boot_info.h>
#include <torii/irq.h>

#include "../../src/acpi/defs.h"
#include "../unit/fake_memory.h"
#include "../unit/firmware.h"

#define GPA          0x7f00000u
#define BYTES_MAX    8192
#define TABLES_MAX   100
#define OPTION_XSDT  BIT(0)
#define OPTION_WRECK BIT(1) /* the last 4 bytes say which byte of all to change, and how */
#define OPTION_EBDA  BIT(2)
#define OPTION_SCAN  BIT(3) /* else the loader says where the RSDP is, which is much faster */

static struct ioapic_info ioapic;

unsigned ioapic_count(void)
{
    return acpi_info.nr_ioapics;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    ioapic = (struct ioapic_info){
        .id = acpi_info.ioapic[i].id, .base = acpi_info.ioapic[i].address, .gsi_base = acpi_info.ioapic[i].gsi_base};
    return &ioapic;
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void add_tables(const u8 *p, size_t left)
{
    static const char signature[][5] = {"APIC", "FACP", "MCFG", "HPET", "SPCR", "SSDT",
                                        "DSDT", "FACS", "OEM1", "XSDT", "DMAR", "\x01\x02\x03\x04"};
    u32 dsdt = 0;

    for (unsigned n = 0; left >= 4 && n < TABLES_MAX; n++) {
        const char *s = signature[p[0] % ARRAY_SIZE(signature)];
        size_t bytes = min((size_t)(p[2] | p[3] << 8), left - 4);
        u8 *body = malloc(bytes + 1);

        memcpy(body, p + 4, bytes);
        /* Half of the FADTs point at the last DSDT. */
        if (!strcmp(s, "FACP") && p[1] & 1 && bytes >= 8)
            memcpy(body + 4, &dsdt, 4);
        if (!strcmp(s, "DSDT"))
            dsdt = fw_table(s, p[1], body, bytes);
        else
            fw_listed(s, p[1], body, bytes);
        free(body);
        p += 4 + bytes;
        left -= 4 + bytes;
    }
}

static void check_info(void)
{
    const struct acpi_info *a = &acpi_info;

    check(a->nr_tables <= ACPI_TABLES_MAX && a->nr_cpus <= ACPI_CPUS_MAX && a->nr_ioapics <= ACPI_IOAPICS_MAX);
    check(a->nr_overrides <= ACPI_OVERRIDES_MAX && a->nr_nmis <= ACPI_OVERRIDES_MAX && a->nr_mcfg <= ACPI_MCFG_MAX);
    for (unsigned i = 0; i < a->nr_tables; i++)
        check(a->table[i].length >= sizeof(struct acpi_header) && strlen(a->table[i].signature) == 4);
    for (unsigned i = 0; i < a->nr_cpus; i++)
        for (unsigned j = 0; j < i; j++)
            check(a->cpu[i].apic_id != a->cpu[j].apic_id);
    check(!a->sleep[5].valid || (a->sleep[5].typ[0] < 8 && a->sleep[5].typ[1] < 8));
    check(!a->sleep[3].valid || (a->sleep[3].typ[0] < 8 && a->sleep[3].typ[1] < 8));
}

static void build_and_read_back(unsigned nr_vcpus)
{
    size_t size = acpi_build_size(nr_vcpus);
    unsigned overrides = acpi_info.nr_overrides, ioapics = acpi_info.nr_ioapics;
    struct acpi_built out;
    u8 *buf = malloc(size);

    check(!acpi_build(buf, size, GPA, nr_vcpus, &out));
    check(out.bytes <= size);
    fake_memory_add(GPA, buf, out.bytes);
    memset(&boot_info, 0, sizeof(boot_info));
    boot_info.rsdp = out.rsdp;
    check(!acpi_init());
    check(acpi_info.rsdp == GPA && acpi_info.nr_cpus == min(nr_vcpus, (unsigned)ACPI_CPUS_MAX));
    check(acpi_info.nr_overrides == overrides && acpi_info.nr_ioapics == ioapics);
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u8 options;
    int rc;

    if (size < 6 || size > BYTES_MAX)
        return 0;
    options = *data++;
    size--;
    fw_reset();
    if (options & OPTION_EBDA)
        memcpy(fw_at(0x40e), &(u16){FW_EBDA >> 4}, sizeof(u16));
    if (options & OPTION_WRECK)
        size -= 4;
    add_tables(data, size);
    fw_finish(options & OPTION_XSDT ? 2 : 0, options & OPTION_EBDA ? FW_EBDA : 0xf0000);
    if (!(options & OPTION_SCAN))
        boot_info.rsdp = options & OPTION_EBDA ? FW_EBDA : 0xf0000;
    if (options & OPTION_WRECK) {
        const u8 *w = data + size;

        *(u8 *)fw_at(FW_TABLES + ((w[0] | w[1] << 8) + (w[2] & 1) * 0x10000) % FW_TABLES_BYTES) ^= w[3];
    }
    rc = acpi_init();
    check(fake_maps_live == 0);
    check_info();
    check(rc || acpi_info.present);
    if (!rc)
        build_and_read_back(1 + options % 64);
    check(fake_maps_live == 0);
    return 0;
}
