/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <torii/cpu.h>

#include "fakes.h"
#include "hvm_state_views.h"
#include "../../src/hvm/hvm_internal.h"
#include "../../src/hvm/svm/svm.h"

/* What svm.c needs to link; none of it is called here. */
void svm_run(struct vcpu *v, struct hvm_exit *exit)
{
    panic("svm_run\n");
}

paddr_t s2_root(struct domain *d)
{
    panic("s2_root\n");
}

paddr_t virt_to_paddr(const void *p)
{
    return (paddr_t)p;
}

bool wrmsr_safe(u32 msr, u64 val)
{
    return false;
}

static void take_segment(struct hvm_view *out, enum hvm_seg seg, const struct vmcb_segment *s)
{
    out->seg[seg] = (struct hvm_segment){s->sel, s->attr, s->limit, s->base};
    if (seg <= SEG_TR)
        out->usable[seg] = s->attr & BIT(7);
}

void svm_view(const struct hvm_state *s, struct hvm_view *out)
{
    static struct vmcb c;
    struct hvm_vcpu h = {.vmcb = &c};
    struct vcpu v = {.hvm = &h};

    memset(&c, 0xa5, sizeof(c));
    svm_ops.set_state(&v, s);
    *out = (struct hvm_view){
        .cr0 = c.cr0,
        .cr3 = c.cr3,
        .cr4 = c.cr4,
        .efer = c.efer & ~EFER_SVME,
        .rip = v.regs.rip, /* RIP, RSP, RFLAGS go to the VMCB at each entry */
        .rsp = v.regs.rsp,
        .rflags = v.regs.rflags,
        .dr7 = c.dr7,
        .pat = c.g_pat,
        .cpl = c.cpl,
        .long_mode = c.efer & EFER_LMA,
        .event_queued = c.eventinj & SVM_EVENT_VALID,
        .interrupts_blocked = c.int_shadow & 1,
        .nmis_blocked = h.nmi_blocked,
    };
    take_segment(out, SEG_ES, &c.es);
    take_segment(out, SEG_CS, &c.cs);
    take_segment(out, SEG_SS, &c.ss);
    take_segment(out, SEG_DS, &c.ds);
    take_segment(out, SEG_FS, &c.fs);
    take_segment(out, SEG_GS, &c.gs);
    take_segment(out, SEG_LDTR, &c.ldtr);
    take_segment(out, SEG_TR, &c.tr);
    take_segment(out, SEG_GDTR, &c.gdtr);
    take_segment(out, SEG_IDTR, &c.idtr);
}

static struct vmcb event_vmcb;
static struct hvm_vcpu event_hvm;
static struct vcpu event_vcpu = {.hvm = &event_hvm};

static struct vcpu *guest_with_no_event(void)
{
    memset(&event_vmcb, 0, sizeof(event_vmcb));
    event_hvm = (struct hvm_vcpu){.vmcb = &event_vmcb};
    event_vmcb.cr0 = CR0_PE | CR0_PG;
    return &event_vcpu;
}

/* APM vol. 2 §15.20. */
static void read_queued(struct hvm_queued *out)
{
    u64 e = event_vmcb.eventinj;

    *out = (struct hvm_queued){.valid = e >> 31 & 1,
                               .type = e >> 8 & 7,
                               .vector = (u8)e,
                               .has_error = e >> 11 & 1,
                               .error = (u32)(e >> 32),
                               .cr2 = event_vmcb.cr2};
}

void svm_inject_view(enum hvm_event_type type, u8 vector, struct hvm_queued *out)
{
    svm_ops.inject(guest_with_no_event(), type, vector);
    read_queued(out);
}

void svm_exception_view(u8 vector, bool has_error, u32 error, u64 cr2, struct hvm_queued *out)
{
    svm_ops.inject_exception(guest_with_no_event(), vector, has_error, error, cr2);
    read_queued(out);
}

struct hvm_accepts svm_accepts(const struct hvm_moment *m)
{
    struct vcpu *v = guest_with_no_event();

    v->regs.rflags = m->interrupts_enabled ? RFLAGS_IF : 0;
    event_vmcb.int_shadow = m->shadow;
    event_hvm.nmi_blocked = m->nmi_in_service;
    event_vmcb.eventinj = m->event_queued ? SVM_EVENT_VALID : 0;
    return (struct hvm_accepts){svm_ops.can_accept_irq(v), svm_ops.can_accept_nmi(v), svm_ops.event_queued(v)};
}

void svm_bitmaps(struct domain *d)
{
    hvm = &svm_ops;
    if (hvm_domain_init(d))
        panic("domain_init\n");
}

void svm_bitmaps_free(struct domain *d)
{
    hvm_domain_free(d);
}

bool svm_port_exits(struct domain *d, u16 port)
{
    const struct hvm_domain *m = d->hvm;

    return m->io[port / 8] >> port % 8 & 1;
}

/* APM vol. 2 §15.11: what lies in none of the ranges always exits. */
bool svm_msr_exits(struct domain *d, u32 msr, bool write)
{
    const struct hvm_domain *m = d->hvm;
    unsigned offset = msr < 0x2000 ? 0 : msr - 0xc0000000 < 0x2000 ? 0x800 : msr - 0xc0010000 < 0x2000 ? 0x1000 : ~0u;
    unsigned bit = (msr & 0x1fff) * 2 + write;

    return offset == ~0u || (m->msr[offset + bit / 8] >> bit % 8 & 1);
}
