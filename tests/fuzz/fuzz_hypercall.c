/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/*
 * Two domains write anything into their memory and their grant tables and make any hypercall of the family the first
 * byte names, now and then of another; allocations fail, memory changes while a call is preempted or waits for a flush.
 * After each call no lock is held and the result is an errno or a number; in the end every page is accounted for, and
 * resetting the domains takes back all they shared. Event channels have a target of their own.
 */
#include <stdlib.h>
#include <string.h>

#include <torii/alloc.h>

#include <xen/memory.h>

#include "xen_world.h"

#define STEPS_MAX   256
#define ERRNO_MAX   4095
#define AGAIN_MAX   16
#define GRANT_SLOTS 16

static const u8 families[] = {
    __HYPERVISOR_memory_op,   __HYPERVISOR_grant_table_op, __HYPERVISOR_vcpu_op,   __HYPERVISOR_sched_op,
    __HYPERVISOR_platform_op, __HYPERVISOR_physdev_op,     __HYPERVISOR_hvm_op,    __HYPERVISOR_xen_version,
    __HYPERVISOR_multicall,   __HYPERVISOR_console_io,     __HYPERVISOR_vm_assist, __HYPERVISOR_set_timer_op,
    __HYPERVISOR_sysctl,      __HYPERVISOR_domctl,         __HYPERVISOR_kexec_op,  __HYPERVISOR_mmu_update,
};

