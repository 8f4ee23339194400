/* SPDX-License-Identifier: BSD-2-Clause */
/* AMD SVM with nested paging (AMD APM vol. 2 ch. 15) behind struct hvm_ops. */
#include <torii/alloc.h>
#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/percpu.h>
#include <torii/stage2.h>

#include "svm.h"

struct svm_features svm_features;

#define VM_CR_SVMDIS BIT(4)

#define MSR_DEBUGCTL 0x1d9
#define DEBUGCTL_BTF BIT(1)
#define DR6_BS       BIT(14)

static u32 next_asid = 1;

static const struct s2_encoding npt_encoding = {
    .table = BIT(0) | BIT(1) | BIT(2), /* present, writable, user: nested walks are user accesses (§15.25.5) */
    .read = BIT(0) | BIT(2),
    .write = BIT(1),
    .no_exec = BIT(63),
    .accessed = BIT(5),
    .dirty = BIT(6),
};

static const char *svm_probe(void)
{
    u64 vm_cr;

    if (cpuid(0x80000000, 0).eax < 0x8000000a || !(cpuid(0x80000001, 0).ecx & BIT(2)))
        return "no SVM";
    if (!rdmsr_safe(MSR_VM_CR, &vm_cr) || vm_cr & VM_CR_SVMDIS)
        return "SVM is disabled by the firmware";
    if (!(cpuid(0x8000000a, 0).edx & SVM_FEATURE_NP))
        return "SVM has no nested paging (NPT)";
    return NULL;
}

static bool svm_1g_pages(void)
{
    return cpuid(0x80000001, 0).edx & BIT(26);
}

/*
 * QEMU's TCG loses the host's CR0.PG when a guest exits with EFER.LME set and CR4.PAE clear, a state that
 * FreeBSD's start-up passes through. It is left after a few instructions, so no interrupt may take it out meanwhile.
 */
static bool on_tcg(void)
{
    struct cpuid_regs r = cpuid(0x40000000, 0);

    return cpuid(1, 0).ecx & BIT(31) && r.ebx == 0x54474354 && r.ecx == 0x43544743 && r.edx == 0x47435447;
}

static int svm_cpu_enable(void)
{
    struct pcpu *c = this_cpu();

    /* A VMCB for VMSAVE, then the host save area. */
    if (!c->hvm_host)
        c->hvm_host = frames_alloc(1);
    if (!c->hvm_host)
        return -XEN_ENOMEM;
    c->hvm_host_pa = virt_to_paddr(c->hvm_host);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, c->hvm_host_pa + PAGE_SIZE);
    if (!svm_features.nr_asids) {
        struct cpuid_regs r = cpuid(0x8000000a, 0);

        svm_features.edx = r.edx;
        svm_features.nr_asids = r.ebx;
        svm_features.lme_before_pae_bug = svm_features.eventinj_intr_bug = on_tcg();
        log_info("SVM: %u ASIDs%s%s%s%s\n", r.ebx, r.edx & SVM_FEATURE_NRIP ? ", nRIP" : "",
                 r.edx & SVM_FEATURE_DECODE_ASSIST ? ", decode assists" : "",
                 r.edx & SVM_FEATURE_FLUSH_ASID ? ", flush by ASID" : "",
                 r.edx & SVM_FEATURE_CLEAN ? ", VMCB clean bits" : "");
    }
    /* FS, GS, TR and the system-call MSRs as Torii wants them after each exit. */
    asm volatile("vmsave %0" : : "a"(c->hvm_host_pa) : "memory");
    return 0;
}

