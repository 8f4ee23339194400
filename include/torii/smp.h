/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TORII_SMP_H
#define TORII_SMP_H

#include <torii/types.h>

/* Control registers as Torii wants them on every CPU: write protection, NX, SMEP and SMAP, SSE and XSAVE enabled. */
void cpu_features_init(void);
/* Start every processor the MADT lists; each waits until smp_release. */
void smp_start(void);
/* All processors enter their scheduler. */
void smp_release(void);
/* The page below 1 MiB where processors start: Torii's for good, nobody else may write there. 0: none. After smp_start. */
paddr_t smp_trampoline(void);

/*
 * A processor that came after boot gets the next number; it is not started. Its number, -XEN_EEXIST (there is one with
 * this APIC id), -XEN_ENOSPC, -XEN_ENOMEM, -XEN_EBUSY (another one is being added or started).
 */
int smp_add(u32 apic_id);
/*
 * Start one of those: it enters its scheduler, with nothing to run. Takes 10 ms and more. 0, also if it is started,
 * -XEN_EIO (it does not answer, or its TSC differs), -XEN_EBUSY.
 */
int smp_start_cpu(unsigned cpu);

#endif
