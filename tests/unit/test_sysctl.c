/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* sysctl: keys, CPUs and power statistics for the stock tools. */
#include "xen_test.h"

#include <xen/sysctl.h>

static struct xen_sysctl op;

static int fresh(void **state)
{
    memset(&op, 0, sizeof(op));
    return setup(state);
}

static long sysctl(u32 cmd)
{
    op.cmd = cmd;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return world_op(__HYPERVISOR_sysctl, &op, sizeof(op));
}

static long keys(const char *text, u32 nr)
{
    memcpy(world_mem(0, BUF), text, strlen(text));
    set_xen_guest_handle(op.u.debug_keys.keys, (const char *)BUF);
    op.u.debug_keys.nr_keys = nr;
    return sysctl(XEN_SYSCTL_debug_keys);
}

static void keys_are_pressed_in_order(void **state)
{
    (void)state;
    assert_int_equal(keys("+-d", 3), 0);
    assert_string_equal(world_rec.keys, "+-d");
    assert_int_equal(keys("x", 0), 0);
    assert_string_equal(world_rec.keys, "+-d");
}

static void keys_that_cannot_be_read_are_not_pressed(void **state)
{
    (void)state;
    assert_int_equal(keys("+", 65), -XEN_E2BIG);
    set_xen_guest_handle(op.u.debug_keys.keys, (const char *)NOWHERE);
    op.u.debug_keys.nr_keys = 1;
    assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), -XEN_EFAULT);
    assert_string_equal(world_rec.keys, "");
}

static void only_the_control_domain_may_and_the_version_counts(void **state)
{
    (void)state;
    world_dom[0].privileged = false;
    assert_int_equal(keys("+", 1), -XEN_EPERM);
    world_dom[0].privileged = true;
    op.cmd = XEN_SYSCTL_debug_keys;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION - 1;
    world_put(0, ARG, op);
    assert_int_equal(hc(__HYPERVISOR_sysctl, ARG, 0, 0), -XEN_EACCES);
    assert_int_equal(hc(__HYPERVISOR_sysctl, NOWHERE, 0, 0), -XEN_EFAULT);
    assert_int_equal(sysctl(XEN_SYSCTL_physinfo), -XEN_ENOSYS);
    assert_int_equal(sysctl(0), -XEN_ENOSYS);
    assert_int_equal(sysctl(UINT32_MAX), -XEN_ENOSYS);
    assert_string_equal(world_rec.keys, "");
}

static long hotplug(u32 cpu, u32 what)
{
    op.u.cpu_hotplug.cpu = cpu;
    op.u.cpu_hotplug.op = what;
    return sysctl(XEN_SYSCTL_cpu_hotplug);
}

static void cpus_go_off_and_come_back(void **state)
{
    (void)state;
    assert_int_equal(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), 0);
    assert_false(pcpus[1]->online);
    assert_int_equal(world_rec.virq, VIRQ_PCPU_STATE);
    assert_int_equal(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), 0);
    assert_true(pcpus[1]->online);
    assert_int_equal(hotplug(0, XEN_SYSCTL_CPU_HOTPLUG_OFFLINE), -XEN_EOPNOTSUPP);
    assert_int_equal(hotplug(2, XEN_SYSCTL_CPU_HOTPLUG_ONLINE), -XEN_EINVAL);
    assert_int_equal(hotplug(1, XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE), -XEN_EOPNOTSUPP);
    assert_int_equal(hotplug(1, UINT32_MAX), -XEN_EOPNOTSUPP);
    assert_true(pcpus[1]->online);
}

#define pm op.u.get_pmstat

static long pmstat(u32 cpu, u32 type)
{
    pm.cpuid = cpu;
    pm.type = type;
    return sysctl(XEN_SYSCTL_get_pmstat);
}

static void idle_statistics_have_the_time_awake_as_state_0(void **state)
{
    u64 got[4];

    (void)state;
    world_now = 100000;
    assert_int_equal(pmstat(1, PMSTAT_get_max_cx), 0);
    assert_int_equal(pm.u.getcx.nr, 3);
    memset(world_mem(0, BUF), 0xff, 256);
    set_xen_guest_handle(pm.u.getcx.triggers, (u64 *)BUF);
    set_xen_guest_handle(pm.u.getcx.residencies, (u64 *)(BUF + 64));
    assert_int_equal(pmstat(1, PMSTAT_get_cxstat), 0);
    assert_int_equal(pm.u.getcx.idle_time, 53000);
    assert_int_equal(pm.u.getcx.nr_pc, 0);
    memcpy(got, world_mem(0, BUF), sizeof(got));
    assert_memory_equal(got, ((u64[]){8, 3, 5, ~0ull}), sizeof(got));
    memcpy(got, world_mem(0, BUF + 64), sizeof(got));
    assert_memory_equal(got, ((u64[]){47000, 3000, 50000, ~0ull}), sizeof(got));
    assert_int_equal(pmstat(1, PMSTAT_reset_cxstat), 0);
    assert_int_equal(world_rec.power.resets, 1);
}

