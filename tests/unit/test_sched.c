/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/sched.c src/domain/run.c tests/unit/fake_core.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <torii/atomic.h>
#include <torii/cstate.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/hypercall.h>
#include <torii/irq.h>
#include <torii/mce.h>
#include <torii/sched.h>
#include <torii/traps.h>
#include <torii/vlapic.h>

#include "fake_core.h"

#define CPUS  2
#define VCPUS 4

static struct pcpu cpus[CPUS];
static struct domain dom;
static struct vcpu vcpus[VCPUS];
static struct exit_stat stats[VCPUS][EXIT_REASONS];
struct domain *dom0;

/* What happened, in order: words, separated by blanks. */
static char events[4096];

static void printf_like(1, 2) happen(const char *fmt, ...)
{
    char word[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(word, sizeof(word), fmt, ap);
    va_end(ap);
    assert_true(strlen(events) + strlen(word) + 2 < sizeof(events));
    if (events[0])
        strcat(events, " ");
    strcat(events, word);
    assert_int_equal(fake_locks_held, 0);
}

static void assert_events(const char *expected)
{
    assert_string_equal(events, expected);
    events[0] = '\0';
}

/* --- the rooms beside it --- */

void cpu_kick(unsigned cpu)
{
    happen("kick%u", cpu);
}

void fpu_save(struct vcpu *v)
{
    happen("save%u", v->id);
}

void fpu_load(struct vcpu *v)
{
    happen("load%u", v->id);
}

void runstate_change(struct vcpu *v, int state)
{
    v->runstate.state = state;
}

static u64 slice_deadline;

void timer_start(struct timer *t, u64 deadline)
{
    slice_deadline = deadline;
    assert_non_null(t->fn);
}

static bool mce_pending;

void mce_forward(void)
{
}

bool mce_take(struct vcpu *v)
{
    bool was = mce_pending;

    mce_pending = false;
    return was;
}

/* The local APIC of the vCPU that runs. */
static int pending_vector, highest_irr, callback_vector;
static bool nmi_pending;
static u8 tpr;
static enum vlapic_startup startup[4];

int vlapic_pending_vector(struct vcpu *v)
{
    return pending_vector;
}

int vlapic_highest_irr(struct vcpu *v)
{
    return highest_irr;
}

void vlapic_accept(struct vcpu *v, u8 vector)
{
    assert_int_equal(vector, pending_vector);
    happen("accept%#x", vector);
    pending_vector = highest_irr = -1;
}

void vlapic_set_nmi(struct vcpu *v)
{
    happen("nmi-for%u", v->id);
}

bool vlapic_nmi_pending(const struct vcpu *v)
{
    return nmi_pending;
}

bool vlapic_take_nmi(struct vcpu *v)
{
    bool was = nmi_pending;

    nmi_pending = false;
    return was;
}

u8 vlapic_get_cr8(const struct vcpu *v)
{
    return tpr;
}

void vlapic_set_cr8(struct vcpu *v, u8 cr8)
{
    happen("cr8=%u", cr8);
    tpr = cr8;
}

enum vlapic_startup vlapic_take_startup(struct vcpu *v, u8 *sipi_vector)
{
    enum vlapic_startup next = startup[0];

    memmove(startup, startup + 1, sizeof(startup) - sizeof(startup[0]));
    *sipi_vector = 0x9a;
    return next;
}

int evtchn_callback_vector(struct vcpu *v)
{
    int was = callback_vector;

    callback_vector = -1;
    return was;
}

void hvm_state_sipi(struct hvm_state *s, u8 vector)
{
    memset(s, 0, sizeof(*s));
    s->regs.rip = vector;
}

/* --- the processor --- */

static bool accept_irq, accept_nmi, window;
static u8 window_priority, hw_cr8;

static void set_state(struct vcpu *v, const struct hvm_state *s)
{
    happen("start%u@%#lx", v->id, s->regs.rip);
}

static void vcpu_load(struct vcpu *v)
{
    happen("in%u", v->id);
}

static void vcpu_unload(struct vcpu *v)
{
    happen("out%u", v->id);
}

static bool can_accept_irq(struct vcpu *v)
{
    return accept_irq;
}

static bool can_accept_nmi(struct vcpu *v)
{
    return accept_nmi;
}

static void inject(struct vcpu *v, enum hvm_event_type type, u8 vector)
{
    happen("%s%#x", type == HVM_EVENT_NMI ? "nmi" : "irq", vector);
    accept_irq = accept_nmi = false;
}

static void irq_window(struct vcpu *v, bool on, u8 priority)
{
    window = on;
    window_priority = priority;
}

static void nmi_window(struct vcpu *v)
{
    happen("nmi-window");
}

static void set_cr8(struct vcpu *v, u8 cr8)
{
    hw_cr8 = cr8;
}

static void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    happen("exc%u", vector);
    accept_irq = accept_nmi = false;
}

