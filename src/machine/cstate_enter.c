/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that put a CPU to sleep. */
#include <torii/acpi.h>
#include <torii/cpu.h>
#include <torii/cstate.h>
#include <torii/io.h>

#define CPUID_MONITOR       BIT(3) /* 1 ECX */
#define CPUID_MWAIT_EXT     BIT(0) /* 5 ECX: 5 EDX is valid */
#define CPUID_MWAIT_IRQ     BIT(1) /* 5 ECX: a masked interrupt ends it */
#define CPUID_ARAT          BIT(2) /* 6 EAX */
#define CPUID_INVARIANT_TSC BIT(8) /* 0x80000007 EDX */
#define MWAIT_BREAK_ON_IRQ  1

void cstate_limits_read(struct cstate_limits *limits)
{
    u32 max = cpuid(0, 0).eax, max_extended = cpuid(0x80000000, 0).eax;

    *limits = (struct cstate_limits){0};
    if (max >= 5 && cpuid(1, 0).ecx & CPUID_MONITOR) {
        struct cpuid_regs r = cpuid(5, 0);

        limits->mwait = (r.ecx & CPUID_MWAIT_EXT) && (r.ecx & CPUID_MWAIT_IRQ);
        limits->mwait_hints = r.edx;
    }
    limits->timer_runs = max >= 6 && cpuid(6, 0).eax & CPUID_ARAT;
    limits->tsc_runs = max_extended >= 0x80000007 && cpuid(0x80000007, 0).edx & CPUID_INVARIANT_TSC;
}

/* SDM vol. 3 §9.10.4: between the two somebody may have written. */
static void mwait(const bool *wake, u32 hint)
{
    asm volatile("monitor" : : "a"(wake), "c"(0), "d"(0) : "memory");
    if (!*(const volatile bool *)wake)
        asm volatile("mwait" : : "a"(hint), "c"(MWAIT_BREAK_ON_IRQ) : "memory");
}

/*
 * ACPI 6.5 §4.8.3.5: the read of P_LVLx stops the CPU; chipsets may let it run on for a few instructions, which a read
 * of a slow register makes pass.
 */
static void port_read(u16 port)
{
    inb(port);
    if (acpi_info.pm_tmr.space == 1 && acpi_info.pm_tmr.address)
        inl((u16)acpi_info.pm_tmr.address);
}

void cstate_enter(const struct cstate *state, const bool *wake)
{
    switch (state->method) {
    case CSTATE_HLT:
        irq_wait();
        return;
    case CSTATE_IO:
        port_read((u16)state->address);
        break;
    case CSTATE_MWAIT:
        mwait(wake, state->address);
        break;
    }
    irq_window();
}
