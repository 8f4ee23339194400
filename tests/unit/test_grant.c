/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* grant_table_op: Dom0 maps what domain 1 grants, and its own. */
#include "grant_world.h"

/* --- mapping --- */

static void a_granted_page_appears_and_the_entry_is_marked(void **state)
{
    struct gnttab_map_grant_ref op = map_op(1, 9, HOLE_GFN, GNTMAP_host_map);

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    world_put(0, ARG, op);
    assert_int_equal(hc(GRANT, GNTTABOP_map_grant_ref, ARG, 1), 0);
    world_get(0, ARG, op);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(op.dev_bus_addr, (DOMU_FRAME + 40ul) << PAGE_SHIFT);
    assert_int_equal(world_type(0, HOLE_GFN), S2_GRANT);
    assert_int_equal(world_s2[0][HOLE_GFN].mfn, DOMU_FRAME + 40);
    assert_int_equal(world_s2[0][HOLE_GFN].access, S2_READ | S2_WRITE);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_true(guest_page_is_pinned(&world_dom[1], 40));
    assert_int_equal(world_rec.flushes, 0);
    assert_int_equal(unmap(op.handle, HOLE_GFN), GNTST_okay);
    assert_int_equal(world_type(0, HOLE_GFN), S2_NONE);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_false(guest_page_is_pinned(&world_dom[1], 40));
    assert_int_equal(grant_nr_maps(&world_dom[0]), 0);
}

static void a_read_only_mapping_marks_reading_only(void **state)
{
    u32 handle;

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access | GTF_readonly);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map | GNTMAP_readonly, &handle), GNTST_okay);
    assert_int_equal(world_type(0, HOLE_GFN), S2_GRANT_RO);
    assert_int_equal(world_s2[0][HOLE_GFN].access, S2_READ);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly);
}

static void marks_stay_until_the_last_use_of_their_kind_ends(void **state)
{
    u32 ro, rw;

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map | GNTMAP_readonly, &ro), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_int_equal(map(1, 9, HOLE_GFN + 1, GNTMAP_host_map, &rw), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(unmap(rw, HOLE_GFN + 1), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading);
    assert_true(guest_page_is_pinned(&world_dom[1], 40));
    assert_int_equal(unmap(ro, HOLE_GFN), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

static void a_domain_may_map_its_own_grant(void **state)
{
    u32 handle;

    (void)state;
    grant(0, 1, 0, 50, GTF_permit_access);
    assert_int_equal(map(DOMID_SELF, 1, HOLE_GFN, GNTMAP_host_map, &handle), GNTST_okay);
    assert_int_equal(world_s2[0][HOLE_GFN].mfn, 50);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_okay);
    assert_int_equal(world_type(0, 50), S2_RAM);
}

static void a_page_in_use_cannot_be_ballooned_away(void **state)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    const u64 gfn = 50;
    u32 handle;

    (void)state;
    grant(0, 1, 0, 50, GTF_permit_access);
    assert_int_equal(map(0, 1, HOLE_GFN, GNTMAP_host_map, &handle), GNTST_okay);
    world_put(0, BUF, gfn);
    r.extent_start.p = (void *)BUF;
    world_put(0, ARG, r);
    assert_int_equal(hc(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, ARG, 0), 0);
    assert_int_equal(world_type(0, 50), S2_RAM);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_okay);
}

static void flags_that_make_no_sense_for_pvh(void **state)
{
    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, 0, NULL), GNTST_bad_gntref);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_readonly, NULL), GNTST_bad_gntref);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map | GNTMAP_device_map, NULL), GNTST_general_error);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map | GNTMAP_contains_pte, NULL), GNTST_general_error);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map | GNTMAP_application_map, NULL), GNTST_general_error);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(grant_nr_maps(&world_dom[0]), 0);
}

