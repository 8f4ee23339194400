/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains with flat RAM (linear = guest-physical = offset), vCPUs that count what reaches them, and model guest
 * consumers. */
#ifndef TORII_TESTS_EVTCHN_WORLD_H
#define TORII_TESTS_EVTCHN_WORLD_H

#include <torii/domain.h>
#include <torii/evtchn.h>

#include <xen/event_channel.h>

#define WORLD_DOMS  3
#define WORLD_VCPUS 4
#define WORLD_PAGES 160
#define WORLD_RAM   (WORLD_PAGES * PAGE_SIZE)
/* Hypercall arguments; readable and writable. */
#define ARG_GVA 0x100ul
/* A page that can be read but not written, and the last page. */
#define READONLY_PAGE (WORLD_PAGES - 1)
#define READONLY_GVA  (READONLY_PAGE * PAGE_SIZE)
/* Guest frames by use: array page i and a page of control blocks. */
#define ARRAY_GFN(i) (10ul + (i))
#define CONTROL_GFN  5ul

struct world_vcpu {
    struct vcpu v;
    unsigned kicks, irqs, blocks;
    u8 irq; /* last vector */
    bool lapic_off;
    bool nmi;
    int pending_vector;
    /* The model guest's copy of FIFO heads. */
    u32 head[EVTCHN_FIFO_MAX_QUEUES];
};

struct world_dom {
    struct domain d;
    struct world_vcpu vcpu[WORLD_VCPUS];
    u8 *ram;
    unsigned pins[WORLD_PAGES];
    evtchn_fifo_control_block_t *control[WORLD_VCPUS];
    u32 array_pages;
    void (*on_block)(struct vcpu *v); /* runs inside vcpu_block */
};

extern struct world_dom world[WORLD_DOMS]; /* world[0] is privileged; ids are 0, 1, 2 */
extern u64 world_now;
extern struct timer *world_timer; /* the one armed, if any */

void world_start(void);
/* Frees everything; the number of pages still pinned (0 unless pins leak). */
unsigned world_stop(void);
/* Fire the armed timer. */
void world_fire_timer(void);

/* A hypercall of vCPU n of world[dom] with the argument struct at `arg`, copied in and out through guest memory. */
long world_op(unsigned dom, unsigned vcpu, unsigned cmd, void *arg, size_t bytes);
long world_alloc_unbound(unsigned dom, domid_t remote, u32 *port);
long world_bind_interdomain(unsigned dom, domid_t remote, u32 remote_port, u32 *port);
long world_bind_virq(unsigned dom, u32 virq, u32 vcpu, u32 *port);
long world_bind_ipi(unsigned dom, u32 vcpu, u32 *port);
long world_port_op(unsigned dom, unsigned cmd, u32 port); /* close, send, unmask */
long world_bind_vcpu(unsigned dom, u32 port, u32 vcpu);
long world_status(unsigned dom, domid_t of, u32 port, evtchn_status_t *status);
long world_reset(unsigned dom, domid_t of);
long world_set_priority(unsigned dom, u32 port, u32 priority);
long world_init_control(unsigned dom, u32 vcpu, u64 gfn, u32 offset);
long world_expand_array(unsigned dom, u64 gfn);

/* All vCPUs have a control block, and the array has `pages` pages of unmasked words. */
void world_enter_fifo(unsigned dom, u32 pages);
u32 *world_word(unsigned dom, u32 port);
/* Take events like a guest's upcall handler does; returns how many, ports in order. */
unsigned world_consume_fifo(unsigned dom, unsigned vcpu, u32 *ports, unsigned max);
unsigned world_consume_2l(unsigned dom, unsigned vcpu, u32 *ports, unsigned max);

#endif
