/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/hypercall.c src/xen/multicall.c src/xen/compat.c src/xen/version.c src/xen/console_io.c src/xen/domain_state.c src/xen/area.c src/xen/pvclock.c src/xen/runstate.c src/xen/vcpu_op.c src/xen/vcpu_timer.c src/xen/sched_op.c src/xen/hvm_op.c src/xen/sysctl.c src/xen/platform.c src/xen/platform_pm.c src/xen/pcpu.c src/xen/platform_firmware.c src/xen/physdev.c src/xen/memory.c src/xen/memory_map.c src/xen/physmap.c src/xen/reservation.c src/xen/grant.c src/xen/grant_map.c src/xen/grant_op.c src/xen/grant_copy.c src/hvm/guest_copy.c tests/unit/xen_world.c tests/unit/xen_world_power.c tests/unit/fakes.c */
/* The boundary: conventions, privilege, counting, multicall, the hypercall page, xen_version, vm_assist, console_io. */
#include "xen_test.h"

#include <xen/version.h>
#include <xen/event_channel.h>

static struct vcpu *v0(void)
{
    return &world_vcpu[0][0];
}

static void a_64_bit_call_takes_its_arguments_from_rdi_on_and_answers_in_rax(void **state)
{
    (void)state;
    v0()->regs = (struct guest_regs){.rax = __HYPERVISOR_event_channel_op, .rdi = EVTCHNOP_send, .rsi = 77, .rbx = 9};
    assert_false(hypercall(v0(), true, 0));
    assert_int_equal(v0()->regs.rax, EVTCHNOP_send * 1000 + 77);
    assert_int_equal(v0()->regs.rdi, EVTCHNOP_send);
    assert_int_equal(v0()->regs.rbx, 9);
}

static void a_32_bit_call_takes_its_arguments_from_ebx_on_and_ignores_upper_halves(void **state)
{
    (void)state;
    v0()->regs = (struct guest_regs){
        .rax = 0xffffffff00000000ul | __HYPERVISOR_event_channel_op, .rbx = 0xaaaa00000004ul, .rcx = 0xbbbb0000004dul};
    assert_false(hypercall(v0(), false, 0));
    assert_int_equal(v0()->regs.rax, EVTCHNOP_send * 1000 + 77);
}

static void a_call_from_user_mode_is_refused_and_has_no_effect(void **state)
{
    (void)state;
    v0()->regs = (struct guest_regs){.rax = __HYPERVISOR_sched_op, .rdi = SCHEDOP_block};
    assert_false(hypercall(v0(), true, 3));
    assert_int_equal((s64)v0()->regs.rax, -XEN_EPERM);
    assert_int_equal(world_rec.blocks, 0);
    v0()->regs = (struct guest_regs){.rax = __HYPERVISOR_sched_op, .rbx = SCHEDOP_block};
    assert_false(hypercall(v0(), false, 1));
    assert_int_equal(v0()->regs.rax, (u32)-XEN_EPERM);
}

static void unknown_numbers_answer_enosys(void **state)
{
    static const u64 unknown[] = {0, 6, 16, 19, 30, 37, 38, 43, 48, 1000, 0x80000001, UINT64_MAX};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        v0()->regs = (struct guest_regs){.rax = unknown[i]};
        assert_false(hypercall(v0(), true, 0));
        assert_int_equal((s64)v0()->regs.rax, -XEN_ENOSYS);
    }
}

static void the_families_of_tools_answer_enosys(void **state)
{
    (void)state;
    assert_int_equal(hc(__HYPERVISOR_domctl, ARG, 0, 0), -XEN_ENOSYS);
    assert_int_equal(hc(__HYPERVISOR_xsm_op, ARG, 0, 0), -XEN_ENOSYS);
}

