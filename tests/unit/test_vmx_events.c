/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/vmx/events.c tests/unit/fake_vmcs.c tests/unit/fakes.c */
/* What an entry delivers, what an exit interrupted, and the windows in between (SDM vol. 3 §27.6, §28.2.4). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "fakes.h"
#include "fake_vmcs.h"
#include "../../src/hvm/vmx/vmx.h"

static u64 cr2;

void vmx_set_cr2(u64 val)
{
    cr2 = val;
}

static u8 vapic[PAGE_SIZE];
static struct hvm_vcpu vmx;
static struct vcpu vcpu = {.hvm = &vmx};

static int set_up(void **state)
{
    fake_vmcs_reset();
    memset(vapic, 0, sizeof(vapic));
    vmx = (struct hvm_vcpu){.vapic = vapic};
    vcpu.regs = (struct guest_regs){.rflags = RFLAGS_IF | 2};
    fake_vmcs_poke(VMCS_GUEST_CR0, CR0_PE | CR0_PG);
    cr2 = 0;
    return 0;
}

static void blocked_by(u64 bits)
{
    fake_vmcs_poke(VMCS_GUEST_INTERRUPTIBILITY, bits);
}

/* --- what was interrupted is delivered again --- */

static void interrupted(u64 event, u64 error, u64 length)
{
    fake_vmcs_poke(VMCS_IDT_EVENT, event);
    fake_vmcs_poke(VMCS_IDT_ERROR, error);
    fake_vmcs_poke(VMCS_EXIT_INSN_LENGTH, length);
    vmx_keep_interrupted_event(&vmx);
}

#define EVENT(type, vector) (EVENT_VALID | (u64)(type) << EVENT_TYPE_SHIFT | (vector))
#define TYPE_SOFT_EXCEPTION 6

static void an_exit_that_interrupted_nothing_leaves_nothing_to_deliver(void **state)
{
    vmx.event = (u32)EVENT(HVM_EVENT_INTERRUPT, 0x40); /* was delivered */
    interrupted(0, 0, 3);
    assert_int_equal(vmx.event, 0);
    vmx_write_events(&vmx);
    assert_false(fake_vmcs_written(VMCS_ENTRY_EVENT));
}

static void an_interrupted_interrupt_is_delivered_again(void **state)
{
    interrupted(EVENT(HVM_EVENT_INTERRUPT, 0x40), 0, 3);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_ENTRY_EVENT), EVENT(HVM_EVENT_INTERRUPT, 0x40));
    assert_false(fake_vmcs_written(VMCS_ENTRY_INSN_LENGTH));
    assert_false(fake_vmcs_written(VMCS_ENTRY_ERROR));
}

static void an_exception_keeps_its_error_code(void **state)
{
    interrupted(EVENT(HVM_EVENT_EXCEPTION, EXC_PF) | EVENT_HAS_ERROR, 6, 0);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_ENTRY_EVENT), EVENT(HVM_EVENT_EXCEPTION, EXC_PF) | EVENT_HAS_ERROR);
    assert_int_equal(vmread(VMCS_ENTRY_ERROR), 6);
}

static void events_of_instructions_keep_the_instructions_length(void **state)
{
    interrupted(EVENT(HVM_EVENT_SOFT_INT, 0x80), 0, 2);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_ENTRY_INSN_LENGTH), 2);
    interrupted(EVENT(TYPE_SOFT_EXCEPTION, EXC_BP), 0, 1);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_ENTRY_INSN_LENGTH), 1);
}

static void bits_that_an_entry_refuses_are_not_kept(void **state)
{
    interrupted(EVENT(HVM_EVENT_INTERRUPT, 0x40) | BIT(12), 0, 0);
    assert_int_equal(vmx.event, EVENT(HVM_EVENT_INTERRUPT, 0x40));
}

