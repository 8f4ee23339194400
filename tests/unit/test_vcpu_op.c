/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* vcpu_op, set_timer_op, runstate, pvclock. */
#include "xen_test.h"

#include <xen/hvm/hvm_vcpu.h>
#include <xen/vcpu.h>

#define VCPU_OP  __HYPERVISOR_vcpu_op
#define INFO_GFN 100ul

static struct vcpu *vcpu(unsigned i)
{
    return &world_vcpu[0][i];
}

/* --- vcpu_info --- */

static long register_info(u64 id, u64 gfn, u32 offset)
{
    struct vcpu_register_vcpu_info r = {.mfn = gfn, .offset = offset};

    world_put(0, ARG, r);
    return hc(VCPU_OP, VCPUOP_register_vcpu_info, id, ARG);
}

static void vcpu_info_moves_with_its_content_and_raises_the_upcall(void **state)
{
    struct vcpu_info *info = world_mem(0, INFO_GFN * PAGE_SIZE + 64);

    (void)state;
    vcpu(0)->info->arch.cr2 = 0x1234;
    assert_int_equal(register_info(0, INFO_GFN, 64), 0);
    assert_ptr_equal(vcpu(0)->info, info);
    assert_int_equal(info->arch.cr2, 0x1234);
    assert_int_equal(info->evtchn_upcall_pending, 1);
    assert_int_equal(info->evtchn_pending_sel, ~0ul);
    assert_int_equal(info->time.tsc_to_system_mul, 0x80000000);
    assert_int_equal(info->time.version & 1, 0);
    assert_true(guest_page_is_pinned(&world_dom[0], INFO_GFN));
}

static void vcpu_info_is_registered_once(void **state)
{
    (void)state;
    assert_int_equal(register_info(0, INFO_GFN, 0), 0);
    assert_int_equal(register_info(0, INFO_GFN + 1, 0), -XEN_EINVAL);
    assert_false(guest_page_is_pinned(&world_dom[0], INFO_GFN + 1));
}

static void vcpu_info_of_an_offline_vcpu_can_be_registered_by_another(void **state)
{
    (void)state;
    assert_int_equal(register_info(2, INFO_GFN, 128), 0);
    assert_true(vcpu(2)->info_registered);
    world_online[0][1] = true;
    assert_int_equal(register_info(1, INFO_GFN, 192), -XEN_EINVAL);
}

static void vcpu_info_must_lie_aligned_within_a_page_of_ram(void **state)
{
    (void)state;
    assert_int_equal(register_info(0, INFO_GFN, PAGE_SIZE - 63), -XEN_EINVAL);
    assert_int_equal(register_info(0, INFO_GFN, UINT32_MAX), -XEN_EINVAL);
    assert_int_equal(register_info(0, INFO_GFN, 4), -XEN_EINVAL);
    assert_int_equal(register_info(0, HOLE_GFN, 0), -XEN_EINVAL);
    assert_int_equal(register_info(0, MMIO_GFN, 0), -XEN_EINVAL);
    assert_int_equal(register_info(0, UINT64_MAX, 0), -XEN_EINVAL);
    assert_int_equal(register_info(0, INFO_GFN, PAGE_SIZE - 64), 0);
}

static void vcpu_op_names_vcpus_that_exist(void **state)
{
    (void)state;
    assert_int_equal(register_info(WORLD_VCPUS, INFO_GFN, 0), -XEN_ENOENT);
    assert_int_equal(hc(VCPU_OP, VCPUOP_is_up, 0xffffffff, 0), -XEN_ENOENT);
    assert_int_equal(hc(VCPU_OP, 99, 0, 0), -XEN_ENOSYS);
    assert_int_equal(hc(VCPU_OP, VCPUOP_register_vcpu_info, 0, NOWHERE), -XEN_EFAULT);
}

/* --- runstate --- */

static long register_runstate(u64 gva)
{
    world_put(0, ARG, gva);
    return hc(VCPU_OP, VCPUOP_register_runstate_memory_area, 0, ARG);
}

