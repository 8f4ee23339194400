/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/decode.c */
/* libs: -lZydis */
/*
 * Every encoding insn_decode accepts, against Zydis: length, operand size, access, memory operand, register, immediate.
 * And the other way round: what Zydis calls one of our instructions with a memory operand, we must accept.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <Zydis/Zydis.h>

#include <torii/decode.h>
#include <torii/hvm.h>

static ZydisDecoder decoder[3];
static unsigned long compared, accepted, lengths, disagreements;

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

static const char *compare(const u8 *bytes, unsigned mode)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    struct insn in;
    enum insn_status st = insn_decode(bytes, INSN_MAX, mode, &in);
    ZyanStatus zs = ZydisDecoderDecodeFull(&decoder[mode], bytes, INSN_MAX, &z, o);
    const ZydisDecodedOperand *m = NULL;
    const char *bad;
    unsigned i;

    compared++;
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
    accepted++;
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

static void check(const u8 *bytes, unsigned mode)
{
    static const char *said;
    static u8 said_bytes[2];
    const char *bad = compare(bytes, mode);
    unsigned i;

    if (!bad)
        return;
    /* One line for each kind is enough to see what is wrong. */
    disagreements++;
    if (said == bad && !memcmp(said_bytes, bytes, sizeof(said_bytes)))
        return;
    said = bad;
    memcpy(said_bytes, bytes, sizeof(said_bytes));
    fprintf(stderr, "mode %d, %s:", 16 << mode, bad);
    for (i = 0; i < INSN_MAX; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "\n");
}

/* What follows the opcode: every ModRM; of those with a SIB byte, every SIB or a few. */
static void each_modrm(u8 *bytes, unsigned at, unsigned mode, unsigned sib_step)
{
    unsigned modrm, sib;

    for (modrm = 0; modrm < 0xc0; modrm++) {
        bytes[at] = modrm;
        if ((modrm & 7) != 4) {
            bytes[at + 1] = 0x91;
            check(bytes, mode);
            continue;
        }
        for (sib = 0; sib < 256; sib += sib_step) {
            bytes[at + 1] = sib;
            check(bytes, mode);
        }
    }
}

/* Opcode `op` of map 0 (one byte), 1 (0F) or 2 (0F 38) after the bytes already there; returns where ModRM goes. */
static unsigned put_opcode(u8 *bytes, unsigned at, unsigned map, u8 op)
{
    if (map)
        bytes[at++] = 0x0f;
    if (map == 2)
        bytes[at++] = 0x38;
    bytes[at++] = op;
    return at;
}

static void fill_tail(u8 *bytes)
{
    static const u8 tail[INSN_MAX + 16] = {0x11, 0x92, 0x83, 0xf4, 0x75, 0x86, 0x17, 0xe8, 0x39, 0x2a, 0x9b,
                                           0x4c, 0xdd, 0x5e, 0xaf, 0x61, 0xe2, 0x33, 0x94, 0x15, 0xc6};
    memcpy(bytes, tail, INSN_MAX + 16);
}

static bool is_prefix(unsigned map, unsigned op, unsigned mode)
{
    static const u8 prefix[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};

    return map == 0 && (memchr(prefix, op, sizeof(prefix)) || op == 0x0f || (mode == INSN_MODE_64 && op >> 4 == 4));
}

static void every_modrm_and_sib_of_every_opcode_agrees(void **state)
{
    u8 bytes[64];
    unsigned mode, map, op;

    for (mode = 0; mode < 3; mode++)
        for (map = 0; map < 3; map++)
            for (op = 0; op < 256; op++) {
                if (is_prefix(map, op, mode) || (map == 1 && (op == 0x38 || op == 0x3a)))
                    continue;
                fill_tail(bytes);
                each_modrm(bytes, put_opcode(bytes, 0, map, op), mode, 1);
            }
    assert_int_equal(disagreements, 0);
}

