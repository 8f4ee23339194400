/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for tests of hypercalls: two domains with RAM, stage 2 and vCPUs; a clock; records of what the handlers ask
 * of other rooms. Linear addresses of a vCPU are guest-physical ones. Copies and pins are the real ones.
 */
#ifndef TORII_TESTS_XEN_WORLD_H
#define TORII_TESTS_XEN_WORLD_H

#include <string.h>

#include <torii/acpi.h>
#include <torii/boot_info.h>
#include <torii/cstate.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/grant.h>
#include <torii/guest.h>
#include <torii/hvm.h>
#include <torii/hypercall.h>
#include <torii/percpu.h>
#include <torii/pstate.h>
#include <torii/stage2.h>
#include <torii/time.h>

#include "fakes.h"

/* Guest frames below this may be mapped. */
#define WORLD_GFNS 2048
/* Machine RAM, in frames. Dom0 has 0 .. 255 identity mapped; domU has gfn 0 .. 63 at 256 ..; 512 .. are free. */
#define WORLD_FRAMES 2048
#define DOM0_PAGES   256
#define DOMU_PAGES   64
#define DOMU_FRAME   256
#define FREE_FRAME   512
#define WORLD_VCPUS  3
#define MMIO_GFN     400 /* of Dom0, a device */
#define FIXUP_GFN    401 /* of Dom0, device memory found at first touch */
#define HOLE_GFN     500

/* Guest addresses tests use. */
#define ARG      0x10000ul  /* arguments */
#define BUF      0x20000ul  /* buffers */
#define CROSSING 0x2fff0ul  /* 16 bytes before a page end */
#define NOWHERE  0x7f0000ul /* not mapped */

extern struct domain world_dom[2]; /* [0] is Dom0, [1] is domain 1 */
extern struct vcpu world_vcpu[2][WORLD_VCPUS];
extern struct pcpu world_cpu[WORLD_VCPUS];
extern u8 world_ram[WORLD_FRAMES * PAGE_SIZE];
extern u64 world_now;

struct world_s2 {
    u8 type, access;
    mfn_t mfn;
};
extern struct world_s2 world_s2[2][WORLD_GFNS];

/* What the code under test asked for. */
struct world_record {
    unsigned flushes, kicks, blocks, starts, offlines, yields, nmis, virqs, shutdowns, wall_sets, callbacks, upcalls,
        polls;
    unsigned info_moves, tlb_resets, released;
    u8 virq, shutdown_reason, upcall_vector;
    u64 callback, poll_ports, poll_deadline, wall_utc, wall_system;
    unsigned poll_nr;
    struct hvm_state state; /* of the last set_state */
    struct vcpu *virq_vcpu, *upcall_vcpu;
    struct domain *shutdown_domain;
    char console[8192];
    size_t console_len;
    struct {
        const char *op;
        u16 seg;
        u8 bus, devfn;
        u64 address;
    } pci;
    struct {
        unsigned calls;
        u32 a, b;
        u8 state;
        bool extended;
    } sleep;
    struct {
        unsigned c_calls, p_calls, resets, cpu, nr, idle_ports, idle_port;
        struct cstate c[CSTATES_MAX];
        struct pstates p;
    } power;
    u32 new_homes; /* bit per CPU */
    char keys[8];
};
extern struct world_record world_rec;

/* Knobs. */
extern bool world_upcall_pending;
extern bool world_event_on_block; /* an event arrives while the vCPU goes to sleep */
extern bool world_online[2][WORLD_VCPUS];
extern const char *world_console_input;
extern int world_op_result;          /* of vpci, vpower, evtchn, cstate, pstate */
extern bool world_mwait;
extern enum pstate_driver world_pstate_driver;
extern int world_s2_map_fails_after; /* the n-th next s2_map fails; negative: none */
extern void (*world_on_flush)(void);
extern u64 world_tsc_offset;
extern bool world_frame_free[WORLD_FRAMES];
extern gfn_t world_readonly_linear; /* page that is not writable by linear address */

void world_setup(void);
/* Checks that no lock is held and nothing leaks. */
void world_teardown(void);

/* As the guest: memory of domain n by guest-physical address. */
void *world_mem(unsigned dom, gpa_t gpa);
#define world_put(dom, gpa, val) memcpy(world_mem(dom, gpa), &(val), sizeof(val))
#define world_get(dom, gpa, val) memcpy(&(val), world_mem(dom, gpa), sizeof(val))

/* A 64-bit call by vCPU 0 of Dom0; the same by domain 1; a 32-bit call by Dom0. */
long hc(unsigned nr, u64 a0, u64 a1, u64 a2);
long hc_domu(unsigned nr, u64 a0, u64 a1, u64 a2);
long hc32(unsigned nr, u64 a0, u64 a1, u64 a2);
long hc_vcpu(struct vcpu *v, bool compat, unsigned nr, u64 a0, u64 a1, u64 a2);

/* hc with a structure at ARG, which is read back. */
long world_op(unsigned nr, void *op, size_t bytes);

enum s2_type world_type(unsigned dom, gfn_t gfn);

#endif
