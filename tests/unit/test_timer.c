/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/core/timer.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include <torii/timer_queue.h>

#include "fakes.h"

#define NONE (~0ull)

static struct timer_queue queues[2];
static unsigned this_queue, programs;
static u64 now, programmed[2];

struct timer_queue *timer_queue_this(void)
{
    return &queues[this_queue];
}

void timer_program(u64 deadline_ns)
{
    programmed[this_queue] = deadline_ns;
    programs++;
}

u64 now_ns(void)
{
    return now;
}

static struct timer *fired[64];
static unsigned nr_fired;

static void record(struct timer *t)
{
    assert_false(timer_is_active(t));
    assert_int_equal(fake_locks_held, 0);
    fired[nr_fired++] = t;
}

static int setup(void **state)
{
    this_queue = programs = nr_fired = 0;
    now = 1000;
    programmed[0] = programmed[1] = NONE;
    timer_queue_init(&queues[0]);
    timer_queue_init(&queues[1]);
    return 0;
}

static int teardown(void **state)
{
    return fake_locks_held;
}

static void a_zeroed_timer_is_stopped_and_may_be_stopped(void **state)
{
    struct timer t = {.fn = record};

    timer_stop(&t);
    assert_false(timer_is_active(&t));
    assert_int_equal(programs, 0);
    assert_int_equal(timer_queue_next(), NONE);
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
    struct timer a = {.fn = record}, b = {.fn = record}, c = {.fn = record};

    timer_start(&b, 2000);
    timer_start(&c, 3000);
    timer_start(&a, 1500);
    now = 3000;
    timer_queue_run();
    assert_int_equal(nr_fired, 3);
    assert_ptr_equal(fired[0], &a);
    assert_ptr_equal(fired[1], &b);
    assert_ptr_equal(fired[2], &c);
}

static void equal_deadlines_fire_in_the_order_they_were_armed(void **state)
{
    struct timer t[5];

    for (unsigned i = 0; i < 5; i++) {
        t[i] = (struct timer){.fn = record};
        timer_start(&t[i], 2000);
    }
    now = 2000;
    timer_queue_run();
    for (unsigned i = 0; i < 5; i++)
        assert_ptr_equal(fired[i], &t[i]);
}

static void a_timer_does_not_fire_before_its_deadline(void **state)
{
    struct timer t = {.fn = record};

    timer_start(&t, 2000);
    now = 1999;
    timer_queue_run();
    assert_int_equal(nr_fired, 0);
    assert_true(timer_is_active(&t));
    assert_int_equal(programmed[0], 2000);
    timer_stop(&t);
}

static void the_hardware_is_programmed_only_when_the_earliest_deadline_changes(void **state)
{
    struct timer a = {.fn = record}, b = {.fn = record};

    timer_start(&a, 2000);
    assert_int_equal(programs, 1);
    timer_start(&b, 3000);
    assert_int_equal(programs, 1);
    timer_start(&b, 1500);
    assert_int_equal(programs, 2);
    assert_int_equal(programmed[0], 1500);
    timer_stop(&a);
    assert_int_equal(programs, 2);
    timer_stop(&b);
    assert_int_equal(programmed[0], NONE);
}

static void rearming_moves_a_timer(void **state)
{
    struct timer t = {.fn = record};

    timer_start(&t, 2000);
    timer_start(&t, 5000);
    now = 2000;
    timer_queue_run();
    assert_int_equal(nr_fired, 0);
    now = 5000;
    timer_queue_run();
    assert_int_equal(nr_fired, 1);
    assert_int_equal(programmed[0], NONE);
}

static void a_deadline_in_the_past_never_fires_inside_the_call(void **state)
{
    struct timer t = {.fn = record};

    timer_start(&t, 5);
    assert_int_equal(nr_fired, 0);
    assert_int_equal(programmed[0], 5);
    timer_queue_run();
    assert_int_equal(nr_fired, 1);
}

static unsigned again;

static void rearm_in_the_past(struct timer *t)
{
    nr_fired++;
    if (again && again--)
        timer_start(t, t->deadline + 1);
}

static void a_callback_that_rearms_for_the_past_waits_for_the_next_run(void **state)
{
    struct timer t = {.fn = rearm_in_the_past};

    again = 3;
    timer_start(&t, 10);
    for (unsigned run = 1; run <= 4; run++) {
        timer_queue_run();
        assert_int_equal(nr_fired, run);
    }
    timer_queue_run();
    assert_int_equal(nr_fired, 4);
}

static void a_callback_that_rearms_programs_the_hardware_once(void **state)
{
    struct timer t = {.fn = rearm_in_the_past};

    again = 1;
    timer_start(&t, 1000);
    programs = 0;
    timer_queue_run();
    assert_int_equal(programs, 1);
    assert_int_equal(programmed[0], 1001);
    timer_stop(&t);
}

static struct timer *victim;

static void stop_victim(struct timer *t)
{
    record(t);
    timer_stop(victim);
}

static void a_callback_can_stop_a_timer_that_is_due_as_well(void **state)
{
    struct timer a = {.fn = stop_victim}, b = {.fn = record};

    victim = &b;
    timer_start(&a, 1000);
    timer_start(&b, 1000);
    timer_queue_run();
    assert_int_equal(nr_fired, 1);
    assert_false(timer_is_active(&b));
    assert_int_equal(programmed[0], NONE);
}

static void rearm_and_stop(struct timer *t)
{
    record(t);
    timer_start(t, 1);
    assert_true(timer_is_active(t));
    timer_stop(t);
}

