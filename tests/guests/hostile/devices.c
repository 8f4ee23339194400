/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions on device memory, ports, MSRs, PCI, interrupt controllers. */
#include "hostile.h"

static u16 edu;
static u64 edu_bar, ecam;
static bool cr8_too;

/* --- instructions --- */

/*
 * Each slot holds one instruction and a RET, in eight bytes that are written at once, while other CPUs execute them. All
 * instructions that a slot ever holds have one length and no operand beyond (rdi) and (rsi): what a torn fetch sees is
 * harmless, too.
 */
#define SLOTS 64
static u64 slots[SLOTS] PAGE_ALIGNED;

static u64 instruction(unsigned length)
{
    static const u8 plain[] = {0x89, 0x8b, 0x88, 0x8a, 0x01, 0x03, 0x09, 0x0b, 0x21, 0x23, 0x31, 0x33, 0x39, 0x3b,
                               0x85, 0x84, 0x87, 0x86, 0xfe, 0xff, 0x00, 0x30, 0x63};
    static const u8 twobyte[] = {0xb6, 0xb7, 0xbe, 0xbf, 0xc0, 0xc1, 0xb0, 0xb1, 0xa3, 0x6f, 0x7f, 0x28, 0x29, 0x18};
    static const u8 string[] = {0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xa6, 0xa7, 0xae, 0xaf};
    static const u8 prefix[] = {0x48, 0x66, 0xf0, 0x26, 0x2e, 0x40};
    u64 i;

    switch (length) {
    case 1:
        i = string[below(ARRAY_SIZE(string))];
        break;
    case 2:
        i = plain[below(ARRAY_SIZE(plain))] | 0x0700;
        break;
    case 3:
        i = prefix[below(ARRAY_SIZE(prefix))] | (u64)plain[below(22)] << 8 | 0x070000;
        break;
    case 4:
        i = 0x0f | (u64)twobyte[below(ARRAY_SIZE(twobyte))] << 8 | 0x070000;
        length = 3;
        break;
    case 5:
        i = (one_in(2) ? 0xf3 : 0xf2) | (u64)string[below(ARRAY_SIZE(string))] << 8;
        length = 2;
        break;
    default:
        i = (one_in(2) ? 0xf3 : 0x66) | 0x4800ull | (u64)string[below(ARRAY_SIZE(string))] << 16;
        length = 3;
    }
    return i | 0xc3c3c3c3c3c3c3c3ull << 8 * length;
}

static void slot_write(unsigned n)
{
    __atomic_store_n(&slots[n], instruction(1 + n % 6), __ATOMIC_RELAXED);
}

/* The instruction at `code` with registers set; a fault of its own ends it. */
static void execute(u64 code, u64 rdi, u64 rsi, u64 rcx, u64 rax, bool backwards, bool step)
{
    struct cpu *c = this_cpu();
    u64 flags;

    c->call_target = code;
    if (backwards) {
        cli();
        __asm__ volatile("std; call *%4; cld" : "+D"(rdi), "+S"(rsi), "+c"(rcx), "+a"(rax) : "r"(code) : "memory", "cc", "rdx");
        sti();
    } else if (step) {
        __asm__ volatile("pushfq; pop %0; orq $0x100, %0; push %0; popfq; call *%5; pushfq; andq $~0x100, (%%rsp); popfq"
                         : "=&r"(flags), "+D"(rdi), "+S"(rsi), "+c"(rcx), "+a"(rax) : "r"(code) : "memory", "cc", "rdx");
    } else {
        __asm__ volatile("call *%4" : "+D"(rdi), "+S"(rsi), "+c"(rcx), "+a"(rax) : "r"(code) : "memory", "cc", "rdx");
    }
    c->call_target = 0;
}

/* Addresses of devices, and any. Those of the interrupt controllers take tame words. */
static u64 device_address(void)
{
    switch (below(8)) {
    case 0: /* not the command register: it goes by throw_ipi */
        return LAPIC_BASE + (below(2) ? below(0x300) : 0x320 + below(0x1000 - 0x320));
    case 1:
        return 0xfec00000 + (one_in(4) ? below(0x1000) : 0x10 * below(5));
    case 2: /* ECAM: reads only are harmless by chance, so no command or host bridge register */
        return 0xb0000000 + (below(32) << 15 | below(8) << 12);
    case 3:
        return 0xfed00000 + below(0x400);
    case 4:
        return (0x1f000 + below(0x1000)) * PAGE_SIZE + below(PAGE_SIZE);
    case 5:
        return edu_bar ? edu_bar + below(0x40) : 0xfebf0000;
    case 6:
        return 0xfe000000 + below(0x00b00000);
    default:
        return wild_address();
    }
}

