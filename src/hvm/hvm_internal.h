/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the vendors' implementations. */
#ifndef HVM_INTERNAL_H
#define HVM_INTERNAL_H

#include <torii/hvm.h>

extern const struct hvm_ops svm_ops, vmx_ops;

/* Of the processor, for the facts that differ by vendor and not by SVM or VMX. */
bool hvm_vendor_is_amd(void);

/* --- bitmaps.c --- */

/* Per domain: permission bitmaps, shared by its vCPUs. */
struct hvm_domain {
    u8 *io, *msr;
};

/* MSRs from `first` on that have bits: numbers of the first one's bits for reads and for writes. */
struct hvm_msr_bits {
    u32 first, read, write;
};
#define HVM_MSR_RANGE 0x2000u

struct hvm_bitmap_format {
    unsigned io_order, msr_order; /* of frames */
    unsigned msr_stride;          /* bits from one MSR's to the next one's */
    unsigned nr_msr;
    struct hvm_msr_bits msr[3];
    bool io_in_use; /* the I/O bitmap may be written while a vCPU runs by it */
};

void hvm_domain_free(struct domain *d);

/* --- lazy.c --- */

/* What neither vendor's entry switches and Torii has no use for, while another vCPU has the CPU. */
struct hvm_lazy {
    u64 dr[4], tsc_aux, spec_ctrl;
};

void hvm_lazy_load(const struct hvm_lazy *r);
void hvm_lazy_save(struct hvm_lazy *r);

#endif
