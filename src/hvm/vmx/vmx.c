/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel VMX with EPT and unrestricted guests (SDM vol. 3 ch. 24 to 29) behind struct hvm_ops. A VMCS can be reached
 * only on the CPU where it is current, so what other CPUs ask for waits in struct hvm_vcpu until the next entry.
 */
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/percpu.h>
#include <torii/stage2.h>

#include "../hvm_internal.h"
#include "vmx.h"

static u32 next_vpid = 1;
#define VPID_LAST 0xffffu

/*
 * Leaves: memory type in bits 5:3, with which the guest's PAT is combined as with an MTRR's (§29.3.7.2): device memory
 * can still be write-combining.
 */
static const struct s2_encoding ept_encoding = {
    .table = BIT(0) | BIT(1) | BIT(2),
    .read = BIT(0),
    .write = BIT(1),
    .exec = BIT(2),
    .ram = 6 << 3,
    .device = 0 << 3,
};

static const u32 guest_msrs[VMX_MSRS] = {
    MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS_BASE, MSR_TSC_AUX,
};

static bool vmx_1g_pages(void)
{
    return vmx_caps.ept_1g;
}

/* --- vCPUs --- */

static int vmx_vcpu_init(struct vcpu *v)
{
    struct hvm_vcpu *h = xzalloc(sizeof(*h));

    if (!h)
        return -XEN_ENOMEM;
    v->hvm = h;
    h->vmcs = frames_alloc(0);
    if (vmx_caps.tpr_shadow)
        h->vapic = frames_alloc(0);
    if (!h->vmcs || (vmx_caps.tpr_shadow && !h->vapic))
        return -XEN_ENOMEM;
    h->vmcs_pa = virt_to_paddr(h->vmcs);
    memcpy(h->vmcs, &vmx_caps.revision, sizeof(vmx_caps.revision));
    vmclear(h->vmcs_pa);
    /* When they run out the last is shared: a load flushes what another vCPU left under it. */
    h->vpid = (u16)min(__atomic_fetch_add(&next_vpid, 1, __ATOMIC_RELAXED), VPID_LAST);
    h->eptp = s2_root(v->d) | vmx_caps.eptp_bits;
    h->primary = h->primary_written = vmx_caps.primary;
    h->dr6 = HVM_DR6_RESET;
    return 0;
}

static void vmx_vcpu_free(struct vcpu *v)
{
    if (v->hvm && v->hvm->vmcs)
        frames_free(v->hvm->vmcs, 0);
    if (v->hvm && v->hvm->vapic)
        frames_free(v->hvm->vapic, 0);
    xfree(v->hvm);
    v->hvm = NULL;
}

/* The VMCS is current on this CPU. */
static bool is_here(const struct vcpu *v)
{
    return v->hvm->on == this_cpu();
}

/* The state set last takes effect. */
static void apply_state(struct vcpu *v)
{
    struct hvm_vcpu *h = v->hvm;

    h->state_pending = false;
    vmcs_write_state(&vmx_caps, &h->state);
    h->rip = h->state.regs.rip;
    h->rsp = h->state.regs.rsp;
    h->rflags = h->state.regs.rflags;
    for (unsigned i = 0; i < VMX_MSRS; i++)
        wrmsr_safe(guest_msrs[i], 0);
    write_cr2(0);
    asm volatile("mov %0, %%dr6" : : "r"(HVM_DR6_RESET));
}

static void vmx_set_state(struct vcpu *v, const struct hvm_state *s)
{
    struct hvm_vcpu *h = v->hvm;

    h->state = *s;
    h->control = (struct hvm_control){.cr0 = s->cr0, .efer = s->efer};
    h->event = 0;
    h->primary &= ~(u32)(PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW);
    h->threshold = 0;
    h->flush = true;
    h->state_pending = true;
    v->regs = s->regs;
    if (is_here(v))
        apply_state(v);
}

static void write_host(const struct pcpu *c)
{
    struct {
        u16 limit;
        u64 base;
    } packed idtr;

    asm volatile("sidt %0" : "=m"(idtr));
    vmwrite(VMCS_HOST_CR0, read_cr0());
    vmwrite(VMCS_HOST_CR3, read_cr3());
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
    vmwrite(VMCS_HOST_CS_SEL, SEL_CODE);
    vmwrite(VMCS_HOST_SS_SEL, SEL_DATA);
    vmwrite(VMCS_HOST_DS_SEL, SEL_DATA);
    vmwrite(VMCS_HOST_ES_SEL, SEL_DATA);
    vmwrite(VMCS_HOST_FS_SEL, 0);
    vmwrite(VMCS_HOST_GS_SEL, 0);
    vmwrite(VMCS_HOST_TR_SEL, SEL_TSS);
    vmwrite(VMCS_HOST_FS_BASE, 0);
    vmwrite(VMCS_HOST_GS_BASE, (u64)c);
    vmwrite(VMCS_HOST_TR_BASE, (u64)&c->tss);
    vmwrite(VMCS_HOST_GDTR_BASE, (u64)c->gdt);
    vmwrite(VMCS_HOST_IDTR_BASE, idtr.base);
    vmwrite(VMCS_HOST_SYSENTER_CS, 0);
    vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
    vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
    vmwrite(VMCS_HOST_RIP, (u64)vmx_exit_point);
}

