/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IO-APICs with their register windows (82093AA), interrupt lines, and CPUs that accept what they send. The register
 * pages are not accessible: each access traps, is stepped over, and becomes a register access here.
 */
#ifndef TORII_TESTS_FAKE_IOAPIC_H
#define TORII_TESTS_FAKE_IOAPIC_H

#include <torii/types.h>

#define FAKE_IOAPICS 3
#define FAKE_PINS    24

struct fake_ioapic {
    bool dead; /* reads all ones */
    u32 select;
    u32 id; /* register 0 */
    u64 rte[FAKE_PINS];
    bool line[FAKE_PINS]; /* asserted, whatever its polarity */
    unsigned accesses;
};
extern struct fake_ioapic fake_ioapics[FAKE_IOAPICS];

/* An interrupt message that no CPU has taken yet. */
struct fake_message {
    u8 vector, dest;
};
extern struct fake_message fake_messages[64];
extern unsigned fake_nr_messages;

/* Where the MADT says IO-APIC n is; machine_map knows these addresses. */
#define FAKE_IOAPIC_ADDRESS(n) (0xfec00000u + 0x1000u * (n))

/* Catch accesses: in every test and fixture anew, because cmocka installs handlers of its own. */
void fake_ioapic_catch(void);
/* The device asserts or deasserts its line. */
void fake_line(unsigned n, unsigned pin, bool asserted);
/* A CPU ends a level interrupt with this vector, and tells all IO-APICs. */
void fake_ioapic_eoi(u8 vector);

#endif
