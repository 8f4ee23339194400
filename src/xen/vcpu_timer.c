/* SPDX-License-Identifier: BSD-2-Clause */
/* The two timers every vCPU has; both raise VIRQ_TIMER. */
#include <torii/atomic.h>
#include <torii/evtchn.h>
#include <torii/time.h>

#include "hcall.h"
#include "vcpu_op.h"

#define PERIOD_MIN_NS 1000000ul
#define PERIOD_MAX_NS (1ul << 62) /* deadlines must not wrap */

static void singleshot_fired(struct timer *t)
{
    evtchn_raise_virq(container_of(t, struct vcpu, singleshot), VIRQ_TIMER);
}

static void periodic_fired(struct timer *t)
{
    struct vcpu *v = container_of(t, struct vcpu, periodic);
    u64 now = now_ns(), period = atomic_load(&v->periodic_ns), next = t->deadline + period;

    if (period == 0) /* stopped on another CPU while this one was on its way here */
        return;
    /* Ticks that were missed are one tick. */
    if (next <= now)
        next = now + period;
    timer_start(t, next);
    evtchn_raise_virq(v, VIRQ_TIMER);
}

void vcpu_timers_init(struct vcpu *v)
{
    v->singleshot = (struct timer){.fn = singleshot_fired};
    v->periodic = (struct timer){.fn = periodic_fired};
    v->periodic_ns = 0;
}

void vcpu_timers_stop(struct vcpu *v)
{
    timer_stop(&v->singleshot);
    vcpu_periodic_stop(v);
}

void vcpu_periodic_stop(struct vcpu *v)
{
    atomic_store(&v->periodic_ns, 0);
    timer_stop(&v->periodic);
}

void vcpu_singleshot(struct vcpu *v, u64 deadline)
{
    if (deadline <= now_ns()) {
        timer_stop(&v->singleshot);
        evtchn_raise_virq(v, VIRQ_TIMER);
        return;
    }
    timer_start(&v->singleshot, deadline);
}

int vcpu_periodic(struct vcpu *v, u64 period_ns)
{
    if (period_ns < PERIOD_MIN_NS || period_ns > PERIOD_MAX_NS)
        return -XEN_EINVAL;
    vcpu_periodic_stop(v);
    atomic_store(&v->periodic_ns, period_ns);
    timer_start(&v->periodic, now_ns() + period_ns);
    return 0;
}

/* The older form of VCPUOP_set_singleshot_timer; 32-bit callers pass the deadline in two halves. 0 stops the timer. */
long hypercall_set_timer_op(struct hcall *c)
{
    u64 deadline = c->compat ? c->args[0] | c->args[1] << 32 : c->args[0];

    hcall_count(c->v, __HYPERVISOR_set_timer_op, 0);
    if (deadline == 0)
        timer_stop(&c->v->singleshot);
    else
        vcpu_singleshot(c->v, deadline);
    return 0;
}