static void svm_cpu_disable(void)
{
    asm volatile("stgi");
    wrmsr(MSR_VM_HSAVE_PA, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
}

/* §15.10.1: three pages, the last for accesses that reach past port 0xffff. §15.11: two bits for each MSR, read then
 * write. */
static const struct hvm_bitmap_format bitmap_format = {
    .io_order = 2,
    .msr_order = 1,
    .msr_stride = 2,
    .nr_msr = 3,
    .msr = {{0, 0, 1}, {0xc0000000, 0x4000, 0x4001}, {0xc0010000, 0x8000, 0x8001}},
    .io_in_use = true,
};

static int svm_vcpu_init(struct vcpu *v)
{
    struct hvm_vcpu *h = xzalloc(sizeof(*h));
    struct vmcb *c;

    if (!h)
        return -XEN_ENOMEM;
    v->hvm = h;
    h->vmcb = c = frames_alloc(0);
    if (!c)
        return -XEN_ENOMEM;
    h->vmcb_pa = virt_to_paddr(c);
    /* One ASID per vCPU; when they run out the last one is shared and flushed at each switch. */
    h->asid = min(__atomic_fetch_add(&next_asid, 1, __ATOMIC_RELAXED), svm_features.nr_asids - 1);

    c->intercept3 = SVM_INTERCEPT_INTR | SVM_INTERCEPT_NMI | SVM_INTERCEPT_INIT | SVM_INTERCEPT_CPUID |
                    SVM_INTERCEPT_INVD | SVM_INTERCEPT_HLT | SVM_INTERCEPT_INVLPGA | SVM_INTERCEPT_IOIO |
                    SVM_INTERCEPT_MSR | SVM_INTERCEPT_SHUTDOWN;
    c->intercept4 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD | SVM_INTERCEPT_VMSAVE |
                    SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI | SVM_INTERCEPT_SKINIT | SVM_INTERCEPT_MONITOR |
                    SVM_INTERCEPT_MWAIT;
    c->iopm = virt_to_paddr(v->d->hvm->io);
    c->msrpm = virt_to_paddr(v->d->hvm->msr);
    c->asid = h->asid;
    c->tlb_control = SVM_TLB_FLUSH_ALL;
    c->int_ctl = SVM_V_INTR_MASKING;
    c->np_enable = 1;
    c->ncr3 = s2_root(v->d);
    return 0;
}

static struct vmcb_segment *segment(struct vmcb *c, enum hvm_seg seg)
{
    switch (seg) {
    case SEG_ES:
        return &c->es;
    case SEG_CS:
        return &c->cs;
    case SEG_SS:
        return &c->ss;
    case SEG_DS:
        return &c->ds;
    case SEG_FS:
        return &c->fs;
    case SEG_GS:
        return &c->gs;
    case SEG_LDTR:
        return &c->ldtr;
    case SEG_TR:
        return &c->tr;
    case SEG_GDTR:
        return &c->gdtr;
    default:
        return &c->idtr;
    }
}

static void svm_set_state(struct vcpu *v, const struct hvm_state *s)
{
    struct vmcb *c = v->hvm->vmcb;

    for (unsigned i = 0; i < SEG_COUNT; i++)
        *segment(c, i) = (struct vmcb_segment){s->seg[i].sel, s->seg[i].attr, s->seg[i].limit, s->seg[i].base};
    c->cpl = 0;
    c->efer = s->efer | EFER_SVME;
    c->cr0 = s->cr0;
    c->cr2 = c->cr3 = 0;
    c->cr4 = 0;
    c->dr6 = HVM_DR6_RESET;
    c->dr7 = HVM_DR7_RESET;
    c->g_pat = HVM_PAT_RESET;
    c->star = c->lstar = c->cstar = c->sfmask = c->kernel_gs_base = 0;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->dbgctl = 0;
    c->eventinj = 0;
    c->int_shadow = 0;
    c->int_ctl = SVM_V_INTR_MASKING;
    c->intercept3 &= ~(SVM_INTERCEPT_VINTR | SVM_INTERCEPT_IRET);
    c->tlb_control = SVM_TLB_FLUSH_ALL;
    v->hvm->nmi_blocked = v->hvm->virq_injected = false;
    memset(v->hvm->next, 0, sizeof(v->hvm->next));
    svm_dirty(v, ~0u);
    v->regs = s->regs;
}

static void svm_flush_tlb(struct vcpu *v)
{
    v->hvm->vmcb->tlb_control = svm_features.edx & SVM_FEATURE_FLUSH_ASID ? SVM_TLB_FLUSH_ASID : SVM_TLB_FLUSH_ALL;
}

static void svm_vcpu_load(struct vcpu *v)
{
    hvm_lazy_load(&v->hvm->lazy);
    /* Another CPU's, or another vCPU's, translations may stand under this ASID here. */
    svm_flush_tlb(v);
    svm_dirty(v, ~0u);
}

static void svm_vcpu_unload(struct vcpu *v)
{
    hvm_lazy_save(&v->hvm->lazy);
}

static void svm_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2);

/* The trap that an instruction ends with when EFLAGS.TF is set, unless only branches do (§13.1.4). */
static cold_fn bool single_step(struct vcpu *v)
{
    u64 debugctl;

    if (rdmsr_safe(MSR_DEBUGCTL, &debugctl) && debugctl & DEBUGCTL_BTF)
        return false;
    v->hvm->vmcb->dr6 |= DR6_BS;
    svm_dirty(v, SVM_CLEAN_DRX);
    svm_inject_exception(v, EXC_DB, false, 0, 0);
    return false;
}

