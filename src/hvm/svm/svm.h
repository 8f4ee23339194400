/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the SVM implementation. */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include <torii/hvm.h>

#include "vmcb.h"

/* CPUID 0x8000000A EDX. */
#define SVM_FEATURE_NP            BIT(0)
#define SVM_FEATURE_NRIP          BIT(3)
#define SVM_FEATURE_CLEAN         BIT(5)
#define SVM_FEATURE_FLUSH_ASID    BIT(6)
#define SVM_FEATURE_DECODE_ASSIST BIT(7)

struct hvm_vcpu {
    struct vmcb *vmcb;
    paddr_t vmcb_pa;
    u32 asid;
    bool nmi_blocked;   /* between NMI delivery and IRET; virtual NMIs of SVM are older than this */
    bool virq_injected; /* an interrupt went in as V_IRQ (eventinj_intr_bug) and may not be taken yet */
    u32 dirty;          /* clean bits to withdraw at the next entry */
    /* Without nRIP the length of an exiting instruction is decoded once per place. */
    u64 length_rip, length_next;
    u32 length_code, length_attr;
    /* What neither VMRUN nor VMLOAD switches, while another vCPU has the CPU. */
    u64 dr[4], tsc_aux;
};

struct svm_features {
    u32 edx;
    u32 nr_asids;
    u64 efer_mask; /* bits of EFER a guest may set */
    bool tsc_aux;  /* the MSR is there */
    bool lme_before_pae_bug; /* QEMU TCG, see svm.c */
    bool eventinj_intr_bug;  /* likewise */
};
extern struct svm_features svm_features;

void svm_enter(u64 guest_vmcb_pa, struct guest_regs *regs, u64 host_vmcb_pa, bool take_interrupts);

/* Translate the VMCB's exit into *exit; false if the exit was of SVM's own making and the guest goes on. */
void svm_decode_exit(struct vcpu *v, struct hvm_exit *exit);

/* A virtual interrupt is taken at V_TPR equal to its priority already: QEMU; the manual says above only. */
extern bool svm_virq_at_equal_priority;

/* An area of the VMCB was written. */
static inline void svm_dirty(struct vcpu *v, u32 clean_bit)
{
    v->hvm->dirty |= clean_bit;
}

#endif