static void runstate_times_add_up_to_the_time_passed(void **state)
{
    struct vcpu_runstate_info rs;
    u64 start = world_now, sum = 0;

    (void)state;
    runstate_change(vcpu(0), RUNSTATE_running);
    world_now += 100;
    runstate_change(vcpu(0), RUNSTATE_blocked);
    world_now += 30;
    assert_int_equal(hc(VCPU_OP, VCPUOP_get_runstate_info, 0, BUF), 0);
    world_get(0, BUF, rs);
    assert_int_equal(rs.state, RUNSTATE_blocked);
    assert_int_equal(rs.state_entry_time, world_now - 30);
    assert_int_equal(rs.time[RUNSTATE_running], 100);
    assert_int_equal(rs.time[RUNSTATE_blocked], 30);
    for (unsigned i = 0; i < 4; i++)
        sum += rs.time[i];
    assert_int_equal(sum, world_now - start);
}

static void a_registered_runstate_area_follows_each_change(void **state)
{
    struct vcpu_runstate_info rs;

    (void)state;
    assert_int_equal(register_runstate(BUF), 0);
    world_get(0, BUF, rs);
    assert_int_equal(rs.state, RUNSTATE_offline);
    world_now += 7;
    runstate_change(vcpu(0), RUNSTATE_running);
    world_get(0, BUF, rs);
    assert_int_equal(rs.state, RUNSTATE_running);
    assert_int_equal(rs.state_entry_time, world_now);
    assert_int_equal(rs.time[RUNSTATE_offline], 7);
}

static void a_runstate_area_may_straddle_a_page(void **state)
{
    struct vcpu_runstate_info rs;

    (void)state;
    assert_int_equal(register_runstate(CROSSING), 0);
    assert_true(guest_page_is_pinned(&world_dom[0], CROSSING >> PAGE_SHIFT));
    assert_true(guest_page_is_pinned(&world_dom[0], (CROSSING >> PAGE_SHIFT) + 1));
    world_now += 9;
    runstate_change(vcpu(0), RUNSTATE_blocked);
    memcpy(&rs, world_mem(0, CROSSING), 16);
    memcpy((u8 *)&rs + 16, world_mem(0, CROSSING + 16), sizeof(rs) - 16);
    assert_int_equal(rs.state, RUNSTATE_blocked);
    assert_int_equal(rs.state_entry_time, world_now);
    assert_int_equal(rs.time[RUNSTATE_offline], 9);
}

static void the_update_flag_is_clear_when_an_update_is_done(void **state)
{
    struct vcpu_runstate_info rs;

    (void)state;
    hc(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag, 0);
    assert_int_equal(register_runstate(CROSSING - 8), 0);
    runstate_change(vcpu(0), RUNSTATE_running);
    memcpy(&rs, world_mem(0, CROSSING - 8), 24);
    assert_int_equal(rs.state_entry_time, world_now);
}

static void a_runstate_area_elsewhere_replaces_the_old_one(void **state)
{
    (void)state;
    assert_int_equal(register_runstate(BUF), 0);
    assert_int_equal(register_runstate(BUF + PAGE_SIZE), 0);
    assert_false(guest_page_is_pinned(&world_dom[0], BUF >> PAGE_SHIFT));
    assert_int_equal(register_runstate(0), 0);
    assert_false(guest_page_is_pinned(&world_dom[0], (BUF >> PAGE_SHIFT) + 1));
    memset(world_mem(0, BUF), 0x77, 48);
    runstate_change(vcpu(0), RUNSTATE_running);
    assert_int_equal(*(u8 *)world_mem(0, BUF), 0x77);
}

static void a_bad_runstate_area_faults_and_leaves_the_old_one(void **state)
{
    struct vcpu_runstate_info rs;

    (void)state;
    assert_int_equal(register_runstate(BUF), 0);
    assert_int_equal(register_runstate(NOWHERE), -XEN_EFAULT);
    assert_int_equal(register_runstate(MMIO_GFN * PAGE_SIZE), -XEN_EFAULT);
    assert_int_equal(register_runstate(DOM0_PAGES * PAGE_SIZE - 8), -XEN_EFAULT);
    assert_false(guest_page_is_pinned(&world_dom[0], DOM0_PAGES - 1));
    runstate_change(vcpu(0), RUNSTATE_running);
    world_get(0, BUF, rs);
    assert_int_equal(rs.state, RUNSTATE_running);
}

