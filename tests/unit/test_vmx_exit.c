/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/vmx/exit.c src/hvm/vmx/vmcs_setup.c tests/unit/fake_vmcs.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "fakes.h"
#include "fake_vmcs.h"
#include "../../src/hvm/vmx/vmx.h"

/* --- neighbours --- */

struct vmx_caps vmx_caps = {.cr0_mask = CR0_NE | CR0_CD | CR0_NW, .cr0_fixed = CR0_NE};

static struct {
    bool skipped, xsetbv_ok;
    unsigned exceptions, nmis, flushes;
    u8 vector, cr8;
    u64 xcr0;
} seen;

static bool fake_skip(struct vcpu *v, const struct hvm_exit *exit)
{
    v->regs.rip = exit->next_rip;
    seen.skipped = true;
    return false;
}

static void fake_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    seen.exceptions++;
    seen.vector = vector;
}

static u8 fake_get_cr8(struct vcpu *v)
{
    return seen.cr8;
}

static void fake_set_cr8(struct vcpu *v, u8 cr8)
{
    seen.cr8 = cr8;
}

static const struct hvm_ops fake_ops = {
    .skip_insn = fake_skip,
    .inject_exception = fake_exception,
    .get_cr8 = fake_get_cr8,
    .set_cr8 = fake_set_cr8,
};
const struct hvm_ops *hvm = &fake_ops;

bool xsetbv_safe(u32 index, u64 val)
{
    seen.xcr0 = val;
    return !index && seen.xsetbv_ok;
}

void vmx_take_nmi(void)
{
    seen.nmis++;
}

void vmx_write_back_caches(void)
{
    seen.flushes++;
}

/* --- the world --- */

#define RIP    0xffffffff81000000ull
#define LENGTH 3

static struct domain dom;
static struct hvm_vcpu vmx;
static struct vcpu vcpu = {.d = &dom, .hvm = &vmx};
static struct hvm_exit out;

static int set_up(void **state)
{
    fake_vmcs_reset();
    memset(&seen, 0, sizeof(seen));
    memset(&vmx, 0, sizeof(vmx));
    memset(&out, 0xa5, sizeof(out));
    vcpu.regs = (struct guest_regs){.rip = RIP, .rflags = 2};
    fake_vmcs_poke(VMCS_EXIT_INSN_LENGTH, LENGTH);
    fake_vmcs_poke(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_CS), RIGHTS_L | RIGHTS_P | 0x1b);
    return 0;
}

static enum exit_reason leave(u64 reason, u64 qual)
{
    fake_vmcs_poke(VMCS_EXIT_REASON, reason);
    fake_vmcs_poke(VMCS_EXIT_QUALIFICATION, qual);
    vmx_decode_exit(&vcpu, &out);
    return out.reason;
}

/* --- instructions --- */

static void each_instruction_has_its_reason_and_the_place_behind_it(void **state)
{
    static const struct {
        u64 vmx;
        enum exit_reason reason;
    } cases[] = {
        {VMX_CPUID, EXIT_CPUID},    {VMX_HLT, EXIT_HLT},         {VMX_VMCALL, EXIT_HYPERCALL},
        {VMX_RDMSR, EXIT_MSR_READ}, {VMX_WRMSR, EXIT_MSR_WRITE}, {VMX_IO, EXIT_IO},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(leave(cases[i].vmx, 0), cases[i].reason);
        assert_int_equal(out.next_rip, RIP + LENGTH);
    }
}

static void a_hypercall_tells_the_mode_and_privilege_of_its_caller(void **state)
{
    fake_vmcs_poke(VMCS_GUEST_EFER, EFER_LMA);
    fake_vmcs_poke(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_SS), RIGHTS_P | 3 << 5 | 0x13);
    leave(VMX_VMCALL, 0);
    assert_true(out.call.long_mode);
    assert_int_equal(out.call.cpl, 3);
    /* Compatibility mode: a code segment without L. */
    fake_vmcs_poke(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_CS), RIGHTS_P | 0x1b);
    fake_vmcs_poke(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_SS), RIGHTS_P | 0x13);
    leave(VMX_VMCALL, 0);
    assert_false(out.call.long_mode);
    assert_int_equal(out.call.cpl, 0);
    /* L means nothing outside long mode. */
    fake_vmcs_poke(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_CS), RIGHTS_L | RIGHTS_P | 0x1b);
    fake_vmcs_poke(VMCS_GUEST_EFER, 0);
    leave(VMX_VMCALL, 0);
    assert_false(out.call.long_mode);
}

static void outside_64_bit_mode_the_next_instruction_wraps_at_4_gib(void **state)
{
    fake_vmcs_poke(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_CS), RIGHTS_P | 0x1b);
    vcpu.regs.rip = 0xfffffffe;
    leave(VMX_CPUID, 0);
    assert_int_equal(out.next_rip, 1);
}

static void in_64_bit_mode_it_does_not(void **state)
{
    vcpu.regs.rip = 0xfffffffe;
    leave(VMX_CPUID, 0);
    assert_int_equal(out.next_rip, 0x100000001);
}

