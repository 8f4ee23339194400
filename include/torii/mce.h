/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine checks (SDM vol. 3 §16, AMD APM vol. 2 §9). The banks are Dom0's: it reads and clears them itself, and a
 * machine check that meets it in guest mode is delivered by the processor. What is here is for one that meets Torii.
 */
#ifndef TORII_MCE_H
#define TORII_MCE_H

#include <torii/types.h>

struct trap_frame;
struct vcpu;

/*
 * #MC on this CPU, on a stack of its own, in the middle of anything. Returns if Torii can go on and Dom0's vCPU here is
 * to be told; panics with the banks otherwise.
 */
void mce_received(const struct trap_frame *f);
/* Wake the vCPU to be told, or log the banks where there is none. At a safe point, no lock held. */
void mce_forward(void);
/* Does a machine check wait for v, about to enter the guest on this CPU? */
bool mce_pending(const struct vcpu *v);
/* True if v, about to enter the guest on this CPU, is to be given #MC (once). */
bool mce_take(struct vcpu *v);

#endif
