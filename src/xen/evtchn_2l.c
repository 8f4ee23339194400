/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 2-level ABI: pending and mask bits in shared_info, a selector bit per word of them in the vCPU's vcpu_info
 * (xen/xen.h, struct shared_info). All of it is the guest's memory: only atomic operations at indices of our own.
 */
#include "evtchn_internal.h"

#define PORTS_PER_WORD (8 * (u32)sizeof(xen_ulong_t))

/* The 32-bit layout would have 32 words of 32 bits; domains get the 64-bit one. */
static bool in_bitmap(u32 port)
{
    return port < EVTCHN_2L_NR_CHANNELS;
}

static u64 *pending_map(const struct domain *d)
{
    return d->shared_info->evtchn_pending;
}

static u64 *mask_map(const struct domain *d)
{
    return d->shared_info->evtchn_mask;
}

/* The port is pending and not masked: put it where the vCPU's upcall looks. */
static inline void select_port(struct domain *d, const struct evtchn *c, u32 port)
{
    struct vcpu *v = d->vcpu[READ_ONCE(c->notify_vcpu)]; /* NULL: a domain that has no vCPUs yet */
    struct vcpu_info *info = v ? READ_ONCE(v->info) : NULL;

    /* Without vcpu_info the event waits: evtchn_info_moved selects every word. */
    if (info && !test_and_set_bit64(&info->evtchn_pending_sel, port / PORTS_PER_WORD))
        evtchn_upcall_raise(v);
}

void evtchn_2l_raise(struct domain *d, struct evtchn *c, u32 port)
{
    if (unlikely(!in_bitmap(port)) || test_and_set_bit64(pending_map(d), port))
        return;
    if (!test_bit64(mask_map(d), port))
        select_port(d, c, port);
    evtchn_notify_pollers(d, port);
}

void evtchn_2l_unmask(struct domain *d, struct evtchn *c, u32 port)
{
    if (!in_bitmap(port))
        return;
    if (test_and_clear_bit64(mask_map(d), port) && test_bit64(pending_map(d), port))
        select_port(d, c, port);
}

bool evtchn_2l_is_pending(const struct domain *d, u32 port)
{
    return in_bitmap(port) && test_bit64(pending_map(d), port);
}

void evtchn_2l_clear_pending(struct domain *d, u32 port)
{
    if (in_bitmap(port))
        test_and_clear_bit64(pending_map(d), port);
}
