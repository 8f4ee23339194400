/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decoder: prefixes, opcode, ModRM, SIB, displacement, immediate, in that order (SDM vol. 2 ch. 2). Opcodes are
 * looked up in tables that give the operation and the form of its operands.
 */
#include <torii/decode.h>
#include <torii/hvm.h>
#include <torii/lib.h>

/* Prefixes, SDM vol. 2 §2.1.1 and §2.2.1. */
#define PREFIX_OPERAND_SIZE 0x66
#define PREFIX_ADDRESS_SIZE 0x67
#define PREFIX_LOCK         0xf0
#define PREFIX_REPNE        0xf2
#define PREFIX_REPE         0xf3
#define PREFIX_ES           0x26
#define PREFIX_CS           0x2e
#define PREFIX_SS           0x36
#define PREFIX_DS           0x3e
#define PREFIX_FS           0x64
#define PREFIX_GS           0x65
#define PREFIX_REX          0x40 /* 0x40-0x4f in 64-bit mode */
#define REX_W               BIT(3)
#define REX_R               BIT(2)
#define REX_X               BIT(1)
#define REX_B               BIT(0)
#define OPCODE_ESCAPE       0x0f

/* Forms of operands. F_NONE: not an instruction this table knows. */
enum form {
    F_NONE,
    F_MEM_REG,   /* E,G */
    F_REG_MEM,   /* G,E */
    F_MEM_IMM,   /* E,Iz (or Ib if byte) */
    F_MEM_IMM8,  /* E,Ib sign-extended */
    F_MEM,       /* E alone */
    F_OFFS_LOAD, /* accumulator, moffs */
    F_OFFS_STORE,
    F_STRING,
    F_GROUP, /* ModRM.reg selects: see group_entry */
};

#define BYTE BIT(0) /* operand is one byte whatever the prefixes */
#define LOCK BIT(1) /* LOCK is legal */
#define WIDE BIT(2) /* the register is wider than memory: MOVZX, MOVSX, MOVSXD */
#define BARE BIT(3) /* 66, F2 and F3 make it another instruction, or none */

struct opcode {
    u8 op, form, flags;
};

/* The six memory or accumulator forms of one ALU operation; those with an immediate accumulator touch no memory. */
#define ALU_ROW(row, op, lockable)                                                         \
    [(row)] = {op, F_MEM_REG, BYTE | (lockable)}, [(row) + 1] = {op, F_MEM_REG, lockable}, \
    [(row) + 2] = {op, F_REG_MEM, BYTE}, [(row) + 3] = {op, F_REG_MEM, 0}

