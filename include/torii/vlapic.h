/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU's local APIC (SDM vol. 3 ch. 11; AMD APM vol. 2 ch. 16). Registers belong to their own vCPU's CPU; IRR and
 * the pending NMI/INIT/SIPI are atomic and may be set from anywhere.
 */
#ifndef TORII_VLAPIC_H
#define TORII_VLAPIC_H

#include <torii/types.h>

struct vcpu;
struct domain;

#define VLAPIC_BASE 0xfee00000ul

/* Create in the power-up state, id = vCPU id; BSP bit for vCPU 0. Registers its MMIO page and MSRs with vlapic_register. */
int vlapic_init(struct vcpu *v);
void vlapic_free(struct vcpu *v);
/* Once per domain: the xAPIC page, MSR_APIC_BASE, TSC_DEADLINE and 0x800-0x8ff. */
int vlapic_register(struct domain *d);
/* INIT: everything back to power-up state except the id and APIC base. On v's own CPU, or with v not running. */
void vlapic_reset(struct vcpu *v);
/* The power-up state, all of it: the machine has slept. v does not run. */
void vlapic_power_up(struct vcpu *v);

/* An interrupt message arrives: from any CPU, from interrupt context. Kicks the vCPU as needed. */
void vlapic_set_irq(struct vcpu *v, u8 vector, bool level);
void vlapic_set_nmi(struct vcpu *v);

/*
 * A message with destination and delivery mode (IO-APIC, MSI, ICR): dest is 8 or 32 bits wide by the sender's mode,
 * delivery as in an RTE (0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 ExtINT). Returns how many vCPUs accepted
 * it.
 */
unsigned vlapic_deliver(struct domain *d, u32 dest, bool logical, u8 delivery, u8 vector, bool level);
/* The vCPU that would receive it (the lowest-numbered one of several), or NULL: where to route the physical interrupt. */
struct vcpu *vlapic_destination(struct domain *d, u32 dest, bool logical);

/* For the entry path: highest vector in IRR above PPR, or -1; NMI pending? */
int vlapic_pending_vector(struct vcpu *v);
/* The CPU accepted `vector`: IRR -> ISR. */
void vlapic_accept(struct vcpu *v, u8 vector);
/* Highest vector in IRR whatever the priority, or -1; for CR8/TPR windows. */
int vlapic_highest_irr(struct vcpu *v);
bool vlapic_take_nmi(struct vcpu *v); /* test and clear */
bool vlapic_nmi_pending(const struct vcpu *v);

/* CR8 (TPR bits 7:4), synchronised by the entry path with what hardware keeps. */
u8 vlapic_get_cr8(const struct vcpu *v);
void vlapic_set_cr8(struct vcpu *v, u8 cr8);

bool vlapic_hw_enabled(const struct vcpu *v); /* APIC_BASE.EN: CPUID's APIC bit follows it */
bool vlapic_sw_enabled(const struct vcpu *v); /* SVR bit 8 */
u32 vlapic_id(const struct vcpu *v);

/* Pin LINT0 or LINT1 of v is signalled (n = 0, 1): what happens is up to its LVT entry. From any CPU, from interrupt
 * context. */
void vlapic_lint(struct vcpu *v, unsigned n);

/*
 * INIT/SIPI that arrived (TODO_RESET): what the vCPU loop must do now. An INIT has already reset the local APIC.
 * STARTUP_SIPI: load the real-mode start state and run (an INIT that came before is part of it). STARTUP_INIT: go offline
 * with vcpu_offline, then call this once more, because a SIPI sent meanwhile found the vCPU still online.
 */
enum vlapic_startup { STARTUP_NONE, STARTUP_INIT, STARTUP_SIPI };
enum vlapic_startup vlapic_take_startup(struct vcpu *v, u8 *sipi_vector);

/*
 * x2APIC hot paths, callable straight from the exit dispatch. msr as in 0x800-0x8ff, and IA32_TSC_DEADLINE (0x6e0), which
 * works in xAPIC mode too. 0 or -XEN_EINVAL (#GP).
 */
/*
 * Of 0x800-0x8ff only; 1 if what can be injected, or the TPR, may have changed with no event posted for it. EOI, ICR and
 * the initial count are 0: what they make deliverable posts its event itself.
 */
int vlapic_x2apic_write(struct vcpu *v, u32 msr, u64 val);
int vlapic_msr_read(struct vcpu *v, u32 msr, u64 *val);
int vlapic_msr_write(struct vcpu *v, u32 msr, u64 val);

/* The guest's TSC jumped (offset or TSC_ADJUST changed): a TSC deadline is measured again. On v's own CPU. */
void vlapic_tsc_moved(struct vcpu *v);

/* Hook: called by SVR software-enable and by EOI of a level vector. Implemented by others. */
void evtchn_upcall_recheck(struct vcpu *v);               /* src/xen: re-inject the upcall if pending */
void vioapic_eoi(struct domain *d, u8 vector);            /* src/vdev/vioapic.c */

/* Debug console. */
void vlapic_dump(const struct vcpu *v);

#endif
