/* SPDX-License-Identifier: BSD-2-Clause */
/* memory_op sub-ops that put frames of Torii's or of other domains into a domain's map. */
#include <torii/alloc.h>
#include <torii/grant.h>

#include "compat.h"
#include "memory_op.h"
#include "physmap.h"

/* Entries of a batch per exit. */
#define PASS 64

/* One move at a time, or two of one frame would leave it at both places. */
static spinlock_t moving = SPINLOCK(LOCK_MOVE);

/* Show frame mfn of Torii's at gfn and nowhere else; *place is where it was, or INVALID_GFN. */
static int move_xen_frame(struct physmap_batch *b, gfn_t *place, gfn_t gfn, mfn_t mfn)
{
    gfn_t old;
    int rc = 0;

    spin_lock(&moving);
    old = *place;
    if (old != gfn)
        rc = physmap_place(b, gfn, mfn, S2_XEN, S2_READ | S2_WRITE);
    if (!rc && old != gfn) {
        if (old != INVALID_GFN)
            physmap_remove(b, old);
        *place = gfn;
    }
    spin_unlock(&moving);
    return rc;
}

static int place_shared_info(struct physmap_batch *b, u64 idx, gfn_t gfn)
{
    struct domain *d = b->d;

    if (idx != 0)
        return -XEN_EINVAL;
    return move_xen_frame(b, &d->shared_info_gfn, gfn, virt_to_mfn(d->shared_info));
}

static int place_grant_frame(struct physmap_batch *b, u64 idx, gfn_t gfn)
{
    gfn_t *place;
    mfn_t mfn;
    int rc;

    if (idx & XENMAPIDX_grant_table_status) /* only version 2 tables have them */
        return -XEN_EINVAL;
    rc = grant_frame(b->d, idx, &mfn, &place);
    return rc ? rc : move_xen_frame(b, place, gfn, mfn);
}

/* The batch belongs to the domain whose map changes. */
static int place(struct physmap_batch *b, unsigned space, u64 idx, gfn_t gfn)
{
    switch (space) {
    case XENMAPSPACE_shared_info:
        return place_shared_info(b, idx, gfn);
    case XENMAPSPACE_grant_table:
        return place_grant_frame(b, idx, gfn);
    case XENMAPSPACE_gmfn:
    case XENMAPSPACE_gmfn_range:
        return -XEN_EOPNOTSUPP; /* RAM that moves loses identity */
    default:
        return -XEN_EINVAL;
    }
}

long memory_add_to_physmap(struct hcall *c)
{
    struct physmap_batch b = {0};
    struct xen_add_to_physmap a;
    int rc;

    if (compat_read_add_to_physmap(c, c->args[1], &a))
        return -XEN_EFAULT;
    rc = hcall_domain(c, a.domid, &b.d);
    if (rc)
        return rc;
    if (a.space == XENMAPSPACE_gmfn_foreign) /* names no domain; the batch form does */
        return -XEN_ENOSYS;
    rc = place(&b, a.space, a.idx, a.gpfn);
    physmap_finish(&b);
    return rc;
}

/*
 * Another domain's page. Torii tells no domain's frames apart from those of a domain that went, so a page is shared
 * only through grants and resources, which count their users.
 */
static int place_foreign(const struct hcall *c, domid_t foreign)
{
    struct domain *fd;

    if (!c->v->d->privileged)
        return -XEN_EPERM;
    fd = domain_lookup(c->v->d, foreign);
    if (!fd)
        return -XEN_ESRCH;
    return fd == c->v->d ? -XEN_EINVAL : -XEN_EOPNOTSUPP;
}

/* Entry i; its result goes to errs. -XEN_EFAULT if the arrays cannot be reached. */
static int batch_entry(const struct hcall *c, struct physmap_batch *b, const struct xen_add_to_physmap_batch *a, u64 i)
{
    u64 idx, gfn;
    s32 err;

    if (hcall_read_ulong(c, handle_gva(a->idxs), i, &idx) || hcall_read_ulong(c, handle_gva(a->gpfns), i, &gfn))
        return -XEN_EFAULT;
    if (a->space == XENMAPSPACE_gmfn_foreign)
        err = place_foreign(c, a->u.foreign_domid);
    else
        err = place(b, a->space, idx, gfn);
    return hcall_write(c, handle_gva(a->errs) + i * sizeof(err), &err, sizeof(err));
}

