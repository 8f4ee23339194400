/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor that is taken out of the running machine: everything that is on it moves first. */
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/log.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/vioapic.h>
#include <torii/vpci.h>

/* A device's interrupts follow the vCPU they are for, once that runs elsewhere. */
static int move_interrupts(u32 cpu)
{
    if (dom0) {
        vioapic_rehome(dom0);
        vpci_rehome(dom0);
    }
    if (!irq_cpu_used(cpu))
        return 0;
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
