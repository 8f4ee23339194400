/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/evtchn.c src/xen/evtchn_2l.c src/xen/evtchn_fifo.c src/xen/evtchn_upcall.c src/xen/evtchn_op.c src/xen/evtchn_dump.c tests/unit/evtchn_world.c tests/unit/fakes.c */
/* The 2-level ABI's bits, the upcall and its vectors, virtual interrupts, SCHEDOP_poll. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "evtchn_world.h"
#include "fakes.h"

#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/vlapic.h>

#define CALLBACK_VECTOR(vec) ((u64)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | (vec))

static struct world_vcpu *const v0 = &world[0].vcpu[0], *const v1 = &world[0].vcpu[1];

static int setup(void **state)
{
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

static void send(u32 port)
{
    assert_int_equal(world_port_op(0, EVTCHNOP_send, port), 0);
}

static void set_mask(u32 port, bool masked)
{
    if (masked)
        test_and_set_bit64(world[0].d.shared_info->evtchn_mask, port);
    else
        test_and_clear_bit64(world[0].d.shared_info->evtchn_mask, port);
}

/* --- 2-level bits --- */

static void an_event_sets_pending_selector_and_upcall(void **state)
{
    u32 port = 0;

    while (port < 70)
        port = ipi(1);
    send(port);
    assert_int_equal(world[0].d.shared_info->evtchn_pending[1], BIT(70 - 64));
    assert_int_equal(v1->v.info->evtchn_pending_sel, BIT(1));
    assert_int_equal(v1->v.info->evtchn_upcall_pending, 1);
    assert_int_equal(v0->v.info->evtchn_pending_sel, 0);
    assert_int_equal(v1->kicks, 1);
}

static void a_pending_event_is_not_announced_twice(void **state)
{
    u32 port = ipi(0);

    send(port);
    v0->v.info->evtchn_upcall_pending = 0;
    v0->v.info->evtchn_pending_sel = 0;
    send(port);
    assert_int_equal(v0->v.info->evtchn_upcall_pending, 0);
    assert_int_equal(v0->v.info->evtchn_pending_sel, 0);
}

static void a_set_selector_bit_means_the_upcall_is_already_under_way(void **state)
{
    u32 a = ipi(0), b = ipi(0);

    send(a);
    v0->v.info->evtchn_upcall_pending = 0; /* the handler has begun, but not yet read the selector */
    send(b);
    assert_int_equal(v0->v.info->evtchn_upcall_pending, 0);
    assert_int_equal(world[0].d.shared_info->evtchn_pending[0], BIT(a) | BIT(b));
}

static void a_masked_event_stays_pending_without_upcall(void **state)
{
    u32 port = ipi(0);

    set_mask(port, true);
    send(port);
    assert_true(world[0].d.shared_info->evtchn_pending[0] & BIT(port));
    assert_int_equal(v0->v.info->evtchn_pending_sel, 0);
    assert_int_equal(v0->v.info->evtchn_upcall_pending, 0);
    assert_int_equal(v0->kicks, 0);
}

static void unmask_announces_a_pending_event(void **state)
{
    u32 port = ipi(1), got[2];

    set_mask(port, true);
    send(port);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0);
    assert_false(world[0].d.shared_info->evtchn_mask[0] & BIT(port));
    assert_int_equal(v1->v.info->evtchn_upcall_pending, 1);
    assert_int_equal(world_consume_2l(0, 1, got, 2), 1);
    assert_int_equal(got[0], port);
}

static void unmask_of_an_idle_or_unmasked_port_is_quiet(void **state)
{
    u32 port = ipi(0);

    set_mask(port, true);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0);
    assert_int_equal(v0->v.info->evtchn_upcall_pending, 0);
    test_and_set_bit64(world[0].d.shared_info->evtchn_pending, port);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port), 0); /* was not masked */
    assert_int_equal(v0->v.info->evtchn_upcall_pending, 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, port + 1), 0); /* closed */
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, 1 << 16), -XEN_EINVAL);
    assert_int_equal(world_port_op(0, EVTCHNOP_unmask, ~0u), -XEN_EINVAL);
}

static void without_vcpu_info_the_event_waits_until_it_is_registered(void **state)
{
    u32 port = ipi(1), got[2];
    struct vcpu_info *info = v1->v.info;

    v1->v.info = NULL;
    send(port);
    assert_false(evtchn_upcall_pending(&v1->v));
    assert_int_equal(v1->kicks, 0);
    v1->v.info = info;
    evtchn_info_moved(&v1->v);
    assert_int_equal(world_consume_2l(0, 1, got, 2), 1);
    assert_int_equal(got[0], port);
}

