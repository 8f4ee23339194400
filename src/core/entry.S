/* SPDX-License-Identifier: BSD-2-Clause */
/* One stub per vector: make the frames alike, save the registers, call C. */
    .text
    .altmacro
    .macro stub vec
    .align 16
    .if (\vec == 8) || ((\vec >= 10) && (\vec <= 14)) || (\vec == 17) || (\vec == 21) || (\vec == 29) || (\vec == 30)
    .else
    pushq $0
    .endif
    pushq $\vec
    jmp trap_common
    .endm

    .globl trap_stubs
    .align 16
trap_stubs:
    .set i, 0
    .rept 256
    stub %i
    .set i, i + 1
    .endr

trap_common:
    cld
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    call trap_handler
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

/* bool rdmsr_safe(u32 msr, u64 *val); bool wrmsr_safe(u32 msr, u64 val): a #GP resumes at the fixup. */
    .macro extable from, to
    .pushsection .extable, "a"
    .quad \from, \to
    .popsection
    .endm

    .globl rdmsr_safe, wrmsr_safe
rdmsr_safe:
    movl %edi, %ecx
1:  rdmsr
    movl %eax, (%rsi)
    movl %edx, 4(%rsi)
    movl $1, %eax
    ret
wrmsr_safe:
    movl %edi, %ecx
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
2:  wrmsr
    movl $1, %eax
    ret
3:  xorl %eax, %eax
    ret
    extable 1b, 3b
    extable 2b, 3b
    .section .note.GNU-stack, "", @progbits
