/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between APICs: who a destination names (SDM vol. 3 §11.6.2), and what each delivery mode does there. */
#include "vlapic.h"

#include <torii/vlapic.h>

/* --- destinations --- */

struct destination {
    u32 id; /* MDA */
    bool logical;
    bool wide; /* the sender has 32 bits for it */
};

static struct vlapic *vlapic_of(const struct domain *d, unsigned i)
{
    struct vcpu *v = READ_ONCE(d->vcpu[i]);

    return v ? v->vlapic : NULL;
}

/* §11.6.2.2: flat and cluster models of the 8-bit logical id; other models are reserved and name nobody. */
static bool matches_xapic_logical(const struct vlapic *l, u32 mda)
{
    u32 ldr = READ_ONCE(l->ldr) >> 24, model = READ_ONCE(l->dfr) >> 28;

    if (mda > 0xff)
        return false;
    if (model == DFR_FLAT)
        return mda & ldr;
    return model == DFR_CLUSTER && (mda >> 4 == ldr >> 4 || mda >> 4 == 0xf) && (mda & ldr & 0xf);
}

static bool matches(const struct vlapic *l, const struct destination *dest)
{
    u64 base = READ_ONCE(l->base);
    u32 ldr;

    if (!(base & APIC_BASE_EN))
        return false;
    if (dest->id == (dest->wide ? ~0u : 0xffu))
        return true;
    if (!dest->logical)
        return dest->id == l->id;
    if (!(base & APIC_BASE_EXTD))
        return matches_xapic_logical(l, dest->id);
    /* §11.12.10.2: the upper half names a cluster, the lower half members. */
    ldr = vlapic_x2apic_ldr(l->id);
    return dest->id >> 16 == ldr >> 16 && (dest->id & ldr & 0xffff);
}

static struct destination destination_outside(u32 id, bool logical)
{
    return (struct destination){.id = id, .logical = logical, .wide = id > 0xff};
}

/* --- INIT, SIPI, NMI --- */

/* §9.4: INIT makes a running vCPU wait for SIPI. One that never ran, or waits already, has nothing to lose. */
static bool init_arrives(struct vlapic *l)
{
    u32 old = atomic_load(&l->startup);

    do {
        if (old & STARTUP_WAIT && !vcpu_is_online(l->v))
            return true;
    } while (!atomic_cmpxchg(&l->startup, &old, STARTUP_WAIT | STARTUP_AFTER_INIT | STARTUP_INIT_PENDING));
    vcpu_kick(l->v, TODO_RESET);
    return true;
}

/* Only the first SIPI counts. A vCPU brought up by VCPUOP_up waits since power-up in name only: it ignores SIPI too. */
static bool sipi_arrives(struct vlapic *l, u8 vector)
{
    u32 old = atomic_load(&l->startup), new;

    do {
        if (!(old & STARTUP_WAIT) || (!(old & STARTUP_AFTER_INIT) && vcpu_is_online(l->v)))
            return false;
        new = (old & STARTUP_INIT_PENDING) | STARTUP_SIPI_PENDING | (u32)vector << STARTUP_VECTOR_SHIFT;
    } while (!atomic_cmpxchg(&l->startup, &old, new));
    vcpu_kick(l->v, TODO_RESET);
    return true;
}

enum vlapic_startup vlapic_take_startup(struct vcpu *v, u8 *sipi_vector)
{
    struct vlapic *l = v->vlapic;
    u32 old = atomic_and(&l->startup, ~(STARTUP_INIT_PENDING | STARTUP_SIPI_PENDING));

    if (old & STARTUP_INIT_PENDING)
        vlapic_reset(v);
    if (old & STARTUP_SIPI_PENDING) {
        /* An NMI sent to all while it waited would meet no handler yet. */
        atomic_store(&l->nmi, 0);
        *sipi_vector = old >> STARTUP_VECTOR_SHIFT;
        return STARTUP_SIPI;
    }
    return old & STARTUP_INIT_PENDING ? STARTUP_INIT : STARTUP_NONE;
}

void vlapic_set_nmi(struct vcpu *v)
{
    if (!atomic_xchg(&v->vlapic->nmi, 1))
        vcpu_kick(v, TODO_EVENTS | TODO_NMI);
}

bool vlapic_signal(struct vlapic *l, u8 delivery, u8 vector)
{
    switch (delivery) {
    case DELIVERY_NMI:
        vlapic_set_nmi(l->v);
        return true;
    case DELIVERY_INIT:
        return init_arrives(l);
    case DELIVERY_STARTUP:
        return sipi_arrives(l, vector);
    default: /* SMI: there is no SMM; ExtINT: there is no 8259A to ask for a vector; the rest is reserved */
        return false;
    }
}

/* --- delivery --- */

/*
 * Lowest priority (§11.6.2.4): of those named, the one whose processor priority is lowest; among equals the next after
 * the last receiver, so that all take turns.
 */
