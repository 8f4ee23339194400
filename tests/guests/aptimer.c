/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC timer (SDM vol. 3 §11.5.4): its modes, and its time against the TSC. */
#include "rt.h"

#define VECTOR 0x61
/* How late an interrupt may be on a busy host, in ms. */
#define LATE 500

static volatile u32 *const count = &irq_count[0][VECTOR];
static u32 khz; /* of the timer, undivided */
static volatile u64 fired_at;

static void fired(void)
{
    fired_at = rdtsc();
}

/* TSC cycles for `ticks` of the timer at that divide register value. */
static u64 cycles_of(u32 ticks, u32 tdcr)
{
    u32 left;
    u64 start;

    lapic_write(LAPIC_TDCR, tdcr);
    lapic_write(LAPIC_TICR, 0xffffffff);
    start = rdtsc();
    do
        left = lapic_read(LAPIC_TCCR);
    while (0xffffffff - left < ticks);
    start = (rdtsc() - start) * ticks / (0xffffffff - left);
    lapic_write(LAPIC_TICR, 0);
    return start;
}

/* The same, the best of three: a busy host only makes it longer. */
static u64 best_cycles_of(u32 ticks, u32 tdcr)
{
    u64 best = cycles_of(ticks, tdcr), again;

    for (unsigned i = 0; i < 2; i++) {
        again = cycles_of(ticks, tdcr);
        best = again < best ? again : best;
    }
    return best;
}

static void rates(void)
{
    static const u32 tdcr[] = {0xb, 0, 1, 2, 3, 8, 9, 0xa};
    u64 one = best_cycles_of(1000000, 0xb);

    khz = 1000000 * tsc_khz / one;
    note("the timer runs at %u kHz", khz);
    for (unsigned i = 1; i < ARRAY_SIZE(tdcr); i++) {
        u64 got = best_cycles_of(1000000 >> i, tdcr[i]);

        ok(got > one * 8 / 10 && got < one * 12 / 10, "divided by %u it is that much slower", 1u << i);
    }
    lapic_write(LAPIC_TDCR, 0xb);
}

static void one_shot(void)
{
    u64 start, ms = 20;

    *count = 0;
    lapic_write(LAPIC_LVTT, VECTOR);
    start = rdtsc();
    lapic_write(LAPIC_TICR, khz * ms);
    ok(lapic_read(LAPIC_TCCR) <= khz * ms, "the current count starts at the initial count");
    ok(wait_count(count, 1, LATE), "one-shot fires");
    ok(fired_at - start > ms * tsc_khz * 98 / 100, "not before its time");
    is(lapic_read(LAPIC_TCCR), 0, "the current count stays at 0");
    wait_ms(3 * ms);
    is(*count, 1, "and it fires once");
    lapic_write(LAPIC_TICR, khz * ms);
    lapic_write(LAPIC_TICR, 0);
    wait_ms(2 * ms);
    is(*count, 1, "an initial count of 0 stops it");
    lapic_write(LAPIC_LVTT, LVT_MASKED | VECTOR);
    lapic_write(LAPIC_TICR, khz);
    wait_ms(ms);
    is(*count, 1, "masked it does not fire");
    is(lapic_read(LAPIC_TCCR), 0, "but runs down");
    lapic_write(LAPIC_LVTT, VECTOR);
    wait_ms(ms);
    is(*count, 1, "and what was masked is lost");
}

static void periodic(void)
{
    u64 start, spent;
    u32 first;

    *count = 0;
    lapic_write(LAPIC_LVTT, LVT_PERIODIC | VECTOR);
    start = rdtsc();
    lapic_write(LAPIC_TICR, khz * 10);
    ok(wait_count(count, 10, 10 * 10 + LATE), "periodic fires again and again");
    spent = rdtsc() - start;
    ok(spent > 95 * tsc_khz, "ten periods are not shorter than that");
    ok(lapic_read(LAPIC_TCCR) <= khz * 10, "the current count is reloaded");
    lapic_write(LAPIC_TICR, 0);
    first = *count;
    wait_ms(40);
    ok(*count <= first + 1, "an initial count of 0 stops it");
    lapic_write(LAPIC_LVTT, LVT_MASKED);
}

static void deadline(void)
{
    u64 at;

    if (!(cpuid(1, 0).ecx & BIT(24))) {
        skip("TSC deadline mode", "this processor has none");
        return;
    }
    *count = 0;
    lapic_write(LAPIC_LVTT, LVT_TSC_DEADLINE | VECTOR);
    at = rdtsc() + 20 * tsc_khz;
    wrmsr(MSR_TSC_DEADLINE, at);
    is(rdmsr(MSR_TSC_DEADLINE), at, "the deadline reads back while it is armed");
    ok(wait_count(count, 1, LATE), "the deadline fires");
    ok(fired_at >= at, "not before its time");
    is(rdmsr(MSR_TSC_DEADLINE), 0, "then it reads 0");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1000);
    ok(wait_count(count, 2, LATE), "a deadline in the past fires at once");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 20 * tsc_khz);
    wrmsr(MSR_TSC_DEADLINE, 0);
    wait_ms(40);
    is(*count, 2, "a deadline of 0 disarms");
    lapic_write(LAPIC_TICR, khz);
    wait_ms(20);
    is(*count, 2, "the initial count is ignored in this mode");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 20 * tsc_khz);
    lapic_write(LAPIC_LVTT, VECTOR);
    wait_ms(40);
    is(*count, 2, "leaving the mode disarms");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
    wait_ms(20);
    is(*count, 2, "a deadline set outside the mode is ignored");
    is(rdmsr(MSR_TSC_DEADLINE), 0, "and reads 0");
}

/* Many short shots: each comes, none early, the mean lateness is told. */
static void accuracy(void)
{
    u64 late = 0, early = 0, start;

    *count = 0;
    lapic_write(LAPIC_LVTT, VECTOR);
    for (unsigned i = 0; i < 100; i++) {
        start = rdtsc();
        lapic_write(LAPIC_TICR, khz / 2);
        if (!wait_count(count, i + 1, LATE))
            break;
        early += fired_at - start < tsc_khz / 2 * 98 / 100;
        late += fired_at - start - tsc_khz / 2;
    }
    is(*count, 100, "a hundred shots of 500 us all come");
    is(early, 0, "none of them early");
    note("on average %lu us late", late * 10 / tsc_khz);
}

void test(void)
{
    irq_handler[VECTOR] = fired;
    lapic_write(LAPIC_LVTT, LVT_MASKED);
    rates();
    one_shot();
    periodic();
    deadline();
    accuracy();
}
