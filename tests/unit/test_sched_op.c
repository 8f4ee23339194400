/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* sched_op and hvm_op. */
#include "xen_test.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>

#define SCHED __HYPERVISOR_sched_op
#define HVM   __HYPERVISOR_hvm_op

static void yield_asks_the_scheduler(void **state)
{
    (void)state;
    assert_int_equal(hc(SCHED, SCHEDOP_yield, 0, 0), 0);
    assert_true(world_vcpu[0][0].todo & TODO_YIELD);
}

static void block_sleeps_only_without_pending_events(void **state)
{
    (void)state;
    world_vcpu[0][0].info->evtchn_upcall_mask = 1;
    assert_int_equal(hc(SCHED, SCHEDOP_block, 0, 0), 0);
    assert_int_equal(world_rec.blocks, 1);
    assert_int_equal(world_rec.kicks, 0);
    assert_int_equal(world_vcpu[0][0].info->evtchn_upcall_mask, 0);
    world_upcall_pending = true;
    assert_int_equal(hc(SCHED, SCHEDOP_block, 0, 0), 0);
    assert_int_equal(world_rec.blocks, 1);
}

static void an_event_that_arrives_while_going_to_sleep_is_not_lost(void **state)
{
    (void)state;
    world_event_on_block = true;
    assert_int_equal(hc(SCHED, SCHEDOP_block, 0, 0), 0);
    assert_int_equal(world_rec.blocks, 1);
    assert_int_equal(world_rec.kicks, 1);
}

static void poll_passes_ports_and_timeout_in_both_layouts(void **state)
{
    struct sched_poll p = {.nr_ports = 3, .timeout = 77};
    struct compat_sched_poll n = {.ports = 0x1234, .nr_ports = 2, .timeout = 1ul << 40};

    (void)state;
    p.ports.p = (void *)0xffff888000001000;
    world_put(0, ARG, p);
    assert_int_equal(hc(SCHED, SCHEDOP_poll, ARG, 0), 0);
    assert_int_equal(world_rec.poll_ports, 0xffff888000001000);
    assert_int_equal(world_rec.poll_nr, 3);
    assert_int_equal(world_rec.poll_deadline, 77);
    world_put(0, ARG, n);
    assert_int_equal(hc32(SCHED, SCHEDOP_poll, ARG, 0), 0);
    assert_int_equal(world_rec.poll_ports, 0x1234);
    assert_int_equal(world_rec.poll_nr, 2);
    assert_int_equal(world_rec.poll_deadline, 1ul << 40);
    assert_int_equal(hc(SCHED, SCHEDOP_poll, NOWHERE, 0), -XEN_EFAULT);
    assert_int_equal(world_rec.polls, 2);
}

static void shutdown_ends_the_callers_domain(void **state)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_reboot};

    (void)state;
    world_put(1, ARG, s);
    hc_domu(SCHED, SCHEDOP_shutdown, ARG, 0);
    assert_ptr_equal(world_rec.shutdown_domain, &world_dom[1]);
    assert_int_equal(world_rec.shutdown_reason, SHUTDOWN_reboot);
    assert_int_equal(hc(SCHED, SCHEDOP_shutdown, NOWHERE, 0), -XEN_EFAULT);
    assert_int_equal(world_rec.shutdowns, 1);
}

static void a_shutdown_code_is_latched_without_shutting_down(void **state)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_crash};

    (void)state;
    world_put(0, ARG, s);
    assert_int_equal(hc(SCHED, SCHEDOP_shutdown_code, ARG, 0), 0);
    assert_int_equal(world_dom[0].shutdown_reason, SHUTDOWN_crash);
    assert_int_equal(world_rec.shutdowns, 0);
    assert_int_equal(hc(SCHED, SCHEDOP_shutdown_code, NOWHERE, 0), -XEN_EFAULT);
}

static void remote_shutdown_is_for_privileged_callers_and_other_domains(void **state)
{
    struct sched_remote_shutdown s = {.domain_id = 0, .reason = SHUTDOWN_poweroff};

    (void)state;
    world_put(1, ARG, s);
    world_put(0, ARG, s);
    assert_int_equal(hc_domu(SCHED, SCHEDOP_remote_shutdown, ARG, 0), -XEN_EPERM);
    assert_int_equal(hc(SCHED, SCHEDOP_remote_shutdown, ARG, 0), -XEN_EPERM);
    world_dom[1].privileged = true;
    assert_int_equal(hc_domu(SCHED, SCHEDOP_remote_shutdown, ARG, 0), 0);
    assert_ptr_equal(world_rec.shutdown_domain, &world_dom[0]);
    s.domain_id = 55;
    world_put(0, ARG, s);
    assert_int_equal(hc(SCHED, SCHEDOP_remote_shutdown, ARG, 0), -XEN_ESRCH);
    assert_int_equal(hc(SCHED, SCHEDOP_remote_shutdown, NOWHERE, 0), -XEN_EFAULT);
}