/* Registers that neither entry nor exit switches. Breakpoints are armed by DR7, which they do. */
static void load_registers(const struct hvm_vcpu *h)
{
    for (unsigned i = 0; i < VMX_MSRS; i++)
        wrmsr_safe(guest_msrs[i], h->msr[i]);
    write_cr2(h->cr2);
    asm volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3; mov %4, %%dr6"
                 :
                 : "r"(h->dr[0]), "r"(h->dr[1]), "r"(h->dr[2]), "r"(h->dr[3]), "r"(h->dr6));
}

static void save_registers(struct hvm_vcpu *h)
{
    for (unsigned i = 0; i < VMX_MSRS; i++)
        if (!rdmsr_safe(guest_msrs[i], &h->msr[i]))
            h->msr[i] = 0;
    h->cr2 = read_cr2();
    asm volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3; mov %%dr6, %4"
                 : "=r"(h->dr[0]), "=r"(h->dr[1]), "=r"(h->dr[2]), "=r"(h->dr[3]), "=r"(h->dr6));
}

static void vmx_vcpu_load(struct vcpu *v)
{
    struct hvm_vcpu *h = v->hvm;

    vmptrld(h->vmcs_pa);
    h->on = this_cpu();
    h->launched = false;
    h->host_rsp = 0;
    if (!h->set_up) {
        struct vmcs_config config = {
            .eptp = h->eptp,
            .vpid = h->vpid,
            .msr_bitmap = virt_to_paddr(v->d->hvm->msr),
            .io_bitmap = virt_to_paddr(v->d->hvm->io),
            .vapic = h->vapic ? virt_to_paddr(h->vapic) : 0,
        };

        vmcs_write_controls(&vmx_caps, &config);
        h->set_up = true;
    }
    write_host(h->on);
    load_registers(h);
    /* Translations from an earlier stay here, or another vCPU's. */
    h->flush = true;
}

static void read_control(struct hvm_control *c)
{
    *c = (struct hvm_control){vmcs_read_cr0(), read_cr2(), vmread(VMCS_GUEST_CR3), vmcs_read_cr4(),
                              vmread(VMCS_GUEST_EFER)};
}

static void vmx_vcpu_unload(struct vcpu *v)
{
    struct hvm_vcpu *h = v->hvm;

    save_registers(h);
    if (!h->state_pending)
        read_control(&h->control);
    vmclear(h->vmcs_pa);
    h->on = NULL;
}

/* --- running --- */

static void flush_ept(u64 eptp)
{
    struct {
        u64 eptp, reserved;
    } desc = {eptp, 0};

    asm volatile("invept %0, %1" : : "m"(desc), "r"(vmx_caps.invept_single ? 1ul : 2ul) : "cc", "memory");
}

static void write_if_changed(u32 field, u64 val, u64 *written)
{
    if (val != *written) {
        vmwrite(field, val);
        *written = val;
    }
}

static void write_event(struct hvm_vcpu *h)
{
    vmwrite(VMCS_ENTRY_EVENT, h->event);
    if (h->event & EVENT_HAS_ERROR)
        vmwrite(VMCS_ENTRY_ERROR, h->event_error);
    if (h->event_length)
        vmwrite(VMCS_ENTRY_INSN_LENGTH, h->event_length);
}

static void prepare_entry(struct vcpu *v)
{
    struct hvm_vcpu *h = v->hvm;

    if (unlikely(h->state_pending))
        apply_state(v);
    write_if_changed(VMCS_GUEST_RIP, v->regs.rip, &h->rip);
    write_if_changed(VMCS_GUEST_RSP, v->regs.rsp, &h->rsp);
    write_if_changed(VMCS_GUEST_RFLAGS, v->regs.rflags, &h->rflags);
    if (h->event)
        write_event(h);
    if (h->primary != h->primary_written)
        vmwrite(VMCS_PRIMARY_CONTROLS, h->primary_written = h->primary);
    if (vmx_caps.tpr_shadow) {
        /* It may not be above the TPR (§27.2.1.1): then what waits for it is no longer hidden, and found at the next
         * look. */
        u32 threshold = min(h->threshold, (u32)h->vapic[VAPIC_TPR] >> 4);

        if (threshold != h->threshold_written)
            vmwrite(VMCS_TPR_THRESHOLD, h->threshold_written = threshold);
    }
    if (unlikely(h->tsc_offset != h->tsc_offset_written))
        vmwrite(VMCS_TSC_OFFSET, h->tsc_offset_written = h->tsc_offset);
    if (unlikely(h->flush)) {
        h->flush = false;
        flush_ept(h->eptp);
    }
}

