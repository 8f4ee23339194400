/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an application processor starts: real mode, at a page below 1 MiB that this code is copied to. The words at
 * the end are filled in by smp.c; processors are started one at a time.
 */
    .section .rodata
    .globl trampoline_start, trampoline_end, trampoline_cr3, trampoline_entry, trampoline_stack, trampoline_arg
    .align 16
#define T(sym) (sym - trampoline_start)

    .code16
trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movzwl %ax, %ebp
    shll $4, %ebp                   /* linear address of this page */
    leal T(tramp_gdt)(%ebp), %eax
    movl %eax, T(tramp_gdtr) + 2
    leal T(tramp32)(%ebp), %eax
    movl %eax, T(tramp_far32)
    lgdtl T(tramp_gdtr)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl *T(tramp_far32)

    .code32
tramp32:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl T(trampoline_cr3)(%ebp), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax                /* LME, NXE */
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    leal T(tramp64)(%ebp), %eax
    movl %eax, T(tramp_far64)(%ebp)
    ljmpl *T(tramp_far64)(%ebp)

    .code64
tramp64:
    movl %ebp, %ebp
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movq T(trampoline_stack)(%rbp), %rsp
    movq T(trampoline_arg)(%rbp), %rdi
    movq T(trampoline_entry)(%rbp), %rax
    xorl %ebp, %ebp
    pushq $0
    jmp *%rax

    .align 16
tramp_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
tramp_gdtr:
    .word 31
    .long 0
    .align 8
tramp_far32:
    .long 0
    .word 0x08
    .align 8
tramp_far64:
    .long 0
    .word 0x18
    .align 8
trampoline_cr3: .quad 0
trampoline_entry: .quad 0
trampoline_stack: .quad 0
trampoline_arg: .quad 0
trampoline_end:
    .section .note.GNU-stack, "", @progbits
