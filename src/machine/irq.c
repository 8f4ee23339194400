/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vectors and who gets them. Every CPU has its own table of device vectors: a handler pointer and its argument, written
 * before the source is unmasked and read by the interrupt without a lock.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/ioapic.h>
#include <torii/irq.h>
#include <torii/lapic.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/percpu.h>
#include <torii/timer_queue.h>
#include <torii/traps.h>

#include "irq_internal.h"

#define NR_VECTORS 256

struct vector {
    irq_fn *hold, *fn; /* before and after the EOI */
    void *ctx;
    bool used;
    u64 retired; /* system time it was given back at, ns; 0: never used */
};

/* Far longer than any exit handler keeps interrupts disabled. */
#define RETIRE_NS 1000000000ull

static struct vector *vectors[MAX_CPUS];
/* Which vectors and MSI handles are in use. */
static spinlock_t irq_lock = SPINLOCK(LOCK_IRQ);

int irq_cpu_init(unsigned cpu)
{
    vectors[cpu] = xzalloc(NR_VECTORS * sizeof(struct vector));
    return vectors[cpu] ? 0 : -XEN_ENOMEM;
}

static bool vector_is_free(const struct vector *v, u64 now)
{
    return !v->used && (!v->retired || now - v->retired > RETIRE_NS);
}

static bool take_if_free(struct vector *t, unsigned count, u64 now, irq_fn *hold, irq_fn *fn, void *ctx, size_t stride)
{
    for (unsigned i = 0; i < count; i++)
        if (!vector_is_free(&t[i], now))
            return false;
    for (unsigned i = 0; i < count; i++) {
        t[i].used = true;
        t[i].ctx = (char *)ctx + i * stride;
        t[i].hold = hold;
        atomic_store(&t[i].fn, fn);
    }
    return true;
}

int vector_alloc(unsigned cpu, unsigned count, irq_fn *hold, irq_fn *fn, void *ctx, size_t stride)
{
    struct vector *t = cpu < MAX_CPUS ? vectors[cpu] : NULL;
    u64 now = now_ns();
    int first = -XEN_ENOSPC;

    if (!t)
        return -XEN_EINVAL;
    spin_lock(&irq_lock);
    for (unsigned v = ALIGN_UP(VECTOR_DEVICE_FIRST, count); first < 0 && v + count - 1 <= VECTOR_DEVICE_LAST;
         v += count)
        if (take_if_free(&t[v], count, now, hold, fn, ctx, stride))
            first = (int)v;
    spin_unlock(&irq_lock);
    return first;
}

void vector_retire(unsigned cpu, unsigned first, unsigned count, bool deliver)
{
    u64 now = now_ns();

    spin_lock(&irq_lock);
    for (unsigned i = first; i < first + count; i++) {
        struct vector *v = &vectors[cpu][i];

        if (!deliver)
            atomic_store(&v->fn, NULL);
        v->retired = now;
        v->used = false;
    }
    spin_unlock(&irq_lock);
}

void irq_dispatch(unsigned vector)
{
    struct pcpu *c = this_cpu();
    struct vector *t;
    irq_fn *fn;

    switch (vector) {
    case VECTOR_TIMER:
        lapic_eoi();
        lapic_timer_fired();
        timer_queue_run();
        return;
    case VECTOR_KICK:
        lapic_eoi();
        return;
    case VECTOR_SPURIOUS:
        return;
    case VECTOR_ERROR:
        lapic_write(LAPIC_ESR, 0);
        log_warn("CPU %u: local APIC error %#x\n", c->id, lapic_read(LAPIC_ESR));
        lapic_eoi();
        return;
    }
    t = &vectors[c->id][vector];
    /* Before the handler is read: handlers_quiesce sees one of the two. */
    (void)atomic_xchg(&c->handling, c->handling + 1);
    fn = atomic_load(&t->fn);
    if (fn && t->hold)
        t->hold(t->ctx);
    lapic_eoi();
    if (fn)
        fn(t->ctx);
    else
        log_debug("CPU %u: interrupt vector %#x has no handler\n", c->id, vector);
    __atomic_store_n(&c->handling, c->handling + 1, __ATOMIC_RELEASE);
}

/* Until a handler that `cpu` may be in has returned. Not from a handler; the caller holds no lock that one takes. */
static void handlers_quiesce(unsigned cpu)
{
    u32 seen = atomic_load(&pcpus[cpu]->handling);

    while (seen & 1 && atomic_load(&pcpus[cpu]->handling) == seen)
        cpu_relax();
}

void cpu_kick_self(void)
{
    lapic_send(0, ICR_FIXED | ICR_ASSERT | ICR_SELF | VECTOR_KICK);
}

void cpu_kick(unsigned cpu)
{
    if (cpu != this_cpu()->id)
        lapic_send(pcpus[cpu]->apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_KICK);
}

