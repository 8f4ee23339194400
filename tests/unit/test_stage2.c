/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/stage2.c src/hvm/mtrr.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/stage2.h>

#include "fakes.h"

#define FRAMES_2M 512ull
#define FRAMES_1G (512ull * 512)
#define MAX_GFN   (1ull << 36)
#define ENTRY_PA  0x000ffffffffff000ull

/* Machine memory is the test's own. */
void *paddr_to_virt(paddr_t pa)
{
    return (void *)pa;
}

paddr_t virt_to_paddr(const void *p)
{
    return (paddr_t)p;
}

/* AMD APM vol. 2 §15.25.5: page-table bits, user, execution forbidden by bit 63. */
static const struct s2_encoding npt = {
    .table = 7, .read = BIT(0) | BIT(2), .write = BIT(1), .no_exec = BIT(63), .accessed = BIT(5), .dirty = BIT(6)};
/* SDM vol. 3 §29.3.2: permission bits, memory type in bits 5:3. */
static const struct s2_encoding ept = {
    .table = 7, .read = BIT(0), .write = BIT(1), .exec = BIT(2), .ram = 6 << 3, .accessed = BIT(8), .dirty = BIT(9)};
/* The same with the machine's memory types. */
static const struct s2_encoding typed = {
    .table = 7, .read = BIT(0), .write = BIT(1), .exec = BIT(2), .ram = 6 << 3, .type_shift = 3};

/* Of the MTRRs: none, or one variable range in a machine that is write-back otherwise (SDM vol. 3 §12.11). */
static bool has_mtrrs;
#define UC_BASE 0xc0200000ull /* 2 MiB */

bool rdmsr_safe(u32 msr, u64 *val)
{
    *val = msr == 0xfe ? 1 : msr == 0x2ff ? BIT(11) | 6 : msr == 0x200 ? UC_BASE : msr == 0x201 ? 0xfffe00800 : 0;
    return has_mtrrs;
}

static bool has_1g;

static bool fake_1g_pages(void)
{
    return has_1g;
}

static struct hvm_ops ops = {.name = "fake", .s2_1g_pages = fake_1g_pages};
const struct hvm_ops *hvm = &ops;

static struct domain dom;
static struct vcpu vcpus[3], *current;
static unsigned kicks;

struct vcpu *current_vcpu(void)
{
    return current;
}

void vcpu_kick(struct vcpu *v, u64 todo)
{
    assert_int_equal(todo, TODO_FLUSH);
    assert_true(v->running);
    assert_int_equal(fake_locks_held, 0);
    kicks++;
    v->todo &= ~todo; /* out of the guest, and in again with the request handled */
}

static int open_domain(const struct s2_encoding *enc, bool gigabyte_pages)
{
    ops.s2 = enc;
    has_1g = gigabyte_pages;
    dom = (struct domain){0};
    fake_alloc_fail_after = -1;
    return s2_init(&dom);
}

static int close_domain(void **state)
{
    fake_alloc_fail_after = -1;
    s2_free(&dom);
    return fake_allocs_live || fake_locks_held || dom.s2 ? -1 : 0;
}

static int setup_npt(void **state)
{
    return open_domain(&npt, true);
}

static int setup_ept(void **state)
{
    return open_domain(&ept, true);
}

static int setup_typed(void **state)
{
    has_mtrrs = true;
    return open_domain(&typed, true);
}

static int setup_untyped(void **state)
{
    has_mtrrs = false;
    return open_domain(&typed, true);
}

static int setup_no_1g(void **state)
{
    return open_domain(&ept, false);
}

/* --- the tables as the hardware walks them --- */

struct walk {
    bool present;
    unsigned level;
    u64 entry;
    mfn_t mfn;
};

static struct walk walk(gfn_t gfn)
{
    const u64 *table = paddr_to_virt(s2_root(&dom));

