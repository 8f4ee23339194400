/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs that must work, must be ignored, must fault. */
#include "rt.h"

#define MSR_EFER 0xc0000080u

static bool amd;

static void readable(void)
{
    static const struct {
        u32 msr;
        const char *name;
        bool amd;
    } list[] = {
        {0x10, "TSC", false}, {0x1b, "APIC_BASE", false}, {0x8b, "UCODE_REV", false}, {0xfe, "MTRRcap", false},
        {0x174, "SYSENTER_CS", false}, {0x175, "SYSENTER_ESP", false}, {0x176, "SYSENTER_EIP", false},
        {0x179, "MCG_CAP", false}, {0x17a, "MCG_STATUS", false}, {0x1d9, "DEBUGCTL", false}, {0x200, "MTRRphysBase0", false},
        {0x201, "MTRRphysMask0", false}, {0x250, "MTRRfix64K", false}, {0x258, "MTRRfix16K", false},
        {0x26f, "MTRRfix4K", false}, {0x277, "PAT", false}, {0x2ff, "MTRRdefType", false}, {0x6e0, "TSC_DEADLINE", false},
        {MSR_EFER, "EFER", false}, {0xc0000081, "STAR", false}, {0xc0000082, "LSTAR", false}, {0xc0000083, "CSTAR", false},
        {0xc0000084, "SFMASK", false}, {0xc0000100, "FS_BASE", false}, {0xc0000101, "GS_BASE", false},
        {0xc0000102, "KERNEL_GS_BASE", false}, {0xc0010010, "SYSCFG", true}, {0xc0010015, "HWCR", true},
        {0xc001001a, "TOP_MEM", true}, {0xc001001d, "TOP_MEM2", true}, {0xc001001f, "NB_CFG", true},
        {0xc0010055, "INT_PENDING", true}, {0xc0010058, "MMIO_CONF_BASE", true}, {0xc0010114, "VM_CR", true},
        {0xc0010117, "VM_HSAVE_PA", true}, {0xc0011029, "DE_CFG", true},
    };
    u64 v;

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
        if (!list[i].amd || amd)
            is(rdmsr_safe(list[i].msr, &v), NO_FAULT, "%s reads", list[i].name);
    rdmsr_safe(0x179, &v);
    for (u32 bank = 0; bank < (v & 0xff) && bank < 32; bank++)
        for (u32 k = 0; k < 4; k++) {
            u64 unused;

            if (rdmsr_safe(0x400 + 4 * bank + k, &unused) != NO_FAULT) {
                ok(false, "the MCA banks MCG_CAP counts read");
                return;
            }
        }
    ok(true, "the MCA banks MCG_CAP counts read");
}

static void holds(u32 msr, u64 value, const char *name)
{
    u64 old = rdmsr(msr), got = 0;
    u32 fault = wrmsr_safe(msr, value);

    rdmsr_safe(msr, &got);
    wrmsr_safe(msr, old);
    ok(fault == NO_FAULT && got == value, "%s keeps what is written", name);
}

static void writable(void)
{
    static const u64 pat = 0x0007010600070106ull;

    holds(0x174, 0x1238, "SYSENTER_CS");
    holds(0x175, 0xffff800012345678, "SYSENTER_ESP");
    holds(0x176, 0xffff800012345678, "SYSENTER_EIP");
    holds(0xc0000081, 0x0013000800000000, "STAR");
    holds(0xc0000082, 0xffff800012345678, "LSTAR");
    holds(0xc0000083, 0xffff800012345678, "CSTAR");
    holds(0xc0000084, 0x47700, "SFMASK");
    holds(0xc0000100, 0xffff800012345678, "FS_BASE");
    holds(0xc0000102, 0xffff800012345678, "KERNEL_GS_BASE");
    holds(0x277, pat, "PAT");
    holds(0x200, 0x80000006, "MTRRphysBase0");
    holds(0x250, 0x0606060606060606, "MTRRfix64K");
    holds(0x2ff, 0xc06, "MTRRdefType");
    if (cpuid(0x80000001, 0).edx & BIT(27))
        holds(0xc0000103, 0x12345678, "TSC_AUX");
    if (cpuid(7, 0).ebx & BIT(1))
        holds(0x3b, 0x1000, "TSC_ADJUST");
}

static void ignored(u32 msr, u64 value, const char *name)
{
    u64 before = 0, after = 0;
    u32 fault;

    rdmsr_safe(msr, &before);
    fault = wrmsr_safe(msr, value);
    rdmsr_safe(msr, &after);
    ok(fault == NO_FAULT && before == after, "a write to %s is ignored", name);
}

static void dropped(void)
{
    ignored(0x8b, 0, "UCODE_REV");
    is(wrmsr_safe(amd ? 0xc0010020 : 0x79, 0x100000), NO_FAULT, "a microcode update is ignored");
    if (!amd)
        return;
    ignored(0xc0010010, 0, "SYSCFG");
    ignored(0xc0010015, rdmsr(0xc0010015) ^ BIT(3), "HWCR");
    ignored(0xc001001f, rdmsr(0xc001001f) ^ BIT(46), "NB_CFG");
    ignored(0xc0011029, rdmsr(0xc0011029), "DE_CFG");
}

