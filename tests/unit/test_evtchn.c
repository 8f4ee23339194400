/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/evtchn.c src/xen/evtchn_2l.c src/xen/evtchn_fifo.c src/xen/evtchn_upcall.c src/xen/evtchn_op.c src/xen/evtchn_dump.c tests/unit/evtchn_world.c tests/unit/fakes.c */
/* Ports: binding, closing, sending, status, and every error of the operations. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "evtchn_world.h"
#include "fakes.h"

#include <torii/atomic.h>
#include <torii/errno.h>

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

static bool pending_2l(unsigned dom, u32 port)
{
    return test_bit64(world[dom].d.shared_info->evtchn_pending, port);
}

static u32 state_of(unsigned dom, u32 port)
{
    evtchn_status_t s;

    assert_int_equal(world_status(dom, DOMID_SELF, port, &s), 0);
    return s.status;
}

/* A connected pair: port of world[0], port of world[1]. */
static void connect_0_1(u32 *p0, u32 *p1)
{
    assert_int_equal(world_alloc_unbound(0, 1, p0), 0);
    assert_int_equal(world_bind_interdomain(1, 0, *p0, p1), 0);
}

static void port_0_is_never_handed_out(void **state)
{
    u32 port;

    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(port, 1);
    assert_int_equal(state_of(0, 0), EVTCHNSTAT_closed);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, 0), -XEN_EINVAL);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, 0), -XEN_EINVAL);
}

static void ports_are_given_lowest_first_and_reused(void **state)
{
    u32 port;

    for (u32 i = 1; i <= 300; i++) {
        assert_int_equal(world_bind_ipi(0, 0, &port), 0);
        assert_int_equal(port, i);
    }
    assert_int_equal(world_port_op(0, EVTCHNOP_close, 130), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, 7), 0);
    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(port, 7);
    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(port, 130);
}

static void the_2_level_abi_has_4096_ports(void **state)
{
    u32 port, n = 0;

    while (world_bind_ipi(0, 0, &port) == 0)
        n++;
    assert_int_equal(n, 4095);
    assert_int_equal(world_bind_ipi(0, 0, &port), -XEN_ENOSPC);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, 4095), 0);
    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(port, 4095);
}

static void the_toolstack_limits_the_highest_port(void **state)
{
    u32 port;

    evtchn_set_max_port(&world[1].d, 5);
    for (u32 i = 1; i <= 5; i++)
        assert_int_equal(world_alloc_unbound(1, 0, &port), 0);
    assert_int_equal(world_alloc_unbound(1, 0, &port), -XEN_ENOSPC);
    evtchn_set_max_port(&world[2].d, 0);
    assert_int_equal(world_alloc_unbound(2, 0, &port), -XEN_ENOSPC);
    evtchn_set_max_port(&world[1].d, ~0u);
    assert_int_equal(world_alloc_unbound(1, 0, &port), 0);
    assert_int_equal(port, 6);
}

