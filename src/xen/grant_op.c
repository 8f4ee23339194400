/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * grant_table_op. The arguments are an array and its length; each element has its own status, and the call itself fails
 * only if the array cannot be reached. A preempted call comes back with the array advanced.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/log.h>

#include "compat.h"
#include "grant_internal.h"

/* Elements of one exit. */
#define PASS_MAP   64
#define PASS_UNMAP 32

static void advance(struct hcall *c, size_t element)
{
    c->args[1] += element;
    c->args[2]--;
}

static int write_status(const struct hcall *c, size_t offset, s16 status)
{
    return hcall_write(c, c->args[1] + offset, &status, sizeof(status));
}

/* --- map --- */

static s16 check_map_flags(u32 flags)
{
    const u32 guest_only =
        GNTMAP_guest_avail_mask; /* for page table entries, which are the guest's own business here */

    if (!(flags & (GNTMAP_host_map | GNTMAP_device_map)))
        return GNTST_bad_gntref;
    return flags & ~(GNTMAP_host_map | GNTMAP_readonly | guest_only) ? GNTST_general_error : GNTST_okay;
}

/* Pin the grant and show its page; the record is busy and gets filled in. */
static s16 map_page(struct physmap_batch *b, struct domain *rd, const struct gnttab_map_grant_ref *op,
                    struct grant_map *m)
{
    bool readonly = op->flags & GNTMAP_readonly;
    void *page;
    int status = grant_pin(rd, op->ref, b->d->id, !readonly, &page);

    if (status)
        return (s16)status;
    *m = (struct grant_map){
        .gfn = op->host_addr >> PAGE_SHIFT,
        .mfn = virt_to_mfn(page),
        .ref = op->ref,
        .dom = rd->id,
        .state = MAP_BUSY,
        .readonly = readonly,
    };
    if (physmap_place_in_hole(b, m->gfn, m->mfn, readonly ? S2_GRANT_RO : S2_GRANT,
                              readonly ? S2_READ : S2_READ | S2_WRITE)) {
        grant_unpin(rd, op->ref, !readonly);
        return GNTST_general_error;
    }
    return GNTST_okay;
}

static s16 map_one(struct physmap_batch *b, struct gnttab_map_grant_ref *op)
{
    struct grant_table *gt = b->d->grant;
    struct domain *rd;
    s16 status = check_map_flags(op->flags);
    u32 handle;

    if (status)
        return status;
    rd = domain_lookup(b->d, op->dom);
    if (!rd)
        return GNTST_bad_domain;
    handle = map_alloc(gt);
    if (handle == NO_HANDLE)
        return GNTST_no_space;
    status = map_page(b, rd, op, map_get(gt, handle));
    if (status) {
        map_free(gt, handle);
        return status;
    }
    op->handle = handle;
    op->dev_bus_addr = map_get(gt, handle)->mfn << PAGE_SHIFT;
    map_publish(gt, handle);
    return GNTST_okay;
}

static long map_grant_ref(struct hcall *c)
{
    struct physmap_batch b = {.d = c->v->d};
    struct gnttab_map_grant_ref op;
    long rc = 0;

    for (unsigned done = 0; c->args[2] && !rc; done++) {
        if (done == PASS_MAP) {
            c->again = true;
            break;
        }
        if (hcall_read(c, &op, c->args[1], sizeof(op))) {
            rc = -XEN_EFAULT;
            break;
        }
        op.status = map_one(&b, &op);
        rc = hcall_write(c, c->args[1], &op, sizeof(op));
        advance(c, sizeof(op));
    }
    physmap_finish(&b);
    return rc;
}

/* --- unmap, unmap_and_replace --- */

/* What both say, and where the status goes. */
struct unmap_request {
    u64 host_addr, new_addr;
    u32 handle;
};

static size_t read_unmap(const struct hcall *c, bool replace, struct unmap_request *u, int *rc)
{
    struct gnttab_unmap_and_replace r;
    struct gnttab_unmap_grant_ref g;

    if (replace) {
        *rc = hcall_read(c, &r, c->args[1], sizeof(r));
        if (!*rc)
            *u = (struct unmap_request){r.host_addr, r.new_addr, r.handle};
        return sizeof(r);
    }
    *rc = hcall_read(c, &g, c->args[1], sizeof(g));
    if (!*rc)
        *u = (struct unmap_request){g.host_addr, 0, g.handle};
    return sizeof(g);
}

