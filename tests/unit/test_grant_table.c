/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* grant_table_op: copies, the table itself, reset. */
#include "grant_world.h"

/* --- copy --- */

static s16 copy(u16 flags, domid_t sdom, u64 src, u16 soff, domid_t ddom, u64 dst, u16 doff, u16 len)
{
    struct gnttab_copy op = {.len = len, .flags = flags, .status = 77};

    op.source.domid = sdom;
    op.source.offset = soff;
    op.source.u.gmfn = src;
    op.dest.domid = ddom;
    op.dest.offset = doff;
    op.dest.u.gmfn = dst;
    world_put(0, ARG, op);
    assert_int_equal(hc(GRANT, GNTTABOP_copy, ARG, 1), 0);
    world_get(0, ARG, op);
    return op.status;
}

static void copying_from_and_to_grants(void **state)
{
    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access | GTF_readonly);
    grant(1, 10, 0, 41, GTF_permit_access);
    strcpy(world_mem(1, 40 * PAGE_SIZE + 100), "packet");
    assert_int_equal(copy(GNTCOPY_source_gref, 1, 9, 100, DOMID_SELF, 50, 7, 7), GNTST_okay);
    assert_string_equal(world_mem(0, 50 * PAGE_SIZE + 7), "packet");
    assert_int_equal(copy(GNTCOPY_dest_gref, DOMID_SELF, 50, 7, 1, 10, 4089, 7), GNTST_okay);
    assert_memory_equal(world_mem(1, 41 * PAGE_SIZE + 4089), "packet", 7);
    assert_int_equal(copy(GNTCOPY_source_gref | GNTCOPY_dest_gref, 1, 9, 100, 1, 10, 0, 7), GNTST_okay);
    assert_string_equal(world_mem(1, 41 * PAGE_SIZE), "packet");
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly);
    assert_int_equal(entry(1, 10)->flags, GTF_permit_access);
    assert_false(guest_page_is_pinned(&world_dom[1], 40));
}

static void copies_that_are_refused(void **state)
{
    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access | GTF_readonly);
    assert_int_equal(copy(GNTCOPY_dest_gref, DOMID_SELF, 50, 0, 1, 9, 0, 8), GNTST_general_error);
    assert_int_equal(copy(GNTCOPY_source_gref, 1, 9, 4090, DOMID_SELF, 50, 0, 7), GNTST_bad_copy_arg);
    assert_int_equal(copy(0, DOMID_SELF, 50, 0, DOMID_SELF, 51, 4096, 1), GNTST_bad_copy_arg);
    assert_int_equal(copy(0, DOMID_SELF, 50, 0xffff, DOMID_SELF, 51, 0, 0xffff), GNTST_bad_copy_arg);
    assert_int_equal(copy(0, 1, 40, 0, DOMID_SELF, 50, 0, 8), GNTST_permission_denied);
    assert_int_equal(copy(0, DOMID_SELF, 50, 0, 1, 40, 0, 8), GNTST_permission_denied);
    assert_int_equal(copy(0, DOMID_SELF, HOLE_GFN, 0, DOMID_SELF, 50, 0, 8), GNTST_bad_page);
    assert_int_equal(copy(0, DOMID_SELF, 50, 0, DOMID_SELF, UINT64_MAX, 0, 8), GNTST_bad_page);
    assert_int_equal(copy(0, DOMID_SELF, 50, 0, DOMID_SELF, MMIO_GFN, 0, 8), GNTST_bad_page);
    assert_int_equal(copy(GNTCOPY_source_gref, 5, 9, 0, DOMID_SELF, 50, 0, 8), GNTST_bad_domain);
    assert_int_equal(copy(GNTCOPY_source_gref, 1, 600, 0, DOMID_SELF, 50, 0, 8), GNTST_bad_gntref);
    assert_int_equal(copy(4, DOMID_SELF, 50, 0, DOMID_SELF, 51, 0, 8), GNTST_general_error);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access | GTF_readonly);
}

static void overlapping_copies_within_a_page_work(void **state)
{
    (void)state;
    strcpy(world_mem(0, 50 * PAGE_SIZE), "abcdefgh");
    assert_int_equal(copy(0, DOMID_SELF, 50, 0, DOMID_SELF, 50, 2, 9), GNTST_okay);
    assert_string_equal(world_mem(0, 50 * PAGE_SIZE), "ababcdefgh");
}