static void instructions_of_vmx_itself_are_unknown(void **state)
{
    static const u8 reasons[] = {11, 19, 20, 21, 22, 23, 24, 25, 26, 27, 36, 39, 50, 53, 59};

    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        assert_int_equal(leave(reasons[i], 0), EXIT_OTHER);
        assert_int_equal(out.code, reasons[i]);
    }
}

static void invd_writes_the_caches_back(void **state)
{
    assert_int_equal(leave(VMX_INVD, 0), EXIT_CONTROL);
    assert_int_equal(seen.flushes, 1);
    assert_true(seen.skipped);
}

/* --- I/O --- */

static void a_port_access_is_read_from_the_qualification(void **state)
{
    leave(VMX_IO, 0xcf8ull << 16 | 3);
    assert_int_equal(out.io.port, 0xcf8);
    assert_int_equal(out.io.bytes, 4);
    assert_false(out.io.in);
    assert_false(out.io.string);
    leave(VMX_IO, 0x3f8ull << 16 | QUAL_IO_IN);
    assert_int_equal(out.io.port, 0x3f8);
    assert_int_equal(out.io.bytes, 1);
    assert_true(out.io.in);
    leave(VMX_IO, 0x1f0ull << 16 | 1);
    assert_int_equal(out.io.bytes, 2);
}

static void a_string_access_is_read_from_the_instruction_information(void **state)
{
    static const struct {
        u64 info;
        u8 addr_bytes, seg;
    } cases[] = {
        {3ull << 15, 2, SEG_DS},
        {1ull << 7 | 4ull << 15, 4, SEG_FS},
        {2ull << 7, 8, SEG_ES},
        {2ull << 7 | 5ull << 15, 8, SEG_GS},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        fake_vmcs_poke(VMCS_EXIT_INSN_INFO, cases[i].info);
        leave(VMX_IO, 0x1f0ull << 16 | 1 | QUAL_IO_STRING | QUAL_IO_REP);
        assert_true(out.io.string);
        assert_true(out.io.rep);
        assert_int_equal(out.io.addr_bytes, cases[i].addr_bytes);
        assert_int_equal(out.io.seg, cases[i].seg);
    }
}

/* --- EPT --- */

static void an_ept_violation_says_where_and_how(void **state)
{
    fake_vmcs_poke(VMCS_GUEST_PHYSICAL, 0xfec00010);
    assert_int_equal(leave(VMX_EPT_VIOLATION, QUAL_EPT_WRITE), EXIT_MMIO);
    assert_int_equal(out.mmio.gpa, 0xfec00010);
    assert_true(out.mmio.write);
    assert_false(out.mmio.exec);
    assert_int_equal(out.mmio.nr_bytes, 0);
    leave(VMX_EPT_VIOLATION, QUAL_EPT_EXEC);
    assert_false(out.mmio.write);
    assert_true(out.mmio.exec);
    assert_false(out.mmio.table);
    leave(VMX_EPT_VIOLATION, QUAL_EPT_WRITE | QUAL_EPT_LINEAR | QUAL_EPT_LAST);
    assert_false(out.mmio.table);
    leave(VMX_EPT_VIOLATION, QUAL_EPT_WRITE | QUAL_EPT_LINEAR);
    assert_true(out.mmio.table);
}

static void an_iret_that_will_run_again_leaves_nmis_blocked(void **state)
{
    leave(VMX_EPT_VIOLATION, QUAL_EPT_IRET_NMI);
    assert_int_equal(vmread(VMCS_GUEST_INTERRUPTIBILITY), BLOCKED_BY_NMI);
}

