/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void svm_enter(u64 guest_vmcb_pa, struct guest_regs *regs, u64 host_vmcb_pa, bool take_interrupts)
 *
 * AMD APM vol. 2 §15.5, §15.5.2: VMRUN switches the segment state, control registers, RSP, RIP and RAX; FS, GS, TR, LDTR and
 * the system-call MSRs go by VMLOAD and VMSAVE; all else is ours to move. With GIF clear nothing interrupts in between;
 * with IF set a pending interrupt leaves the guest at once.
 */
#define REGS_RCX 8
#define REGS_RDX 16
#define REGS_RBX 24
#define REGS_RBP 40
#define REGS_RSI 48
#define REGS_RDI 56
#define REGS_R8  64

    .section .text.hot, "ax"
    .globl svm_enter
    .align 16
svm_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx                      /* host VMCB */
    pushq %rsi                      /* register block */
    movq %rdi, %rax
    clgi
    testl %ecx, %ecx
    jz 1f
    sti
1:
    movq %rsi, %rbx
    movq REGS_RCX(%rbx), %rcx
    movq REGS_RDX(%rbx), %rdx
    movq REGS_RBP(%rbx), %rbp
    movq REGS_RSI(%rbx), %rsi
    movq REGS_RDI(%rbx), %rdi
    movq REGS_R8(%rbx), %r8
    movq REGS_R8 + 8(%rbx), %r9
    movq REGS_R8 + 16(%rbx), %r10
    movq REGS_R8 + 24(%rbx), %r11
    movq REGS_R8 + 32(%rbx), %r12
    movq REGS_R8 + 40(%rbx), %r13
    movq REGS_R8 + 48(%rbx), %r14
    movq REGS_R8 + 56(%rbx), %r15
    movq REGS_RBX(%rbx), %rbx
    vmload %rax
    vmrun %rax
    vmsave %rax
    cli
    xchgq %rbx, (%rsp)              /* rbx = register block, guest's rbx on the stack */
    movq %rcx, REGS_RCX(%rbx)
    movq %rdx, REGS_RDX(%rbx)
    movq %rbp, REGS_RBP(%rbx)
    movq %rsi, REGS_RSI(%rbx)
    movq %rdi, REGS_RDI(%rbx)
    movq %r8, REGS_R8(%rbx)
    movq %r9, REGS_R8 + 8(%rbx)
    movq %r10, REGS_R8 + 16(%rbx)
    movq %r11, REGS_R8 + 24(%rbx)
    movq %r12, REGS_R8 + 32(%rbx)
    movq %r13, REGS_R8 + 40(%rbx)
    movq %r14, REGS_R8 + 48(%rbx)
    movq %r15, REGS_R8 + 56(%rbx)
    popq %rcx
    movq %rcx, REGS_RBX(%rbx)
    popq %rax                       /* host VMCB: GS, TR and the like */
    vmload %rax
    stgi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .section .note.GNU-stack, "", @progbits
