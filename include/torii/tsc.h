/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of system time (time.h): how fast the TSC runs, and what the time of day is. */
#ifndef TORII_TSC_H
#define TORII_TSC_H

#include <torii/time.h>
#include <torii/types.h>

/*
 * Boot CPU, once, after acpi_init (PM timer, HPET, century register) and with machine_map working. Fills tsc_scale and
 * reads the wall clock; system time starts at the call. Takes 40 ms or, on a disturbed machine, up to a second. Panics
 * when nothing tells the TSC's speed.
 */
void tsc_init(void);

/*
 * Do two CPUs' TSCs agree? Both call it at the same time, nobody else meanwhile; each returns after `rounds` looks.
 * When either saw time go back tsc_scale.stable becomes false.
 */
void tsc_warp_check(unsigned rounds);

/* A counter of known speed to measure against. */
struct tsc_reference {
    const char *name;
    u64 hz;
    u32 mask; /* bits that count, from bit 0 */
    u32 (*read)(void);
};

struct tsc_measured {
    u64 hz;
    u64 error_ppm; /* bound from how finely the reference could be read */
    bool agreed;   /* two consecutive windows gave the same speed */
};

/* Measure the TSC that read_tsc gives. False: the reference does not count, or no plausible speed came out. Pure. */
bool tsc_measure(const struct tsc_reference *ref, u64 (*read_tsc)(void), struct tsc_measured *out);

/* mul, shift and khz of *scale for a TSC of hz (not 0) ticks per second. Pure. */
void tsc_scale_set(struct tsc_scale *scale, u64 hz);
/* Ticks to ns as pvclock defines it, and the least ticks that give at least ns (saturating). Pure. */
u64 tsc_scale_ns(const struct tsc_scale *scale, u64 ticks);
u64 tsc_scale_ticks(const struct tsc_scale *scale, u64 ns);

#endif
