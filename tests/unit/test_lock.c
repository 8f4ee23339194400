/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/core/lock.c */
/* libs: -lpthread */
/* Ticket locks: exclusion, fairness of the hand-over, and the order debug builds insist on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include <torii/lock.h>
#include <torii/log.h>
#include <torii/percpu.h>

#define THREADS 3
#define ROUNDS  2000

static struct pcpu cpu[THREADS + 1];
static spinlock_t outer, inner, other;
static unsigned counter;

void panic(const char *fmt, ...)
{
    mock_assert(0, fmt, __FILE__, __LINE__);
    abort();
}

static void this_is(struct pcpu *c)
{
    *c = (struct pcpu){.self = c};
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, c))
        abort();
}

static int start(void **state)
{
    this_is(&cpu[0]);
    spin_lock_init(&outer, LOCK_DOMAIN);
    spin_lock_init(&inner, LOCK_CONSOLE);
    spin_lock_init(&other, LOCK_CONSOLE);
    return 0;
}

static void a_lock_that_is_held_is_not_taken_again(void **state)
{
    spin_lock(&outer);
    assert_false(spin_trylock(&outer));
    spin_unlock(&outer);
    assert_true(spin_trylock(&outer));
    assert_int_equal(cpu[0].locks_held, 1u << LOCK_DOMAIN);
    spin_unlock(&outer);
    assert_int_equal(cpu[0].locks_held, 0);
}

static void locks_nest_from_outside_to_inside(void **state)
{
    spin_lock(&outer);
    spin_lock(&inner);
    assert_int_equal(cpu[0].locks_held, 1u << LOCK_DOMAIN | 1u << LOCK_CONSOLE);
    spin_unlock(&inner);
    spin_unlock(&outer);
}

static void the_wrong_order_is_a_panic(void **state)
{
    spin_lock(&inner);
    expect_assert_failure(spin_lock(&outer));
    spin_unlock(&inner);
}

static void two_locks_of_a_class_are_a_panic(void **state)
{
    spin_lock(&inner);
    expect_assert_failure(spin_lock(&other));
    spin_unlock(&inner);
}

static void tickets_survive_their_wrap(void **state)
{
    outer.next = outer.owner = UINT16_MAX;
    spin_lock(&outer);
    assert_int_equal(outer.next, 0);
    assert_false(spin_trylock(&outer));
    spin_unlock(&outer);
    assert_int_equal(outer.owner, 0);
    assert_true(spin_trylock(&outer));
    spin_unlock(&outer);
}

static void *count(void *arg)
{
    this_is(arg);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned seen;

        if (i & 1)
            while (!spin_trylock(&outer))
                sched_yield();
        else
            spin_lock(&outer);
        seen = *(volatile unsigned *)&counter;
        *(volatile unsigned *)&counter = seen + 1;
        spin_unlock(&outer);
        sched_yield(); /* the next ticket may belong to a thread that has no processor */
    }
    return NULL;
}

static void no_update_under_the_lock_is_lost(void **state)
{
    pthread_t thread[THREADS];

    counter = 0;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count, &cpu[i + 1]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(counter, THREADS * ROUNDS);
    assert_int_equal(outer.next, outer.owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_lock_that_is_held_is_not_taken_again, start),
        cmocka_unit_test_setup(locks_nest_from_outside_to_inside, start),
        cmocka_unit_test_setup(the_wrong_order_is_a_panic, start),
        cmocka_unit_test_setup(two_locks_of_a_class_are_a_panic, start),
        cmocka_unit_test_setup(tickets_survive_their_wrap, start),
        cmocka_unit_test_setup(no_update_under_the_lock_is_lost, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
