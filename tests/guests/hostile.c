/* SPDX-License-Identifier: BSD-2-Clause */
/* run: only=campaigns */
/* base: 0x9100000 */
/*
 * Everything at once, at random, on four CPUs: docs/robustness.md. Options: seed=N repeats what was thrown (not when),
 * ms=N is how long a phase takes, phases=N; after each everything is undone and with wait=1 a key is waited for.
 */
#include "hostile/hostile.h"

static volatile u64 throws[CPUS], kind_count[CPUS][16];
static volatile bool stop;
static u32 since_throw[MAX_CPUS];
static u32 restarts, nmis;
static u64 phases, phase_ms, kinds;

static void (*const kind[])(void) = {
    throw_hypercall, throw_hypercall, throw_hypercall, throw_instruction, throw_instruction, throw_tables, throw_port,
    throw_msr, throw_pci, throw_ipi, throw_lapic, throw_ioapic, throw_events, throw_grants, throw_instruction_exit,
};

/* --- the lock --- */

static u32 holder; /* number of the CPU plus one */

bool one_at_a_time(void)
{
    u32 me = this_cpu()->index + 1;

    cli();
    for (unsigned i = 0; i < 10000; i++) {
        u32 nobody = 0;

        if (__atomic_compare_exchange_n(&holder, &nobody, me, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
        cpu_relax();
    }
    sti();
    return false;
}

void next_please(void)
{
    __atomic_store_n(&holder, 0, __ATOMIC_SEQ_CST);
    sti();
}

/* --- interrupts --- */

/* A line or timer that interrupts without end is switched off, or nothing else would happen. */
static void on_interrupt(void)
{
    u32 *since = &since_throw[this_cpu()->index];

    if (++*since < 500)
        return;
    *since = 0;
    lapic_write(LAPIC_LVTT, LVT_MASKED);
    for (unsigned gsi = 0; gsi < ioapics[0].pins; gsi++)
        ioapic_write(&ioapics[0], 0x10 + 2 * gsi, RTE_MASKED);
}

static void nothing(void)
{
}

/*
 * Interrupts may come at vectors 16 to 31, and where they are exceptions with an error code the runtime's entry would take
 * one off the stack: those get the entries of vectors that are nobody's. So does 0x81, where the runtime would believe
 * that user mode ends.
 */
static void interrupts_init(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) idtr;

    __asm__ volatile("sidt %0" : "=m"(idtr));
    for (unsigned v = 16; v < 32; v++)
        memcpy((void *)(idtr.base + 16 * v), (void *)(idtr.base + 16 * (v + 32)), 16);
    memcpy((void *)(idtr.base + 16 * 0x81), (void *)(idtr.base + 16 * 0x80), 16);
    irq_handler[1] = nothing;
    for (unsigned v = 32; v < 256; v++)
        irq_handler[v] = on_interrupt;
}

/* --- CPUs --- */

static void heal(void)
{
    lapic_write(LAPIC_SVR, 0x1ff);
    lapic_write(LAPIC_TPR, 0);
    for (unsigned i = 0; i < 4; i++)
        lapic_eoi();
}

static void throw_one(void)
{
    unsigned cpu = this_cpu()->index, n;

    do
        n = below(ARRAY_SIZE(kind));
    while (!(kinds >> n & 1));
    since_throw[cpu] = 0;
    kind[n]();
    kind_count[cpu][n]++;
    if (!(++throws[cpu] % 32))
        heal();
}

static void thrower(void *unused)
{
    u64 base = rdmsr(MSR_APIC_BASE);

    /* The CPU may have been reset with its local APIC in any mode. */
    if (base & BIT(10))
        wrmsr(MSR_APIC_BASE, 0xfee00000), wrmsr(MSR_APIC_BASE, 0xfee00800);
    this_cpu()->x2apic = false;
    heal();
    sti();
    while (!stop)
        throw_one();
}

static u32 nmi_senders;
static bool starting;

bool nmi_may_be_sent(void)
{
    __atomic_add_fetch(&nmi_senders, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&starting, __ATOMIC_SEQ_CST))
        return true;
    nmi_was_sent();
    return false;
}

void nmi_was_sent(void)
{
    __atomic_sub_fetch(&nmi_senders, 1, __ATOMIC_SEQ_CST);
}

