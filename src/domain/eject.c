/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor that is taken out of the running machine: everything that is on it moves first. */
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/log.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/time.h>
#include <torii/vioapic.h>
#include <torii/vpci.h>

/* Far longer than a processor needs to take an interrupt that its local APIC has accepted. */
#define ACCEPTED_NS 100000000ull

/*
 * A device's interrupts follow the vCPU they are for, once that runs elsewhere. A level interrupt that the processor has
 * accepted stays until it is taken (gsi_set_cpu), so it is asked again.
 */
static int move_interrupts(u32 cpu)
{
    u64 end = now_ns() + ACCEPTED_NS;

    do {
        if (dom0) {
            vioapic_rehome(dom0);
            vpci_rehome(dom0);
        }
        if (!irq_cpu_used(cpu))
            return 0;
        cpu_relax();
    } while (now_ns() < end);
    log_warn("CPU %u stays: a device interrupts it that cannot be told otherwise while it works\n", cpu);
    return -XEN_EBUSY;
}

int pcpu_remove(u32 cpu)
{
    long rc = pcpu_set_online(cpu, false);

    if (rc)
        return (int)rc;
    if (cpu == cpu_this() || !sched_wait_empty(pcpus[cpu]))
        return -XEN_EBUSY;
    rc = move_interrupts(cpu);
    if (!rc)
        rc = smp_stop_cpu(cpu);
    if (rc)
        return (int)rc;
    log_info("CPU %u has stopped\n", cpu);
    pcpu_changed();
    return 0;
}
