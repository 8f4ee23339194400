/* SPDX-License-Identifier: BSD-2-Clause */
/* A scheduler with the rooms beside it made up, that stops when there is nothing to do. */
#ifndef TORII_TESTS_SCHED_WORLD_H
#define TORII_TESTS_SCHED_WORLD_H

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
#include <torii/pstate.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/suspend.h>
#include <torii/traps.h>
#include <torii/vlapic.h>

#include "event_log.h"
#include "fake_core.h"

#define CPUS  2
#define VCPUS 4

static struct pcpu cpus[CPUS];
static struct domain dom;
static struct vcpu vcpus[VCPUS];
static struct exit_stat stats[VCPUS][EXIT_REASONS];
struct domain *dom0;

/* --- the rooms beside it --- */

void cpu_kick(unsigned cpu)
{
    happen("kick%u", cpu);
}

void governor_wakes(void)
{
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

static bool mce_waits;

void cpu_kick_self(void)
{
}

bool mce_pending(const struct vcpu *v)
{
    return mce_waits;
}

bool suspend_pending;

void suspend_cpu(struct pcpu *c)
{
    happen("suspend%u", c->id);
    suspend_pending = false;
}

void mce_forward(void)
{
}

bool mce_take(struct vcpu *v)
{
    bool was = mce_waits;

    mce_waits = false;
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

static inline void set_state(struct vcpu *v, const struct hvm_state *s)
{
    happen("start%u@%#lx", v->id, s->regs.rip);
}

static inline void vcpu_load(struct vcpu *v)
{
    happen("in%u", v->id);
}

static inline void vcpu_unload(struct vcpu *v)
{
    happen("out%u", v->id);
}

static inline bool can_accept_irq(struct vcpu *v)
{
    return accept_irq;
}

static inline bool can_accept_nmi(struct vcpu *v)
{
    return accept_nmi;
}

static inline void inject(struct vcpu *v, enum hvm_event_type type, u8 vector)
{
    happen("%s%#x", type == HVM_EVENT_NMI ? "nmi" : "irq", vector);
    accept_irq = accept_nmi = false;
}

static inline void irq_window(struct vcpu *v, bool on, u8 priority)
{
    window = on;
    window_priority = priority;
}

static inline void nmi_window(struct vcpu *v)
{
    happen("nmi-window");
}

static inline void set_cr8(struct vcpu *v, u8 cr8)
{
    hw_cr8 = cr8;
}

static inline void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    happen("exc%u", vector);
    accept_irq = accept_nmi = false;
}

static inline void flush_tlb(struct vcpu *v)
{
    happen("flush%u", v->id);
}

/* What the guest, or another CPU, does while v is in guest mode; and what its exit is handled as. */
static void (*in_guest)(struct vcpu *v);
static bool (*on_exit_do)(struct vcpu *v);
static enum exit_reason exit_reason;

static inline void run(struct vcpu *v, struct hvm_exit *exit)
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

/* The end of a CPU's loop, too. */
void noreturn_fn smp_leave(struct pcpu *c)
{
    assert_ptr_equal(c, this_cpu());
    assert_null(c->loaded);
    happen("leave%u", c->id);
    longjmp(idle_jump, 1);
}

/* CPU n's loop until it has been idle `idles` times more than once. */
static inline void loop(unsigned n, unsigned idles)
{
    idles_left = idles;
    fake_this_cpu(&cpus[n]);
    if (!setjmp(idle_jump))
        sched_loop();
    cpus[n].idle = false;
}

static inline bool block(struct vcpu *v)
{
    vcpu_block(v);
    return false;
}

static inline int setup(void **state)
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
    nmi_pending = mce_waits = window = false;
    accept_irq = accept_nmi = true;
    tpr = hw_cr8 = 0;
    exit_reason = EXIT_HLT;
    in_guest = NULL;
    on_exit_do = block;
    slice_deadline = 0;
    events[0] = '\0';
    return 0;
}

static inline int teardown(void **state)
{
    return (int)fake_locks_held;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
