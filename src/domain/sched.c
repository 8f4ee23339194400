/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: each physical CPU has a list of the vCPUs that run on it and goes round those that can, ten
 * milliseconds each. A vCPU's state word alone says whether it can run, so waking one takes no lock.
 */
#include <torii/atomic.h>
#include <torii/cpu.h>
#include <torii/cstate.h>
#include <torii/hvm.h>
#include <torii/irq.h>
#include <torii/hypercall.h>
#include <torii/log.h>
#include <torii/mce.h>
#include <torii/percpu.h>
#include <torii/pstate.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/suspend.h>
#include <torii/timer_queue.h>
#include <torii/traps.h>
#include <torii/vlapic.h>

#define SLICE_NS 10000000ull
#define EMPTY_NS 1000000000ull

struct vcpu *current_vcpu(void)
{
    return this_cpu()->current;
}

unsigned vcpu_cpu(const struct vcpu *v)
{
    return v->cpu->id;
}

/* A vCPU that is off runs just long enough to take an INIT or SIPI that arrived. */
static bool can_run(const struct vcpu *v)
{
    u32 state = READ_ONCE(v->state);

    return !READ_ONCE(v->paused) &&
           (state == VCPU_RUNNABLE || (state != VCPU_BLOCKED && READ_ONCE(v->todo) & TODO_RESET));
}

/* Make v's CPU look at its list again: whoever lets v run, or makes it stop, does this afterwards. */
static void poke(struct vcpu *v)
{
    struct pcpu *c = v->cpu;

    atomic_store(&c->resched, true);
    if (c != this_cpu())
        cpu_kick(c->id);
}

void vcpu_kick(struct vcpu *v, u64 todo)
{
    u32 blocked = VCPU_BLOCKED, halted = VCPU_HALTED;

    atomic_or(&v->todo, todo);
    if (atomic_cmpxchg(&v->state, &blocked, VCPU_RUNNABLE) ||
        (todo & TODO_NMI && atomic_cmpxchg(&v->state, &halted, VCPU_RUNNABLE)) || todo & TODO_RESET) {
        poke(v);
    } else if (v->cpu != this_cpu() && atomic_load(&v->running)) {
        cpu_kick(v->cpu->id);
    }
}

void vcpu_block(struct vcpu *v)
{
    u32 runnable = VCPU_RUNNABLE, blocked = VCPU_BLOCKED;

    /* Another vCPU may have taken it offline since it left the guest. */
    if (!atomic_cmpxchg(&v->state, &runnable, VCPU_BLOCKED))
        return;
    /* Whoever sets a todo bit looks at the state afterwards; we look at the bits after setting the state. */
    if (!atomic_load(&v->todo) || !atomic_cmpxchg(&v->state, &blocked, VCPU_RUNNABLE))
        poke(v);
}

void vcpu_halt(struct vcpu *v)
{
    u32 runnable = VCPU_RUNNABLE, halted = VCPU_HALTED;

    if (!atomic_cmpxchg(&v->state, &runnable, VCPU_HALTED))
        return;
    /* As vcpu_block: who sends an NMI sets the bit first and then looks at the state. */
    if (!(atomic_load(&v->todo) & TODO_NMI) || !atomic_cmpxchg(&v->state, &halted, VCPU_RUNNABLE))
        poke(v);
}

void vcpu_offline(struct vcpu *v)
{
    atomic_store(&v->state, VCPU_OFFLINE);
    poke(v);
}

void vcpu_start(struct vcpu *v)
{
    atomic_store(&v->state, VCPU_RUNNABLE);
    poke(v);
}

/* On return v is not in guest mode, unless it is the caller's own vCPU, which stops at the end of its exit. */
void vcpu_pause(struct vcpu *v)
{
    atomic_add(&v->paused, 1);
    poke(v);
    if (v == current_vcpu())
        return;
    while (atomic_load(&v->running))
        cpu_relax();
}

void vcpu_unpause(struct vcpu *v)
{
    if (atomic_add(&v->paused, -1) == 1)
        poke(v);
}

bool vcpu_is_online(const struct vcpu *v)
{
    u32 state = READ_ONCE(v->state);

    return state != VCPU_OFFLINE && state != VCPU_HALTED;
}

void sched_assign(struct vcpu *v, struct pcpu *c)
{
    v->cpu = c;
    if (!v->home)
        v->home = c;
    spin_lock(&c->run_lock);
    v->run_next = NULL;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): CPU 0, where strangers go, exists */
    if (c->run_tail)
        c->run_tail->run_next = v;
    else
        c->run_head = v;
    c->run_tail = v;
    c->nr_vcpus++;
    spin_unlock(&c->run_lock);
}

static struct pcpu *where_it_belongs(const struct vcpu *v)
{
    return atomic_load(&v->home->online) ? v->home : pcpus[0];
}

/* Unlink the first vCPU of this CPU's list that belongs elsewhere. */
static struct vcpu *take_stranger(struct pcpu *c)
{
    struct vcpu *before = NULL, *v;

    spin_lock(&c->run_lock);
    for (v = c->run_head; v && where_it_belongs(v) == c; v = v->run_next)
        before = v;
    if (v) {
        *(before ? &before->run_next : &c->run_head) = v->run_next;
        if (c->run_tail == v)
            c->run_tail = before;
        c->nr_vcpus--;
    }
    spin_unlock(&c->run_lock);
    return v;
}

void sched_unload(struct pcpu *c)
{
    if (!c->loaded)
        return;
    hvm->vcpu_unload(c->loaded);
    fpu_save(c->loaded);
    c->loaded = NULL;
}

