/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing up the other processors: INIT, SIPI (SDM vol. 3 §9.4.4), a trampoline page below 1 MiB that is given back. */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/boot_info.h>
#include <torii/cpu.h>
#include <torii/e820.h>
#include <torii/hvm.h>
#include <torii/ioapic.h>
#include <torii/lapic.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/tsc.h>

extern char trampoline_start[], trampoline_end[];
extern char trampoline_cr3[], trampoline_entry[], trampoline_stack[], trampoline_arg[];

#define WARP_ROUNDS     2000
#define START_TRIES_MS  1000

static bool scheduler_may_start;
/* Rendezvous for comparing TSCs: the boot CPU names a processor, that one answers, both look, it says when it is done. */
static unsigned warp_cpu;
#define WARP_HERE BIT(31)
#define WARP_DONE 0

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

static void noreturn_fn ap_main(struct pcpu *c)
{
    write_cr3(mm_kernel_cr3());
    cpu_features_init();
    pcpu_load(c);
    lapic_init_cpu();
    if (hvm->cpu_enable()) {
        log_err("CPU %u: cannot enable %s\n", c->id, hvm->name);
        for (;;)
            asm volatile("cli; hlt");
    }
    atomic_store(&c->online, true);
    while (atomic_load(&warp_cpu) != c->id)
        cpu_relax();
    atomic_store(&warp_cpu, c->id | WARP_HERE);
    tsc_warp_check(WARP_ROUNDS);
    atomic_store(&warp_cpu, WARP_DONE);
    /* Asleep while the boot processor unpacks Dom0's kernel: that takes seconds, and a sibling would share its core. */
    while (!atomic_load(&scheduler_may_start))
        irq_wait();
    sched_loop();
}

/* A page of RAM for the trampoline, above the interrupt vector table and BIOS data. */
static paddr_t trampoline_page(void)
{
    for (paddr_t pa = 0x8000; pa < 0x9f000; pa += PAGE_SIZE)
        if (e820_covers(&boot_info.e820, pa, pa + PAGE_SIZE, E820_RAM))
            return pa;
    return 0;
}

static void set_word(void *page, const char *symbol, u64 val)
{
    memcpy((char *)page + (symbol - trampoline_start), &val, sizeof(val));
}

static bool wait_online(const struct pcpu *c, unsigned ms)
{
    u64 end = now_ns() + ms * 1000000ull;

    while (now_ns() < end)
        if (atomic_load(&c->online))
            return true;
    return false;
}

static bool start_cpu(struct pcpu *c, paddr_t page)
{
    void *p = paddr_to_virt(page);

    memcpy(p, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    set_word(p, trampoline_cr3, mm_trampoline_cr3());
    set_word(p, trampoline_entry, (u64)ap_main);
    set_word(p, trampoline_stack, (u64)c->stack + STACK_PAGES * PAGE_SIZE);
    set_word(p, trampoline_arg, (u64)c);
    lapic_send(c->apic_id, ICR_INIT | ICR_ASSERT);
    machine_delay_ms(10);
    for (unsigned i = 0; i < 2; i++) {
        lapic_send(c->apic_id, ICR_STARTUP | ICR_ASSERT | (u32)(page >> PAGE_SHIFT));
        if (wait_online(c, i ? START_TRIES_MS : 10))
            return true;
    }
    return false;
}

static void start_one(u32 apic_id, paddr_t page)
{
    struct pcpu *c;

    if (pcpu_nr == MAX_CPUS) {
        log_warn("processor with APIC id %u ignored: Torii is built for %u\n", apic_id, MAX_CPUS);
        return;
    }
    c = pcpu_create(pcpu_nr, apic_id);
    if (!c || irq_cpu_init(pcpu_nr))
        panic("no memory for processor %u\n", pcpu_nr);
    if (!start_cpu(c, page)) {
        log_warn("processor with APIC id %u does not start\n", apic_id);
        pcpus[c->id] = NULL;
        return;
    }
    pcpu_nr++;
    atomic_store(&warp_cpu, c->id);
    while (!(atomic_load(&warp_cpu) & WARP_HERE) && atomic_load(&warp_cpu) != WARP_DONE)
        cpu_relax();
    tsc_warp_check(WARP_ROUNDS);
    while (atomic_load(&warp_cpu) != WARP_DONE)
        cpu_relax();
}

void smp_start(void)
{
    char saved[PAGE_SIZE / 4];
    size_t bytes = (size_t)(trampoline_end - trampoline_start);
    paddr_t page = trampoline_page();

    assert(bytes <= sizeof(saved));
    if (!page) {
        log_warn("no RAM below 640 KiB for starting the other processors\n");
        return;
    }
    memcpy(saved, paddr_to_virt(page), bytes);
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].enabled && acpi_info.cpu[i].apic_id != this_cpu()->apic_id)
            start_one(acpi_info.cpu[i].apic_id, page);
    memcpy(paddr_to_virt(page), saved, bytes);
    log_info("%u processor%s, TSCs %s\n", pcpu_nr, pcpu_nr > 1 ? "s" : "",
             tsc_scale.stable ? "synchronised" : "not synchronised");
}

void smp_release(void)
{
    atomic_store(&scheduler_may_start, true);
    for (unsigned i = 0; i < pcpu_nr; i++)
        if (atomic_load(&pcpus[i]->online))
            cpu_kick(i);
}
