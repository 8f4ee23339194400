/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FIFO ABI (xen/event_channel.h): one word per port in pages the guest gives, and a control block per vCPU with the
 * head of a linked list for each priority. The guest consumes from the head, Torii appends at the tail.
 *
 * Both pages are the guest's to scribble on. Nothing read there is used as an index: the tail and the queue a port was
 * last linked on are remembered here, so a guest that breaks the protocol can only lose its own events.
 */
#include "evtchn_internal.h"

#include <torii/guest.h>

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED  (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED  (1u << EVTCHN_FIFO_LINKED)
#define WORD_BUSY    (1u << EVTCHN_FIFO_BUSY)
#define WORD_LINK    ((u32)EVTCHN_FIFO_LINK_MASK)

/*
 * A guest may change a linked word four times before it must leave it alone: set MASKED, clear MASKED (which BUSY
 * stops), clear PENDING, clear LINKED. More failures are a guest that does not follow the ABI.
 */
#define LINK_TRIES 5

static event_word_t *word_of(const struct evtchn_fifo *f, u32 port)
{
    event_word_t *page = atomic_load(&f->page[port / EVTCHN_WORDS_PER_PAGE]);

    return page ? page + port % EVTCHN_WORDS_PER_PAGE : NULL;
}

/* Make the tail's LINK point to port; false if the guest has taken the tail off the queue, which is then empty. */
static bool link_behind(event_word_t *tail, u32 port)
{
    u32 w = atomic_load(tail);

    for (unsigned i = 0; i < LINK_TRIES; i++) {
        if (!(w & WORD_LINKED))
            break;
        if (atomic_cmpxchg(tail, &w, (w & ~(WORD_BUSY | WORD_LINK)) | port))
            return true;
        /* The guest is at this word: BUSY keeps it from clearing MASKED until the link is in. */
        if (i == 0) {
            atomic_or(tail, WORD_BUSY);
            w = atomic_load(tail);
        }
    }
    atomic_and(tail, ~WORD_BUSY);
    return false;
}

/*
 * Append port, just marked LINKED, to a queue. Queue lock held. True if the queue was empty: also when port itself was
 * the tail, for it has been taken off.
 */
static bool append(const struct evtchn_fifo *f, struct evtchn_vcpu *ev, u32 priority, u32 port)
{
    u32 tail = ev->fifo.tail[priority];
    bool linked = tail && tail != port && link_behind(word_of(f, tail), port);

    if (!linked)
        atomic_store(&ev->fifo.control->head[priority], port);
    ev->fifo.tail[priority] = port;
    return !linked;
}

/*
 * The port's vCPU or priority has changed since it was last linked (on `old`): both queues locked, by vCPU number, the
 * second without the lock checker's class order.
 */
static noinline_fn bool link_moved(const struct evtchn_fifo *f, struct evtchn *c, event_word_t *word,
                                                 u32 port, struct evtchn_vcpu *from, u16 old, struct evtchn_vcpu *to,
                                                 u16 queue)
{
    struct evtchn_vcpu *low = from->v->id < to->v->id ? from : to, *high = low == from ? to : from;
    bool first = false;

    spin_lock(&low->fifo.lock);
    while (low != high && !spin_trylock(&high->fifo.lock))
        cpu_relax();

    /*
     * If somebody else moved it while we waited, he linked it after its PENDING bit was there to see: the guest will
     * find the event and nothing is left to do.
     */
    if (c->queue != old) {
        first = false;
    } else if (!to->fifo.control) {
        to->fifo.missed = true;
    } else if (!test_and_set_bit32(word, EVTCHN_FIFO_LINKED)) {
        /* The old queue must not take it for its tail again now that it is LINKED elsewhere. */
        if (from->fifo.tail[old % EVTCHN_FIFO_MAX_QUEUES] == port)
            from->fifo.tail[old % EVTCHN_FIFO_MAX_QUEUES] = 0;
        c->queue = queue;
        first = append(f, to, queue % EVTCHN_FIFO_MAX_QUEUES, port);
    }

    if (low != high)
        spin_unlock(&high->fifo.lock);
    spin_unlock(&low->fifo.lock);
    return first;
}

/* The usual case: the queue the port was on before. As above, whoever moved it meanwhile has also linked it. */
static bool link_again(const struct evtchn_fifo *f, struct evtchn *c, event_word_t *word, u32 port,
                       struct evtchn_vcpu *ev, u16 queue)
{
    bool first = false;

    spin_lock(&ev->fifo.lock);
    if (unlikely(!ev->fifo.control))
        ev->fifo.missed = true;
    else if (likely(c->queue == queue) && !test_and_set_bit32(word, EVTCHN_FIFO_LINKED))
        first = append(f, ev, queue % EVTCHN_FIFO_MAX_QUEUES, port);
    spin_unlock(&ev->fifo.lock);
    return first;
}

/* A pending, unmasked word becomes part of the queue of the port's vCPU and priority. */
static void link_port(struct domain *d, const struct evtchn_fifo *f, struct evtchn *c, event_word_t *word, u32 port)
{
    u16 notify = READ_ONCE(c->notify_vcpu), old = READ_ONCE(c->queue), priority = READ_ONCE(c->priority);
    u16 queue = notify * EVTCHN_FIFO_MAX_QUEUES + priority;
    struct vcpu *v = d->vcpu[notify];
    bool first;

    if (likely(old == queue)) {
        first = link_again(f, c, word, port, v->evtchn, queue);
    } else {
        struct vcpu *from = d->vcpu[old / EVTCHN_FIFO_MAX_QUEUES];

        first = link_moved(f, c, word, port, from->evtchn, old, v->evtchn, queue);
    }
    if (first && !test_and_set_bit32(&v->evtchn->fifo.control->ready, priority))
        evtchn_upcall_raise(v);
}

void evtchn_fifo_raise(struct domain *d, struct evtchn_fifo *f, struct evtchn *c, u32 port)
{
    event_word_t *word = word_of(f, port);
    bool was_pending;

    if (unlikely(!word)) {
        if (atomic_xchg(&c->fifo_pending, true))
            return;
        /* expand_array publishes the page, then collects fifo_pending: one of us sees the other's store. */
        word = word_of(f, port);
        if (likely(!word)) {
            evtchn_notify_pollers(d, port);
            return;
        }
        if (!atomic_xchg(&c->fifo_pending, false))
            return;
    }
    was_pending = test_and_set_bit32(word, EVTCHN_FIFO_PENDING);
    if (!(atomic_load(word) & (WORD_MASKED | WORD_LINKED)))
        link_port(d, f, c, word, port);
    if (!was_pending)
        evtchn_notify_pollers(d, port);
}

void evtchn_fifo_unmask(struct domain *d, struct evtchn_fifo *f, struct evtchn *c, u32 port)
{
    event_word_t *word = word_of(f, port);

    if (!word)
        return;
    atomic_and(word, ~WORD_MASKED);
    evtchn_fifo_relink(d, f, c, port);
}

void evtchn_fifo_relink(struct domain *d, struct evtchn_fifo *f, struct evtchn *c, u32 port)
{
    event_word_t *word = word_of(f, port);
    u32 w = word ? atomic_load(word) : 0;

    if ((w & WORD_PENDING) && !(w & (WORD_MASKED | WORD_LINKED)))
        link_port(d, f, c, word, port);
}

bool evtchn_fifo_is_pending(const struct evtchn_fifo *f, const struct evtchn *c, u32 port)
{
    const event_word_t *word = word_of(f, port);

    return word ? (atomic_load(word) & WORD_PENDING) != 0 : atomic_load(&c->fifo_pending);
}

void evtchn_fifo_clear_pending(struct evtchn_fifo *f, struct evtchn *c, u32 port)
{
    event_word_t *word = word_of(f, port);

    if (word)
        atomic_and(word, ~WORD_PENDING);
    atomic_store(&c->fifo_pending, false);
}

bool evtchn_fifo_is_linked(const struct evtchn_fifo *f, u32 port)
{
    const event_word_t *word = word_of(f, port);

    return word && (atomic_load(word) & WORD_LINKED);
}

/* --- hypercalls --- */

/* Link what a vCPU (arg) could not be told of before it had a control block. */
static void relink_missed(struct domain *d, struct evtchn *c, u32 port, void *arg)
{
    const struct vcpu *v = arg;

    if (READ_ONCE(c->notify_vcpu) == v->id)
        evtchn_fifo_relink(d, d->evtchn->fifo, c, port);
}

/* Senders that still saw the 2-level ABI finish before we hold the lock they raise under; then its bits stand still. */
static void migrate_port(struct domain *d, struct evtchn *c, u32 port, void *arg)
{
    struct evtchn *source = c->state == ECS_INTERDOMAIN ? evtchn_at(c->peer_domain->evtchn, c->peer_port) : c;

    (void)arg;
    spin_lock(&source->lock);
    if (evtchn_2l_is_pending(d, port))
        atomic_store(&c->fifo_pending, true);
    spin_unlock(&source->lock);
}

static int set_control_block(struct domain *d, struct vcpu *v, gfn_t gfn, u32 offset)
{
    struct evtchn_vcpu *ev = v->evtchn;
    void *page;
    bool missed;

    if (ev->fifo.control)
        return -XEN_EINVAL;
    page = guest_page_get(d, gfn);
    if (!page)
        return -XEN_EINVAL;

    spin_lock(&ev->fifo.lock);
    ev->fifo.control_page = page;
    ev->fifo.control = (evtchn_fifo_control_block_t *)((char *)page + offset);
    missed = ev->fifo.missed;
    ev->fifo.missed = false;
    spin_unlock(&ev->fifo.lock);

    if (missed)
        evtchn_for_each(d, relink_missed, v);
    return 0;
}

/* The first control block of a domain: it leaves the 2-level ABI. */
static int start_fifo(struct domain *d, struct vcpu *v, gfn_t gfn, u32 offset)
{
    struct evtchn_fifo *f = xzalloc(sizeof(*f));
    int rc;

    if (!f)
        return -XEN_ENOMEM;
    rc = set_control_block(d, v, gfn, offset);
    if (rc) {
        xfree(f);
        return rc;
    }
    atomic_store(&d->evtchn->fifo, f);
    evtchn_for_each(d, migrate_port, NULL);
    return 0;
}

int evtchn_fifo_init_control(struct domain *d, u32 vcpu, gfn_t gfn, u32 offset)
{
    struct evtchn_domain *ed = d->evtchn;
    struct vcpu *v = evtchn_vcpu_of(d, vcpu);
    int rc;

    if (!v)
        return -XEN_ENOENT;
    if (offset % 8 || offset > PAGE_SIZE - sizeof(evtchn_fifo_control_block_t))
        return -XEN_EINVAL;

    spin_lock(&ed->lock);
    if (ed->resetting)
        rc = -XEN_EBUSY;
    else
        rc = ed->fifo ? set_control_block(d, v, gfn, offset) : start_fifo(d, v, gfn, offset);
    spin_unlock(&ed->lock);
    return rc;
}

/* Raise again what became pending before there was a word for it. */
static void replay_page(struct domain *d, struct evtchn_fifo *f, u32 first)
{
    u32 end = min(first + EVTCHN_WORDS_PER_PAGE, d->evtchn->nr_ports);

    for (u32 port = first; port < end; port++) {
        struct evtchn *c = evtchn_at(d->evtchn, port);

        if (READ_ONCE(c->fifo_pending) && atomic_xchg(&c->fifo_pending, false) && evtchn_usable(c))
            evtchn_fifo_raise(d, f, c, port);
    }
}

static int add_page(struct domain *d, struct evtchn_fifo *f, gfn_t gfn)
{
    void *page;

    if (f->nr_pages == EVTCHN_FIFO_MAX_PAGES)
        return -XEN_ENOSPC;
    page = guest_page_get(d, gfn);
    if (!page)
        return -XEN_EINVAL;
    atomic_store(&f->page[f->nr_pages], page);
    f->nr_pages++;
    replay_page(d, f, (f->nr_pages - 1) * EVTCHN_WORDS_PER_PAGE);
    return 0;
}

int evtchn_fifo_expand_array(struct domain *d, gfn_t gfn)
{
    struct evtchn_domain *ed = d->evtchn;
    int rc;

    spin_lock(&ed->lock);
    if (!ed->fifo)
        rc = -XEN_EOPNOTSUPP;
    else if (ed->resetting)
        rc = -XEN_EBUSY;
    else
        rc = add_page(d, ed->fifo, gfn);
    spin_unlock(&ed->lock);
    return rc;
}

static void forget_port(struct evtchn_domain *ed, u32 port)
{
    struct evtchn *c = evtchn_at(ed, port);

    c->queue = EVTCHN_FIRST_QUEUE;
    c->fifo_pending = false;
}

void evtchn_fifo_destroy(struct domain *d)
{
    struct evtchn_domain *ed = d->evtchn;
    struct evtchn_fifo *f = ed->fifo;

    if (!f)
        return;
    atomic_store(&ed->fifo, NULL);
    for (u32 port = 0; port < ed->nr_ports; port++)
        forget_port(ed, port);
    for (u32 i = 0; i < MAX_VCPUS; i++) {
        struct vcpu *v = evtchn_vcpu_of(d, i);

        if (!v)
            continue;
        if (v->evtchn->fifo.control_page)
            guest_page_put(d, v->evtchn->fifo.control_page);
        v->evtchn->fifo.control = NULL;
        v->evtchn->fifo.control_page = NULL;
        v->evtchn->fifo.missed = false;
        for (u32 p = 0; p < EVTCHN_FIFO_MAX_QUEUES; p++)
            v->evtchn->fifo.tail[p] = 0;
    }
    for (u32 i = 0; i < f->nr_pages; i++)
        guest_page_put(d, f->page[i]);
    xfree(f);
}
