/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/evtchn.c src/xen/evtchn_2l.c src/xen/evtchn_fifo.c src/xen/evtchn_upcall.c src/xen/evtchn_op.c src/xen/evtchn_dump.c tests/unit/evtchn_world.c */
/* libs: -lpthread */
/* Several CPUs at once: no event is lost while guests consume, move, mask and close. Locks here really wait. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evtchn_world.h"

#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/lock.h>
#include <torii/log.h>

/* --- the rooms below, for threads --- */

void log_printf(enum log_level level, const char *fmt, ...)
{
}

void panic(const char *fmt, ...)
{
    abort();
}

void spin_lock_init(spinlock_t *lock, enum lock_class cls)
{
    *lock = (spinlock_t){.class = cls};
}

/* Within a class only trylock nests, as in Torii's debug build. */
static __thread u32 classes_held;

void spin_lock(spinlock_t *lock)
{
    u16 ticket;

    if (classes_held >> lock->class)
        abort();
    classes_held |= 1u << lock->class;
    ticket = atomic_add(&lock->next, 1);
    while (atomic_load(&lock->owner) != ticket)
        sched_yield();
}

bool spin_trylock(spinlock_t *lock)
{
    u16 owner = atomic_load(&lock->owner), expected = owner;

    if (!atomic_cmpxchg(&lock->next, &expected, (u16)(owner + 1))) {
        sched_yield();
        return false;
    }
    classes_held |= 1u << lock->class;
    return true;
}

void spin_unlock(spinlock_t *lock)
{
    classes_held &= ~(1u << lock->class);
    atomic_store(&lock->owner, (u16)(lock->owner + 1));
}

void *xzalloc(size_t bytes)
{
    return calloc(1, bytes);
}

void xfree(void *p)
{
    free(p);
}

void *frames_alloc(unsigned order)
{
    void *p = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);

    memset(p, 0, PAGE_SIZE << order);
    return p;
}

void frames_free(void *p, unsigned order)
{
    free(p);
}

/* --- senders, movers and consumers --- */

#define PORTS  8
#define EVENTS 20000

static u32 port_of[PORTS];           /* receiving ends in world[0]; sent through a loopback peer */
static u32 sent[PORTS], seen[PORTS]; /* sequence numbers: seen follows sent when the port's event is taken */
static bool stop;

static int setup(void **state)
{
    world_start();
    stop = false;
    memset(sent, 0, sizeof(sent));
    memset(seen, 0, sizeof(seen));
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(world_stop(), 0);
    return 0;
}

static void open_ports(void)
{
    for (unsigned i = 0; i < PORTS; i++) {
        u32 a;

        assert_int_equal(world_alloc_unbound(0, DOMID_SELF, &a), 0);
        assert_int_equal(world_bind_interdomain(0, DOMID_SELF, a, &port_of[i]), 0);
        assert_int_equal(port_of[i], a + 1);
    }
}

/* vCPU 0 and 1 send on alternate ports. */
static void *sender(void *arg)
{
    unsigned vcpu = (uintptr_t)arg;

    for (u32 n = 1; n <= EVENTS; n++) {
        unsigned i = (n * 2 + vcpu) % PORTS;
        u32 peer = port_of[i] - 1;

        atomic_add(&sent[i], 1);
        if (world_op(0, vcpu, EVTCHNOP_send, &peer, sizeof(peer)))
            abort();
    }
    return NULL;
}

/* Moves ports between vCPUs 2 and 3, whose consumers run in one thread, and changes priorities. */
static void *mover(void *arg)
{
    for (u32 n = 0; !atomic_load(&stop); n++) {
        struct evtchn_bind_vcpu move = {.port = port_of[n % PORTS], .vcpu = 2 + n / PORTS % 2};
        struct evtchn_set_priority prio = {.port = port_of[n % PORTS], .priority = n / 3 % 16};

        if (world_op(0, 2, EVTCHNOP_bind_vcpu, &move, sizeof(move)))
            abort();
        if (arg && world_op(0, 2, EVTCHNOP_set_priority, &prio, sizeof(prio)))
            abort();
    }
    return NULL;
}

static void note(const u32 *got, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        for (unsigned i = 0; i < PORTS; i++)
            if (got[k] == port_of[i])
                seen[i] = atomic_load(&sent[i]); /* what was sent before we took the bit is in this event */
}

static unsigned consume(bool fifo, unsigned vcpu)
{
    u32 got[64];
    unsigned n = fifo ? world_consume_fifo(0, vcpu, got, 64) : world_consume_2l(0, vcpu, got, 64);

    note(got, n);
    return n;
}

static void drain(bool fifo)
{
    for (unsigned v = 0; v < WORLD_VCPUS; v++)
        while (consume(fifo, v))
            ;
}

static void *consumer(void *arg)
{
    while (!atomic_load(&stop)) {
        for (unsigned v = 0; v < WORLD_VCPUS; v++)
            consume(arg != NULL, v);
        sched_yield();
    }
    return NULL;
}

