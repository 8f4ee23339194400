/* SPDX-License-Identifier: BSD-2-Clause */
/* Life and end of domains. */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/boot_info.h>
#include <torii/cmdline.h>
#include <torii/cpu.h>
#include <torii/cstate.h>
#include <torii/dom0.h>
#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/hypercall.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/stage2.h>
#include <torii/trace.h>
#include <torii/vioapic.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>
#include <torii/vpower.h>

#include <xen/sched.h>

struct domain *dom0;

static int vcpu_create(struct domain *d, unsigned id)
{
    struct vcpu *v = xzalloc(sizeof(*v));
    int rc;

    if (!v)
        return -XEN_ENOMEM;
    v->id = id;
    v->d = d;
    v->state = VCPU_OFFLINE;
    v->exits = xzalloc(EXIT_REASONS * sizeof(*v->exits));
    if (!v->exits) {
        xfree(v);
        return -XEN_ENOMEM;
    }
    v->exits_timed = cmdline_bool(boot_info.cmdline, "exit-stats", false);
    d->vcpu[id] = v;
    v->cpu = pcpus[id % pcpu_nr];
    rc = hvm->vcpu_init(v);
    if (!rc)
        rc = fpu_init_vcpu(v);
    if (!rc)
        rc = vlapic_init(v);
    if (!rc)
        rc = xen_vcpu_init(v);
    if (!rc)
        sched_assign(v, v->cpu);
    return rc;
}

static void tsc_offset_changed(struct vcpu *v)
{
    vlapic_tsc_moved(v);
    pvclock_update(v);
}

/*
 * The HPET can send its interrupts as messages of its own composing, past Torii's vectors. Its table is withheld, and the
 * device that the DSDT still describes reads as absent.
 */
static int deny_hpet(struct domain *d)
{
    gpa_t page = ALIGN_DOWN(acpi_info.hpet, PAGE_SIZE);

    return acpi_info.hpet ? mmio_register(d, page, page + PAGE_SIZE - 1, mmio_deny, NULL) : 0;
}

/* Order matters: the tables first, then who registers in them, then the bitmaps made from them, then the vCPUs. */
int domain_create(domid_t id, unsigned nr_vcpus, struct domain **out)
{
    struct domain *d = xzalloc(sizeof(*d));
    int rc;

    if (!d)
        return -XEN_ENOMEM;
    *out = d;
    d->id = id;
    d->privileged = id == 0;
    d->nr_vcpus = nr_vcpus;
    d->tsc_offset_changed = tsc_offset_changed;
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    rc = io_map_init(d);
    if (!rc)
        rc = s2_init(d);
    if (!rc)
        rc = hvm_msr_register(d);
    if (!rc)
        rc = hypercall_page_register(d);
    if (!rc)
        rc = vlapic_register(d);
    if (!rc)
        rc = vioapic_init(d);
    if (!rc)
        rc = vpower_init(d);
    if (!rc)
        rc = legacy_ports_register(d);
    if (!rc && d->privileged)
        rc = idle_ports_register(d);
    if (!rc && d->privileged)
        rc = pcpu_hotplug_init(d);
    if (!rc)
        rc = deny_hpet(d);
    if (!rc)
        rc = vpci_init(d);
    if (!rc)
        rc = xen_domain_init(d);
    if (!rc)
        rc = hvm_domain_init(d);
    for (unsigned i = 0; !rc && i < nr_vcpus; i++)
        rc = vcpu_create(d, i);
    return rc;
}

bool domain_may_fault_in(struct domain *d, gpa_t start, u64 bytes)
{
    gfn_t first = start >> PAGE_SHIFT, last = (start + bytes - 1) >> PAGE_SHIFT;
    struct mmio_range range;
    u64 nr;

    /* Each is asked for the whole range: page by page, 2 MiB cost 200 thousand instructions. */
    if (!d->privileged || machine_ram_from(first) <= last || machine_protected_from(first) <= last ||
        (mmio_next(d, start, &range) && range.first < start + bytes))
        return false;
    for (gfn_t gfn = first; gfn <= last; gfn += nr)
        if (s2_lookup_run(d, gfn, &nr) != S2_NONE)
            return false;
    return true;
}

static void dump_vcpu(struct vcpu *v)
{
    const struct guest_regs *r = &v->regs;
    struct hvm_control c;

    hvm->get_control(v, &c);
    log_err("vCPU %u: rip %016lx rsp %016lx rflags %lx cpl %u\n", v->id, r->rip, r->rsp, r->rflags, hvm->cpl(v));
    log_err("  cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx\n", c.cr0, c.cr2, c.cr3, c.cr4, c.efer);
    log_err("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    log_err("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    log_err("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    log_err("  r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
    hvm->dump(v);
}

static const char *reason_name(u8 reason)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "power-off", [SHUTDOWN_reboot] = "reboot",     [SHUTDOWN_suspend] = "suspend",
        [SHUTDOWN_crash] = "crash",        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft reset",
    };

    return reason < ARRAY_SIZE(names) ? names[reason] : "unknown reason";
}

static void dom0_statistics(const struct domain *d)
{
    if (!cmdline_bool(boot_info.cmdline, "exit-stats", false))
        return;
    exit_stats_dump(d);
    hypercall_dump();
    cstate_dump();
    if (alloc_count())
        log_info("%lu allocations in all\n", alloc_count());
}

/* Dom0's end is the machine's. */
static void noreturn_fn dom0_end(struct domain *d, u8 reason)
{
    log_info("Dom0 has shut down: %s\n", reason_name(reason));
    dom0_statistics(d);
    console_flush();
    if (reason == SHUTDOWN_poweroff)
        machine_power_off();
    if (cmdline_bool(boot_info.cmdline, "noreboot", false)) {
        log_info("not rebooting (noreboot)\n");
        machine_halt();
    }
    machine_reset();
}

void domain_shutdown(struct domain *d, u8 reason)
{
    struct vcpu *self = current_vcpu();

    if (atomic_xchg(&d->is_shut_down, true)) {
        /* Another vCPU got here first and is ending the machine. */
        if (self && self->d == d)
            vcpu_offline(self);
        return;
    }
    d->shutdown_reason = reason;
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (d->vcpu[i] && d->vcpu[i] != self)
            vcpu_pause(d->vcpu[i]);
    if (reason == SHUTDOWN_crash && self)
        dump_vcpu(self);
    dom0_end(d, reason);
}

void domain_crash(struct vcpu *v, const char *fmt, ...)
{
    char line[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    log_err("d%uv%u crashed: %s", v->d->id, v->id, line);
    trace_dump(v->cpu);
    domain_shutdown(v->d, SHUTDOWN_crash);
}

void domain_triple_fault(struct vcpu *v)
{
    u64 reason = v->d->hvm_param[HVM_PARAM_TRIPLE_FAULT_REASON];

    log_info("d%uv%u: triple fault at %#lx\n", v->d->id, v->id, v->regs.rip);
    dump_vcpu(v);
    domain_shutdown(v->d, (u8)(reason <= SHUTDOWN_MAX ? reason : SHUTDOWN_reboot));
}

void domain_vcpu_halted(struct vcpu *v)
{
    struct domain *d = v->d;

    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (vcpu_is_online(d->vcpu[i]))
            return;
    if (!d->privileged) {
        domain_shutdown(d, SHUTDOWN_poweroff);
        return;
    }
    /* As on bare metal: the machine stands still until somebody resets it. */
    log_info("Dom0 has halted; the debug console (Ctrl-A three times) still answers\n");
    dom0_statistics(d);
}
