/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercall boundary. 64-bit code: number in RAX, arguments in RDI RSI RDX R10 R8; 32-bit code: EAX, then EBX
 * ECX EDX ESI EDI. A preempted call is the same instruction executed again with rewritten argument registers.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/console.h>
#include <torii/evtchn.h>
#include <torii/lib.h>
#include <torii/log.h>

#include "hcall.h"

#define NR_FAMILIES 48 /* numbers below __HYPERVISOR_arch_0 */
#define SUB_OPS     72 /* 0 .. 70, and all above in the last */

struct hcall_stats {
    struct hcall call; /* the vCPU's call in progress; those inside a multicall have their own */
    u64 count[NR_FAMILIES][SUB_OPS];
};

struct family {
    const char *name;
    long (*fn)(struct hcall *c);
    bool counted; /* here, by the first register; the others do it themselves */
};

static const struct family families[NR_FAMILIES] = {
    [__HYPERVISOR_platform_op] = {"platform_op", hypercall_platform_op, false},
    [__HYPERVISOR_memory_op] = {"memory_op", hypercall_memory_op, false},
    [__HYPERVISOR_multicall] = {"multicall", hypercall_multicall, false},
    [__HYPERVISOR_set_timer_op] = {"set_timer_op", hypercall_set_timer_op, false},
    [__HYPERVISOR_xen_version] = {"xen_version", hypercall_xen_version, true},
    [__HYPERVISOR_console_io] = {"console_io", hypercall_console_io, true},
    [__HYPERVISOR_grant_table_op] = {"grant_table_op", hypercall_grant_table_op, true},
    [__HYPERVISOR_vm_assist] = {"vm_assist", hypercall_vm_assist, true},
    [__HYPERVISOR_vcpu_op] = {"vcpu_op", hypercall_vcpu_op, true},
    [__HYPERVISOR_sched_op] = {"sched_op", hypercall_sched_op, true},
    [__HYPERVISOR_event_channel_op] = {"event_channel_op", hypercall_event_channel_op, true},
    [__HYPERVISOR_physdev_op] = {"physdev_op", hypercall_physdev_op, true},
    [__HYPERVISOR_hvm_op] = {"hvm_op", hypercall_hvm_op, true},
    [__HYPERVISOR_sysctl] = {"sysctl", hypercall_sysctl, false},
};

/* A vCPU counts its own calls, so that a count costs no shared cache line. */
static inline void count(struct hcall_stats *stats, unsigned nr, u64 sub_op)
{
    stats->count[nr][min(sub_op, (u64)SUB_OPS - 1)]++;
}

void hcall_count(struct vcpu *v, unsigned nr, u64 sub_op)
{
    count(v->hcalls, nr, sub_op);
}

/* Inline: on the way of every call. */
static inline long dispatch(struct hcall *c, struct hcall_stats *stats, unsigned nr)
{
    const struct family *f;

    if (unlikely(nr >= NR_FAMILIES))
        return -XEN_ENOSYS;
    f = &families[nr];
    if (likely(f->counted))
        count(stats, nr, c->args[0]);
    else if (unlikely(!f->fn))
        return -XEN_ENOSYS;
    return f->fn(c);
}

long hypercall_dispatch(struct hcall *c, unsigned nr)
{
    return dispatch(c, c->v->hcalls, nr);
}

long hcall_control_op(struct hcall *c, unsigned nr, u32 version, void *op, size_t bytes, control_op_fn *run)
{
    const struct {
        u32 cmd, version;
    } *head = op;
    bool reply;
    long rc;

    if (!c->v->d->privileged)
        return -XEN_EPERM;
    if (hcall_read(c, op, c->args[0], bytes))
        return -XEN_EFAULT;
    hcall_count(c->v, nr, head->cmd);
    if (head->version != version)
        return -XEN_EACCES;
    rc = run(c, op, &reply);
    return rc >= 0 && reply && hcall_write(c, c->args[0], op, bytes) ? -XEN_EFAULT : rc;
}

static inline void args_from_regs(struct hcall *c, const struct guest_regs *r)
{
    c->args[0] = r->rdi;
    c->args[1] = r->rsi;
    c->args[2] = r->rdx;
    c->args[3] = r->r10;
    c->args[4] = r->r8;
}

static void args_from_regs_compat(struct hcall *c, const struct guest_regs *r)
{
    c->args[0] = (u32)r->rbx;
    c->args[1] = (u32)r->rcx;
    c->args[2] = (u32)r->rdx;
    c->args[3] = (u32)r->rsi;
    c->args[4] = (u32)r->rdi;
}

static cold_fn bool args_to_regs(const struct hcall *c, struct guest_regs *r)
{
    if (!c->compat) {
        r->rdi = c->args[0];
        r->rsi = c->args[1];
        r->rdx = c->args[2];
        r->r10 = c->args[3];
        r->r8 = c->args[4];
        return true;
    }
    r->rbx = (u32)c->args[0];
    r->rcx = (u32)c->args[1];
    r->rdx = (u32)c->args[2];
    r->rsi = (u32)c->args[3];
    r->rdi = (u32)c->args[4];
    return true;
}

