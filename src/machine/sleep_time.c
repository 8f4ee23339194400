/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time across suspend to RAM. System time stands still while the machine sleeps, so no deadline of anybody's passes
 * unseen and no watchdog bites; the wall clock does not. The TSC may have gone on, or begun anew, or stood still.
 */
#include <torii/suspend.h>

#include <torii/cpu.h>
#include <torii/rtc.h>
#include <torii/tsc.h>

#define NS_PER_S 1000000000ull
/* Two readings of a clock of whole seconds are off by up to one; another for reading it late. And it drifts: 1 / 1024.
 */
#define RTC_ERROR_NS    (2 * NS_PER_S)
#define RTC_DRIFT_SHIFT 10

static struct sleep_clocks before;

u64 sleep_clocks_slept(const struct tsc_scale *scale, const struct sleep_clocks *from, const struct sleep_clocks *to)
{
    u64 ticks = to->tsc - from->tsc, by_tsc = (s64)ticks > 0 ? tsc_scale_ns(scale, ticks) : 0, by_rtc, error;

    if (!from->has_utc || !to->has_utc)
        return by_tsc;
    by_rtc = to->utc > from->utc ? (to->utc - from->utc) * NS_PER_S : 0;
    error = RTC_ERROR_NS + (by_rtc >> RTC_DRIFT_SHIFT);
    return (s64)ticks > 0 && by_tsc <= by_rtc + error && by_tsc + error >= by_rtc ? by_tsc : by_rtc;
}

static void look(struct sleep_clocks *c)
{
    c->has_utc = !rtc_read(&c->utc);
    c->tsc = rdtsc();
}

void sleep_time_begin(void)
{
    look(&before);
}

u64 sleep_time_end(void)
{
    struct sleep_clocks after;
    u64 slept;

    look(&after);
    slept = sleep_clocks_slept(&tsc_scale, &before, &after);
    tsc_scale.tsc_at_boot += after.tsc - before.tsc;
    wall_clock_set(wall_clock_at_boot() + slept, 0);
    return slept;
}
