/* SPDX-License-Identifier: BSD-2-Clause */
/* Why vCPUs left the guest: per-CPU ring of the last exits, per-vCPU counts and cycles by reason. */
#ifndef TORII_TRACE_H
#define TORII_TRACE_H

#include <torii/types.h>

struct pcpu;
struct vcpu;
struct domain;

/* Vendor-neutral exit reasons. */
enum exit_reason {
    EXIT_INTERRUPT,
    EXIT_NMI,
    EXIT_WINDOW,
    EXIT_CPUID,
    EXIT_HLT,
    EXIT_IO,
    EXIT_MSR_READ,
    EXIT_MSR_WRITE,
    EXIT_HYPERCALL,
    EXIT_MMIO,    /* emulated access */
    EXIT_FAULT_IN, /* page mapped at first touch */
    EXIT_SHUTDOWN,
    EXIT_CONTROL, /* control registers, where the vendor's code has to follow: done */
    EXIT_OTHER,
    EXIT_REASONS
};

struct exit_stat {
    u64 count;
    u64 cycles; /* TSC cycles from leaving the guest to the end of what it asked for; of vCPUs with exits_timed */
};

extern const char *const exit_reason_names[EXIT_REASONS];

/* The last exits of a CPU, oldest first. */
void trace_dump(const struct pcpu *c);
/* Counts of all vCPUs of d, and mean cycles where they are timed. */
void exit_stats_dump(const struct domain *d);

#endif
