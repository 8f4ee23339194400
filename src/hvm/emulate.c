/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions. Every operand is translated, with its rights checked, before anything has an effect; after that
 * nothing can fail, so an instruction happens entirely or not at all (a REP: up to an iteration).
 */
#include <torii/emulate.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>

#include "emulate_internal.h"

/* Iterations of a REP in one exit: bounds the time an interrupt waits. */
#define REP_MAX 1024

#define ATTR_L   BIT(9)
#define ATTR_D   BIT(10)
#define EFER_LMA BIT(10)

enum { RAX = 0, RCX = 1, RSI = 6, RDI = 7 };

static u64 reg_read(const struct emul *e, unsigned reg, unsigned size, bool high_byte)
{
    return emul_truncate(e->v->regs.gpr[reg] >> (high_byte ? 8 : 0), size);
}

/* 32-bit results clear the upper half; smaller ones leave the rest alone (SDM vol. 1 §3.4.1.1). */
static void reg_write(struct emul *e, unsigned reg, unsigned size, bool high_byte, u64 val)
{
    u64 *r = &e->v->regs.gpr[reg], mask = size >= 4 ? ~0ull : (BIT(8 * size) - 1) << (high_byte ? 8 : 0);

    val = emul_truncate(val, size) << (high_byte ? 8 : 0);
    *r = (*r & ~mask) | val;
}

static void insn_reg_write(struct emul *e, u64 val)
{
    reg_write(e, e->insn.reg, e->insn.reg_size, e->insn.high_byte, val);
}

static void advance_rip(struct emul *e)
{
    u64 rip = e->v->regs.rip + e->insn.length;

    e->v->regs.rip = e->mode == INSN_MODE_64 ? rip : (u32)rip;
    e->v->regs.rflags &= ~RFLAGS_RF;
}

static void emul_init(struct emul *e, struct vcpu *v)
{
    memset(e, 0, sizeof(*e));
    e->v = v;
    hvm->get_control(v, &e->c);
    hvm->get_segment(v, SEG_CS, &e->cs);
    e->cpl = hvm->cpl(v);
    if ((e->c.efer & EFER_LMA) && (e->cs.attr & ATTR_L))
        e->mode = INSN_MODE_64;
    else
        e->mode = e->cs.attr & ATTR_D ? INSN_MODE_32 : INSN_MODE_16;
}

/* --- instructions with one memory operand --- */

static bool reads_memory(const struct insn *insn)
{
    return !insn->mem_is_dst || (insn->op != INSN_MOV && insn->op != INSN_MOVBE && insn->op != INSN_STOS);
}

static bool writes_memory(const struct insn *insn)
{
    if (insn->op == INSN_CMP || insn->op == INSN_TEST || insn->op == INSN_BT)
        return false;
    return insn->mem_is_dst;
}

static u64 other_operand(const struct emul *e)
{
    const struct insn *insn = &e->insn;

    if (insn->other == INSN_IMM)
        return insn->imm;
    return insn->other == INSN_REG ? reg_read(e, insn->reg, insn->reg_size, insn->high_byte) : 0;
}

/* A bit offset in a register reaches beyond the operand: by whole operands, up or down (SDM vol. 2, BT). */
static u64 bit_displacement(const struct emul *e)
{
    const struct insn *insn = &e->insn;
    s64 bit;

    if (insn->op < INSN_BT || insn->op > INSN_BTC || insn->other != INSN_REG)
        return 0;
    bit = (s64)emul_sign_extend(other_operand(e), insn->size);
    return (u64)(bit >> 3) & ~(u64)(insn->size - 1);
}

static u64 effective_address(const struct emul *e)
{
    const struct insn *insn = &e->insn;
    u64 offset = insn->mem.disp + bit_displacement(e);

    if (insn->mem.base != INSN_NO_REG)
        offset += e->v->regs.gpr[insn->mem.base];
    if (insn->mem.index != INSN_NO_REG)
        offset += e->v->regs.gpr[insn->mem.index] * insn->mem.scale;
    if (insn->mem.rip_relative)
        offset += e->v->regs.rip + insn->length;
    return emul_truncate(offset, insn->address_size);
}

static u64 swap_bytes(u64 val, unsigned size)
{
    return __builtin_bswap64(val) >> (64 - 8 * size);
}

