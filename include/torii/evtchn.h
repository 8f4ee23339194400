/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channels (public/event_channel.h): ports, both ABIs, virtual interrupts, upcalls. */
#ifndef TORII_EVTCHN_H
#define TORII_EVTCHN_H

#include <torii/types.h>

struct vcpu;
struct domain;

int evtchn_domain_init(struct domain *d);
int evtchn_vcpu_init(struct vcpu *v); /* before anything is bound to v */
/* Close every port, forget FIFO pages (soft reset, destruction). */
void evtchn_domain_reset(struct domain *d);
/* Nobody runs in or signals to d any more; also frees what evtchn_vcpu_init made. */
void evtchn_domain_free(struct domain *d);
/* The highest port number d may be given (XEN_DOMCTL_createdomain's max_evtchn_port); the ABI in use bounds it too. */
void evtchn_set_max_port(struct domain *d, u32 max_port);

/* HYPERVISOR_event_channel_op: arg is a guest linear address. -XEN_EAGAIN: preempted, make the same call again. */
long evtchn_op(struct vcpu *v, unsigned cmd, u64 arg);

/* Raise a virtual interrupt; no-op if not bound. From any CPU, from interrupt context. */
void evtchn_raise_virq(struct vcpu *v, unsigned virq);          /* per-vCPU: VIRQ_TIMER, ... */
void evtchn_raise_global_virq(struct domain *d, unsigned virq); /* VIRQ_CONSOLE, ... */

/* HVMOP_set_evtchn_upcall_vector and HVM_PARAM_CALLBACK_IRQ. 0 or -errno. */
int evtchn_set_upcall_vector(struct vcpu *v, u8 vector);
int evtchn_set_callback_irq(struct domain *d, u64 param);

/*
 * For the entry path: CALLBACK_IRQ vector to inject without LAPIC involvement, or -1 (nothing pending, or the per-vCPU
 * vector is in use, which goes through the LAPIC).
 */
int evtchn_callback_vector(struct vcpu *v);
/* evtchn_upcall_pending is set for v: SCHEDOP_block must not sleep. */
bool evtchn_upcall_pending(const struct vcpu *v);
/* After register_vcpu_info moved v->info: set all selector bits and the upcall, as the ABI demands. */
void evtchn_info_moved(struct vcpu *v);
/* SCHEDOP_poll: sleep until one of the ports is pending. deadline 0 = for ever. 0 or -errno. */
int evtchn_poll(struct vcpu *v, u64 ports_gva, unsigned nr_ports, u64 deadline_ns);

/* Debug console. */
void evtchn_dump(const struct domain *d);

#endif
