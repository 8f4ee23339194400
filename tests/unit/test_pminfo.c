/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* platform_op: processor power data, CPUs in and out of use. The world has two CPUs with ACPI ids 10 and 11. */
#include "xen_test.h"

#include <xen/platform.h>

#define PF __HYPERVISOR_platform_op

static struct xen_platform_op op;

static int fresh(void **state)
{
    world_mwait = false;
    memset(&op, 0, sizeof(op));
    return setup(state);
}

static long platform(u32 cmd)
{
    op.cmd = cmd;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return world_op(PF, &op, sizeof(op));
}

#define info op.u.set_pminfo

static struct xen_processor_cx cx[CSTATES_MAX + 1];

static void put_cx(unsigned count)
{
    info.id = 11;
    info.type = XEN_PM_CX;
    info.u.power.count = count;
    info.u.power.states.p = (void *)BUF;
    memcpy(world_mem(0, BUF), cx, sizeof(cx));
}

static long upload_cx(unsigned count)
{
    put_cx(count);
    return platform(XENPF_set_processor_pminfo);
}

static void good_cx(void)
{
    memset(cx, 0, sizeof(cx));
    cx[0].reg.space_id = 0x7f;
    cx[0].type = 1;
    cx[0].latency = 1;
    cx[1].reg = (struct xen_power_register){.space_id = 1, .bit_width = 8, .access_size = 1, .address = 0x414};
    cx[1].type = 2;
    cx[1].latency = 50;
    cx[2].reg = (struct xen_power_register){.space_id = 0x7f, .bit_width = 1, .bit_offset = 2, .address = 0x20};
    cx[2].type = 3;
    cx[2].latency = 300;
}

static void idle_states_are_kept_for_the_cpu_of_the_id(void **state)
{
    const struct cstate *s = world_rec.power.c;

    (void)state;
    good_cx();
    assert_int_equal(upload_cx(3), 0);
    assert_int_equal(world_rec.power.cpu, 1);
    assert_int_equal(world_rec.power.nr, 3);
    assert_int_equal(s[0].method, CSTATE_HLT);
    assert_int_equal(s[1].method, CSTATE_IO);
    assert_int_equal(s[1].address, 0x414);
    assert_int_equal(s[1].type, 2);
    assert_int_equal(s[1].latency_us, 50);
    assert_int_equal(s[2].method, CSTATE_MWAIT);
    assert_int_equal(s[2].address, 0x20);
    assert_int_equal(world_rec.power.idle_ports, 1); /* Dom0 knows that port, too */
    assert_int_equal(world_rec.power.idle_port, 0x414);
}

static void bad_idle_states_are_refused_whole(void **state)
{
    (void)state;
    good_cx();
    assert_int_equal(upload_cx(0), -XEN_EINVAL);
    assert_int_equal(upload_cx(CSTATES_MAX + 1), -XEN_EINVAL);
    cx[1].reg.space_id = 0; /* memory */
    assert_int_equal(upload_cx(3), -XEN_EINVAL);
    good_cx();
    cx[1].reg.bit_width = 16;
    assert_int_equal(upload_cx(3), -XEN_EINVAL);
    good_cx();
    cx[1].reg.bit_offset = 1;
    assert_int_equal(upload_cx(3), -XEN_EINVAL);
    good_cx();
    cx[1].reg.address = 0x10000;
    assert_int_equal(upload_cx(3), -XEN_EINVAL);
    good_cx();
    cx[2].reg.address = 1ul << 32;
    assert_int_equal(upload_cx(3), -XEN_EINVAL);
    good_cx();
    cx[0].dpcnt = UINT32_MAX;
    assert_int_equal(upload_cx(3), -XEN_EINVAL);
    assert_int_equal(world_rec.power.c_calls, 0);
    assert_int_equal(world_rec.power.idle_ports, 0);
    good_cx();
    world_op_result = -XEN_ENOMEM;
    assert_int_equal(upload_cx(3), -XEN_ENOMEM);
}

