/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waking a processor with INIT and SIPI (SDM vol. 3 §9.4.4), from whatever it is doing.
 *
 * All of it is repeated if nobody answers. Firmware may leave processors running over a sleep: SeaBIOS (1.16, QEMU's
 * q35) sends INIT and SIPI as well and does not wait. A SIPI of firmware's that is still on its way survives Torii's
 * INIT, on QEMU: the processor then runs from firmware's page, and ignores the SIPI that follows.
 */
#include <torii/smp.h>

#include <torii/atomic.h>
#include <torii/cpu.h>
#include <torii/lapic.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/time.h>

#define INIT_MS     10
#define FIRST_MS    10
#define ROUNDS      6
#define ROUND_MS(n) (50u << (n)) /* an emulator's thread may have to wait for a host's processor */

bool smp_wait(const bool *flag, bool value, unsigned ms)
{
    u64 end = now_ns() + ms * 1000000ull;

    while (now_ns() < end) {
        if (atomic_load(flag) == value)
            return true;
        cpu_relax();
    }
    return atomic_load(flag) == value;
}

static bool try(u32 apic_id, paddr_t page, bool *answered, unsigned round)
{
    atomic_store(answered, false);
    lapic_send(apic_id, ICR_INIT | ICR_ASSERT);
    machine_delay_ms(INIT_MS);
    for (unsigned i = 0; i < 2; i++) {
        lapic_send(apic_id, ICR_STARTUP | ICR_ASSERT | (u32)(page >> PAGE_SHIFT));
        if (smp_wait(answered, true, i ? ROUND_MS(round) : FIRST_MS))
            return true;
    }
    return false;
}

bool smp_startup(u32 apic_id, paddr_t page, bool *answered)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (!try(apic_id, page, answered, round))
            continue;
        if (round)
            log_debug("processor with APIC id %u: INIT and SIPI sent %u times\n", apic_id, round + 1);
        return true;
    }
    lapic_send(apic_id, ICR_INIT | ICR_ASSERT);
    return false;
}
