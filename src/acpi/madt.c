/* SPDX-License-Identifier: BSD-2-Clause */
/* The MADT (ACPI 6.5 §5.2.12): processors, IO-APICs, interrupt source overrides, NMI inputs. */
#include "defs.h"

#include <torii/lib.h>
#include <torii/log.h>

#define APIC_ID_NONE   0xff
#define X2APIC_ID_NONE 0xffffffff
#define ISA_BUS        0
#define ISA_IRQS       16

static struct acpi_cpu *find_cpu(u32 apic_id)
{
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].apic_id == apic_id)
            return &acpi_info.cpu[i];
    return NULL;
}

/* Where to put one more; an enabled one may take the place of a disabled one. */
static struct acpi_cpu *new_cpu(bool enabled)
{
    if (acpi_info.nr_cpus < ACPI_CPUS_MAX)
        return &acpi_info.cpu[acpi_info.nr_cpus++];
    for (unsigned i = 0; i < ACPI_CPUS_MAX && enabled; i++)
        if (!acpi_info.cpu[i].enabled)
            return &acpi_info.cpu[i];
    return NULL;
}

/* Firmware may list one processor as type 0 and as type 9: the enabled entry counts. */
static void add_cpu(u32 apic_id, u32 uid, bool enabled)
{
    struct acpi_cpu *cpu = find_cpu(apic_id);

    if (cpu && (cpu->enabled || !enabled)) {
        log_debug("acpi: APIC id %u is listed twice\n", apic_id);
        return;
    }
    if (!cpu)
        cpu = new_cpu(enabled);
    if (!cpu) {
        if (enabled)
            log_warn("acpi: more than %u processors, APIC id %u is left out\n", ACPI_CPUS_MAX, apic_id);
        return;
    }
    *cpu = (struct acpi_cpu){.apic_id = apic_id, .uid = uid, .enabled = enabled};
}

static void add_ioapic(const struct acpi_madt_ioapic *e)
{
    struct acpi_info *a = &acpi_info;

    for (unsigned i = 0; i < a->nr_ioapics; i++) {
        if (a->ioapic[i].address == e->address || a->ioapic[i].gsi_base == e->gsi_base) {
            log_warn("acpi: IO-APIC id %u repeats the address or the GSIs of id %u\n", e->id, a->ioapic[i].id);
            return;
        }
    }
    if (!e->address || a->nr_ioapics == ACPI_IOAPICS_MAX) {
        log_warn("acpi: IO-APIC id %u at 0x%x is left out\n", e->id, e->address);
        return;
    }
    a->ioapic[a->nr_ioapics++] = (struct acpi_ioapic){.id = e->id, .address = e->address, .gsi_base = e->gsi_base};
}

static void add_override(const struct acpi_madt_override *e)
{
    struct acpi_info *a = &acpi_info;

    if (e->bus != ISA_BUS || e->irq >= ISA_IRQS || a->nr_overrides == ACPI_OVERRIDES_MAX) {
        log_warn("acpi: override of bus %u IRQ %u is left out\n", e->bus, e->irq);
        return;
    }
    for (unsigned i = 0; i < a->nr_overrides; i++) {
        if (a->override[i].irq == e->irq) {
            log_warn("acpi: IRQ %u has two overrides, GSI %u stays\n", e->irq, a->override[i].gsi);
            return;
        }
    }
    a->override[a->nr_overrides++] =
        (struct acpi_override){.bus = e->bus, .irq = e->irq, .gsi = e->gsi, .flags = e->flags};
}

static void add_nmi(const struct acpi_nmi *nmi)
{
    if (acpi_info.nr_nmis == ACPI_OVERRIDES_MAX)
        return;
    acpi_info.nmi[acpi_info.nr_nmis++] = *nmi;
}

static void set_lapic_address(const struct acpi_madt_lapic_address *e)
{
    if (!e->address || e->address >> 32) {
        log_warn("acpi: local APIC address override 0x%llx is not used\n", (unsigned long long)e->address);
        return;
    }
    acpi_info.lapic_address = e->address;
}

