/* SPDX-License-Identifier: BSD-2-Clause */
/* Grant tables: frames, use of entries, life cycle. */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/lib.h>
#include <torii/log.h>

#include "domain_state.h"
#include "grant_internal.h"

/* The guest changes entries under our hands; after so many attempts it does so on purpose. */
#define CMPXCHG_TRIES 5

#define CACHE_FLAGS (GTF_PWT | GTF_PCD | GTF_PAT)

unsigned grant_max_frames(const struct domain *d)
{
    return d->grant->max_frames;
}

unsigned grant_nr_frames(const struct domain *d)
{
    return READ_ONCE(d->grant->nr_frames);
}

unsigned grant_max_status_frames(const struct domain *d)
{
    u64 bytes = (u64)d->grant->max_frames * (PAGE_SIZE / sizeof(union grant_entry_v2)) * sizeof(grant_status_t);

    return (unsigned)max(ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE, 1ul);
}

u64 grant_nr_maps(const struct domain *d)
{
    return READ_ONCE(d->grant->live_maps);
}

/* --- frames --- */

/* One more frame; the table's lock is held. */
static int grow(struct grant_table *gt)
{
    unsigned n = gt->nr_frames;

    gt->shared[n] = frames_alloc(0);
    gt->active[n] = frames_alloc(ACTIVE_ORDER);
    if (!gt->shared[n] || !gt->active[n]) {
        frames_free(gt->shared[n], 0);
        frames_free(gt->active[n], ACTIVE_ORDER);
        gt->shared[n] = NULL;
        gt->active[n] = NULL;
        return -XEN_ENOMEM;
    }
    gt->gfn[n] = INVALID_GFN;
    atomic_store(&gt->nr_frames, n + 1);
    return 0;
}

int grant_frame(struct domain *d, u64 idx, mfn_t *mfn, gfn_t **place)
{
    struct grant_table *gt = d->grant;
    int rc = 0;

    if (idx >= gt->max_frames)
        return -XEN_EINVAL;
    spin_lock(&gt->lock);
    while (!rc && gt->nr_frames <= idx)
        rc = grow(gt);
    spin_unlock(&gt->lock);
    if (rc)
        return rc;
    *mfn = virt_to_mfn(gt->shared[idx]);
    *place = &gt->gfn[idx];
    return 0;
}

void grant_frame_forget(struct domain *d, gfn_t gfn)
{
    for (unsigned i = 0; i < d->grant->nr_frames; i++)
        if (d->grant->gfn[i] == gfn)
            d->grant->gfn[i] = INVALID_GFN;
}

/* --- using an entry --- */

/* Flags and domid are one 32-bit word, so that both are judged at the same instant. */
static u32 *entry_word(struct grant_entry_v1 *e)
{
    return (u32 *)e;
}

/*
 * Mark the entry as in use by `who`, if it permits that.
 * The guest removes its entry by cmpxchg on the flags, so either it sees our mark or we see it gone.
 */