static void but_not_if_an_event_was_being_delivered(void **state)
{
    vmx.event = (u32)EVENT_VALID | EXC_PF;
    leave(VMX_EPT_VIOLATION, QUAL_EPT_IRET_NMI);
    assert_int_equal(vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

/* --- control registers --- */

static u64 mov_to(unsigned cr, unsigned gpr, u64 val)
{
    vcpu.regs.gpr[gpr] = val;
    return cr | (u64)CR_MOV_TO << 4 | (u64)gpr << 8;
}

static void a_write_of_cr0_moves_the_shadow_and_runs_again(void **state)
{
    fake_vmcs_poke(VMCS_CR0_SHADOW, CR0_ET | CR0_CD | CR0_NW);
    assert_int_equal(leave(VMX_CR, mov_to(0, 3, CR0_PE | CR0_PG | CR0_NE)), EXIT_CONTROL);
    assert_int_equal(vmread(VMCS_CR0_SHADOW), CR0_ET | CR0_NE);
    assert_false(fake_vmcs_written(VMCS_GUEST_CR0));
    assert_false(seen.skipped);
    assert_int_equal(seen.exceptions, 0);
    assert_int_equal(vcpu.regs.rip, RIP);
}

static void impossible_values_of_cr0_fault_and_change_nothing(void **state)
{
    static const u64 values[] = {CR0_NW, CR0_NW | CR0_PE, CR0_PG | CR0_CD};

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        leave(VMX_CR, mov_to(0, 0, values[i]));
        assert_int_equal(seen.exceptions, i + 1);
        assert_int_equal(seen.vector, EXC_GP);
        assert_false(fake_vmcs_written(VMCS_CR0_SHADOW));
    }
}

static void vmx_cannot_be_enabled_in_cr4(void **state)
{
    assert_int_equal(leave(VMX_CR, mov_to(4, 0, CR4_PAE | CR4_VMXE)), EXIT_CONTROL);
    assert_int_equal(seen.vector, EXC_GP);
    assert_false(seen.skipped);
}

static void cr8_is_read_and_written_by_register(void **state)
{
    leave(VMX_CR, mov_to(8, 4, 9)); /* from RSP */
    assert_int_equal(seen.cr8, 9);
    assert_true(seen.skipped);
    leave(VMX_CR, 8 | (u64)CR_MOV_FROM << 4 | 15ull << 8);
    assert_int_equal(vcpu.regs.r15, 9);
}

static void cr8_has_four_bits(void **state)
{
    leave(VMX_CR, mov_to(8, 0, 16));
    assert_int_equal(seen.vector, EXC_GP);
    assert_false(seen.skipped);
    assert_int_equal(seen.cr8, 0);
}

static void xsetbv_asks_the_processor(void **state)
{
    seen.xsetbv_ok = true;
    vcpu.regs.rax = 0xffffffff00000007;
    vcpu.regs.rdx = 1;
    assert_int_equal(leave(VMX_XSETBV, 0), EXIT_CONTROL);
    assert_int_equal(seen.xcr0, 0x100000007);
    assert_true(seen.skipped);
}

static void xsetbv_that_faults_faults_in_the_guest(void **state)
{
    leave(VMX_XSETBV, 0);
    assert_int_equal(seen.vector, EXC_GP);
    assert_false(seen.skipped);
}

/* --- events and ends --- */

static void windows_close_behind_them(void **state)
{
    vmx.primary = (u32)(PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW | PRIMARY_HLT_EXITING);
    assert_int_equal(leave(VMX_INTERRUPT_WINDOW, 0), EXIT_WINDOW);
    assert_int_equal(vmx.primary, PRIMARY_NMI_WINDOW | PRIMARY_HLT_EXITING);
    assert_int_equal(leave(VMX_NMI_WINDOW, 0), EXIT_WINDOW);
    assert_int_equal(vmx.primary, PRIMARY_HLT_EXITING);
    vmx.threshold = 5;
    assert_int_equal(leave(VMX_TPR_BELOW_THRESHOLD, 0), EXIT_WINDOW);
    assert_int_equal(vmx.threshold, 0);
}

static void a_physical_nmi_goes_to_torii(void **state)
{
    assert_int_equal(leave(VMX_EXCEPTION_NMI, 0), EXIT_NMI);
    assert_int_equal(seen.nmis, 1);
}

static void a_physical_interrupt_is_left_to_the_idt(void **state)
{
    assert_int_equal(leave(VMX_INTERRUPT, 0), EXIT_INTERRUPT);
}

static void a_triple_fault_shuts_down(void **state)
{
    assert_int_equal(leave(VMX_TRIPLE_FAULT, 0), EXIT_SHUTDOWN);
}

static void what_the_guest_cannot_go_on_from_is_fatal(void **state)
{
    static const u64 reasons[] = {REASON_ENTRY_FAILED | 33, REASON_ENTRY_FAILED | 34, VMX_EPT_MISCONFIGURATION,
                                  VMX_TASK_SWITCH};

    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        assert_int_equal(leave(reasons[i], 0), EXIT_OTHER);
        assert_true(out.code & HVM_CODE_FATAL);
        assert_int_equal((u32)out.code, reasons[i]);
        assert_int_equal(fake_log_count, i + 1);
    }
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_instruction_has_its_reason_and_the_place_behind_it),
        T(a_hypercall_tells_the_mode_and_privilege_of_its_caller),
        T(outside_64_bit_mode_the_next_instruction_wraps_at_4_gib),
        T(in_64_bit_mode_it_does_not),
        T(instructions_of_vmx_itself_are_unknown),
        T(invd_writes_the_caches_back),
        T(a_port_access_is_read_from_the_qualification),
        T(a_string_access_is_read_from_the_instruction_information),
        T(an_ept_violation_says_where_and_how),
        T(an_iret_that_will_run_again_leaves_nmis_blocked),
        T(but_not_if_an_event_was_being_delivered),
        T(a_write_of_cr0_moves_the_shadow_and_runs_again),
        T(impossible_values_of_cr0_fault_and_change_nothing),
        T(vmx_cannot_be_enabled_in_cr4),
        T(cr8_is_read_and_written_by_register),
        T(cr8_has_four_bits),
        T(xsetbv_asks_the_processor),
        T(xsetbv_that_faults_faults_in_the_guest),
        T(windows_close_behind_them),
        T(a_physical_nmi_goes_to_torii),
        T(a_physical_interrupt_is_left_to_the_idt),
        T(a_triple_fault_shuts_down),
        T(what_the_guest_cannot_go_on_from_is_fatal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
