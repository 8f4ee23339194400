/* SPDX-License-Identifier: BSD-2-Clause */
/* Dom0's MADT (ACPI 6.5 §5.2.12): its vCPUs, the mirrored IO-APICs, the machine's interrupt wiring. */
#include "build.h"

#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/vlapic.h>

#define MADT_REVISION_MAX 4
#define MADT_REVISION_MIN 1
#define APIC_IDS_8BIT     255 /* ids 0 - 254 fit a type 0 entry */
#define UID_ALL_8BIT      0xff
#define UID_ALL           0xffffffff

struct output {
    u8 *at;
    size_t size, used;
};

static void put(struct output *o, const void *entry, size_t bytes)
{
    if (o->used + bytes <= o->size)
        memcpy(o->at + o->used, entry, bytes);
    o->used += bytes;
}

/*
 * One form for all processors, since Linux drops type 9 entries with small ids beside type 0 ones. Type 0 while ids
 * fit: an OS that stays in xAPIC mode, as FreeBSD does, takes no type 9 entry for a CPU it can start. uid = vCPU
 * number: Linux registers its vCPU areas by it.
 */
size_t acpi_madt_processor(void *at, unsigned n, unsigned nr_vcpus, u32 flags)
{
    struct acpi_madt_lapic lapic = {{ACPI_MADT_LAPIC, sizeof(lapic)}, .uid = (u8)n, .apic_id = (u8)n, .flags = flags};
    struct acpi_madt_x2apic x2apic = {{ACPI_MADT_X2APIC, sizeof(x2apic)}, .apic_id = n, .flags = flags, .uid = n};

    if (nr_vcpus > APIC_IDS_8BIT) {
        memcpy(at, &x2apic, sizeof(x2apic));
        return sizeof(x2apic);
    }
    memcpy(at, &lapic, sizeof(lapic));
    return sizeof(lapic);
}

static void put_ioapics(struct output *o)
{
    for (unsigned i = 0; i < ioapic_count(); i++) {
        const struct ioapic_info *io = ioapic_get(i);
        struct acpi_madt_ioapic e = {
            {ACPI_MADT_IOAPIC, sizeof(e)}, .id = io->id, .address = (u32)io->base, .gsi_base = io->gsi_base};

        put(o, &e, sizeof(e));
    }
}

static void put_overrides(struct output *o)
{
    for (unsigned i = 0; i < acpi_info.nr_overrides; i++) {
        const struct acpi_override *n = &acpi_info.override[i];
        struct acpi_madt_override e = {
            {ACPI_MADT_OVERRIDE, sizeof(e)}, .bus = n->bus, .irq = n->irq, .gsi = n->gsi, .flags = n->flags};

        put(o, &e, sizeof(e));
    }
}

static bool lint_was_listed(unsigned before)
{
    for (unsigned i = 0; i < before; i++)
        if (acpi_info.nmi[i].local && acpi_info.nmi[i].lint == acpi_info.nmi[before].lint)
            return true;
    return false;
}

/*
 * NMI pins of IO-APICs are mirrored as they are. A LINT that carries NMIs on any processor does so on every vCPU: an
 * NMI of the machine reaches Dom0, whichever processor took it.
 */
static void put_nmis(struct output *o, unsigned nr_vcpus)
{
    for (unsigned i = 0; i < acpi_info.nr_nmis; i++) {
        const struct acpi_nmi *n = &acpi_info.nmi[i];
        struct acpi_madt_nmi_source source = {{ACPI_MADT_NMI_SOURCE, sizeof(source)}, .flags = n->flags, .gsi = n->gsi};
        struct acpi_madt_lapic_nmi lint = {
            {ACPI_MADT_LAPIC_NMI, sizeof(lint)}, .uid = UID_ALL_8BIT, .flags = n->flags, .lint = n->lint};
        struct acpi_madt_x2apic_nmi lint2 = {
            {ACPI_MADT_X2APIC_NMI, sizeof(lint2)}, .flags = n->flags, .uid = UID_ALL, .lint = n->lint};

        if (!n->local)
            put(o, &source, sizeof(source));
        else if (lint_was_listed(i))
            continue;
        else if (nr_vcpus > APIC_IDS_8BIT)
            put(o, &lint2, sizeof(lint2));
        else
            put(o, &lint, sizeof(lint));
    }
}

/* Flags 0: there is no 8259 pair to mask. */
size_t acpi_build_madt(void *at, size_t size, unsigned nr_vcpus, unsigned nr_online)
{
    struct acpi_madt head = {.lapic_address = VLAPIC_BASE};
    struct output o = {.at = at, .size = size};
    u8 entry[sizeof(struct acpi_madt_x2apic)];

    acpi_fill_header(&head.header, "APIC",
                     min(max(acpi_info.madt_revision, (u8)MADT_REVISION_MIN), (u8)MADT_REVISION_MAX));
    put(&o, &head, sizeof(head));
    for (unsigned n = 0; n < nr_vcpus; n++) {
        size_t bytes =
            acpi_madt_processor(entry, n, nr_vcpus, n < nr_online ? ACPI_MADT_ENABLED : ACPI_MADT_ONLINE_CAPABLE);

        put(&o, entry, bytes);
    }
    put_ioapics(&o);
    put_overrides(&o);
    put_nmis(&o, nr_vcpus);
    if (o.used <= size)
        acpi_seal(at, o.used);
    return o.used;
}
