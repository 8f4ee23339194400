/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "fakes.h"
#include "fake_vmcs.h"
#include "hvm_state_views.h"
#include "../../src/hvm/vmx/vmx.h"

/* hvm.c lists it; none of its functions is called here. */
const struct hvm_ops vmx_ops = {.bitmaps = &vmx_bitmap_format};

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

static struct hvm_vcpu event_hvm;
static struct vcpu event_vcpu = {.hvm = &event_hvm};
static u64 cr2;

void vmx_set_cr2(u64 val)
{
    cr2 = val;
}

static struct vcpu *guest_with_no_event(void)
{
    fake_vmcs_reset();
    fake_vmcs_poke(VMCS_GUEST_CR0, CR0_PE | CR0_PG);
    event_hvm = (struct hvm_vcpu){0};
    cr2 = 0;
    return &event_vcpu;
}

/* SDM vol. 3 §25.8.3. */
static void read_queued(struct hvm_queued *out)
{
    u64 e;

    vmx_write_events(&event_hvm);
    e = vmread(VMCS_ENTRY_EVENT);
    *out = (struct hvm_queued){.valid = e >> 31 & 1,
                               .type = e >> 8 & 7,
                               .vector = (u8)e,
                               .has_error = e >> 11 & 1,
                               .error = (u32)vmread(VMCS_ENTRY_ERROR),
                               .cr2 = cr2};
}

void vmx_inject_view(enum hvm_event_type type, u8 vector, struct hvm_queued *out)
{
    vmx_inject(guest_with_no_event(), type, vector);
    read_queued(out);
}

void vmx_exception_view(u8 vector, bool has_error, u32 error, u64 address, struct hvm_queued *out)
{
    vmx_inject_exception(guest_with_no_event(), vector, has_error, error, address);
    read_queued(out);
}

struct hvm_accepts vmx_accepts(const struct hvm_moment *m)
{
    struct vcpu *v = guest_with_no_event();

    v->regs.rflags = m->interrupts_enabled ? RFLAGS_IF : 0;
    fake_vmcs_poke(VMCS_GUEST_INTERRUPTIBILITY,
                   (m->shadow ? BLOCKED_BY_STI : 0) | (m->nmi_in_service ? BLOCKED_BY_NMI : 0));
    event_hvm.event = m->event_queued ? (u32)EVENT_VALID : 0;
    return (struct hvm_accepts){vmx_can_accept_irq(v), vmx_can_accept_nmi(v), vmx_event_queued(v)};
}

void vmx_bitmaps(struct domain *d)
{
    hvm = &vmx_ops;
    if (hvm_domain_init(d))
        panic("domain_init\n");
}

void vmx_bitmaps_free(struct domain *d)
{
    hvm_domain_free(d);
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
