/* SPDX-License-Identifier: BSD-2-Clause */
/* From the PVH entry point to C in 64-bit mode; application processors; interrupts and exceptions; user mode. */
#include "entry.h"

        .macro elfnote type, words:vararg
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long 4, 2f - 1f, \type
        .asciz "Xen"
1:      .long \words
2:      .balign 4
        .popsection
        .endm

        elfnote 18, pvh_entry, 0        /* XEN_ELFNOTE_PHYS32_ENTRY */
        elfnote 17, 0x801, 0            /* XEN_ELFNOTE_SUPPORTED_FEATURES: writable page tables, dom0 */

        .section .text.entry, "ax"
        .code32
        .globl pvh_entry
pvh_entry:
        /* What the processor came with, before anything changes it. */
        movl %eax, entry_state + ENTRY_EAX
        movl %ebx, entry_state + ENTRY_EBX
        movl %esp, entry_state + ENTRY_ESP
        movl %cr0, %eax
        movl %eax, entry_state + ENTRY_CR0
        movl %cr2, %eax
        movl %eax, entry_state + ENTRY_CR2
        movl %cr3, %eax
        movl %eax, entry_state + ENTRY_CR3
        movl %cr4, %eax
        movl %eax, entry_state + ENTRY_CR4
        movl %dr6, %eax
        movl %eax, entry_state + ENTRY_DR6
        movl %dr7, %eax
        movl %eax, entry_state + ENTRY_DR7
        movl $stack_top, %esp
        pushfl
        popl entry_state + ENTRY_EFLAGS
        movl $0xc0000080, %ecx          /* EFER */
        rdmsr
        movl %eax, entry_state + ENTRY_EFER
        /* Each flat data segment writes: the same cell through DS, ES and SS. */
        movl $0x1234, %ds:entry_state + ENTRY_DS
        movl $0x1235, %es:entry_state + ENTRY_ES
        movl $0x1236, %ss:entry_state + ENTRY_SS
        /* A CALL's push through SS, as Linux makes it on the magic of start_info. */
        movl entry_state + ENTRY_EBX, %eax
        movl (%eax), %edx
        leal 4(%eax), %esp
        call 1f
1:      popl %ecx
        movl %ecx, entry_state + ENTRY_CALLED
        movl %edx, (%eax)
        movl $stack_top, %esp

        lgdt gdt_pointer
        ljmp $SEL_CODE32, $1f
1:      movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl %eax, %fs
        movl %eax, %gs
        call enable_long_mode
        ljmp $SEL_CODE64, $start64

        /* PAE before LME, and paging last. */
enable_long_mode:
        movl %cr4, %eax
        orl $0xa0, %eax                 /* PAE, PGE */
        movl %eax, %cr4
        movl $pml4, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx
        rdmsr
        orl $0x101, %eax                /* LME, SCE */
        wrmsr
        movl %cr0, %eax
        orl $0x80010020, %eax           /* PG, WP, NE */
        movl %eax, %cr0
        ret

        .code64
start64:
        movq $stack_top, %rsp
        xorl %ebp, %ebp
        call rt_main
1:      hlt
        jmp 1b

/* An application processor: copied below 1 MiB, entered in real mode at offset 0. */
        .code16
        .globl trampoline, trampoline_end, trampoline_state
trampoline:
        cli
        movw %cs, %ax
        movw %ax, %ds
        movl %cr0, %ebx
        movl %ebx, trampoline_state - trampoline + TRAMPOLINE_CR0
        movl %edx, trampoline_state - trampoline + TRAMPOLINE_EDX
        movw %cs, trampoline_state - trampoline + TRAMPOLINE_CS
        call 1f
1:      popw %bx
        subw $1b - trampoline, %bx
        movw %bx, trampoline_state - trampoline + TRAMPOLINE_IP
        lgdtl trampoline_gdt - trampoline
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl $SEL_CODE32, $ap32
        .balign 8
trampoline_gdt:
        .word gdt_end - gdt - 1
        .long gdt
        .balign 8
trampoline_state:
        .fill 32, 1, 0
