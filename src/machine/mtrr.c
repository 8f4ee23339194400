/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory type range registers across suspend to RAM: all CPUs must agree (SDM vol. 3 §12.11.8), and firmware may have
 * set up the boot CPU alone, or none.
 */
#include <torii/suspend.h>

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

static bool differs(void)
{
    if (nr_saved && rdmsr(MSR_MTRR_DEF) != default_type)
        return true;
    for (unsigned i = 0; i < nr_saved; i++)
        if (rdmsr(saved[i].msr) != saved[i].val)
            return true;
    return false;
}

/* §12.11.7.2: no cache and no translation may live through the change. Clearing CR4.PGE drops global ones too. */
void mtrr_restore(void)
{
    u64 cr0 = read_cr0(), cr4 = read_cr4();

    if (!differs())
        return;
    write_cr0((cr0 | CR0_CD) & ~CR0_NW);
    asm volatile("wbinvd" : : : "memory");
    write_cr4(cr4 & ~CR4_PGE);
    write_cr3(read_cr3());
    wrmsr(MSR_MTRR_DEF, default_type & ~MTRR_DEF_ON);
    for (unsigned i = 0; i < nr_saved; i++)
        wrmsr(saved[i].msr, saved[i].val);
    wrmsr(MSR_MTRR_DEF, default_type);
    asm volatile("wbinvd" : : : "memory");
    write_cr3(read_cr3());
    write_cr4(cr4);
    write_cr0(cr0);
}
