/* SPDX-License-Identifier: BSD-2-Clause */
/* The Xen CPUID leaves (public/arch-x86/cpuid.h). */
#include <torii/domain.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/hypercall.h>
#include <torii/time.h>

#include <xen/arch-x86/cpuid.h>

/* XEN_CPUID_FEATURE: leaf 3, subleaf 0, EAX. */
#define TSC_HOST_RELIABLE BIT(1)
#define TSC_RDTSCP        BIT(2)

static void time_leaf(struct vcpu *v, u32 subleaf, struct cpuid_regs *r)
{
    switch (subleaf) {
    case 0:
        r->eax = (tsc_scale.stable ? TSC_HOST_RELIABLE : 0) | (cpuid(0x80000001, 0).edx & BIT(27) ? TSC_RDTSCP : 0);
        r->ecx = (u32)tsc_scale.khz;
        break;
    case 1: {
        u64 offset = hvm->get_tsc_offset(v);

        r->eax = (u32)offset;
        r->ebx = (u32)(offset >> 32);
        r->ecx = tsc_scale.mul;
        r->edx = (u32)(s32)tsc_scale.shift;
        break;
    }
    case 2:
        r->eax = (u32)tsc_scale.khz;
        break;
    }
}

bool xen_cpuid(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *r)
{
    if (leaf < XEN_CPUID_BASE || leaf > XEN_CPUID_LAST)
        return false;
    *r = (struct cpuid_regs){0};
    switch (leaf - XEN_CPUID_BASE) {
    case 0:
        *r = (struct cpuid_regs){XEN_CPUID_BASE + 4, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                                 XEN_CPUID_SIGNATURE_EDX};
        break;
    case 1:
        r->eax = TORII_XEN_MAJOR << 16 | TORII_XEN_MINOR;
        break;
    case 2:
        r->eax = 1;
        r->ebx = XEN_CPUID_BASE; /* the hypercall page MSR */
        break;
    case 3:
        time_leaf(v, subleaf, r);
        break;
    case 4:
        if (subleaf)
            break;
        /*
         * XEN_HVM_CPUID_UPCALL_VECTOR is not advertised though the vector works: it makes Linux end every upcall with
         * an EOI to its local APIC, an exit more than the vector of HVM_PARAM_CALLBACK_IRQ costs (docs/timers.md).
         */
        r->eax = XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT;
        r->ebx = v->id;
        r->ecx = v->d->id;
        break;
    }
    return true;
}
