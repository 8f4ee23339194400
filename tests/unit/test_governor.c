/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/pstate.c src/machine/governor.c src/machine/pstate_msr.c tests/unit/fakes.c */
/*
 * The governor on processors whose MSRs are an array here. What a processor can do is looked at once in its life, so each
 * test that needs another one runs in a process of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/percpu.h>
#include <torii/pstate.h>
#include <torii/time.h>

#include "fakes.h"

#define MS 1000000ull
#define CPUS 2

struct pcpu *pcpus[MAX_CPUS];
unsigned pcpu_nr;

static struct pcpu cpus[CPUS];
static struct timer *armed[CPUS];
static unsigned this_one;
static u64 now;
static struct pstate_features features;
static struct {
    u32 msr;
    bool there;
    u64 val;
} msrs[] = {{.msr = 0xc0010061}, {.msr = 0xc0010062}, {.msr = 0xc00102b1}, {.msr = 0x199}, {.msr = 0x1a0}, {.msr = 0x770}};
static u64 written[CPUS]; /* the last state each CPU was told */
static unsigned writes;

u64 now_ns(void)
{
    return now;
}

unsigned cpu_this(void)
{
    return this_one;
}

unsigned cpu_count(void)
{
    return CPUS;
}

void timer_start(struct timer *t, u64 deadline)
{
    t->deadline = deadline;
    armed[this_one] = t;
}

void timer_stop(struct timer *t)
{
    for (unsigned i = 0; i < CPUS; i++)
        if (armed[i] == t)
            armed[i] = NULL;
}

void pstate_features_read(struct pstate_features *f)
{
    *f = features;
}

static u64 *msr(u32 number)
{
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        if (msrs[i].msr == number)
            return msrs[i].there ? &msrs[i].val : NULL;
    return NULL;
}

static void give(u32 number, u64 val)
{
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        if (msrs[i].msr == number) {
            msrs[i].there = true;
            msrs[i].val = val;
        }
}

bool rdmsr_safe(u32 number, u64 *val)
{
    if (msr(number))
        *val = *msr(number);
    return msr(number);
}

bool wrmsr_safe(u32 number, u64 val)
{
    if (!msr(number))
        return false;
    *msr(number) = val;
    written[this_one] = val;
    writes++;
    return true;
}

/* --- a machine in a process --- */