static void power_data_of_no_cpu_or_no_type_is_refused(void **state)
{
    (void)state;
    good_cx();
    put_cx(3);
    info.id = 12;
    assert_int_equal(platform(XENPF_set_processor_pminfo), -XEN_EINVAL);
    info.id = UINT32_MAX;
    assert_int_equal(platform(XENPF_set_processor_pminfo), -XEN_EINVAL);
    info.id = 11;
    info.type = 4;
    assert_int_equal(platform(XENPF_set_processor_pminfo), -XEN_EINVAL);
    info.type = XEN_PM_TX;
    assert_int_equal(platform(XENPF_set_processor_pminfo), -XEN_ENOSYS);
    info.type = XEN_PM_CX;
    info.u.power.states.p = (void *)NOWHERE;
    assert_int_equal(platform(XENPF_set_processor_pminfo), -XEN_EFAULT);
    assert_int_equal(hc32(PF, ARG, 0, 0), -XEN_ENOSYS);
    assert_int_equal(world_rec.power.c_calls, 0);
}

static struct xen_processor_px px[PSTATES_MAX];

static void good_px(void)
{
    struct xen_processor_performance *perf = &info.u.perf;

    memset(px, 0, sizeof(px));
    for (unsigned i = 0; i < 3; i++)
        px[i] = (struct xen_processor_px){.core_frequency = 3000 - 1000 * i, .power = 10, .control = i, .status = i};
    info.id = 10;
    info.type = XEN_PM_PX;
    perf->flags = XEN_PX_PCT | XEN_PX_PSS | XEN_PX_PPC | XEN_PX_PSD;
    perf->platform_limit = 1;
    perf->control_register = (struct xen_pct_register){.space_id = 0x7f, .bit_width = 64};
    perf->status_register = (struct xen_pct_register){.space_id = 1, .bit_width = 16, .address = 0x880};
    perf->state_count = 3;
    perf->states.p = (void *)BUF;
    perf->shared_type = XEN_CPUPERF_SHARED_TYPE_ANY;
    perf->domain_info.domain = 7;
    perf->domain_info.num_processors = 2;
}

static long upload_px(void)
{
    memcpy(world_mem(0, BUF), px, sizeof(px));
    return platform(XENPF_set_processor_pminfo);
}

static void performance_states_are_kept(void **state)
{
    const struct pstates *p = &world_rec.power.p;

    (void)state;
    good_px();
    assert_int_equal(upload_px(), 0);
    assert_int_equal(world_rec.power.cpu, 0);
    assert_int_equal(p->has, 15);
    assert_int_equal(p->nr, 3);
    assert_int_equal(p->state[0].mhz, 3000);
    assert_int_equal(p->state[2].control, 2);
    assert_int_equal(p->limit, 1);
    assert_int_equal(p->domain, 7);
    assert_int_equal(p->status.address, 0x880);
    /* no _PSD, as Linux sends that */
    good_px();
    info.u.perf.shared_type = 0;
    info.u.perf.domain_info = (struct xen_psd_package){0};
    assert_int_equal(upload_px(), 0);
    assert_int_equal(p->has, 15 & ~PSTATE_HAS_DOMAIN);
    /* a changed limit alone */
    good_px();
    info.u.perf.flags = XEN_PX_PPC;
    info.u.perf.state_count = 0;
    assert_int_equal(upload_px(), 0);
    assert_int_equal(p->has, PSTATE_HAS_LIMIT);
}

static void bad_performance_states_are_refused(void **state)
{
    (void)state;
    good_px();
    info.u.perf.flags = 0;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    good_px();
    info.u.perf.flags = 0x10;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    good_px();
    info.u.perf.state_count = 0;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    info.u.perf.state_count = PSTATES_MAX + 1;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    good_px();
    px[1].core_frequency = 3001; /* not the fastest first */
    assert_int_equal(upload_px(), -XEN_EINVAL);
    px[1].core_frequency = 0;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    good_px();
    info.u.perf.control_register.space_id = 0;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    good_px();
    info.u.perf.shared_type = 4;
    assert_int_equal(upload_px(), -XEN_EINVAL);
    good_px();
    info.u.perf.states.p = (void *)NOWHERE;
    assert_int_equal(upload_px(), -XEN_EFAULT);
    assert_int_equal(world_rec.power.p_calls, 0);
}

