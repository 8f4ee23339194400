/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket spinlocks. Torii runs with interrupts disabled outside its idle loop and interrupt window, so a lock
 * needs no interrupt-saving form. Debug builds check that locks are taken in ascending class order on each CPU.
 */
#ifndef TORII_LOCK_H
#define TORII_LOCK_H

#include <torii/types.h>

/* Order in which locks may nest, outermost first. */
enum lock_class {
    LOCK_MOVE,    /* where frames of Torii's are shown to domains */
    LOCK_DOMAIN,  /* a domain's life cycle and parameters */
    LOCK_GRANT,   /* a domain's grant table */
    LOCK_VPCI,    /* one device's virtual configuration space */
    LOCK_VPCI_MAP, /* where the BARs of a domain's devices are mapped */
    LOCK_EVTCHN,  /* a domain's event channel ports */
    LOCK_EVTCHN_PORT,  /* one port */
    LOCK_EVTCHN_QUEUE, /* one vCPU's FIFO queues */
    LOCK_VUART,   /* a virtual serial port */
    LOCK_VIOAPIC, /* a virtual IO-APIC */
    LOCK_VLAPIC,  /* a virtual local APIC's timer */
    LOCK_GSI,     /* one physical interrupt line */
    LOCK_IRQ,     /* vectors and MSI handles */
    LOCK_IOAPIC,  /* a physical IO-APIC's register window */
    LOCK_STAGE2,  /* a domain's stage-2 tables */
    LOCK_GUEST,   /* a domain's I/O map, or its table of pinned pages; only the allocators nest inside */
    LOCK_PTAB,    /* Torii's own page tables */
    LOCK_FRAMES,  /* the frame allocator */
    LOCK_HEAP,    /* the small-object allocator */
    LOCK_TIMER,   /* a CPU's timer queue */
    LOCK_SCHED,   /* a CPU's run queue */
    LOCK_PCI,     /* the configuration address register */
    LOCK_CONSOLE, /* console output and input rings */
};

typedef struct spinlock {
    u16 next, owner;
    u8 class; /* enum lock_class */
} spinlock_t;

#define SPINLOCK(cls)                                                                              \
    {                                                                                              \
        .class = (cls)                                                                             \
    }

void spin_lock_init(spinlock_t *lock, enum lock_class cls);
void spin_lock(spinlock_t *lock);
bool spin_trylock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);

#endif