/* The entry blocks NMIs again when it delivers this one. */
static void an_interrupted_nmi_can_be_delivered_again(void **state)
{
    blocked_by(BLOCKED_BY_NMI);
    interrupted(EVENT(HVM_EVENT_NMI, EXC_NMI), 0, 0);
    assert_int_equal(vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
    assert_int_equal(vmx.event, EVENT(HVM_EVENT_NMI, EXC_NMI));
}

static void nothing_is_accepted_before_it(void **state)
{
    interrupted(EVENT(HVM_EVENT_INTERRUPT, 0x40), 0, 0);
    assert_false(vmx_can_accept_irq(&vcpu));
    assert_false(vmx_can_accept_nmi(&vcpu));
}

/* --- injection --- */

static void an_interrupt_is_injected_once(void **state)
{
    vmx_inject(&vcpu, HVM_EVENT_INTERRUPT, 0x31);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_ENTRY_EVENT), EVENT(HVM_EVENT_INTERRUPT, 0x31));
    interrupted(0, 0, 0);
    fake_vmcs_reset();
    vmx_write_events(&vmx);
    assert_false(fake_vmcs_written(VMCS_ENTRY_EVENT));
}

static void a_page_fault_brings_its_address(void **state)
{
    vmx_inject_exception(&vcpu, EXC_PF, true, 2, 0xffff800000001000);
    assert_int_equal(cr2, 0xffff800000001000);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_ENTRY_EVENT), EVENT(HVM_EVENT_EXCEPTION, EXC_PF) | EVENT_HAS_ERROR);
    assert_int_equal(vmread(VMCS_ENTRY_ERROR), 2);
}

static void other_exceptions_leave_cr2_alone(void **state)
{
    cr2 = 0x1234;
    vmx_inject_exception(&vcpu, EXC_GP, true, 0, 0);
    assert_int_equal(cr2, 0x1234);
}

static void in_real_mode_exceptions_have_no_error_code(void **state)
{
    fake_vmcs_poke(VMCS_GUEST_CR0, CR0_ET);
    vmx_inject_exception(&vcpu, EXC_GP, true, 0, 0);
    assert_int_equal(vmx.event, EVENT(HVM_EVENT_EXCEPTION, EXC_GP));
}

