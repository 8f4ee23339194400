/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include <torii/boot_info.h>

#include "../../src/acpi/defs.h"
#include "fake_memory.h"
#include "firmware.h"

struct boot_info boot_info;

static u8 low[FW_LOW_BYTES], ebda[FW_EBDA_BYTES], bios[FW_BIOS_BYTES], tables[FW_TABLES_BYTES];
static u32 next;
static u64 list[256];
static unsigned nr_listed;
u32 fw_rsdt, fw_xsdt;

void fw_reset(void)
{
    memset(low, 0, sizeof(low));
    memset(ebda, 0, sizeof(ebda));
    memset(bios, 0, sizeof(bios));
    memset(tables, 0, sizeof(tables));
    memset(&boot_info, 0, sizeof(boot_info));
    next = FW_TABLES;
    nr_listed = 0;
    fw_rsdt = fw_xsdt = 0;
    fake_memory_reset();
    fake_memory_add(0, low, sizeof(low));
    fake_memory_add(FW_EBDA, ebda, sizeof(ebda));
    fake_memory_add(FW_BIOS, bios, sizeof(bios));
    fake_memory_add(FW_TABLES, tables, sizeof(tables));
}

void *fw_at(u32 pa)
{
    void *p = fake_memory_at(pa, 1);

    if (!p)
        abort();
    return p;
}

u32 fw_room(size_t bytes, size_t align)
{
    u32 pa = (next + align - 1) / align * align;

    if (bytes > FW_TABLES + FW_TABLES_BYTES - pa)
        abort();
    next = pa + bytes;
    return pa;
}

void fw_sum(void *p, size_t bytes, u8 *checksum)
{
    u8 sum = 0;

    *checksum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum += ((u8 *)p)[i];
    *checksum = -sum;
}

u32 fw_table(const char *signature, u8 revision, const void *body, size_t bytes)
{
    struct acpi_header h = {.length = sizeof(h) + bytes, .revision = revision};
    u32 pa = fw_room(h.length, 4);
    u8 *p = fw_at(pa);

    memcpy(h.signature, signature, 4);
    memcpy(h.oem_id, "FAKEFW", 6);
    memcpy(p, &h, sizeof(h));
    if (bytes)
        memcpy(p + sizeof(h), body, bytes);
    fw_sum(p, h.length, p + offsetof(struct acpi_header, checksum));
    return pa;
}

void fw_list(u64 address)
{
    if (nr_listed == ARRAY_SIZE(list))
        abort();
    list[nr_listed++] = address;
}

u32 fw_listed(const char *signature, u8 revision, const void *body, size_t bytes)
{
    u32 pa = fw_table(signature, revision, body, bytes);

    fw_list(pa);
    return pa;
}

void fw_rsdp(u32 pa, u8 revision, u32 rsdt, u64 xsdt)
{
    struct acpi_rsdp r = {.revision = revision, .rsdt = rsdt};

    memcpy(r.signature, "RSD PTR ", 8);
    if (revision >= 2) {
        r.length = sizeof(r);
        r.xsdt = xsdt;
    }
    fw_sum(&r, ACPI_RSDP_V1_BYTES, &r.checksum);
    fw_sum(&r, sizeof(r), &r.extended_checksum);
    memcpy(fw_at(pa), &r, revision >= 2 ? sizeof(r) : ACPI_RSDP_V1_BYTES);
}

void fw_finish(u8 revision, u32 pa)
{
    u32 narrow[ARRAY_SIZE(list)];

    for (unsigned i = 0; i < nr_listed; i++)
        narrow[i] = list[i];
    fw_rsdt = fw_table("RSDT", 1, narrow, nr_listed * sizeof(u32));
    fw_xsdt = revision >= 2 ? fw_table("XSDT", 1, list, nr_listed * sizeof(u64)) : 0;
    fw_rsdp(pa, revision, fw_rsdt, fw_xsdt);
}