static void a_running_vcpus_area_is_registered_by_itself_only(void **state)
{
    u64 gva = BUF;

    (void)state;
    world_put(0, ARG, gva);
    world_online[0][1] = true;
    assert_int_equal(hc(VCPU_OP, VCPUOP_register_runstate_memory_area, 1, ARG), -XEN_EINVAL);
    assert_int_equal(hc(VCPU_OP, VCPUOP_register_runstate_memory_area, 2, ARG), 0);
}

static void a_32_bit_caller_gets_the_packed_runstate_layout(void **state)
{
    struct compat_vcpu_runstate_info rs;
    u32 gva = BUF;

    (void)state;
    memset(world_mem(0, BUF), 0xee, 48);
    memset(world_mem(0, ARG), 0xff, 8);
    world_put(0, ARG, gva);
    assert_int_equal(hc32(VCPU_OP, VCPUOP_register_runstate_memory_area, 0, ARG), 0);
    world_now += 5;
    runstate_change(vcpu(0), RUNSTATE_running);
    world_get(0, BUF, rs);
    assert_int_equal(rs.state, RUNSTATE_running);
    assert_int_equal(rs.state_entry_time, world_now);
    assert_int_equal(rs.time[RUNSTATE_offline], 5);
    assert_int_equal(*((u8 *)world_mem(0, BUF) + 44), 0xee);
    assert_int_equal(hc32(VCPU_OP, VCPUOP_get_runstate_info, 0, BUF + 100), 0);
    world_get(0, BUF + 100, rs);
    assert_int_equal(rs.time[RUNSTATE_offline], 5);
}

/* --- time info --- */

static void time_info_is_valid_from_the_start(void **state)
{
    const struct vcpu_time_info *t = &world_dom[0].shared_info->vcpu_info[1].time;

    (void)state;
    assert_int_equal(t->version & 1, 0);
    assert_true(t->version >= 2);
    assert_int_equal(t->tsc_timestamp, 1000);
    assert_int_equal(t->system_time, 0);
    assert_int_equal(t->tsc_to_system_mul, 0x80000000);
    assert_int_equal(t->flags, XEN_PVCLOCK_TSC_STABLE_BIT);
}

static void an_update_changes_version_by_two_and_includes_the_guests_tsc_offset(void **state)
{
    struct vcpu_time_info *t = &vcpu(0)->info->time;
    u32 version = t->version;

    (void)state;
    vcpu(0)->hvm = (struct hvm_vcpu *)1;
    world_tsc_offset = (u64)-400;
    tsc_scale.stable = false;
    pvclock_update(vcpu(0));
    assert_int_equal(t->version, version + 2);
    assert_int_equal(t->tsc_timestamp, 600);
    assert_int_equal(t->flags, 0);
}

static void shared_info_stays_valid_after_vcpu_info_moved(void **state)
{
    u32 version;

    (void)state;
    assert_int_equal(register_info(0, INFO_GFN, 0), 0);
    version = world_dom[0].shared_info->vcpu_info[0].time.version;
    tsc_scale.mul = 0x90000000;
    pvclock_update(vcpu(0));
    assert_int_equal(world_dom[0].shared_info->vcpu_info[0].time.version, version + 2);
    assert_int_equal(world_dom[0].shared_info->vcpu_info[0].time.tsc_to_system_mul, 0x90000000);
    assert_int_equal(vcpu(0)->info->time.tsc_to_system_mul, 0x90000000);
}

static void a_secondary_time_area_is_kept_equal_until_unregistered(void **state)
{
    struct vcpu_time_info t;
    u64 gva = BUF;

    (void)state;
    world_put(0, ARG, gva);
    assert_int_equal(hc(VCPU_OP, VCPUOP_register_vcpu_time_memory_area, 0, ARG), 0);
    world_get(0, BUF, t);
    assert_memory_equal(&t, &vcpu(0)->info->time, sizeof(t));
    gva = 0;
    world_put(0, ARG, gva);
    assert_int_equal(hc(VCPU_OP, VCPUOP_register_vcpu_time_memory_area, 0, ARG), 0);
    assert_false(guest_page_is_pinned(&world_dom[0], BUF >> PAGE_SHIFT));
    pvclock_update(vcpu(0));
    world_get(0, BUF, t);
    assert_int_not_equal(t.version, vcpu(0)->info->time.version);
    gva = NOWHERE;
    world_put(0, ARG, gva);
    assert_int_equal(hc(VCPU_OP, VCPUOP_register_vcpu_time_memory_area, 0, ARG), -XEN_EFAULT);
}