/* An exit while an event was being delivered: deliver it again (§28.2.4). */
static void keep_interrupted_event(struct hvm_vcpu *h)
{
    u64 event = vmread(VMCS_IDT_EVENT);

    h->event = 0;
    if (likely(!(event & EVENT_VALID)))
        return;
    h->event = (u32)(event & (EVENT_FIELDS | EVENT_VALID));
    h->event_length = EVENT_TYPE(event) >= EVENT_TYPE_SOFT_INT ? (u32)vmread(VMCS_EXIT_INSN_LENGTH) : 0;
    if (event & EVENT_HAS_ERROR)
        h->event_error = (u32)vmread(VMCS_IDT_ERROR);
    if (EVENT_TYPE(event) == EVENT_TYPE_NMI)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~BLOCKED_BY_NMI);
}

static void entry_failed(struct vcpu *v, struct hvm_exit *exit)
{
    u64 error = vmread(VMCS_INSN_ERROR);

    log_err("d%uv%u: VMX: %s fails with error %lu\n", v->d->id, v->id, v->hvm->launched ? "VMRESUME" : "VMLAUNCH",
            error);
    exit->reason = EXIT_OTHER;
    exit->code = BIT(63) | BIT(62) | error;
}

static void vmx_run(struct vcpu *v, struct hvm_exit *exit)
{
    struct hvm_vcpu *h = v->hvm;

    prepare_entry(v);
    if (unlikely(vmx_enter(&v->regs, &h->host_rsp, h->launched))) {
        entry_failed(v, exit);
        return;
    }
    h->launched = true;
    v->regs.rip = h->rip = vmread(VMCS_GUEST_RIP);
    v->regs.rsp = h->rsp = vmread(VMCS_GUEST_RSP);
    v->regs.rflags = h->rflags = vmread(VMCS_GUEST_RFLAGS);
    keep_interrupted_event(h);
    vmx_decode_exit(v, exit);
}

static void vmx_skip_insn(struct vcpu *v, const struct hvm_exit *exit)
{
    u64 blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);

    v->regs.rip = exit->next_rip;
    if (blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    /* The debug trap that the instruction would have ended with (§27.3.1.5). */
    if (unlikely(v->regs.rflags & RFLAGS_TF) && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
        vmwrite(VMCS_GUEST_PENDING_DEBUG, vmread(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

/* --- events --- */

static bool vmx_can_accept_irq(struct vcpu *v)
{
    return v->regs.rflags & RFLAGS_IF && !(v->hvm->event & EVENT_VALID) &&
           !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
}

static bool vmx_can_accept_nmi(struct vcpu *v)
{
    return !(v->hvm->event & EVENT_VALID) &&
           !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI));
}

static void vmx_inject(struct vcpu *v, enum hvm_event_type type, u8 vector)
{
    v->hvm->event = vector | (u32)type << EVENT_TYPE_SHIFT | (u32)EVENT_VALID;
    v->hvm->event_length = 0;
}

/* In real mode exceptions have no error code, and the entry would be refused. */
static void vmx_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    struct hvm_vcpu *h = v->hvm;

    has_error = has_error && vmread(VMCS_GUEST_CR0) & CR0_PE;
    h->event = vector | (u32)EVENT_TYPE_EXCEPTION << EVENT_TYPE_SHIFT | (u32)EVENT_VALID |
               (has_error ? (u32)EVENT_HAS_ERROR : 0);
    h->event_error = error;
    h->event_length = 0;
    if (vector == EXC_PF)
        write_cr2(cr2);
}

/* An interrupt that the TPR hides becomes acceptable when the guest lowers that, else when it can take any. */
static void vmx_irq_window(struct vcpu *v, bool on, u8 priority)
{
    struct hvm_vcpu *h = v->hvm;
    bool hidden = on && priority <= hvm->get_cr8(v);

    h->threshold = hidden ? priority : 0;
    if (on && !hidden)
        h->primary |= PRIMARY_INTERRUPT_WINDOW;
    else
        h->primary &= ~(u32)PRIMARY_INTERRUPT_WINDOW;
}

static void vmx_nmi_window(struct vcpu *v)
{
    v->hvm->primary |= PRIMARY_NMI_WINDOW;
}

static u8 vmx_get_cr8(struct vcpu *v)
{
    return v->hvm->vapic ? v->hvm->vapic[VAPIC_TPR] >> 4 : v->hvm->cr8;
}

static void vmx_set_cr8(struct vcpu *v, u8 cr8)
{
    if (v->hvm->vapic)
        v->hvm->vapic[VAPIC_TPR] = (u8)(cr8 << 4);
    else
        v->hvm->cr8 = cr8;
}

/* --- state --- */

/* Of a vCPU that another CPU holds: as it was when it was set or last given up. */
static void vmx_get_control(struct vcpu *v, struct hvm_control *out)
{
    if (is_here(v))
        read_control(out);
    else
        *out = v->hvm->control;
}

static void vmx_get_segment(struct vcpu *v, enum hvm_seg seg, struct hvm_segment *s)
{
    if (is_here(v))
        vmcs_read_segment(seg, s);
    else
        *s = v->hvm->state.seg[seg];
}

static unsigned vmx_cpl(struct vcpu *v)
{
    return is_here(v) ? (unsigned)RIGHTS_DPL(vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_SS))) : 0;
}

