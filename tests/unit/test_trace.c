/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/core/trace.c tests/unit/fake_core.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <torii/trace.h>

#include "fake_core.h"

u64 tsc_to_ns(u64 tsc)
{
    return tsc * 1000;
}

static struct pcpu cpu;

static void note(u64 tsc)
{
    cpu.trace[cpu.trace_next++ % TRACE_ENTRIES] =
        (struct trace_entry){.tsc = tsc, .rip = 0x1000 + tsc, .info = tsc * 16, .reason = EXIT_IO, .who.vcpu = 2};
}

static unsigned lines(void)
{
    unsigned n = 0;

    for (const char *p = fake_log; *p; p++)
        n += *p == '\n';
    return n;
}

static int setup(void **state)
{
    cpu = (struct pcpu){.id = 7};
    fake_log_clear();
    return 0;
}

static void every_reason_has_a_name_of_its_own(void **state)
{
    for (unsigned i = 0; i < EXIT_REASONS; i++) {
        assert_non_null(exit_reason_names[i]);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(exit_reason_names[i], exit_reason_names[k]);
    }
}

static void a_cpu_without_exits_dumps_none(void **state)
{
    trace_dump(&cpu);
    assert_string_equal(fake_log, "last 0 exits of CPU 7:\n");
}

static void exits_are_dumped_oldest_first(void **state)
{
    note(5);
    note(6);
    trace_dump(&cpu);
    assert_string_equal(fake_log, "last 2 exits of CPU 7:\n"
                                  "             5 us d0v2 I/O port  0x50 at 0x1005\n"
                                  "             6 us d0v2 I/O port  0x60 at 0x1006\n");
}

static void a_full_ring_holds_the_last_ones(void **state)
{
    char first[32], last[32];

    for (unsigned i = 1; i <= 3 * TRACE_ENTRIES + 5; i++)
        note(i);
    trace_dump(&cpu);
    assert_int_equal(lines(), TRACE_ENTRIES + 1);
    snprintf(first, sizeof(first), "CPU 7:\n  %12u us", 2 * TRACE_ENTRIES + 6);
    snprintf(last, sizeof(last), "at %#x\n", 0x1000 + 3 * TRACE_ENTRIES + 5);
    assert_non_null(strstr(fake_log, first));
    assert_string_equal(fake_log + strlen(fake_log) - strlen(last), last);
}

static void statistics_give_counts_means_and_a_total(void **state)
{
    struct exit_stat a[EXIT_REASONS] = {[EXIT_HLT] = {4, 4000}, [EXIT_IO] = {3, 10}};
    struct exit_stat b[EXIT_REASONS] = {[EXIT_OTHER] = {1, 7}};
    struct vcpu v0 = {.exits = a}, v2 = {.id = 2, .exits = b};
    struct domain d = {.nr_vcpus = 3, .vcpu = {&v0, NULL, &v2}};

    fake_now = 5000000000;
    exit_stats_dump(&d);
    assert_int_equal(lines(), 5);
    assert_non_null(strstr(fake_log, "vCPU 0 HLT                 4     1000\n"));
    assert_non_null(strstr(fake_log, "vCPU 0 I/O port            3        3\n"));
    assert_non_null(strstr(fake_log, "vCPU 2 other               1        7\n"));
    assert_non_null(strstr(fake_log, "total 8 in 5000 ms\n"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(every_reason_has_a_name_of_its_own),
        T(a_cpu_without_exits_dumps_none),
        T(exits_are_dumped_oldest_first),
        T(a_full_ring_holds_the_last_ones),
        T(statistics_give_counts_means_and_a_total),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
