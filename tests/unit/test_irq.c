/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/irq.c tests/unit/fake_core.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/ioapic.h>
#include <torii/irq.h>
#include <torii/lapic.h>
#include <torii/machine.h>
#include <torii/timer_queue.h>
#include <torii/traps.h>

#include "../../src/machine/irq_internal.h"
#include "fake_core.h"

#define CPUS        8
#define DEVICE_VECS (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)
#define SECOND      1000000000ull

/* What happened, in order: one letter each. */
static char events[256];

static void happen(char c)
{
    size_t n = strlen(events);

    assert_true(n + 1 < sizeof(events));
    events[n] = c;
    events[n + 1] = '\0';
    assert_int_equal(fake_locks_held, 0);
}

static void assert_events(const char *expected)
{
    assert_string_equal(events, expected);
    events[0] = '\0';
}

void lapic_timer_fired(void)
{
}

void lapic_eoi(void)
{
    happen('e');
}

void timer_queue_run(void)
{
    happen('t');
}

static u32 sent_dest, sent_icr;

void lapic_send(u32 dest, u32 icr_low)
{
    sent_dest = dest;
    sent_icr = icr_low;
    happen('s');
}

void lapic_write(enum lapic_reg reg, u32 val)
{
    assert_int_equal(reg, LAPIC_ESR);
    happen('w');
}

u32 lapic_read(enum lapic_reg reg)
{
    assert_int_equal(reg, LAPIC_ESR);
    happen('r');
    return 0x40;
}

static struct pcpu cpus[CPUS];
static void *tables[CPUS];
static unsigned nr_tables;
static bool no_memory;

void *xzalloc(size_t bytes)
{
    if (no_memory)
        return NULL;
    assert_true(nr_tables < CPUS);
    return tables[nr_tables++] = calloc(1, bytes);
}

static int setup(void **state)
{
    events[0] = '\0';
    no_memory = false;
    fake_now += 10 * SECOND; /* what other tests retired is long over */
    pcpu_nr = CPUS;
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].id = i;
        cpus[i].apic_id = 2 * i + 1;
        cpus[i].started = true;
        pcpus[i] = &cpus[i];
        if (irq_cpu_init(i))
            return -1;
    }
    fake_this_cpu(&cpus[0]);
    return 0;
}

static int teardown(void **state)
{
    while (nr_tables)
        free(tables[--nr_tables]);
    return (int)fake_locks_held;
}

static char called[64]; /* by context: the address of one of these */
static unsigned nr_calls;

static void hold(void *ctx)
{
    happen('h');
}

static void handler(void *ctx)
{
    happen('f');
    nr_calls++;
    assert_in_range((char *)ctx - called, 0, sizeof(called) - 1);
    ++*(char *)ctx;
}

static void other_handler(void *ctx)
{
    happen('o');
}

/* An interrupt with this vector arrives at CPU `cpu`. */
static void arrive(unsigned cpu, unsigned vector)
{
    fake_this_cpu(&cpus[cpu]);
    irq_dispatch(vector);
    fake_this_cpu(&cpus[0]);
}

/* --- vectors --- */

static void a_cpu_without_a_table_has_no_vectors(void **state)
{
    assert_int_equal(vector_alloc(CPUS, 1, NULL, handler, NULL, 0), -XEN_EINVAL);
    assert_int_equal(vector_alloc(MAX_CPUS, 1, NULL, handler, NULL, 0), -XEN_EINVAL);
    assert_int_equal(vector_alloc(~0u, 1, NULL, handler, NULL, 0), -XEN_EINVAL);
    no_memory = true;
    assert_int_equal(irq_cpu_init(CPUS), -XEN_ENOMEM);
    assert_int_equal(vector_alloc(CPUS, 1, NULL, handler, NULL, 0), -XEN_EINVAL);
}

static void every_device_vector_is_given_once_and_none_of_toriis_own(void **state)
{
    for (unsigned count = 1; count <= 32; count *= 2) {
        bool given[256] = {0};
        unsigned n = 0;
        int first;

        teardown(state);
        setup(state);
        while ((first = vector_alloc(1, count, NULL, handler, called, 0)) >= 0) {
            assert_int_equal(first % count, 0);
            assert_in_range(first, VECTOR_DEVICE_FIRST, VECTOR_DEVICE_LAST + 1 - count);
            for (unsigned i = 0; i < count; i++) {
                assert_false(given[first + i]);
                given[first + i] = true;
            }
            n++;
        }
        assert_int_equal(first, -XEN_ENOSPC);
        /* 0x30 .. 0xef: of runs of 32, the first aligned one begins at 0x40 and the last ends at 0xdf. */
        assert_int_equal(n, count == 32 ? 5 : DEVICE_VECS / count);
        assert_int_equal(vector_alloc(1, 1, NULL, handler, called, 0) >= 0, count == 32);
        assert_true(vector_alloc(2, count, NULL, handler, called, 0) >= 0); /* another CPU has its own */
    }
}

