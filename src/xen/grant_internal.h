/* SPDX-License-Identifier: BSD-2-Clause */
/* State of a grant table. */
#ifndef TORII_XEN_GRANT_INTERNAL_H
#define TORII_XEN_GRANT_INTERNAL_H

#include <torii/domain.h>
#include <torii/grant.h>
#include <torii/lock.h>

#include "hcall.h"
#include "physmap.h"

#define ENTRIES_PER_FRAME ((u32)(PAGE_SIZE / sizeof(struct grant_entry_v1)))

/* Torii's side of a shared entry. */
struct grant_active {
    void *page;        /* pinned while pins > 0 */
    u32 pins, writers; /* uses, and how many of them write */
    domid_t domid;     /* whose uses */
};

#define ACTIVE_ORDER 2
_Static_assert(sizeof(struct grant_active) * ENTRIES_PER_FRAME <= PAGE_SIZE << ACTIVE_ORDER,
               "one block for each frame");

enum map_state { MAP_FREE, MAP_BUSY, MAP_LIVE };

/* A mapping the owner has of a grant; its handle is the index. */
struct grant_map {
    gfn_t gfn;
    mfn_t mfn;
    grant_ref_t ref; /* free: handle of the next free one */
    domid_t dom;
    u8 state; /* enum map_state; only the thread that made it busy changes it or the rest */
    bool readonly;
};

#define MAPS_PER_FRAME ((u32)(PAGE_SIZE / sizeof(struct grant_map)))
#define NO_HANDLE      UINT32_MAX

/* lock: shared frames and active entries. map_lock: states and the free list of maps. Neither is taken inside the
 * other. */
struct grant_table {
    spinlock_t lock, map_lock;
    unsigned nr_frames, max_frames;
    struct grant_entry_v1 *shared[GRANT_FRAMES_DEFAULT];
    struct grant_active *active[GRANT_FRAMES_DEFAULT];
    gfn_t gfn[GRANT_FRAMES_DEFAULT]; /* where the owner sees the frame; the domain's lock */
    u32 nr_maps, max_maps, free_map;
    u64 live_maps;
    struct grant_map **maps; /* blocks of MAPS_PER_FRAME */
};

/* A handle for a mapping to be made, busy; NO_HANDLE if there are too many. */
u32 map_alloc(struct grant_table *gt);
/* Its record; handle is valid. */
struct grant_map *map_get(const struct grant_table *gt, u32 handle);
/* Busy -> live, busy -> free. */
void map_publish(struct grant_table *gt, u32 handle);
void map_free(struct grant_table *gt, u32 handle);
/* Live -> busy: the record, or NULL if the handle names no live mapping. */
struct grant_map *map_claim(struct grant_table *gt, u32 handle);
/* Busy -> live again. */
void map_unclaim(struct grant_table *gt, struct grant_map *m);

/* Stage 2 of a claimed map goes; the batch remembers to flush. */
void grant_unmap_page(struct physmap_batch *b, const struct grant_map *m);

/* GNTTABOP_copy. 0 or -XEN_EFAULT; *status is GNTST_*. */
struct grant_copy_op {
    struct {
        u64 ref_or_gfn;
        domid_t domid;
        u16 offset;
    } source, dest;
    u16 len, flags;
};
int grant_copy(struct domain *d, const struct grant_copy_op *op);
long grant_copy_op(struct hcall *c);

#endif
