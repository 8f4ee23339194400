/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory type range registers: all CPUs must agree (SDM vol. 3 §12.11.8), and firmware sets them up at boot alone.
 * After suspend to RAM it may have done so on the boot CPU only, or on none; nobody has on a processor that is plugged
 * in.
 */
#include <torii/mtrr.h>

#include <torii/cpu.h>

/* SDM vol. 3 §12.11.2. */
#define MSR_MTRR_PHYS  0x200
#define MTRR_CAP_PAIRS 0xffu
#define MTRR_CAP_FIXED BIT(8)
#define MTRR_DEF_ON    (BIT(10) | BIT(11)) /* fixed ones, all */
#define PAIRS_MAX      16u

static const u32 fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

static struct {
    u32 msr;
    u64 val;
} saved[2 * PAIRS_MAX + ARRAY_SIZE(fixed)];
static unsigned nr_saved;
static u64 default_type;

static void save(u32 msr)
{
    if (rdmsr_safe(msr, &saved[nr_saved].val))
        saved[nr_saved++].msr = msr;
}

void mtrr_save(void)
{
    u64 cap;

    nr_saved = 0;
    if (!rdmsr_safe(MSR_MTRR_CAP, &cap) || !rdmsr_safe(MSR_MTRR_DEF, &default_type))
        return;
    for (u32 i = 0; i < 2 * min((u32)(cap & MTRR_CAP_PAIRS), PAIRS_MAX); i++)
        save(MSR_MTRR_PHYS + i);
    for (unsigned i = 0; cap & MTRR_CAP_FIXED && i < ARRAY_SIZE(fixed); i++)
        save(fixed[i]);
}

static bool is(u32 msr, u64 val)
{
    u64 now;

    return rdmsr_safe(msr, &now) && now == val;
}

static bool differs(void)
{
    if (nr_saved && !is(MSR_MTRR_DEF, default_type))
        return true;
    for (unsigned i = 0; i < nr_saved; i++)
        if (!is(saved[i].msr, saved[i].val))
            return true;
    return false;
}

bool mtrr_restore(void)
{
    struct cache_state before;

    if (!differs())
        return false;
    caches_off(&before);
    wrmsr_safe(MSR_MTRR_DEF, default_type & ~MTRR_DEF_ON);
    for (unsigned i = 0; i < nr_saved; i++)
        wrmsr_safe(saved[i].msr, saved[i].val);
    wrmsr_safe(MSR_MTRR_DEF, default_type);
    caches_on(&before);
    return true;
}
