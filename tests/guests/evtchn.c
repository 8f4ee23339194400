/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 only=torii,xen */
/* Event channels, 2-level ABI: every operation, its errors, delivery (public/event_channel.h). */
#include "hyper.h"

#define VECTOR 0xf3

static struct shared_info *s;

static long status(u32 port, struct evtchn_status *st)
{
    *st = (struct evtchn_status){.dom = DOMID_SELF, .port = port};
    return evtchn_op(EVTCHNOP_status, st);
}

/* The upcall does what a kernel's does: selector first, then the words. */
static u32 seen[2][4096];

static void upcall(void)
{
    unsigned cpu = this_cpu()->index;
    struct vcpu_info *v = &s->vcpu_info[cpu];

    v->evtchn_upcall_pending = 0;
    for (u64 words = __atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST); words; words &= words - 1) {
        unsigned w = __builtin_ctzll(words);

        for (u64 bits = s->evtchn_pending[w] & ~s->evtchn_mask[w]; bits; bits &= bits - 1) {
            u32 port = w * 64 + __builtin_ctzll(bits);

            port_clear(port);
            seen[cpu][port]++;
        }
    }
}

static bool arrives(unsigned cpu, u32 port)
{
    u32 n = seen[cpu][port];

    return !evtchn_send(port) && wait_count(&seen[cpu][port], n + 1, 2000);
}

static void ipis(void)
{
    long p = bind_ipi(0), q = bind_ipi(1);
    struct evtchn_status st;
    struct evtchn_bind_vcpu bv = {.port = p, .vcpu = 1};
    struct evtchn_bind_ipi bad = {.vcpu = 99};

    ok(p > 0 && q > 0 && p != q, "bind_ipi gives ports, none of them 0");
    is(status(p, &st), 0, "status");
    ok(st.status == EVTCHNSTAT_ipi && st.vcpu == 0, "status says IPI of vCPU 0");
    status(q, &st);
    is(st.vcpu, 1, "the other's is of vCPU 1");
    is(evtchn_op(EVTCHNOP_bind_vcpu, &bv), ERR(XEN_EINVAL), "an IPI port does not move");
    is(evtchn_op(EVTCHNOP_bind_ipi, &bad), ERR(XEN_ENOENT), "bind_ipi of a vCPU that is not");
    ok(!port_pending(p), "a new port is not pending");
    port_mask(p, true);
    is(evtchn_send(p), 0, "send to a masked port");
    ok(port_pending(p) && !s->vcpu_info[0].evtchn_upcall_pending, "makes it pending and calls nobody");
    wait_ms(10);
    is(seen[0][p], 0, "it does not arrive");
    is(evtchn_unmask(p), 0, "unmask");
    ok(wait_count(&seen[0][p], 1, 1000), "delivers it");
    ok(arrives(0, p), "send to an unmasked port arrives");
    port_mask(q, false);
    ok(arrives(1, q), "and on the other CPU");
    is(evtchn_close(p), 0, "close");
    status(p, &st);
    is(st.status, EVTCHNSTAT_closed, "status says closed");
    is(evtchn_send(p), ERR(XEN_EINVAL), "send to a closed port");
    is(evtchn_close(p), ERR(XEN_EINVAL), "close again");
    is(evtchn_close(q), 0, "close the other's");
}

static void virqs(void)
{
    long t = bind_virq(VIRQ_TIMER, 0), t1 = bind_virq(VIRQ_TIMER, 1), c = bind_virq(VIRQ_CONSOLE, 0);
    struct evtchn_status st;
    struct evtchn_bind_vcpu bv = {.port = c, .vcpu = 1};

    ok(t > 0 && t1 > 0 && c > 0, "bind_virq: timer of both vCPUs, console");
    status(t1, &st);
    ok(st.status == EVTCHNSTAT_virq && st.vcpu == 1 && st.u.virq == VIRQ_TIMER, "status says VIRQ_TIMER of vCPU 1");
    is(bind_virq(VIRQ_TIMER, 0), ERR(XEN_EEXIST), "bound twice");
    is(bind_virq(VIRQ_CONSOLE, 1), ERR(XEN_EINVAL), "a global VIRQ on another vCPU than 0");
    is(bind_virq(24, 0), ERR(XEN_EINVAL), "a VIRQ that is not");
    is(bind_virq(VIRQ_TIMER, 99), ERR(XEN_ENOENT), "a vCPU that is not");
    is(evtchn_op(EVTCHNOP_bind_vcpu, &bv), 0, "a global VIRQ's port moves");
    status(c, &st);
    is(st.vcpu, 1, "to vCPU 1");
    bv = (struct evtchn_bind_vcpu){.port = t, .vcpu = 1};
    is(evtchn_op(EVTCHNOP_bind_vcpu, &bv), ERR(XEN_EINVAL), "a per-vCPU VIRQ's port does not");
    is(evtchn_send(t), ERR(XEN_EINVAL), "send to a VIRQ's port");
    is(evtchn_close(t) | evtchn_close(t1) | evtchn_close(c), 0, "close all");
    t = bind_virq(VIRQ_TIMER, 0);
    ok(t > 0, "and bind again");
    evtchn_close(t);
}

