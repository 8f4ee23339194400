/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the root pointer is (ACPI 6.5 §5.2.5): from the loader, the EFI configuration tables, or the BIOS areas. */
#include "defs.h"

#include <torii/boot_info.h>
#include <torii/lib.h>
#include <torii/log.h>

/* §5.2.5.1 */
#define BDA_EBDA_SEGMENT 0x40eul
#define EBDA_BYTES       1024
#define EBDA_LOWEST      0x400ul
#define BIOS_START       0xe0000ul
#define BIOS_END         0x100000ul
#define RSDP_ALIGN       16

/* UEFI 2.10 §4.3, §4.6; 64-bit layout. */
struct efi_system_table {
    u64 signature;
    u32 revision, header_size, crc32, reserved;
    u64 vendor;
    u32 vendor_revision, pad;
    u64 console_in_handle, con_in, console_out_handle, con_out, stderr_handle, std_err;
    u64 runtime_services, boot_services;
    u64 nr_tables, tables;
} packed;
#define EFI_SYSTEM_TABLE_SIGNATURE 0x5453595320494249ull /* "IBI SYST" */
#define EFI_TABLES_MAX             256

struct efi_config_table {
    u8 guid[16];
    u64 address;
} packed;

static const u8 efi_guid_acpi2[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                      0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
static const u8 efi_guid_acpi1[16] = {0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                      0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};

/* p holds `bytes` readable bytes. An RSDP of revision 2 that is damaged behind its first part counts as revision 0. */
static bool accept(const void *p, size_t bytes, struct acpi_rsdp *out)
{
    struct acpi_rsdp r = {0};

    if (bytes < ACPI_RSDP_V1_BYTES)
        return false;
    memcpy(&r, p, min(bytes, sizeof(r)));
    if (memcmp(r.signature, "RSD PTR ", sizeof(r.signature)) || !acpi_sum_is_zero(&r, ACPI_RSDP_V1_BYTES))
        return false;
    if (r.revision < 2 || bytes < sizeof(r) || !acpi_sum_is_zero(&r, sizeof(r)) || r.length < sizeof(r)) {
        if (r.revision >= 2)
            log_warn("acpi: RSDP: extended part is damaged, using the RSDT\n");
        memset((u8 *)&r + ACPI_RSDP_V1_BYTES, 0, sizeof(r) - ACPI_RSDP_V1_BYTES);
        r.revision = 0;
    }
    if (!r.rsdt && !r.xsdt)
        return false;
    *out = r;
    return true;
}

static bool read_at(paddr_t pa, struct acpi_rsdp *out)
{
    const void *p = acpi_map(pa, sizeof(*out), "RSDP");
    bool found;

    if (!p)
        return false;
    found = accept(p, sizeof(*out), out);
    acpi_unmap(p, sizeof(*out));
    return found;
}

static paddr_t efi_table_address(const struct efi_config_table *table, unsigned nr, const u8 guid[16])
{
    for (unsigned i = 0; i < nr; i++)
        if (!memcmp(table[i].guid, guid, sizeof(table[i].guid)))
            return table[i].address;
    return 0;
}

static bool find_efi(struct acpi_rsdp *out, paddr_t *address)
{
    const struct efi_system_table *st = acpi_map(boot_info.efi_system_table, sizeof(*st), "EFI system table");
    const struct efi_config_table *table;
    u64 nr = 0, at = 0;
    paddr_t pa[2];

    if (!st)
        return false;
    if (st->signature == EFI_SYSTEM_TABLE_SIGNATURE) {
        nr = st->nr_tables;
        at = st->tables;
    }
    acpi_unmap(st, sizeof(*st));
    if (!nr || nr > EFI_TABLES_MAX) {
        log_warn("acpi: EFI system table is damaged\n");
        return false;
    }
    table = acpi_map(at, nr * sizeof(*table), "EFI configuration tables");
    if (!table)
        return false;
    pa[0] = efi_table_address(table, nr, efi_guid_acpi2);
    pa[1] = efi_table_address(table, nr, efi_guid_acpi1);
    acpi_unmap(table, nr * sizeof(*table));

    for (unsigned i = 0; i < ARRAY_SIZE(pa); i++) {
        if (pa[i] && read_at(pa[i], out)) {
            *address = pa[i];
            return true;
        }
    }
    return false;
}

static bool scan(paddr_t start, size_t bytes, struct acpi_rsdp *out, paddr_t *address)
{
    const u8 *p = acpi_map(start, bytes, "BIOS area");
    bool found = false;

    if (!p)
        return false;
    for (size_t off = 0; off + ACPI_RSDP_V1_BYTES <= bytes && !found; off += RSDP_ALIGN) {
        found = accept(p + off, bytes - off, out);
        if (found)
            *address = start + off;
    }
    acpi_unmap(p, bytes);
    return found;
}

static bool find_bios(struct acpi_rsdp *out, paddr_t *address)
{
    const u16 *segment = acpi_map(BDA_EBDA_SEGMENT, sizeof(*segment), "BIOS data area");
    paddr_t ebda = 0;

    if (segment) {
        u16 value;

        memcpy(&value, segment, sizeof(value));
        ebda = (paddr_t)value << 4;
        acpi_unmap(segment, sizeof(*segment));
    }
    if (ebda >= EBDA_LOWEST && ebda + EBDA_BYTES <= BIOS_END && scan(ebda, EBDA_BYTES, out, address))
        return true;
    return scan(BIOS_START, BIOS_END - BIOS_START, out, address);
}

bool acpi_find_rsdp(struct acpi_rsdp *out, paddr_t *address)
{
    *address = 0;
    if (boot_info.rsdp_copied) {
        if (accept(boot_info.rsdp_copy, sizeof(boot_info.rsdp_copy), out))
            return true;
        log_warn("acpi: the RSDP the loader copied is damaged\n");
    }
    if (boot_info.rsdp) {
        if (read_at(boot_info.rsdp, out)) {
            *address = boot_info.rsdp;
            return true;
        }
        log_warn("acpi: no RSDP at 0x%llx where the loader says\n", (unsigned long long)boot_info.rsdp);
    }
    /* On UEFI the BIOS areas may hold anything. */
    return boot_info.efi ? find_efi(out, address) : find_bios(out, address);
}
