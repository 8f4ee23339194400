/* SPDX-License-Identifier: BSD-2-Clause */
/* Privileged instructions and the registers they reach. Not for the pure core. */
#ifndef TORII_CPU_H
#define TORII_CPU_H

#include <torii/types.h>

/* MSRs (AMD APM vol. 2 appendix A, SDM vol. 4). */
#define MSR_TSC             0x10
#define MSR_APIC_BASE       0x1b
#define MSR_TSC_ADJUST      0x3b
#define MSR_MTRR_CAP        0xfe
#define MSR_PAT             0x277
#define MSR_MTRR_DEF        0x2ff
#define MSR_TSC_DEADLINE    0x6e0
#define MSR_X2APIC          0x800
#define MSR_EFER            0xc0000080
#define MSR_STAR            0xc0000081
#define MSR_FS_BASE         0xc0000100
#define MSR_GS_BASE         0xc0000101
#define MSR_TSC_AUX         0xc0000103
#define MSR_VM_CR           0xc0010114
#define MSR_VM_HSAVE_PA     0xc0010117

#define CR0_PE BIT(0)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_PSE        BIT(4)
#define CR4_PAE        BIT(5)
#define CR4_MCE        BIT(6)
#define CR4_PGE        BIT(7)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_LA57       BIT(12)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE        BIT(22)

#define EFER_SCE  BIT(0)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define EFER_SVME BIT(12)

#define RFLAGS_TF BIT(8)
#define RFLAGS_IF BIT(9)
#define RFLAGS_VM BIT(17)

static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid_regs r;

    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;

    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 val)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

/* The same for MSRs that may not exist: false if the CPU raised #GP. */
bool rdmsr_safe(u32 msr, u64 *val);
bool wrmsr_safe(u32 msr, u64 val);

static inline u64 rdtsc(void)
{
    u32 lo, hi;

    asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return lo | (u64)hi << 32;
}

#define DEFINE_CR(n)                                                                                                   \
    static inline u64 read_cr##n(void)                                                                                 \
    {                                                                                                                  \
        u64 v;                                                                                                         \
        asm volatile("mov %%cr" #n ", %0" : "=r"(v));                                                                  \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void write_cr##n(u64 v)                                                                              \
    {                                                                                                                  \
        asm volatile("mov %0, %%cr" #n : : "r"(v) : "memory");                                                         \
    }
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)

static inline void invlpg(const void *p)
{
    asm volatile("invlpg %0" : : "m"(*(const char *)p) : "memory");
}

static inline void irq_enable(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
    asm volatile("cli" : : : "memory");
}

/* Take whatever interrupts are pending, then go on with interrupts disabled. */
static inline void irq_window(void)
{
    asm volatile("sti; nop; cli" : : : "memory");
}

/* Sleep until an interrupt has been handled. */
static inline void irq_wait(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

#endif