static void calls_are_counted_by_number_and_sub_op(void **state)
{
    (void)state;
    hc(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
    hc(__HYPERVISOR_xen_version, XENVER_version, 0, 0);
    hypercall_dump();
    assert_int_equal(fake_log_count >= 2, true);
    assert_non_null(strstr(fake_log_last, "hypercalls of domain 0: 2"));
}

static void a_preempted_call_runs_again_with_rewritten_registers(void **state)
{
    (void)state;
    memset(world_mem(0, BUF), 'x', 1000);
    v0()->regs =
        (struct guest_regs){.rax = __HYPERVISOR_console_io, .rdi = CONSOLEIO_write, .rsi = 1000, .rdx = BUF, .r8 = 5};
    assert_true(hypercall(v0(), true, 0));
    assert_int_equal(v0()->regs.rax, __HYPERVISOR_console_io);
    assert_in_range(v0()->regs.rsi, 1, 999);
    assert_int_equal(v0()->regs.rdx, BUF + 1000 - v0()->regs.rsi);
    while (hypercall(v0(), true, 0))
        ;
    assert_int_equal(v0()->regs.rax, 0);
    assert_int_equal(v0()->regs.r8, 5);
    assert_int_equal(world_rec.console_len, 1000);
}

static void a_preempted_32_bit_call_rewrites_its_own_registers(void **state)
{
    (void)state;
    memset(world_mem(0, BUF), 'x', 600);
    v0()->regs = (struct guest_regs){.rax = __HYPERVISOR_console_io, .rbx = CONSOLEIO_write, .rcx = 600, .rdx = BUF};
    assert_true(hypercall(v0(), false, 0));
    assert_in_range(v0()->regs.rcx, 1, 599);
    while (hypercall(v0(), false, 0))
        ;
    assert_int_equal(v0()->regs.rax, 0);
    assert_int_equal(world_rec.console_len, 600);
}

/* --- multicall --- */

static void put_entry(unsigned i, u64 op, u64 a0, u64 a1, u64 a2)
{
    struct multicall_entry e = {.op = op, .result = 0x5555, .args = {a0, a1, a2}};

    world_put(0, ARG + i * sizeof(e), e);
}

static u64 result_of(unsigned i)
{
    struct multicall_entry e;

    world_get(0, ARG + i * sizeof(e), e);
    return e.result;
}

static void a_multicall_gives_each_entry_its_result(void **state)
{
    (void)state;
    put_entry(0, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
    put_entry(1, 99, 0, 0, 0);
    put_entry(2, __HYPERVISOR_event_channel_op, 1, 2, 0);
    put_entry(3, 1ul << 40 | __HYPERVISOR_xen_version, XENVER_version, 0, 0);
    assert_int_equal(hc(__HYPERVISOR_multicall, ARG, 4, 0), 0);
    assert_int_equal(result_of(0), 4 << 16 | 17);
    assert_int_equal((s64)result_of(1), -XEN_ENOSYS);
    assert_int_equal(result_of(2), 1002);
    assert_int_equal((s64)result_of(3), -XEN_ENOSYS);
}

static void a_nested_multicall_is_refused(void **state)
{
    (void)state;
    put_entry(0, __HYPERVISOR_multicall, ARG, 1, 0);
    assert_int_equal(hc(__HYPERVISOR_multicall, ARG, 1, 0), 0);
    assert_int_equal((s64)result_of(0), -XEN_EINVAL);
}

static void a_multicall_of_nothing_succeeds(void **state)
{
    (void)state;
    assert_int_equal(hc(__HYPERVISOR_multicall, NOWHERE, 0, 0), 0);
}

static void a_multicall_list_that_is_not_mapped_faults(void **state)
{
    (void)state;
    assert_int_equal(hc(__HYPERVISOR_multicall, NOWHERE, 1, 0), -XEN_EFAULT);
    world_readonly_linear = ARG >> PAGE_SHIFT;
    put_entry(0, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
    assert_int_equal(hc(__HYPERVISOR_multicall, ARG, 1, 0), -XEN_EFAULT);
}

static void a_long_multicall_is_preempted_and_finishes(void **state)
{
    unsigned exits = 1;

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        put_entry(i, __HYPERVISOR_event_channel_op, 0, i, 0);
    v0()->regs = (struct guest_regs){.rax = __HYPERVISOR_multicall, .rdi = ARG, .rsi = 200};
    while (hypercall(v0(), true, 0))
        exits++;
    assert_in_range(exits, 2, 50);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(result_of(i), i);
}

static void a_preempted_entry_of_a_multicall_is_resumed(void **state)
{
    (void)state;
    memset(world_mem(0, BUF), 'y', 1500);
    put_entry(0, __HYPERVISOR_console_io, CONSOLEIO_write, 1500, BUF);
    put_entry(1, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
    assert_int_equal(hc(__HYPERVISOR_multicall, ARG, 2, 0), 0);
    assert_int_equal(result_of(0), 0);
    assert_int_equal(result_of(1), 4 << 16 | 17);
    assert_int_equal(world_rec.console_len, 1500);
}

static void a_32_bit_multicall_has_32_bit_entries(void **state)
{
    struct compat_multicall_entry e[2] = {{.op = __HYPERVISOR_xen_version, .args = {XENVER_version}},
                                          {.op = __HYPERVISOR_vm_assist, .args = {7}}};

    (void)state;
    world_put(0, ARG, e);
    assert_int_equal(hc32(__HYPERVISOR_multicall, ARG, 2, 0), 0);
    world_get(0, ARG, e);
    assert_int_equal(e[0].result, 4 << 16 | 17);
    assert_int_equal((s32)e[1].result, -XEN_ENOSYS);
}

static void a_multicall_entry_may_cross_a_page(void **state)
{
    struct multicall_entry e = {.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}};

    (void)state;
    memcpy(world_mem(0, CROSSING), &e, 16);
    memcpy(world_mem(0, CROSSING + 16), (u8 *)&e + 16, sizeof(e) - 16);
    assert_int_equal(hc(__HYPERVISOR_multicall, CROSSING, 1, 0), 0);
    memcpy(&e, world_mem(0, CROSSING), 16);
    assert_int_equal(e.result, 4096);
}

/* --- hypercall page --- */

static void the_hypercall_page_has_a_call_in_each_slot_but_iret(void **state)
{
    static u8 page[PAGE_SIZE];
    const u8 slot17[] = {0xb8, 17, 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3};
    const u8 vmcall[] = {0x0f, 0x01, 0xc1};

    (void)state;
    hypercall_page_fill(page, false);
    assert_memory_equal(page + 17 * 32, slot17, sizeof(slot17));
    assert_int_equal(page[17 * 32 + 9], 0xcc);
    assert_memory_equal(page + 23 * 32, "\x0f\x0b\xcc", 3);
    assert_int_equal(page[127 * 32 + 1], 127);
    hypercall_page_fill(page, true);
    assert_memory_equal(page + 17 * 32 + 5, vmcall, sizeof(vmcall));
}

/* --- xen_version --- */

static void the_version_is_4_17_torii(void **state)
{
    (void)state;
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_version, 0, 0), 4 << 16 | 17);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_extraversion, BUF, 0), 0);
    assert_string_equal(world_mem(0, BUF), "-torii");
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_pagesize, 0, 0), 4096);
}

