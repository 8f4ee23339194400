/* SPDX-License-Identifier: BSD-2-Clause */
/* The one way to guest memory. All functions check everything and never fault. */
#ifndef TORII_GUEST_H
#define TORII_GUEST_H

#include <torii/types.h>

struct vcpu;
struct domain;

/*
 * Guest linear addresses in the vCPU's current paging mode, as supervisor data accesses; SMAP is not applied
 * (hypercall wrappers set AC, and user buffers are legal for privcmd). Return 0 or -XEN_EFAULT; on failure a
 * prefix may have been copied.
 */
int copy_from_guest(struct vcpu *v, void *dst, u64 gva, size_t bytes);
int copy_to_guest(struct vcpu *v, u64 gva, const void *src, size_t bytes);

/* Guest-physical addresses: RAM of the domain only. 0 or -XEN_EFAULT. */
int copy_from_gpa(struct domain *d, void *dst, gpa_t gpa, size_t bytes);
int copy_to_gpa(struct domain *d, gpa_t gpa, const void *src, size_t bytes);

/* Translate a linear address. 0 and *gpa, or -XEN_EFAULT. `write` also demands a writable mapping. */
int guest_linear_to_gpa(struct vcpu *v, u64 gva, bool write, gpa_t *gpa);

/*
 * Pin a frame of guest RAM that Torii will keep using (vcpu_info, FIFO pages): returns its direct-map address and
 * holds the frame until guest_page_put; NULL if the gfn is not writable RAM of the domain.
 */
void *guest_page_get(struct domain *d, gfn_t gfn);
void guest_page_put(struct domain *d, void *page);

/*
 * Taking a frame away from a domain (decrease_reservation, mapping something over it):
 *     if (guest_page_is_pinned(d, gfn)) refuse;
 *     s2_unmap(d, gfn, 1); s2_flush(d); guest_quiesce();
 *     if (guest_page_is_pinned(d, gfn)) { s2_map it back; refuse; }
 *     free the frame.
 * guest_quiesce waits until every copy and page walk that may have looked gfn up before it was unmapped has ended (a page
 * copy at most). Interrupts disabled; no LOCK_STAGE2 or later lock held; not from inside a copy.
 */
bool guest_page_is_pinned(struct domain *d, gfn_t gfn);
void guest_quiesce(void);
/* How many pages are pinned. */
unsigned long guest_pinned_pages(struct domain *d);
/* Forget all pins (domain destruction). */
void guest_pins_free(struct domain *d);

/* --- for the emulator --- */

/* What an access is, for guest_walk. A read is 0. */
#define GUEST_WRITE BIT(0)
#define GUEST_USER  BIT(1) /* CPL 3; else supervisor */
#define GUEST_FETCH BIT(2)
#define GUEST_SMAP  BIT(3) /* apply CR4.SMAP as hardware would with the current RFLAGS.AC */

/*
 * Walk the guest's page tables as the processor would, setting Accessed and Dirty. 0 and *gpa;
 * -XEN_EFAULT and *pf_error: the guest gets #PF with that error code;
 * -XEN_EINVAL: gva is not canonical (or above 4 GiB outside long mode). pf_error may be NULL.
 */
int guest_walk(struct vcpu *v, u64 gva, unsigned access, gpa_t *gpa, u32 *pf_error);

/*
 * RAM access by guest-physical address between guest_access_begin and guest_access_end: the pointer stays valid until
 * then. NULL if the page is not RAM or the access is not allowed. Sections nest; they must not block.
 */
void guest_access_begin(void);
void guest_access_end(void);
void *guest_ram(struct domain *d, gpa_t gpa, bool write);

/* The bytes at CS:RIP, up to 15, as far as they are mapped: how many. Injects nothing. */
unsigned guest_fetch(struct vcpu *v, u8 bytes[15]);

#endif
