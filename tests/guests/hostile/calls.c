/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls: any number, any sub-op, any pointer. */
#include "hostile.h"

/* Arguments that no other CPU rewrites, for calls whose every success must be one the guest survives. */
static struct {
    u64 words[64];
    u64 list[64], list2[64], behind[64]; /* answers may be longer than what was asked for */
} safe[MAX_CPUS] __attribute__((aligned(64)));

struct call {
    u64 nr, arg[5];
};

/* Where memory may come and go: without its interrupt controllers the guest could start no CPU any more. */
static u64 some_frame(void)
{
    u64 gfn = some_gfn();

    return gfn == 0xfee00 || gfn == 0xfec00 ? gfn + 1 : gfn;
}

/* Where there are no lists of frames, and no arguments, not even in a ROM: one full of zeros would name frame 0. */
static u64 unreadable(void)
{
    u64 pointer;

    do
        pointer = bad_pointer();
    while (pointer < 0x100000 && pointer);
    return pointer;
}

/* Lists of frames, none of them the program's. */
static void safe_lists(typeof(&safe[0]) s)
{
    for (unsigned i = 0; i < 8; i++) {
        s->list[below(64)] = some_frame();
        s->list2[below(64)] = one_in(3) ? 1 + below(6) : some_frame();
    }
}

/* Sometimes a list that all CPUs rewrite. */
static u64 list_pointer(typeof(&safe[0]) s)
{
    static volatile u64 rewritten[64];

    for (unsigned i = 0; i < 4; i++)
        rewritten[below(64)] = some_frame();
    return (u64)(one_in(8) ? &rewritten[below(32)] : one_in(2) ? &s->list[below(32)] : &s->list2[below(32)]);
}

static u64 memory_word(typeof(&safe[0]) s)
{
    switch (below(4)) {
    case 0:
        return some_frame();
    case 1:
        return spared(below(6));
    case 2:
        return list_pointer(s);
    default:
        return rnd() | 1ull << 40;
    }
}

static void memory_reservation(typeof(&safe[0]) s)
{
    struct xen_memory_reservation *r = (void *)s->words;

    for (unsigned i = 0; i < 64; i++)
        s->list[i] = some_frame();
    *r = (struct xen_memory_reservation){.nr_extents = one_in(16) ? rnd() >> below(64) : below(33),
                                         .extent_order = one_in(16) ? 20 + below(45) : 0,
                                         .mem_flags = one_in(8) ? rnd() : 0,
                                         .domid = one_in(8) ? (domid_t)rnd() : DOMID_SELF};
    /* Frame numbers are written back: a list that is too long must not lie in the program. */
    set_xen_guest_handle(r->extent_start,
                         (xen_pfn_t *)(r->nr_extents > 32 || one_in(8) ? unreadable() : (u64)s->list));
}

static void memory_call(struct call *c)
{
    typeof(&safe[0]) s = &safe[this_cpu()->index];
    struct xen_add_to_physmap *a = (void *)s->words;
    struct xen_add_to_physmap_batch *b = (void *)s->words;

    c->arg[0] = one_in(8) ? below(64) : (u64[]){0, 1, 6, 7, 15, 15, 23, 28, 11, 9, 10, 2, 3, 5, 27}[below(15)];
    safe_lists(s);
    for (unsigned i = 0; i < 8; i++)
        s->words[i] = memory_word(s);
    switch (c->arg[0]) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        memory_reservation(s);
        break;
    case XENMEM_exchange:
        memory_reservation(s);
        memcpy(&s->words[4], &s->words[0], 32);
        s->words[8] = below(4);
        break;
    case XENMEM_add_to_physmap:
        *a = (struct xen_add_to_physmap){.domid = DOMID_SELF, .space = below(6), .gpfn = some_frame()};
        a->idx = spared(one_in(8) ? rnd() >> below(64) : below(20));
        break;
    case XENMEM_add_to_physmap_batch:
        *b = (struct xen_add_to_physmap_batch){.domid = DOMID_SELF, .space = below(6), .size = below(9)};
        for (unsigned i = 0; i < 64; i++)
            s->list[i] = some_frame(), s->list2[i] = spared((u32)some_frame() | below(8) << 32);
        set_xen_guest_handle(b->idxs, (xen_ulong_t *)s->list2);
        set_xen_guest_handle(b->gpfns, (xen_pfn_t *)s->list);
        set_xen_guest_handle(b->errs, (int *)s->behind);
        break;
    case 13: /* set_memory_map: the guest would no longer know where its RAM is */
        c->arg[0] = 10;
        break;
    }
    /* A continuation's mark in the upper bits. */
    if (one_in(16))
        c->arg[0] |= below(64) << 6;
    c->arg[1] = one_in(16) ? unreadable() : (u64)s->words;
}

