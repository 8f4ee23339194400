/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control structure: fields (SDM vol. 3 appendix B) and their bits (ch. 25 to 28). */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include <torii/types.h>

enum vmcs_field {
    VMCS_VPID = 0x0000,
    /* Selectors, in the order of enum hvm_seg: two apart, up to TR. */
    VMCS_GUEST_SEL = 0x0800,
    VMCS_HOST_ES_SEL = 0x0c00,
    VMCS_HOST_CS_SEL = 0x0c02,
    VMCS_HOST_SS_SEL = 0x0c04,
    VMCS_HOST_DS_SEL = 0x0c06,
    VMCS_HOST_FS_SEL = 0x0c08,
    VMCS_HOST_GS_SEL = 0x0c0a,
    VMCS_HOST_TR_SEL = 0x0c0c,

    VMCS_IO_BITMAP_A = 0x2000,
    VMCS_IO_BITMAP_B = 0x2002,
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_VIRTUAL_APIC = 0x2012,
    VMCS_EPTP = 0x201a,
    VMCS_XSS_EXITING = 0x202c,
    VMCS_GUEST_PHYSICAL = 0x2400,
    VMCS_LINK = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,

    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PRIMARY_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PF_ERROR_MASK = 0x4006,
    VMCS_PF_ERROR_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORES = 0x400e,
    VMCS_EXIT_MSR_LOADS = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOADS = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_ERROR = 0x4018,
    VMCS_ENTRY_INSN_LENGTH = 0x401a,
    VMCS_TPR_THRESHOLD = 0x401c,
    VMCS_SECONDARY_CONTROLS = 0x401e,
    VMCS_INSN_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_IDT_EVENT = 0x4408,
    VMCS_IDT_ERROR = 0x440a,
    VMCS_EXIT_INSN_LENGTH = 0x440c,
    VMCS_EXIT_INSN_INFO = 0x440e,
    /* Limits in the order of enum hvm_seg, up to IDTR; access rights up to TR. */
    VMCS_GUEST_LIMIT = 0x4800,
    VMCS_GUEST_RIGHTS = 0x4814,
    VMCS_GUEST_INTERRUPTIBILITY = 0x4824,
    VMCS_GUEST_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_HOST_SYSENTER_CS = 0x4c00,

    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_EXIT_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_BASE = 0x6806, /* in the order of enum hvm_seg, up to IDTR */
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_GUEST_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
};

/* The field of one segment: base field of a group, then two apart. */
#define VMCS_SEG(group, seg) ((group) + 2 * (seg))

/* Pin-based controls, §25.6.1. */
#define PIN_INTERRUPT_EXITING BIT(0)
#define PIN_NMI_EXITING       BIT(3)
#define PIN_VIRTUAL_NMIS      BIT(5)

/* Primary processor-based controls, §25.6.2. */
#define PRIMARY_INTERRUPT_WINDOW  BIT(2)
#define PRIMARY_TSC_OFFSETTING    BIT(3)
#define PRIMARY_HLT_EXITING       BIT(7)
#define PRIMARY_INVLPG_EXITING    BIT(9)
#define PRIMARY_MWAIT_EXITING     BIT(10)
#define PRIMARY_RDPMC_EXITING     BIT(11)
#define PRIMARY_RDTSC_EXITING     BIT(12)
#define PRIMARY_CR3_LOAD_EXITING  BIT(15)
#define PRIMARY_CR3_STORE_EXITING BIT(16)
#define PRIMARY_CR8_LOAD_EXITING  BIT(19)
#define PRIMARY_CR8_STORE_EXITING BIT(20)
#define PRIMARY_TPR_SHADOW        BIT(21)
#define PRIMARY_NMI_WINDOW        BIT(22)
#define PRIMARY_DR_EXITING        BIT(23)
#define PRIMARY_IO_BITMAPS        BIT(25)
#define PRIMARY_MSR_BITMAPS       BIT(28)
#define PRIMARY_MONITOR_EXITING   BIT(29)
#define PRIMARY_SECONDARY         BIT(31)

/* Secondary processor-based controls. */
#define SECONDARY_EPT                BIT(1)
#define SECONDARY_RDTSCP             BIT(3)
#define SECONDARY_VPID               BIT(5)
#define SECONDARY_UNRESTRICTED_GUEST BIT(7)
#define SECONDARY_INVPCID            BIT(12)
#define SECONDARY_XSAVES             BIT(20)

/* Exit controls, §25.7.1. */
#define EXIT_CTL_SAVE_DEBUG BIT(2)
#define EXIT_CTL_HOST_64    BIT(9)
#define EXIT_CTL_SAVE_PAT   BIT(18)
#define EXIT_CTL_LOAD_PAT   BIT(19)
#define EXIT_CTL_SAVE_EFER  BIT(20)
#define EXIT_CTL_LOAD_EFER  BIT(21)

