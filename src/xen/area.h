/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A structure the guest registered by linear address: translated once, its one or two pages pinned. Writers may run on
 * any CPU; pages are replaced only by the vCPU itself or while it is offline, and given back after guest_quiesce.
 */
#ifndef TORII_XEN_AREA_H
#define TORII_XEN_AREA_H

#include "hcall.h"

/*
 * Replace the area at (page, offset) of vCPU v by `bytes` at linear address gva of the caller; gva 0 only forgets the
 * old one. 0, or -XEN_EFAULT and the old area stays.
 */
int area_register(const struct hcall *c, struct vcpu *v, void *page[2], u32 *offset, u64 gva, size_t bytes);

/* Write bytes at `at` inside the area; nothing happens if none is registered. Inside an access section. */
void area_write(void *page[2], u32 offset, size_t at, const void *src, size_t bytes);

/* Give the pages back. */
void area_forget(struct domain *d, void *page[2]);

#endif
