/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/evtchn.c src/xen/evtchn_2l.c src/xen/evtchn_fifo.c src/xen/evtchn_upcall.c src/xen/evtchn_op.c src/xen/evtchn_dump.c tests/unit/evtchn_world.c tests/unit/fakes.c */
/*
 * Event channel hypercalls with any arguments, from three domains, while they write anything into the pages they share
 * with Torii. After each input: every connected port's peer is connected to it, no lock is held, no page stays pinned.
 * Build: clang -fsanitize=fuzzer,address,undefined with the unit tests' flags and -Itests/unit.
 */
#include <stdlib.h>
#include <string.h>

#include "evtchn_world.h"
#include "fakes.h"

#include <torii/atomic.h>

#define STEPS_MAX 400

struct input {
    const u8 *p;
    size_t left;
};

static u32 take(struct input *in, unsigned bytes)
{
    u32 v = 0;

    for (; bytes && in->left; bytes--, in->left--)
        v = v << 8 | *in->p++;
    return v;
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Mostly small numbers, which name things that exist; sometimes anything. */
static u32 number(struct input *in)
{
    u32 v = take(in, 1);

    return v < 0xf0 ? v % 24 : take(in, 4);
}

static void hypercall(struct input *in, unsigned dom, unsigned vcpu)
{
    static const u64 gfns[] = {ARRAY_GFN(0), ARRAY_GFN(1), CONTROL_GFN, READONLY_PAGE, ~0ul};
    unsigned cmd = take(in, 1) % 15;
    u32 arg[6] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(arg); i++)
        arg[i] = number(in);
    if (cmd == EVTCHNOP_alloc_unbound)
        arg[0] = (arg[0] & 1 ? DOMID_SELF : arg[0] % 4) | (arg[1] & 1 ? DOMID_SELF : arg[1] % 4) << 16;
    if (cmd == EVTCHNOP_bind_interdomain || cmd == EVTCHNOP_reset || cmd == EVTCHNOP_status)
        arg[0] = arg[0] % 5 == 4 ? DOMID_SELF : arg[0] % 5;
    if (cmd == EVTCHNOP_init_control || cmd == EVTCHNOP_expand_array)
        memcpy(arg, &gfns[arg[0] % ARRAY_SIZE(gfns)], 8);
    if (cmd == EVTCHNOP_init_control && arg[2] < 24)
        arg[2] *= 128;
    world_op(dom, vcpu, cmd, arg, sizeof(arg));
}

static void scribble(struct input *in, unsigned dom)
{
    u32 where = take(in, 1), v = take(in, 4);

    switch (where % 4) {
    case 0:
        *world_word(dom, where / 4 % 32) = v;
        break;
    case 1:
        *(u32 *)(world[dom].ram + CONTROL_GFN * PAGE_SIZE + where / 4 * 4) = v;
        break;
    case 2:
        memcpy((u8 *)world[dom].d.shared_info + where / 4 * 64, &v, 4);
        break;
    default:
        world[dom].vcpu[where / 4 % WORLD_VCPUS].v.info->evtchn_upcall_pending = v;
    }
}

static void step(struct input *in)
{
    u32 what = take(in, 1);
    unsigned dom = what % WORLD_DOMS, n = what / 16 % WORLD_VCPUS;
    struct vcpu *v = &world[dom].vcpu[n].v;

    switch (what / 3 % 12) {
    case 0:
        scribble(in, dom);
        break;
    case 1:
        evtchn_raise_virq(v, number(in));
        break;
    case 2:
        evtchn_raise_global_virq(&world[dom].d, number(in));
        break;
    case 3:
        memset(world[dom].ram + 0x2000, take(in, 1) % 24, 64);
        evtchn_poll(v, 0x2000 + take(in, 1) % 8, number(in) % 132, number(in));
        break;
    case 4:
        if (world_timer)
            world_fire_timer();
        break;
    case 5:
        evtchn_set_upcall_vector(v, take(in, 1));
        break;
    case 6:
        evtchn_set_callback_irq(&world[dom].d, (u64)(take(in, 1) % 4) << 56 | take(in, 1));
        evtchn_callback_vector(v);
        break;
    default:
        hypercall(in, dom, n);
    }
}

static void check_pairs(void)
{
    evtchn_status_t s, peer;

    for (unsigned dom = 0; dom < WORLD_DOMS; dom++) {
        for (u32 port = 0; world_status(0, dom, port, &s) == 0; port++) {
            if (s.status != EVTCHNSTAT_interdomain)
                continue;
            check(world_status(0, s.u.interdomain.dom, s.u.interdomain.port, &peer) == 0);
            check(peer.status == EVTCHNSTAT_interdomain && peer.u.interdomain.dom == dom &&
                  peer.u.interdomain.port == port);
        }
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};

    world_start();
    for (unsigned i = 0; in.left && i < STEPS_MAX; i++) {
        step(&in);
        check(fake_locks_held == 0);
    }
    check_pairs();
    check(world_stop() == 0);
    check(fake_allocs_live == 0);
    return 0;
}
