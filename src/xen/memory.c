/* SPDX-License-Identifier: BSD-2-Clause */
/* memory_op: dispatch, and the sub-ops that only answer a question. */
#include <torii/boot_info.h>
#include <torii/lib.h>

#include "compat.h"
#include "memory_op.h"

/* INT 15h E820's entry as callers get it: 20 bytes, unlike struct e820_entry. */
struct packed_e820 {
    u64 addr, size;
    u32 type;
} packed;

/* Up to `room` entries to the caller's buffer, then how many to its structure. */
static long copy_map(const struct hcall *c, u64 buffer_gva, const struct e820_entry *entry, u32 nr)
{
    struct packed_e820 e;

    for (u32 i = 0; i < nr; i++) {
        e = (struct packed_e820){.addr = entry[i].addr, .size = entry[i].size, .type = entry[i].type};
        if (hcall_write(c, buffer_gva + i * sizeof(e), &e, sizeof(e)))
            return -XEN_EFAULT;
    }
    return hcall_write(c, c->args[1], &nr, sizeof(nr)); /* nr_entries comes first in both layouts */
}

static long memory_map(const struct hcall *c)
{
    const struct domain *d = c->v->d;
    struct xen_memory_map m;

    if (compat_read_memory_map(c, c->args[1], &m))
        return -XEN_EFAULT;
    if (!d->e820_nr)
        return -XEN_ENOSYS;
    return copy_map(c, handle_gva(m.buffer), d->e820, min(m.nr_entries, (u32)d->e820_nr));
}

static long machine_memory_map(const struct hcall *c)
{
    struct xen_memory_map m;

    if (!c->v->d->privileged)
        return -XEN_EPERM;
    if (compat_read_memory_map(c, c->args[1], &m))
        return -XEN_EFAULT;
    if (m.nr_entries < boot_info.e820.nr)
        return -XEN_EINVAL;
    return copy_map(c, handle_gva(m.buffer), boot_info.e820.entry, boot_info.e820.nr);
}

/* The last frame of machine RAM. */
static long maximum_ram_page(void)
{
    u64 end = 0;

    for (unsigned i = 0; i < boot_info.e820.nr; i++)
        if (boot_info.e820.entry[i].type == E820_RAM)
            end = max(end, boot_info.e820.entry[i].addr + boot_info.e820.entry[i].size);
    return (long)(end >> PAGE_SHIFT) - 1;
}

/* The highest frame its memory map speaks of. */
static long maximum_gpfn(const struct domain *d)
{
    u64 end = PAGE_SIZE;

    for (unsigned i = 0; i < d->e820_nr; i++)
        end = max(end, d->e820[i].addr + d->e820[i].size);
    return (long)((end - 1) >> PAGE_SHIFT);
}

static long domain_size(const struct hcall *c, unsigned cmd)
{
    struct xen_memory_domain m;
    struct domain *d;
    int rc;

    if (hcall_read(c, &m, c->args[1], sizeof(m)))
        return -XEN_EFAULT;
    rc = hcall_domain(c, m.domid, &d);
    if (rc)
        return rc;
    if (cmd == XENMEM_current_reservation)
        return (long)d->nr_pages;
    return cmd == XENMEM_maximum_reservation ? (long)d->max_pages : maximum_gpfn(d);
}

long hypercall_memory_op(struct hcall *c)
{
    unsigned cmd = c->args[0] & MEMOP_CMD_MASK;
    u64 start = c->args[0] >> MEMOP_EXTENT_SHIFT;

    if (start == 0)
        hcall_count(c->v, __HYPERVISOR_memory_op, cmd);
    switch (cmd) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return memory_reservation(c, cmd, start);
    case XENMEM_add_to_physmap:
        return start ? -XEN_ENOSYS : memory_add_to_physmap(c);
    case XENMEM_add_to_physmap_batch:
        return memory_add_to_physmap_batch(c, start);
    case XENMEM_acquire_resource:
        return memory_acquire_resource(c, start);
    case XENMEM_remove_from_physmap:
        return start ? -XEN_ENOSYS : memory_remove_from_physmap(c);
    case XENMEM_memory_map:
        return start ? -XEN_ENOSYS : memory_map(c);
    case XENMEM_machine_memory_map:
        return start ? -XEN_ENOSYS : machine_memory_map(c);
    case XENMEM_maximum_ram_page:
        return maximum_ram_page();
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return domain_size(c, cmd);
    case XENMEM_get_vnumainfo:
        return -XEN_EOPNOTSUPP; /* domains have one memory node */
    default:
        /* Sharing, paging, exchange, M2P tables, claims. */
        return -XEN_ENOSYS;
    }
}
