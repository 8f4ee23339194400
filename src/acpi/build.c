/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dom0's own root tables. A native table that is kept stays where firmware put it and is listed by its address, Dom0's
 * memory being identity mapped; only tables that define processors are copied, with those taken out, and the FADT that
 * names such a DSDT.
 */
#include "build.h"

#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/log.h>

#define TABLE_ALIGN   16
#define GPA_END       BIT(32) /* 32-bit entry code of kernels reads them */
#define XSDT_REVISION 1
#define RSDP_REVISION 2
#define OEM_ID        "TORII "
#define OEM_TABLE_ID  "TORIIDM0"
#define CREATOR_ID    "TORI"
#define OWN_TABLES    3 /* MADT, SSDT, STAO */

/* buf NULL: nothing is written, used tells how much would be. */
struct builder {
    u8 *buf;
    size_t size, used;
    gpa_t gpa;
    unsigned nr_entries;
    gpa_t entry[OWN_TABLES + ACPI_TABLES_MAX]; /* of the XSDT */
};

static unsigned online_at_boot; /* 0: all */

void acpi_build_online(unsigned nr)
{
    online_at_boot = nr;
}

void acpi_fill_header(struct acpi_header *h, const char *signature, u8 revision)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->signature, signature, sizeof(h->signature));
    h->revision = revision;
    memcpy(h->oem_id, OEM_ID, sizeof(h->oem_id));
    memcpy(h->oem_table_id, OEM_TABLE_ID, sizeof(h->oem_table_id));
    h->oem_revision = 1;
    memcpy(h->creator_id, CREATOR_ID, sizeof(h->creator_id));
    h->creator_revision = 1;
}

static u8 checksum(const void *p, size_t bytes)
{
    const u8 *b = p;
    u8 sum = 0;

    while (bytes--)
        sum += *b++;
    return -sum;
}

void acpi_seal(struct acpi_header *h, size_t length)
{
    h->length = length;
    h->checksum = 0;
    h->checksum = checksum(h, length);
}

static void *here(struct builder *b)
{
    return b->buf ? b->buf + b->used : NULL;
}

static size_t left(const struct builder *b)
{
    return b->buf ? b->size - b->used : 0;
}

/* Whatever was written here has that many bytes. Its address. */
static gpa_t placed(struct builder *b, size_t bytes)
{
    gpa_t at = b->gpa + b->used;

    b->used += ALIGN_UP(bytes, TABLE_ALIGN);
    return at;
}

static void list(struct builder *b, gpa_t table)
{
    b->entry[b->nr_entries++] = table;
}

/* 0 and *at, or -XEN_ENOMEM: firmware's table cannot be read any more. */
static int copy_table(struct builder *b, paddr_t native, u32 length, struct acpi_header **copy, gpa_t *at)
{
    const struct acpi_header *h = NULL;

    *copy = NULL;
    if (b->buf) {
        h = acpi_map_table(native, "table");
        if (!h || h->length != length) {
            if (h)
                acpi_unmap(h, h->length);
            return -XEN_ENOMEM;
        }
        *copy = here(b);
        memcpy(*copy, h, length);
        acpi_unmap(h, length);
    }
    *at = placed(b, length);
    return 0;
}

static int copy_without_processors(struct builder *b, paddr_t native, u32 length, gpa_t *at)
{
    struct acpi_header *copy;
    int rc = copy_table(b, native, length, &copy, at);

    if (copy) {
        processors_hide((u8 *)(copy + 1), length - sizeof(*copy));
        acpi_seal(copy, length);
    }
    return rc;
}

/* §5.2.9: DSDT and X_DSDT must not contradict each other. */
static int copy_fadt(struct builder *b, const struct acpi_table *t, gpa_t *at)
{
    struct acpi_header *copy;
    gpa_t dsdt;
    u32 dsdt32;
    int rc = copy_without_processors(b, acpi_info.dsdt, acpi_info.dsdt_length, &dsdt);

    if (!rc)
        rc = copy_table(b, t->address, t->length, &copy, at);
    if (rc || !copy)
        return rc;
    dsdt32 = (u32)dsdt;
    memcpy((u8 *)copy + offsetof(struct acpi_fadt, dsdt), &dsdt32, sizeof(dsdt32));
    if (t->length >= offsetof(struct acpi_fadt, x_dsdt) + sizeof(dsdt))
        memcpy((u8 *)copy + offsetof(struct acpi_fadt, x_dsdt), &dsdt, sizeof(dsdt));
    acpi_seal(copy, t->length);
    return 0;
}

