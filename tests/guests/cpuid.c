/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 */
/* CPUID: Xen's leaves (public/arch-x86/cpuid.h) and the native ones that virtualisation touches. */
#include "rt.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/version.h>

static struct cpuid xen_on[2], leaf1_on[2], leafb_on[2];
static u32 apic_id_on[2];
static volatile bool done;

static void look(void *unused)
{
    unsigned i = this_cpu()->index;

    leaf1_on[i] = cpuid(1, 0);
    leafb_on[i] = cpuid(0xb, 0);
    apic_id_on[i] = lapic_read(LAPIC_ID) >> 24;
    if (on_xen)
        xen_on[i] = cpuid(xen_base + 4, 0);
    done = true;
}

static void xen_leaves(void)
{
    struct cpuid r = cpuid(xen_base, 0);
    const volatile struct vcpu_time_info *t = &shared_info_map()->vcpu_info[0].time;
    u64 khz = (1000000ull << 32) / t->tsc_to_system_mul;

    is(xen_base, 0x40000000, "Xen's leaves start at 0x40000000");
    ok(r.eax >= xen_base + 4 && r.eax < xen_base + 0x100, "there are at least 4 of them");
    r = cpuid(xen_base + 1, 0);
    is(r.eax, HYPERCALL(__HYPERVISOR_xen_version, XENVER_version, 0, 0), "leaf 1 is XENVER_version");
    ok(r.eax >> 16 == 4 && (r.eax & 0xffff) >= 6, "the version is 4.6 or later");
    r = cpuid(xen_base + 2, 0);
    is(r.eax, 1, "leaf 2: one hypercall page");
    is(r.ebx, 0x40000000, "leaf 2: its MSR is 0x40000000");
    is(r.ecx | r.edx, 0, "leaf 2: no features");
    khz = t->tsc_shift < 0 ? khz << -t->tsc_shift : khz >> t->tsc_shift;
    r = cpuid(xen_base + 3, 0);
    ok(r.ecx > khz - khz / 1000 && r.ecx < khz + khz / 1000, "leaf 3 and the time area agree on the TSC's frequency");
    note("TSC: leaf 3 %u kHz, time area %lu kHz", r.ecx, khz);
    ok(!(r.eax & 1), "leaf 3: the TSC is not emulated");
    is(cpuid(xen_base + 3, 2).eax, r.ecx, "leaf 3: guest and host have one frequency");
    r = xen_on[0];
    ok(r.eax & XEN_HVM_CPUID_VCPU_ID_PRESENT, "leaf 4: the vCPU id is present");
    ok(r.eax & XEN_HVM_CPUID_DOMID_PRESENT, "leaf 4: the domain id is present");
    ok(r.eax & XEN_HVM_CPUID_UPCALL_VECTOR, "leaf 4: per-vCPU upcall vectors");
    is(r.ecx, 0, "leaf 4: this is domain 0");
    is(r.ebx, 0, "leaf 4: this is vCPU 0");
    is(xen_on[1].ebx, 1, "leaf 4: the other is vCPU 1");
    r = cpuid(xen_base + 0x100, 0);
    ok(r.ebx != 0x566e6558 && r.ebx != 0x54474354, "no second hypervisor shows behind");
}

static void topology(void)
{
    struct cpuid r = cpuid(0, 0);

    for (unsigned i = 0; i < 2; i++) {
        is(leaf1_on[i].ebx >> 24, cpus[i].apic_id, "leaf 1 has the MADT's APIC id, CPU %u", i);
        is(apic_id_on[i], cpus[i].apic_id, "the local APIC has the MADT's id, CPU %u", i);
        if (r.eax >= 0xb)
            is(leafb_on[i].edx, cpus[i].apic_id, "leaf 0xb has the MADT's APIC id, CPU %u", i);
        else
            skip(i ? "leaf 0xb has the MADT's APIC id, CPU 1" : "leaf 0xb has the MADT's APIC id, CPU 0", "no leaf 0xb");
    }
    if (r.eax < 0xb) {
        skip("leaf 0xb: threads, then cores", "no leaf 0xb");
        skip("leaf 0xb counts the CPUs", "no leaf 0xb");
        return;
    }
    ok((cpuid(0xb, 0).ecx >> 8 & 0xff) == 1 && (cpuid(0xb, 1).ecx >> 8 & 0xff) == 2, "leaf 0xb: threads, then cores");
    is(cpuid(0xb, 1).ebx & 0xffff, nr_cpus, "leaf 0xb counts the CPUs");
}