static void every_combination_of_prefixes_agrees(void **state)
{
    static const u8 lock_rep[] = {0, 0xf0, 0xf2, 0xf3};
    static const u8 seg[] = {0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    u8 bytes[64];
    unsigned mode, map, op, combo, rex, at, s, l, rexes;
    struct insn in;

    for (mode = 0; mode < 3; mode++)
        for (map = 0; map < 3; map++)
            for (op = 0; op < 256; op++) {
                if (is_prefix(map, op, mode) || (map == 1 && (op == 0x38 || op == 0x3a)))
                    continue;
                rexes = mode == INSN_MODE_64 ? 17 : 1;
                for (combo = 0; combo < 4 * 4 * 7 * rexes; combo++) {
                    at = 0;
                    fill_tail(bytes);
                    s = combo / 16 % 7;
                    l = combo / 4 % 4;
                    rex = combo / 112;
                    if (combo & 1)
                        bytes[at++] = 0x66;
                    if (combo & 2)
                        bytes[at++] = 0x67;
                    if (lock_rep[l])
                        bytes[at++] = lock_rep[l];
                    if (seg[s])
                        bytes[at++] = seg[s];
                    if (rex)
                        bytes[at++] = 0x40 + rex - 1;
                    at = put_opcode(bytes, at, map, op);
                    /* All addressing forms where we accept the opcode, one of each group entry where we do not. */
                    bytes[at] = 0x08 * (combo % 8);
                    if (insn_decode(bytes, INSN_MAX, mode, &in) == INSN_OK && combo % 3 == 0)
                        each_modrm(bytes, at, mode, 51);
                    for (unsigned reg = 0; reg < 8; reg++) {
                        bytes[at] = 8 * reg + 3;
                        check(bytes, mode);
                        bytes[at] = 0x40 + 8 * reg + 5;
                        check(bytes, mode);
                    }
                }
            }
    assert_int_equal(disagreements, 0);
}

static void every_sib_with_every_rex_and_address_size_agrees(void **state)
{
    static const u8 opcode[] = {0x89, 0x8a, 0x80, 0xc7, 0xff};
    u8 bytes[64];
    unsigned i, rex, narrow;

    for (i = 0; i < sizeof(opcode); i++)
        for (rex = 0x40; rex < 0x50; rex++)
            for (narrow = 0; narrow < 2; narrow++) {
                fill_tail(bytes);
                bytes[0] = 0x67;
                bytes[narrow] = rex;
                each_modrm(bytes, put_opcode(bytes, narrow + 1, 0, opcode[i]), INSN_MODE_64, 1);
            }
    assert_int_equal(disagreements, 0);
}

static void two_prefixes_in_any_order_agree(void **state)
{
    static const u8 prefix[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x41, 0x4c};
    static const u8 opcode[] = {0x01, 0x39, 0x83, 0x87, 0x89, 0x8a, 0xa0, 0xa3, 0xa5, 0xab, 0xc7, 0xf6, 0xff};
    u8 bytes[64];
    unsigned mode, i, j, k, at;

    for (mode = 0; mode < 3; mode++)
        for (i = 0; i < sizeof(prefix); i++)
            for (j = 0; j < sizeof(prefix); j++)
                for (k = 0; k < sizeof(opcode); k++) {
                    if (mode != INSN_MODE_64 && (prefix[i] >> 4 == 4 || prefix[j] >> 4 == 4))
                        continue;
                    fill_tail(bytes);
                    bytes[0] = prefix[i];
                    bytes[1] = prefix[j];
                    at = put_opcode(bytes, 2, 0, opcode[k]);
                    each_modrm(bytes, at, mode, 37);
                }
    assert_int_equal(disagreements, 0);
}

/* insn_length of every instruction it knows, with prefixes and register forms; refusals are not compared. */
static void lengths_of_exit_causing_instructions_agree(void **state)
{
    static const u8 prefix[][3] = {{0},    {0x66}, {0x67},       {0xf2}, {0xf3},
                                   {0x2e}, {0x65}, {0x66, 0x67}, {0x48}, {0x66, 0x48}};
    u8 bytes[64];
    unsigned mode, map, op, modrm, p, at, len;
    ZydisDecodedInstruction z;

    for (mode = 0; mode < 3; mode++)
        for (map = 0; map < 2; map++)
            for (op = 0; op < 256; op++)
                for (p = 0; p < ARRAY_SIZE(prefix); p++)
                    for (modrm = 0; modrm < 256; modrm++) {
                        if (is_prefix(map, op, mode) || (mode != INSN_MODE_64 && memchr(prefix[p], 0x48, 3)))
                            continue;
                        fill_tail(bytes);
                        for (at = 0; at < 3 && prefix[p][at]; at++)
                            bytes[at] = prefix[p][at];
                        at = put_opcode(bytes, at, map, op);
                        bytes[at] = modrm;
                        len = insn_length(bytes, INSN_MAX, mode);
                        if (!len ||
                            ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder[mode], NULL, bytes, INSN_MAX, &z)))
                            continue;
                        lengths++;
                        if (len != z.length)
                            fprintf(stderr, "mode %u map %u op %02x modrm %02x: %u, Zydis %u\n", mode, map, op, modrm,
                                    len, z.length);
                        assert_int_equal(len, z.length);
                    }
}

static int set_up(void **state)
{
    ZydisDecoderInit(&decoder[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoder[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoder[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return 0;
}

static int report(void **state)
{
    printf("compared %lu encodings, %lu of them accepted; %lu lengths\n", compared, accepted, lengths);
    return accepted > 1000000 && lengths > 10000 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_modrm_and_sib_of_every_opcode_agrees),
        cmocka_unit_test(every_combination_of_prefixes_agrees),
        cmocka_unit_test(every_sib_with_every_rex_and_address_size_agrees),
        cmocka_unit_test(two_prefixes_in_any_order_agree),
        cmocka_unit_test(lengths_of_exit_causing_instructions_agree),
    };

    return cmocka_run_group_tests(tests, set_up, report);
}
