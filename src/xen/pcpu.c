/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical CPUs: which there are, and how they come, go out of use and back. Dom0 follows by VIRQ_PCPU_STATE. */
#include <torii/acpi.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/smp.h>

#include "pcpu_info.h"
#include "platform_pm.h"

unsigned pcpu_present(void)
{
    return pcpu_nr;
}

static bool is_present(u32 cpu)
{
    return cpu < pcpu_present() && pcpus[cpu] && !pcpus[cpu]->gone;
}

static struct acpi_cpu *listed(u32 apic_id)
{
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].apic_id == apic_id)
            return &acpi_info.cpu[i];
    return NULL;
}

const struct acpi_cpu *pcpu_acpi(unsigned n)
{
    const struct acpi_cpu *cpu = is_present(n) ? listed(pcpus[n]->apic_id) : NULL;

    return cpu && cpu->enabled ? cpu : NULL;
}

void pcpu_changed(void)
{
    if (dom0)
        evtchn_raise_global_virq(dom0, VIRQ_PCPU_STATE);
}

/* An id that the MADT does not have could be the alias of one that it has: eight bits of it reach the hardware. */
long pcpu_add(u32 apic_id)
{
    struct acpi_cpu *cpu = listed(apic_id);
    int n = cpu ? smp_add(apic_id) : -XEN_EINVAL;

    if (n < 0)
        return n;
    if (!cpu->enabled)
        acpi_enable_cpu(cpu);
    log_info("CPU %d, APIC id %u, is there\n", n, apic_id);
    pcpu_changed();
    return n;
}

/* 1 if it changed, 0, or -errno. */
static int set_online(u32 cpu, bool online)
{
    struct pcpu *c = pcpus[cpu];
    bool is_new = !c->started;
    int rc;

    if (c->online == online)
        return 0;
    if (online) {
        rc = smp_start_cpu(cpu);
        if (rc)
            return rc;
        if (is_new)
            sched_new_home(c);
    }
    sched_set_online(c, online);
    return 1;
}

long pcpu_set_online(u32 cpu, bool online)
{
    int rc;

    if (!is_present(cpu))
        return -XEN_EINVAL;
    if (cpu == 0 && !online)
        return -XEN_EOPNOTSUPP;
    rc = set_online(cpu, online);
    if (rc > 0)
        pcpu_changed();
    return min(rc, 0);
}

/* Those that were never started do not count: they use no power that parking could save. */
long platform_core_parking(struct xenpf_core_parking *p)
{
    u32 present = pcpu_present(), parked = min(p->idle_nums, present - 1);
    bool changed = false;

    switch (p->type) {
    case XEN_CORE_PARKING_SET:
        for (u32 cpu = 1; cpu < present; cpu++)
            if (is_present(cpu) && pcpus[cpu]->started)
                changed |= set_online(cpu, cpu < present - parked) > 0;
        if (changed)
            pcpu_changed();
        return 0;
    case XEN_CORE_PARKING_GET:
        p->idle_nums = 0;
        for (u32 cpu = 0; cpu < present; cpu++)
            p->idle_nums += is_present(cpu) && pcpus[cpu]->started && !pcpus[cpu]->online;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}