static void moved_info_has_every_selector_bit_and_an_upcall(void **state)
{
    static struct vcpu_info moved;

    moved = *v0->v.info;
    v0->v.info = &moved;
    evtchn_info_moved(&v0->v);
    assert_int_equal(moved.evtchn_pending_sel, ~0ul);
    assert_int_equal(moved.evtchn_upcall_pending, 1);
    assert_int_equal(v0->kicks, 1);
}

/* --- upcall vectors --- */

static void the_upcall_vector_is_injected_once_per_0_to_1(void **state)
{
    u32 a = ipi(0), b = 0, got[4];

    while (b < 64)
        b = ipi(0); /* another selector bit */
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0xf3), 0);
    assert_int_equal(v0->irqs, 0);
    send(a);
    send(b);
    assert_int_equal(v0->irqs, 1);
    assert_int_equal(v0->irq, 0xf3);
    assert_int_equal(world_consume_2l(0, 0, got, 4), 2);
    send(a);
    assert_int_equal(v0->irqs, 2);
}

static void setting_the_vector_injects_what_is_pending(void **state)
{
    send(ipi(1));
    assert_int_equal(evtchn_set_upcall_vector(&v1->v, 0xf3), 0);
    assert_int_equal(v1->irqs, 1);
}

static void vectors_below_16_are_refused(void **state)
{
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0), -XEN_EINVAL);
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0xf), -XEN_EINVAL);
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0x10), 0);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0xf)), -XEN_EINVAL);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0)), -XEN_EINVAL);
}

static void a_disabled_lapic_gets_the_vector_when_it_is_enabled(void **state)
{
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0xf3), 0);
    v0->lapic_off = true;
    send(ipi(0));
    assert_int_equal(v0->irqs, 0);
    assert_int_equal(v0->v.info->evtchn_upcall_pending, 1);
    v0->lapic_off = false;
    evtchn_upcall_recheck(&v0->v);
    assert_int_equal(v0->irqs, 1);
}

static void recheck_is_quiet_without_upcall_or_vector(void **state)
{
    evtchn_upcall_recheck(&v0->v);
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0xf3), 0);
    evtchn_upcall_recheck(&v0->v);
    send(ipi(1));
    evtchn_upcall_recheck(&v1->v);
    assert_int_equal(v0->irqs + v1->irqs, 0);
}

static void the_callback_vector_is_asserted_while_the_upcall_is_pending(void **state)
{
    u32 port = ipi(1), got[2];

    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0x93)), 0);
    assert_int_equal(evtchn_callback_vector(&v1->v), -1);
    send(port);
    assert_int_equal(v1->kicks, 1);
    assert_int_equal(v1->irqs, 0);
    assert_int_equal(evtchn_callback_vector(&v1->v), 0x93);
    assert_int_equal(evtchn_callback_vector(&v1->v), 0x93);
    assert_int_equal(evtchn_callback_vector(&v0->v), -1);
    assert_int_equal(world_consume_2l(0, 1, got, 2), 1);
    assert_int_equal(evtchn_callback_vector(&v1->v), -1);
}

static void the_per_vcpu_vector_wins_over_the_callback(void **state)
{
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0x93)), 0);
    assert_int_equal(evtchn_set_upcall_vector(&v0->v, 0xf3), 0);
    send(ipi(0));
    assert_int_equal(v0->irq, 0xf3);
    assert_int_equal(evtchn_callback_vector(&v0->v), -1);
}

static void setting_the_callback_kicks_whoever_has_an_upcall(void **state)
{
    send(ipi(1));
    v1->kicks = 0;
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0x93)), 0);
    assert_int_equal(v1->kicks, 1);
    assert_int_equal(v0->kicks, 0);
}

static void other_callback_types_are_accepted_and_assert_nothing(void **state)
{
    send(ipi(0));
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0x93)), 0);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, 1), 0); /* "GSI 1" */
    assert_int_equal(evtchn_callback_vector(&v0->v), -1);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, (u64)HVM_PARAM_CALLBACK_TYPE_PCI_INTX << 56 | 0x1803), 0);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, ~0ul), 0);
    assert_int_equal(evtchn_callback_vector(&v0->v), -1);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0x93)), 0);
    assert_int_equal(evtchn_set_callback_irq(&world[0].d, 0), 0);
    assert_int_equal(evtchn_callback_vector(&v0->v), -1);
}

