/* SPDX-License-Identifier: BSD-2-Clause */
/* How a vCPU learns of events: the upcall, its two vectors, and waking from SCHEDOP_poll. */
#include "evtchn_internal.h"

#include <torii/guest.h>
#include <torii/vlapic.h>

#define X86_EFLAGS_IF BIT(9)

/* Vectors below 16 are not deliverable by a local APIC (SDM vol. 3 §11.5.2). */
#define MIN_VECTOR 0x10

/* What HVM_PARAM_CALLBACK_IRQ encodes in its top byte (xen/hvm/params.h). */
#define CALLBACK_TYPE(param) ((param) >> 56)

#define POLL_MAX_PORTS 128

/* --- the upcall --- */

void evtchn_upcall_inject(struct vcpu *v)
{
    u8 vector = v->evtchn ? READ_ONCE(v->evtchn->upcall_vector) : 0; /* NULL: a vCPU still being built */

    /*
     * A vector goes through the local APIC, which drops it while disabled; evtchn_upcall_recheck makes up for that. The
     * callback vector is taken from evtchn_upcall_pending at the next entry.
     */
    if (vector && vlapic_sw_enabled(v) && vlapic_hw_enabled(v))
        vlapic_set_irq(v, vector, false);
    else
        vcpu_kick(v, TODO_EVENTS);
}

bool evtchn_upcall_pending(const struct vcpu *v)
{
    const struct vcpu_info *info = READ_ONCE(v->info);

    return info && READ_ONCE(info->evtchn_upcall_pending);
}

void evtchn_upcall_recheck(struct vcpu *v)
{
    /* Against evtchn_upcall_raise: it stores "pending", then reads "enabled"; here it is the other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (v->evtchn && v->evtchn->upcall_vector && evtchn_upcall_pending(v))
        evtchn_upcall_inject(v);
}

void evtchn_info_moved(struct vcpu *v)
{
    struct vcpu_info *info = v->info;

    atomic_store(&info->evtchn_pending_sel, ~0ul);
    atomic_store(&info->evtchn_upcall_pending, 1);
    evtchn_upcall_inject(v);
}

int evtchn_set_upcall_vector(struct vcpu *v, u8 vector)
{
    if (vector < MIN_VECTOR)
        return -XEN_EINVAL;
    atomic_store(&v->evtchn->upcall_vector, vector);
    if (evtchn_upcall_pending(v))
        evtchn_upcall_inject(v);
    return 0;
}

int evtchn_set_callback_irq(struct domain *d, u64 param)
{
    u8 vector = 0;

    /*
     * There is no interrupt line to assert for the other types: guests that use per-vCPU vectors set "GSI 1" only to
     * say that they know about upcalls.
     */
    if (CALLBACK_TYPE(param) == HVM_PARAM_CALLBACK_TYPE_VECTOR) {
        vector = param & 0xff;
        if (vector < MIN_VECTOR)
            return -XEN_EINVAL;
    }
    atomic_store(&d->evtchn->callback_vector, vector);
    for (u32 i = 0; vector && i < d->nr_vcpus; i++) {
        struct vcpu *v = evtchn_vcpu_of(d, i);

        if (v && !v->evtchn->upcall_vector && evtchn_upcall_pending(v))
            vcpu_kick(v, TODO_EVENTS);
    }
    return 0;
}

int evtchn_callback_vector(struct vcpu *v)
{
    u8 vector;

    if (likely(READ_ONCE(v->evtchn->upcall_vector)) || !evtchn_upcall_pending(v))
        return -1;
    vector = READ_ONCE(v->d->evtchn->callback_vector);
    return vector ? vector : -1;
}

/* --- virtual interrupts --- */

bool evtchn_virq_is_global(u32 virq)
{
    switch (virq) {
    case VIRQ_TIMER:
    case VIRQ_DEBUG:
    case VIRQ_XENOPROF:
    case VIRQ_XENPMU:
        return false;
    default:
        return true;
    }
}

