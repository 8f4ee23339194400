/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/sched.c src/domain/run.c tests/unit/fake_core.c */
/* Which vCPU runs, and what starts, stops and moves one. */
#include "sched_world.h"

/* --- who runs --- */

static void a_cpu_with_nothing_to_run_is_idle_and_counts_it(void **state)
{
    loop(0, 3);
    assert_events("idle idle idle idle");
    assert_int_equal(cpus[0].idle_ns, 3000);
}

static void vcpus_of_a_cpu_take_turns(void **state)
{
    for (unsigned i = 0; i < VCPUS; i++)
        vcpus[i].state = VCPU_RUNNABLE;
    fake_now = 5000;
    loop(0, 0);
    assert_events("load0 in0 run0 out0 save0 load1 in1 run1 out1 save1 load2 in2 run2 idle");
    assert_int_equal(slice_deadline, 5000 + 10000000); /* ten milliseconds each */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(vcpus[i].runstate.state, RUNSTATE_blocked);
    /* Round from the one that ran last. */
    vcpus[1].state = vcpus[0].state = VCPU_RUNNABLE;
    loop(0, 0);
    assert_events("out2 save2 load0 in0 run0 out0 save0 load1 in1 run1 idle");
    loop(1, 0);
    assert_events("load3 in3 run3 idle");
}

static bool yield(struct vcpu *v)
{
    atomic_or(&v->todo, TODO_YIELD);
    on_exit_do = block;
    return false;
}

static void a_vcpu_that_yields_lets_the_others_run_first(void **state)
{
    vcpus[0].state = vcpus[2].state = VCPU_RUNNABLE;
    on_exit_do = yield;
    loop(0, 0);
    assert_events("load0 in0 run0 out0 save0 load2 in2 run2 out2 save2 load0 in0 run0 idle");
    assert_int_equal(vcpus[0].todo & TODO_YIELD, 0);
}

static bool slice_ends(struct vcpu *v)
{
    v->cpu->slice.fn(&v->cpu->slice);
    on_exit_do = block;
    return true; /* and events have to be looked at: not forgotten over the switch */
}

static void the_end_of_a_slice_switches_and_keeps_events_to_do(void **state)
{
    vcpus[0].state = vcpus[1].state = VCPU_RUNNABLE;
    on_exit_do = slice_ends;
    loop(0, 0);
    assert_events("load0 in0 run0 out0 save0 load1 in1 run1 out1 save1 load0 in0 run0 idle");
    assert_int_equal(stats[0][EXIT_HLT].count, 2);
    assert_int_equal(cpus[0].trace_next, 3);
    assert_int_equal(cpus[0].trace[1].who.vcpu, 1);
    assert_int_equal(cpus[0].trace[1].reason, EXIT_HLT);
}

static void one_vcpu_alone_has_no_slice(void **state)
{
    vcpus[3].state = VCPU_RUNNABLE;
    loop(1, 0);
    assert_events("load3 in3 run3 idle");
    assert_int_equal(slice_deadline, 0);
    vcpus[3].state = VCPU_RUNNABLE;
    loop(1, 0);
    assert_events("run3 idle"); /* its registers were still there */
}

/* --- block and kick --- */

static void a_kick_wakes_a_blocked_vcpu(void **state)
{
    vcpus[0].state = vcpus[3].state = VCPU_BLOCKED;
    vcpu_kick(&vcpus[0], TODO_EVENTS);
    assert_int_equal(vcpus[0].state, VCPU_RUNNABLE);
    assert_true(cpus[0].resched);
    assert_events(""); /* this CPU needs no interrupt */
    vcpu_kick(&vcpus[3], 0);
    assert_events("kick1");
    assert_true(cpus[1].resched);
    vcpu_kick(&vcpus[3], TODO_EVENTS); /* awake, and not yet in guest mode: it will see the bit */
    assert_events("");
    vcpus[3].running = true;
    vcpu_kick(&vcpus[3], TODO_EVENTS);
    assert_events("kick1");
}

static void wake_two(struct vcpu *v)
{
    if (v == &vcpus[0]) {
        vcpu_kick(&vcpus[1], TODO_EVENTS);
        vcpu_kick(&vcpus[2], TODO_EVENTS);
    } else if (v == &vcpus[1]) {
        assert_int_equal(vcpus[1].runstate.state, RUNSTATE_running);
        assert_int_equal(vcpus[2].runstate.state, RUNSTATE_runnable);
    }
}

