/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* memory_op: memory maps, sizes, ballooning. */
#include "xen_test.h"

#include <torii/alloc.h>

#include <xen/memory.h>

#define MEM __HYPERVISOR_memory_op

/* --- memory maps and sizes --- */

static struct e820_entry map3[] = {
    {0, 0xa0000, E820_RAM}, {0xa0000, 0x60000, E820_RESERVED}, {0x100000, 0x700000, E820_RAM}};

static void the_memory_map_is_packed_and_limited_to_the_callers_room(void **state)
{
    struct xen_memory_map m = {.nr_entries = 2};
    u64 addr;

    (void)state;
    world_dom[0].e820 = map3;
    world_dom[0].e820_nr = 3;
    memset(world_mem(0, BUF), 0x77, 100);
    m.buffer.p = (void *)BUF;
    world_put(0, ARG, m);
    assert_int_equal(hc(MEM, XENMEM_memory_map, ARG, 0), 0);
    world_get(0, ARG, m);
    assert_int_equal(m.nr_entries, 2);
    world_get(0, BUF + 20, addr);
    assert_int_equal(addr, 0xa0000);
    assert_int_equal(*((u32 *)world_mem(0, BUF + 36)), E820_RESERVED);
    assert_int_equal(*((u8 *)world_mem(0, BUF + 40)), 0x77);
    m.nr_entries = 128;
    world_put(0, ARG, m);
    assert_int_equal(hc(MEM, XENMEM_memory_map, ARG, 0), 0);
    world_get(0, ARG, m);
    assert_int_equal(m.nr_entries, 3);
}

static void the_memory_map_in_the_32_bit_layout(void **state)
{
    struct compat_memory_map m = {.nr_entries = 128, .buffer = BUF};

    (void)state;
    world_dom[0].e820 = map3;
    world_dom[0].e820_nr = 3;
    world_put(0, ARG, m);
    assert_int_equal(hc32(MEM, XENMEM_memory_map, ARG, 0), 0);
    world_get(0, ARG, m);
    assert_int_equal(m.nr_entries, 3);
    assert_int_equal(m.buffer, BUF);
    assert_int_equal(*(u64 *)world_mem(0, BUF + 40), 0x100000);
}

static void memory_map_errors(void **state)
{
    struct xen_memory_map m = {.nr_entries = 8};

    (void)state;
    m.buffer.p = (void *)NOWHERE;
    world_put(0, ARG, m);
    assert_int_equal(hc(MEM, XENMEM_memory_map, ARG, 0), -XEN_ENOSYS);
    world_dom[0].e820 = map3;
    world_dom[0].e820_nr = 3;
    assert_int_equal(hc(MEM, XENMEM_memory_map, ARG, 0), -XEN_EFAULT);
    assert_int_equal(hc(MEM, XENMEM_memory_map, NOWHERE, 0), -XEN_EFAULT);
}

static void the_machine_map_is_for_the_privileged_with_room_enough(void **state)
{
    struct xen_memory_map m = {.nr_entries = 2};

    (void)state;
    boot_info.e820.nr = 3;
    memcpy(boot_info.e820.entry, map3, sizeof(map3));
    m.buffer.p = (void *)BUF;
    world_put(0, ARG, m);
    world_put(1, ARG, m);
    assert_int_equal(hc_domu(MEM, XENMEM_machine_memory_map, ARG, 0), -XEN_EPERM);
    assert_int_equal(hc(MEM, XENMEM_machine_memory_map, ARG, 0), -XEN_EINVAL);
    m.nr_entries = 3;
    world_put(0, ARG, m);
    assert_int_equal(hc(MEM, XENMEM_machine_memory_map, ARG, 0), 0);
    assert_int_equal(*(u64 *)world_mem(0, BUF + 48), 0x700000);
    assert_int_equal(hc(MEM, XENMEM_maximum_ram_page, 0, 0), 0x7ff);
}

