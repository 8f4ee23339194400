/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercall boundary: one entry, one table, one file per family in src/xen. */
#ifndef TORII_HYPERCALL_H
#define TORII_HYPERCALL_H

#include <torii/types.h>

struct vcpu;
struct domain;

/*
 * VMCALL/VMMCALL with the registers in v->regs. `long_mode`: 64-bit code segment (RDI RSI RDX R10 R8), else the 32-bit
 * convention (EBX ECX EDX ESI EDI, compat layouts). Leaves the result in RAX. The caller has checked nothing; cpl is the
 * guest's privilege level. Returns true if the instruction must run again (preempted: do not advance RIP).
 */
bool hypercall(struct vcpu *v, bool long_mode, unsigned cpl);

/* One call with explicit arguments, five of them. */
long hypercall_call(struct vcpu *v, bool compat, unsigned nr, const u64 *args);

/* Calls by (number, sub-op), for statistics and the debug console. */
void hypercall_dump(void);

/* src/xen/pvclock.c: (re)write v's time info, registered copies included; wall clock in shared_info. */
void pvclock_update(struct vcpu *v);
void pvclock_update_wall_clock(struct domain *d);

/* src/xen/vcpu_op.c: v's runstate becomes RUNSTATE_*; updates times and the guest's copy. */
void runstate_change(struct vcpu *v, int state);
int xen_vcpu_init(struct vcpu *v);
int xen_domain_init(struct domain *d); /* shared_info, parameters, evtchn, grants; before vCPUs */
/* Forget everything a new kernel must not inherit (soft reset). */
void xen_domain_reset(struct domain *d);

/* Fill a hypercall page (128 slots of 32 bytes) at p; `vmcall`: VMCALL, else VMMCALL. */
void hypercall_page_fill(void *p, bool vmcall);

/* The MSR that fills one for the guest. 0 or -errno of the registration. */
int hypercall_page_register(struct domain *d);

/* XEN_VERSION numbers Torii reports. */
#define TORII_XEN_MAJOR 4
#define TORII_XEN_MINOR 17
#define TORII_EXTRAVERSION "-torii"

#endif
