/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One hypercall on its way through src/xen. A family's handler gets the arguments widened to 64 bits, whatever the
 * caller's width, and reads structures in the caller's layout (compat.h).
 */
#ifndef TORII_XEN_HCALL_H
#define TORII_XEN_HCALL_H

#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/hypercall.h>
#include <torii/types.h>

/* Registers and multicall entries have room for six; no call has a sixth. */
#define HCALL_ARGS 5

struct hcall {
    struct vcpu *v; /* the caller, running on this CPU */
    bool compat;    /* 32-bit caller: registers, handles and structures are 32-bit */
    bool again;     /* preempted: args describe what is left, the instruction runs again */
    u64 args[HCALL_ARGS];
};

/* Memory of the caller, by linear address. 0 or -XEN_EFAULT. */
static inline int hcall_read(const struct hcall *c, void *dst, u64 gva, size_t bytes)
{
    return copy_from_guest(c->v, dst, gva, bytes);
}

static inline int hcall_write(const struct hcall *c, u64 gva, const void *src, size_t bytes)
{
    return copy_to_guest(c->v, gva, src, bytes);
}

/* The address a guest handle of a 64-bit structure holds. */
#define handle_gva(handle) ((u64)(uintptr_t)(handle).p)

/* Bytes of an element the caller keeps in arrays of xen_ulong_t and xen_pfn_t. */
static inline size_t hcall_ulong_size(const struct hcall *c)
{
    return c->compat ? sizeof(u32) : sizeof(u64);
}

/* Element i of such an array. 0 or -XEN_EFAULT. */
int hcall_read_ulong(const struct hcall *c, u64 array_gva, u64 i, u64 *val);
int hcall_write_ulong(const struct hcall *c, u64 array_gva, u64 i, u64 val);

/*
 * The domain a call names: 0 and *d, -XEN_ESRCH if there is none, -XEN_EPERM if it is another one and the caller is not
 * privileged.
 */
int hcall_domain(const struct hcall *c, domid_t id, struct domain **d);

/* Count a call whose sub-op is not in its first register. */
void hcall_count(struct vcpu *v, unsigned nr, u64 sub_op);

/*
 * A call of the control domain on the structure at args[0], `bytes` long, which begins with its command and the version of
 * its interface: read to op, carried out by `run`, and written back if that sets *reply and does not fail. What `run`
 * returns, or -XEN_EPERM (not the control domain), -XEN_EFAULT, -XEN_EACCES (another version).
 */
typedef long control_op_fn(const struct hcall *c, void *op, bool *reply);
long hcall_control_op(struct hcall *c, unsigned nr, u32 version, void *op, size_t bytes, control_op_fn *run);

/* Families. Each returns what the guest finds in its result register. */
long hypercall_platform_op(struct hcall *c);
long hypercall_memory_op(struct hcall *c);
long hypercall_multicall(struct hcall *c);
long hypercall_set_timer_op(struct hcall *c);
long hypercall_xen_version(struct hcall *c);
long hypercall_console_io(struct hcall *c);
long hypercall_grant_table_op(struct hcall *c);
long hypercall_vm_assist(struct hcall *c);
long hypercall_vcpu_op(struct hcall *c);
long hypercall_sched_op(struct hcall *c);
long hypercall_event_channel_op(struct hcall *c);
long hypercall_physdev_op(struct hcall *c);
long hypercall_hvm_op(struct hcall *c);
long hypercall_sysctl(struct hcall *c);

/* Counters of a new vCPU. 0 or -XEN_ENOMEM. */
int hypercall_stats_init(struct vcpu *v);

/* One call through the table, counted; c->again as the handler left it. */
long hypercall_dispatch(struct hcall *c, unsigned nr);

#endif