static void reservations_are_counted_in_pages(void **state)
{
    domid_t self = DOMID_SELF, other = 0, none = 44;

    (void)state;
    world_put(0, ARG, self);
    assert_int_equal(hc(MEM, XENMEM_current_reservation, ARG, 0), DOM0_PAGES);
    assert_int_equal(hc(MEM, XENMEM_maximum_reservation, ARG, 0), DOM0_PAGES + 64);
    world_dom[0].e820 = map3;
    world_dom[0].e820_nr = 3;
    assert_int_equal(hc(MEM, XENMEM_maximum_gpfn, ARG, 0), 0x7ff);
    world_put(1, ARG, other);
    assert_int_equal(hc_domu(MEM, XENMEM_current_reservation, ARG, 0), -XEN_EPERM);
    world_put(0, ARG, none);
    assert_int_equal(hc(MEM, XENMEM_current_reservation, ARG, 0), -XEN_ESRCH);
    assert_int_equal(hc(MEM, XENMEM_current_reservation, NOWHERE, 0), -XEN_EFAULT);
}

static void what_is_not_offered_answers_enosys(void **state)
{
    static const unsigned ops[] = {
        XENMEM_machphys_mfn_list, XENMEM_exchange, XENMEM_machphys_mapping, 18, 19, 20, 21, 22, 24, 29, 63};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
        assert_int_equal(hc(MEM, ops[i], ARG, 0), -XEN_ENOSYS);
    assert_int_equal(hc(MEM, XENMEM_get_vnumainfo, ARG, 0), -XEN_EOPNOTSUPP);
}

/* --- ballooning --- */

static long reservation(unsigned cmd, const u64 *gfns, unsigned nr, unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = nr, .extent_order = order, .domid = DOMID_SELF};

    for (unsigned i = 0; gfns && i < nr; i++)
        world_put(0, BUF + i * 8, gfns[i]);
    r.extent_start.p = (void *)BUF;
    world_put(0, ARG, r);
    return hc(MEM, cmd, ARG, 0);
}

static void ballooned_pages_go_to_the_allocator_with_one_flush(void **state)
{
    const u64 gfns[] = {100, 101, 102, 200};

    (void)state;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 4, 0), 4);
    assert_int_equal(world_type(0, 101), S2_NONE);
    assert_true(world_frame_free[200]);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(world_rec.released, 4);
    assert_int_equal(world_dom[0].nr_pages, DOM0_PAGES - 4);
}

static void a_populated_page_is_identity_mapped_when_its_frame_is_free(void **state)
{
    const u64 gfns[] = {100};

    (void)state;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 1, 0), 1);
    assert_int_equal(reservation(XENMEM_populate_physmap, gfns, 1, 0), 1);
    assert_int_equal(world_type(0, 100), S2_RAM);
    assert_int_equal(world_s2[0][100].mfn, 100);
    assert_false(world_frame_free[100]);
    assert_int_equal(*(u64 *)world_mem(0, 100 * PAGE_SIZE), 0);
    assert_int_equal(world_dom[0].nr_pages, DOM0_PAGES);
}

static void a_populated_page_whose_frame_is_taken_gets_another_and_a_warning(void **state)
{
    const u64 gfns[] = {300}; /* frame 300 belongs to domain 1 */
    unsigned logs = fake_log_count;

    (void)state;
    assert_int_equal(reservation(XENMEM_populate_physmap, gfns, 1, 0), 1);
    assert_int_equal(world_type(0, 300), S2_RAM);
    assert_int_not_equal(world_s2[0][300].mfn, 300);
    assert_int_equal(fake_log_count, logs + 1);
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 1, 0), 1);
}

static void only_holes_can_be_populated(void **state)
{
    const u64 gfns[] = {FREE_FRAME, 5, FREE_FRAME + 1};
    const u64 mmio[] = {MMIO_GFN}, beyond[] = {1ul << 40}, wrap[] = {UINT64_MAX};

    (void)state;
    assert_int_equal(reservation(XENMEM_populate_physmap, gfns, 3, 0), 1);
    assert_int_equal(world_type(0, FREE_FRAME + 1), S2_NONE);
    assert_int_equal(reservation(XENMEM_populate_physmap, mmio, 1, 0), 0);
    assert_int_equal(reservation(XENMEM_populate_physmap, beyond, 1, 0), 0);
    assert_int_equal(reservation(XENMEM_populate_physmap, wrap, 1, 0), 0);
}