static void what_can_be_accepted_depends_on_flags_and_shadows(void **state)
{
    static const struct {
        u64 rflags, blocked;
        bool irq, nmi;
    } cases[] = {
        {RFLAGS_IF, 0, true, true},
        {0, 0, false, true},
        {RFLAGS_IF, BLOCKED_BY_STI, false, false},
        {RFLAGS_IF, BLOCKED_BY_MOV_SS, false, false},
        {RFLAGS_IF, BLOCKED_BY_NMI, true, false},
        {0, BLOCKED_BY_NMI, false, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        vcpu.regs.rflags = cases[i].rflags | 2;
        blocked_by(cases[i].blocked);
        assert_int_equal(vmx_can_accept_irq(&vcpu), cases[i].irq);
        assert_int_equal(vmx_can_accept_nmi(&vcpu), cases[i].nmi);
    }
}

/* --- windows --- */

static u64 controls(void)
{
    vmx_write_events(&vmx);
    return vmx.primary_written;
}

static void a_window_is_asked_for_and_closed(void **state)
{
    vmx_irq_window(&vcpu, true, HVM_WINDOW_ANY_TPR);
    assert_int_equal(controls(), PRIMARY_INTERRUPT_WINDOW);
    assert_int_equal(vmread(VMCS_PRIMARY_CONTROLS), PRIMARY_INTERRUPT_WINDOW);
    vmx_irq_window(&vcpu, false, 0);
    assert_int_equal(controls(), 0);
    assert_int_equal(vmread(VMCS_PRIMARY_CONTROLS), 0);
}

static void controls_that_stay_are_not_written_again(void **state)
{
    vmx_irq_window(&vcpu, true, HVM_WINDOW_ANY_TPR);
    controls();
    fake_vmcs_reset();
    controls();
    assert_false(fake_vmcs_written(VMCS_PRIMARY_CONTROLS));
}

static void an_interrupt_that_the_tpr_hides_waits_for_a_lower_tpr(void **state)
{
    vmx_set_cr8(&vcpu, 6);
    vmx_irq_window(&vcpu, true, 4);
    assert_int_equal(controls(), 0);
    assert_int_equal(vmread(VMCS_TPR_THRESHOLD), 4);
    vmx_irq_window(&vcpu, true, 7); /* this one is not hidden */
    assert_int_equal(controls(), PRIMARY_INTERRUPT_WINDOW);
    assert_int_equal(vmread(VMCS_TPR_THRESHOLD), 0);
}

static void an_interrupt_of_the_tprs_own_priority_is_hidden(void **state)
{
    vmx_set_cr8(&vcpu, 5);
    vmx_irq_window(&vcpu, true, 5);
    assert_int_equal(controls(), 0);
    assert_int_equal(vmread(VMCS_TPR_THRESHOLD), 5);
}

static void the_threshold_is_never_above_the_tpr(void **state)
{
    vmx_set_cr8(&vcpu, 6);
    vmx_irq_window(&vcpu, true, 5);
    vmx_set_cr8(&vcpu, 3);
    vmx_write_events(&vmx);
    assert_int_equal(vmread(VMCS_TPR_THRESHOLD), 3);
}

static void without_a_tpr_shadow_there_is_no_threshold(void **state)
{
    vmx.vapic = NULL;
    vmx_set_cr8(&vcpu, 6);
    assert_int_equal(vmx_get_cr8(&vcpu), 6);
    vmx_irq_window(&vcpu, true, 4);
    vmx_write_events(&vmx);
    assert_false(fake_vmcs_written(VMCS_TPR_THRESHOLD));
}

static void the_tpr_shadow_is_the_virtual_apics_tpr(void **state)
{
    vmx_set_cr8(&vcpu, 0xb);
    assert_int_equal(vapic[VAPIC_TPR], 0xb0);
    vapic[VAPIC_TPR] = 0x20; /* the guest wrote CR8 */
    assert_int_equal(vmx_get_cr8(&vcpu), 2);
}

static void a_blocked_nmi_waits_for_its_window(void **state)
{
    blocked_by(BLOCKED_BY_NMI);
    vmx_nmi_window(&vcpu);
    assert_int_equal(controls(), PRIMARY_NMI_WINDOW);
}

static void in_an_sti_shadow_it_waits_for_the_interrupt_window(void **state)
{
    blocked_by(BLOCKED_BY_STI);
    vmx_nmi_window(&vcpu);
    assert_int_equal(controls(), PRIMARY_INTERRUPT_WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_exit_that_interrupted_nothing_leaves_nothing_to_deliver, set_up),
        cmocka_unit_test_setup(an_interrupted_interrupt_is_delivered_again, set_up),
        cmocka_unit_test_setup(an_exception_keeps_its_error_code, set_up),
        cmocka_unit_test_setup(events_of_instructions_keep_the_instructions_length, set_up),
        cmocka_unit_test_setup(bits_that_an_entry_refuses_are_not_kept, set_up),
        cmocka_unit_test_setup(an_interrupted_nmi_can_be_delivered_again, set_up),
        cmocka_unit_test_setup(nothing_is_accepted_before_it, set_up),
        cmocka_unit_test_setup(an_interrupt_is_injected_once, set_up),
        cmocka_unit_test_setup(a_page_fault_brings_its_address, set_up),
        cmocka_unit_test_setup(other_exceptions_leave_cr2_alone, set_up),
        cmocka_unit_test_setup(in_real_mode_exceptions_have_no_error_code, set_up),
        cmocka_unit_test_setup(what_can_be_accepted_depends_on_flags_and_shadows, set_up),
        cmocka_unit_test_setup(a_window_is_asked_for_and_closed, set_up),
        cmocka_unit_test_setup(controls_that_stay_are_not_written_again, set_up),
        cmocka_unit_test_setup(an_interrupt_that_the_tpr_hides_waits_for_a_lower_tpr, set_up),
        cmocka_unit_test_setup(an_interrupt_of_the_tprs_own_priority_is_hidden, set_up),
        cmocka_unit_test_setup(the_threshold_is_never_above_the_tpr, set_up),
        cmocka_unit_test_setup(without_a_tpr_shadow_there_is_no_threshold, set_up),
        cmocka_unit_test_setup(the_tpr_shadow_is_the_virtual_apics_tpr, set_up),
        cmocka_unit_test_setup(a_blocked_nmi_waits_for_its_window, set_up),
        cmocka_unit_test_setup(in_an_sti_shadow_it_waits_for_the_interrupt_window, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
