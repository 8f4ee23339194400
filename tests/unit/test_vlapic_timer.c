/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vdev_fakes.h"

#define VECTOR   0xec
#define PERIODIC (1u << 17)
#define TSCMODE  (2u << 17)
#define DIV1     0xbu

static int setup(void **state)
{
    env_init(2);
    env_x2apic(0);
    env_enable(0);
    env_write(0, APIC_DCR, DIV1);
    return 0;
}

static int teardown(void **state)
{
    env_fini();
    return 0;
}

static void lvt(u32 mode)
{
    env_write(0, APIC_LVT + LVT_TIMER, mode | VECTOR);
}

/* Did it interrupt? Takes and ends the interrupt. */
static bool ticked(void)
{
    bool is = env_take(0) == VECTOR;

    if (is)
        env_write(0, APIC_EOI, 0);
    return is;
}

static void one_shot_fires_once_after_its_count(void **state)
{
    u64 t0 = env_now;

    lvt(0);
    env_write(0, APIC_TICR, 1000);
    env_run_to(t0 + 9999);
    assert_false(ticked());
    env_run_to(t0 + 10000);
    assert_true(ticked());
    env_run_to(t0 + 1000000);
    assert_false(ticked());
    assert_int_equal(env_read(0, APIC_TICR), 1000);
    assert_int_equal(env_programmed, ~0ull);
}