static void capabilities_offer_hvm_types_only(void **state)
{
    (void)state;
    memset(world_mem(0, BUF), 0xff, 1024);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_capabilities, BUF, 0), 0);
    assert_string_equal(world_mem(0, BUF), "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
    assert_int_equal(*((u8 *)world_mem(0, BUF) + 1023), 0);
}

static void features_of_dom0_are_those_of_an_identity_mapped_pvh_domain(void **state)
{
    struct xen_feature_info fi = {0};

    (void)state;
    world_put(0, ARG, fi);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_get_features, ARG, 0), 0);
    world_get(0, ARG, fi);
    assert_int_equal(fi.submap, 0x00022b05);
    fi.submap_idx = 1;
    world_put(0, ARG, fi);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_get_features, ARG, 0), -XEN_EINVAL);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_get_features, NOWHERE, 0), -XEN_EFAULT);
}

static void features_of_another_domain_lack_dom0_and_identity(void **state)
{
    struct xen_feature_info fi = {0};

    (void)state;
    world_put(1, ARG, fi);
    assert_int_equal(hc_domu(__HYPERVISOR_xen_version, XENVER_get_features, ARG, 0), 0);
    world_get(1, ARG, fi);
    assert_int_equal(fi.submap, 0x00012305);
}

static void only_dom0_reads_the_command_line(void **state)
{
    (void)state;
    strcpy(boot_info.cmdline, "dom0_mem=512M console=com1");
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_commandline, BUF, 0), 0);
    assert_string_equal(world_mem(0, BUF), "dom0_mem=512M console=com1");
    assert_int_equal(hc_domu(__HYPERVISOR_xen_version, XENVER_commandline, BUF, 0), 0);
    assert_string_equal(world_mem(1, BUF), "<denied>");
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_build_id, 0, 0), -XEN_ENODATA);
    assert_int_equal(hc_domu(__HYPERVISOR_xen_version, XENVER_build_id, 0, 0), -XEN_EPERM);
}

static void a_long_command_line_is_cut_and_terminated(void **state)
{
    (void)state;
    memset(boot_info.cmdline, 'a', sizeof(boot_info.cmdline) - 1);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_commandline, BUF, 0), 0);
    assert_int_equal(strlen(world_mem(0, BUF)), 1023);
}

static void text_answers_fault_on_bad_buffers(void **state)
{
    (void)state;
    for (u64 sub = XENVER_extraversion; sub <= XENVER_platform_parameters; sub++)
        assert_int_equal(hc(__HYPERVISOR_xen_version, sub, NOWHERE, 0), -XEN_EFAULT);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_guest_handle, NOWHERE, 0), -XEN_EFAULT);
    assert_int_equal(hc(__HYPERVISOR_xen_version, 11, BUF, 0), -XEN_ENOSYS);
}

