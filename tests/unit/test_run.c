/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/sched.c src/domain/run.c tests/unit/fake_core.c */
/* The vCPU loop: what the guest gets at its entry, and what is done between two. */
#include "sched_world.h"

/* --- what the guest gets at its entry --- */

/* One entry of vCPU 0, with events to look at. */
static void enter(void)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpus[0].todo = 0;
    on_exit_do = block;
    cpus[0].resched = false;
    vcpu_run(&vcpus[0]);
}

static void a_pending_interrupt_is_accepted_and_injected(void **state)
{
    pending_vector = highest_irr = 0x51;
    window = true;
    enter();
    assert_events("accept0x51 irq0x51 run0");
    assert_false(window);
}

static void an_interrupt_that_cannot_be_taken_asks_for_a_window(void **state)
{
    pending_vector = highest_irr = 0x51;
    accept_irq = false;
    enter();
    assert_events("run0");
    assert_true(window);
    assert_int_equal(window_priority, 5);
}

static void an_interrupt_the_tpr_hides_asks_for_the_moment_it_does_not(void **state)
{
    highest_irr = 0x51;
    tpr = 6;
    enter();
    assert_events("run0");
    assert_true(window);
    assert_int_equal(window_priority, 5);
    tpr = 5; /* its own class is hidden, too */
    enter();
    assert_true(window);
    tpr = 4; /* not the TPR: one in service hides it, and its end will show it */
    enter();
    assert_false(window);
    assert_int_equal(hw_cr8, 4);
}

static void an_nmi_comes_before_interrupts(void **state)
{
    nmi_pending = true;
    pending_vector = highest_irr = 0x51;
    enter();
    assert_events("nmi0x2 run0");
    assert_true(window); /* for the interrupt, which is not lost */
    assert_int_equal(pending_vector, 0x51);
}

static void an_nmi_that_cannot_be_taken_waits_for_its_window(void **state)
{
    nmi_pending = true;
    accept_nmi = false;
    pending_vector = highest_irr = 0x51;
    enter();
    assert_events("nmi-window run0");
    assert_true(nmi_pending);
    assert_int_equal(pending_vector, 0x51);
}

static void the_upcall_comes_before_the_apics_interrupts(void **state)
{
    callback_vector = 0xf3;
    pending_vector = highest_irr = 0x51;
    enter();
    assert_events("irq0xf3 run0");
    assert_true(window);
    assert_int_equal(window_priority, 5);
}

static void an_upcall_that_cannot_be_taken_asks_whatever_the_tpr(void **state)
{
    callback_vector = 0xf3;
    accept_irq = false;
    tpr = 15;
    enter();
    assert_events("run0");
    assert_true(window);
    assert_int_equal(window_priority, HVM_WINDOW_ANY_TPR);
}

static void a_machine_check_comes_before_all_and_the_rest_is_looked_at_again(void **state)
{
    mce_waits = true;
    nmi_pending = true;
    enter();
    assert_events("exc18 run0 nmi-window run0"); /* the second entry: blocked no more, TODO_EVENTS was set */
    assert_true(nmi_pending);
}

static void without_events_there_is_no_window(void **state)
{
    window = true;
    enter();
    assert_events("run0");
    assert_false(window);
}

static void guest_lowers_cr8(struct vcpu *v)
{
    hw_cr8 = 2;
    in_guest = NULL;
}

static bool go_on(struct vcpu *v)
{
    on_exit_do = block;
    pending_vector = highest_irr; /* as the local APIC sees it with the new TPR */
    return false;
}

static void a_tpr_the_guest_changed_is_read_back_and_shows_what_it_hid(void **state)
{
    tpr = 8;
    highest_irr = 0x51;
    in_guest = guest_lowers_cr8;
    vcpus[0].state = VCPU_RUNNABLE;
    on_exit_do = go_on;
    vcpu_run(&vcpus[0]);
    assert_events("run0 cr8=2 accept0x51 irq0x51 run0");
}

static void a_flush_is_done_before_the_guest_runs_on(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpus[0].todo = TODO_FLUSH;
    vcpu_run(&vcpus[0]);
    assert_events("flush0 run0");
    assert_int_equal(vcpus[0].todo & TODO_FLUSH, 0);
    assert_false(vcpus[0].running);
}

static void every_exit_is_counted_once_and_traced(void **state)
{
    static const enum exit_reason reasons[] = {EXIT_CPUID, EXIT_IO, EXIT_MMIO, EXIT_OTHER, EXIT_HYPERCALL};

    for (unsigned i = 0; i < 200; i++) {
        exit_reason = reasons[i % ARRAY_SIZE(reasons)];
        vcpus[0].regs.rip = i;
        enter();
        events[0] = '\0';
    }
    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++)
        assert_int_equal(stats[0][reasons[i]].count, 40);
    assert_int_equal(cpus[0].trace_next, 200);
    for (unsigned i = 200 - TRACE_ENTRIES; i < 200; i++) {
        assert_int_equal(cpus[0].trace[i % TRACE_ENTRIES].rip, i);
        assert_int_equal(cpus[0].trace[i % TRACE_ENTRIES].reason, reasons[i % ARRAY_SIZE(reasons)]);
    }
}

static void exits_take_no_time_to_measure_unless_asked(void **state)
{
    enter();
    assert_int_equal(stats[0][EXIT_HLT].count, 1);
    assert_int_equal(stats[0][EXIT_HLT].cycles, 0);
    vcpus[0].exits_timed = true;
    enter();
    assert_int_equal(stats[0][EXIT_HLT].count, 2);
    assert_in_range(stats[0][EXIT_HLT].cycles, 1, ~0ull >> 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_pending_interrupt_is_accepted_and_injected),
        T(an_interrupt_that_cannot_be_taken_asks_for_a_window),
        T(an_interrupt_the_tpr_hides_asks_for_the_moment_it_does_not),
        T(an_nmi_comes_before_interrupts),
        T(an_nmi_that_cannot_be_taken_waits_for_its_window),
        T(the_upcall_comes_before_the_apics_interrupts),
        T(an_upcall_that_cannot_be_taken_asks_whatever_the_tpr),
        T(a_machine_check_comes_before_all_and_the_rest_is_looked_at_again),
        T(without_events_there_is_no_window),
        T(a_tpr_the_guest_changed_is_read_back_and_shows_what_it_hid),
        T(a_flush_is_done_before_the_guest_runs_on),
        T(every_exit_is_counted_once_and_traced),
        T(exits_take_no_time_to_measure_unless_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
