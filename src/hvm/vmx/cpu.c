/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX of one CPU: what it can do, and switching it on (SDM vol. 3 §24.7, appendix A). */
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/percpu.h>

#include "vmx.h"

struct vmx_caps vmx_caps;

static u64 capability(u32 msr, bool there)
{
    u64 val;

    return there && rdmsr_safe(msr, &val) ? val : 0;
}

static void read_msrs(struct vmx_msrs *m)
{
    bool exact = (m->basic = capability(MSR_VMX_BASIC, true)) & BASIC_TRUE;

    m->pin = capability(exact ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN, true);
    m->primary = capability(exact ? MSR_VMX_TRUE_PRIMARY : MSR_VMX_PRIMARY, true);
    m->exit = capability(exact ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT, true);
    m->entry = capability(exact ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY, true);
    m->secondary = capability(MSR_VMX_SECONDARY, m->primary >> 32 & PRIMARY_SECONDARY);
    m->ept_vpid = capability(MSR_VMX_EPT_VPID, m->secondary >> 32 & (SECONDARY_EPT | SECONDARY_VPID));
    m->misc = capability(MSR_VMX_MISC, true);
    m->cr0_fixed0 = capability(MSR_VMX_CR0_FIXED0, true);
    m->cr4_fixed0 = capability(MSR_VMX_CR4_FIXED0, true);
}

static const char *examine(struct vmx_caps *caps)
{
    struct vmx_msrs m;
    u64 feature;

    if (!(cpuid(1, 0).ecx & BIT(5)))
        return "no VMX";
    if (!rdmsr_safe(MSR_FEATURE_CONTROL, &feature) || (feature & FEATURE_LOCKED && !(feature & FEATURE_VMX)))
        return "VMX is disabled by the firmware";
    read_msrs(&m);
    return vmx_choose(&m, caps);
}

const char *vmx_probe(void)
{
    struct vmx_caps caps;

    return examine(&caps);
}

static bool vmxon(paddr_t region)
{
    bool failed;

    asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}

void vmwrite_failed(u32 field, u64 val)
{
    panic("VMWRITE of %#lx to field %#x fails\n", val, field);
}

void vmx_take_nmi(void)
{
    asm volatile("int %0" : : "i"(EXC_NMI) : "memory");
}

void vmx_set_cr2(u64 cr2)
{
    write_cr2(cr2);
}

void vmx_write_back_caches(void)
{
    asm volatile("wbinvd" : : : "memory");
}

int vmx_cpu_enable(void)
{
    struct pcpu *c = this_cpu();
    struct vmx_caps caps;
    const char *missing = examine(&caps);
    u64 feature;

    if (missing || (vmx_caps.revision && !vmx_caps_equal(&caps, &vmx_caps))) {
        log_err("CPU %u: VMX %s\n", c->id, missing ? missing : "differs from the boot CPU's");
        return -XEN_ENODEV;
    }
    if (!c->hvm_host)
        c->hvm_host = frames_alloc(0);
    if (!c->hvm_host)
        return -XEN_ENOMEM;
    c->hvm_host_pa = virt_to_paddr(c->hvm_host);
    memcpy(c->hvm_host, &caps.revision, sizeof(caps.revision));
    feature = rdmsr(MSR_FEATURE_CONTROL);
    if (!(feature & FEATURE_LOCKED))
        wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCKED | FEATURE_VMX);
    write_cr4(read_cr4() | CR4_VMXE);
    if (!vmxon(c->hvm_host_pa))
        return -XEN_EIO;
    if (!vmx_caps.revision) {
        memcpy(&vmx_caps, &caps, sizeof(caps));
        log_info("VMX: EPT%s%s, unrestricted guest%s%s%s\n", caps.ept_1g ? " with 1 GiB pages" : "",
                 caps.eptp_bits & EPTP_ACCESSED_DIRTY ? ", accessed and dirty bits" : "", caps.vpid ? ", VPID" : "",
                 caps.tpr_shadow ? ", TPR shadow" : "", caps.invept_single ? "" : ", INVEPT of all contexts only");
    }
    return 0;
}

void vmx_cpu_disable(void)
{
    struct vcpu *v = this_cpu()->loaded;

    if (v)
        vmclear(v->hvm->vmcs_pa);
    asm volatile("vmxoff" : : : "cc");
    write_cr4(read_cr4() & ~CR4_VMXE);
}