long memory_add_to_physmap_batch(struct hcall *c, u64 start)
{
    struct xen_add_to_physmap_batch a;
    struct physmap_batch b = {0};
    u64 i = start;
    int rc;

    if (compat_read_add_to_physmap_batch(c, c->args[1], &a))
        return -XEN_EFAULT;
    rc = hcall_domain(c, a.domid, &b.d);
    if (rc)
        return rc;
    if (a.space == XENMAPSPACE_gmfn_range)
        return -XEN_ENOSYS;
    if (a.space != XENMAPSPACE_gmfn_foreign && a.u.res0)
        return -XEN_EINVAL;
    for (; i < a.size && i - start < PASS && !rc; i++) {
        if (physmap_batch_full(&b))
            physmap_finish(&b);
        rc = batch_entry(c, &b, &a, i);
    }
    physmap_finish(&b);
    if (rc || i >= a.size)
        return rc;
    c->args[0] = (c->args[0] & MEMOP_CMD_MASK) | i << MEMOP_EXTENT_SHIFT;
    c->again = true;
    return 0;
}

long memory_remove_from_physmap(const struct hcall *c)
{
    struct xen_remove_from_physmap r;
    struct physmap_batch b = {0};
    int rc;

    if (compat_read_remove_from_physmap(c, c->args[1], &r))
        return -XEN_EFAULT;
    rc = hcall_domain(c, r.domid, &b.d);
    if (rc)
        return rc;
    rc = physmap_remove(&b, r.gpfn);
    return physmap_finish(&b) ? -XEN_EBUSY : rc;
}

/* --- acquire_resource: frames that belong to a domain's administration, mapped by whoever administers it --- */

/* Most frames the resource can have, or -errno. */
static long resource_size(const struct domain *d, const struct xen_mem_acquire_resource *r)
{
    if (r->type != XENMEM_resource_grant_table)
        return -XEN_EOPNOTSUPP;
    if (r->id > XENMEM_resource_grant_table_id_status)
        return -XEN_EINVAL;
    return r->id == XENMEM_resource_grant_table_id_shared ? (long)grant_max_frames(d)
                                                          : (long)grant_max_status_frames(d);
}

static long write_size(const struct hcall *c, u32 nr_frames)
{
    u64 at = c->args[1] + (c->compat ? offsetof(struct compat_mem_acquire_resource, nr_frames)
                                     : offsetof(struct xen_mem_acquire_resource, nr_frames));

    return hcall_write(c, at, &nr_frames, sizeof(nr_frames));
}

/* Frame r->frame + i of the resource at the caller's i-th gfn. */
static int map_resource_frame(const struct hcall *c, struct physmap_batch *b, struct domain *d,
                              const struct xen_mem_acquire_resource *r, u64 i)
{
    gfn_t *ignored;
    mfn_t mfn;
    u64 gfn;
    int rc;

    if (r->id != XENMEM_resource_grant_table_id_shared)
        return -XEN_EINVAL; /* status frames come with version 2 tables */
    if (hcall_read_ulong(c, handle_gva(r->frame_list), i, &gfn))
        return -XEN_EFAULT;
    rc = grant_frame(d, r->frame + i, &mfn, &ignored);
    return rc ? rc : physmap_place(b, gfn, mfn, S2_FOREIGN, S2_READ | S2_WRITE);
}

static long map_resource(struct hcall *c, struct domain *d, const struct xen_mem_acquire_resource *r, u64 start)
{
    struct physmap_batch b = {.d = c->v->d};
    u64 i = start;
    int rc = 0;

    for (; i < r->nr_frames && i - start < PHYSMAP_RUNS && !rc; i++)
        rc = map_resource_frame(c, &b, d, r, i);
    physmap_finish(&b);
    if (rc)
        return i > 1 ? -XEN_EIO : rc; /* ABI: EIO tells that some of the list was mapped */
    if (i == r->nr_frames)
        return 0;
    c->args[0] = (c->args[0] & MEMOP_CMD_MASK) | i << MEMOP_EXTENT_SHIFT;
    c->again = true;
    return 0;
}

long memory_acquire_resource(struct hcall *c, u64 start)
{
    struct xen_mem_acquire_resource r;
    struct domain *d;
    long size;

    if (compat_read_acquire_resource(c, c->args[1], &r))
        return -XEN_EFAULT;
    if (r.pad)
        return -XEN_EINVAL;
    if (!c->v->d->privileged)
        return -XEN_EPERM;
    d = domain_lookup(c->v->d, r.domid);
    if (!d)
        return -XEN_ESRCH;
    if (d == c->v->d)
        return -XEN_EPERM;
    size = resource_size(d, &r);
    if (size < 0)
        return size;
    if (!handle_gva(r.frame_list))
        return r.nr_frames ? -XEN_EINVAL : write_size(c, (u32)size);
    if (r.frame >= (u64)size || r.nr_frames > (u64)size - r.frame)
        return r.nr_frames ? -XEN_EINVAL : 0;
    return map_resource(c, d, &r, start);
}
