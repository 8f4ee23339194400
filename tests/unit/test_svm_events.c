/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/hvm.c src/hvm/iomap.c src/hvm/svm/svm.c src/hvm/svm/exit.c src/hvm/bitmaps.c src/hvm/pio_pass.c src/hvm/lazy.c tests/unit/fakes.c */
/* When the guest can take what, and the exits that say so (APM vol. 2 §15.20, §15.21). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <asm/prctl.h>

#include <torii/cpu.h>
#include <torii/decode.h>
#include <torii/guest.h>
#include <torii/percpu.h>

#include "fakes.h"
#include "../../src/hvm/hvm_internal.h"
#include "../../src/hvm/svm/svm.h"

const struct hvm_ops vmx_ops;

/* The processor: the guest has run when the test has written into the VMCB what it left there. */
__asm__(".pushsection .text\n.globl svm_enter, svm_enter_closed\nsvm_enter: svm_enter_closed: ret\n.popsection\n");

unsigned guest_fetch(struct vcpu *v, u8 bytes[INSN_MAX])
{
    return 0;
}

unsigned insn_length(const u8 *bytes, unsigned n, enum insn_mode mode)
{
    return 0;
}

paddr_t s2_root(struct domain *d)
{
    return 0;
}

paddr_t virt_to_paddr(const void *p)
{
    return (paddr_t)p;
}

bool wrmsr_safe(u32 msr, u64 val)
{
    return false;
}

bool rdmsr_safe(u32 msr, u64 *val)
{
    return false;
}

void pio_hardware(struct vcpu *vcpu, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    panic("port %#x\n", port);
}

static struct pcpu cpu;
static struct vmcb vmcb;
static struct hvm_vcpu svm;
static struct vcpu vcpu = {.hvm = &svm}, *v = &vcpu;

static int set_up(void **state)
{
    cpu.self = &cpu;
    assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu), 0);
    memset(&vmcb, 0, sizeof(vmcb));
    svm = (struct hvm_vcpu){.vmcb = &vmcb};
    v->regs = (struct guest_regs){.rflags = RFLAGS_IF | 2};
    svm_features.eventinj_intr_bug = true;
    svm_virq_at_equal_priority = false;
    return 0;
}

/* An exit with this code; its reason. */
static enum exit_reason leave(u64 code)
{
    struct hvm_exit exit;

    vmcb.exitcode = code;
    svm_run(v, &exit);
    vmcb.eventinj = 0;
    return exit.reason;
}

static bool intercepted(u32 what)
{
    return vmcb.intercept3 & what;
}

static void an_interrupt_taken_opens_no_window_by_itself(void **state)
{
    svm_ops.inject(v, HVM_EVENT_INTERRUPT, 0x40);
    assert_false(svm_ops.can_accept_irq(v));
    assert_false(intercepted(SVM_INTERCEPT_VINTR));
    vmcb.int_ctl &= ~SVM_V_IRQ; /* delivered */
    leave(VMEXIT_INTR);
    assert_true(svm_ops.can_accept_irq(v));
}

static void behind_an_interrupt_about_to_be_taken_the_end_of_its_handler_is_waited_for(void **state)
{
    svm_ops.inject(v, HVM_EVENT_INTERRUPT, 0x40);
    svm_ops.irq_window(v, true, HVM_WINDOW_ANY_TPR);
    assert_true(intercepted(SVM_INTERCEPT_IRET));
    assert_false(intercepted(SVM_INTERCEPT_VINTR));
}

/* An NMI came before an interrupt that was on its way: the IRET about to be done is the NMI's, and must be done. */
static void the_iret_of_an_nmi_is_not_intercepted_for_ever(void **state)
{
    svm_ops.inject(v, HVM_EVENT_INTERRUPT, 0x40);
    leave(VMEXIT_INTR);
    svm_ops.inject(v, HVM_EVENT_NMI, EXC_NMI);
    assert_true(intercepted(SVM_INTERCEPT_IRET));
    v->regs.rflags = 2; /* in the NMI's handler */
    assert_int_equal(leave(VMEXIT_IRET), EXIT_WINDOW);
    svm_ops.irq_window(v, true, HVM_WINDOW_ANY_TPR);
    assert_false(intercepted(SVM_INTERCEPT_IRET));
    assert_true(intercepted(SVM_INTERCEPT_VINTR));
    assert_true(vmcb.int_ctl & SVM_V_IRQ);
    /* Done; the guest is about to take the interrupt. */
    v->regs.rflags = RFLAGS_IF | 2;
    vmcb.int_shadow = 0;
    assert_int_equal(leave(VMEXIT_VINTR), EXIT_WINDOW);
    assert_true(vmcb.int_ctl & SVM_V_IRQ);
    assert_int_equal(vmcb.int_ctl >> SVM_V_VECTOR_SHIFT & 0xff, 0x40);
    svm_ops.irq_window(v, true, HVM_WINDOW_ANY_TPR);
    assert_true(intercepted(SVM_INTERCEPT_IRET));
    assert_false(intercepted(SVM_INTERCEPT_VINTR));
}

static void a_window_that_opened_is_closed(void **state)
{
    v->regs.rflags = 2;
    svm_ops.irq_window(v, true, 4);
    assert_true(intercepted(SVM_INTERCEPT_VINTR) && vmcb.int_ctl & SVM_V_IRQ);
    v->regs.rflags = RFLAGS_IF | 2;
    assert_int_equal(leave(VMEXIT_VINTR), EXIT_WINDOW);
    assert_false(intercepted(SVM_INTERCEPT_VINTR) || vmcb.int_ctl & SVM_V_IRQ);
    assert_true(svm_ops.can_accept_irq(v));
}

static void an_nmi_waits_until_the_iret_of_the_last_one_is_done(void **state)
{
    svm_ops.inject(v, HVM_EVENT_NMI, EXC_NMI);
    leave(VMEXIT_INTR);
    assert_false(svm_ops.can_accept_nmi(v));
    assert_int_equal(leave(VMEXIT_IRET), EXIT_WINDOW);
    assert_false(intercepted(SVM_INTERCEPT_IRET));
    assert_false(svm_ops.can_accept_nmi(v));
    vmcb.int_shadow = 0;
    assert_true(svm_ops.can_accept_nmi(v));
}

#define T(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_interrupt_taken_opens_no_window_by_itself),
        T(behind_an_interrupt_about_to_be_taken_the_end_of_its_handler_is_waited_for),
        T(the_iret_of_an_nmi_is_not_intercepted_for_ever),
        T(a_window_that_opened_is_closed),
        T(an_nmi_waits_until_the_iret_of_the_last_one_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