static void a_32_bit_copy_has_24_byte_elements(void **state)
{
    struct compat_gnttab_copy op[2] = {
        {.source = {50, DOMID_SELF, 0}, .dest = {51, DOMID_SELF, 0}, .len = 4, .status = 77},
        {.source = {50, DOMID_SELF, 0}, .dest = {51, DOMID_SELF, 8}, .len = 4, .status = 77}};

    (void)state;
    strcpy(world_mem(0, 50 * PAGE_SIZE), "xyz");
    world_put(0, ARG, op);
    assert_int_equal(hc32(GRANT, GNTTABOP_copy, ARG, 2), 0);
    world_get(0, ARG, op);
    assert_int_equal(op[0].status, GNTST_okay);
    assert_int_equal(op[1].status, GNTST_okay);
    assert_string_equal(world_mem(0, 51 * PAGE_SIZE + 8), "xyz");
}

/* --- the table --- */

static void sizes_and_versions(void **state)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF};
    struct gnttab_set_version s = {.version = 2};
    struct gnttab_get_version g = {.dom = DOMID_SELF};

    (void)state;
    world_put(0, ARG, q);
    assert_int_equal(hc(GRANT, GNTTABOP_query_size, ARG, 1), 0);
    world_get(0, ARG, q);
    assert_int_equal(q.status, GNTST_okay);
    assert_int_equal(q.nr_frames, 1);
    assert_int_equal(q.max_nr_frames, 64);
    assert_int_equal(hc(GRANT, GNTTABOP_query_size, ARG, 2), -XEN_EINVAL);
    q.dom = 0;
    world_put(1, ARG, q);
    assert_int_equal(hc_domu(GRANT, GNTTABOP_query_size, ARG, 1), 0);
    world_get(1, ARG, q);
    assert_int_equal(q.status, GNTST_permission_denied);
    q.dom = 70;
    world_put(0, ARG, q);
    assert_int_equal(hc(GRANT, GNTTABOP_query_size, ARG, 1), 0);
    world_get(0, ARG, q);
    assert_int_equal(q.status, GNTST_bad_domain);

    world_put(0, ARG, s);
    assert_int_equal(hc(GRANT, GNTTABOP_set_version, ARG, 1), -XEN_ENOSYS);
    world_get(0, ARG, s);
    assert_int_equal(s.version, 1);
    assert_int_equal(hc(GRANT, GNTTABOP_set_version, ARG, 1), 0);
    s.version = 3;
    world_put(0, ARG, s);
    assert_int_equal(hc(GRANT, GNTTABOP_set_version, ARG, 1), -XEN_EINVAL);
    world_put(0, ARG, g);
    assert_int_equal(hc(GRANT, GNTTABOP_get_version, ARG, 1), 0);
    world_get(0, ARG, g);
    assert_int_equal(g.version, 1);
    g.dom = 70;
    world_put(0, ARG, g);
    assert_int_equal(hc(GRANT, GNTTABOP_get_version, ARG, 1), -XEN_ESRCH);
}

static void setup_table_tells_where_the_frames_are(void **state)
{
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 2, .status = 77};
    struct compat_gnttab_setup_table n = {.dom = DOMID_SELF, .nr_frames = 1, .status = 77, .frame_list = BUF + 64};
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = 0, .gpfn = HOLE_GFN};
    u64 gfn[2];

    (void)state;
    world_put(0, ARG, a);
    assert_int_equal(hc(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, ARG, 0), 0);
    s.frame_list.p = (void *)BUF;
    world_put(0, ARG, s);
    assert_int_equal(hc(GRANT, GNTTABOP_setup_table, ARG, 1), 0);
    world_get(0, ARG, s);
    world_get(0, BUF, gfn);
    assert_int_equal(s.status, GNTST_okay);
    assert_int_equal(gfn[0], HOLE_GFN);
    assert_int_equal(gfn[1], INVALID_GFN);
    assert_int_equal(grant_nr_frames(&world_dom[0]), 2);
    world_put(0, ARG, n);
    assert_int_equal(hc32(GRANT, GNTTABOP_setup_table, ARG, 1), 0);
    world_get(0, ARG, n);
    assert_int_equal(n.status, GNTST_okay);
    assert_int_equal(*(u32 *)world_mem(0, BUF + 64), HOLE_GFN);
}

static void setup_table_errors(void **state)
{
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 65};

    (void)state;
    world_put(0, ARG, s);
    assert_int_equal(hc(GRANT, GNTTABOP_setup_table, ARG, 2), -XEN_EINVAL);
    assert_int_equal(hc(GRANT, GNTTABOP_setup_table, NOWHERE, 1), -XEN_EFAULT);
    assert_int_equal(hc(GRANT, GNTTABOP_setup_table, ARG, 1), 0);
    world_get(0, ARG, s);
    assert_int_equal(s.status, GNTST_general_error);
    s.nr_frames = 1;
    s.frame_list.p = (void *)NOWHERE;
    world_put(0, ARG, s);
    assert_int_equal(hc(GRANT, GNTTABOP_setup_table, ARG, 1), 0);
    world_get(0, ARG, s);
    assert_int_equal(s.status, GNTST_bad_virt_addr);
}