static void vmx_set_tsc_offset(struct vcpu *v, u64 offset)
{
    v->hvm->tsc_offset = offset;
}

static u64 vmx_get_tsc_offset(struct vcpu *v)
{
    return v->hvm->tsc_offset;
}

#define EFER_GUEST_MASK (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

static int vmx_msr_read(struct vcpu *v, u32 msr, u64 *val)
{
    (void)v;
    if (msr == MSR_EFER)
        *val = vmread(VMCS_GUEST_EFER);
    else if (msr == MSR_PAT)
        *val = vmread(VMCS_GUEST_PAT);
    else
        return -XEN_EINVAL;
    return 0;
}

static int vmx_msr_write(struct vcpu *v, u32 msr, u64 val)
{
    (void)v;
    if (msr == MSR_EFER) {
        u64 old = vmread(VMCS_GUEST_EFER);

        if (!hvm_efer_is_valid(val, old, EFER_GUEST_MASK, vmread(VMCS_GUEST_CR0)))
            return -XEN_EINVAL;
        vmwrite(VMCS_GUEST_EFER, (val & ~EFER_LMA) | (old & EFER_LMA));
        return 0;
    }
    if (msr != MSR_PAT || !hvm_pat_is_valid(val))
        return -XEN_EINVAL;
    vmwrite(VMCS_GUEST_PAT, val);
    return 0;
}

static void vmx_flush_tlb(struct vcpu *v)
{
    v->hvm->flush = true;
}

static void vmx_dump(struct vcpu *v)
{
    const struct hvm_vcpu *h = v->hvm;

    log_info("  VMCS: exit %#lx qualification %#lx event %#x primary %#x threshold %u\n", h->last_reason,
             h->last_qualification, h->event, h->primary, h->threshold);
    if (!is_here(v))
        return;
    log_info("  CR0 %#lx CR4 %#lx entry %#lx interruptibility %#lx IDT-vectoring %#lx\n", vmread(VMCS_GUEST_CR0),
             vmread(VMCS_GUEST_CR4), vmread(VMCS_ENTRY_CONTROLS), vmread(VMCS_GUEST_INTERRUPTIBILITY),
             vmread(VMCS_IDT_EVENT));
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct hvm_segment s;

        vmcs_read_segment(i, &s);
        log_debug("  segment %u: %04x attr %#x limit %#x base %#lx\n", i, s.sel, s.attr, s.limit, s.base);
    }
}

const struct hvm_ops vmx_ops = {
    .name = "VMX",
    .s2 = &ept_encoding,
    .s2_1g_pages = vmx_1g_pages,
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .cpu_disable = vmx_cpu_disable,
    .domain_init = vmx_domain_init,
    .domain_free = vmx_domain_free,
    .vcpu_init = vmx_vcpu_init,
    .vcpu_free = vmx_vcpu_free,
    .set_state = vmx_set_state,
    .vcpu_load = vmx_vcpu_load,
    .vcpu_unload = vmx_vcpu_unload,
    .run = vmx_run,
    .skip_insn = vmx_skip_insn,
    .can_accept_irq = vmx_can_accept_irq,
    .can_accept_nmi = vmx_can_accept_nmi,
    .inject = vmx_inject,
    .irq_window = vmx_irq_window,
    .nmi_window = vmx_nmi_window,
    .get_cr8 = vmx_get_cr8,
    .set_cr8 = vmx_set_cr8,
    .get_control = vmx_get_control,
    .get_segment = vmx_get_segment,
    .cpl = vmx_cpl,
    .inject_exception = vmx_inject_exception,
    .set_tsc_offset = vmx_set_tsc_offset,
    .get_tsc_offset = vmx_get_tsc_offset,
    .msr_read = vmx_msr_read,
    .msr_write = vmx_msr_write,
    .flush_tlb = vmx_flush_tlb,
    .dump = vmx_dump,
    .hypercall_is_vmcall = true,
};
