/* SPDX-License-Identifier: BSD-2-Clause */
/* HYPERVISOR_event_channel_op: arguments in and out. The structures are the same for 32-bit callers. */
#include "evtchn_internal.h"

#include <torii/guest.h>

/* A port was opened for the caller: tell it, or take it back. */
static long return_port(struct vcpu *v, struct domain *d, u64 gva, u32 port, int rc)
{
    if (rc)
        return rc;
    if (copy_to_guest(v, gva, &port, sizeof(port))) {
        evtchn_close(d, port);
        return -XEN_EFAULT;
    }
    return 0;
}

static long op_alloc_unbound(struct vcpu *v, u64 arg)
{
    struct evtchn_alloc_unbound a;
    struct domain *d;
    int rc;

    if (copy_from_guest(v, &a, arg, sizeof(a)))
        return -XEN_EFAULT;
    rc = evtchn_target(v->d, a.dom, &d);
    if (!rc)
        rc = evtchn_alloc_unbound(v->d, a.dom, a.remote_dom, &a.port);
    return return_port(v, d, arg + offsetof(struct evtchn_alloc_unbound, port), a.port, rc);
}

static long op_bind_interdomain(struct vcpu *v, u64 arg)
{
    struct evtchn_bind_interdomain a;
    int rc;

    if (copy_from_guest(v, &a, arg, sizeof(a)))
        return -XEN_EFAULT;
    rc = evtchn_bind_interdomain(v->d, a.remote_dom, a.remote_port, &a.local_port);
    return return_port(v, v->d, arg + offsetof(struct evtchn_bind_interdomain, local_port), a.local_port, rc);
}

static long op_bind_virq(struct vcpu *v, u64 arg)
{
    struct evtchn_bind_virq a;
    int rc;

    if (copy_from_guest(v, &a, arg, sizeof(a)))
        return -XEN_EFAULT;
    rc = evtchn_bind_virq(v->d, a.virq, a.vcpu, &a.port);
    return return_port(v, v->d, arg + offsetof(struct evtchn_bind_virq, port), a.port, rc);
}

static long op_bind_ipi(struct vcpu *v, u64 arg)
{
    struct evtchn_bind_ipi a;
    int rc;

    if (copy_from_guest(v, &a, arg, sizeof(a)))
        return -XEN_EFAULT;
    rc = evtchn_bind_ipi(v->d, a.vcpu, &a.port);
    return return_port(v, v->d, arg + offsetof(struct evtchn_bind_ipi, port), a.port, rc);
}

/* No domain has PIRQs (XENFEAT_hvm_pirqs is clear), so every number is out of range. */
static long op_bind_pirq(struct vcpu *v, u64 arg)
{
    struct evtchn_bind_pirq a;

    return copy_from_guest(v, &a, arg, sizeof(a)) ? -XEN_EFAULT : -XEN_EINVAL;
}

static long op_status(struct vcpu *v, u64 arg)
{
    struct evtchn_status a;
    int rc;

    if (copy_from_guest(v, &a, arg, sizeof(a)))
        return -XEN_EFAULT;
    rc = evtchn_get_status(v->d, &a);
    if (!rc && copy_to_guest(v, arg, &a, sizeof(a)))
        rc = -XEN_EFAULT;
    return rc;
}

static long op_init_control(struct vcpu *v, u64 arg)
{
    struct evtchn_init_control a;
    u8 link_bits = EVTCHN_FIFO_LINK_BITS;

    if (copy_from_guest(v, &a, arg, sizeof(a)))
        return -XEN_EFAULT;
    /* Before the change, which cannot be taken back. */
    if (copy_to_guest(v, arg + offsetof(struct evtchn_init_control, link_bits), &link_bits, sizeof(link_bits)))
        return -XEN_EFAULT;
    return evtchn_fifo_init_control(v->d, a.vcpu, a.control_gfn, a.offset);
}

/* Operations whose argument is only read. */
static long op_in(struct vcpu *v, unsigned cmd, u64 arg)
{
    static const u8 size[] = {
        [EVTCHNOP_close] = sizeof(struct evtchn_close),
        [EVTCHNOP_bind_vcpu] = sizeof(struct evtchn_bind_vcpu),
        [EVTCHNOP_unmask] = sizeof(struct evtchn_unmask),
        [EVTCHNOP_reset] = sizeof(struct evtchn_reset),
        [EVTCHNOP_expand_array] = sizeof(struct evtchn_expand_array),
        [EVTCHNOP_set_priority] = sizeof(struct evtchn_set_priority),
    };
    union {
        struct evtchn_close close;
        struct evtchn_bind_vcpu bind_vcpu;
        struct evtchn_unmask unmask;
        struct evtchn_reset reset;
        struct evtchn_expand_array expand_array;
        struct evtchn_set_priority set_priority;
    } a;

    if (copy_from_guest(v, &a, arg, size[cmd]))
        return -XEN_EFAULT;
    switch (cmd) {
    case EVTCHNOP_unmask:
        return evtchn_unmask(v->d, a.unmask.port);
    case EVTCHNOP_close:
        return evtchn_close(v->d, a.close.port);
    case EVTCHNOP_bind_vcpu:
        return evtchn_bind_vcpu(v->d, a.bind_vcpu.port, a.bind_vcpu.vcpu);
    case EVTCHNOP_reset:
        return evtchn_reset(v->d, a.reset.dom);
    case EVTCHNOP_expand_array:
        return evtchn_fifo_expand_array(v->d, a.expand_array.array_gfn);
    default:
        return evtchn_set_priority(v->d, a.set_priority.port, a.set_priority.priority);
    }
}

static long op_send(struct vcpu *v, u64 arg)
{
    struct evtchn_send a;

    return unlikely(copy_from_guest(v, &a, arg, sizeof(a))) ? -XEN_EFAULT : evtchn_send(v->d, a.port);
}

static long op_other(struct vcpu *v, unsigned cmd, u64 arg)
{
    switch (cmd) {
    case EVTCHNOP_close:
    case EVTCHNOP_bind_vcpu:
    case EVTCHNOP_unmask:
    case EVTCHNOP_reset:
    case EVTCHNOP_expand_array:
    case EVTCHNOP_set_priority:
        return op_in(v, cmd, arg);
    case EVTCHNOP_alloc_unbound:
        return op_alloc_unbound(v, arg);
    case EVTCHNOP_bind_interdomain:
        return op_bind_interdomain(v, arg);
    case EVTCHNOP_bind_virq:
        return op_bind_virq(v, arg);
    case EVTCHNOP_bind_pirq:
        return op_bind_pirq(v, arg);
    case EVTCHNOP_bind_ipi:
        return op_bind_ipi(v, arg);
    case EVTCHNOP_status:
        return op_status(v, arg);
    case EVTCHNOP_init_control:
        return op_init_control(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}

long evtchn_op(struct vcpu *v, unsigned cmd, u64 arg)
{
    return likely(cmd == EVTCHNOP_send) ? op_send(v, arg) : op_other(v, cmd, arg);
}