/* The size each known entry must have at least; 0: not of interest. */
static unsigned entry_least(u8 type)
{
    switch (type) {
    case ACPI_MADT_LAPIC:
        return sizeof(struct acpi_madt_lapic);
    case ACPI_MADT_IOAPIC:
        return sizeof(struct acpi_madt_ioapic);
    case ACPI_MADT_OVERRIDE:
        return sizeof(struct acpi_madt_override);
    case ACPI_MADT_NMI_SOURCE:
        return sizeof(struct acpi_madt_nmi_source);
    case ACPI_MADT_LAPIC_NMI:
        return sizeof(struct acpi_madt_lapic_nmi);
    case ACPI_MADT_LAPIC_ADDRESS:
        return sizeof(struct acpi_madt_lapic_address);
    case ACPI_MADT_X2APIC:
        return sizeof(struct acpi_madt_x2apic);
    case ACPI_MADT_X2APIC_NMI:
        return sizeof(struct acpi_madt_x2apic_nmi);
    }
    return 0;
}

static void read_entry(const struct acpi_subtable *head)
{
    const struct acpi_madt_lapic *lapic = (const void *)head;
    const struct acpi_madt_x2apic *x2apic = (const void *)head;
    const struct acpi_madt_nmi_source *source = (const void *)head;
    const struct acpi_madt_lapic_nmi *local = (const void *)head;
    const struct acpi_madt_x2apic_nmi *local2 = (const void *)head;

    switch (head->type) {
    case ACPI_MADT_LAPIC:
        if (lapic->apic_id != APIC_ID_NONE)
            add_cpu(lapic->apic_id, lapic->uid, lapic->flags & ACPI_MADT_ENABLED);
        break;
    case ACPI_MADT_X2APIC:
        if (x2apic->apic_id != X2APIC_ID_NONE)
            add_cpu(x2apic->apic_id, x2apic->uid, x2apic->flags & ACPI_MADT_ENABLED);
        break;
    case ACPI_MADT_IOAPIC:
        add_ioapic((const void *)head);
        break;
    case ACPI_MADT_OVERRIDE:
        add_override((const void *)head);
        break;
    case ACPI_MADT_NMI_SOURCE:
        add_nmi(&(struct acpi_nmi){.gsi = source->gsi, .flags = source->flags});
        break;
    case ACPI_MADT_LAPIC_NMI:
        add_nmi(&(struct acpi_nmi){.local = true, .uid = local->uid, .flags = local->flags, .lint = local->lint});
        break;
    case ACPI_MADT_X2APIC_NMI:
        add_nmi(&(struct acpi_nmi){.local = true, .uid = local2->uid, .flags = local2->flags, .lint = local2->lint});
        break;
    case ACPI_MADT_LAPIC_ADDRESS:
        set_lapic_address((const void *)head);
        break;
    }
}

void acpi_digest_madt(const struct acpi_header *table)
{
    const struct acpi_madt *madt = (const void *)table;
    u32 off = sizeof(*madt), length = table->length;

    if (length < sizeof(*madt)) {
        log_warn("acpi: MADT of %u bytes\n", length);
        return;
    }
    acpi_info.madt_revision = table->revision;
    acpi_info.lapic_address = madt->lapic_address;
    acpi_info.pcat_compat = madt->flags & ACPI_MADT_PCAT_COMPAT;

    while (length - off >= sizeof(struct acpi_subtable)) {
        const struct acpi_subtable *head = (const void *)((const u8 *)table + off);

        if (head->length < sizeof(*head) || head->length > length - off) {
            log_warn("acpi: MADT entry at offset %u has length %u, the rest is not read\n", off, head->length);
            return;
        }
        if (head->length < entry_least(head->type))
            log_warn("acpi: MADT entry of type %u is too short\n", head->type);
        else
            read_entry(head);
        off += head->length;
    }
}