static void faulting(void)
{
    u64 v;

    is(rdmsr_safe(0x802, &v), VECTOR_GP, "an x2APIC register faults in xAPIC mode");
    is(wrmsr_safe(0x80b, 0), VECTOR_GP, "an x2APIC write faults in xAPIC mode");
    is(wrmsr_safe(0xfe, 0), VECTOR_GP, "MTRRcap is read-only");
    is(wrmsr_safe(0x277, 2), VECTOR_GP, "PAT refuses a reserved type");
    is(wrmsr_safe(0x2ff, 2), VECTOR_GP, "MTRRdefType refuses a reserved type");
    is(wrmsr_safe(0x200, 3), VECTOR_GP, "MTRRphysBase0 refuses a reserved type");
    is(wrmsr_safe(0x250, 0x0202), VECTOR_GP, "MTRRfix64K refuses a reserved type");
    is(wrmsr_safe(MSR_EFER, rdmsr(MSR_EFER) | BIT(1)), VECTOR_GP, "EFER refuses a reserved bit");
    is(wrmsr_safe(MSR_EFER, rdmsr(MSR_EFER) | BIT(12)), VECTOR_GP, "EFER refuses SVME: SVM is not nested");
    is(wrmsr_safe(MSR_EFER, rdmsr(MSR_EFER) & ~BIT(8)), VECTOR_GP, "EFER refuses to clear LME under paging");
    is(wrmsr_safe(0xc0000102, 0x8000000000000000), VECTOR_GP, "KERNEL_GS_BASE refuses a non-canonical address");
    is(wrmsr_safe(0xc0000082, 0x0000800000000000), VECTOR_GP, "LSTAR refuses a non-canonical address");
    is(wrmsr_safe(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(0)), VECTOR_GP, "APIC_BASE refuses a reserved bit");
    is(wrmsr_safe(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(63)), VECTOR_GP, "APIC_BASE refuses an address beyond the bus");
    if (amd)
        is(rdmsr_safe(0xc0010130, &v), VECTOR_GP, "the SEV-ES GHCB does not exist");
    is(rdmsr_safe(0x4000beef, &v), VECTOR_GP, "an MSR nobody has faults");
    is(wrmsr_safe(0x4000beef, 0), VECTOR_GP, "a write to it faults");
}

static u8 nx_page[4096] PAGE_ALIGNED;

static void no_execute(void)
{
    static u64 pt[512] PAGE_ALIGNED;
    u64 at = (u64)nx_page, *entry = &pd[at >> 21], old = *entry;

    nx_page[0] = 0xc3; /* RET */
    for (unsigned i = 0; i < 512; i++)
        pt[i] = ((at & ~0x1fffffull) + i * 4096) | 7;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
    pt[at >> 12 & 511] |= BIT(63);
    *entry = (u64)pt | 7;
    __asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
    is(call_safe(at), VECTOR_PF, "with EFER.NXE a page marked NX does not execute");
    *entry = old;
    __asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~BIT(11));
}

static void tsc(void)
{
    u64 a = rdtsc(), b;

    is(wrmsr_safe(0x10, a + 1000000000000), NO_FAULT, "the TSC is writable");
    b = rdtsc();
    ok(b - a >= 1000000000000 && b - a < 1100000000000, "and goes on from there");
    wrmsr(0x10, rdtsc() - 1000000000000);
}

static void hypercall_page(void)
{
    static u8 page[2 * PAGE_SIZE] PAGE_ALIGNED;
    long (*call)(u64, u64) = (long (*)(u64, u64))(page + 32 * __HYPERVISOR_xen_version);
    bool untouched = true;

    memset(page, 0x90, sizeof(page));
    is(wrmsr_safe(0x40000000, (u64)page), NO_FAULT, "the hypercall page's MSR takes a page");
    is(call(0, 0), HYPERCALL(__HYPERVISOR_xen_version, 0, 0, 0), "its entries make hypercalls");
    ok(page[32 * 23] == 0x0f && page[32 * 23 + 1] == 0x0b, "slot 23 is UD2");
    for (unsigned i = PAGE_SIZE; i < 2 * PAGE_SIZE; i++)
        untouched &= page[i] == 0x90;
    ok(untouched, "one page is written");
    is(wrmsr_safe(0x40000000, (u64)page | 1), VECTOR_GP, "an unaligned one faults");
    is(wrmsr_safe(0x40000000, 0xfffffffff000), VECTOR_GP, "one that is no RAM faults");
}

void test(void)
{
    amd = cpuid(0, 0).ebx == 0x68747541;
    readable();
    writable();
    if (on_xen)
        dropped();
    faulting();
    no_execute();
    tsc();
    if (on_xen)
        hypercall_page();
}