static int mark(struct grant_entry_v1 *e, domid_t who, bool write)
{
    u32 word = atomic_load(entry_word(e)), in_use = GTF_reading | (write ? GTF_writing : 0);

    for (unsigned i = 0; i < CMPXCHG_TRIES; i++) {
        u16 flags = (u16)word;

        if ((flags & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access || word >> 16 != who)
            return GNTST_general_error;
        if ((write && (flags & GTF_readonly)) || (flags & CACHE_FLAGS))
            return GNTST_general_error;
        if (atomic_cmpxchg(entry_word(e), &word, word | in_use))
            return GNTST_okay;
    }
    return GNTST_general_error;
}

static void unmark(struct grant_entry_v1 *e, u16 flags)
{
    atomic_and(&e->flags, (u16)~flags);
}

/* The table's lock is held and ref is within the table. */
static int pin(struct domain *rd, grant_ref_t ref, domid_t who, bool write)
{
    struct grant_active *a = &rd->grant->active[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME];
    struct grant_entry_v1 *e = &rd->grant->shared[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME];
    int status = GNTST_okay;

    if (a->pins && a->domid != who)
        return GNTST_general_error;
    if (a->pins == UINT32_MAX)
        return GNTST_no_space;
    if (!a->pins || (write && !a->writers))
        status = mark(e, who, write);
    if (status)
        return status;
    if (!a->pins) {
        a->page = guest_page_get(rd, READ_ONCE(e->frame));
        if (!a->page) {
            unmark(e, GTF_reading | GTF_writing);
            return GNTST_bad_page;
        }
        a->domid = who;
    }
    a->pins++;
    a->writers += write;
    return GNTST_okay;
}

int grant_pin(struct domain *rd, grant_ref_t ref, domid_t who, bool write, void **page)
{
    struct grant_table *gt = rd->grant;
    int status = GNTST_bad_gntref;

    spin_lock(&gt->lock);
    if (ref / ENTRIES_PER_FRAME < gt->nr_frames) {
        status = pin(rd, ref, who, write);
        *page = gt->active[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME].page;
    }
    spin_unlock(&gt->lock);
    return status;
}

void grant_unpin(struct domain *rd, grant_ref_t ref, bool write)
{
    struct grant_table *gt = rd->grant;
    struct grant_active *a = &gt->active[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME];
    struct grant_entry_v1 *e = &gt->shared[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME];

    spin_lock(&gt->lock);
    assert(a->pins > 0 && (!write || a->writers > 0));
    if (write && --a->writers == 0)
        unmark(e, GTF_writing);
    if (--a->pins == 0) {
        guest_page_put(rd, a->page);
        a->page = NULL;
        unmark(e, GTF_reading);
    }
    spin_unlock(&gt->lock);
}

static bool in_use(const struct grant_table *gt, grant_ref_t ref)
{
    return gt->active[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME].pins;
}

int grant_swap(struct domain *d, grant_ref_t a, grant_ref_t b)
{
    struct grant_table *gt = d->grant;
    struct grant_entry_v1 *ea, *eb, tmp;
    int status = GNTST_okay;

    spin_lock(&gt->lock);
    if (a / ENTRIES_PER_FRAME >= gt->nr_frames || b / ENTRIES_PER_FRAME >= gt->nr_frames) {
        status = GNTST_bad_gntref;
    } else if (a != b && (in_use(gt, a) || in_use(gt, b))) {
        status = GNTST_eagain;
    } else {
        ea = &gt->shared[a / ENTRIES_PER_FRAME][a % ENTRIES_PER_FRAME];
        eb = &gt->shared[b / ENTRIES_PER_FRAME][b % ENTRIES_PER_FRAME];
        tmp = *ea;
        *ea = *eb;
        *eb = tmp;
    }
    spin_unlock(&gt->lock);
    return status;
}

/* --- life cycle --- */

int grant_domain_init(struct domain *d, unsigned max_frames, unsigned max_maptrack_frames)
{
    struct grant_table *gt = xzalloc(sizeof(*gt));
    const u32 blocks = (u32)(((u64)max_maptrack_frames * PAGE_SIZE / 16 + MAPS_PER_FRAME - 1) / MAPS_PER_FRAME);

    if (!gt)
        return -XEN_ENOMEM;
    spin_lock_init(&gt->lock, LOCK_GRANT);
    spin_lock_init(&gt->map_lock, LOCK_GRANT);
    gt->max_frames = max(min(max_frames, (unsigned)GRANT_FRAMES_DEFAULT), 1u);
    /* The ABI counts in frames of 16-byte records. */
    gt->max_maps = blocks * MAPS_PER_FRAME;
    gt->free_map = NO_HANDLE;
    gt->maps = xzalloc(max(blocks, 1u) * sizeof(*gt->maps));
    if (!gt->maps || grow(gt)) {
        xfree(gt->maps);
        xfree(gt);
        return -XEN_ENOMEM;
    }
    d->grant = gt;
    return 0;
}

/* Every mapping of others' grants: pages out of stage 2 first, then, after one flush, the grants. */
static void drop_maps(struct domain *d)
{
    struct physmap_batch b = {.d = d};
    struct grant_table *gt = d->grant;

    for (u32 h = 0; h < gt->nr_maps; h++)
        if (map_get(gt, h)->state == MAP_LIVE)
            grant_unmap_page(&b, map_get(gt, h));
    physmap_finish(&b);
    for (u32 h = 0; h < gt->nr_maps; h++) {
        struct grant_map *m = map_claim(gt, h);
        struct domain *rd = m ? domain_lookup(d, m->dom) : NULL;

        if (rd)
            grant_unpin(rd, m->ref, !m->readonly);
        if (m)
            map_free(gt, h);
    }
}

static void hide_frames(struct domain *d)
{
    struct grant_table *gt = d->grant;
    struct physmap_batch b = {.d = d};
    gfn_t gfn;

    for (unsigned i = 0; i < gt->nr_frames; i++) {
        gfn = gt->gfn[i];
        if (gfn == INVALID_GFN || physmap_remove(&b, gfn))
            continue;
        physmap_finish(&b);
        physmap_refill(d, gfn);
    }
}

static void clear_entries(struct grant_table *gt)
{
    spin_lock(&gt->lock);
    for (grant_ref_t ref = 0; ref < gt->nr_frames * ENTRIES_PER_FRAME; ref++)
        if (!in_use(gt, ref))
            memset(&gt->shared[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME], 0, sizeof(struct grant_entry_v1));
    spin_unlock(&gt->lock);
}

void grant_domain_reset(struct domain *d)
{
    drop_maps(d);
    hide_frames(d);
    clear_entries(d->grant);
}

void grant_domain_free(struct domain *d)
{
    struct grant_table *gt = d->grant;

    if (!gt)
        return;
    drop_maps(d);
    for (unsigned i = 0; i < gt->nr_frames; i++) {
        frames_free(gt->shared[i], 0);
        frames_free(gt->active[i], ACTIVE_ORDER);
    }
    for (u32 i = 0; i < gt->nr_maps / MAPS_PER_FRAME; i++)
        frames_free(gt->maps[i], 0);
    xfree(gt->maps);
    xfree(gt);
    d->grant = NULL;
}

void grant_dump(const struct domain *d)
{
    const struct grant_table *gt = d->grant;

    log_info("d%u: %u of %u grant frames, %lu mappings\n", d->id, gt->nr_frames, gt->max_frames, gt->live_maps);
    for (grant_ref_t ref = 0; ref < gt->nr_frames * ENTRIES_PER_FRAME; ref++) {
        const struct grant_active *a = &gt->active[ref / ENTRIES_PER_FRAME][ref % ENTRIES_PER_FRAME];

        if (a->pins)
            log_info("  ref %u: d%u, %u uses, %u writing\n", ref, a->domid, a->pins, a->writers);
    }
}
