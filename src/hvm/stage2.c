/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage-2 tables: four levels, 4 KiB to 1 GiB leaves. Changes take the domain's stage-2 lock; look-ups take none: an
 * entry is read and written whole, and a table once linked is freed only with the domain.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/stage2.h>

#include "mtrr.h"

#define S2_ADDR       0x000ffffffffff000ull
#define S2_LARGE      BIT(7)
#define S2_TYPE_SHIFT 52 /* software bits in both formats */
#define S2_TYPE_MASK  (7ull << S2_TYPE_SHIFT)
#define S2_TOP_LEVEL  3

struct stage2 {
    spinlock_t lock; /* LOCK_STAGE2: entries and counts */
    u64 *root;
    unsigned max_leaf; /* 2 if the CPU has 1 GiB pages, else 1 */
    u64 nr_leaves[3], nr_tables;
    struct mtrrs mtrrs; /* where leaves stand in for the machine's; constant */
};

static bool present(u64 e)
{
    return e & hvm->s2->read;
}

/* Frames an entry of this level covers. */
static u64 level_frames(unsigned level)
{
    return 1ull << 9 * level;
}

/*
 * The memory type bits of a leaf: the machine's type where the processor looks there alone (SDM vol. 3 §29.3.7). False
 * if the frames have several.
 */
static bool memory_type_bits(const struct stage2 *s, mfn_t mfn, unsigned level, enum s2_type type, u64 *bits)
{
    const struct s2_encoding *enc = hvm->s2;
    enum memory_type of_machine;

    *bits = type == S2_MMIO || type == S2_FIXUP ? enc->device : enc->ram;
    if (type == S2_NONE || !enc->type_shift || !mtrr_enabled(&s->mtrrs))
        return true;
    if (!mtrr_type(&s->mtrrs, mfn << PAGE_SHIFT, level_frames(level) << PAGE_SHIFT, &of_machine))
        return false;
    *bits = (u64)of_machine << enc->type_shift;
    return true;
}

static u64 leaf(mfn_t mfn, unsigned level, enum s2_type type, unsigned access, u64 type_bits)
{
    const struct s2_encoding *enc = hvm->s2;

    if (type == S2_NONE)
        return 0;
    return mfn << PAGE_SHIFT | enc->read | (access & S2_WRITE ? enc->write : 0) |
           (access & S2_EXEC ? enc->exec : enc->no_exec) | (level ? S2_LARGE : 0) | type_bits |
           (u64)type << S2_TYPE_SHIFT;
}

int s2_init(struct domain *d)
{
    struct stage2 *s = xzalloc(sizeof(*s));

    if (!s)
        return -XEN_ENOMEM;
    s->root = frames_alloc(0);
    if (!s->root) {
        xfree(s);
        return -XEN_ENOMEM;
    }
    spin_lock_init(&s->lock, LOCK_STAGE2);
    s->max_leaf = hvm->s2_1g_pages() ? 2 : 1;
    s->nr_tables = 1;
    if (hvm->s2->type_shift)
        mtrr_read_machine(&s->mtrrs);
    d->s2 = s;
    return 0;
}

static void free_tables(u64 *table, unsigned level)
{
    for (unsigned i = 0; level && i < 512; i++)
        if (present(table[i]) && !(table[i] & S2_LARGE))
            free_tables(paddr_to_virt(table[i] & S2_ADDR), level - 1);
    frames_free(table, 0);
}

void s2_free(struct domain *d)
{
    if (!d->s2)
        return;
    free_tables(d->s2->root, S2_TOP_LEVEL);
    xfree(d->s2);
    d->s2 = NULL;
}

paddr_t s2_root(struct domain *d)
{
    return virt_to_paddr(d->s2->root);
}

static bool is_leaf(u64 e, unsigned level)
{
    return present(e) && (!level || e & S2_LARGE);
}

/* Replace the large leaf (or nothing) at *e by a table that says the same. */
static bool split(struct stage2 *s, u64 *e, unsigned level)
{
    u64 *table = frames_alloc(0), old = *e;

    if (!table)
        return false;
    if (present(old)) {
        u64 step = level_frames(level - 1) << PAGE_SHIFT;
        u64 base = level - 1 ? old : old & ~S2_LARGE;

        for (unsigned i = 0; i < 512; i++)
            table[i] = base + i * step;
        s->nr_leaves[level]--;
        s->nr_leaves[level - 1] += 512;
    }
    s->nr_tables++;
    atomic_store(e, virt_to_paddr(table) | hvm->s2->table);
    return true;
}

/* Forget the leaves under an entry that is about to be replaced by one leaf, or cleared, whole. */
static void uncount(struct stage2 *s, u64 e, unsigned level)
{
    if (is_leaf(e, level))
        s->nr_leaves[level]--;
}

