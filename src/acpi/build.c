/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dom0's own root tables. Everything native that does not describe what Torii owns or virtualises stays where firmware
 * put it and is listed by address: Dom0's memory is identity mapped.
 */
#include "defs.h"

#include <torii/acpi_build.h>
#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/vlapic.h>

#define TABLE_ALIGN       16
#define GPA_END           BIT(32) /* 32-bit entry code of kernels reads them */
#define MADT_REVISION_MAX 4
#define MADT_REVISION_MIN 1
#define XSDT_REVISION     1
#define RSDP_REVISION     2
#define APIC_IDS_8BIT     255 /* ids 0 - 254 fit a type 0 entry */
#define OEM_ID            "TORII "
#define OEM_TABLE_ID      "TORIIDM0"
#define CREATOR_ID        "TORI"

/* Which native tables Dom0 sees. What is not named here is withheld: nobody knows what it would promise. */
static const struct {
    char signature[5];
    bool keep;
    const char *why;
} policy[] = {
    {"FACP", true, "fixed hardware, SCI, DSDT and FACS are the machine's own"},
    {"SSDT", true, "belongs to the native namespace"},
    {"PSDT", true, "belongs to the native namespace"},
    {"SBST", true, "battery levels, Dom0 drives the battery"},
    {"MCFG", true, "ECAM is at the native address, its pages are virtualised"},
    {"SLIC", true, "licence data"},
    {"MSDM", true, "licence data"},
    {"WDAT", true, "Dom0 drives the hardware watchdog"},
    {"WSMT", true, "describes SMM, which is the machine's own"},
    {"FPDT", true, "boot performance records, plain memory"},
    {"S3PT", true, "boot performance records, plain memory"},
    {"TCPA", true, "Dom0 drives the TPM"},
    {"TPM2", true, "Dom0 drives the TPM"},
    {"VFCT", true, "video BIOS image, Dom0 drives the display"},
    {"OEM", true, "vendor's own, all that begin so"},

    {"APIC", false, "replaced: it lists Dom0's virtual CPUs"},
    {"DMAR", false, "Torii owns the IOMMUs"},
    {"IVRS", false, "Torii owns the IOMMUs"},
    {"HPET", false, "Torii keeps the machine's timers"},
    {"SRAT", false, "speaks of physical APIC ids; Dom0 has no NUMA"},
    {"SLIT", false, "distances between nodes Dom0 does not have"},
    {"HMAT", false, "speaks of nodes Dom0 does not have"},
    {"PPTT", false, "physical processor and cache topology"},
    {"CEDT", false, "CXL memory windows are not in Dom0's map"},
    {"NFIT", false, "persistent memory is not in Dom0's map"},
    {"BGRT", false, "its image lies in memory that has been given away as RAM"},
    {"HEST", false, "hardware errors go to Torii"},
    {"BERT", false, "hardware errors go to Torii"},
    {"ERST", false, "hardware errors go to Torii"},
    {"EINJ", false, "hardware errors go to Torii"},
    {"SPCR", false, "the console UART may be Torii's"},
    {"DBGP", false, "the debug port may be Torii's"},
    {"DBG2", false, "the debug port may be Torii's"},
    {"WAET", false, "an emulator's word on how its timers behave, which Torii's do not share"},
    {"LPIT", false, "low-power idle belongs to who owns the CPUs"},
    {"ASF!", false, "remote control of a machine Dom0 does not own"},
    {"BOOT", false, "tells firmware how the boot went; Torii booted"},
};

bool acpi_table_is_kept(const char signature[4], const char **why)
{
    for (unsigned i = 0; i < ARRAY_SIZE(policy); i++) {
        size_t n = strlen(policy[i].signature);

        if (strncmp(signature, policy[i].signature, n))
            continue;
        if (why)
            *why = policy[i].why;
        return policy[i].keep;
    }
    if (why)
        *why = "not known";
    return false;
}

/* Dom0 finds the table at its address only if that is not RAM, which may have been given to anyone. */
static bool lies_outside_ram(const struct acpi_table *t)
{
    const struct e820 *map = &boot_info.e820;

    for (unsigned i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        if ((e->type == E820_RAM || e->type == E820_UNUSABLE) && t->address < e->addr + e->size &&
            e->addr < t->address + t->length)
            return false;
    }
    return true;
}

static bool is_kept(const struct acpi_table *t)
{
    const char *why;

    if (!acpi_table_is_kept(t->signature, &why)) {
        log_debug("acpi: %s is withheld from Dom0: %s\n", t->signature, why);
        return false;
    }
    if (!lies_outside_ram(t)) {
        log_warn("acpi: %s is withheld from Dom0: it lies in RAM at 0x%llx\n", t->signature,
                 (unsigned long long)t->address);
        return false;
    }
    return true;
}

