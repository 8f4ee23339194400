/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/tsc.c src/machine/tsc_calibrate.c src/machine/rtc.c src/machine/sleep_time.c tests/unit/fakes.c tests/unit/fake_memory.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi.h>
#include <torii/errno.h>
#include <torii/rtc.h>
#include <torii/suspend.h>
#include <torii/tsc.h>

struct acpi_info acpi_info;

/* --- a simulated machine: time in picoseconds --- */

#define PS_PER_S 1000000000000ull

static struct {
    u64 now;
    u64 tsc_hz, ref_hz;
    u32 ref_start, mask;
    u64 read_ps;            /* how long reading the reference takes */
    unsigned jitter_one_in; /* one reading in so many is disturbed ... */
    u64 jitter_ps;          /* ... for this long */
    u64 stop_after;         /* reference stands still from here on; 0: never */
    u64 reads, pause_at_read, pause_ps;
    unsigned long long seed;
} sim;

static unsigned sim_random(void)
{
    sim.seed = sim.seed * 6364136223846793005ull + 1442695040888963407ull;
    return sim.seed >> 33;
}

static void sim_disturb(void)
{
    if (sim.jitter_one_in && sim_random() % sim.jitter_one_in == 0)
        sim.now += sim.jitter_ps / 2 + sim_random() % (sim.jitter_ps / 2 + 1);
}

static u64 sim_tsc(void)
{
    sim.now += 10000;
    sim_disturb();
    return (unsigned __int128)sim.now * sim.tsc_hz / PS_PER_S;
}

static u32 sim_ref(void)
{
    u64 t;

    sim.now += sim.read_ps / 2;
    sim_disturb();
    if (++sim.reads == sim.pause_at_read)
        sim.now += sim.pause_ps;
    t = sim.stop_after && sim.now > sim.stop_after ? sim.stop_after : sim.now;
    sim.now += sim.read_ps / 2;
    return (sim.ref_start + (u32)((unsigned __int128)t * sim.ref_hz / PS_PER_S)) & sim.mask;
}

static int reset(void **state)
{
    (void)state;
    memset(&sim, 0, sizeof(sim));
    sim.now = PS_PER_S;
    sim.tsc_hz = 2893201000ull;
    sim.ref_hz = 3579545;
    sim.mask = 0xffffff;
    sim.read_ps = 1000000;
    sim.seed = 42;
    memset(&tsc_scale, 0, sizeof(tsc_scale));
    return 0;
}

static bool measure(struct tsc_measured *m)
{
    struct tsc_reference ref = {"sim", sim.ref_hz, sim.mask, sim_ref};

    return tsc_measure(&ref, sim_tsc, m);
}

static u64 ppm_off(u64 hz)
{
    u64 diff = hz > sim.tsc_hz ? hz - sim.tsc_hz : sim.tsc_hz - hz;

    return diff * 1000000 / sim.tsc_hz;
}

static void a_quiet_machine_is_measured_in_two_windows(void **state)
{
    struct tsc_measured m;
    u64 start = sim.now;

    assert_true(measure(&m));
    assert_true(m.agreed);
    assert_true(ppm_off(m.hz) <= 15);
    assert_true(m.error_ppm <= 50);
    assert_true(sim.now - start < PS_PER_S / 20);
}

static void every_speed_and_reference_comes_within_100_ppm(void **state)
{
    static const u64 tsc[] = {1000000000, 1999998765, 3700000000, 5800000001}, ref[] = {3579545, 14318180, 100000000};

    for (unsigned i = 0; i < ARRAY_SIZE(tsc) * ARRAY_SIZE(ref); i++) {
        struct tsc_measured m;

        reset(NULL);
        sim.tsc_hz = tsc[i / ARRAY_SIZE(ref)];
        sim.ref_hz = ref[i % ARRAY_SIZE(ref)];
        sim.mask = ~0u;
        assert_true(measure(&m));
        assert_true(ppm_off(m.hz) <= 100);
    }
}

