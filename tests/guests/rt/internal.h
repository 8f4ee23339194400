/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the runtime's files. */
#ifndef GUESTS_RT_INTERNAL_H
#define GUESTS_RT_INTERNAL_H

#include "rt.h"

/* As isr_common pushes it. */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};

extern u8 isr_stubs[], isr_leave_user[];
extern u64 gdt_tss[2];
extern u8 trampoline[], trampoline_end[], trampoline_state[];
extern u64 ap_stack;

void rt_main(void);
void rt_ap_main(void);
void rt_interrupt(struct frame *f);
void cpu_init(struct cpu *c);
void acpi_init(void);

#endif
