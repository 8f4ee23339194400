/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic with flags, SDM vol. 1 §3.4.3.1 and the instructions' pages in vol. 2. Pure. */
#include "emulate_internal.h"

#define FLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static u64 sign_bit(unsigned size)
{
    return BIT(8 * size - 1);
}

/* SF, ZF and PF follow from the result alone; PF looks at its low byte. */
static u64 result_flags(u64 r, unsigned size)
{
    u64 flags = 0;

    if (!r)
        flags |= RFLAGS_ZF;
    if (r & sign_bit(size))
        flags |= RFLAGS_SF;
    if (!__builtin_parity(r & 0xff))
        flags |= RFLAGS_PF;
    return flags;
}

static u64 add(u64 a, u64 b, unsigned carry, unsigned size, u64 *flags)
{
    u64 r = emul_truncate(a + b + carry, size);

    *flags = result_flags(r, size) | ((a ^ b ^ r) & RFLAGS_AF);
    if (r < a || (carry && r == a))
        *flags |= RFLAGS_CF;
    if (~(a ^ b) & (a ^ r) & sign_bit(size))
        *flags |= RFLAGS_OF;
    return r;
}

static u64 subtract(u64 a, u64 b, unsigned borrow, unsigned size, u64 *flags)
{
    u64 r = emul_truncate(a - b - borrow, size);

    *flags = result_flags(r, size) | ((a ^ b ^ r) & RFLAGS_AF);
    if (a < b || (borrow && a == b))
        *flags |= RFLAGS_CF;
    if ((a ^ b) & (a ^ r) & sign_bit(size))
        *flags |= RFLAGS_OF;
    return r;
}

/* CF and OF are cleared; AF, which the manual leaves undefined, too, as processors do. */
static u64 logic(u64 r, unsigned size, u64 *flags)
{
    *flags = result_flags(r, size);
    return r;
}

/* The bit tests change CF only; the flags they leave undefined stay. */
static u64 bit_op(enum insn_op op, u64 dst, u64 src, unsigned size, u64 *rflags)
{
    u64 bit = BIT(src & (8 * size - 1));

    *rflags = (*rflags & ~RFLAGS_CF) | (dst & bit ? RFLAGS_CF : 0);
    switch (op) {
    case INSN_BTS:
        return dst | bit;
    case INSN_BTR:
        return dst & ~bit;
    case INSN_BTC:
        return dst ^ bit;
    default:
        return dst;
    }
}

u64 emul_alu(enum insn_op op, u64 dst, u64 src, unsigned size, u64 *rflags)
{
    unsigned carry = *rflags & RFLAGS_CF ? 1 : 0;
    u64 flags = 0, changed = FLAGS_ARITH, r;

    dst = emul_truncate(dst, size);
    src = emul_truncate(src, size);
    switch (op) {
    case INSN_ADD:
    case INSN_XADD:
        r = add(dst, src, 0, size, &flags);
        break;
    case INSN_ADC:
        r = add(dst, src, carry, size, &flags);
        break;
    case INSN_SUB:
    case INSN_CMP:
    case INSN_CMPXCHG:
        r = subtract(dst, src, 0, size, &flags);
        break;
    case INSN_SBB:
        r = subtract(dst, src, carry, size, &flags);
        break;
    case INSN_NEG:
        r = subtract(0, dst, 0, size, &flags);
        break;
    case INSN_INC:
        r = add(dst, 1, 0, size, &flags);
        changed &= ~RFLAGS_CF;
        break;
    case INSN_DEC:
        r = subtract(dst, 1, 0, size, &flags);
        changed &= ~RFLAGS_CF;
        break;
    case INSN_OR:
        r = logic(dst | src, size, &flags);
        break;
    case INSN_AND:
    case INSN_TEST:
        r = logic(dst & src, size, &flags);
        break;
    case INSN_XOR:
        r = logic(dst ^ src, size, &flags);
        break;
    case INSN_NOT:
        return emul_truncate(~dst, size);
    default:
        return bit_op(op, dst, src, size, rflags);
    }
    *rflags = (*rflags & ~changed) | (flags & changed);
    return r;
}
