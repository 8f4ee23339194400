/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suspend to RAM. Every CPU comes to its scheduler and gives up its vCPU; the boot CPU waits for the others, notes what
 * the hardware will forget, tells firmware to wake Torii and not Dom0, and writes the sleep registers. Firmware comes
 * back by the trampoline; then all is done in the other order, and Dom0 is started as firmware would have started it.
 */
#include <torii/suspend.h>

#include <torii/acpi.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/hypercall.h>
#include <torii/ioapic.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mtrr.h>
#include <torii/percpu.h>
#include <torii/pstate.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/timer_queue.h>
#include <torii/vioapic.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>
#include <torii/vpower.h>

#define NS_PER_MS    1000000ull
#define PARK_WAIT_NS 5000000000ull

bool suspend_pending;
static struct suspend request;
static u32 claimed; /* request is being filled in, or carried out */
static struct acpi_waking dom0_waking;

/* --- asking --- */

/* What firmware would make of the domain's vectors: -XEN_EINVAL if no vCPU can start there. */
static int check_waking(const struct acpi_waking *w)
{
    if (w->flat)
        return w->is64 || w->flat > UINT32_MAX ? -XEN_EINVAL : 0;
    return w->real && w->real < HVM_WAKE_REAL_END ? 0 : -XEN_EINVAL;
}

int suspend_request(const struct suspend *s)
{
    struct acpi_waking waking;
    int err = 0;

    if (!acpi_waking_get(&waking) || !smp_trampoline())
        return -XEN_EOPNOTSUPP;
    if (!s->by_call)
        err = check_waking(&waking);
    if (err)
        return err;
    if (atomic_xchg(&claimed, 1))
        return -XEN_EBUSY;
    request = *s;
    dom0_waking = waking;
    atomic_store(&suspend_pending, true);
    for (unsigned i = 0; i < pcpu_nr; i++) {
        atomic_store(&pcpus[i]->resched, true);
        if (pcpus[i] != this_cpu() && pcpus[i]->started)
            cpu_kick(i);
    }
    return 0;
}

/* --- going --- */

static void wait_parked(void)
{
    u64 end = now_ns() + PARK_WAIT_NS;

    for (unsigned i = 1; i < pcpu_nr; i++)
        while (atomic_load(&pcpus[i]->started))
            if (now_ns() > end)
                panic("CPU %u does not stop for the machine to sleep\n", i);
}

/* With only the stack left to come back to: nothing after this that firmware's way back would find changed. */
static void sleep_now(void *stack)
{
    smp_aim_trampoline(suspend_wake, stack, NULL);
    vpower_machine_sleep(&request);
}

/* --- coming back --- */

/* vCPUs of a CPU that stays away move to the boot CPU; what it had timers for is late, but is done. */
static void abandon(struct pcpu *dead)
{
    log_err("CPU %u does not come back from sleep\n", dead->id);
    dead->unfit = true;
    sched_abandon(dead);
    timer_queue_abandon(dead->timers);
    governor_stop(dead->id);
}

static void restore_other_cpus(void)
{
    for (unsigned i = 1; i < pcpu_nr; i++)
        if (pcpus[i]->parked && !smp_unpark(pcpus[i]))
            abandon(pcpus[i]);
}

/* As firmware leaves a machine to its OS: one processor at the waking vector, the others waiting for it, nothing
 * routed. */
static void start_domain(struct domain *d)
{
    struct hvm_state state;

    vioapic_reset(d);
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];

        atomic_store(&v->state, VCPU_OFFLINE);
        runstate_change(v, RUNSTATE_offline);
        atomic_store(&v->todo, 0);
        vlapic_power_up(v);
        fpu_reset(v);
    }
    if (dom0_waking.flat)
        hvm_state_wake_flat(&state, (u32)dom0_waking.flat);
    else
        hvm_state_wake(&state, dom0_waking.real);
    hvm->set_state(d->vcpu[0], &state);
    vcpu_start(d->vcpu[0]);
}

static void restore_domain(struct domain *d)
{
    vpci_woke(d);
    if (!request.by_call)
        start_domain(d);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        d->tsc_offset_changed(d->vcpu[i]);
    pvclock_update_wall_clock(d);
}

static void sleep_and_wake(struct pcpu *c)
{
    static const struct acpi_waking none;
    struct acpi_waking ours = none;
    bool woken, types;
    u64 slept;

    ours.real = (u32)smp_trampoline();
    acpi_waking_set(&ours);
    chipset_save();
    mtrr_save();
    console_save();
    sleep_time_begin();
    hvm->cpu_disable();
    woken = suspend_save(sleep_now);
    types = smp_restore_boot_cpu(c);
    chipset_restore();
    slept = sleep_time_end();
    console_restore();
    acpi_waking_set(&dom0_waking);
    if (types)
        log_debug("CPU 0: memory types restored\n");
    log_info("%s after %u.%03u s\n", woken ? "awake" : "the machine did not sleep; going on",
             (unsigned)(slept / 1000 / NS_PER_MS), (unsigned)(slept / NS_PER_MS % 1000));
}

static void boot_cpu_suspend(struct pcpu *c)
{
    log_info("suspend to RAM\n");
    smp_hold();
    wait_parked();
    sleep_and_wake(c);
    restore_other_cpus();
    ioapic_restore();
    if (hvm->cpu_enable())
        panic("cannot enable %s after sleep\n", hvm->name);
    restore_domain(request.d);
    timer_program(timer_queue_next());
    atomic_store(&suspend_pending, false);
    atomic_store(&claimed, 0);
    smp_release();
}

void suspend_cpu(struct pcpu *c)
{
    sched_unload(c);
    if (c->id)
        smp_park(c);
    boot_cpu_suspend(c);
}