/* Upcalls at vectors that are exceptions with an error code would look like those. */
static void hvm_call(struct call *c)
{
    typeof(&safe[0]) s = &safe[this_cpu()->index];
    struct xen_hvm_param *p = (void *)s->words;
    struct xen_hvm_evtchn_upcall_vector *u = (void *)s->words;

    c->arg[0] = one_in(4) ? below(30) : (u64[]){0, 1, 23}[below(3)];
    if (c->arg[0] == HVMOP_set_param || c->arg[0] == HVMOP_get_param) {
        *p = (struct xen_hvm_param){.domid = DOMID_SELF, .index = below(42), .value = some_value()};
        if (p->index == HVM_PARAM_CALLBACK_IRQ)
            p->value = below(4) << 56 | (one_in(4) ? below(1 << 16) : 0x20 + below(0xd0));
        if (p->index == HVM_PARAM_CALLBACK_IRQ && p->value >> 56 == 2)
            p->value = 2ull << 56 | (0x20 + below(0xd0));
        c->arg[1] = (u64)p;
    } else if (c->arg[0] == HVMOP_set_evtchn_upcall_vector) {
        *u = (struct xen_hvm_evtchn_upcall_vector){.vcpu = one_in(4) ? rnd() : below(CPUS), .vector = below(256)};
        c->arg[1] = (u64)u;
    }
}

static void event_call(struct call *c)
{
    u32 *w = (void *)(c->arg[1] = (u64)arena[AT_FREE + below(ARENA_PAGES - AT_FREE - 1)] + (below(4096) & ~7ull));

    c->arg[0] = below(15);
    for (unsigned i = 0; i < 6; i++)
        w[i] = one_in(8) ? (u32)some_value() : (u32)below(i ? 40 : 300);
    if (c->arg[0] == EVTCHNOP_init_control || c->arg[0] == EVTCHNOP_expand_array)
        *(u64 *)w = some_gfn(), w[2] = one_in(4) ? rnd() : below(8) * 512, w[3] = below(CPUS + 1);
    if (c->arg[0] == EVTCHNOP_bind_interdomain)
        w[0] = one_in(2) ? 0 : DOMID_SELF;
    if (c->arg[0] == EVTCHNOP_alloc_unbound)
        w[0] = DOMID_SELF | (one_in(2) ? 0u : (u32)DOMID_SELF << 16);
    if (c->arg[0] == EVTCHNOP_reset)
        w[0] = one_in(16) ? DOMID_SELF : rnd();
    if (one_in(16))
        c->arg[1] = some_pointer();
}

static void grant_call(struct call *c)
{
    u8 *p = arena[AT_FREE + below(ARENA_PAGES - AT_FREE - 4)];

    c->arg[0] = below(14);
    c->arg[1] = (u64)p;
    c->arg[2] = below(12);
    fill(p, 512);
    for (unsigned i = 0; i < 12 && c->arg[0] <= 1; i++) {
        struct gnttab_map_grant_ref *m = (void *)p;
        struct gnttab_unmap_grant_ref *u = (void *)p;

        if (c->arg[0] == GNTTABOP_map_grant_ref)
            m[i] = (struct gnttab_map_grant_ref){.host_addr = some_frame() << 12, .flags = below(16), .ref = below(64)};
        else
            u[i] = (struct gnttab_unmap_grant_ref){.host_addr = some_frame() << 12, .handle = below(64)};
    }
    for (unsigned i = 0; i < 8 && c->arg[0] == GNTTABOP_copy; i++) {
        struct gnttab_copy *g = (void *)p;

        g[i] = (struct gnttab_copy){.len = below(5000), .flags = below(4)};
        g[i].source.domid = g[i].dest.domid = one_in(2) ? 0 : DOMID_SELF;
        g[i].source.offset = below(4200), g[i].dest.offset = below(4200);
        g[i].source.u.gmfn = g[i].flags & 1 ? below(64) : some_frame();
        g[i].dest.u.gmfn = g[i].flags & 2 ? below(64) : some_frame();
    }
}

