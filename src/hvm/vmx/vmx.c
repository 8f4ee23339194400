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

#include "vmx.h"

static u32 next_vpid = 1;
#define VPID_LAST 0xffffu

/*
 * Leaves: memory type in bits 5:3 instead of the MTRRs', with which the guest's PAT is combined as with one of theirs
 * (§29.3.7.2): device memory can still be write-combining.
 */
static const struct s2_encoding ept_encoding = {
    .table = BIT(0) | BIT(1) | BIT(2),
    .read = BIT(0),
    .write = BIT(1),
    .exec = BIT(2),
    .accessed = BIT(8),
    .dirty = BIT(9),
    .ram = 6 << 3,
    .device = 0 << 3,
    .type_shift = 3,
};

static const u32 guest_msrs[VMX_MSRS] = {
    MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS_BASE,
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
    hvm_lazy_load(&h->lazy);
    asm volatile("mov %0, %%dr6" : : "r"(h->dr6));
}

static void save_registers(struct hvm_vcpu *h)
{
    for (unsigned i = 0; i < VMX_MSRS; i++)
        if (!rdmsr_safe(guest_msrs[i], &h->msr[i]))
            h->msr[i] = 0;
    h->cr2 = read_cr2();
    hvm_lazy_save(&h->lazy);
    asm volatile("mov %%dr6, %0" : "=r"(h->dr6));
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

static void prepare_entry(struct vcpu *v)
{
    struct hvm_vcpu *h = v->hvm;

    if (unlikely(h->state_pending))
        apply_state(v);
    write_if_changed(VMCS_GUEST_RIP, v->regs.rip, &h->rip);
    write_if_changed(VMCS_GUEST_RSP, v->regs.rsp, &h->rsp);
    write_if_changed(VMCS_GUEST_RFLAGS, v->regs.rflags, &h->rflags);
    vmx_write_events(h);
    if (unlikely(h->tsc_offset != h->tsc_offset_written))
        vmwrite(VMCS_TSC_OFFSET, h->tsc_offset_written = h->tsc_offset);
    if (unlikely(h->flush)) {
        h->flush = false;
        flush_ept(h->eptp);
    }
}

#define ENTRY_ERROR BIT(62) /* a number of §31.4, not an exit reason */

static void entry_failed(struct vcpu *v, struct hvm_exit *exit)
{
    u64 error = vmread(VMCS_INSN_ERROR);

    log_err("d%uv%u: VMX: %s fails with error %lu\n", v->d->id, v->id, v->hvm->launched ? "VMRESUME" : "VMLAUNCH",
            error);
    exit->reason = EXIT_OTHER;
    exit->code = HVM_CODE_FATAL | ENTRY_ERROR | error;
}

static void vmx_run(struct vcpu *v, struct hvm_exit *exit)
{
    struct hvm_vcpu *h = v->hvm;

    prepare_entry(v);
    if (unlikely(vmx_enter(&v->regs, &h->host_rsp, h->launched))) {
        entry_failed(v, exit);
        exit->cr8 = hvm->get_cr8(v);
        return;
    }
    h->launched = true;
    v->regs.rip = h->rip = vmread(VMCS_GUEST_RIP);
    v->regs.rsp = h->rsp = vmread(VMCS_GUEST_RSP);
    v->regs.rflags = h->rflags = vmread(VMCS_GUEST_RFLAGS);
    vmx_keep_interrupted_event(h);
    vmx_decode_exit(v, exit);
    exit->cr8 = hvm->get_cr8(v);
}

static bool vmx_skip_insn(struct vcpu *v, const struct hvm_exit *exit)
{
    u64 blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);

    v->regs.rip = exit->next_rip;
    if (blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS))
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocked & ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
    /* The debug trap that the instruction would have ended with (§27.3.1.5). */
    if (unlikely(v->regs.rflags & RFLAGS_TF) && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
        vmwrite(VMCS_GUEST_PENDING_DEBUG, vmread(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_BS);
    return false;
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

static u64 vmx_get_cr4(struct vcpu *v)
{
    struct hvm_control c;

    vmx_get_control(v, &c);
    return c.cr4;
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

static void vmx_set_efer(struct vcpu *v, u64 val)
{
    (void)v;
    vmwrite(VMCS_GUEST_EFER, val);
}

static u64 vmx_get_pat(struct vcpu *v)
{
    (void)v;
    return vmread(VMCS_GUEST_PAT);
}

static void vmx_set_pat(struct vcpu *v, u64 val)
{
    (void)v;
    vmwrite(VMCS_GUEST_PAT, val);
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
    .bitmaps = &vmx_bitmap_format,
    .s2_1g_pages = vmx_1g_pages,
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .cpu_disable = vmx_cpu_disable,
    .vcpu_init = vmx_vcpu_init,
    .set_state = vmx_set_state,
    .vcpu_load = vmx_vcpu_load,
    .vcpu_unload = vmx_vcpu_unload,
    .run = vmx_run,
    .skip_insn = vmx_skip_insn,
    .event_queued = vmx_event_queued,
    .can_accept_irq = vmx_can_accept_irq,
    .can_accept_nmi = vmx_can_accept_nmi,
    .inject = vmx_inject,
    .irq_window = vmx_irq_window,
    .nmi_window = vmx_nmi_window,
    .get_cr8 = vmx_get_cr8,
    .set_cr8 = vmx_set_cr8,
    .get_control = vmx_get_control,
    .get_cr4 = vmx_get_cr4,
    .set_efer = vmx_set_efer,
    .get_pat = vmx_get_pat,
    .set_pat = vmx_set_pat,
    .get_segment = vmx_get_segment,
    .cpl = vmx_cpl,
    .inject_exception = vmx_inject_exception,
    .set_tsc_offset = vmx_set_tsc_offset,
    .get_tsc_offset = vmx_get_tsc_offset,
    .flush_tlb = vmx_flush_tlb,
    .dump = vmx_dump,
    .hypercall_is_vmcall = true,
};
