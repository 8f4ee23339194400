/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/decode.c */
/* What the decoder promises apart from what test_decode_zydis.c compares. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/decode.h>
#include <torii/hvm.h>

static struct insn in;

#define DECODE(mode, ...)                               \
    ({                                                  \
        const u8 bytes_[] = {__VA_ARGS__};              \
        insn_decode(bytes_, sizeof(bytes_), mode, &in); \
    })
#define LENGTH(mode, ...)                          \
    ({                                             \
        const u8 bytes_[] = {__VA_ARGS__};         \
        insn_length(bytes_, sizeof(bytes_), mode); \
    })

static void every_truncation_of_an_instruction_asks_for_more(void **state)
{
    /* lock add qword [fs: r13d + r14d*4 + disp32], imm32 */
    static const u8 insn[] = {0xf0, 0x64, 0x67, 0x4b, 0x81, 0x84, 0xb5, 1, 2, 3, 4, 5, 6, 7, 8};
    unsigned n;

    for (n = 0; n < sizeof(insn); n++) {
        assert_int_equal(insn_decode(insn, n, INSN_MODE_64, &in), INSN_MORE);
        assert_int_equal(insn_length(insn, n, INSN_MODE_64), 0);
    }
    assert_int_equal(insn_decode(insn, n, INSN_MODE_64, &in), INSN_OK);
    assert_int_equal(in.length, 15);
    assert_int_equal(in.mem.seg, SEG_FS);
    assert_int_equal(in.mem.base, 13);
    assert_int_equal(in.mem.index, 14);
    assert_int_equal(in.mem.scale, 4);
    assert_int_equal(in.mem.disp, 0x04030201);
    assert_int_equal(in.imm, 0x08070605);
    assert_int_equal(in.size, 8);
    assert_int_equal(in.address_size, 4);
    assert_true(in.lock);
}

static void more_than_fifteen_bytes_are_too_long(void **state)
{
    u8 insn[20];

    memset(insn, 0x66, sizeof(insn));
    insn[13] = 0x89;
    insn[14] = 0x03;
    assert_int_equal(insn_decode(insn, sizeof(insn), INSN_MODE_64, &in), INSN_OK);
    insn[13] = 0x66;
    insn[14] = 0x89;
    insn[15] = 0x03;
    assert_int_equal(insn_decode(insn, sizeof(insn), INSN_MODE_64, &in), INSN_TOO_LONG);
    /* Even if no more bytes than that were given. */
    assert_int_equal(insn_decode(insn, 15, INSN_MODE_64, &in), INSN_TOO_LONG);
    assert_int_equal(insn_length(insn, sizeof(insn), INSN_MODE_64), 0);
}

static void lock_needs_an_instruction_that_can_be_locked(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x01, 0x03), INSN_OK);       /* add [rbx], eax */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x03, 0x03), INSN_UD);       /* add eax, [rbx] */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x39, 0x03), INSN_UD);       /* cmp */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x89, 0x03), INSN_UD);       /* mov */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x85, 0x03), INSN_UD);       /* test */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x0f, 0xa3, 0x03), INSN_UD); /* bt */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x0f, 0xab, 0x03), INSN_OK); /* bts */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0xa4), INSN_UD);             /* movsb */
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0xa1, 0, 0, 0, 0, 0, 0, 0, 0), INSN_UD);
    assert_int_equal(DECODE(INSN_MODE_64, 0xf0, 0x87, 0x03), INSN_OK); /* xchg */
}

static void register_forms_are_not_for_us(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x89, 0xc3), INSN_UNKNOWN);
    assert_int_equal(DECODE(INSN_MODE_64, 0x80, 0xc0, 0x01), INSN_UNKNOWN);
}

static void vector_instructions_are_unknown(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x0f, 0x10, 0x03), INSN_UNKNOWN);       /* movups */
    assert_int_equal(DECODE(INSN_MODE_64, 0x66, 0x0f, 0x6f, 0x03), INSN_UNKNOWN); /* movdqa */
    assert_int_equal(DECODE(INSN_MODE_64, 0x0f, 0x7e, 0x03), INSN_UNKNOWN);       /* movd */
    assert_int_equal(DECODE(INSN_MODE_64, 0xc5, 0xf8, 0x10, 0x03), INSN_UNKNOWN); /* vmovups */
    assert_int_equal(DECODE(INSN_MODE_64, 0xdd, 0x03), INSN_UNKNOWN);             /* fld */
}

