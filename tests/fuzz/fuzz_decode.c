/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/decode.c tests/unit/decode_oracle.c */
/* libs: -lZydis */
/* Any bytes in any mode: the decoder stays within them, what it says is consistent, and Zydis says the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <torii/hvm.h>

#include "decode_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)  \
    do {             \
        if (!(cond)) \
            abort(); \
    } while (0)

static void check_ranges(const struct insn *in, enum insn_mode mode)
{
    unsigned regs = mode == INSN_MODE_64 ? 16 : 8;

    CHECK(in->op < INSN_OP_COUNT);
    CHECK(in->size == 1 || in->size == 2 || in->size == 4 || in->size == 8);
    CHECK(in->other != INSN_REG || in->reg_size == 1 || in->reg_size == 2 || in->reg_size == 4 || in->reg_size == 8);
    CHECK(mode == INSN_MODE_64 || (in->size < 8 && in->address_size < 8));
    CHECK(in->address_size == 2 || in->address_size == 4 || in->address_size == 8);
    CHECK(in->reg < regs && (!in->high_byte || in->reg < 4));
    CHECK(in->mem.base < regs || in->mem.base == INSN_NO_REG);
    CHECK(in->mem.index < regs || in->mem.index == INSN_NO_REG);
    CHECK(in->mem.scale == 1 || in->mem.scale == 2 || in->mem.scale == 4 || in->mem.scale == 8);
    CHECK(in->mem.seg <= SEG_GS);
    CHECK(!in->mem.rip_relative || (mode == INSN_MODE_64 && in->mem.base == INSN_NO_REG));
}

/* What follows the input is zeros here. */
static void check_oracle(const uint8_t *bytes, unsigned n, enum insn_mode mode)
{
    static bool ready;
    uint8_t padded[INSN_MAX + 16] = {0};
    unsigned ours, theirs;
    const char *bad;

    if (!ready)
        oracle_init();
    ready = true;
    memcpy(padded, bytes, n < INSN_MAX ? n : INSN_MAX);
    bad = oracle_compare(padded, mode);
    ours = insn_length(padded, INSN_MAX, mode);
    theirs = oracle_length(padded, mode);
    if (!bad && ours && theirs && ours != theirs)
        bad = "length of an instruction that exits";
    if (!bad)
        return;
    fprintf(stderr, "mode %d, %s:", 16 << mode, bad);
    for (unsigned i = 0; i < INSN_MAX; i++)
        fprintf(stderr, " %02x", padded[i]);
    fprintf(stderr, "\n");
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct insn in, again;
    enum insn_mode mode;
    unsigned n, length;
    uint8_t *bytes;

    if (size < 1)
        return 0;
    mode = data[0] % 3;
    n = size - 1;
    /* Of exactly that size, so that the sanitizer sees a byte too far. */
    bytes = malloc(n ? n : 1);
    memcpy(bytes, data + 1, n);
    length = insn_length(bytes, n, mode);
    CHECK(length <= INSN_MAX && length <= n);
    switch (insn_decode(bytes, n, mode, &in)) {
    case INSN_OK:
        CHECK(in.length >= 1 && in.length == length);
        check_ranges(&in, mode);
        CHECK(insn_decode(bytes, in.length, mode, &again) == INSN_OK && !memcmp(&in, &again, sizeof(in)));
        CHECK(insn_decode(bytes, in.length - 1, mode, &again) == INSN_MORE);
        break;
    case INSN_MORE:
        CHECK(n < INSN_MAX && !length);
        break;
    case INSN_TOO_LONG:
        CHECK(n >= INSN_MAX && !length);
        break;
    case INSN_UD:
    case INSN_UNKNOWN:
        break;
    }
    check_oracle(bytes, n, mode);
    free(bytes);
    return 0;
}
