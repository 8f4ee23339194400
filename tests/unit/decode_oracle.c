/* SPDX-License-Identifier: BSD-2-Clause */
#include <Zydis/Zydis.h>

#include <torii/hvm.h>

#include "decode_oracle.h"

struct oracle_counts oracle;
static ZydisDecoder decoder[3];

void oracle_init(void)
{
    ZydisDecoderInit(&decoder[INSN_MODE_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoder[INSN_MODE_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoder[INSN_MODE_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

unsigned oracle_length(const u8 bytes[INSN_MAX], enum insn_mode mode)
{
    ZydisDecodedInstruction z;

    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder[mode], NULL, bytes, INSN_MAX, &z)) ? z.length : 0;
}

static const ZydisMnemonic mnemonic[INSN_OP_COUNT][5] = {
    [INSN_ADD] = {ZYDIS_MNEMONIC_ADD},
    [INSN_OR] = {ZYDIS_MNEMONIC_OR},
    [INSN_ADC] = {ZYDIS_MNEMONIC_ADC},
    [INSN_SBB] = {ZYDIS_MNEMONIC_SBB},
    [INSN_AND] = {ZYDIS_MNEMONIC_AND},
    [INSN_SUB] = {ZYDIS_MNEMONIC_SUB},
    [INSN_XOR] = {ZYDIS_MNEMONIC_XOR},
    [INSN_CMP] = {ZYDIS_MNEMONIC_CMP},
    [INSN_MOV] = {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVNTI},
    [INSN_MOVZX] = {ZYDIS_MNEMONIC_MOVZX},
    [INSN_MOVSX] = {ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD},
    [INSN_MOVBE] = {ZYDIS_MNEMONIC_MOVBE},
    [INSN_TEST] = {ZYDIS_MNEMONIC_TEST},
    [INSN_NOT] = {ZYDIS_MNEMONIC_NOT},
    [INSN_NEG] = {ZYDIS_MNEMONIC_NEG},
    [INSN_INC] = {ZYDIS_MNEMONIC_INC},
    [INSN_DEC] = {ZYDIS_MNEMONIC_DEC},
    [INSN_XCHG] = {ZYDIS_MNEMONIC_XCHG},
    [INSN_CMPXCHG] = {ZYDIS_MNEMONIC_CMPXCHG},
    [INSN_XADD] = {ZYDIS_MNEMONIC_XADD},
    [INSN_BT] = {ZYDIS_MNEMONIC_BT},
    [INSN_BTS] = {ZYDIS_MNEMONIC_BTS},
    [INSN_BTR] = {ZYDIS_MNEMONIC_BTR},
    [INSN_BTC] = {ZYDIS_MNEMONIC_BTC},
    [INSN_MOVS] = {ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVSQ},
    [INSN_STOS] = {ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD, ZYDIS_MNEMONIC_STOSQ},
    [INSN_LODS] = {ZYDIS_MNEMONIC_LODSB, ZYDIS_MNEMONIC_LODSW, ZYDIS_MNEMONIC_LODSD, ZYDIS_MNEMONIC_LODSQ},
    [INSN_CMPS] = {ZYDIS_MNEMONIC_CMPSB, ZYDIS_MNEMONIC_CMPSW, ZYDIS_MNEMONIC_CMPSD, ZYDIS_MNEMONIC_CMPSQ},
    [INSN_SCAS] = {ZYDIS_MNEMONIC_SCASB, ZYDIS_MNEMONIC_SCASW, ZYDIS_MNEMONIC_SCASD, ZYDIS_MNEMONIC_SCASQ},
};

static bool is_ours(ZydisMnemonic m, bool legacy)
{
    unsigned op, i;

    if (!legacy)
        return false;
    for (op = 0; op < INSN_OP_COUNT; op++)
        for (i = 0; mnemonic[op][i]; i++)
            if (mnemonic[op][i] == m)
                return true;
    return false;
}

static bool op_matches(unsigned op, ZydisMnemonic m)
{
    unsigned i;

    for (i = 0; mnemonic[op][i]; i++)
        if (mnemonic[op][i] == m)
            return true;
    return false;
}

static bool is_string(unsigned op)
{
    return op >= INSN_MOVS && op <= INSN_SCAS;
}

static int reg_number(ZydisRegister r)
{
    return r == ZYDIS_REGISTER_NONE ? INSN_NO_REG : ZydisRegisterGetId(r);
}

static const ZydisRegister segments[] = {ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS,
                                         ZYDIS_REGISTER_DS, ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS};

static const char *compare_mem(const struct insn *in, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *m,
                               unsigned mode)
{
    unsigned seg = in->mem.seg;

    if (m->size != in->size * 8u)
        return "memory operand size";
    if (z->address_width != in->address_size * 8u)
        return "address size";
    if (is_string(in->op))
        return NULL;
    if (m->mem.base == ZYDIS_REGISTER_RIP || m->mem.base == ZYDIS_REGISTER_EIP) {
        if (!in->mem.rip_relative || in->mem.base != INSN_NO_REG)
            return "RIP-relative";
    } else if (in->mem.rip_relative || reg_number(m->mem.base) != in->mem.base) {
        return "base";
    }
    if (reg_number(m->mem.index) != in->mem.index)
        return "index";
    if (in->mem.index != INSN_NO_REG && m->mem.scale != in->mem.scale)
        return "scale";
    if ((m->mem.disp.has_displacement ? (u64)m->mem.disp.value : 0) != in->mem.disp &&
        (m->mem.base || m->mem.index || in->address_size == 8 ||
         (((u64)m->mem.disp.value ^ in->mem.disp) & (BIT(8 * in->address_size) - 1))))
        return "displacement";
    /* Zydis names the default stack segment in 64-bit mode too; there the four are the same. */
    if (mode == INSN_MODE_64 && (m->mem.segment == ZYDIS_REGISTER_SS || m->mem.segment == ZYDIS_REGISTER_CS ||
                                 m->mem.segment == ZYDIS_REGISTER_ES))
        return seg == SEG_DS ? NULL : "segment";
    return segments[seg] == m->mem.segment ? NULL : "segment";
}

/* Do our memory operand's place and the other operand agree with Zydis' visible operands? */
static const char *compare_operands(const struct insn *in, const ZydisDecodedInstruction *z,
                                    const ZydisDecodedOperand *o)
{
    unsigned mem = in->mem_is_dst ? 0 : 1, other = 1 - mem;
    ZydisRegister r;

    if (is_string(in->op) || z->operand_count_visible == 1)
        return is_string(in->op) || (in->other == INSN_NONE && in->mem_is_dst) ? NULL : "operand count";
    if (o[mem].type != ZYDIS_OPERAND_TYPE_MEMORY)
        return "which operand is memory";
    if (o[other].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        u64 mask = in->size == 8 ? ~0ull : BIT(8 * in->size) - 1;
        return in->other != INSN_IMM                                                          ? "immediate"
               : ((o[other].imm.value.u ^ in->imm) & (z->raw.imm[0].size == 8 ? 0xff : mask)) ? "immediate value"
                                                                                              : NULL;
    }
    r = o[other].reg.value;
    if (in->other != INSN_REG || o[other].size != in->reg_size * 8u)
        return "register size";
    if (in->high_byte != (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH))
        return "high byte register";
    if (in->high_byte)
        return in->reg == r - ZYDIS_REGISTER_AH ? NULL : "register";
    /* Zydis numbers SPL..DIL after AH..BH. */
    if (in->reg_size == 1)
        return in->reg == (r >= ZYDIS_REGISTER_SPL ? r - ZYDIS_REGISTER_SPL + 4 : r - ZYDIS_REGISTER_AL) ? NULL
                                                                                                         : "register";
    return ZydisRegisterGetId(r) == in->reg ? NULL : "register";
}

/*
 * Zydis 4.0.0 takes SIB base 5 without displacement for R13D when REX.B is set and the address size is 32 bits. REX.B
 * does not matter there: there is no base, and 32 bits of displacement (SDM vol. 2 table 2-5); GNU binutils agree.
 */
static bool is_zydis_defect(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *m)
{
    return z->machine_mode == ZYDIS_MACHINE_MODE_LONG_64 && z->address_width == 32 &&
           (z->attributes & ZYDIS_ATTRIB_HAS_SIB) && z->raw.modrm.mod == 0 && z->raw.sib.base == 5 &&
           m->mem.base == ZYDIS_REGISTER_R13D;
}

const char *oracle_compare(const u8 bytes[INSN_MAX], enum insn_mode mode)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    struct insn in;
    enum insn_status st = insn_decode(bytes, INSN_MAX, mode, &in);
    ZyanStatus zs = ZydisDecoderDecodeFull(&decoder[mode], bytes, INSN_MAX, &z, o);
    const ZydisDecodedOperand *m = NULL;
    const char *bad;
    unsigned i;

    oracle.compared++;
    if (ZYAN_SUCCESS(zs))
        for (i = 0; i < z.operand_count; i++)
            if (o[i].type == ZYDIS_OPERAND_TYPE_MEMORY && o[i].mem.type == ZYDIS_MEMOP_TYPE_MEM && !m)
                m = &o[i];
    if (st != INSN_OK) {
        if (ZYAN_FAILED(zs) || !m || !is_ours(z.mnemonic, z.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY))
            return NULL;
        /* Other instructions of the same name: moves of segment, control and SSE registers. */
        for (i = 0; i < z.operand_count_visible; i++)
            if (o[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                ZydisRegisterGetClass(o[i].reg.value) > ZYDIS_REGCLASS_GPR64)
                return NULL;
        /* MOVSXD to 16 bits: Intel reads 16 bits, AMD 32; nobody uses it. */
        if (z.mnemonic == ZYDIS_MNEMONIC_MOVSXD && z.operand_width == 16)
            return NULL;
        return "refused";
    }
    oracle.accepted++;
    if (ZYAN_FAILED(zs))
        return zs == ZYDIS_STATUS_NO_MORE_DATA ? NULL : "accepted";
    if (!m || !op_matches(in.op, z.mnemonic))
        return "operation";
    if (is_zydis_defect(&z, m))
        return in.mem.base == INSN_NO_REG && in.length == z.length ? NULL : "SIB without base";
    if (z.length != in.length)
        return "length";
    if (in.lock != !!(z.attributes & ZYDIS_ATTRIB_HAS_LOCK))
        return "lock";
    bad = compare_mem(&in, &z, m, mode);
    return bad ? bad : compare_operands(&in, &z, o);
}