static void the_reference_may_wrap(void **state)
{
    struct tsc_measured m;

    sim.ref_start = 0xfffff0;
    assert_true(measure(&m));
    assert_true(ppm_off(m.hz) <= 15);
    /* The PIT wraps every 55 ms. */
    reset(NULL);
    sim.ref_hz = 1193182;
    sim.mask = 0xffff;
    assert_true(measure(&m));
    assert_true(ppm_off(m.hz) <= 50);
}

static void slow_readings_make_the_window_longer(void **state)
{
    struct tsc_measured m;
    u64 start = sim.now;

    sim.read_ps = 10000000; /* 10 us */
    assert_true(measure(&m));
    assert_true(m.error_ppm <= 50);
    assert_true(ppm_off(m.hz) <= 50);
    assert_true(sim.now - start > PS_PER_S / 10);
}

/* An emulator's CPU thread that loses its core for 1 to 2 ms in one of 20 steps, with many seeds. */
static void preemption_does_not_spoil_the_result(void **state)
{
    for (unsigned seed = 0; seed < 50; seed++) {
        struct tsc_measured m;

        reset(NULL);
        sim.seed = seed;
        sim.jitter_one_in = 20;
        sim.jitter_ps = 2000000000;
        assert_true(measure(&m));
        assert_true(ppm_off(m.hz) <= 100);
    }
}

static void a_pause_longer_than_a_wrap_is_found_out(void **state)
{
    struct tsc_measured m;

    sim.pause_at_read = 200;
    sim.pause_ps = 5 * PS_PER_S; /* the PM timer wraps after 4.7 s */
    assert_true(measure(&m));
    assert_true(m.agreed);
    assert_true(ppm_off(m.hz) <= 100);
}

static void a_reference_that_stands_still_is_no_reference(void **state)
{
    struct tsc_measured m;

    sim.stop_after = 1;
    assert_false(measure(&m));
    reset(NULL);
    sim.stop_after = sim.now + PS_PER_S / 100;
    assert_false(measure(&m));
}

static void an_implausible_speed_is_refused(void **state)
{
    struct tsc_measured m;

    sim.tsc_hz = 1000;
    assert_false(measure(&m));
}

/* --- conversion --- */

static const u64 speeds[] = {1000001,    32768000,   999999999,  1000000000, 1000000001, 1999999999, 2000000000,
                             2000000001, 2893201000, 3999999999, 4000000000, 5800000000, 99999999999};

static void mul_has_its_top_bit_set_and_is_exact(void **state)
{
    for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
        struct tsc_scale s = {0};
        u64 ns;

        tsc_scale_set(&s, speeds[i]);
        assert_true(s.mul >= 1u << 31);
        assert_int_equal(s.khz, (speeds[i] + 500) / 1000);
        /* 1000 s of ticks must give 1000 s but for rounding: 2^-32 of it, and one tick. */
        ns = tsc_scale_ns(&s, speeds[i] * 1000);
        assert_in_range(ns, 1000000000000ull - 500 - 1000000000 / speeds[i], 1000000000000ull + 500);
    }
}

static void conversion_is_pvclocks(void **state)
{
    struct tsc_scale s = {.mul = 0xb0000000, .shift = -1};

    assert_int_equal(tsc_scale_ns(&s, 1000001), ((1000001ull >> 1) * 0xb0000000ull) >> 32);
    s.shift = 2;
    assert_int_equal(tsc_scale_ns(&s, 1000001), ((1000001ull << 2) * 0xb0000000ull) >> 32);
}

static void centuries_of_ticks_do_not_overflow(void **state)
{
    struct tsc_scale s = {0};

    tsc_scale_set(&s, 1000000000);
    assert_int_equal(tsc_scale_ns(&s, 1ull << 62), 1ull << 62);
}

/* The deadline's tick is the first at which the clock shows the deadline: no timer fires early, none a tick late. */
static void a_deadline_is_the_first_tick_that_reaches_it(void **state)
{
    static const u64 times[] = {1, 2, 999, 1000000, 123456789012345ull, 86400ull * 1000000000 * 1800};

    for (unsigned i = 0; i < ARRAY_SIZE(speeds); i++) {
        struct tsc_scale s = {0};

        tsc_scale_set(&s, speeds[i]);
        for (unsigned j = 0; j < ARRAY_SIZE(times); j++) {
            u64 ticks = tsc_scale_ticks(&s, times[j]);

            assert_true(tsc_scale_ns(&s, ticks) >= times[j]);
            assert_true(tsc_scale_ns(&s, ticks - 1) < times[j]);
        }
        assert_int_equal(tsc_scale_ticks(&s, 0), 0);
    }
}

