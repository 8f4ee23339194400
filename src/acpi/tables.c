/* SPDX-License-Identifier: BSD-2-Clause */
/* Walk of the root table. Firmware is believed in nothing: what does not check out is logged and left out. */
#include "build.h"

#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/log.h>

struct acpi_info acpi_info;
struct native_processors acpi_natives;

static acpi_address_ok_fn *address_ok;

/* No CPU has more physical address bits (AMD APM vol. 2 §5.1). */
#define PHYSICAL_END BIT(52)

void acpi_set_address_check(acpi_address_ok_fn *ok)
{
    address_ok = ok;
}

bool acpi_sum_is_zero(const void *p, size_t bytes)
{
    const u8 *b = p;
    u8 sum = 0;

    while (bytes--)
        sum += *b++;
    return !sum;
}

const void *acpi_map(paddr_t pa, size_t bytes, const char *what)
{
    const void *p = NULL;

    if (!pa || pa >= PHYSICAL_END || bytes > PHYSICAL_END - pa || (address_ok && !address_ok(pa, bytes))) {
        log_warn("acpi: %s at 0x%llx: not a place for it\n", what, (unsigned long long)pa);
        return NULL;
    }
    p = machine_map(pa, bytes, false);
    if (!p)
        log_warn("acpi: %s at 0x%llx: cannot map %zu bytes\n", what, (unsigned long long)pa, bytes);
    return p;
}

void acpi_unmap(const void *p, size_t bytes)
{
    machine_unmap((void *)(uintptr_t)p, bytes);
}

/* Signatures are four printable characters; anything else is not a table. */
static bool signature_ok(const char s[4])
{
    for (unsigned i = 0; i < 4; i++)
        if (s[i] < ' ' || s[i] > '~')
            return false;
    return true;
}

const struct acpi_header *acpi_map_table(paddr_t pa, const char *what)
{
    const struct acpi_header *h = acpi_map(pa, sizeof(*h), what);
    bool ok;
    u32 length;

    if (!h)
        return NULL;
    length = h->length;
    ok = length >= sizeof(*h) && length <= ACPI_TABLE_BYTES_MAX && signature_ok(h->signature);
    acpi_unmap(h, sizeof(*h));
    if (!ok) {
        log_warn("acpi: %s at 0x%llx: no table (length %u)\n", what, (unsigned long long)pa, length);
        return NULL;
    }
    h = acpi_map(pa, length, what);
    if (!h)
        return NULL;
    if (h->length != length || !acpi_sum_is_zero(h, length)) {
        log_warn("acpi: %s \"%.4s\" at 0x%llx: wrong checksum\n", what, h->signature, (unsigned long long)pa);
        acpi_unmap(h, length);
        return NULL;
    }
    return h;
}

const struct acpi_table *acpi_find(const char signature[4])
{
    for (unsigned i = 0; i < acpi_info.nr_tables; i++)
        if (!memcmp(acpi_info.table[i].signature, signature, 4))
            return &acpi_info.table[i];
    return NULL;
}

static bool address_known(paddr_t pa)
{
    for (unsigned i = 0; i < acpi_info.nr_tables; i++)
        if (acpi_info.table[i].address == pa)
            return true;
    return false;
}

/* Tables that occur once; a second one is ignored. SSDT, PSDT and OEM tables may be many. */
static bool may_repeat(const char s[4])
{
    return !memcmp(s, "SSDT", 4) || !memcmp(s, "PSDT", 4) || !memcmp(s, "OEM", 3);
}

/* Nothing but a root table's entries may stand in a root table. */
static bool may_be_listed(const char s[4])
{
    static const char never[][5] = {"XSDT", "RSDT", "RSD ", "DSDT", "FACS"};

    for (unsigned i = 0; i < ARRAY_SIZE(never); i++)
        if (!memcmp(s, never[i], 4))
            return false;
    return true;
}

