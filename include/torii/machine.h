/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine as a whole: start, stop, delays, and who owns which page. */
#ifndef TORII_MACHINE_H
#define TORII_MACHINE_H

#include <torii/types.h>

/* Restart or power off at once, by whatever road works; never returns. Interrupts disabled. */
void noreturn_fn machine_reset(void);
void noreturn_fn machine_power_off(void);
/* Stop for good, console flushed. */
void noreturn_fn machine_halt(void);

void machine_delay_ms(unsigned ms);

/* From now on console output is unlocked, polled and synchronous: the machine is going down. */
void console_force(void);
/* Everything written so far has left the UART. */
void console_flush(void);
/* Stop all other CPUs for good, by NMI: nothing holds that off for long. Any context. */
void stop_all_but_self(void);
/* Before and after suspend to RAM. */
void console_save(void);
void console_restore(void);

/* True for pages Dom0 must never reach by identity: Torii's memory and trampoline, interrupt controllers. */
bool machine_page_is_protected(mfn_t mfn);
/* The first such page at mfn or above; INVALID_MFN if there is none. */
mfn_t machine_protected_from(mfn_t mfn);
/* The same for pages that are RAM by the firmware's map, all of them. */
bool machine_page_is_ram(mfn_t mfn);
mfn_t machine_ram_from(mfn_t mfn);
/* The first address behind what the processors can reach: an entry of any page table that leads there is a fault. */
paddr_t machine_paddr_limit(void);

#endif
