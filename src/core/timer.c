/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The deadline queue. A CPU arms timers on its own queue only, so the hardware timer is always programmed by the CPU it
 * belongs to; another CPU may take a timer off, which at worst leaves one early interrupt behind.
 */
#include <torii/atomic.h>
#include <torii/timer_queue.h>

#define NO_DEADLINE (~0ull)

void timer_queue_init(struct timer_queue *q)
{
    *q = (struct timer_queue){0};
    spin_lock_init(&q->lock, LOCK_TIMER);
}

static u64 head_deadline(const struct timer_queue *q)
{
    return q->head ? q->head->deadline : NO_DEADLINE;
}

static void list_insert(struct timer **link, struct timer *t)
{
    while (*link && (*link)->deadline <= t->deadline)
        link = &(*link)->next;
    t->next = *link;
    *link = t;
}

static bool list_remove(struct timer **link, struct timer *t)
{
    for (; *link; link = &(*link)->next) {
        if (*link != t)
            continue;
        *link = t->next;
        t->next = NULL;
        return true;
    }
    return false;
}

static void unlink_timer(struct timer_queue *q, struct timer *t)
{
    if (!list_remove(&q->head, t))
        list_remove(&q->late, t);
}

/* What a callback arms for a time already past waits for the next run: otherwise it could keep this one going for ever.
 */
static void link_timer(struct timer_queue *q, struct timer *t)
{
    list_insert(q->in_run && t->deadline <= q->run_now ? &q->late : &q->head, t);
}

/* Program the hardware if the earliest deadline is no longer `before`; a run in progress does it once, at its end. */
static void reprogram(struct timer_queue *q, u64 before)
{
    u64 next = head_deadline(q);

    if (!q->in_run && next != before && q == timer_queue_this())
        timer_program(next);
}

/* The owner can change until its lock is held. Returns with the lock of t's queue held, or NULL for a stopped timer. */
static struct timer_queue *lock_queue_of(struct timer *t)
{
    for (;;) {
        struct timer_queue *q = atomic_load(&t->queue);

        if (!q)
            return NULL;
        spin_lock(&q->lock);
        if (READ_ONCE(t->queue) == q)
            return q;
        spin_unlock(&q->lock);
    }
}

void timer_stop(struct timer *t)
{
    struct timer_queue *q = lock_queue_of(t);
    u64 before;

    if (!q)
        return;
    before = head_deadline(q);
    unlink_timer(q, t);
    atomic_store(&t->queue, NULL);
    reprogram(q, before);
    spin_unlock(&q->lock);
}

/* With q's lock held: make t q's, unless it is armed elsewhere. */
static bool claim(struct timer_queue *q, struct timer *t)
{
    struct timer_queue *none = NULL;

    if (READ_ONCE(t->queue) == q) {
        unlink_timer(q, t);
        return true;
    }
    return atomic_cmpxchg(&t->queue, &none, q);
}

void timer_start(struct timer *t, u64 deadline)
{
    struct timer_queue *q = timer_queue_this();
    u64 before;

    spin_lock(&q->lock);
    before = head_deadline(q);
    while (!claim(q, t)) {
        /* Two queues' locks have no order between them: let go of this one while the other is held. */
        spin_unlock(&q->lock);
        timer_stop(t);
        spin_lock(&q->lock);
        before = head_deadline(q);
    }
    t->deadline = deadline;
    link_timer(q, t);
    reprogram(q, before);
    spin_unlock(&q->lock);
}

void timer_queue_abandon(struct timer_queue *dead)
{
    struct timer *t;

    for (;;) {
        u64 deadline;

        spin_lock(&dead->lock);
        t = dead->head ? dead->head : dead->late;
        deadline = t ? t->deadline : 0;
        if (t) {
            unlink_timer(dead, t);
            atomic_store(&t->queue, NULL);
        }
        spin_unlock(&dead->lock);
        if (!t)
            return;
        timer_start(t, deadline);
    }
}

void timer_queue_run(void)
{
    struct timer_queue *q = timer_queue_this();
    struct timer *t;

    spin_lock(&q->lock);
    q->in_run = true;
    q->run_now = now_ns();
    while ((t = q->head) && t->deadline <= q->run_now) {
        q->head = t->next;
        t->next = NULL;
        atomic_store(&t->queue, NULL);
        spin_unlock(&q->lock);
        t->fn(t);
        spin_lock(&q->lock);
    }
    while ((t = q->late)) {
        q->late = t->next;
        list_insert(&q->head, t);
    }
    q->in_run = false;
    timer_program(head_deadline(q));
    spin_unlock(&q->lock);
}

u64 timer_queue_next(void)
{
    struct timer_queue *q = timer_queue_this();
    u64 next;

    spin_lock(&q->lock);
    next = head_deadline(q);
    spin_unlock(&q->lock);
    return next;
}