/* Where Dom0 finds the native table t: its own place, or a changed copy. */
static int list_native(struct builder *b, const struct acpi_table *t)
{
    gpa_t at = t->address;
    int rc = 0;

    if (acpi_has_own_processors()) {
        if (!memcmp(t->signature, "FACP", 4) && acpi_info.dsdt_processors)
            rc = copy_fadt(b, t, &at);
        else if (t->processors)
            rc = copy_without_processors(b, t->address, t->length, &at);
    }
    if (!rc)
        list(b, at);
    return rc;
}

static int put_native(struct builder *b, struct acpi_built *out)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < acpi_info.nr_tables; i++) {
        const struct acpi_table *t = &acpi_info.table[i];

        if (b->buf ? !acpi_policy_keeps(t) : !acpi_table_is_kept(t->signature, NULL)) {
            out->nr_withheld++;
            continue;
        }
        out->nr_kept++;
        rc = list_native(b, t);
    }
    return rc;
}

static void put_xsdt(struct builder *b, struct acpi_built *out)
{
    size_t bytes = sizeof(struct acpi_header) + b->nr_entries * sizeof(b->entry[0]);

    if (b->buf) {
        struct acpi_header *xsdt = here(b);

        acpi_fill_header(xsdt, "XSDT", XSDT_REVISION);
        memcpy(xsdt + 1, b->entry, b->nr_entries * sizeof(b->entry[0]));
        acpi_seal(xsdt, bytes);
    }
    out->xsdt = placed(b, bytes);
}

/* ACPI 6.5 §5.2.5.3. No RSDT: every OS that runs in 64-bit mode reads the XSDT, and one list cannot contradict itself.
 */
static void put_rsdp(void *at, gpa_t xsdt)
{
    struct acpi_rsdp *rsdp = at;

    memset(rsdp, 0, sizeof(*rsdp));
    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
    rsdp->revision = RSDP_REVISION;
    rsdp->length = sizeof(*rsdp);
    rsdp->xsdt = xsdt;
    rsdp->checksum = checksum(rsdp, ACPI_RSDP_V1_BYTES);
    rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

static gpa_t put_hotplug(struct builder *b, unsigned nr_vcpus, unsigned nr_online)
{
    struct acpi_hotplug *h = here(b);

    for (unsigned n = 0; h && n < nr_online; n++)
        h[n].sta = ACPI_STA_WORKING;
    return placed(b, nr_vcpus * sizeof(*h));
}

static int put_all(struct builder *b, unsigned nr_vcpus, struct acpi_built *out)
{
    bool comes = online_at_boot && online_at_boot < nr_vcpus && acpi_unused_gpe() >= 0;
    unsigned nr_online = comes ? online_at_boot : nr_vcpus;
    int rc;

    memset(out, 0, sizeof(*out));
    out->rsdp = placed(b, sizeof(struct acpi_rsdp));
    out->madt = placed(b, acpi_build_madt(here(b), left(b), nr_vcpus, nr_online));
    list(b, out->madt);
    rc = put_native(b, out);
    if (rc)
        return rc;
    if (comes)
        out->hotplug = put_hotplug(b, nr_vcpus, nr_online);
    if (acpi_has_own_processors()) {
        out->ssdt = placed(b, acpi_build_ssdt(here(b), left(b), nr_vcpus, out->hotplug, &acpi_natives));
        list(b, out->ssdt);
    }
    if (acpi_has_own_processors() && acpi_natives.nr) {
        out->stao = placed(b, acpi_build_stao(here(b), left(b), &acpi_natives));
        list(b, out->stao);
    }
    put_xsdt(b, out);
    if (b->buf)
        put_rsdp(b->buf, out->xsdt);
    out->bytes = b->used;
    return 0;
}

size_t acpi_build_size(unsigned nr_vcpus)
{
    struct builder b = {.gpa = GPA_END / 2}; /* an address in AML takes the same bytes wherever it is */
    struct acpi_built out;

    put_all(&b, nr_vcpus, &out);
    return b.used;
}

int acpi_build(void *buf, size_t size, gpa_t gpa, unsigned nr_vcpus, struct acpi_built *out)
{
    struct builder b = {.buf = buf, .size = size, .gpa = gpa};
    size_t need;

    memset(out, 0, sizeof(*out));
    if (!nr_vcpus || gpa % TABLE_ALIGN)
        return -XEN_EINVAL;
    need = acpi_build_size(nr_vcpus);
    if (gpa >= GPA_END || need > GPA_END - gpa)
        return -XEN_EINVAL;
    if (need > size)
        return -XEN_ENOSPC;
    memset(buf, 0, need);
    return put_all(&b, nr_vcpus, out);
}