static u32 pdc(u32 id, u32 revision, u32 count, u32 bits, long expected)
{
    u32 words[3] = {revision, count, bits};

    info.id = id;
    info.type = XEN_PM_PDC;
    info.u.pdc.p = (void *)BUF;
    world_put(0, BUF, words);
    assert_int_equal(platform(XENPF_set_processor_pminfo), expected);
    world_get(0, BUF, words);
    return words[2];
}

static void capabilities_are_those_of_torii(void **state)
{
    (void)state;
    assert_int_equal(pdc(10, 1, 1, 0x301, 0), 0x01a);
    assert_int_equal(pdc(UINT32_MAX, 1, 1, 0xf0000000, 0), 0xf000001a);
    world_mwait = true;
    assert_int_equal(pdc(10, 1, 1, 0, 0), 0x31a);
    pdc(10, 2, 1, 0, -XEN_EINVAL);
    pdc(10, 1, 2, 0, -XEN_EINVAL);
    pdc(99, 1, 1, 0, -XEN_EINVAL);
    info.u.pdc.p = (void *)NOWHERE;
    info.id = 10;
    assert_int_equal(platform(XENPF_set_processor_pminfo), -XEN_EFAULT);
}

static long set_cpu(u32 cpu, bool online)
{
    op.u.cpu_ol.cpuid = cpu;
    return platform(online ? XENPF_cpu_online : XENPF_cpu_offline);
}

static u32 cpu_flags(u32 cpu)
{
    op.u.pcpu_info.xen_cpuid = cpu;
    assert_int_equal(platform(XENPF_get_cpuinfo), 0);
    return op.u.pcpu_info.flags;
}

static void a_cpu_goes_off_and_comes_back_with_an_event_each(void **state)
{
    (void)state;
    assert_int_equal(set_cpu(1, true), 0); /* it is */
    assert_int_equal(world_rec.virqs, 0);
    assert_int_equal(set_cpu(1, false), 0);
    assert_int_equal(world_rec.virqs, 1);
    assert_int_equal(world_rec.virq, VIRQ_PCPU_STATE);
    assert_int_equal(cpu_flags(1), 0);
    assert_int_equal(set_cpu(1, false), 0);
    assert_int_equal(world_rec.virqs, 1);
    assert_int_equal(set_cpu(1, true), 0);
    assert_int_equal(world_rec.virqs, 2);
    assert_int_equal(cpu_flags(1), XEN_PCPU_FLAGS_ONLINE);
}

static void the_boot_cpu_stays_and_others_must_exist(void **state)
{
    (void)state;
    assert_int_equal(set_cpu(0, false), -XEN_EOPNOTSUPP);
    assert_int_equal(set_cpu(0, true), 0);
    assert_int_equal(set_cpu(2, true), -XEN_EINVAL);
    assert_int_equal(set_cpu(UINT32_MAX, false), -XEN_EINVAL);
    assert_int_equal(world_rec.virqs, 0);
}

static u32 parked(void)
{
    op.u.core_parking.type = XEN_CORE_PARKING_GET;
    assert_int_equal(platform(XENPF_core_parking), 0);
    return op.u.core_parking.idle_nums;
}

static long park(u32 nr)
{
    op.u.core_parking.type = XEN_CORE_PARKING_SET;
    op.u.core_parking.idle_nums = nr;
    return platform(XENPF_core_parking);
}

static void cores_are_parked_from_the_last_on_but_one_stays(void **state)
{
    (void)state;
    assert_int_equal(parked(), 0);
    assert_int_equal(park(1000), 0);
    assert_int_equal(parked(), 1);
    assert_int_equal(cpu_flags(0), XEN_PCPU_FLAGS_ONLINE);
    assert_int_equal(cpu_flags(1), 0);
    assert_int_equal(park(0), 0);
    assert_int_equal(parked(), 0);
    assert_int_equal(world_rec.virqs, 2);
    op.u.core_parking.type = 3;
    assert_int_equal(platform(XENPF_core_parking), -XEN_EINVAL);
}

