/* SPDX-License-Identifier: BSD-2-Clause */
/* Running vCPUs; what other rooms may do to one is in domain.h. */
#ifndef TORII_SCHED_H
#define TORII_SCHED_H

#include <torii/types.h>

struct vcpu;
struct pcpu;

/* v belongs to this CPU's list from now on. Before v first runs. */
void sched_assign(struct vcpu *v, struct pcpu *c);
/* The calling CPU c, between two runs, gives up the vCPU whose registers it holds, if any. */
void sched_unload(struct pcpu *c);
/*
 * CPU c is used for vCPUs or not: those that belong to it move to the boot CPU, or come back. It stays awake for its
 * interrupts and timers. From any CPU; the vCPUs move soon after. Never for the boot CPU.
 */
void sched_set_online(struct pcpu *c, bool online);
/* c came after boot: Dom0's vCPUs that would have been its own from the start are, as soon as it is online. */
void sched_new_home(struct pcpu *c);
/* c, which is not online, has no vCPU in its list. Waits up to a second for that; false: it still has one. */
bool sched_wait_empty(const struct pcpu *c);
/* c, whose list is empty, shall call smp_leave. From any other CPU. */
void sched_leave(struct pcpu *c);
/* CPU `dead` runs no more and has no vCPU loaded: its vCPUs move to the boot CPU, which is the caller. */
void sched_abandon(struct pcpu *dead);
/* The rest of a CPU's life. */
void noreturn_fn sched_loop(void);

/* src/domain/run.c: enter the guest again and again until v must give up the CPU. */
void vcpu_run(struct vcpu *v);
/* src/domain/exit.c: do what the guest asked for. True if what may be injected can have changed. */
struct hvm_exit;
bool vcpu_handle_exit(struct vcpu *v, struct hvm_exit *exit);

/* src/domain/fpu.c: the register state that stays in the hardware across exits. */
int fpu_init_vcpu(struct vcpu *v);
/* As after power-up; v's state is in no CPU. */
void fpu_reset(struct vcpu *v);
void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);

#endif
