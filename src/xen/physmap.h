/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing what a domain sees at its frame numbers. Which frame is where is decided under the domain's lock; frames
 * taken away are freed only after every TLB and every copy in progress has let go of them, and that is done once for
 * many.
 */
#ifndef TORII_XEN_PHYSMAP_H
#define TORII_XEN_PHYSMAP_H

#include <torii/domain.h>
#include <torii/stage2.h>

/* RAM that was unmapped and waits to be freed, and whether anything has to be flushed. On one caller's stack. */
#define PHYSMAP_RUNS 32
struct physmap_batch {
    struct domain *d;
    bool flush;
    unsigned nr;
    struct {
        gfn_t gfn;
        mfn_t mfn;
        u64 nr;
    } run[PHYSMAP_RUNS];
};

/* Is there no room for one more frame without physmap_finish? */
static inline bool physmap_batch_full(const struct physmap_batch *b)
{
    return b->nr == PHYSMAP_RUNS;
}

/* Flush and free. No lock held. Pages that were pinned meanwhile are mapped back; returns how many. */
u64 physmap_finish(struct physmap_batch *b);

/* Take one frame of RAM away: 0, -XEN_ENOENT if gfn holds none, -XEN_EBUSY if Torii uses it. The batch is not full. */
int physmap_take_ram(struct physmap_batch *b, gfn_t gfn);

/*
 * Show frame mfn at gfn. RAM that was there goes into the batch, device memory found at first touch is covered. 0,
 * -XEN_EINVAL (no such gfn), -XEN_EPERM (device memory, a grant or a foreign page is there), -XEN_EBUSY, -XEN_ENOMEM.
 */
int physmap_place(struct physmap_batch *b, gfn_t gfn, mfn_t mfn, enum s2_type type, unsigned access);

/* The same where only a hole (or device memory found at first touch) is acceptable; else -XEN_EBUSY. */
int physmap_place_in_hole(struct physmap_batch *b, gfn_t gfn, mfn_t mfn, enum s2_type type, unsigned access);

/* Remove whatever the guest itself put at gfn, or its RAM. 0, -XEN_ENOENT, -XEN_EBUSY. */
int physmap_remove(struct physmap_batch *b, gfn_t gfn);

/*
 * 2^order frames of RAM at gfn where nothing is. 0, -XEN_EINVAL, -XEN_EBUSY (something is there), -XEN_ENOMEM (also:
 * the domain has all it may).
 */
int physmap_populate(struct domain *d, gfn_t gfn, unsigned order);

/* Frame numbers the guest may use end here (52 address bits: SDM vol. 3 §4.1.4). */
#define PHYSMAP_GFN_MAX (1ul << (52 - PAGE_SHIFT))

#endif