static bool svm_skip_insn(struct vcpu *v, const struct hvm_exit *exit)
{
    v->regs.rip = exit->next_rip;
    v->hvm->vmcb->int_shadow = 0;
    return unlikely(v->regs.rflags & RFLAGS_TF) ? single_step(v) : false;
}

static bool svm_event_queued(struct vcpu *v)
{
    return v->hvm->vmcb->eventinj & SVM_EVENT_VALID;
}

static bool svm_can_accept_irq(struct vcpu *v)
{
    return v->regs.rflags & RFLAGS_IF && !(v->hvm->vmcb->int_shadow & 1) && !svm_event_queued(v) &&
           !v->hvm->virq_injected;
}

static bool svm_can_accept_nmi(struct vcpu *v)
{
    return !v->hvm->nmi_blocked && !(v->hvm->vmcb->int_shadow & 1) && !svm_event_queued(v);
}

/*
 * QEMU's TCG may deliver an interrupt twice that VMRUN injects through EVENTINJ: the vector stays behind in its
 * exception index, and a request to leave its loop just then takes it for an exception. A virtual interrupt (§15.21.4)
 * does not go that way. The guest accepts it, so it is taken before its first instruction, unless a physical one takes
 * the guest out before.
 */
static void virq_inject(struct vcpu *v, u8 vector)
{
    struct vmcb *c = v->hvm->vmcb;

    c->int_ctl &= ~(SVM_V_PRIO_MASK | SVM_V_VECTOR_MASK);
    c->int_ctl |= SVM_V_IRQ | SVM_V_IGN_TPR | (u64)vector << SVM_V_VECTOR_SHIFT;
    c->intercept3 &= ~SVM_INTERCEPT_VINTR;
    v->hvm->virq_injected = true;
    svm_dirty(v, SVM_CLEAN_TPR | SVM_CLEAN_INTERCEPTS);
}

static void svm_inject(struct vcpu *v, enum hvm_event_type type, u8 vector)
{
    struct vmcb *c = v->hvm->vmcb;

    if (type == HVM_EVENT_INTERRUPT && svm_features.eventinj_intr_bug) {
        virq_inject(v, vector);
        return;
    }
    c->eventinj = vector | (u64)type << SVM_EVENT_TYPE_SHIFT | SVM_EVENT_VALID;
    if (type == HVM_EVENT_NMI) {
        v->hvm->nmi_blocked = true;
        c->intercept3 |= SVM_INTERCEPT_IRET;
        svm_dirty(v, SVM_CLEAN_INTERCEPTS);
    }
}

static void svm_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    struct vmcb *c = v->hvm->vmcb;

    c->eventinj = vector | (u64)HVM_EVENT_EXCEPTION << SVM_EVENT_TYPE_SHIFT | SVM_EVENT_VALID |
                  (has_error ? SVM_EVENT_HAS_ERROR | (u64)error << 32 : 0);
    if (vector == EXC_PF) {
        c->cr2 = cr2;
        svm_dirty(v, SVM_CLEAN_CR2);
    }
}

/*
 * V_IRQ is in use: look again when that interrupt's handler returns. But when an NMI has come before it, the next
 * IRET is the NMI's, which intercepted again and again would never be done: then first look when the guest is about
 * to take the interrupt.
 */
static void virq_window(struct vcpu *v, bool on)
{
    struct vmcb *c = v->hvm->vmcb;
    bool taken_next = v->regs.rflags & RFLAGS_IF && !(c->int_shadow & 1) && !(c->eventinj & SVM_EVENT_VALID);

    c->intercept3 &= ~SVM_INTERCEPT_VINTR;
    if (on)
        c->intercept3 |= taken_next ? SVM_INTERCEPT_IRET : SVM_INTERCEPT_VINTR;
    svm_dirty(v, SVM_CLEAN_INTERCEPTS);
}

bool svm_virq_at_equal_priority;

static void svm_irq_window(struct vcpu *v, bool on, u8 priority)
{
    struct vmcb *c = v->hvm->vmcb;
    u64 ctl = c->int_ctl & ~(SVM_V_IRQ | SVM_V_PRIO_MASK | SVM_V_IGN_TPR);

    if (v->hvm->virq_injected) {
        virq_window(v, on);
        return;
    }
    /* Where equality opens the window, one that waits for a lower TPR asks for one less, or it would open at once. */
    if (svm_virq_at_equal_priority && priority && priority <= (c->int_ctl & SVM_V_CR8_MASK))
        priority--;
    if (on) {
        ctl |= SVM_V_IRQ | (priority > 0xf ? SVM_V_IGN_TPR : (u64)priority << SVM_V_PRIO_SHIFT);
        c->intercept3 |= SVM_INTERCEPT_VINTR;
    } else {
        c->intercept3 &= ~SVM_INTERCEPT_VINTR;
    }
    if (ctl == c->int_ctl)
        return;
    c->int_ctl = ctl;
    svm_dirty(v, SVM_CLEAN_TPR | SVM_CLEAN_INTERCEPTS);
}

