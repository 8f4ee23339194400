/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/eject.c tests/unit/fakes.c */
/* A CPU that is to leave the machine: what moves, in which order, and what makes it stay. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/time.h>
#include <torii/vioapic.h>
#include <torii/vpci.h>

#include "event_log.h"

#define CPU 2

struct pcpu *pcpus[MAX_CPUS];
struct domain *dom0;

static struct pcpu cpu = {.id = CPU};
static struct domain dom;
static unsigned caller;
static bool busy;
static unsigned used; /* so many times it is looked at */
static u64 now;
static int offline_result, stop_result;

long pcpu_set_online(u32 n, bool online)
{
    assert_int_equal(n, CPU);
    assert_false(online);
    happen("offline");
    return offline_result;
}

unsigned cpu_this(void)
{
    return caller;
}

bool sched_wait_empty(const struct pcpu *c)
{
    assert_ptr_equal(c, &cpu);
    happen("empty");
    return !busy;
}

void vioapic_rehome(struct domain *d)
{
    assert_ptr_equal(d, &dom);
    happen("lines");
}

void vpci_rehome(struct domain *d)
{
    assert_ptr_equal(d, &dom);
    happen("messages");
}

bool irq_cpu_used(unsigned n)
{
    assert_int_equal(n, CPU);
    return used && used--;
}

u64 now_ns(void)
{
    return now += 30000000;
}

int smp_stop_cpu(unsigned n)
{
    assert_int_equal(n, CPU);
    happen("stop");
    return stop_result;
}

void pcpu_changed(void)
{
    happen("dom0");
}

static int setup(void **state)
{
    pcpus[CPU] = &cpu;
    dom0 = &dom;
    caller = 0;
    busy = false;
    used = 0;
    offline_result = stop_result = 0;
    events[0] = '\0';
    return 0;
}

static void everything_moves_before_it_stops(void **state)
{
    assert_int_equal(pcpu_remove(CPU), 0);
    assert_events("offline empty lines messages stop dom0");
}

static void one_that_cannot_go_out_of_use_stays(void **state)
{
    offline_result = -XEN_EOPNOTSUPP;
    assert_int_equal(pcpu_remove(CPU), -XEN_EOPNOTSUPP);
    assert_events("offline");
}

static void none_stops_itself(void **state)
{
    caller = CPU;
    assert_int_equal(pcpu_remove(CPU), -XEN_EBUSY);
    assert_events("offline");
}

static void one_with_a_vcpu_stays(void **state)
{
    busy = true;
    assert_int_equal(pcpu_remove(CPU), -XEN_EBUSY);
    assert_events("offline empty");
}

static void an_interrupt_it_has_accepted_is_waited_for(void **state)
{
    used = 2;
    assert_int_equal(pcpu_remove(CPU), 0);
    assert_events("offline empty lines messages lines messages lines messages stop dom0");
}

static void one_that_a_device_interrupts_stays(void **state)
{
    used = ~0u;
    assert_int_equal(pcpu_remove(CPU), -XEN_EBUSY);
    assert_events("offline empty lines messages lines messages lines messages lines messages");
}

static void one_that_does_not_stop_is_still_there(void **state)
{
    stop_result = -XEN_EBUSY;
    assert_int_equal(pcpu_remove(CPU), -XEN_EBUSY);
    assert_events("offline empty lines messages stop");
}

static void without_a_dom0_nothing_has_interrupts(void **state)
{
    dom0 = NULL;
    assert_int_equal(pcpu_remove(CPU), 0);
    assert_events("offline empty stop dom0");
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(everything_moves_before_it_stops),
        T(one_that_cannot_go_out_of_use_stays),
        T(none_stops_itself),
        T(one_with_a_vcpu_stays),
        T(an_interrupt_it_has_accepted_is_waited_for),
        T(one_that_a_device_interrupts_stays),
        T(one_that_does_not_stop_is_still_there),
        T(without_a_dom0_nothing_has_interrupts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
