/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * increase_reservation, decrease_reservation, populate_physmap: ballooning. The result is how many extents were done;
 * what is left when a call is preempted is encoded above the sub-op in the first register.
 */
#include "compat.h"
#include "memory_op.h"
#include "physmap.h"

/* 2 MiB: more would keep interrupts off for too long, and callers fall back to smaller extents. */
#define ORDER_MAX 9
/* Work of one exit. */
#define PASS_PAGES   1024
#define PASS_EXTENTS 128

/* All pages of one extent, or -errno with some of them gone. */
static int take_extent(struct physmap_batch *b, gfn_t gfn, unsigned order)
{
    int rc;

    for (u64 i = 0; i < BIT(order); i++) {
        if (physmap_batch_full(b) && physmap_finish(b))
            return -XEN_EBUSY;
        rc = physmap_take_ram(b, gfn + i);
        if (rc)
            return rc;
    }
    return 0;
}

/* Is it time to let interrupts in? Extents [start, i) are done in this exit. */
static bool pass_done(u64 start, u64 i, unsigned order)
{
    return i - start >= PASS_EXTENTS || (i - start) << order >= PASS_PAGES;
}

static long preempt(struct hcall *c, u64 extents_done)
{
    c->args[0] = (c->args[0] & MEMOP_CMD_MASK) | extents_done << MEMOP_EXTENT_SHIFT;
    c->again = true;
    return 0;
}

static long decrease(struct hcall *c, struct domain *d, const struct xen_memory_reservation *r, u64 start)
{
    struct physmap_batch b = {.d = d};
    u64 i = start, gfn, kept;

    for (; i < r->nr_extents && !pass_done(start, i, r->extent_order); i++)
        if (hcall_read_ulong(c, handle_gva(r->extent_start), i, &gfn) || take_extent(&b, gfn, r->extent_order))
            break;
    kept = physmap_finish(&b);
    /* Pages that came back belong to the latest extents of this pass; the guest is told it still has those. */
    i -= min(kept, i - start);
    if (!kept && i < r->nr_extents && pass_done(start, i, r->extent_order))
        return preempt(c, i);
    return (long)i;
}

static long populate(struct hcall *c, struct domain *d, const struct xen_memory_reservation *r, u64 start)
{
    u64 i = start, gfn;

    for (; i < r->nr_extents; i++) {
        if (pass_done(start, i, r->extent_order))
            return preempt(c, i);
        if (hcall_read_ulong(c, handle_gva(r->extent_start), i, &gfn) || physmap_populate(d, gfn, r->extent_order))
            break;
    }
    return (long)i;
}

long memory_reservation(struct hcall *c, unsigned cmd, u64 start)
{
    struct xen_memory_reservation r;
    struct domain *d;

    if (compat_read_reservation(c, c->args[1], &r))
        return (long)start;
    if (start >= r.nr_extents || r.nr_extents > UINT32_MAX >> MEMOP_EXTENT_SHIFT || r.extent_order > ORDER_MAX)
        return (long)start;
    if (hcall_domain(c, r.domid, &d))
        return (long)start;
    switch (cmd) {
    case XENMEM_decrease_reservation:
        return decrease(c, d, &r, start);
    case XENMEM_populate_physmap:
        return populate(c, d, &r, start);
    default:
        /* increase_reservation gives frames without a place in the map, which no domain here can use. */
        return (long)start;
    }
}