static bool is_controller(u64 a)
{
    return (a & ~0xfffull) == LAPIC_BASE || (a & ~0xfffull) == 0xfec00000;
}

void throw_instruction(void)
{
    unsigned n = below(SLOTS);
    u64 to = device_address(), from = one_in(3) ? device_address() : (u64)arena[AT_FREE + below(32)];
    u64 rax = tame(rnd()) & ~0xffffffff00000700ull;

    if (one_in(2)) {
        u64 swap = to;

        to = from;
        from = swap;
    }
    if (one_in(4))
        slot_write(below(SLOTS));
    /* A string would bring words that are not tame: INIT for CPU 0, start-up anywhere. */
    while ((is_controller(to) || is_controller(from)) && (n % 6 == 0 || n % 6 > 3))
        n = below(SLOTS);
    execute((u64)&slots[n], to, from, below(one_in(8) && !edu_bar ? 24 : 8), rax, one_in(16), one_in(16));
}

/* --- ports --- */

static u16 some_port(void)
{
    static const struct {
        u16 first, count;
    } ranges[] = {{0x20, 2}, {0xa0, 2}, {0x40, 4}, {0x61, 1}, {0x70, 2}, {0x4d0, 2}, {0xcf8, 1}, {0xcfa, 2},
                  {0xcfc, 4}, {0x3f8, 8}, {0x2f8, 8}, {0x80, 1}, {0x3b0, 0x30}};
    unsigned i = below(ARRAY_SIZE(ranges) + 3);

    if (i < ARRAY_SIZE(ranges))
        return ranges[i].first + below(ranges[i].count);
    if (i == ARRAY_SIZE(ranges))
        return acpi_ports.pm1a_event + below(0x40);
    return 0x1000 + below(0xe000);
}

/*
 * Sleep, reset, the firmware's own interfaces, the serial console's output: not written. Nor the PIT's channel 0: with a
 * period of some ticks QEMU does nothing else any more.
 */
static bool may_write(u16 port, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        u16 p = port + i;

        if (p == 0xcf9 || p == 0x92 || p == 0x64 || p == 0x60 || p == 0xb2 || p == 0xb3 || (p >= 0x510 && p < 0x520) ||
            (p >= 0xcfc && p < 0xd00) || p == 0x402 || p == 0x3f8 || p == 0x40 ||
            (p >= acpi_ports.pm1a_event + 4 && p < acpi_ports.pm1a_event + 6) ||
            (p >= acpi_ports.pm1a_event + 0x30 && p < acpi_ports.pm1a_event + 0x40) ||
            (p >= acpi_ports.pm1a_event + 0x60 && p < acpi_ports.pm1a_event + 0x80) || p < 0x10 ||
            (p >= 0x81 && p < 0x90) || (p >= 0xc0 && p < 0xe0))
            return false;
    }
    return true;
}

static void string_port(u16 port, bool in)
{
    /* INSB, INSD, REP INSB, REP INSW; OUTSB, OUTSD, REP OUTSB, REP OUTSD with 32-bit addresses; each and a RET. */
    static const u64 code[8] PAGE_ALIGNED = {0xc36c, 0xc36d, 0xc36cf3, 0xc36d66f3, 0xc36e, 0xc36f, 0xc36ef3, 0xc36f67f3};
    u64 rdi = some_pointer(), rsi = some_pointer(), rcx = below(40), c = (u64)&code[(in ? 0 : 4) + below(4)];

    this_cpu()->call_target = c;
    __asm__ volatile("call *%3" : "+D"(rdi), "+S"(rsi), "+c"(rcx) : "r"(c), "d"(port) : "memory", "cc", "rax");
    this_cpu()->call_target = 0;
}