static void a_run_needs_neighbours_that_are_free(void **state)
{
    int single[DEVICE_VECS];

    for (unsigned i = 0; i < DEVICE_VECS; i++)
        single[i] = vector_alloc(0, 1, NULL, handler, called, 0);
    for (unsigned i = 0; i < DEVICE_VECS; i += 2)
        vector_retire(0, single[i], 1, false);
    fake_now += 2 * SECOND;
    assert_int_equal(vector_alloc(0, 2, NULL, handler, called, 0), -XEN_ENOSPC);
    vector_retire(0, single[101], 1, false);
    assert_int_equal(vector_alloc(0, 2, NULL, handler, called, 0), -XEN_ENOSPC); /* not for a second */
    fake_now += 2 * SECOND;
    assert_int_equal(vector_alloc(0, 2, NULL, handler, called, 0), single[100]);
}

static void a_vector_ends_at_the_apic_between_its_hold_and_its_handler(void **state)
{
    int v = vector_alloc(0, 4, hold, handler, called, 3);

    for (unsigned i = 0; i < 4; i++) {
        memset(called, 0, sizeof(called));
        arrive(0, v + i);
        assert_events("hef");
        assert_int_equal(called[3 * i], 1);
    }
    v = vector_alloc(0, 1, NULL, handler, called, 0);
    arrive(0, v);
    assert_events("ef");
    arrive(1, v); /* the same vector elsewhere is nobody's */
    assert_events("e");
}

static void a_retired_vector_rests_for_a_second(void **state)
{
    int v = vector_alloc(0, 1, NULL, handler, called, 0), again;

    vector_retire(0, v, 1, false);
    again = vector_alloc(0, 1, NULL, handler, called, 0);
    assert_int_not_equal(again, v);
    fake_now += SECOND;
    assert_int_not_equal(vector_alloc(0, 1, NULL, handler, called, 0), v);
    fake_now += 1;
    assert_int_equal(vector_alloc(0, 1, NULL, other_handler, called, 0), v);
    arrive(0, v);
    assert_events("eo");
}

static void what_is_on_its_way_to_a_retired_vector_is_delivered_if_asked(void **state)
{
    int v = vector_alloc(0, 2, hold, handler, called, 0);

    vector_retire(0, v, 1, true);
    vector_retire(0, v + 1, 1, false);
    arrive(0, v);
    assert_events("hef");
    arrive(0, v + 1);
    assert_events("e");
}

/* --- Torii's own --- */

static void toriis_own_vectors_do_what_they_are_for(void **state)
{
    arrive(0, VECTOR_TIMER);
    assert_events("et");
    arrive(0, VECTOR_KICK);
    assert_events("e");
    arrive(0, VECTOR_SPURIOUS); /* has no EOI: SDM vol. 3 §11.9 */
    assert_events("");
    fake_log_clear();
    arrive(3, VECTOR_ERROR);
    assert_events("wre"); /* ESR is written before it is read: §11.5.3 */
    assert_string_equal(fake_log, "CPU 3: local APIC error 0x40\n");
}

static void a_vector_nobody_owns_is_ended_and_logged(void **state)
{
    fake_log_clear();
    arrive(2, 0x55);
    assert_events("e");
    assert_non_null(strstr(fake_log, "CPU 2: interrupt vector 0x55"));
}

static void a_kick_is_for_other_cpus(void **state)
{
    cpu_kick(0);
    assert_events("");
    cpu_kick(5);
    assert_events("s");
    assert_int_equal(sent_dest, cpus[5].apic_id);
    assert_int_equal(sent_icr, 0x40f1);
}

static void the_others_stop_by_an_nmi_that_needs_others(void **state)
{
    cpus_stopping = false;
    stop_all_but_self();
    assert_true(cpus_stopping);
    assert_events("s");
    assert_int_equal(sent_icr, 0xc4400);
    pcpu_nr = 1;
    stop_all_but_self();
    assert_events("");
}

/* --- MSI --- */

