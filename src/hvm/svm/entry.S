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
#include "../guest_regs.h"

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
    movq REGS_RDI(%rsi), %rdi
    load_guest_regs %rsi
    movq REGS_RSI(%rsi), %rsi
    vmload %rax
    vmrun %rax
    vmsave %rax
    cli
    xchgq %rsi, (%rsp)              /* rsi = register block, guest's rsi on the stack */
    movq %rdi, REGS_RDI(%rsi)
    save_guest_regs %rsi
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
