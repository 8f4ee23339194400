/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native CPUID leaves: the CPU's own, less what Torii does not virtualise, with a flat topology (one package, a core
 * per vCPU, APIC id = vCPU id) in every leaf that speaks of it. SDM vol. 2 CPUID; AMD APM vol. 3 appendix E.
 */
#include <torii/domain.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/vlapic.h>

#include "hvm_internal.h"

/* Leaf 1 ECX, EDX. */
#define F1C_MONITOR      BIT(3)
#define F1C_VMX          BIT(5)
#define F1C_SMX          BIT(6)
#define F1C_EIST         BIT(7)
#define F1C_TM2          BIT(8)
#define F1C_XTPR         BIT(14)
#define F1C_PDCM         BIT(15)
#define F1C_DCA          BIT(18)
#define F1C_X2APIC       BIT(21)
#define F1C_TSC_DEADLINE BIT(24)
#define F1C_OSXSAVE      BIT(27)
#define F1C_HYPERVISOR   BIT(31)
#define F1D_APIC         BIT(9)
#define F1D_MTRR         BIT(12)
#define F1D_PSN          BIT(18)
#define F1D_DS           BIT(21)
#define F1D_ACPI         BIT(22)
#define F1D_HTT          BIT(28)
#define F1D_TM           BIT(29)
#define F1D_PBE          BIT(31)
/* Leaf 7.0. */
#define F7B_SGX          BIT(2)
#define F7B_PQM          BIT(12)
#define F7B_PQE          BIT(15)
#define F7B_PT           BIT(25)
#define F7C_WAITPKG      BIT(5)
#define F7C_CET_SS       BIT(7)
#define F7C_TME          BIT(13)
#define F7C_LA57         BIT(16)
#define F7C_OSPKE        BIT(4)
#define F7C_PKU          BIT(3)
#define F7C_SGX_LC       BIT(30)
#define F7C_PKS          BIT(31)
#define F7D_UINTR        BIT(5)
#define F7D_CET_IBT      BIT(20)
#define F7D_ARCH_LBR     BIT(19)
#define F7D_PCONFIG      BIT(18)
#define F7D_AMX          (BIT(22) | BIT(24) | BIT(25))
#define F7D_HYBRID       BIT(15)
/* Leaf 7.1: what has MSRs, events or VMCS controls of its own. */
#define F7_1A_FRED       BIT(17)
#define F7_1A_AMX_FP16   BIT(21)
#define F7_1A_HRESET     BIT(22)
#define F7_1A_MSRLIST    BIT(27)
#define F7_1D_AMX        BIT(8)
#define F7_1D_USER_MSR   BIT(15)
#define F7_1D_UIRET_UIF  BIT(17)
#define F7_1D_CET_SSS    BIT(18)
/* 0x80000001 ECX. */
#define FE1C_SVM         BIT(2)
#define FE1C_IBS         BIT(10)
#define FE1C_SKINIT      BIT(12)
#define FE1C_WDT         BIT(13)
#define FE1C_LWP         BIT(15)
#define FE1C_NODEID      BIT(19)
#define FE1C_TOPOEXT     BIT(22)
#define FE1C_PERF        (BIT(23) | BIT(24) | BIT(28))
#define FE1C_CMP_LEGACY  BIT(1)
#define FE1C_MWAITX      BIT(29)
/* 0x80000008 EBX. */
#define FE8B_INVLPGB     (BIT(3) | BIT(21))
#define FE8B_MCOMMIT     BIT(8)

bool hvm_vendor_is_amd(void)
{
    u32 b = cpuid(0, 0).ebx;

    return b == 0x68747541 || b == 0x6f677948; /* "Auth"enticAMD, "Hygo"nGenuine */
}

/* log2 of the number of ids the package spans. */
static unsigned core_bits(const struct domain *d)
{
    unsigned bits = 0;

    while (1u << bits < d->nr_vcpus)
        bits++;
    return bits;
}