static void a_count_that_is_no_power_of_two_up_to_32_is_refused(void **state)
{
    struct msi_message msg;

    for (unsigned count = 0; count < 70; count++) {
        int h = msi_alloc(count, 0, handler, called, 0, &msg);

        if (count && count <= 32 && !(count & (count - 1)))
            msi_free(h);
        else
            assert_int_equal(h, -XEN_EINVAL);
        fake_now += 2 * SECOND;
    }
    assert_int_equal(msi_alloc(0x80000000u, 0, handler, called, 0, &msg), -XEN_EINVAL);
}

static void a_message_names_the_cpu_and_the_first_vector(void **state)
{
    for (unsigned count = 1; count <= 32; count *= 2)
        for (unsigned cpu = 0; cpu < CPUS; cpu += 3) {
            struct msi_message msg;
            int h = msi_alloc(count, cpu, handler, called, 1, &msg);

            assert_true(h >= 0);
            assert_int_equal(msg.address, 0xfee00000 | cpus[cpu].apic_id << 12);
            assert_int_equal(msg.data % count, 0);
            assert_int_equal(msg.data & ~0xff, 0); /* fixed, edge */
            for (unsigned i = 0; i < count; i++) {
                memset(called, 0, sizeof(called));
                arrive(cpu, msg.data | i); /* as a device with several messages makes it */
                assert_events("ef");
                assert_int_equal(called[i], 1);
            }
            msi_free(h);
        }
}

static void without_a_vector_the_handle_goes_back(void **state)
{
    struct msi_message msg;

    while (vector_alloc(4, 1, NULL, handler, called, 0) >= 0)
        ;
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(msi_alloc(1, 4, handler, called, 0, &msg), -XEN_ENOSPC);
    assert_int_equal(msi_alloc(1, MAX_CPUS, handler, called, 0, &msg), -XEN_EINVAL);
    assert_true(msi_alloc(1, 5, handler, called, 0, &msg) == 0);
    msi_free(0);
}

static void handles_run_out_and_come_back(void **state)
{
    static int handles[2048];
    struct msi_message msg;
    unsigned n = 0;

    while (n < ARRAY_SIZE(handles) && (handles[n] = msi_alloc(1, n % CPUS, handler, called, 0, &msg)) >= 0)
        n++;
    assert_int_equal(n, 1024);
    assert_int_equal(handles[n], -XEN_ENOSPC);
    msi_free(handles[77]);
    assert_int_equal(msi_alloc(1, 0, handler, called, 0, &msg), handles[77]);
    while (n)
        msi_free(handles[--n]);
}

static void moved_interrupts_reach_the_handler_from_both_sides(void **state)
{
    struct msi_message old, new;
    int h = msi_alloc(4, 1, handler, called, 1, &old);

    assert_int_equal(msi_move(h, 2, &new), 0);
    assert_int_equal(new.address, 0xfee00000 | cpus[2].apic_id << 12);
    memset(called, 0, sizeof(called));
    arrive(1, old.data + 3);
    arrive(2, new.data + 3);
    assert_events("efef");
    assert_int_equal(called[3], 2);
    msi_move_done(h);
    arrive(1, old.data + 2); /* sent before the device was told */
    assert_events("ef");
    assert_int_equal(called[2], 1);
    msi_move_done(h); /* nothing is moving: harmless */
    arrive(2, new.data);
    assert_events("ef");
    msi_free(h);
    arrive(2, new.data);
    assert_events("e");
}

static void a_move_that_keeps_the_vectors_changes_the_address_alone(void **state)
{
    struct msi_message old, new;
    int h = msi_alloc(4, 1, handler, called, 1, &old);

    assert_int_equal(msi_move_same(h, 1, &new), -XEN_EINVAL);
    assert_int_equal(msi_move_same(h, MAX_CPUS, &new), -XEN_EINVAL);
    assert_int_equal(msi_move_same(h, 2, &new), 0);
    assert_int_equal(new.data, old.data);
    assert_int_equal(new.address, 0xfee00000 | cpus[2].apic_id << 12);
    memset(called, 0, sizeof(called));
    arrive(1, old.data + 3);
    arrive(2, new.data + 3);
    assert_events("efef");
    assert_int_equal(called[3], 2);
    msi_move_done(h);
    assert_false(irq_cpu_used(1));
    assert_true(irq_cpu_used(2));
    assert_int_equal(msi_move_same(h, 1, &new), -XEN_ENOSPC); /* retired a moment ago */
    fake_now += 2 * SECOND;
    while (vector_alloc(1, 1, NULL, handler, called, 0) >= 0)
        ;
    assert_int_equal(msi_move_same(h, 1, &new), -XEN_ENOSPC);
    msi_free(h);
    assert_false(irq_cpu_used(2));
}

