/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/cstate.c src/machine/pstate.c tests/unit/fakes.c */
/* Choice of idle states, and what is kept of both kinds of states. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/cstate.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/pstate.h>
#include <torii/time.h>
#include <torii/timer_queue.h>

#include "fakes.h"

static u64 now, next_timer, sleep_ns;
static unsigned this_one;
static struct cstate entered;
static bool wake;

u64 now_ns(void)
{
    return now;
}

u64 timer_queue_next(void)
{
    return next_timer;
}

unsigned cpu_this(void)
{
    return this_one;
}

unsigned cpu_count(void)
{
    return MAX_CPUS;
}

void governor_adopt(unsigned cpu, const struct pstates *p)
{
}

int governor_statistics(unsigned cpu, struct pstate_statistics *out, bool reset)
{
    return -XEN_ENODEV;
}

enum pstate_driver pstate_driver(const char **text)
{
    *text = "";
    return PSTATE_DRIVER_NONE;
}

/* All a processor may have, but C7. */
void cstate_limits_read(struct cstate_limits *limits)
{
    *limits = (struct cstate_limits){.mwait = true, .mwait_hints = 0x00000220, .timer_runs = true};
}

void cstate_enter(const struct cstate *state, const bool *w)
{
    assert_ptr_equal(w, &wake);
    entered = *state;
    now += sleep_ns;
}

/* Idle again and again, each time for that long, until the choice has settled. */
static struct cstate sleeps_of(u64 ns, u64 timer)
{
    for (unsigned i = 0; i < 50; i++) {
        sleep_ns = ns;
        next_timer = timer == ~0ull ? timer : now + timer;
        cstate_idle(&wake);
    }
    return entered;
}

static const struct cstate c1 = {CSTATE_HLT, 1, 0, 1}, c2 = {CSTATE_IO, 2, 0x414, 50},
                           c1e = {CSTATE_MWAIT, 1, 0x01, 10}, c3 = {CSTATE_IO, 3, 0x415, 100};

static void a_cpu_without_data_halts(void **state)
{
    (void)state;
    this_one = 0;
    assert_int_equal(sleeps_of(10000000, ~0ull).method, CSTATE_HLT);
    assert_int_equal(entered.type, 1);
}

static void long_sleeps_go_deep_and_short_ones_do_not(void **state)
{
    const struct cstate all[] = {c2, c1, c1e};

    (void)state;
    this_one = 1;
    assert_int_equal(cstate_set(1, all, 3), 0);
    assert_int_equal(sleeps_of(1000000, ~0ull).address, 0x414);
    assert_int_equal(sleeps_of(100000, ~0ull).address, 0x01); /* 30 us pay for it, not 150 */
    assert_int_equal(sleeps_of(1000, ~0ull).method, CSTATE_HLT);
}

static void a_timer_soon_keeps_the_sleep_light(void **state)
{
    (void)state;
    this_one = 1;
    assert_int_equal(sleeps_of(1000000, ~0ull).address, 0x414);
    next_timer = now + 20000;
    cstate_idle(&wake);
    assert_int_equal(entered.method, CSTATE_HLT);
    next_timer = now + 40000;
    cstate_idle(&wake);
    assert_int_equal(entered.address, 0x01);
    next_timer = now - 1; /* overdue */
    cstate_idle(&wake);
    assert_int_equal(entered.method, CSTATE_HLT);
}

/* The TSC of these limits stops in C3. */
static void states_that_stop_the_clock_are_left_out(void **state)
{
    const struct cstate deep[] = {c1, c3};

    (void)state;
    this_one = 2;
    assert_int_equal(cstate_set(2, deep, 2), 0);
    assert_int_equal(sleeps_of(100000000, ~0ull).method, CSTATE_HLT);
}

