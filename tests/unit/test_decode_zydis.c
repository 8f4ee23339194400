/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/decode.c tests/unit/decode_oracle.c */
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

#include "decode_oracle.h"

static unsigned long lengths, disagreements;

static void check(const u8 *bytes, unsigned mode)
{
    static const char *said;
    static u8 said_bytes[2];
    const char *bad = oracle_compare(bytes, mode);
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
    unsigned mode, map, op, modrm, p, at, len, theirs;

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
                        theirs = oracle_length(bytes, mode);
                        if (!len || !theirs)
                            continue;
                        lengths++;
                        if (len != theirs)
                            fprintf(stderr, "mode %u map %u op %02x modrm %02x: %u, Zydis %u\n", mode, map, op, modrm,
                                    len, theirs);
                        assert_int_equal(len, theirs);
                    }
}

static int set_up(void **state)
{
    oracle_init();
    return 0;
}

static int report(void **state)
{
    printf("compared %lu encodings, %lu of them accepted; %lu lengths\n", oracle.compared, oracle.accepted, lengths);
    return oracle.accepted > 1000000 && lengths > 10000 ? 0 : -1;
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
