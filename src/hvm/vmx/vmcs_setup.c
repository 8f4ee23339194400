/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of a VMCS: controls, which stay, and the guest state of a start. */
#include "vmx.h"

/* §25.6.4, §25.6.9: a quarter of the MSR bitmap each for reads of low and of high MSRs, and for writes. */
const struct hvm_bitmap_format vmx_bitmap_format = {
    .io_order = 1,
    .msr_order = 0,
    .msr_stride = 1,
    .nr_msr = 2,
    .msr = {{0, 0, 0x4000}, {0xc0000000, 0x2000, 0x6000}},
};

void vmcs_write_controls(const struct vmx_caps *caps, const struct vmcs_config *config)
{
    vmwrite(VMCS_PIN_CONTROLS, caps->pin);
    vmwrite(VMCS_PRIMARY_CONTROLS, caps->primary);
    vmwrite(VMCS_SECONDARY_CONTROLS, caps->secondary);
    vmwrite(VMCS_EXIT_CONTROLS, caps->exit);
    vmwrite(VMCS_ENTRY_CONTROLS, caps->entry);

    /* Exceptions are the guest's. With bitmap bit, mask and match 0, page faults are too (§26.2). */
    vmwrite(VMCS_EXCEPTION_BITMAP, 0);
    vmwrite(VMCS_PF_ERROR_MASK, 0);
    vmwrite(VMCS_PF_ERROR_MATCH, 0);
    vmwrite(VMCS_CR3_TARGETS, 0);
    vmwrite(VMCS_EXIT_MSR_STORES, 0);
    vmwrite(VMCS_EXIT_MSR_LOADS, 0);
    vmwrite(VMCS_ENTRY_MSR_LOADS, 0);
    vmwrite(VMCS_ENTRY_EVENT, 0);
    vmwrite(VMCS_TSC_OFFSET, 0);
    vmwrite(VMCS_LINK, ~0ull);

    vmwrite(VMCS_IO_BITMAP_A, config->io_bitmap);
    vmwrite(VMCS_IO_BITMAP_B, config->io_bitmap + PAGE_SIZE);
    vmwrite(VMCS_MSR_BITMAP, config->msr_bitmap);
    vmwrite(VMCS_EPTP, config->eptp);
    if (caps->vpid)
        vmwrite(VMCS_VPID, config->vpid);
    if (caps->tpr_shadow) {
        vmwrite(VMCS_VIRTUAL_APIC, config->vapic);
        vmwrite(VMCS_TPR_THRESHOLD, 0);
    }
    if (caps->secondary & SECONDARY_XSAVES)
        vmwrite(VMCS_XSS_EXITING, 0);
    vmwrite(VMCS_CR0_MASK, caps->cr0_mask);
    vmwrite(VMCS_CR4_MASK, caps->cr4_mask);
}

/* A segment that is not present cannot be used, and the CPU wants to be told so. */
static u64 rights(u16 attr)
{
    return attr & RIGHTS_P ? (attr & 0xffu) | (attr & 0xf00u) << 4 : RIGHTS_UNUSABLE;
}

static void write_segment(enum hvm_seg seg, const struct hvm_segment *s)
{
    vmwrite(VMCS_SEG(VMCS_GUEST_BASE, seg), s->base);
    vmwrite(VMCS_SEG(VMCS_GUEST_LIMIT, seg), s->limit);
    if (seg > SEG_TR)
        return;
    vmwrite(VMCS_SEG(VMCS_GUEST_SEL, seg), s->sel);
    vmwrite(VMCS_SEG(VMCS_GUEST_RIGHTS, seg), rights(s->attr));
}

void vmcs_read_segment(enum hvm_seg seg, struct hvm_segment *s)
{
    u64 r;

    *s = (struct hvm_segment){
        .base = vmread(VMCS_SEG(VMCS_GUEST_BASE, seg)),
        .limit = (u32)vmread(VMCS_SEG(VMCS_GUEST_LIMIT, seg)),
    };
    if (seg > SEG_TR)
        return;
    r = vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, seg));
    s->sel = (u16)vmread(VMCS_SEG(VMCS_GUEST_SEL, seg));
    s->attr = (u16)((r & 0xff) | (r >> 4 & 0xf00));
    if (r & RIGHTS_UNUSABLE)
        s->attr &= (u16)~RIGHTS_P;
}

void vmcs_write_state(const struct vmx_caps *caps, const struct hvm_state *s)
{
    u64 entry = caps->entry | (s->efer & EFER_LMA ? ENTRY_CTL_GUEST_64 : 0);

    for (unsigned i = 0; i < SEG_COUNT; i++)
        write_segment(i, &s->seg[i]);
    vmwrite(VMCS_GUEST_CR0, (s->cr0 & ~caps->cr0_mask) | caps->cr0_fixed);
    vmwrite(VMCS_CR0_SHADOW, s->cr0);
    vmwrite(VMCS_GUEST_CR3, 0);
    vmwrite(VMCS_GUEST_CR4, caps->cr4_fixed);
    vmwrite(VMCS_CR4_SHADOW, 0);
    vmwrite(VMCS_GUEST_EFER, s->efer);
    vmwrite(VMCS_ENTRY_CONTROLS, entry);
    vmwrite(VMCS_GUEST_PAT, HVM_PAT_RESET);
    vmwrite(VMCS_GUEST_DR7, HVM_DR7_RESET);
    vmwrite(VMCS_GUEST_DEBUGCTL, 0);
    vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
    vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
    vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_GUEST_ACTIVITY, 0);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    vmwrite(VMCS_GUEST_RIP, s->regs.rip);
    vmwrite(VMCS_GUEST_RSP, s->regs.rsp);
    vmwrite(VMCS_GUEST_RFLAGS, s->regs.rflags);
}

/* Masked bits as the guest wrote them, the others as they are (§25.6.6). */
static u64 as_guest_sees(u64 val, u64 mask, u64 shadow)
{
    return (val & ~mask) | (shadow & mask);
}

u64 vmcs_read_cr0(void)
{
    return as_guest_sees(vmread(VMCS_GUEST_CR0), vmread(VMCS_CR0_MASK), vmread(VMCS_CR0_SHADOW));
}

u64 vmcs_read_cr4(void)
{
    return as_guest_sees(vmread(VMCS_GUEST_CR4), vmread(VMCS_CR4_MASK), vmread(VMCS_CR4_SHADOW));
}