static void a_table_that_cannot_grow_is_enomem(void **state)
{
    u32 port;

    fake_alloc_fail_after = 0;
    assert_int_equal(world_bind_ipi(0, 0, &port), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
}

static void domain_init_without_memory_is_enomem(void **state)
{
    static struct domain d;
    static struct vcpu v = {.d = &d};

    for (int n = 0; n < 2; n++) {
        fake_alloc_fail_after = n;
        assert_int_equal(evtchn_domain_init(&d), -XEN_ENOMEM);
        assert_null(d.evtchn);
    }
    fake_alloc_fail_after = 0;
    assert_int_equal(evtchn_vcpu_init(&v), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    evtchn_domain_free(&d); /* harmless */
}

static void alloc_unbound_waits_for_the_named_domain(void **state)
{
    evtchn_status_t s;
    u32 port;

    assert_int_equal(world_alloc_unbound(1, 2, &port), 0);
    assert_int_equal(world_status(1, DOMID_SELF, port, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(s.u.unbound.dom, 2);
    assert_int_equal(s.vcpu, 0);
    assert_int_equal(world_alloc_unbound(1, DOMID_SELF, &port), 0);
    assert_int_equal(world_status(1, DOMID_SELF, port, &s), 0);
    assert_int_equal(s.u.unbound.dom, 1);
}

static void the_control_domain_allocates_in_other_domains(void **state)
{
    struct evtchn_alloc_unbound a = {.dom = 1, .remote_dom = 0};
    evtchn_status_t s;

    assert_int_equal(world_op(0, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), 0);
    assert_int_equal(world_status(1, DOMID_SELF, a.port, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(s.u.unbound.dom, 0);

    /* DOMID_SELF as remote is the caller, not the domain that gets the port. */
    a = (struct evtchn_alloc_unbound){.dom = 1, .remote_dom = DOMID_SELF};
    assert_int_equal(world_op(0, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), 0);
    assert_int_equal(world_status(0, 1, a.port, &s), 0);
    assert_int_equal(s.u.unbound.dom, 0);

    a = (struct evtchn_alloc_unbound){.dom = 77, .remote_dom = 0};
    assert_int_equal(world_op(0, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -XEN_ESRCH);
}

static void others_may_only_name_themselves(void **state)
{
    struct evtchn_alloc_unbound a = {.dom = 0, .remote_dom = 1};
    struct evtchn_reset r = {.dom = 0};
    evtchn_status_t s;

    assert_int_equal(world_op(1, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -XEN_EPERM);
    a.dom = 77;
    assert_int_equal(world_op(1, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), -XEN_EPERM);
    a.dom = 1; /* by number */
    assert_int_equal(world_op(1, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a)), 0);
    assert_int_equal(world_status(1, 0, 1, &s), -XEN_EPERM);
    assert_int_equal(world_op(1, 0, EVTCHNOP_reset, &r, sizeof(r)), -XEN_EPERM);
}

static void a_dying_domain_opens_no_ports(void **state)
{
    u32 p0, p1;

    assert_int_equal(world_alloc_unbound(1, 0, &p1), 0);
    world[1].d.dying = true;
    assert_int_equal(world_alloc_unbound(1, 0, &p0), -XEN_EINVAL);
    assert_int_equal(world_bind_interdomain(0, 1, p1, &p0), -XEN_EINVAL);
}

static void interdomain_connects_both_ends(void **state)
{
    evtchn_status_t s;
    u32 p0, p1;

    connect_0_1(&p0, &p1);
    assert_int_equal(world_status(0, DOMID_SELF, p0, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_interdomain);
    assert_int_equal(s.u.interdomain.dom, 1);
    assert_int_equal(s.u.interdomain.port, p1);
    assert_int_equal(world_status(0, 1, p1, &s), 0);
    assert_int_equal(s.u.interdomain.dom, 0);
    assert_int_equal(s.u.interdomain.port, p0);
}

static void binding_raises_the_local_end(void **state)
{
    u32 p0, p1;

    connect_0_1(&p0, &p1);
    assert_true(pending_2l(1, p1));
    assert_false(pending_2l(0, p0));
    assert_true(evtchn_upcall_pending(&world[1].vcpu[0].v));
}

static void send_raises_the_other_end(void **state)
{
    u32 p0, p1, got[4];

    connect_0_1(&p0, &p1);
    assert_int_equal(world_consume_2l(1, 0, got, 4), 1);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, p0), 0);
    assert_int_equal(world_consume_2l(1, 0, got, 4), 1);
    assert_int_equal(got[0], p1);
    assert_false(pending_2l(0, p0));
    assert_int_equal(world_port_op(1, EVTCHNOP_send, p1), 0);
    assert_int_equal(world_consume_2l(0, 0, got, 4), 1);
    assert_int_equal(got[0], p0);
}

static void loopback_works(void **state)
{
    evtchn_status_t s;
    u32 a, b, got[4];

    assert_int_equal(world_alloc_unbound(0, DOMID_SELF, &a), 0);
    assert_int_equal(world_bind_interdomain(0, 0, a, &b), 0);
    assert_int_not_equal(a, b);
    assert_int_equal(world_consume_2l(0, 0, got, 4), 1);
    assert_int_equal(got[0], b);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, b), 0);
    assert_int_equal(world_consume_2l(0, 0, got, 4), 1);
    assert_int_equal(got[0], a);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, b), 0);
    assert_int_equal(world_status(0, DOMID_SELF, a, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(s.u.unbound.dom, 0);
    assert_int_equal(world_bind_interdomain(0, DOMID_SELF, a, &b), 0);
}

static void bind_interdomain_needs_a_port_waiting_for_the_caller(void **state)
{
    u32 for2, p, ipi, p1;

    assert_int_equal(world_alloc_unbound(0, 2, &for2), 0);
    assert_int_equal(world_bind_interdomain(1, 0, for2, &p), -XEN_EINVAL);
    assert_int_equal(state_of(0, for2), EVTCHNSTAT_unbound);
    assert_int_equal(world_bind_interdomain(1, 0, 0, &p), -XEN_EINVAL);
    assert_int_equal(world_bind_interdomain(1, 0, 99, &p), -XEN_EINVAL);
    assert_int_equal(world_bind_interdomain(1, 0, ~0u, &p), -XEN_EINVAL);
    assert_int_equal(world_bind_interdomain(1, 2, 1, &p), -XEN_EINVAL);
    assert_int_equal(world_bind_interdomain(1, 77, 1, &p), -XEN_ESRCH);
    assert_int_equal(world_bind_ipi(0, 0, &ipi), 0);
    assert_int_equal(world_bind_interdomain(1, 0, ipi, &p), -XEN_EINVAL);
    assert_int_equal(world_alloc_unbound(0, 1, &p), 0);
    assert_int_equal(world_bind_interdomain(1, 0, p, &p1), 0);
    assert_int_equal(world_bind_interdomain(1, 0, p, &p1), -XEN_EINVAL); /* taken */
}

static void bind_interdomain_without_a_free_port_leaves_the_peer_unbound(void **state)
{
    u32 p0, p1;

    assert_int_equal(world_alloc_unbound(0, 1, &p0), 0);
    evtchn_set_max_port(&world[1].d, 0);
    assert_int_equal(world_bind_interdomain(1, 0, p0, &p1), -XEN_ENOSPC);
    assert_int_equal(state_of(0, p0), EVTCHNSTAT_unbound);
}

static void closing_one_end_leaves_the_other_waiting_for_the_same_domain(void **state)
{
    evtchn_status_t s;
    u32 p0, p1, again;

    connect_0_1(&p0, &p1);
    assert_int_equal(world_port_op(1, EVTCHNOP_close, p1), 0);
    assert_int_equal(state_of(1, p1), EVTCHNSTAT_closed);
    assert_int_equal(world_status(0, DOMID_SELF, p0, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(s.u.unbound.dom, 1);
    assert_int_equal(world_bind_interdomain(2, 0, p0, &again), -XEN_EINVAL);
    assert_int_equal(world_bind_interdomain(1, 0, p0, &again), 0);
    /* And the other way, where the lock order is reversed. */
    assert_int_equal(world_port_op(0, EVTCHNOP_close, p0), 0);
    assert_int_equal(world_status(1, DOMID_SELF, again, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    assert_int_equal(s.u.unbound.dom, 0);
}

static void closing_clears_what_is_pending(void **state)
{
    u32 p0, p1;

    connect_0_1(&p0, &p1);
    assert_true(pending_2l(1, p1));
    assert_int_equal(world_port_op(1, EVTCHNOP_close, p1), 0);
    assert_false(pending_2l(1, p1));
}

static void close_refuses_what_is_not_open(void **state)
{
    u32 port;

    assert_int_equal(world_port_op(0, EVTCHNOP_close, 1), -XEN_EINVAL);
    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, port), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, port), -XEN_EINVAL);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, ~0u), -XEN_EINVAL);
}

static void a_reused_port_notifies_vcpu_0_again(void **state)
{
    evtchn_status_t s;
    u32 port;

    assert_int_equal(world_alloc_unbound(0, 1, &port), 0);
    assert_int_equal(world_bind_vcpu(0, port, 3), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, port), 0);
    assert_int_equal(world_alloc_unbound(0, 1, &port), 0);
    assert_int_equal(world_status(0, DOMID_SELF, port, &s), 0);
    assert_int_equal(s.vcpu, 0);
}

static void send_to_an_unbound_port_is_dropped(void **state)
{
    u32 port;

    assert_int_equal(world_alloc_unbound(0, 1, &port), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, port), 0);
    assert_false(pending_2l(0, port));
}

static void send_refuses_virqs_and_closed_ports(void **state)
{
    u32 port;

    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 0, &port), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, port), -XEN_EINVAL);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, port + 1), -XEN_EINVAL);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, 1 << 20), -XEN_EINVAL);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, ~0u), -XEN_EINVAL);
}

