/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "vdev_fakes.h"

#define WEAK __attribute__((weak))

struct domain env_domain;
struct vcpu env_vcpu[ENV_VCPUS];
struct env_record env_rec[ENV_VCPUS];
unsigned env_resamples, env_eois;
u8 env_eoi_vector;
u64 env_now, env_programmed, env_tsc_offset;
struct tsc_scale tsc_scale = {.khz = 2500000};
static struct timer_queue queue;

static struct {
    gpa_t first, last;
    mmio_fn *fn;
    void *ctx;
} env_mmio[16];
static struct {
    u32 first, last;
    msr_read_fn *read;
    msr_write_fn *write;
} env_msr[8];
static unsigned env_nr_mmio, env_nr_msr;

/* --- time --- */

u64 now_ns(void)
{
    return env_now;
}

u64 ns_to_tsc(u64 ns)
{
    return (u64)((unsigned __int128)ns * 5 / 2);
}

u64 tsc_to_ns(u64 tsc)
{
    return (u64)((unsigned __int128)tsc * 2 / 5);
}

struct timer_queue *timer_queue_this(void)
{
    return &queue;
}

void timer_program(u64 deadline_ns)
{
    env_programmed = deadline_ns;
}

void env_run_to(u64 ns)
{
    while (env_programmed <= ns) {
        if (env_programmed > env_now)
            env_now = env_programmed;
        timer_queue_run();
    }
    env_now = ns;
}

/* --- neighbours --- */

void vcpu_kick(struct vcpu *v, u64 todo)
{
    env_rec[v->id].kicks++;
    env_rec[v->id].todo |= todo;
}

void vcpu_start(struct vcpu *v)
{
    env_rec[v->id].starts++;
    env_rec[v->id].online = true;
}

bool vcpu_is_online(const struct vcpu *v)
{
    return env_rec[v->id].online;
}

int env_moved_to = -1;

unsigned vcpu_cpu(const struct vcpu *v)
{
    return env_moved_to >= 0 ? (unsigned)env_moved_to : v->id + 100;
}

void evtchn_upcall_recheck(struct vcpu *v)
{
    env_rec[v->id].rechecks++;
}

WEAK void vioapic_eoi(struct domain *d, u8 vector)
{
    env_eois++;
    env_eoi_vector = vector;
}

WEAK void vioapic_resample(struct domain *d)
{
    env_resamples++;
}

static u64 get_tsc_offset(struct vcpu *v)
{
    return env_tsc_offset;
}

static const struct hvm_ops hvm_fake = {.get_tsc_offset = get_tsc_offset};
const struct hvm_ops *hvm = &hvm_fake;

/* --- handler tables --- */

int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < env_nr_mmio; i++)
        if (env_mmio[i].fn && first <= env_mmio[i].last && last >= env_mmio[i].first)
            return -XEN_EEXIST;
    if (env_nr_mmio == ARRAY_SIZE(env_mmio))
        return -XEN_ENOSPC;
    env_mmio[env_nr_mmio].first = first;
    env_mmio[env_nr_mmio].last = last;
    env_mmio[env_nr_mmio].fn = fn;
    env_mmio[env_nr_mmio++].ctx = ctx;
    return 0;
}

int mmio_unregister(struct domain *d, gpa_t first, gpa_t last)
{
    for (unsigned i = 0; i < env_nr_mmio; i++)
        if (env_mmio[i].first == first && env_mmio[i].last == last)
            env_mmio[i].fn = NULL;
    return 0;
}

int msr_register(struct domain *d, u32 first, u32 last, msr_read_fn *read, msr_write_fn *write)
{
    env_msr[env_nr_msr].first = first;
    env_msr[env_nr_msr].last = last;
    env_msr[env_nr_msr].read = read;
    env_msr[env_nr_msr++].write = write;
    return 0;
}

int env_wrmsr(unsigned vcpu, u32 msr, u64 val)
{
    for (unsigned i = 0; i < env_nr_msr; i++)
        if (msr >= env_msr[i].first && msr <= env_msr[i].last)
            return env_msr[i].write(&env_vcpu[vcpu], msr, val);
    panic("MSR %#x: nobody\n", msr);
}

int env_rdmsr(unsigned vcpu, u32 msr, u64 *val)
{
    for (unsigned i = 0; i < env_nr_msr; i++)
        if (msr >= env_msr[i].first && msr <= env_msr[i].last)
            return env_msr[i].read(&env_vcpu[vcpu], msr, val);
    panic("MSR %#x: nobody\n", msr);
}