static void a_stopped_cpu_leaves_interrupts_to_the_boot_cpu(void **state)
{
    struct msi_message msg;
    int h;

    cpus[2].started = false;
    h = msi_alloc(1, 2, handler, called, 0, &msg);
    assert_int_equal(msg.address, 0xfee00000 | cpus[0].apic_id << 12);
    assert_true(irq_cpu_used(0));
    assert_false(irq_cpu_used(2));
    msi_free(h);
}

static void a_second_move_ends_the_first(void **state)
{
    struct msi_message a, b, c;
    int h = msi_alloc(32, 1, handler, called, 0, &a);

    assert_int_equal(msi_move(h, 2, &b), 0);
    assert_int_equal(msi_move(h, 3, &c), 0);
    fake_now += 2 * SECOND;
    /* CPU 1 has all its runs again; CPU 2 only without the one that is still moving. */
    for (unsigned i = 0; i < 5; i++)
        assert_true(vector_alloc(1, 32, NULL, handler, called, 0) >= 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(vector_alloc(2, 32, NULL, handler, called, 0) >= 0);
    assert_int_equal(vector_alloc(2, 32, NULL, handler, called, 0), -XEN_ENOSPC);
    msi_free(h);
    fake_now += 2 * SECOND;
    assert_int_equal(vector_alloc(2, 32, NULL, handler, called, 0), b.data);
    for (unsigned i = 0; i < 5; i++)
        assert_true(vector_alloc(3, 32, NULL, handler, called, 0) >= 0);
}

static void a_move_to_the_same_cpu_changes_nothing(void **state)
{
    struct msi_message a, b;
    int h = msi_alloc(2, 1, handler, called, 0, &a);

    assert_int_equal(msi_move(h, 1, &b), 0);
    assert_int_equal(a.address, b.address);
    assert_int_equal(a.data, b.data);
    arrive(1, a.data);
    assert_events("ef");
    msi_free(h);
}

static void a_move_to_a_full_cpu_fails_and_the_old_one_goes_on(void **state)
{
    struct msi_message a, b;
    int h = msi_alloc(1, 1, handler, called, 0, &a);

    while (vector_alloc(2, 1, NULL, handler, called, 0) >= 0)
        ;
    assert_int_equal(msi_move(h, 2, &b), -XEN_ENOSPC);
    assert_int_equal(msi_move(h, MAX_CPUS, &b), -XEN_EINVAL);
    arrive(1, a.data);
    assert_events("ef");
    assert_int_equal(msi_move(h, 1, &b), 0);
    assert_int_equal(a.data, b.data);
    msi_free(h);
}

static void a_handle_nobody_has_stops_the_machine(void **state)
{
    struct msi_message msg;
    int h = msi_alloc(1, 0, handler, called, 0, &msg);

    assert_panics(msi_free(-1));
    assert_panics(msi_free(1024));
    assert_panics(msi_free(h + 1));
    assert_panics(msi_move(h + 1, 0, &msg));
    assert_panics(msi_move_done(-XEN_ENOSPC));
    msi_free(h);
    assert_panics(msi_free(h));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_cpu_without_a_table_has_no_vectors),
        T(every_device_vector_is_given_once_and_none_of_toriis_own),
        T(a_run_needs_neighbours_that_are_free),
        T(a_vector_ends_at_the_apic_between_its_hold_and_its_handler),
        T(a_retired_vector_rests_for_a_second),
        T(what_is_on_its_way_to_a_retired_vector_is_delivered_if_asked),
        T(toriis_own_vectors_do_what_they_are_for),
        T(a_vector_nobody_owns_is_ended_and_logged),
        T(a_kick_is_for_other_cpus),
        T(the_others_stop_by_an_nmi_that_needs_others),
        T(a_count_that_is_no_power_of_two_up_to_32_is_refused),
        T(a_message_names_the_cpu_and_the_first_vector),
        T(without_a_vector_the_handle_goes_back),
        T(handles_run_out_and_come_back),
        T(moved_interrupts_reach_the_handler_from_both_sides),
        T(a_move_that_keeps_the_vectors_changes_the_address_alone),
        T(a_stopped_cpu_leaves_interrupts_to_the_boot_cpu),
        T(a_second_move_ends_the_first),
        T(a_move_to_the_same_cpu_changes_nothing),
        T(a_move_to_a_full_cpu_fails_and_the_old_one_goes_on),
        T(a_handle_nobody_has_stops_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