static void an_ipi_reaches_the_vcpu_it_was_bound_to(void **state)
{
    evtchn_status_t s;
    u32 port, got[4];

    assert_int_equal(world_bind_ipi(0, 2, &port), 0);
    assert_int_equal(world_status(0, DOMID_SELF, port, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_ipi);
    assert_int_equal(s.vcpu, 2);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, port), 0);
    assert_false(evtchn_upcall_pending(&world[0].vcpu[0].v));
    assert_int_equal(world_consume_2l(0, 2, got, 4), 1);
    assert_int_equal(got[0], port);
    assert_int_equal(world_bind_ipi(0, WORLD_VCPUS, &port), -XEN_ENOENT);
    assert_int_equal(world_bind_ipi(0, ~0u, &port), -XEN_ENOENT);
}

static void a_per_vcpu_virq_is_bound_once_per_vcpu(void **state)
{
    evtchn_status_t s;
    u32 a, b, port;

    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 0, &a), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 1, &b), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 1, &port), -XEN_EEXIST);
    assert_int_equal(world_status(0, DOMID_SELF, b, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_virq);
    assert_int_equal(s.u.virq, VIRQ_TIMER);
    assert_int_equal(s.vcpu, 1);
    assert_int_equal(world_port_op(0, EVTCHNOP_close, b), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 1, &port), 0);
}