static void a_deadline_beyond_reach_is_the_last_tick(void **state)
{
    struct tsc_scale s = {0};

    tsc_scale_set(&s, 5000000000ull);
    assert_int_equal(tsc_scale_ticks(&s, ~0ull), ~0ull);
    tsc_scale = s;
    tsc_scale.tsc_at_boot = 1000;
    assert_int_equal(ns_to_tsc(~0ull), ~0ull);
}

static void system_time_starts_at_boot(void **state)
{
    tsc_scale_set(&tsc_scale, 1000000000);
    tsc_scale.tsc_at_boot = 5000;
    assert_int_equal(tsc_to_ns(5000), 0);
    assert_int_equal(tsc_to_ns(6000), 1000);
    assert_int_equal(tsc_to_ns(4999), 0);
    assert_int_equal(ns_to_tsc(1000), 6000);
    assert_int_equal(ns_to_tsc(0), 5000);
}

/* The TSC began anew in a sleep: system time 0 is before its own. */
static void system_time_may_be_older_than_the_tsc(void **state)
{
    tsc_scale_set(&tsc_scale, 1000000000);
    tsc_scale.tsc_at_boot = -5000ull;
    assert_int_equal(tsc_to_ns(0), 5000);
    assert_int_equal(tsc_to_ns(7), 5007);
    assert_int_equal(ns_to_tsc(5007), 7);
    assert_int_equal(ns_to_tsc(5000), 1); /* 0 would mean no deadline at all */
    assert_int_equal(ns_to_tsc(100), 1);
    assert_int_equal(ns_to_tsc(~0ull), ~0ull);
    assert_int_equal(ns_to_tsc(INT64_MAX), INT64_MAX - 5000);
}

static void time_before_calibration_stands_still(void **state)
{
    assert_int_equal(now_ns(), 0);
}

static void now_moves_on(void **state)
{
    u64 a, b;

    tsc_scale_set(&tsc_scale, 2000000000);
    a = now_ns();
    b = now_ns();
    assert_true(a > 0);
    assert_true(b >= a);
}

static void the_wall_clock_is_kept_as_its_value_at_boot(void **state)
{
    wall_clock_set(1700000000000000000ull, 5000000000ull);
    assert_int_equal(wall_clock_at_boot(), 1699999995000000000ull);
}

static void one_cpu_sees_no_warp(void **state)
{
    tsc_scale.stable = true;
    tsc_warp_check(1000);
    assert_true(tsc_scale.stable);
}

/* --- real-time clock --- */

#define H24    0x02
#define BINARY 0x04

static u64 utc(struct rtc_registers r)
{
    u64 s = 0;

    assert_int_equal(rtc_to_utc(&r, &s), 0);
    return s;
}

static void bcd_and_binary_dates_are_the_same(void **state)
{
    /* 2024-02-29 23:59:58 */
    assert_int_equal(utc((struct rtc_registers){0x58, 0x59, 0x23, 0x29, 0x02, 0x24, 0x20, H24, true}), 1709251198);
    assert_int_equal(utc((struct rtc_registers){58, 59, 23, 29, 2, 24, 20, H24 | BINARY, true}), 1709251198);
    assert_int_equal(utc((struct rtc_registers){58, 59, 23, 29, 2, 24, 0x20, H24 | BINARY, true}), 1709251198);
}

static void the_epoch_and_the_turn_of_centuries(void **state)
{
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 1, 0x70, 0x19, H24, true}), 0);
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 1, 0x00, 0x20, H24, true}), 946684800);
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 3, 0x00, 0x21, H24, true}), 4107542400ull);
}

