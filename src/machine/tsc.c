/* SPDX-License-Identifier: BSD-2-Clause */
/* System time from the TSC: conversion as pvclock defines it, wall clock, agreement between CPUs. */
#include <torii/tsc.h>

#include <torii/atomic.h>
#include <torii/cpu.h>

#define NS_PER_S 1000000000ull

struct tsc_scale tsc_scale;

/* UTC at system time 0; written by one setter at a time, read whole. */
static u64 wall_clock_base;

/* hi:lo / d, which must fit in 64 bits (hi < d); libgcc's division is not linked. */
static u64 div_128(u64 hi, u64 lo, u64 d, u64 *rem)
{
    u64 q, r;

    asm("divq %4" : "=a"(q), "=d"(r) : "a"(lo), "d"(hi), "rm"(d) : "cc");
    *rem = r;
    return q;
}

/* The shift is chosen so that mul has its top bit set: 1e9 / hz = mul * 2^(shift - 32), at most 2^-31 off. */
void tsc_scale_set(struct tsc_scale *scale, u64 hz)
{
    u64 n = NS_PER_S, d = hz, rem;
    int shift = 0;
    u64 mul;

    scale->khz = (hz + 500) / 1000;
    while (n < d) {
        n <<= 1;
        shift--;
    }
    while (n >= 2 * d) {
        d <<= 1;
        shift++;
    }
    /* Now 1 <= n / d < 2. mul = n / d * 2^31, so one more in the shift. */
    mul = div_128(n >> 33, n << 31, d, &rem);
    if (rem >= d - rem && mul != ~0u)
        mul++;
    scale->mul = mul;
    scale->shift = shift + 1;
}

u64 tsc_scale_ns(const struct tsc_scale *scale, u64 ticks)
{
    unsigned __int128 x = scale->shift >= 0 ? (unsigned __int128)ticks << scale->shift : ticks >> -scale->shift;

    return x * scale->mul >> 32;
}

u64 tsc_scale_ticks(const struct tsc_scale *scale, u64 ns)
{
    u64 hi = ns >> 32, lo = ns << 32, x, rem;

    if (hi >= scale->mul)
        return ~0ull;
    x = div_128(hi, lo, scale->mul, &rem);
    if (rem)
        x++;
    if (scale->shift >= 0)
        return (x >> scale->shift) + ((x & (BIT(scale->shift) - 1)) != 0);
    if (x >> (64 + scale->shift))
        return ~0ull;
    return x << -scale->shift;
}

/*
 * Another CPU's TSC may be a little behind the boot CPU's: time starts at 0. A TSC that began anew in a sleep has its
 * system time 0 before its own: differences are signed.
 */
u64 tsc_to_ns(u64 tsc)
{
    u64 ticks = tsc - tsc_scale.tsc_at_boot;

    return (s64)ticks > 0 ? tsc_scale_ns(&tsc_scale, ticks) : 0;
}

u64 ns_to_tsc(u64 ns)
{
    u64 ticks = tsc_scale_ticks(&tsc_scale, ns), tsc = tsc_scale.tsc_at_boot + ticks;

    if (ticks > INT64_MAX)
        return ~0ull;
    /* A time before the TSC's own 0 has passed. */
    return (s64)tsc_scale.tsc_at_boot < 0 && (s64)tsc <= 0 ? 1 : tsc;
}

u64 now_ns(void)
{
    /* No earlier load may see a later time than this. */
    asm volatile("lfence" : : : "memory");
    return tsc_to_ns(rdtsc());
}

u64 wall_clock_at_boot(void)
{
    return atomic_load(&wall_clock_base);
}

void wall_clock_set(u64 utc_ns, u64 system_time)
{
    atomic_store(&wall_clock_base, utc_ns - system_time);
}

/* The last time either CPU saw; under the lock a reader must not be before it. */
static u64 warp_last;
static u8 warp_lock;

void tsc_warp_check(unsigned rounds)
{
    while (rounds--) {
        u64 now;

        while (atomic_xchg(&warp_lock, 1))
            cpu_relax();
        asm volatile("lfence" : : : "memory");
        now = rdtsc();
        if (now < warp_last)
            tsc_scale.stable = false;
        else
            warp_last = now;
        atomic_store(&warp_lock, 0);
    }
}