/* CMPXCHG writes in either case: the new value, or back what it read (SDM vol. 2). */
static u64 compare_exchange(struct emul *e, u64 mem, u64 src)
{
    const struct insn *insn = &e->insn;

    emul_alu(INSN_CMP, reg_read(e, RAX, insn->size, false), mem, insn->size, &e->v->regs.rflags);
    if (e->v->regs.rflags & RFLAGS_ZF)
        return src;
    reg_write(e, RAX, insn->size, false, mem);
    return mem;
}

/* Do it with `mem` as what memory holds; returns what to write there, if it writes. */
static u64 execute(struct emul *e, u64 mem)
{
    const struct insn *insn = &e->insn;
    u64 src = other_operand(e), *rflags = &e->v->regs.rflags;

    switch (insn->op) {
    case INSN_MOV:
    case INSN_MOVZX:
        if (!insn->mem_is_dst)
            insn_reg_write(e, mem);
        return src;
    case INSN_MOVSX:
        insn_reg_write(e, emul_sign_extend(mem, insn->size));
        return 0;
    case INSN_MOVBE:
        if (!insn->mem_is_dst)
            insn_reg_write(e, swap_bytes(mem, insn->size));
        return swap_bytes(src, insn->size);
    case INSN_XCHG:
        insn_reg_write(e, mem);
        return src;
    case INSN_XADD:
        insn_reg_write(e, mem);
        return emul_alu(INSN_XADD, mem, src, insn->size, rflags);
    case INSN_CMPXCHG:
        return compare_exchange(e, mem, src);
    }
    if (insn->mem_is_dst)
        return emul_alu(insn->op, mem, src, insn->size, rflags);
    src = emul_alu(insn->op, src, mem, insn->size, rflags);
    if (insn->op != INSN_CMP && insn->op != INSN_TEST)
        insn_reg_write(e, src);
    return 0;
}

static int one_operand(struct emul *e)
{
    const struct insn *insn = &e->insn;
    struct emul_ref ref;
    u64 val = 0;
    int rc;

    rc = emul_translate(e, insn->mem.seg, effective_address(e), insn->size, writes_memory(insn), &ref);
    if (rc)
        return rc;
    if (!e->touched)
        return -XEN_EAGAIN;
    if (reads_memory(insn))
        val = emul_read(e, &ref);
    val = execute(e, val);
    if (writes_memory(insn))
        emul_write(e, &ref, val);
    advance_rip(e);
    return 0;
}

/* --- string instructions --- */

static u64 string_offset(const struct emul *e, unsigned reg)
{
    return reg_read(e, reg, e->insn.address_size, false);
}

static void string_advance(struct emul *e, unsigned reg)
{
    u64 step = e->v->regs.rflags & RFLAGS_DF ? -(u64)e->insn.size : e->insn.size;

    reg_write(e, reg, e->insn.address_size, false, string_offset(e, reg) + step);
}

static int source(struct emul *e, struct emul_ref *ref)
{
    return emul_translate(e, e->insn.mem.seg, string_offset(e, RSI), e->insn.size, false, ref);
}

static int destination(struct emul *e, bool write, struct emul_ref *ref)
{
    return emul_translate(e, SEG_ES, string_offset(e, RDI), e->insn.size, write, ref);
}

static bool has_source(unsigned op)
{
    return op == INSN_MOVS || op == INSN_LODS || op == INSN_CMPS;
}

static bool has_destination(unsigned op)
{
    return op != INSN_LODS;
}

/* One iteration of MOVS, STOS, LODS, CMPS or SCAS. */
static int string_step(struct emul *e)
{
    unsigned op = e->insn.op, size = e->insn.size;
    u64 val = reg_read(e, RAX, size, false), *rflags = &e->v->regs.rflags;
    struct emul_ref src, dst;
    int rc = 0;

    if (has_source(op))
        rc = source(e, &src);
    if (!rc && has_destination(op))
        rc = destination(e, e->insn.mem_is_dst, &dst);
    if (rc)
        return rc;
    if (!e->touched)
        return -XEN_EAGAIN;
    if (has_source(op))
        val = emul_read(e, &src);
    if (op == INSN_LODS)
        reg_write(e, RAX, size, false, val);
    else if (e->insn.mem_is_dst)
        emul_write(e, &dst, val);
    else
        emul_alu(INSN_CMP, val, emul_read(e, &dst), size, rflags);
    if (has_source(op))
        string_advance(e, RSI);
    if (has_destination(op))
        string_advance(e, RDI);
    return 0;
}