static void a_global_virq_is_bound_once_on_vcpu_0(void **state)
{
    static const u32 globals[] = {VIRQ_CONSOLE,    VIRQ_DOM_EXC,   VIRQ_TBUF,   VIRQ_DEBUGGER, VIRQ_CON_RING,
                                  VIRQ_PCPU_STATE, VIRQ_MEM_EVENT, VIRQ_ENOMEM, VIRQ_ARCH_0};
    u32 port, again;

    for (unsigned i = 0; i < ARRAY_SIZE(globals); i++) {
        assert_int_equal(world_bind_virq(0, globals[i], 1, &port), -XEN_EINVAL);
        assert_int_equal(world_bind_virq(0, globals[i], 0, &port), 0);
        assert_int_equal(world_bind_virq(0, globals[i], 0, &again), -XEN_EEXIST);
        assert_int_equal(world_port_op(0, EVTCHNOP_close, port), 0);
        assert_int_equal(world_bind_virq(0, globals[i], 0, &port), 0);
    }
}

static void bind_virq_checks_its_numbers(void **state)
{
    u32 port;

    assert_int_equal(world_bind_virq(0, NR_VIRQS, 0, &port), -XEN_EINVAL);
    assert_int_equal(world_bind_virq(0, ~0u, 0, &port), -XEN_EINVAL);
    assert_int_equal(world_bind_virq(0, VIRQ_DEBUG, WORLD_VCPUS, &port), -XEN_ENOENT);
    assert_int_equal(world_bind_virq(0, VIRQ_XENPMU, ~0u, &port), -XEN_ENOENT);
    assert_int_equal(world_bind_virq(0, VIRQ_XENOPROF, 3, &port), 0);
}

