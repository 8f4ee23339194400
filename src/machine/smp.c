/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing up the other processors, at boot and when they are added to the running machine, by a trampoline page
 * below 1 MiB that stays Torii's.
 */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/boot_info.h>
#include <torii/cpu.h>
#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/ioapic.h>
#include <torii/lapic.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/mtrr.h>
#include <torii/percpu.h>
#include <torii/pstate.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/timer_queue.h>
#include <torii/tsc.h>

extern char trampoline_start[], trampoline_end[];
extern char trampoline_cr3[], trampoline_entry[], trampoline_stack[], trampoline_arg[];

#define WARP_ROUNDS  2000
#define START_MS     5000
#define STOP_MS      1000
#define LAST_IRQS_MS 10

static bool scheduler_may_start;
/* Rendezvous for comparing TSCs: somebody names a processor, that one answers, both look, it says when it is done. */
static unsigned warp_cpu;
#define WARP_HERE BIT(31)
#define WARP_DONE 0
static paddr_t trampoline; /* 0: there is no place for one */
static u32 changing;       /* one processor is added or started at a time */

void cpu_features_init(void)
{
    struct cpuid_regs f1 = cpuid(1, 0), f7 = {0};
    u64 cr4 = read_cr4() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE;

    if (cpuid(0, 0).eax >= 7)
        f7 = cpuid(7, 0);
    if (f1.ecx & BIT(26))
        cr4 |= CR4_OSXSAVE;
    if (f7.ebx & BIT(7))
        cr4 |= CR4_SMEP;
    if (f7.ebx & BIT(20))
        cr4 |= CR4_SMAP;
    write_cr4(cr4);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    write_cr0((read_cr0() | CR0_WP | CR0_NE) & ~(CR0_CD | CR0_NW));
}

static void ap_main(void *arg)
{
    struct pcpu *c = arg;
    bool types;

    atomic_store(&c->answered, true);
    write_cr3(mm_kernel_cr3());
    cpu_features_init();
    pcpu_load(c);
    types = mtrr_restore();
    lapic_init_cpu();
    if (hvm->cpu_enable()) {
        log_err("CPU %u: cannot enable %s\n", c->id, hvm->name);
        for (;;)
            asm volatile("cli; hlt");
    }
    if (types)
        log_debug("CPU %u: memory types %s\n", c->id, mtrr_restore() ? "cannot be set" : "set as the boot CPU has them");
    atomic_store(&c->started, true);
    while (atomic_load(&warp_cpu) != c->id)
        cpu_relax();
    atomic_store(&warp_cpu, c->id | WARP_HERE);
    tsc_warp_check(WARP_ROUNDS);
    atomic_store(&warp_cpu, WARP_DONE);
    /* Asleep while the boot processor unpacks Dom0's kernel: that takes seconds, and a sibling would share its core. */
    while (!atomic_load(&scheduler_may_start))
        irq_wait();
    /* Of one that slept: what its timers were set for. */
    timer_program(timer_queue_next());
    sched_loop();
}

/*
 * A page of RAM above the interrupt vector table and BIOS data; low, since many programs look for tables higher up, and
 * below the pages where simple systems put trampolines of their own without a look at the memory map.
 */
static paddr_t find_page(void)
{
    for (paddr_t pa = 0x2000; pa < 0x9f000; pa += PAGE_SIZE)
        if (e820_covers(&boot_info.e820, pa, pa + PAGE_SIZE, E820_RAM))
            return pa;
    return 0;
}

paddr_t smp_trampoline(void)
{
    return trampoline;
}

static void set_word(void *page, const char *symbol, u64 val)
{
    memcpy((char *)page + (symbol - trampoline_start), &val, sizeof(val));
}

void smp_aim_trampoline(void (*entry)(void *arg), void *stack, void *arg)
{
    void *p = paddr_to_virt(trampoline);

    memcpy(p, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    set_word(p, trampoline_cr3, mm_trampoline_cr3());
    set_word(p, trampoline_entry, (u64)entry);
    set_word(p, trampoline_stack, (u64)stack);
    set_word(p, trampoline_arg, (u64)arg);
}

/* A processor that does not come is sent back to wait for another SIPI: it must not wake up on the next one's stack. */
static bool start_cpu(struct pcpu *c)
{
    smp_aim_trampoline(ap_main, (char *)c->stack + STACK_PAGES * PAGE_SIZE, c);
    if (!smp_startup(c->apic_id, trampoline, &c->answered))
        return false;
    if (smp_wait(&c->started, true, START_MS))
        return true;
    lapic_send(c->apic_id, ICR_INIT | ICR_ASSERT);
    return false;
}

static void compare_tscs(const struct pcpu *c)
{
    atomic_store(&warp_cpu, c->id);
    while (!(atomic_load(&warp_cpu) & WARP_HERE) && atomic_load(&warp_cpu) != WARP_DONE)
        cpu_relax();
    tsc_warp_check(WARP_ROUNDS);
    while (atomic_load(&warp_cpu) != WARP_DONE)
        cpu_relax();
}

static void start_one(u32 apic_id)
{
    struct pcpu *c;

    if (pcpu_nr == MAX_CPUS) {
        log_warn("processor with APIC id %u ignored: Torii is built for %u\n", apic_id, MAX_CPUS);
        return;
    }
    c = pcpu_create(pcpu_nr, apic_id);
    if (!c || irq_cpu_init(pcpu_nr))
        panic("no memory for processor %u\n", pcpu_nr);
    if (!start_cpu(c)) {
        log_warn("processor with APIC id %u does not start\n", apic_id);
        pcpus[c->id] = NULL;
        return;
    }
    pcpu_nr++;
    compare_tscs(c);
    atomic_store(&c->online, true);
}

void smp_start(void)
{
    u8 saved[PAGE_SIZE / 4];
    size_t bytes = (size_t)(trampoline_end - trampoline_start);

    assert(bytes <= sizeof(saved));
    mtrr_save();
    trampoline = find_page();
    if (!trampoline) {
        log_warn("no RAM below 640 KiB for starting the other processors\n");
        return;
    }
    /* The loader may have left something there that is still to be read. */
    memcpy(saved, paddr_to_virt(trampoline), bytes);
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].enabled && acpi_info.cpu[i].apic_id != this_cpu()->apic_id)
            start_one(acpi_info.cpu[i].apic_id);
    memcpy(paddr_to_virt(trampoline), saved, bytes);
    log_info("%u processor%s, TSCs %s\n", pcpu_nr, pcpu_nr > 1 ? "s" : "",
             tsc_scale.stable ? "synchronised" : "not synchronised");
}