static const struct opcode one_byte[256] = {
    ALU_ROW(0x00, INSN_ADD, LOCK),
    ALU_ROW(0x08, INSN_OR, LOCK),
    ALU_ROW(0x10, INSN_ADC, LOCK),
    ALU_ROW(0x18, INSN_SBB, LOCK),
    ALU_ROW(0x20, INSN_AND, LOCK),
    ALU_ROW(0x28, INSN_SUB, LOCK),
    ALU_ROW(0x30, INSN_XOR, LOCK),
    ALU_ROW(0x38, INSN_CMP, 0),
    [0x63] = {INSN_MOVSX, F_REG_MEM, WIDE},
    [0x80 ... 0x83] = {0, F_GROUP, 0},
    [0x84] = {INSN_TEST, F_MEM_REG, BYTE},
    [0x85] = {INSN_TEST, F_MEM_REG, 0},
    [0x86] = {INSN_XCHG, F_MEM_REG, BYTE | LOCK},
    [0x87] = {INSN_XCHG, F_MEM_REG, LOCK},
    [0x88] = {INSN_MOV, F_MEM_REG, BYTE},
    [0x89] = {INSN_MOV, F_MEM_REG, 0},
    [0x8a] = {INSN_MOV, F_REG_MEM, BYTE},
    [0x8b] = {INSN_MOV, F_REG_MEM, 0},
    [0xa0] = {INSN_MOV, F_OFFS_LOAD, BYTE},
    [0xa1] = {INSN_MOV, F_OFFS_LOAD, 0},
    [0xa2] = {INSN_MOV, F_OFFS_STORE, BYTE},
    [0xa3] = {INSN_MOV, F_OFFS_STORE, 0},
    [0xa4] = {INSN_MOVS, F_STRING, BYTE},
    [0xa5] = {INSN_MOVS, F_STRING, 0},
    [0xa6] = {INSN_CMPS, F_STRING, BYTE},
    [0xa7] = {INSN_CMPS, F_STRING, 0},
    [0xaa] = {INSN_STOS, F_STRING, BYTE},
    [0xab] = {INSN_STOS, F_STRING, 0},
    [0xac] = {INSN_LODS, F_STRING, BYTE},
    [0xad] = {INSN_LODS, F_STRING, 0},
    [0xae] = {INSN_SCAS, F_STRING, BYTE},
    [0xaf] = {INSN_SCAS, F_STRING, 0},
    [0xc6 ... 0xc7] = {0, F_GROUP, 0},
    [0xf6 ... 0xf7] = {0, F_GROUP, 0},
    [0xfe ... 0xff] = {0, F_GROUP, 0},
};

static const struct opcode two_byte[256] = {
    [0xa3] = {INSN_BT, F_MEM_REG, 0},
    [0xab] = {INSN_BTS, F_MEM_REG, LOCK},
    [0xb0] = {INSN_CMPXCHG, F_MEM_REG, BYTE | LOCK},
    [0xb1] = {INSN_CMPXCHG, F_MEM_REG, LOCK},
    [0xb3] = {INSN_BTR, F_MEM_REG, LOCK},
    [0xb6] = {INSN_MOVZX, F_REG_MEM, BYTE | WIDE},
    [0xb7] = {INSN_MOVZX, F_REG_MEM, WIDE},
    [0xba] = {0, F_GROUP, 0},
    [0xbb] = {INSN_BTC, F_MEM_REG, LOCK},
    [0xbe] = {INSN_MOVSX, F_REG_MEM, BYTE | WIDE},
    [0xbf] = {INSN_MOVSX, F_REG_MEM, WIDE},
    [0xc0] = {INSN_XADD, F_MEM_REG, BYTE | LOCK},
    [0xc1] = {INSN_XADD, F_MEM_REG, LOCK},
    [0xc3] = {INSN_MOV, F_MEM_REG, BARE}, /* MOVNTI */
};

/* 0F 38: MOVBE; with F2 they are CRC32. */
static const struct opcode three_byte_f0 = {INSN_MOVBE, F_REG_MEM, 0};
static const struct opcode three_byte_f1 = {INSN_MOVBE, F_MEM_REG, 0};

/* The decoder's position and what the prefixes said. */
struct cursor {
    const u8 *bytes;
    unsigned n, at;
    enum insn_mode mode;
    enum insn_status status;
    bool operand_size, address_size, lock;
    u8 rex, rep, seg; /* rep: the last of F2 and F3, or 0; seg: SEG_COUNT if not overridden */
    u8 modrm;
};

static u8 next_byte(struct cursor *c)
{
    if (c->status != INSN_OK)
        return 0;
    if (c->at >= INSN_MAX) {
        c->status = INSN_TOO_LONG;
        return 0;
    }
    if (c->at >= c->n) {
        c->status = INSN_MORE;
        return 0;
    }
    return c->bytes[c->at++];
}

/* A little-endian number of 1, 2, 4 or 8 bytes, sign-extended. */
static u64 next_signed(struct cursor *c, unsigned bytes)
{
    u64 val = 0;
    unsigned i;

    for (i = 0; i < bytes; i++)
        val |= (u64)next_byte(c) << 8 * i;
    return (u64)((s64)(val << (64 - 8 * bytes)) >> (64 - 8 * bytes));
}

