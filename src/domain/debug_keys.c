/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug console's answers. Letters are Xen's where the meaning is. */
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/e820.h>
#include <torii/evtchn.h>
#include <torii/guest.h>
#include <torii/hvm.h>
#include <torii/hypercall.h>
#include <torii/ioapic.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/percpu.h>
#include <torii/stage2.h>
#include <torii/trace.h>
#include <torii/vioapic.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>

static const char *state_name(const struct vcpu *v)
{
    static const char *const names[] = {
        [VCPU_OFFLINE] = "offline", [VCPU_RUNNABLE] = "runnable", [VCPU_BLOCKED] = "blocked",
        [VCPU_HALTED] = "halted"};

    return v->paused ? "paused" : v->running ? "running" : names[v->state];
}

/* vCPU registers are those of the last exit. */
static void key_cpus(void)
{
    for (unsigned i = 0; i < pcpu_nr; i++)
        log_info("CPU %u: APIC id %u, %s, idle %lu ms of %lu\n", i, pcpus[i]->apic_id, pcpus[i]->idle ? "idle" : "busy",
                 pcpus[i]->idle_ns / 1000000, now_ns() / 1000000);
    for (unsigned i = 0; dom0 && i < dom0->nr_vcpus; i++) {
        struct vcpu *v = dom0->vcpu[i];
        struct hvm_control c;

        hvm->get_control(v, &c);
        log_info("d0v%u on CPU %u: %s, rip %#lx rsp %#lx rflags %#lx\n", i, v->cpu->id, state_name(v), v->regs.rip,
                 v->regs.rsp, v->regs.rflags);
        log_info("  cr0 %#lx cr2 %#lx cr3 %#lx cr4 %#lx efer %#lx\n", c.cr0, c.cr2, c.cr3, c.cr4, c.efer);
        hvm->dump(v);
        vlapic_dump(v);
    }
}
CONSOLE_KEY('d', "CPU and vCPU state", key_cpus);

static void key_memory(void)
{
    u64 pages[3], tables, accessed, written, objects, heap_pages;

    for (unsigned i = 0; i < boot_info.e820.nr; i++) {
        const struct e820_entry *e = &boot_info.e820.entry[i];

        log_info("machine %#014lx-%#014lx %s\n", e->addr, e->addr + e->size - 1, e820_type_name(e->type));
    }
    log_info("Torii %#lx-%#lx; %lu KiB free in all\n", torii_region.start, torii_region.start + torii_region.size - 1,
             frames_free_count() << 2);
    heap_count(&objects, &heap_pages);
    log_info("small objects: %lu in %lu pages; pages pinned: %lu; allocations: %lu\n", objects, heap_pages,
             dom0 ? guest_pinned_pages(dom0) : 0, alloc_count());
    if (!dom0)
        return;
    for (unsigned i = 0; i < dom0->e820_nr; i++)
        log_info("Dom0 %#014lx-%#014lx %s\n", dom0->e820[i].addr, dom0->e820[i].addr + dom0->e820[i].size - 1,
                 e820_type_name(dom0->e820[i].type));
    s2_count(dom0, pages, &tables);
    log_info("Dom0 has %lu pages of at most %lu; stage 2: %lu x 1 GiB, %lu x 2 MiB, %lu x 4 KiB, %lu tables\n",
             dom0->nr_pages, dom0->max_pages, pages[2], pages[1], pages[0], tables);
    if (s2_used(dom0, &accessed, &written))
        log_info("Dom0 has touched pages of %lu MiB, written to pages of %lu MiB\n", accessed >> 8, written >> 8);
}
CONSOLE_KEY('m', "memory map", key_memory);

static void key_interrupts(void)
{
    gsi_dump();
    if (dom0) {
        vioapic_dump(dom0);
        vpci_dump(dom0);
    }
}
CONSOLE_KEY('i', "interrupt routing: GSIs, IO-APICs, MSI and MSI-X", key_interrupts);

static void key_evtchn(void)
{
    if (dom0)
        evtchn_dump(dom0);
}
CONSOLE_KEY('e', "event channels", key_evtchn);

static void key_statistics(void)
{
    if (!dom0)
        return;
    exit_stats_dump(dom0);
    hypercall_dump();
}
CONSOLE_KEY('x', "exit and hypercall statistics", key_statistics);

static void key_trace(void)
{
    for (unsigned i = 0; i < pcpu_nr; i++)
        trace_dump(pcpus[i]);
}
CONSOLE_KEY('t', "the last exits of every CPU", key_trace);

static void key_nmi(void)
{
    if (dom0)
        vlapic_set_nmi(dom0->vcpu[0]);
}
CONSOLE_KEY('N', "send an NMI to Dom0's first vCPU", key_nmi);

static void key_panic(void)
{
    panic("asked for at the debug console\n");
}
CONSOLE_KEY('C', "panic", key_panic);

static void key_reboot(void)
{
    log_info("rebooting\n");
    machine_reset();
}
CONSOLE_KEY('R', "reboot the machine", key_reboot);