static void no_more_states_are_written_than_asked_for(void **state)
{
    u64 got[2];

    (void)state;
    memset(world_mem(0, BUF), 0xff, 256);
    set_xen_guest_handle(pm.u.getcx.triggers, (u64 *)BUF);
    set_xen_guest_handle(pm.u.getcx.residencies, (u64 *)(BUF + 64));
    pm.u.getcx.nr = 1;
    assert_int_equal(pmstat(1, PMSTAT_get_cxstat), 0);
    memcpy(got, world_mem(0, BUF), sizeof(got));
    assert_memory_equal(got, ((u64[]){8, ~0ull}), sizeof(got));
    assert_int_equal(pm.u.getcx.nr, 3);
    set_xen_guest_handle(pm.u.getcx.residencies, (u64 *)NOWHERE);
    assert_int_equal(pmstat(1, PMSTAT_get_cxstat), -XEN_EFAULT);
    assert_int_equal(pmstat(2, PMSTAT_get_max_cx), -XEN_EINVAL);
    assert_int_equal(pmstat(UINT32_MAX, PMSTAT_get_cxstat), -XEN_EINVAL);
    assert_int_equal(pmstat(0, 0), -XEN_EOPNOTSUPP);
    assert_int_equal(pmstat(0, 0x31), -XEN_EOPNOTSUPP);
}

static void performance_statistics_have_a_table_of_moves(void **state)
{
    pm_px_val_t px[2];
    u64 moves[5];

    (void)state;
    memset(world_mem(0, BUF), 0xff, 256);
    set_xen_guest_handle(pm.u.getpx.trans_pt, (u64 *)BUF);
    set_xen_guest_handle(pm.u.getpx.pt, (pm_px_val_t *)(BUF + 128));
    assert_int_equal(pmstat(1, PMSTAT_get_max_px), 0);
    assert_int_equal(pm.u.getpx.total, 2);
    pm.u.getpx.total = 200;
    assert_int_equal(pmstat(1, PMSTAT_get_pxstat), 0);
    assert_int_equal(pm.u.getpx.total, 2);
    assert_int_equal(pm.u.getpx.usable, 2);
    assert_int_equal(pm.u.getpx.cur, 1);
    memcpy(moves, world_mem(0, BUF), sizeof(moves));
    assert_memory_equal(moves, ((u64[]){0, 7, 8, 0, ~0ull}), sizeof(moves));
    memcpy(px, world_mem(0, BUF + 128), sizeof(px));
    assert_int_equal(px[0].freq, 2000);
    assert_int_equal(px[1].residency, 50);
    assert_int_equal(px[1].count, 5);
    assert_int_equal(pmstat(1, PMSTAT_reset_pxstat), 0);
    assert_int_equal(world_rec.power.resets, 1);
}

static void performance_statistics_that_are_not_there_are_refused(void **state)
{
    (void)state;
    assert_int_equal(pmstat(0, PMSTAT_get_max_px), -XEN_ENODEV);
    assert_int_equal(pmstat(0, PMSTAT_get_pxstat), -XEN_ENODEV);
    set_xen_guest_handle(pm.u.getpx.trans_pt, (u64 *)NOWHERE);
    set_xen_guest_handle(pm.u.getpx.pt, (pm_px_val_t *)BUF);
    pm.u.getpx.total = 2;
    assert_int_equal(pmstat(1, PMSTAT_get_pxstat), -XEN_EFAULT);
    set_xen_guest_handle(pm.u.getpx.pt, (pm_px_val_t *)NOWHERE);
    assert_int_equal(pmstat(1, PMSTAT_get_pxstat), -XEN_EFAULT);
    memset(world_mem(0, BUF), 0xff, 64);
    set_xen_guest_handle(pm.u.getpx.trans_pt, (u64 *)BUF);
    set_xen_guest_handle(pm.u.getpx.pt, (pm_px_val_t *)BUF);
    pm.u.getpx.total = 0;
    assert_int_equal(pmstat(1, PMSTAT_get_pxstat), 0);
    assert_int_equal(*(u8 *)world_mem(0, BUF), 0xff);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(keys_are_pressed_in_order),
        T(keys_that_cannot_be_read_are_not_pressed),
        T(only_the_control_domain_may_and_the_version_counts),
        T(cpus_go_off_and_come_back),
        T(idle_statistics_have_the_time_awake_as_state_0),
        T(no_more_states_are_written_than_asked_for),
        T(performance_statistics_have_a_table_of_moves),
        T(performance_statistics_that_are_not_there_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