/* --- watchdogs --- */

static long watchdog(u32 id, u32 timeout)
{
    struct sched_watchdog w = {.id = id, .timeout = timeout};

    world_put(0, ARG, w);
    return hc(SCHED, SCHEDOP_watchdog, ARG, 0);
}

static void there_are_two_watchdogs(void **state)
{
    (void)state;
    assert_int_equal(watchdog(0, 10), 1);
    assert_int_equal(watchdog(0, 20), 2);
    assert_int_equal(watchdog(0, 30), -XEN_ENOSPC);
    assert_int_equal(world_dom[0].watchdog[0].deadline, world_now + 10000000000ul);
    assert_int_equal(world_dom[0].watchdog[1].deadline, world_now + 20000000000ul);
    assert_int_equal(watchdog(1, 0), 0);
    assert_false(timer_is_active(&world_dom[0].watchdog[0]));
    assert_int_equal(watchdog(0, 40), 1);
}

static void a_poked_watchdog_starts_over(void **state)
{
    (void)state;
    assert_int_equal(watchdog(0, 10), 1);
    world_now += 9000000000ul;
    assert_int_equal(watchdog(1, 10), 0);
    assert_int_equal(world_dom[0].watchdog[0].deadline, world_now + 10000000000ul);
}

static void bad_watchdog_requests_are_einval(void **state)
{
    (void)state;
    assert_int_equal(watchdog(0, 0), -XEN_EINVAL);
    assert_int_equal(watchdog(1, 10), -XEN_EINVAL);
    assert_int_equal(watchdog(3, 10), -XEN_EINVAL);
    assert_int_equal(watchdog(UINT32_MAX, 10), -XEN_EINVAL);
    assert_int_equal(hc(SCHED, SCHEDOP_watchdog, NOWHERE, 0), -XEN_EFAULT);
}

static void an_expired_watchdog_shuts_its_domain_down(void **state)
{
    (void)state;
    assert_int_equal(watchdog(0, 10), 1);
    assert_int_equal(watchdog(0, 10), 2);
    world_dom[0].watchdog[1].fn(&world_dom[0].watchdog[1]);
    assert_ptr_equal(world_rec.shutdown_domain, &world_dom[0]);
    assert_int_equal(world_rec.shutdown_reason, SHUTDOWN_watchdog);
    world_dom[0].is_shut_down = true;
    world_dom[0].watchdog[0].fn(&world_dom[0].watchdog[0]);
    assert_int_equal(world_rec.shutdowns, 1);
}

static void a_vcpu_can_only_be_pinned_where_it_is(void **state)
{
    struct sched_pin_override p = {.pcpu = 0};

    (void)state;
    world_put(0, ARG, p);
    world_put(1, ARG, p);
    assert_int_equal(hc(SCHED, SCHEDOP_pin_override, ARG, 0), 0);
    assert_int_equal(hc_domu(SCHED, SCHEDOP_pin_override, ARG, 0), -XEN_EPERM);
    p.pcpu = 1;
    world_put(0, ARG, p);
    assert_int_equal(hc(SCHED, SCHEDOP_pin_override, ARG, 0), -XEN_EBUSY);
    p.pcpu = 2;
    world_put(0, ARG, p);
    assert_int_equal(hc(SCHED, SCHEDOP_pin_override, ARG, 0), -XEN_EINVAL);
    p.pcpu = -1;
    world_put(0, ARG, p);
    assert_int_equal(hc(SCHED, SCHEDOP_pin_override, ARG, 0), 0);
    assert_int_equal(hc(SCHED, 8, 0, 0), -XEN_ENOSYS);
}

/* --- hvm_op --- */

static long param(unsigned dom, unsigned op, domid_t domid, u32 index, u64 *value)
{
    struct xen_hvm_param a = {.domid = domid, .index = index, .value = *value};
    long rc;

    world_put(dom, ARG, a);
    rc = dom ? hc_domu(HVM, op, ARG, 0) : hc(HVM, op, ARG, 0);
    world_get(dom, ARG, a);
    *value = a.value;
    return rc;
}

