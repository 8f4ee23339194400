/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSR that fills a hypercall page (CPUID leaf 0x40000002), for kernels that do not issue the instruction themselves. */
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/hypercall.h>
#include <torii/iomap.h>

static int page_write(struct vcpu *v, u32 msr, u64 val)
{
    void *page;

    (void)msr;
    if (val & (PAGE_SIZE - 1))
        return -XEN_EINVAL;
    page = guest_page_get(v->d, val >> PAGE_SHIFT);
    if (!page)
        return -XEN_EINVAL;
    hypercall_page_fill(page, hvm->hypercall_is_vmcall);
    guest_page_put(v->d, page);
    return 0;
}

int hypercall_page_register(struct domain *d)
{
    return msr_register(d, XEN_CPUID_BASE, XEN_CPUID_BASE, msr_read_zero, page_write);
}