static void the_wall_clock_is_split_into_seconds_and_nanoseconds(void **state)
{
    struct shared_info *s = world_dom[0].shared_info;
    u32 version = s->wc_version;

    (void)state;
    wall_clock_set(5000000000ul * 1000000000ul + 123, 0);
    pvclock_update_wall_clock(&world_dom[0]);
    assert_int_equal(s->wc_version, version + 2);
    assert_int_equal(s->wc_sec, (u32)5000000000ul);
    assert_int_equal(s->wc_sec_hi, 1);
    assert_int_equal(s->wc_nsec, 123);
}

/* --- timers --- */

static long singleshot(u64 id, u64 timeout, u32 flags)
{
    struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = timeout, .flags = flags};

    world_put(0, ARG, s);
    return hc(VCPU_OP, VCPUOP_set_singleshot_timer, id, ARG);
}

static void a_singleshot_timer_raises_virq_timer_when_it_fires(void **state)
{
    struct timer *t = &vcpu(0)->singleshot;

    (void)state;
    assert_int_equal(singleshot(0, world_now + 50, 0), 0);
    assert_true(timer_is_active(t));
    assert_int_equal(t->deadline, world_now + 50);
    assert_int_equal(world_rec.virqs, 0);
    t->fn(t);
    assert_int_equal(world_rec.virqs, 1);
    assert_int_equal(world_rec.virq, VIRQ_TIMER);
    assert_ptr_equal(world_rec.virq_vcpu, vcpu(0));
}

static void a_deadline_in_the_past_raises_virq_timer_at_once(void **state)
{
    (void)state;
    assert_int_equal(singleshot(0, world_now - 1, 0), 0);
    assert_int_equal(world_rec.virqs, 1);
    assert_false(timer_is_active(&vcpu(0)->singleshot));
    assert_int_equal(singleshot(0, world_now - 1, VCPU_SSHOTTMR_future), -XEN_ETIME);
    assert_int_equal(world_rec.virqs, 1);
    assert_int_equal(singleshot(0, world_now + 1, VCPU_SSHOTTMR_future), 0);
}

static void singleshot_timers_are_the_callers_own(void **state)
{
    (void)state;
    assert_int_equal(singleshot(1, world_now + 50, 0), -XEN_EINVAL);
    assert_int_equal(hc(VCPU_OP, VCPUOP_stop_singleshot_timer, 1, 0), -XEN_EINVAL);
    assert_int_equal(singleshot(0, world_now + 50, 0), 0);
    assert_int_equal(hc(VCPU_OP, VCPUOP_stop_singleshot_timer, 0, 0), 0);
    assert_false(timer_is_active(&vcpu(0)->singleshot));
    assert_int_equal(hc(VCPU_OP, VCPUOP_set_singleshot_timer, 0, NOWHERE), -XEN_EFAULT);
}

static void a_32_bit_singleshot_request_is_12_bytes(void **state)
{
    struct compat_vcpu_set_singleshot_timer s = {.timeout_abs_ns = world_now + 11};
    const u64 at = DOM0_PAGES * PAGE_SIZE - sizeof(s);

    (void)state;
    world_put(0, at, s);
    assert_int_equal(hc32(VCPU_OP, VCPUOP_set_singleshot_timer, 0, at), 0);
    assert_int_equal(vcpu(0)->singleshot.deadline, world_now + 11);
    assert_int_equal(hc(VCPU_OP, VCPUOP_set_singleshot_timer, 0, at), -XEN_EFAULT);
}

