/* SPDX-License-Identifier: BSD-2-Clause */
/* What entry.S and C agree on. */
#ifndef GUESTS_RT_ENTRY_H
#define GUESTS_RT_ENTRY_H

#define SEL_CODE64    0x08
#define SEL_DATA      0x10
#define SEL_CODE32    0x18
#define SEL_USER_DATA 0x23
#define SEL_USER_CODE 0x2b
#define SEL_TSS       0x30

/* Offsets in struct entry_state. */
#define ENTRY_EAX    0
#define ENTRY_EBX    4
#define ENTRY_ESP    8
#define ENTRY_CR0    12
#define ENTRY_CR2    16
#define ENTRY_CR3    20
#define ENTRY_CR4    24
#define ENTRY_DR6    28
#define ENTRY_DR7    32
#define ENTRY_EFLAGS 36
#define ENTRY_EFER   40
#define ENTRY_DS     44
#define ENTRY_ES     48
#define ENTRY_SS     52
#define ENTRY_CALLED 56
#define ENTRY_SIZE   60

/* Offsets in struct trampoline_state. */
#define TRAMPOLINE_CR0 0
#define TRAMPOLINE_EDX 4
#define TRAMPOLINE_CS  8
#define TRAMPOLINE_IP  10

#endif
