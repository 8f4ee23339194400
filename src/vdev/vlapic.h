/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the virtual local APIC: registers as SDM vol. 3 ch. 11 names them, and the state behind them. */
#ifndef TORII_VDEV_VLAPIC_H
#define TORII_VDEV_VLAPIC_H

#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/log.h>
#include <torii/vlapic.h>

/* Model-specific registers (§11.4.4, §11.5.4.1, §11.12.1.2). */
#define MSR_APIC_BASE    0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC       0x800u
#define MSR_X2APIC_LAST  0x8ffu
#define MSR_X2APIC_TPR   (MSR_X2APIC + APIC_TPR)
#define MSR_X2APIC_EOI   (MSR_X2APIC + APIC_EOI)
#define MSR_X2APIC_ICR   (MSR_X2APIC + APIC_ICR)

#define APIC_BASE_BSP  BIT(8)
#define APIC_BASE_EXTD BIT(10)
#define APIC_BASE_EN   BIT(11)

/* Register numbers: the MSR is 0x800 + n, the offset in the xAPIC page n * 16 (Tables 11-1, 11-6). */
enum {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08,
    APIC_APR = 0x09,
    APIC_PPR = 0x0a,
    APIC_EOI = 0x0b,
    APIC_RRD = 0x0c,
    APIC_LDR = 0x0d,
    APIC_DFR = 0x0e,
    APIC_SVR = 0x0f,
    APIC_ISR = 0x10, /* eight each */
    APIC_TMR = 0x18,
    APIC_IRR = 0x20,
    APIC_ESR = 0x28,
    APIC_ICR = 0x30,
    APIC_ICR_HIGH = 0x31,
    APIC_LVT = 0x32, /* six: enum vlapic_lvt */
    APIC_TICR = 0x38,
    APIC_TCCR = 0x39,
    APIC_DCR = 0x3e,
    APIC_SELF_IPI = 0x3f,
    APIC_NR_REGS = 0x40,
};

/* In register order. */
enum vlapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PMC, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

/* §11.4.8: integrated APIC, last LVT entry is number 5, no EOI-broadcast suppression. */
#define APIC_VERSION_VALUE 0x00050014u

#define APIC_VECTOR_MASK  0xffu
#define APIC_VECTOR_FIRST 16u /* 0-15 are illegal in a message (§11.5.2) */

#define SVR_ENABLE   0x100u
#define SVR_WRITABLE 0x1ffu
#define SVR_RESET    0xffu

#define DFR_WRITABLE 0xf0000000u
#define DFR_FLAT     0xfu /* bits 31:28 */
#define DFR_CLUSTER  0x0u
#define LDR_WRITABLE 0xff000000u

/* §11.5.1 */
#define LVT_DELIVERY(lvt)   ((lvt) >> 8 & 7)
#define LVT_STATUS          0x1000u /* read-only */
#define LVT_REMOTE_IRR      0x4000u /* read-only */
#define LVT_MASKED          0x10000u
#define LVT_TIMER_MODE(lvt) ((lvt) >> 17 & 3)
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

/* §11.5.3 */
#define ESR_SEND_ILLEGAL_VECTOR 0x20u
#define ESR_RECV_ILLEGAL_VECTOR 0x40u
#define ESR_ILLEGAL_REGISTER    0x80u

/* §11.6.1 */
#define ICR_DELIVERY(icr)   ((icr) >> 8 & 7)
#define ICR_DELIVERY_MASK   0x700u
#define ICR_LOGICAL         0x800u
#define ICR_ASSERT          0x4000u
#define ICR_LEVEL_TRIGGERED 0x8000u
#define ICR_SHORTHAND(icr)  ((icr) >> 18 & 3)
#define ICR_SHORTHAND_MASK  0xc0000u
#define ICR_WRITABLE        0xccfffu
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };
#define ICR_SHORTHAND_SELF  (SHORTHAND_SELF << 18)

/* Delivery modes, the same in ICR, LVT, RTE and MSI data. */
enum {
    DELIVERY_FIXED = 0,
    DELIVERY_LOWEST = 1,
    DELIVERY_SMI = 2,
    DELIVERY_NMI = 4,
    DELIVERY_INIT = 5,
    DELIVERY_STARTUP = 6,
    DELIVERY_EXTINT = 7,
};