static void platform_parameters_have_the_callers_width(void **state)
{
    (void)state;
    memset(world_mem(0, BUF), 0xff, 8);
    assert_int_equal(hc32(__HYPERVISOR_xen_version, XENVER_platform_parameters, BUF, 0), 0);
    assert_int_equal(*(u64 *)world_mem(0, BUF), 0xffffffff00000000ul);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_platform_parameters, BUF, 0), 0);
    assert_int_equal(*(u64 *)world_mem(0, BUF), 0);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_compile_info, BUF, 0), 0);
    assert_int_equal(hc(__HYPERVISOR_xen_version, XENVER_changeset, BUF, 0), 0);
    assert_string_equal(world_mem(0, BUF), "unavailable");
}

/* --- vm_assist --- */

static void vm_assist_knows_only_the_runstate_flag(void **state)
{
    (void)state;
    assert_int_equal(hc(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag, 0), 0);
    assert_int_equal(world_dom[0].vm_assist, BIT(VMASST_TYPE_runstate_update_flag));
    assert_int_equal(hc(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag, 0), 0);
    assert_int_equal(world_dom[0].vm_assist, 0);
    assert_int_equal(hc(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables, 0), -XEN_EINVAL);
    assert_int_equal(hc(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 200, 0), -XEN_EINVAL);
    assert_int_equal(hc(__HYPERVISOR_vm_assist, 2, VMASST_TYPE_runstate_update_flag, 0), -XEN_ENOSYS);
}

/* --- console_io --- */

static void console_write_passes_all_bytes_on(void **state)
{
    (void)state;
    strcpy(world_mem(0, BUF), "hello\n");
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_write, 6, BUF), 0);
    assert_memory_equal(world_rec.console, "hello\n", 6);
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_write, 0, NOWHERE), 0);
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_write, 5, NOWHERE), -XEN_EFAULT);
    assert_int_equal(world_rec.console_len, 6);
}

static void console_read_returns_what_was_typed(void **state)
{
    (void)state;
    world_console_input = "ls\r";
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_read, 2, BUF), 2);
    assert_memory_equal(world_mem(0, BUF), "ls", 2);
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_read, 100, BUF), 1);
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_read, 100, BUF), 0);
    world_console_input = "x";
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_read, 100, NOWHERE), -XEN_EFAULT);
    assert_int_equal(hc(__HYPERVISOR_console_io, CONSOLEIO_read, 0x80000000ul, BUF), -XEN_E2BIG);
}

static void the_console_is_the_control_domains(void **state)
{
    (void)state;
    assert_int_equal(hc_domu(__HYPERVISOR_console_io, CONSOLEIO_write, 1, BUF), -XEN_EPERM);
    assert_int_equal(hc(__HYPERVISOR_console_io, 2, 1, BUF), -XEN_ENOSYS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_64_bit_call_takes_its_arguments_from_rdi_on_and_answers_in_rax),
        T(a_32_bit_call_takes_its_arguments_from_ebx_on_and_ignores_upper_halves),
        T(a_call_from_user_mode_is_refused_and_has_no_effect),
        T(unknown_numbers_answer_enosys),
        T(the_families_of_tools_answer_enosys),
        T(calls_are_counted_by_number_and_sub_op),
        T(a_preempted_call_runs_again_with_rewritten_registers),
        T(a_preempted_32_bit_call_rewrites_its_own_registers),
        T(a_multicall_gives_each_entry_its_result),
        T(a_nested_multicall_is_refused),
        T(a_multicall_of_nothing_succeeds),
        T(a_multicall_list_that_is_not_mapped_faults),
        T(a_long_multicall_is_preempted_and_finishes),
        T(a_preempted_entry_of_a_multicall_is_resumed),
        T(a_32_bit_multicall_has_32_bit_entries),
        T(a_multicall_entry_may_cross_a_page),
        T(the_hypercall_page_has_a_call_in_each_slot_but_iret),
        T(the_version_is_4_17_torii),
        T(capabilities_offer_hvm_types_only),
        T(features_of_dom0_are_those_of_an_identity_mapped_pvh_domain),
        T(features_of_another_domain_lack_dom0_and_identity),
        T(only_dom0_reads_the_command_line),
        T(a_long_command_line_is_cut_and_terminated),
        T(text_answers_fault_on_bad_buffers),
        T(platform_parameters_have_the_callers_width),
        T(vm_assist_knows_only_the_runstate_flag),
        T(console_write_passes_all_bytes_on),
        T(console_read_returns_what_was_typed),
        T(the_console_is_the_control_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
