/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State of the event channel files, and what they call of each other.
 *
 * Locks, outermost first:
 *   evtchn_domain.lock  port allocation, binding, closing, the choice of ABI. Two domains: the second one with
 *                       evtchn_lock_peer (by address).
 *   evtchn.lock         one port's state and peer. Never two of them.
 *   evtchn_vcpu.fifo    FIFO queues of one vCPU. A port that changes vCPU takes both, by vCPU number.
 *
 * Sending takes no domain lock. A port is made pending under the lock of the port the signal came through: the sending
 * end of an interdomain channel, else the port itself (or under the domain lock, when binding or replaying). Closing
 * either end takes that same lock, so a sender's peer and the peer's domain stay while it works, and once every port of
 * a domain has been closed nobody is left inside its FIFO pages.
 */
#ifndef TORII_EVTCHN_INTERNAL_H
#define TORII_EVTCHN_INTERNAL_H

#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/lock.h>
#include <torii/time.h>

#include <xen/event_channel.h>

enum evtchn_state {
    ECS_CLOSED,
    ECS_RESERVED, /* port 0 */
    ECS_UNBOUND,
    ECS_INTERDOMAIN,
    ECS_VIRQ,
    ECS_IPI,
};

/* Where a port that was never linked counts as last linked: vCPU 0, default priority. */
#define EVTCHN_FIRST_QUEUE EVTCHN_FIFO_PRIORITY_DEFAULT

/* One port. Locked by .lock; written with the domain lock held as well, so either suffices to read. */
struct evtchn {
    spinlock_t lock;
    u8 state;
    u8 priority;
    u16 notify_vcpu;    /* atomic: bind_vcpu does not stop senders */
    u16 queue;          /* FIFO: vCPU << 4 | priority it was last linked on; written under that vCPU's queue lock */
    bool fifo_pending;  /* FIFO: raised before its event word existed; atomic */
    domid_t remote_dom; /* UNBOUND: who may bind */
    struct domain *peer_domain; /* INTERDOMAIN */
    union {
        u32 peer_port; /* INTERDOMAIN */
        u32 virq;      /* VIRQ */
    };
};

#define EVTCHN_PER_BUCKET  ((u32)(PAGE_SIZE / sizeof(struct evtchn)))
#define EVTCHN_MAX_BUCKETS (EVTCHN_FIFO_NR_CHANNELS / EVTCHN_PER_BUCKET)
_Static_assert((PAGE_SIZE / sizeof(struct evtchn)) * sizeof(struct evtchn) == PAGE_SIZE, "a bucket is one whole frame");

#define EVTCHN_WORDS_PER_PAGE ((u32)(PAGE_SIZE / sizeof(event_word_t)))
#define EVTCHN_FIFO_MAX_PAGES (EVTCHN_FIFO_NR_CHANNELS / EVTCHN_WORDS_PER_PAGE)

struct evtchn_fifo {
    u32 nr_pages;                              /* domain lock */
    event_word_t *page[EVTCHN_FIFO_MAX_PAGES]; /* published atomically */
};

struct evtchn_domain {
    spinlock_t lock;
    bool resetting; /* no port is handed out */
    u8 callback_vector;
    u32 max_ports;            /* the toolstack's limit */
    u32 nr_ports;             /* ports below it have a bucket; only grows */
    struct evtchn **bucket;   /* EVTCHN_MAX_BUCKETS; kept until the domain goes */
    struct evtchn_fifo *fifo; /* NULL: 2-level ABI */
    u32 global_virq[NR_VIRQS];
    u64 polling[MAX_VCPUS / 64]; /* vCPUs in SCHEDOP_poll; atomic */
    u8 used[EVTCHN_MAX_BUCKETS]; /* ports not closed */
};

struct evtchn_vcpu {
    struct vcpu *v;
    u8 upcall_vector; /* 0: none */
    u32 virq[NR_VIRQS];
    u32 poll_port; /* 0: several */
    struct timer poll_timer;

    struct {
        spinlock_t lock;
        bool missed; /* an event found no control block */
        evtchn_fifo_control_block_t *control;
        void *control_page;
        u32 tail[EVTCHN_FIFO_MAX_QUEUES]; /* 0: empty or unknown */
    } fifo;
};

/* The record of a port that has been allocated once: records stay while the domain lives. Any context. */
static inline struct evtchn *evtchn_at(const struct evtchn_domain *ed, u32 port)
{
    return &ed->bucket[port / EVTCHN_PER_BUCKET][port % EVTCHN_PER_BUCKET];
}

/* The record of a port a guest named, or NULL if there is none. Any context. */
static inline struct evtchn *evtchn_lookup(const struct evtchn_domain *ed, u32 port)
{
    return port < atomic_load(&ed->nr_ports) ? evtchn_at(ed, port) : NULL;
}

static inline struct vcpu *evtchn_vcpu_of(const struct domain *d, u32 id)
{
    struct vcpu *v = id < d->nr_vcpus && id < MAX_VCPUS ? d->vcpu[id] : NULL;

    return v && v->evtchn ? v : NULL;
}

static inline bool evtchn_usable(const struct evtchn *c)
{
    return c->state > ECS_RESERVED;
}

