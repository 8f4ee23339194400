/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions on pages that are emulated: every encoding a compiler or an assembler makes of a load or a store. */
#include "rt.h"

/* TPR is the cell: eight bits that keep what they get, and read as 32. */
#define TPR  (LAPIC_BASE + LAPIC_TPR)
#define TICR (LAPIC_BASE + LAPIC_TICR) /* 32 bits that keep what they get */

static u64 flags_of;

static void loads(void)
{
    u64 a, c = TICR;

    write32(TICR, 0x89abcdef);
    __asm__ volatile("movl (%1), %k0" : "=r"(a) : "r"(c));
    is(a, 0x89abcdef, "MOV r32, m32");
    __asm__ volatile("movq $-1, %%rax; movabsl 0xfee00380, %%eax; movq %%rax, %0" : "=r"(a) : : "rax");
    is(a, 0x89abcdef, "MOV EAX, moffs, and the upper half cleared");
    __asm__ volatile("movl 0x10(%1, %2, 4), %k0" : "=r"(a) : "r"(c - 0x10 - 0x100), "r"(0x40ull));
    is(a, 0x89abcdef, "MOV with base, index, scale and displacement");
    __asm__ volatile("movl (%1), %%r15d; movq %%r15, %0" : "=r"(a) : "r"(c) : "r15");
    is(a, 0x89abcdef, "MOV to an extended register");
    __asm__ volatile("movslq (%1), %0" : "=r"(a) : "r"(c));
    is(a, 0xffffffff89abcdef, "MOVSXD");
    __asm__ volatile("movl %2, %k0; andl (%1), %k0" : "=&r"(a) : "r"(c), "i"(0xffff0000u));
    is(a, 0x89ab0000, "AND r32, m32");
    __asm__ volatile("movl %2, %k0; orl (%1), %k0" : "=&r"(a) : "r"(c), "i"(0x10));
    is(a, 0x89abcdff, "OR r32, m32");
    __asm__ volatile("movl %2, %k0; xorl (%1), %k0" : "=&r"(a) : "r"(c), "i"(0x89abcdef));
    is(a, 0, "XOR r32, m32");
    __asm__ volatile("movl $1, %k0; addl (%1), %k0" : "=&r"(a) : "r"(c));
    is(a, 0x89abcdf0, "ADD r32, m32");
    __asm__ volatile("movl $0, %k0; subl (%1), %k0" : "=&r"(a) : "r"(c));
    is(a, 0x76543211, "SUB r32, m32");
    __asm__ volatile("pushq (%1); popq %0" : "=r"(a) : "r"((u64)&c));
    is(a, TICR, "PUSH of memory beside it still works");
}

#define FLAGS(insn, ...) __asm__ volatile(insn "; pushfq; popq %0" : "=r"(flags_of) : __VA_ARGS__ : "cc", "memory")
#define CF               1u
#define ZF               0x40u
#define SF               0x80u

static void compares(void)
{
    u64 c = TICR;

    FLAGS("cmpl %2, (%1)", "r"(c), "r"(0x89abcdefu));
    is(flags_of & ZF, ZF, "CMP m32, r32: equal");
    FLAGS("cmpl (%1), %2", "r"(c), "r"(1u));
    is(flags_of & (ZF | CF), CF, "CMP r32, m32: below");
    FLAGS("cmpl $0x7f, (%1)", "r"(c));
    is(flags_of & (ZF | CF | SF), SF, "CMP m32, imm8: above, and the sign of the difference");
    FLAGS("testl $0x80000000, (%1)", "r"(c));
    is(flags_of & (ZF | SF), SF, "TEST m32, imm32");
    FLAGS("testl %2, (%1)", "r"(c), "r"(0x10u));
    is(flags_of & ZF, ZF, "TEST m32, r32");
    FLAGS("btl $31, (%1)", "r"(c));
    is(flags_of & CF, CF, "BT m32, imm8");
    FLAGS("btl %2, (%1)", "r"(c), "r"(4u));
    is(flags_of & CF, 0, "BT m32, r32");
}

static void stores(void)
{
    u64 c = TICR;
    u32 a;

    __asm__ volatile("movl $0x12345678, (%0)" : : "r"(c) : "memory");
    is(read32(c), 0x12345678, "MOV m32, imm32");
    __asm__ volatile("movl %1, (%0)" : : "r"(c), "r"(0x9abcdef0) : "memory");
    is(read32(c), 0x9abcdef0, "MOV m32, r32");
    __asm__ volatile("movl $0x11112222, %%eax; movabsl %%eax, 0xfee00380" : : : "rax", "memory");
    is(read32(c), 0x11112222, "MOV moffs, EAX");
    __asm__ volatile("andl $0xff, (%0)" : : "r"(c) : "memory");
    is(read32(c), 0x22, "AND m32, imm32");
    __asm__ volatile("orl %1, (%0)" : : "r"(c), "r"(0x700u) : "memory");
    is(read32(c), 0x722, "OR m32, r32");
    __asm__ volatile("xorl $0x22, (%0)" : : "r"(c) : "memory");
    is(read32(c), 0x700, "XOR m32, imm8");
    __asm__ volatile("addl $0x11, (%0)" : : "r"(c) : "memory");
    is(read32(c), 0x711, "ADD m32, imm8");
    __asm__ volatile("subl %1, (%0)" : : "r"(c), "r"(0x11u) : "memory");
    is(read32(c), 0x700, "SUB m32, r32");
    __asm__ volatile("incl (%0)" : : "r"(c) : "memory");
    is(read32(c), 0x701, "INC m32");
    __asm__ volatile("decl (%0)" : : "r"(c) : "memory");
    is(read32(c), 0x700, "DEC m32");
    __asm__ volatile("notl (%0)" : : "r"(c) : "memory");
    is(read32(c), ~0x700u, "NOT m32");
    a = 0x55;
    __asm__ volatile("xchgl %0, (%1)" : "+r"(a) : "r"(c) : "memory");
    ok(a == ~0x700u && read32(c) == 0x55, "XCHG m32, r32");
    __asm__ volatile("btsl $8, (%0)" : : "r"(c) : "memory", "cc");
    is(read32(c), 0x155, "BTS m32, imm8");
    __asm__ volatile("btrl $0, (%0)" : : "r"(c) : "memory", "cc");
    is(read32(c), 0x154, "BTR m32, imm8");
    a = 0x10;
    __asm__ volatile("lock xaddl %0, (%1)" : "+r"(a) : "r"(c) : "memory", "cc");
    ok(a == 0x154 && read32(c) == 0x164, "LOCK XADD m32, r32");
    __asm__ volatile("movl $0x164, %%eax; lock cmpxchgl %1, (%0)" : : "r"(c), "r"(0x777u) : "rax", "memory", "cc");
    is(read32(c), 0x777, "LOCK CMPXCHG m32, r32");
    __asm__ volatile("lock orl $8, (%0)" : : "r"(c) : "memory", "cc");
    is(read32(c), 0x77f, "LOCK OR m32, imm8");
}

