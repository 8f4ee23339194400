/* SPDX-License-Identifier: BSD-2-Clause */
/* GNTTABOP_copy: between frames of the caller and frames granted to it. */
#include <torii/guest.h>
#include <torii/lib.h>

#include "compat.h"
#include "grant_internal.h"

/* Copies of one exit: at most 256 KiB. */
#define PASS 64

/* One side of a copy: a granted page, or one of the caller's own inside an access section. */
struct side {
    struct domain *granter; /* NULL: the caller's own page */
    grant_ref_t ref;
    bool write;
    u8 *page;
};

static int side_open(struct domain *d, struct side *s, bool by_ref, domid_t domid, u64 ref_or_gfn, bool write)
{
    void *page;
    int status;

    *s = (struct side){.ref = (grant_ref_t)ref_or_gfn, .write = write};
    if (by_ref) {
        s->granter = domain_lookup(d, domid);
        if (!s->granter)
            return GNTST_bad_domain;
        status = grant_pin(s->granter, s->ref, d->id, write, &page);
        s->page = page;
        return status;
    }
    if (domid != DOMID_SELF && domid != d->id)
        return GNTST_permission_denied;
    guest_access_begin();
    s->page = ref_or_gfn < PHYSMAP_GFN_MAX ? guest_ram(d, ref_or_gfn << PAGE_SHIFT, write) : NULL;
    if (s->page)
        return GNTST_okay;
    guest_access_end();
    return GNTST_bad_page;
}

static void side_close(const struct side *s)
{
    if (s->granter)
        grant_unpin(s->granter, s->ref, s->write);
    else
        guest_access_end();
}

int grant_copy(struct domain *d, const struct grant_copy_op *op)
{
    struct side from, to;
    int status;

    if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    if (op->flags & ~(GNTCOPY_source_gref | GNTCOPY_dest_gref))
        return GNTST_general_error;
    status = side_open(d, &from, op->flags & GNTCOPY_source_gref, op->source.domid, op->source.ref_or_gfn, false);
    if (status)
        return status;
    status = side_open(d, &to, op->flags & GNTCOPY_dest_gref, op->dest.domid, op->dest.ref_or_gfn, true);
    if (!status) {
        memmove(to.page + op->dest.offset, from.page + op->source.offset, op->len);
        side_close(&to);
    }
    side_close(&from);
    return status;
}

static int read_op(const struct hcall *c, struct grant_copy_op *op)
{
    struct compat_gnttab_copy n;
    struct gnttab_copy w;

    if (c->compat) {
        if (hcall_read(c, &n, c->args[1], sizeof(n)))
            return -XEN_EFAULT;
        *op = (struct grant_copy_op){
            .source = {n.source.ref_or_gmfn, n.source.domid, n.source.offset},
            .dest = {n.dest.ref_or_gmfn, n.dest.domid, n.dest.offset},
            .len = n.len,
            .flags = n.flags,
        };
        return 0;
    }
    if (hcall_read(c, &w, c->args[1], sizeof(w)))
        return -XEN_EFAULT;
    *op = (struct grant_copy_op){
        .source = {w.flags & GNTCOPY_source_gref ? w.source.u.ref : w.source.u.gmfn, w.source.domid, w.source.offset},
        .dest = {w.flags & GNTCOPY_dest_gref ? w.dest.u.ref : w.dest.u.gmfn, w.dest.domid, w.dest.offset},
        .len = w.len,
        .flags = w.flags,
    };
    return 0;
}

long grant_copy_op(struct hcall *c)
{
    size_t size = c->compat ? sizeof(struct compat_gnttab_copy) : sizeof(struct gnttab_copy);
    size_t status_at = c->compat ? offsetof(struct compat_gnttab_copy, status) : offsetof(struct gnttab_copy, status);
    struct grant_copy_op op;
    s16 status;

    for (unsigned done = 0; c->args[2]; done++) {
        if (done == PASS) {
            c->again = true;
            return 0;
        }
        if (read_op(c, &op))
            return -XEN_EFAULT;
        status = (s16)grant_copy(c->v->d, &op);
        if (hcall_write(c, c->args[1] + status_at, &status, sizeof(status)))
            return -XEN_EFAULT;
        c->args[1] += size;
        c->args[2]--;
    }
    return 0;
}
