/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* memory_op: add_to_physmap and its batch, remove_from_physmap, acquire_resource. */
#include "xen_test.h"

#include <torii/alloc.h>

#include <xen/memory.h>

#define MEM __HYPERVISOR_memory_op

/* --- add_to_physmap --- */

static long add(unsigned space, u64 idx, u64 gfn)
{
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn};

    world_put(0, ARG, a);
    return hc(MEM, XENMEM_add_to_physmap, ARG, 0);
}

static void shared_info_takes_the_place_of_ram(void **state)
{
    (void)state;
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, 17), 0);
    assert_int_equal(world_type(0, 17), S2_XEN);
    assert_ptr_equal(world_mem(0, 17 * PAGE_SIZE), world_dom[0].shared_info);
    assert_true(world_frame_free[17]);
    assert_int_equal(world_dom[0].nr_pages, DOM0_PAGES - 1);
    assert_int_equal(world_rec.flushes, 1);
}

static void shared_info_is_in_one_place_only(void **state)
{
    (void)state;
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, 17), 0);
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, HOLE_GFN), 0);
    assert_int_equal(world_type(0, 17), S2_NONE);
    assert_int_equal(world_type(0, HOLE_GFN), S2_XEN);
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, HOLE_GFN), 0);
    assert_int_equal(world_type(0, HOLE_GFN), S2_XEN);
    assert_int_equal(world_dom[0].shared_info_gfn, HOLE_GFN);
}

static void shared_info_has_one_page_and_does_not_cover_devices(void **state)
{
    (void)state;
    assert_int_equal(add(XENMAPSPACE_shared_info, 1, 17), -XEN_EINVAL);
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, MMIO_GFN), -XEN_EPERM);
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, 1ul << 41), -XEN_EINVAL);
    assert_int_equal(world_type(0, 17), S2_RAM);
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, FIXUP_GFN), 0);
    assert_int_equal(world_type(0, FIXUP_GFN), S2_XEN);
    assert_int_equal(world_rec.flushes, 1);
}

static void a_pinned_page_cannot_be_covered(void **state)
{
    void *page = guest_page_get(&world_dom[0], 17);

    (void)state;
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, 17), -XEN_EBUSY);
    assert_int_equal(world_type(0, 17), S2_RAM);
    guest_page_put(&world_dom[0], page);
}

static void mapping_a_high_grant_frame_grows_the_table(void **state)
{
    (void)state;
    assert_int_equal(add(XENMAPSPACE_grant_table, 3, HOLE_GFN), 0);
    assert_int_equal(grant_nr_frames(&world_dom[0]), 4);
    assert_int_equal(world_type(0, HOLE_GFN), S2_XEN);
    assert_int_equal(add(XENMAPSPACE_grant_table, 63, HOLE_GFN + 1), 0);
    assert_int_equal(add(XENMAPSPACE_grant_table, 64, HOLE_GFN + 2), -XEN_EINVAL);
    assert_int_equal(add(XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, HOLE_GFN + 2), -XEN_EINVAL);
    assert_int_equal(add(XENMAPSPACE_grant_table, 0, HOLE_GFN), 0);
    assert_int_equal(add(XENMAPSPACE_grant_table, 3, HOLE_GFN + 3), 0);
    assert_int_equal(world_type(0, HOLE_GFN), S2_XEN);
    assert_int_equal(world_type(0, HOLE_GFN + 3), S2_XEN);
}

static void other_spaces_and_bad_pointers(void **state)
{
    struct xen_add_to_physmap a = {.domid = 0, .gpfn = 17};

    (void)state;
    assert_int_equal(add(XENMAPSPACE_gmfn, 5, 17), -XEN_EOPNOTSUPP);
    assert_int_equal(add(XENMAPSPACE_gmfn_foreign, 5, 17), -XEN_ENOSYS);
    assert_int_equal(add(XENMAPSPACE_dev_mmio, 5, 17), -XEN_EINVAL);
    assert_int_equal(add(1000, 5, 17), -XEN_EINVAL);
    assert_int_equal(hc(MEM, XENMEM_add_to_physmap, NOWHERE, 0), -XEN_EFAULT);
    world_put(1, ARG, a);
    assert_int_equal(hc_domu(MEM, XENMEM_add_to_physmap, ARG, 0), -XEN_EPERM);
    a.domid = 88;
    world_put(0, ARG, a);
    assert_int_equal(hc(MEM, XENMEM_add_to_physmap, ARG, 0), -XEN_ESRCH);
}

static void a_32_bit_caller_maps_shared_info(void **state)
{
    struct compat_add_to_physmap a = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 17};

    (void)state;
    world_put(0, ARG, a);
    assert_int_equal(hc32(MEM, XENMEM_add_to_physmap, ARG, 0), 0);
    assert_int_equal(world_type(0, 17), S2_XEN);
}

/* --- the batch --- */

