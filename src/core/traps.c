/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/cpu.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/mce.h>
#include <torii/percpu.h>
#include <torii/traps.h>

/* AMD APM vol. 2 §4.8.4: 64-bit interrupt gate. */
struct idt_gate {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_mid;
    u32 offset_high, reserved;
};
#define GATE_INTERRUPT 0x8e
#define STUB_BYTES     16

struct descriptor_pointer {
    u16 limit;
    u64 base;
} packed;

static struct idt_gate idt[256];
extern const u8 trap_stubs[];

struct extable_entry {
    u64 from, to;
};
extern const struct extable_entry extable_start[], extable_end[];

static const char *const exception_names[] = {
    "divide error",  "debug",       "NMI",           "breakpoint",   "overflow",     "bound range",
    "invalid opcode", "no FPU",     "double fault",  "coprocessor",  "invalid TSS",  "segment not present",
    "stack fault",   "general protection", "page fault", "reserved", "x87 error",    "alignment check",
    "machine check", "SIMD error",
};

void idt_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        u64 stub = (u64)trap_stubs + i * STUB_BYTES;

        idt[i] = (struct idt_gate){
            .offset_low = (u16)stub,
            .offset_mid = (u16)(stub >> 16),
            .offset_high = (u32)(stub >> 32),
            .selector = SEL_CODE,
            .type = GATE_INTERRUPT,
        };
    }
    idt[EXC_NMI_VECTOR].ist = IST_NMI;
    idt[EXC_DF_VECTOR].ist = IST_DF;
    idt[EXC_MC_VECTOR].ist = IST_MC;
}

void idt_load(void)
{
    struct descriptor_pointer p = {sizeof(idt) - 1, (u64)idt};

    asm volatile("lidt %0" : : "m"(p));
}

void pcpu_load(struct pcpu *c)
{
    struct descriptor_pointer gdtr = {sizeof(c->gdt) - 1, (u64)c->gdt};
    u64 base = (u64)&c->tss;

    c->gdt[SEL_CODE / 8] = 0x00af9b000000ffff;
    c->gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
    /* 64-bit available TSS (type 9), present. */
    c->gdt[SEL_TSS / 8] = (sizeof(c->tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    c->gdt[SEL_TSS / 8 + 1] = base >> 32;
    c->tss.iomap = sizeof(c->tss);
    asm volatile("lgdt %0" : : "m"(gdtr));
    asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" : : "i"(SEL_CODE) : "rax", "memory");
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs" : : "r"(SEL_DATA), "r"(0));
    wrmsr(MSR_GS_BASE, (u64)c);
    asm volatile("ltr %w0" : : "r"(SEL_TSS));
    idt_load();
}

static bool extable_fixup(struct trap_frame *f)
{
    for (const struct extable_entry *e = extable_start; e < extable_end; e++)
        if (e->from == f->rip) {
            f->rip = e->to;
            return true;
        }
    return false;
}

void trap_handler(struct trap_frame *f)
{
    if (f->vector >= 32) {
        irq_dispatch(f->vector);
        return;
    }
    if (f->vector == EXC_NMI_VECTOR) {
        if (cpus_stopping)
            panic_stop_this_cpu();
        nmi_received();
        return;
    }
    if (f->vector == EXC_MC_VECTOR && !panic_in_progress) {
        mce_received(f);
        return;
    }
    if (f->vector == EXC_GP_VECTOR && extable_fixup(f))
        return;
    panic_frame(f, "unexpected %s (vector %lu, error %#lx, cr2 %#lx)\n",
                f->vector < ARRAY_SIZE(exception_names) ? exception_names[f->vector] : "exception", f->vector, f->error,
                read_cr2());
}