void throw_port(void)
{
    u16 port = some_port();
    u32 v = some_value();

    if (one_in(6)) {
        string_port(port, one_in(2) || !may_write(port, 4));
        return;
    }
    switch (below(6)) {
    case 0:
        inb(port);
        break;
    case 1:
        inw(port);
        break;
    case 2:
        inl(port);
        break;
    case 3:
        if (may_write(port, 1))
            outb(port, v);
        break;
    case 4:
        if (may_write(port, 2))
            outw(port, v);
        break;
    default:
        if (may_write(port, 4))
            outl(port, v);
    }
}

/* --- MSRs --- */

/* Disable, move, switch modes of the local APIC, and back to xAPIC: an interrupt in between would meet another mode. */
static void throw_apic_base(void)
{
    u64 base = 0xfee00000 | (this_cpu()->index ? 0 : BIT(8)) | BIT(11);

    cli();
    wrmsr_safe(MSR_APIC_BASE, one_in(4) ? rnd() : base ^ BIT(below(40)));
    wrmsr_safe(0x800 + below(0x40), tame(rnd()) & ~0x700);
    wrmsr_safe(MSR_APIC_BASE, base & ~BIT(11));
    wrmsr_safe(MSR_APIC_BASE, base);
    this_cpu()->x2apic = false;
    lapic_write(LAPIC_SVR, 0x1ff);
    sti();
}

static void throw_x2apic(void)
{
    u64 v;

    cli();
    wrmsr_safe(MSR_APIC_BASE, 0xfee00c00 | (this_cpu()->index ? 0 : BIT(8)));
    for (unsigned i = below(8); i; i--) {
        u32 msr = 0x800 + below(0x40);

        if (one_in(2))
            rdmsr_safe(msr, &v);
        else if (msr != 0x830)
            wrmsr_safe(msr, one_in(8) ? rnd() & ~0x700ull : tame(rnd() & 0x3f8ff));
    }
    wrmsr_safe(0x830, (below(6)) << 32 | below(4) << 18 | (20 + below(230)));
    wrmsr_safe(MSR_APIC_BASE, 0xfee00000 | (this_cpu()->index ? 0 : BIT(8)));
    wrmsr_safe(MSR_APIC_BASE, 0xfee00800 | (this_cpu()->index ? 0 : BIT(8)));
    lapic_write(LAPIC_SVR, 0x1ff);
    sti();
}

static u32 some_msr(void)
{
    static const u32 known[] = {0x10, 0x3b, 0x1b, 0x17, 0x3a, 0x79, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x17b,
                                0x1a0, 0x1d9, 0x200, 0x201, 0x250, 0x258, 0x268, 0x277, 0x2ff, 0x400, 0x401, 0x402, 0x48,
                                0x49, 0x6e0, 0xda0, 0x40000000, 0x40000001, 0x40000200, 0xc0000080, 0xc0000081,
                                0xc0000082, 0xc0000084, 0xc0000100, 0xc0000102, 0xc0000103, 0xc0010010, 0xc0010015,
                                0xc0010020, 0xc0010058, 0xc0010061, 0xc0010063, 0xc0010064, 0xc0010114, 0xc0010115,
                                0xc0010117, 0xc001011b, 0xc001011f, 0xc0011020, 0xc0011029};

    switch (below(4)) {
    case 0:
        return below(0x2000);
    case 1:
        return one_in(2) ? 0xc0000000 + below(0x2000) : 0xc0010000 + below(0x2000);
    case 2:
        return one_in(4) ? rnd() : 0x200 + below(0x20);
    default:
        return known[below(ARRAY_SIZE(known))];
    }
}

void throw_msr(void)
{
    u32 msr = some_msr();
    u64 v;

    if (one_in(16)) {
        throw_apic_base();
        return;
    }
    if (one_in(16)) {
        throw_x2apic();
        return;
    }
    if (one_in(2)) {
        rdmsr_safe(msr, &v);
        return;
    }
    v = some_value();
    switch (msr) {
    case MSR_APIC_BASE:
    case 0xc0000101: /* GS base: where this_cpu is */
        return;
    case 0x10:
    case 0x3b: /* CPU 0 keeps the time */
        if (!this_cpu()->index)
            return;
        break;
    case 0xc0000080:
        v = rdmsr(msr) ^ (one_in(8) ? rnd() : BIT(below(64)));
        if (!(v & BIT(11))) /* the wild tables' entries may have NX set; ours do not care */
            v |= BIT(11);
        break;
    }
    if (msr - 0x800 < 0x100)
        return;
    if (msr - 0x40000000 < 0x1000)
        v = some_gfn() << 12 | below(2);
    wrmsr_safe(msr, v);
}