static long batch(unsigned space, u16 extra, unsigned nr)
{
    struct xen_add_to_physmap_batch b = {
        .domid = DOMID_SELF, .space = (u16)space, .size = (u16)nr, .u.foreign_domid = extra};

    b.idxs.p = (void *)BUF;
    b.gpfns.p = (void *)(BUF + PAGE_SIZE);
    b.errs.p = (void *)(BUF + 2 * PAGE_SIZE);
    world_put(0, ARG, b);
    return hc(MEM, XENMEM_add_to_physmap_batch, ARG, 0);
}

static void put_batch(unsigned i, u64 idx, u64 gfn)
{
    world_put(0, BUF + i * 8, idx);
    world_put(0, BUF + PAGE_SIZE + i * 8, gfn);
}

static s32 batch_err(unsigned i)
{
    s32 err;

    world_get(0, BUF + 2 * PAGE_SIZE + i * 4, err);
    return err;
}

static void a_batch_succeeds_with_an_error_for_each_entry(void **state)
{
    (void)state;
    put_batch(0, 0, 100);
    put_batch(1, 64, 101);
    put_batch(2, 1, MMIO_GFN);
    put_batch(3, 2, 102);
    assert_int_equal(batch(XENMAPSPACE_grant_table, 0, 4), 0);
    assert_int_equal(batch_err(0), 0);
    assert_int_equal(batch_err(1), -XEN_EINVAL);
    assert_int_equal(batch_err(2), -XEN_EPERM);
    assert_int_equal(batch_err(3), 0);
    assert_int_equal(world_type(0, 100), S2_XEN);
    assert_int_equal(world_type(0, 101), S2_RAM);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(world_rec.released, 2);
}

static void foreign_pages_of_no_domain_are_esrch_each(void **state)
{
    (void)state;
    put_batch(0, 5, HOLE_GFN);
    put_batch(1, 6, HOLE_GFN + 1);
    assert_int_equal(batch(XENMAPSPACE_gmfn_foreign, 77, 2), 0);
    assert_int_equal(batch_err(0), -XEN_ESRCH);
    assert_int_equal(batch_err(1), -XEN_ESRCH);
    assert_int_equal(batch(XENMAPSPACE_gmfn_foreign, 0, 1), 0);
    assert_int_equal(batch_err(0), -XEN_EINVAL);
    assert_int_equal(world_type(0, HOLE_GFN), S2_NONE);
}

static void a_long_batch_is_done_in_several_exits(void **state)
{
    struct vcpu *v = &world_vcpu[0][0];
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign, .size = 200};
    unsigned exits = 1;

    (void)state;
    b.idxs.p = (void *)BUF;
    b.gpfns.p = (void *)(BUF + PAGE_SIZE);
    b.errs.p = (void *)(BUF + 2 * PAGE_SIZE);
    b.u.foreign_domid = 77;
    world_put(0, ARG, b);
    v->regs = (struct guest_regs){.rax = MEM, .rdi = XENMEM_add_to_physmap_batch, .rsi = ARG};
    while (hypercall(v, true, 0))
        exits++;
    assert_in_range(exits, 2, 10);
    assert_int_equal(v->regs.rax, 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(batch_err(i), -XEN_ESRCH);
}

static void batch_errors(void **state)
{
    struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .size = 1};

    (void)state;
    assert_int_equal(batch(XENMAPSPACE_grant_table, 1, 1), -XEN_EINVAL);
    assert_int_equal(batch(XENMAPSPACE_gmfn_range, 0, 1), -XEN_ENOSYS);
    assert_int_equal(batch(XENMAPSPACE_grant_table, 0, 0), 0);
    assert_int_equal(hc(MEM, XENMEM_add_to_physmap_batch, NOWHERE, 0), -XEN_EFAULT);
    b.idxs.p = (void *)NOWHERE;
    world_put(0, ARG, b);
    assert_int_equal(hc(MEM, XENMEM_add_to_physmap_batch, ARG, 0), -XEN_EFAULT);
}

static void a_32_bit_batch(void **state)
{
    struct compat_add_to_physmap_batch b = {.domid = DOMID_SELF,
                                            .space = XENMAPSPACE_grant_table,
                                            .size = 2,
                                            .idxs = BUF,
                                            .gpfns = BUF + 64,
                                            .errs = BUF + 128};
    const u32 idx[] = {0, 99}, gfn[] = {HOLE_GFN, HOLE_GFN + 1};
    s32 err[2] = {55, 55};

    (void)state;
    world_put(0, BUF, idx);
    world_put(0, BUF + 64, gfn);
    world_put(0, ARG, b);
    assert_int_equal(hc32(MEM, XENMEM_add_to_physmap_batch, ARG, 0), 0);
    world_get(0, BUF + 128, err);
    assert_int_equal(err[0], 0);
    assert_int_equal(err[1], -XEN_EINVAL);
    assert_int_equal(world_type(0, HOLE_GFN), S2_XEN);
}

/* --- remove_from_physmap --- */

static long removal(u64 gfn)
{
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = gfn};

    world_put(0, ARG, r);
    return hc(MEM, XENMEM_remove_from_physmap, ARG, 0);
}

