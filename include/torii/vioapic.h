/* SPDX-License-Identifier: BSD-2-Clause */
/* The mirror of the machine's IO-APICs that a domain sees (82093AA; version 0x11, no EOI register). */
#ifndef TORII_VIOAPIC_H
#define TORII_VIOAPIC_H

#include <torii/types.h>

struct domain;

/* Mirror every physical IO-APIC: same address, id, pins, GSI base; registers the MMIO pages. 0 or -errno. */
int vioapic_init(struct domain *d);
void vioapic_free(struct domain *d);
/* Every entry masked, as after a reset, and no physical line bound. What virtual devices drive stays. */
void vioapic_reset(struct domain *d);
/* d's vCPUs have moved to other physical CPUs: the lines follow, those in service at their EOI. Any CPU. */
void vioapic_rehome(struct domain *d);
/* A physical GSI fired (interrupt context), or a virtual device asserts/deasserts its line. */
void vioapic_assert(struct domain *d, unsigned gsi);
void vioapic_set_line(struct domain *d, unsigned gsi, bool high);
/* The line is a virtual device's alone: unmasking its pin binds no physical one. Before the domain runs. */
void vioapic_set_virtual(struct domain *d, unsigned gsi);
/* End of a level interrupt with this vector: clears Remote IRR, ends the physical interrupt, re-delivers if still high. */
void vioapic_eoi(struct domain *d, u8 vector);
/* A local APIC became able to accept: deliver level interrupts that found no target. */
void vioapic_resample(struct domain *d);
void vioapic_dump(const struct domain *d);

#endif
