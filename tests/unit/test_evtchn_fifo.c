/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/evtchn.c src/xen/evtchn_2l.c src/xen/evtchn_fifo.c src/xen/evtchn_upcall.c src/xen/evtchn_op.c src/xen/evtchn_dump.c tests/unit/evtchn_world.c tests/unit/fakes.c */
/* The FIFO ABI against a model guest that consumes as a kernel does, and against one that scribbles. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "evtchn_world.h"
#include "fakes.h"

#include <torii/atomic.h>
#include <torii/errno.h>

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)
#define LINKED  (1u << EVTCHN_FIFO_LINKED)
#define BUSY    (1u << EVTCHN_FIFO_BUSY)
#define LINK(w) ((w)&EVTCHN_FIFO_LINK_MASK)

#define DEFAULT EVTCHN_FIFO_PRIORITY_DEFAULT

static int setup(void **state)
{
    fake_alloc_fail_after = -1;
    world_start();
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(world_stop(), 0);
    assert_int_equal(fake_locks_held, 0);
    assert_int_equal(fake_allocs_live, 0);
    return 0;
}

static u32 ipi(u32 vcpu)
{
    u32 port;

    assert_int_equal(world_bind_ipi(0, vcpu, &port), 0);
    return port;
}

/* A port of world[0] that may change vCPU: signalled through the port before it. */
static u32 loopback(void)
{
    u32 a, b, got[8];

    assert_int_equal(world_alloc_unbound(0, DOMID_SELF, &a), 0);
    assert_int_equal(world_bind_interdomain(0, DOMID_SELF, a, &b), 0);
    assert_int_equal(b, a + 1);
    world_consume_fifo(0, 0, got, 8);
    return b;
}

static void send(u32 port)
{
    assert_int_equal(world_port_op(0, EVTCHNOP_send, port), 0);
}

static void expect(unsigned vcpu, const u32 *want, unsigned n)
{
    u32 got[64];

    assert_int_equal(world_consume_fifo(0, vcpu, got, 64), n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(got[i], want[i]);
}

#define EXPECT(vcpu, ...) expect(vcpu, (const u32[]){__VA_ARGS__}, sizeof((const u32[]){__VA_ARGS__}) / sizeof(u32))
#define EXPECT_NONE(vcpu) expect(vcpu, NULL, 0)

/* --- setting up --- */

static void init_control_checks_its_arguments(void **state)
{
    assert_int_equal(world_init_control(0, WORLD_VCPUS, CONTROL_GFN, 0), -XEN_ENOENT);
    assert_int_equal(world_init_control(0, ~0u, CONTROL_GFN, 0), -XEN_ENOENT);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 4), -XEN_EINVAL);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, ~7u), -XEN_EINVAL);
    assert_int_equal(world_init_control(0, 0, READONLY_PAGE, 0), -XEN_EINVAL);
    assert_int_equal(world_init_control(0, 0, ~0ul, 0), -XEN_EINVAL);
    /* Still 2-level. */
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), -XEN_EOPNOTSUPP);
}

static void a_control_block_may_end_at_the_page_but_not_cross_it(void **state)
{
    u32 last = PAGE_SIZE - sizeof(evtchn_fifo_control_block_t);

    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, last + 8), -XEN_EINVAL);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, PAGE_SIZE), -XEN_EINVAL);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, last), 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), 0);
    assert_int_equal(world_set_priority(0, ipi(0), EVTCHN_FIFO_PRIORITY_MIN), 0);
    send(1);
    assert_int_equal(world[0].control[0]->head[EVTCHN_FIFO_PRIORITY_MIN], 1);
    EXPECT(0, 1);
}

static void a_vcpu_has_one_control_block(void **state)
{
    assert_int_equal(world_init_control(0, 1, CONTROL_GFN, 0), 0);
    assert_int_equal(world_init_control(0, 1, CONTROL_GFN, 128), -XEN_EINVAL);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 128), 0);
    assert_int_equal(world[0].pins[CONTROL_GFN], 2);
}

static void init_control_without_memory_stays_2_level(void **state)
{
    fake_alloc_fail_after = 0;
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    assert_int_equal(world[0].pins[CONTROL_GFN], 0);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
}

static void the_array_grows_to_128_pages(void **state)
{
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), -XEN_EOPNOTSUPP);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
    assert_int_equal(world_expand_array(0, ~0ul), -XEN_EINVAL);
    assert_int_equal(world_expand_array(0, READONLY_PAGE), -XEN_EINVAL);
    for (u32 i = 0; i < 128; i++)
        assert_int_equal(world_expand_array(0, ARRAY_GFN(i)), 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(128)), -XEN_ENOSPC);
    assert_int_equal(world[0].pins[ARRAY_GFN(127)], 1);
    assert_int_equal(world[0].pins[ARRAY_GFN(128)], 0);
}

