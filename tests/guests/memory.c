/* SPDX-License-Identifier: BSD-2-Clause */
/* run: only=torii,xen */
/* memory_op (public/memory.h): maps, the balloon, shared_info and grant frames moved about; refusals. */
#include "hyper.h"

#define PAGES 512

static u8 pages[PAGES * PAGE_SIZE] PAGE_ALIGNED;
static xen_pfn_t frames[PAGES];

static long reservation(unsigned op, u64 count, unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return memory_op(op, &r);
}

static long pages_now(void)
{
    domid_t d = DOMID_SELF;

    return memory_op(XENMEM_current_reservation, &d);
}

static long to_physmap(unsigned space, u64 idx, u64 gfn)
{
    struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn};

    return memory_op(XENMEM_add_to_physmap, &x);
}

static long from_physmap(u64 gfn)
{
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = gfn};

    return memory_op(XENMEM_remove_from_physmap, &r);
}

static void questions(void)
{
    domid_t self = DOMID_SELF, nobody = 77;

    ok(pages_now() > 50000, "current_reservation says how many pages there are");
    ok(memory_op(XENMEM_maximum_reservation, &self) >= pages_now(), "maximum_reservation is no less");
    ok(memory_op(XENMEM_maximum_gpfn, &self) > 0x1000, "maximum_gpfn lies above the image");
    ok(memory_op(XENMEM_maximum_ram_page, NULL) > 0x1000, "maximum_ram_page too");
    is(memory_op(XENMEM_current_reservation, &nobody), ERR(XEN_ESRCH), "of a domain that is not");
    is(memory_op(XENMEM_machphys_mapping, pages), ERR(XEN_ENOSYS), "machphys_mapping is for PV");
    is(memory_op(63, NULL), ERR(XEN_ENOSYS), "an operation that is not");
}

static void balloon(void)
{
    long before = pages_now();
    bool written = true;
    u64 v;

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = (u64)pages / PAGE_SIZE + i;
    is(reservation(XENMEM_decrease_reservation, PAGES, 0), PAGES, "decrease_reservation gives 512 pages back");
    is(pages_now(), before - PAGES, "which are gone from the reservation");
    read64_safe((u64)pages, &v);
    ok(v == 0 || v == ~0ull, "what is gone reads as nothing");
    is(reservation(XENMEM_populate_physmap, PAGES, 0), PAGES, "populate_physmap brings them");
    is(pages_now(), before, "into the reservation");
    for (unsigned i = 0; i < PAGES; i++)
        *(volatile u64 *)(pages + i * PAGE_SIZE) = i;
    for (unsigned i = 0; i < PAGES; i++)
        written &= *(volatile u64 *)(pages + i * PAGE_SIZE) == i;
    ok(written, "and they are memory");
    frames[0] = (u64)pages / PAGE_SIZE;
    frames[1] = 0xfffffffff;
    is(reservation(XENMEM_decrease_reservation, 2, 0), 1, "a frame that is not ends it: one done");
    is(reservation(XENMEM_populate_physmap, 1, 0), 1, "and back");
    is(reservation(XENMEM_decrease_reservation, 1, 30), 0, "extents too large: none done");
    is(reservation(XENMEM_increase_reservation, 0, 0), 0, "no extents: none done");
    is(pages_now(), before, "all accounted for");
}

/* A frame above all RAM may be filled: kernels map foreign pages there. */
static void hole(void)
{
    u64 gfn = 0x400000; /* 16 GiB */
    volatile u64 *at = (volatile u64 *)(gfn * PAGE_SIZE);

    frames[0] = (u64)pages / PAGE_SIZE;
    reservation(XENMEM_decrease_reservation, 1, 0);
    frames[0] = gfn;
    is(reservation(XENMEM_populate_physmap, 1, 0), 1, "populate_physmap in a hole at 16 GiB");
    *at = 0x1234567890;
    is(*at, 0x1234567890, "is memory there");
    is(reservation(XENMEM_decrease_reservation, 1, 0), 1, "and given back");
    frames[0] = (u64)pages / PAGE_SIZE;
    is(reservation(XENMEM_populate_physmap, 1, 0), 1, "the page returns");
}

static void moved(void)
{
    struct shared_info *s = shared_info_map();
    u64 old = (u64)s / PAGE_SIZE, hole = 0x400010, v;
    struct gnttab_query_size q = {.dom = DOMID_SELF};

    is(to_physmap(XENMAPSPACE_shared_info, 0, hole), 0, "shared_info moves to a hole");
    ok(((struct shared_info *)(hole * PAGE_SIZE))->vcpu_info[0].time.tsc_to_system_mul, "and is there");
    read64_safe((u64)&s->vcpu_info[0].time.tsc_timestamp, &v);
    ok(v == 0 || v == ~0ull, "and not here");
    is(to_physmap(XENMAPSPACE_shared_info, 0, old), 0, "and back");
    ok(s->vcpu_info[0].time.tsc_to_system_mul, "it is here");
    is(to_physmap(XENMAPSPACE_shared_info, 1, hole), ERR(XEN_EINVAL), "there is but one");
    is(to_physmap(99, 0, hole), ERR(XEN_EINVAL), "a space that is not");
    is(to_physmap(XENMAPSPACE_grant_table, 0, hole), 0, "grant frame 0 at a hole");
    *(volatile u32 *)(hole * PAGE_SIZE + 8 * 100) = 0;
    is(grant_op(GNTTABOP_query_size, &q, 1), 0, "query_size");
    ok(q.status == 0 && q.nr_frames >= 1 && q.max_nr_frames >= 32, "says one frame or more, of 32 or more");
    is(to_physmap(XENMAPSPACE_grant_table, 3, hole + 3), 0, "grant frame 3 grows the table");
    grant_op(GNTTABOP_query_size, &q, 1);
    ok(q.nr_frames >= 4, "to four frames");
    is(to_physmap(XENMAPSPACE_grant_table, 5000, hole), ERR(XEN_EINVAL), "frame 5000 is too many");
    is(from_physmap(hole + 3), 0, "remove_from_physmap");
    ok(from_physmap(hole + 3) < 0, "a second time it is not there");
    ok(to_physmap(XENMAPSPACE_grant_table, 1, 0xfffffffffffff) < 0, "an address beyond the processor's is refused");
}

static void batch(void)
{
    xen_ulong_t idx[2] = {0, 1};
    xen_pfn_t gfn[2] = {0x400020, 0x400021};
    int errs[2] = {7, 7};
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 2};

    set_xen_guest_handle(b.idxs, idx);
    set_xen_guest_handle(b.gpfns, gfn);
    set_xen_guest_handle(b.errs, errs);
    b.u.foreign_domid = 77;
    ok(memory_op(XENMEM_add_to_physmap_batch, &b) <= 0, "a batch of foreign frames");
    is((u64)errs[0], ERR(XEN_ESRCH), "of a domain that is not: each entry says so");
    is((u64)errs[1], ERR(XEN_ESRCH), "the second, too");
    errs[0] = errs[1] = 7;
    b.u.foreign_domid = DOMID_SELF;
    ok(memory_op(XENMEM_add_to_physmap_batch, &b) < 0 || (errs[0] < 0 && errs[1] < 0), "one's own frames are not foreign");
}

void test(void)
{
    questions();
    balloon();
    hole();
    moved();
    batch();
}
