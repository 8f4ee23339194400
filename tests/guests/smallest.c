/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 only=torii,none */
/*
 * The smallest useful Dom0, in one file: it finds its memory and processors, starts the second one, takes an interrupt of
 * the local APIC's timer and one of a device, and powers the machine off. All of it as on bare metal: no hypercall, no
 * header of the hypervisor. The same file boots on QEMU without one. docs/porting.md walks through it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1. The notes: where to enter in 32-bit mode (18), and that this kernel can be a Dom0 (17: bit 11). */
__asm__(".pushsection .note.Xen, \"a\", @note\n"
        ".long 4, 4, 18; .asciz \"Xen\"; .long pvh_entry\n"
        ".long 4, 4, 17; .asciz \"Xen\"; .long 0x800\n"
        ".popsection\n");

/* 2. The entry: flat 32-bit segments, no paging, EBX = hvm_start_info. Into 64-bit mode with 4 GiB mapped 1:1. */
__asm__(".pushsection .text.entry, \"ax\"\n"
        ".code32\n"
        ".globl pvh_entry\n"
        "pvh_entry: mov $stack + 8192, %esp; mov %ebx, %esi; call long_mode; ljmp $8, $1f\n"
        ".code64\n"
        "1: mov %esi, %edi; mov $stack + 8192, %rsp; call kernel\n"
        ".code32\n"
        "long_mode: mov %cr4, %eax; or $0x20, %eax; mov %eax, %cr4\n" /* PAE, before LME */
        "mov $pml4, %eax; mov %eax, %cr3\n"
        "mov $0xc0000080, %ecx; rdmsr; or $0x100, %eax; wrmsr\n" /* EFER.LME */
        "mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0\n"
        "lgdt gdtr; mov $16, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss; ret\n"
        /* The second processor: real mode, CS = the SIPI's page. Copied to 0x8000. */
        ".code16\n"
        "trampoline: cli; lgdtl %cs:trampoline_gdtr - trampoline\n"
        "mov %cr0, %eax; or $1, %eax; mov %eax, %cr0; ljmpl $24, $ap32\n"
        ".balign 4\n"
        "trampoline_gdtr: .word 31; .long gdt\n"
        "trampoline_end:\n"
        ".code32\n"
        "ap32: mov $16, %eax; mov %eax, %ds; mov %eax, %ss; mov $ap_stack + 4096, %esp; call long_mode; ljmp $8, $1f\n"
        ".code64\n"
        "1: mov $ap_stack + 4096, %rsp; call ap_kernel\n"
        /* An interrupt: keep what C may change. */
        ".macro isr name handler\n"
        "\\name: push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11\n"
        "cld; call \\handler\n"
        "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax; iretq\n"
        ".endm\n"
        "isr timer_isr timer_interrupt\n"
        "isr clock_isr clock_interrupt\n"
        ".balign 8\n"
        "gdt: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff\n"
        "gdtr: .word 31; .long gdt, 0\n"
        /* Page tables: 4 GiB in 2 MiB pages. */
        ".balign 4096\n"
        "pml4: .quad pdpt + 3; .fill 511, 8, 0\n"
        "pdpt: .quad pd + 3, pd + 0x1003, pd + 0x2003, pd + 0x3003; .fill 508, 8, 0\n"
        "pd: .set i, 0\n"
        ".rept 2048; .quad (i << 21) | 0x83; .set i, i + 1; .endr\n"
        ".popsection\n");

extern uint8_t trampoline[], trampoline_end[], timer_isr[], clock_isr[];
uint8_t stack[8192] __attribute__((aligned(16))), ap_stack[4096] __attribute__((aligned(16)));
void kernel(const uint32_t *start_info);
void ap_kernel(void);
void timer_interrupt(void);
void clock_interrupt(void);

