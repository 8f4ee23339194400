/* SPDX-License-Identifier: BSD-2-Clause */
/* System time and the per-CPU deadline queue. */
#ifndef TORII_TIME_H
#define TORII_TIME_H

#include <torii/types.h>

/* Nanoseconds since Torii started: monotonic, the same on all CPUs; base of every ABI deadline. */
u64 now_ns(void);

/* TSC to nanoseconds: ns = (shift >= 0 ? delta << shift : delta >> -shift) * mul >> 32, as pvclock defines it. */
struct tsc_scale {
    u64 tsc_at_boot; /* host TSC that is system time 0 */
    u64 khz;
    u32 mul;
    s8 shift;
    bool stable; /* all CPUs' TSCs are synchronised */
};
extern struct tsc_scale tsc_scale;

u64 tsc_to_ns(u64 tsc);      /* absolute host TSC value to system time */
u64 ns_to_tsc(u64 ns);       /* absolute system time to host TSC value */
u64 wall_clock_at_boot(void); /* UTC in ns since 1970 at system time 0 */
void wall_clock_set(u64 utc_ns, u64 system_time); /* UTC utc_ns was true at system_time */

/*
 * A timer fires once, on the CPU whose queue it is on, in interrupt context (interrupts disabled, no lock held).
 * Locked by its queue. A zeroed struct with fn set is a valid stopped timer.
 */
struct timer {
    u64 deadline; /* system time, ns */
    void (*fn)(struct timer *t);
    struct timer *next;
    struct timer_queue *queue; /* NULL when stopped */
};

/* Arm (or re-arm) on the calling CPU. A deadline in the past fires at the next opportunity, never inside the call. */
void timer_start(struct timer *t, u64 deadline);
/* Stop; harmless when stopped. On return the timer is off its queue (its fn may be running on another CPU). */
void timer_stop(struct timer *t);
static inline bool timer_is_active(const struct timer *t)
{
    return t->queue != NULL;
}

#endif
