/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suspend to RAM (ACPI 6.5 §16.1.2): the machine sleeps with its memory refreshed and nothing else, and what Torii owns
 * of it is made again when the firmware hands it back. The parts that each room saves and restores, and who calls them.
 */
#ifndef TORII_SUSPEND_H
#define TORII_SUSPEND_H

#include <torii/time.h>
#include <torii/types.h>

struct domain;
struct pcpu;

/* --- src/domain/suspend.c --- */

struct suspend {
    struct domain *d;
    /* Asked for by XENPF_enter_acpi_sleep: vCPUs go on where they were. Else by a register: only vCPU 0 starts, at the
     * waking vector the domain has left for firmware. */
    bool by_call;
    bool extended; /* val are sleep types for SLEEP_CONTROL, else values of PM1a and PM1b control */
    u32 val[2];
};

/*
 * Sleep as soon as every CPU has left its guest. From an exit handler: the calling vCPU runs no further before it is
 * over. 0; -XEN_EOPNOTSUPP (nothing tells firmware where to wake Torii), -XEN_EINVAL (the domain's waking vector cannot
 * be started at), -XEN_EBUSY (already asked for).
 */
int suspend_request(const struct suspend *s);

/* A sleep was asked for: the scheduler calls suspend_cpu at its next round. */
extern bool suspend_pending;
/* The boot CPU puts the machine to sleep and returns when it is over; others stop, to be started anew. No vCPU current.
 */
void suspend_cpu(struct pcpu *c);

/* --- src/boot/suspend.S --- */

/*
 * Write the caches back and call sleep(stack) so that suspend_wake, entered by the trampoline with that stack, returns
 * from here: true. False if sleep returned. Only general registers and the stack survive.
 */
bool suspend_save(void (*sleep)(void *stack));
void suspend_wake(void *unused);

/* --- src/machine/sleep_time.c --- */

/* What the clocks said. */
struct sleep_clocks {
    u64 tsc;
    u64 utc; /* seconds by the CMOS clock */
    bool has_utc;
};
/*
 * How long the sleep between two looks lasted, ns: by the TSC if it ran on, which the other clock tells within its
 * second; else by that one. Pure.
 */
u64 sleep_clocks_slept(const struct tsc_scale *scale, const struct sleep_clocks *before,
                       const struct sleep_clocks *after);
/* Note the clocks; then, awake, go on with system time where it stood still, and set the wall clock forward. Returns ns
 * slept. */
void sleep_time_begin(void);
u64 sleep_time_end(void);

/* --- src/machine/chipset.c --- */

/* Chipset registers that a known firmware leaves in their reset state after a sleep. */
void chipset_save(void);
void chipset_restore(void);

#endif
