/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory type range registers. A domain has a copy of the machine's that it may rewrite; memory types follow the
 * machine's own: by themselves under nested page tables of AMD, by the entries of Intel's, which are made from these.
 */
#include <torii/alloc.h>
#include <torii/cpu.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/lib.h>

#include "mtrr.h"

#define MTRR_PAIRS_MAX ((MSR_MTRR_PHYS_LAST - MSR_MTRR_PHYS_FIRST + 1) / 2ull)

/* Below the address bits: SDM vol. 3 §12.11.2.3. */
#define MTRR_BASE_RESERVED 0xf00ull
#define MTRR_MASK_RESERVED 0x7ffull

static u64 *mtrr_slot(struct mtrrs *m, u32 msr)
{
    if (msr == MSR_MTRR_DEF)
        return &m->def;
    if (msr == MSR_MTRR_FIX64K)
        return &m->fix[0];
    if (msr >= MSR_MTRR_FIX16K_FIRST && msr <= MSR_MTRR_FIX16K_LAST)
        return &m->fix[1 + msr - MSR_MTRR_FIX16K_FIRST];
    if (msr >= MSR_MTRR_FIX4K_FIRST && msr <= MSR_MTRR_FIX4K_LAST)
        return &m->fix[3 + msr - MSR_MTRR_FIX4K_FIRST];
    if (msr >= MSR_MTRR_PHYS_FIRST && msr < MSR_MTRR_PHYS_FIRST + 2 * (m->cap & 0xff) && msr <= MSR_MTRR_PHYS_LAST)
        return &m->phys[msr - MSR_MTRR_PHYS_FIRST];
    return NULL;
}

int mtrr_read(struct vcpu *v, u32 msr, u64 *val)
{
    u64 *slot = mtrr_slot(v->d->mtrrs, msr);

    if (!slot)
        return -XEN_EINVAL;
    *val = *slot;
    return 0;
}

static bool memory_type_ok(u8 type)
{
    return type <= 6 && type != 2 && type != 3;
}

int mtrr_write(struct vcpu *v, u32 msr, u64 val)
{
    u64 *slot = mtrr_slot(v->d->mtrrs, msr);

    if (!slot)
        return -XEN_EINVAL;
    if (msr == MSR_MTRR_DEF) {
        if (val & ~0xcffull || !memory_type_ok((u8)val))
            return -XEN_EINVAL;
    } else if (msr >= MSR_MTRR_FIX64K) {
        for (unsigned i = 0; i < 64; i += 8)
            if (!memory_type_ok((u8)(val >> i)))
                return -XEN_EINVAL;
    } else if (msr & 1 ? val & MTRR_MASK_RESERVED : val & MTRR_BASE_RESERVED || !memory_type_ok((u8)val)) {
        return -XEN_EINVAL;
    }
    *slot = val;
    return 0;
}

int mtrr_cap_read(struct vcpu *v, u32 msr, u64 *val)
{
    (void)msr;
    *val = v->d->mtrrs->cap;
    return 0;
}

void mtrr_read_machine(struct mtrrs *m)
{
    memset(m, 0, sizeof(*m));
    if (!rdmsr_safe(MSR_MTRR_CAP, &m->cap))
        m->cap = 0;
    m->cap = (m->cap & ~0xffull) | min(m->cap & 0xff, MTRR_PAIRS_MAX);
    for (u32 msr = MSR_MTRR_PHYS_FIRST; msr <= MSR_MTRR_DEF; msr++) {
        u64 *slot = mtrr_slot(m, msr);

        if (slot && m->cap && !rdmsr_safe(msr, slot))
            *slot = 0;
    }
}

/* All vCPUs of a domain share one set, as all CPUs of a machine must agree. */
int mtrr_init(struct domain *d)
{
    struct mtrrs *m = xzalloc(sizeof(*m));

    if (!m)
        return -XEN_ENOMEM;
    mtrr_read_machine(m);
    d->mtrrs = m;
    return 0;
}

bool mtrr_enabled(const struct mtrrs *m)
{
    return m->cap && m->def & MTRR_DEF_ENABLE;
}

#define FIXED_END 0x100000ull
#define FIXED_16K 0x80000ull
#define FIXED_4K  0xc0000ull

/* Of an address below 1 MiB: eight ranges to a register, of 64, 16 and 4 KiB (§12.11.2.2). */
static enum memory_type fixed_type(const struct mtrrs *m, paddr_t pa)
{
    unsigned n = (unsigned)(pa < FIXED_16K  ? pa / 0x10000
                            : pa < FIXED_4K ? 8 + (pa - FIXED_16K) / 0x4000
                                            : 24 + (pa - FIXED_4K) / PAGE_SIZE);

    return (enum memory_type)(u8)(m->fix[n / 8] >> n % 8 * 8);
}

/* Of ranges that overlap: uncacheable before all, write-through before write-back; others do not go together
 * (§12.11.4.1). */
static enum memory_type both(enum memory_type a, enum memory_type b)
{
    if (a == b)
        return a;
    return (a == MEMORY_WT && b == MEMORY_WB) || (a == MEMORY_WB && b == MEMORY_WT) ? MEMORY_WT : MEMORY_UC;
}

bool mtrr_type(const struct mtrrs *m, paddr_t pa, u64 bytes, enum memory_type *type)
{
    u64 within = bytes - 1;
    bool found = false;

    *type = (enum memory_type)(u8)m->def;
    if (!(m->def & MTRR_DEF_ENABLE)) {
        *type = MEMORY_UC;
        return true;
    }
    if (pa < FIXED_END && m->cap & MTRR_CAP_FIXED && m->def & MTRR_DEF_FIXED) {
        *type = fixed_type(m, pa);
        return bytes == PAGE_SIZE;
    }
    for (unsigned i = 0; i < (m->cap & 0xff); i++) {
        u64 base = m->phys[2 * i], mask = m->phys[2 * i + 1];
        enum memory_type of_range = (enum memory_type)(u8)base;

        if (!(mask & MTRR_MASK_VALID))
            continue;
        mask &= PAGE_MASK;
        if ((pa ^ base) & mask & ~within)
            continue;
        if (mask & within)
            return false; /* the range is a part of these bytes */
        *type = found ? both(*type, of_range) : of_range;
        found = true;
    }
    return true;
}