static void twelve_hour_clocks_know_noon_from_midnight(void **state)
{
    struct rtc_registers r = {0, 0, 0x12, 1, 1, 0x70, 0x19, 0, true};

    assert_int_equal(utc(r), 0);
    r.hours = 0x92;
    assert_int_equal(utc(r), 12 * 3600);
    r.hours = 0x01;
    assert_int_equal(utc(r), 3600);
    r.hours = 0x91;
    assert_int_equal(utc(r), 23 * 3600);
    r.status_b = BINARY;
    r.day = r.month = 1;
    r.year = 70;
    r.hours = 0x8b;
    assert_int_equal(utc(r), 23 * 3600);
}

static void without_a_century_two_digits_are_read_as_1970_to_2069(void **state)
{
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 1, 0x69, 0, H24, false}), 3124224000ull);
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 1, 0x70, 0, H24, false}), 0);
    /* A century register that holds none is not believed. */
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 1, 0x00, 0xff, H24, true}), 946684800);
    assert_int_equal(utc((struct rtc_registers){0, 0, 0, 1, 1, 0x00, 0x00, H24, true}), 946684800);
}

static void impossible_dates_are_refused(void **state)
{
    static const struct rtc_registers bad[] = {
        {0x60, 0, 0, 1, 1, 0x24, 0x20, H24, true},
        {0, 0x60, 0, 1, 1, 0x24, 0x20, H24, true},
        {0, 0, 0x24, 1, 1, 0x24, 0x20, H24, true},
        {0, 0, 0, 0, 1, 0x24, 0x20, H24, true},
        {0, 0, 0, 0x32, 1, 0x24, 0x20, H24, true},
        {0, 0, 0, 0x29, 2, 0x23, 0x20, H24, true},
        {0, 0, 0, 1, 0, 0x24, 0x20, H24, true},
        {0, 0, 0, 1, 0x13, 0x24, 0x20, H24, true},
        {0x5a, 0, 0, 1, 1, 0x24, 0x20, H24, true},
        {0, 0, 0, 1, 1, 100, 0x20, H24 | BINARY, true},
        {0, 0, 0x13, 1, 1, 0x24, 0x20, 0, true},
        {0, 0, 0x80, 1, 1, 0x24, 0x20, 0, true},
        {0, 0, 0, 0x29, 2, 0x00, 0x21, H24, true},
        {0, 0, 0, 1, 1, 0x69, 0x19, H24, true},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, true},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        u64 s = 77;

        assert_int_equal(rtc_to_utc(&bad[i], &s), -XEN_EINVAL);
        assert_int_equal(s, 77);
    }
}

static void every_day_of_a_century_follows_the_one_before(void **state)
{
    static const u8 days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    u64 want = 946684800, count = 0;

    for (unsigned y = 0; y < 100; y++) {
        for (unsigned m = 1; m <= 12; m++) {
            for (unsigned d = 1; d <= (unsigned)days[m - 1] + (m == 2 && y % 4 == 0); d++) {
                assert_int_equal(utc((struct rtc_registers){0, 0, 0, d, m, y, 20, H24 | BINARY, true}), want);
                want += 86400;
                count++;
            }
        }
    }
    assert_int_equal(count, 36525);
}

static void a_machine_without_a_clock_says_so(void **state)
{
    u64 s = 77;

    acpi_info.no_cmos_rtc = true;
    assert_int_equal(rtc_read(&s), -XEN_ENODEV);
    assert_int_equal(s, 77);
    acpi_info.no_cmos_rtc = false;
}

#define T(f) cmocka_unit_test_setup(f, reset)

/* --- suspend to RAM --- */

static u64 slept(u64 tsc, u64 tsc_after, int utc, int utc_after)
{
    struct tsc_scale s = {0};
    struct sleep_clocks from = {tsc, (u64)utc, utc >= 0}, to = {tsc_after, (u64)utc_after, utc_after >= 0};

    tsc_scale_set(&s, 1000000000);
    return sleep_clocks_slept(&s, &from, &to);
}