    for (unsigned level = 3;; level--) {
        u64 e = table[gfn >> 9 * level & 511], low = (1ull << 9 * level) - 1;

        if (!(e & 1)) {
            assert_int_equal(e, 0); /* EPT: write without read is a misconfiguration (SDM vol. 3 §29.3.3.1) */
            return (struct walk){.level = level};
        }
        if (level == 0 || e & BIT(7)) {
            assert_true(level < 3);
            assert_int_equal((e & ENTRY_PA) >> PAGE_SHIFT & low, 0); /* reserved in a large leaf */
            if (!level && ops.s2 == &npt)
                assert_false(e & BIT(7)); /* the PAT bit of a small page */
            return (struct walk){true, level, e, ((e & ENTRY_PA) >> PAGE_SHIFT) + (gfn & low)};
        }
        assert_int_equal(e & ~ENTRY_PA, 7);
        table = paddr_to_virt(e & ENTRY_PA);
    }
}

/* Leaves and tables that are really there. */
static void count(const u64 *table, unsigned level, u64 pages[3], u64 *tables)
{
    ++*tables;
    for (unsigned i = 0; i < 512; i++) {
        u64 e = table[i];

        if (!(e & 1))
            continue;
        if (level == 0 || e & BIT(7))
            pages[level]++;
        else
            count(paddr_to_virt(e & ENTRY_PA), level - 1, pages, tables);
    }
}

static void assert_counts_are_true(void)
{
    u64 said[3], said_tables, pages[3] = {0}, tables = 0;

    s2_count(&dom, said, &said_tables);
    count(paddr_to_virt(s2_root(&dom)), 3, pages, &tables);
    for (unsigned level = 0; level < 3; level++)
        assert_int_equal(said[level], pages[level]);
    assert_int_equal(said_tables, tables);
    assert_int_equal(fake_allocs_live, tables + 1);
    assert_int_equal(fake_locks_held, 0);
}

static void assert_pages(u64 small, u64 mega, u64 giga, u64 tables)
{
    u64 pages[3], n;

    assert_counts_are_true();
    s2_count(&dom, pages, &n);
    assert_int_equal(pages[0], small);
    assert_int_equal(pages[1], mega);
    assert_int_equal(pages[2], giga);
    assert_int_equal(n, tables);
}

static void assert_absent(gfn_t gfn)
{
    assert_int_equal(s2_lookup(&dom, gfn, NULL, NULL), S2_NONE);
    assert_false(walk(gfn).present);
}

/* The look-up and the hardware agree on it. */
static void assert_mapped(gfn_t gfn, mfn_t mfn, enum s2_type type, unsigned access)
{
    mfn_t got = 0;
    unsigned rights = 0;
    struct walk w = walk(gfn);

    assert_int_equal(s2_lookup(&dom, gfn, &got, &rights), type);
    assert_int_equal(got, mfn);
    assert_int_equal(rights, access | S2_READ);
    assert_true(w.present);
    assert_int_equal(w.mfn, mfn);
    assert_int_equal(!!(w.entry & BIT(1)), !!(access & S2_WRITE));
    if (ops.s2 == &npt) {
        assert_true(w.entry & BIT(2));
        assert_int_equal(!(w.entry & BIT(63)), !!(access & S2_EXEC));
    } else {
        assert_int_equal(!!(w.entry & BIT(2)), !!(access & S2_EXEC));
        assert_int_equal(w.entry >> 3 & 7, type == S2_MMIO || type == S2_FIXUP ? 0 : 6);
    }
}

static void an_empty_domain_has_a_root_and_nothing_in_it(void **state)
{
    u64 nr;

    assert_pages(0, 0, 0, 1);
    assert_int_equal(s2_root(&dom) % PAGE_SIZE, 0);
    assert_absent(0);
    assert_absent(MAX_GFN - 1);
    assert_int_equal(s2_lookup(&dom, MAX_GFN, NULL, NULL), S2_NONE);
    assert_int_equal(s2_lookup(&dom, INVALID_GFN, NULL, NULL), S2_NONE);
    assert_int_equal(s2_lookup_run(&dom, MAX_GFN, &nr), S2_NONE);
    assert_true(nr >= 1ull << 30);
}