static void all_dividers_divide(void **state)
{
    static const struct {
        u8 dcr, divide;
    } d[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

    lvt(0);
    for (unsigned i = 0; i < ARRAY_SIZE(d); i++) {
        u64 t0 = env_now;

        env_write(0, APIC_DCR, d[i].dcr);
        env_write(0, APIC_TICR, 100);
        assert_int_equal(env_programmed, t0 + 1000 * d[i].divide);
        env_run_to(env_programmed);
        assert_true(ticked());
    }
}

static void the_current_count_runs_down(void **state)
{
    u64 t0 = env_now;

    lvt(0);
    env_write(0, APIC_TICR, 100);
    assert_int_equal(env_read(0, APIC_TCCR), 100);
    env_now = t0 + 9;
    assert_int_equal(env_read(0, APIC_TCCR), 100);
    env_now = t0 + 10;
    assert_int_equal(env_read(0, APIC_TCCR), 99);
    env_now = t0 + 999;
    assert_int_equal(env_read(0, APIC_TCCR), 1);
    env_now = t0 + 1000;
    assert_int_equal(env_read(0, APIC_TCCR), 0);
    env_now = t0 + 5000;
    assert_int_equal(env_read(0, APIC_TCCR), 0);
}

static void the_largest_count_does_not_overflow(void **state)
{
    u64 t0 = env_now;

    lvt(0);
    env_write(0, APIC_DCR, 10);
    env_write(0, APIC_TICR, ~0u);
    assert_int_equal(env_programmed, t0 + 0xffffffffull * 1280);
    env_now = t0 + 0x80000000ull * 1280;
    assert_int_equal(env_read(0, APIC_TCCR), 0x7fffffff);
}

static void periodic_ticks_lie_on_a_grid_however_late_they_are_served(void **state)
{
    u64 t0 = env_now;

    lvt(PERIODIC);
    env_write(0, APIC_TICR, 100000); /* 1 ms */
    for (unsigned i = 1; i <= 1000; i++) {
        assert_int_equal(env_programmed, t0 + i * 1000000ull);
        env_now = env_programmed + i * 37 % 900000;
        timer_queue_run();
        assert_true(ticked());
    }
}

static void missed_periodic_ticks_are_one_tick(void **state)
{
    u64 t0 = env_now;

    lvt(PERIODIC);
    env_write(0, APIC_TICR, 100000);
    env_now = t0 + 3500000;
    timer_queue_run();
    assert_true(ticked());
    assert_int_equal(env_programmed, t0 + 4000000);
    assert_false(ticked());
}

static void a_tiny_period_does_not_flood(void **state)
{
    u64 t0 = env_now;
    unsigned ticks = 0;

    lvt(PERIODIC);
    env_write(0, APIC_TICR, 1);
    while (env_now < t0 + 1000000) {
        env_run_to(env_programmed);
        ticks += ticked();
    }
    assert_in_range(ticks, 10, 25);
}

static void the_periodic_count_wraps(void **state)
{
    u64 t0 = env_now;

    lvt(PERIODIC);
    env_write(0, APIC_TICR, 100000);
    env_run_to(t0 + 2250000);
    assert_int_equal(env_read(0, APIC_TCCR), 75000);
}

static void a_zero_count_stops_the_timer(void **state)
{
    lvt(PERIODIC);
    env_write(0, APIC_TICR, 1000);
    env_write(0, APIC_TICR, 0);
    assert_int_equal(env_programmed, ~0ull);
    assert_int_equal(env_read(0, APIC_TCCR), 0);
    env_run_to(env_now + 1000000);
    assert_false(ticked());
}

static void a_new_count_starts_over(void **state)
{
    u64 t0 = env_now;

    lvt(0);
    env_write(0, APIC_TICR, 1000);
    env_now += 5000;
    env_write(0, APIC_TICR, 1000);
    env_run_to(t0 + 14999);
    assert_false(ticked());
    env_run_to(t0 + 15000);
    assert_true(ticked());
}

static void a_masked_timer_counts_silently(void **state)
{
    u64 t0 = env_now;

    lvt(LVT_MASKED);
    env_write(0, APIC_TICR, 1000);
    assert_int_equal(env_read(0, APIC_TCCR), 1000);
    env_run_to(t0 + 20000);
    assert_false(ticked());
    lvt(0);
    env_run_to(t0 + 40000);
    assert_false(ticked());
}

static void unmasking_a_periodic_timer_lets_the_next_tick_through(void **state)
{
    u64 t0 = env_now;

    lvt(PERIODIC | LVT_MASKED);
    env_write(0, APIC_TICR, 100000);
    env_run_to(t0 + 1500000);
    lvt(PERIODIC);
    assert_false(ticked());
    env_run_to(t0 + 2000000);
    assert_true(ticked());
}

static void changing_the_divider_keeps_the_count(void **state)
{
    u64 t0 = env_now;

    lvt(0);
    env_write(0, APIC_TICR, 1000);
    env_now = t0 + 4000;
    assert_int_equal(env_read(0, APIC_TCCR), 600);
    env_write(0, APIC_DCR, 0);
    assert_int_equal(env_read(0, APIC_TCCR), 600);
    assert_int_equal(env_programmed, t0 + 4000 + 600 * 20);
    env_run_to(env_programmed);
    assert_true(ticked());
}

static void changing_the_divider_of_a_periodic_timer_keeps_the_count(void **state)
{
    u64 t0 = env_now;

    env_write(0, APIC_DCR, 10);
    lvt(PERIODIC);
    env_write(0, APIC_TICR, 100000);
    env_now = t0 + 50000 * 1280ull;
    env_write(0, APIC_DCR, DIV1);
    assert_int_equal(env_read(0, APIC_TCCR), 50000);
    assert_int_equal(env_programmed, t0 + 50000 * 1280ull + 500000);
    env_run_to(env_programmed);
    assert_int_equal(env_programmed, t0 + 50000 * 1280ull + 1500000);
}

static void any_change_of_mode_disarms(void **state)
{
    static const u32 modes[] = {0, PERIODIC, TSCMODE};

    for (unsigned from = 0; from < 3; from++) {
        for (unsigned to = 0; to < 3; to++) {
            lvt(modes[from]);
            if (from < 2)
                env_write(0, APIC_TICR, 100000);
            else
                env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(env_now + 1000000));
            assert_int_not_equal(env_programmed, ~0ull);
            lvt(modes[to]);
            assert_int_equal(env_programmed == ~0ull, from != to);
            lvt(modes[(from + 1) % 3]);
            assert_int_equal(env_read_msr(0, MSR_TSC_DEADLINE), 0);
            assert_int_equal(env_read(0, APIC_TCCR), 0);
        }
    }
}

static void the_reserved_mode_never_ticks(void **state)
{
    lvt(3u << 17);
    env_write(0, APIC_TICR, 10);
    env_wrmsr(0, MSR_TSC_DEADLINE, 10);
    env_run_to(env_now + 1000000);
    assert_false(ticked());
    assert_int_equal(env_read(0, APIC_TCCR), 0);
}

/* --- TSC deadline --- */

