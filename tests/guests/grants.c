/* SPDX-License-Identifier: BSD-2-Clause */
/* run: only=torii,xen */
/* Grants a domain makes to itself: map, unmap, copy, versions (public/grant_table.h). */
#include "hyper.h"

#define FRAME 0x400010ull /* where the table is put, and behind it what is mapped */
#define REF   100u

static volatile struct grant_entry_v1 *const table = (void *)(FRAME * PAGE_SIZE);
static u8 page[PAGE_SIZE] PAGE_ALIGNED, other[PAGE_SIZE] PAGE_ALIGNED;

static void grant(u32 ref, void *p, u16 flags)
{
    table[ref].domid = 0;
    table[ref].frame = (u64)p / PAGE_SIZE;
    __atomic_store_n(&table[ref].flags, flags, __ATOMIC_SEQ_CST);
}

static struct gnttab_map_grant_ref map(u32 ref, u64 gfn, u32 flags)
{
    struct gnttab_map_grant_ref m = {.host_addr = gfn * PAGE_SIZE, .flags = flags, .ref = ref, .dom = 0};

    if (grant_op(GNTTABOP_map_grant_ref, &m, 1))
        m.status = -99;
    return m;
}

static s64 unmap(u64 gfn, u32 handle)
{
    struct gnttab_unmap_grant_ref u = {.host_addr = gfn * PAGE_SIZE, .handle = handle};

    return grant_op(GNTTABOP_unmap_grant_ref, &u, 1) ? -99 : u.status;
}

static void mapping(void)
{
    struct gnttab_map_grant_ref m;
    u64 at = FRAME + 16;

    grant(REF, page, GTF_permit_access);
    m = map(REF, at, GNTMAP_host_map);
    is(m.status, GNTST_okay, "map a grant of one's own");
    *(volatile u32 *)(at * PAGE_SIZE) = 0x1234;
    is(*(volatile u32 *)page, 0x1234, "it is the page");
    is(table[REF].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing, "the entry says it is in use");
    is(unmap(at + 1, m.handle), ERR(-GNTST_general_error), "unmap of another address");
    is(unmap(at, m.handle), GNTST_okay, "unmap");
    is(table[REF].flags & (GTF_reading | GTF_writing), 0, "and the entry is free");
    ok(unmap(at, m.handle) < 0, "unmap again");
    ok(unmap(at, 0xfffff) < 0, "unmap of a handle that is not");
    m = map(REF, at, GNTMAP_host_map | GNTMAP_readonly);
    is(m.status, GNTST_okay, "map it read-only");
    is(table[REF].flags & (GTF_reading | GTF_writing), GTF_reading, "the entry says it is read");
    unmap(at, m.handle);
    grant(REF, page, GTF_permit_access | GTF_readonly);
    is((u64)(s64)map(REF, at, GNTMAP_host_map).status, ERR(-GNTST_general_error), "a read-only grant is not mapped writable");
    table[REF].flags = 0;
    ok(map(REF, at, GNTMAP_host_map).status < 0, "a reference that grants nothing");
    ok(map(1u << 30, at, GNTMAP_host_map).status < 0, "a reference that is not");
    grant(REF, page, GTF_permit_access);
    table[REF].domid = 77;
    ok(map(REF, at, GNTMAP_host_map).status < 0, "a grant to another");
    {
        struct gnttab_map_grant_ref nobody = {.host_addr = at * PAGE_SIZE, .flags = GNTMAP_host_map, .dom = 77};

        grant_op(GNTTABOP_map_grant_ref, &nobody, 1);
        is((u64)(s64)nobody.status, ERR(-GNTST_bad_domain), "a domain that is not");
    }
}

static s64 copy(u64 from, u16 from_flag, u64 to, u16 to_flag, u16 from_off, u16 to_off, u16 bytes)
{
    struct gnttab_copy c = {.len = bytes, .flags = from_flag | to_flag};

    c.source.domid = c.dest.domid = DOMID_SELF;
    c.source.offset = from_off, c.dest.offset = to_off;
    if (from_flag)
        c.source.u.ref = from;
    else
        c.source.u.gmfn = from;
    if (to_flag)
        c.dest.u.ref = to;
    else
        c.dest.u.gmfn = to;
    return grant_op(GNTTABOP_copy, &c, 1) ? -99 : c.status;
}

static void copying(void)
{
    u64 a = (u64)page / PAGE_SIZE, b = (u64)other / PAGE_SIZE;

    for (unsigned i = 0; i < PAGE_SIZE; i++)
        page[i] = i * 7;
    grant(REF, page, GTF_permit_access);
    grant(REF + 1, other, GTF_permit_access);
    is(copy(a, 0, b, 0, 0, 0, PAGE_SIZE), GNTST_okay, "copy frame to frame");
    ok(!memcmp(page, other, PAGE_SIZE), "brings the page");
    memset(other, 0, PAGE_SIZE);
    is(copy(REF, GNTCOPY_source_gref, REF + 1, GNTCOPY_dest_gref, 16, 32, 100), GNTST_okay, "copy grant to grant");
    ok(!memcmp(page + 16, other + 32, 100) && !other[31] && !other[132], "brings just that");
    ok(copy(REF, GNTCOPY_source_gref, b, 0, 4000, 0, 100) < 0, "a copy that crosses its page");
    grant(REF + 1, other, GTF_permit_access | GTF_readonly);
    ok(copy(a, 0, REF + 1, GNTCOPY_dest_gref, 0, 0, 16) < 0, "a copy to a read-only grant");
    is(table[REF].flags, GTF_permit_access, "afterwards nothing is in use");
}

void test(void)
{
    struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .gpfn = FRAME};
    struct gnttab_get_version v = {.dom = DOMID_SELF};

    if (memory_op(XENMEM_add_to_physmap, &x))
        bail("no grant table");
    is(grant_op(GNTTABOP_get_version, &v, 1), 0, "get_version");
    is(v.version, 1, "is 1 at the start");
    mapping();
    copying();
}
