/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Performance states of CPUs, as Dom0's ACPI driver found them in _PCT, _PSS, _PSD and _PPC and sent them up. They are
 * kept and shown; frequency itself stays with the hardware and firmware.
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

#endif
