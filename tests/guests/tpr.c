/* SPDX-License-Identifier: BSD-2-Clause */
/* run: only=torii */
/*
 * Interrupts that the TPR holds back (SDM vol. 3 §11.8.3). Apart from the other checks of the local APIC, because QEMU 7.2
 * opens an interrupt window at a priority equal to V_TPR, and hypervisors that do not expect it never get further.
 */
#include "rt.h"

#define VECTOR 0x51

static volatile u32 *const count = &irq_count[0][VECTOR];

static void set_cr8(u64 v)
{
    __asm__ volatile("mov %0, %%cr8" : : "r"(v));
}

static u64 get_cr8(void)
{
    u64 v;

    __asm__ volatile("mov %%cr8, %0" : "=r"(v));
    return v;
}

/* Is VECTOR held back by that TPR, and let through by the next? */
static void holds(u32 tpr, u32 opens, bool held)
{
    u32 n = *count;

    lapic_write(LAPIC_TPR, tpr);
    lapic_icr(0, ICR_SELF | VECTOR);
    is(!wait_count(count, n + 1, 20), held, "TPR 0x%x %s vector 0x51", tpr, held ? "holds back" : "lets through");
    if (held) {
        is(lapic_bit(LAPIC_IRR, VECTOR), 1, "it waits in IRR");
        lapic_write(LAPIC_TPR, opens);
        ok(wait_count(count, n + 1, 1000), "TPR 0x%x then lets it through", opens);
    }
    wait_ms(5);
    is(*count, n + 1, "once");
}

void test(void)
{
    lapic_write(LAPIC_TPR, 0x70);
    is(get_cr8(), 7, "CR8 reads TPR");
    set_cr8(5);
    is(lapic_read(LAPIC_TPR), 0x50, "TPR reads what CR8 got");
    lapic_write(LAPIC_TPR, 0x57);
    is(get_cr8(), 5, "CR8 is TPR's upper half");
    holds(0x40, 0, false);
    holds(0x4f, 0, false);
    holds(0x50, 0x40, true);
    holds(0x51, 0x4f, true);
    holds(0xf0, 0x00, true);
    holds(0xff, 0x30, true);
    lapic_write(LAPIC_TPR, 0);
}