static void a_domain_cannot_have_more_than_its_maximum(void **state)
{
    u64 gfns[70];

    (void)state;
    for (unsigned i = 0; i < 70; i++)
        gfns[i] = FREE_FRAME + i;
    assert_int_equal(reservation(XENMEM_populate_physmap, gfns, 70, 0), 64);
    assert_int_equal(world_dom[0].nr_pages, world_dom[0].max_pages);
}

static void extents_of_higher_order_are_taken_and_given_whole(void **state)
{
    const u64 take[] = {64}, give[] = {FREE_FRAME};

    (void)state;
    assert_int_equal(reservation(XENMEM_decrease_reservation, take, 1, 4), 1);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(world_type(0, 64 + i), S2_NONE);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(reservation(XENMEM_populate_physmap, give, 1, 4), 1);
    assert_int_equal(world_s2[0][FREE_FRAME + 15].mfn, FREE_FRAME + 15);
    assert_int_equal(world_dom[0].nr_pages, DOM0_PAGES);
    assert_int_equal(reservation(XENMEM_populate_physmap, give, 1, 10), 0);
    assert_int_equal(reservation(XENMEM_decrease_reservation, take, 1, 63), 0);
    assert_int_equal(reservation(XENMEM_decrease_reservation, take, 1, UINT32_MAX), 0);
}

static void pages_that_are_not_ram_stop_a_decrease(void **state)
{
    const u64 gfns[] = {100, MMIO_GFN, 101};

    (void)state;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 3, 0), 1);
    assert_int_equal(world_type(0, 101), S2_RAM);
    assert_int_equal(world_type(0, MMIO_GFN), S2_MMIO);
}

static void a_page_is_not_freed_twice(void **state)
{
    const u64 gfns[] = {100, 100};

    (void)state;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 2, 0), 1);
    assert_int_equal(world_rec.released, 1);
}

static void a_page_torii_uses_is_not_given_up(void **state)
{
    const u64 gfns[] = {100};
    void *page = guest_page_get(&world_dom[0], 100);

    (void)state;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 1, 0), 0);
    assert_int_equal(world_type(0, 100), S2_RAM);
    guest_page_put(&world_dom[0], page);
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 1, 0), 1);
}

/* What another CPU could do between the unmapping and the flush: it saw the page while it was there. */
static void pin_page_100(void)
{
    world_on_flush = NULL;
    world_s2[0][100] = (struct world_s2){S2_RAM, S2_RWX, 100};
    guest_page_get(&world_dom[0], 100);
    world_s2[0][100] = (struct world_s2){0};
}

static void a_page_pinned_on_its_way_out_comes_back(void **state)
{
    const u64 gfns[] = {99, 100};

    (void)state;
    world_on_flush = pin_page_100;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 2, 0), 1);
    assert_int_equal(world_type(0, 100), S2_RAM);
    assert_int_equal(world_s2[0][100].mfn, 100);
    assert_false(world_frame_free[100]);
    assert_true(world_frame_free[99]);
    assert_int_equal(world_dom[0].nr_pages, DOM0_PAGES - 1);
}

static void a_long_request_is_preempted_and_resumes_where_it_was(void **state)
{
    struct vcpu *v = &world_vcpu[0][0];
    struct xen_memory_reservation r = {.nr_extents = 180, .domid = DOMID_SELF};
    unsigned exits = 1;

    (void)state;
    for (u64 i = 0; i < 180; i++) {
        u64 gfn = 60 + i;

        world_put(0, BUF + i * 8, gfn);
    }
    r.extent_start.p = (void *)BUF;
    world_put(0, ARG, r);
    v->regs = (struct guest_regs){.rax = MEM, .rdi = XENMEM_decrease_reservation, .rsi = ARG};
    while (hypercall(v, true, 0))
        exits++;
    assert_in_range(exits, 2, 10);
    assert_int_equal(v->regs.rax, 180);
    assert_int_equal(world_rec.released, 180);
    assert_int_equal(world_rec.flushes, exits);
}