/* evtchn_2l.c */
void evtchn_2l_raise(struct domain *d, struct evtchn *c, u32 port);
void evtchn_2l_unmask(struct domain *d, struct evtchn *c, u32 port);
bool evtchn_2l_is_pending(const struct domain *d, u32 port);
void evtchn_2l_clear_pending(struct domain *d, u32 port);

/* evtchn_fifo.c; f is the domain's, read once by the caller. */
void evtchn_fifo_raise(struct domain *d, struct evtchn_fifo *f, struct evtchn *c, u32 port);
void evtchn_fifo_unmask(struct domain *d, struct evtchn_fifo *f, struct evtchn *c, u32 port);
bool evtchn_fifo_is_pending(const struct evtchn_fifo *f, const struct evtchn *c, u32 port);
void evtchn_fifo_clear_pending(struct evtchn_fifo *f, struct evtchn *c, u32 port);
/* Link the port if it is pending, not masked and on no queue: after its vCPU changed. */
void evtchn_fifo_relink(struct domain *d, struct evtchn_fifo *f, struct evtchn *c, u32 port);
/* The guest has not yet taken the port off a queue: it must not be given a new meaning. */
bool evtchn_fifo_is_linked(const struct evtchn_fifo *f, u32 port);
int evtchn_fifo_init_control(struct domain *d, u32 vcpu, gfn_t gfn, u32 offset);
int evtchn_fifo_expand_array(struct domain *d, gfn_t gfn);
/* Back to 2-level; domain lock held, every port closed. */
void evtchn_fifo_destroy(struct domain *d);

/* evtchn_upcall.c */
void evtchn_upcall_inject(struct vcpu *v); /* evtchn_upcall_pending is set: get the vCPU to see it */
void evtchn_wake_pollers(struct domain *d, u32 port);
void evtchn_poll_end(struct vcpu *v);
void evtchn_poll_timer_fn(struct timer *t);

/* evtchn.c: the operations behind evtchn_op, with arguments in Torii's memory. d is the caller's domain. 0 or -errno.
 */
int evtchn_alloc_unbound(struct domain *d, domid_t dom, domid_t remote, u32 *port);
int evtchn_bind_interdomain(struct domain *d, domid_t remote, u32 remote_port, u32 *port);
int evtchn_bind_virq(struct domain *d, u32 virq, u32 vcpu, u32 *port);
int evtchn_bind_ipi(struct domain *d, u32 vcpu, u32 *port);
int evtchn_close(struct domain *d, u32 port);
int evtchn_send(struct domain *d, u32 port);
int evtchn_get_status(struct domain *d, evtchn_status_t *status);
int evtchn_bind_vcpu(struct domain *d, u32 port, u32 vcpu);
int evtchn_unmask(struct domain *d, u32 port);
int evtchn_reset(struct domain *d, domid_t dom);
int evtchn_set_priority(struct domain *d, u32 port, u32 priority);

/* The domain `dom` names, if the caller may act on it: 0, -XEN_ESRCH, -XEN_EPERM. */
int evtchn_target(struct domain *caller, domid_t dom, struct domain **target);
/* What EVTCHNOP_status says of a port; domain lock or port lock held. */
void evtchn_describe(const struct evtchn *c, evtchn_status_t *s);
bool evtchn_virq_is_global(u32 virq);
/* A domain's lock is held; take another's too (the same one is fine). False: ours was dropped meanwhile, look again. */
bool evtchn_lock_peer(struct domain *d, struct domain *peer);
void evtchn_unlock_peer(struct domain *d, struct domain *peer);
/* Call fn for every open port of d; domain lock held. */
void evtchn_for_each(struct domain *d, void (*fn)(struct domain *d, struct evtchn *c, u32 port, void *arg), void *arg);

/* There is something to see for v. */
static inline void evtchn_upcall_raise(struct vcpu *v)
{
    struct vcpu_info *info = READ_ONCE(v->info);

    if (info && !atomic_xchg(&info->evtchn_upcall_pending, 1))
        evtchn_upcall_inject(v);
}

/* A port became pending at its source. Caller: see "Locks". */
static inline void evtchn_raise(struct domain *d, struct evtchn *c, u32 port)
{
    struct evtchn_fifo *f = atomic_load(&d->evtchn->fifo);

    if (f)
        evtchn_fifo_raise(d, f, c, port);
    else
        evtchn_2l_raise(d, c, port);
}

static inline bool evtchn_is_pending(const struct domain *d, const struct evtchn *c, u32 port)
{
    const struct evtchn_fifo *f = atomic_load(&d->evtchn->fifo);

    return f ? evtchn_fifo_is_pending(f, c, port) : evtchn_2l_is_pending(d, port);
}

/* Newly pending: somebody may be polling for it. The pending bit was set by a locked operation before. */
static inline void evtchn_notify_pollers(struct domain *d, u32 port)
{
    const u64 *polling = d->evtchn->polling;

    if (unlikely(READ_ONCE(polling[0]) | READ_ONCE(polling[1])))
        evtchn_wake_pollers(d, port);
}
_Static_assert(MAX_VCPUS / 64 == 2, "evtchn_notify_pollers reads two words");

#endif