static void one_that_woke_up_and_must_wait_is_accounted_as_runnable(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpus[1].state = vcpus[2].state = VCPU_BLOCKED;
    vcpus[1].runstate.state = vcpus[2].runstate.state = RUNSTATE_blocked;
    in_guest = wake_two;
    loop(0, 0);
    assert_events("load0 in0 run0 out0 save0 load1 in1 run1 out1 save1 load2 in2 run2 idle");
    assert_int_equal(vcpus[2].runstate.state, RUNSTATE_blocked);
}

static void a_kick_before_the_block_is_not_slept_through(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpu_kick(&vcpus[0], TODO_EVENTS);
    vcpu_block(&vcpus[0]);
    assert_int_equal(vcpus[0].state, VCPU_RUNNABLE);
    vcpus[0].todo = 0;
    vcpu_block(&vcpus[0]);
    assert_int_equal(vcpus[0].state, VCPU_BLOCKED);
}

static void kick_others(struct vcpu *v)
{
    vcpu_kick(v, TODO_EVENTS); /* an interrupt, as its HLT exits */
    in_guest = NULL;
}

static void an_interrupt_during_hlt_runs_the_vcpu_again(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    in_guest = kick_others;
    loop(0, 0);
    assert_events("load0 in0 run0 run0 idle");
}

static void an_offline_vcpu_neither_blocks_nor_wakes(void **state)
{
    vcpu_block(&vcpus[1]);
    assert_int_equal(vcpus[1].state, VCPU_OFFLINE);
    vcpu_kick(&vcpus[1], TODO_EVENTS);
    assert_int_equal(vcpus[1].state, VCPU_OFFLINE);
    assert_false(vcpu_is_online(&vcpus[1]));
    loop(0, 0);
    assert_events("idle");
}

static void an_nmi_alone_wakes_a_vcpu_that_halted_with_interrupts_off(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpu_halt(&vcpus[0]);
    assert_int_equal(vcpus[0].state, VCPU_HALTED);
    assert_false(vcpu_is_online(&vcpus[0]));
    vcpu_kick(&vcpus[0], TODO_EVENTS);
    assert_int_equal(vcpus[0].state, VCPU_HALTED);
    loop(0, 0);
    assert_events("idle");
    vcpu_kick(&vcpus[0], TODO_EVENTS | TODO_NMI);
    assert_int_equal(vcpus[0].state, VCPU_RUNNABLE);
}

static void an_nmi_before_the_halt_is_not_slept_through(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpu_kick(&vcpus[0], TODO_EVENTS | TODO_NMI);
    vcpu_halt(&vcpus[0]);
    assert_int_equal(vcpus[0].state, VCPU_RUNNABLE);
}

static void an_init_and_a_sipi_start_a_halted_vcpu_anew(void **state)
{
    vcpus[1].state = VCPU_HALTED;
    startup[0] = STARTUP_INIT;
    startup[1] = STARTUP_SIPI;
    vcpu_kick(&vcpus[1], TODO_RESET);
    loop(0, 0);
    assert_events("load1 in1 start1@0x9a run1 idle");
}

/* --- INIT and SIPI --- */

static void a_sipi_starts_an_offline_vcpu(void **state)
{
    startup[0] = STARTUP_SIPI;
    vcpu_kick(&vcpus[1], TODO_RESET);
    loop(0, 0);
    assert_events("load1 in1 start1@0x9a run1 idle");
    assert_true(vcpus[1].initialised);
    assert_true(vcpu_is_online(&vcpus[1]));
}

static void an_init_alone_leaves_it_offline(void **state)
{
    startup[0] = STARTUP_INIT;
    vcpu_kick(&vcpus[1], TODO_RESET);
    loop(0, 0);
    assert_events("load1 in1 idle");
    assert_int_equal(vcpus[1].state, VCPU_OFFLINE);
    assert_int_equal(vcpus[1].runstate.state, RUNSTATE_offline);
    assert_int_equal(vcpus[1].todo & TODO_RESET, 0);
}

static void an_init_and_a_sipi_at_once_restart_a_running_vcpu(void **state)
{
    startup[0] = STARTUP_INIT;
    startup[1] = STARTUP_SIPI;
    vcpus[1].state = VCPU_RUNNABLE;
    vcpu_kick(&vcpus[1], TODO_RESET);
    loop(0, 0);
    assert_events("load1 in1 start1@0x9a run1 idle");
}

static void an_init_wakes_a_blocked_vcpu_and_turns_it_off(void **state)
{
    startup[0] = STARTUP_INIT;
    vcpus[3].state = VCPU_BLOCKED;
    vcpu_kick(&vcpus[3], TODO_RESET);
    assert_events("kick1");
    loop(1, 0);
    assert_events("load3 in3 idle");
    assert_int_equal(vcpus[3].state, VCPU_OFFLINE);
}