/* A third processor, which the MADT has as not enabled. */
static void plug_in(void)
{
    acpi_info.cpu[acpi_info.nr_cpus++] = (struct acpi_cpu){.apic_id = 8, .uid = 12};
}

static long hotadd(u32 apic_id)
{
    op.u.cpu_add = (struct xenpf_cpu_hotadd){.apic_id = apic_id, .acpi_id = 2};
    return platform(XENPF_cpu_hotadd);
}

static void a_cpu_is_added_then_brought_up(void **state)
{
    (void)state;
    plug_in();
    assert_int_equal(hotadd(8), 2);
    assert_int_equal(world_rec.virqs, 1);
    assert_int_equal(world_rec.virq, VIRQ_PCPU_STATE);
    assert_int_equal(cpu_flags(2), 0);
    assert_int_equal(op.u.pcpu_info.apic_id, 8);
    assert_int_equal(op.u.pcpu_info.max_present, 2);
    assert_int_equal(set_cpu(2, true), 0);
    assert_int_equal(world_rec.virqs, 2);
    assert_int_equal(cpu_flags(2), XEN_PCPU_FLAGS_ONLINE);
    assert_int_equal(world_rec.new_homes, BIT(2));
    world_rec.new_homes = 0;
    assert_int_equal(set_cpu(2, false), 0);
    assert_int_equal(set_cpu(2, true), 0);
    assert_int_equal(world_rec.new_homes, 0); /* once */
}

static void cpus_that_cannot_be_added_are_refused(void **state)
{
    (void)state;
    assert_int_equal(hotadd(8), -XEN_EINVAL); /* the MADT does not list it */
    plug_in();
    assert_int_equal(hotadd(4), -XEN_EEXIST);
    op.u.cpu_add.apic_id = 8;
    op.u.cpu_add.pxm = 256;
    assert_int_equal(platform(XENPF_cpu_hotadd), -XEN_EINVAL);
    world_op_result = -XEN_ENOSPC;
    assert_int_equal(hotadd(8), -XEN_ENOSPC);
    assert_int_equal(cpu_flags(2), XEN_PCPU_FLAGS_INVALID);
    assert_int_equal(world_rec.virqs, 0);
}

static void a_cpu_that_does_not_start_stays_off(void **state)
{
    (void)state;
    plug_in();
    assert_int_equal(hotadd(8), 2);
    world_op_result = -XEN_EIO;
    assert_int_equal(set_cpu(2, true), -XEN_EIO);
    assert_int_equal(cpu_flags(2), 0);
    assert_int_equal(world_rec.virqs, 1);
    assert_int_equal(world_rec.new_homes, 0);
}

static void parking_leaves_cpus_alone_that_never_ran(void **state)
{
    (void)state;
    plug_in();
    assert_int_equal(hotadd(8), 2);
    assert_int_equal(parked(), 0);
    assert_int_equal(park(0), 0);
    assert_int_equal(cpu_flags(2), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(idle_states_are_kept_for_the_cpu_of_the_id),
        T(bad_idle_states_are_refused_whole),
        T(power_data_of_no_cpu_or_no_type_is_refused),
        T(performance_states_are_kept),
        T(bad_performance_states_are_refused),
        T(capabilities_are_those_of_torii),
        T(a_cpu_goes_off_and_comes_back_with_an_event_each),
        T(the_boot_cpu_stays_and_others_must_exist),
        T(cores_are_parked_from_the_last_on_but_one_stays),
        T(a_cpu_is_added_then_brought_up),
        T(cpus_that_cannot_be_added_are_refused),
        T(a_cpu_that_does_not_start_stays_off),
        T(parking_leaves_cpus_alone_that_never_ran),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
