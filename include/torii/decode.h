/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction decoder: pure, no state. It knows the integer instructions with a memory operand that kernels use on
 * device registers (SDM vol. 2; APM vol. 3), and the lengths of the instructions that cause exits. Nothing of the FPU,
 * SSE or AVX: Torii touches no such register.
 */
#ifndef TORII_DECODE_H
#define TORII_DECODE_H

#include <torii/types.h>

#define INSN_MAX 15 /* bytes, SDM vol. 2 §2.3.11 */

enum insn_mode { INSN_MODE_16, INSN_MODE_32, INSN_MODE_64 };

enum insn_status {
    INSN_OK,
    INSN_MORE,     /* the bytes end before the instruction does */
    INSN_UD,       /* not an instruction in this mode, or LOCK where there is none: #UD */
    INSN_TOO_LONG, /* more than 15 bytes: #GP(0) */
    INSN_UNKNOWN,  /* perhaps an instruction, but none of those above, or without a memory operand */
};

enum insn_op {
    /* The eight of the ALU group in encoding order. */
    INSN_ADD,
    INSN_OR,
    INSN_ADC,
    INSN_SBB,
    INSN_AND,
    INSN_SUB,
    INSN_XOR,
    INSN_CMP,
    INSN_MOV,
    INSN_MOVZX,
    INSN_MOVSX,
    INSN_MOVBE,
    INSN_TEST,
    INSN_NOT,
    INSN_NEG,
    INSN_INC,
    INSN_DEC,
    INSN_XCHG,
    INSN_CMPXCHG,
    INSN_XADD,
    /* The four of the bit group in encoding order. */
    INSN_BT,
    INSN_BTS,
    INSN_BTR,
    INSN_BTC,
    INSN_MOVS,
    INSN_STOS,
    INSN_LODS,
    INSN_CMPS,
    INSN_SCAS,
    INSN_OP_COUNT,
};

/* The operand that is not memory. */
enum insn_other { INSN_NONE, INSN_REG, INSN_IMM };

enum insn_rep { INSN_REP_NONE, INSN_REPE, INSN_REPNE }; /* F3, F2; either repeats MOVS, STOS and LODS */

#define INSN_NO_REG 0xff /* mem.base, mem.index: absent */

struct insn {
    u8 op;           /* enum insn_op */
    u8 length;       /* bytes */
    u8 size;         /* bytes of the memory operand: 1, 2, 4, 8 */
    u8 reg_size;     /* bytes of the register operand: differs from size in MOVZX and MOVSX */
    u8 address_size; /* bytes: 2, 4, 8 */
    u8 other;        /* enum insn_other */
    u8 reg;          /* register number 0..15; AH, CH, DH, BH are 0..3 with high_byte */
    u8 rep;          /* enum insn_rep, of string instructions */
    bool high_byte;
    bool mem_is_dst; /* memory is the first operand: [mem] op other; else other op [mem] */
    bool lock;
    u64 imm; /* sign-extended to 64 bits */
    struct {
        u8 base, index;    /* register number, or INSN_NO_REG */
        u8 scale;          /* 1, 2, 4, 8 */
        u8 seg;            /* enum hvm_seg; of string instructions the source's (the destination's is ES) */
        bool rip_relative; /* base is the address of the next instruction */
        u64 disp;          /* sign-extended to 64 bits; the sum is truncated to address_size */
    } mem;
};

/* Decode the instruction that starts at bytes. *insn is meaningful only with INSN_OK. */
enum insn_status insn_decode(const u8 *bytes, unsigned n, enum insn_mode mode, struct insn *insn);

/*
 * Length in bytes of the instruction at bytes: those insn_decode knows, and those that cause exits (needed where the
 * processor does not report the next RIP). 0 if it is neither, or incomplete.
 */
unsigned insn_length(const u8 *bytes, unsigned n, enum insn_mode mode);

#endif