static void status_frames_and_transfers_do_not_exist_for_version_1(void **state)
{
    struct gnttab_get_status_frames g = {.nr_frames = 1, .dom = DOMID_SELF};
    struct gnttab_transfer t[2] = {{.mfn = 50, .status = 77}, {.mfn = 51, .status = 77}};

    (void)state;
    world_put(0, ARG, g);
    assert_int_equal(hc(GRANT, GNTTABOP_get_status_frames, ARG, 1), 0);
    world_get(0, ARG, g);
    assert_int_equal(g.status, GNTST_general_error);
    world_put(0, ARG, t);
    assert_int_equal(hc(GRANT, GNTTABOP_transfer, ARG, 2), 0);
    world_get(0, ARG, t);
    assert_int_equal(t[0].status, GNTST_bad_page);
    assert_int_equal(t[1].status, GNTST_bad_page);
    assert_int_equal(world_type(0, 50), S2_RAM);
}

static s16 swap(u32 a, u32 b)
{
    struct gnttab_swap_grant_ref s = {.ref_a = a, .ref_b = b};

    world_put(0, ARG, s);
    assert_int_equal(hc(GRANT, GNTTABOP_swap_grant_ref, ARG, 1), 0);
    world_get(0, ARG, s);
    return s.status;
}

static void entries_not_in_use_can_be_swapped(void **state)
{
    u32 handle;

    (void)state;
    grant(0, 9, 0, 50, GTF_permit_access);
    assert_int_equal(swap(9, 10), GNTST_okay);
    assert_int_equal(entry(0, 10)->frame, 50);
    assert_int_equal(entry(0, 9)->flags, 0);
    assert_int_equal(swap(9, 512), GNTST_bad_gntref);
    assert_int_equal(map(0, 10, HOLE_GFN, GNTMAP_host_map, &handle), GNTST_okay);
    assert_int_equal(swap(9, 10), GNTST_eagain);
    assert_int_equal(unmap(handle, HOLE_GFN), GNTST_okay);
}

static void cache_flushes_have_nothing_to_do(void **state)
{
    struct gnttab_cache_flush f = {.length = 64, .op = GNTTAB_CACHE_CLEAN};

    (void)state;
    world_put(0, ARG, f);
    assert_int_equal(hc(GRANT, GNTTABOP_cache_flush, ARG, 1), 0);
    f.offset = 4090;
    world_put(0, ARG, f);
    assert_int_equal(hc(GRANT, GNTTABOP_cache_flush, ARG, 1), -XEN_EINVAL);
    f.op = GNTTAB_CACHE_SOURCE_GREF;
    world_put(0, ARG, f);
    assert_int_equal(hc(GRANT, GNTTABOP_cache_flush, ARG, 1), -XEN_EOPNOTSUPP);
}

static void a_reset_drops_all_mappings_and_clears_the_table(void **state)
{
    (void)state;
    grant(1, 9, 0, 40, GTF_permit_access);
    grant(0, 9, 1, 50, GTF_permit_access);
    assert_int_equal(map(1, 9, HOLE_GFN, GNTMAP_host_map, NULL), GNTST_okay);
    assert_int_equal(map(1, 9, HOLE_GFN + 1, GNTMAP_host_map | GNTMAP_readonly, NULL), GNTST_okay);
    world_rec.flushes = 0;
    grant_domain_reset(&world_dom[0]);
    assert_int_equal(world_type(0, HOLE_GFN), S2_NONE);
    assert_int_equal(world_type(0, HOLE_GFN + 1), S2_NONE);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(entry(1, 9)->flags, GTF_permit_access);
    assert_int_equal(entry(0, 9)->flags, 0);
    assert_int_equal(grant_nr_maps(&world_dom[0]), 0);
    grant_dump(&world_dom[0]);
    assert_non_null(strstr(fake_log_last, "0 mappings"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(copying_from_and_to_grants),
        T(copies_that_are_refused),
        T(overlapping_copies_within_a_page_work),
        T(a_32_bit_copy_has_24_byte_elements),
        T(sizes_and_versions),
        T(setup_table_tells_where_the_frames_are),
        T(setup_table_errors),
        T(status_frames_and_transfers_do_not_exist_for_version_1),
        T(entries_not_in_use_can_be_swapped),
        T(cache_flushes_have_nothing_to_do),
        T(a_reset_drops_all_mappings_and_clears_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