/* Not: what ends the domain, and starting a CPU in a state that is random. */
static void tame_call(struct call *c)
{
    u32 op = c->arg[0], vcpu = c->arg[1]; /* which is all of the registers that counts for some */

    switch (c->nr) {
    case __HYPERVISOR_console_io: /* a readable log, which the count's low half would fill for minutes */
        if (op == CONSOLEIO_write)
            c->arg[2] = 0xffff800000000000;
        break;
    case __HYPERVISOR_sched_op:
        if (op == SCHEDOP_shutdown || (op >= SCHEDOP_remote_shutdown && op <= SCHEDOP_watchdog))
            c->arg[0] = SCHEDOP_yield;
        if ((op == SCHEDOP_block || op == SCHEDOP_poll) && (!this_cpu()->index || below(8)))
            c->arg[0] = SCHEDOP_yield;
        break;
    case __HYPERVISOR_vcpu_op:
        if (op == VCPUOP_initialise)
            c->arg[1] = one_in(2) ? 0 : CPUS + below(256);
        if (op == VCPUOP_send_nmi) /* one that starts has no handler yet */
            c->arg[1] = one_in(2) ? this_cpu()->index : CPUS + below(256);
        if (op == VCPUOP_down && !vcpu)
            c->arg[1] = 1 + below(CPUS - 1);
        break;
    case __HYPERVISOR_grant_table_op: /* results of a long list would be written over the program */
        if (c->arg[2] > 100 && one_in(2))
            c->arg[1] = 0xffff800000000000;
        else
            c->arg[2] %= 100;
        break;
    case __HYPERVISOR_memory_op:
        memory_call(c);
        break;
    case __HYPERVISOR_hvm_op:
        hvm_call(c);
        break;
    case __HYPERVISOR_set_timer_op:
        break;
    case __HYPERVISOR_kexec_op:
        c->nr = 63;
        break;
    }
}

static void platform_call(struct call *c)
{
    u32 *w = (void *)(c->arg[0] = (u64)arena[AT_FREE + below(ARENA_PAGES - AT_FREE - 1)]);

    fill(w, 256);
    w[0] = below(70);
    if (w[0] == XENPF_enter_acpi_sleep || (w[0] == XENPF_cpu_offline && below(8)))
        w[0] = XENPF_getidletime;
    w[1] = one_in(16) ? rnd() : XENPF_INTERFACE_VERSION;
}

static struct call some_call(void)
{
    static const u8 known[] = {
        __HYPERVISOR_memory_op, __HYPERVISOR_memory_op, __HYPERVISOR_event_channel_op, __HYPERVISOR_event_channel_op,
        __HYPERVISOR_event_channel_op, __HYPERVISOR_grant_table_op, __HYPERVISOR_grant_table_op, __HYPERVISOR_vcpu_op,
        __HYPERVISOR_sched_op, __HYPERVISOR_hvm_op, __HYPERVISOR_physdev_op, __HYPERVISOR_xen_version,
        __HYPERVISOR_set_timer_op, __HYPERVISOR_vm_assist, __HYPERVISOR_console_io, __HYPERVISOR_multicall,
    };
    struct call c = {.nr = one_in(10) ? (one_in(4) ? rnd() : below(64)) : known[below(ARRAY_SIZE(known))]};

