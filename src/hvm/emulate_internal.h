/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the emulator's files: emulate.c (instructions), emulate_mem.c (operands in memory), emulate_alu.c (flags).
 */
#ifndef TORII_HVM_EMULATE_INTERNAL_H
#define TORII_HVM_EMULATE_INTERNAL_H

#include <torii/decode.h>
#include <torii/domain.h>
#include <torii/hvm.h>

/* RFLAGS, SDM vol. 1 §3.4.3. */
#define RFLAGS_CF BIT(0)
#define RFLAGS_PF BIT(2)
#define RFLAGS_AF BIT(4)
#define RFLAGS_ZF BIT(6)
#define RFLAGS_SF BIT(7)
#define RFLAGS_DF BIT(10)
#define RFLAGS_OF BIT(11)
#define RFLAGS_RF BIT(16)

/* One instruction being emulated. */
struct emul {
    struct vcpu *v;
    struct insn insn;
    struct hvm_control c;
    struct hvm_segment cs;
    enum insn_mode mode;
    unsigned cpl;
    gpa_t fault_gpa;
    bool touched;  /* an operand lies in the page of fault_gpa */
    bool emulated; /* an access went elsewhere than to RAM */
    u8 code[INSN_MAX];
    unsigned nr_code;
    u16 port; /* of INS and OUTS */
};

/* A memory operand, translated: one part, or two if it crosses a page. */
struct emul_ref {
    unsigned bytes, nr;
    struct {
        gpa_t gpa;
        unsigned bytes;
    } part[2];
};

/* All: 0, or a result of emulate.h. */
int emul_fetch(struct emul *e);
/* Translate `bytes` at seg:offset; checks segment and page rights and injects what they demand. */
int emul_translate(struct emul *e, enum hvm_seg seg, u64 offset, unsigned bytes, bool write, struct emul_ref *ref);
u64 emul_read(struct emul *e, const struct emul_ref *ref);
void emul_write(struct emul *e, const struct emul_ref *ref, u64 val);

/* dst op src at `size` bytes with the flags the manual gives; the result, which CMP and TEST do not store. */
u64 emul_alu(enum insn_op op, u64 dst, u64 src, unsigned size, u64 *rflags);

/* The low `size` bytes of val. */
static inline u64 emul_truncate(u64 val, unsigned size)
{
    return size >= 8 ? val : val & (BIT(8 * size) - 1);
}

static inline u64 emul_sign_extend(u64 val, unsigned size)
{
    return (u64)((s64)(val << (64 - 8 * size)) >> (64 - 8 * size));
}

#endif