static void the_fifo_abi_has_131072_ports(void **state)
{
    u32 port, last = 0, n = 0;

    world_enter_fifo(0, 128);
    for (; world_bind_ipi(0, 0, &port) == 0; n++)
        last = port;
    assert_int_equal(n, EVTCHN_FIFO_NR_CHANNELS - 1);
    assert_int_equal(last, EVTCHN_FIFO_NR_CHANNELS - 1);
    assert_int_equal(world_bind_ipi(0, 0, &port), -XEN_ENOSPC);
    send(EVTCHN_FIFO_NR_CHANNELS - 1);
    EXPECT(0, EVTCHN_FIFO_NR_CHANNELS - 1);
}

/* --- raising --- */

static void the_first_event_becomes_head_and_raises_the_upcall(void **state)
{
    u32 port = ipi(1);

    world_enter_fifo(0, 1);
    send(port);
    assert_int_equal(*world_word(0, port), PENDING | LINKED);
    assert_int_equal(world[0].control[1]->head[DEFAULT], port);
    assert_int_equal(world[0].control[1]->ready, 1u << DEFAULT);
    assert_int_equal(world[0].vcpu[1].v.info->evtchn_upcall_pending, 1);
    assert_int_equal(world[0].vcpu[1].kicks, 1);
    assert_int_equal(world[0].vcpu[0].kicks, 0);
    assert_int_equal(world[0].d.shared_info->evtchn_pending[0], 0);
}

static void later_events_are_linked_behind_the_tail(void **state)
{
    u32 a = ipi(0), b = ipi(0), c = ipi(0);

    world_enter_fifo(0, 1);
    send(b);
    send(c);
    send(a);
    assert_int_equal(world[0].control[0]->head[DEFAULT], b);
    assert_int_equal(LINK(*world_word(0, b)), c);
    assert_int_equal(LINK(*world_word(0, c)), a);
    assert_int_equal(LINK(*world_word(0, a)), 0);
    assert_int_equal(world[0].vcpu[0].kicks, 1);
    EXPECT(0, b, c, a);
    EXPECT_NONE(0);
}

static void a_linked_event_is_not_linked_twice(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    world_enter_fifo(0, 1);
    send(a);
    send(b);
    send(a);
    EXPECT(0, a, b);
    send(a);
    EXPECT(0, a);
}

static void higher_priorities_are_served_first(void **state)
{
    u32 low = ipi(0), normal = ipi(0), high = ipi(0);

    world_enter_fifo(0, 1);
    assert_int_equal(world_set_priority(0, low, EVTCHN_FIFO_PRIORITY_MIN), 0);
    assert_int_equal(world_set_priority(0, high, EVTCHN_FIFO_PRIORITY_MAX), 0);
    send(low);
    send(normal);
    send(high);
    assert_int_equal(world[0].control[0]->ready, 1u << 15 | 1u << DEFAULT | 1u << 0);
    EXPECT(0, high, normal, low);
}

static void a_masked_event_is_pending_but_not_linked(void **state)
{
    u32 port = ipi(0);

    world_enter_fifo(0, 1);
    *world_word(0, port) = MASKED;
    send(port);
    assert_int_equal(*world_word(0, port), MASKED | PENDING);
    assert_int_equal(world[0].control[0]->ready, 0);
    assert_int_equal(world[0].vcpu[0].kicks, 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0);
    assert_int_equal(*world_word(0, port), PENDING | LINKED);
    EXPECT(0, port);
}

static void unmask_of_an_idle_port_links_nothing(void **state)
{
    u32 port = ipi(0);

    world_enter_fifo(0, 1);
    *world_word(0, port) = MASKED;
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0);
    assert_int_equal(*world_word(0, port), 0);
    EXPECT_NONE(0);
}

static void an_event_masked_while_linked_is_linked_again_by_unmask(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    world_enter_fifo(0, 1);
    send(a);
    send(b);
    atomic_or(world_word(0, a), MASKED);
    EXPECT(0, b);
    assert_int_equal(*world_word(0, a), MASKED | PENDING);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, a), 0);
    EXPECT(0, a);
}