static unsigned deliver_lowest(struct domain *d, const struct destination *dest, u8 vector, bool level)
{
    struct vlapic *first = vlapic_of(d, 0), *best = NULL;
    unsigned start = first ? READ_ONCE(first->lowest_last) + 1 : 0;
    u32 best_ppr = 0;

    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct vlapic *l = vlapic_of(d, (start + i) % d->nr_vcpus);
        u32 ppr;

        if (!l || !(READ_ONCE(l->svr) & SVR_ENABLE) || !matches(l, dest))
            continue;
        ppr = vlapic_ppr(l);
        if (best && ppr >= best_ppr)
            continue;
        best = l;
        best_ppr = ppr;
    }
    if (!best)
        return 0;
    if (first)
        WRITE_ONCE(first->lowest_last, best->id);
    return vlapic_post(best, vector, level);
}

static bool deliver_one(struct vlapic *l, u8 delivery, u8 vector, bool level)
{
    return delivery == DELIVERY_FIXED ? vlapic_post(l, vector, level) : vlapic_signal(l, delivery, vector);
}

/* To all that match but `except`. */
static unsigned deliver_all(struct domain *d, const struct destination *dest, const struct vlapic *except, u8 delivery,
                            u8 vector, bool level)
{
    unsigned accepted = 0, first = 0, end = d->nr_vcpus;

    /* A wide logical id names one cluster of sixteen: ids are vCPU numbers. */
    if (dest->wide && dest->logical && dest->id != ~0u) {
        first = min(end, (dest->id >> 16) * 16);
        end = min(end, first + 16);
    }
    for (unsigned i = first; i < end; i++) {
        struct vlapic *l = vlapic_of(d, i);

        if (l && l != except && matches(l, dest))
            accepted += deliver_one(l, delivery, vector, level);
    }
    return accepted;
}

unsigned vlapic_deliver(struct domain *d, u32 id, bool logical, u8 delivery, u8 vector, bool level)
{
    struct destination dest = destination_outside(id, logical);
    struct vlapic *l;

    if (delivery == DELIVERY_LOWEST)
        return deliver_lowest(d, &dest, vector, level);
    if (!logical && id < d->nr_vcpus) {
        l = vlapic_of(d, id);
        return l && matches(l, &dest) && deliver_one(l, delivery, vector, level);
    }
    return deliver_all(d, &dest, NULL, delivery, vector, level);
}

struct vcpu *vlapic_destination(struct domain *d, u32 id, bool logical)
{
    struct destination dest = destination_outside(id, logical);

    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct vlapic *l = vlapic_of(d, i);

        if (l && matches(l, &dest))
            return l->v;
    }
    return NULL;
}

/* --- the interrupt command register (§11.6.1) --- */

static cold_fn void icr_write_cold(struct vlapic *l, u32 icr, u32 id, bool wide)
{
    struct domain *d = l->v->d;
    struct destination dest = {.id = id, .logical = icr & ICR_LOGICAL, .wide = wide};
    u8 delivery = ICR_DELIVERY(icr), vector = icr & APIC_VECTOR_MASK;
    unsigned shorthand = ICR_SHORTHAND(icr);

    /* INIT level de-assert only synchronised arbitration ids of APICs long gone. */
    if (delivery == DELIVERY_INIT && (icr & (ICR_ASSERT | ICR_LEVEL_TRIGGERED)) == ICR_LEVEL_TRIGGERED)
        return;
    /* Table 11-3: INIT and STARTUP cannot be sent to oneself by shorthand; ExtINT is no message an APIC can send. */
    if (delivery == DELIVERY_EXTINT ||
        (delivery >= DELIVERY_INIT && shorthand != SHORTHAND_NONE && shorthand != SHORTHAND_OTHERS))
        return;
    if (shorthand == SHORTHAND_SELF) {
        deliver_one(l, delivery == DELIVERY_LOWEST ? DELIVERY_FIXED : delivery, vector, false);
        return;
    }
    if (shorthand != SHORTHAND_NONE)
        dest = (struct destination){.id = ~0u, .wide = true};
    /* Note 4 there: lowest priority "excluding self" may come back to the sender. */
    if (delivery == DELIVERY_LOWEST)
        deliver_lowest(d, &dest, vector, false);
    else
        deliver_all(d, &dest, shorthand == SHORTHAND_OTHERS ? l : NULL, delivery, vector, false);
}

/* Trigger mode means nothing for vectors sent by ICR: they are edges. */
void vlapic_icr_write(struct vlapic *l, u32 icr, u32 dest, bool wide)
{
    struct domain *d = l->v->d;
    u8 vector = icr & APIC_VECTOR_MASK;
    struct vlapic *target;

    if (unlikely(vector < APIC_VECTOR_FIRST && ICR_DELIVERY(icr) <= DELIVERY_LOWEST)) {
        vlapic_error(l, ESR_SEND_ILLEGAL_VECTOR);
        return;
    }
    /* The hot path: a fixed vector to one physical id, which is a vCPU number. Software-disabled APICs take none. */
    if (likely(!(icr & (ICR_DELIVERY_MASK | ICR_LOGICAL | ICR_SHORTHAND_MASK)) && dest < d->nr_vcpus)) {
        target = vlapic_of(d, dest);
        if (likely(target))
            vlapic_post(target, vector, false);
        return;
    }
    /* A fixed vector to oneself: what an upcall to the own CPU is. */
    if (likely((icr & (ICR_DELIVERY_MASK | ICR_SHORTHAND_MASK)) == ICR_SHORTHAND_SELF)) {
        vlapic_post(l, vector, false);
        return;
    }
    icr_write_cold(l, icr, dest, wide);
}
