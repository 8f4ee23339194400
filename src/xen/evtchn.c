/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channel ports: the port table, binding, closing and sending (xen/event_channel.h). */
#include "evtchn_internal.h"

/* Ports looked at before an allocation prefers a new bucket: bounds the search in a table full of busy ports. */
#define SEARCH_LIMIT 8192

/* Ports one EVTCHNOP_reset closes before the vCPU may be interrupted. */
#define RESET_BUDGET 2048

#define BUCKET_DIR_ORDER 1
_Static_assert(EVTCHN_MAX_BUCKETS * sizeof(struct evtchn *) == PAGE_SIZE << BUCKET_DIR_ORDER, "bucket directory size");

/* --- locks --- */

bool evtchn_lock_peer(struct domain *d, struct domain *peer)
{
    spinlock_t *own = &d->evtchn->lock, *other = &peer->evtchn->lock;

    if (own == other)
        return true;
    /* By address; trylock, because the lock checker knows no order within a class. */
    if (own < other) {
        while (!spin_trylock(other))
            cpu_relax();
        return true;
    }
    if (spin_trylock(other))
        return true;
    spin_unlock(own);
    cpu_relax();
    spin_lock(own);
    return false;
}

void evtchn_unlock_peer(struct domain *d, struct domain *peer)
{
    if (peer != d)
        spin_unlock(&peer->evtchn->lock);
}

/* --- the port table; domain lock held --- */

static u32 port_limit(const struct evtchn_domain *ed)
{
    u32 abi = ed->fifo ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS;

    return min(abi, ed->max_ports);
}

static int bucket_add(struct evtchn_domain *ed)
{
    u32 b = ed->nr_ports / EVTCHN_PER_BUCKET;
    struct evtchn *bucket = frames_alloc(0);

    if (!bucket)
        return -XEN_ENOMEM;
    for (u32 i = 0; i < EVTCHN_PER_BUCKET; i++) {
        spin_lock_init(&bucket[i].lock, LOCK_EVTCHN_PORT);
        bucket[i].queue = EVTCHN_FIRST_QUEUE;
    }
    ed->bucket[b] = bucket;
    atomic_store(&ed->nr_ports, ed->nr_ports + EVTCHN_PER_BUCKET);
    return 0;
}

/* A port the guest still has on a queue is not free: its word would link the new binding into the old place. */
static bool port_is_free(const struct evtchn_domain *ed, u32 port)
{
    return evtchn_at(ed, port)->state == ECS_CLOSED && !(ed->fifo && evtchn_fifo_is_linked(ed->fifo, port));
}

/* Lowest free port among those that have a bucket, or 0. */
static u32 port_search(const struct evtchn_domain *ed, u32 limit)
{
    u32 end = min(limit, ed->nr_ports), looked = 0;

    for (u32 first = 0; first < end && looked < SEARCH_LIMIT; first += EVTCHN_PER_BUCKET) {
        if (ed->used[first / EVTCHN_PER_BUCKET] == EVTCHN_PER_BUCKET)
            continue;
        for (u32 port = first; port < min(end, first + EVTCHN_PER_BUCKET); port++)
            if (port_is_free(ed, port))
                return port;
        looked += EVTCHN_PER_BUCKET;
    }
    return 0;
}

/* Find a port for a new binding; it stays closed until port_open. 0 or -errno. */
static int port_alloc(struct domain *d, u32 *port)
{
    struct evtchn_domain *ed = d->evtchn;
    u32 limit = port_limit(ed), found;
    int rc;

    if (d->dying)
        return -XEN_EINVAL;
    if (ed->resetting)
        return -XEN_EBUSY;
    found = port_search(ed, limit);
    if (!found) {
        found = max(ed->nr_ports, 1u);
        if (found >= limit)
            return -XEN_ENOSPC;
        rc = bucket_add(ed);
        if (rc)
            return rc;
        ed->used[0] += found == 1; /* port 0, with its bucket */
        evtchn_at(ed, 0)->state = ECS_RESERVED;
    }
    *port = found;
    return 0;
}

/* Set the fields a state needs with the returned port locked, then port_opened. */
static struct evtchn *port_open(struct domain *d, u32 port, u8 state, u32 vcpu)
{
    struct evtchn *c = evtchn_at(d->evtchn, port);

    d->evtchn->used[port / EVTCHN_PER_BUCKET]++;
    spin_lock(&c->lock);
    c->state = state;
    c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    c->notify_vcpu = vcpu;
    return c;
}

static void port_opened(struct evtchn *c)
{
    spin_unlock(&c->lock);
}

static void port_clear_pending(struct domain *d, struct evtchn *c, u32 port)
{
    if (d->evtchn->fifo)
        evtchn_fifo_clear_pending(d->evtchn->fifo, c, port);
    else
        evtchn_2l_clear_pending(d, port);
}

