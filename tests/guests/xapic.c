/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's registers in its page (SDM vol. 3 §11.4-11.8; AMD APM vol. 2 ch. 16). */
#include "rt.h"

#define VECTOR 0x51

static u32 masked_write(u32 reg, u32 value)
{
    u32 old = lapic_read(reg), got;

    lapic_write(reg, value);
    got = lapic_read(reg);
    lapic_write(reg, old);
    return got;
}

static void registers(void)
{
    is(lapic_read(LAPIC_ID) >> 24, cpus[0].apic_id, "ID is the MADT's");
    is(lapic_read(LAPIC_VERSION) & 0xff, 0x14, "VERSION says integrated");
    ok((lapic_read(LAPIC_VERSION) >> 16 & 0xff) >= 4, "VERSION counts at least five LVT entries");
    lapic_write(LAPIC_VERSION, 0);
    is(lapic_read(LAPIC_VERSION) & 0xff, 0x14, "VERSION is read-only");
    is(masked_write(LAPIC_TPR, 0xffffff51), 0x51, "TPR has eight bits");
    is(masked_write(LAPIC_LDR, 0xffffffff), 0xff000000, "LDR has its upper eight bits");
    is(masked_write(LAPIC_DFR, 0x0), 0x0fffffff, "DFR has its upper four bits, the rest reads as ones");
    is(masked_write(LAPIC_TDCR, 0xffffffff), 0xb, "the divide register has bits 0, 1 and 3");
    is(masked_write(LAPIC_TICR, 0xfffffff0), 0xfffffff0, "the initial count has 32 bits");
    lapic_write(LAPIC_TCCR, 0x1234);
    is(lapic_read(LAPIC_TCCR), 0, "the current count is read-only");
    is(masked_write(LAPIC_SVR, 0x1a0) & 0x1ff, 0x1a0, "SVR keeps vector and enable");
}

static void lvts(void)
{
    is(masked_write(LAPIC_LVTT, 0xfffbffff) & ~0x1000u, 0x300ff | 0x10000, "LVT timer: vector, mask and mode");
    is(masked_write(LAPIC_LVT_PMC, 0xffffffff) & ~0x5000u, 0x107ff, "LVT performance: vector, delivery mode, mask");
    is(masked_write(LAPIC_LVT0, 0xffffffff) & ~0x5000u, 0x1a7ff, "LVT LINT0: also polarity and trigger mode");
    is(masked_write(LAPIC_LVT1, 0xffffffff) & ~0x5000u, 0x1a7ff, "LVT LINT1: the same");
    is(masked_write(LAPIC_LVT_ERROR, 0xffffffff) & ~0x1000u, 0x100ff, "LVT error: vector and mask");
    lapic_write(LAPIC_LVT_ERROR, 0x40);
    lapic_write(LAPIC_SVR, VECTOR_SPURIOUS);
    is(lapic_read(LAPIC_LVT_ERROR), 0x10040, "software disable masks the LVT");
    lapic_write(LAPIC_LVT_ERROR, 0x40);
    is(lapic_read(LAPIC_LVT_ERROR), 0x10040, "and keeps it masked");
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
    is(lapic_read(LAPIC_LVT_ERROR), 0x10040, "enabling does not unmask");
}

static u32 isr_seen, ppr_seen, irr_again;

static void in_service(void)
{
    isr_seen = lapic_bit(LAPIC_ISR, VECTOR);
    ppr_seen = lapic_read(LAPIC_PPR);
    lapic_icr(0, ICR_SELF | VECTOR);
    irr_again = lapic_bit(LAPIC_IRR, VECTOR);
    irq_handler[VECTOR] = NULL;
}

static void pending_and_in_service(void)
{
    lapic_icr(0, ICR_SELF | VECTOR);
    is(lapic_bit(LAPIC_IRR, VECTOR), 1, "an interrupt not yet taken is in IRR");
    is(lapic_bit(LAPIC_TMR, VECTOR), 0, "an edge is not in TMR");
    is(lapic_read(LAPIC_ICR) & 0x1000, 0, "ICR says delivered");
    irq_handler[VECTOR] = in_service;
    is(wait_count(&irq_count[0][VECTOR], 2, 1000), 1, "it is taken, and a second one that came in its handler as well");
    is(isr_seen, 1, "ISR has it while it is handled");
    is(ppr_seen, VECTOR & 0xf0, "PPR is its class meanwhile");
    is(irr_again, 1, "the second waits in IRR");
    is(lapic_bit(LAPIC_ISR, VECTOR) | lapic_bit(LAPIC_IRR, VECTOR), 0, "after EOI both are clear");
    is(lapic_read(LAPIC_PPR), 0, "and PPR is 0");
    lapic_write(LAPIC_TPR, 0x37);
    is(lapic_read(LAPIC_PPR), 0x37, "PPR is TPR if nothing is in service");
    lapic_write(LAPIC_TPR, 0);
    lapic_eoi();
    is(lapic_read(LAPIC_PPR), 0, "an EOI with nothing in service does nothing");
}

static void errors(void)
{
    lapic_write(LAPIC_ESR, 0);
    lapic_write(LAPIC_ESR, 0);
    is(lapic_read(LAPIC_ESR), 0, "ESR is clear");
    lapic_icr(0, ICR_SELF | 3);
    is(lapic_read(LAPIC_ESR), 0, "ESR shows nothing before it is written");
    lapic_write(LAPIC_ESR, 0);
    ok(lapic_read(LAPIC_ESR) & 0x20, "sending vector 3 is an illegal vector sent");
    lapic_write(LAPIC_ESR, 0);
    is(lapic_read(LAPIC_ESR), 0, "the next write clears ESR");
    irq_count[0][0x61] = 0;
    lapic_write(LAPIC_LVT_ERROR, 0x61);
    lapic_icr(0, ICR_SELF | 3);
    ok(wait_count(&irq_count[0][0x61], 1, 1000), "an error raises the LVT error interrupt");
    lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
    lapic_write(LAPIC_ESR, 0);
    lapic_write(LAPIC_ESR, 0);
}

static void disabled(void)
{
    u64 base = rdmsr(MSR_APIC_BASE);

    irq_count[0][VECTOR] = 0;
    lapic_write(LAPIC_SVR, VECTOR_SPURIOUS);
    lapic_icr(0, ICR_SELF | VECTOR);
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
    ok(!wait_count(&irq_count[0][VECTOR], 1, 20), "a software-disabled local APIC takes no fixed interrupt");
    lapic_write(LAPIC_TPR, 0x20);
    wrmsr(MSR_APIC_BASE, base & ~BIT(11));
    wrmsr(MSR_APIC_BASE, base);
    is(lapic_read(LAPIC_SVR) & 0x1ff, 0xff, "disabled and enabled in the MSR, SVR is as after reset");
    is(lapic_read(LAPIC_TPR), 0, "and TPR too");
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
}

void test(void)
{
    registers();
    lvts();
    pending_and_in_service();
    errors();
    disabled();
}