static void a_periodic_timer_rearms_itself_and_merges_missed_ticks(void **state)
{
    struct vcpu_set_periodic_timer p = {.period_ns = 2000000};
    struct timer *t = &vcpu(1)->periodic;
    u64 start = world_now;

    (void)state;
    world_put(0, ARG, p);
    assert_int_equal(hc(VCPU_OP, VCPUOP_set_periodic_timer, 1, ARG), 0);
    assert_int_equal(t->deadline, start + 2000000);
    world_now = start + 2000000;
    t->fn(t);
    assert_int_equal(t->deadline, start + 4000000);
    world_now = start + 9000000;
    t->fn(t);
    assert_int_equal(t->deadline, start + 11000000);
    assert_int_equal(world_rec.virqs, 2);
    assert_int_equal(hc(VCPU_OP, VCPUOP_stop_periodic_timer, 1, 0), 0);
    assert_false(timer_is_active(t));
    t->fn(t); /* was on its way on another CPU */
    assert_false(timer_is_active(t));
    assert_int_equal(world_rec.virqs, 2);
}

static void a_period_below_a_millisecond_is_refused(void **state)
{
    struct vcpu_set_periodic_timer p = {.period_ns = 999999};

    (void)state;
    world_put(0, ARG, p);
    assert_int_equal(hc(VCPU_OP, VCPUOP_set_periodic_timer, 0, ARG), -XEN_EINVAL);
    p.period_ns = UINT64_MAX;
    world_put(0, ARG, p);
    assert_int_equal(hc(VCPU_OP, VCPUOP_set_periodic_timer, 0, ARG), -XEN_EINVAL);
    assert_int_equal(hc(VCPU_OP, VCPUOP_set_periodic_timer, 0, NOWHERE), -XEN_EFAULT);
    assert_int_equal(hc(VCPU_OP, VCPUOP_stop_periodic_timer, 0, 0), 0);
}

static void set_timer_op_takes_one_register_or_two_halves(void **state)
{
    (void)state;
    assert_int_equal(hc(__HYPERVISOR_set_timer_op, 0x200000000ul, 0, 0), 0);
    assert_int_equal(vcpu(0)->singleshot.deadline, 0x200000000ul);
    assert_int_equal(hc32(__HYPERVISOR_set_timer_op, 5, 3, 0), 0);
    assert_int_equal(vcpu(0)->singleshot.deadline, 0x300000005ul);
    assert_int_equal(hc(__HYPERVISOR_set_timer_op, 0, 0, 0), 0);
    assert_false(timer_is_active(&vcpu(0)->singleshot));
    assert_int_equal(world_rec.virqs, 0);
}

/* --- up and down --- */

static void a_vcpu_that_never_ran_cannot_be_brought_up(void **state)
{
    (void)state;
    assert_int_equal(hc(VCPU_OP, VCPUOP_is_up, 0, 0), 1);
    assert_int_equal(hc(VCPU_OP, VCPUOP_is_up, 1, 0), 0);
    assert_int_equal(hc(VCPU_OP, VCPUOP_up, 1, 0), -XEN_EINVAL);
    runstate_change(vcpu(1), RUNSTATE_running);
    assert_int_equal(hc(VCPU_OP, VCPUOP_up, 1, 0), 0);
    assert_int_equal(world_rec.starts, 1);
    assert_int_equal(hc(VCPU_OP, VCPUOP_up, 1, 0), 0);
    assert_int_equal(world_rec.starts, 1);
}

static void the_last_vcpu_going_down_powers_the_domain_off(void **state)
{
    (void)state;
    world_online[0][1] = true;
    assert_int_equal(hc(VCPU_OP, VCPUOP_down, 0, 0), 0);
    assert_int_equal(world_rec.offlines, 1);
    assert_int_equal(world_rec.shutdowns, 0);
    assert_int_equal(hc(VCPU_OP, VCPUOP_down, 1, 0), 0);
    assert_int_equal(world_rec.shutdowns, 1);
    assert_int_equal(world_rec.shutdown_reason, SHUTDOWN_poweroff);
}

