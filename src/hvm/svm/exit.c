/* SPDX-License-Identifier: BSD-2-Clause */
/* One turn in the guest: in, out, and from SVM's exit codes to hvm_exit. */
#include <torii/cpu.h>
#include <torii/decode.h>
#include <torii/guest.h>
#include <torii/lib.h>
#include <torii/percpu.h>

#include "svm.h"

static enum insn_mode code_mode(const struct vmcb *c)
{
    if (c->efer & EFER_LMA && c->cs.attr & BIT(9))
        return INSN_MODE_64;
    return c->cs.attr & BIT(10) ? INSN_MODE_32 : INSN_MODE_16;
}

/*
 * Where the instruction ends. Processors without nRIP save leave that to us; where it ends, for a given place and exit, is
 * remembered, since the same few instructions exit over and over. A guest that changes the prefixes of such an instruction
 * in place misleads only itself.
 */
static cold_fn void decode_next_rip(struct vcpu *v, u32 code, struct hvm_exit *exit)
{
    struct vmcb *c = v->hvm->vmcb;
    u8 bytes[INSN_MAX];
    unsigned n = guest_fetch(v, bytes);
    u64 next;

    n = insn_length(bytes, n, code_mode(c));
    if (!n)
        n = code == VMEXIT_VMMCALL ? 3 : code == VMEXIT_HLT ? 1 : 2; /* fetch raced with the guest: the bare form */
    next = code_mode(c) == INSN_MODE_64 ? c->rip + n : (u32)(c->rip + n);
    v->hvm->next[SVM_NEXT_INDEX(c->rip)] = (struct svm_next){c->rip, next, code, c->cs.attr};
    exit->next_rip = next;
}

static inline void next_rip(struct vcpu *v, const struct hvm_vcpu *h, const struct vmcb *c, u32 code,
                            struct hvm_exit *exit)
{
    const struct svm_next *known = &h->next[SVM_NEXT_INDEX(c->rip)];

    if (svm_features.edx & SVM_FEATURE_NRIP)
        exit->next_rip = c->nrip;
    else if (likely(known->rip == c->rip && known->code == code && known->attr == c->cs.attr))
        exit->next_rip = known->next;
    else
        decode_next_rip(v, code, exit);
}

static noinline_fn void decode_io(const struct vmcb *c, struct hvm_exit *exit)
{
    u64 info = c->exitinfo1;

    exit->reason = EXIT_IO;
    exit->next_rip = c->exitinfo2;
    exit->info = exit->io.port = IOIO_PORT(info);
    exit->io.bytes = (u8)IOIO_SIZE(info);
    exit->io.addr_bytes = (u8)(IOIO_ADDR(info) * 2);
    exit->io.in = info & IOIO_IN;
    exit->io.string = info & IOIO_STRING;
    exit->io.rep = info & IOIO_REP;
    /* The segment is reported by CPUs with decode assists; the default segment of OUTS is DS. */
    exit->io.seg = svm_features.edx & SVM_FEATURE_DECODE_ASSIST ? IOIO_SEG(info) : SEG_DS;
}

static noinline_fn void decode_npf(const struct vmcb *c, struct hvm_exit *exit)
{
    exit->reason = EXIT_MMIO;
    exit->info = exit->mmio.gpa = c->exitinfo2;
    exit->mmio.write = c->exitinfo1 & NPF_WRITE;
    exit->mmio.exec = c->exitinfo1 & NPF_EXEC;
    exit->mmio.table = c->exitinfo1 & NPF_TABLE;
    exit->mmio.nr_bytes = 0;
    if (svm_features.edx & SVM_FEATURE_DECODE_ASSIST && c->insn_len) {
        exit->mmio.nr_bytes = min(c->insn_len & 0xf, 15);
        memcpy(exit->mmio.bytes, c->insn, sizeof(exit->mmio.bytes));
    }
}

/* What was asked for has come: the guest can take an interrupt. */
static noinline_fn void window_opened(struct vcpu *v, struct hvm_exit *exit)
{
    struct vmcb *c = v->hvm->vmcb;

    exit->reason = EXIT_WINDOW;
    c->intercept3 &= ~SVM_INTERCEPT_VINTR;
    svm_dirty(v, SVM_CLEAN_INTERCEPTS);
    if (v->hvm->virq_injected)
        return; /* it stays: the guest takes it now */
    /* §15.21.2: taken if the priority is above V_TPR. QEMU takes it at equality, too: learn which it is. */
    if ((c->int_ctl & SVM_V_PRIO_MASK) >> SVM_V_PRIO_SHIFT == (c->int_ctl & SVM_V_CR8_MASK))
        svm_virq_at_equal_priority = true;
    c->int_ctl &= ~(SVM_V_IRQ | SVM_V_IGN_TPR);
    svm_dirty(v, SVM_CLEAN_TPR);
}

/* About to execute IRET: NMIs are open once it has, one instruction later, which the interrupt shadow stands for. */
static noinline_fn void nmi_returns(struct vcpu *v, struct hvm_exit *exit)
{
    struct vmcb *c = v->hvm->vmcb;

    exit->reason = EXIT_WINDOW;
    c->intercept3 &= ~SVM_INTERCEPT_IRET;
    svm_dirty(v, SVM_CLEAN_INTERCEPTS);
    if (v->hvm->nmi_blocked)
        c->int_shadow |= 1;
    v->hvm->nmi_blocked = false;
}