static void grants_that_are_not_given_cannot_be_mapped(void **state)
{
    (void)state;
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    grant(1, 9, 7, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    grant(1, 9, 0, 40, GTF_accept_transfer);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    grant(1, 9, 0, 40, GTF_permit_access | GTF_sub_page);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    grant(1, 9, 0, 40, GTF_permit_access | GTF_PCD);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(map(1, 512, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_bad_gntref);
    assert_int_equal(map(1, UINT32_MAX, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_bad_gntref);
    assert_int_equal(map(8, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_bad_domain);
    assert_int_equal(world_type(0, HOLE_GFN), S2_NONE);
}

static void a_granted_frame_must_be_ram_of_the_granter(void **state)
{
    (void)state;
    grant(1, 9, 0, HOLE_GFN, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_bad_page);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    grant(0, 1, 0, MMIO_GFN, GTF_permit_access);
    assert_int_equal(map(0, 1, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_bad_page);
}

static void grants_are_mapped_into_holes_only(void **state)
{
    u32 handle;

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, 100, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(map(1, 9, MMIO_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(map(1, 9, 1ul << 50, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(world_type(0, 100), S2_RAM);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_false(guest_page_is_pinned(&world_dom[1], 40));
    assert_int_equal(map(1, 9, FIXUP_GFN, GNTMAP_host_map, &handle), GNTST_okay);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(map(1, 9, FIXUP_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(unmap(handle, FIXUP_GFN), GNTST_okay);
}

static void a_mapping_without_stage_2_memory_is_undone(void **state)
{
    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    world_s2_map_fails_after = 0;
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_general_error);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(grant_nr_maps(&world_dom[0]), 0);
}

static void handles_run_out_with_no_space(void **state)
{
    struct domain *d = &world_dom[0];

    (void)state;
    grant_domain_free(d);
    assert_int_equal(grant_domain_init(d, 1, 0), 0);
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_no_space);
    grant_domain_free(d);
    assert_int_equal(grant_domain_init(d, 1, 1), 0);
    fake_alloc_fail_after = 0;
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_no_space);
    fake_alloc_fail_after = -1;
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
}

/* --- unmapping --- */

static void handles_are_checked(void **state)
{
    u32 handle;

    (void)state;
    assert_int_equal(unmap(0, HOLE_GFN), GNTST_bad_handle);
    assert_int_equal(unmap(UINT32_MAX, HOLE_GFN), GNTST_bad_handle);
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, &handle), GNTST_okay);
    assert_int_equal(unmap(handle, HOLE_GFN + 1), GNTST_general_error);
    assert_int_equal(unmap(handle, 0), GNTST_okay); /* address 0: nothing is asked for */
    assert_int_equal(world_type(0, HOLE_GFN), S2_GRANT);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_okay);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_bad_handle);
}

static void a_handle_is_used_again(void **state)
{
    u32 first, second;

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, &first), GNTST_okay);
    assert_int_equal(unmap(first, HOLE_GFN), GNTST_okay);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, &second), GNTST_okay);
    assert_int_equal(first, second);
    assert_int_equal(unmap(second, HOLE_GFN), GNTST_okay);
}

static void a_mapping_the_guest_removed_otherwise_still_ends_the_grant(void **state)
{
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = HOLE_GFN};
    u32 handle, other;

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    grant(1, 10, 0, 41, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, &handle), GNTST_okay);
    world_put(0, ARG, r);
    assert_int_equal(hc(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, ARG, 0), 0);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_reading | GTF_writing);
    assert_int_equal(map(1, 10, HOLE_GFN, GNTMAP_host_map, &other), GNTST_okay);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_okay);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(world_s2[0][HOLE_GFN].mfn, DOMU_FRAME + 41); /* the other grant stays */
    assert_int_equal(unmap(other, HOLE_GFN), GNTST_okay);
}

static void unmap_and_replace_replaces_with_nothing_only(void **state)
{
    struct gnttab_unmap_and_replace op = {.host_addr = HOLE_GFN << PAGE_SHIFT, .new_addr = 0x1000};

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, &op.handle), GNTST_okay);
    world_put(0, ARG, op);
    assert_int_equal(hc(GRANT, GNTTABOP_unmap_and_replace, ARG, 1), 0);
    world_get(0, ARG, op);
    assert_int_equal(op.status, GNTST_general_error);
    op.new_addr = 0;
    world_put(0, ARG, op);
    assert_int_equal(hc(GRANT, GNTTABOP_unmap_and_replace, ARG, 1), 0);
    world_get(0, ARG, op);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(world_type(0, HOLE_GFN), S2_NONE);
}

/* --- batches --- */