/* In 64-bit mode the overrides of ES, CS, SS and DS are ignored (APM vol. 3 §1.2.4). */
static bool take_prefix(struct cursor *c, u8 byte)
{
    bool flat = c->mode == INSN_MODE_64;

    switch (byte) {
    case PREFIX_OPERAND_SIZE:
        c->operand_size = true;
        return true;
    case PREFIX_ADDRESS_SIZE:
        c->address_size = true;
        return true;
    case PREFIX_LOCK:
        c->lock = true;
        return true;
    case PREFIX_REPNE:
    case PREFIX_REPE:
        c->rep = byte;
        return true;
    case PREFIX_ES:
    case PREFIX_CS:
    case PREFIX_SS:
    case PREFIX_DS:
        if (!flat)
            c->seg = (byte - PREFIX_ES) / 8;
        return true;
    case PREFIX_FS:
    case PREFIX_GS:
        c->seg = SEG_FS + (byte - PREFIX_FS);
        return true;
    }
    return false;
}

/* Prefixes up to and including REX; returns the opcode byte. A REX that another prefix follows is void. */
static u8 take_prefixes(struct cursor *c)
{
    u8 byte = next_byte(c);

    while (c->status == INSN_OK) {
        if (c->mode == INSN_MODE_64 && (byte & 0xf0) == PREFIX_REX)
            c->rex = byte;
        else if (take_prefix(c, byte))
            c->rex = 0;
        else
            break;
        byte = next_byte(c);
    }
    return byte;
}

static unsigned operand_bytes(const struct cursor *c)
{
    if (c->rex & REX_W)
        return 8;
    return (c->mode == INSN_MODE_16) != c->operand_size ? 2 : 4;
}

static unsigned address_bytes(const struct cursor *c)
{
    if (c->mode == INSN_MODE_64)
        return c->address_size ? 4 : 8;
    return (c->mode == INSN_MODE_16) != c->address_size ? 2 : 4;
}

static unsigned modrm_reg(const struct cursor *c)
{
    return c->modrm >> 3 & 7;
}

/* 16-bit addressing forms by ModRM.rm, SDM vol. 2 table 2-1. */
static void decode_mem16(struct cursor *c, struct insn *insn)
{
    static const struct {
        u8 base, index;
    } form[8] = {{3, 6},           {3, 7},           {5, 6},           {5, 7},
                 {6, INSN_NO_REG}, {7, INSN_NO_REG}, {5, INSN_NO_REG}, {3, INSN_NO_REG}};
    unsigned mod = c->modrm >> 6, rm = c->modrm & 7;

    insn->mem.base = form[rm].base;
    insn->mem.index = form[rm].index;
    if (mod == 0 && rm == 6) {
        insn->mem.base = INSN_NO_REG;
        mod = 2;
    }
    if (mod)
        insn->mem.disp = next_signed(c, mod);
    insn->mem.seg = insn->mem.base == 5 ? SEG_SS : SEG_DS;
}

/* 32-bit and 64-bit addressing forms, SDM vol. 2 tables 2-2 and 2-3. */
static void decode_mem32(struct cursor *c, struct insn *insn)
{
    unsigned mod = c->modrm >> 6, base = c->modrm & 7, disp_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    bool no_base = mod == 0 && base == 5;

    if (base == 4) {
        u8 sib = next_byte(c);
        unsigned index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);

        base = sib & 7;
        no_base = mod == 0 && base == 5;
        insn->mem.scale = 1u << (sib >> 6);
        if (index != 4)
            insn->mem.index = index;
    } else if (no_base) {
        insn->mem.rip_relative = c->mode == INSN_MODE_64;
    }
    if (no_base)
        disp_bytes = 4;
    else
        insn->mem.base = base | (c->rex & REX_B ? 8 : 0);
    if (disp_bytes)
        insn->mem.disp = next_signed(c, disp_bytes);
    insn->mem.seg = insn->mem.base == 4 || insn->mem.base == 5 ? SEG_SS : SEG_DS;
}