static void interdomain(void)
{
    long u = alloc_unbound(DOMID_SELF);
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = u};
    struct evtchn_status st;
    struct evtchn_bind_vcpu bv;
    u32 l;

    ok(u > 0, "alloc_unbound for oneself");
    status(u, &st);
    ok(st.status == EVTCHNSTAT_unbound, "status says unbound");
    is(evtchn_op(EVTCHNOP_bind_interdomain, &b), 0, "bind_interdomain to it: a loop");
    l = b.local_port;
    status(l, &st);
    ok(st.status == EVTCHNSTAT_interdomain && st.u.interdomain.port == u, "status names the other end");
    is(evtchn_op(EVTCHNOP_bind_interdomain, &b), ERR(XEN_EINVAL), "bound twice");
    port_mask(u, false), port_mask(l, false);
    is(evtchn_send(l), 0, "send to one end");
    ok(wait_count(&seen[0][u], 1, 1000), "arrives at the other");
    is(evtchn_send(u), 0, "and back");
    ok(wait_count(&seen[0][l], 1, 1000), "arrives");
    bv = (struct evtchn_bind_vcpu){.port = l, .vcpu = 1};
    is(evtchn_op(EVTCHNOP_bind_vcpu, &bv), 0, "bind_vcpu");
    is(evtchn_send(u), 0, "send");
    ok(wait_count(&seen[1][l], 1, 1000), "arrives on the other CPU");
    bv.vcpu = 99;
    is(evtchn_op(EVTCHNOP_bind_vcpu, &bv), ERR(XEN_ENOENT), "bind_vcpu to one that is not");
    is(evtchn_close(l), 0, "close one end");
    status(u, &st);
    is(st.status, EVTCHNSTAT_unbound, "leaves the other unbound");
    is(evtchn_send(u), 0, "send to an unbound port is dropped");
    is(evtchn_close(u), 0, "close it");
    b.remote_port = 0;
    is(evtchn_op(EVTCHNOP_bind_interdomain, &b), ERR(XEN_EINVAL), "bind to port 0");
    b.remote_dom = 77;
    is(evtchn_op(EVTCHNOP_bind_interdomain, &b), ERR(XEN_ESRCH), "bind to a domain that is not");
}

static void errors(void)
{
    struct evtchn_alloc_unbound a = {.dom = 77, .remote_dom = 0};
    struct evtchn_status st;

    is(evtchn_send(0), ERR(XEN_EINVAL), "send to port 0");
    is(evtchn_send(~0u), ERR(XEN_EINVAL), "send to port 2^32 - 1");
    is(evtchn_send(4095), ERR(XEN_EINVAL), "send to the last port");
    is(evtchn_unmask(~0u), ERR(XEN_EINVAL), "unmask of port 2^32 - 1");
    is(evtchn_close(0), ERR(XEN_EINVAL), "close of port 0");
    is(status(1u << 20, &st), ERR(XEN_EINVAL), "status of a port that is not");
    is(evtchn_op(EVTCHNOP_alloc_unbound, &a), ERR(XEN_ESRCH), "alloc_unbound in a domain that is not");
    is(evtchn_op(99, &a), ERR(XEN_ENOSYS), "an operation that is not");
    is(evtchn_op(EVTCHNOP_send, (void *)0x8000000000), ERR(XEN_EFAULT), "an argument that is not mapped");
}

static void reset(void)
{
    struct evtchn_reset r = {.dom = DOMID_SELF};
    long p = bind_ipi(0);
    struct evtchn_status st;

    is(evtchn_op(EVTCHNOP_reset, &r), 0, "reset");
    status(p, &st);
    is(st.status, EVTCHNSTAT_closed, "closes every port");
    p = bind_ipi(0);
    ok(p > 0, "and ports can be bound again");
    port_mask(p, false);
    ok(arrives(0, p), "and work");
}

static void many(void)
{
    u32 n = 0, last = 0;
    long p;

    while ((p = alloc_unbound(DOMID_SELF)) > 0 && n < 5000)
        n++, last = p;
    note("%u ports, the last %u, then error %ld", n, last, p);
    ok(n > 900 && last <= 4095, "ports enough, and within the ABI's 4096");
    is(p, ERR(XEN_ENOSPC), "then no space");
}

static volatile bool up;

static void idle(void *unused)
{
    up = true;
    for (;;)
        halt();
}

void test(void)
{
    s = shared_info_map();
    memset((void *)s->evtchn_mask, 0xff, sizeof(s->evtchn_mask));
    irq_handler[VECTOR] = upcall;
    is(upcall_vector(0, VECTOR), 0, "an upcall vector for vCPU 0");
    is(upcall_vector(1, VECTOR), 0, "and for vCPU 1 while it is off");
    ap_start(1, idle, NULL);
    while (!up)
        cpu_relax();
    ipis();
    virqs();
    interdomain();
    errors();
    reset();
    many();
}