static void there_are_no_pirqs(void **state)
{
    struct evtchn_bind_pirq a = {.pirq = 9, .flags = BIND_PIRQ__WILL_SHARE};

    assert_int_equal(world_op(0, 0, EVTCHNOP_bind_pirq, &a, sizeof(a)), -XEN_EINVAL);
}

static void bind_vcpu_moves_what_may_move(void **state)
{
    evtchn_status_t s;
    u32 p0, p1, unbound, global, got[4];

    connect_0_1(&p0, &p1);
    world_consume_2l(1, 0, got, 4);
    assert_int_equal(world_bind_vcpu(1, p1, 2), 0);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, p0), 0);
    assert_int_equal(world_consume_2l(1, 0, got, 4), 0);
    assert_int_equal(world_consume_2l(1, 2, got, 4), 1);

    assert_int_equal(world_alloc_unbound(0, 1, &unbound), 0);
    assert_int_equal(world_bind_vcpu(0, unbound, 3), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_CONSOLE, 0, &global), 0);
    assert_int_equal(world_bind_vcpu(0, global, 1), 0);
    assert_int_equal(world_status(0, DOMID_SELF, global, &s), 0);
    assert_int_equal(s.vcpu, 1);
    evtchn_raise_global_virq(&world[0].d, VIRQ_CONSOLE);
    assert_int_equal(world_consume_2l(0, 1, got, 4), 1);
    assert_int_equal(got[0], global);
}

static void bind_vcpu_refuses_what_may_not(void **state)
{
    u32 ipi, virq, unbound;

    assert_int_equal(world_bind_ipi(0, 0, &ipi), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 0, &virq), 0);
    assert_int_equal(world_alloc_unbound(0, 1, &unbound), 0);
    assert_int_equal(world_bind_vcpu(0, ipi, 1), -XEN_EINVAL);
    assert_int_equal(world_bind_vcpu(0, virq, 1), -XEN_EINVAL);
    assert_int_equal(world_bind_vcpu(0, unbound + 1, 1), -XEN_EINVAL);
    assert_int_equal(world_bind_vcpu(0, 0, 1), -XEN_EINVAL);
    assert_int_equal(world_bind_vcpu(0, 1 << 17, 1), -XEN_EINVAL);
    assert_int_equal(world_bind_vcpu(0, unbound, WORLD_VCPUS), -XEN_ENOENT);
}

static void status_refuses_what_is_not_there(void **state)
{
    evtchn_status_t s;
    u32 port;

    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(world_status(0, DOMID_SELF, 1 << 17, &s), -XEN_EINVAL);
    assert_int_equal(world_status(0, 77, port, &s), -XEN_ESRCH);
    assert_int_equal(world_status(0, DOMID_SELF, port + 1, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_closed);
}

static void set_priority_needs_the_fifo_abi(void **state)
{
    u32 port;

    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(world_set_priority(0, port, 3), -XEN_ENOSYS);
    world_enter_fifo(0, 1);
    assert_int_equal(world_set_priority(0, port, 15), 0);
    assert_int_equal(world_set_priority(0, port, 16), -XEN_EINVAL);
    assert_int_equal(world_set_priority(0, port + 1, 3), -XEN_EINVAL);
    assert_int_equal(world_set_priority(0, ~0u, 3), -XEN_EINVAL);
}

static void reset_closes_every_port(void **state)
{
    evtchn_status_t s;
    u32 p0, p1, port;

    connect_0_1(&p0, &p1);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 2, &port), 0);
    assert_int_equal(world_bind_virq(0, VIRQ_CONSOLE, 0, &port), 0);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(world_bind_ipi(0, 1, &port), 0);
    assert_int_equal(world_reset(0, DOMID_SELF), 0);
    for (u32 p = 1; p <= port; p++)
        assert_int_equal(state_of(0, p), EVTCHNSTAT_closed);
    assert_int_equal(world_status(1, DOMID_SELF, p1, &s), 0);
    assert_int_equal(s.status, EVTCHNSTAT_unbound);
    evtchn_raise_virq(&world[0].vcpu[2].v, VIRQ_TIMER);
    assert_false(evtchn_upcall_pending(&world[0].vcpu[2].v));
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 2, &port), 0);
    assert_int_equal(port, 1);
}