/* --- PCI --- */

static u32 bars[0x100][6];

static void bars_save(void)
{
    for (unsigned bdf = 0; bdf < 0x100; bdf++)
        for (unsigned i = 0; i < 6; i++)
            bars[bdf][i] = pci_read(bdf, 0x10 + 4 * i, 4);
}

void bars_restore(void)
{
    for (unsigned bdf = 8; bdf < 0x100; bdf++) {
        u16 command = pci_read(bdf, PCI_COMMAND, 2);

        if (command == 0xffff || bdf == 0xf8)
            continue;
        pci_write(bdf, PCI_COMMAND, 2, command & ~(PCI_COMMAND_MEM | PCI_COMMAND_IO));
        for (unsigned i = 0; i < 6; i++)
            pci_write(bdf, 0x10 + 4 * i, 4, bars[bdf][i]);
        pci_write(bdf, PCI_COMMAND, 2, command);
    }
    outb(0x3fb, 3), outb(0x3f9, 0), outb(0x3fc, 0); /* nobody at the serial port, which would get the key */
}

void devices_init(void)
{
    cr8_too = option("cr8", 0);
    ecam = pci_ecam(); /* once: the tables do not survive */
    bars_save();
    for (unsigned bdf = 0; bdf < 0x100; bdf++)
        if (pci_read(bdf, 0, 2) != 0xffff)
            pci_write(bdf, PCI_COMMAND, 2, pci_read(bdf, PCI_COMMAND, 2) & ~PCI_COMMAND_MASTER);
    for (unsigned i = 0; i < SLOTS; i++)
        slot_write(i);
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NONE)
        return;
    pci_enable(edu);
    edu_bar = pci_bar(edu, 0);
}

static u32 bar_value(void)
{
    static const u32 places[] = {0xfee00000, 0xfec00000, 0xfed00000, 0xb0000000, 0, 0x100000, 0xfffff000, 0xffffffff,
                                 0xfebf0000, 0xfe000000, 0xc0000000, 0xa0000, 0xe0000};

    switch (below(4)) {
    case 0:
        return 0x1f000000 + below(1 << 24);
    case 1:
        return some_gfn() << 12;
    default:
        return places[below(ARRAY_SIZE(places))];
    }
}

/* The host bridge and the LPC bridge decide where ECAM and ACPI's registers are; only edu is a bus master. */
static bool pci_is_sacred(u16 bdf)
{
    return bdf == 0 || bdf == 0xf8;
}

static u32 pci_tame(u16 bdf, unsigned reg, unsigned bytes, u32 v)
{
    unsigned shift = 8 * (reg & 3);

    if ((reg & ~3u) == PCI_COMMAND && bdf != edu && shift < 8)
        v &= ~(u32)PCI_COMMAND_MASTER;
    if ((reg & ~3u) == PCI_COMMAND && shift < 16 && one_in(2))
        v |= PCI_COMMAND_MEM | PCI_COMMAND_IO;
    if ((reg & ~3u) == PCI_COMMAND && bdf != edu && shift < 8)
        v &= ~(u32)PCI_COMMAND_MASTER;
    return shift <= 8 && shift + 8 * bytes > 10 - 2 ? v & ~(0x400u >> shift) : v;
}

static u16 some_bdf(void)
{
    static const u16 usual[] = {0x10, 0x18, 0x20, 0x28, 0x28, 0x30, 0xfa, 0xfb, 8};

    return below(8) ? usual[below(ARRAY_SIZE(usual))] : below(0x10000);
}

/* A BAR of ports: those stay above the ones of the console's UART, which would be out of reach. */
static bool has_ports(u16 bdf, unsigned reg)
{
    return ecam && bdf < 0x1000 && read32(ecam + ((u64)bdf << 12) + reg) & 1;
}