static void start_cpu(unsigned i)
{
    /* Somebody may have taken the processor it runs on out of use. */
    struct xen_platform_op use = {.cmd = XENPF_cpu_online, .interface_version = XENPF_INTERFACE_VERSION, .u.cpu_ol = {i}};
    u64 end = rdtsc() + 3000 * tsc_khz;
    u32 held = i + 1, tries = 0;

    restarts++;
    starting = true;
    /* A sender that was itself reset does not count any more. */
    while (__atomic_load_n(&nmi_senders, __ATOMIC_SEQ_CST) && rdtsc() < end)
        cpu_relax();
    nmi_senders = 0;
    do {
        if (tries++ == 4) {
            note("CPU %u does not start", i);
            break;
        }
        HYPERCALL(__HYPERVISOR_platform_op, &use, 0, 0);
        lapic_icr(cpus[i].apic_id, ICR_INIT | ICR_ASSERT);
        udelay(200);
        __atomic_compare_exchange_n(&holder, &held, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        ap_prepare(i, thrower, NULL);
        lapic_icr(cpus[i].apic_id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_PAGE >> 12);
    } while (!ap_wait_online(i, 10000));
    starting = false;
}

/* Woken by an NMI if it stands still, and started anew if that does not help. */
static void look_after(unsigned i)
{
    static u64 seen[CPUS], since[CPUS];
    static bool woken[CPUS];
    u64 now = rdtsc();

    if (throws[i] != seen[i]) {
        seen[i] = throws[i];
        since[i] = now;
        woken[i] = false;
    } else if (now - since[i] > 3000 * tsc_khz) {
        start_cpu(i);
        since[i] = rdtsc();
    } else if (now - since[i] > 1000 * tsc_khz && !woken[i]) {
        woken[i] = true;
        nmis++;
        lapic_icr(cpus[i].apic_id, ICR_NMI | ICR_ASSERT);
    }
}

static void run_phase(void)
{
    u64 end = rdtsc() + phase_ms * tsc_khz, next_line = rdtsc() + 10000 * tsc_khz;

    stop = false;
    set_up();
    for (unsigned i = 1; i < CPUS; i++)
        start_cpu(i);
    sti();
    while (rdtsc() < end) {
        throw_one();
        if (throws[0] % 64)
            continue;
        heal();
        for (unsigned i = 1; i < CPUS; i++)
            look_after(i);
        if (rdtsc() > next_line) {
            note("throws %lu %lu %lu %lu, CPUs started %u times, NMIs to stuck ones %u", throws[0], throws[1], throws[2],
                 throws[3], restarts, nmis);
            next_line = rdtsc() + 10000 * tsc_khz;
        }
    }
    stop = true;
    wait_ms(100);
    cli();
    for (unsigned i = 1; i < CPUS; i++)
        lapic_icr(cpus[i].apic_id, ICR_INIT | ICR_ASSERT);
    udelay(10000);
    holder = 0;
    heal();
    lapic_write(LAPIC_LVTT, LVT_MASKED);
    clean_up();
    clean_up(); /* a pin may have held a page the first time */
}

static void wait_for_key(void)
{
    char c = 0;

    while (HYPERCALL(__HYPERVISOR_console_io, CONSOLEIO_read, 1, &c) <= 0)
        udelay(10000);
}

void test(void)
{
    u64 seed = option("seed", 1);

    phase_ms = option("ms", 6000);
    phases = option("phases", 1);
    kinds = option("kinds", 0xffff);
    note("seed=%lu ms=%lu phases=%lu kinds=%lu", seed, phase_ms, phases, kinds);
    throw_ipi_init();
    seed_streams(seed);
    bail_hook = dump_calls;
    interrupts_init();
    devices_init();
    wild_init();
    for (u64 n = 1; n <= phases; n++) {
        run_phase();
        print("\n");
        note("phase %lu: throws %lu %lu %lu %lu, CPUs started %u times, NMIs to stuck ones %u", n, throws[0], throws[1],
             throws[2], throws[3], restarts, nmis);
        for (unsigned k = 0; k < ARRAY_SIZE(kind); k++)
            note("  kind %u: %lu", k, kind_count[0][k] + kind_count[1][k] + kind_count[2][k] + kind_count[3][k]);
        note("phase %lu is over", n);
        if (option("wait", 0))
            wait_for_key();
    }
    is(xen_version(XENVER_version, NULL), 4 << 16 | 17, "the hypervisor answers");
    for (unsigned i = 1; i < CPUS; i++)
        ok(throws[i] > 100, "CPU %u took part", i);
}