static void a_tsc_deadline_fires_at_its_time_and_never_early(void **state)
{
    lvt(TSCMODE);
    for (unsigned i = 0; i < 50; i++) {
        u64 deadline = ENV_TSC(env_now) + 100001 + i * 7;

        env_wrmsr(0, MSR_TSC_DEADLINE, deadline);
        assert_int_equal(env_read_msr(0, MSR_TSC_DEADLINE), deadline);
        assert_false(ticked());
        env_run_to(env_programmed);
        assert_true(ns_to_tsc(env_now) >= deadline);
        assert_true(ns_to_tsc(env_now) <= deadline + 5);
        assert_true(ticked());
        assert_int_equal(env_read_msr(0, MSR_TSC_DEADLINE), 0);
        assert_int_equal(env_programmed, ~0ull);
    }
}

static void a_past_tsc_deadline_fires_at_once(void **state)
{
    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, 1);
    assert_true(ticked());
    assert_int_equal(env_read_msr(0, MSR_TSC_DEADLINE), 0);
    env_wrmsr(0, MSR_TSC_DEADLINE, ns_to_tsc(env_now));
    assert_true(ticked());
}

static void a_past_tsc_deadline_replaces_the_armed_one(void **state)
{
    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(env_now + 1000000));
    env_wrmsr(0, MSR_TSC_DEADLINE, 1);
    assert_true(ticked());
    assert_int_equal(env_programmed, ~0ull);
}

static void writing_0_disarms_the_tsc_deadline(void **state)
{
    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(env_now + 1000));
    env_wrmsr(0, MSR_TSC_DEADLINE, 0);
    assert_int_equal(env_programmed, ~0ull);
    env_run_to(env_now + 1000000);
    assert_false(ticked());
}

static void the_guests_tsc_offset_counts(void **state)
{
    u64 t0 = env_now;

    env_tsc_offset = -ns_to_tsc(env_now); /* the guest's TSC is 0 now */
    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, 25000);
    env_run_to(t0 + 9999);
    assert_false(ticked());
    env_run_to(t0 + 10001);
    assert_true(ticked());
}

static void a_deadline_at_the_end_of_time_never_fires(void **state)
{
    static const u64 offsets[] = {0, -1000ull, 1ull << 63};

    for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
        env_tsc_offset = offsets[i];
        lvt(TSCMODE);
        env_wrmsr(0, MSR_TSC_DEADLINE, ~0ull);
        assert_false(ticked());
        for (unsigned day = 0; day < 10; day++)
            env_run_to(env_programmed);
        assert_false(ticked());
        assert_int_equal(env_read_msr(0, MSR_TSC_DEADLINE), ~0ull);
        env_wrmsr(0, MSR_TSC_DEADLINE, 0);
    }
}

static void a_deadline_days_ahead_is_kept(void **state)
{
    u64 t0 = env_now, days = 5 * 86400 * 1000000000ull;

    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(t0 + days));
    env_run_to(t0 + days - 2);
    assert_false(ticked());
    env_run_to(t0 + days + 1);
    assert_true(ticked());
}

static void moving_the_tsc_moves_the_deadline(void **state)
{
    u64 t0 = env_now;

    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(t0 + 1000000));
    env_tsc_offset = ENV_TSC(400000);
    vlapic_tsc_moved(&env_vcpu[0]);
    env_run_to(t0 + 599000);
    assert_false(ticked());
    env_run_to(t0 + 600001);
    assert_true(ticked());
    env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(env_now + 1000000) + env_tsc_offset);
    env_tsc_offset += ENV_TSC(2000000);
    vlapic_tsc_moved(&env_vcpu[0]);
    assert_true(ticked());
}

static void the_deadline_msr_is_ignored_in_counter_modes(void **state)
{
    lvt(0);
    assert_int_equal(env_wrmsr(0, MSR_TSC_DEADLINE, 1), 0);
    assert_false(ticked());
    assert_int_equal(env_read_msr(0, MSR_TSC_DEADLINE), 0);
}

static void the_count_is_ignored_in_deadline_mode(void **state)
{
    lvt(TSCMODE);
    env_write(0, APIC_TICR, 1000);
    assert_int_equal(env_read(0, APIC_TCCR), 0);
    assert_int_equal(env_read(0, APIC_TICR), 0);
    assert_int_equal(env_programmed, ~0ull);
}

static void the_deadline_msr_works_in_xapic_mode(void **state)
{
    env_enable(1);
    env_write(1, APIC_LVT + LVT_TIMER, TSCMODE | VECTOR);
    assert_int_equal(env_wrmsr(1, MSR_TSC_DEADLINE, 1), 0);
    assert_int_equal(env_take(1), VECTOR);
}

