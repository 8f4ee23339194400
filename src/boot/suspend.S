/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bool suspend_save(void (*sleep)(void *stack)): what a call keeps goes to the stack, and all there is to memory.
 * suspend_wake comes from the trampoline with that stack and a word pushed onto it, and returns in its place.
 */
    .text
    .globl suspend_save, suspend_wake
suspend_save:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, %rax
    movq %rsp, %rdi
    subq $8, %rsp
    wbinvd
    callq *%rax
    addq $8, %rsp
    xorl %eax, %eax
    jmp 1f
suspend_wake:
    addq $8, %rsp
    movl $1, %eax
1:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .section .note.GNU-stack, "", @progbits