void throw_pci(void)
{
    u16 bdf = some_bdf();
    unsigned bytes = 1u << below(3), reg = below(2) ? below(64) : below(256);
    u32 v = rnd();

    reg &= ~(bytes - 1);
    if (below(3) == 0)
        reg = 0x10 + 4 * below(6), bytes = 4, v = bar_value();
    if (reg >= 0x10 && reg < 0x28 && has_ports(bdf, reg & ~3u))
        reg &= ~3u, bytes = 4, v |= 0x1000;
    v = pci_tame(bdf, reg, bytes, v);
    if (one_in(3) && ecam && bdf < 0x1000) {
        u64 a = ecam + ((u64)bdf << 12) + (one_in(8) ? 0x100 + (below(0xf00) & ~3ull) : reg);

        if (one_in(2) || pci_is_sacred(bdf))
            read32(a & ~3ull);
        else if ((a & 0xfff) < 0x100)
            bytes == 1 ? write8(a, v) : bytes == 2 ? write16(a, v) : write32(a, v);
        return;
    }
    /* Address and data belong together, or a write would reach another register. */
    if (one_at_a_time()) {
        if (one_in(2) || pci_is_sacred(bdf))
            pci_read(bdf, reg, bytes);
        else
            pci_write(bdf, reg, bytes, v);
        next_please();
    }
    if (one_in(8) && edu != PCI_NONE) {
        u64 unused;

        read64_safe(edu_bar + EDU_ID, &unused);
        write32(edu_bar + EDU_RAISE, 1);
        write32(edu_bar + EDU_ACK, ~0u);
    }
}

/* --- other instructions that leave the guest --- */

void throw_instruction_exit(void)
{
    struct cpu *c = this_cpu();

    c->fault = NO_FAULT;
    switch (below(16)) {
    case 0:
        __asm__ volatile("1: vmrun; 2:" EXTABLE(1, 2) : : "a"(some_pointer()) : "memory");
        break;
    case 1:
        __asm__ volatile("1: vmload; 2:" EXTABLE(1, 2) : : "a"(some_pointer()) : "memory");
        break;
    case 2:
        __asm__ volatile("1: clgi; 2:" EXTABLE(1, 2) : : : "memory");
        break;
    case 3:
        __asm__ volatile("1: monitor; 2:" EXTABLE(1, 2) : : "a"(arena), "c"(0), "d"(0) : "memory");
        break;
    case 4:
        __asm__ volatile("1: rdpmc; 2:" EXTABLE(1, 2) : : "c"((u32)rnd()) : "rax", "rdx");
        break;
    case 5:
        __asm__ volatile("1: xsetbv; 2:" EXTABLE(1, 2) : : "a"((u32)rnd()), "d"(0), "c"((u32)below(3)));
        break;
    case 6:
        __asm__ volatile("invd" : : : "memory");
        break;
    case 7:
        __asm__ volatile("1: invlpga; 2:" EXTABLE(1, 2) : : "a"(some_pointer()), "c"((u32)rnd()));
        break;
    case 8: /* an AP that nothing wakes is woken by CPU 0 */
        if (c->index && one_in(8))
            halt(), sti();
        break;
    case 9: /* QEMU's TCG fails an assertion of its own when a virtual interrupt waits */
        if (cr8_too)
            __asm__ volatile("mov %0, %%cr8" : : "r"(below(16)));
        break;
    case 10:
        __asm__ volatile("1: mov %0, %%dr7; 2: mov %1, %%dr7;" EXTABLE(1, 2) : : "r"(rnd() & ~0xffull), "r"(0x400ull));
        break;
    case 11:
        __asm__ volatile("mov %%cr4, %%rax; xor %0, %%rax; 1: mov %%rax, %%cr4; 2: mov %1, %%cr4;" EXTABLE(1, 2)
                         : : "r"(BIT(below(23)) & ~(BIT(5) | BIT(12) | BIT(17) | BIT(20) | BIT(21))), "r"(0xa0ull) : "rax", "memory");
        break;
    default:
        cpuid(one_in(2) ? 0x40000000 + below(0x200) : one_in(2) ? below(0x30) : 0x80000000 + below(0x30), below(8));
    }
}

/* --- interrupt controllers --- */

/*
 * What a processor does that a thrown SIPI starts at `page`: halt, whatever NMI comes, with a stack and vectors in that page;
 * those at 0 may be gone. Written anew each time: addresses that are thrown, such as 0x7fff, lie there, too.
 */