static void add_table(paddr_t pa)
{
    const struct acpi_header *h;
    struct acpi_table *t;
    bool first;
    u32 length;

    if (!pa || address_known(pa))
        return;
    if (acpi_info.nr_tables == ACPI_TABLES_MAX) {
        log_warn("acpi: more than %u tables, 0x%llx is left out\n", ACPI_TABLES_MAX, (unsigned long long)pa);
        return;
    }
    h = acpi_map_table(pa, "table");
    if (!h)
        return;
    length = h->length;
    first = !acpi_find(h->signature);
    if (!may_be_listed(h->signature)) {
        log_warn("acpi: \"%.4s\" at 0x%llx does not belong in the root table\n", h->signature, (unsigned long long)pa);
    } else if (!first && !may_repeat(h->signature)) {
        log_warn("acpi: a second \"%.4s\" at 0x%llx is not used\n", h->signature, (unsigned long long)pa);
    } else {
        t = &acpi_info.table[acpi_info.nr_tables++];
        memcpy(t->signature, h->signature, 4);
        t->signature[4] = 0;
        t->address = pa;
        t->length = length;
        t->revision = h->revision;
        if (first)
            acpi_digest(h);
    }
    acpi_unmap(h, length);
}

/* Entries of 4 (RSDT) or 8 bytes (XSDT), unaligned. */
static bool walk_root(paddr_t pa, const char *signature, size_t width)
{
    const struct acpi_header *h = acpi_map_table(pa, signature);
    const u8 *entry;
    u32 length;

    if (!h)
        return false;
    length = h->length;
    if (memcmp(h->signature, signature, 4)) {
        log_warn("acpi: \"%.4s\" where the %s should be\n", h->signature, signature);
        acpi_unmap(h, length);
        return false;
    }
    entry = (const u8 *)(h + 1);
    for (size_t left = length - sizeof(*h); left >= width; left -= width, entry += width) {
        u64 address = 0;

        memcpy(&address, entry, width);
        add_table(address);
    }
    acpi_unmap(h, length);
    return true;
}

/* They usually stand in the DSDT, in some firmware in an SSDT. */
static void find_sleep_types(paddr_t pa, const char *what)
{
    struct acpi_info *a = &acpi_info;
    const struct acpi_header *h = acpi_map_table(pa, what);
    u32 length;

    if (!h)
        return;
    length = h->length;
    for (char n = 1; n <= 5 && !memcmp(h->signature, what, 4); n++) {
        struct acpi_sleep_state *state = &a->sleep[(unsigned)n];
        const char name[4] = {'_', 'S', '0' + n, '_'};

        if (!state->valid)
            state->valid = acpi_find_sleep_types((const u8 *)(h + 1), length - sizeof(*h), name, state->typ);
    }
    acpi_unmap(h, length);
}

/* Processor objects of one table, as many as it defines. Clears acpi_natives.sure if it cannot be told. */
static unsigned find_processors(paddr_t pa, u32 *length, const char *what)
{
    const struct acpi_header *h = acpi_map_table(pa, what);
    unsigned before = acpi_natives.nr;

    if (!h || memcmp(h->signature, what, 4)) {
        if (h)
            acpi_unmap(h, h->length);
        acpi_natives.sure = false;
        return 0;
    }
    *length = h->length;
    processors_add(&acpi_natives, (const u8 *)(h + 1), *length - sizeof(*h), what);
    acpi_unmap(h, *length);
    return acpi_natives.nr - before;
}

static void find_all_processors(void)
{
    struct acpi_info *a = &acpi_info;

    processors_begin(&acpi_natives);
    if (a->dsdt)
        a->dsdt_processors = find_processors(a->dsdt, &a->dsdt_length, "DSDT");
    for (unsigned i = 0; i < a->nr_tables && acpi_natives.sure; i++) {
        struct acpi_table *t = &a->table[i];

        if ((!memcmp(t->signature, "SSDT", 4) || !memcmp(t->signature, "PSDT", 4)) && acpi_policy_keeps(t))
            t->processors = find_processors(t->address, &t->length, t->signature);
    }
    if (acpi_natives.sure && acpi_natives.nr)
        log_debug("acpi: %u native processor objects\n", acpi_natives.nr);
}

bool acpi_has_own_processors(void)
{
    return acpi_natives.sure;
}

static void check_facs(void)
{
    const struct acpi_facs *facs;
    bool ok;

    if (!acpi_info.facs)
        return;
    facs = acpi_map(acpi_info.facs, sizeof(*facs), "FACS");
    ok = facs && !memcmp(facs->signature, "FACS", 4) && facs->length >= ACPI_FACS_BYTES_MIN;
    if (facs)
        acpi_unmap(facs, sizeof(*facs));
    if (!ok) {
        log_warn("acpi: no FACS at 0x%llx\n", (unsigned long long)acpi_info.facs);
        acpi_info.facs = 0;
    }
}

