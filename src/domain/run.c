/* SPDX-License-Identifier: BSD-2-Clause */
/* The vCPU loop: prepare events, enter, handle the exit. */
#include <torii/atomic.h>
#include <torii/cpu.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/mce.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/trace.h>
#include <torii/vlapic.h>

/* Ask for an exit when the TPR no longer hides what it hides now. What an interrupt in service hides, its EOI shows. */
static void tpr_window(struct vcpu *v)
{
    int vector = vlapic_highest_irr(v);
    bool hidden = vector >= 0 && vector >> 4 <= vlapic_get_cr8(v);

    hvm->irq_window(v, hidden, hidden ? (u8)(vector >> 4) : 0);
}

/*
 * Choose what the guest gets at its next entry: a machine check before all, NMI before interrupts, the CALLBACK_IRQ
 * upcall before the LAPIC's. What cannot be taken yet, or comes second, asks for a window.
 */
static noinline_fn void prepare_events(struct vcpu *v)
{
    int vector;

    if (unlikely(mce_pending(v))) {
        /* Not on top of what is being delivered already. */
        if (!mce_take(v)) {
            hvm->nmi_window(v);
            return;
        }
        hvm->inject_exception(v, EXC_MC, false, 0, 0);
        atomic_or(&v->todo, TODO_EVENTS);
        return;
    }
    if (vlapic_nmi_pending(v)) {
        if (!hvm->can_accept_nmi(v)) {
            hvm->nmi_window(v);
            return;
        }
        if (vlapic_take_nmi(v))
            hvm->inject(v, HVM_EVENT_NMI, EXC_NMI);
    }
    vector = evtchn_callback_vector(v);
    if (vector >= 0) {
        if (!hvm->can_accept_irq(v)) {
            hvm->irq_window(v, true, HVM_WINDOW_ANY_TPR);
            return;
        }
        hvm->inject(v, HVM_EVENT_INTERRUPT, (u8)vector);
    }
    vector = vlapic_pending_vector(v);
    if (vector < 0) {
        tpr_window(v);
    } else if (hvm->can_accept_irq(v)) {
        vlapic_accept(v, (u8)vector);
        hvm->inject(v, HVM_EVENT_INTERRUPT, (u8)vector);
        hvm->irq_window(v, false, 0);
    } else {
        hvm->irq_window(v, true, (u8)(vector >> 4));
    }
}

/* INIT and SIPI as they came: one may have followed the other already. */
static void start_up(struct vcpu *v)
{
    enum vlapic_startup what;
    struct hvm_state state;
    u8 vector;

    while ((what = vlapic_take_startup(v, &vector)) != STARTUP_NONE) {
        if (what == STARTUP_INIT) {
            vcpu_offline(v);
            continue;
        }
        hvm_state_sipi(&state, vector);
        hvm->set_state(v, &state);
        v->initialised = true;
        atomic_store(&v->state, VCPU_RUNNABLE);
    }
}

/* Requests other CPUs, or the last exit, left for this point. True if there may be events to prepare. */
static noinline_fn bool handle_todo(struct vcpu *v)
{
    u64 todo = atomic_xchg(&v->todo, 0);

    if (todo & TODO_FLUSH)
        hvm->flush_tlb(v);
    if (todo & TODO_RESET)
        start_up(v);
    /* One that was off and stays so has no more to do here. */
    if (todo & TODO_YIELD || v->state != VCPU_RUNNABLE)
        atomic_store(&v->cpu->resched, true);
    return todo & (TODO_EVENTS | TODO_RESET);
}

static inline void record(struct pcpu *c, const struct vcpu *v, struct trace_who who, const struct hvm_exit *exit)
{
    struct trace_entry *t = &c->trace[c->trace_next++ % TRACE_ENTRIES];

    t->tsc = rdtsc();
    t->rip = v->regs.rip;
    t->info = exit->info;
    t->reason = exit->reason;
    t->who = who;
}

/* The exit recorded last has been handled. */
static inline void account(const struct pcpu *c, struct vcpu *v, const struct hvm_exit *exit)
{
    struct exit_stat *stat = &v->exits[exit->reason];

    stat->count++;
    if (unlikely(v->exits_timed))
        stat->cycles += rdtsc() - c->trace[(c->trace_next - 1) % TRACE_ENTRIES].tsc;
}

void vcpu_run(struct vcpu *v)
{
    struct pcpu *c = v->cpu;
    const struct trace_who who = {.vcpu = (u16)v->id, .domain = v->d->id};
    bool events = true;
    u8 cr8 = 0; /* as the hardware has it: every write to the TPR but the guest's MOV to CR8 is an event */
    struct hvm_exit exit;

    for (;;) {
        /* Published before the requests are read: who adds one later sees it and sends an interrupt. */
        atomic_store(&v->running, true);
        if (READ_ONCE(v->todo))
            events |= handle_todo(v);
        /* Who stops or pauses v says so here, too (sched.c). */
        if (unlikely(READ_ONCE(c->resched))) {
            atomic_store(&v->running, false);
            if (events)
                atomic_or(&v->todo, TODO_EVENTS);
            return;
        }
        if (events) {
            cr8 = vlapic_get_cr8(v);
            hvm->set_cr8(v, cr8);
            prepare_events(v);
            events = false;
        }
        hvm->run(v, &exit);
        __atomic_store_n(&v->running, false, __ATOMIC_RELEASE);
        record(c, v, who, &exit);
        if (unlikely(exit.cr8 != cr8)) {
            vlapic_set_cr8(v, exit.cr8);
            events = true;
        }
        events |= vcpu_handle_exit(v, &exit);
        account(c, v, &exit);
    }
}
