/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 only=torii,xen */
/* Event channels, FIFO ABI: set-up, queues, priorities, masks, unmask (public/event_channel.h). */
#include "hyper.h"

#define VECTOR     0xf3
#define PENDING    BIT(EVTCHN_FIFO_PENDING)
#define MASKED     BIT(EVTCHN_FIFO_MASKED)
#define LINKED     BIT(EVTCHN_FIFO_LINKED)
#define PRIORITIES 16

static u32 words[3 * 1024] PAGE_ALIGNED;
static u8 control_pages[2][PAGE_SIZE] PAGE_ALIGNED;
static u32 heads[2][PRIORITIES];
static u32 order[64];
static volatile u32 nr_order;
static volatile bool hold; /* the handler leaves everything where it is */

static struct evtchn_fifo_control_block *control(unsigned cpu)
{
    return (void *)control_pages[cpu];
}

static void consume(unsigned cpu, unsigned q)
{
    struct evtchn_fifo_control_block *c = control(cpu);
    u32 head = heads[cpu][q] ? heads[cpu][q] : __atomic_load_n(&c->head[q], __ATOMIC_SEQ_CST);
    u32 old, want;

    do {
        old = __atomic_load_n(&words[head], __ATOMIC_SEQ_CST);
        want = old & ~(LINKED | EVTCHN_FIFO_LINK_MASK);
    } while (!__atomic_compare_exchange_n(&words[head], &old, want, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    heads[cpu][q] = old & EVTCHN_FIFO_LINK_MASK;
    if (heads[cpu][q])
        __atomic_fetch_or(&c->ready, 1u << q, __ATOMIC_SEQ_CST);
    if (old & PENDING && !(old & MASKED)) {
        __atomic_fetch_and(&words[head], (u32)~PENDING, __ATOMIC_SEQ_CST);
        if (nr_order < ARRAY_SIZE(order))
            order[nr_order] = head;
        nr_order++;
    }
}

static void upcall(void)
{
    unsigned cpu = this_cpu()->index;
    u32 ready;

    if (hold)
        return;
    shared_info_map()->vcpu_info[cpu].evtchn_upcall_pending = 0;
    while ((ready = __atomic_exchange_n(&control(cpu)->ready, 0, __ATOMIC_SEQ_CST))) {
        unsigned q = __builtin_ctz(ready);

        if (ready & (ready - 1))
            __atomic_fetch_or(&control(cpu)->ready, ready & (ready - 1), __ATOMIC_SEQ_CST);
        consume(cpu, q);
    }
}

static long init(unsigned vcpu, void *page, u32 offset)
{
    struct evtchn_init_control c = {.control_gfn = (u64)page / PAGE_SIZE, .offset = offset, .vcpu = vcpu};
    long rc = evtchn_op(EVTCHNOP_init_control, &c);

    if (!rc && c.link_bits != EVTCHN_FIFO_LINK_BITS)
        note("%u link bits", c.link_bits);
    return rc;
}

static long expand(void *page)
{
    struct evtchn_expand_array e = {.array_gfn = (u64)page / PAGE_SIZE};

    return evtchn_op(EVTCHNOP_expand_array, &e);
}

static long priority(u32 port, u32 p)
{
    struct evtchn_set_priority sp = {.port = port, .priority = p};

    return evtchn_op(EVTCHNOP_set_priority, &sp);
}

static void unmask_word(u32 port)
{
    __atomic_fetch_and(&words[port], (u32)~MASKED, __ATOMIC_SEQ_CST);
}

static void set_up(void)
{
    long two_level = bind_ipi(0);
    struct evtchn_status st = {.dom = DOMID_SELF, .port = two_level};

    is(expand(words), ERR(XEN_EOPNOTSUPP), "expand_array before init_control");
    is(init(0, control_pages[0], 4), ERR(XEN_EINVAL), "a control block that is not aligned");
    is(init(0, control_pages[0], 4096 - 64), ERR(XEN_EINVAL), "one that crosses its page");
    is(init(99, control_pages[0], 0), ERR(XEN_ENOENT), "one for a vCPU that is not");
    is(init(0, (void *)0xfffffff000, 0), ERR(XEN_EINVAL), "one that is no RAM");
    is(init(0, control_pages[0], 0), 0, "init_control");
    is(init(0, control_pages[0], 0), ERR(XEN_EINVAL), "a second time");
    is(init(1, control_pages[1], 0), 0, "init_control for a vCPU that is off");
    is(expand(words), 0, "expand_array");
    is(expand((void *)0xfffffff000), ERR(XEN_EINVAL), "with what is no RAM");
    is(evtchn_op(EVTCHNOP_status, &st), 0, "a port of before is still there");
    unmask_word(two_level);
    is(evtchn_send(two_level), 0, "send to it");
    ok(wait_count(&nr_order, 1, 1000) && order[0] == two_level, "arrives by FIFO");
    evtchn_close(two_level);
}

static void delivery(u32 a, u32 b)
{
    nr_order = 0;
    words[a] |= MASKED;
    is(evtchn_send(a), 0, "send to a masked port");
    is(words[a] & (PENDING | MASKED | LINKED), PENDING | MASKED, "pends it, unlinked");
    is(evtchn_unmask(a), 0, "unmask");
    ok(wait_count(&nr_order, 1, 1000) && order[0] == a, "delivers it");
    is(words[a] & (PENDING | MASKED | LINKED), 0, "and its word is clean");
    nr_order = 0;
    hold = true;
    evtchn_send(a), evtchn_send(b), evtchn_send(a);
    is(words[a] & EVTCHN_FIFO_LINK_MASK, b, "two pending ports are linked");
    is(control(0)->head[EVTCHN_FIFO_PRIORITY_DEFAULT], a, "from the head");
    is(control(0)->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT, "of the default queue, which is ready");
    hold = false;
    upcall();
    ok(nr_order == 2 && order[0] == a && order[1] == b, "they come in order, each once");
}

static void priorities(u32 a, u32 b)
{
    nr_order = 0;
    is(priority(b, EVTCHN_FIFO_PRIORITY_MAX), 0, "set_priority");
    is(priority(b, 16), ERR(XEN_EINVAL), "to one that is not");
    ok(priority(0, 7) < 0, "of port 0");
    hold = true;
    evtchn_send(a), evtchn_send(b);
    hold = false;
    upcall();
    ok(nr_order == 2 && order[0] == b && order[1] == a, "the higher priority comes first");
    is(priority(b, EVTCHN_FIFO_PRIORITY_DEFAULT), 0, "set_priority back");
}

static volatile bool up;

static void idle(void *unused)
{
    up = true;
    for (;;)
        halt();
}

/* More ports than a page of words holds. */
static void large(void)
{
    long p = 0;

    while (p >= 0 && p < 1024)
        p = alloc_unbound(DOMID_SELF);
    if (p < 0) {
        note("port 1024 cannot be had: %ld", p);
        skip("a port beyond the array", "there is none");
        return;
    }
    is(evtchn_send(p), 0, "send to a port beyond the array");
    is(expand(words + 1024), 0, "expand_array again");
    is(words[p] & PENDING, 0, "an unbound port pends nothing");
}

void test(void)
{
    struct evtchn_reset r = {.dom = DOMID_SELF};
    long a, b, c;

    shared_info_map();
    irq_handler[VECTOR] = upcall;
    upcall_vector(0, VECTOR);
    upcall_vector(1, VECTOR);
    set_up();
    ap_start(1, idle, NULL);
    while (!up)
        cpu_relax();
    a = bind_ipi(0), b = bind_ipi(0), c = bind_ipi(1);
    unmask_word(a), unmask_word(b), unmask_word(c);
    delivery(a, b);
    priorities(a, b);
    nr_order = 0;
    evtchn_send(c);
    ok(wait_count(&nr_order, 1, 1000) && order[0] == c, "a port of the other CPU arrives there");
    large();
    is(evtchn_op(EVTCHNOP_reset, &r), 0, "reset");
    is(expand(words), ERR(XEN_EOPNOTSUPP), "goes back to the 2-level ABI");
    memset((void *)shared_info_map()->evtchn_mask, 0, sizeof(shared_info_map()->evtchn_mask));
    a = bind_ipi(0);
    is(evtchn_send(a), 0, "send");
    ok(port_pending(a), "pends in shared_info");
}