static long set(unsigned dom, domid_t domid, u32 index, u64 value)
{
    return param(dom, HVMOP_set_param, domid, index, &value);
}

static long get(unsigned dom, domid_t domid, u32 index, u64 *value)
{
    *value = 0x5555;
    return param(dom, HVMOP_get_param, domid, index, value);
}

static void dom0_reads_zero_for_store_and_console(void **state)
{
    static const u32 index[] = {HVM_PARAM_STORE_EVTCHN, HVM_PARAM_STORE_PFN, HVM_PARAM_CONSOLE_EVTCHN,
                                HVM_PARAM_CONSOLE_PFN};
    u64 value;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(index); i++) {
        assert_int_equal(get(0, DOMID_SELF, index[i], &value), 0);
        assert_int_equal(value, 0);
    }
}

static void callback_irq_reaches_the_event_channels(void **state)
{
    u64 value;

    (void)state;
    assert_int_equal(set(0, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, 2ul << 56 | 0xf3), 0);
    assert_int_equal(world_rec.callback, 2ul << 56 | 0xf3);
    assert_int_equal(get(0, DOMID_SELF, HVM_PARAM_CALLBACK_IRQ, &value), 0);
    assert_int_equal(value, 2ul << 56 | 0xf3);
}

static void a_domain_may_touch_only_its_own_share_of_the_parameters(void **state)
{
    u64 value;

    (void)state;
    assert_int_equal(set(1, DOMID_SELF, HVM_PARAM_STORE_PFN, 5), -XEN_EPERM);
    assert_int_equal(get(1, DOMID_SELF, HVM_PARAM_STORE_PFN, &value), 0);
    assert_int_equal(get(1, DOMID_SELF, HVM_PARAM_IDENT_PT, &value), -XEN_EPERM);
    assert_int_equal(set(1, DOMID_SELF, HVM_PARAM_TIMER_MODE, 1), -XEN_EPERM);
    assert_int_equal(set(1, DOMID_SELF, HVM_PARAM_NESTEDHVM, 1), -XEN_EINVAL);
    assert_int_equal(get(1, DOMID_SELF, HVM_PARAM_PAE_ENABLED, &value), -XEN_EINVAL);
    assert_int_equal(set(1, DOMID_SELF, HVM_NR_PARAMS, 1), -XEN_EINVAL);
    assert_int_equal(get(1, DOMID_SELF, UINT32_MAX, &value), -XEN_EINVAL);
    assert_int_equal(set(1, 0, HVM_PARAM_CALLBACK_IRQ, 1), -XEN_EPERM);
    assert_int_equal(get(1, 77, HVM_PARAM_CALLBACK_IRQ, &value), -XEN_ESRCH);
    assert_int_equal(world_rec.callbacks, 0);
}

static void a_privileged_domain_sets_parameters_of_others_with_checks(void **state)
{
    u64 value;

    (void)state;
    world_dom[1].privileged = true;
    assert_int_equal(set(1, 0, HVM_PARAM_STORE_PFN, 0xfeffc), 0);
    assert_int_equal(get(0, DOMID_SELF, HVM_PARAM_STORE_PFN, &value), 0);
    assert_int_equal(value, 0xfeffc);
    assert_int_equal(set(1, 0, HVM_PARAM_TIMER_MODE, 1), 0);
    assert_int_equal(set(1, 0, HVM_PARAM_TIMER_MODE, 4), -XEN_EINVAL);
    assert_int_equal(set(1, 0, HVM_PARAM_ALTP2M, 0), 0);
    assert_int_equal(set(1, 0, HVM_PARAM_ALTP2M, 1), -XEN_EINVAL);
    assert_int_equal(set(1, 0, HVM_PARAM_TRIPLE_FAULT_REASON, 9), -XEN_EINVAL);
    assert_int_equal(set(1, 0, HVM_PARAM_STORE_EVTCHN, 3), 0);
    assert_int_equal(set(1, 0, HVM_PARAM_STORE_EVTCHN, 4), -XEN_EEXIST);
    assert_int_equal(set(1, 0, HVM_PARAM_STORE_EVTCHN, 3), 0);
}

static void parameters_with_bad_pointers_fault(void **state)
{
    (void)state;
    assert_int_equal(hc(HVM, HVMOP_set_param, NOWHERE, 0), -XEN_EFAULT);
    assert_int_equal(hc(HVM, HVMOP_get_param, NOWHERE, 0), -XEN_EFAULT);
    world_readonly_linear = ARG >> PAGE_SHIFT;
    memset(world_mem(0, ARG), 0, 16);
    assert_int_equal(hc(HVM, HVMOP_get_param, ARG, 0), -XEN_EFAULT);
}

