/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/grant.h>
#include <torii/guest.h>
#include <torii/log.h>

#include "domain_state.h"
#include "physmap.h"

/* --- taking RAM away --- */

static void batch_add(struct physmap_batch *b, gfn_t gfn, mfn_t mfn)
{
    unsigned last = b->nr - 1;

    b->flush = true;
    if (b->nr && b->run[last].gfn + b->run[last].nr == gfn && b->run[last].mfn + b->run[last].nr == mfn) {
        b->run[last].nr++;
        return;
    }
    assert(b->nr < PHYSMAP_RUNS);
    b->run[b->nr].gfn = gfn;
    b->run[b->nr].mfn = mfn;
    b->run[b->nr++].nr = 1;
}

/*
 * A pin that was taken while the page went away (guest.h): the page stays the domain's. The guest may have put
 * something else at gfn by now; then the pinned frame has no place and is lost to it.
 */
static void keep_pinned(struct domain *d, gfn_t gfn, mfn_t mfn)
{
    spin_lock(&d->lock);
    d->nr_pages++;
    if (s2_lookup(d, gfn, NULL, NULL) != S2_NONE || s2_map(d, gfn, mfn, 1, S2_RAM, S2_RWX))
        log_warn("d%u: frame %#lx is in use and has no place\n", d->id, mfn);
    spin_unlock(&d->lock);
}

u64 physmap_finish(struct physmap_batch *b)
{
    u64 kept = 0;

    /* Grants too: their owners get the pages back next, and a copy may still be writing there. */
    if (b->flush) {
        s2_flush(b->d);
        guest_quiesce();
    }
    for (unsigned i = 0; i < b->nr; i++)
        for (u64 j = 0; j < b->run[i].nr; j++) {
            gfn_t gfn = b->run[i].gfn + j;
            mfn_t mfn = b->run[i].mfn + j;

            if (unlikely(guest_page_is_pinned(b->d, gfn))) {
                keep_pinned(b->d, gfn, mfn);
                kept++;
            } else {
                frame_release(mfn);
            }
        }
    b->nr = 0;
    b->flush = false;
    return kept;
}

/* The domain's lock is held. */
static int take_ram(struct physmap_batch *b, gfn_t gfn, mfn_t mfn)
{
    struct domain *d = b->d;
    int rc;

    if (guest_page_is_pinned(d, gfn))
        return -XEN_EBUSY;
    rc = s2_unmap(d, gfn, 1);
    if (rc)
        return rc;
    d->nr_pages--;
    batch_add(b, gfn, mfn);
    return 0;
}

int physmap_take_ram(struct physmap_batch *b, gfn_t gfn)
{
    struct domain *d = b->d;
    int rc = -XEN_ENOENT;
    mfn_t mfn;

    if (gfn >= PHYSMAP_GFN_MAX)
        return -XEN_ENOENT;
    spin_lock(&d->lock);
    if (s2_lookup(d, gfn, &mfn, NULL) == S2_RAM)
        rc = take_ram(b, gfn, mfn);
    spin_unlock(&d->lock);
    return rc;
}

/* --- frames of Torii's that are shown to the guest --- */

/* A frame of Torii's is no longer at gfn: whoever remembers it there forgets. The domain's lock is held. */
static void forget_xen_frame(struct domain *d, gfn_t gfn)
{
    if (d->shared_info_gfn == gfn)
        d->shared_info_gfn = INVALID_GFN;
    else
        grant_frame_forget(d, gfn);
}

/* What is at gfn makes way. The domain's lock is held. */
static int make_way(struct physmap_batch *b, gfn_t gfn)
{
    mfn_t old;

    switch (s2_lookup(b->d, gfn, &old, NULL)) {
    case S2_NONE:
        return 0;
    case S2_RAM:
        return take_ram(b, gfn, old);
    case S2_XEN:
        forget_xen_frame(b->d, gfn);
        b->flush = true;
        return 0;
    case S2_FIXUP:
        b->flush = true;
        return 0;
    case S2_MMIO:
    case S2_GRANT:
    case S2_GRANT_RO:
    case S2_FOREIGN:
        break;
    }
    return -XEN_EPERM;
}

int physmap_place(struct physmap_batch *b, gfn_t gfn, mfn_t mfn, enum s2_type type, unsigned access)
{
    struct domain *d = b->d;
    int rc;

    if (gfn >= PHYSMAP_GFN_MAX)
        return -XEN_EINVAL;
    spin_lock(&d->lock);
    rc = make_way(b, gfn);
    if (!rc)
        rc = s2_map(d, gfn, mfn, 1, type, access);
    spin_unlock(&d->lock);
    return rc;
}

int physmap_place_in_hole(struct physmap_batch *b, gfn_t gfn, mfn_t mfn, enum s2_type type, unsigned access)
{
    struct domain *d = b->d;
    enum s2_type old;
    int rc = -XEN_EBUSY;

    if (gfn >= PHYSMAP_GFN_MAX)
        return -XEN_EINVAL;
    spin_lock(&d->lock);
    old = s2_lookup(d, gfn, NULL, NULL);
    if (old == S2_NONE || old == S2_FIXUP) {
        b->flush |= old == S2_FIXUP;
        rc = s2_map(d, gfn, mfn, 1, type, access);
    }
    spin_unlock(&d->lock);
    return rc;
}