int acpi_init(void)
{
    struct acpi_info *a = &acpi_info;
    struct acpi_rsdp rsdp;

    memset(a, 0, sizeof(*a));
    acpi_natives.sure = false;
    if (!acpi_find_rsdp(&rsdp, &a->rsdp)) {
        log_warn("acpi: no RSDP found\n");
        return -XEN_ENODEV;
    }
    a->rsdp_revision = rsdp.revision;
    if (!(rsdp.xsdt && walk_root(rsdp.xsdt, "XSDT", sizeof(u64))) &&
        !(rsdp.rsdt && walk_root(rsdp.rsdt, "RSDT", sizeof(u32)))) {
        log_warn("acpi: neither XSDT nor RSDT is usable\n");
        return -XEN_ENODEV;
    }
    a->present = true;

    check_facs();
    if (a->dsdt)
        find_sleep_types(a->dsdt, "DSDT");
    for (unsigned i = 0; i < a->nr_tables; i++)
        if (!memcmp(a->table[i].signature, "SSDT", 4))
            find_sleep_types(a->table[i].address, "SSDT");
    acpi_number_cpus();
    find_all_processors();
    return 0;
}

static void dump_gas(const char *name, const struct acpi_gas *g)
{
    if (g->address)
        log_info("  %-12s %s 0x%llx, %u bits\n", name, g->space == ACPI_SPACE_IO ? "port" : "memory",
                 (unsigned long long)g->address, g->width);
}

void acpi_dump(void)
{
    const struct acpi_info *a = &acpi_info;

    log_info("ACPI: RSDP revision %u at 0x%llx, %u tables\n", a->rsdp_revision, (unsigned long long)a->rsdp,
             a->nr_tables);
    for (unsigned i = 0; i < a->nr_tables; i++)
        log_info("  %s revision %u, 0x%llx, %u bytes\n", a->table[i].signature, a->table[i].revision,
                 (unsigned long long)a->table[i].address, a->table[i].length);
    for (unsigned i = 0; i < a->nr_cpus; i++)
        log_info("  CPU uid %u, APIC id %u%s\n", a->cpu[i].uid, a->cpu[i].apic_id,
                 a->cpu[i].enabled ? "" : ", disabled");
    for (unsigned i = 0; i < a->nr_ioapics; i++)
        log_info("  IO-APIC id %u at 0x%x, GSI %u\n", a->ioapic[i].id, a->ioapic[i].address, a->ioapic[i].gsi_base);
    for (unsigned i = 0; i < a->nr_overrides; i++)
        log_info("  IRQ %u is GSI %u, flags 0x%x\n", a->override[i].irq, a->override[i].gsi, a->override[i].flags);
    for (unsigned i = 0; i < a->nr_nmis; i++)
        log_info("  NMI at %s %u\n", a->nmi[i].local ? "LINT" : "GSI",
                 a->nmi[i].local ? a->nmi[i].lint : a->nmi[i].gsi);
    for (unsigned i = 0; i < a->nr_mcfg; i++)
        log_info("  ECAM segment %u buses %u-%u at 0x%llx\n", a->mcfg[i].segment, a->mcfg[i].bus_first,
                 a->mcfg[i].bus_last, (unsigned long long)a->mcfg[i].base);
    dump_gas("PM1a_CNT", &a->pm1a_cnt);
    dump_gas("PM1b_CNT", &a->pm1b_cnt);
    dump_gas("PM_TMR", &a->pm_tmr);
    dump_gas("RESET_REG", &a->reset_reg);
    dump_gas("SLEEP_CONTROL", &a->sleep_control);
    dump_gas("SPCR", &a->spcr);
    log_info("  SCI %u, DSDT 0x%llx, FACS 0x%llx, HPET 0x%llx\n", a->sci, (unsigned long long)a->dsdt,
             (unsigned long long)a->facs, (unsigned long long)a->hpet);
    log_info("  S3 %s(%u, %u), S5 %s(%u, %u)\n", a->sleep[3].valid ? "" : "none ", a->sleep[3].typ[0], a->sleep[3].typ[1],
             a->sleep[5].valid ? "" : "none ", a->sleep[5].typ[0], a->sleep[5].typ[1]);
}
