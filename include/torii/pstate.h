/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Performance states of CPUs, as Dom0's ACPI driver found them in _PCT, _PSS, _PSD and _PPC and sent them up. Where the
 * processor has the MSRs a governor chooses among them by load; elsewhere they are kept and shown, and frequency stays
 * with the hardware and firmware.
 */
#ifndef TORII_PSTATE_H
#define TORII_PSTATE_H

#include <torii/types.h>

#define PSTATES_MAX 32

struct pstate {
    u64 mhz, power_mw, latency_us, control, status;
};

struct pstate_register {
    u8 space; /* ACPI address space */
    u8 width;
    u64 address;
};

/* Which of the four objects are here. */
#define PSTATE_HAS_REGISTERS BIT(0)
#define PSTATE_HAS_STATES    BIT(1)
#define PSTATE_HAS_LIMIT     BIT(2)
#define PSTATE_HAS_DOMAIN    BIT(3)

struct pstates {
    u32 has;
    struct pstate_register control, status;
    unsigned nr;
    struct pstate state[PSTATES_MAX]; /* fastest first */
    u32 limit;                        /* the fastest state the platform allows now */
    u64 domain, coordination;         /* _PSD */
    u32 shared;                       /* XEN_CPUPERF_SHARED_TYPE_* */
};

/*
 * Keep what `update` has, the rest stays as it was. 0, -XEN_EINVAL (no such CPU, a limit past the last state),
 * -XEN_ENOMEM.
 */
int pstate_update(unsigned cpu, const struct pstates *update);
/* What is known of a CPU, or NULL. */
const struct pstates *pstate_get(unsigned cpu);
void pstate_dump(void);

/* --- src/machine/governor.c: the slowest state that is fast enough, every 50 ms of a CPU that does something --- */

struct pstate_statistics {
    unsigned nr, usable, last, cur;          /* usable: not shut out by _PPC */
    u64 count[PSTATES_MAX], ns[PSTATES_MAX]; /* how often entered, how long in all */
    u32 moves[PSTATES_MAX][PSTATES_MAX];     /* [from][to] */
};

/* A CPU's states were replaced, or were the first: govern them if that can be done. Under pstate_update's lock. */
void governor_adopt(unsigned cpu, const struct pstates *p);
/* The calling CPU has been idle and goes on: a governor that had nothing to do looks at it again. */
void governor_wakes(void);
/* CPU `cpu` has stopped: it needs no state set until it is back and wakes. From any other CPU. */
void governor_stop(unsigned cpu);
/* -XEN_ENODEV: the CPU is not governed. With `reset` counters start from 0 afterwards. Large: not for the stack. */
int governor_statistics(unsigned cpu, struct pstate_statistics *out, bool reset);
/* Held while a CPU's states are read in interrupt context. */
void pstate_lock(void);
void pstate_unlock(void);

/* --- src/machine/pstate_msr.c --- */

enum pstate_driver { PSTATE_DRIVER_NONE, PSTATE_DRIVER_AMD, PSTATE_DRIVER_INTEL };

/* What sets the state, and in words. The first call looks; all processors of a machine are alike. */
enum pstate_driver pstate_driver(const char **text);
/* Can this value of _PSS be given to it? */
bool pstate_control_ok(u64 control);
/* Tell the calling CPU. False: it refused. */
bool pstate_enter(u64 control);

/* src/machine/pstate_cpuid.c */
struct pstate_features {
    bool hw_pstate, cppc; /* AMD */
    bool est, hwp;        /* Intel */
};
void pstate_features_read(struct pstate_features *f);

#endif
