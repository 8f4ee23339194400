/* SPDX-License-Identifier: BSD-2-Clause */
/* Building the control domain. */
#ifndef TORII_DOM0_H
#define TORII_DOM0_H

#include <torii/refusal.h>
#include <torii/types.h>

#include <xen/xen.h>

struct domain;
struct vcpu;

/* From the boot modules to a domain ready to run on all CPUs. 0, or -errno and one line saying what is wrong. Boot only. */
int dom0_build(struct refusal *why);

/* Load kernel and initrd and write start_info: entry and start_info's gpa. Part of dom0_build. */
struct dom0_memmap;
int dom0_load(const struct dom0_memmap *map, gpa_t rsdp, u32 *entry, u32 *start_info, struct refusal *why);

/* A domain with nr_vcpus vCPUs and every device model of a control domain, empty memory. 0 or -errno. */
int domain_create(domid_t id, unsigned nr_vcpus, struct domain **out);

#endif
