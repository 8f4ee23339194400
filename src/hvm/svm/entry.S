/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * svm_enter: RDI = the guest's VMCB, RDX = the host's (physical), RSI = struct guest_regs. svm_enter_closed: the same, but no
 * physical interrupt takes the guest out.
 * Called from exit.c alone: it keeps RBX, RBP, RSP and RSI, and changes every other register.
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
    pushq %rbp
    pushq %rbx
    pushq %rdx                      /* host VMCB */
    pushq %rsi                      /* register block */
    movq %rdi, %rax
    clgi
    sti
1:
    movq REGS_RCX(%rsi), %rcx
    movq REGS_RDX(%rsi), %rdx
    movq REGS_RBX(%rsi), %rbx
    movq REGS_RBP(%rsi), %rbp
    movq REGS_RDI(%rsi), %rdi
    movq REGS_R8(%rsi), %r8
    movq REGS_R8 + 8(%rsi), %r9
    movq REGS_R8 + 16(%rsi), %r10
    movq REGS_R8 + 24(%rsi), %r11
    movq REGS_R8 + 32(%rsi), %r12
    movq REGS_R8 + 40(%rsi), %r13
    movq REGS_R8 + 48(%rsi), %r14
    movq REGS_R8 + 56(%rsi), %r15
    movq REGS_RSI(%rsi), %rsi
    vmload %rax
    vmrun %rax
    vmsave %rax
    cli
    xchgq %rsi, (%rsp)              /* rsi = register block, guest's rsi on the stack */
    movq %rcx, REGS_RCX(%rsi)
    movq %rdx, REGS_RDX(%rsi)
    movq %rbx, REGS_RBX(%rsi)
    movq %rbp, REGS_RBP(%rsi)
    movq %rdi, REGS_RDI(%rsi)
    movq %r8, REGS_R8(%rsi)
    movq %r9, REGS_R8 + 8(%rsi)
    movq %r10, REGS_R8 + 16(%rsi)
    movq %r11, REGS_R8 + 24(%rsi)
    movq %r12, REGS_R8 + 32(%rsi)
    movq %r13, REGS_R8 + 40(%rsi)
    movq %r14, REGS_R8 + 48(%rsi)
    movq %r15, REGS_R8 + 56(%rsi)
    popq REGS_RSI(%rsi)
    popq %rax                       /* host VMCB: GS, TR and the like */
    vmload %rax
    stgi
    popq %rbx
    popq %rbp
    ret

    .globl svm_enter_closed
    .align 16
svm_enter_closed:
    pushq %rbp
    pushq %rbx
    pushq %rdx
    pushq %rsi
    movq %rdi, %rax
    clgi
    jmp 1b
    .section .note.GNU-stack, "", @progbits