trampoline_end:

        .code32
ap32:
        movl $SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl ap_stack, %esp
        call enable_long_mode
        ljmp $SEL_CODE64, $ap64
        .code64
ap64:
        movq ap_stack, %rsp
        xorl %ebp, %ebp
        call rt_ap_main
1:      hlt
        jmp 1b

/* Interrupts: 256 stubs of 16 bytes that make the frames alike. */
        .balign 16
        .globl isr_stubs
isr_stubs:
        .set i, 0
        .rept 256
        .balign 16
        .if !((i == 8) || (i >= 10 && i <= 14) || (i == 17) || (i == 21) || (i == 29) || (i == 30))
        pushq $0
        .endif
        pushq $i
        jmp isr_common
        .set i, i + 1
        .endr

isr_common:
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
        cld
        call rt_interrupt
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

/* long rt_call_user(long (*fn)(void)): fn at CPL 3; INT 0x81 brings its result back. */
        .globl rt_call_user, isr_leave_user
rt_call_user:
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        movq %rsp, saved_rsp
        pushq $SEL_USER_DATA
        pushq $user_stack_top
        pushq $2
        pushq $SEL_USER_CODE
        pushq $user_start
        iretq
user_start:
        call *%rdi
        int $0x81
isr_leave_user:
        movl $SEL_DATA, %ecx            /* the IRET and the interrupt have left them null: of no use to 32-bit code */
        movl %ecx, %ss
        movl %ecx, %ds
        movl %ecx, %es
        movq saved_rsp, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        ret

/* long rt_hypercall_compat(u32 nr, u32 a1, u32 a2, u32 a3): the call made from a 32-bit code segment of long mode. */
        .globl rt_hypercall_compat
rt_hypercall_compat:
        pushq %rbx
        pushq %rbp
        movl %edi, %eax
        movl %esi, %ebx
        movl %ecx, %esi
        movl %edx, %ecx
        movl %esi, %edx
        movq $compat_far, %r8
        lcall *(%r8)
        popq %rbp
        popq %rbx
        cltq
        ret
        .code32
compat32:
        cmpb $0, rt_vendor_vmcall
        jne 1f
        vmmcall
        lret
1:      vmcall
        lret
        .code64

        .data
        .balign 8
compat_far:
        .long compat32, SEL_CODE32
        .globl gdt, gdt_tss
gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 0x08 64-bit code */
        .quad 0x00cf93000000ffff        /* 0x10 data */
        .quad 0x00cf9b000000ffff        /* 0x18 32-bit code */
        .quad 0x00cff3000000ffff        /* 0x20 user data */
        .quad 0x00affb000000ffff        /* 0x28 64-bit user code */
gdt_tss:
        .quad 0, 0
gdt_end:
        .globl gdt_pointer
gdt_pointer:
        .word gdt_end - gdt - 1
        .quad gdt

        /* Not in .bss: written before and while it is cleared by nobody, and kept. */
        .globl entry_state, ap_stack
        .balign 8
entry_state:
        .fill ENTRY_SIZE, 1, 0
ap_stack:
        .quad 0
saved_rsp:
        .quad 0

/* Identity: 4 GiB in 2 MiB pages, the topmost uncached, then 1 GiB pages to 512 GiB (see map_high). Open to user mode. */
        .globl pml4, pdpt
        .balign 4096
pml4:
        .quad pdpt + 7
        .fill 511, 8, 0
pdpt:
        .quad pd + 7, pd + 0x1007, pd + 0x2007, pd + 0x3007
        .set i, 4
        .rept 508
        .quad (i << 30) | 0x87
        .set i, i + 1
        .endr
        .globl pd
pd:
        .set i, 0
        .rept 1536
        .quad (i << 21) | 0x87
        .set i, i + 1
        .endr
        .rept 512
        .quad (i << 21) | 0x9f
        .set i, i + 1
        .endr

        .bss
        .balign 16
        .fill 16384, 1, 0
stack_top:
        .fill 8192, 1, 0
user_stack_top:
        .section .note.GNU-stack, "", @progbits