void smp_release(void)
{
    atomic_store(&scheduler_may_start, true);
    for (unsigned i = 0; i < pcpu_nr; i++)
        if (atomic_load(&pcpus[i]->started))
            cpu_kick(i);
}

/* --- suspend to RAM --- */

void smp_hold(void)
{
    atomic_store(&scheduler_may_start, false);
}

bool smp_restore_boot_cpu(struct pcpu *c)
{
    bool types;

    write_cr3(mm_kernel_cr3());
    cpu_features_init();
    pcpu_load(c);
    types = mtrr_restore();
    lapic_restore_boot();
    /* Firmware may have left the others running, in memory that is not its own any more (startup.c). */
    lapic_send(0, ICR_INIT | ICR_ASSERT | ICR_ALL_BUT_SELF);
    return types;
}

static void noreturn_fn stop(struct pcpu *c)
{
    hvm->cpu_disable();
    asm volatile("wbinvd" : : : "memory");
    atomic_store(&c->started, false);
    for (;;)
        asm volatile("cli; hlt");
}

void noreturn_fn smp_park(struct pcpu *c)
{
    c->parked = true;
    stop(c);
}

bool smp_unpark(struct pcpu *c)
{
    bool there = start_cpu(c);

    if (there)
        compare_tscs(c);
    c->parked = false;
    return there;
}

static int add(u32 apic_id)
{
    unsigned n = pcpu_nr;

    for (unsigned i = 0; i < n; i++)
        if (pcpus[i] && pcpus[i]->apic_id == apic_id) {
            if (!pcpus[i]->gone)
                return -XEN_EEXIST;
            pcpus[i]->gone = pcpus[i]->unfit = false;
            return (int)i;
        }
    if (n == MAX_CPUS)
        return -XEN_ENOSPC;
    if (!pcpu_create(n, apic_id) || irq_cpu_init(n))
        return -XEN_ENOMEM;
    atomic_store(&pcpu_nr, n + 1);
    return (int)n;
}

int smp_add(u32 apic_id)
{
    int rc;

    if (atomic_xchg(&changing, 1))
        return -XEN_EBUSY;
    rc = add(apic_id);
    atomic_store(&changing, 0);
    return rc;
}

/* Guests were told that all TSCs agree: one that does not must not run any of them. */
static int start_late(struct pcpu *c)
{
    bool stable = tsc_scale.stable;

    if (c->started)
        return c->unfit ? -XEN_EIO : 0;
    if (!trampoline || !start_cpu(c)) {
        log_warn("CPU %u, APIC id %u, does not start\n", c->id, c->apic_id);
        return -XEN_EIO;
    }
    compare_tscs(c);
    cpu_kick(c->id);
    if (!stable || tsc_scale.stable)
        return 0;
    tsc_scale.stable = true;
    c->unfit = true;
    log_warn("CPU %u is not used: its TSC is not that of the others\n", c->id);
    return -XEN_EIO;
}

int smp_start_cpu(unsigned cpu)
{
    int rc;

    if (atomic_xchg(&changing, 1))
        return -XEN_EBUSY;
    rc = start_late(pcpus[cpu]);
    atomic_store(&changing, 0);
    return rc;
}

/* --- out of the machine --- */

void noreturn_fn smp_leave(struct pcpu *c)
{
    u64 end = now_ns() + LAST_IRQS_MS * 1000000ull;

    while (now_ns() < end)
        irq_window();
    timer_program(~0ull);
    stop(c);
}

static int stop_started(struct pcpu *c)
{
    if (!c->started)
        return 0;
    sched_leave(c);
    /* It may have seen the request just now. */
    if (!smp_wait(&c->started, false, STOP_MS) &&
        (atomic_xchg(&c->leaving, false) || !smp_wait(&c->started, false, STOP_MS)))
        return -XEN_EBUSY;
    timer_queue_abandon(c->timers);
    governor_stop(c->id);
    return 0;
}

int smp_stop_cpu(unsigned cpu)
{
    int rc;

    if (atomic_xchg(&changing, 1))
        return -XEN_EBUSY;
    rc = stop_started(pcpus[cpu]);
    if (!rc)
        pcpus[cpu]->gone = true;
    atomic_store(&changing, 0);
    return rc;
}
