/* SPDX-License-Identifier: BSD-2-Clause */
/* grant_table_op as Dom0 calls it, and the entries domains write. */
#ifndef TORII_TESTS_GRANT_WORLD_H
#define TORII_TESTS_GRANT_WORLD_H

#include "xen_test.h"

#include <torii/alloc.h>

#include <xen/grant_table.h>

#define GRANT __HYPERVISOR_grant_table_op

/* The entry a domain writes: granted gfn, to whom. */
static inline struct grant_entry_v1 *entry(unsigned dom, grant_ref_t ref)
{
    gfn_t *place;
    mfn_t mfn;

    if (grant_frame(&world_dom[dom], ref / 512, &mfn, &place))
        return NULL;
    return (struct grant_entry_v1 *)mfn_to_virt(mfn) + ref % 512;
}

static inline void grant(unsigned dom, grant_ref_t ref, domid_t to, u32 gfn, u16 flags)
{
    *entry(dom, ref) = (struct grant_entry_v1){.flags = flags, .domid = to, .frame = gfn};
}

static inline struct gnttab_map_grant_ref map_op(domid_t dom, grant_ref_t ref, u64 gfn, u32 flags)
{
    return (struct gnttab_map_grant_ref){.host_addr = gfn << PAGE_SHIFT, .flags = flags, .ref = ref, .dom = dom};
}

static inline s16 map(domid_t dom, grant_ref_t ref, u64 gfn, u32 flags, u32 *handle)
{
    struct gnttab_map_grant_ref op = map_op(dom, ref, gfn, flags);

    world_put(0, ARG, op);
    assert_int_equal(hc(GRANT, GNTTABOP_map_grant_ref, ARG, 1), 0);
    world_get(0, ARG, op);
    if (handle)
        *handle = op.handle;
    return op.status;
}

static inline s16 unmap(u32 handle, u64 gfn)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = gfn << PAGE_SHIFT, .handle = handle, .status = 77};

    world_put(0, ARG, op);
    assert_int_equal(hc(GRANT, GNTTABOP_unmap_grant_ref, ARG, 1), 0);
    world_get(0, ARG, op);
    return op.status;
}

#endif