static void hidden(void)
{
    struct cpuid r = cpuid(1, 0);

    ok(r.ecx >> 31, "the hypervisor bit is set");
    ok(!(r.ecx & BIT(3)), "MONITOR is hidden");
    ok(!(r.ecx & BIT(5)), "VMX is hidden");
    ok(r.edx & BIT(12), "MTRRs are there");
    ok(r.ecx & BIT(21), "x2APIC is offered");
    ok(r.ecx & BIT(24), "the TSC deadline timer is offered");
    ok(!(cpuid(0x80000001, 0).ecx & BIT(2)), "SVM is hidden");
    r = cpuid(5, 0);
    is(r.eax | r.ebx | r.ecx, 0, "leaf 5 is empty");
    r = cpuid(0x8000000a, 0);
    is(r.eax | r.ebx | r.edx, 0, "leaf 0x8000000a is empty");
    is(cpuid(0xa, 0).eax & 0xff, 0, "no performance counters");
    r = cpuid(0x80000008, 0);
    ok((r.eax & 0xff) >= 36 && (r.eax & 0xff) <= 52, "36 to 52 physical address bits");
    is(r.eax >> 16 & 0xff, 0, "no guest physical address bits of its own");
}

static u64 cr4(void)
{
    u64 v;

    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static void set_cr4(u64 v)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(v));
}

static void xsetbv(u32 low)
{
    __asm__ volatile("xsetbv" : : "a"(low), "d"(0), "c"(0));
}

static void dynamic(void)
{
    u64 base = rdmsr(MSR_APIC_BASE), rax = ~0ull, rbx, rcx = 0, rdx;
    u32 off, on, full;

    wrmsr(MSR_APIC_BASE, base & ~BIT(11));
    off = cpuid(1, 0).edx >> 9 & 1;
    wrmsr(MSR_APIC_BASE, base);
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
    is(off, 0, "the APIC bit clears when the local APIC is disabled");
    is(cpuid(1, 0).edx >> 9 & 1, 1, "and comes back with it");
    if (!(cpuid(1, 0).ecx & BIT(26))) {
        skip("OSXSAVE follows CR4", "no XSAVE");
        skip("leaf 0xd has the size for the current XCR0", "no XSAVE");
    } else {
        off = cpuid(1, 0).ecx >> 27 & 1;
        set_cr4(cr4() | BIT(18));
        on = cpuid(1, 0).ecx >> 27 & 1;
        ok(!off && on, "OSXSAVE follows CR4");
        xsetbv(1);
        off = cpuid(0xd, 0).ebx;
        xsetbv(7);
        full = cpuid(0xd, 0).ebx;
        ok(off == 576 && full == 832, "leaf 0xd has the size for the current XCR0");
        xsetbv(1);
        set_cr4(cr4() & ~BIT(18));
    }
    __asm__ volatile("cpuid" : "+a"(rax), "=b"(rbx), "+c"(rcx), "=d"(rdx));
    is((rax | rbx | rcx | rdx) >> 32, 0, "CPUID clears the upper halves of its registers");
}

void test(void)
{
    look(NULL);
    done = false;
    if (!ap_start(1, look, NULL))
        bail("CPU 1 does not start");
    while (!done)
        cpu_relax();
    if (on_xen)
        xen_leaves();
    topology();
    if (on_xen)
        hidden();
    dynamic();
}
