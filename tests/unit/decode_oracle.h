/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction decoder beside Zydis. Link with -lZydis. */
#ifndef TORII_TESTS_DECODE_ORACLE_H
#define TORII_TESTS_DECODE_ORACLE_H

#include <torii/decode.h>

struct oracle_counts {
    unsigned long compared, accepted;
};
extern struct oracle_counts oracle;

void oracle_init(void);

/*
 * NULL, or in what insn_decode disagrees with Zydis about the instruction at bytes; what Zydis calls one of ours with a
 * memory operand must be accepted.
 */
const char *oracle_compare(const u8 bytes[INSN_MAX], enum insn_mode mode);

/* Zydis' length, 0 if it knows no such instruction. */
unsigned oracle_length(const u8 bytes[INSN_MAX], enum insn_mode mode);

#endif