/* Torii's own data may be in the caches, too: written back, not dropped. */
static noinline_fn void invd(struct vcpu *v, struct hvm_exit *exit)
{
    struct vmcb *c = v->hvm->vmcb;

    asm volatile("wbinvd" : : : "memory");
    next_rip(v, v->hvm, c, VMEXIT_INVD, exit);
    v->regs.rip = exit->next_rip;
    c->int_shadow = 0;
    exit->reason = EXIT_CONTROL;
}

static inline void decode_exit(struct vcpu *v, struct hvm_vcpu *h, struct vmcb *c, struct hvm_exit *exit)
{
    u32 code = (u32)c->exitcode;

    if (code == VMEXIT_NPF) {
        decode_npf(c, exit);
        return;
    }
    exit->info = v->regs.rax;
    switch (code) {
    case VMEXIT_INTR:
        exit->reason = EXIT_INTERRUPT;
        return;
    case VMEXIT_VMMCALL:
        exit->reason = EXIT_HYPERCALL;
        exit->call.long_mode = code_mode(c) == INSN_MODE_64;
        exit->call.cpl = c->cpl;
        break;
    case VMEXIT_MSR:
        exit->info = v->regs.rcx;
        exit->reason = c->exitinfo1 ? EXIT_MSR_WRITE : EXIT_MSR_READ;
        break;
    case VMEXIT_CPUID:
        exit->reason = EXIT_CPUID;
        break;
    case VMEXIT_HLT:
        exit->reason = EXIT_HLT;
        break;
    case VMEXIT_IOIO:
        decode_io(c, exit);
        return;
    case VMEXIT_VINTR:
        window_opened(v, exit);
        return;
    case VMEXIT_IRET:
        nmi_returns(v, exit);
        return;
    case VMEXIT_INVD:
        invd(v, exit);
        return;
    case VMEXIT_NMI:
        exit->reason = EXIT_NMI;
        return;
    case VMEXIT_INIT:
    case VMEXIT_SHUTDOWN:
        exit->reason = EXIT_SHUTDOWN;
        return;
    default:
        exit->reason = EXIT_OTHER;
        exit->info = exit->code = c->exitcode;
        return;
    }
    next_rip(v, h, c, code, exit);
}

/*
 * An exit while an event was being delivered: deliver it again (§15.7.2). INT n, INT3 and INTO are still the instruction
 * at RIP, which does it again by itself; injected, they would be returned to for ever.
 */
static inline u64 undelivered(u64 info)
{
    unsigned type = SVM_EVENT_TYPE(info);
    u8 vector = SVM_EVENT_VECTOR(info);

    if (type == HVM_EVENT_SOFT_INT || (type == HVM_EVENT_EXCEPTION && (vector == EXC_BP || vector == EXC_OF)))
        return 0;
    return info;
}

/*
 * entry.S. The guest's registers come and go, so the compiler saves those of its own that it needs, once; what it was given
 * it gets back as results, for it would keep nothing else in registers.
 */
#define ENTER(entry, vmcb, host, regs, exit)                                                       \
    asm volatile("call " #entry                                                                    \
                 : "+D"(vmcb), "+d"(host), "+S"(regs), "+b"(exit)                                  \
                 :                                                                                 \
                 : "rax", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc")

static inline void take_state(struct vcpu *v, struct hvm_vcpu *h, struct vmcb *c, struct hvm_exit *exit)
{
    u64 intinfo = c->exitintinfo, ctl = c->int_ctl;

    v->regs.rax = c->rax;
    v->regs.rsp = c->rsp;
    v->regs.rip = c->rip;
    v->regs.rflags = c->rflags;
    c->tlb_control = SVM_TLB_NOTHING;
    if (!(ctl & SVM_V_IRQ))
        h->virq_injected = false;
    c->eventinj = unlikely(intinfo & SVM_EVENT_VALID) ? undelivered(intinfo) : 0;
    exit->cr8 = ctl & SVM_V_CR8_MASK;
}

void svm_run(struct vcpu *v, struct hvm_exit *exit)
{
    struct hvm_vcpu *h = v->hvm;
    struct vmcb *c = h->vmcb;
    struct guest_regs *regs = &v->regs;
    u64 guest = h->vmcb_pa, host = this_cpu()->hvm_host_pa;

    c->rax = v->regs.rax;
    c->rsp = v->regs.rsp;
    c->rip = v->regs.rip;
    c->rflags = v->regs.rflags;
    if (svm_features.edx & SVM_FEATURE_CLEAN) {
        c->clean = ~h->dirty;
        h->dirty = 0;
    }
    if (unlikely(!(c->cr4 & CR4_PAE) && svm_features.lme_before_pae_bug && c->efer & EFER_LME))
        ENTER(svm_enter_closed, guest, host, regs, exit);
    else
        ENTER(svm_enter, guest, host, regs, exit);
    v = container_of(regs, struct vcpu, regs);
    h = v->hvm;
    c = h->vmcb;
    take_state(v, h, c, exit);
    decode_exit(v, h, c, exit);
}