static void a_callback_can_stop_what_it_just_armed_for_the_past(void **state)
{
    struct timer t = {.fn = rearm_and_stop};

    timer_start(&t, 1000);
    timer_queue_run();
    timer_queue_run();
    assert_int_equal(nr_fired, 1);
    assert_int_equal(timer_queue_next(), NONE);
}

static void another_cpu_can_stop_a_timer_without_touching_its_own_hardware(void **state)
{
    struct timer t = {.fn = record};

    timer_start(&t, 2000);
    this_queue = 1;
    programs = 0;
    timer_stop(&t);
    assert_int_equal(programs, 0);
    assert_false(timer_is_active(&t));
    this_queue = 0;
    now = 2000;
    timer_queue_run();
    assert_int_equal(nr_fired, 0);
    assert_int_equal(programmed[0], NONE);
}

static void starting_on_another_cpu_moves_the_timer_there(void **state)
{
    struct timer t = {.fn = record};

    timer_start(&t, 2000);
    this_queue = 1;
    timer_start(&t, 1500);
    assert_ptr_equal(t.queue, &queues[1]);
    assert_int_equal(programmed[1], 1500);
    now = 3000;
    this_queue = 0;
    timer_queue_run();
    assert_int_equal(nr_fired, 0);
    this_queue = 1;
    timer_queue_run();
    assert_int_equal(nr_fired, 1);
}

static void timers_of_a_cpu_that_is_gone_fire_on_who_takes_them(void **state)
{
    struct timer t[3] = {{.fn = record}, {.fn = record}, {.fn = record}};

    this_queue = 1;
    timer_start(&t[0], 2000);
    timer_start(&t[1], 500);
    this_queue = 0;
    timer_start(&t[2], 1800);
    timer_queue_abandon(&queues[1]);
    assert_null(queues[1].head);
    assert_int_equal(programmed[0], 500);
    now = 2000;
    timer_queue_run();
    assert_int_equal(nr_fired, 3);
    assert_ptr_equal(fired[0], &t[1]);
    assert_ptr_equal(fired[1], &t[2]);
    assert_ptr_equal(fired[2], &t[0]);
    timer_queue_abandon(&queues[1]); /* nothing left */
}

static void next_is_the_calling_cpus_earliest_deadline(void **state)
{
    struct timer a = {.fn = record}, b = {.fn = record};

    timer_start(&a, 5000);
    this_queue = 1;
    timer_start(&b, 3000);
    assert_int_equal(timer_queue_next(), 3000);
    this_queue = 0;
    assert_int_equal(timer_queue_next(), 5000);
    timer_stop(&a);
    timer_stop(&b);
}

/* --- against an array searched by brute force --- */

#define ORACLE_TIMERS 50

static struct timer pool[ORACLE_TIMERS];
static struct {
    bool active;
    u64 deadline, order;
} oracle[ORACLE_TIMERS];
static u64 last_deadline, last_order;

static void check_oracle(struct timer *t)
{
    unsigned i = t - pool;

    assert_true(oracle[i].active);
    assert_true(oracle[i].deadline <= now);
    assert_true(oracle[i].deadline > last_deadline ||
                (oracle[i].deadline == last_deadline && oracle[i].order > last_order));
    last_deadline = oracle[i].deadline;
    last_order = oracle[i].order;
    oracle[i].active = false;
}

static void ten_thousand_random_operations_agree_with_a_brute_force_search(void **state)
{
    u64 order = 0;

    srand(1);
    for (unsigned i = 0; i < ORACLE_TIMERS; i++) {
        pool[i] = (struct timer){.fn = check_oracle};
        oracle[i].active = false;
    }
    for (unsigned step = 0; step < 10000; step++) {
        unsigned i = rand() % ORACLE_TIMERS, op = rand() % 8;
        u64 earliest = NONE;

        if (op < 4) {
            oracle[i].active = true;
            oracle[i].deadline = now + rand() % 200;
            oracle[i].order = ++order;
            timer_start(&pool[i], oracle[i].deadline);
        } else if (op < 6) {
            oracle[i].active = false;
            timer_stop(&pool[i]);
        } else {
            now += rand() % 60;
            last_deadline = last_order = 0;
            timer_queue_run();
        }
        for (unsigned k = 0; k < ORACLE_TIMERS; k++) {
            assert_int_equal(timer_is_active(&pool[k]), oracle[k].active);
            if (!oracle[k].active)
                continue;
            earliest = oracle[k].deadline < earliest ? oracle[k].deadline : earliest;
            if (op >= 6)
                assert_true(oracle[k].deadline > now);
        }
        assert_int_equal(timer_queue_next(), earliest);
        assert_int_equal(programmed[0], earliest);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_zeroed_timer_is_stopped_and_may_be_stopped),
        T(timers_fire_in_the_order_of_their_deadlines),
        T(equal_deadlines_fire_in_the_order_they_were_armed),
        T(a_timer_does_not_fire_before_its_deadline),
        T(the_hardware_is_programmed_only_when_the_earliest_deadline_changes),
        T(rearming_moves_a_timer),
        T(a_deadline_in_the_past_never_fires_inside_the_call),
        T(a_callback_that_rearms_for_the_past_waits_for_the_next_run),
        T(a_callback_that_rearms_programs_the_hardware_once),
        T(a_callback_can_stop_a_timer_that_is_due_as_well),
        T(a_callback_can_stop_what_it_just_armed_for_the_past),
        T(another_cpu_can_stop_a_timer_without_touching_its_own_hardware),
        T(starting_on_another_cpu_moves_the_timer_there),
        T(timers_of_a_cpu_that_is_gone_fire_on_who_takes_them),
        T(next_is_the_calling_cpus_earliest_deadline),
        T(ten_thousand_random_operations_agree_with_a_brute_force_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