/* Of leaf 1 what stays: OSXSAVE and APIC follow CR4 and APIC_BASE. */
static cold_fn void leaf_1_constant(struct vcpu *v, struct cpuid_regs *r)
{
    *r = cpuid(1, 0);
    r->ebx = (r->ebx & 0xff00u) | min(v->d->nr_vcpus, 255u) << 16 | vlapic_id(v) << 24;
    r->ecx &= ~(F1C_MONITOR | F1C_VMX | F1C_SMX | F1C_EIST | F1C_TM2 | F1C_XTPR | F1C_PDCM | F1C_DCA | F1C_OSXSAVE);
    r->ecx |= F1C_X2APIC | F1C_TSC_DEADLINE | F1C_HYPERVISOR;
    r->edx &= ~(F1D_PSN | F1D_DS | F1D_ACPI | F1D_TM | F1D_PBE | F1D_APIC | F1D_HTT);
    r->edx |= v->d->nr_vcpus > 1 ? F1D_HTT : 0;
}

/*
 * Kernels ask for leaf 1 over and over, as a serialising instruction. Its constant part depends on the machine, the
 * vCPU's id and the number of vCPUs, none of which changes, so what was worked out once holds for the vCPU's life.
 */
void hvm_cpuid_1(struct vcpu *v, struct cpuid_regs *r)
{
    if (unlikely(!v->cpuid_1.eax))
        leaf_1_constant(v, &v->cpuid_1);
    *r = v->cpuid_1;
    if (hvm->get_cr4(v) & CR4_OSXSAVE)
        r->ecx |= F1C_OSXSAVE;
    if (vlapic_hw_enabled(v))
        r->edx |= F1D_APIC;
}

/* Deterministic caches: sharing within the flat topology. */
static void leaf_4(const struct vcpu *v, struct cpuid_regs *r)
{
    unsigned level = r->eax >> 5 & 7, ids = 1u << core_bits(v->d);

    if (!(r->eax & 0x1f))
        return;
    r->eax = (r->eax & 0x3fff) | (level >= 3 ? (ids - 1) << 14 : 0) | (min(ids, 64u) - 1) << 26;
}

static void leaf_7(struct vcpu *v, u32 subleaf, struct cpuid_regs *r)
{
    if (subleaf == 1) {
        r->eax &= ~(F7_1A_FRED | F7_1A_AMX_FP16 | F7_1A_HRESET | F7_1A_MSRLIST);
        r->edx &= ~(F7_1D_AMX | F7_1D_USER_MSR | F7_1D_UIRET_UIF | F7_1D_CET_SSS);
    }
    if (subleaf)
        return;
    r->ebx &= ~(F7B_SGX | F7B_PQM | F7B_PQE | F7B_PT);
    r->ecx &= ~(F7C_WAITPKG | F7C_CET_SS | F7C_TME | F7C_OSPKE | F7C_SGX_LC | F7C_PKS);
    if (r->ecx & F7C_PKU && hvm->get_cr4(v) & CR4_PKE)
        r->ecx |= F7C_OSPKE;
    r->edx &= ~(F7D_UINTR | F7D_CET_IBT | F7D_ARCH_LBR | F7D_PCONFIG | F7D_AMX | F7D_HYBRID);
}

/* Extended topology: SMT level of one thread, core level of the rest; EDX is the x2APIC id. */
static void leaf_b(const struct vcpu *v, u32 subleaf, struct cpuid_regs *r)
{
    *r = (struct cpuid_regs){.ecx = subleaf & 0xff, .edx = vlapic_id(v)};
    if (subleaf == 0) {
        r->ebx = 1;
        r->ecx |= 1u << 8;
    } else if (subleaf == 1) {
        r->eax = core_bits(v->d);
        r->ebx = v->d->nr_vcpus;
        r->ecx |= 2u << 8;
    }
}