/* The memory operand of a ModRM whose mod is not 3, with the default segment or its override. */
static void decode_mem(struct cursor *c, struct insn *insn)
{
    insn->address_size = address_bytes(c);
    insn->mem.base = insn->mem.index = INSN_NO_REG;
    insn->mem.scale = 1;
    if (insn->address_size == 2)
        decode_mem16(c, insn);
    else
        decode_mem32(c, insn);
    if (c->mode == INSN_MODE_64)
        insn->mem.seg = SEG_DS;
    if (c->seg != SEG_COUNT)
        insn->mem.seg = c->seg;
}

/* Without REX, byte registers 4 to 7 are AH, CH, DH, BH. */
static void decode_reg(const struct cursor *c, struct insn *insn)
{
    insn->other = INSN_REG;
    insn->reg = modrm_reg(c) | (c->rex & REX_R ? 8 : 0);
    if (insn->reg_size == 1 && !c->rex && insn->reg >= 4) {
        insn->high_byte = true;
        insn->reg -= 4;
    }
}

static void decode_imm(struct cursor *c, struct insn *insn, unsigned bytes)
{
    insn->other = INSN_IMM;
    insn->imm = next_signed(c, min(bytes, 4u));
}

/* What ModRM.reg makes of a group opcode (SDM vol. 2 table A-6): form F_NONE if nothing known. */
static struct opcode group_entry(const struct cursor *c, bool escaped, u8 opcode)
{
    unsigned reg = modrm_reg(c);
    u8 byte = opcode & 1 ? 0 : BYTE;

    if (escaped) /* 0F BA */
        return reg < 4 ? (struct opcode){0} : (struct opcode){INSN_BT + reg - 4, F_MEM_IMM8, reg > 4 ? LOCK : 0};
    switch (opcode) {
    case 0x80 ... 0x83:
        return (struct opcode){INSN_ADD + reg, opcode == 0x83 ? F_MEM_IMM8 : F_MEM_IMM, byte | (reg < 7 ? LOCK : 0)};
    case 0xc6 ... 0xc7:
        return reg ? (struct opcode){0} : (struct opcode){INSN_MOV, F_MEM_IMM, byte};
    case 0xf6 ... 0xf7:
        if (reg < 2)
            return (struct opcode){INSN_TEST, F_MEM_IMM, byte};
        return reg > 3 ? (struct opcode){0} : (struct opcode){reg == 2 ? INSN_NOT : INSN_NEG, F_MEM, byte | LOCK};
    case 0xfe ... 0xff:
        return reg > 1 ? (struct opcode){0} : (struct opcode){reg ? INSN_DEC : INSN_INC, F_MEM, byte | LOCK};
    }
    return (struct opcode){0};
}

static bool writes_memory(const struct insn *insn, const struct opcode *o)
{
    return o->form != F_REG_MEM && insn->op != INSN_CMP && insn->op != INSN_TEST && insn->op != INSN_BT;
}

/* Operands named by ModRM. */
static void decode_modrm_operands(struct cursor *c, struct insn *insn, const struct opcode *o)
{
    decode_mem(c, insn);
    insn->mem_is_dst = o->form != F_REG_MEM;
    switch (o->form) {
    case F_MEM_REG:
    case F_REG_MEM:
        decode_reg(c, insn);
        break;
    case F_MEM_IMM:
        decode_imm(c, insn, insn->size);
        break;
    case F_MEM_IMM8:
        decode_imm(c, insn, 1);
        break;
    }
    if (c->lock && (!(o->flags & LOCK) || !writes_memory(insn, o)))
        c->status = c->status == INSN_OK ? INSN_UD : c->status;
}

