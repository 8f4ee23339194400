/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control block: AMD APM vol. 2 appendix B. */
#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include <torii/types.h>

/* Intercepts, word 3 (offset 0x00c). */
#define SVM_INTERCEPT_INTR     BIT(0)
#define SVM_INTERCEPT_NMI      BIT(1)
#define SVM_INTERCEPT_INIT     BIT(3)
#define SVM_INTERCEPT_VINTR    BIT(4)
#define SVM_INTERCEPT_CPUID    BIT(18)
#define SVM_INTERCEPT_IRET     BIT(20)
#define SVM_INTERCEPT_INVD     BIT(22)
#define SVM_INTERCEPT_HLT      BIT(24)
#define SVM_INTERCEPT_INVLPGA  BIT(26)
#define SVM_INTERCEPT_IOIO     BIT(27)
#define SVM_INTERCEPT_MSR      BIT(28)
#define SVM_INTERCEPT_SHUTDOWN BIT(31)
/* Word 4 (0x010). */
#define SVM_INTERCEPT_VMRUN    BIT(0)
#define SVM_INTERCEPT_VMMCALL  BIT(1)
#define SVM_INTERCEPT_VMLOAD   BIT(2)
#define SVM_INTERCEPT_VMSAVE   BIT(3)
#define SVM_INTERCEPT_STGI     BIT(4)
#define SVM_INTERCEPT_CLGI     BIT(5)
#define SVM_INTERCEPT_SKINIT   BIT(6)
#define SVM_INTERCEPT_MONITOR  BIT(10)
#define SVM_INTERCEPT_MWAIT    BIT(11)

/* Interrupt control (0x060). */
#define SVM_V_TPR_MASK      0xffull /* CR8 in bits 3:0 */
#define SVM_V_CR8_MASK      0xfull
#define SVM_V_IRQ           BIT(8)
#define SVM_V_PRIO_SHIFT    16
#define SVM_V_PRIO_MASK     (0xfull << SVM_V_PRIO_SHIFT)
#define SVM_V_IGN_TPR       BIT(20)
#define SVM_V_INTR_MASKING  BIT(24)
#define SVM_V_VECTOR_SHIFT  32
#define SVM_V_VECTOR_MASK   (0xffull << SVM_V_VECTOR_SHIFT)

#define SVM_TLB_NOTHING     0
#define SVM_TLB_FLUSH_ALL   1
#define SVM_TLB_FLUSH_ASID  3

/* EVENTINJ and EXITINTINFO. */
#define SVM_EVENT_VECTOR(e)  ((u8)(e))
#define SVM_EVENT_TYPE(e)    ((unsigned)((e) >> SVM_EVENT_TYPE_SHIFT & 7))
#define SVM_EVENT_TYPE_SHIFT 8
#define SVM_EVENT_HAS_ERROR  BIT(11)
#define SVM_EVENT_VALID      BIT(31)

/* VMCB clean bits: areas unchanged since the last exit. */
#define SVM_CLEAN_INTERCEPTS BIT(0)
#define SVM_CLEAN_IOPM       BIT(1)
#define SVM_CLEAN_ASID       BIT(2)
#define SVM_CLEAN_TPR        BIT(3)
#define SVM_CLEAN_NP         BIT(4)
#define SVM_CLEAN_CRX        BIT(5)
#define SVM_CLEAN_DRX        BIT(6)
#define SVM_CLEAN_DT         BIT(7)
#define SVM_CLEAN_SEG        BIT(8)
#define SVM_CLEAN_CR2        BIT(9)

/* Exit codes (appendix C). */
enum {
    VMEXIT_INTR = 0x60,
    VMEXIT_NMI = 0x61,
    VMEXIT_INIT = 0x63,
    VMEXIT_VINTR = 0x64,
    VMEXIT_CPUID = 0x72,
    VMEXIT_IRET = 0x74,
    VMEXIT_INVD = 0x76,
    VMEXIT_HLT = 0x78,
    VMEXIT_IOIO = 0x7b,
    VMEXIT_MSR = 0x7c,
    VMEXIT_SHUTDOWN = 0x7f,
    VMEXIT_VMMCALL = 0x81,
    VMEXIT_NPF = 0x400,
};

/* EXITINFO1 of IOIO (§15.10.2) and of a nested page fault (§15.25.6). */
#define IOIO_IN        BIT(0)
#define IOIO_STRING    BIT(2)
#define IOIO_REP       BIT(3)
#define IOIO_SIZE(x)   ((x) >> 4 & 7)
#define IOIO_ADDR(x)   ((x) >> 7 & 7)
#define IOIO_SEG(x)    ((x) >> 10 & 7)
#define IOIO_PORT(x)   ((u16)((x) >> 16))
#define NPF_WRITE      BIT(1)
#define NPF_EXEC       BIT(4)
#define NPF_TABLE      BIT(33) /* at an entry of the guest's page tables */

struct vmcb_segment {
    u16 sel, attr;
    u32 limit;
    u64 base;
};

struct vmcb {
    u32 intercept_cr, intercept_dr, intercept_exceptions, intercept3, intercept4;
    u8 reserved014[0x3c - 0x14];
    u16 pause_threshold, pause_count;
    u64 iopm, msrpm, tsc_offset;
    u32 asid;
    u8 tlb_control, reserved05d[3];
    u64 int_ctl;
    u64 int_shadow;
    u64 exitcode, exitinfo1, exitinfo2, exitintinfo;
    u64 np_enable;
    u8 reserved098[0xa8 - 0x98];
    u64 eventinj, ncr3, lbr_enable;
    u32 clean, reserved0c4;
    u64 nrip;
    u8 insn_len, insn[15];
    u8 reserved0e0[0x400 - 0xe0];

    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    u8 reserved4a0[0x4cb - 0x4a0];
    u8 cpl;
    u32 reserved4cc;
    u64 efer;
    u8 reserved4d8[0x548 - 0x4d8];
    u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
    u8 reserved580[0x5d8 - 0x580];
    u64 rsp;
    u8 reserved5e0[0x5f8 - 0x5e0];
    u64 rax, star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    u8 reserved648[0x668 - 0x648];
    u64 g_pat, dbgctl, br_from, br_to, last_excp_from, last_excp_to;
    u8 reserved698[0x1000 - 0x698];
};

_Static_assert(offsetof(struct vmcb, iopm) == 0x40, "VMCB layout");
_Static_assert(offsetof(struct vmcb, int_ctl) == 0x60, "VMCB layout");
_Static_assert(offsetof(struct vmcb, exitcode) == 0x70, "VMCB layout");
_Static_assert(offsetof(struct vmcb, eventinj) == 0xa8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, nrip) == 0xc8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, tr) == 0x490, "VMCB layout");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB layout");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "VMCB layout");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "VMCB layout");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "VMCB layout");
_Static_assert(sizeof(struct vmcb) == 4096, "VMCB layout");

#endif