int physmap_remove(struct physmap_batch *b, gfn_t gfn)
{
    struct domain *d = b->d;
    int rc = -XEN_ENOENT;
    mfn_t mfn;

    if (gfn >= PHYSMAP_GFN_MAX)
        return -XEN_ENOENT;
    spin_lock(&d->lock);
    switch (s2_lookup(d, gfn, &mfn, NULL)) {
    case S2_RAM:
        rc = take_ram(b, gfn, mfn);
        break;
    case S2_XEN:
        forget_xen_frame(d, gfn);
        /* fall through */
    case S2_GRANT:
    case S2_GRANT_RO:
    case S2_FOREIGN:
        rc = s2_unmap(d, gfn, 1);
        b->flush = true;
        break;
    case S2_NONE:
    case S2_MMIO:
    case S2_FIXUP:
        break;
    }
    spin_unlock(&d->lock);
    return rc;
}

/* --- giving RAM --- */

/* Exactly the frames gfn.. if Torii has them all free: identity keeps device DMA right without an IOMMU. */
static bool claim_identity(gfn_t gfn, u64 nr)
{
    for (u64 i = 0; i < nr; i++)
        if (!frame_claim(gfn + i)) {
            while (i--)
                frame_release(gfn + i);
            return false;
        }
    return true;
}

static void warn_not_identity(const struct domain *d, gfn_t gfn, mfn_t mfn)
{
    static bool warned;

    if (d->privileged && !warned) {
        warned = true;
        log_warn("d%u: RAM at gfn %#lx is frame %#lx; without an IOMMU devices must not use it for DMA\n", d->id, gfn,
                 mfn);
    }
}

/* 2^order contiguous frames for gfn; INVALID_MFN if there are none. */
static mfn_t ram_for(const struct domain *d, gfn_t gfn, unsigned order)
{
    mfn_t mfn;
    void *p;

    if (d->privileged && claim_identity(gfn, BIT(order)))
        return gfn;
    p = frames_alloc(order);
    if (!p)
        return INVALID_MFN;
    mfn = virt_to_mfn(p);
    warn_not_identity(d, gfn, mfn);
    return mfn;
}

static bool is_empty(struct domain *d, gfn_t gfn, u64 nr)
{
    for (u64 i = 0; i < nr; i++)
        if (s2_lookup(d, gfn + i, NULL, NULL) != S2_NONE)
            return false;
    return true;
}

/* The domain's lock is held. On failure *mfn are frames to give back after a flush, or INVALID_MFN. */
static int populate(struct domain *d, gfn_t gfn, unsigned order, mfn_t *mfn)
{
    const u64 nr = BIT(order);
    int rc;

    *mfn = INVALID_MFN;
    if (d->nr_pages + nr > d->max_pages)
        return -XEN_ENOMEM;
    if (!is_empty(d, gfn, nr))
        return -XEN_EBUSY;
    *mfn = ram_for(d, gfn, order);
    if (*mfn == INVALID_MFN)
        return -XEN_ENOMEM;
    rc = s2_map(d, gfn, *mfn, nr, S2_RAM, S2_RWX);
    if (!rc)
        d->nr_pages += nr;
    else
        s2_unmap(d, gfn, nr);
    return rc;
}

int physmap_populate(struct domain *d, gfn_t gfn, unsigned order)
{
    mfn_t mfn;
    int rc;

    if (gfn >= PHYSMAP_GFN_MAX || BIT(order) > PHYSMAP_GFN_MAX - gfn)
        return -XEN_EINVAL;
    spin_lock(&d->lock);
    rc = populate(d, gfn, order, &mfn);
    spin_unlock(&d->lock);
    if (likely(!rc) || mfn == INVALID_MFN)
        return rc;
    /* The guest may have touched what was mapped before the tables ran out of memory. */
    s2_flush(d);
    guest_quiesce();
    for (u64 i = 0; i < BIT(order); i++)
        frame_release(mfn + i);
    return rc;
}

/* --- soft reset --- */

static bool is_ram_in_memory_map(const struct domain *d, gfn_t gfn)
{
    u64 gpa = gfn << PAGE_SHIFT;

    for (unsigned i = 0; i < d->e820_nr; i++)
        if (d->e820[i].type == E820_RAM && gpa >= d->e820[i].addr && gpa - d->e820[i].addr < d->e820[i].size)
            return true;
    return false;
}

void physmap_refill(struct domain *d, gfn_t gfn)
{
    if (is_ram_in_memory_map(d, gfn) && physmap_populate(d, gfn, 0))
        log_warn("d%u: no RAM for the hole at gfn %#lx\n", d->id, gfn);
}

void physmap_forget_shared_info(struct domain *d)
{
    struct physmap_batch b = {.d = d};
    gfn_t gfn = d->shared_info_gfn;

    if (gfn == INVALID_GFN || physmap_remove(&b, gfn))
        return;
    physmap_finish(&b);
    physmap_refill(d, gfn);
}
