/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/lib.h>

/* Scratch of e820_sanitize and e820_set: too large for the boot stack; boot runs on one CPU. */
static u64 bounds[2 * E820_MAX];
static struct e820 scratch;

static u64 entry_end(const struct e820_entry *e)
{
    return e->addr + e->size;
}

/* Append to a map that is being built in ascending order, joining with the last entry when that touches. */
static int append(struct e820 *map, u64 start, u64 end, u32 type)
{
    struct e820_entry *last = map->nr ? &map->entry[map->nr - 1] : NULL;

    if (start >= end)
        return 0;
    if (last && entry_end(last) == start && last->type == type) {
        last->size += end - start;
        return 0;
    }
    if (map->nr == E820_MAX)
        return -XEN_E2BIG;
    map->entry[map->nr++] = (struct e820_entry){.addr = start, .size = end - start, .type = type};
    return 0;
}

static void insert_bound(unsigned *nr, u64 value)
{
    unsigned i = *nr;

    for (; i && bounds[i - 1] > value; i--)
        bounds[i] = bounds[i - 1];
    bounds[i] = value;
    ++*nr;
}

/* Drop what is empty or wraps, and collect every place where the map can change. */
static unsigned collect_bounds(struct e820 *map)
{
    unsigned kept = 0, nr = 0;

    for (unsigned i = 0; i < map->nr; i++) {
        struct e820_entry e = map->entry[i];

        if (!e.size || e.size > ~e.addr)
            continue;
        if (!e.type)
            e.type = E820_RESERVED;
        map->entry[kept++] = e;
        insert_bound(&nr, e.addr);
        insert_bound(&nr, entry_end(&e));
    }
    map->nr = kept;
    return nr;
}

/* The highest type of all entries that cover address; 0 in a hole. */
static u32 strictest_type(const struct e820 *map, u64 address)
{
    u32 type = 0;

    for (unsigned i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        if (address - e->addr < e->size)
            type = max(type, e->type);
    }
    return type;
}

int e820_sanitize(struct e820 *map)
{
    unsigned nr;
    int rc = 0;

    map->nr = min(map->nr, (unsigned)E820_MAX);
    nr = collect_bounds(map);
    scratch.nr = 0;
    for (unsigned i = 0; i + 1 < nr && !rc; i++) {
        u32 type = strictest_type(map, bounds[i]);

        if (type)
            rc = append(&scratch, bounds[i], bounds[i + 1], type);
    }
    memcpy(map, &scratch, sizeof(*map));
    return rc;
}

int e820_set(struct e820 *map, u64 start, u64 end, u32 type)
{
    bool done = false;
    int rc = 0;

    if (start >= end)
        return 0;
    scratch.nr = 0;
    for (unsigned i = 0; i < map->nr && !rc; i++) {
        const struct e820_entry *e = &map->entry[i];

        rc = append(&scratch, e->addr, min(entry_end(e), start), e->type);
        if (!rc && !done && entry_end(e) > start) {
            rc = append(&scratch, start, end, type);
            done = true;
        }
        if (!rc)
            rc = append(&scratch, max(e->addr, end), entry_end(e), e->type);
    }
    if (!rc && !done)
        rc = append(&scratch, start, end, type);
    if (!rc)
        memcpy(map, &scratch, sizeof(*map));
    return rc;
}

int e820_convert(struct e820 *map, u64 start, u64 end, u32 from, u32 to)
{
    u64 at = start;

    while (at < end) {
        const struct e820_entry *found = NULL;
        u64 lo, hi;
        int rc;

        for (unsigned i = 0; i < map->nr && !found; i++) {
            if (map->entry[i].type == from && entry_end(&map->entry[i]) > at)
                found = &map->entry[i];
        }
        if (!found || found->addr >= end)
            return 0;
        lo = max(found->addr, at);
        hi = min(entry_end(found), end);
        rc = e820_set(map, lo, hi, to);
        if (rc)
            return rc;
        at = hi;
    }
    return 0;
}

const struct e820_entry *e820_find(const struct e820 *map, u64 address)
{
    for (unsigned i = 0; i < map->nr; i++) {
        if (address - map->entry[i].addr < map->entry[i].size)
            return &map->entry[i];
    }
    return NULL;
}

bool e820_covers(const struct e820 *map, u64 start, u64 end, u32 type)
{
    for (u64 at = start; at < end;) {
        const struct e820_entry *e = e820_find(map, at);

        if (!e || e->type != type)
            return false;
        at = entry_end(e);
    }
    return true;
}

u64 e820_bytes(const struct e820 *map, u32 type)
{
    u64 sum = 0;

    for (unsigned i = 0; i < map->nr; i++) {
        if (map->entry[i].type == type)
            sum += map->entry[i].size;
    }
    return sum;
}

const char *e820_type_name(u32 type)
{
    static const char *const name[] = {"type 0",   "RAM",      "reserved", "ACPI data",
                                       "ACPI NVS", "unusable", "disabled", "persistent memory"};

    return type < ARRAY_SIZE(name) ? name[type] : "of unknown type";
}
