/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's registers that stay in the hardware until another vCPU has the CPU. */
#include <torii/atomic.h>
#include <torii/cpu.h>

#include "hvm_internal.h"

#define MSR_SPEC_CTRL 0x48

static struct {
    bool known, tsc_aux, spec_ctrl;
} cpu_has;

/* TSC_AUX: RDTSCP, or RDPID without it. SPEC_CTRL: IBRS, STIBP, SSBD (APM vol. 3 §E.4.6; SDM vol. 2, CPUID leaf 7). */
static void look(void)
{
    u32 extended = cpuid(0x80000000, 0).eax;
    struct cpuid_regs f7 = {0};

    if (cpuid(0, 0).eax >= 7)
        f7 = cpuid(7, 0);
    cpu_has.tsc_aux = cpuid(0x80000001, 0).edx & BIT(27) || f7.ecx & BIT(22);
    cpu_has.spec_ctrl = (extended >= 0x80000008 && cpuid(0x80000008, 0).ebx & (BIT(14) | BIT(15) | BIT(24))) ||
                        f7.edx & (BIT(26) | BIT(27) | BIT(31));
    atomic_store(&cpu_has.known, true);
}

void hvm_lazy_load(const struct hvm_lazy *r)
{
    if (unlikely(!atomic_load(&cpu_has.known)))
        look();
    asm volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
                 :
                 : "r"(r->dr[0]), "r"(r->dr[1]), "r"(r->dr[2]), "r"(r->dr[3]));
    if (cpu_has.tsc_aux)
        wrmsr(MSR_TSC_AUX, r->tsc_aux);
    if (cpu_has.spec_ctrl && r->spec_ctrl)
        wrmsr(MSR_SPEC_CTRL, r->spec_ctrl);
}

/* Of a guest whose VMCB has its SPEC_CTRL this one is 0. */
void hvm_lazy_save(struct hvm_lazy *r)
{
    asm volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                 : "=r"(r->dr[0]), "=r"(r->dr[1]), "=r"(r->dr[2]), "=r"(r->dr[3]));
    if (cpu_has.tsc_aux)
        r->tsc_aux = rdmsr(MSR_TSC_AUX);
    if (!cpu_has.spec_ctrl)
        return;
    r->spec_ctrl = rdmsr(MSR_SPEC_CTRL);
    if (r->spec_ctrl)
        wrmsr(MSR_SPEC_CTRL, 0);
}
