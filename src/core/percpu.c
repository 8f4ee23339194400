/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/alloc.h>
#include <torii/irq.h>
#include <torii/mm.h>
#include <torii/percpu.h>
#include <torii/timer_queue.h>

struct pcpu *pcpus[MAX_CPUS];
unsigned pcpu_nr;

unsigned cpu_this(void)
{
    return this_cpu()->id;
}

unsigned cpu_count(void)
{
    return pcpu_nr;
}

struct timer_queue *timer_queue_this(void)
{
    return this_cpu()->timers;
}

/* The boot CPU's struct is static and gets its timers and interrupt stacks here as well, once there is memory. */
static bool pcpu_fill(struct pcpu *c)
{
    c->timers = xzalloc(sizeof(*c->timers));
    if (!c->timers)
        return false;
    timer_queue_init(c->timers);
    c->window = machine_window_create();
    if (!c->window)
        return false;
    spin_lock_init(&c->run_lock, LOCK_SCHED);
    for (unsigned i = 0; i < IST_COUNT; i++) {
        c->ist_stack[i] = stack_alloc(2);
        if (!c->ist_stack[i])
            return false;
        c->tss.ist[i] = (u64)c->ist_stack[i] + 2 * PAGE_SIZE;
    }
    return true;
}

struct pcpu *pcpu_create(unsigned id, u32 apic_id)
{
    struct pcpu *c = pcpus[id] ? pcpus[id] : xzalloc(sizeof(*c));

    if (!c)
        return NULL;
    c->self = c;
    c->id = id;
    c->apic_id = apic_id;
    c->stack = stack_alloc(STACK_PAGES);
    if (!c->stack || !pcpu_fill(c))
        return NULL;
    pcpus[id] = c;
    return c;
}
