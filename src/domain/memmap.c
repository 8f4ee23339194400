/* SPDX-License-Identifier: BSD-2-Clause */
/* Dom0's memory map, and how much RAM it gets. */
#include <torii/cmdline.h>
#include <torii/dom0_layout.h>
#include <torii/errno.h>
#include <torii/lib.h>

#define LOW_END  0x100000ull
#define BELOW_4G BIT(32)

static u64 entry_end(const struct e820_entry *e)
{
    return e->addr + e->size;
}

/* The index of the first RAM entry that is not whole pages, or map->nr. */
static unsigned find_ragged(const struct e820 *map)
{
    unsigned i = 0;

    while (i < map->nr && (map->entry[i].type != E820_RAM || !((map->entry[i].addr | map->entry[i].size) & ~PAGE_MASK)))
        i++;
    return i;
}

/* Parts of pages cannot be given to Dom0 as RAM; as holes they might get BARs, so they become reserved. */
static int cut_to_pages(struct e820 *map)
{
    unsigned i;
    int rc = 0;

    while (!rc && (i = find_ragged(map)) < map->nr) {
        u64 start = map->entry[i].addr, end = entry_end(&map->entry[i]);
        u64 first = ALIGN_UP(start, PAGE_SIZE), last = ALIGN_DOWN(end, PAGE_SIZE);

        if (first >= last) {
            rc = e820_set(map, start, end, E820_RESERVED);
            continue;
        }
        rc = e820_set(map, start, first, E820_RESERVED);
        if (!rc)
            rc = e820_set(map, last, end, E820_RESERVED);
    }
    return rc;
}

static int take_out_torii(struct e820 *map, const struct paddr_range *torii, unsigned nr)
{
    int rc = 0;

    for (unsigned i = 0; i < nr && !rc; i++) {
        u64 start = ALIGN_DOWN(torii[i].start, PAGE_SIZE);
        u64 end = ALIGN_UP(torii[i].start + torii[i].size, PAGE_SIZE);

        if (start < LOW_END)
            rc = e820_convert(map, start, min(end, LOW_END), E820_RAM, E820_RESERVED);
        if (!rc && end > LOW_END)
            rc = e820_convert(map, max(start, LOW_END), end, E820_RAM, E820_UNUSABLE);
    }
    return rc;
}

/* Where Dom0's allotment ends: RAM is handed out from the bottom. */
static u64 allotment_end(const struct e820 *map, u64 bytes)
{
    for (unsigned i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        if (e->type != E820_RAM)
            continue;
        if (e->size > bytes)
            return e->addr + bytes;
        bytes -= e->size;
    }
    return ~0ull;
}

/* Highest RAM below 4 GiB that holds the pages: its top, or 0. */
static paddr_t find_acpi_area(const struct e820 *map, u64 bytes)
{
    for (unsigned i = map->nr; i--;) {
        const struct e820_entry *e = &map->entry[i];
        u64 start = max(e->addr, LOW_END), end = min(entry_end(e), BELOW_4G);

        if (e->type == E820_RAM && start < end && end - start >= bytes)
            return end - bytes;
    }
    return 0;
}

/* The entry least worth keeping: the smallest one, RAM above 1 MiB before all others; never Torii's ACPI area. */
static unsigned find_least(const struct dom0_memmap *m)
{
    unsigned best = 0;
    u64 best_size = ~0ull;
    bool best_ram = false;

    for (unsigned i = 0; i < m->map.nr; i++) {
        const struct e820_entry *e = &m->map.entry[i];
        bool ram = e->type == E820_RAM && e->addr >= LOW_END;

        if ((m->acpi_start && m->acpi_start - e->addr < e->size) || (best_ram && !ram))
            continue;
        if (ram != best_ram || e->size < best_size) {
            best = i;
            best_size = e->size;
            best_ram = ram;
        }
    }
    return best;
}

/* The type an entry that is given up takes so that it joins a neighbour: only types that keep Dom0 away will do. */
static u32 neighbour_type(const struct e820 *map, unsigned i)
{
    const struct e820_entry *e = &map->entry[i];

    if (i && entry_end(e - 1) == e->addr && e[-1].type == E820_UNUSABLE)
        return E820_UNUSABLE;
    if (i + 1 < map->nr && entry_end(e) == e[1].addr && e[1].type == E820_UNUSABLE)
        return E820_UNUSABLE;
    return E820_RESERVED;
}