/* String instructions, both ways, and segment overrides. */
static void strings(void)
{
    static u32 from[4] = {0x11, 0x22, 0x33, 0x44}, to[4];
    u64 d, s, n;

    d = TICR, s = (u64)from, n = 1;
    __asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    ok(read32(TICR) == 0x11 && d == TICR + 4 && s == (u64)&from[1] && n == 0, "REP MOVSD to the page");
    d = (u64)to, s = LAPIC_BASE + LAPIC_VERSION;
    __asm__ volatile("movsl" : "+D"(d), "+S"(s) : : "memory");
    ok(to[0] == read32(LAPIC_BASE + LAPIC_VERSION) && d == (u64)&to[1] && s == LAPIC_BASE + LAPIC_VERSION + 4,
       "MOVSD from the page");
    d = TICR;
    __asm__ volatile("stosl" : "+D"(d) : "a"(0x4242) : "memory");
    ok(read32(TICR) == 0x4242 && d == TICR + 4, "STOSD");
    s = TICR, n = 0;
    __asm__ volatile("lodsl" : "+S"(s), "+a"(n) : : "memory");
    ok(n == 0x4242 && s == TICR + 4, "LODSD");
    d = TICR + 0xc;
    s = (u64)&from[3];
    n = 4;
    __asm__ volatile("std; rep movsl; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    ok(read32(TICR) == 0x11 && n == 0, "REP MOVSD backwards");
    d = TICR, n = 0;
    write32(TICR, 0x5a5a);
    __asm__ volatile("rep stosl" : "+D"(d), "+c"(n) : "a"(1) : "memory");
    is(read32(TICR), 0x5a5a, "REP with a count of 0 does nothing");
}

/* An index register that takes any width: the IO-APIC's. */
static void widths(void)
{
    u64 io = ioapics[0].base, a;

    write32(io, 1);
    __asm__ volatile("movzbl (%1), %k0" : "=r"(a) : "r"(io));
    is(a & 0xff, 1, "MOVZX r32, m8");
    __asm__ volatile("movb $0, (%0)" : : "r"(io) : "memory");
    is(read32(io) & 0xff, 0, "MOV m8, imm8");
    __asm__ volatile("movl $1, (%0)" : : "r"(io) : "memory");
    __asm__ volatile("movb (%1), %%ah; movzbl %%ah, %k0" : "=r"(a) : "r"(io) : "rax");
    is(a, 1, "MOV AH, m8");
    __asm__ volatile("movzwl (%1), %k0" : "=r"(a) : "r"(io));
    is(a & 0xff, 1, "MOVZX r32, m16");
    __asm__ volatile("movb (%1), %%r9b; movzbl %%r9b, %k0" : "=r"(a) : "r"(io) : "r9");
    is(a, 1, "MOV r9b, m8");
}

/* On RIP-relative and 32-bit addresses, behind prefixes, across pages: the instruction is fetched as the CPU does. */
static void fetches(void)
{
    static u8 code[2 * PAGE_SIZE] PAGE_ALIGNED;
    static const u8 load[] = {0x8b, 0x07, 0xc3};                               /* mov (%rdi), %eax; ret */
    static const u8 prefixed[] = {0x2e, 0x3e, 0x40, 0x8b, 0x07, 0xc3};         /* cs ds rex */
    static const u8 addr32[] = {0x67, 0x8b, 0x07, 0xc3};                       /* mov (%edi), %eax */
    u32 (*fn)(u64);

    write32(TICR, 0x13572468);
    for (unsigned i = 1; i < 3; i++) {
        memcpy(code + PAGE_SIZE - i, load, sizeof(load));
        fn = (u32(*)(u64))(code + PAGE_SIZE - i);
        is(fn(TICR), 0x13572468, "an instruction across a page, %u bytes before", i);
    }
    memcpy(code, prefixed, sizeof(prefixed));
    is(((u32(*)(u64))code)(TICR), 0x13572468, "behind segment and REX prefixes");
    memcpy(code, addr32, sizeof(addr32));
    is(((u32(*)(u64))code)(TICR | 0xffff00000000), 0x13572468, "with 32-bit addressing");
}

void test(void)
{
    lapic_write(LAPIC_LVTT, LVT_MASKED);
    loads();
    write32(TICR, 0x89abcdef);
    compares();
    stores();
    strings();
    widths();
    fetches();
    write32(TPR, 0);
    write32(TICR, 0);
}