/* Take the page away; *claimed is the map to release after the flush, if any. */
static s16 unmap_begin(struct physmap_batch *b, const struct unmap_request *u, struct grant_map **claimed)
{
    struct grant_table *gt = b->d->grant;
    struct grant_map *m = map_claim(gt, u->handle);

    *claimed = NULL;
    if (!m)
        return GNTST_bad_handle;
    if (u->new_addr || (u->host_addr && u->host_addr >> PAGE_SHIFT != m->gfn)) {
        map_unclaim(gt, m);
        return GNTST_general_error;
    }
    if (!u->host_addr) { /* ABI: 0 leaves the mapping alone */
        map_unclaim(gt, m);
        return GNTST_okay;
    }
    grant_unmap_page(b, m);
    *claimed = m;
    return GNTST_okay;
}

static void unmap_end(struct domain *d, const struct grant_map *m, u32 handle)
{
    struct domain *rd = domain_lookup(d, m->dom);

    if (rd)
        grant_unpin(rd, m->ref, !m->readonly);
    map_free(d->grant, handle);
}

/* Pages go, one flush, then the grants: the granter may reuse its page the moment the entry says it is unused. */
static long unmap_grant_ref(struct hcall *c, bool replace)
{
    size_t status_at =
        replace ? offsetof(struct gnttab_unmap_and_replace, status) : offsetof(struct gnttab_unmap_grant_ref, status);
    struct physmap_batch b = {.d = c->v->d};
    struct {
        struct grant_map *map;
        u32 handle;
    } claimed[PASS_UNMAP];
    struct unmap_request u;
    unsigned n = 0;
    size_t size;
    int rc = 0;
    s16 status;

    while (c->args[2] && n < PASS_UNMAP && !rc) {
        size = read_unmap(c, replace, &u, &rc);
        if (rc)
            break;
        claimed[n].handle = u.handle;
        status = unmap_begin(&b, &u, &claimed[n].map);
        n++;
        rc = write_status(c, status_at, status);
        advance(c, size);
    }
    physmap_finish(&b);
    for (unsigned i = 0; i < n; i++)
        if (claimed[i].map)
            unmap_end(b.d, claimed[i].map, claimed[i].handle);
    c->again = !rc && c->args[2];
    return rc;
}

/* --- questions about the table --- */

/* GNTST_okay and *d, GNTST_bad_domain or GNTST_permission_denied. */
static s16 named_domain(const struct hcall *c, domid_t id, struct domain **d)
{
    int rc = hcall_domain(c, id, d);

    return rc == 0 ? GNTST_okay : rc == -XEN_EPERM ? GNTST_permission_denied : GNTST_bad_domain;
}

static int read_setup(const struct hcall *c, struct gnttab_setup_table *s)
{
    struct compat_gnttab_setup_table n;

    if (!c->compat)
        return hcall_read(c, s, c->args[1], sizeof(*s));
    if (hcall_read(c, &n, c->args[1], sizeof(n)))
        return -XEN_EFAULT;
    *s = (struct gnttab_setup_table){.dom = n.dom, .nr_frames = n.nr_frames};
    s->frame_list.p = (void *)(uintptr_t)n.frame_list;
    return 0;
}

static s16 setup(const struct hcall *c, const struct gnttab_setup_table *s)
{
    struct domain *d;
    gfn_t *place;
    mfn_t mfn;
    s16 status = named_domain(c, s->dom, &d);

    if (status)
        return status;
    if (s->nr_frames > grant_max_frames(d) || (s->nr_frames && grant_frame(d, s->nr_frames - 1, &mfn, &place)))
        return GNTST_general_error;
    for (u32 i = 0; i < s->nr_frames; i++)
        if (hcall_write_ulong(c, handle_gva(s->frame_list), i, READ_ONCE(d->grant->gfn[i])))
            return GNTST_bad_virt_addr;
    return GNTST_okay;
}

static long setup_table(struct hcall *c)
{
    struct gnttab_setup_table s;

    if (c->args[2] != 1)
        return -XEN_EINVAL;
    if (read_setup(c, &s))
        return -XEN_EFAULT;
    s.status = setup(c, &s);
    return write_status(
        c, c->compat ? offsetof(struct compat_gnttab_setup_table, status) : offsetof(struct gnttab_setup_table, status),
        s.status);
}

static long query_size(struct hcall *c)
{
    struct gnttab_query_size q;
    struct domain *d;

    if (c->args[2] != 1)
        return -XEN_EINVAL;
    if (hcall_read(c, &q, c->args[1], sizeof(q)))
        return -XEN_EFAULT;
    q.status = named_domain(c, q.dom, &d);
    if (!q.status) {
        q.nr_frames = grant_nr_frames(d);
        q.max_nr_frames = grant_max_frames(d);
    }
    return hcall_write(c, c->args[1], &q, sizeof(q));
}

