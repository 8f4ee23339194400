/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts that Torii itself takes. */
#ifndef TORII_TRAPS_H
#define TORII_TRAPS_H

#include <torii/types.h>

/* What the entry stubs push (src/core/entry.S), lowest address first. */
struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

/* Vectors with their own stacks, and the one with fixups. */
enum { EXC_NMI_VECTOR = 2, EXC_DF_VECTOR = 8, EXC_GP_VECTOR = 13, EXC_MC_VECTOR = 18 };

/* A non-maskable interrupt reached Torii: src/domain/sched.c notes it, and hands it to Dom0 at a safe point. */
void nmi_received(void);
void nmi_forward(void);

/* Fill the one IDT; then per CPU. */
void idt_init(void);
void idt_load(void);

/* Called by the stubs. */
void trap_handler(struct trap_frame *f);
/* Interrupt vectors 32 .. 255: src/machine/irq.c. */
void irq_dispatch(unsigned vector);

/* Panic printing with a frame; the NMI that stops the others. */
void noreturn_fn panic_frame(const struct trap_frame *f, const char *fmt, ...) printf_like(2, 3);
void panic_stop_this_cpu(void);
extern bool panic_in_progress;
/* src/machine/irq.c: an NMI is no event of the machine's, it stops its CPU for good. */
extern bool cpus_stopping;

/* Print the call chain that starts at this frame pointer. */
void backtrace(u64 rip, u64 rbp);
/* "name+offset" of a text address into buf. */
const char *symbol_name(u64 addr, char *buf, size_t n);

#endif
