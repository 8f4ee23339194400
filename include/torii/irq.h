/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical interrupts: vectors, GSIs (IO-APIC pins) and MSIs. Handlers run on the CPU that took the interrupt, with
 * interrupts disabled and no lock held.
 */
#ifndef TORII_IRQ_H
#define TORII_IRQ_H

#include <torii/types.h>

typedef void irq_fn(void *ctx);

/* --- GSIs --- */
struct gsi_config {
    bool level;      /* else edge */
    bool active_low; /* else high */
    unsigned cpu;    /* physical CPU number that takes it */
};

#define GSI_MAX 256

/*
 * Route `gsi` to fn(ctx) and unmask it. A level interrupt is masked at the pin when it fires and stays so until gsi_eoi.
 * 0, -XEN_EINVAL (no such pin), -XEN_EBUSY (Torii's own line or bound by another), -XEN_ENOSPC (no vector).
 * Binding a bound GSI with the same fn and ctx re-programs trigger, polarity and CPU.
 */
int gsi_bind(unsigned gsi, const struct gsi_config *cfg, irq_fn *fn, void *ctx);
void gsi_unbind(unsigned gsi);
void gsi_mask(unsigned gsi);
void gsi_unmask(unsigned gsi);
void gsi_eoi(unsigned gsi); /* end of a level interrupt: the pin opens again unless it is masked */
void gsi_set_cpu(unsigned gsi, unsigned cpu);

/* The physical IO-APICs, for the mirror. */
struct ioapic_info {
    u8 id;
    paddr_t base;      /* register page */
    unsigned gsi_base;
    unsigned nr_pins;
};
unsigned ioapic_count(void);
const struct ioapic_info *ioapic_get(unsigned i);

/* --- message-signalled interrupts --- */
struct msi_message {
    u64 address;
    u32 data;
};

/*
 * Allocate `count` (power of two, 1 .. 32) vectors, contiguous and aligned, on physical CPU `cpu`; vector i calls
 * fn[i](ctx[i])... through one fn with ctx_base + i * ctx_stride. *msg is what to write into the device for vector 0.
 * Returns a handle >= 0, or -XEN_ENOSPC.
 */
int msi_alloc(unsigned count, unsigned cpu, irq_fn *fn, void *ctx_base, size_t ctx_stride,
              struct msi_message *msg);
/* Move to another CPU: fills a new *msg to write into the device; the old vectors stay valid until msi_move_done. */
int msi_move(int handle, unsigned cpu, struct msi_message *msg);
/* The same with the vectors' numbers kept: only the low word of the address differs. -XEN_ENOSPC: not free there. */
int msi_move_same(int handle, unsigned cpu, struct msi_message *msg);
void msi_move_done(int handle);
void msi_free(int handle);

/* Devices may still interrupt physical CPU `cpu`. */
bool irq_cpu_used(unsigned cpu);

/* --- inter-processor --- */
void cpu_kick_self(void);          /* an interrupt for the calling CPU; also from an NMI's handler */
void cpu_kick(unsigned cpu);       /* make it leave guest mode or idle */
unsigned cpu_this(void);           /* number of the calling physical CPU */
unsigned cpu_count(void);          /* online */

#endif