static void a_long_reset_is_preempted_and_goes_on(void **state)
{
    struct evtchn_reset r = {.dom = DOMID_SELF};
    unsigned calls = 1;
    u32 port;

    while (world_bind_ipi(0, 0, &port) == 0)
        ;
    for (; world_op(0, 0, EVTCHNOP_reset, &r, sizeof(r)) == -XEN_EAGAIN; calls++)
        assert_true(calls < 10);
    assert_true(calls > 1);
    assert_int_equal(state_of(0, 4095), EVTCHNSTAT_closed);
    assert_int_equal(world_bind_ipi(0, 0, &port), 0);
    assert_int_equal(port, 1);
}

static void the_control_domain_resets_others(void **state)
{
    u32 p0, p1;

    connect_0_1(&p0, &p1);
    assert_int_equal(world_reset(0, 1), 0);
    assert_int_equal(state_of(1, p1), EVTCHNSTAT_closed);
    assert_int_equal(state_of(0, p0), EVTCHNSTAT_unbound);
    assert_int_equal(world_reset(0, 77), -XEN_ESRCH);
}

static void a_domain_that_goes_leaves_its_peers_unbound(void **state)
{
    u32 p0, p1;

    connect_0_1(&p0, &p1);
    world[1].d.dying = true;
    evtchn_domain_free(&world[1].d);
    assert_int_equal(state_of(0, p0), EVTCHNSTAT_unbound);
    assert_int_equal(world_port_op(0, EVTCHNOP_send, p0), 0);
}

static void every_operation_checks_its_argument_address(void **state)
{
    struct vcpu *v = &world[0].vcpu[0].v;

    for (unsigned cmd = EVTCHNOP_bind_interdomain; cmd <= EVTCHNOP_set_priority; cmd++) {
        assert_int_equal(evtchn_op(v, cmd, WORLD_RAM - 1), -XEN_EFAULT);
        assert_int_equal(evtchn_op(v, cmd, ~0ul), -XEN_EFAULT);
    }
    assert_int_equal(evtchn_op(v, EVTCHNOP_set_priority + 1, ARG_GVA), -XEN_ENOSYS);
    assert_int_equal(evtchn_op(v, ~0u, ARG_GVA), -XEN_ENOSYS);
}

/* Results that cannot be written take the port back. */
static void a_port_the_caller_cannot_be_told_of_is_closed(void **state)
{
    struct vcpu *v = &world[0].vcpu[0].v;
    u8 *page = world[0].ram + READONLY_GVA;
    evtchn_status_t s;
    u32 p1;

    *(struct evtchn_alloc_unbound *)page = (struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = 1};
    assert_int_equal(evtchn_op(v, EVTCHNOP_alloc_unbound, READONLY_GVA), -XEN_EFAULT);
    *(struct evtchn_alloc_unbound *)page = (struct evtchn_alloc_unbound){.dom = 2, .remote_dom = 1};
    assert_int_equal(evtchn_op(v, EVTCHNOP_alloc_unbound, READONLY_GVA), -XEN_EFAULT);
    *(struct evtchn_bind_ipi *)page = (struct evtchn_bind_ipi){.vcpu = 0};
    assert_int_equal(evtchn_op(v, EVTCHNOP_bind_ipi, READONLY_GVA), -XEN_EFAULT);
    *(struct evtchn_bind_virq *)page = (struct evtchn_bind_virq){.virq = VIRQ_TIMER, .vcpu = 0};
    assert_int_equal(evtchn_op(v, EVTCHNOP_bind_virq, READONLY_GVA), -XEN_EFAULT);
    assert_int_equal(world_alloc_unbound(1, 0, &p1), 0);
    *(struct evtchn_bind_interdomain *)page = (struct evtchn_bind_interdomain){.remote_dom = 1, .remote_port = p1};
    assert_int_equal(evtchn_op(v, EVTCHNOP_bind_interdomain, READONLY_GVA), -XEN_EFAULT);
    *(evtchn_status_t *)page = (evtchn_status_t){.dom = DOMID_SELF, .port = 1};
    assert_int_equal(evtchn_op(v, EVTCHNOP_status, READONLY_GVA), -XEN_EFAULT);
    *(struct evtchn_init_control *)page = (struct evtchn_init_control){.control_gfn = CONTROL_GFN};
    assert_int_equal(evtchn_op(v, EVTCHNOP_init_control, READONLY_GVA), -XEN_EFAULT);

    for (u32 port = 0; port < 10; port++) {
        assert_int_equal(state_of(0, port), EVTCHNSTAT_closed);
        assert_int_equal(world_status(0, 2, port, &s), 0);
        assert_int_equal(s.status, EVTCHNSTAT_closed);
    }
    assert_int_equal(state_of(1, p1), EVTCHNSTAT_unbound);
    assert_int_equal(world_bind_virq(0, VIRQ_TIMER, 0, &p1), 0);
    assert_int_equal(world_init_control(0, 0, CONTROL_GFN, 0), 0);
}

