/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by irq.c and ioapic.c. */
#ifndef MACHINE_IRQ_INTERNAL_H
#define MACHINE_IRQ_INTERNAL_H

#include <torii/irq.h>
#include <torii/lock.h>

/*
 * The CPU that takes a device's interrupts for `cpu`: without interrupt remapping messages and IO-APICs have eight bits
 * for the APIC id, 255 being all; CPUs above leave theirs to the boot CPU, as do those that are stopped.
 */
unsigned irq_reachable(unsigned cpu);
/* `count` contiguous free vectors aligned to count on `cpu`: the first, or -XEN_ENOSPC. Vector i calls
 * hold (NULL: nothing), ends the interrupt at the local APIC, and calls fn; both with ctx + i * stride. */
int vector_alloc(unsigned cpu, unsigned count, irq_fn *hold, irq_fn *fn, void *ctx, size_t stride);
/*
 * Give vectors back whose source has been turned away. An interrupt sent before that may still be on its way: with
 * `deliver` it still reaches the handler, and the vectors are not used again for a second.
 */
void vector_retire(unsigned cpu, unsigned first, unsigned count, bool deliver);

#endif
