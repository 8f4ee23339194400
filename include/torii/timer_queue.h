/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU's queue of armed timers: what src/core/timer.c needs from the code that owns the per-CPU data and the hardware.
 */
#ifndef TORII_TIMER_QUEUE_H
#define TORII_TIMER_QUEUE_H

#include <torii/lock.h>
#include <torii/time.h>

/* Inserted into by its own CPU only; removed from by any. Zeroed with lock initialised it is a valid empty queue. */
struct timer_queue {
    spinlock_t lock;    /* LOCK_TIMER */
    struct timer *head; /* earliest first; equal deadlines in the order they were armed */
    struct timer *late; /* armed by a callback of the run in progress with a deadline that has passed already */
    u64 run_now;        /* the time the run in progress compares with */
    bool in_run;        /* the queue's own CPU is in timer_queue_run */
};

void timer_queue_init(struct timer_queue *q);

/* The timer interrupt: run every timer of the calling CPU that is due, then program the next deadline. No lock held. */
void timer_queue_run(void);
/* The queue's CPU is gone: its timers go to the calling CPU's. */
void timer_queue_abandon(struct timer_queue *dead);
/* Earliest deadline of the calling CPU, ns; ~0 when nothing is armed. */
u64 timer_queue_next(void);

/* --- supplied by the per-CPU data and the hardware timer's driver --- */

struct timer_queue *timer_queue_this(void);
/* Interrupt the calling CPU at this system time, or as soon as possible if it has passed; ~0: not at all. */
void timer_program(u64 deadline_ns);

#endif