static void crc32_is_not_movbe(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x0f, 0x38, 0xf0, 0x03), INSN_OK);
    assert_int_equal(DECODE(INSN_MODE_64, 0xf2, 0x0f, 0x38, 0xf0, 0x03), INSN_UNKNOWN);
}

static void opcode_82_exists_outside_64bit_mode_only(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_32, 0x82, 0x03, 0x01), INSN_OK);
    assert_int_equal(DECODE(INSN_MODE_64, 0x82, 0x03, 0x01), INSN_UD);
}

static void a_rex_that_is_not_last_is_void(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x48, 0x66, 0x89, 0x03), INSN_OK);
    assert_int_equal(in.size, 2);
    assert_int_equal(DECODE(INSN_MODE_64, 0x66, 0x48, 0x89, 0x03), INSN_OK);
    assert_int_equal(in.size, 8);
}

static void byte_registers_depend_on_rex(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x88, 0x23), INSN_OK); /* mov [rbx], ah */
    assert_true(in.high_byte);
    assert_int_equal(in.reg, 0);
    assert_int_equal(DECODE(INSN_MODE_64, 0x40, 0x88, 0x23), INSN_OK); /* spl */
    assert_false(in.high_byte);
    assert_int_equal(in.reg, 4);
}

static void legacy_overrides_are_ignored_in_64bit_mode(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x64, 0x2e, 0x8b, 0x03), INSN_OK);
    assert_int_equal(in.mem.seg, SEG_FS);
    assert_int_equal(DECODE(INSN_MODE_32, 0x64, 0x2e, 0x8b, 0x03), INSN_OK);
    assert_int_equal(in.mem.seg, SEG_CS);
}

static void rip_relative_is_for_64bit_mode(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0x8b, 0x05, 0xf0, 0xff, 0xff, 0xff), INSN_OK);
    assert_true(in.mem.rip_relative);
    assert_int_equal(in.mem.disp, (u64)-16);
    assert_int_equal(DECODE(INSN_MODE_32, 0x8b, 0x05, 0xf0, 0xff, 0xff, 0xff), INSN_OK);
    assert_false(in.mem.rip_relative);
    assert_int_equal(in.mem.base, INSN_NO_REG);
}

static void sixteen_bit_forms_have_their_bases_and_segments(void **state)
{
    static const struct {
        u8 base, index, seg;
    } form[8] = {{3, 6, SEG_DS},           {3, 7, SEG_DS},           {5, 6, SEG_SS},
                 {5, 7, SEG_SS},           {6, INSN_NO_REG, SEG_DS}, {7, INSN_NO_REG, SEG_DS},
                 {5, INSN_NO_REG, SEG_SS}, {3, INSN_NO_REG, SEG_DS}};
    unsigned rm;

    for (rm = 0; rm < 8; rm++) {
        assert_int_equal(DECODE(INSN_MODE_16, 0x8b, 0x40 | rm, 0x80), INSN_OK);
        assert_int_equal(in.mem.base, form[rm].base);
        assert_int_equal(in.mem.index, form[rm].index);
        assert_int_equal(in.mem.seg, form[rm].seg);
        assert_int_equal(in.mem.disp, (u64)-128);
        assert_int_equal(in.size, 2);
        assert_int_equal(in.address_size, 2);
    }
    assert_int_equal(DECODE(INSN_MODE_16, 0x8b, 0x06, 0x34, 0x12), INSN_OK);
    assert_int_equal(in.mem.base, INSN_NO_REG);
    assert_int_equal(in.mem.disp, 0x1234);
    assert_int_equal(in.length, 4);
}