#define DCR_WRITABLE 0xbu

/* struct vlapic.startup: what has happened to the vCPU and what its loop has not seen yet. */
#define STARTUP_WAIT         0x01u /* waits for SIPI since power-up or INIT */
#define STARTUP_AFTER_INIT   0x02u /* it was an INIT that made it wait */
#define STARTUP_INIT_PENDING 0x04u
#define STARTUP_SIPI_PENDING 0x08u
#define STARTUP_VECTOR_SHIFT 8

/* The own vCPU's CPU writes; the fields marked atomic change from any CPU; the timer's part is under timer_lock. */
struct vlapic {
    struct vcpu *v;
    u64 base; /* IA32_APIC_BASE; others read it to match destinations */
    u32 id;
    u32 tpr, svr, ldr, dfr;
    u32 esr;         /* as the guest reads it */
    u32 esr_pending; /* atomic: logged since the guest's last write */
    u32 icr, icr_dest;
    u32 lvt[LVT_COUNT];
    u32 nmi;         /* atomic flag */
    u32 startup;     /* atomic: STARTUP_* */
    u32 lowest_last; /* vCPU 0's: who got the last lowest-priority interrupt of the domain */
    u64 isr[4];
    u64 irr[4]; /* atomic */
    u64 tmr[4]; /* atomic */

    spinlock_t timer_lock; /* LOCK_VLAPIC: a timer may expire on a CPU its vCPU has left */
    struct timer timer;
    u32 ticr, dcr;
    bool counting;    /* the initial count was loaded at count_start and has not run out (one-shot) */
    u64 count_start;  /* ns */
    u64 tsc_deadline; /* guest TSC; 0 disarmed */
};

#define vlapic_invariant(cond) \
    do {                       \
        if (TORII_DEBUG)       \
            assert(cond);      \
    } while (0)

/* Highest bit of a 256-bit map, or -1. READ_ONCE: another CPU may be setting bits, or look at this one's. */
static inline int vlapic_highest(const u64 *map)
{
    u64 bits;

    if ((bits = READ_ONCE(map[3])))
        return 255 - __builtin_clzll(bits);
    if ((bits = READ_ONCE(map[2])))
        return 191 - __builtin_clzll(bits);
    if ((bits = READ_ONCE(map[1])))
        return 127 - __builtin_clzll(bits);
    bits = READ_ONCE(map[0]);
    return bits ? 63 - __builtin_clzll(bits) : -1;
}

static inline bool vlapic_in_x2apic(const struct vlapic *l)
{
    return READ_ONCE(l->base) & APIC_BASE_EXTD;
}

/* Put a vector into IRR and kick. False if the APIC is software-disabled or the vector illegal. Any CPU. */
bool vlapic_post(struct vlapic *l, u8 vector, bool level);
/* Log an error for ESR; a bit newly set raises the error LVT. Any CPU. */
void vlapic_error(struct vlapic *l, u32 bit);
/* Signal an LVT entry as programmed. Any CPU. */
void vlapic_lvt_raise(struct vlapic *l, enum vlapic_lvt entry);
u32 vlapic_ppr(const struct vlapic *l);

/* --- vlapic_ipi.c --- */

/* Write to ICR. `wide`: dest has 32 bits (x2APIC), else 8. */
void vlapic_icr_write(struct vlapic *l, u32 icr, u32 dest, bool wide);
/* One message that is not FIXED or LOWEST arrives. True if accepted. */
bool vlapic_signal(struct vlapic *l, u8 delivery, u8 vector);
/* Logical id in x2APIC mode (§11.12.10.2). */
static inline u32 vlapic_x2apic_ldr(u32 id)
{
    return (id >> 4) << 16 | 1u << (id & 0xf);
}

/* --- vlapic_timer.c --- */

void vlapic_timer_init(struct vlapic *l);
void vlapic_timer_reset(struct vlapic *l);
void vlapic_timer_write_lvt(struct vlapic *l, u32 lvt);
void vlapic_timer_write_ticr(struct vlapic *l, u32 ticr);
void vlapic_timer_write_dcr(struct vlapic *l, u32 dcr);
u32 vlapic_timer_current(struct vlapic *l);
u64 vlapic_timer_read_deadline(struct vlapic *l);
void vlapic_timer_write_deadline(struct vlapic *l, u64 guest_tsc);

#endif