/* Tables are version 1, which reaches 16 TiB; the caller learns what it has. */
static long set_version(const struct hcall *c)
{
    struct gnttab_set_version s;
    long rc = 0;

    if (hcall_read(c, &s, c->args[1], sizeof(s)))
        return -XEN_EFAULT;
    if (s.version != 1)
        rc = s.version == 2 ? -XEN_ENOSYS : -XEN_EINVAL;
    s.version = 1;
    return hcall_write(c, c->args[1], &s, sizeof(s)) ? -XEN_EFAULT : rc;
}

static long get_version(const struct hcall *c)
{
    struct gnttab_get_version g;
    struct domain *d;
    int rc;

    if (hcall_read(c, &g, c->args[1], sizeof(g)))
        return -XEN_EFAULT;
    rc = hcall_domain(c, g.dom, &d);
    if (rc)
        return rc;
    g.version = 1;
    return hcall_write(c, c->args[1], &g, sizeof(g));
}

/* Version 1 tables have no status frames. nr_frames, dom and status are at the same place in both layouts. */
static long get_status_frames(const struct hcall *c)
{
    struct compat_gnttab_get_status_frames g;
    struct domain *d;
    s16 status;

    if (c->args[2] != 1)
        return -XEN_EINVAL;
    if (hcall_read(c, &g, c->args[1], offsetof(struct compat_gnttab_get_status_frames, frame_list)))
        return -XEN_EFAULT;
    status = named_domain(c, g.dom, &d);
    return write_status(c, offsetof(struct gnttab_get_status_frames, status), status ? status : GNTST_general_error);
}

/* --- the rest --- */

/* ABI: only PV guests can; bad_page is the one status that says the caller still owns the page. */
static long transfer(struct hcall *c)
{
    size_t size = c->compat ? sizeof(struct compat_gnttab_transfer) : sizeof(struct gnttab_transfer);
    size_t status_at =
        c->compat ? offsetof(struct compat_gnttab_transfer, status) : offsetof(struct gnttab_transfer, status);

    for (unsigned done = 0; c->args[2]; done++, advance(c, size)) {
        if (done == PASS_MAP) {
            c->again = true;
            return 0;
        }
        if (write_status(c, status_at, GNTST_bad_page))
            return -XEN_EFAULT;
    }
    return 0;
}

static long swap_grant_ref(struct hcall *c)
{
    struct gnttab_swap_grant_ref s;

    for (unsigned done = 0; c->args[2]; done++, advance(c, sizeof(s))) {
        if (done == PASS_MAP) {
            c->again = true;
            return 0;
        }
        if (hcall_read(c, &s, c->args[1], sizeof(s)))
            return -XEN_EFAULT;
        if (write_status(c, offsetof(struct gnttab_swap_grant_ref, status), (s16)grant_swap(c->v->d, s.ref_a, s.ref_b)))
            return -XEN_EFAULT;
    }
    return 0;
}

/* Device DMA is cache coherent on x86, so a valid request has nothing to do; other requests are refused. */
static long cache_flush(struct hcall *c)
{
    struct gnttab_cache_flush f;

    for (unsigned done = 0; c->args[2]; done++, advance(c, sizeof(f))) {
        if (done == PASS_MAP) {
            c->again = true;
            return 0;
        }
        if (hcall_read(c, &f, c->args[1], sizeof(f)))
            return -XEN_EFAULT;
        if (f.op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL))
            return -XEN_EOPNOTSUPP;
        if (f.offset >= PAGE_SIZE || f.length > PAGE_SIZE - f.offset)
            return -XEN_EINVAL;
    }
    return 0;
}

long hypercall_grant_table_op(struct hcall *c)
{
    u32 cmd = (u32)c->args[0];

    c->args[2] = (u32)c->args[2];
    if (c->args[2] > INT32_MAX)
        return -XEN_EINVAL;
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        return map_grant_ref(c);
    case GNTTABOP_unmap_grant_ref:
        return unmap_grant_ref(c, false);
    case GNTTABOP_unmap_and_replace:
        return unmap_grant_ref(c, true);
    case GNTTABOP_copy:
        return grant_copy_op(c);
    case GNTTABOP_setup_table:
        return setup_table(c);
    case GNTTABOP_query_size:
        return query_size(c);
    case GNTTABOP_set_version:
        return set_version(c);
    case GNTTABOP_get_version:
        return get_version(c);
    case GNTTABOP_get_status_frames:
        return get_status_frames(c);
    case GNTTABOP_transfer:
        return transfer(c);
    case GNTTABOP_swap_grant_ref:
        return swap_grant_ref(c);
    case GNTTABOP_cache_flush:
        return cache_flush(c);
    default:
        return -XEN_ENOSYS;
    }
}