static void a_tail_the_guest_has_taken_off_starts_a_new_queue(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    world_enter_fifo(0, 1);
    send(a);
    EXPECT(0, a);
    send(b);
    assert_int_equal(world[0].control[0]->head[DEFAULT], b);
    assert_int_equal(LINK(*world_word(0, a)), 0);
    EXPECT(0, b);
    send(b); /* b was the tail itself */
    assert_int_equal(world[0].control[0]->head[DEFAULT], b);
    assert_int_equal(LINK(*world_word(0, b)), 0);
    EXPECT(0, b);
}

static void linking_clears_busy_and_an_old_link(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    world_enter_fifo(0, 1);
    send(a);
    *world_word(0, a) |= BUSY | 99;
    send(b);
    assert_int_equal(*world_word(0, a), PENDING | LINKED | b);
}

static void an_upcall_is_raised_once_while_ready_is_set(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    world_enter_fifo(0, 1);
    evtchn_set_upcall_vector(&world[0].vcpu[0].v, 0xf3);
    send(a);
    *world_word(0, a) = 0; /* consumed, but ready not yet looked at */
    send(b);
    assert_int_equal(world[0].vcpu[0].irqs, 1);
    world[0].control[0]->ready = 0;
    world[0].vcpu[0].v.info->evtchn_upcall_pending = 0;
    *world_word(0, b) = 0;
    send(a);
    assert_int_equal(world[0].vcpu[0].irqs, 2);
}

/* --- remembering --- */

static void an_event_before_its_page_is_replayed_by_expand_array(void **state)
{
    u32 port = ipi(0), late = 0;

    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
    send(port);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0);
    assert_int_equal(world[0].vcpu[0].kicks, 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), 0);
    EXPECT(0, port);
    while (late < 1030)
        late = ipi(0);
    send(late);
    send(late);
    EXPECT_NONE(0);
    *world_word(0, late) = MASKED; /* kernels add pages with every word masked */
    assert_int_equal(world_expand_array(0, ARRAY_GFN(1)), 0);
    EXPECT_NONE(0);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, late), 0);
    EXPECT(0, late);
}

static void closing_forgets_an_event_that_had_no_page(void **state)
{
    u32 port = ipi(0);

    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
    send(port);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, port), 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), 0);
    assert_int_equal(*world_word(0, port), 0);
    EXPECT_NONE(0);
}

static void events_for_a_vcpu_without_control_block_are_linked_when_it_has_one(void **state)
{
    u32 a = ipi(2), b = ipi(2), masked = ipi(2), other = ipi(0);

    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), 0);
    *world_word(0, masked) = MASKED;
    send(a);
    send(b);
    send(masked);
    send(other);
    assert_int_equal(*world_word(0, a), PENDING);
    EXPECT(0, other);
    assert_int_equal(world_init_control(0, 2, CONTROL_GFN, 128), 0);
    EXPECT(2, a, b);
    assert_int_equal(*world_word(0, masked), MASKED | PENDING);
}

static void moving_to_a_vcpu_with_control_block_delivers(void **state)
{
    u32 port, got[4];

    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), 0);
    port = loopback();
    assert_int_equal(world_bind_vcpu(0, port, 3), 0);
    send(port - 1);
    assert_int_equal(world_consume_fifo(0, 0, got, 4), 0);
    assert_int_equal(world_bind_vcpu(0, port, 0), 0);
    EXPECT(0, port);
}

static void two_level_events_survive_the_change_of_abi(void **state)
{
    u32 a = ipi(0), b = ipi(1), quiet = ipi(0), p0, p1;

    assert_int_equal(world_alloc_unbound(1, 0, &p1), 0);
    assert_int_equal(world_bind_interdomain(0, 1, p1, &p0), 0); /* raises p0 */
    send(a);
    send(b);
    world_enter_fifo(0, 1);
    EXPECT(0, a, p0);
    EXPECT(1, b);
    assert_int_equal(*world_word(0, quiet), 0);
    assert_int_equal(world_port_op(1, EVTCHNOP_send, p1), 0);
    EXPECT(0, p0);
}

/* --- moving --- */

static void an_event_linked_on_its_old_vcpu_is_not_linked_on_the_new(void **state)
{
    u32 port, other = ipi(0);

    world_enter_fifo(0, 1);
    port = loopback();
    send(port - 1);
    assert_int_equal(world_bind_vcpu(0, port, 2), 0);
    send(port - 1);
    send(other);
    EXPECT_NONE(2);
    EXPECT(0, port, other);
    send(port - 1);
    EXPECT_NONE(0);
    EXPECT(2, port);
}