static void run_storm(bool fifo)
{
    pthread_t s0, s1, m, c;

    assert_int_equal(pthread_create(&c, NULL, consumer, fifo ? &stop : NULL), 0);
    assert_int_equal(pthread_create(&m, NULL, mover, fifo ? &stop : NULL), 0);
    assert_int_equal(pthread_create(&s0, NULL, sender, (void *)0), 0);
    assert_int_equal(pthread_create(&s1, NULL, sender, (void *)1), 0);
    pthread_join(s0, NULL);
    pthread_join(s1, NULL);
    atomic_store(&stop, true);
    pthread_join(m, NULL);
    pthread_join(c, NULL);
    drain(fifo);
    for (unsigned i = 0; i < PORTS; i++) {
        assert_true(sent[i] > 0);
        assert_int_equal(seen[i], sent[i]);
    }
}

static void no_event_is_lost_in_the_2_level_abi(void **state)
{
    open_ports();
    run_storm(false);
}

static void no_event_is_lost_in_the_fifo_abi(void **state)
{
    open_ports();
    world_enter_fifo(0, 1);
    run_storm(true);
}

/* Senders run while the domain changes its ABI and its pages arrive. */
static void no_event_is_lost_when_the_abi_changes(void **state)
{
    pthread_t s0, s1;

    open_ports();
    assert_int_equal(pthread_create(&s0, NULL, sender, (void *)0), 0);
    assert_int_equal(pthread_create(&s1, NULL, sender, (void *)1), 0);
    sched_yield();
    for (u32 n = 0; n < WORLD_VCPUS; n++) {
        struct evtchn_init_control a = {.control_gfn = CONTROL_GFN, .offset = n * 128, .vcpu = n};

        assert_int_equal(world_op(0, 2, EVTCHNOP_init_control, &a, sizeof(a)), 0);
        world[0].control[n] = (void *)(world[0].ram + CONTROL_GFN * PAGE_SIZE + n * 128);
    }
    for (u32 i = 0; i < 2; i++) {
        struct evtchn_expand_array a = {.array_gfn = ARRAY_GFN(i)};

        assert_int_equal(world_op(0, 2, EVTCHNOP_expand_array, &a, sizeof(a)), 0);
    }
    for (unsigned v = 0; v < WORLD_VCPUS; v++)
        consume(true, v);
    pthread_join(s0, NULL);
    pthread_join(s1, NULL);
    drain(true);
    for (unsigned i = 0; i < PORTS; i++)
        assert_int_equal(seen[i], sent[i]);
}

/* Both ends of channels opened and closed by their domains at the same time; senders in between. */
static void *opener(void *arg)
{
    unsigned dom = (uintptr_t)arg;

    for (u32 n = 0; n < EVENTS / 4; n++) {
        struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 1 - dom};
        struct evtchn_bind_interdomain b = {.remote_dom = 1 - dom, .remote_port = 1 + n % 4};
        u32 port = 1 + n % 8;

        world_op(dom, 0, EVTCHNOP_alloc_unbound, &a, sizeof(a));
        world_op(dom, 0, EVTCHNOP_bind_interdomain, &b, sizeof(b));
        world_op(dom, 0, EVTCHNOP_send, &port, sizeof(port));
        port = 1 + n % 5;
        world_op(dom, 0, EVTCHNOP_close, &port, sizeof(port));
        if (n % 512 == 0) {
            struct evtchn_reset r = {.dom = DOMID_SELF};

            world_op(dom, 0, EVTCHNOP_reset, &r, sizeof(r));
        }
    }
    return NULL;
}

static void both_ends_may_open_and_close_at_once(void **state)
{
    evtchn_status_t s, peer;
    pthread_t t0, t1;

    assert_int_equal(pthread_create(&t0, NULL, opener, (void *)0), 0);
    assert_int_equal(pthread_create(&t1, NULL, opener, (void *)1), 0);
    pthread_join(t0, NULL);
    pthread_join(t1, NULL);
    /* Every connected port's peer is connected to it. */
    for (u32 port = 1; world_status(0, DOMID_SELF, port, &s) == 0; port++) {
        if (s.status != EVTCHNSTAT_interdomain)
            continue;
        assert_int_equal(world_status(0, s.u.interdomain.dom, s.u.interdomain.port, &peer), 0);
        assert_int_equal(peer.status, EVTCHNSTAT_interdomain);
        assert_int_equal(peer.u.interdomain.dom, 0);
        assert_int_equal(peer.u.interdomain.port, port);
    }
    assert_int_equal(world_reset(0, DOMID_SELF), 0);
    for (u32 port = 1; world_status(0, 1, port, &s) == 0; port++)
        assert_int_not_equal(s.status, EVTCHNSTAT_interdomain);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_event_is_lost_in_the_2_level_abi),
        T(no_event_is_lost_in_the_fifo_abi),
        T(no_event_is_lost_when_the_abi_changes),
        T(both_ends_may_open_and_close_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
