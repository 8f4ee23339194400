/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "evtchn_world.h"

#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/vlapic.h>

struct world_dom world[WORLD_DOMS];
u64 world_now;
struct timer *world_timer;
struct domain *dom0;

static struct world_dom *dom_of(const struct domain *d)
{
    return container_of(d, struct world_dom, d);
}

static struct world_vcpu *vcpu_of(const struct vcpu *v)
{
    return container_of(v, struct world_vcpu, v);
}

/* --- what the rooms below do --- */

int copy_from_guest(struct vcpu *v, void *dst, u64 gva, size_t bytes)
{
    if (gva > WORLD_RAM || bytes > WORLD_RAM - gva)
        return -XEN_EFAULT;
    memcpy(dst, dom_of(v->d)->ram + gva, bytes);
    return 0;
}

int copy_to_guest(struct vcpu *v, u64 gva, const void *src, size_t bytes)
{
    if (gva > READONLY_GVA || bytes > READONLY_GVA - gva)
        return -XEN_EFAULT;
    memcpy(dom_of(v->d)->ram + gva, src, bytes);
    return 0;
}

void *guest_page_get(struct domain *d, gfn_t gfn)
{
    if (gfn >= READONLY_PAGE)
        return NULL;
    dom_of(d)->pins[gfn]++;
    return dom_of(d)->ram + gfn * PAGE_SIZE;
}

void guest_page_put(struct domain *d, void *page)
{
    size_t gfn = ((u8 *)page - dom_of(d)->ram) / PAGE_SIZE;

    if (!dom_of(d)->pins[gfn])
        abort();
    dom_of(d)->pins[gfn]--;
}

struct domain *domain_lookup(struct domain *caller, domid_t id)
{
    if (id == DOMID_SELF)
        return caller;
    return id < WORLD_DOMS ? &world[id].d : NULL;
}

void vcpu_kick(struct vcpu *v, u64 todo)
{
    atomic_or(&v->todo, todo);
    atomic_add(&vcpu_of(v)->kicks, 1);
    if (atomic_load(&v->state) == VCPU_BLOCKED)
        atomic_store(&v->state, (u32)VCPU_RUNNABLE);
}

void vcpu_block(struct vcpu *v)
{
    vcpu_of(v)->blocks++;
    atomic_store(&v->state, (u32)VCPU_BLOCKED);
    if (dom_of(v->d)->on_block)
        dom_of(v->d)->on_block(v);
}

void vlapic_set_irq(struct vcpu *v, u8 vector, bool level)
{
    if (level)
        abort();
    vcpu_of(v)->irq = vector;
    atomic_add(&vcpu_of(v)->irqs, 1);
}

bool vlapic_sw_enabled(const struct vcpu *v)
{
    return !vcpu_of(v)->lapic_off;
}

bool vlapic_hw_enabled(const struct vcpu *v)
{
    return true;
}

bool vlapic_nmi_pending(const struct vcpu *v)
{
    return vcpu_of(v)->nmi;
}

int vlapic_pending_vector(struct vcpu *v)
{
    return vcpu_of(v)->pending_vector;
}

u64 now_ns(void)
{
    return world_now;
}

void timer_start(struct timer *t, u64 deadline)
{
    t->deadline = deadline;
    t->queue = (struct timer_queue *)t;
    world_timer = t;
}

void timer_stop(struct timer *t)
{
    t->queue = NULL;
    if (world_timer == t)
        world_timer = NULL;
}

void world_fire_timer(void)
{
    struct timer *t = world_timer;

    timer_stop(t);
    t->fn(t);
}

/* --- the world --- */

/* Kept from one world to the next: a fuzzer makes many. */
static u8 *ram[WORLD_DOMS];