static void the_dump_names_every_open_port(void **state)
{
    u32 p0, p1;
    unsigned before;

    connect_0_1(&p0, &p1);
    assert_int_equal(world_bind_virq(1, VIRQ_TIMER, 2, &p0), 0);
    assert_int_equal(world_bind_ipi(1, 3, &p0), 0);
    assert_int_equal(world_alloc_unbound(1, 0, &p0), 0);
    before = fake_log_count;
    evtchn_dump(&world[1].d);
    assert_int_equal(fake_log_count - before, 5);
    assert_string_equal(fake_log_last, "  4: unbound, for d0, peer port 0, on v0 priority 7\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(port_0_is_never_handed_out),
        T(ports_are_given_lowest_first_and_reused),
        T(the_2_level_abi_has_4096_ports),
        T(the_toolstack_limits_the_highest_port),
        T(a_table_that_cannot_grow_is_enomem),
        T(domain_init_without_memory_is_enomem),
        T(alloc_unbound_waits_for_the_named_domain),
        T(the_control_domain_allocates_in_other_domains),
        T(others_may_only_name_themselves),
        T(a_dying_domain_opens_no_ports),
        T(interdomain_connects_both_ends),
        T(binding_raises_the_local_end),
        T(send_raises_the_other_end),
        T(loopback_works),
        T(bind_interdomain_needs_a_port_waiting_for_the_caller),
        T(bind_interdomain_without_a_free_port_leaves_the_peer_unbound),
        T(closing_one_end_leaves_the_other_waiting_for_the_same_domain),
        T(closing_clears_what_is_pending),
        T(close_refuses_what_is_not_open),
        T(a_reused_port_notifies_vcpu_0_again),
        T(send_to_an_unbound_port_is_dropped),
        T(send_refuses_virqs_and_closed_ports),
        T(an_ipi_reaches_the_vcpu_it_was_bound_to),
        T(a_per_vcpu_virq_is_bound_once_per_vcpu),
        T(a_global_virq_is_bound_once_on_vcpu_0),
        T(bind_virq_checks_its_numbers),
        T(there_are_no_pirqs),
        T(bind_vcpu_moves_what_may_move),
        T(bind_vcpu_refuses_what_may_not),
        T(status_refuses_what_is_not_there),
        T(set_priority_needs_the_fifo_abi),
        T(reset_closes_every_port),
        T(a_long_reset_is_preempted_and_goes_on),
        T(the_control_domain_resets_others),
        T(a_domain_that_goes_leaves_its_peers_unbound),
        T(every_operation_checks_its_argument_address),
        T(a_port_the_caller_cannot_be_told_of_is_closed),
        T(the_dump_names_every_open_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
