/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of a vCPU: what the next entry delivers, and the windows that tell when more can be taken (SDM vol. 3 §27.6).
 */
#include <torii/lib.h>

#include "vmx.h"

static void write_event(const struct hvm_vcpu *h)
{
    vmwrite(VMCS_ENTRY_EVENT, h->event);
    if (h->event & EVENT_HAS_ERROR)
        vmwrite(VMCS_ENTRY_ERROR, h->event_error);
    if (h->event_length)
        vmwrite(VMCS_ENTRY_INSN_LENGTH, h->event_length);
}

void vmx_write_events(struct hvm_vcpu *h)
{
    if (h->event)
        write_event(h);
    if (h->primary != h->primary_written)
        vmwrite(VMCS_PRIMARY_CONTROLS, h->primary_written = h->primary);
    if (h->vapic) {
        /* It may not be above the TPR (§27.2.1.1): then what waits for it is no longer hidden, and found at the next
         * look. */
        u32 threshold = min(h->threshold, (u32)h->vapic[VAPIC_TPR] >> 4);

        if (threshold != h->threshold_written)
            vmwrite(VMCS_TPR_THRESHOLD, h->threshold_written = threshold);
    }
}

void vmx_keep_interrupted_event(struct hvm_vcpu *h)
{
    u64 event = vmread(VMCS_IDT_EVENT);

    h->event = 0;
    if (likely(!(event & EVENT_VALID)))
        return;
    h->event = (u32)(event & (EVENT_FIELDS | EVENT_VALID));
    h->event_length = EVENT_TYPE(event) >= EVENT_TYPE_SOFT_INT ? (u32)vmread(VMCS_EXIT_INSN_LENGTH) : 0;
    if (event & EVENT_HAS_ERROR)
        h->event_error = (u32)vmread(VMCS_IDT_ERROR);
    if (EVENT_TYPE(event) == EVENT_TYPE_NMI)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~BLOCKED_BY_NMI);
}

bool vmx_event_queued(struct vcpu *v)
{
    return v->hvm->event & EVENT_VALID;
}

bool vmx_can_accept_irq(struct vcpu *v)
{
    return v->regs.rflags & RFLAGS_IF && !vmx_event_queued(v) &&
           !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
}

bool vmx_can_accept_nmi(struct vcpu *v)
{
    return !vmx_event_queued(v) &&
           !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI));
}

void vmx_inject(struct vcpu *v, enum hvm_event_type type, u8 vector)
{
    v->hvm->event = vector | (u32)type << EVENT_TYPE_SHIFT | (u32)EVENT_VALID;
    v->hvm->event_length = 0;
}

/* In real mode exceptions have no error code, and the entry would be refused. */
void vmx_inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    struct hvm_vcpu *h = v->hvm;

    has_error = has_error && vmread(VMCS_GUEST_CR0) & CR0_PE;
    h->event = vector | (u32)EVENT_TYPE_EXCEPTION << EVENT_TYPE_SHIFT | (u32)EVENT_VALID |
               (has_error ? (u32)EVENT_HAS_ERROR : 0);
    h->event_error = error;
    h->event_length = 0;
    if (vector == EXC_PF)
        vmx_set_cr2(cr2);
}

/* An interrupt that the TPR hides becomes acceptable when the guest lowers that, else when it can take any. */
void vmx_irq_window(struct vcpu *v, bool on, u8 priority)
{
    struct hvm_vcpu *h = v->hvm;
    bool hidden = on && priority <= vmx_get_cr8(v);

    h->threshold = hidden ? priority : 0;
    if (on && !hidden)
        h->primary |= PRIMARY_INTERRUPT_WINDOW;
    else
        h->primary &= ~(u32)PRIMARY_INTERRUPT_WINDOW;
}

/*
 * Whether an NMI window waits for the end of an STI's shadow is the processor's choice (§26.2); one that does not would
 * exit for ever. Interrupts are enabled in such a shadow, so their window opens when it ends.
 */
void vmx_nmi_window(struct vcpu *v)
{
    bool shadow = vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_STI;

    v->hvm->primary |= (u32)(shadow ? PRIMARY_INTERRUPT_WINDOW : PRIMARY_NMI_WINDOW);
}

u8 vmx_get_cr8(struct vcpu *v)
{
    return v->hvm->vapic ? v->hvm->vapic[VAPIC_TPR] >> 4 : v->hvm->cr8;
}

void vmx_set_cr8(struct vcpu *v, u8 cr8)
{
    if (v->hvm->vapic)
        v->hvm->vapic[VAPIC_TPR] = (u8)(cr8 << 4);
    else
        v->hvm->cr8 = cr8;
}
