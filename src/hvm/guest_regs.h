/* SPDX-License-Identifier: BSD-2-Clause */
/* For the vendors' entry.S: struct guest_regs, and the moves that both make. */
#define REGS_RAX 0
#define REGS_RCX 8
#define REGS_RDX 16
#define REGS_RBX 24
#define REGS_RBP 40
#define REGS_RSI 48
#define REGS_RDI 56
#define REGS_R8  64

/* All but RAX, RSP, and what differs: RSI and RDI, one of which holds the block's address. */
    .macro load_guest_regs regs
    movq REGS_RCX(\regs), %rcx
    movq REGS_RDX(\regs), %rdx
    movq REGS_RBX(\regs), %rbx
    movq REGS_RBP(\regs), %rbp
    movq REGS_R8(\regs), %r8
    movq REGS_R8 + 8(\regs), %r9
    movq REGS_R8 + 16(\regs), %r10
    movq REGS_R8 + 24(\regs), %r11
    movq REGS_R8 + 32(\regs), %r12
    movq REGS_R8 + 40(\regs), %r13
    movq REGS_R8 + 48(\regs), %r14
    movq REGS_R8 + 56(\regs), %r15
    .endm

    .macro save_guest_regs regs
    movq %rcx, REGS_RCX(\regs)
    movq %rdx, REGS_RDX(\regs)
    movq %rbx, REGS_RBX(\regs)
    movq %rbp, REGS_RBP(\regs)
    movq %r8, REGS_R8(\regs)
    movq %r9, REGS_R8 + 8(\regs)
    movq %r10, REGS_R8 + 16(\regs)
    movq %r11, REGS_R8 + 24(\regs)
    movq %r12, REGS_R8 + 32(\regs)
    movq %r13, REGS_R8 + 40(\regs)
    movq %r14, REGS_R8 + 48(\regs)
    movq %r15, REGS_R8 + 56(\regs)
    .endm