static void every_type_and_access_comes_back(void **state)
{
    for (unsigned level = 0; level < 3; level++)
        for (unsigned type = S2_RAM; type <= S2_FOREIGN; type++)
            for (unsigned access = 0; access <= S2_RWX; access++) {
                u64 nr = 1ull << 9 * level;
                gfn_t gfn = 7 * nr;
                mfn_t mfn = 11 * nr;

                assert_int_equal(s2_map(&dom, gfn, mfn, nr, type, access), 0);
                assert_mapped(gfn, mfn, type, access);
                assert_mapped(gfn + nr - 1, mfn + nr - 1, type, access);
                assert_absent(gfn - 1);
                assert_absent(gfn + nr);
                assert_int_equal(s2_unmap(&dom, gfn, nr), 0);
                assert_absent(gfn);
            }
    assert_counts_are_true();
}

static void the_largest_aligned_page_is_chosen(void **state)
{
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_pages(0, 0, 1, 2);
    assert_int_equal(walk(12345).level, 2);
    assert_int_equal(s2_map(&dom, FRAMES_1G, FRAMES_1G + FRAMES_2M, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_pages(0, 512, 1, 3); /* aligned to 2 MiB only on the machine's side */
    assert_int_equal(s2_map(&dom, 2 * FRAMES_1G, 1, FRAMES_2M, S2_RAM, S2_RWX), 0);
    assert_pages(512, 512, 1, 5); /* to 4 KiB only */
    assert_mapped(2 * FRAMES_1G + 5, 6, S2_RAM, S2_RWX);
    assert_mapped(FRAMES_1G + 5, FRAMES_1G + FRAMES_2M + 5, S2_RAM, S2_RWX);
}

static void an_unaligned_range_has_small_pages_at_its_ends(void **state)
{
    gfn_t first = FRAMES_1G - FRAMES_2M - 3, nr = 3 + FRAMES_2M + FRAMES_1G + FRAMES_2M + 5;

    assert_int_equal(s2_map(&dom, first, first, nr, S2_RAM, S2_RWX), 0);
    assert_pages(8, 2, 1, 6);
    assert_absent(first - 1);
    assert_absent(first + nr);
    for (u64 i = 0; i < nr; i += 509)
        assert_mapped(first + i, first + i, S2_RAM, S2_RWX);
    assert_mapped(first + nr - 1, first + nr - 1, S2_RAM, S2_RWX);
}

static void a_range_may_cross_512_gib(void **state)
{
    gfn_t first = 512 * FRAMES_1G - 1;

    assert_int_equal(s2_map(&dom, first, first, 2, S2_MMIO, S2_READ | S2_WRITE), 0);
    assert_pages(2, 0, 0, 7);
    assert_mapped(first, first, S2_MMIO, S2_READ | S2_WRITE);
    assert_mapped(first + 1, first + 1, S2_MMIO, S2_READ | S2_WRITE);
    assert_absent(first + 2);
    assert_int_equal(s2_unmap(&dom, 0, MAX_GFN), 0);
    assert_pages(0, 0, 0, 7);
}

static void without_1g_pages_a_gibibyte_takes_512_of_2m(void **state)
{
    assert_int_equal(s2_map(&dom, FRAMES_1G, FRAMES_1G, 2 * FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_pages(0, 1024, 0, 4);
    assert_mapped(2 * FRAMES_1G - 1, 2 * FRAMES_1G - 1, S2_RAM, S2_RWX);
}

static void a_hole_in_a_gibibyte_splits_it_and_keeps_the_rest(void **state)
{
    static const gfn_t holes[] = {0, 511, 512, FRAMES_1G / 2 + 77, FRAMES_1G - 1};

    for (unsigned i = 0; i < ARRAY_SIZE(holes); i++) {
        gfn_t base = FRAMES_1G * (i + 1), hole = base + holes[i];

        assert_int_equal(s2_map(&dom, base, base, FRAMES_1G, S2_RAM, S2_READ | S2_EXEC), 0);
        assert_int_equal(walk(hole).level, 2);
        assert_int_equal(s2_unmap(&dom, hole, 1), 0);
        for (u64 k = 0; k < FRAMES_1G; k += 31)
            if (base + k != hole)
                assert_mapped(base + k, base + k, S2_RAM, S2_READ | S2_EXEC);
        if (hole > base)
            assert_mapped(hole - 1, hole - 1, S2_RAM, S2_READ | S2_EXEC);
        assert_absent(hole);
        assert_pages(511 * (i + 1), 511 * (i + 1), 0, 2 + 2 * (i + 1));
    }
}

static void a_2m_hole_in_a_gibibyte_needs_no_small_pages(void **state)
{
    assert_int_equal(s2_map(&dom, 0, FRAMES_1G, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_int_equal(s2_unmap(&dom, 5 * FRAMES_2M, FRAMES_2M), 0);
    assert_pages(0, 511, 0, 3);
    assert_absent(5 * FRAMES_2M);
    assert_absent(6 * FRAMES_2M - 1);
    assert_mapped(6 * FRAMES_2M, FRAMES_1G + 6 * FRAMES_2M, S2_RAM, S2_RWX);
    assert_int_equal(walk(6 * FRAMES_2M).level, 1);
}

static void a_page_of_another_type_replaces_part_of_a_large_one(void **state)
{
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_int_equal(s2_map(&dom, 1000, 0x77, 1, S2_GRANT_RO, S2_READ), 0);
    assert_mapped(999, 999, S2_RAM, S2_RWX);
    assert_mapped(1000, 0x77, S2_GRANT_RO, S2_READ);
    assert_mapped(1001, 1001, S2_RAM, S2_RWX);
    assert_pages(512, 511, 0, 4);
    /* And back: what stands there is a table, which stays. */
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_mapped(1000, 1000, S2_RAM, S2_RWX);
    assert_pages(512, 511, 0, 4);
}

static void a_large_page_replaces_another_large_page(void **state)
{
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_2M, S2_RAM, S2_RWX), 0);
    assert_int_equal(s2_map(&dom, 0, 8 * FRAMES_2M, FRAMES_2M, S2_FIXUP, S2_READ), 0);
    assert_mapped(9, 8 * FRAMES_2M + 9, S2_FIXUP, S2_READ);
    assert_pages(0, 1, 0, 3);
}

static void unmapping_what_is_absent_takes_no_memory(void **state)
{
    fake_alloc_fail_after = 0;
    assert_int_equal(s2_unmap(&dom, 0, MAX_GFN), 0);
    assert_int_equal(s2_unmap(&dom, 12345, 6789), 0);
    assert_int_equal(s2_unmap(&dom, MAX_GFN - 1, 1), 0);
    assert_pages(0, 0, 0, 1);
}

static void the_last_frame_is_the_limit(void **state)
{
    assert_int_equal(s2_map(&dom, MAX_GFN - 1, 5, 1, S2_RAM, S2_RWX), 0);
    assert_mapped(MAX_GFN - 1, 5, S2_RAM, S2_RWX);
    assert_int_equal(s2_map(&dom, MAX_GFN, 0, 1, S2_RAM, S2_RWX), -XEN_EINVAL);
    assert_int_equal(s2_map(&dom, MAX_GFN - 1, 0, 2, S2_RAM, S2_RWX), -XEN_EINVAL);
    assert_int_equal(s2_map(&dom, 1, 0, ~0ull, S2_RAM, S2_RWX), -XEN_EINVAL);
    assert_int_equal(s2_map(&dom, INVALID_GFN, 0, 1, S2_RAM, S2_RWX), -XEN_EINVAL);
    assert_int_equal(s2_unmap(&dom, 1, MAX_GFN), -XEN_EINVAL);
    assert_int_equal(s2_map(&dom, 100, 100, 0, S2_RAM, S2_RWX), 0);
    assert_absent(100);
    assert_pages(1, 0, 0, 4);
}

static void without_memory_a_domain_is_not_made(void **state)
{
    for (int n = 0; n < 2; n++) {
        struct domain d = {0};

        fake_alloc_fail_after = n;
        assert_int_equal(s2_init(&d), -XEN_ENOMEM);
        assert_null(d.s2);
        assert_int_equal(fake_allocs_live, 2); /* those of dom */
        s2_free(&d);
    }
}

/* Whatever allocation fails: every frame is either as before or as asked, nothing is counted wrong, and it works later.
 */
static void memory_that_runs_out_midway_leaves_true_tables(void **state)
{
    for (int n = 0;; n++) {
        int rc;

        close_domain(state);
        open_domain(ops.s2, true);
        assert_int_equal(s2_map(&dom, 0, 0, 2 * FRAMES_1G, S2_RAM, S2_RWX), 0);
        fake_alloc_fail_after = n;
        rc = s2_map(&dom, FRAMES_1G - 700, 3 * FRAMES_1G + 1, 1500, S2_FOREIGN, S2_READ);
        fake_alloc_fail_after = -1;
        assert_counts_are_true();
        for (gfn_t gfn = FRAMES_1G - 1000; gfn < FRAMES_1G + 1000; gfn++) {
            bool asked = gfn >= FRAMES_1G - 700 && gfn < FRAMES_1G + 800;

            if (asked && (!rc || s2_lookup(&dom, gfn, NULL, NULL) == S2_FOREIGN))
                assert_mapped(gfn, 3 * FRAMES_1G + 1 + gfn - (FRAMES_1G - 700), S2_FOREIGN, S2_READ);
            else
                assert_mapped(gfn, gfn, S2_RAM, S2_RWX);
        }
        if (!rc) {
            assert_int_equal(n, 6); /* two tables of 2 MiB entries, four of 4 KiB */
            break;
        }
        assert_int_equal(rc, -XEN_ENOMEM);
        assert_int_equal(s2_map(&dom, FRAMES_1G - 700, 3 * FRAMES_1G + 1, 1500, S2_FOREIGN, S2_READ), 0);
        assert_mapped(FRAMES_1G, 3 * FRAMES_1G + 701, S2_FOREIGN, S2_READ);
    }
}

static void a_hole_without_memory_for_its_tables_leaves_the_page_whole(void **state)
{
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_1G, S2_RAM, S2_RWX), 0);
    fake_alloc_fail_after = 0;
    assert_int_equal(s2_unmap(&dom, 1000, 1), -XEN_ENOMEM);
    assert_int_equal(walk(1000).level, 2);
    fake_alloc_fail_after = 1;
    assert_int_equal(s2_unmap(&dom, 1000, 1), -XEN_ENOMEM);
    assert_mapped(1000, 1000, S2_RAM, S2_RWX);
    assert_pages(0, 512, 0, 3);
}

static void a_flush_reaches_every_vcpu_that_runs(void **state)
{
    dom.nr_vcpus = 4;
    for (unsigned i = 0; i < 3; i++) {
        vcpus[i] = (struct vcpu){.id = i, .d = &dom, .running = i != 2};
        dom.vcpu[i] = &vcpus[i]; /* the fourth is not there yet */
    }
    current = &vcpus[0];
    kicks = 0;
    s2_flush(&dom);
    assert_int_equal(kicks, 1);
    assert_int_equal(vcpus[0].todo, TODO_FLUSH); /* its own, at its next entry */
    assert_int_equal(vcpus[1].todo, 0);
    assert_int_equal(vcpus[2].todo, TODO_FLUSH); /* when it runs again */
    current = NULL;
}

/* --- random operations against a flat array --- */

#define SPACE (4 * FRAMES_1G)

static struct {
    u32 mfn;
    u8 type, access;
} flat[SPACE];

static void random_operations(u64 seed)
{
    memset(flat, 0, sizeof(flat));
    for (unsigned round = 0; round < 400; round++) {
        u64 r = seed ^= seed << 13, nr, step;
        gfn_t gfn;
        mfn_t mfn;
        u8 type = r >> 60 & 3 ? 1 + (r >> 50) % S2_FOREIGN : S2_NONE, access = r >> 55 & 3 ? S2_RWX : S2_READ;
        int rc;

        seed ^= seed >> 7;
        seed ^= seed << 17;
        step = (u64[]){1, 64, FRAMES_2M, FRAMES_1G}[seed % 4];
        gfn = (r >> 8) % SPACE & ~(step - 1);
        mfn = ((r >> 20) % SPACE & ~(step - 1)) + (seed >> 8 & 3 ? 0 : seed >> 10 & 511);
        nr = min((1 + (seed >> 20) % 4) * step, SPACE - gfn);
        nr -= seed >> 12 & 3 ? 0 : min(nr - 1, seed >> 30 & 511);
        fake_alloc_fail_after = seed >> 14 & 7 ? -1 : (int)(seed >> 40 & 7);
        rc = s2_map(&dom, gfn, mfn, nr, type, access);
        if (rc) {
            assert_int_equal(rc, -XEN_ENOMEM);
            fake_alloc_fail_after = -1;
            rc = s2_map(&dom, gfn, mfn, nr, type, access);
        }
        assert_int_equal(rc, 0);
        for (u64 i = 0; i < nr; i++) {
            flat[gfn + i].mfn = (u32)(mfn + i);
            flat[gfn + i].type = type;
            flat[gfn + i].access = access;
        }
        for (unsigned i = 0; i < 200; i++) {
            gfn_t g = i < 2 ? gfn - 1 + i : i < 4 ? gfn + nr - 4 + i + 1 : (seed * (i | 1) >> 20) % SPACE;

            if (g >= SPACE)
                continue;
            if (flat[g].type == S2_NONE)
                assert_absent(g);
            else
                assert_mapped(g, flat[g].mfn, flat[g].type, flat[g].access);
        }
        if (round % 16 == 0)
            assert_counts_are_true();
    }
    for (gfn_t g = 0; g < SPACE; g += 3) {
        mfn_t mfn;

        assert_int_equal(s2_lookup(&dom, g, &mfn, NULL), flat[g].type);
        if (flat[g].type)
            assert_int_equal(mfn, flat[g].mfn);
    }
    for (gfn_t g = 0, nr; g < SPACE; g += nr) {
        enum s2_type type = s2_lookup_run(&dom, g, &nr);

        assert_true(nr > 0);
        for (gfn_t i = g; i < min(g + nr, (gfn_t)SPACE); i += 1 + nr / 8) {
            assert_int_equal(flat[i].type, type);
            if (type)
                assert_int_equal(flat[i].mfn, flat[g].mfn + (i - g));
        }
    }
    assert_counts_are_true();
}

/* --- memory types --- */

static unsigned type_of(gfn_t gfn)
{
    return walk(gfn).entry >> 3 & 7;
}

static void leaves_have_the_machines_memory_types(void **state)
{
    gfn_t uc = UC_BASE >> PAGE_SHIFT;

    assert_int_equal(s2_map(&dom, uc - 1, uc - 1, 2, S2_RAM, S2_RWX), 0);
    assert_int_equal(type_of(uc - 1), 6);
    assert_int_equal(type_of(uc), 0);
    assert_int_equal(s2_map(&dom, 0x80000, 0x80000, 1, S2_MMIO, S2_RWX), 0);
    assert_int_equal(type_of(0x80000), 6); /* the firmware's areas are memory, too */
}

static void the_type_is_that_of_the_frame_and_not_of_the_place(void **state)
{
    assert_int_equal(s2_map(&dom, 0x400000, UC_BASE >> PAGE_SHIFT, 1, S2_RAM, S2_RWX), 0);
    assert_int_equal(type_of(0x400000), 0);
}

static void a_large_page_ends_where_the_type_does(void **state)
{
    gfn_t start = 0xc0000000 >> PAGE_SHIFT;

    assert_int_equal(s2_map(&dom, start, start, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_pages(0, 512, 0, 3);
    assert_int_equal(type_of(start + 511), 6);
    assert_int_equal(type_of(start + 512), 0);
    assert_int_equal(type_of(start + 1024), 6);
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_1G, S2_RAM, S2_RWX), 0);
    assert_int_equal(walk(0).level, 2);
}

static void on_a_machine_without_mtrrs_ram_is_write_back_and_devices_are_not_cached(void **state)
{
    assert_int_equal(s2_map(&dom, 0x1000, 0x1000, 1, S2_RAM, S2_RWX), 0);
    assert_int_equal(s2_map(&dom, 0x2000, 0x2000, 1, S2_MMIO, S2_RWX), 0);
    assert_int_equal(type_of(0x1000), 6);
    assert_int_equal(type_of(0x2000), 0);
}

/* --- accessed and dirty --- */

/* What the processor does to the leaf of a frame. */
static void use(gfn_t gfn, bool write)
{
    u64 *table = paddr_to_virt(s2_root(&dom));

    for (unsigned level = 3;; level--) {
        u64 *e = &table[gfn >> 9 * level & 511];

        if (!level || *e & BIT(7)) {
            *e |= ops.s2->accessed | (write ? ops.s2->dirty : 0);
            return;
        }
        table = paddr_to_virt(*e & ENTRY_PA);
    }
}

static void what_the_processor_used_is_counted_by_whole_leaves(void **state)
{
    u64 accessed, written;

    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_1G + FRAMES_2M + 3, S2_RAM, S2_RWX), 0);
    assert_false(s2_used(&dom, &accessed, &written)); /* or the processor keeps no account */
    use(FRAMES_1G + FRAMES_2M, false);
    use(FRAMES_1G + 5, true);
    assert_true(s2_used(&dom, &accessed, &written));
    assert_int_equal(accessed, FRAMES_2M + 1);
    assert_int_equal(written, FRAMES_2M);
    use(77, false);
    assert_true(s2_used(&dom, &accessed, &written));
    assert_int_equal(accessed, FRAMES_1G + FRAMES_2M + 1);
}

