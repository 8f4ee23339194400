/* SPDX-License-Identifier: BSD-2-Clause */
/* sysctl: what the stock tools ask of the machine beside domains. Its structures have one layout for all callers. */
#include <torii/alloc.h>
#include <torii/console.h>
#include <torii/cstate.h>
#include <torii/lib.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/pstate.h>
#include <torii/time.h>

#include <xen/sysctl.h>

#include "hcall.h"
#include "pcpu_info.h"

#define KEYS_MAX 64 /* in one call */

/* `xl debug-keys`: as if pressed at the debug console. */
static long debug_keys(const struct hcall *c, const struct xen_sysctl_debug_keys *op)
{
    char keys[KEYS_MAX];

    if (op->nr_keys > sizeof(keys))
        return -XEN_E2BIG;
    if (hcall_read(c, keys, handle_gva(op->keys), op->nr_keys))
        return -XEN_EFAULT;
    for (unsigned i = 0; i < op->nr_keys; i++)
        console_key_pressed(keys[i]);
    return 0;
}

/* Sibling threads are CPUs like others here. */
static long cpu_hotplug(const struct xen_sysctl_cpu_hotplug *op)
{
    switch (op->op) {
    case XEN_SYSCTL_CPU_HOTPLUG_ONLINE:
    case XEN_SYSCTL_CPU_HOTPLUG_OFFLINE:
        return pcpu_set_online(op->cpu, op->op == XEN_SYSCTL_CPU_HOTPLUG_ONLINE);
    default:
        return -XEN_EOPNOTSUPP;
    }
}

/* State 0 of the ABI is C0, awake: it is entered as often as all the others are left. */
static long get_cx(const struct hcall *c, unsigned cpu, struct pm_cx_stat *op)
{
    struct cstate_stat stat[CSTATES_MAX + 1];
    unsigned nr = cstate_statistics(cpu, stat, false) + 1, wanted = min(op->nr, nr);
    u64 count[CSTATES_MAX + 2] = {0}, ns[CSTATES_MAX + 2] = {0};

    for (unsigned i = 1; i < nr; i++) {
        count[i] = stat[i - 1].entries;
        ns[i] = stat[i - 1].ns;
        count[0] += count[i];
        ns[0] += ns[i];
    }
    op->idle_time = ns[0];
    ns[0] = now_ns() - ns[0];
    if (hcall_write(c, handle_gva(op->triggers), count, wanted * sizeof(*count)) ||
        hcall_write(c, handle_gva(op->residencies), ns, wanted * sizeof(*ns)))
        return -XEN_EFAULT;
    op->nr = nr;
    op->last = 0;
    op->nr_pc = op->nr_cc = 0; /* residency counters of the hardware are not read */
    return 0;
}

static long write_px(const struct hcall *c, const struct pstate_statistics *s, const struct pstates *p,
                     const struct pm_px_stat *op)
{
    unsigned nr = min((unsigned)op->total, s->nr);

    for (unsigned from = 0; from < nr; from++) {
        struct pm_px_val val = {.freq = p->state[from].mhz, .residency = s->ns[from], .count = s->count[from]};

        if (hcall_write(c, handle_gva(op->pt) + from * sizeof(val), &val, sizeof(val)))
            return -XEN_EFAULT;
        for (unsigned to = 0; to < nr; to++) {
            u64 moves = s->moves[from][to];

            if (hcall_write(c, handle_gva(op->trans_pt) + (from * nr + to) * sizeof(moves), &moves, sizeof(moves)))
                return -XEN_EFAULT;
        }
    }
    return 0;
}

static long get_px(const struct hcall *c, unsigned cpu, u32 type, struct pm_px_stat *op)
{
    struct pstate_statistics *s = xzalloc(sizeof(*s));
    long rc = s ? governor_statistics(cpu, s, type == PMSTAT_reset_pxstat) : -XEN_ENOMEM;

    if (!rc && type == PMSTAT_get_pxstat)
        rc = write_px(c, s, pstate_get(cpu), op);
    if (!rc) {
        op->total = (u8)s->nr;
        op->usable = (u8)s->usable;
        op->last = (u8)s->last;
        op->cur = (u8)s->cur;
    }
    xfree(s);
    return rc;
}

static long get_pmstat(const struct hcall *c, struct xen_sysctl_get_pmstat *op)
{
    struct cstate_stat stat[CSTATES_MAX + 1];

    if (op->cpuid >= pcpu_present())
        return -XEN_EINVAL;
    switch (op->type) {
    case PMSTAT_get_max_cx:
        op->u.getcx.nr = cstate_statistics(op->cpuid, stat, false) + 1;
        return 0;
    case PMSTAT_get_cxstat:
        return get_cx(c, op->cpuid, &op->u.getcx);
    case PMSTAT_reset_cxstat:
        cstate_statistics(op->cpuid, stat, true);
        return 0;
    case PMSTAT_get_max_px:
    case PMSTAT_get_pxstat:
    case PMSTAT_reset_pxstat:
        return get_px(c, op->cpuid, op->type, &op->u.getpx);
    default:
        return -XEN_EOPNOTSUPP;
    }
}

static long run(const struct hcall *c, void *arg, bool *reply)
{
    struct xen_sysctl *op = arg;

    *reply = false;
    switch (op->cmd) {
    case XEN_SYSCTL_debug_keys:
        return debug_keys(c, &op->u.debug_keys);
    case XEN_SYSCTL_cpu_hotplug:
        return cpu_hotplug(&op->u.cpu_hotplug);
    case XEN_SYSCTL_get_pmstat:
        *reply = true;
        return get_pmstat(c, &op->u.get_pmstat);
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_sysctl(struct hcall *c)
{
    struct xen_sysctl op;

    return hcall_control_op(c, __HYPERVISOR_sysctl, XEN_SYSCTL_INTERFACE_VERSION, &op, sizeof(op), run);
}
