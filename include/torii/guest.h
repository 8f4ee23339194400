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

#endif
