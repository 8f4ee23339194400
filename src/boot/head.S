/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry from Multiboot 1 and 2 loaders: 32-bit, unpaged. Position independent, since a Multiboot 2 loader may have moved
 * the image by a multiple of 2 MiB. Builds boot page tables (4 GiB identity, image at the top 2 GiB) and enters C.
 */
#define VIRT 0xffffffff80000000
#define MB1_FLAGS 0x00000003 /* modules page-aligned, memory information */

    .section .multiboot, "ax"
    .code32
    .align 8
mb1_header:
    .long 0x1badb002, MB1_FLAGS, -(0x1badb002 + MB1_FLAGS)

    .align 8
mb2_header:
    .long 0xe85250d6, 0, mb2_end - mb2_header, -(0xe85250d6 + (mb2_end - mb2_header))
    /* Information request: command line, modules, memory map, framebuffer, EFI and ACPI tables. */
    .align 8
    .word 1, 1
    .long 8 + 4 * 9
    .long 1, 3, 6, 8, 12, 14, 15, 17, 21
    /* Modules on page boundaries. */
    .align 8
    .word 6, 0
    .long 8
    /* Console: EGA text is understood; a framebuffer is taken as it comes. */
    .align 8
    .word 4, 1
    .long 12
    .long 2
    /* Relocatable: 1 MiB .. 4 GiB, aligned to 2 MiB, as low as possible. */
    .align 8
    .word 10, 0
    .long 24
    .long 0x200000, 0xffffffff, 0x200000, 1
    .align 8
    .word 0, 0
    .long 8
mb2_end:

    .section .boot32, "ax"
    .code32
    .globl start32
start32:
    cli
    cld
    movl %eax, %esi                 /* loader's magic */
    /* Any loader leaves a stack or some RAM at 0x1000-0x7fff; one slot is enough to learn where we are. */
    movl $0x7000, %esp
    call 1f
1:  popl %ebp
    subl $1b, %ebp                  /* ebp = runtime - link address */
    leal boot_stack_end(%ebp), %esp

    movl $0x80000000, %eax
    pushl %ebx
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    popl %ebx
    btl $29, %edx
    jnc no_long_mode

    /* Identity map of 4 GiB with 2 MiB pages. */
    leal boot_pd(%ebp), %edi
    movl $0x83, %eax
    xorl %edx, %edx
    movl $2048, %ecx
2:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b
    leal boot_pd + 3(%ebp), %eax
    leal boot_pdpt(%ebp), %edi
    movl $4, %ecx
3:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 3b
    /* The top 2 GiB -> the image where it was loaded. */
    leal boot_pd_high(%ebp), %edi
    leal 0x83(%ebp), %eax
    movl $512, %ecx
4:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 4b
    leal boot_pd_high + 3(%ebp), %eax
    movl %eax, boot_pdpt_high + 510 * 8(%ebp)
    leal boot_pdpt + 3(%ebp), %eax
    movl %eax, boot_pml4(%ebp)
    leal boot_pdpt_high + 3(%ebp), %eax
    movl %eax, boot_pml4 + 511 * 8(%ebp)

    movl %cr4, %eax
    orl $0x20, %eax                 /* PAE */
    movl %eax, %cr4
    leal boot_pml4(%ebp), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          /* EFER.LME */
    rdmsr
    orl $0x100, %eax
    wrmsr
    leal boot_gdt(%ebp), %eax
    movl %eax, boot_gdtr + 2(%ebp)
    lgdt boot_gdtr(%ebp)
    movl %cr0, %eax
    orl $0x80000001, %eax           /* PG, PE */
    movl %eax, %cr0
    leal start64(%ebp), %eax
    pushl $8
    pushl %eax
    lret

no_long_mode:
    leal no_long_mode_text(%ebp), %esi
5:  lodsb
    testb %al, %al
    jz 6f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 5b
6:  hlt
    jmp 6b
no_long_mode_text:
    .asciz "Torii: this CPU has no 64-bit mode.\r\n"

    .code64
start64:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl %esi, %edi                 /* magic */
    movl %ebx, %esi                 /* information structure */
    movl %ebp, %edx                 /* load offset */
    movabsq $start_high, %rax
    jmp *%rax

    .align 16
boot_gdt:
    .quad 0, 0x00af9b000000ffff
boot_gdtr:
    .word 15
    .long 0, 0

    .section .boot32.bss, "aw", @nobits
    .align 4096
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pdpt_high: .skip 4096
boot_pd: .skip 4 * 4096
boot_pd_high: .skip 4096
    .skip 1024
boot_stack_end:

    .text
start_high:
    leaq bsp_stack_end(%rip), %rsp
    xorl %ebp, %ebp
    call boot_main
    ud2

/*
 * void relocate_switch(void *dst, const void *src, size_t bytes, u64 new_cr3)
 * Copy the image as it is at this instant and continue in the copy: same virtual addresses, new tables.
 */
    .globl relocate_switch
relocate_switch:
    movq %rcx, %rax
    movq %rdx, %rcx
    cld
    rep movsb
    movq %rax, %cr3
    ret

/* void stack_switch(void *top, void (*next)(void)): leave the boot stack for good. */
    .globl stack_switch
stack_switch:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    pushq $0
    jmp *%rsi

    .bss
    .align 4096
    .globl bsp_stack
bsp_stack: .skip 4 * 4096
    .globl bsp_stack_end
bsp_stack_end:
    .section .note.GNU-stack, "", @progbits