static void what_the_guest_mapped_it_can_remove(void **state)
{
    (void)state;
    assert_int_equal(add(XENMAPSPACE_shared_info, 0, HOLE_GFN), 0);
    assert_int_equal(removal(HOLE_GFN), 0);
    assert_int_equal(world_type(0, HOLE_GFN), S2_NONE);
    assert_int_equal(world_dom[0].shared_info_gfn, INVALID_GFN);
    assert_int_equal(removal(HOLE_GFN), -XEN_ENOENT);
    assert_int_equal(removal(100), 0);
    assert_true(world_frame_free[100]);
    assert_int_equal(removal(MMIO_GFN), -XEN_ENOENT);
    assert_int_equal(removal(UINT64_MAX), -XEN_ENOENT);
    assert_int_equal(hc(MEM, XENMEM_remove_from_physmap, NOWHERE, 0), -XEN_EFAULT);
}

/* --- acquire_resource: domain 1 administers Dom0 here --- */

static long acquire(struct xen_mem_acquire_resource *r)
{
    long rc;

    world_put(1, ARG, *r);
    rc = hc_domu(MEM, XENMEM_acquire_resource, ARG, 0);
    world_get(1, ARG, *r);
    return rc;
}

static void a_null_list_asks_for_the_size(void **state)
{
    struct xen_mem_acquire_resource r = {.domid = 0, .type = XENMEM_resource_grant_table};

    (void)state;
    world_dom[1].privileged = true;
    assert_int_equal(acquire(&r), 0);
    assert_int_equal(r.nr_frames, 64);
    r.nr_frames = 0;
    r.id = XENMEM_resource_grant_table_id_status;
    assert_int_equal(acquire(&r), 0);
    assert_int_equal(r.nr_frames, 8);
}

static void grant_frames_are_mapped_at_the_callers_gfns(void **state)
{
    struct xen_mem_acquire_resource r = {.domid = 0, .type = XENMEM_resource_grant_table, .nr_frames = 2, .frame = 1};
    const u64 gfns[] = {HOLE_GFN, HOLE_GFN + 5};
    gfn_t *place;
    mfn_t mfn;

    (void)state;
    world_dom[1].privileged = true;
    world_put(1, BUF, gfns);
    r.frame_list.p = (void *)BUF;
    assert_int_equal(acquire(&r), 0);
    assert_int_equal(grant_nr_frames(&world_dom[0]), 3);
    assert_int_equal(grant_frame(&world_dom[0], 2, &mfn, &place), 0);
    assert_int_equal(world_type(1, HOLE_GFN + 5), S2_FOREIGN);
    assert_int_equal(world_s2[1][HOLE_GFN + 5].mfn, mfn);
    assert_int_equal(*place, INVALID_GFN);
}

static void acquire_resource_errors(void **state)
{
    struct xen_mem_acquire_resource r = {.domid = 0, .type = XENMEM_resource_grant_table};

    (void)state;
    assert_int_equal(acquire(&r), -XEN_EPERM);
    world_dom[1].privileged = true;
    r.pad = 1;
    assert_int_equal(acquire(&r), -XEN_EINVAL);
    r.pad = 0;
    r.domid = 1;
    assert_int_equal(acquire(&r), -XEN_EPERM);
    r.domid = 9;
    assert_int_equal(acquire(&r), -XEN_ESRCH);
    r.domid = 0;
    r.type = XENMEM_resource_vmtrace_buf;
    assert_int_equal(acquire(&r), -XEN_EOPNOTSUPP);
    r.type = XENMEM_resource_grant_table;
    r.id = 2;
    assert_int_equal(acquire(&r), -XEN_EINVAL);
    r.id = 0;
    r.nr_frames = 1;
    assert_int_equal(acquire(&r), -XEN_EINVAL);
    r.frame_list.p = (void *)BUF;
    r.frame = 64;
    assert_int_equal(acquire(&r), -XEN_EINVAL);
    r.frame = UINT64_MAX;
    assert_int_equal(acquire(&r), -XEN_EINVAL);
    r.frame = 0;
    r.frame_list.p = (void *)NOWHERE;
    assert_int_equal(acquire(&r), -XEN_EFAULT);
    assert_int_equal(hc(MEM, XENMEM_acquire_resource, NOWHERE, 0), -XEN_EFAULT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(shared_info_takes_the_place_of_ram),
        T(shared_info_is_in_one_place_only),
        T(shared_info_has_one_page_and_does_not_cover_devices),
        T(a_pinned_page_cannot_be_covered),
        T(mapping_a_high_grant_frame_grows_the_table),
        T(other_spaces_and_bad_pointers),
        T(a_32_bit_caller_maps_shared_info),
        T(a_batch_succeeds_with_an_error_for_each_entry),
        T(foreign_pages_of_no_domain_are_esrch_each),
        T(a_long_batch_is_done_in_several_exits),
        T(batch_errors),
        T(a_32_bit_batch),
        T(what_the_guest_mapped_it_can_remove),
        T(a_null_list_asks_for_the_size),
        T(grant_frames_are_mapped_at_the_callers_gfns),
        T(acquire_resource_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