void world_start(void)
{
    memset(world, 0, sizeof(world));
    world_now = 1000;
    world_timer = NULL;
    for (unsigned i = 0; i < WORLD_DOMS; i++) {
        struct world_dom *w = &world[i];

        if (!ram[i])
            ram[i] = aligned_alloc(PAGE_SIZE, WORLD_RAM);
        w->ram = memset(ram[i], 0, WORLD_RAM);
        w->d.id = i;
        w->d.privileged = i == 0;
        w->d.nr_vcpus = WORLD_VCPUS;
        w->d.shared_info = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
        memset(w->d.shared_info, 0, PAGE_SIZE);
        if (evtchn_domain_init(&w->d))
            abort();
        for (unsigned n = 0; n < WORLD_VCPUS; n++) {
            w->vcpu[n].v.id = n;
            w->vcpu[n].v.d = &w->d;
            w->vcpu[n].v.info = &w->d.shared_info->vcpu_info[n];
            w->vcpu[n].v.state = VCPU_RUNNABLE;
            w->vcpu[n].pending_vector = -1;
            w->d.vcpu[n] = &w->vcpu[n].v;
            if (evtchn_vcpu_init(&w->vcpu[n].v))
                abort();
        }
    }
    dom0 = &world[0].d;
}

unsigned world_stop(void)
{
    unsigned pins = 0;

    for (unsigned i = 0; i < WORLD_DOMS; i++)
        evtchn_domain_free(&world[i].d);
    for (unsigned i = 0; i < WORLD_DOMS; i++) {
        for (unsigned p = 0; p < WORLD_PAGES; p++)
            pins += world[i].pins[p];
        free(world[i].d.shared_info);
    }
    return pins;
}

/* --- hypercalls --- */

long world_op(unsigned dom, unsigned vcpu, unsigned cmd, void *arg, size_t bytes)
{
    u8 *ram = world[dom].ram + ARG_GVA + vcpu * 64;
    long rc;

    memcpy(ram, arg, bytes);
    rc = evtchn_op(&world[dom].vcpu[vcpu].v, cmd, ARG_GVA + vcpu * 64);
    memcpy(arg, ram, bytes);
    return rc;
}

#define CALL(cmd, a) world_op(dom, 0, cmd, &(a), sizeof(a))

long world_alloc_unbound(unsigned dom, domid_t remote, u32 *port)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};
    long rc = CALL(EVTCHNOP_alloc_unbound, a);

    *port = a.port;
    return rc;
}

long world_bind_interdomain(unsigned dom, domid_t remote, u32 remote_port, u32 *port)
{
    struct evtchn_bind_interdomain a = {.remote_dom = remote, .remote_port = remote_port};
    long rc = CALL(EVTCHNOP_bind_interdomain, a);

    *port = a.local_port;
    return rc;
}

long world_bind_virq(unsigned dom, u32 virq, u32 vcpu, u32 *port)
{
    struct evtchn_bind_virq a = {.virq = virq, .vcpu = vcpu};
    long rc = CALL(EVTCHNOP_bind_virq, a);

    *port = a.port;
    return rc;
}

long world_bind_ipi(unsigned dom, u32 vcpu, u32 *port)
{
    struct evtchn_bind_ipi a = {.vcpu = vcpu};
    long rc = CALL(EVTCHNOP_bind_ipi, a);

    *port = a.port;
    return rc;
}

long world_port_op(unsigned dom, unsigned cmd, u32 port)
{
    return CALL(cmd, port);
}

long world_bind_vcpu(unsigned dom, u32 port, u32 vcpu)
{
    struct evtchn_bind_vcpu a = {.port = port, .vcpu = vcpu};

    return CALL(EVTCHNOP_bind_vcpu, a);
}

long world_status(unsigned dom, domid_t of, u32 port, evtchn_status_t *status)
{
    memset(status, 0xaa, sizeof(*status));
    status->dom = of;
    status->port = port;
    return CALL(EVTCHNOP_status, *status);
}

long world_reset(unsigned dom, domid_t of)
{
    struct evtchn_reset a = {.dom = of};

    long rc;

    while ((rc = CALL(EVTCHNOP_reset, a)) == -XEN_EAGAIN)
        ;
    return rc;
}