/* A 32-bit caller. */
static noinline_fn bool hypercall_compat(struct vcpu *v)
{
    struct hcall *c = &v->hcalls->call;
    long rc;

    c->compat = true;
    c->again = false;
    args_from_regs_compat(c, &v->regs);
    rc = hypercall_dispatch(c, (u32)v->regs.rax);
    if (c->again)
        return args_to_regs(c, &v->regs);
    v->regs.rax = (u32)rc;
    return false;
}

bool hypercall(struct vcpu *v, bool long_mode, unsigned cpl)
{
    struct hcall_stats *stats = v->hcalls;
    struct hcall *c = &stats->call;
    long rc;

    if (unlikely(cpl)) {
        v->regs.rax = long_mode ? (u64)-XEN_EPERM : (u32)-XEN_EPERM;
        return false;
    }
    if (unlikely(!long_mode))
        return hypercall_compat(v);
    c->compat = c->again = false;
    args_from_regs(c, &v->regs);
    rc = dispatch(c, stats, (u32)v->regs.rax);
    if (unlikely(c->again))
        return args_to_regs(c, &v->regs);
    v->regs.rax = (u64)rc;
    return false;
}

long hypercall_call(struct vcpu *v, bool compat, unsigned nr, const u64 *args)
{
    struct hcall c = {.v = v, .compat = compat};
    long rc;

    for (unsigned i = 0; i < ARRAY_SIZE(c.args); i++)
        c.args[i] = compat ? (u32)args[i] : args[i];
    do {
        c.again = false;
        rc = hypercall_dispatch(&c, nr);
    } while (c.again);
    return rc;
}

long hypercall_event_channel_op(struct hcall *c)
{
    long rc = evtchn_op(c->v, (unsigned)c->args[0], c->args[1]);

    c->again = rc == -XEN_EAGAIN;
    return rc;
}

long hypercall_vm_assist(struct hcall *c)
{
    u64 cmd = c->args[0], type = c->args[1];
    struct domain *d = c->v->d;

    if (cmd != VMASST_CMD_enable && cmd != VMASST_CMD_disable)
        return -XEN_ENOSYS;
    /* The other types are about PV paging and segmentation. */
    if (type != VMASST_TYPE_runstate_update_flag)
        return -XEN_EINVAL;
    spin_lock(&d->lock);
    if (cmd == VMASST_CMD_enable)
        d->vm_assist |= BIT(type);
    else
        d->vm_assist &= ~BIT(type);
    spin_unlock(&d->lock);
    return 0;
}

int hcall_domain(const struct hcall *c, domid_t id, struct domain **d)
{
    *d = domain_lookup(c->v->d, id);
    if (!*d)
        return -XEN_ESRCH;
    return *d == c->v->d || c->v->d->privileged ? 0 : -XEN_EPERM;
}

int hypercall_stats_init(struct vcpu *v)
{
    v->hcalls = xzalloc(sizeof(*v->hcalls));
    if (!v->hcalls)
        return -XEN_ENOMEM;
    v->hcalls->call.v = v;
    return 0;
}

static u64 count_of(const struct domain *d, unsigned nr, unsigned sub)
{
    u64 sum = 0;

    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (d->vcpu[i]->hcalls)
            sum += READ_ONCE(d->vcpu[i]->hcalls->count[nr][sub]);
    return sum;
}

void hypercall_dump(void)
{
    u64 n, total = 0;

    if (!dom0)
        return;
    for (unsigned nr = 0; nr < NR_FAMILIES; nr++)
        for (unsigned sub = 0; sub < SUB_OPS && families[nr].fn; sub++) {
            n = count_of(dom0, nr, sub);
            total += n;
            if (n)
                log_info("  %s %s%u: %lu\n", families[nr].name, sub == SUB_OPS - 1 ? ">=" : "", sub, n);
        }
    log_info("hypercalls of domain %u: %lu\n", dom0->id, total);
}

CONSOLE_KEY('y', "hypercalls by number and sub-op", hypercall_dump);

/* ABI: slot n of the page makes call n. */
#define SLOT_BYTES 32
#define SLOTS      (PAGE_SIZE / SLOT_BYTES)

void hypercall_page_fill(void *p, bool vmcall)
{
    u8 *slot = p;

    memset(p, 0xcc, PAGE_SIZE); /* INT3 between the slots */
    for (u32 nr = 0; nr < SLOTS; nr++, slot += SLOT_BYTES) {
        static const u8 ud2[] = {0x0f, 0x0b};
        const u8 code[] = {0xb8, (u8)nr, (u8)(nr >> 8),        0, 0, /* mov $nr, %eax */
                           0x0f, 0x01,   vmcall ? 0xc1 : 0xd9,       /* vmcall or vmmcall */
                           0xc3};                                    /* ret */

        /* HYPERVISOR_iret is a PV guest's way out of Xen and has no meaning here. */
        if (nr == __HYPERVISOR_iret)
            memcpy(slot, ud2, sizeof(ud2));
        else
            memcpy(slot, code, sizeof(code));
    }
}
