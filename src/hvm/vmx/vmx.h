/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the VMX implementation. */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include <torii/cpu.h>
#include <torii/hvm.h>

#include "../hvm_internal.h"
#include "vmcs.h"

/* SDM vol. 3 appendix A. */
#define MSR_FEATURE_CONTROL  0x3a
#define MSR_VMX_BASIC        0x480
#define MSR_VMX_PIN          0x481
#define MSR_VMX_PRIMARY      0x482
#define MSR_VMX_EXIT         0x483
#define MSR_VMX_ENTRY        0x484
#define MSR_VMX_MISC         0x485
#define MSR_VMX_CR0_FIXED0   0x486
#define MSR_VMX_CR4_FIXED0   0x488
#define MSR_VMX_SECONDARY    0x48b
#define MSR_VMX_EPT_VPID     0x48c
#define MSR_VMX_TRUE_PIN     0x48d
#define MSR_VMX_TRUE_PRIMARY 0x48e
#define MSR_VMX_TRUE_EXIT    0x48f
#define MSR_VMX_TRUE_ENTRY   0x490

/* Of system calls, SDM vol. 4 table 2-2. */
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102

#define FEATURE_LOCKED    BIT(0)
#define FEATURE_VMX       BIT(2) /* outside of SMX */
#define BASIC_REVISION(b) ((u32)(b)&0x7fffffff)
#define BASIC_INS_OUTS    BIT(54)
#define BASIC_TRUE        BIT(55)
#define MISC_STORES_LMA   BIT(5)
#define CAP_EPT_FOUR      BIT(6)
#define CAP_EPT_UC        BIT(8)
#define CAP_EPT_WB        BIT(14)
#define CAP_EPT_2M        BIT(16)
#define CAP_EPT_1G        BIT(17)
#define CAP_INVEPT        BIT(20)
#define CAP_EPT_AD        BIT(21)
#define CAP_INVEPT_SINGLE BIT(25)
#define CAP_INVEPT_ALL    BIT(26)

#define CR4_VMXE BIT(13)
#define CR4_SMXE BIT(14)

/* The capability MSRs; those that this CPU does not have are 0. */
struct vmx_msrs {
    u64 basic, pin, primary, secondary, exit, entry, misc, ept_vpid;
    u64 cr0_fixed0, cr4_fixed0;
};

/* What Torii makes of them: the controls of every VMCS, and the control register bits the guest does not own. */
struct vmx_caps {
    u32 revision;
    u32 pin, primary, secondary, exit, entry;
    u64 cr0_mask, cr4_mask;   /* Torii's bits: the guest sees the read shadow */
    u64 cr0_fixed, cr4_fixed; /* of those, the ones that are 1 in hardware */
    u64 eptp_bits;
    bool tpr_shadow, vpid, ept_1g, invept_single;
};
extern struct vmx_caps vmx_caps;

/* NULL, or what is missing. Pure. */
const char *vmx_choose(const struct vmx_msrs *m, struct vmx_caps *caps);
/* A VMCS made for one of them runs on the other. */
bool vmx_caps_equal(const struct vmx_caps *a, const struct vmx_caps *b);

/* MSRs of the guest's that no VMCS holds and Torii has no use for: the guest's values stay in the hardware. */
enum { VMX_MSRS = 5 };

struct hvm_vcpu {
    void *vmcs;
    paddr_t vmcs_pa;
    u8 *vapic; /* virtual-APIC page, if there is a TPR shadow */
    u8 cr8;    /* without one */
    u16 vpid;
    u64 eptp;
    struct pcpu *on; /* where the VMCS is current; NULL: nowhere */
    u64 host_rsp;    /* as last written to the VMCS */
    bool launched, set_up, flush;

    /* For the next entry; written to the VMCS if they changed. */
    u32 event, event_error, event_length;
    u32 primary, primary_written;
    u32 threshold, threshold_written;
    u64 tsc_offset, tsc_offset_written;
    u64 rip, rsp, rflags; /* as the VMCS has them */

    /* A state set while the VMCS was not current here: takes effect at the next load or entry. */
    struct hvm_state state;
    bool state_pending;

