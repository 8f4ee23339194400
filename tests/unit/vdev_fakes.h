/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain with local APICs, a clock that moves when told, and a record of what the interrupt controllers ask others to
 * do. */
#ifndef TORII_TESTS_VDEV_FAKES_H
#define TORII_TESTS_VDEV_FAKES_H

#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/iomap.h>
#include <torii/timer_queue.h>

#include "../../src/vdev/vlapic.h"
#include "fakes.h"

#define ENV_VCPUS 40

struct env_record {
    unsigned kicks, starts, rechecks;
    u64 todo;
    bool online;
};

extern int env_moved_to; /* the CPU all vCPUs are on; -1: vCPU n on CPU 100 + n */
extern struct domain env_domain;
extern struct vcpu env_vcpu[ENV_VCPUS];
extern struct env_record env_rec[ENV_VCPUS];
extern unsigned env_resamples, env_eois;
extern u8 env_eoi_vector;

/* The clock, and the TSC that runs 5 ticks in 2 ns. */
extern u64 env_now, env_programmed, env_tsc_offset;
#define ENV_TSC(ns) ((ns)*5 / 2)

/* `n` vCPUs with local APICs in power-up state, vCPU 0 online. Registers the handlers. */
void env_init(unsigned n);
/* Frees all; no lock may be held and nothing still allocated. */
void env_fini(void);
/* Let the clock run to `ns`, with a timer interrupt whenever one is programmed. */
void env_run_to(u64 ns);

static inline struct vlapic *env_l(unsigned i)
{
    return env_vcpu[i].vlapic;
}

/* As the guest: MSRs through the registered handlers. */
int env_wrmsr(unsigned vcpu, u32 msr, u64 val);
int env_rdmsr(unsigned vcpu, u32 msr, u64 *val);
u64 env_read_msr(unsigned vcpu, u32 msr); /* must succeed */
/* As the guest: memory-mapped registers through the registered handlers. */
void env_mmio_write(unsigned vcpu, gpa_t gpa, unsigned bytes, u64 val);
u64 env_mmio_read(unsigned vcpu, gpa_t gpa, unsigned bytes);
bool env_mmio_registered(gpa_t gpa);

/* A 32-bit register in the mode the APIC is in. */
void env_write(unsigned vcpu, unsigned reg, u32 val);
u32 env_read(unsigned vcpu, unsigned reg);

void env_x2apic(unsigned vcpu);
void env_enable(unsigned vcpu); /* SVR, spurious vector 0xff */
/* Take the pending vector into service as the entry path does, or -1. */
int env_take(unsigned vcpu);
bool env_irr(unsigned vcpu, u8 vector);

#endif
