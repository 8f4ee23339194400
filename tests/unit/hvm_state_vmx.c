/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "fakes.h"
#include "fake_vmcs.h"
#include "hvm_state_views.h"
#include "../../src/hvm/vmx/vmx.h"

/* hvm.c lists it; it is not called here. */
extern const struct hvm_ops vmx_ops;
const struct hvm_ops vmx_ops;

static const struct vmx_caps caps = {
    .cr0_mask = CR0_NE | CR0_CD | CR0_NW,
    .cr0_fixed = CR0_NE,
    .cr4_mask = CR4_VMXE | CR4_SMXE,
    .cr4_fixed = CR4_VMXE,
    .entry = 0x11ff,
};

static void fill_with_rubbish(void)
{
    for (u32 field = 0; field < 0x7000; field += 2)
        fake_vmcs_poke(field, 0xa5a5);
}

void vmx_view(const struct hvm_state *s, struct hvm_view *out)
{
    fake_vmcs_reset();
    fill_with_rubbish();
    vmwrite(VMCS_CR0_MASK, caps.cr0_mask);
    vmwrite(VMCS_CR4_MASK, caps.cr4_mask);
    vmcs_write_state(&caps, s);
    *out = (struct hvm_view){
        .cr0 = vmcs_read_cr0(),
        .cr3 = vmread(VMCS_GUEST_CR3),
        .cr4 = vmcs_read_cr4(),
        .efer = vmread(VMCS_GUEST_EFER),
        .rip = vmread(VMCS_GUEST_RIP),
        .rsp = vmread(VMCS_GUEST_RSP),
        .rflags = vmread(VMCS_GUEST_RFLAGS),
        .dr7 = vmread(VMCS_GUEST_DR7),
        .pat = vmread(VMCS_GUEST_PAT),
        .cpl = RIGHTS_DPL(vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_SS))),
        .long_mode = vmread(VMCS_ENTRY_CONTROLS) & ENTRY_CTL_GUEST_64,
        .interrupts_blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS),
        .nmis_blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI,
    };
    for (unsigned i = 0; i < SEG_COUNT; i++)
        vmcs_read_segment(i, &out->seg[i]);
    for (unsigned i = 0; i <= SEG_TR; i++)
        out->usable[i] = !(vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, i)) & RIGHTS_UNUSABLE);
}

void vmx_bitmaps(struct domain *d)
{
    if (hvm_bitmaps_init(d, &vmx_bitmap_format))
        panic("domain_init\n");
}

void vmx_bitmaps_free(struct domain *d)
{
    hvm_bitmaps_free(d, &vmx_bitmap_format);
}

bool vmx_port_exits(struct domain *d, u16 port)
{
    return d->hvm->io[port / 8] >> port % 8 & 1;
}

/* SDM vol. 3 §25.6.9. */
bool vmx_msr_exits(struct domain *d, u32 msr, bool write)
{
    unsigned n = msr & 0x1fff, offset = (msr >= 0xc0000000 ? 0x400 : 0) + (write ? 0x800 : 0);

    if (msr >= 0x2000 && msr - 0xc0000000 >= 0x2000)
        return true;
    return d->hvm->msr[offset + n / 8] >> n % 8 & 1;
}
