/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls by family. */
#ifndef GUESTS_RT_HYPER_H
#define GUESTS_RT_HYPER_H

#include "rt.h"

#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

static inline long evtchn_op(int cmd, void *arg)
{
    return HYPERCALL(__HYPERVISOR_event_channel_op, cmd, arg, 0);
}
static inline long vcpu_op(int cmd, unsigned vcpu, void *arg)
{
    return HYPERCALL(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}
static inline long memory_op(unsigned cmd, void *arg)
{
    return HYPERCALL(__HYPERVISOR_memory_op, cmd, arg, 0);
}
static inline long sched_op(int cmd, void *arg)
{
    return HYPERCALL(__HYPERVISOR_sched_op, cmd, arg, 0);
}
static inline long hvm_op(unsigned cmd, void *arg)
{
    return HYPERCALL(__HYPERVISOR_hvm_op, cmd, arg, 0);
}
static inline long grant_op(unsigned cmd, void *arg, unsigned count)
{
    return HYPERCALL(__HYPERVISOR_grant_table_op, cmd, arg, count);
}
static inline long physdev_op(int cmd, void *arg)
{
    return HYPERCALL(__HYPERVISOR_physdev_op, cmd, arg, 0);
}
static inline long xen_version(int cmd, void *arg)
{
    return HYPERCALL(__HYPERVISOR_xen_version, cmd, arg, 0);
}

/* An error as is() compares it. */
#define ERR(e) ((u64)(long)-(e))

/* Upcalls of a vCPU arrive at this vector of its local APIC. */
static inline long upcall_vector(unsigned vcpu, u8 vector)
{
    struct xen_hvm_evtchn_upcall_vector v = {.vcpu = vcpu, .vector = vector};

    return hvm_op(HVMOP_set_evtchn_upcall_vector, &v);
}
/* The port of a new IPI or per-vCPU VIRQ, or a negative error. */
static inline long bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi b = {.vcpu = vcpu};
    long rc = evtchn_op(EVTCHNOP_bind_ipi, &b);

    return rc ? rc : (long)b.port;
}
static inline long bind_virq(unsigned virq, unsigned vcpu)
{
    struct evtchn_bind_virq b = {.virq = virq, .vcpu = vcpu};
    long rc = evtchn_op(EVTCHNOP_bind_virq, &b);

    return rc ? rc : (long)b.port;
}
static inline long alloc_unbound(domid_t remote)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};
    long rc = evtchn_op(EVTCHNOP_alloc_unbound, &a);

    return rc ? rc : (long)a.port;
}
static inline long evtchn_send(u32 port)
{
    struct evtchn_send s = {.port = port};

    return evtchn_op(EVTCHNOP_send, &s);
}
static inline long evtchn_unmask(u32 port)
{
    struct evtchn_unmask u = {.port = port};

    return evtchn_op(EVTCHNOP_unmask, &u);
}
static inline long evtchn_close(u32 port)
{
    struct evtchn_close c = {.port = port};

    return evtchn_op(EVTCHNOP_close, &c);
}
/* 2-level ABI. */
static inline bool port_pending(u32 port)
{
    return shared_info_map()->evtchn_pending[port / 64] >> port % 64 & 1;
}
static inline void port_clear(u32 port)
{
    __atomic_fetch_and(&shared_info_map()->evtchn_pending[port / 64], ~BIT(port % 64), __ATOMIC_SEQ_CST);
}
static inline void port_mask(u32 port, bool masked)
{
    if (masked)
        __atomic_fetch_or(&shared_info_map()->evtchn_mask[port / 64], BIT(port % 64), __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&shared_info_map()->evtchn_mask[port / 64], ~BIT(port % 64), __ATOMIC_SEQ_CST);
}

#endif