u64 env_read_msr(unsigned vcpu, u32 msr)
{
    u64 val = 0;

    if (env_rdmsr(vcpu, msr, &val))
        panic("MSR %#x: #GP\n", msr);
    return val;
}

static unsigned env_mmio_find(gpa_t gpa)
{
    unsigned i;

    for (i = 0; i < env_nr_mmio; i++)
        if (env_mmio[i].fn && gpa >= env_mmio[i].first && gpa <= env_mmio[i].last)
            break;
    return i;
}

bool env_mmio_registered(gpa_t gpa)
{
    return env_mmio_find(gpa) < env_nr_mmio;
}

void env_mmio_write(unsigned vcpu, gpa_t gpa, unsigned bytes, u64 val)
{
    unsigned i = env_mmio_find(gpa);

    if (i == env_nr_mmio)
        panic("gpa %#lx: nobody\n", gpa);
    env_mmio[i].fn(&env_vcpu[vcpu], env_mmio[i].ctx, gpa, bytes, true, &val);
}

u64 env_mmio_read(unsigned vcpu, gpa_t gpa, unsigned bytes)
{
    unsigned i = env_mmio_find(gpa);
    u64 val = 0;

    if (i == env_nr_mmio)
        panic("gpa %#lx: nobody\n", gpa);
    env_mmio[i].fn(&env_vcpu[vcpu], env_mmio[i].ctx, gpa, bytes, false, &val);
    return bytes < 8 ? val & ((1ull << bytes * 8) - 1) : val;
}

/* --- the machine --- */

void env_init(unsigned n)
{
    memset(&env_domain, 0, sizeof(env_domain));
    memset(env_vcpu, 0, sizeof(env_vcpu));
    memset(env_rec, 0, sizeof(env_rec));
    env_nr_mmio = env_nr_msr = env_resamples = env_eois = env_eoi_vector = 0;
    env_now = 1000000;
    env_programmed = ~0ull;
    env_tsc_offset = 0;
    timer_queue_init(&queue);
    for (unsigned i = 0; i < n; i++) {
        env_vcpu[i].id = i;
        env_vcpu[i].d = &env_domain;
        env_domain.vcpu[i] = &env_vcpu[i];
        if (vlapic_init(&env_vcpu[i]))
            panic("vlapic_init\n");
    }
    env_domain.nr_vcpus = n;
    env_rec[0].online = true;
    if (vlapic_register(&env_domain))
        panic("vlapic_register\n");
}

void env_fini(void)
{
    for (unsigned i = 0; i < env_domain.nr_vcpus; i++)
        vlapic_free(&env_vcpu[i]);
    if (fake_locks_held || fake_allocs_live)
        panic("left behind: %u locks, %u allocations\n", fake_locks_held, fake_allocs_live);
}

void env_write(unsigned vcpu, unsigned reg, u32 val)
{
    if (!vlapic_in_x2apic(env_l(vcpu)))
        env_mmio_write(vcpu, VLAPIC_BASE + reg * 16, 4, val);
    else if (env_wrmsr(vcpu, MSR_X2APIC + reg, val))
        panic("MSR %#x = %#x: #GP\n", MSR_X2APIC + reg, val);
}

u32 env_read(unsigned vcpu, unsigned reg)
{
    if (vlapic_in_x2apic(env_l(vcpu)))
        return env_read_msr(vcpu, MSR_X2APIC + reg);
    return env_mmio_read(vcpu, VLAPIC_BASE + reg * 16, 4);
}

void env_x2apic(unsigned vcpu)
{
    if (env_wrmsr(vcpu, MSR_APIC_BASE, env_read_msr(vcpu, MSR_APIC_BASE) | APIC_BASE_EXTD))
        panic("x2APIC refused\n");
}

void env_enable(unsigned vcpu)
{
    env_write(vcpu, APIC_SVR, 0x1ff);
}

int env_take(unsigned vcpu)
{
    int vector = vlapic_pending_vector(&env_vcpu[vcpu]);

    if (vector >= 0)
        vlapic_accept(&env_vcpu[vcpu], vector);
    return vector;
}

bool env_irr(unsigned vcpu, u8 vector)
{
    return env_read(vcpu, APIC_IRR + vector / 32) >> (vector % 32) & 1;
}