static struct vcpu_hvm_context flat_context(void)
{
    return (struct vcpu_hvm_context){.mode = VCPU_HVM_MODE_32B,
                                     .cpu_regs.x86_32 = {.eip = 0x100000,
                                                         .ebx = 7,
                                                         .esp = 0x9000,
                                                         .cr0 = 1,
                                                         .cs_limit = ~0u,
                                                         .ds_limit = ~0u,
                                                         .ss_limit = ~0u,
                                                         .es_limit = ~0u,
                                                         .tr_limit = 0x67,
                                                         .cs_ar = 0xc9b,
                                                         .ds_ar = 0xc93,
                                                         .ss_ar = 0xc93,
                                                         .es_ar = 0xc93,
                                                         .tr_ar = 0x8b}};
}

static long initialise(const struct vcpu_hvm_context *ctx)
{
    world_put(0, ARG, *ctx);
    return hc(VCPU_OP, VCPUOP_initialise, 1, ARG);
}

static void an_unpaged_context_can_be_loaded_once(void **state)
{
    struct vcpu_hvm_context ctx = flat_context();

    (void)state;
    ctx.cpu_regs.x86_32.cs_base = 0x5000;
    assert_int_equal(initialise(&ctx), 0);
    assert_int_equal(vcpu(1)->regs.rip, 0x100000);
    assert_int_equal(vcpu(1)->regs.rbx, 7);
    assert_int_equal(vcpu(1)->regs.rsp, 0x9000);
    assert_int_equal(vcpu(1)->regs.rflags, 2);
    assert_int_equal(world_rec.state.seg[SEG_CS].base, 0x5000);
    assert_int_equal(world_rec.state.seg[SEG_CS].attr, 0xc9b);
    assert_int_equal(initialise(&ctx), -XEN_EEXIST);
    assert_int_equal(hc(VCPU_OP, VCPUOP_up, 1, 0), 0);
    assert_int_equal(world_rec.starts, 1);
}

static void contexts_that_cannot_run_are_refused(void **state)
{
    struct vcpu_hvm_context ctx = flat_context();

    (void)state;
    ctx.mode = 2;
    assert_int_equal(initialise(&ctx), -XEN_EINVAL);
    ctx.mode = VCPU_HVM_MODE_64B;
    assert_int_equal(initialise(&ctx), -XEN_EOPNOTSUPP);
    ctx = flat_context();
    ctx.cpu_regs.x86_32.cr0 = 0;
    assert_int_equal(initialise(&ctx), -XEN_EINVAL);
    ctx.cpu_regs.x86_32.cr0 = 0x80000001;
    assert_int_equal(initialise(&ctx), -XEN_EOPNOTSUPP);
    ctx = flat_context();
    ctx.cpu_regs.x86_32.cs_ar = 0xc93;
    assert_int_equal(initialise(&ctx), -XEN_EINVAL);
    ctx = flat_context();
    ctx.cpu_regs.x86_32.ds_ar = 0x1c93;
    assert_int_equal(initialise(&ctx), -XEN_EINVAL);
    assert_int_equal(hc(VCPU_OP, VCPUOP_initialise, 1, NOWHERE), -XEN_EFAULT);
    assert_false(vcpu(1)->initialised);
}

static void nmi_and_physical_id(void **state)
{
    struct vcpu_get_physid id;

    (void)state;
    assert_int_equal(hc(VCPU_OP, VCPUOP_send_nmi, 1, 0), 0);
    assert_int_equal(world_rec.nmis, 1);
    assert_int_equal(hc(VCPU_OP, VCPUOP_get_physid, 1, BUF), 0);
    world_get(0, BUF, id);
    assert_int_equal(id.phys_id, 11ul << 32 | 4);
    assert_int_equal(hc(VCPU_OP, VCPUOP_get_physid, 2, BUF), -XEN_EINVAL);
    assert_int_equal(hc_domu(VCPU_OP, VCPUOP_get_physid, 0, BUF), -XEN_EINVAL);
    assert_int_equal(hc(VCPU_OP, VCPUOP_get_physid, 1, NOWHERE), -XEN_EFAULT);
}

/* --- soft reset --- */