/* --- virtual interrupts --- */

static void a_virq_reaches_its_vcpu_only(void **state)
{
    u32 port, got[2];

    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 1, &port), 0);
    evtchn_raise_virq(&v0->v, VIRQ_TIMER);
    assert_false(evtchn_upcall_pending(&v0->v));
    assert_false(evtchn_upcall_pending(&v1->v));
    evtchn_raise_virq(&v1->v, VIRQ_TIMER);
    assert_int_equal(world_consume_2l(0, 1, got, 2), 1);
    assert_int_equal(got[0], port);
}

static void raising_what_is_not_bound_does_nothing(void **state)
{
    u32 port;

    evtchn_raise_global_virq(&world[0].d, VIRQ_DOM_EXC);
    evtchn_raise_virq(&v0->v, NR_VIRQS);
    evtchn_raise_virq(&v0->v, ~0u);
    evtchn_raise_global_virq(&world[0].d, ~0u);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 0, &port), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_CONSOLE, 0, &port), 0);
    evtchn_raise_global_virq(&world[0].d, VIRQ_TIMER); /* the wrong kind */
    evtchn_raise_virq(&v0->v, VIRQ_CONSOLE);
    assert_int_equal(world[0].d.shared_info->evtchn_pending[0], 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, port), 0);
    evtchn_raise_global_virq(&world[0].d, VIRQ_CONSOLE);
    assert_int_equal(world[0].d.shared_info->evtchn_pending[0], 0);
}

/* --- SCHEDOP_poll --- */

#define PORTS_GVA 0x2000ul

static int poll_ports(struct world_vcpu *v, const u32 *ports, unsigned n, u64 deadline)
{
    for (unsigned i = 0; i < n; i++)
        ((u32 *)(world[0].ram + PORTS_GVA))[i] = ports[i];
    return evtchn_poll(&v->v, PORTS_GVA, n, deadline);
}

static void poll_sleeps_until_its_port_is_pending_though_masked(void **state)
{
    u32 port = ipi(1), other = ipi(1);

    set_mask(port, true);
    set_mask(other, true);
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    assert_null(world_timer);
    send(other);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    send(port);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    v1->kicks = 0;
    test_and_clear_bit64(world[0].d.shared_info->evtchn_pending, port);
    send(port);
    assert_int_equal(v1->kicks, 0); /* nobody polls any more */
}

static void poll_returns_at_once_when_a_port_is_pending(void **state)
{
    u32 ports[] = {ipi(1), ipi(1), ipi(1)};

    set_mask(ports[2], true);
    send(ports[2]);
    assert_int_equal(poll_ports(v1, ports, 3, 0), 0);
    assert_int_equal(v1->blocks, 0);
}

