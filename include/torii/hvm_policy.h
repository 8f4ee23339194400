/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain may know and set of its CPUs: CPUID leaves and MSRs. */
#ifndef TORII_HVM_POLICY_H
#define TORII_HVM_POLICY_H

#include <torii/cpu.h>
#include <torii/types.h>

struct vcpu;
struct domain;

/* Native leaves as v sees them; leaves of no use read 0 (or the highest basic leaf's, as the CPU does it). */
void hvm_cpuid(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *r);
/* Leaf 1 alone, the one asked for most. */
void hvm_cpuid_1(struct vcpu *v, struct cpuid_regs *r);

/* Register the MSRs that are not the hardware's own. 0 or -errno. */
int hvm_msr_register(struct domain *d);
/* RDMSR, WRMSR by the guest: 0, or -XEN_EINVAL for #GP(0). */
int hvm_msr_access_read(struct vcpu *v, u32 msr, u64 *val);
int hvm_msr_access_write(struct vcpu *v, u32 msr, u64 val);

/* src/xen/xen_leaves.c: 0x40000000 and up; false if the leaf is not one of them. */
bool xen_cpuid(struct vcpu *v, u32 leaf, u32 subleaf, struct cpuid_regs *r);
#define XEN_CPUID_BASE 0x40000000u
#define XEN_CPUID_LAST 0x400000ffu

#endif
