/* SPDX-License-Identifier: BSD-2-Clause */
/* Handles: the mappings a domain has of other domains' grants. */
#include <torii/alloc.h>
#include <torii/log.h>

#include "grant_internal.h"

struct grant_map *map_get(const struct grant_table *gt, u32 handle)
{
    return &gt->maps[handle / MAPS_PER_FRAME][handle % MAPS_PER_FRAME];
}

/* The lock is held. */
static void push_free(struct grant_table *gt, u32 handle)
{
    struct grant_map *m = map_get(gt, handle);

    m->state = MAP_FREE;
    m->ref = gt->free_map;
    gt->free_map = handle;
}

/* One more block of records; the lock is held. */
static bool more_maps(struct grant_table *gt)
{
    u32 first = gt->nr_maps;
    struct grant_map *block;

    if (first >= gt->max_maps)
        return false;
    block = frames_alloc(0);
    if (!block)
        return false;
    gt->maps[first / MAPS_PER_FRAME] = block;
    gt->nr_maps += MAPS_PER_FRAME;
    for (u32 h = gt->nr_maps; h-- > first;)
        push_free(gt, h);
    return true;
}

u32 map_alloc(struct grant_table *gt)
{
    u32 handle = NO_HANDLE;

    spin_lock(&gt->map_lock);
    if (gt->free_map != NO_HANDLE || more_maps(gt)) {
        handle = gt->free_map;
        gt->free_map = map_get(gt, handle)->ref;
        map_get(gt, handle)->state = MAP_BUSY;
    }
    spin_unlock(&gt->map_lock);
    return handle;
}

void map_publish(struct grant_table *gt, u32 handle)
{
    spin_lock(&gt->map_lock);
    map_get(gt, handle)->state = MAP_LIVE;
    gt->live_maps++;
    spin_unlock(&gt->map_lock);
}

void map_free(struct grant_table *gt, u32 handle)
{
    spin_lock(&gt->map_lock);
    assert(map_get(gt, handle)->state == MAP_BUSY);
    push_free(gt, handle);
    spin_unlock(&gt->map_lock);
}

struct grant_map *map_claim(struct grant_table *gt, u32 handle)
{
    struct grant_map *m = NULL;

    spin_lock(&gt->map_lock);
    if (handle < gt->nr_maps && map_get(gt, handle)->state == MAP_LIVE) {
        m = map_get(gt, handle);
        m->state = MAP_BUSY;
        gt->live_maps--;
    }
    spin_unlock(&gt->map_lock);
    return m;
}

void map_unclaim(struct grant_table *gt, struct grant_map *m)
{
    spin_lock(&gt->map_lock);
    m->state = MAP_LIVE;
    gt->live_maps++;
    spin_unlock(&gt->map_lock);
}

/* The guest may have removed the page, and even put another grant there; then there is nothing to take away. */
void grant_unmap_page(struct physmap_batch *b, const struct grant_map *m)
{
    struct domain *d = b->d;
    enum s2_type type;
    mfn_t mfn;

    spin_lock(&d->lock);
    type = s2_lookup(d, m->gfn, &mfn, NULL);
    if ((type == S2_GRANT || type == S2_GRANT_RO) && mfn == m->mfn) {
        if (s2_unmap(d, m->gfn, 1))
            log_err("d%u: grant mapping at gfn %#lx cannot be removed\n", d->id, m->gfn);
        b->flush = true;
    }
    spin_unlock(&d->lock);
}