static void the_upcall_vector_can_be_set_for_an_offline_vcpu(void **state)
{
    struct xen_hvm_evtchn_upcall_vector u = {.vcpu = 2, .vector = 0xf3};

    (void)state;
    world_put(0, ARG, u);
    assert_int_equal(hc(HVM, HVMOP_set_evtchn_upcall_vector, ARG, 0), 0);
    assert_ptr_equal(world_rec.upcall_vcpu, &world_vcpu[0][2]);
    assert_int_equal(world_rec.upcall_vector, 0xf3);
    u.vector = 5;
    world_put(0, ARG, u);
    assert_int_equal(hc(HVM, HVMOP_set_evtchn_upcall_vector, ARG, 0), -XEN_EINVAL);
    u.vcpu = WORLD_VCPUS;
    world_put(0, ARG, u);
    assert_int_equal(hc(HVM, HVMOP_set_evtchn_upcall_vector, ARG, 0), -XEN_ENOENT);
    assert_int_equal(hc(HVM, HVMOP_set_evtchn_upcall_vector, NOWHERE, 0), -XEN_EFAULT);
}

static void get_time_is_system_time(void **state)
{
    u64 now;

    (void)state;
    assert_int_equal(hc(HVM, HVMOP_get_time, BUF, 0), 0);
    world_get(0, BUF, now);
    assert_int_equal(now, world_now);
    assert_int_equal(hc(HVM, HVMOP_get_time, NOWHERE, 0), -XEN_EFAULT);
}

static void memory_types_are_told(void **state)
{
    static const struct {
        u64 gfn;
        u16 type;
    } expected[] = {{5, HVMMEM_ram_rw}, {MMIO_GFN, HVMMEM_mmio_dm}, {HOLE_GFN, HVMMEM_mmio_dm}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
        struct xen_hvm_get_mem_type a = {.domid = DOMID_SELF, .pfn = expected[i].gfn};

        world_put(0, ARG, a);
        assert_int_equal(hc(HVM, HVMOP_get_mem_type, ARG, 0), 0);
        world_get(0, ARG, a);
        assert_int_equal(a.mem_type, expected[i].type);
    }
    assert_int_equal(hc(HVM, HVMOP_get_mem_type, NOWHERE, 0), -XEN_EFAULT);
}

static void hints_and_unknown_hvm_ops(void **state)
{
    struct xen_hvm_pagetable_dying p = {.domid = DOMID_SELF};

    (void)state;
    world_put(0, ARG, p);
    assert_int_equal(hc(HVM, HVMOP_pagetable_dying, ARG, 0), -XEN_EINVAL);
    assert_int_equal(hc(HVM, HVMOP_pagetable_dying, NOWHERE, 0), -XEN_EFAULT);
    assert_int_equal(hc(HVM, HVMOP_altp2m, ARG, 0), -XEN_EOPNOTSUPP);
    assert_int_equal(hc(HVM, 14, ARG, 0), -XEN_ENOSYS);
    assert_int_equal(hc(HVM, HVMOP_flush_tlbs, 0, 0), 0);
    assert_int_equal(world_rec.flushes, 1);
    assert_int_equal(hc(HVM, HVMOP_flush_tlbs, ARG, 0), -XEN_EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(yield_asks_the_scheduler),
        T(block_sleeps_only_without_pending_events),
        T(an_event_that_arrives_while_going_to_sleep_is_not_lost),
        T(poll_passes_ports_and_timeout_in_both_layouts),
        T(shutdown_ends_the_callers_domain),
        T(a_shutdown_code_is_latched_without_shutting_down),
        T(remote_shutdown_is_for_privileged_callers_and_other_domains),
        T(there_are_two_watchdogs),
        T(a_poked_watchdog_starts_over),
        T(bad_watchdog_requests_are_einval),
        T(an_expired_watchdog_shuts_its_domain_down),
        T(a_vcpu_can_only_be_pinned_where_it_is),
        T(dom0_reads_zero_for_store_and_console),
        T(callback_irq_reaches_the_event_channels),
        T(a_domain_may_touch_only_its_own_share_of_the_parameters),
        T(a_privileged_domain_sets_parameters_of_others_with_checks),
        T(parameters_with_bad_pointers_fault),
        T(the_upcall_vector_can_be_set_for_an_offline_vcpu),
        T(get_time_is_system_time),
        T(memory_types_are_told),
        T(hints_and_unknown_hvm_ops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
