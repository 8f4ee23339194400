/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading structures in the caller's layout, so that a handler has one body for both widths. */
#include "compat.h"
#include "hcall.h"

#define set_handle(handle, gva) ((handle).p = (void *)(uintptr_t)(gva))

int compat_read_reservation(const struct hcall *c, u64 gva, struct xen_memory_reservation *r)
{
    struct compat_memory_reservation n;

    if (!c->compat)
        return hcall_read(c, r, gva, sizeof(*r));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *r = (struct xen_memory_reservation){
        .nr_extents = n.nr_extents,
        .extent_order = n.extent_order,
        .mem_flags = n.mem_flags,
        .domid = n.domid,
    };
    set_handle(r->extent_start, n.extent_start);
    return 0;
}

int compat_read_add_to_physmap(const struct hcall *c, u64 gva, struct xen_add_to_physmap *a)
{
    struct compat_add_to_physmap n;

    if (!c->compat)
        return hcall_read(c, a, gva, sizeof(*a));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *a = (struct xen_add_to_physmap){.domid = n.domid, .size = n.size, .space = n.space, .idx = n.idx, .gpfn = n.gpfn};
    return 0;
}

int compat_read_add_to_physmap_batch(const struct hcall *c, u64 gva, struct xen_add_to_physmap_batch *b)
{
    struct compat_add_to_physmap_batch n;

    if (!c->compat)
        return hcall_read(c, b, gva, sizeof(*b));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *b = (struct xen_add_to_physmap_batch){
        .domid = n.domid, .space = n.space, .size = n.size, .u.foreign_domid = n.extra};
    set_handle(b->idxs, n.idxs);
    set_handle(b->gpfns, n.gpfns);
    set_handle(b->errs, n.errs);
    return 0;
}

int compat_read_remove_from_physmap(const struct hcall *c, u64 gva, struct xen_remove_from_physmap *r)
{
    struct compat_remove_from_physmap n;

    if (!c->compat)
        return hcall_read(c, r, gva, sizeof(*r));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *r = (struct xen_remove_from_physmap){.domid = n.domid, .gpfn = n.gpfn};
    return 0;
}

int compat_read_memory_map(const struct hcall *c, u64 gva, struct xen_memory_map *m)
{
    struct compat_memory_map n;

    if (!c->compat)
        return hcall_read(c, m, gva, sizeof(*m));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *m = (struct xen_memory_map){.nr_entries = n.nr_entries};
    set_handle(m->buffer, n.buffer);
    return 0;
}

int compat_read_acquire_resource(const struct hcall *c, u64 gva, struct xen_mem_acquire_resource *r)
{
    struct compat_mem_acquire_resource n;

    if (!c->compat)
        return hcall_read(c, r, gva, sizeof(*r));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *r = (struct xen_mem_acquire_resource){
        .domid = n.domid, .type = n.type, .id = n.id, .nr_frames = n.nr_frames, .pad = n.pad, .frame = n.frame};
    set_handle(r->frame_list, n.frame_list);
    return 0;
}

int compat_read_singleshot(const struct hcall *c, u64 gva, struct vcpu_set_singleshot_timer *s)
{
    struct compat_vcpu_set_singleshot_timer n;

    if (!c->compat)
        return hcall_read(c, s, gva, sizeof(*s));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *s = (struct vcpu_set_singleshot_timer){.timeout_abs_ns = n.timeout_abs_ns, .flags = n.flags};
    return 0;
}

int compat_read_poll(const struct hcall *c, u64 gva, struct sched_poll *p)
{
    struct compat_sched_poll n;

    if (!c->compat)
        return hcall_read(c, p, gva, sizeof(*p));
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    *p = (struct sched_poll){.nr_ports = n.nr_ports, .timeout = n.timeout};
    set_handle(p->ports, n.ports);
    return 0;
}

void compat_runstate(struct compat_vcpu_runstate_info *to, const struct vcpu_runstate_info *from)
{
    to->state = from->state;
    to->state_entry_time = from->state_entry_time;
    for (unsigned i = 0; i < ARRAY_SIZE(to->time); i++)
        to->time[i] = from->time[i];
}

int hcall_read_ulong(const struct hcall *c, u64 array_gva, u64 i, u64 *val)
{
    u32 narrow;
    int rc;

    if (!c->compat)
        return hcall_read(c, val, array_gva + i * sizeof(*val), sizeof(*val));
    rc = hcall_read(c, &narrow, array_gva + i * sizeof(narrow), sizeof(narrow));
    if (!rc)
        *val = narrow;
    return rc;
}

int hcall_write_ulong(const struct hcall *c, u64 array_gva, u64 i, u64 val)
{
    u32 narrow = (u32)val;

    if (!c->compat)
        return hcall_write(c, array_gva + i * sizeof(val), &val, sizeof(val));
    return hcall_write(c, array_gva + i * sizeof(narrow), &narrow, sizeof(narrow));
}