static int set_range(struct stage2 *s, u64 *table, unsigned level, gfn_t gfn, mfn_t mfn, u64 nr, enum s2_type type,
                     unsigned access)
{
    u64 span = level_frames(level);

    while (nr) {
        u64 *e = &table[gfn >> 9 * level & 511];
        u64 n = min(nr, span - (gfn & (span - 1)));
        u64 type_bits = 0;
        bool whole = n == span && (type == S2_NONE || !(mfn & (span - 1))) && level <= s->max_leaf &&
                     memory_type_bits(s, mfn, level, type, &type_bits);
        bool is_table = level && present(*e) && !(*e & S2_LARGE);

        /* A table that is there already stays: it may be in use by a walk. */
        if (whole && !is_table) {
            uncount(s, *e, level);
            atomic_store(e, leaf(mfn, level, type, access, type_bits));
            if (type != S2_NONE)
                s->nr_leaves[level]++;
        } else if (is_table || type != S2_NONE || present(*e)) {
            int rc;

            if (!is_table && !split(s, e, level))
                return -XEN_ENOMEM;
            rc = set_range(s, paddr_to_virt(*e & S2_ADDR), level - 1, gfn, mfn, n, type, access);
            if (rc)
                return rc;
        }
        gfn += n;
        mfn += n;
        nr -= n;
    }
    return 0;
}

#define S2_MAX_GFN (1ull << 36) /* four levels translate 48 bits */

int s2_map(struct domain *d, gfn_t gfn, mfn_t mfn, u64 nr, enum s2_type type, unsigned access)
{
    struct stage2 *s = d->s2;
    int rc;

    if (gfn >= S2_MAX_GFN || nr > S2_MAX_GFN - gfn)
        return -XEN_EINVAL;
    spin_lock(&s->lock);
    rc = set_range(s, s->root, S2_TOP_LEVEL, gfn, mfn, nr, type, access);
    spin_unlock(&s->lock);
    return rc;
}

int s2_unmap(struct domain *d, gfn_t gfn, u64 nr)
{
    return s2_map(d, gfn, 0, nr, S2_NONE, 0);
}

/* The entry that decides about gfn, a leaf or one that is not present, and its level. On the way of every guest access. */
static inline u64 deciding_entry(const struct domain *d, gfn_t gfn, unsigned *level)
{
    const u64 readable = hvm->s2->read, *table = d->s2->root;
    unsigned shift = 9 * S2_TOP_LEVEL;
    u64 e;

    for (;; shift -= 9) {
        e = atomic_load(&table[gfn >> shift & 511]);
        if (!(e & readable) || !shift || e & S2_LARGE)
            break;
        table = paddr_to_virt(e & S2_ADDR);
    }
    *level = shift / 9;
    return e;
}

static enum s2_type type_of(u64 e)
{
    return present(e) ? (enum s2_type)((e & S2_TYPE_MASK) >> S2_TYPE_SHIFT) : S2_NONE;
}

enum s2_type s2_lookup(struct domain *d, gfn_t gfn, mfn_t *mfn, unsigned *access)
{
    const struct s2_encoding *enc = hvm->s2;
    unsigned level;
    u64 e;

    if (gfn >= S2_MAX_GFN)
        return S2_NONE;
    e = deciding_entry(d, gfn, &level);
    if (!present(e))
        return S2_NONE;
    if (mfn)
        *mfn = ((e & S2_ADDR) >> PAGE_SHIFT & ~(level_frames(level) - 1)) | (gfn & (level_frames(level) - 1));
    if (access)
        *access = S2_READ | (e & enc->write ? S2_WRITE : 0) |
                  (enc->exec && !(e & enc->exec) ? 0
                   : e & enc->no_exec            ? 0
                                                 : S2_EXEC);
    return type_of(e);
}

enum s2_type s2_lookup_run(struct domain *d, gfn_t gfn, u64 *nr)
{
    unsigned level;
    u64 e;

    if (gfn >= S2_MAX_GFN) {
        *nr = ~0ull - gfn;
        return S2_NONE;
    }
    e = deciding_entry(d, gfn, &level);
    *nr = level_frames(level) - (gfn & (level_frames(level) - 1));
    return type_of(e);
}

/*
 * A vCPU that is in guest mode drops its translations at its next entry, so it is enough to see it out once. The caller
 * has interrupts disabled, but so has every handler, and none waits for another CPU with the guest's translations live.
 */
void s2_flush(struct domain *d)
{
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (d->vcpu[i])
            atomic_or(&d->vcpu[i]->todo, TODO_FLUSH);
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];

        if (!v || v == current_vcpu() || !atomic_load(&v->running))
            continue;
        vcpu_kick(v, TODO_FLUSH);
        while (atomic_load(&v->running) && atomic_load(&v->todo) & TODO_FLUSH)
            cpu_relax();
    }
}

/* Tables are never freed before the domain, so a walk needs no lock. */
static void add_used(const u64 *table, unsigned level, u64 *accessed, u64 *written)
{
    const struct s2_encoding *enc = hvm->s2;

    for (unsigned i = 0; i < 512; i++) {
        u64 e = atomic_load(&table[i]);

        if (present(e) && !is_leaf(e, level))
            add_used(paddr_to_virt(e & S2_ADDR), level - 1, accessed, written);
        else if (present(e) && e & enc->accessed) {
            *accessed += level_frames(level);
            *written += e & enc->dirty ? level_frames(level) : 0;
        }
    }
}

bool s2_used(struct domain *d, u64 *accessed, u64 *written)
{
    *accessed = *written = 0;
    add_used(d->s2->root, S2_TOP_LEVEL, accessed, written);
    return *accessed;
}

void s2_count(struct domain *d, u64 pages[3], u64 *tables)
{
    memcpy(pages, d->s2->nr_leaves, sizeof(d->s2->nr_leaves));
    *tables = d->s2->nr_tables;
}