static void a_reset_for_an_offline_vcpu_elsewhere_sends_an_interrupt(void **state)
{
    vcpu_kick(&vcpus[3], TODO_RESET);
    assert_events("kick1");
    assert_true(cpus[1].resched);
}

/* --- offline, start, pause --- */

static void starting_and_stopping_pokes_the_cpu(void **state)
{
    vcpu_start(&vcpus[3]);
    assert_events("kick1");
    assert_true(vcpu_is_online(&vcpus[3]));
    vcpu_offline(&vcpus[3]);
    assert_events("kick1");
    cpus[0].resched = false;
    cpus[0].current = &vcpus[0];
    vcpus[0].state = VCPU_RUNNABLE;
    vcpu_offline(&vcpus[0]); /* itself: its loop sees that, without an interrupt */
    assert_true(cpus[0].resched);
    assert_events("");
    assert_int_equal(vcpus[0].state, VCPU_OFFLINE);
    assert_int_equal(vcpu_cpu(&vcpus[3]), 1);
}

static void a_paused_vcpu_runs_when_all_have_unpaused_it(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    vcpu_pause(&vcpus[0]);
    vcpu_pause(&vcpus[0]);
    loop(0, 0);
    assert_events("idle");
    vcpu_unpause(&vcpus[0]);
    loop(0, 0);
    assert_events("idle");
    cpus[0].resched = false;
    vcpu_unpause(&vcpus[0]);
    assert_true(cpus[0].resched);
    loop(0, 0);
    assert_events("load0 in0 run0 idle");
}

static bool pause_itself(struct vcpu *v)
{
    vcpu_pause(v); /* does not wait for itself */
    on_exit_do = block;
    return true;
}

static void a_vcpu_that_pauses_itself_stops_at_the_end_of_its_exit(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    on_exit_do = pause_itself;
    loop(0, 0);
    assert_events("load0 in0 run0 idle");
    assert_int_equal(vcpus[0].paused, 1);
    assert_int_equal(vcpus[0].todo, TODO_EVENTS);
    vcpu_unpause(&vcpus[0]);
    loop(0, 0);
    assert_events("run0 idle");
}

/* --- CPUs out of use --- */

static void vcpus_of_a_cpu_out_of_use_run_on_the_boot_cpu_and_come_back(void **state)
{
    vcpus[3].state = VCPU_RUNNABLE;
    loop(1, 0);
    assert_events("load3 in3 run3 idle");
    fake_this_cpu(&cpus[0]);
    sched_set_online(&cpus[1], false);
    assert_events("kick1");
    loop(1, 0);
    assert_events("out3 save3 kick0 idle"); /* its registers leave with it */
    assert_int_equal(vcpu_cpu(&vcpus[3]), 0);
    assert_int_equal(cpus[1].nr_vcpus, 0);
    assert_int_equal(cpus[0].nr_vcpus, 4);
    fake_this_cpu(&cpus[1]);
    vcpus[3].state = VCPU_RUNNABLE;
    loop(0, 0);
    assert_events("load3 in3 run3 idle");
    fake_this_cpu(&cpus[1]);
    sched_set_online(&cpus[1], true);
    assert_events("kick0");
    loop(0, 0);
    assert_events("out3 save3 kick1 idle");
    assert_int_equal(vcpu_cpu(&vcpus[3]), 1);
    assert_int_equal(cpus[0].nr_vcpus, 3);
    /* The lists are whole: everybody still runs where it belongs. */
    for (unsigned i = 0; i < VCPUS; i++)
        vcpus[i].state = VCPU_RUNNABLE;
    loop(0, 0);
    assert_events("load0 in0 run0 out0 save0 load1 in1 run1 out1 save1 load2 in2 run2 idle");
    loop(1, 0);
    assert_events("load3 in3 run3 idle");
}

static void a_cpu_that_is_to_leave_stops_once_it_has_no_vcpu(void **state)
{
    vcpus[3].state = VCPU_RUNNABLE;
    loop(1, 0);
    assert_events("load3 in3 run3 idle");
    fake_this_cpu(&cpus[0]);
    sched_set_online(&cpus[1], false);
    sched_leave(&cpus[1]);
    assert_events("kick1 kick1");
    loop(1, 0);
    assert_events("out3 save3 kick0 leave1");
    assert_true(sched_wait_empty(&cpus[1]));
    assert_false(cpus[1].leaving);
}

