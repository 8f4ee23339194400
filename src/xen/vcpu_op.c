/* SPDX-License-Identifier: BSD-2-Clause */
/* vcpu_op: per-vCPU areas, timers, bringing vCPUs up and down. */
#include <torii/acpi.h>
#include <torii/atomic.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/lib.h>
#include <torii/vlapic.h>

#include <xen/hvm/hvm_vcpu.h>

#include "area.h"
#include "compat.h"
#include "pcpu_info.h"
#include "vcpu_op.h"

#define RFLAGS_FIXED 0x2u /* bit 1 is always set */

/* An area is replaced only by the vCPU that uses it, or while nothing uses it. */
static bool may_register(const struct hcall *c, const struct vcpu *v)
{
    return v == c->v || !vcpu_is_online(v);
}

/*
 * Move v->info to a frame of the guest's RAM. Senders that still saw the old place lose nothing: evtchn_info_moved sets
 * every selector bit and the upcall. Under the domain's lock, because an offline vCPU may be registered from two others
 * at once.
 */
static long move_info(struct vcpu *v, gfn_t gfn, u32 offset)
{
    struct vcpu_info *fresh;
    void *page;

    if (v->info_registered)
        return -XEN_EINVAL;
    page = guest_page_get(v->d, gfn);
    if (!page)
        return -XEN_EINVAL;
    fresh = (struct vcpu_info *)((u8 *)page + offset);
    *fresh = *v->info;
    atomic_store(&v->info, fresh);
    v->info_registered = true;
    return 0;
}

static long register_vcpu_info(const struct hcall *c, struct vcpu *v)
{
    struct vcpu_register_vcpu_info r;
    long rc;

    if (hcall_read(c, &r, c->args[2], sizeof(r)))
        return -XEN_EFAULT;
    if (r.offset > PAGE_SIZE - sizeof(struct vcpu_info) || r.offset % sizeof(xen_ulong_t))
        return -XEN_EINVAL;
    if (!may_register(c, v))
        return -XEN_EINVAL;
    spin_lock(&v->d->lock);
    rc = move_info(v, r.mfn, r.offset);
    spin_unlock(&v->d->lock);
    if (rc)
        return rc;
    pvclock_update(v);
    evtchn_info_moved(v);
    return 0;
}

/* 32-bit callers fill only the low half of the address union. */
static int register_area(const struct hcall *c, struct vcpu *v, void *page[2], u32 *offset, size_t bytes)
{
    u64 gva = 0;

    if (hcall_read(c, &gva, c->args[2], c->compat ? sizeof(u32) : sizeof(u64)))
        return -XEN_EFAULT;
    return may_register(c, v) ? area_register(c, v, page, offset, gva, bytes) : -XEN_EINVAL;
}

static long register_runstate_area(const struct hcall *c, struct vcpu *v)
{
    size_t bytes = c->compat ? sizeof(struct compat_vcpu_runstate_info) : sizeof(struct vcpu_runstate_info);
    int rc = register_area(c, v, v->runstate_page, &v->runstate_offset, bytes);

    if (rc)
        return rc;
    v->runstate_compat = c->compat;
    runstate_publish(v);
    return 0;
}

static long register_time_area(const struct hcall *c, struct vcpu *v)
{
    int rc = register_area(c, v, v->time_page, &v->time_offset, sizeof(struct vcpu_time_info));

    if (!rc)
        pvclock_update(v);
    return rc;
}

static long get_runstate_info(const struct hcall *c, const struct vcpu *v)
{
    struct compat_vcpu_runstate_info narrow;
    struct vcpu_runstate_info rs;

    runstate_read(v, &rs);
    if (!c->compat)
        return hcall_write(c, c->args[2], &rs, sizeof(rs));
    compat_runstate(&narrow, &rs);
    return hcall_write(c, c->args[2], &narrow, sizeof(narrow));
}