static void an_illegal_timer_vector_is_an_error(void **state)
{
    env_write(0, APIC_LVT + LVT_TIMER, 7);
    env_write(0, APIC_TICR, 1);
    env_run_to(env_now + 100);
    env_write(0, APIC_ESR, 0);
    assert_int_equal(env_read(0, APIC_ESR), ESR_RECV_ILLEGAL_VECTOR);
}

/* --- a timer interrupt that comes while the guest writes --- */

static void an_expiry_that_lost_the_race_with_a_new_count_says_nothing(void **state)
{
    lvt(PERIODIC);
    env_write(0, APIC_TICR, 1000);
    env_now += 10000;
    /* The queue took the timer off; before its callback got the lock the guest started over. */
    timer_stop(&env_l(0)->timer);
    env_write(0, APIC_TICR, 5000);
    env_l(0)->timer.fn(&env_l(0)->timer);
    assert_false(ticked());
    assert_int_equal(env_programmed, env_now + 50000);
}

static void an_expiry_seen_on_two_cpus_is_one_tick(void **state)
{
    lvt(PERIODIC);
    env_write(0, APIC_TICR, 10000);
    env_run_to(env_now + 150000);
    assert_true(ticked());
    /* A run on the CPU the vCPU left comes late: the timer is armed for the next tick already. */
    env_l(0)->timer.fn(&env_l(0)->timer);
    assert_false(ticked());
    assert_int_equal(env_programmed, env_now + 50000);
}

static void an_expiry_that_lost_the_race_with_a_stop_says_nothing(void **state)
{
    lvt(0);
    env_write(0, APIC_TICR, 1000);
    env_now += 10000;
    env_write(0, APIC_TICR, 0);
    env_l(0)->timer.fn(&env_l(0)->timer);
    assert_false(ticked());
    lvt(TSCMODE);
    env_wrmsr(0, MSR_TSC_DEADLINE, ENV_TSC(env_now + 1000));
    env_now += 2000;
    env_wrmsr(0, MSR_TSC_DEADLINE, 0);
    env_l(0)->timer.fn(&env_l(0)->timer);
    assert_false(ticked());
}

static void reset_stops_the_timer(void **state)
{
    lvt(PERIODIC);
    env_write(0, APIC_TICR, 1000);
    vlapic_reset(&env_vcpu[0]);
    assert_int_equal(env_programmed, ~0ull);
    assert_int_equal(env_read(0, APIC_TICR), 0);
    assert_int_equal(env_read(0, APIC_DCR), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_shot_fires_once_after_its_count),
        T(all_dividers_divide),
        T(the_current_count_runs_down),
        T(the_largest_count_does_not_overflow),
        T(periodic_ticks_lie_on_a_grid_however_late_they_are_served),
        T(missed_periodic_ticks_are_one_tick),
        T(a_tiny_period_does_not_flood),
        T(the_periodic_count_wraps),
        T(a_zero_count_stops_the_timer),
        T(a_new_count_starts_over),
        T(a_masked_timer_counts_silently),
        T(unmasking_a_periodic_timer_lets_the_next_tick_through),
        T(changing_the_divider_keeps_the_count),
        T(changing_the_divider_of_a_periodic_timer_keeps_the_count),
        T(any_change_of_mode_disarms),
        T(the_reserved_mode_never_ticks),
        T(a_tsc_deadline_fires_at_its_time_and_never_early),
        T(a_past_tsc_deadline_fires_at_once),
        T(a_past_tsc_deadline_replaces_the_armed_one),
        T(writing_0_disarms_the_tsc_deadline),
        T(the_guests_tsc_offset_counts),
        T(a_deadline_at_the_end_of_time_never_fires),
        T(a_deadline_days_ahead_is_kept),
        T(moving_the_tsc_moves_the_deadline),
        T(the_deadline_msr_is_ignored_in_counter_modes),
        T(the_count_is_ignored_in_deadline_mode),
        T(the_deadline_msr_works_in_xapic_mode),
        T(an_illegal_timer_vector_is_an_error),
        T(an_expiry_that_lost_the_race_with_a_new_count_says_nothing),
        T(an_expiry_seen_on_two_cpus_is_one_tick),
        T(an_expiry_that_lost_the_race_with_a_stop_says_nothing),
        T(reset_stops_the_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