static void a_cpu_that_came_later_gets_the_vcpus_that_are_its_own(void **state)
{
    /* Boot with one CPU: all four vCPUs, in the order of their numbers, are on it. */
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].home = &cpus[0];
        vcpus[i].run_next = i + 1 < VCPUS ? &vcpus[i + 1] : NULL;
        vcpus[i].cpu = &cpus[0];
    }
    cpus[0].run_head = &vcpus[0];
    cpus[0].run_tail = &vcpus[3];
    cpus[1].run_head = cpus[1].run_tail = NULL;
    cpus[1].online = false;
    vcpus[1].state = vcpus[3].state = VCPU_RUNNABLE;
    sched_new_home(&cpus[1]);
    assert_events("");
    sched_set_online(&cpus[1], true);
    loop(0, 0);
    assert_events("kick1 kick1 idle"); /* both new ones' owner is told */
    assert_int_equal(vcpu_cpu(&vcpus[0]), 0);
    assert_int_equal(vcpu_cpu(&vcpus[2]), 0);
    loop(1, 0);
    assert_events("load1 in1 run1 out1 save1 load3 in3 run3 idle");
}

static void an_nmi_that_met_torii_is_dom0s(void **state)
{
    nmi_received();
    nmi_forward();
    assert_events("nmi-for0");
    nmi_forward();
    assert_events("");
    nmi_received();
    dom0 = NULL;
    nmi_forward(); /* nobody to tell yet */
    assert_events("");
}

/* --- suspend to RAM --- */

static void a_sleep_comes_before_any_vcpu(void **state)
{
    vcpus[0].state = VCPU_RUNNABLE;
    suspend_pending = true;
    loop(0, 0);
    assert_int_equal(strncmp(events, "suspend0 load0 ", 15), 0);
}

static void a_cpu_that_stays_away_leaves_its_vcpus_to_the_boot_cpu(void **state)
{
    vcpus[3].home = &cpus[1];
    vcpus[3].state = VCPU_RUNNABLE;
    vcpus[0].state = vcpus[1].state = vcpus[2].state = VCPU_OFFLINE;
    fake_this_cpu(&cpus[0]);
    sched_abandon(&cpus[1]);
    assert_false(cpus[1].online);
    assert_null(cpus[1].run_head);
    assert_null(cpus[1].run_tail);
    assert_int_equal(cpus[1].nr_vcpus, 0);
    assert_ptr_equal(vcpus[3].cpu, &cpus[0]);
    events[0] = '\0';
    loop(0, 0);
    assert_non_null(strstr(events, "load3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_cpu_with_nothing_to_run_is_idle_and_counts_it),
        T(vcpus_of_a_cpu_take_turns),
        T(a_vcpu_that_yields_lets_the_others_run_first),
        T(the_end_of_a_slice_switches_and_keeps_events_to_do),
        T(one_vcpu_alone_has_no_slice),
        T(a_kick_wakes_a_blocked_vcpu),
        T(one_that_woke_up_and_must_wait_is_accounted_as_runnable),
        T(a_kick_before_the_block_is_not_slept_through),
        T(an_interrupt_during_hlt_runs_the_vcpu_again),
        T(an_nmi_alone_wakes_a_vcpu_that_halted_with_interrupts_off),
        T(an_nmi_before_the_halt_is_not_slept_through),
        T(an_init_and_a_sipi_start_a_halted_vcpu_anew),
        T(an_offline_vcpu_neither_blocks_nor_wakes),
        T(a_sipi_starts_an_offline_vcpu),
        T(an_init_alone_leaves_it_offline),
        T(an_init_and_a_sipi_at_once_restart_a_running_vcpu),
        T(an_init_wakes_a_blocked_vcpu_and_turns_it_off),
        T(a_reset_for_an_offline_vcpu_elsewhere_sends_an_interrupt),
        T(starting_and_stopping_pokes_the_cpu),
        T(a_paused_vcpu_runs_when_all_have_unpaused_it),
        T(a_vcpu_that_pauses_itself_stops_at_the_end_of_its_exit),
        T(vcpus_of_a_cpu_out_of_use_run_on_the_boot_cpu_and_come_back),
        T(a_cpu_that_is_to_leave_stops_once_it_has_no_vcpu),
        T(a_cpu_that_came_later_gets_the_vcpus_that_are_its_own),
        T(an_nmi_that_met_torii_is_dom0s),
        T(a_sleep_comes_before_any_vcpu),
        T(a_cpu_that_stays_away_leaves_its_vcpus_to_the_boot_cpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