static void a_tsc_that_ran_on_says_how_long_the_sleep_was(void **state)
{
    assert_int_equal(slept(1000, 1000 + 7654321000ull, 100, 107), 7654321000ull);
    assert_int_equal(slept(1000, 1000 + 7654321000ull, 100, 109), 7654321000ull);
    assert_int_equal(slept(1000, 1001, 100, 100), 1);
    /* The other clock drifts: an hour may be seconds off. */
    assert_int_equal(slept(0, 3600ull * 1000000000, 0, 3605), 3600ull * 1000000000);
}

static void a_tsc_that_began_anew_or_stood_still_does_not(void **state)
{
    assert_int_equal(slept(90000000000ull, 5000000000ull, 100, 160), 60000000000ull);
    assert_int_equal(slept(5000000000ull, 5100000000ull, 100, 160), 60000000000ull);
    /* Anew, and past its old value by accident. */
    assert_int_equal(slept(1000000000, 20000000000ull, 100, 3700), 3600000000000ull);
    assert_int_equal(slept(1000000000, 20000000000ull, 100, 110), 10000000000ull);
}

static void without_another_clock_the_tsc_has_to_do(void **state)
{
    assert_int_equal(slept(1000, 3001, -1, -1), 2001);
    assert_int_equal(slept(1000, 3001, 5, -1), 2001);
    assert_int_equal(slept(3000, 1000, -1, 7), 0);
}

static void a_clock_that_went_back_is_no_sleep(void **state)
{
    assert_int_equal(slept(9000, 100, 100, 50), 0);
}

static void system_time_stands_still_in_a_sleep_and_the_wall_clock_does_not(void **state)
{
    u64 start, before, after, slept_ns, whole_ns, utc;

    acpi_info.no_cmos_rtc = true;
    tsc_scale_set(&tsc_scale, 2000000000);
    tsc_scale.tsc_at_boot = 0;
    wall_clock_set(1700000000000000000ull, 0);
    start = __builtin_ia32_rdtsc();
    before = now_ns();
    sleep_time_begin();
    for (volatile unsigned i = 0; i < 20000000; i++)
        ;
    slept_ns = sleep_time_end();
    after = now_ns();
    whole_ns = tsc_to_ns(__builtin_ia32_rdtsc()) - tsc_to_ns(start);
    utc = wall_clock_at_boot();
    assert_true(slept_ns > 0);
    assert_true(after >= before);
    /* Wherever the host took the processor away meanwhile. Conversions round down. */
    assert_true(after - before + slept_ns <= whole_ns + 2);
    assert_int_equal(utc, 1700000000000000000ull + slept_ns);
    acpi_info.no_cmos_rtc = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_quiet_machine_is_measured_in_two_windows),
        T(every_speed_and_reference_comes_within_100_ppm),
        T(the_reference_may_wrap),
        T(slow_readings_make_the_window_longer),
        T(preemption_does_not_spoil_the_result),
        T(a_pause_longer_than_a_wrap_is_found_out),
        T(a_reference_that_stands_still_is_no_reference),
        T(an_implausible_speed_is_refused),
        T(mul_has_its_top_bit_set_and_is_exact),
        T(conversion_is_pvclocks),
        T(centuries_of_ticks_do_not_overflow),
        T(a_deadline_is_the_first_tick_that_reaches_it),
        T(a_deadline_beyond_reach_is_the_last_tick),
        T(system_time_starts_at_boot),
        T(system_time_may_be_older_than_the_tsc),
        T(time_before_calibration_stands_still),
        T(now_moves_on),
        T(the_wall_clock_is_kept_as_its_value_at_boot),
        T(one_cpu_sees_no_warp),
        T(bcd_and_binary_dates_are_the_same),
        T(the_epoch_and_the_turn_of_centuries),
        T(twelve_hour_clocks_know_noon_from_midnight),
        T(without_a_century_two_digits_are_read_as_1970_to_2069),
        T(impossible_dates_are_refused),
        T(every_day_of_a_century_follows_the_one_before),
        T(a_machine_without_a_clock_says_so),
        T(a_tsc_that_ran_on_says_how_long_the_sleep_was),
        T(a_tsc_that_began_anew_or_stood_still_does_not),
        T(without_another_clock_the_tsc_has_to_do),
        T(a_clock_that_went_back_is_no_sleep),
        T(system_time_stands_still_in_a_sleep_and_the_wall_clock_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
