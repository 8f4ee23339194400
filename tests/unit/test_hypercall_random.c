/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/*
 * Calls with random numbers, sub-ops, pointers and structures, in both widths, by both domains. Whatever they ask for,
 * no lock stays held, no frame is freed twice, nothing leaks, and the sanitizers find nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <torii/alloc.h>

#include <xen/memory.h>

#include "xen_world.h"

static u64 seed, maps_seen;

/* xorshift64*: the same sequence everywhere. */
static u64 rnd(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1d;
}

/* Numbers that mean something to some field: small ones, gfns, addresses, flags, extremes. */
static u64 interesting(void)
{
    static const u64 pick[] = {
        0,        1,          2,         DOMID_SELF, ARG,        BUF,        CROSSING,   NOWHERE,
        HOLE_GFN, MMIO_GFN,   FIXUP_GFN, FREE_FRAME, UINT32_MAX, UINT64_MAX, 0x03000001, HOLE_GFN << PAGE_SHIFT,
        BIT(40),  0x80000000, 0x10000};

    switch (rnd() % 4) {
    case 0:
        return rnd() % 8;
    case 1:
        return rnd() % 300;
    case 2:
        return pick[rnd() % ARRAY_SIZE(pick)];
    default:
        return rnd() >> rnd() % 64;
    }
}

/* Argument memory becomes words of different widths. */
static void scramble(unsigned dom, u64 at, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        u64 val = interesting();
        size_t n = rnd() % 3 ? 4 : 8;

        if (world_type(dom, at >> PAGE_SHIFT) != S2_RAM)
            return;
        memcpy(world_mem(dom, at + i), &val, min(n, bytes - i));
        i += n;
    }
}

static u64 pointer(void)
{
    static const u64 at[] = {ARG, BUF, NOWHERE, 0, ARG + 0x800};

    return at[rnd() % ARRAY_SIZE(at)];
}

/* What a guest would write into its grant table, and a request that may fit it. */
static void random_grant(unsigned dom)
{
    struct gnttab_map_grant_ref op = {.host_addr = (HOLE_GFN + rnd() % 16) << PAGE_SHIFT,
                                      .flags = GNTMAP_host_map | (rnd() % 2 ? GNTMAP_readonly : 0),
                                      .ref = (grant_ref_t)(rnd() % 8),
                                      .dom = (domid_t)(rnd() % 2)};
    struct gnttab_unmap_grant_ref un = {.host_addr = op.host_addr, .handle = (u32)(rnd() % 32)};
    struct grant_entry_v1 *e;
    gfn_t *place;
    mfn_t mfn;

    assert_int_equal(grant_frame(&world_dom[dom], 0, &mfn, &place), 0);
    e = (struct grant_entry_v1 *)mfn_to_virt(mfn) + rnd() % 8;
    if (rnd() % 4 == 0)
        *e = (struct grant_entry_v1){
            .flags = (u16)(rnd() % 8 | (e->flags & 0x18)), .domid = (domid_t)(rnd() % 2), .frame = (u32)(rnd() % 64)};
    if (rnd() % 2) {
        world_put(dom, ARG, op);
        hc_vcpu(&world_vcpu[dom][0], false, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, ARG, 1);
    } else {
        world_put(dom, ARG, un);
        hc_vcpu(&world_vcpu[dom][0], false, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, ARG, 1);
    }
}

/* Requests about memory whose structure makes sense. Single pages: the fake allocator frees blocks only whole. */
static void random_memory(unsigned dom)
{
    struct xen_add_to_physmap a = {.domid = DOMID_SELF,
                                   .space = (unsigned)(rnd() % 2),
                                   .idx = rnd() % 3,
                                   .gpfn = rnd() % 2 ? HOLE_GFN + rnd() % 16 : 32 + rnd() % 32};
    struct xen_memory_reservation r = {.nr_extents = rnd() % 8, .domid = DOMID_SELF};

    if (world_type(dom, ARG >> PAGE_SHIFT) != S2_RAM || world_type(dom, BUF >> PAGE_SHIFT) != S2_RAM)
        return;
    if (rnd() % 3 == 0) {
        world_put(dom, ARG, a);
        hc_vcpu(&world_vcpu[dom][0], false, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, ARG, 0);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        u64 gfn = rnd() % 4 ? 40 + rnd() % 24 : rnd() % WORLD_GFNS;

        world_put(dom, BUF + i * sizeof(gfn), gfn);
    }
    r.extent_start.p = (void *)BUF;
    world_put(dom, ARG, r);
    hc_vcpu(&world_vcpu[dom][0], false, __HYPERVISOR_memory_op,
            rnd() % 2 ? XENMEM_populate_physmap : XENMEM_decrease_reservation, ARG, 0);
}

static void one_call(void)
{
    static const u8 numbers[] = {7, 12, 12, 12, 13, 15, 17, 18, 20, 20, 20, 21, 24, 24, 29, 33, 34, 32};
    unsigned dom = rnd() % 2, nr = numbers[rnd() % ARRAY_SIZE(numbers)];
    struct vcpu *v = &world_vcpu[dom][rnd() % WORLD_VCPUS];
    u64 sub = rnd() % 36;

    if (world_type(dom, ARG >> PAGE_SHIFT) == S2_RAM && rnd() % 4 == 0)
        random_grant(dom);
    if (rnd() % 4 == 0)
        random_memory(dom);
    maps_seen |= grant_nr_maps(&world_dom[dom]);
    scramble(dom, ARG, 256);
    scramble(dom, BUF, 256);
    v->regs = (struct guest_regs){.rax = nr, .r10 = interesting(), .r8 = interesting()};
    v->regs.rdi = v->regs.rbx = nr == 7 || nr == 13 ? pointer() : sub;
    v->regs.rsi = v->regs.rcx = rnd() % 4 && nr != 24 && nr != 13 ? pointer() : rnd() % 40;
    v->regs.rdx = rnd() % 2 ? pointer() : rnd() % 40;
    world_now += rnd() % 1000;
    for (unsigned again = 0; hypercall(v, rnd() % 3, rnd() % 32 ? 0 : 3) && again < 4; again++)
        ;
    assert_int_equal(fake_locks_held, 0);
}

static void random_calls_break_nothing(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        seed = 0x9e3779b97f4a7c15 + round;
        world_setup();
        world_dom[1].privileged = round % 3 == 0;
        for (unsigned i = 0; i < 1500; i++)
            one_call();
        world_teardown();
    }
    assert_true(maps_seen > 8); /* the calls are not all refused */
}

static void a_domain_can_be_reset_after_anything_it_did(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        seed = 0xd1b54a32d192ed03 + round;
        world_setup();
        for (unsigned i = 0; i < 500; i++)
            one_call();
        xen_domain_reset(&world_dom[0]);
        assert_int_equal(world_dom[0].shared_info_gfn, INVALID_GFN);
        assert_int_equal(grant_nr_maps(&world_dom[0]), 0);
        for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++)
            assert_true(world_type(0, gfn) != S2_XEN && world_type(0, gfn) != S2_GRANT);
        world_teardown();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_calls_break_nothing),
        cmocka_unit_test(a_domain_can_be_reset_after_anything_it_did),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