/* Entry controls, §25.8.1. */
#define ENTRY_CTL_LOAD_DEBUG BIT(2)
#define ENTRY_CTL_GUEST_64   BIT(9)
#define ENTRY_CTL_LOAD_PAT   BIT(14)
#define ENTRY_CTL_LOAD_EFER  BIT(15)

/* Event for the next entry (§25.8.3); an exit's, and the one an exit interrupted, look the same (§25.9.2, §25.9.3). */
#define EVENT_TYPE_SHIFT 8
#define EVENT_TYPE(e)    ((e) >> EVENT_TYPE_SHIFT & 7)
#define EVENT_HAS_ERROR  BIT(11)
#define EVENT_FIELDS     0x00000fffull /* vector, type, error code: what of an interrupted event is delivered again */
#define EVENT_VALID      BIT(31)
enum { EVENT_TYPE_NMI = 2, EVENT_TYPE_EXCEPTION = 3, EVENT_TYPE_SOFT_INT = 4, EVENT_TYPE_SOFT_EXCEPTION = 6 };

/* Interruptibility, §25.4.2. */
#define BLOCKED_BY_STI    BIT(0)
#define BLOCKED_BY_MOV_SS BIT(1)
#define BLOCKED_BY_NMI    BIT(3)

#define PENDING_DEBUG_BS BIT(14) /* single step, §25.4.2 */
#define DEBUGCTL_BTF     BIT(1)

/* Access rights, §25.4.1: bits 7:0 as in hvm_segment's attr, 11:8 of attr in 15:12. */
#define RIGHTS_P        BIT(7)
#define RIGHTS_TYPE     0xfull
#define RIGHTS_L        BIT(13)
#define RIGHTS_DPL(r)   ((r) >> 5 & 3)
#define RIGHTS_UNUSABLE BIT(16)

/* EPT pointer, §25.6.11. */
#define EPTP_UC             0ull
#define EPTP_WB             6ull
#define EPTP_FOUR_LEVELS    (3ull << 3)
#define EPTP_ACCESSED_DIRTY BIT(6)

/* Basic exit reasons, appendix C. */
enum vmx_reason {
    VMX_EXCEPTION_NMI = 0,
    VMX_INTERRUPT = 1,
    VMX_TRIPLE_FAULT = 2,
    VMX_INIT = 3,
    VMX_INTERRUPT_WINDOW = 7,
    VMX_NMI_WINDOW = 8,
    VMX_TASK_SWITCH = 9,
    VMX_CPUID = 10,
    VMX_HLT = 12,
    VMX_INVD = 13,
    VMX_VMCALL = 18,
    VMX_CR = 28,
    VMX_IO = 30,
    VMX_RDMSR = 31,
    VMX_WRMSR = 32,
    VMX_TPR_BELOW_THRESHOLD = 43,
    VMX_EPT_VIOLATION = 48,
    VMX_EPT_MISCONFIGURATION = 49,
    VMX_WBINVD = 54,
    VMX_XSETBV = 55,
};
#define REASON_BASIC(r)     ((u16)(r))
#define REASON_ENTRY_FAILED BIT(31)

/* Exit qualifications, §28.2.1: control registers, I/O, EPT violations. */
#define QUAL_CR_NUMBER(q) ((q)&0xf)
#define QUAL_CR_TYPE(q)   ((q) >> 4 & 3)
#define QUAL_CR_GPR(q)    ((q) >> 8 & 0xf)
enum { CR_MOV_TO, CR_MOV_FROM };
#define QUAL_IO_BYTES(q)  (((q)&7) + 1)
#define QUAL_IO_IN        BIT(3)
#define QUAL_IO_STRING    BIT(4)
#define QUAL_IO_REP       BIT(5)
#define QUAL_IO_PORT(q)   ((u16)((q) >> 16))
#define QUAL_EPT_WRITE    BIT(1)
#define QUAL_EPT_EXEC     BIT(2)
#define QUAL_EPT_LINEAR   BIT(7)  /* on the way from a linear address, */
#define QUAL_EPT_LAST     BIT(8)  /* which is translated, so not at an entry of the guest's page tables */
#define QUAL_EPT_IRET_NMI BIT(12) /* an IRET had unblocked NMIs, and will be executed again */

/* Instruction information of INS and OUTS, table 28-8. */
#define INSN_IO_ADDR_BYTES(i) (2u << ((i) >> 7 & 7))
#define INSN_IO_SEG(i)        ((i) >> 15 & 7)

/* Virtual-APIC page: the task priority register. */
#define VAPIC_TPR 0x80

#endif
