/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two control blocks seen alike. Each implementation is in a file of its own, since both have a struct hvm_vcpu.
 */
#ifndef TORII_TESTS_HVM_STATE_VIEWS_H
#define TORII_TESTS_HVM_STATE_VIEWS_H

#include <torii/hvm.h>

/* What a guest would find, as the control block says it. */
struct hvm_view {
    u64 cr0, cr3, cr4, efer, rip, rsp, rflags, dr7, pat;
    struct hvm_segment seg[SEG_COUNT];
    unsigned cpl;
    bool usable[SEG_TR + 1];
    bool long_mode; /* what the entry is told */
    bool event_queued, interrupts_blocked, nmis_blocked;
};

/* Build the control block for a start in state *s, on top of one full of rubbish, and read it back. */
void svm_view(const struct hvm_state *s, struct hvm_view *out);
void vmx_view(const struct hvm_state *s, struct hvm_view *out);

/* An event that waits for the next entry. */
struct hvm_queued {
    bool valid, has_error;
    unsigned type;
    u8 vector;
    u32 error;
    u64 cr2; /* as the guest would find it */
};

/* Where a guest stands when an event comes. */
struct hvm_moment {
    bool interrupts_enabled, shadow, nmi_in_service, event_queued;
};

/* Inject into a guest in protected mode, and read back what was queued. */
void svm_inject_view(enum hvm_event_type type, u8 vector, struct hvm_queued *out);
void vmx_inject_view(enum hvm_event_type type, u8 vector, struct hvm_queued *out);
void svm_exception_view(u8 vector, bool has_error, u32 error, u64 cr2, struct hvm_queued *out);
void vmx_exception_view(u8 vector, bool has_error, u32 error, u64 cr2, struct hvm_queued *out);
/* At that moment: can an interrupt, or an NMI, be taken, does an event wait? */
struct hvm_accepts {
    bool irq, nmi, queued;
};
struct hvm_accepts svm_accepts(const struct hvm_moment *m);
struct hvm_accepts vmx_accepts(const struct hvm_moment *m);

/* Make the permission bitmaps of d, whose io_map is filled. */
void svm_bitmaps(struct domain *d);
void vmx_bitmaps(struct domain *d);
/* Do they let the access through? */
bool svm_port_exits(struct domain *d, u16 port);
bool vmx_port_exits(struct domain *d, u16 port);
bool svm_msr_exits(struct domain *d, u32 msr, bool write);
bool vmx_msr_exits(struct domain *d, u32 msr, bool write);
void svm_bitmaps_free(struct domain *d);
void vmx_bitmaps_free(struct domain *d);

#endif