/* moffs is an offset of the address size, zero-extended (SDM vol. 2, MOV). */
static void decode_moffs(struct cursor *c, struct insn *insn, const struct opcode *o)
{
    unsigned i;

    insn->address_size = address_bytes(c);
    insn->mem.base = insn->mem.index = INSN_NO_REG;
    insn->mem.scale = 1;
    insn->mem.seg = c->seg != SEG_COUNT ? c->seg : SEG_DS;
    insn->mem_is_dst = o->form == F_OFFS_STORE;
    insn->other = INSN_REG;
    for (i = 0; i < insn->address_size; i++)
        insn->mem.disp |= (u64)next_byte(c) << 8 * i;
    if (c->lock && c->status == INSN_OK)
        c->status = INSN_UD;
}

static void decode_string(struct cursor *c, struct insn *insn)
{
    insn->address_size = address_bytes(c);
    insn->mem.base = insn->mem.index = INSN_NO_REG;
    insn->mem.scale = 1;
    insn->mem.seg = c->seg != SEG_COUNT ? c->seg : SEG_DS;
    insn->mem_is_dst = insn->op == INSN_MOVS || insn->op == INSN_STOS;
    insn->rep = c->rep == PREFIX_REPE ? INSN_REPE : c->rep == PREFIX_REPNE ? INSN_REPNE : INSN_REP_NONE;
    if (c->lock && c->status == INSN_OK)
        c->status = INSN_UD;
}

/* The opcode after the prefixes, and which table entry it is. */
static struct opcode take_opcode(struct cursor *c, u8 *opcode, bool *escaped)
{
    *opcode = take_prefixes(c);
    *escaped = *opcode == OPCODE_ESCAPE;
    if (!*escaped)
        return one_byte[*opcode];
    *opcode = next_byte(c);
    if (*opcode != 0x38)
        return two_byte[*opcode];
    *opcode = next_byte(c);
    if (c->rep || (*opcode != 0xf0 && *opcode != 0xf1))
        return (struct opcode){0};
    return *opcode == 0xf0 ? three_byte_f0 : three_byte_f1;
}

static void operand_sizes(const struct cursor *c, struct insn *insn, const struct opcode *o, bool escaped)
{
    insn->reg_size = o->flags & WIDE || !(o->flags & BYTE) ? operand_bytes(c) : 1;
    if (o->flags & BARE)
        insn->reg_size = c->rex & REX_W ? 8 : 4; /* in 16-bit mode too */
    if (o->flags & BYTE)
        insn->size = 1;
    else if (o->flags & WIDE)
        insn->size = escaped ? 2 : min((unsigned)insn->reg_size, 4u); /* MOVSXD takes at most 32 bits */
    else
        insn->size = insn->reg_size;
}

static void cursor_init(struct cursor *c, const u8 *bytes, unsigned n, enum insn_mode mode)
{
    memset(c, 0, sizeof(*c));
    c->bytes = bytes;
    c->n = n;
    c->mode = mode;
    c->seg = SEG_COUNT;
}

/* Opcodes that mean something else in one mode or with one prefix. */
static bool is_excluded(const struct cursor *c, const struct opcode *o, bool escaped, u8 opcode)
{
    /* ARPL outside 64-bit mode. With a 16-bit operand the vendors read different sizes. */
    if (!escaped && opcode == 0x63)
        return c->mode != INSN_MODE_64 || operand_bytes(c) == 2;
    return (o->flags & BARE) && (c->operand_size || c->rep);
}

enum insn_status insn_decode(const u8 *bytes, unsigned n, enum insn_mode mode, struct insn *insn)
{
    struct cursor c;
    struct opcode o;
    bool escaped;
    u8 opcode;

