/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the SVM implementation. */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include <torii/hvm.h>

#include "../hvm_internal.h"
#include "vmcb.h"

/* CPUID 0x8000000A EDX. */
#define SVM_FEATURE_NP            BIT(0)
#define SVM_FEATURE_NRIP          BIT(3)
#define SVM_FEATURE_CLEAN         BIT(5)
#define SVM_FEATURE_FLUSH_ASID    BIT(6)
#define SVM_FEATURE_DECODE_ASSIST BIT(7)

/* Where the instruction ends that exited at rip with this code, in a code segment with these attributes. */
struct svm_next {
    u64 rip, next;
    u32 code, attr;
};
/* Without nRIP that is decoded once per place, and remembered by the place. */
#define SVM_NEXT_PLACES 64
#define SVM_NEXT_INDEX(rip) ((rip) / 2 % SVM_NEXT_PLACES)

struct hvm_vcpu {
    struct vmcb *vmcb;
    paddr_t vmcb_pa;
    u32 asid;
    bool nmi_blocked;   /* between NMI delivery and IRET; virtual NMIs of SVM are older than this */
    bool virq_injected; /* an interrupt went in as V_IRQ (eventinj_intr_bug) and may not be taken yet */
    u32 dirty;          /* clean bits to withdraw at the next entry */
    struct svm_next next[SVM_NEXT_PLACES];
    struct hvm_lazy lazy;
};

struct svm_features {
    u32 edx;
    u32 nr_asids;
    bool lme_before_pae_bug; /* QEMU TCG, see svm.c */
    bool eventinj_intr_bug;  /* likewise */
};
extern struct svm_features svm_features;

/* struct hvm_ops.run */
void svm_run(struct vcpu *v, struct hvm_exit *exit);

/* A virtual interrupt is taken at V_TPR equal to its priority already: QEMU; the manual says above only. */
extern bool svm_virq_at_equal_priority;

/* An area of the VMCB was written. */
static inline void svm_dirty(struct vcpu *v, u32 clean_bit)
{
    v->hvm->dirty |= clean_bit;
}

#endif