static long set_periodic_timer(const struct hcall *c, struct vcpu *v)
{
    struct vcpu_set_periodic_timer set;

    if (hcall_read(c, &set, c->args[2], sizeof(set)))
        return -XEN_EFAULT;
    return vcpu_periodic(v, set.period_ns);
}

static long set_singleshot_timer(const struct hcall *c, struct vcpu *v)
{
    struct vcpu_set_singleshot_timer set;

    if (v != c->v)
        return -XEN_EINVAL;
    if (compat_read_singleshot(c, c->args[2], &set))
        return -XEN_EFAULT;
    if (unlikely(set.flags & VCPU_SSHOTTMR_future) && set.timeout_abs_ns < now_ns())
        return -XEN_ETIME;
    vcpu_singleshot(v, set.timeout_abs_ns);
    return 0;
}

static long stop_singleshot_timer(const struct hcall *c, struct vcpu *v)
{
    if (v != c->v)
        return -XEN_EINVAL;
    timer_stop(&v->singleshot);
    return 0;
}

static bool is_last_online(const struct vcpu *v)
{
    for (unsigned i = 0; i < v->d->nr_vcpus; i++)
        if (v->d->vcpu[i] != v && vcpu_is_online(v->d->vcpu[i]))
            return false;
    return true;
}

static long vcpu_down(struct vcpu *v)
{
    if (!vcpu_is_online(v))
        return 0;
    if (is_last_online(v))
        domain_shutdown(v->d, SHUTDOWN_poweroff);
    else
        vcpu_offline(v);
    return 0;
}

static long vcpu_up(struct vcpu *v)
{
    if (!v->initialised)
        return -XEN_EINVAL;
    if (!vcpu_is_online(v))
        vcpu_start(v);
    return 0;
}

/* Packed attributes (APM vol. 2 §15.5.1), as both the ABI's context and struct hvm_segment have them. */
#define AR_PRESENT  0x80u
#define AR_S        0x10u /* code or data */
#define AR_CODE     0x08u /* type bit 3 */
#define AR_WRITABLE 0x02u /* of data */
#define AR_LONG     0x200u
#define AR_RESERVED 0xf000u
#define AR_TSS_BUSY 0x03u /* type bits of both busy TSS forms */

#define CR0_PE_ET 0x11u

/* What VM entry demands of segments in unpaged protected mode; -XEN_EINVAL if they cannot be. */
static int check_segments(const struct vcpu_hvm_x86_32 *r)
{
    const u32 code = AR_PRESENT | AR_S | AR_CODE, stack = AR_PRESENT | AR_S | AR_WRITABLE;

    if ((r->cs_ar | r->ds_ar | r->ss_ar | r->es_ar | r->tr_ar) & AR_RESERVED)
        return -XEN_EINVAL;
    if ((r->cs_ar & (code | AR_LONG)) != code || (r->ss_ar & (stack | AR_CODE)) != stack)
        return -XEN_EINVAL;
    if ((r->tr_ar & (AR_PRESENT | AR_S | AR_TSS_BUSY)) != (AR_PRESENT | AR_TSS_BUSY))
        return -XEN_EINVAL;
    return 0;
}

static void set_segment(struct hvm_segment *seg, u32 base, u32 limit, u16 ar)
{
    *seg = (struct hvm_segment){.attr = ar, .limit = limit, .base = base};
}