static void states_that_cannot_be_are_refused(void **state)
{
    static const struct cstate bad[] = {
        {CSTATE_HLT, 2, 0, 0},      {CSTATE_IO, 0, 0x414, 0},
        {CSTATE_IO, 4, 0x414, 0},   {CSTATE_IO, 2, 0, 0},
        {CSTATE_IO, 2, 0x10000, 0}, {CSTATE_MWAIT, 2, 0x20, 0},
        {CSTATE_MWAIT, 1, 0x02, 0}, {CSTATE_MWAIT, 1, 0x100, 0},
        {CSTATE_MWAIT, 1, 0x70, 0}, {(enum cstate_method)3, 1, 0, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(cstate_set(3, &bad[i], 1), -XEN_EINVAL);
    assert_int_equal(cstate_set(MAX_CPUS, &c1, 1), -XEN_EINVAL);
    assert_int_equal(cstate_set(3, &c1, 0), -XEN_EINVAL);
    assert_int_equal(cstate_set(3, &c1, CSTATES_MAX + 1), -XEN_EINVAL);
    fake_alloc_fail_after = 0;
    assert_int_equal(cstate_set(3, &c1, 1), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    assert_int_equal(fake_locks_held, 0);
    this_one = 3;
    assert_int_equal(sleeps_of(1000000, ~0ull).method, CSTATE_HLT);
}

static void new_states_replace_the_old_again_and_again(void **state)
{
    (void)state;
    this_one = 4;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(cstate_set(4, i & 1 ? &c1e : &c2, 1), 0);
        assert_int_equal(sleeps_of(1000000, ~0ull).method, i & 1 ? CSTATE_MWAIT : CSTATE_IO);
    }
}

static void counters_tell_how_often_and_how_long(void **state)
{
    (void)state;
    this_one = 5;
    for (unsigned i = 0; i < 3; i++) {
        sleep_ns = 2000000;
        next_timer = 0;
        cstate_idle(&wake);
    }
    cstate_dump();
    assert_non_null(strstr(fake_log_last, "3 times, 6000 us"));
    assert_non_null(strstr(fake_log_last, "CPU 5 C1 HLT"));
}

static void performance_data_comes_in_parts(void **state)
{
    struct pstates p = {.has = PSTATE_HAS_LIMIT, .limit = 1};

    (void)state;
    assert_int_equal(pstate_update(0, &p), -XEN_EINVAL); /* of how many? */
    assert_null(pstate_get(0));
    p = (struct pstates){.has = PSTATE_HAS_STATES | PSTATE_HAS_LIMIT, .nr = 2, .limit = 2};
    p.state[0].mhz = 2000;
    p.state[1].mhz = 1000;
    assert_int_equal(pstate_update(0, &p), -XEN_EINVAL);
    p.limit = 0;
    assert_int_equal(pstate_update(0, &p), 0);
    p = (struct pstates){.has = PSTATE_HAS_LIMIT, .limit = 1};
    assert_int_equal(pstate_update(0, &p), 0);
    assert_int_equal(pstate_get(0)->nr, 2);
    assert_int_equal(pstate_get(0)->limit, 1);
    assert_int_equal(pstate_get(0)->state[0].mhz, 2000);
    p.limit = 2;
    assert_int_equal(pstate_update(0, &p), -XEN_EINVAL);
    assert_int_equal(pstate_get(0)->limit, 1);
    p = (struct pstates){.has = PSTATE_HAS_REGISTERS | PSTATE_HAS_DOMAIN, .domain = 3, .control = {1, 16, 0x880}};
    assert_int_equal(pstate_update(0, &p), 0);
    assert_int_equal(pstate_get(0)->control.address, 0x880);
    assert_int_equal(pstate_get(0)->domain, 3);
    assert_int_equal(pstate_get(0)->has, 15);
    pstate_dump();
    assert_non_null(strstr(fake_log_last, "P1 1000 MHz"));
    assert_int_equal(pstate_update(MAX_CPUS, &p), -XEN_EINVAL);
    assert_null(pstate_get(MAX_CPUS));
    fake_alloc_fail_after = 0;
    assert_int_equal(pstate_update(1, &p), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_without_data_halts),
        cmocka_unit_test(long_sleeps_go_deep_and_short_ones_do_not),
        cmocka_unit_test(a_timer_soon_keeps_the_sleep_light),
        cmocka_unit_test(states_that_stop_the_clock_are_left_out),
        cmocka_unit_test(states_that_cannot_be_are_refused),
        cmocka_unit_test(new_states_replace_the_old_again_and_again),
        cmocka_unit_test(counters_tell_how_often_and_how_long),
        cmocka_unit_test(performance_data_comes_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
