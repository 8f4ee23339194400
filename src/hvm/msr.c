/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSRs that are not the hardware's own: what Torii needs for itself, what would hurt it, what must be virtual. The rest
 * goes to the CPU, so that Dom0 finds the machine it runs on. AMD APM vol. 2 appendix A, SDM vol. 4.
 */
#include <torii/alloc.h>
#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/log.h>

#include "hvm_internal.h"
#include "mtrr.h"

#define MSR_PLATFORM_INFO     0xce
#define MSR_UCODE_WRITE       0x79
#define MSR_UCODE_REV         0x8b
#define MSR_FEATURE_CONTROL   0x3a
#define MSR_PERF_CTL          0x199
#define MSR_MISC_ENABLE       0x1a0
#define MSR_VMX_FIRST         0x480
#define MSR_VMX_LAST          0x491
#define MSR_AMD_SYSCFG        0xc0010010
#define MSR_AMD_HWCR          0xc0010015
#define MSR_AMD_IORR_FIRST    0xc0010016
#define MSR_AMD_TOP_MEM2      0xc001001d
#define MSR_AMD_NB_CFG        0xc001001f
#define MSR_AMD_PATCH_LOADER  0xc0010020
#define MSR_AMD_INT_PENDING   0xc0010055
#define MSR_AMD_MMIO_CONF     0xc0010058
#define MSR_AMD_PSTATE_CMD    0xc0010062
#define MSR_AMD_SMM_FIRST     0xc0010111
#define MSR_AMD_SMM_LAST      0xc0010113
#define MSR_AMD_SVM_FIRST     0xc0010114
#define MSR_AMD_SVM_LAST      0xc0010118
#define MSR_AMD_SEV_ES_FIRST  0xc0010130
#define MSR_AMD_SEV_LAST      0xc0010131
#define MSR_AMD_DE_CFG        0xc0011029

#define FEATURE_CONTROL_LOCKED BIT(0)

#define EFER_FFXSR    BIT(14)
#define EFER_TCE      BIT(15)
#define EFER_AUTOIBRS BIT(21)

static int tsc_moved(struct vcpu *v, u64 offset)
{
    hvm->set_tsc_offset(v, offset);
    if (v->d->tsc_offset_changed)
        v->d->tsc_offset_changed(v);
    return 0;
}

/* Writing the TSC moves this vCPU's offset only, and TSC_ADJUST by the same (SDM vol. 3 §18.17.3). */
static int tsc_write(struct vcpu *v, u32 msr, u64 val)
{
    u64 offset = val - rdtsc();

    (void)msr;
    v->tsc_adjust += offset - hvm->get_tsc_offset(v);
    return tsc_moved(v, offset);
}

static int tsc_adjust_read(struct vcpu *v, u32 msr, u64 *val)
{
    (void)msr;
    *val = v->tsc_adjust;
    return 0;
}

static int tsc_adjust_write(struct vcpu *v, u32 msr, u64 val)
{
    u64 offset = hvm->get_tsc_offset(v) + val - v->tsc_adjust;

    (void)msr;
    v->tsc_adjust = val;
    return tsc_moved(v, offset);
}

static int pat_read(struct vcpu *v, u32 msr, u64 *val)
{
    (void)msr;
    *val = hvm->get_pat(v);
    return 0;
}

/* Every byte is a memory type (APM vol. 2 §7.8.1). */
static int pat_write(struct vcpu *v, u32 msr, u64 val)
{
    (void)msr;
    for (unsigned i = 0; i < 64; i += 8) {
        u8 type = (u8)(val >> i);

        if (type > 7 || type == 2 || type == 3)
            return -XEN_EINVAL;
    }
    hvm->set_pat(v, val);
    return 0;
}

static int efer_read(struct vcpu *v, u32 msr, u64 *val)
{
    struct hvm_control c;

    (void)msr;
    hvm->get_control(v, &c);
    *val = c.efer;
    return 0;
}

/* Bits that this processor has (APM vol. 2 §3.1.7) and that cost Torii nothing: entries and exits switch the register. */
static u64 efer_bits(void)
{
    struct cpuid_regs f = cpuid(0x80000001, 0);
    u64 mask = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;

    if (f.edx & BIT(25))
        mask |= EFER_FFXSR;
    if (f.ecx & BIT(17))
        mask |= EFER_TCE;
    if (cpuid(0x80000000, 0).eax >= 0x80000021 && cpuid(0x80000021, 0).eax & BIT(8))
        mask |= EFER_AUTOIBRS;
    return mask;
}

/* LME may not change while paging is on; LMA is the processor's. */
static int efer_write(struct vcpu *v, u32 msr, u64 val)
{
    struct hvm_control c;

    (void)msr;
    hvm->get_control(v, &c);
    if (val & ~efer_bits() || ((val ^ c.efer) & EFER_LME && c.cr0 & CR0_PG))
        return -XEN_EINVAL;
    hvm->set_efer(v, (val & ~EFER_LMA) | (c.efer & EFER_LMA));
    return 0;
}

static int feature_control_read(struct vcpu *v, u32 msr, u64 *val)
{
    (void)v, (void)msr;
    *val = FEATURE_CONTROL_LOCKED;
    return 0;
}

struct msr_policy {
    u32 first, last;
    msr_read_fn *read; /* NULL: hardware */
    msr_write_fn *write;
    const char *why;
};