static void a_moved_tail_does_not_lead_into_the_new_queue(void **state)
{
    u32 port, other = ipi(0);

    world_enter_fifo(0, 1);
    port = loopback();
    send(port - 1);
    EXPECT(0, port); /* still Torii's idea of vCPU 0's tail */
    assert_int_equal(world_bind_vcpu(0, port, 2), 0);
    send(port - 1); /* LINKED again, on vCPU 2 */
    send(other);    /* must not be linked behind it */
    assert_int_equal(LINK(*world_word(0, port)), 0);
    EXPECT(0, other);
    EXPECT(2, port);
}

static void a_changed_priority_moves_the_event_once_it_is_off_the_old_queue(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    world_enter_fifo(0, 1);
    send(a);
    assert_int_equal(world_set_priority(0, a, 2), 0);
    send(a);
    assert_int_equal(world[0].control[0]->ready, 1u << DEFAULT);
    EXPECT(0, a);
    send(b);
    send(a);
    assert_int_equal(world[0].control[0]->head[2], a);
    EXPECT(0, a, b);
}

static void moving_back_and_forth_keeps_every_event(void **state)
{
    u32 ports[6], got[64];

    world_enter_fifo(0, 1);
    for (unsigned i = 0; i < 6; i++)
        ports[i] = loopback();
    for (unsigned round = 0; round < 200; round++) {
        unsigned n = 0;

        for (unsigned i = 0; i < 6; i++) {
            assert_int_equal(world_bind_vcpu(0, ports[i], (round * 7 + i * 3) % WORLD_VCPUS), 0);
            assert_int_equal(world_set_priority(0, ports[i], (round + i) % 16), 0);
            send(ports[i] - 1);
            if ((round + i) % 5 == 0)
                n += world_consume_fifo(0, round % WORLD_VCPUS, got + n, 64 - n);
        }
        for (unsigned v = 0; v < WORLD_VCPUS; v++)
            n += world_consume_fifo(0, v, got + n, 64 - n);
        assert_int_equal(n, 6);
    }
}

/* --- closing and resetting --- */

static void a_closed_port_is_not_reused_while_the_guest_has_it_linked(void **state)
{
    u32 a = ipi(0), b = ipi(0), again;

    world_enter_fifo(0, 1);
    send(a);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, a), 0);
    assert_int_equal(*world_word(0, a), LINKED);
    again = ipi(0);
    assert_int_not_equal(again, a);
    send(b);
    EXPECT(0, b); /* a is taken off on the way, no event */
    assert_int_equal(ipi(0), a);
}

static void a_table_full_of_linked_ports_does_not_block_growth(void **state)
{
    u32 port = 0;

    world_enter_fifo(0, 128);
    while (port < 20000)
        port = ipi(0);
    for (u32 p = 1; p <= port; p++) {
        *world_word(0, p) = LINKED;
        if (p % 2)
            assert_int_equal(world_port_op(0, EVTCHNOP_close, p), 0);
    }
    assert_true(ipi(0) > 20000);
}

static void a_reset_by_the_domain_goes_back_to_2_level(void **state)
{
    u32 port = ipi(0), got[4];

    world_enter_fifo(0, 3);
    send(port);
    assert_int_equal(world_reset(0, DOMID_SELF), 0);
    for (unsigned p = 0; p < WORLD_PAGES; p++)
        assert_int_equal(world[0].pins[p], 0);
    assert_int_equal(world_expand_array(0, ARRAY_GFN(0)), -XEN_EOPNOTSUPP);
    world[0].vcpu[0].v.info->evtchn_upcall_pending = 0;
    port = ipi(0);
    assert_int_equal(port, 1);
    send(port);
    assert_int_equal(world_consume_2l(0, 0, got, 4), 1);
    world_enter_fifo(0, 1);
    send(port);
    assert_int_equal(world[0].control[0]->head[DEFAULT], port);
}

static void a_reset_by_the_control_domain_keeps_the_abi(void **state)
{
    u32 port;

    world_enter_fifo(1, 1);
    assert_int_equal(world_alloc_unbound(1, 0, &port), 0);
    assert_int_equal(world_reset(0, 1), 0);
    assert_int_equal(world_expand_array(1, ARRAY_GFN(1)), 0);
    evtchn_domain_reset(&world[1].d); /* soft reset does not */
    assert_int_equal(world[1].pins[ARRAY_GFN(0)], 0);
    assert_int_equal(world_expand_array(1, ARRAY_GFN(1)), -XEN_EOPNOTSUPP);
}