/* Protected mode without paging is all that struct hvm_state can hold of the context. */
static int make_state(struct hvm_state *s, const struct vcpu_hvm_x86_32 *r)
{
    if (!(r->cr0 & 1) || r->pad1)
        return -XEN_EINVAL;
    if ((r->cr0 & ~CR0_PE_ET) || r->cr4 || r->efer)
        return -XEN_EOPNOTSUPP;
    if (check_segments(r))
        return -XEN_EINVAL;
    hvm_state_pvh(s, r->eip, r->ebx);
    s->regs.rax = r->eax;
    s->regs.rcx = r->ecx;
    s->regs.rdx = r->edx;
    s->regs.rsp = r->esp;
    s->regs.rbp = r->ebp;
    s->regs.rsi = r->esi;
    s->regs.rdi = r->edi;
    s->regs.rflags = r->eflags | RFLAGS_FIXED;
    set_segment(&s->seg[SEG_CS], r->cs_base, r->cs_limit, r->cs_ar);
    set_segment(&s->seg[SEG_DS], r->ds_base, r->ds_limit, r->ds_ar);
    set_segment(&s->seg[SEG_SS], r->ss_base, r->ss_limit, r->ss_ar);
    set_segment(&s->seg[SEG_ES], r->es_base, r->es_limit, r->es_ar);
    set_segment(&s->seg[SEG_TR], r->tr_base, r->tr_limit, r->tr_ar);
    return 0;
}

/* Guests start their vCPUs with INIT and SIPI; contexts with paging, which none of them passes, are refused. */
static long vcpu_initialise(const struct hcall *c, struct vcpu *v)
{
    struct vcpu_hvm_context ctx;
    struct hvm_state state;
    long rc;

    if (hcall_read(c, &ctx, c->args[2], sizeof(ctx)))
        return -XEN_EFAULT;
    if (ctx.pad || ctx.mode > VCPU_HVM_MODE_64B)
        return -XEN_EINVAL;
    if (ctx.mode != VCPU_HVM_MODE_32B)
        return -XEN_EOPNOTSUPP;
    rc = make_state(&state, &ctx.cpu_regs.x86_32);
    if (rc)
        return rc;
    spin_lock(&v->d->lock);
    if (v->initialised || vcpu_is_online(v))
        rc = -XEN_EEXIST;
    else
        v->initialised = true;
    spin_unlock(&v->d->lock);
    if (!rc)
        hvm->set_state(v, &state);
    return rc;
}

/* vCPU n of the control domain is pinned to CPU n, so its physical ids are known; nobody else is told. */
static long get_physid(const struct hcall *c, const struct vcpu *v)
{
    const struct acpi_cpu *cpu = v->d->privileged ? pcpu_acpi(v->id) : NULL;
    struct vcpu_get_physid id;

    if (!cpu)
        return -XEN_EINVAL;
    id.phys_id = (u64)cpu->uid << 32 | cpu->apic_id;
    return hcall_write(c, c->args[2], &id, sizeof(id));
}

long hypercall_vcpu_op(struct hcall *c)
{
    struct domain *d = c->v->d;
    u32 id = (u32)c->args[1];
    struct vcpu *v = id < d->nr_vcpus ? d->vcpu[id] : NULL;

    if (!v)
        return -XEN_ENOENT;
    switch ((u32)c->args[0]) {
    case VCPUOP_set_singleshot_timer:
        return set_singleshot_timer(c, v);
    case VCPUOP_stop_singleshot_timer:
        return stop_singleshot_timer(c, v);
    case VCPUOP_initialise:
        return vcpu_initialise(c, v);
    case VCPUOP_up:
        return vcpu_up(v);
    case VCPUOP_down:
        return vcpu_down(v);
    case VCPUOP_is_up:
        return vcpu_is_online(v);
    case VCPUOP_get_runstate_info:
        return get_runstate_info(c, v);
    case VCPUOP_register_runstate_memory_area:
        return register_runstate_area(c, v);
    case VCPUOP_set_periodic_timer:
        return set_periodic_timer(c, v);
    case VCPUOP_stop_periodic_timer:
        vcpu_periodic_stop(v);
        return 0;
    case VCPUOP_register_vcpu_info:
        return register_vcpu_info(c, v);
    case VCPUOP_send_nmi:
        vlapic_set_nmi(v);
        return 0;
    case VCPUOP_get_physid:
        return get_physid(c, v);
    case VCPUOP_register_vcpu_time_memory_area:
        return register_time_area(c, v);
    default:
        return -XEN_ENOSYS;
    }
}