static const struct msr_policy common_policy[] = {
    {MSR_TSC, MSR_TSC, NULL, tsc_write, "reads take the offset in hardware"},
    {MSR_TSC_ADJUST, MSR_TSC_ADJUST, tsc_adjust_read, tsc_adjust_write, "virtual"},
    {MSR_MTRR_CAP, MSR_MTRR_CAP, mtrr_cap_read, msr_write_gp, "copy of the machine's"},
    {MSR_MTRR_PHYS_FIRST, MSR_MTRR_PHYS_LAST, mtrr_read, mtrr_write, "copy of the machine's"},
    {MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, mtrr_read, mtrr_write, "copy of the machine's"},
    {MSR_MTRR_FIX16K_FIRST, MSR_MTRR_FIX16K_LAST, mtrr_read, mtrr_write, "copy of the machine's"},
    {MSR_MTRR_FIX4K_FIRST, MSR_MTRR_FIX4K_LAST, mtrr_read, mtrr_write, "copy of the machine's"},
    {MSR_MTRR_DEF, MSR_MTRR_DEF, mtrr_read, mtrr_write, "copy of the machine's"},
    {MSR_PAT, MSR_PAT, pat_read, pat_write, "in the control block"},
    {MSR_EFER, MSR_EFER, efer_read, efer_write, "in the control block; SVME is Torii's"},
    {MSR_UCODE_WRITE, MSR_UCODE_WRITE, msr_read_gp, msr_write_drop, "microcode is the firmware's and Torii's"},
    {MSR_UCODE_REV, MSR_UCODE_REV, NULL, msr_write_drop, "written with 0 before it is read"},
};

static const struct msr_policy intel_policy[] = {
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, feature_control_read, msr_write_gp, "VMX is not nested"},
    {MSR_PERF_CTL, MSR_PERF_CTL, NULL, msr_write_drop, "P-states are Torii's"},
    {MSR_MISC_ENABLE, MSR_MISC_ENABLE, NULL, msr_write_drop, "shared with Torii"},
    {MSR_VMX_FIRST, MSR_VMX_LAST, msr_read_gp, msr_write_gp, "VMX is not nested"},
};

static const struct msr_policy amd_policy[] = {
    {MSR_AMD_SYSCFG, MSR_AMD_SYSCFG, NULL, msr_write_drop, "memory map of the machine"},
    {MSR_AMD_HWCR, MSR_AMD_HWCR, NULL, msr_write_drop, "shared with Torii"},
    {MSR_AMD_IORR_FIRST, MSR_AMD_TOP_MEM2, NULL, msr_write_drop, "memory map of the machine"},
    {MSR_AMD_NB_CFG, MSR_AMD_NB_CFG, NULL, msr_write_drop, "Linux reads and writes it unguarded"},
    {MSR_AMD_PATCH_LOADER, MSR_AMD_PATCH_LOADER, msr_read_gp, msr_write_drop, "microcode"},
    {MSR_AMD_INT_PENDING, MSR_AMD_INT_PENDING, msr_read_zero, msr_write_drop, "C1E is Torii's idle's"},
    {MSR_AMD_MMIO_CONF, MSR_AMD_MMIO_CONF, NULL, msr_write_drop, "ECAM is trapped where it stands"},
    {MSR_AMD_PSTATE_CMD, MSR_AMD_PSTATE_CMD, NULL, msr_write_drop, "P-states are Torii's"},
    {MSR_AMD_SMM_FIRST, MSR_AMD_SMM_LAST, NULL, msr_write_gp, "SMM is the firmware's"},
    {MSR_AMD_SVM_FIRST, MSR_AMD_SVM_LAST, msr_read_zero, msr_write_drop, "SVM is not nested"},
    {MSR_AMD_SEV_ES_FIRST, MSR_AMD_SEV_LAST, msr_read_gp, msr_write_gp, "SEV is not offered"},
    {MSR_AMD_DE_CFG, MSR_AMD_DE_CFG, NULL, msr_write_drop, "LFENCE is serialising for Torii too"},
};

static int register_policy(struct domain *d, const struct msr_policy *p, unsigned n)
{
    for (; n; n--, p++) {
        int rc = msr_register(d, p->first, p->last, p->read, p->write);

        if (rc)
            return rc;
    }
    return 0;
}

int hvm_msr_register(struct domain *d)
{
    int rc = mtrr_init(d);

    if (!rc)
        rc = register_policy(d, common_policy, ARRAY_SIZE(common_policy));
    if (!rc && hvm_vendor_is_amd())
        rc = register_policy(d, amd_policy, ARRAY_SIZE(amd_policy));
    else if (!rc)
        rc = register_policy(d, intel_policy, ARRAY_SIZE(intel_policy));
    return rc;
}

int hvm_msr_access_read(struct vcpu *v, u32 msr, u64 *val)
{
    const struct msr_range *r = msr_find(v->d, msr);

    if (r && r->read)
        return r->read(v, msr, val);
    return rdmsr_safe(msr, val) ? 0 : -XEN_EINVAL;
}

int hvm_msr_access_write(struct vcpu *v, u32 msr, u64 val)
{
    const struct msr_range *r = msr_find(v->d, msr);

    if (r && r->write)
        return r->write(v, msr, val);
    return wrmsr_safe(msr, val) ? 0 : -XEN_EINVAL;
}