static void halting_page(u64 page)
{
    static const u8 code[] = {0xfa,                               /* cli */
                              0x8c, 0xc8, 0x8e, 0xd0,             /* mov %cs, %ax; mov %ax, %ss */
                              0xbc, 0x00, 0x10,                   /* mov $0x1000, %sp */
                              0x2e, 0x0f, 0x01, 0x1e, 0x40, 0x00, /* lidt %cs:0x40 */
                              0xf4, 0xeb, 0xfd};                  /* hlt; jmp to it */
    u8 *at = (u8 *)page;
    u32 *vectors = (u32 *)(at + 0x400);

    memcpy(at, code, sizeof(code));
    at[0x30] = 0xcf; /* iret */
    *(u16 *)(at + 0x40) = 0x3ff;
    *(volatile u32 *)(at + 0x42) = (u32)page + 0x400;
    for (unsigned i = 0; i < 256; i++)
        vectors[i] = (u32)page << 12 | 0x30; /* segment and offset */
}

/* What an NMI finds before the processor has vectors of its own. */
void throw_ipi_init(void)
{
    halting_page(0x7000);
    __asm__ volatile("movl %0, 8" : : "r"(0x7030) : "memory");
}

void throw_ipi(void)
{
    static const u32 modes[] = {ICR_FIXED, ICR_FIXED, ICR_FIXED, ICR_LOWEST, 0x200, 0x300, ICR_NMI, ICR_INIT, ICR_STARTUP,
                                0x700};
    u32 mode = modes[below(ARRAY_SIZE(modes))], dest = one_in(4) ? rnd() & 0xff : below(CPUS + 1);
    u32 icr = mode | (u32)below(256) | (rnd() & (ICR_LOGICAL | ICR_ASSERT | ICR_LEVEL | 0xc0000)) | (one_in(8) ? 0x1000 : 0);

    if (mode == ICR_INIT || mode == ICR_STARTUP) {
        if (below(32))
            return; /* a CPU that starts takes a while */
        /* To another CPU but the first, by number; from 0x7000 and 0x9000 it only halts. */
        dest = 1 + below(CPUS - 1);
        icr = mode | ICR_ASSERT | (rnd() & ICR_LEVEL) | (one_in(2) ? 7 : 9);
        halting_page((icr & 0xff) << 12);
    }
    cli();
    if (mode == ICR_NMI && !nmi_may_be_sent()) {
        sti();
        return;
    }
    write32(LAPIC_BASE + LAPIC_ICR2, dest << 24);
    write32(LAPIC_BASE + LAPIC_ICR, icr);
    if (mode == ICR_NMI)
        nmi_was_sent();
    /* What stays in the register may be written again by an instruction that adds to it. */
    write32(LAPIC_BASE + LAPIC_ICR2, 0xfe000000);
    write32(LAPIC_BASE + LAPIC_ICR, 0xff);
    sti();
}

void throw_lapic(void)
{
    u32 reg = one_in(4) ? below(0x400) & ~3u : 0x10 * below(0x40);

    if (one_in(2) || reg == LAPIC_ICR || reg == LAPIC_ICR2) {
        read32(LAPIC_BASE + reg);
        return;
    }
    switch (reg) {
    case LAPIC_LVTT:
        write32(LAPIC_BASE + reg, (rnd() & 0x7f0ff) | 0x20);
        break;
    case LAPIC_TICR:
        write32(LAPIC_BASE + reg, rnd() >> (32 + below(28)));
        break;
    default:
        write32(LAPIC_BASE + reg, tame(rnd()));
    }
}

void throw_ioapic(void)
{
    u64 base = ioapics[0].base;

    if (one_in(8)) {
        write32(base + (below(8) << 4), tame(rnd()));
        return;
    }
    write32(base, one_in(8) ? rnd() : below(0x44));
    if (one_in(2))
        read32(base + 0x10);
    else /* another CPU may have chosen another register by now, a word with a destination is as good as one with a vector */
        write32(base + 0x10, tame(one_in(3) ? rnd() : (rnd() & 0x1e8ff)) | (one_in(4) ? RTE_MASKED : 0));
}