/* Give up entries until few enough are left; one that joins no neighbour is dropped. */
static int absorb(struct dom0_memmap *m)
{
    while (m->map.nr > DOM0_MEMMAP_MAX) {
        unsigned i = find_least(m), before = m->map.nr;
        struct e820_entry e = m->map.entry[i];
        int rc = e820_set(&m->map, e.addr, entry_end(&e), neighbour_type(&m->map, i));

        if (rc)
            return rc;
        m->absorbed++;
        m->absorbed_bytes += e.type == E820_RAM ? e.size : 0;
        if (m->map.nr == before) {
            memmove(&m->map.entry[i], &m->map.entry[i + 1], (m->map.nr - i - 1) * sizeof(e));
            m->map.nr--;
        }
    }
    return 0;
}

int dom0_memmap_build(const struct e820 *host, const struct paddr_range *torii, unsigned nr_torii, u64 dom0_bytes,
                      unsigned acpi_pages, struct dom0_memmap *out, struct refusal *why)
{
    u64 acpi_bytes = acpi_pages * PAGE_SIZE;
    int rc;

    memset(out, 0, sizeof(*out));
    why->line[0] = '\0';
    out->map = *host;
    rc = cut_to_pages(&out->map);
    if (!rc)
        rc = take_out_torii(&out->map, torii, nr_torii);
    if (!rc && dom0_bytes)
        rc = e820_convert(&out->map, allotment_end(&out->map, ALIGN_DOWN(dom0_bytes, PAGE_SIZE)), ~0ull, E820_RAM,
                          E820_UNUSABLE);
    if (!rc && acpi_pages) {
        out->acpi_start = find_acpi_area(&out->map, acpi_bytes);
        if (!out->acpi_start)
            return refuse(why, -XEN_ENOMEM,
                          "no %u pages of Dom0's RAM between 1 MiB and 4 GiB are left for ACPI tables", acpi_pages);
        rc = e820_set(&out->map, out->acpi_start, out->acpi_start + acpi_bytes, E820_ACPI);
    }
    if (!rc)
        rc = absorb(out);
    if (rc)
        return refuse(why, rc, "the machine's memory map of %u entries is too fragmented to make Dom0's from",
                      host->nr);
    out->ram_bytes = e820_bytes(&out->map, E820_RAM);
    return out->ram_bytes ? 0 : refuse(why, -XEN_ENOMEM, "no RAM is left for Dom0");
}

/* --- dom0_mem= --- */

struct amount {
    bool given;
    u64 bytes;
};

/* percent of host without overflow; digits are at *s. */
static bool parse_percent(const char **s, u64 host, u64 *bytes)
{
    char *end;
    unsigned long percent = strtoul(*s, &end, 10);

    if (end == *s || *end != '%' || percent > 100)
        return false;
    *bytes = host / 100 * percent + host % 100 * percent / 100;
    *s = end + 1;
    return true;
}

/* [-]<size>[+<percent>%] or [-]<percent>% */
static bool parse_amount(const char **s, u64 host, struct amount *a)
{
    bool negative = **s == '-';
    const char *end;
    u64 bytes, more = 0;

    *s += negative;
    if (**s < '0' || **s > '9')
        return false;
    if (!parse_percent(s, host, &bytes)) {
        bytes = parse_size(*s, &end);
        if (end == *s)
            return false;
        *s = end;
        if (**s == '+') {
            ++*s;
            if (**s < '0' || **s > '9' || !parse_percent(s, host, &more))
                return false;
        }
    }
    if (__builtin_add_overflow(bytes, more, &bytes))
        bytes = ~0ull;
    a->given = true;
    a->bytes = !negative ? bytes : bytes < host ? host - bytes : 0;
    return true;
}

bool parse_dom0_mem(const char *value, u64 host_bytes, u64 *bytes)
{
    struct amount size = {0}, lowest = {0}, highest = {0};
    u64 result = host_bytes;

    *bytes = host_bytes;
    while (value && *value) {
        struct amount *which = &size;

        if (!strncmp(value, "min:", 4))
            which = &lowest;
        else if (!strncmp(value, "max:", 4))
            which = &highest;
        value += which == &size ? 0 : 4;
        if (!parse_amount(&value, host_bytes, which) || (*value && *value != ','))
            return false;
        value += *value == ',';
    }
    if (size.given)
        result = size.bytes;
    if (lowest.given)
        result = max(result, lowest.bytes);
    if (highest.given)
        result = min(result, highest.bytes);
    result = ALIGN_DOWN(min(result, host_bytes), PAGE_SIZE);
    if (result)
        *bytes = result;
    return result;
}
