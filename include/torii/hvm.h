/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware virtualisation behind one table of operations. Nothing above src/hvm tests the vendor; src/hvm/svm and
 * src/hvm/vmx never call a device: an exit becomes a call through the tables of iomap.h.
 */
#ifndef TORII_HVM_H
#define TORII_HVM_H

#include <torii/domain.h>
#include <torii/trace.h>
#include <torii/types.h>

/* Segment registers in hardware encoding order, then the system ones. */
enum hvm_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_GDTR, SEG_IDTR, SEG_COUNT };

/* attr in the packed form of the VMCB (APM vol. 2 §15.5.1): type 3:0, S 4, DPL 6:5, P 7, AVL 8, L 9, D/B 10, G 11. */
struct hvm_segment {
    u16 sel, attr;
    u32 limit;
    u64 base;
};

/* Control state a room may want to read: paging mode for the guest walk, code size for the decoder. */
struct hvm_control {
    u64 cr0, cr2, cr3, cr4, efer;
};

enum hvm_event_type { HVM_EVENT_INTERRUPT = 0, HVM_EVENT_NMI = 2, HVM_EVENT_EXCEPTION = 3, HVM_EVENT_SOFT_INT = 4 };

/* A vCPU's state at a start: all that is not listed takes its reset value. */
struct hvm_state {
    struct guest_regs regs;
    u64 cr0, efer;
    struct hvm_segment seg[SEG_COUNT];
};

/* PVH entry (public/arch-x86/hvm/start_info.h): 32-bit flat, unpaged, EBX = gpa of hvm_start_info. */
void hvm_state_pvh(struct hvm_state *s, u32 entry, u32 start_info);
/* Start-up IPI (SDM vol. 3 §9.4.4): real mode at vector << 12. */
void hvm_state_sipi(struct hvm_state *s, u8 vector);
/*
 * Firmware's jump to an OS that wakes up (ACPI 6.5 §16.3.1.1): in real mode to `vector` below 1 MiB, CS vector >> 4, IP the
 * rest; or in flat 32-bit protected mode without paging.
 */
#define HVM_WAKE_REAL_END 0x100000u
void hvm_state_wake(struct hvm_state *s, u32 vector);
void hvm_state_wake_flat(struct hvm_state *s, u32 vector);

#define HVM_DR6_RESET 0xffff0ff0ull
#define HVM_DR7_RESET 0x400ull
#define HVM_PAT_RESET 0x0007040600070406ull

/* In a code: the processor refuses the guest's state, or cannot go on with it. SVM's own codes of that kind have it,
 * too. */
#define HVM_CODE_FATAL BIT(63)

/* Why the guest left, in the words of neither vendor. */
struct hvm_exit {
    enum exit_reason reason;
    u8 cr8;       /* TPR bits 7:4 as the guest left them */
    u64 next_rip; /* of exits caused by an instruction */
    u64 info;     /* for the trace: port, MSR, guest-physical address, hypercall number or CPUID leaf, exit code */
    union {
        struct {
            u16 port;
            u8 bytes, addr_bytes;
            u8 seg; /* enum hvm_seg, of OUTS */
            bool in, string, rep;
        } io;
        struct {
            u64 gpa;
            bool write, exec;
            bool table;  /* the processor's own, to an entry of the guest's page tables */
            u8 nr_bytes; /* of the instruction, if the CPU gave them; else 0 */
            u8 bytes[15];
        } mmio;
        struct {
            bool long_mode; /* the caller's code segment is of 64 bits */
            u8 cpl;
        } call;
        u64 code; /* EXIT_OTHER: the vendor's exit code */
    };
};

/* Bits of a stage-2 entry: what the vendors' formats differ in (APM vol. 2 §15.25.5, SDM vol. 3 §29.3.2). */
struct s2_encoding {
    u64 table;                 /* an entry that points to the next table */
    u64 read, write, exec;     /* set for a permitted access; read also says "present" */
    u64 no_exec;               /* set when execution is not permitted */
    u64 accessed, dirty;       /* set by the processor in a leaf, if it keeps account */
    u64 ram, device;           /* memory type bits of a leaf, on a machine whose MTRRs are off */
    unsigned type_shift;       /* where a leaf has the memory type in place of the MTRRs'; 0: the MTRRs hold */
};

/* Priority of an interrupt that the TPR does not hide. */
#define HVM_WINDOW_ANY_TPR 0xffu

struct hvm_bitmap_format; /* src/hvm/hvm_internal.h */

