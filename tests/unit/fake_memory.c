/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include <torii/alloc.h>

#include "fake_memory.h"

#define REGIONS_MAX 16

static struct region {
    paddr_t pa;
    u8 *p;
    size_t bytes;
} region[REGIONS_MAX];
static unsigned nr_regions;

unsigned fake_maps_live;
int fake_map_fail_after = -1;

void fake_memory_reset(void)
{
    nr_regions = 0;
    fake_maps_live = 0;
    fake_map_fail_after = -1;
}

void fake_memory_add(paddr_t pa, void *p, size_t bytes)
{
    if (nr_regions == REGIONS_MAX)
        abort();
    region[nr_regions++] = (struct region){pa, p, bytes};
}

void *fake_memory_at(paddr_t pa, size_t bytes)
{
    for (unsigned i = 0; i < nr_regions; i++) {
        struct region *r = &region[i];

        if (pa >= r->pa && pa - r->pa <= r->bytes && bytes <= r->bytes - (pa - r->pa))
            return r->p + (pa - r->pa);
    }
    return NULL;
}

/* A copy of exactly this size: ASan sees a read past the mapping, and one after machine_unmap. */
void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    void *from = fake_memory_at(pa, bytes), *to;

    (void)uncached;
    if (!from || fake_map_fail_after == 0)
        return NULL;
    if (fake_map_fail_after > 0)
        fake_map_fail_after--;
    to = malloc(bytes ? bytes : 1);
    memcpy(to, from, bytes);
    fake_maps_live++;
    return to;
}

void machine_unmap(void *p, size_t bytes)
{
    (void)bytes;
    fake_maps_live--;
    free(p);
}