static void poll_on_several_ports_wakes_on_the_last_of_them(void **state)
{
    u32 ports[128];

    for (unsigned i = 0; i < 128; i++) {
        ports[i] = ipi(2);
        set_mask(ports[i], true);
    }
    assert_int_equal(poll_ports(v1, ports, 128, 0), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    send(ports[127]);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
}

static void poll_times_out(void **state)
{
    u32 port = ipi(1);

    assert_int_equal(poll_ports(v1, &port, 1, world_now + 500), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    assert_non_null(world_timer);
    assert_int_equal(world_timer->deadline, world_now + 500);
    world_fire_timer();
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    assert_int_equal(poll_ports(v1, &port, 1, world_now), 0); /* already past */
    assert_int_equal(v1->blocks, 1);
}

static void an_event_stops_the_timeout(void **state)
{
    u32 port = ipi(1);

    assert_int_equal(poll_ports(v1, &port, 1, world_now + 500), 0);
    send(port);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    assert_null(world_timer);
}

static void poll_without_ports_sleeps_for_the_timeout(void **state)
{
    assert_int_equal(poll_ports(v1, NULL, 0, world_now + 500), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    world_fire_timer();
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
}

static void poll_checks_its_arguments(void **state)
{
    u32 port = ipi(1), bad = 1 << 17;

    assert_int_equal(evtchn_poll(&v1->v, PORTS_GVA, 129, 0), -XEN_EINVAL);
    assert_int_equal(evtchn_poll(&v1->v, PORTS_GVA, ~0u, 0), -XEN_EINVAL);
    assert_int_equal(evtchn_poll(&v1->v, WORLD_RAM - 2, 1, 0), -XEN_EFAULT);
    assert_int_equal(poll_ports(v1, (u32[]){port, bad}, 2, 0), -XEN_EINVAL);
    send(port);
    assert_int_equal(poll_ports(v1, (u32[]){port, bad}, 2, 0), -XEN_EINVAL);
    assert_int_equal(v1->blocks, 0);
}

static u32 racing_port;

static void raise_while_blocking(struct vcpu *v)
{
    /* Straight into the bitmap: a sender that looked for pollers before this one was there. */
    test_and_set_bit64(world[0].d.shared_info->evtchn_pending, racing_port);
}

static void poll_sees_an_event_that_arrives_while_it_goes_to_sleep(void **state)
{
    racing_port = ipi(1);
    world[0].on_block = raise_while_blocking;
    assert_int_equal(poll_ports(v1, &racing_port, 1, world_now + 500), 0);
    assert_int_equal(v1->blocks, 1);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    assert_null(world_timer);
}

static void poll_does_not_sleep_over_a_deliverable_interrupt(void **state)
{
    u32 port = ipi(1), event = ipi(1);

    assert_int_equal(evtchn_set_callback_irq(&world[0].d, CALLBACK_VECTOR(0x93)), 0);
    send(event);
    v1->v.regs.rflags = 0;
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    v1->v.regs.rflags = BIT(9);
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);

    v1->v.info->evtchn_upcall_pending = 0;
    v1->pending_vector = 0x31;
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    v1->v.regs.rflags = 0;
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    v1->nmi = true;
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
}

static void poll_wakes_in_the_fifo_abi_too(void **state)
{
    u32 port = ipi(1), late = 0;

    world_enter_fifo(0, 1);
    *world_word(0, port) |= 1u << EVTCHN_FIFO_MASKED;
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0);
    send(port);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    assert_int_equal(poll_ports(v1, &port, 1, 0), 0); /* still pending */
    assert_int_equal(v1->blocks, 1);

    while (late < 1024)
        late = ipi(1); /* no event word yet */
    assert_int_equal(poll_ports(v1, &late, 1, 0), 0);
    assert_int_equal(v1->v.state, VCPU_BLOCKED);
    send(late);
    assert_int_equal(v1->v.state, VCPU_RUNNABLE);
    assert_int_equal(poll_ports(v1, &late, 1, 0), 0);
    assert_int_equal(v1->blocks, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_event_sets_pending_selector_and_upcall),
        T(a_pending_event_is_not_announced_twice),
        T(a_set_selector_bit_means_the_upcall_is_already_under_way),
        T(a_masked_event_stays_pending_without_upcall),
        T(unmask_announces_a_pending_event),
        T(unmask_of_an_idle_or_unmasked_port_is_quiet),
        T(without_vcpu_info_the_event_waits_until_it_is_registered),
        T(moved_info_has_every_selector_bit_and_an_upcall),
        T(the_upcall_vector_is_injected_once_per_0_to_1),
        T(setting_the_vector_injects_what_is_pending),
        T(vectors_below_16_are_refused),
        T(a_disabled_lapic_gets_the_vector_when_it_is_enabled),
        T(recheck_is_quiet_without_upcall_or_vector),
        T(the_callback_vector_is_asserted_while_the_upcall_is_pending),
        T(the_per_vcpu_vector_wins_over_the_callback),
        T(setting_the_callback_kicks_whoever_has_an_upcall),
        T(other_callback_types_are_accepted_and_assert_nothing),
        T(a_virq_reaches_its_vcpu_only),
        T(raising_what_is_not_bound_does_nothing),
        T(poll_sleeps_until_its_port_is_pending_though_masked),
        T(poll_returns_at_once_when_a_port_is_pending),
        T(poll_on_several_ports_wakes_on_the_last_of_them),
        T(poll_times_out),
        T(an_event_stops_the_timeout),
        T(poll_without_ports_sleeps_for_the_timeout),
        T(poll_checks_its_arguments),
        T(poll_sees_an_event_that_arrives_while_it_goes_to_sleep),
        T(poll_does_not_sleep_over_a_deliverable_interrupt),
        T(poll_wakes_in_the_fifo_abi_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