static void svm_nmi_window(struct vcpu *v)
{
    /* Blocked by an NMI in service: its IRET is intercepted already. By a shadow or a queued event: gone in an
     * instruction or two. */
    if (!v->hvm->nmi_blocked)
        svm_irq_window(v, true, HVM_WINDOW_ANY_TPR);
}

static u8 svm_get_cr8(struct vcpu *v)
{
    return v->hvm->vmcb->int_ctl & 0xf;
}

static void svm_set_cr8(struct vcpu *v, u8 cr8)
{
    struct vmcb *c = v->hvm->vmcb;

    c->int_ctl = (c->int_ctl & ~SVM_V_TPR_MASK) | cr8;
    svm_dirty(v, SVM_CLEAN_TPR);
}

static void svm_get_control(struct vcpu *v, struct hvm_control *out)
{
    const struct vmcb *c = v->hvm->vmcb;

    *out = (struct hvm_control){c->cr0, c->cr2, c->cr3, c->cr4, c->efer & ~EFER_SVME};
}

static u64 svm_get_cr4(struct vcpu *v)
{
    return v->hvm->vmcb->cr4;
}

static void svm_get_segment(struct vcpu *v, enum hvm_seg seg, struct hvm_segment *s)
{
    const struct vmcb_segment *e = segment(v->hvm->vmcb, seg);

    *s = (struct hvm_segment){e->sel, e->attr, e->limit, e->base};
}

static unsigned svm_cpl(struct vcpu *v)
{
    return v->hvm->vmcb->cpl;
}

static void svm_set_tsc_offset(struct vcpu *v, u64 offset)
{
    v->hvm->vmcb->tsc_offset = offset;
    svm_dirty(v, SVM_CLEAN_INTERCEPTS);
}

static u64 svm_get_tsc_offset(struct vcpu *v)
{
    return v->hvm->vmcb->tsc_offset;
}

static void svm_set_efer(struct vcpu *v, u64 val)
{
    v->hvm->vmcb->efer = val | EFER_SVME;
    svm_dirty(v, SVM_CLEAN_CRX);
}

static u64 svm_get_pat(struct vcpu *v)
{
    return v->hvm->vmcb->g_pat;
}

static void svm_set_pat(struct vcpu *v, u64 val)
{
    v->hvm->vmcb->g_pat = val;
    svm_dirty(v, SVM_CLEAN_NP);
}

static void svm_dump(struct vcpu *v)
{
    const struct vmcb *c = v->hvm->vmcb;

    log_info("  VMCB: exit %#lx info %#lx %#lx intinfo %#lx eventinj %#lx int_ctl %#lx shadow %lx\n", c->exitcode,
             c->exitinfo1, c->exitinfo2, c->exitintinfo, c->eventinj, c->int_ctl, c->int_shadow);
}

const struct hvm_ops svm_ops = {
    .name = "SVM",
    .s2 = &npt_encoding,
    .bitmaps = &bitmap_format,
    .s2_1g_pages = svm_1g_pages,
    .probe = svm_probe,
    .cpu_enable = svm_cpu_enable,
    .cpu_disable = svm_cpu_disable,
    .vcpu_init = svm_vcpu_init,
    .set_state = svm_set_state,
    .vcpu_load = svm_vcpu_load,
    .vcpu_unload = svm_vcpu_unload,
    .run = svm_run,
    .skip_insn = svm_skip_insn,
    .event_queued = svm_event_queued,
    .can_accept_irq = svm_can_accept_irq,
    .can_accept_nmi = svm_can_accept_nmi,
    .inject = svm_inject,
    .irq_window = svm_irq_window,
    .nmi_window = svm_nmi_window,
    .get_cr8 = svm_get_cr8,
    .set_cr8 = svm_set_cr8,
    .get_control = svm_get_control,
    .get_cr4 = svm_get_cr4,
    .set_efer = svm_set_efer,
    .get_pat = svm_get_pat,
    .set_pat = svm_set_pat,
    .get_segment = svm_get_segment,
    .cpl = svm_cpl,
    .inject_exception = svm_inject_exception,
    .set_tsc_offset = svm_set_tsc_offset,
    .get_tsc_offset = svm_get_tsc_offset,
    .flush_tlb = svm_flush_tlb,
    .dump = svm_dump,
    .hypercall_is_vmcall = false,
};