    cursor_init(&c, bytes, n, mode);
    memset(insn, 0, sizeof(*insn));
    o = take_opcode(&c, &opcode, &escaped);
    if (c.status != INSN_OK)
        return c.status;
    if (o.form == F_NONE || is_excluded(&c, &o, escaped, opcode))
        return INSN_UNKNOWN;
    if (!escaped && opcode == 0x82 && mode == INSN_MODE_64)
        return INSN_UD;
    if (o.form < F_OFFS_LOAD || o.form == F_GROUP) {
        c.modrm = next_byte(&c);
        if (c.status == INSN_OK && c.modrm >> 6 == 3)
            return INSN_UNKNOWN;
        if (c.status == INSN_OK && o.form == F_GROUP)
            o = group_entry(&c, escaped, opcode);
        if (o.form == F_NONE)
            return INSN_UNKNOWN;
    }
    insn->op = o.op;
    insn->lock = c.lock;
    operand_sizes(&c, insn, &o, escaped);
    if (o.form == F_OFFS_LOAD || o.form == F_OFFS_STORE)
        decode_moffs(&c, insn, &o);
    else if (o.form == F_STRING)
        decode_string(&c, insn);
    else
        decode_modrm_operands(&c, insn, &o);
    insn->length = c.at;
    return c.status;
}

/* --- lengths of the instructions that cause exits --- */

/* What follows the opcode. */
enum tail { T_NONE, T_BARE, T_IMM8, T_MODRM, T_MODRM_REG };

static enum tail one_byte_tail(u8 opcode)
{
    switch (opcode) {
    case 0x6c ... 0x6f: /* INS, OUTS */
    case 0x90:          /* PAUSE */
    case 0x9c ... 0x9d: /* PUSHF, POPF */
    case 0xcc:          /* INT3 */
    case 0xce ... 0xcf: /* INTO, IRET */
    case 0xec ... 0xef: /* IN, OUT through DX */
    case 0xf1:          /* INT1 */
    case 0xf4:          /* HLT */
    case 0xfa ... 0xfb: /* CLI, STI */
        return T_BARE;
    case 0xcd:          /* INT n */
    case 0xe4 ... 0xe7: /* IN, OUT with a port number */
        return T_IMM8;
    }
    return T_NONE;
}

static enum tail two_byte_tail(u8 opcode)
{
    switch (opcode) {
    case 0x06:          /* CLTS */
    case 0x08 ... 0x09: /* INVD, WBINVD */
    case 0x0b:          /* UD2 */
    case 0x30 ... 0x33: /* WRMSR, RDTSC, RDMSR, RDPMC */
    case 0xa2:          /* CPUID */
    case 0xaa:          /* RSM */
        return T_BARE;
    case 0x00: /* SLDT, STR, LLDT, LTR */
    case 0x01: /* SGDT .. INVLPG; VMMCALL and its like in the register forms */
    case 0xc7: /* RDRAND, RDSEED, VMX's group */
        return T_MODRM;
    case 0x20 ... 0x23: /* MOV to and from control and debug registers: always registers */
        return T_MODRM_REG;
    }
    return T_NONE;
}

unsigned insn_length(const u8 *bytes, unsigned n, enum insn_mode mode)
{
    struct cursor c;
    struct insn insn;
    enum tail tail;
    u8 opcode;

    if (insn_decode(bytes, n, mode, &insn) == INSN_OK)
        return insn.length;
    cursor_init(&c, bytes, n, mode);
    memset(&insn, 0, sizeof(insn));
    opcode = take_prefixes(&c);
    tail = opcode == OPCODE_ESCAPE ? two_byte_tail(next_byte(&c)) : one_byte_tail(opcode);
    if (tail == T_NONE)
        return 0;
    if (tail == T_IMM8)
        next_byte(&c);
    if (tail == T_MODRM || tail == T_MODRM_REG)
        c.modrm = next_byte(&c);
    if (tail == T_MODRM && c.modrm >> 6 != 3)
        decode_mem(&c, &insn);
    return c.status == INSN_OK ? c.at : 0;
}