static void many_maps_and_unmaps_take_several_exits_and_few_flushes(void **state)
{
    struct vcpu *v = &world_vcpu[0][0];
    const unsigned n = 100;
    unsigned exits = 1;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        struct gnttab_map_grant_ref op = map_op(1, 8 + i % 20, HOLE_GFN + i, GNTMAP_host_map);

        grant(1, 8 + i % 20, 0, 30 + i % 20, GTF_permit_access | (entry(1, 8 + i % 20)->flags & 0x18));
        world_put(0, BUF + i * sizeof(op), op);
    }
    v->regs = (struct guest_regs){.rax = GRANT, .rdi = GNTTABOP_map_grant_ref, .rsi = BUF, .rdx = n};
    while (hypercall(v, true, 0))
        exits++;
    assert_int_equal(v->regs.rax, 0);
    assert_int_equal(exits, 2);
    assert_int_equal(grant_nr_maps(&world_dom[0]), n);
    for (unsigned i = 0; i < n; i++) {
        struct gnttab_unmap_grant_ref op = {.host_addr = (HOLE_GFN + i) << PAGE_SHIFT, .status = 77};
        struct gnttab_map_grant_ref m;

        world_get(0, BUF + i * sizeof(m), m);
        assert_int_equal(m.status, GNTST_okay);
        op.handle = m.handle;
        world_put(0, ARG + i * sizeof(op), op);
    }
    world_rec.flushes = 0;
    assert_int_equal(hc(GRANT, GNTTABOP_unmap_grant_ref, ARG, n), 0);
    assert_int_equal(world_rec.flushes, 4);
    assert_int_equal(grant_nr_maps(&world_dom[0]), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(entry(1, 8 + i)->flags, GTF_permit_access);
}

static void no_elements_is_success_and_unreachable_arrays_fault(void **state)
{
    static const unsigned ops[] = {GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref,   GNTTABOP_copy,
                                   GNTTABOP_transfer,      GNTTABOP_unmap_and_replace, GNTTABOP_swap_grant_ref,
                                   GNTTABOP_cache_flush};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
        assert_int_equal(hc(GRANT, ops[i], NOWHERE, 0), 0);
        assert_int_equal(hc(GRANT, ops[i], NOWHERE, 1), -XEN_EFAULT);
        assert_int_equal(hc(GRANT, ops[i], ARG, 0x80000000ul), -XEN_EINVAL);
    }
    assert_int_equal(hc(GRANT, GNTTABOP_dump_table, ARG, 1), -XEN_ENOSYS);
    assert_int_equal(hc(GRANT, 13, ARG, 1), -XEN_ENOSYS);
}

static void a_fault_in_the_middle_keeps_what_was_done(void **state)
{
    struct gnttab_map_grant_ref op = map_op(1, 9, HOLE_GFN, GNTMAP_host_map);
    const u64 at = DOM0_PAGES * PAGE_SIZE - sizeof(op);

    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    world_put(0, at, op);
    assert_int_equal(hc(GRANT, GNTTABOP_map_grant_ref, at, 2), -XEN_EFAULT);
    world_get(0, at, op);
    assert_int_equal(op.status, GNTST_okay);
    assert_int_equal(unmap(op.handle, HOLE_GFN), GNTST_okay);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_granted_page_appears_and_the_entry_is_marked),
        T(a_read_only_mapping_marks_reading_only),
        T(marks_stay_until_the_last_use_of_their_kind_ends),
        T(a_domain_may_map_its_own_grant),
        T(a_page_in_use_cannot_be_ballooned_away),
        T(flags_that_make_no_sense_for_pvh),
        T(grants_that_are_not_given_cannot_be_mapped),
        T(a_granted_frame_must_be_ram_of_the_granter),
        T(grants_are_mapped_into_holes_only),
        T(a_mapping_without_stage_2_memory_is_undone),
        T(handles_run_out_with_no_space),
        T(handles_are_checked),
        T(a_handle_is_used_again),
        T(a_mapping_the_guest_removed_otherwise_still_ends_the_grant),
        T(unmap_and_replace_replaces_with_nothing_only),
        T(many_maps_and_unmaps_take_several_exits_and_few_flushes),
        T(no_elements_is_success_and_unreachable_arrays_fault),
        T(a_fault_in_the_middle_keeps_what_was_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
