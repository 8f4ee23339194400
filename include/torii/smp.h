/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TORII_SMP_H
#define TORII_SMP_H

#include <torii/types.h>

struct pcpu;

/* Control registers as Torii wants them on every CPU: write protection, NX, SMEP and SMAP, SSE and XSAVE enabled. */
void cpu_features_init(void);
/* Start every processor the MADT lists; each waits until smp_release. */
void smp_start(void);
/* All processors enter their scheduler. */
void smp_release(void);
/* The page below 1 MiB where processors start: Torii's for good, nobody else may write there. 0: none. After smp_start. */
paddr_t smp_trampoline(void);
/* Whoever starts there next calls entry(arg) on this stack, by the tables of mm_trampoline_cr3. There is a trampoline. */
void smp_aim_trampoline(void (*entry)(void *arg), void *stack, void *arg);

/*
 * Make the processor run from this page below 1 MiB, which sets *answered. Tried for 4 s at most; then it is left
 * waiting for another SIPI: false. Needs the clock. src/machine/startup.c
 */
bool smp_startup(u32 apic_id, paddr_t page, bool *answered);
/* Wait until another CPU has set the flag so, at most so long. False if it has not. */
bool smp_wait(const bool *flag, bool value, unsigned ms);

/*
 * Suspend to RAM. smp_hold: who starts waits for smp_release again. smp_park: the calling CPU c stops, its caches
 * written back; c->parked. smp_unpark: start it anew, from the boot CPU; false if it does not come.
 */
void smp_hold(void);
void noreturn_fn smp_park(struct pcpu *c);
bool smp_unpark(struct pcpu *c);
/*
 * The boot CPU c comes out of the trampoline: its registers and local APIC as Torii wants them, but for
 * virtualisation. True: firmware had forgotten its memory types.
 */
bool smp_restore_boot_cpu(struct pcpu *c);

/*
 * A processor that came after boot gets the next number, or its own again; it is not started. Its number, -XEN_EEXIST
 * (there is one with this APIC id), -XEN_ENOSPC, -XEN_ENOMEM, -XEN_EBUSY (another one is being added or started).
 */
int smp_add(u32 apic_id);
/*
 * Start one of those: it enters its scheduler, with nothing to run. Takes 10 ms and more. 0, also if it is started,
 * -XEN_EIO (it does not answer, or its TSC differs), -XEN_EBUSY.
 */
int smp_start_cpu(unsigned cpu);
/*
 * CPU `cpu`, on which no vCPU runs and no device's interrupt arrives, stops; its timers go to the caller, which is
 * another CPU. 0, -XEN_EBUSY (it does not come to it, or another is being started).
 */
int smp_stop_cpu(unsigned cpu);
/* The calling CPU c stops so, with interrupts on a little longer: what was sent here before they were turned away is
 * handled. */
void noreturn_fn smp_leave(struct pcpu *c);

#endif