long world_set_priority(unsigned dom, u32 port, u32 priority)
{
    struct evtchn_set_priority a = {.port = port, .priority = priority};

    return CALL(EVTCHNOP_set_priority, a);
}

long world_init_control(unsigned dom, u32 vcpu, u64 gfn, u32 offset)
{
    struct evtchn_init_control a = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};
    long rc = CALL(EVTCHNOP_init_control, a);

    if (!rc) {
        if (a.link_bits != EVTCHN_FIFO_LINK_BITS)
            abort();
        world[dom].control[vcpu] = (void *)(world[dom].ram + gfn * PAGE_SIZE + offset);
    }
    return rc;
}

long world_expand_array(unsigned dom, u64 gfn)
{
    struct evtchn_expand_array a = {.array_gfn = gfn};
    long rc = CALL(EVTCHNOP_expand_array, a);

    if (!rc)
        world[dom].array_pages++;
    return rc;
}

/* --- the model guest --- */

void world_enter_fifo(unsigned dom, u32 pages)
{
    for (u32 n = 0; n < WORLD_VCPUS; n++)
        if (world_init_control(dom, n, CONTROL_GFN, n * 128))
            abort();
    for (u32 i = 0; i < pages; i++)
        if (world_expand_array(dom, ARRAY_GFN(i)))
            abort();
}

u32 *world_word(unsigned dom, u32 port)
{
    return (u32 *)(world[dom].ram + ARRAY_GFN(0) * PAGE_SIZE) + port;
}

/* Take the port off its queue; returns its successor. */
static u32 unlink_word(u32 *word)
{
    u32 w = atomic_load(word);

    while (!atomic_cmpxchg(word, &w, w & ~((1u << EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK)))
        ;
    return w & EVTCHN_FIFO_LINK_MASK;
}

unsigned world_consume_fifo(unsigned dom, unsigned vcpu, u32 *ports, unsigned max)
{
    struct world_vcpu *w = &world[dom].vcpu[vcpu];
    evtchn_fifo_control_block_t *control = world[dom].control[vcpu];
    unsigned n = 0;
    u32 ready;

    atomic_store(&w->v.info->evtchn_upcall_pending, 0);
    ready = atomic_xchg(&control->ready, 0);
    while (ready && n < max) {
        u32 q = __builtin_ctz(ready);
        u32 port = w->head[q] ? w->head[q] : atomic_load(&control->head[q]);
        u32 *word = world_word(dom, port), old;

        w->head[q] = unlink_word(word);
        if (!w->head[q])
            ready &= ~(1u << q);
        old = atomic_load(word);
        if ((old >> EVTCHN_FIFO_PENDING & 1) && !(old >> EVTCHN_FIFO_MASKED & 1)) {
            atomic_and(word, ~(1u << EVTCHN_FIFO_PENDING));
            ports[n++] = port;
        }
        ready |= atomic_xchg(&control->ready, 0);
    }
    return n;
}

unsigned world_consume_2l(unsigned dom, unsigned vcpu, u32 *ports, unsigned max)
{
    struct vcpu *v = &world[dom].vcpu[vcpu].v;
    struct shared_info *s = world[dom].d.shared_info;
    unsigned n = 0;
    u64 sel;

    atomic_store(&v->info->evtchn_upcall_pending, 0);
    for (sel = atomic_xchg(&v->info->evtchn_pending_sel, 0ul); sel; sel &= sel - 1) {
        unsigned word = __builtin_ctzll(sel);
        u64 bits;

        while ((bits = atomic_load(&s->evtchn_pending[word]) & ~atomic_load(&s->evtchn_mask[word])) && n < max) {
            unsigned port = word * 64 + __builtin_ctzll(bits);

            test_and_clear_bit64(s->evtchn_pending, port);
            ports[n++] = port;
        }
    }
    return n;
}