/* On c itself, between two runs: a vCPU that leaves is in no other CPU's registers. Who wakes it meanwhile is seen by
 * poke. */
static void rebalance(struct pcpu *c)
{
    struct vcpu *v;

    while ((v = take_stranger(c))) {
        if (c->loaded == v)
            sched_unload(c);
        sched_assign(v, where_it_belongs(v));
        poke(v);
    }
    if (unlikely(atomic_load(&c->leaving)) && atomic_xchg(&c->leaving, false))
        smp_leave(c);
}

static void look_again(struct pcpu *c)
{
    atomic_store(&c->rebalance, true);
    atomic_store(&c->resched, true);
    if (c != this_cpu())
        cpu_kick(c->id);
}

/* Who comes back is on the boot CPU, who gets a new home is anywhere. */
void sched_set_online(struct pcpu *c, bool online)
{
    atomic_store(&c->online, online);
    log_info("CPU %u is %s use\n", c->id, online ? "in" : "out of");
    for (unsigned i = 0; i < pcpu_nr; i++)
        if ((pcpus[i] == c) != online && pcpus[i]->started)
            look_again(pcpus[i]);
}

bool sched_wait_empty(const struct pcpu *c)
{
    u64 end = now_ns() + EMPTY_NS;

    while (READ_ONCE(c->nr_vcpus))
        if (now_ns() > end)
            return false;
    return true;
}

void sched_leave(struct pcpu *c)
{
    atomic_store(&c->leaving, true);
    look_again(c);
}

void sched_abandon(struct pcpu *dead)
{
    struct vcpu *v;

    atomic_store(&dead->online, false);
    while ((v = take_stranger(dead)))
        sched_assign(v, where_it_belongs(v));
}

void sched_new_home(struct pcpu *c)
{
    for (unsigned i = c->id; dom0 && i < dom0->nr_vcpus; i += pcpu_nr)
        dom0->vcpu[i]->home = c;
}

/* The next vCPU after the one that ran last, in a circle. */
static struct vcpu *choose(struct pcpu *c)
{
    struct vcpu *start = c->loaded && c->loaded->run_next ? c->loaded->run_next : c->run_head, *v = start;

    if (!v)
        return NULL;
    do {
        if (can_run(v))
            return v;
        v = v->run_next ? v->run_next : c->run_head;
    } while (v != start);
    return NULL;
}

/*
 * Those that woke up, or were started, while `next` has or gets the CPU wait from now on. Here rather than where they are
 * woken, which is on the way of every inter-processor interrupt to one that sleeps: such a one mostly runs at once.
 */
static void account_waiting(struct pcpu *c, const struct vcpu *next)
{
    for (struct vcpu *v = c->run_head; v; v = v->run_next)
        if (v != next && READ_ONCE(v->state) == VCPU_RUNNABLE && v->runstate.state != RUNSTATE_runnable)
            runstate_change(v, RUNSTATE_runnable);
}

static void slice_over(struct timer *t)
{
    struct pcpu *c = container_of(t, struct pcpu, slice);

    atomic_store(&c->resched, true);
}

static void switch_to(struct pcpu *c, struct vcpu *v)
{
    if (c->loaded == v)
        return;
    sched_unload(c);
    fpu_load(v);
    hvm->vcpu_load(v);
    c->loaded = v;
}

/*
 * An NMI that reached Torii is the machine's, so it is Dom0's. It may have come in the middle of anything: the handler
 * only notes it, and this is called where it is safe to act.
 */
static bool nmi_noted;

void nmi_received(void)
{
    atomic_store(&nmi_noted, true);
    /* nmi_forward comes when the scheduler chooses again. */
    atomic_store(&this_cpu()->resched, true);
    /* The idle loop may have looked at resched just before this and be about to halt: an interrupt ends that. */
    if (atomic_load(&this_cpu()->idle))
        cpu_kick_self();
}

void nmi_forward(void)
{
    mce_forward();
    if (atomic_load(&nmi_noted) && atomic_xchg(&nmi_noted, false) && dom0)
        vlapic_set_nmi(dom0->vcpu[0]);
}

static void idle(struct pcpu *c)
{
    c->idle_since = now_ns();
    atomic_store(&c->idle, true);
    if (!atomic_load(&c->resched))
        cstate_idle(&c->resched);
    atomic_store(&c->idle, false);
    c->idle_ns += now_ns() - c->idle_since;
    governor_wakes();
}

void sched_loop(void)
{
    struct pcpu *c = this_cpu();

    c->slice.fn = slice_over;
    for (;;) {
        struct vcpu *v;

        nmi_forward();
        atomic_store(&c->resched, false);
        if (unlikely(atomic_load(&suspend_pending)))
            suspend_cpu(c);
        if (unlikely(atomic_load(&c->rebalance)) && atomic_xchg(&c->rebalance, false))
            rebalance(c);
        v = choose(c);
        account_waiting(c, v);
        if (!v) {
            idle(c);
            continue;
        }
        switch_to(c, v);
        if (c->nr_vcpus > 1)
            timer_start(&c->slice, now_ns() + SLICE_NS);
        runstate_change(v, RUNSTATE_running);
        c->current = v;
        vcpu_run(v);
        c->current = NULL;
        runstate_change(v, !vcpu_is_online(v)         ? RUNSTATE_offline
                           : v->state == VCPU_BLOCKED ? RUNSTATE_blocked
                                                      : RUNSTATE_runnable);
    }
}
