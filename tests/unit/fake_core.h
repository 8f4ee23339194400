/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the lowest rooms need, in place of fakes.c: a panic that a test can expect, locks that check their order, the
 * calling CPU, the clock.
 */
#ifndef TORII_TESTS_FAKE_CORE_H
#define TORII_TESTS_FAKE_CORE_H

#include <torii/lock.h>
#include <torii/log.h>
#include <torii/percpu.h>

/* Everything logged since fake_log_clear. */
extern char fake_log[16384];
void fake_log_clear(void);

/* Spinlocks held now; fake_locks_break releases those a panic left. */
extern unsigned fake_locks_held;
void fake_locks_break(void);

/* What now_ns says. */
extern u64 fake_now;

/* this_cpu() is c from now on. */
void fake_this_cpu(struct pcpu *c);

/* A generator of its own, so that a failure comes back with the seed that is printed with it. */
u64 fake_random(u64 *seed);

/* The call must end in panic(), as a failed assert does. */
#define assert_panics(call)          \
    do {                             \
        expect_assert_failure(call); \
        fake_locks_break();          \
    } while (0)

#endif
