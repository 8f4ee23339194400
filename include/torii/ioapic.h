/* SPDX-License-Identifier: BSD-2-Clause */
/* Start-up of the physical IO-APICs; routing itself is irq.h. */
#ifndef TORII_IOAPIC_H
#define TORII_IOAPIC_H

#include <torii/irq.h>

/* Map every IO-APIC the MADT names and mask all pins. */
void ioapic_init(void);
/* After suspend to RAM: ids and redirection entries as they were, what nobody uses masked. */
void ioapic_restore(void);
/* The GSI an ISA interrupt is wired to, with its trigger and polarity (MADT overrides); cfg->cpu is 0. */
unsigned isa_irq_to_gsi(u8 irq, struct gsi_config *cfg);
/* Vector tables of a CPU that is about to come up. */
int irq_cpu_init(unsigned cpu);
/* Debug console. */
void gsi_dump(void);

#endif
