/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 */
/* The local APIC in x2APIC mode (SDM vol. 3 §11.12): what differs from xAPIC, and every #GP. */
#include "rt.h"

#define VECTOR 0x51
#define X(reg) (0x800 + (reg) / 16)

static u32 ap_id, ap_ldr;
static volatile bool done;

static void on_ap(void *unused)
{
    lapic_enable_x2apic();
    ap_id = lapic_read(LAPIC_ID);
    ap_ldr = lapic_read(LAPIC_LDR);
    done = true;
    for (;;)
        halt();
}

static void ids(void)
{
    u32 id = cpus[1].apic_id;

    is(lapic_read(LAPIC_ID), cpus[0].apic_id, "ID is the whole register");
    is(lapic_read(LAPIC_LDR), 1, "LDR of id 0 is cluster 0, bit 0");
    is(ap_id, id, "the other CPU's ID");
    is(ap_ldr, (id >> 4) << 16 | 1u << (id & 0xf), "the other CPU's LDR follows from its ID");
    is(lapic_read(LAPIC_VERSION) & 0xff, 0x14, "VERSION is as before");
}

static void faults(void)
{
    static const struct {
        u32 reg;
        u64 value;
        const char *what;
    } writes[] = {
        {LAPIC_ID, 0, "a write to ID"}, {LAPIC_VERSION, 0, "a write to VERSION"}, {LAPIC_LDR, 0, "a write to LDR"},
        {LAPIC_DFR, 0, "a write to DFR"}, {LAPIC_PPR, 0, "a write to PPR"}, {LAPIC_ISR, 0, "a write to ISR"},
        {LAPIC_IRR + 0x70, 0, "a write to IRR"}, {LAPIC_TCCR, 0, "a write to the current count"},
        {LAPIC_EOI, 1, "an EOI that is not 0"}, {LAPIC_ESR, 1, "an ESR write that is not 0"},
        {LAPIC_TPR, 0x100, "a TPR of more than eight bits"}, {LAPIC_SVR, 0x10000, "a reserved bit of SVR"},
        {LAPIC_LVTT, 0x100000, "a reserved bit of the LVT timer"}, {LAPIC_LVT0, 0x20000, "a reserved bit of LINT0"},
        {LAPIC_TDCR, 4, "a reserved bit of the divide register"}, {LAPIC_ICR, 0x2000, "a reserved bit of ICR"},
        {LAPIC_ICR2, 0, "a write to the upper ICR"}, {LAPIC_TPR, BIT(32), "an upper half of TPR"},
        {LAPIC_SELF_IPI, 0x100, "a self-IPI of more than eight bits"}, {0x40, 0, "a write to what is no register"},
        {0xff0, 0, "a write to the last MSR of the range"},
    };
    u64 v;

    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
        is(wrmsr_safe(X(writes[i].reg), writes[i].value), VECTOR_GP, "%s faults", writes[i].what);
    is(rdmsr_safe(X(LAPIC_DFR), &v), VECTOR_GP, "reading DFR faults");
    is(rdmsr_safe(X(LAPIC_ICR2), &v), VECTOR_GP, "reading the upper ICR faults");
    is(rdmsr_safe(X(LAPIC_EOI), &v), VECTOR_GP, "reading EOI faults");
    is(rdmsr_safe(X(LAPIC_SELF_IPI), &v), VECTOR_GP, "reading SELF_IPI faults");
    is(rdmsr_safe(X(0x40), &v), VECTOR_GP, "reading what is no register faults");
}

static void interrupts(void)
{
    wrmsr(X(LAPIC_SELF_IPI), VECTOR);
    ok(wait_count(&irq_count[0][VECTOR], 1, 1000), "SELF_IPI delivers");
    lapic_icr(0, ICR_SELF | VECTOR);
    ok(wait_count(&irq_count[0][VECTOR], 2, 1000), "the self shorthand delivers");
    lapic_icr(cpus[0].apic_id, VECTOR);
    ok(wait_count(&irq_count[0][VECTOR], 3, 1000), "ICR to the own id delivers");
    lapic_icr(cpus[1].apic_id, VECTOR);
    ok(wait_count(&irq_count[1][VECTOR], 1, 1000), "ICR to the other's id delivers");
    lapic_icr(ap_ldr, ICR_LOGICAL | VECTOR);
    ok(wait_count(&irq_count[1][VECTOR], 2, 1000), "ICR to its logical id delivers");
    lapic_icr(ap_ldr | lapic_read(LAPIC_LDR), ICR_LOGICAL | VECTOR);
    ok(wait_count(&irq_count[1][VECTOR], 3, 1000) && wait_count(&irq_count[0][VECTOR], 4, 1000), "ICR to a cluster delivers");
    lapic_icr(0xffffffff, VECTOR);
    ok(wait_count(&irq_count[1][VECTOR], 4, 1000) && wait_count(&irq_count[0][VECTOR], 5, 1000),
       "ICR to 0xffffffff delivers to all");
    lapic_icr(0xff, VECTOR);
    wait_ms(20);
    is(irq_count[0][VECTOR] + irq_count[1][VECTOR], 9, "ICR to 0xff, an id nobody has, delivers to none");
    is(rdmsr(X(LAPIC_ICR)), 0xffull << 32 | VECTOR, "ICR reads back whole");
}

static void modes(void)
{
    u64 base = rdmsr(MSR_APIC_BASE);

    is(wrmsr_safe(MSR_APIC_BASE, base & ~BIT(10)), VECTOR_GP, "x2APIC to xAPIC faults");
    is(wrmsr_safe(MSR_APIC_BASE, base & ~BIT(11)), VECTOR_GP, "EXTD without EN faults");
    is(wrmsr_safe(MSR_APIC_BASE, base & ~(BIT(10) | BIT(11))), NO_FAULT, "x2APIC to disabled is allowed");
    is(wrmsr_safe(MSR_APIC_BASE, base), VECTOR_GP, "disabled to x2APIC faults");
    is(wrmsr_safe(MSR_APIC_BASE, base & ~BIT(10)), NO_FAULT, "disabled to xAPIC is allowed");
    this_cpu()->x2apic = false;
    is(lapic_read(LAPIC_ID) >> 24, cpus[0].apic_id, "and the page answers again");
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
}

void test(void)
{
    if (!(cpuid(1, 0).ecx & BIT(21))) {
        skip("x2APIC", "this processor has none");
        return;
    }
    if (!ap_start(1, on_ap, NULL))
        bail("CPU 1 does not start");
    while (!done)
        cpu_relax();
    lapic_enable_x2apic();
    is(rdmsr(MSR_APIC_BASE) & 0xc00, 0xc00, "x2APIC mode is on");
    ids();
    faults();
    interrupts();
    modes();
}