bool cpus_stopping;

void stop_all_but_self(void)
{
    atomic_store(&cpus_stopping, true);
    if (pcpu_nr > 1)
        lapic_send(0, ICR_NMI | ICR_ASSERT | ICR_ALL_BUT_SELF);
}

/* --- MSI: a handle belongs to one device, whose lock its owner holds --- */

#define MSI_MAX 1024

struct msi {
    bool used, moving;
    u8 count;
    u8 vector, old_vector;
    unsigned cpu, old_cpu;
    irq_fn *fn;
    void *ctx;
    size_t stride;
};
static struct msi msis[MSI_MAX];

unsigned irq_reachable(unsigned cpu)
{
    return cpu < pcpu_nr && (pcpus[cpu]->apic_id >= 0xff || !pcpus[cpu]->started) ? 0 : cpu;
}

bool irq_cpu_used(unsigned cpu)
{
    for (unsigned v = VECTOR_DEVICE_FIRST; v <= VECTOR_DEVICE_LAST; v++)
        if (READ_ONCE(vectors[cpu][v].used))
            return true;
    return false;
}

/* SDM vol. 3 §11.11: physical destination, fixed, edge. */
static void msi_compose(const struct msi *m, struct msi_message *msg)
{
    msg->address = 0xfee00000u | (u64)(pcpus[m->cpu]->apic_id & 0xff) << 12;
    msg->data = m->vector;
}

static struct msi *msi_get(int handle)
{
    assert(handle >= 0 && handle < MSI_MAX && msis[handle].used);
    return &msis[handle];
}

static int msi_handle_claim(void)
{
    int handle = -XEN_ENOSPC;

    spin_lock(&irq_lock);
    for (int i = 0; i < MSI_MAX && handle < 0; i++)
        if (!msis[i].used) {
            msis[i] = (struct msi){.used = true};
            handle = i;
        }
    spin_unlock(&irq_lock);
    return handle;
}

int msi_alloc(unsigned count, unsigned cpu, irq_fn *fn, void *ctx_base, size_t ctx_stride, struct msi_message *msg)
{
    int handle, vector;

    if (!count || count > 32 || count & (count - 1))
        return -XEN_EINVAL;
    handle = msi_handle_claim();
    if (handle < 0)
        return handle;
    cpu = irq_reachable(cpu);
    vector = vector_alloc(cpu, count, NULL, fn, ctx_base, ctx_stride);
    if (vector < 0) {
        atomic_store(&msis[handle].used, false);
        return vector;
    }
    msis[handle] = (struct msi){.used = true,
                                .count = (u8)count,
                                .vector = (u8)vector,
                                .cpu = cpu,
                                .fn = fn,
                                .ctx = ctx_base,
                                .stride = ctx_stride};
    msi_compose(&msis[handle], msg);
    return handle;
}

int msi_move(int handle, unsigned cpu, struct msi_message *msg)
{
    struct msi *m = msi_get(handle);
    int vector;

    if (m->moving)
        msi_move_done(handle);
    cpu = irq_reachable(cpu);
    if (cpu != m->cpu) {
        vector = vector_alloc(cpu, m->count, NULL, m->fn, m->ctx, m->stride);
        if (vector < 0)
            return vector;
        m->moving = true;
        m->old_vector = m->vector;
        m->old_cpu = m->cpu;
        m->vector = (u8)vector;
        m->cpu = cpu;
    }
    msi_compose(m, msg);
    return 0;
}

int msi_move_same(int handle, unsigned cpu, struct msi_message *msg)
{
    struct msi *m = msi_get(handle);
    bool taken;

    if (m->moving)
        msi_move_done(handle);
    cpu = irq_reachable(cpu);
    if (cpu >= MAX_CPUS || cpu == m->cpu)
        return -XEN_EINVAL;
    spin_lock(&irq_lock);
    taken = take_if_free(&vectors[cpu][m->vector], m->count, now_ns(), NULL, m->fn, m->ctx, m->stride);
    spin_unlock(&irq_lock);
    if (!taken)
        return -XEN_ENOSPC;
    m->moving = true;
    m->old_vector = m->vector;
    m->old_cpu = m->cpu;
    m->cpu = cpu;
    msi_compose(m, msg);
    return 0;
}

void msi_move_done(int handle)
{
    struct msi *m = msi_get(handle);

    if (m->moving)
        vector_retire(m->old_cpu, m->old_vector, m->count, true);
    m->moving = false;
}

void msi_free(int handle)
{
    struct msi *m = msi_get(handle);

    msi_move_done(handle);
    vector_retire(m->cpu, m->vector, m->count, false);
    handlers_quiesce(m->cpu);
    atomic_store(&m->used, false);
}