    /* While the VMCS is current nowhere. */
    struct hvm_control control;
    u64 msr[VMX_MSRS], cr2, dr6;
    struct hvm_lazy lazy;

    u64 last_reason, last_qualification; /* for dumps */
};

/* --- cpu.c: of struct hvm_ops --- */

const char *vmx_probe(void);
int vmx_cpu_enable(void);
void vmx_cpu_disable(void);

/* --- events.c: of struct hvm_ops, and what entry and exit do about events --- */

bool vmx_event_queued(struct vcpu *v);
bool vmx_can_accept_irq(struct vcpu *v);
bool vmx_can_accept_nmi(struct vcpu *v);
void vmx_inject(struct vcpu *v, enum hvm_event_type type, u8 vector);
void vmx_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2);
void vmx_irq_window(struct vcpu *v, bool on, u8 priority);
void vmx_nmi_window(struct vcpu *v);
u8 vmx_get_cr8(struct vcpu *v);
void vmx_set_cr8(struct vcpu *v, u8 cr8);
/* Event, windows and TPR threshold, for the entry that comes. */
void vmx_write_events(struct hvm_vcpu *h);
/* An exit while an event was being delivered: the next entry delivers it again (§28.2.4). */
void vmx_keep_interrupted_event(struct hvm_vcpu *h);

/* --- vmcs_setup.c: fields of the current VMCS --- */

struct vmcs_config {
    u64 eptp;
    u16 vpid;
    paddr_t msr_bitmap, io_bitmap, vapic;
};

extern const struct hvm_bitmap_format vmx_bitmap_format;
/* Controls, which stay as they are. */
void vmcs_write_controls(const struct vmx_caps *caps, const struct vmcs_config *config);
/* Guest state at a start; registers but RIP, RSP and RFLAGS are elsewhere. */
void vmcs_write_state(const struct vmx_caps *caps, const struct hvm_state *s);
void vmcs_read_segment(enum hvm_seg seg, struct hvm_segment *s);
u64 vmcs_read_cr0(void);
u64 vmcs_read_cr4(void);

/* --- exit.c --- */

/* Translate the VMCS's exit into *exit, handling what is VMX's alone. */
void vmx_decode_exit(struct vcpu *v, struct hvm_exit *exit);

/* An exit took a physical NMI, and NMIs are blocked until an IRET: go through the IDT, as one of Torii's own does. */
void vmx_take_nmi(void);
void vmx_set_cr2(u64 cr2);
/* For INVD: the caches hold Torii's data too. */
void vmx_write_back_caches(void);

/* --- entry.S --- */

/* Enter the guest. 0 after an exit, 1 if VMLAUNCH or VMRESUME failed. *host_rsp caches VMCS_HOST_RSP. */
u64 vmx_enter(struct guest_regs *regs, u64 *host_rsp, bool launched);
extern const u8 vmx_exit_point[];
/* XSETBV that survives #GP: false then. */
bool xsetbv_safe(u32 index, u64 val);

/* --- instructions --- */

#ifdef TORII_HOST
u64 vmread(u32 field);
void vmwrite(u32 field, u64 val);
#else
void noreturn_fn vmwrite_failed(u32 field, u64 val);

/* End a VMCS's being current, on the CPU where it is: what the CPU holds of it goes to memory. */
static inline void vmclear(paddr_t vmcs)
{
    asm volatile("vmclear %0" : : "m"(vmcs) : "cc", "memory");
}

static inline void vmptrld(paddr_t vmcs)
{
    asm volatile("vmptrld %0" : : "m"(vmcs) : "cc", "memory");
}

static inline u64 vmread(u32 field)
{
    u64 val;

    asm volatile("vmread %1, %0" : "=r"(val) : "r"((u64)field) : "cc");
    return val;
}

static inline void vmwrite(u32 field, u64 val)
{
    bool failed;

    asm volatile("vmwrite %2, %1" : "=@ccbe"(failed) : "r"((u64)field), "rm"(val));
    if (unlikely(failed))
        vmwrite_failed(field, val);
}
#endif

#endif