static void in_a_process(void (*test)(void))
{
    int status;
    pid_t child;

    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].id = i;
        pcpus[i] = &cpus[i];
    }
    pcpu_nr = CPUS;
    now = 1000 * MS;
    child = fork();
    if (!child) {
        test();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Failing in the child is ending otherwise than with 0. */
#define check(x)                                                                  \
    do {                                                                          \
        if (!(x)) {                                                               \
            dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
            _exit(1);                                                             \
        }                                                                         \
    } while (0)

static void amd(void)
{
    features.hw_pstate = true;
    give(0xc0010061, 0x20);
    give(0xc0010062, 0);
}

static void intel(void)
{
    features.est = true;
    give(0x1a0, BIT(16));
    give(0x199, 0x100001400);
}

static struct pstates states(void)
{
    return (struct pstates){.has = PSTATE_HAS_REGISTERS | PSTATE_HAS_STATES | PSTATE_HAS_LIMIT,
                            .control = {.space = 0x7f},
                            .nr = 3,
                            .state = {{.mhz = 3000, .control = 0}, {.mhz = 2000, .control = 1}, {.mhz = 1000, .control = 2}}};
}

static struct pstate_statistics stat;

static unsigned state_now(unsigned cpu)
{
    check(!governor_statistics(cpu, &stat, false));
    return stat.cur;
}

/* One period of a CPU that is busy so many percent of it, then idle or not. */
static void period(unsigned cpu, unsigned busy, bool idle)
{
    struct timer *t = armed[cpu];

    this_one = cpu;
    check(t);
    armed[cpu] = NULL;
    check(t->deadline <= now + 50 * MS);
    now = max(now, t->deadline);
    cpus[cpu].idle_ns += (now - t->deadline + 50 * MS) * (100 - busy) / 100;
    cpus[cpu].idle = idle;
    cpus[cpu].idle_since = now;
    t->fn(t);
}

static void start(unsigned cpu)
{
    struct pstates p = states();

    check(!pstate_update(cpu, &p));
    this_one = cpu;
    check(governor_statistics(cpu, &stat, false) == -XEN_ENODEV);
    governor_wakes();
    period(cpu, 100, false);
    check(state_now(cpu) == 0);
}

/* --- tests --- */

static void follow_load(void)
{
    amd();
    start(0);
    check(written[0] == 0);
    period(0, 50, false); /* 1500 of 1600 */
    check(state_now(0) == 1 && written[0] == 1);
    period(0, 70, false); /* 1750 MHz: as it is */
    check(state_now(0) == 1);
    period(0, 35, false);
    check(state_now(0) == 2 && written[0] == 2);
    period(0, 85, false);
    check(state_now(0) == 0);
    check(stat.last == 2 && stat.count[0] == 1 && stat.count[1] == 1 && stat.count[2] == 1);
    check(stat.moves[0][1] == 1 && stat.moves[1][2] == 1 && stat.moves[2][0] == 1 && stat.moves[1][0] == 0);
    check(stat.ns[2] == 50 * MS && stat.ns[1] == 100 * MS);
    check(stat.nr == 3 && stat.usable == 3);
    check(!governor_statistics(0, &stat, true));
    check(state_now(0) == 0 && stat.count[0] == 0 && stat.ns[2] == 0);
}

static void the_state_follows_the_load(void **state)
{
    in_a_process(follow_load);
}

static void leave_idle_alone(void)
{
    amd();
    start(0);
    period(0, 0, true);
    check(state_now(0) == 2);
    check(!armed[0]);
    now += 5000 * MS;
    cpus[0].idle = false;
    cpus[0].idle_ns += 5000 * MS;
    governor_wakes();
    check(armed[0]);
    governor_wakes(); /* every time the CPU leaves idle: it has its timer already */
    period(0, 100, false);
    check(state_now(0) == 0);
    /* Asleep in the middle of a long idle: that counts as idle up to now. */
    cpus[0].idle_since = now;
    cpus[0].idle = true;
    now += 50 * MS;
    armed[0]->fn(armed[0]);
    check(state_now(0) == 2);
}

static void stop_and_come_back(void)
{
    governor_stop(1); /* which is not governed: nothing to do */
    amd();
    start(1);
    check(armed[1]);
    this_one = 0;
    governor_stop(1);
    check(!armed[1] && !armed[0]);
    this_one = 1;
    governor_wakes();
    check(armed[1]);
}

static void a_cpu_that_stops_has_no_timer_until_it_is_back(void **state)
{
    in_a_process(stop_and_come_back);
}

static void an_idle_cpu_has_no_timer(void **state)
{
    in_a_process(leave_idle_alone);
}

static void respect_limit(void)
{
    struct pstates p = {.has = PSTATE_HAS_LIMIT, .limit = 1};

    amd();
    start(0);
    check(!pstate_update(0, &p));
    period(0, 100, false);
    check(state_now(0) == 1 && stat.usable == 2);
    p.limit = 0;
    check(!pstate_update(0, &p));
    period(0, 100, false);
    check(state_now(0) == 0);
}

static void what_the_platform_shuts_out_is_not_taken(void **state)
{
    in_a_process(respect_limit);
}

static void coordinate_domain(void)
{
    struct pstates p = {.has = PSTATE_HAS_DOMAIN, .domain = 7, .coordination = 0xfc};

    amd();
    start(0);
    start(1);
    check(!pstate_update(0, &p) && !pstate_update(1, &p));
    period(0, 100, false);
    period(1, 0, false);
    check(state_now(1) == 0); /* the other one needs it */
    period(0, 0, true);
    period(1, 0, false);
    check(state_now(1) == 2 && written[1] == 2);
}

static void cpus_that_share_a_clock_agree(void **state)
{
    in_a_process(coordinate_domain);
}

static void replace_states(void)
{
    struct pstates p = states();

    amd();
    start(0);
    period(0, 0, false);
    check(state_now(0) == 2);
    p.nr = 2;
    check(!pstate_update(0, &p));
    check(governor_statistics(0, &stat, false) == -XEN_ENODEV);
    period(0, 0, false);
    check(state_now(0) == 0 && stat.nr == 2 && stat.count[2] == 0);
    pstate_dump();
}

static void new_states_start_anew(void **state)
{
    in_a_process(replace_states);
}

static void set_intel(void)
{
    struct pstates p = states();

    intel();
    p.state[0].control = 0x1e00;
    p.state[2].control = 0x800;
    check(!pstate_update(0, &p));
    governor_wakes();
    period(0, 100, false);
    check(written[0] == 0x100001e00); /* turbo as firmware has it */
    period(0, 0, false);
    check(written[0] == 0x100000800);
}

static void intel_keeps_what_is_above_the_state(void **state)
{
    in_a_process(set_intel);
}

static void nothing_is_set(void)
{
    struct pstates p = states();
    const char *text;

    check(!pstate_update(0, &p));
    governor_wakes();
    check(!armed[0] && !writes);
    check(pstate_driver(&text) == PSTATE_DRIVER_NONE && *text);
    check(governor_statistics(0, &stat, false) == -XEN_ENODEV);
    check(pstate_get(0)->nr == 3); /* kept all the same */
    pstate_dump();
}

static void a_processor_without_msrs_is_left_alone(void **state)
{
    in_a_process(nothing_is_set);
    features.hw_pstate = features.est = true; /* as CPUID may say under a hypervisor */
    in_a_process(nothing_is_set);
    give(0x199, 0);
    give(0x1a0, 0); /* switched off by firmware */
    in_a_process(nothing_is_set);
    memset(&features, 0, sizeof(features));
}

static void hwp_chooses(void)
{
    intel();
    features.hwp = true;
    give(0x770, 1);
    nothing_is_set();
}

static void cppc_chooses(void)
{
    amd();
    features.cppc = true;
    give(0xc00102b1, 1);
    nothing_is_set();
}

static void hwp_off(void)
{
    intel();
    features.hwp = true;
    give(0x770, 0);
    start(0);
}

static void where_hardware_chooses_it_is_left_to_it(void **state)
{
    in_a_process(hwp_chooses);
    in_a_process(cppc_chooses);
    in_a_process(hwp_off);
}

static void refuse_values(void)
{
    struct pstates p = states();

    amd();
    p.state[1].control = 8; /* PStateCmd has three bits */
    check(!pstate_update(0, &p));
    p = states();
    p.control.space = 1; /* a port */
    check(!pstate_update(1, &p));
    for (this_one = 0; this_one < CPUS; this_one++) {
        governor_wakes();
        check(!armed[this_one]);
    }
    check(!writes);
    check(governor_statistics(MAX_CPUS, &stat, false) == -XEN_ENODEV);
    fake_alloc_fail_after = 0;
    p = states();
    check(!pstate_update(0, &p)); /* no memory to govern it: kept */
    check(!writes);
}

static void states_that_the_msr_cannot_take_are_not_governed(void **state)
{
    in_a_process(refuse_values);
}

static void refused_write(void)
{
    amd();
    start(0);
    msrs[1].there = false;
    period(0, 0, false);
    check(state_now(0) == 0);
}

static void a_refused_write_changes_nothing(void **state)
{
    in_a_process(refused_write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_follows_the_load),
        cmocka_unit_test(an_idle_cpu_has_no_timer),
        cmocka_unit_test(a_cpu_that_stops_has_no_timer_until_it_is_back),
        cmocka_unit_test(what_the_platform_shuts_out_is_not_taken),
        cmocka_unit_test(cpus_that_share_a_clock_agree),
        cmocka_unit_test(new_states_start_anew),
        cmocka_unit_test(intel_keeps_what_is_above_the_state),
        cmocka_unit_test(a_processor_without_msrs_is_left_alone),
        cmocka_unit_test(where_hardware_chooses_it_is_left_to_it),
        cmocka_unit_test(states_that_the_msr_cannot_take_are_not_governed),
        cmocka_unit_test(a_refused_write_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
