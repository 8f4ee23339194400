/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/startup.c tests/unit/fakes.c */
/* INIT and SIPI to processors that answer, that are late, that are somewhere else, and that are not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <torii/lapic.h>
#include <torii/machine.h>
#include <torii/smp.h>
#include <torii/time.h>

#define MS      1000000ull
#define APIC_ID 7
#define PAGE    0x2000ul
#define NEVER   ~0ull

/* A processor: INIT stops it, unless it is lost; the first SIPI after that starts it; it answers so much later. */
static struct {
    unsigned lost_inits;
    u64 takes;
    bool waits;
    u64 answers_at;
} processor;
static u64 now;
static bool answered;
static char sent[256];

u64 now_ns(void)
{
    now += MS / 4;
    if (now >= processor.answers_at)
        answered = true;
    return now;
}

void machine_delay_ms(unsigned ms)
{
    assert_int_equal(ms, 10);
    now += ms * MS;
}

void lapic_send(u32 dest, u32 icr_low)
{
    assert_int_equal(dest, APIC_ID);
    if (icr_low == (ICR_INIT | ICR_ASSERT)) {
        strcat(sent, "I");
        if (processor.lost_inits) {
            processor.lost_inits--;
            return;
        }
        processor.waits = true;
        processor.answers_at = NEVER;
        return;
    }
    assert_int_equal(icr_low, ICR_STARTUP | ICR_ASSERT | PAGE >> PAGE_SHIFT);
    strcat(sent, "s");
    if (processor.waits && processor.takes != NEVER)
        processor.answers_at = now + processor.takes;
    processor.waits = false;
}

static bool startup(unsigned lost_inits, u64 takes)
{
    processor.lost_inits = lost_inits;
    processor.takes = takes;
    processor.waits = false;
    processor.answers_at = NEVER;
    now = 0;
    sent[0] = '\0';
    return smp_startup(APIC_ID, PAGE, &answered);
}

static void one_that_answers_gets_init_and_one_sipi(void **state)
{
    assert_true(startup(0, MS));
    assert_string_equal(sent, "Is");
}

static void a_late_one_gets_a_second_sipi_and_no_second_init(void **state)
{
    assert_true(startup(0, 40 * MS));
    assert_string_equal(sent, "Iss");
}

static void one_that_runs_elsewhere_gets_init_again(void **state)
{
    assert_true(startup(1, MS));
    assert_string_equal(sent, "IssIs");
    assert_true(startup(3, MS));
    assert_string_equal(sent, "IssIssIssIs");
}

/* Every round waits longer, so one that is stopped by each INIT gets there at last. */
static void a_very_slow_one_gets_time_enough(void **state)
{
    assert_true(startup(0, 1000 * MS));
    assert_string_equal(sent, "IssIssIssIssIssIss");
}

static void an_answer_from_before_is_none(void **state)
{
    answered = true;
    assert_false(startup(0, NEVER));
}

static void one_that_is_not_there_is_left_waiting_within_four_seconds(void **state)
{
    assert_false(startup(0, NEVER));
    assert_string_equal(sent, "IssIssIssIssIssIssI");
    assert_true(processor.waits);
    assert_in_range(now, 2000 * MS, 4000 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_answers_gets_init_and_one_sipi),
        cmocka_unit_test(a_late_one_gets_a_second_sipi_and_no_second_init),
        cmocka_unit_test(one_that_runs_elsewhere_gets_init_again),
        cmocka_unit_test(a_very_slow_one_gets_time_enough),
        cmocka_unit_test(an_answer_from_before_is_none),
        cmocka_unit_test(one_that_is_not_there_is_left_waiting_within_four_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