void evtchn_for_each(struct domain *d, void (*fn)(struct domain *d, struct evtchn *c, u32 port, void *arg), void *arg)
{
    struct evtchn_domain *ed = d->evtchn;

    for (u32 port = 0; port < ed->nr_ports; port++) {
        struct evtchn *c;

        if (port % EVTCHN_PER_BUCKET == 0 && !ed->used[port / EVTCHN_PER_BUCKET]) {
            port += EVTCHN_PER_BUCKET - 1;
            continue;
        }
        c = evtchn_at(ed, port);
        if (evtchn_usable(c))
            fn(d, c, port, arg);
    }
}

/* --- operations --- */

int evtchn_target(struct domain *caller, domid_t dom, struct domain **target)
{
    *target = caller;
    if (dom == DOMID_SELF || dom == caller->id)
        return 0;
    if (!caller->privileged)
        return -XEN_EPERM;
    *target = domain_lookup(caller, dom);
    return *target ? 0 : -XEN_ESRCH;
}

int evtchn_alloc_unbound(struct domain *caller, domid_t dom, domid_t remote, u32 *port)
{
    struct domain *d;
    int rc = evtchn_target(caller, dom, &d);

    if (rc)
        return rc;
    spin_lock(&d->evtchn->lock);
    rc = port_alloc(d, port);
    if (!rc) {
        struct evtchn *c = port_open(d, *port, ECS_UNBOUND, 0);

        c->remote_dom = remote == DOMID_SELF ? caller->id : remote;
        port_opened(c);
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

/* Both domains locked. */
static int connect(struct domain *d, struct domain *rd, u32 remote_port, u32 *port)
{
    struct evtchn *rc = evtchn_lookup(rd->evtchn, remote_port), *lc;
    int err;

    if (rd->dying || !rc || rc->state != ECS_UNBOUND || rc->remote_dom != d->id)
        return -XEN_EINVAL;
    err = port_alloc(d, port);
    if (err)
        return err;

    lc = port_open(d, *port, ECS_INTERDOMAIN, 0);
    lc->peer_domain = rd;
    lc->peer_port = remote_port;
    port_opened(lc);

    spin_lock(&rc->lock);
    rc->state = ECS_INTERDOMAIN;
    rc->peer_domain = d;
    rc->peer_port = *port;
    spin_unlock(&rc->lock);

    /* The peer may have signalled while nobody listened. */
    evtchn_raise(d, lc, *port);
    return 0;
}

int evtchn_bind_interdomain(struct domain *d, domid_t remote, u32 remote_port, u32 *port)
{
    struct domain *rd = domain_lookup(d, remote);
    int rc;

    if (!rd)
        return -XEN_ESRCH;
    spin_lock(&d->evtchn->lock);
    while (!evtchn_lock_peer(d, rd))
        ;
    rc = connect(d, rd, remote_port, port);
    evtchn_unlock_peer(d, rd);
    spin_unlock(&d->evtchn->lock);
    return rc;
}

/* Where the port of a VIRQ is remembered. */
static u32 *virq_slot(struct domain *d, struct vcpu *v, u32 virq)
{
    return evtchn_virq_is_global(virq) ? &d->evtchn->global_virq[virq] : &v->evtchn->virq[virq];
}

int evtchn_bind_virq(struct domain *d, u32 virq, u32 vcpu, u32 *port)
{
    struct vcpu *v;
    u32 *slot;
    int rc;

    if (virq >= NR_VIRQS || (evtchn_virq_is_global(virq) && vcpu != 0))
        return -XEN_EINVAL;
    v = evtchn_vcpu_of(d, vcpu);
    if (!v)
        return -XEN_ENOENT;

    slot = virq_slot(d, v, virq);
    spin_lock(&d->evtchn->lock);
    rc = *slot ? -XEN_EEXIST : port_alloc(d, port);
    if (!rc) {
        struct evtchn *c = port_open(d, *port, ECS_VIRQ, vcpu);

        c->virq = virq;
        port_opened(c);
        atomic_store(slot, *port);
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

int evtchn_bind_ipi(struct domain *d, u32 vcpu, u32 *port)
{
    int rc;

    if (!evtchn_vcpu_of(d, vcpu))
        return -XEN_ENOENT;
    spin_lock(&d->evtchn->lock);
    rc = port_alloc(d, port);
    if (!rc)
        port_opened(port_open(d, *port, ECS_IPI, vcpu));
    spin_unlock(&d->evtchn->lock);
    return rc;
}

/* The other end of a channel that is being closed waits for a new binding of the same domain. */
static void disconnect(struct domain *d, struct domain *rd, u32 remote_port)
{
    struct evtchn *rc = evtchn_at(rd->evtchn, remote_port);

    spin_lock(&rc->lock);
    rc->state = ECS_UNBOUND;
    rc->remote_dom = d->id;
    rc->peer_domain = NULL;
    spin_unlock(&rc->lock);
}

/* Domain locks held, both ends'. After it nobody is sending to or through the port. */
static void close_locked(struct domain *d, struct evtchn *c, u32 port)
{
    struct evtchn was = *c;

    spin_lock(&c->lock);
    c->state = ECS_CLOSED;
    c->peer_domain = NULL;
    spin_unlock(&c->lock);

    if (was.state == ECS_INTERDOMAIN)
        disconnect(d, was.peer_domain, was.peer_port);
    if (was.state == ECS_VIRQ)
        atomic_store(virq_slot(d, d->vcpu[was.notify_vcpu], was.virq), 0);

    port_clear_pending(d, c, port);
    c->notify_vcpu = 0;
    d->evtchn->used[port / EVTCHN_PER_BUCKET]--;
}

/* Domain lock held, may be dropped on the way. */
static int close_port(struct domain *d, u32 port)
{
    struct evtchn *c = evtchn_lookup(d->evtchn, port);

    while (c && evtchn_usable(c)) {
        struct domain *peer = c->state == ECS_INTERDOMAIN ? c->peer_domain : d;

        /* Our lock keeps the peer's domain from going away, so it is dropped before the port is looked at again. */
        if (!evtchn_lock_peer(d, peer))
            continue;
        close_locked(d, c, port);
        evtchn_unlock_peer(d, peer);
        return 0;
    }
    return -XEN_EINVAL;
}

int evtchn_close(struct domain *d, u32 port)
{
    int rc;

    spin_lock(&d->evtchn->lock);
    rc = close_port(d, port);
    spin_unlock(&d->evtchn->lock);
    return rc;
}

int evtchn_send(struct domain *d, u32 port)
{
    struct evtchn *c = evtchn_lookup(d->evtchn, port);
    int rc = 0;

    if (unlikely(!c))
        return -XEN_EINVAL;
    spin_lock(&c->lock);
    switch (c->state) {
    case ECS_INTERDOMAIN:
        evtchn_raise(c->peer_domain, evtchn_at(c->peer_domain->evtchn, c->peer_port), c->peer_port);
        break;
    case ECS_IPI:
        evtchn_raise(d, c, port);
        break;
    case ECS_UNBOUND: /* nobody listens yet; binding raises the other end anyway */
        break;
    default:
        rc = -XEN_EINVAL;
    }
    spin_unlock(&c->lock);
    return rc;
}

void evtchn_describe(const struct evtchn *c, evtchn_status_t *s)
{
    s->status = EVTCHNSTAT_closed;
    s->vcpu = c->notify_vcpu;
    s->u.interdomain.dom = 0;
    s->u.interdomain.port = 0;
    switch (c->state) {
    case ECS_UNBOUND:
        s->status = EVTCHNSTAT_unbound;
        s->u.unbound.dom = c->remote_dom;
        break;
    case ECS_INTERDOMAIN:
        s->status = EVTCHNSTAT_interdomain;
        s->u.interdomain.dom = c->peer_domain->id;
        s->u.interdomain.port = c->peer_port;
        break;
    case ECS_VIRQ:
        s->status = EVTCHNSTAT_virq;
        s->u.virq = c->virq;
        break;
    case ECS_IPI:
        s->status = EVTCHNSTAT_ipi;
        break;
    }
}

int evtchn_get_status(struct domain *caller, evtchn_status_t *status)
{
    struct domain *d;
    struct evtchn *c;
    int rc = evtchn_target(caller, status->dom, &d);

    if (rc)
        return rc;
    spin_lock(&d->evtchn->lock);
    c = evtchn_lookup(d->evtchn, status->port);
    if (c)
        evtchn_describe(c, status);
    spin_unlock(&d->evtchn->lock);
    return c ? 0 : -XEN_EINVAL;
}

static bool may_move(const struct evtchn *c)
{
    return c->state == ECS_UNBOUND || c->state == ECS_INTERDOMAIN ||
           (c->state == ECS_VIRQ && evtchn_virq_is_global(c->virq));
}

int evtchn_bind_vcpu(struct domain *d, u32 port, u32 vcpu)
{
    struct evtchn *c;
    int rc = -XEN_EINVAL;

    if (!evtchn_vcpu_of(d, vcpu))
        return -XEN_ENOENT;
    spin_lock(&d->evtchn->lock);
    c = evtchn_lookup(d->evtchn, port);
    if (c && may_move(c)) {
        WRITE_ONCE(c->notify_vcpu, vcpu);
        if (d->evtchn->fifo)
            evtchn_fifo_relink(d, d->evtchn->fifo, c, port);
        rc = 0;
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

int evtchn_unmask(struct domain *d, u32 port)
{
    struct evtchn *c = evtchn_lookup(d->evtchn, port);
    struct evtchn_fifo *f;

    if (!c)
        return -XEN_EINVAL;
    spin_lock(&c->lock);
    f = atomic_load(&d->evtchn->fifo);
    if (!evtchn_usable(c))
        ; /* nothing can be pending there */
    else if (f)
        evtchn_fifo_unmask(d, f, c, port);
    else
        evtchn_2l_unmask(d, c, port);
    spin_unlock(&c->lock);
    return 0;
}

int evtchn_set_priority(struct domain *d, u32 port, u32 priority)
{
    struct evtchn *c;
    int rc = -XEN_EINVAL;

    spin_lock(&d->evtchn->lock);
    c = evtchn_lookup(d->evtchn, port);
    if (!d->evtchn->fifo) {
        rc = -XEN_ENOSYS;
    } else if (c && evtchn_usable(c) && priority <= EVTCHN_FIFO_PRIORITY_MIN) {
        WRITE_ONCE(c->priority, priority); /* from the next time it is linked */
        rc = 0;
    }
    spin_unlock(&d->evtchn->lock);
    return rc;
}

/*
 * Close at most `budget` ports; when none is left, leave the FIFO ABI if asked. 0, -XEN_EAGAIN, or -XEN_EBUSY if
 * another CPU is at it.
 */
static int reset(struct domain *d, bool leave_fifo, u32 budget)
{
    struct evtchn_domain *ed = d->evtchn;
    int rc = 0;

    spin_lock(&ed->lock);
    if (ed->resetting) {
        spin_unlock(&ed->lock);
        return -XEN_EBUSY;
    }
    ed->resetting = true; /* close_port may drop the lock */
    for (u32 port = 1; port < ed->nr_ports && !rc; port++) {
        if (port % EVTCHN_PER_BUCKET == 0 && !ed->used[port / EVTCHN_PER_BUCKET])
            port += EVTCHN_PER_BUCKET - 1;
        else if (close_port(d, port) == 0 && --budget == 0)
            rc = -XEN_EAGAIN;
    }
    if (!rc && leave_fifo)
        evtchn_fifo_destroy(d);
    ed->resetting = false;
    spin_unlock(&ed->lock);
    return rc;
}

int evtchn_reset(struct domain *caller, domid_t dom)
{
    struct domain *d;
    int rc = evtchn_target(caller, dom, &d);

    return rc ? rc : reset(d, d == caller, RESET_BUDGET);
}

/* --- life cycle --- */

void evtchn_domain_reset(struct domain *d)
{
    reset(d, true, ~0u);
}

void evtchn_set_max_port(struct domain *d, u32 max_port)
{
    spin_lock(&d->evtchn->lock);
    d->evtchn->max_ports = min(max_port, (u32)EVTCHN_FIFO_NR_CHANNELS - 1) + 1;
    spin_unlock(&d->evtchn->lock);
}

int evtchn_domain_init(struct domain *d)
{
    struct evtchn_domain *ed = xzalloc(sizeof(*ed));

    if (!ed)
        return -XEN_ENOMEM;
    ed->bucket = frames_alloc(BUCKET_DIR_ORDER);
    if (!ed->bucket) {
        xfree(ed);
        return -XEN_ENOMEM;
    }
    spin_lock_init(&ed->lock, LOCK_EVTCHN);
    ed->max_ports = EVTCHN_FIFO_NR_CHANNELS;
    d->evtchn = ed;
    return 0;
}

int evtchn_vcpu_init(struct vcpu *v)
{
    struct evtchn_vcpu *ev = xzalloc(sizeof(*ev));

    if (!ev)
        return -XEN_ENOMEM;
    ev->v = v;
    ev->poll_timer.fn = evtchn_poll_timer_fn;
    spin_lock_init(&ev->fifo.lock, LOCK_EVTCHN_QUEUE);
    v->evtchn = ev;
    return 0;
}

void evtchn_domain_free(struct domain *d)
{
    struct evtchn_domain *ed = d->evtchn;

    if (!ed)
        return;
    reset(d, true, ~0u);
    for (u32 i = 0; i < MAX_VCPUS; i++) {
        struct vcpu *v = evtchn_vcpu_of(d, i);

        if (!v)
            continue;
        timer_stop(&v->evtchn->poll_timer);
        xfree(v->evtchn);
        v->evtchn = NULL;
    }
    for (u32 b = 0; b < ed->nr_ports / EVTCHN_PER_BUCKET; b++)
        frames_free(ed->bucket[b], 0);
    frames_free(ed->bucket, BUCKET_DIR_ORDER);
    xfree(ed);
    d->evtchn = NULL;
}