struct hvm_ops {
    const char *name; /* "SVM", "VMX" */
    const struct s2_encoding *s2;
    const struct hvm_bitmap_format *bitmaps;

    bool (*s2_1g_pages)(void); /* stage 2 may use 1 GiB leaves */

    /* Can this CPU do it? NULL, or what is missing, in words for the boot log. Changes nothing. */
    const char *(*probe)(void);
    /*
     * Switch it on for the calling CPU: at its start, and again when it has been reset since cpu_disable, with no vCPU
     * loaded. 0 or -errno.
     */
    int (*cpu_enable)(void);
    void (*cpu_disable)(void);

    int (*vcpu_init)(struct vcpu *v);

    /* Replace the architectural state: hvm_state_pvh, hvm_state_sipi. TLBs are flushed, queued events dropped. */
    void (*set_state)(struct vcpu *v, const struct hvm_state *s);

    /* v becomes / stops being the vCPU of this physical CPU: state that is switched rarely. */
    void (*vcpu_load)(struct vcpu *v);
    void (*vcpu_unload)(struct vcpu *v);

    /* Enter the guest once; on return v->regs and *exit say how it left. Interrupts disabled on entry and return. */
    void (*run)(struct vcpu *v, struct hvm_exit *exit);
    /*
     * The instruction that exited is done: move RIP behind it, end its interrupt shadow. False, which an exit's handler can
     * return: no event is to be looked for.
     */
    bool (*skip_insn)(struct vcpu *v, const struct hvm_exit *exit);

    /* Events for the next entry. can_accept: IF, shadows and an event already queued; NMI likewise. */
    bool (*can_accept_irq)(struct vcpu *v);
    bool (*can_accept_nmi)(struct vcpu *v);
    void (*inject)(struct vcpu *v, enum hvm_event_type type, u8 vector);
    /* In an exit's handler: the exit came while the processor delivered an event, which the next entry delivers again. */
    bool (*event_queued)(struct vcpu *v);
    /*
     * Exit with EXIT_WINDOW as soon as an interrupt of `priority` (the upper four bits of its vector, or
     * HVM_WINDOW_ANY_TPR) or an NMI could be accepted.
     */
    void (*irq_window)(struct vcpu *v, bool on, u8 priority);
    void (*nmi_window)(struct vcpu *v);
    /* TPR bits 7:4, which the guest reads and writes without an exit where hardware can. `run` reports them. */
    u8 (*get_cr8)(struct vcpu *v);
    void (*set_cr8)(struct vcpu *v, u8 cr8);

    void (*get_control)(struct vcpu *v, struct hvm_control *c);
    u64 (*get_cr4)(struct vcpu *v);
    /* Values that msr.c has found valid; SVME is not the guest's. */
    void (*set_efer)(struct vcpu *v, u64 val);
    u64 (*get_pat)(struct vcpu *v);
    void (*set_pat)(struct vcpu *v, u64 val);
    void (*get_segment)(struct vcpu *v, enum hvm_seg seg, struct hvm_segment *s);
    unsigned (*cpl)(struct vcpu *v);
    void (*inject_exception)(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2);
    void (*set_tsc_offset)(struct vcpu *v, u64 offset);
    u64 (*get_tsc_offset)(struct vcpu *v);

    /* Drop guest translations of this vCPU at its next entry. */
    void (*flush_tlb)(struct vcpu *v);
    /* Hypercall instruction's last byte differs by vendor. */
    bool hypercall_is_vmcall;
    void (*dump)(struct vcpu *v);
};

extern const struct hvm_ops *hvm;

/* Choose the implementation for this machine: 0, or a line saying what is missing has been logged. */
int hvm_init(void);
/* Permission bitmaps of d from d->io: made, or made anew when the tables have changed. 0 or -XEN_ENOMEM. */
int hvm_domain_init(struct domain *d);

/* x86 exception vectors. */
enum { EXC_DE, EXC_DB, EXC_NMI, EXC_BP, EXC_OF, EXC_BR, EXC_UD, EXC_NM, EXC_DF, EXC_TS = 10, EXC_NP, EXC_SS, EXC_GP, EXC_PF,
       EXC_MF = 16, EXC_AC, EXC_MC, EXC_XM };

#define inject_gp(v) hvm->inject_exception(v, EXC_GP, true, 0, 0)
#define inject_ud(v) hvm->inject_exception(v, EXC_UD, false, 0, 0)

#endif
