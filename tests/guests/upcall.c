/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 only=torii,xen */
/* How upcalls reach a kernel: per-vCPU vectors, CALLBACK_IRQ, and when (public/hvm/params.h). */
#include "hyper.h"

#define VECTOR 0xf3

static struct shared_info *s;
static long port;

static void take(void)
{
    s->vcpu_info[0].evtchn_upcall_pending = 0;
    s->vcpu_info[0].evtchn_pending_sel = 0;
    port_clear(port);
}

static long set_param(u32 index, u64 value)
{
    struct xen_hvm_param p = {.domid = DOMID_SELF, .index = index, .value = value};

    return hvm_op(HVMOP_set_param, &p);
}

static long get_param(u32 index, u64 *value)
{
    struct xen_hvm_param p = {.domid = DOMID_SELF, .index = index, .value = 0xdead};
    long rc = hvm_op(HVMOP_get_param, &p);

    *value = p.value;
    return rc;
}

static bool arrives(u8 vector)
{
    u32 n = irq_count[0][vector];

    take();
    return !evtchn_send(port) && wait_count(&irq_count[0][vector], n + 1, 500);
}

static void callback(void)
{
    u64 v;

    irq_handler[0x93] = take;
    irq_no_eoi[0x93] = true; /* the callback's vector is no interrupt of the local APIC */
    ok(!arrives(0x93), "without a callback nothing arrives");
    ok(s->vcpu_info[0].evtchn_upcall_pending, "but the upcall pends");
    take();
    is(set_param(HVM_PARAM_CALLBACK_IRQ, (u64)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 0x93), 0, "CALLBACK_IRQ takes a vector");
    ok(arrives(0x93), "an upcall arrives there");
    is(lapic_bit(LAPIC_ISR, 0x93), 0, "and is none of the local APIC's");
    get_param(HVM_PARAM_CALLBACK_IRQ, &v);
    is(v, (u64)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 0x93, "CALLBACK_IRQ reads back");
}

static void per_vcpu(void)
{
    irq_handler[VECTOR] = take;
    is(upcall_vector(0, 15), ERR(XEN_EINVAL), "a vector below 16 is refused");
    is(upcall_vector(99, VECTOR), ERR(XEN_ENOENT), "a vCPU that is not");
    is(upcall_vector(1, VECTOR), 0, "one that is off may have a vector");
    is(upcall_vector(0, VECTOR), 0, "this one too");
    is(set_param(HVM_PARAM_CALLBACK_IRQ, 1), 0, "CALLBACK_IRQ of 1 is accepted");
    wait_ms(10);
    ok(arrives(VECTOR), "an upcall arrives at the vCPU's own vector");
    wait_ms(10);
    is(lapic_bit(LAPIC_ISR, VECTOR), 0, "by the local APIC, which got its EOI");
    s->vcpu_info[0].evtchn_upcall_mask = 1;
    ok(arrives(VECTOR), "evtchn_upcall_mask does not count");
    s->vcpu_info[0].evtchn_upcall_mask = 0;
}

static void when(void)
{
    u32 n = irq_count[0][VECTOR];

    take();
    evtchn_send(port);
    wait_count(&irq_count[0][VECTOR], n + 1, 500);
    s->vcpu_info[0].evtchn_upcall_pending = 1;
    n = irq_count[0][VECTOR];
    evtchn_send(port);
    wait_ms(20);
    is(irq_count[0][VECTOR], n, "an upcall that pends already does not come again");
    take();
    lapic_write(LAPIC_SVR, VECTOR_SPURIOUS);
    evtchn_send(port);
    wait_ms(10);
    is(irq_count[0][VECTOR], n, "a software-disabled local APIC gets none");
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
    ok(wait_count(&irq_count[0][VECTOR], n + 1, 500), "and gets it when it is enabled");
    irq_handler[VECTOR] = NULL;
    evtchn_send(port);
    wait_count(&irq_count[0][VECTOR], n + 2, 500);
    n = irq_count[0][VECTOR];
    upcall_vector(0, VECTOR);
    ok(wait_count(&irq_count[0][VECTOR], n + 1, 500), "setting the vector while an upcall pends delivers one");
    take();
}

static void area(void)
{
    static struct vcpu_info mine[2] __attribute__((aligned(64)));
    struct vcpu_register_vcpu_info r = {.mfn = (u64)mine / PAGE_SIZE, .offset = (u64)mine % PAGE_SIZE};
    struct vcpu_register_vcpu_info bad = {.mfn = (u64)mine / PAGE_SIZE, .offset = PAGE_SIZE - 32};
    u64 before;

    ok(vcpu_op(VCPUOP_register_vcpu_info, 0, &bad) < 0, "a vcpu_info that crosses its page");
    bad = (struct vcpu_register_vcpu_info){.mfn = 0xfffffff};
    ok(vcpu_op(VCPUOP_register_vcpu_info, 0, &bad) < 0, "one that is no RAM");
    is(vcpu_op(VCPUOP_register_vcpu_info, 99, &r), ERR(XEN_ENOENT), "one for a vCPU that is not");
    before = now_ns();
    is(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), 0, "register_vcpu_info");
    is(mine[0].evtchn_upcall_pending, 1, "it starts with an upcall pending");
    is(mine[0].evtchn_pending_sel, ~0ull, "and every word selected");
    ok(pvclock_ns(&mine[0].time) - before < 1000000000, "and the time in it");
    is(vcpu_op(VCPUOP_register_vcpu_info, 0, &r), ERR(XEN_EINVAL), "a second time");
    r.offset += sizeof(mine[0]);
    is(vcpu_op(VCPUOP_register_vcpu_info, 1, &r), 0, "one for a vCPU that is off");
    mine[0].evtchn_upcall_pending = 0;
    mine[0].evtchn_pending_sel = 0;
    port_clear(port);
    evtchn_send(port);
    ok(mine[0].evtchn_upcall_pending && mine[0].evtchn_pending_sel == BIT(port / 64), "events go there from now on");
}

void test(void)
{
    u64 v;

    s = shared_info_map();
    port = bind_ipi(0);
    is(get_param(HVM_PARAM_STORE_EVTCHN, &v), 0, "STORE_EVTCHN reads");
    is(v, 0, "as 0");
    is(get_param(HVM_PARAM_CONSOLE_EVTCHN, &v), 0, "CONSOLE_EVTCHN reads");
    is(v, 0, "as 0, too");
    is(get_param(HVM_NR_PARAMS, &v), ERR(XEN_EINVAL), "a parameter that is not");
    callback();
    per_vcpu();
    when();
    area();
}
