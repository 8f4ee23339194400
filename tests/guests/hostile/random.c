/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers, addresses, and the region of changing page tables. */
#include "hostile.h"

u8 arena[ARENA_PAGES][PAGE_SIZE] PAGE_ALIGNED;
static u64 streams[MAX_CPUS];

static u64 *stream(void)
{
    return &streams[this_cpu()->index];
}

void seed_streams(u64 seed)
{
    for (unsigned i = 0; i < MAX_CPUS; i++)
        streams[i] = (seed + 1) * 0x9e3779b97f4a7c15ull + i * 0xbf58476d1ce4e5b9ull;
}

/* Any CPU's stream only moves on its own; an interrupt in between costs repeatability nothing that timing leaves. */
u64 rnd(void)
{
    u64 *s = stream(), x = *s;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *s = x;
    return x * 0x2545f4914f6cdd1dull;
}

/*
 * Frame 0 has the vectors of real mode, 7 to 9 hold what processors start from, 15 is where an NMI in real mode pushes before
 * there is another stack.
 */
u64 spared(u64 gfn)
{
    u64 a = gfn * PAGE_SIZE;
    bool program = gfn < 1ull << 52 && a >= (u64)image_start && a < (u64)image_end;

    if (!gfn || (gfn >= 7 && gfn <= 9) || gfn == 15 || (program && (a < (u64)arena || a >= (u64)arena[ARENA_PAGES])))
        return 6;
    return gfn;
}

static u64 arena_gfn(void)
{
    return (u64)arena / PAGE_SIZE + below(ARENA_PAGES);
}

u64 some_gfn(void)
{
    static const u64 places[] = {
        0xfee00, 0xfec00, 0xfed00, 0xfed1c, 0xb0000, 0xb0008, 0xb0123, 0xa0, 0xb8, 0xc0, 0xf0, 0xff, 0xfffff, 0xfeb00,
        0xfebc0, 0xfebd0, 0xc0000, 0xe0000, 0x100000, 0x1fffff, 0x1000000, 0xfffffff, 0xfffffffff, 0x1000000000,
        0xffffffffff, 0xfffffffffffff, ~0ull, 1,
    };

    switch (below(8)) {
    case 0:
        return places[below(ARRAY_SIZE(places))];
    case 1: /* the end of 512 MiB of RAM, where the hypervisor lives */
        return 0x1f000 + below(0x1000);
    case 2:
        return 0x100000 + (rnd() >> (12 + below(36)));
    default:
        return arena_gfn();
    }
}

u64 bad_pointer(void)
{
    static const u64 bad[] = {
        0, 8, 0xfff, 0x7fffffffffff, 0x800000000000, 0xffff800000000000, 0xffffffffffffffff, 0xfffffffffffffff8,
        0xffffffff80200000, 0xfee00000, 0xfee00300 - 0x300, 0xfec00000, 0xfed00000, 0xb0000000, 0x8000000000,
        0xfffff000, 0xa0000, 0xf0000,
    };

    return bad[below(ARRAY_SIZE(bad))];
}

u64 some_pointer(void)
{
    switch (below(10)) {
    case 0:
        return bad_pointer();
    case 1:
        return wild_address();
    case 2: /* across a page's end */
        return (u64)arena[1 + below(ARENA_PAGES - 2)] - 1 - below(64);
    case 3:
        return (0x1f000 + below(0x1000)) * PAGE_SIZE + below(PAGE_SIZE);
    default:
        return (u64)arena[AT_FREE + below(ARENA_PAGES - AT_FREE - 1)] + (below(PAGE_SIZE) & ~7ull);
    }
}

u64 some_value(void)
{
    u64 v;

    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        v = below(64);
        break;
    case 3:
        v = (1ull << below(64)) + below(3) - 1;
        break;
    case 4:
        return some_gfn();
    case 5:
        return some_pointer();
    case 6:
        v = -below(64);
        break;
    default:
        v = rnd();
    }
    return v ? spared(v) : 0;
}

void fill(void *p, size_t bytes)
{
    u8 *at = p, *end = at + bytes;

    while (at + 8 <= end) {
        u64 v = some_value();

        switch (below(3)) {
        case 0:
            *(volatile u32 *)at = v;
            at += 4;
            break;
        default: /* it may be taken for a frame, and 0 has the vectors of real mode */
            *(volatile u64 *)at = v ? v : 1;
            at += 8;
        }
    }
}

/* --- page tables --- */

#define TABLES 8
static u64 tables[TABLES][512] PAGE_ALIGNED; /* 0: PDPT; 1, 2: PDs; the others page tables */

u64 wild_address(void)
{
    /* Four gigabytes by their upper levels, few entries each so that hits are likely. */
    u64 a = WILD | below(4) << 30 | below(8) << 21 | below(16) << 12;

    return a + (one_in(4) ? PAGE_SIZE - 1 - below(8) : below(PAGE_SIZE));
}

/*
 * An entry of `table` that leads to another table. What has a table as a page is read-only: who could write tables could write
 * the program. That happens behind table 0, and behind the PDs when they stand where a page table should.
 */
static u64 table_pte(unsigned table, u64 flags)
{
    unsigned to = below(TABLES);

    return (u64)tables[to] | (to == 0 || (table && to < 3) ? flags & ~2ull : flags);
}

static u64 random_pte(unsigned table)
{
    u64 flags = below(4) ? 7 : below(8), gfn;

    flags |= below(4) << 5 | (one_in(8) ? below(4) << 3 : 0) | (one_in(8) ? BIT(63) : 0);
    if (one_in(32))
        flags |= rnd() << 52;
    if (table < 3 && below(4))
        return table_pte(table, flags);
    gfn = some_gfn();
    if (gfn == 0xfee00 || gfn == 0xfec00) /* words that are not tame would be written there */
        flags &= ~2ull;
    /* A large page must not hold the program. */
    if (gfn >= 0xc0000 && one_in(4))
        flags |= BIT(7);
    if (table < 3 && !(flags & BIT(7)) && gfn < 0xc0000)
        return table_pte(table, flags);
    return (gfn << 12 & 0xfffffffffffffull) | flags;
}

void throw_tables(void)
{
    unsigned t = below(TABLES);

    *(volatile u64 *)&tables[t][t == 0 ? below(4) : t < 3 ? below(8) : below(16)] = random_pte(t);
    if (one_in(4))
        __asm__ volatile("invlpg (%0)" : : "r"(wild_address()) : "memory");
    if (one_in(16))
        __asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

/* What is thrown leads to 0 often: no program's page is there, and real mode's vectors are out of reach. */
static void protect_vectors(void)
{
    static u64 low[512] PAGE_ALIGNED;

    for (u64 i = 0; i < ARRAY_SIZE(low); i++)
        low[i] = i ? i << 12 | 7 : 0;
    pd[0] = (u64)low | 7;
    __asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

void wild_init(void)
{
    protect_vectors();
    for (unsigned i = 0; i < 4; i++)
        tables[0][i] = (u64)tables[1 + i % 2] | 7;
    for (unsigned i = 0; i < 8; i++)
        for (unsigned t = 1; t < 3; t++)
            tables[t][i] = (u64)tables[3 + (i + t) % 5] | 7;
    for (unsigned t = 3; t < TABLES; t++)
        for (unsigned i = 0; i < 16; i++)
            tables[t][i] = (u64)arena[below(ARENA_PAGES)] | 7;
    pml4[WILD >> 39 & 511] = (u64)tables[0] | 7;
}
