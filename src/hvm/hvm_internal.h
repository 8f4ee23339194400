/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the vendors' implementations. */
#ifndef HVM_INTERNAL_H
#define HVM_INTERNAL_H

#include <torii/hvm.h>

extern const struct hvm_ops svm_ops, vmx_ops;

/* Every byte of a PAT value is a memory type (APM vol. 2 §7.8.1). */
bool hvm_pat_is_valid(u64 pat);
/* May a guest whose EFER is `old` write val? `mask`: the bits this processor has. */
bool hvm_efer_is_valid(u64 val, u64 old, u64 mask, u64 cr0);

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
};

/* Make them, or make them anew, from d->io. 0 or -XEN_ENOMEM. */
int hvm_bitmaps_init(struct domain *d, const struct hvm_bitmap_format *f);
void hvm_bitmaps_free(struct domain *d, const struct hvm_bitmap_format *f);

/* --- debug registers that neither vendor switches --- */

static inline void hvm_load_dr(const u64 dr[4])
{
    asm volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
                 :
                 : "r"(dr[0]), "r"(dr[1]), "r"(dr[2]), "r"(dr[3]));
}

static inline void hvm_save_dr(u64 dr[4])
{
    asm volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                 : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
}

#endif
