/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory type range registers (SDM vol. 3 §12.11; APM vol. 2 §7.7): a domain's copy, and what the machine's say. */
#ifndef HVM_MTRR_H
#define HVM_MTRR_H

#include <torii/types.h>

struct vcpu;
struct domain;

#define MSR_MTRR_PHYS_FIRST   0x200
#define MSR_MTRR_PHYS_LAST    0x21f
#define MSR_MTRR_FIX64K       0x250
#define MSR_MTRR_FIX16K_FIRST 0x258
#define MSR_MTRR_FIX16K_LAST  0x259
#define MSR_MTRR_FIX4K_FIRST  0x268
#define MSR_MTRR_FIX4K_LAST   0x26f

#define MTRR_CAP_FIXED  BIT(8)
#define MTRR_DEF_FIXED  BIT(10)
#define MTRR_DEF_ENABLE BIT(11)
#define MTRR_MASK_VALID BIT(11)

/* Also those of an EPT entry and of the PAT. */
enum memory_type { MEMORY_UC = 0, MEMORY_WC = 1, MEMORY_WT = 4, MEMORY_WP = 5, MEMORY_WB = 6 };

struct mtrrs {
    u64 cap, def, phys[MSR_MTRR_PHYS_LAST - MSR_MTRR_PHYS_FIRST + 1];
    u64 fix[1 + 2 + 8];
};

/* This machine's; all 0 where it has none. */
void mtrr_read_machine(struct mtrrs *m);
/* Do they say anything? */
bool mtrr_enabled(const struct mtrrs *m);
/*
 * The memory type of bytes (a power of two from PAGE_SIZE on, to which pa is aligned): true, or false if there may be
 * several in it. Of one page there is always one.
 */
bool mtrr_type(const struct mtrrs *m, paddr_t pa, u64 bytes, enum memory_type *type);

/* The domain's copy starts as the machine's. 0 or -XEN_ENOMEM. */
int mtrr_init(struct domain *d);
/* Handlers of the MSRs: 0, or -XEN_EINVAL for #GP. */
int mtrr_cap_read(struct vcpu *v, u32 msr, u64 *val);
int mtrr_read(struct vcpu *v, u32 msr, u64 *val);
int mtrr_write(struct vcpu *v, u32 msr, u64 val);

#endif