static void a_reset_domain_has_no_trace_of_the_old_kernel(void **state)
{
    struct domain *d = &world_dom[0];
    struct e820_entry ram = {.addr = 0, .size = DOM0_PAGES * PAGE_SIZE, .type = E820_RAM};
    struct xen_add_to_physmap a = {.domid = DOMID_SELF, .gpfn = 16};

    (void)state;
    d->e820 = &ram;
    d->e820_nr = 1;
    world_put(0, ARG, a);
    assert_int_equal(hc(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, ARG, 0), 0);
    assert_int_equal(world_type(0, 16), S2_XEN);
    assert_int_equal(register_info(0, INFO_GFN, 0), 0);
    assert_int_equal(register_runstate(BUF), 0);
    assert_int_equal(singleshot(0, world_now + 50, 0), 0);
    hc(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag, 0);
    xen_domain_reset(d);
    assert_ptr_equal(vcpu(0)->info, &d->shared_info->vcpu_info[0]);
    assert_false(guest_page_is_pinned(d, INFO_GFN));
    assert_false(guest_page_is_pinned(d, BUF >> PAGE_SHIFT));
    assert_false(timer_is_active(&vcpu(0)->singleshot));
    assert_int_equal(d->vm_assist, 0);
    assert_int_equal(world_type(0, 16), S2_RAM);
    assert_int_equal(world_s2[0][16].mfn, 16);
    assert_int_equal(d->nr_pages, DOM0_PAGES);
    assert_int_equal(vcpu(0)->info->time.tsc_to_system_mul, 0x80000000);
    assert_int_equal(register_info(0, INFO_GFN, 0), 0);
    assert_int_equal(fake_allocs_live > 0, true);
}

static void creating_a_domain_survives_every_failing_allocation(void **state)
{
    struct domain d = {.id = 9};
    unsigned live = fake_allocs_live, n = 0;

    (void)state;
    spin_lock_init(&d.lock, LOCK_DOMAIN);
    for (;; n++) {
        fake_alloc_fail_after = (int)n;
        if (xen_domain_init(&d) == 0)
            break;
        assert_int_equal(fake_allocs_live, live);
        assert_null(d.shared_info);
    }
    fake_alloc_fail_after = -1;
    assert_true(n >= 4);
    grant_domain_free(&d);
    frames_free(d.shared_info, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(vcpu_info_moves_with_its_content_and_raises_the_upcall),
        T(vcpu_info_is_registered_once),
        T(vcpu_info_of_an_offline_vcpu_can_be_registered_by_another),
        T(vcpu_info_must_lie_aligned_within_a_page_of_ram),
        T(vcpu_op_names_vcpus_that_exist),
        T(runstate_times_add_up_to_the_time_passed),
        T(a_registered_runstate_area_follows_each_change),
        T(a_runstate_area_may_straddle_a_page),
        T(the_update_flag_is_clear_when_an_update_is_done),
        T(a_runstate_area_elsewhere_replaces_the_old_one),
        T(a_bad_runstate_area_faults_and_leaves_the_old_one),
        T(a_running_vcpus_area_is_registered_by_itself_only),
        T(a_32_bit_caller_gets_the_packed_runstate_layout),
        T(time_info_is_valid_from_the_start),
        T(an_update_changes_version_by_two_and_includes_the_guests_tsc_offset),
        T(shared_info_stays_valid_after_vcpu_info_moved),
        T(a_secondary_time_area_is_kept_equal_until_unregistered),
        T(the_wall_clock_is_split_into_seconds_and_nanoseconds),
        T(a_singleshot_timer_raises_virq_timer_when_it_fires),
        T(a_deadline_in_the_past_raises_virq_timer_at_once),
        T(singleshot_timers_are_the_callers_own),
        T(a_32_bit_singleshot_request_is_12_bytes),
        T(a_periodic_timer_rearms_itself_and_merges_missed_ticks),
        T(a_period_below_a_millisecond_is_refused),
        T(set_timer_op_takes_one_register_or_two_halves),
        T(a_vcpu_that_never_ran_cannot_be_brought_up),
        T(the_last_vcpu_going_down_powers_the_domain_off),
        T(an_unpaged_context_can_be_loaded_once),
        T(contexts_that_cannot_run_are_refused),
        T(nmi_and_physical_id),
        T(a_reset_domain_has_no_trace_of_the_old_kernel),
        T(creating_a_domain_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