static void a_used_page_is_still_the_page(void **state)
{
    assert_int_equal(s2_map(&dom, 0, 0, FRAMES_2M, S2_RAM, S2_RWX), 0);
    use(5, true);
    assert_mapped(5, 5, S2_RAM, S2_RWX);
    assert_int_equal(s2_map(&dom, 7, 0x1234, 1, S2_GRANT_RO, 0), 0);
    assert_mapped(5, 5, S2_RAM, S2_RWX);
    assert_mapped(7, 0x1234, S2_GRANT_RO, 0);
    assert_pages(512, 0, 0, 4);
    assert_int_equal(s2_unmap(&dom, 0, FRAMES_2M), 0);
    assert_absent(5);
}

static void random_changes_agree_with_a_flat_array(void **state)
{
    random_operations(0x7031);
    close_domain(state);
    open_domain(ops.s2, false);
    random_operations(0x1307);
}

int main(void)
{
#define T(f, enc)                                            \
    {                                                        \
#f " (" #enc ")", f, setup_##enc, close_domain, NULL \
    }
#define BOTH(f) T(f, npt), T(f, ept)
    const struct CMUnitTest tests[] = {
        BOTH(an_empty_domain_has_a_root_and_nothing_in_it),
        BOTH(every_type_and_access_comes_back),
        BOTH(the_largest_aligned_page_is_chosen),
        BOTH(an_unaligned_range_has_small_pages_at_its_ends),
        BOTH(a_range_may_cross_512_gib),
        T(without_1g_pages_a_gibibyte_takes_512_of_2m, no_1g),
        BOTH(a_hole_in_a_gibibyte_splits_it_and_keeps_the_rest),
        BOTH(a_2m_hole_in_a_gibibyte_needs_no_small_pages),
        BOTH(a_page_of_another_type_replaces_part_of_a_large_one),
        BOTH(a_large_page_replaces_another_large_page),
        BOTH(unmapping_what_is_absent_takes_no_memory),
        BOTH(the_last_frame_is_the_limit),
        BOTH(without_memory_a_domain_is_not_made),
        BOTH(memory_that_runs_out_midway_leaves_true_tables),
        BOTH(a_hole_without_memory_for_its_tables_leaves_the_page_whole),
        BOTH(a_flush_reaches_every_vcpu_that_runs),
        BOTH(what_the_processor_used_is_counted_by_whole_leaves),
        BOTH(a_used_page_is_still_the_page),
        T(leaves_have_the_machines_memory_types, typed),
        T(the_type_is_that_of_the_frame_and_not_of_the_place, typed),
        T(a_large_page_ends_where_the_type_does, typed),
        T(on_a_machine_without_mtrrs_ram_is_write_back_and_devices_are_not_cached, untyped),
        BOTH(random_changes_agree_with_a_flat_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
