/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=4 */
/* Starting and stopping processors by INIT and SIPI (SDM vol. 3 §9.4). */
#include "rt.h"

static volatile u64 beats;
static volatile u32 starts;

static void beat(void *unused)
{
    starts++;
    for (;;) {
        beats++;
        stay_disabled();
    }
}

static bool beating(void)
{
    u64 before = beats;

    udelay(50000);
    return beats != before;
}

static void sleep_for_ever(void *unused)
{
    starts++;
}

static void first_start(void)
{
    const struct trampoline_state *t = trampoline_seen();

    ok(ap_start(1, beat, NULL), "INIT and SIPI start CPU 1");
    is(t->cs, TRAMPOLINE_PAGE >> 4, "CS is the vector's segment");
    is(t->ip, 0, "IP is 0");
    is(t->cr0 & 0x80000001, 0, "in real mode");
    is(t->edx, cpuid(1, 0).eax, "EDX is the processor's signature");
    ok(beating(), "it runs");
    lapic_icr(cpus[1].apic_id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_PAGE >> 12);
    udelay(50000);
    is(starts, 1, "a second SIPI is ignored");
    lapic_icr(cpus[1].apic_id, ICR_INIT | ICR_LEVEL);
    ok(beating(), "an INIT de-assert is ignored");
}

static void stop_and_restart(void)
{
    u32 id = cpus[1].apic_id;

    lapic_icr(id, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
    udelay(50000);
    ok(!beating(), "INIT stops it");
    lapic_icr(id, ICR_NMI);
    lapic_icr(id, 0x51);
    ok(!beating(), "and interrupts do not start it");
    ok(ap_start(1, beat, NULL), "INIT and SIPI start it again");
    is(starts, 2, "from the beginning");
    for (unsigned i = 0; i < 20; i++)
        if (!ap_start(1, beat, NULL))
            break;
    is(starts, 22, "twenty times over");
    lapic_icr(id, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
    udelay(10000);
    starts = 0;
    ap_prepare(1, beat, NULL);
    lapic_icr(id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_PAGE >> 12);
    lapic_icr(id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_PAGE >> 12);
    ok(ap_wait_online(1, 5000), "INIT, SIPI, SIPI at once start it");
    udelay(50000);
    is(starts, 1, "and start it once");
}

static u32 ap_base, ap_lvt;

static void look(void *unused)
{
    ap_base = rdmsr(MSR_APIC_BASE);
    ap_lvt = lapic_read(LAPIC_LVT_ERROR);
    starts++;
}

static void parked(void)
{
    starts = 0;
    ok(ap_start(2, look, NULL), "CPU 2 starts");
    udelay(10000);
    is(ap_base & 0x900, 0x800, "it is enabled and not the BSP");
    is(ap_lvt & LVT_MASKED, LVT_MASKED, "its LVT is masked");
    is(starts, 1, "it ran and parks itself with interrupts off");
    ok(ap_start(2, sleep_for_ever, NULL), "a parked CPU starts again");
    udelay(10000);
    is(starts, 2, "and ran");
}

static volatile u32 running;

static void count_me(void *unused)
{
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    for (;;)
        stay_disabled();
}

void test(void)
{
    is(nr_cpus, 4, "the MADT has the machine's CPUs");
    first_start();
    stop_and_restart();
    parked();
    for (unsigned i = 1; i < nr_cpus; i++)
        ap_start(i, count_me, NULL);
    udelay(50000);
    is(running, nr_cpus - 1, "all run at once");
    lapic_icr(0, ICR_OTHERS | ICR_INIT | ICR_ASSERT | ICR_LEVEL);
    udelay(50000);
    running = 0;
    for (unsigned i = 1; i < nr_cpus; i++)
        ap_start(i, count_me, NULL);
    udelay(50000);
    is(running, nr_cpus - 1, "INIT to all but self, and all start again");
    lapic_icr(0x77, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
    lapic_icr(0x77, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_PAGE >> 12);
    ok(true, "INIT and SIPI to an id nobody has do no harm");
}