static const u8 *in;
static size_t left;

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define CHECK(cond)                                                 \
    do {                                                            \
        if (!(cond))                                                \
            panic("%s does not hold (line %d)\n", #cond, __LINE__); \
    } while (0)

static u64 take(unsigned bytes)
{
    u64 v = 0;

    for (; bytes && left; bytes--, left--)
        v = v << 8 | *in++;
    return v;
}

/* One byte names what a field may mean: a small number, an address, a frame, a flag; or the next ones spell it out. */
static u64 number(void)
{
    static const u64 pick[] = {DOMID_SELF, NOWHERE,        CROSSING,   HOLE_GFN,       MMIO_GFN,
                               FIXUP_GFN,  FREE_FRAME,     UINT32_MAX, UINT64_MAX,     0x03000001,
                               BIT(40),    0x80000000,     0x7ff0,     0xffff,         DOMID_IO,
                               DOMID_XEN,  0x10000,        PAGE_SIZE,  HOLE_GFN << 12, HOLE_GFN + 1,
                               60 << 12,   1000000000,     1001000000, BIT(63),        (u64)INT64_MIN + 1,
                               ARG - 4,    0x1000000000000};
    u8 b = (u8)take(1);

    if (b < 0x80)
        return b;
    if (b < 0xa0)
        return ARG + (b & 0x1fu) * 16;
    if (b < 0xc0)
        return BUF + (b & 0x1fu) * 64;
    if (b < 0xf0)
        return pick[(b - 0xc0u) % ARRAY_SIZE(pick)];
    return take(1 + (b & 7));
}

static bool is_ram(unsigned dom, u64 gpa)
{
    return gpa >> PAGE_SHIFT < WORLD_GFNS && world_type(dom, gpa >> PAGE_SHIFT) == S2_RAM;
}

/* Words of 2, 4 or 8 bytes, as structures are made of. */
static void write_memory(unsigned dom)
{
    u8 what = (u8)take(1);
    u64 at = (what & 1 ? BUF + take(1) * 16 : ARG + take(1) * 2), bytes, val;

    for (unsigned n = 1 + (what >> 1 & 15); n && left; n--) {
        val = number();
        bytes = what & 0x40 ? 4 : what & 0x80 ? 2 : 8;
        if (!is_ram(dom, at) || !is_ram(dom, at + bytes - 1) || (at ^ (at + bytes - 1)) >> PAGE_SHIFT)
            return;
        memcpy(world_mem(dom, at), &val, bytes);
        at += bytes;
    }
}

static void write_grant(unsigned dom)
{
    struct grant_entry_v1 *e;
    gfn_t *place;
    mfn_t mfn;

    if (grant_frame(&world_dom[dom], 0, &mfn, &place))
        return;
    e = (struct grant_entry_v1 *)mfn_to_virt(mfn) + take(1) % GRANT_SLOTS;
    e->flags = (u16)take(2);
    e->domid = (domid_t)(take(1) % 3);
    e->frame = (u32)number();
}

/* The other CPUs do not wait until a flush is over. */
static void meanwhile(void)
{
    if (left)
        write_grant(take(1) & 1);
}

static void check_result(const struct vcpu *v, bool wide)
{
    long rc = wide ? (long)v->regs.rax : (long)(s32)v->regs.rax;

    CHECK(rc >= -ERRNO_MAX);
}

static void call(unsigned dom, u8 focus)
{
    u8 how = (u8)take(1);
    struct vcpu *v = &world_vcpu[dom][(how >> 1 & 3) % WORLD_VCPUS];
    bool wide = how & 1;
    unsigned again;

    v->regs = (struct guest_regs){.rax = (how & 0x78) == 0x78 ? take(1) : families[focus % ARRAY_SIZE(families)]};
    v->regs.rdi = number();
    v->regs.rsi = number();
    v->regs.rdx = number();
    if (how & 0x80) {
        v->regs.r10 = number();
        v->regs.r8 = number();
    }
    if (!wide) {
        v->regs.rbx = v->regs.rdi;
        v->regs.rcx = v->regs.rsi;
    }
    for (again = 0; again < AGAIN_MAX && hypercall(v, wide, 0); again++) {
        CHECK(!fake_locks_held);
        if (how & 0x80)
            write_memory(dom);
    }
    CHECK(!fake_locks_held);
    if (again < AGAIN_MAX)
        check_result(v, wide);
    fake_alloc_fail_after = -1;
    world_s2_map_fails_after = -1;
}

static void fire(struct timer *t)
{
    if (!t->queue || t->deadline > world_now)
        return;
    t->queue = NULL;
    t->fn(t);
}

static void pass_time(u64 ns)
{
    world_now += ns;
    for (unsigned i = 0; i < 4; i++)
        fire(&world_dom[i & 1].watchdog[i / 2]);
    for (unsigned i = 0; i < 2 * WORLD_VCPUS; i++) {
        struct vcpu *v = &world_vcpu[i & 1][i / 2];

        fire(&v->singleshot);
        fire(&v->periodic);
        runstate_change(v, (int)(ns & 3));
        CHECK(!fake_locks_held);
    }
}

static void step(u8 focus)
{
    u8 op = (u8)take(1);
    unsigned dom = op & 1;

    switch (op >> 1 & 7) {
    case 0:
    case 1:
        write_memory(dom);
        break;
    case 2:
        write_grant(dom);
        break;
    case 3:
        switch (op >> 4 & 7) {
        case 0:
            fake_alloc_fail_after = (int)(take(1) & 7);
            break;
        case 1:
            world_s2_map_fails_after = (int)(take(1) & 7);
            break;
        case 2:
            pass_time(take(4));
            break;
        case 3:
            world_dom[1].privileged = !world_dom[1].privileged;
            break;
        case 4:
            world_upcall_pending = !world_upcall_pending;
            break;
        case 5:
            world_op_result = -(int)(take(1) & 63);
            break;
        default:
            world_on_flush = world_on_flush ? NULL : meanwhile;
        }
        break;
    default:
        call(dom, focus);
    }
}

static unsigned ram_pages(unsigned dom)
{
    unsigned n = 0;

    for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++)
        n += world_type(dom, gfn) == S2_RAM;
    return n;
}

static void check_end(void)
{
    for (unsigned dom = 0; dom < 2; dom++)
        CHECK(ram_pages(dom) == world_dom[dom].nr_pages && world_dom[dom].nr_pages <= world_dom[dom].max_pages);
    for (unsigned dom = 0; dom < 2; dom++)
        xen_domain_reset(&world_dom[dom]);
    for (unsigned dom = 0; dom < 2; dom++) {
        CHECK(!grant_nr_maps(&world_dom[dom]) && world_dom[dom].shared_info_gfn == INVALID_GFN);
        for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++)
            CHECK(world_type(dom, gfn) != S2_XEN && world_type(dom, gfn) != S2_GRANT);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    u8 focus;

    in = data;
    left = size;
    world_setup();
    focus = (u8)take(1);
    for (unsigned n = 0; left && n < STEPS_MAX; n++)
        step(focus);
    world_on_flush = NULL;
    check_end();
    world_teardown();
    return 0;
}