static void interdomain_works_between_the_two_abis(void **state)
{
    u32 p0, p1, got[4];

    world_enter_fifo(0, 1);
    assert_int_equal(world_alloc_unbound(0, 1, &p0), 0);
    assert_int_equal(world_bind_interdomain(1, 0, p0, &p1), 0);
    assert_int_equal(world_consume_2l(1, 0, got, 4), 1);
    assert_int_equal(world_port_op(1, EVTCHNOP_send, p1), 0);
    EXPECT(0, p0);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, p0), 0);
    assert_int_equal(world_consume_2l(1, 0, got, 4), 1);
}

/* --- hostile guests --- */

static u32 rng_state;

static u32 rng(void)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return rng_state >> 7;
}

static void scribble(u32 words)
{
    for (u32 i = 0; i < words; i++) {
        *world_word(0, rng() % 2048) = rng() << 8 ^ rng();
        ((u32 *)world[0].control[rng() % WORLD_VCPUS])[rng() % 18] = rng() << 8 ^ rng();
    }
}

/* Another domain's channel to the scribbling one keeps working in its direction. */
static void scribbling_harms_nobody_else(void **state)
{
    u32 ports[32], p0, p1, got[4];

    world_enter_fifo(0, 2);
    for (unsigned i = 0; i < 32; i++)
        ports[i] = loopback();
    assert_int_equal(world_alloc_unbound(1, 0, &p1), 0);
    assert_int_equal(world_bind_interdomain(0, 1, p1, &p0), 0);
    rng_state = 1;
    for (unsigned round = 0; round < 5000; round++) {
        u32 port = ports[rng() % 32];

        scribble(4);
        assert_int_equal(world_port_op(0, EVTCHNOP_send, port - 1), 0);
        assert_int_equal(world_bind_vcpu(0, port, rng() % WORLD_VCPUS), 0);
        assert_int_equal(world_set_priority(0, port, rng() % 16), 0);
        assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0);
        assert_int_equal(world_port_op(0, EVTCHNOP_send, p0), 0);
        assert_int_equal(world_consume_2l(1, 0, got, 4), 1);
        assert_int_equal(got[0], p1);
    }
    /* And one that has come to its senses gets its events again. */
    for (u32 w = 0; w < 2048; w++)
        *world_word(0, w) = 0;
    for (unsigned v = 0; v < WORLD_VCPUS; v++) {
        *world[0].control[v] = (evtchn_fifo_control_block_t){.ready = 0};
        for (unsigned q = 0; q < 16; q++)
            world[0].vcpu[v].head[q] = 0;
    }
    assert_int_equal(world_bind_vcpu(0, ports[0], 1), 0);
    send(ports[0] - 1);
    EXPECT(1, ports[0]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(init_control_checks_its_arguments),
        T(a_control_block_may_end_at_the_page_but_not_cross_it),
        T(a_vcpu_has_one_control_block),
        T(init_control_without_memory_stays_2_level),
        T(the_array_grows_to_128_pages),
        T(the_fifo_abi_has_131072_ports),
        T(the_first_event_becomes_head_and_raises_the_upcall),
        T(later_events_are_linked_behind_the_tail),
        T(a_linked_event_is_not_linked_twice),
        T(higher_priorities_are_served_first),
        T(a_masked_event_is_pending_but_not_linked),
        T(unmask_of_an_idle_port_links_nothing),
        T(an_event_masked_while_linked_is_linked_again_by_unmask),
        T(a_tail_the_guest_has_taken_off_starts_a_new_queue),
        T(linking_clears_busy_and_an_old_link),
        T(an_upcall_is_raised_once_while_ready_is_set),
        T(an_event_before_its_page_is_replayed_by_expand_array),
        T(closing_forgets_an_event_that_had_no_page),
        T(events_for_a_vcpu_without_control_block_are_linked_when_it_has_one),
        T(moving_to_a_vcpu_with_control_block_delivers),
        T(two_level_events_survive_the_change_of_abi),
        T(an_event_linked_on_its_old_vcpu_is_not_linked_on_the_new),
        T(a_moved_tail_does_not_lead_into_the_new_queue),
        T(a_changed_priority_moves_the_event_once_it_is_off_the_old_queue),
        T(moving_back_and_forth_keeps_every_event),
        T(a_closed_port_is_not_reused_while_the_guest_has_it_linked),
        T(a_table_full_of_linked_ports_does_not_block_growth),
        T(a_reset_by_the_domain_goes_back_to_2_level),
        T(a_reset_by_the_control_domain_keeps_the_abi),
        T(interdomain_works_between_the_two_abis),
        T(scribbling_harms_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