/* REPE and REPNE look at ZF after CMPS and SCAS only. */
static bool string_found(const struct emul *e)
{
    bool zf = e->v->regs.rflags & RFLAGS_ZF;

    if (e->insn.op != INSN_CMPS && e->insn.op != INSN_SCAS)
        return false;
    return e->insn.rep == INSN_REPE ? !zf : zf;
}

/*
 * Iterate: until the count is used up, the string is decided, or the operands have left what needs emulation; the
 * processor does the rest itself then. RIP moves on only when the instruction is complete.
 */
static int repeat(struct emul *e, int (*step)(struct emul *e))
{
    unsigned n, width = e->insn.address_size;
    int rc;

    for (n = 0; n < REP_MAX; n++) {
        if (e->insn.rep && !reg_read(e, RCX, width, false))
            break;
        e->emulated = false;
        rc = step(e);
        if (rc)
            return rc;
        if (!e->insn.rep)
            break;
        reg_write(e, RCX, width, false, reg_read(e, RCX, width, false) - 1);
        if (string_found(e) || !reg_read(e, RCX, width, false))
            break;
        if (!e->emulated)
            return 0;
    }
    if (n < REP_MAX)
        advance_rip(e);
    return 0;
}

static bool is_string(unsigned op)
{
    return op >= INSN_MOVS && op <= INSN_SCAS;
}

/* Decode what the processor reported, fetching the rest (or all) from guest memory. */
static int fetch_and_decode(struct emul *e)
{
    enum insn_status status = e->nr_code ? insn_decode(e->code, e->nr_code, e->mode, &e->insn) : INSN_MORE;
    int rc;

    while (status == INSN_MORE) {
        rc = emul_fetch(e);
        if (rc)
            return rc;
        status = insn_decode(e->code, e->nr_code, e->mode, &e->insn);
    }
    switch (status) {
    case INSN_OK:
        return 0;
    case INSN_UD:
        inject_ud(e->v);
        return -XEN_EFAULT;
    case INSN_TOO_LONG:
        inject_gp(e->v);
        return -XEN_EFAULT;
    default:
        return -XEN_EOPNOTSUPP;
    }
}

int emulate_mmio(struct vcpu *v, gpa_t fault_gpa, const u8 *bytes, unsigned nbytes)
{
    struct emul e;
    int rc;

    emul_init(&e, v);
    e.fault_gpa = fault_gpa;
    e.touched = fault_gpa == EMULATE_TABLE;
    e.nr_code = min(nbytes, (unsigned)INSN_MAX);
    if (e.nr_code)
        memcpy(e.code, bytes, e.nr_code);
    rc = fetch_and_decode(&e);
    if (rc)
        return rc;
    return is_string(e.insn.op) ? repeat(&e, string_step) : one_operand(&e);
}

/* --- string I/O --- */

/* The destination is checked before the port is read: a port may lose what it gave. */
static int ins_step(struct emul *e)
{
    struct emul_ref dst;
    u32 val = 0;
    int rc = destination(e, true, &dst);

    if (rc)
        return rc;
    pio_access(e->v, e->port, e->insn.size, false, &val);
    emul_write(e, &dst, val);
    string_advance(e, RDI);
    e->emulated = true;
    return 0;
}

static int outs_step(struct emul *e)
{
    struct emul_ref src;
    u32 val;
    int rc = source(e, &src);

    if (rc)
        return rc;
    val = emul_read(e, &src);
    pio_access(e->v, e->port, e->insn.size, true, &val);
    string_advance(e, RSI);
    e->emulated = true;
    return 0;
}

int emulate_pio_string(struct vcpu *v, u16 port, unsigned bytes, bool in, bool rep, unsigned addr_bits,
                       enum hvm_seg seg)
{
    struct emul e;
    int rc;

    emul_init(&e, v);
    e.fault_gpa = ~0ull;
    e.port = port;
    while (!(e.insn.length = insn_length(e.code, e.nr_code, e.mode))) {
        if (e.nr_code == INSN_MAX)
            return -XEN_EOPNOTSUPP;
        rc = emul_fetch(&e);
        if (rc)
            return rc;
    }
    e.insn.op = in ? INSN_STOS : INSN_LODS;
    e.insn.size = bytes;
    e.insn.address_size = addr_bits / 8;
    e.insn.rep = rep ? INSN_REPE : INSN_REP_NONE;
    e.insn.mem.seg = seg;
    return repeat(&e, in ? ins_step : outs_step);
}
