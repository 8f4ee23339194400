/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/emulate.c src/hvm/emulate_mem.c src/hvm/emulate_alu.c src/hvm/decode.c src/hvm/iomap.c src/hvm/guest_walk.c src/hvm/guest_copy.c tests/unit/fake_guest.c tests/unit/fakes.c */
/* The instruction emulator against the processor this test runs on. */
#include "emulate_world.h"

/* --- against the processor this test runs on --- */

struct native {
    u64 gpr[16];
    u64 rflags;
};

static u8 *native_code, *native_page; /* executable; the memory operand's page and its neighbours */

static unsigned emit(unsigned at, const void *bytes, unsigned n)
{
    memcpy(native_code + at, bytes, n);
    return at + n;
}

/* mov reg, [rdi + 8 * reg], or the other way round with opcode 0x89. */
static unsigned emit_move(unsigned at, u8 opcode, unsigned reg)
{
    u8 code[] = {0x48 | (reg >> 3) << 2, opcode, 0x47 | (reg & 7) << 3, 8 * reg};

    return emit(at, code, 4);
}

/* Load all registers but RSP and the flags from *n, run the instruction, and store them again. */
static void run_native(const u8 *insn, unsigned len, struct native *n)
{
    unsigned at = 0, reg;

    at = emit(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x57", 11); /* push rbx rbp r12-r15 rdi */
    at = emit(at, "\xff\xb7\x80\x00\x00\x00\x9d", 7);                  /* push [rdi+128]; popf */
    for (reg = 0; reg < 16; reg++)
        if (reg != 4 && reg != 7)
            at = emit_move(at, 0x8b, reg);
    at = emit_move(at, 0x8b, 7);
    at = emit(at, insn, len);
    at = emit(at, "\x48\x87\x3c\x24", 4); /* xchg rdi, [rsp] */
    for (reg = 0; reg < 16; reg++)
        if (reg != 4 && reg != 7)
            at = emit_move(at, 0x89, reg);
    at = emit(at, "\x58\x48\x89\x47\x38", 5);                          /* pop rax; mov [rdi+56], rax */
    at = emit(at, "\x9c\x58\x48\x89\x87\x80\x00\x00\x00\xfc", 10);     /* pushf; pop rax; mov [rdi+128], rax; cld */
    at = emit(at, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11); /* pop r15-r12 rbp rbx; ret */
    ((void (*)(struct native *))(uintptr_t)native_code)(n);
}

struct pattern {
    u8 map, opcode, group; /* group: ModRM.reg, or 0xff: any register */
    u8 imm;                /* bytes; 0xff: operand size, at most 4 */
    bool lockable;
    u32 undefined; /* flags */
};

#define ALU(op)                                                                                     \
    {0, 8 * (op), 0xff, 0, (op) != 7, LOGIC(op)}, {0, 8 * (op) + 1, 0xff, 0, (op) != 7, LOGIC(op)}, \
        {0, 8 * (op) + 2, 0xff, 0, false, LOGIC(op)}, {0, 8 * (op) + 3, 0xff, 0, false, LOGIC(op)}, \
        {0, 0x80, op, 1, (op) != 7, LOGIC(op)}, {0, 0x81, op, 0xff, (op) != 7, LOGIC(op)},          \
    {                                                                                               \
        0, 0x83, op, 1, (op) != 7, LOGIC(op)                                                        \
    }
#define LOGIC(op) ((op) == 1 || (op) == 4 || (op) == 6 ? AF : 0)
#define BIT_UNDEF (OF | SF | AF | PF)

static const struct pattern pattern[] = {
    ALU(0),
    ALU(1),
    ALU(2),
    ALU(3),
    ALU(4),
    ALU(5),
    ALU(6),
    ALU(7),
    {0, 0x63, 0xff, 0, false, 0},
    {0, 0x84, 0xff, 0, false, AF},
    {0, 0x85, 0xff, 0, false, AF},
    {0, 0x86, 0xff, 0, true, 0},
    {0, 0x87, 0xff, 0, true, 0},
    {0, 0x88, 0xff, 0, false, 0},
    {0, 0x89, 0xff, 0, false, 0},
    {0, 0x8a, 0xff, 0, false, 0},
    {0, 0x8b, 0xff, 0, false, 0},
    {0, 0xc6, 0, 1, false, 0},
    {0, 0xc7, 0, 0xff, false, 0},
    {0, 0xf6, 0, 1, false, AF},
    {0, 0xf7, 0, 0xff, false, AF},
    {0, 0xf6, 2, 0, true, 0},
    {0, 0xf7, 2, 0, true, 0},
    {0, 0xf6, 3, 0, true, 0},
    {0, 0xf7, 3, 0, true, 0},
    {0, 0xfe, 0, 0, true, 0},
    {0, 0xfe, 1, 0, true, 0},
    {0, 0xff, 0, 0, true, 0},
    {0, 0xff, 1, 0, true, 0},
    {1, 0xa3, 0xff, 0, false, BIT_UNDEF},
    {1, 0xab, 0xff, 0, true, BIT_UNDEF},
    {1, 0xb3, 0xff, 0, true, BIT_UNDEF},
    {1, 0xbb, 0xff, 0, true, BIT_UNDEF},
    {1, 0xba, 4, 1, false, BIT_UNDEF},
    {1, 0xba, 5, 1, true, BIT_UNDEF},
    {1, 0xba, 6, 1, true, BIT_UNDEF},
    {1, 0xba, 7, 1, true, BIT_UNDEF},
    {1, 0xb0, 0xff, 0, true, 0},
    {1, 0xb1, 0xff, 0, true, 0},
    {1, 0xc0, 0xff, 0, true, 0},
    {1, 0xc1, 0xff, 0, true, 0},
    {1, 0xb6, 0xff, 0, false, 0},
    {1, 0xb7, 0xff, 0, false, 0},
    {1, 0xbe, 0xff, 0, false, 0},
    {1, 0xbf, 0xff, 0, false, 0},
    {1, 0xc3, 0xff, 0, false, 0},
    {2, 0xf0, 0xff, 0, false, 0},
    {2, 0xf1, 0xff, 0, false, 0},
};

static const u8 string_opcode[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

static u64 rnd(void)
{
    static u64 s = 0x9e3779b97f4a7c15;

    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return s;
}

/* Values where carries and signs change. */
static u64 interesting(void)
{
    static const u64 value[] = {0,
                                1,
                                0x7f,
                                0x80,
                                0xff,
                                0x7fff,
                                0x8000,
                                0xffff,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x7fffffffffffffff,
                                0x8000000000000000,
                                ~0ull};

    return rnd() % 3 ? rnd() : value[rnd() % ARRAY_SIZE(value)];
}

static void seed_state(struct native *n)
{
    unsigned i;

    for (i = 0; i < 16; i++)
        n->gpr[i] = interesting();
    n->gpr[3] = (u64)(uintptr_t)native_page + 0x800 + rnd() % 64;
    n->rflags = 0x202 | (rnd() & (CF | PF | AF | ZF | SF | OF));
    for (i = 0; i < PAGE_SIZE; i += 8) {
        u64 val = interesting();
        memcpy(native_page + i, &val, 8);
    }
    /* CMPXCHG should succeed now and then. */
    if (rnd() % 2)
        memcpy(native_page + (n->gpr[3] & 0xfff), &n->gpr[0], 8);
}

static bool uses_bit_offset(const struct pattern *p)
{
    return p->map == 1 && (p->opcode == 0xa3 || p->opcode == 0xab || p->opcode == 0xb3 || p->opcode == 0xbb);
}

/* Emulate the same from the same state and compare registers, flags and memory. */
static void compare_with_native(const u8 *code, unsigned len, struct native *n, u32 undefined)
{
    struct native start = *n;
    int rc;

    memcpy(dev, native_page, PAGE_SIZE);
    memcpy(r->gpr, start.gpr, sizeof(r->gpr));
    r->rflags = start.rflags;
    r->rip = CODE_VA;
    run_native(code, len, n);
    rc = emulate_mmio(v, DEV, code, len);
    n->gpr[4] = r->gpr[4];
    if (rc || memcmp(n->gpr, r->gpr, sizeof(r->gpr)) || memcmp(dev, native_page, PAGE_SIZE) ||
        ((n->rflags ^ r->rflags) & ~undefined & (CF | PF | AF | ZF | SF | OF | DF))) {
        unsigned i;

        fprintf(stderr, "rc %d, flags %#lx -> processor %#lx, emulator %#lx:", rc, start.rflags, n->rflags, r->rflags);
        for (i = 0; i < len; i++)
            fprintf(stderr, " %02x", code[i]);
        for (i = 0; i < 16; i++)
            if (n->gpr[i] != r->gpr[i])
                fprintf(stderr, "\n  register %u: %#lx, processor %#lx, emulator %#lx", i, start.gpr[i], n->gpr[i],
                        r->gpr[i]);
        fprintf(stderr, "\n");
        fail();
    }
    assert_int_equal(r->rip, CODE_VA + len);
}

static void map_native_page(void)
{
    fake_map((u64)(uintptr_t)native_page, DEV, P | W);
}

static bool cpu_has_movbe(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & 1u << 22);
}

static void every_instruction_does_what_the_processor_does(void **state)
{
    unsigned i, round, len, modrm, reg, size, imm;
    const struct pattern *p;
    struct native n;
    u8 code[16];

    map_native_page();
    for (i = 0; i < ARRAY_SIZE(pattern) * 300; i++) {
        p = &pattern[i % ARRAY_SIZE(pattern)];
        round = i / ARRAY_SIZE(pattern);
        if (p->map == 2 && !cpu_has_movbe())
            continue;
        len = 0;
        size = 4;
        if (p->lockable && round % 5 == 0)
            code[len++] = 0xf0;
        if (round % 4 == 1 && p->opcode != 0xc3 && p->opcode != 0x63) {
            code[len++] = 0x66;
            size = 2;
        }
        reg = p->group == 0xff ? rnd() & 7 : p->group;
        if (round % 4 >= 2) {
            u8 rex = 0x40 | (round % 4 == 3 ? 8 : 0) | (p->group == 0xff ? rnd() & 4 : 0);
            code[len++] = rex;
            if (rex & 8)
                size = 8;
        }
        if (reg == 4) /* not the stack pointer */
            reg = p->group == 0xff ? 5 : reg;
        if (p->map)
            code[len++] = 0x0f;
        if (p->map == 2)
            code[len++] = 0x38;
        code[len++] = p->opcode;
        modrm = 0x43 | reg << 3; /* [rbx + disp8] */
        code[len++] = modrm;
        code[len++] = rnd() % 32;
        for (imm = p->imm == 0xff ? min(size, 4u) : p->imm; imm; imm--)
            code[len++] = interesting();
        seed_state(&n);
        if (uses_bit_offset(p)) {
            unsigned k;
            for (k = 0; k < 16; k++)
                if (k != 3 && k != 4)
                    n.gpr[k] = (u64)((s64)(rnd() % 8000) - 4000);
            if (reg == 3)
                continue;
        }
        compare_with_native(code, len, &n, p->undefined);
    }
}

static void every_string_instruction_does_what_the_processor_does(void **state)
{
    unsigned i, len;
    struct native n;
    u8 code[8];

    map_native_page();
    for (i = 0; i < 6000; i++) {
        len = 0;
        if (i / 10 % 4)
            code[len++] = i / 10 % 4 == 1 ? 0xf2 : i / 10 % 4 == 2 ? 0xf3 : 0x66;
        if (rnd() % 3 == 0)
            code[len++] = 0x48;
        code[len++] = string_opcode[i % 10];
        seed_state(&n);
        n.gpr[1] = rnd() % 20;
        n.gpr[6] = (u64)(uintptr_t)native_page + 0x400 + rnd() % 0x200;
        n.gpr[7] = (u64)(uintptr_t)native_page + 0x800 + rnd() % 0x200;
        if (rnd() % 2) /* runs of equal elements for REPE */
            memset(native_page + 0x300, 0x11, 0x800);
        if (rnd() % 2)
            n.gpr[0] = 0x1111111111111111;
        if (rnd() % 3 == 0)
            n.rflags |= DF;
        compare_with_native(code, len, &n, 0);
    }
}

static int native_set_up(void **state)
{
    native_code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    native_page = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (native_code == MAP_FAILED || native_page == MAP_FAILED)
        return -1;
    native_page += PAGE_SIZE;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_instruction_does_what_the_processor_does),
        T(every_string_instruction_does_what_the_processor_does),
    };

    return cmocka_run_group_tests(tests, native_set_up, NULL);
}
