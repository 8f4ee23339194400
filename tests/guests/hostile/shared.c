/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages the hypervisor reads while the guest rewrites them: event channels, grants, areas. And the way back from all of it. */
#include "hostile.h"

void throw_events(void)
{
    u8 *page = arena[below(AT_GRANTS)];

    if (one_in(4)) { /* a FIFO control block: ready bits and heads */
        u32 *block = (void *)(arena[AT_CONTROL + below(4)] + below(8) * 512);

        block[one_in(2) ? 0 : 2 + below(16)] = one_in(2) ? below(64) : rnd();
        return;
    }
    if (one_in(4)) { /* shared_info: pending, mask, upcall words */
        fill(arena[AT_SHARED] + (below(PAGE_SIZE - 64) & ~7ull), 16);
        return;
    }
    /* Event words with likely links and flags. */
    for (unsigned i = 0; i < 4; i++)
        ((volatile u32 *)page)[one_in(2) ? below(64) : below(1024)] = below(8) << 29 | (one_in(4) ? rnd() & 0x1ffff : below(64));
    if (one_in(4)) {
        struct evtchn_send s = {.port = below(64)};

        evtchn_op(one_in(2) ? EVTCHNOP_send : EVTCHNOP_unmask, &s);
    }
}

void throw_grants(void)
{
    struct grant_entry_v1 *t = (void *)arena[AT_GRANTS + below(4)];
    unsigned ref = one_in(2) ? below(64) : below(512);

    switch (below(4)) {
    case 0:
        __atomic_store_n(&t[ref].flags, (u16)rnd(), __ATOMIC_SEQ_CST);
        break;
    case 1:
        t[ref].frame = some_gfn();
        break;
    default:
        t[ref].domid = one_in(4) ? rnd() : 0;
        t[ref].frame = (u64)arena[AT_FREE + below(32)] / PAGE_SIZE;
        __atomic_store_n(&t[ref].flags, one_in(2) ? GTF_permit_access : (u16)(GTF_permit_access | below(16) << 2),
                         __ATOMIC_SEQ_CST);
    }
}

static void place(unsigned space, u64 idx, u64 gfn)
{
    struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn};

    memory_op(XENMEM_add_to_physmap, &x);
}

static u64 page_gfn(unsigned n)
{
    return (u64)arena[n] / PAGE_SIZE;
}

/* What grows at need and stays then: all of it at once, so that what is missing later is lost. */
static void saturate(void)
{
    struct evtchn_reset reset = {.dom = DOMID_SELF};

    place(XENMAPSPACE_grant_table, 63, page_gfn(AT_GRANTS));
    for (unsigned i = 0; i < 1100 && alloc_unbound(DOMID_SELF) > 0; i++)
        ;
    evtchn_op(EVTCHNOP_reset, &reset);
}

void set_up(void)
{
    saturate();
    place(XENMAPSPACE_shared_info, 0, page_gfn(AT_SHARED));
    for (unsigned i = 0; i < 4; i++)
        place(XENMAPSPACE_grant_table, i, page_gfn(AT_GRANTS + i));
    for (unsigned i = 0; i < CPUS; i++) {
        struct evtchn_init_control c = {.control_gfn = page_gfn(AT_CONTROL + i), .vcpu = i};
        struct evtchn_expand_array e = {.array_gfn = page_gfn(AT_EVENTS + i)};

        evtchn_op(EVTCHNOP_init_control, &c);
        evtchn_op(EVTCHNOP_expand_array, &e);
    }
    for (unsigned i = 0; i < 8; i++) {
        struct evtchn_bind_interdomain b;

        bind_ipi(i % CPUS);
        upcall_vector(i % CPUS, 0x40 + i);
        b = (struct evtchn_bind_interdomain){.remote_dom = DOMID_SELF, .remote_port = alloc_unbound(DOMID_SELF)};
        evtchn_op(EVTCHNOP_bind_interdomain, &b);
    }
    for (unsigned i = 0; i < CPUS; i++)
        bind_virq(0, i);
}

static void unmap_grants(void)
{
    for (u32 handle = 0; handle < 128; handle++)
        for (unsigned i = 0; i < ARENA_PAGES; i++) {
            struct gnttab_unmap_grant_ref u = {.host_addr = (u64)arena[i], .handle = handle};

            grant_op(GNTTABOP_unmap_grant_ref, &u, 1);
            if (!u.status || u.status == GNTST_bad_handle)
                break;
        }
}

void clean_up(void)
{
    struct evtchn_reset reset = {.dom = DOMID_SELF};

    for (unsigned i = 0; i < CPUS; i++) {
        vcpu_op(VCPUOP_stop_periodic_timer, i, NULL);
        vcpu_op(VCPUOP_stop_singleshot_timer, i, NULL);
    }
    evtchn_op(EVTCHNOP_reset, &reset);
    unmap_grants();
    bars_restore();
    for (unsigned gsi = 0; gsi < 24; gsi++)
        ioapic_write(&ioapics[0], 0x10 + 2 * gsi, RTE_MASKED);
    for (unsigned bdf = 8; bdf < 0x100; bdf++) {
        u8 cap;

        if (pci_read(bdf, 0, 2) == 0xffff || bdf == 0xf8)
            continue;
        if ((cap = pci_capability(bdf, PCI_CAP_MSI)))
            pci_write(bdf, cap + 2, 2, pci_read(bdf, cap + 2, 2) & ~1);
        if ((cap = pci_capability(bdf, PCI_CAP_MSIX)))
            pci_write(bdf, cap + 2, 2, pci_read(bdf, cap + 2, 2) & ~0x8000);
    }
    for (unsigned i = 0; i < ARENA_PAGES; i++) {
        struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = page_gfn(i)};
        xen_pfn_t gfn = page_gfn(i);
        struct xen_memory_reservation p = {.nr_extents = 1, .domid = DOMID_SELF};

        set_xen_guest_handle(p.extent_start, &gfn);
        memory_op(XENMEM_remove_from_physmap, &r);
        memory_op(XENMEM_populate_physmap, &p);
    }
}
