/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that throws everything it has at the hypervisor, on all its CPUs, from one seed. What would end the guest itself
 * by right (shutting down, resetting, DMA over itself) it leaves out, and it restarts CPUs it has knocked out.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "../rt/hyper.h"

#define CPUS        4
#define ARENA_PAGES 64
/* Roles of the arena's first pages at the start; later anything may be anywhere. */
enum { AT_CONTROL = 0, AT_EVENTS = 4, AT_GRANTS = 8, AT_SHARED = 12, AT_FREE = 16 };

extern u8 arena[ARENA_PAGES][PAGE_SIZE];

/* Numbers: xorshift64*, one stream per CPU. */
u64 rnd(void);
static inline u64 below(u64 n)
{
    return rnd() % n;
}
static inline bool one_in(u64 n)
{
    return !below(n);
}
/* A frame that is not the guest's own program: in the arena, of a device, of the hypervisor, nowhere. */
u64 some_gfn(void);
/* The same frame number, or 6 where the guest stands on that frame: what is thrown must not take it away. */
u64 spared(u64 gfn);
/* An address hypercalls and instructions may be given: it may be read and written by anybody. */
u64 some_pointer(void);
/* One that leads to nothing but errors. */
u64 bad_pointer(void);
/* Any number, likely one that means something. */
u64 some_value(void);
/* Fill with such numbers of all sizes. */
void fill(void *p, size_t bytes);
/* An APIC, I/O APIC or MSI word that sends no INIT or start-up: those go through throw_ipi. */
static inline u32 tame(u32 word)
{
    return word & ~0x400u;
}

/* The region whose page tables change all the time. */
#define WILD      (1ull << 46)
#define WILD_SIZE (1ull << 32)
u64 wild_address(void);
void wild_init(void);

/* One throw each. */
void throw_hypercall(void);
void throw_instruction(void);
void throw_tables(void);
void throw_port(void);
void throw_msr(void);
void throw_pci(void);
void throw_ipi(void);
void throw_ipi_init(void);
void throw_lapic(void);
void throw_ioapic(void);
void throw_events(void);
void throw_grants(void);

void throw_instruction_exit(void);

void dump_calls(void);
/* Make devices known, none but edu a bus master; at the end their addresses back. */
void devices_init(void);
void bars_restore(void);
void seed_streams(u64 seed);

/* A lock that is given up on after a while, and freed when its holder is reset. Interrupts are off while it is held. */
bool one_at_a_time(void);
void next_please(void);
/* A CPU on its way through real mode has no handler for an NMI: none is sent meanwhile. */
bool nmi_may_be_sent(void);
void nmi_was_sent(void);
/* All of the arena back in its place, nothing bound, granted, mapped or registered. */
void clean_up(void);
/* What a phase starts from: event channels of all kinds, FIFO queues, a grant table. */
void set_up(void);

#endif
