/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine checks that meet Torii: told to Dom0's vCPU on the same processor, which finds the banks as the processor
 * left them and does with them what its own handler does. MCIP stays set until it clears it, as on the bare machine.
 */
#include <torii/mce.h>

#include <torii/atomic.h>
#include <torii/cpu.h>
#include <torii/domain.h>
#include <torii/hvm.h>
#include <torii/iomap.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/percpu.h>
#include <torii/traps.h>

/* SDM vol. 3 §16.3.1. */
#define MSR_MCG_CAP        0x179
#define MSR_MCG_STATUS     0x17a
#define MCG_CAP_BANKS(cap) ((unsigned)((cap)&0xff))
#define MCG_STATUS_RIPV    BIT(0) /* the interrupted program can be restarted */
/* §16.3.2: four registers a bank. */
#define MSR_MC_STATUS(bank) (0x401 + 4 * (bank))
#define MSR_MC_ADDR(bank)   (0x402 + 4 * (bank))
#define MSR_MC_MISC(bank)   (0x403 + 4 * (bank))
#define MC_STATUS_VALID     BIT(63)
#define MC_STATUS_MISCV     BIT(59)
#define MC_STATUS_ADDRV     BIT(58)
#define MC_STATUS_PCC       BIT(57) /* the processor's state is corrupt */

/* Set by the exception, cleared by who acts on it; each its own CPU's. */
static bool noted[MAX_CPUS];

static u64 read_or_zero(u32 msr)
{
    u64 val;

    return rdmsr_safe(msr, &val) ? val : 0;
}

static unsigned nr_banks(void)
{
    return MCG_CAP_BANKS(read_or_zero(MSR_MCG_CAP));
}

static void dump_banks(void)
{
    log_err("CPU %u: machine check, MCG_STATUS %#lx\n", this_cpu()->id, read_or_zero(MSR_MCG_STATUS));
    for (unsigned bank = 0; bank < nr_banks(); bank++) {
        u64 status = read_or_zero(MSR_MC_STATUS(bank));

        if (status & MC_STATUS_VALID)
            log_err("  bank %u: status %016lx address %016lx misc %016lx\n", bank, status,
                    status & MC_STATUS_ADDRV ? read_or_zero(MSR_MC_ADDR(bank)) : 0,
                    status & MC_STATUS_MISCV ? read_or_zero(MSR_MC_MISC(bank)) : 0);
    }
}

/* Neither is Torii's own state lost, nor the place it was at. */
static bool can_go_on(void)
{
    if (!(read_or_zero(MSR_MCG_STATUS) & MCG_STATUS_RIPV))
        return false;
    for (unsigned bank = 0; bank < nr_banks(); bank++) {
        u64 status = read_or_zero(MSR_MC_STATUS(bank));

        if (status & MC_STATUS_VALID && status & MC_STATUS_PCC)
            return false;
    }
    return true;
}

/* Dom0's vCPU on this processor, if it could take an exception. */
static struct vcpu *listener(void)
{
    for (unsigned i = 0; dom0 && i < dom0->nr_vcpus; i++) {
        struct vcpu *v = dom0->vcpu[i];

        if (v && v->cpu == this_cpu() && vcpu_is_online(v))
            return v;
    }
    return NULL;
}

void mce_received(const struct trap_frame *f)
{
    struct vcpu *v = this_cpu()->loaded;

    if (!can_go_on()) {
        console_force();
        dump_banks();
        panic_frame(f, "machine check that cannot be recovered from\n");
    }
    atomic_store(&noted[this_cpu()->id], true);
    /* Looked at between here and the guest; a vCPU that is blocked is woken by mce_forward. */
    if (v)
        atomic_or(&v->todo, TODO_EVENTS);
}

void mce_forward(void)
{
    struct vcpu *v;

    if (likely(!READ_ONCE(noted[this_cpu()->id])))
        return;
    v = listener();
    if (v) {
        vcpu_kick(v, TODO_EVENTS);
        return;
    }
    atomic_store(&noted[this_cpu()->id], false);
    dump_banks();
    wrmsr_safe(MSR_MCG_STATUS, 0);
}

bool mce_pending(const struct vcpu *v)
{
    return READ_ONCE(noted[v->cpu->id]) && v->d == dom0;
}

bool mce_take(struct vcpu *v)
{
    struct hvm_control c;

    if (likely(!READ_ONCE(noted[v->cpu->id])) || v->d != dom0)
        return false;
    hvm->get_control(v, &c);
    if (!(c.cr4 & CR4_MCE)) {
        /* SDM vol. 3 §6.15, #MC: with CR4.MCE clear the processor would shut down. */
        dump_banks();
        panic("machine check, and Dom0 takes none\n");
    }
    if (!hvm->can_accept_nmi(v))
        return false;
    return atomic_xchg(&noted[v->cpu->id], false);
}
