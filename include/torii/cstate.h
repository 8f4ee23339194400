/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an idle CPU sleeps: HLT, or the power states that Dom0's ACPI driver found in _CST and sent up. Per CPU: its own
 * CPU enters and counts, any CPU may give it new states.
 */
#ifndef TORII_CSTATE_H
#define TORII_CSTATE_H

#include <torii/types.h>

#define CSTATES_MAX 8

enum cstate_method { CSTATE_HLT, CSTATE_IO, CSTATE_MWAIT };

struct cstate {
    enum cstate_method method;
    u8 type;        /* ACPI C1, C2, C3 */
    u32 address;    /* I/O port, or MWAIT hint */
    u32 latency_us; /* worst case to leave it */
};

struct cstate_stat {
    u64 entries, ns;
};

/*
 * The states of CPU `cpu`, in any order; replaces those it had and zeroes their counters. HLT is always there, as C1.
 * States this processor cannot be woken from in time are left out: behind C1 the LAPIC timer must run on (CPUID 6
 * ARAT), behind C2 the TSC too. 0, -XEN_EINVAL (no such CPU, more than CSTATES_MAX, a port or hint that cannot be),
 * -XEN_ENOMEM.
 */
int cstate_set(unsigned cpu, const struct cstate *states, unsigned nr);

/* Can MWAIT states be entered (CPUID 1 and 5)? */
bool cstate_has_mwait(void);

/*
 * Sleep until an interrupt was handled or somebody wrote *wake. Chooses by the time to the next timer and by how long
 * this CPU slept lately. Interrupts disabled before and after.
 */
void cstate_idle(const bool *wake);

/*
 * The counters of a CPU's states, HLT first, then by latency: their number. No such CPU: 0. With `reset` they start again
 * from 0 afterwards.
 */
unsigned cstate_statistics(unsigned cpu, struct cstate_stat stat[CSTATES_MAX + 1], bool reset);

/* To the log: states of every CPU, how often and how long each was used. */
void cstate_dump(void);

/* --- src/machine/cstate_enter.c --- */

struct cstate_limits {
    bool mwait;      /* MONITOR, and MWAIT that leaves on masked interrupts */
    u32 mwait_hints; /* CPUID 5 EDX: sub-states per C-state, four bits each */
    bool timer_runs; /* the LAPIC timer does in any state */
    bool tsc_runs;
};
void cstate_limits_read(struct cstate_limits *limits);
/* Enter it once. Interrupts disabled before and after; what woke the CPU has been handled. */
void cstate_enter(const struct cstate *state, const bool *wake);

#endif