static void flush_tlb(struct vcpu *v)
{
    happen("flush%u", v->id);
}

/* What the guest, or another CPU, does while v is in guest mode; and what its exit is handled as. */
static void (*in_guest)(struct vcpu *v);
static bool (*on_exit_do)(struct vcpu *v);
static enum exit_reason exit_reason;

static void run(struct vcpu *v, struct hvm_exit *exit)
{
    assert_true(v->running);
    assert_int_equal(v->state, VCPU_RUNNABLE);
    assert_int_equal(v->paused, 0);
    happen("run%u", v->id);
    *exit = (struct hvm_exit){.reason = exit_reason};
    if (in_guest)
        in_guest(v);
    exit->cr8 = hw_cr8;
}

static const struct hvm_ops ops = {
    .set_state = set_state,
    .vcpu_load = vcpu_load,
    .vcpu_unload = vcpu_unload,
    .run = run,
    .can_accept_irq = can_accept_irq,
    .can_accept_nmi = can_accept_nmi,
    .inject = inject,
    .irq_window = irq_window,
    .nmi_window = nmi_window,
    .set_cr8 = set_cr8,
    .inject_exception = inject_exception,
    .flush_tlb = flush_tlb,
};
const struct hvm_ops *hvm = &ops;

bool vcpu_handle_exit(struct vcpu *v, struct hvm_exit *exit)
{
    assert_false(v->running);
    return on_exit_do(v);
}

/* --- a scheduler that stops when there is nothing to do --- */

static jmp_buf idle_jump;
static unsigned idles_left;

void cstate_idle(const bool *wake)
{
    assert_ptr_equal(wake, &this_cpu()->resched);
    assert_true(this_cpu()->idle);
    happen("idle");
    if (!idles_left--)
        longjmp(idle_jump, 1);
    fake_now += 1000;
}

/* CPU n's loop until it has been idle `idles` times more than once. */
static void loop(unsigned n, unsigned idles)
{
    idles_left = idles;
    fake_this_cpu(&cpus[n]);
    if (!setjmp(idle_jump))
        sched_loop();
    cpus[n].idle = false;
}

static bool block(struct vcpu *v)
{
    vcpu_block(v);
    return false;
}

static int setup(void **state)
{
    memset(cpus, 0, sizeof(cpus));
    memset(vcpus, 0, sizeof(vcpus));
    memset(stats, 0, sizeof(stats));
    memset(startup, 0, sizeof(startup));
    dom = (struct domain){.nr_vcpus = VCPUS};
    dom0 = &dom;
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].id = i;
        cpus[i].started = cpus[i].online = true;
        pcpus[i] = &cpus[i];
        spin_lock_init(&cpus[i].run_lock, LOCK_SCHED);
    }
    pcpu_nr = CPUS;
    fake_this_cpu(&cpus[0]);
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].id = i;
        vcpus[i].d = &dom;
        vcpus[i].exits = stats[i];
        dom.vcpu[i] = &vcpus[i];
        sched_assign(&vcpus[i], &cpus[i == 3]);
    }
    pending_vector = highest_irr = callback_vector = -1;
    nmi_pending = mce_pending = window = false;
    accept_irq = accept_nmi = true;
    tpr = hw_cr8 = 0;
    exit_reason = EXIT_HLT;
    in_guest = NULL;
    on_exit_do = block;
    slice_deadline = 0;
    events[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    return (int)fake_locks_held;
}

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
    assert_int_equal(vcpus[0].runstate.state, RUNSTATE_runnable);
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
    vcpu_offline(&vcpus[0]); /* itself: its loop sees it */
    assert_false(cpus[0].resched);
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
    mce_pending = true;
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_cpu_with_nothing_to_run_is_idle_and_counts_it),
        T(vcpus_of_a_cpu_take_turns),
        T(a_vcpu_that_yields_lets_the_others_run_first),
        T(the_end_of_a_slice_switches_and_keeps_events_to_do),
        T(one_vcpu_alone_has_no_slice),
        T(a_kick_wakes_a_blocked_vcpu),
        T(a_kick_before_the_block_is_not_slept_through),
        T(an_interrupt_during_hlt_runs_the_vcpu_again),
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
        T(a_cpu_that_came_later_gets_the_vcpus_that_are_its_own),
        T(an_nmi_that_met_torii_is_dom0s),
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