/* slot: where the binding is remembered; it may be closed and the port reused at any moment, hence the second look. */
static void raise_bound(struct domain *d, const u32 *slot, u32 virq)
{
    u32 port = READ_ONCE(*slot);
    struct evtchn *c;

    if (!port)
        return;
    c = evtchn_at(d->evtchn, port);
    spin_lock(&c->lock);
    if (likely(c->state == ECS_VIRQ && c->virq == virq && READ_ONCE(*slot) == port))
        evtchn_raise(d, c, port);
    spin_unlock(&c->lock);
}

void evtchn_raise_virq(struct vcpu *v, unsigned virq)
{
    if (virq < NR_VIRQS && !evtchn_virq_is_global(virq))
        raise_bound(v->d, &v->evtchn->virq[virq], virq);
}

void evtchn_raise_global_virq(struct domain *d, unsigned virq)
{
    if (virq < NR_VIRQS && evtchn_virq_is_global(virq))
        raise_bound(d, &d->evtchn->global_virq[virq], virq);
}

/* --- SCHEDOP_poll --- */

void evtchn_wake_pollers(struct domain *d, u32 port)
{
    for (u32 w = 0; w < ARRAY_SIZE(d->evtchn->polling); w++) {
        u64 left = atomic_load(&d->evtchn->polling[w]);

        for (; left; left &= left - 1) {
            struct vcpu *v = evtchn_vcpu_of(d, w * 64 + __builtin_ctzll(left));
            u32 wanted = v ? READ_ONCE(v->evtchn->poll_port) : 0;

            if (v && (!wanted || wanted == port)) {
                evtchn_poll_end(v);
                vcpu_kick(v, TODO_EVENTS);
            }
        }
    }
}

void evtchn_poll_end(struct vcpu *v)
{
    if (test_and_clear_bit64(v->d->evtchn->polling, v->id))
        timer_stop(&v->evtchn->poll_timer);
}

void evtchn_poll_timer_fn(struct timer *t)
{
    struct vcpu *v = container_of(t, struct evtchn_vcpu, poll_timer)->v;

    if (test_and_clear_bit64(v->d->evtchn->polling, v->id))
        vcpu_kick(v, TODO_EVENTS);
}

/* One of the ports is pending, masked or not. -XEN_EINVAL for a port that does not exist. */
static int any_pending(struct domain *d, const u32 *ports, unsigned nr)
{
    int pending = 0;

    for (unsigned i = 0; i < nr; i++) {
        struct evtchn *c = evtchn_lookup(d->evtchn, ports[i]);

        if (!c)
            return -XEN_EINVAL;
        spin_lock(&c->lock); /* keeps a reset from taking the FIFO pages away */
        pending |= evtchn_usable(c) && evtchn_is_pending(d, c, ports[i]);
        spin_unlock(&c->lock);
    }
    return pending;
}

/* An interrupt or NMI would be taken at once. */
static bool interruptible_work(struct vcpu *v)
{
    if (vlapic_nmi_pending(v))
        return true;
    return (v->regs.rflags & X86_EFLAGS_IF) && (evtchn_callback_vector(v) >= 0 || vlapic_pending_vector(v) >= 0);
}

int evtchn_poll(struct vcpu *v, u64 ports_gva, unsigned nr_ports, u64 deadline_ns)
{
    struct evtchn_domain *ed = v->d->evtchn;
    u32 ports[POLL_MAX_PORTS];
    int rc;

    if (nr_ports > POLL_MAX_PORTS)
        return -XEN_EINVAL;
    if (copy_from_guest(v, ports, ports_gva, nr_ports * sizeof(ports[0])))
        return -XEN_EFAULT;
    rc = any_pending(v->d, ports, nr_ports);
    if (rc)
        return rc < 0 ? rc : 0;
    if (deadline_ns && deadline_ns <= now_ns())
        return 0;

    evtchn_poll_end(v); /* one that another event ended */
    WRITE_ONCE(v->evtchn->poll_port, nr_ports == 1 ? ports[0] : 0);
    if (deadline_ns)
        timer_start(&v->evtchn->poll_timer, deadline_ns);
    test_and_set_bit64(ed->polling, v->id);
    vcpu_block(v);

    /* Who raised a port before it could see us polling is seen here; who raises later sees us. */
    if (any_pending(v->d, ports, nr_ports) || interruptible_work(v)) {
        evtchn_poll_end(v);
        vcpu_kick(v, TODO_EVENTS);
    }
    return 0;
}
