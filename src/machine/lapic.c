/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/io.h>
#include <torii/irq.h>
#include <torii/lapic.h>
#include <torii/log.h>
#include <torii/percpu.h>
#include <torii/timer_queue.h>

static volatile u32 *page; /* xAPIC registers, NULL in x2APIC mode */
static bool tsc_deadline;
static u32 timer_khz;      /* LAPIC timer ticks per ms, divider 1 */

#define APIC_BASE_EN   BIT(11)
#define APIC_BASE_EXTD BIT(10)

u32 lapic_read(enum lapic_reg reg)
{
    return page ? page[reg * 4] : (u32)rdmsr(MSR_X2APIC + reg);
}

void lapic_write(enum lapic_reg reg, u32 val)
{
    if (page)
        page[reg * 4] = val;
    else
        wrmsr(MSR_X2APIC + reg, val);
}

u32 lapic_id(void)
{
    u32 id = lapic_read(LAPIC_ID);

    return page ? id >> 24 : id;
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

void lapic_send(u32 dest, u32 icr_low)
{
    if (!page) {
        /* WRMSR waits for no earlier store here, which the receiver is to find (SDM vol. 3 §11.12.3). */
        asm volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC + LAPIC_ICR, (u64)dest << 32 | icr_low);
        return;
    }
    while (page[LAPIC_ICR * 4] & ICR_BUSY)
        cpu_relax();
    /* A shorthand needs no destination: an NMI's handler that sends to itself leaves alone whom it interrupted. */
    if (!(icr_low & ICR_SHORTHAND))
        page[(LAPIC_ICR + 1) * 4] = dest << 24;
    page[LAPIC_ICR * 4] = icr_low;
}

/*
 * The 8259s stay silent from here on. Before LINT0 is masked: an interrupt they have raised already is withdrawn only
 * while the local APIC still listens to them.
 */
#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA  0xa1

static void pic_mask_all(void)
{
    outb(PIC_MASTER_DATA, 0xff);
    outb(PIC_SLAVE_DATA, 0xff);
}

int lapic_init_boot(void)
{
    struct cpuid_regs f = cpuid(1, 0);

    if (!(f.edx >> 9 & 1)) {
        log_err("this machine has no local APIC\n");
        return -XEN_ENODEV;
    }
    pic_mask_all();
    tsc_deadline = f.ecx >> 24 & 1;
    if (!(f.ecx >> 21 & 1)) {
        page = machine_map(rdmsr(MSR_APIC_BASE) & 0xffffff000ull, PAGE_SIZE, true);
        if (!page)
            return -XEN_ENOMEM;
    }
    return 0;
}

void lapic_init_cpu(void)
{
    u64 base = rdmsr(MSR_APIC_BASE);

    if (!page)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_EN | APIC_BASE_EXTD);
    else
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_EN);
    lapic_write(LAPIC_SVR, LAPIC_SVR_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
    /* LINT1 is wired to the machine's NMI line. */
    lapic_write(LAPIC_LVT_LINT1, LAPIC_LVT_NMI);
    lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
    lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? LAPIC_TIMER_TSCDEADLINE : LAPIC_TIMER_ONESHOT));
    /* Anything the firmware left in service would block its priority for ever. */
    for (unsigned i = 0; i < 256; i++)
        if (lapic_read(LAPIC_ISR + i / 32) >> i % 32 & 1)
            lapic_eoi();
}

void lapic_restore_boot(void)
{
    pic_mask_all();
    lapic_init_cpu();
}

/* The counter and the time it had that value, read as close together as they come in a few tries. */
static void timer_sample(u32 *count, u64 *ns)
{
    u64 best = ~0ull;

    for (unsigned i = 0; i < 16; i++) {
        u64 before = now_ns(), after;
        u32 c = lapic_read(LAPIC_TIMER_CURRENT);

        after = now_ns();
        if (after - before < best) {
            best = after - before;
            *count = c;
            *ns = before + best / 2;
        }
    }
}

#define CALIBRATE_NS 20000000

void lapic_timer_calibrate(void)
{
    u32 c0, c1;
    u64 t0, t1;

    if (tsc_deadline)
        return;
    lapic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | VECTOR_TIMER);
    lapic_write(LAPIC_TIMER_INIT, ~0u);
    timer_sample(&c0, &t0);
    while (now_ns() - t0 < CALIBRATE_NS)
        cpu_relax();
    timer_sample(&c1, &t1);
    lapic_write(LAPIC_TIMER_INIT, 0);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
    timer_khz = (u32)((u64)(c0 - c1) * 1000000 / (t1 - t0));
    log_debug("LAPIC timer: %u kHz\n", timer_khz);
}

/* The timer queue's head changed on this CPU. */
void timer_program(u64 deadline_ns)
{
    u64 now, ticks;

    if (tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, deadline_ns == ~0ull ? 0 : ns_to_tsc(deadline_ns));
        return;
    }
    if (deadline_ns == ~0ull) {
        /* A counter that has fired is not running: most stops are such, and a write costs (a lock, on QEMU). */
        if (this_cpu()->timer_armed)
            lapic_write(LAPIC_TIMER_INIT, 0);
        this_cpu()->timer_armed = false;
        return;
    }
    now = now_ns();
    if (deadline_ns <= now)
        ticks = 1;
    else if (deadline_ns - now >= 1000000000)
        ticks = (u64)timer_khz * 1000; /* look again in a second: the counter has 32 bits */
    else
        ticks = (deadline_ns - now) * timer_khz / 1000000 + 1;
    this_cpu()->timer_armed = true;
    lapic_write(LAPIC_TIMER_INIT, (u32)min(ticks, 0xffffffffull));
}

void lapic_timer_fired(void)
{
    this_cpu()->timer_armed = false;
}
