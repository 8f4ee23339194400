/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical local APIC (SDM vol. 3 ch. 11): x2APIC where the CPU has it, xAPIC else. */
#ifndef TORII_LAPIC_H
#define TORII_LAPIC_H

#include <torii/types.h>

/* Register numbers are xAPIC offsets / 16, as x2APIC MSR numbers minus 0x800. */
enum lapic_reg {
    LAPIC_ID = 0x02,
    LAPIC_VERSION = 0x03,
    LAPIC_TPR = 0x08,
    LAPIC_EOI = 0x0b,
    LAPIC_SVR = 0x0f,
    LAPIC_ISR = 0x10,
    LAPIC_IRR = 0x20,
    LAPIC_ESR = 0x28,
    LAPIC_ICR = 0x30,
    LAPIC_LVT_TIMER = 0x32,
    LAPIC_LVT_THERMAL = 0x33,
    LAPIC_LVT_PMC = 0x34,
    LAPIC_LVT_LINT0 = 0x35,
    LAPIC_LVT_LINT1 = 0x36,
    LAPIC_LVT_ERROR = 0x37,
    LAPIC_TIMER_INIT = 0x38,
    LAPIC_TIMER_CURRENT = 0x39,
    LAPIC_TIMER_DIVIDE = 0x3e,
};

#define LAPIC_LVT_MASKED        BIT(16)
#define LAPIC_LVT_NMI           (4u << 8)
#define LAPIC_TIMER_ONESHOT     0
#define LAPIC_TIMER_TSCDEADLINE (2u << 17)
#define LAPIC_SVR_ENABLE        BIT(8)
#define LAPIC_TIMER_DIVIDE_BY_1 0xb

/* ICR delivery modes. */
#define ICR_FIXED   (0u << 8)
#define ICR_NMI     (4u << 8)
#define ICR_INIT    (5u << 8)
#define ICR_STARTUP (6u << 8)
#define ICR_ASSERT  BIT(14)
#define ICR_LEVEL   BIT(15)
#define ICR_BUSY    BIT(12)
#define ICR_SHORTHAND    (3u << 18)
#define ICR_SELF         (1u << 18)
#define ICR_ALL_BUT_SELF (3u << 18)

/* Vectors Torii keeps for itself; devices get FIRST .. LAST. */
enum {
    VECTOR_DEVICE_FIRST = 0x30,
    VECTOR_DEVICE_LAST = 0xef,
    VECTOR_TIMER = 0xf0,
    VECTOR_KICK = 0xf1,
    VECTOR_ERROR = 0xfe,
    VECTOR_SPURIOUS = 0xff,
};

/* Once on the boot CPU (finds the mode, maps the page), then on each. */
int lapic_init_boot(void);
void lapic_init_cpu(void);
/* The boot CPU's after suspend to RAM: firmware has used it, and the 8259s. The timer is stopped. */
void lapic_restore_boot(void);
/* Measure the timer against the TSC; needs a calibrated tsc_scale. */
void lapic_timer_calibrate(void);
/* The timer's interrupt is here, so its counter has stopped; at worst it counts again already, and comes once too often. */
void lapic_timer_fired(void);

u32 lapic_read(enum lapic_reg reg);
void lapic_write(enum lapic_reg reg, u32 val);
u32 lapic_id(void);
void lapic_eoi(void);
/* icr_low: mode, vector, shorthand. */
void lapic_send(u32 dest, u32 icr_low);

#endif
