/* SPDX-License-Identifier: BSD-2-Clause */
/* platform_op: power management of the physical processors. */
#ifndef TORII_XEN_PLATFORM_PM_H
#define TORII_XEN_PLATFORM_PM_H

#include "platform.h"

/*
 * XENPF_set_processor_pminfo. 0; -XEN_EINVAL (no such processor, a package ACPI does not allow), -XEN_EFAULT,
 * -XEN_ENOMEM, -XEN_ENOSYS (throttling states, 32-bit callers).
 */
long platform_set_pminfo(const struct hcall *c, const struct xenpf_set_processor_pminfo *info);

/* XENPF_core_parking: take the last idle_nums CPUs out of use, or tell how many are. 0, -XEN_EINVAL. */
long platform_core_parking(struct xenpf_core_parking *p);

#endif