static void fill_header(struct acpi_header *h, const char *signature, u8 revision)
{
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

static void seal(struct acpi_header *h, size_t length)
{
    h->length = length;
    h->checksum = 0;
    h->checksum = checksum(h, length);
}

static size_t processor_bytes(unsigned nr_vcpus)
{
    return nr_vcpus <= APIC_IDS_8BIT ? sizeof(struct acpi_madt_lapic) : sizeof(struct acpi_madt_x2apic);
}

static size_t madt_bytes(unsigned nr_vcpus)
{
    return sizeof(struct acpi_madt) + nr_vcpus * processor_bytes(nr_vcpus) +
           ioapic_count() * sizeof(struct acpi_madt_ioapic) +
           acpi_info.nr_overrides * sizeof(struct acpi_madt_override);
}

size_t acpi_build_size(unsigned nr_vcpus)
{
    return ALIGN_UP(sizeof(struct acpi_rsdp), TABLE_ALIGN) +
           ALIGN_UP(sizeof(struct acpi_header) + (1 + acpi_info.nr_tables) * sizeof(u64), TABLE_ALIGN) +
           ALIGN_UP(madt_bytes(nr_vcpus), TABLE_ALIGN);
}

/*
 * One form for all processors, since Linux drops type 9 entries with small ids beside type 0 ones. Type 0 while ids
 * fit: an OS that stays in xAPIC mode, as FreeBSD does, takes no type 9 entry for a CPU it can start. uid = vCPU
 * number: Linux registers its vCPU areas by it.
 */
static u8 *put_processors(u8 *p, unsigned nr_vcpus)
{
    for (unsigned i = 0; i < nr_vcpus; i++) {
        if (nr_vcpus <= APIC_IDS_8BIT)
            *(struct acpi_madt_lapic *)p = (struct acpi_madt_lapic){
                {ACPI_MADT_LAPIC, sizeof(struct acpi_madt_lapic)}, .uid = i, .apic_id = i, .flags = ACPI_MADT_ENABLED};
        else
            *(struct acpi_madt_x2apic *)p =
                (struct acpi_madt_x2apic){{ACPI_MADT_X2APIC, sizeof(struct acpi_madt_x2apic)},
                                          .apic_id = i,
                                          .flags = ACPI_MADT_ENABLED,
                                          .uid = i};
        p += processor_bytes(nr_vcpus);
    }
    return p;
}

static u8 *put_interrupts(u8 *p)
{
    for (unsigned i = 0; i < ioapic_count(); i++) {
        const struct ioapic_info *io = ioapic_get(i);

        *(struct acpi_madt_ioapic *)p = (struct acpi_madt_ioapic){{ACPI_MADT_IOAPIC, sizeof(struct acpi_madt_ioapic)},
                                                                  .id = io->id,
                                                                  .address = io->base,
                                                                  .gsi_base = io->gsi_base};
        p += sizeof(struct acpi_madt_ioapic);
    }
    for (unsigned i = 0; i < acpi_info.nr_overrides; i++) {
        const struct acpi_override *o = &acpi_info.override[i];

        *(struct acpi_madt_override *)p =
            (struct acpi_madt_override){{ACPI_MADT_OVERRIDE, sizeof(struct acpi_madt_override)},
                                        .bus = o->bus,
                                        .irq = o->irq,
                                        .gsi = o->gsi,
                                        .flags = o->flags};
        p += sizeof(struct acpi_madt_override);
    }
    return p;
}

/* ACPI 6.5 §5.2.12. Flags 0: there is no 8259 pair to mask. */
static size_t build_madt(void *at, unsigned nr_vcpus)
{
    struct acpi_madt *madt = at;
    u8 revision = min(max(acpi_info.madt_revision, (u8)MADT_REVISION_MIN), (u8)MADT_REVISION_MAX);
    u8 *end;

    fill_header(&madt->header, "APIC", revision);
    madt->lapic_address = VLAPIC_BASE;
    madt->flags = 0;
    end = put_interrupts(put_processors((u8 *)(madt + 1), nr_vcpus));
    seal(&madt->header, end - (u8 *)at);
    return end - (u8 *)at;
}

static size_t build_xsdt(void *at, gpa_t madt, struct acpi_built *out)
{
    struct acpi_header *xsdt = at;
    u8 *entry = (u8 *)(xsdt + 1);

    fill_header(xsdt, "XSDT", XSDT_REVISION);
    memcpy(entry, &madt, sizeof(madt));
    entry += sizeof(u64);
    for (unsigned i = 0; i < acpi_info.nr_tables; i++) {
        const struct acpi_table *t = &acpi_info.table[i];

        if (!is_kept(t)) {
            out->nr_withheld++;
            continue;
        }
        out->nr_kept++;
        memcpy(entry, &t->address, sizeof(t->address));
        entry += sizeof(u64);
    }
    seal(xsdt, entry - (u8 *)at);
    return entry - (u8 *)at;
}

/* ACPI 6.5 §5.2.5.3. No RSDT: every OS that runs in 64-bit mode reads the XSDT, and one list cannot contradict itself.
 */
static void build_rsdp(void *at, gpa_t xsdt)
{
    struct acpi_rsdp *rsdp = at;

    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
    rsdp->revision = RSDP_REVISION;
    rsdp->length = sizeof(*rsdp);
    rsdp->xsdt = xsdt;
    rsdp->checksum = checksum(rsdp, ACPI_RSDP_V1_BYTES);
    rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
}

int acpi_build(void *buf, size_t size, gpa_t gpa, unsigned nr_vcpus, struct acpi_built *out)
{
    u8 *base = buf;
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

    out->rsdp = gpa;
    out->madt = gpa + ALIGN_UP(sizeof(struct acpi_rsdp), TABLE_ALIGN);
    out->xsdt = ALIGN_UP(out->madt + build_madt(base + (out->madt - gpa), nr_vcpus), TABLE_ALIGN);
    out->bytes = out->xsdt - gpa;
    out->bytes += build_xsdt(base + out->bytes, out->madt, out);
    build_rsdp(base, out->xsdt);
    return 0;
}
