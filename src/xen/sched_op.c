/* SPDX-License-Identifier: BSD-2-Clause */
/* sched_op: giving up the CPU, shutting down, watchdogs. */
#include <torii/atomic.h>
#include <torii/evtchn.h>
#include <torii/irq.h>
#include <torii/vlapic.h>

#include "compat.h"
#include "hcall.h"
#include "domain_state.h"

#define NS_PER_SEC   1000000000ul
#define NR_WATCHDOGS ARRAY_SIZE(((struct domain *)NULL)->watchdog)

/* Anything that would end a sleep is already there. */
static bool has_work(struct vcpu *v)
{
    return evtchn_upcall_pending(v) || vlapic_pending_vector(v) >= 0 || vlapic_nmi_pending(v);
}

/*
 * Sleep until an event. An event that arrives before vcpu_block kicks a vCPU that does not sleep yet, so the check
 * comes again afterwards; a later one finds it asleep and wakes it.
 */
static long block(struct vcpu *v)
{
    WRITE_ONCE(v->info->evtchn_upcall_mask, 0);
    if (has_work(v))
        return 0;
    vcpu_block(v);
    if (has_work(v))
        vcpu_kick(v, TODO_EVENTS);
    return 0;
}

static long poll(const struct hcall *c)
{
    struct sched_poll p;

    if (compat_read_poll(c, c->args[1], &p))
        return -XEN_EFAULT;
    return evtchn_poll(c->v, handle_gva(p.ports), p.nr_ports, p.timeout);
}

static long shutdown(const struct hcall *c)
{
    struct sched_shutdown s;

    if (hcall_read(c, &s, c->args[1], sizeof(s)))
        return -XEN_EFAULT;
    domain_shutdown(c->v->d, (u8)s.reason);
    return 0;
}

/* The reason a later shutdown will be reported with. */
static long shutdown_code(const struct hcall *c)
{
    struct domain *d = c->v->d;
    struct sched_shutdown s;

    if (hcall_read(c, &s, c->args[1], sizeof(s)))
        return -XEN_EFAULT;
    spin_lock(&d->lock);
    if (!d->is_shut_down)
        d->shutdown_reason = (u8)s.reason;
    spin_unlock(&d->lock);
    return 0;
}

static long remote_shutdown(const struct hcall *c)
{
    struct sched_remote_shutdown s;
    struct domain *d;

    if (hcall_read(c, &s, c->args[1], sizeof(s)))
        return -XEN_EFAULT;
    d = domain_lookup(c->v->d, s.domain_id);
    if (!d)
        return -XEN_ESRCH;
    if (d == c->v->d || !c->v->d->privileged)
        return -XEN_EPERM;
    domain_shutdown(d, (u8)s.reason);
    return 0;
}

/* --- watchdogs: id n is d->watchdog[n - 1] --- */

static void watchdog_expired(struct domain *d)
{
    if (!d->is_shut_down && !d->dying)
        domain_shutdown(d, SHUTDOWN_watchdog);
}

static void watchdog_expired_0(struct timer *t)
{
    watchdog_expired(container_of(t, struct domain, watchdog[0]));
}

static void watchdog_expired_1(struct timer *t)
{
    watchdog_expired(container_of(t, struct domain, watchdog[1]));
}

void watchdog_init(struct domain *d)
{
    d->watchdog[0] = (struct timer){.fn = watchdog_expired_0};
    d->watchdog[1] = (struct timer){.fn = watchdog_expired_1};
    d->watchdog_inuse[0] = d->watchdog_inuse[1] = false;
}

void watchdog_stop(struct domain *d)
{
    for (unsigned i = 0; i < NR_WATCHDOGS; i++) {
        timer_stop(&d->watchdog[i]);
        d->watchdog_inuse[i] = false;
    }
}

/* Returns the new watchdog's id. */
static long watchdog_allocate(struct domain *d, u32 timeout)
{
    if (timeout == 0)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < NR_WATCHDOGS; i++)
        if (!d->watchdog_inuse[i]) {
            d->watchdog_inuse[i] = true;
            timer_start(&d->watchdog[i], now_ns() + timeout * NS_PER_SEC);
            return i + 1;
        }
    return -XEN_ENOSPC;
}

static long watchdog_set(struct domain *d, u32 id, u32 timeout)
{
    if (id > NR_WATCHDOGS || !d->watchdog_inuse[id - 1])
        return -XEN_EINVAL;
    if (timeout == 0) {
        timer_stop(&d->watchdog[id - 1]);
        d->watchdog_inuse[id - 1] = false;
    } else {
        timer_start(&d->watchdog[id - 1], now_ns() + timeout * NS_PER_SEC);
    }
    return 0;
}

static long watchdog(const struct hcall *c)
{
    struct domain *d = c->v->d;
    struct sched_watchdog w;
    long rc;

    if (hcall_read(c, &w, c->args[1], sizeof(w)))
        return -XEN_EFAULT;
    spin_lock(&d->lock);
    rc = w.id ? watchdog_set(d, w.id, w.timeout) : watchdog_allocate(d, w.timeout);
    spin_unlock(&d->lock);
    return rc;
}

/* The control domain's vCPUs never move, so the only request that can be granted is the one that asks for what is. */
static long pin_override(const struct hcall *c)
{
    struct sched_pin_override p;

    if (!c->v->d->privileged)
        return -XEN_EPERM;
    if (hcall_read(c, &p, c->args[1], sizeof(p)))
        return -XEN_EFAULT;
    if (p.pcpu < 0)
        return 0;
    if ((u32)p.pcpu >= cpu_count())
        return -XEN_EINVAL;
    return (u32)p.pcpu == vcpu_cpu(c->v) ? 0 : -XEN_EBUSY;
}

long hypercall_sched_op(struct hcall *c)
{
    switch ((u32)c->args[0]) {
    case SCHEDOP_yield:
        atomic_or(&c->v->todo, TODO_YIELD);
        return 0;
    case SCHEDOP_block:
        return block(c->v);
    case SCHEDOP_shutdown:
        return shutdown(c);
    case SCHEDOP_poll:
        return poll(c);
    case SCHEDOP_remote_shutdown:
        return remote_shutdown(c);
    case SCHEDOP_shutdown_code:
        return shutdown_code(c);
    case SCHEDOP_watchdog:
        return watchdog(c);
    case SCHEDOP_pin_override:
        return pin_override(c);
    default:
        return -XEN_ENOSYS;
    }
}
