/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/cpu.h>
#include <torii/pstate.h>

#define CPUID_EST       BIT(7)  /* 1 ECX */
#define CPUID_HWP       BIT(7)  /* 6 EAX */
#define CPUID_HW_PSTATE BIT(7)  /* 0x80000007 EDX */
#define CPUID_CPPC      BIT(27) /* 0x80000008 EBX */

void pstate_features_read(struct pstate_features *f)
{
    u32 max = cpuid(0, 0).eax, max_extended = cpuid(0x80000000, 0).eax;

    f->est = cpuid(1, 0).ecx & CPUID_EST;
    f->hwp = max >= 6 && cpuid(6, 0).eax & CPUID_HWP;
    f->hw_pstate = max_extended >= 0x80000007 && cpuid(0x80000007, 0).edx & CPUID_HW_PSTATE;
    f->cppc = max_extended >= 0x80000008 && cpuid(0x80000008, 0).ebx & CPUID_CPPC;
}
