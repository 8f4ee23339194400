/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC timer (SDM vol. 3 §11.5.4). The count is never stored: it follows from when the initial count was
 * loaded. Periodic deadlines lie on the grid count_start + n * period, so lateness of one tick does not shift the next.
 */
#include "vlapic.h"

#include <torii/hvm.h>

/* 100 MHz bus clock. */
#define BUS_TICK_NS 10u

/* Ticks closer together than this are one interrupt: no guest can spend more time in them than running. */
#define PERIOD_MIN_NS 50000u

/* A TSC deadline further off than this is looked at again then: conversions stay far from overflow. */
#define DAY_MS 86400000ull
#define DAY_NS (DAY_MS * 1000000)

/* §11.5.4, Figure 11-10: bits 3, 1, 0 as one number n divide by 2^(n+1), except that 7 divides by 1. */
static u64 tick_ns(const struct vlapic *l)
{
    unsigned n = (l->dcr & 3) | (l->dcr >> 1 & 4);

    return (u64)BUS_TICK_NS << (n + 1) % 8;
}

static unsigned mode_of(const struct vlapic *l)
{
    return LVT_TIMER_MODE(READ_ONCE(l->lvt[LVT_TIMER]));
}

static u64 guest_tsc(struct vlapic *l, u64 now)
{
    return ns_to_tsc(now) + (hvm ? hvm->get_tsc_offset(l->v) : 0);
}

static void disarm(struct vlapic *l)
{
    l->counting = false;
    l->tsc_deadline = 0;
    timer_stop(&l->timer);
}

/*
 * Arm for tsc_deadline, or return true if it has come. One ns later than the conversion says, because it rounds down
 * and an early interrupt would make the guest go back to sleep.
 */
static bool tsc_deadline_arm(struct vlapic *l)
{
    u64 now = now_ns(), tsc = guest_tsc(l, now), delta = l->tsc_deadline - tsc;

    if (l->tsc_deadline <= tsc) {
        disarm(l);
        return true;
    }
    if (delta > tsc_scale.khz * DAY_MS)
        timer_start(&l->timer, now + DAY_NS);
    else
        timer_start(&l->timer, tsc_to_ns(ns_to_tsc(now) + delta) + 1);
    return false;
}

static void periodic_arm(struct vlapic *l, u64 now)
{
    u64 period = l->ticr * tick_ns(l), elapsed = now - l->count_start;

    if (period < PERIOD_MIN_NS)
        elapsed += PERIOD_MIN_NS;
    timer_start(&l->timer, l->count_start + (elapsed / period + 1) * period);
}

static void count_arm(struct vlapic *l, u64 now)
{
    if (mode_of(l) == TIMER_PERIODIC)
        periodic_arm(l, now);
    else
        timer_start(&l->timer, l->count_start + l->ticr * tick_ns(l));
}

/* The timer came to its deadline: is an interrupt due? A run that began before the guest's last write finds nothing. */
static bool expire(struct vlapic *l)
{
    u64 now = now_ns();

    if (l->tsc_deadline)
        return tsc_deadline_arm(l);
    if (!l->counting || now - l->count_start < l->ticr * tick_ns(l))
        return false;
    if (mode_of(l) == TIMER_PERIODIC)
        periodic_arm(l, now);
    else
        l->counting = false;
    return true;
}

static void expired(struct timer *t)
{
    struct vlapic *l = container_of(t, struct vlapic, timer);
    bool due;

    spin_lock(&l->timer_lock);
    due = !timer_is_active(t) && expire(l);
    spin_unlock(&l->timer_lock);
    if (due)
        vlapic_lvt_raise(l, LVT_TIMER);
}

void vlapic_timer_init(struct vlapic *l)
{
    spin_lock_init(&l->timer_lock, LOCK_VLAPIC);
    l->timer.fn = expired;
}

void vlapic_timer_reset(struct vlapic *l)
{
    spin_lock(&l->timer_lock);
    disarm(l);
    l->ticr = 0;
    l->dcr = 0;
    spin_unlock(&l->timer_lock);
}

/* §11.5.4.1: a write that changes the mode disarms the timer. */
void vlapic_timer_write_lvt(struct vlapic *l, u32 lvt)
{
    spin_lock(&l->timer_lock);
    if (LVT_TIMER_MODE(lvt) != mode_of(l))
        disarm(l);
    WRITE_ONCE(l->lvt[LVT_TIMER], lvt);
    spin_unlock(&l->timer_lock);
}

void vlapic_timer_write_ticr(struct vlapic *l, u32 ticr)
{
    /* §11.5.4.1: ignored in TSC-deadline mode; the reserved mode has no counter either. */
    if (mode_of(l) >= TIMER_TSC_DEADLINE)
        return;
    spin_lock(&l->timer_lock);
    l->ticr = ticr;
    if (ticr) {
        l->counting = true;
        l->count_start = now_ns();
        count_arm(l, l->count_start);
    } else {
        disarm(l);
    }
    spin_unlock(&l->timer_lock);
}

/* Bus ticks left, in the current divider. */
static u32 current_count(const struct vlapic *l)
{
    u64 elapsed, period = l->ticr * tick_ns(l);

    if (!l->counting)
        return 0;
    elapsed = now_ns() - l->count_start;
    if (mode_of(l) == TIMER_PERIODIC)
        elapsed %= period;
    return elapsed >= period ? 0 : l->ticr - elapsed / tick_ns(l);
}

u32 vlapic_timer_current(struct vlapic *l)
{
    u32 count;

    spin_lock(&l->timer_lock);
    count = current_count(l);
    spin_unlock(&l->timer_lock);
    return count;
}

/* The count goes on from where it is at the new speed: as if loaded that much earlier or later. */
void vlapic_timer_write_dcr(struct vlapic *l, u32 dcr)
{
    u32 left;

    spin_lock(&l->timer_lock);
    left = current_count(l);
    l->dcr = dcr;
    if (left) {
        u64 now = now_ns();

        l->count_start = now - (l->ticr - left) * tick_ns(l);
        count_arm(l, now);
    }
    spin_unlock(&l->timer_lock);
}

u64 vlapic_timer_read_deadline(struct vlapic *l)
{
    return READ_ONCE(l->tsc_deadline);
}

/* §11.5.4.1: in other modes the write is ignored; 0 disarms; a deadline that has passed interrupts at once. */
void vlapic_timer_write_deadline(struct vlapic *l, u64 guest_tsc_deadline)
{
    bool due = false;

    if (mode_of(l) != TIMER_TSC_DEADLINE)
        return;
    spin_lock(&l->timer_lock);
    l->tsc_deadline = guest_tsc_deadline;
    if (guest_tsc_deadline)
        due = tsc_deadline_arm(l);
    else
        disarm(l);
    spin_unlock(&l->timer_lock);
    if (due)
        vlapic_lvt_raise(l, LVT_TIMER);
}

void vlapic_tsc_moved(struct vcpu *v)
{
    struct vlapic *l = v->vlapic;
    bool due = false;

    spin_lock(&l->timer_lock);
    if (l->tsc_deadline)
        due = tsc_deadline_arm(l);
    spin_unlock(&l->timer_lock);
    if (due)
        vlapic_lvt_raise(l, LVT_TIMER);
}