static void scattered_pages_need_more_flushes_but_all_go(void **state)
{
    u64 gfns[60];

    (void)state;
    for (unsigned i = 0; i < 60; i++)
        gfns[i] = 60 + 3 * i;
    assert_int_equal(reservation(XENMEM_decrease_reservation, gfns, 60, 0), 60);
    assert_int_equal(world_rec.released, 60);
    assert_in_range(world_rec.flushes, 2, 3);
}

static void bad_lists_end_a_request_with_what_was_done(void **state)
{
    struct xen_memory_reservation r = {.nr_extents = 2, .domid = DOMID_SELF};
    const u64 last = DOM0_PAGES * PAGE_SIZE - 8, gfn = 100;

    (void)state;
    world_put(0, last, gfn);
    r.extent_start.p = (void *)last;
    world_put(0, ARG, r);
    assert_int_equal(hc(MEM, XENMEM_decrease_reservation, ARG, 0), 1);
    assert_int_equal(hc(MEM, XENMEM_decrease_reservation, NOWHERE, 0), 0);
    r.domid = 99;
    world_put(0, ARG, r);
    assert_int_equal(hc(MEM, XENMEM_populate_physmap, ARG, 0), 0);
    r.domid = 0;
    world_put(1, ARG, r);
    assert_int_equal(hc_domu(MEM, XENMEM_decrease_reservation, ARG, 0), 0);
    assert_int_equal(reservation(XENMEM_increase_reservation, NULL, 1, 0), 0);
    /* A continuation the caller made up. */
    assert_int_equal(hc(MEM, XENMEM_decrease_reservation | 5 << 6, ARG, 0), 5);
}

static void a_32_bit_caller_balloons_with_32_bit_frame_numbers(void **state)
{
    struct compat_memory_reservation r = {.extent_start = BUF, .nr_extents = 2, .domid = DOMID_SELF};
    const u32 gfns[] = {100, 102};

    (void)state;
    world_put(0, BUF, gfns);
    world_put(0, ARG, r);
    assert_int_equal(hc32(MEM, XENMEM_decrease_reservation, ARG, 0), 2);
    assert_int_equal(world_type(0, 102), S2_NONE);
    assert_int_equal(hc32(MEM, XENMEM_populate_physmap, ARG, 0), 2);
    assert_int_equal(world_s2[0][102].mfn, 102);
}

static void populating_survives_a_stage_2_without_memory(void **state)
{
    const u64 gfns[] = {FREE_FRAME};

    (void)state;
    world_s2_map_fails_after = 7;
    assert_int_equal(reservation(XENMEM_populate_physmap, gfns, 1, 4), 0);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(world_type(0, FREE_FRAME + i), S2_NONE);
        assert_true(world_frame_free[FREE_FRAME + i]);
    }
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(world_dom[0].nr_pages, DOM0_PAGES);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_memory_map_is_packed_and_limited_to_the_callers_room),
        T(the_memory_map_in_the_32_bit_layout),
        T(memory_map_errors),
        T(the_machine_map_is_for_the_privileged_with_room_enough),
        T(reservations_are_counted_in_pages),
        T(what_is_not_offered_answers_enosys),
        T(ballooned_pages_go_to_the_allocator_with_one_flush),
        T(a_populated_page_is_identity_mapped_when_its_frame_is_free),
        T(a_populated_page_whose_frame_is_taken_gets_another_and_a_warning),
        T(only_holes_can_be_populated),
        T(a_domain_cannot_have_more_than_its_maximum),
        T(extents_of_higher_order_are_taken_and_given_whole),
        T(pages_that_are_not_ram_stop_a_decrease),
        T(a_page_is_not_freed_twice),
        T(a_page_torii_uses_is_not_given_up),
        T(a_page_pinned_on_its_way_out_comes_back),
        T(a_long_request_is_preempted_and_resumes_where_it_was),
        T(scattered_pages_need_more_flushes_but_all_go),
        T(bad_lists_end_a_request_with_what_was_done),
        T(a_32_bit_caller_balloons_with_32_bit_frame_numbers),
        T(populating_survives_a_stage_2_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
