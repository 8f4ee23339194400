/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 */
/* run: name=four cpus=4 */
/*
 * Every sleep ends: CPUs that arm their one-shot timers, halt, and send each other interrupts at times that drift over
 * each other. sleeps=N of CPU 0; hold=1 stays there when one is overdue, for a look at the machine.
 */
#include "rt.h"

#define TIMER 0x61
#define IPI   0x51
/* A timer that is so late is lost. */
#define LOST_MS 3000
#define NOBODY  (~0u)

static struct {
    volatile u64 deadline; /* TSC; 0: the timer has fired */
    volatile u32 sleeps;
    u64 random;
} state[MAX_CPUS];
static volatile u32 up, stop;
static volatile u32 overdue_cpu = NOBODY;
static u32 khz; /* of the timer, undivided */

static u32 random(void)
{
    u64 *r = &state[this_cpu()->index].random;

    *r = *r * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(*r >> 33);
}

static void fired(void)
{
    state[this_cpu()->index].deadline = 0;
}

static void arm(u32 us)
{
    state[this_cpu()->index].deadline = rdtsc() + us * tsc_khz / 1000;
    lapic_write(LAPIC_TICR, us * (u64)khz / 1000);
}

/* Each looks after all: whoever sleeps for ever cannot. */
static void look_for_overdue(void)
{
    for (unsigned i = 0; i < nr_cpus; i++) {
        u64 deadline = state[i].deadline;

        if (deadline && (s64)(rdtsc() - deadline) > (s64)(LOST_MS * tsc_khz) && !stop) {
            overdue_cpu = i;
            stop = true;
        }
    }
}

static void sleep_once(void)
{
    volatile u64 *deadline = &state[this_cpu()->index].deadline;

    arm(20 + random() % (random() % 16 ? 300 : 4000));
    if (random() % 4 == 0)
        for (unsigned n = random() % 2000; n; n--)
            cpu_relax();
    if (random() % 2)
        lapic_icr(cpus[random() % nr_cpus].apic_id, IPI);
    while (*deadline && !stop) {
        halt();
        if (*deadline && random() % 8 == 0) {
            /* Another time, after all. */
            lapic_write(LAPIC_TICR, 0);
            arm(1000);
        }
        look_for_overdue();
    }
    state[this_cpu()->index].sleeps++;
}

static void work(u32 sleeps)
{
    state[this_cpu()->index].random = 1 + this_cpu()->index;
    lapic_write(LAPIC_TDCR, 0xb);
    lapic_write(LAPIC_LVTT, TIMER);
    while (!stop && state[this_cpu()->index].sleeps < sleeps)
        sleep_once();
    lapic_write(LAPIC_TICR, 0);
}

static void work_on(void *unused)
{
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    work(~0u);
    for (;;)
        halt();
}

static u32 timer_khz(void)
{
    u64 start;
    u32 left;

    lapic_write(LAPIC_TDCR, 0xb);
    lapic_write(LAPIC_LVTT, LVT_MASKED);
    lapic_write(LAPIC_TICR, 0xffffffff);
    start = rdtsc();
    udelay(10000);
    left = lapic_read(LAPIC_TCCR);
    start = rdtsc() - start;
    lapic_write(LAPIC_TICR, 0);
    return (0xffffffff - left) * tsc_khz / start;
}

void test(void)
{
    irq_handler[TIMER] = fired;
    khz = timer_khz();
    for (unsigned i = 1; i < nr_cpus; i++)
        if (!ap_start(i, work_on, NULL))
            bail("CPU %u does not start", i);
    while (up < nr_cpus - 1)
        cpu_relax();
    work(option("sleeps", 2000));
    stop = true;
    if (overdue_cpu != NOBODY)
        note("CPU %u: its timer is %lu ms late", overdue_cpu, (rdtsc() - state[overdue_cpu].deadline) / tsc_khz);
    while (overdue_cpu != NOBODY && option("hold", 0))
        cpu_relax();
    ok(overdue_cpu == NOBODY, "no CPU sleeps past its timer");
    for (unsigned i = 0; i < nr_cpus; i++)
        note("CPU %u: %u sleeps", i, state[i].sleeps);
}