static void string_instructions_carry_rep_and_the_sources_segment(void **state)
{
    assert_int_equal(DECODE(INSN_MODE_64, 0xf3, 0x65, 0x48, 0xa5), INSN_OK);
    assert_int_equal(in.op, INSN_MOVS);
    assert_int_equal(in.rep, INSN_REPE);
    assert_int_equal(in.mem.seg, SEG_GS);
    assert_int_equal(in.size, 8);
    assert_int_equal(DECODE(INSN_MODE_32, 0xf3, 0xf2, 0xae), INSN_OK);
    assert_int_equal(in.rep, INSN_REPNE);
}

static void lengths_of_exit_causing_instructions(void **state)
{
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0xa2), 2);                /* cpuid */
    assert_int_equal(LENGTH(INSN_MODE_64, 0xf4), 1);                      /* hlt */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x32), 2);                /* rdmsr */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x48, 0x0f, 0x30), 3);          /* wrmsr with a REX */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0xd9), 3);          /* vmmcall */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0xc1), 3);          /* vmcall */
    assert_int_equal(LENGTH(INSN_MODE_32, 0xe4, 0x71), 2);                /* in al, 0x71 */
    assert_int_equal(LENGTH(INSN_MODE_32, 0x66, 0xef), 2);                /* out dx, ax */
    assert_int_equal(LENGTH(INSN_MODE_64, 0xf3, 0x66, 0x6d), 3);          /* rep insw */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x65, 0xf3, 0x6f), 3);          /* rep outs gs */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x09), 2);                /* wbinvd */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x08), 2);                /* invd */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0xd1), 3);          /* xsetbv */
    assert_int_equal(LENGTH(INSN_MODE_64, 0xf3, 0x90), 2);                /* pause */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0xc8), 3);          /* monitor */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0xc9), 3);          /* mwait */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x31), 2);                /* rdtsc */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0xf9), 3);          /* rdtscp */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0x3b), 3);          /* invlpg [rbx] */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0x7c, 0x24, 8), 5); /* invlpg [rsp+8] */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x33), 2);                /* rdpmc */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x44, 0x0f, 0x20, 0xc0), 4);    /* mov rax, cr8 */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x22, 0xd8), 3);          /* mov cr3, rax */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x22, 0x1c), 3);          /* the same with mod ignored */
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x23, 0xf8), 3);          /* mov dr7, rax */
    assert_int_equal(LENGTH(INSN_MODE_64, 0xcd, 0x80), 2);                /* int 0x80 */
}

static void svm_instructions_have_lengths(void **state)
{
    unsigned modrm;

    for (modrm = 0xd8; modrm <= 0xdf; modrm++) /* vmrun .. invlpga */
        assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, modrm), 3);
}

static void other_instructions_have_no_length(void **state)
{
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x0d, 0x03), 0);
    assert_int_equal(LENGTH(INSN_MODE_64, 0x62, 0x03), 0);
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f), 0);
    assert_int_equal(LENGTH(INSN_MODE_64, 0xe4), 0);
    assert_int_equal(LENGTH(INSN_MODE_64, 0x0f, 0x01, 0x05, 1, 2, 3), 0);
    assert_int_equal(insn_length(NULL, 0, INSN_MODE_64), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_of_an_instruction_asks_for_more),
        cmocka_unit_test(more_than_fifteen_bytes_are_too_long),
        cmocka_unit_test(lock_needs_an_instruction_that_can_be_locked),
        cmocka_unit_test(register_forms_are_not_for_us),
        cmocka_unit_test(vector_instructions_are_unknown),
        cmocka_unit_test(crc32_is_not_movbe),
        cmocka_unit_test(opcode_82_exists_outside_64bit_mode_only),
        cmocka_unit_test(a_rex_that_is_not_last_is_void),
        cmocka_unit_test(byte_registers_depend_on_rex),
        cmocka_unit_test(legacy_overrides_are_ignored_in_64bit_mode),
        cmocka_unit_test(rip_relative_is_for_64bit_mode),
        cmocka_unit_test(sixteen_bit_forms_have_their_bases_and_segments),
        cmocka_unit_test(string_instructions_carry_rep_and_the_sources_segment),
        cmocka_unit_test(lengths_of_exit_causing_instructions),
        cmocka_unit_test(svm_instructions_have_lengths),
        cmocka_unit_test(other_instructions_have_no_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