    c.arg[0] = one_in(8) ? some_value() : below(40);
    c.arg[1] = one_in(3) ? below(6) : some_pointer();
    for (unsigned i = 2; i < 5; i++)
        c.arg[i] = one_in(3) ? below(6) : some_pointer();
    c.nr = (u32)c.nr;
    if (one_in(12) || c.nr == __HYPERVISOR_platform_op)
        c.nr = __HYPERVISOR_platform_op, platform_call(&c);
    if (c.nr == __HYPERVISOR_event_channel_op && below(4))
        event_call(&c);
    if (c.nr == __HYPERVISOR_grant_table_op && below(4))
        grant_call(&c);
    tame_call(&c);
    return c;
}

/* Entries of a multicall must be as tame as calls, so no other CPU writes them. */
static void multicall(struct call *c)
{
    static struct multicall_entry entries[MAX_CPUS][8];
    struct multicall_entry *e = entries[this_cpu()->index];

    unsigned last = 8;

    for (unsigned i = 0; i < 8; i++) {
        struct call inner = some_call();

        if (inner.nr == __HYPERVISOR_multicall)
            inner.nr = 63;
        /* They share their arguments' place, so only the last is as it was made. */
        if (inner.nr == __HYPERVISOR_memory_op || inner.nr == __HYPERVISOR_hvm_op) {
            if (last < 8)
                e[last].op = 63;
            last = i;
        }
        e[i].op = inner.nr;
        for (unsigned k = 0; k < 5; k++)
            e[i].args[k] = inner.arg[k];
    }
    c->arg[0] = one_in(8) ? 0x1f000000 + below(1 << 24) : (u64)e;
    c->arg[1] = one_in(16) ? rnd() : below(9);
    if (c->arg[0] == (u64)e && c->arg[1] > 8)
        c->arg[1] = 8;
}

/* By a call from 32-bit code: what it points to is read as another layout, so only families that cannot end the guest. */
static bool compat_call(const struct call *c)
{
    static const u32 families = BIT(__HYPERVISOR_xen_version) | BIT(__HYPERVISOR_vm_assist) |
                                BIT(__HYPERVISOR_grant_table_op) | BIT(__HYPERVISOR_set_timer_op);

    if (c->nr >= 32 ? c->nr != __HYPERVISOR_event_channel_op && c->nr != __HYPERVISOR_physdev_op
                    : !(families >> c->nr & 1))
        return false;
    rt_hypercall_compat(c->nr, c->arg[0], c->arg[1], c->arg[2]);
    return true;
}

/* The last calls of each CPU, for the post-mortem. */
#define LAST 8
static struct call last[CPUS][LAST];
static u32 nr_last[CPUS];

void dump_calls(void)
{
    u64 *sp = __builtin_frame_address(0);

    for (unsigned i = 0; i < 80; i += 4)
        note("%lx: %lx %lx %lx %lx", (u64)(sp + i), sp[i], sp[i + 1], sp[i + 2], sp[i + 3]);
    for (unsigned i = 0; i < CPUS; i++)
        for (unsigned k = 0; k < LAST; k++) {
            const struct call *c = &last[i][(nr_last[i] + k) % LAST];

            note("CPU %u: call %lu: %lx %lx %lx %lx %lx", i, c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4]);
        }
}

void throw_hypercall(void)
{
    struct call c = some_call();

    if (below(3))
        fill(arena[AT_FREE + below(ARENA_PAGES - AT_FREE - 1)] + (below(PAGE_SIZE) & ~7ull), 64);
    if (c.arg[1] >= (u64)arena[0] && c.arg[1] < (u64)arena[ARENA_PAGES - 1] && one_in(2) &&
        c.nr != __HYPERVISOR_event_channel_op && c.nr != __HYPERVISOR_grant_table_op)
        fill((void *)c.arg[1], 64);
    if (c.nr == __HYPERVISOR_multicall)
        multicall(&c);
    last[this_cpu()->index][nr_last[this_cpu()->index]++ % LAST] = c;
    if (one_in(16) && compat_call(&c))
        return;
    hypercall5(c.nr, c.arg[0], c.arg[1], c.arg[2], c.arg[3], c.arg[4]);
}
