/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * u64 vmx_enter(struct guest_regs *regs, u64 *host_rsp, bool launched)
 *
 * SDM vol. 3 ch. 27, 28: entry and exit switch RIP, RSP, RFLAGS, segment and control registers; the other general registers
 * are ours to move. HOST_RSP is written only when this frame is not where it was the last time.
 */
#define VMCS_HOST_RSP 0x6c14
#include "../guest_regs.h"

    .section .text.hot, "ax"
    .globl vmx_enter, vmx_exit_point
    .align 16
vmx_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi                      /* register block */
    cmpq %rsp, (%rsi)
    je 1f
    movq %rsp, (%rsi)
    movl $VMCS_HOST_RSP, %eax
    vmwrite %rsp, %rax
1:
    testb %dl, %dl                  /* MOV leaves the flags alone */
    movq REGS_RAX(%rdi), %rax
    movq REGS_RSI(%rdi), %rsi
    load_guest_regs %rdi
    movq REGS_RDI(%rdi), %rdi
    jz 2f
    vmresume
    jmp 3f
2:  vmlaunch
3:  movl $1, %eax                   /* it failed, and changed nothing */
    popq %rdi
    jmp 4f

    .align 16
vmx_exit_point:
    xchgq %rdi, (%rsp)              /* rdi = register block, guest's rdi on the stack */
    movq %rax, REGS_RAX(%rdi)
    movq %rsi, REGS_RSI(%rdi)
    save_guest_regs %rdi
    popq REGS_RDI(%rdi)
    xorl %eax, %eax
4:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .text
    .globl xsetbv_safe
xsetbv_safe:
    movl %edi, %ecx
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
5:  xsetbv
    movl $1, %eax
    ret
6:  xorl %eax, %eax
    ret
    .pushsection .extable, "a"
    .quad 5b, 6b
    .popsection
    .section .note.GNU-stack, "", @progbits