static void leaf_80000001(struct vcpu *v, struct cpuid_regs *r)
{
    r->ecx &= ~(FE1C_SVM | FE1C_IBS | FE1C_SKINIT | FE1C_WDT | FE1C_LWP | FE1C_NODEID | FE1C_TOPOEXT | FE1C_PERF |
                FE1C_MWAITX | FE1C_CMP_LEGACY);
    if (hvm_vendor_is_amd()) {
        r->ecx |= v->d->nr_vcpus > 1 ? FE1C_CMP_LEGACY : 0;
        r->edx = (r->edx & ~F1D_APIC) | (vlapic_hw_enabled(v) ? F1D_APIC : 0);
    }
}

static void leaf_80000008(const struct vcpu *v, struct cpuid_regs *r)
{
    /* Stage 2 translates 48 bits. */
    r->eax = (r->eax & 0xff00) | min(r->eax & 0xff, 48u);
    if (!hvm_vendor_is_amd())
        return;
    /* APM vol. 3: INVLPGB is #UD in a guest unless its VMCB permits it, and works on ASIDs; MCOMMIT wants EFER. */
    r->ebx &= ~(FE8B_INVLPGB | FE8B_MCOMMIT);
    r->ecx = (v->d->nr_vcpus - 1) | core_bits(v->d) << 12;
}

static void hide(struct cpuid_regs *r)
{
    *r = (struct cpuid_regs){0};
}

/*
 * State components that belong to what is offered (SDM vol. 1 §13.1): x87 to AVX-512 and PKRU; not AMX's, nor those
 * of IA32_XSS (processor trace, CET and more). XCR0 stays the guest's across its exits, so the CPU computes the size
 * of what is enabled.
 */
#define XCR0_OFFERED 0x2ffu

static u32 xsave_bytes(u32 components)
{
    u32 bytes = 576; /* legacy area and header */

    for (unsigned i = 2; i < 32; i++) {
        struct cpuid_regs c;

        if (!(components >> i & 1))
            continue;
        c = cpuid(0xd, i);
        bytes = max(bytes, c.ebx + c.eax);
    }
    return bytes;
}

static void leaf_d(u32 subleaf, struct cpuid_regs *r)
{
    if (subleaf == 0) {
        r->eax &= XCR0_OFFERED;
        r->edx = 0;
        r->ecx = r->eax ? xsave_bytes(r->eax) : 0;
    } else if (subleaf == 1) {
        r->ecx = r->edx = 0;
    } else if (subleaf >= 32 || !(XCR0_OFFERED >> subleaf & 1)) {
        hide(r);
    }
}

void hvm_cpuid(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
    if (leaf == 1) {
        hvm_cpuid_1(v, r);
        return;
    }
    *r = cpuid(leaf, subleaf);
    switch (leaf) {
    case 4:
        leaf_4(v, r);
        break;
    case 5: /* MONITOR */
    case 9: /* DCA */
    case 0xa: /* performance monitoring */
    case 0xf: /* platform QoS */
    case 0x10:
    case 0x12: /* SGX */
    case 0x14: /* processor trace */
    case 0x17 ... 0x1c:
    case 0x1d ... 0x1e: /* AMX */
    case 0x8000000a: /* SVM */
    case 0x8000001b ... 0x8000001e: /* IBS, LWP, topology extensions */
    case 0x8000001f ... 0x80000020: /* SEV, QoS */
    case 0x80000022 ... 0x80000026:
        hide(r);
        break;
    case 6: /* power: only ARAT, which the virtual timer has */
        *r = (struct cpuid_regs){.eax = BIT(2)};
        break;
    case 7:
        leaf_7(v, subleaf, r);
        break;
    case 0xd:
        leaf_d(subleaf, r);
        break;
    case 0xb:
    case 0x1f:
        if (cpuid(0, 0).eax >= leaf)
            leaf_b(v, subleaf, r);
        break;
    case 0x80000001:
        leaf_80000001(v, r);
        break;
    case 0x80000007: /* only invariant TSC */
        *r = (struct cpuid_regs){.edx = r->edx & BIT(8)};
        break;
    case 0x80000008:
        leaf_80000008(v, r);
        break;
    default:
        if (leaf >= 0x40000000 && leaf <= 0x4fffffff)
            hide(r);
    }
}
