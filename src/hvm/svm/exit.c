/* SPDX-License-Identifier: BSD-2-Clause */
/* From SVM's exit codes to hvm_exit. */
#include <torii/cpu.h>
#include <torii/decode.h>
#include <torii/guest.h>
#include <torii/lib.h>

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
static __attribute__((noinline, cold)) u64 decode_next_rip(struct vcpu *v, u32 code)
{
    struct hvm_vcpu *h = v->hvm;
    struct vmcb *c = h->vmcb;
    u8 bytes[INSN_MAX];
    unsigned n = guest_fetch(v, bytes);

    n = insn_length(bytes, n, code_mode(c));
    if (!n)
        n = code == VMEXIT_VMMCALL ? 3 : code == VMEXIT_HLT ? 1 : 2; /* fetch raced with the guest: the bare form */
    h->length_rip = c->rip;
    h->length_code = code;
    h->length_attr = c->cs.attr;
    h->length_next = code_mode(c) == INSN_MODE_64 ? c->rip + n : (u32)(c->rip + n);
    return h->length_next;
}

static inline u64 next_rip(struct vcpu *v, u32 code)
{
    const struct hvm_vcpu *h = v->hvm;
    const struct vmcb *c = h->vmcb;

    if (svm_features.edx & SVM_FEATURE_NRIP)
        return c->nrip;
    if (likely(h->length_rip == c->rip && h->length_code == code && h->length_attr == c->cs.attr))
        return h->length_next;
    return decode_next_rip(v, code);
}

static void decode_io(const struct vmcb *c, struct hvm_exit *exit)
{
    u64 info = c->exitinfo1;

    exit->reason = EXIT_IO;
    exit->next_rip = c->exitinfo2;
    exit->io.port = IOIO_PORT(info);
    exit->io.bytes = (u8)IOIO_SIZE(info);
    exit->io.addr_bytes = (u8)(IOIO_ADDR(info) * 2);
    exit->io.in = info & IOIO_IN;
    exit->io.string = info & IOIO_STRING;
    exit->io.rep = info & IOIO_REP;
    /* The segment is reported by CPUs with decode assists; the default segment of OUTS is DS. */
    exit->io.seg = svm_features.edx & SVM_FEATURE_DECODE_ASSIST ? IOIO_SEG(info) : SEG_DS;
}

static void decode_npf(const struct vmcb *c, struct hvm_exit *exit)
{
    exit->reason = EXIT_MMIO;
    exit->mmio.gpa = c->exitinfo2;
    exit->mmio.write = c->exitinfo1 & NPF_WRITE;
    exit->mmio.exec = c->exitinfo1 & NPF_EXEC;
    exit->mmio.nr_bytes = 0;
    if (svm_features.edx & SVM_FEATURE_DECODE_ASSIST && c->insn_len) {
        exit->mmio.nr_bytes = min(c->insn_len & 0xf, 15);
        memcpy(exit->mmio.bytes, c->insn, sizeof(exit->mmio.bytes));
    }
}

void svm_decode_exit(struct vcpu *v, struct hvm_exit *exit)
{
    struct vmcb *c = v->hvm->vmcb;
    u32 code = (u32)c->exitcode;

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
    case VMEXIT_NPF:
        decode_npf(c, exit);
        return;
    case VMEXIT_VINTR:
        /* §15.21.2: taken if the priority is above V_TPR. QEMU takes it at equality, too: learn which it is. */
        if ((c->int_ctl & SVM_V_PRIO_MASK) >> SVM_V_PRIO_SHIFT == (c->int_ctl & SVM_V_CR8_MASK))
            svm_virq_at_equal_priority = true;
        c->intercept3 &= ~SVM_INTERCEPT_VINTR;
        c->int_ctl &= ~(SVM_V_IRQ | SVM_V_IGN_TPR);
        svm_dirty(v, SVM_CLEAN_INTERCEPTS | SVM_CLEAN_TPR);
        exit->reason = EXIT_WINDOW;
        return;
    case VMEXIT_IRET:
        /* About to execute: NMIs are open once it has, one instruction later, which the interrupt shadow stands for. */
        c->intercept3 &= ~SVM_INTERCEPT_IRET;
        svm_dirty(v, SVM_CLEAN_INTERCEPTS);
        if (v->hvm->nmi_blocked)
            c->int_shadow |= 1;
        v->hvm->nmi_blocked = false;
        exit->reason = EXIT_WINDOW;
        return;
    case VMEXIT_INVD:
        /* Torii's own data may be in the caches, too: written back, not dropped. */
        asm volatile("wbinvd" : : : "memory");
        v->regs.rip = next_rip(v, code);
        c->int_shadow = 0;
        exit->reason = EXIT_CONTROL;
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
        exit->code = c->exitcode;
        return;
    }
    exit->next_rip = next_rip(v, code);
}
