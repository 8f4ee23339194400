/* SPDX-License-Identifier: BSD-2-Clause */
/* FADT, MCFG, HPET and SPCR into acpi_info. Tables come here mapped whole, with a good checksum. */
#include "defs.h"

#include <torii/lib.h>
#include <torii/log.h>

#define PORTS           0x10000
#define MCFG_BASE_ALIGN (1u << 20) /* one bus of ECAM */
#define PM_TIMER_BYTES  4
#define RESET_FIELD_END (offsetof(struct acpi_fadt, reset_value) + 1)
#define HPET_BYTES_MIN  sizeof(struct acpi_hpet_table)

/* A register that can be reached: in memory or at a port. */
static bool gas_usable(const struct acpi_gas *g)
{
    if (!g->address)
        return false;
    return g->space == ACPI_SPACE_MEMORY || (g->space == ACPI_SPACE_IO && g->address < PORTS);
}

/* §5.2.9: the X_ field where it is not 0, else the port of revision 1. */
static struct acpi_gas choose(const char *name, const struct acpi_gas *x, u32 port, u8 bytes)
{
    struct acpi_gas g = *x;

    if (gas_usable(&g)) {
        if (!g.width)
            g.width = bytes * 8;
        return g;
    }
    if (g.address)
        log_warn("acpi: FADT: X_%s is unusable (space %u, 0x%llx)\n", name, g.space, (unsigned long long)g.address);
    if (port >= PORTS) {
        log_warn("acpi: FADT: %s at port 0x%x\n", name, port);
        port = 0;
    }
    return (struct acpi_gas){.space = ACPI_SPACE_IO, .width = port ? bytes * 8 : 0, .address = port};
}

static struct acpi_gas usable_or_none(const struct acpi_gas *g)
{
    return gas_usable(g) ? *g : (struct acpi_gas){0};
}

static void digest_fadt_registers(const struct acpi_fadt *f)
{
    struct acpi_info *a = &acpi_info;

    a->pm1a_evt = choose("PM1a_EVT", &f->x_pm1a_evt, f->pm1a_evt, f->pm1_evt_len);
    a->pm1a_cnt = choose("PM1a_CNT", &f->x_pm1a_cnt, f->pm1a_cnt, f->pm1_cnt_len);
    a->pm1b_cnt = choose("PM1b_CNT", &f->x_pm1b_cnt, f->pm1b_cnt, f->pm1_cnt_len);
    a->gpe0 = choose("GPE0", &f->x_gpe0, f->gpe0, f->gpe0_len);
    a->gpe0.width = min(f->gpe0_len, (u8)(UINT8_MAX / 8)) * 8; /* X_GPE0's own is too narrow for large blocks */
    if (f->pm_tmr_len == PM_TIMER_BYTES)
        a->pm_tmr = choose("PM_TMR", &f->x_pm_tmr, f->pm_tmr, f->pm_tmr_len);
    a->pm_tmr_32bit = f->flags & ACPI_FADT_TMR_VAL_EXT;
    a->smi_cmd = f->smi_cmd;
}

static void digest_fadt(const struct acpi_header *table)
{
    struct acpi_info *a = &acpi_info;
    struct acpi_fadt f = {0};
    u32 length = min(table->length, (u32)sizeof(f));

    if (length < ACPI_FADT_BYTES_MIN) {
        log_warn("acpi: FADT of %u bytes\n", length);
        return;
    }
    memcpy(&f, table, length);
    a->facs = f.x_facs ? f.x_facs : f.facs;
    a->dsdt = f.x_dsdt ? f.x_dsdt : f.dsdt;
    a->sci = f.sci;
    a->rtc_century = f.century;
    a->no_cmos_rtc = f.iapc_boot_arch & ACPI_BOOT_ARCH_NO_CMOS;
    a->hw_reduced = f.flags & ACPI_FADT_HW_REDUCED;
    /* §4.1: hardware-reduced machines have none of the fixed registers. */
    if (!a->hw_reduced)
        digest_fadt_registers(&f);
    if ((f.flags & ACPI_FADT_RESET_REG_SUP) && length >= RESET_FIELD_END) {
        a->reset_reg = usable_or_none(&f.reset_reg);
        a->reset_value = f.reset_value;
        a->reset_supported = a->reset_reg.address != 0;
    }
    a->sleep_control = usable_or_none(&f.sleep_control);
    a->sleep_status = usable_or_none(&f.sleep_status);
}

static void digest_mcfg(const struct acpi_header *table)
{
    struct acpi_info *a = &acpi_info;
    u32 off = sizeof(struct acpi_mcfg_table);

    for (; off <= table->length && table->length - off >= sizeof(struct acpi_mcfg_entry);
         off += sizeof(struct acpi_mcfg_entry)) {
        const struct acpi_mcfg_entry *e = (const void *)((const u8 *)table + off);

        if (!e->base || e->base % MCFG_BASE_ALIGN || e->bus_first > e->bus_last || a->nr_mcfg == ACPI_MCFG_MAX) {
            log_warn("acpi: MCFG: segment %u buses %u-%u at 0x%llx is left out\n", e->segment, e->bus_first,
                     e->bus_last, (unsigned long long)e->base);
            continue;
        }
        a->mcfg[a->nr_mcfg++] = (struct acpi_mcfg){
            .base = e->base, .segment = e->segment, .bus_first = e->bus_first, .bus_last = e->bus_last};
    }
}

static void digest_hpet(const struct acpi_header *table)
{
    const struct acpi_hpet_table *hpet = (const void *)table;

    if (table->length < HPET_BYTES_MIN || hpet->base.space != ACPI_SPACE_MEMORY) {
        log_warn("acpi: HPET table is unusable\n");
        return;
    }
    acpi_info.hpet = hpet->base.address;
}

static u32 spcr_baud(u8 code)
{
    switch (code) {
    case 3:
        return 9600;
    case 4:
        return 19200;
    case 6:
        return 57600;
    case 7:
        return 115200;
    }
    return 0;
}

static void digest_spcr(const struct acpi_header *table)
{
    const struct acpi_spcr_table *s = (const void *)table;
    struct acpi_info *a = &acpi_info;

    if (table->length < sizeof(*s)) {
        log_warn("acpi: SPCR of %u bytes\n", table->length);
        return;
    }
    if (s->interface != ACPI_SPCR_16550 && s->interface != ACPI_SPCR_16450 && s->interface != ACPI_SPCR_16550_GAS) {
        log_info("acpi: SPCR: interface type %u is no 16550\n", s->interface);
        return;
    }
    if (!gas_usable(&s->base))
        return;
    a->spcr_present = true;
    a->spcr = s->base;
    a->spcr_baud = spcr_baud(s->baud);
    if (s->interrupt_type & ACPI_SPCR_IRQ_IOAPIC)
        a->spcr_gsi = s->gsi;
    else if (s->interrupt_type & ACPI_SPCR_IRQ_PIC)
        a->spcr_gsi = s->irq;
}

void acpi_digest(const struct acpi_header *table)
{
    static const struct {
        char signature[5];
        void (*digest)(const struct acpi_header *table);
    } known[] = {
        {"APIC", acpi_digest_madt}, {"FACP", digest_fadt}, {"MCFG", digest_mcfg},
        {"HPET", digest_hpet},      {"SPCR", digest_spcr},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
        if (!memcmp(table->signature, known[i].signature, sizeof(table->signature)))
            known[i].digest(table);
}
