/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FPU and extended state. Torii itself uses none, so a vCPU that has a CPU to itself never pays for it; when vCPUs
 * take turns everything XCR0 can enable is saved and restored at the switch (SDM vol. 1 ch. 13).
 */
#include <torii/alloc.h>
#include <torii/cpu.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/sched.h>

#define FXSAVE_BYTES  512
#define FXSAVE_FCW    0
#define FXSAVE_MXCSR  24
#define FCW_RESET     0x37f
#define MXCSR_RESET   0x1f80u
#define XSAVE_ALIGN   64
#define XCR0_RESET    1

static bool has_xsave(void)
{
    return read_cr4() & CR4_OSXSAVE;
}

static u64 xcr0_all(void)
{
    struct cpuid_regs r = cpuid(0xd, 0);

    return r.eax | (u64)r.edx << 32;
}

static u64 xgetbv0(void)
{
    u32 lo, hi;

    asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo | (u64)hi << 32;
}

static void xsetbv0(u64 val)
{
    asm volatile("xsetbv" : : "c"(0), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

static u8 *area(const struct vcpu *v)
{
    return (u8 *)ALIGN_UP((uintptr_t)v->fpu, XSAVE_ALIGN);
}

static size_t area_bytes(void)
{
    return has_xsave() ? cpuid(0xd, 0).ecx : FXSAVE_BYTES;
}

void fpu_reset(struct vcpu *v)
{
    u16 fcw = FCW_RESET;
    u32 mxcsr = MXCSR_RESET;

    memset(area(v), 0, area_bytes());
    memcpy(area(v) + FXSAVE_FCW, &fcw, sizeof(fcw));
    memcpy(area(v) + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    v->xcr0 = XCR0_RESET;
}

int fpu_init_vcpu(struct vcpu *v)
{
    v->fpu = xzalloc(area_bytes() + XSAVE_ALIGN);
    if (!v->fpu)
        return -XEN_ENOMEM;
    fpu_reset(v);
    return 0;
}

void fpu_save(struct vcpu *v)
{
    if (!has_xsave()) {
        asm volatile("fxsave64 (%0)" : : "r"(area(v)) : "memory");
        return;
    }
    v->xcr0 = xgetbv0();
    xsetbv0(xcr0_all());
    asm volatile("xsave64 (%0)" : : "r"(area(v)), "a"(~0u), "d"(~0u) : "memory");
}

void fpu_load(struct vcpu *v)
{
    if (!has_xsave()) {
        asm volatile("fxrstor64 (%0)" : : "r"(area(v)) : "memory");
        return;
    }
    xsetbv0(xcr0_all());
    asm volatile("xrstor64 (%0)" : : "r"(area(v)), "a"(~0u), "d"(~0u) : "memory");
    xsetbv0(v->xcr0);
}