static void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static uint8_t inb(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

/* 3. Text: the first serial port. */
static void print(const char *s)
{
    for (; *s; s++) {
        while (!(inb(0x3fd) & 0x20))
            ;
        outb(0x3f8, *s);
    }
}
static void print_number(uint64_t n)
{
    char digits[21], *p = digits + 20;

    *p = 0;
    do
        *--p = '0' + n % 10;
    while (n /= 10);
    print(p);
}

/* 4. Memory: start_info's map (version 1: address at offset 40, number of entries at 48). */
struct region {
    uint64_t start, size;
    uint32_t type, reserved;
};
static uint64_t memory(const uint32_t *start_info)
{
    const struct region *r = *(const struct region **)(start_info + 10);
    uint64_t ram = 0;

    for (uint32_t i = 0; i < start_info[12]; i++)
        ram += r[i].type == 1 ? r[i].size : 0;
    return ram;
}

/* 5. ACPI: from start_info's RSDP to the tables, by XSDT or RSDT. */
static const uint8_t *table(const uint8_t *rsdp, const char *name)
{
    bool wide = rsdp[15] >= 2;
    const uint8_t *root = wide ? *(uint8_t **)(rsdp + 24) : (uint8_t *)(uint64_t) * (uint32_t *)(rsdp + 16);

    for (uint32_t at = 36; at < *(uint32_t *)(root + 4); at += wide ? 8 : 4) {
        const uint8_t *t = wide ? *(uint8_t **)(root + at) : (uint8_t *)(uint64_t) * (uint32_t *)(root + at);

        if (*(uint32_t *)t == *(const uint32_t *)name)
            return t;
    }
    return NULL;
}

static unsigned nr_cpus, ap_id;
static uint64_t ioapic;
static uint32_t clock_gsi = 8;

/* 6. Processors and IO-APIC: the MADT. */
static void read_madt(const uint8_t *madt)
{
    if (!madt)
        return;
    for (const uint8_t *e = madt + 44; e < madt + *(uint32_t *)(madt + 4); e += e[1]) {
        if ((e[0] == 0 && e[4] & 1) || (e[0] == 9 && e[8] & 1)) { /* local APIC, local x2APIC: enabled */
            if (nr_cpus++ == 1)
                ap_id = e[0] == 0 ? e[3] : *(uint32_t *)(e + 4);
        } else if (e[0] == 1 && !ioapic) {
            ioapic = *(uint32_t *)(e + 4);
        } else if (e[0] == 2 && e[3] == 8) { /* an override of the clock's interrupt */
            clock_gsi = *(uint32_t *)(e + 4);
        }
    }
}

/* 7. The local APIC, through its page. */
static void lapic(uint32_t reg, uint32_t value)
{
    *(volatile uint32_t *)(0xfee00000ull + reg) = value;
}

static volatile unsigned ap_runs, timer_ticks, clock_ticks;

void ap_kernel(void)
{
    ap_runs = 1;
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* INIT, then SIPI with the page of the trampoline. */
static void start_ap(void)
{
    for (size_t i = 0; i < (size_t)(trampoline_end - trampoline); i++)
        ((volatile uint8_t *)0x8000)[i] = trampoline[i];
    lapic(0x310, ap_id << 24);
    lapic(0x300, 0x4500);
    lapic(0x310, ap_id << 24);
    lapic(0x300, 0x4608);
    for (uint64_t i = 0; !ap_runs && i < 1000000000; i++)
        __asm__ volatile("pause");
}

/* 8. Interrupts: an IDT with two gates. */
static struct {
    uint16_t low, selector, type, mid;
    uint32_t high, zero;
} idt[256];

static void gate(unsigned vector, uint8_t *isr)
{
    uint64_t at = (uint64_t)isr;

    idt[vector].low = at, idt[vector].mid = at >> 16, idt[vector].high = at >> 32;
    idt[vector].selector = 8, idt[vector].type = 0x8e00;
}

void timer_interrupt(void)
{
    timer_ticks++;
    lapic(0xb0, 0); /* EOI */
}

static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

void clock_interrupt(void)
{
    clock_ticks++;
    cmos(0xc); /* the device's acknowledge */
    lapic(0xb0, 0);
}

static void wait_for(volatile unsigned *count, unsigned n)
{
    while (*count < n)
        __asm__ volatile("sti; hlt; cli");
}

/* The local APIC's timer, periodic; then the clock's 64 Hz interrupt through the IO-APIC. */
static void interrupts(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
    volatile uint32_t *io = (volatile uint32_t *)ioapic;
    uint8_t b;

    outb(0x21, 0xff), outb(0xa1, 0xff); /* a PC without a hypervisor may have PICs */
    gate(0x40, timer_isr);
    gate(0x41, clock_isr);
    __asm__ volatile("lidt %0" : : "m"(idtr));
    lapic(0xf0, 0x1ff);         /* software enable */
    lapic(0x3e0, 0xb);          /* timer: divide by 1 */
    lapic(0x320, 0x20000 | 0x40); /* periodic, vector 0x40 */
    lapic(0x380, 1000000);
    wait_for(&timer_ticks, 3);
    lapic(0x380, 0);

    io[0] = 0x11 + 2 * clock_gsi, io[4] = 0;
    io[0] = 0x10 + 2 * clock_gsi, io[4] = 0x41; /* edge, high, to APIC id 0 */
    b = cmos(0xb);
    outb(0x70, 0xa), outb(0x71, 0x2a);
    outb(0x70, 0xb), outb(0x71, b | 0x40);
    cmos(0xc);
    wait_for(&clock_ticks, 3);
    outb(0x70, 0xb), outb(0x71, b);
}

/* 9. Power off: the sleep type of _S5_, found in the DSDT, to PM1a control with SLP_EN. */
static void power_off(const uint8_t *fadt)
{
    const uint8_t *dsdt = (uint8_t *)(uint64_t) * (uint32_t *)(fadt + 40), *p = dsdt;
    uint16_t port = *(uint32_t *)(fadt + 64);

    while (p < dsdt + *(uint32_t *)(dsdt + 4) && (*(uint32_t *)p != 0x5f35535f || p[4] != 0x12)) /* "_S5_", package */
        p++;
    p += 7;
    __asm__ volatile("outw %0, %1" : : "a"((uint16_t)((*p == 0x0a ? p[1] : *p) << 10 | 0x2000)), "Nd"(port));
}

static void report(unsigned n, const char *what, uint64_t value, const char *unit)
{
    print("ok "), print_number(n), print(" - "), print(what);
    if (unit)
        print("\n# "), print_number(value), print(unit);
    print("\n");
}

void kernel(const uint32_t *start_info)
{
    const uint8_t *rsdp = *(const uint8_t **)(start_info + 8);

    report(1, "memory", memory(start_info) >> 20, " MiB of RAM");
    read_madt(table(rsdp, "APIC"));
    report(2, "processors", nr_cpus, " of them");
    start_ap();
    if (ap_runs)
        report(3, "the second one runs", 0, NULL);
    interrupts();
    report(4, "timer interrupts", timer_ticks, " taken");
    report(5, "device interrupts", clock_ticks, " taken");
    print("1..5\n");
    power_off(table(rsdp, "FACP"));
    for (;;)
        __asm__ volatile("cli; hlt");
}
