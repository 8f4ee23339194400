/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and virtual CPUs. Each room keeps its own state behind a pointer here, so that a room sees only what is
 * its own and what lies below it.
 */
#ifndef TORII_DOMAIN_H
#define TORII_DOMAIN_H

#include <torii/lock.h>
#include <torii/time.h>
#include <torii/types.h>

#include <xen/xen.h>
#include <xen/vcpu.h>
#include <xen/hvm/params.h>

#define MAX_CPUS 128  /* physical */
#define MAX_VCPUS 128 /* per domain */

struct pcpu;

/* General registers in hardware encoding order; rax and rsp are kept here too while the vCPU is not running. */
struct guest_regs {
    union {
        u64 gpr[16];
        struct {
            u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
        };
    };
    u64 rip, rflags;
};

/* Reasons to look at the vCPU before the next entry (struct vcpu.todo). */
enum vcpu_todo {
    TODO_EVENTS = BIT(0), /* interrupt state changed: re-evaluate what to inject */
    TODO_RESET = BIT(1),  /* INIT or SIPI arrived */
    TODO_FLUSH = BIT(2),  /* stage-2 mappings were removed: flush guest TLB entries */
    TODO_YIELD = BIT(3),  /* let others run on this CPU */
    TODO_NMI = BIT(4),    /* an NMI arrived: wakes a vCPU that halted with IF=0, too */
};

enum vcpu_state {
    VCPU_OFFLINE,  /* never started, or waiting for SIPI, or taken down */
    VCPU_RUNNABLE, /* running, or ready to */
    VCPU_BLOCKED,  /* in HLT, SCHEDOP_block or SCHEDOP_poll; any event wakes it */
    VCPU_HALTED,   /* in HLT with IF=0: only an NMI, INIT or vcpu_start wakes it. Counts as offline */
};

struct vcpu {
    unsigned id;
    struct domain *d;

    struct guest_regs regs;
    struct hvm_vcpu *hvm;       /* src/hvm: VMCB or VMCS and what goes with it */
    u64 tsc_adjust;             /* IA32_TSC_ADJUST */
    struct cpuid_regs cpuid_1;  /* src/hvm/cpuid.c: constant part of the leaf; EAX 0 until the first use */
    struct vlapic *vlapic;      /* src/vdev */
    struct evtchn_vcpu *evtchn; /* src/xen: queues, upcall vector, poll state */

    u64 todo;   /* enum vcpu_todo bits; atomic, any CPU may set them through vcpu_kick */
    u32 state;  /* enum vcpu_state; atomic */
    u32 paused; /* count; runs only at 0 */

    struct pcpu *cpu;        /* the physical CPU whose run queue it is on */
    struct pcpu *home;       /* where it belongs while that CPU is in use */
    bool running;            /* on a CPU right now (in or near guest mode) */
    struct vcpu *run_next;   /* run queue link; locked by the queue */

    void *fpu;                  /* XSAVE area while another vCPU has the CPU */
    u64 xcr0;
    struct exit_stat *exits;    /* by enum exit_reason */
    bool exits_timed;           /* their cycles are summed up, too: option exit-stats */

    /* Xen ABI, src/xen/vcpu_op.c. */
    struct vcpu_info *info;        /* in shared_info, or where register_vcpu_info put it */
    bool info_registered;
    struct vcpu_info own_info;  /* of vCPUs for which shared_info has no room, until they register one */
    struct vcpu_runstate_info runstate; /* the truth; copied to the guest at each change */
    void *runstate_page[2];        /* pinned pages of the registered area, NULL if none */
    u32 runstate_offset;
    void *time_page[2];            /* the same for the secondary time area */
    u32 time_offset;
    struct timer singleshot, periodic;
    u64 periodic_ns;
    bool initialised;              /* has a state to run from: VCPUOP_initialise, or it ran before */
    bool runstate_compat;          /* the registered runstate area has the 32-bit layout */
    struct hcall_stats *hcalls;    /* src/xen/hypercall.c: its calls by number and sub-op */
};

struct domain {
    domid_t id;
    bool privileged;   /* control domain */
    bool dying;
    u8 shutdown_reason;
    bool is_shut_down;
    unsigned nr_vcpus; /* vcpu[0 .. nr_vcpus-1] exist */
    struct vcpu *vcpu[MAX_VCPUS];
    spinlock_t lock;   /* LOCK_DOMAIN: parameters and life cycle below */

    struct stage2 *s2;          /* src/hvm */
    struct hvm_domain *hvm;     /* src/hvm: permission bitmaps */
    struct io_map *io;          /* src/hvm: who handles which port, page, MSR */
    struct guest_pins *pins;    /* src/hvm: pages of guest RAM in use by Torii */
    struct mtrrs *mtrrs;        /* src/hvm */
    void (*tsc_offset_changed)(struct vcpu *v); /* the rooms above that keep time in guest TSC units */
    struct vioapic *vioapic;    /* src/vdev; all of them */
    struct vpci *vpci;          /* src/vdev */
    struct vuart *vuart;        /* src/vdev: the serial port that shares Torii's line; NULL if none */
    struct vpower *vpower;      /* src/vdev: sleep, reset registers */
    struct evtchn_domain *evtchn; /* src/xen */
    struct grant_table *grant;    /* src/xen */

    struct shared_info *shared_info; /* one frame of Torii's */
    gfn_t shared_info_gfn;           /* where the guest mapped it; INVALID_GFN if nowhere. LOCK_DOMAIN */
    u64 hvm_param[HVM_NR_PARAMS];
    u64 vm_assist;     /* VMASST bits */
    u64 nr_pages;      /* RAM frames it owns */
    u64 max_pages;     /* populate_physmap refuses above */
    unsigned e820_nr;  /* what XENMEM_memory_map returns */
    struct e820_entry *e820;
    struct timer watchdog[2];
    bool watchdog_inuse[2];
};

extern struct domain *dom0;

/* The vCPU this CPU is handling an exit for; NULL outside. */
struct vcpu *current_vcpu(void);

/* The domain `id` names for `caller` (DOMID_SELF understood), or NULL. */
struct domain *domain_lookup(struct domain *caller, domid_t id);

/* --- scheduling, src/domain/sched.c; callable from any CPU and from interrupt context --- */

/* Something changed for v: set `todo` bits, wake it if blocked, make it leave guest mode if it runs elsewhere. */
void vcpu_kick(struct vcpu *v, u64 todo);
/* v (the current vCPU) stops until the next vcpu_kick; takes effect at the end of the exit. */
void vcpu_block(struct vcpu *v);
/* v (the current vCPU) is in HLT with IF=0: as good as offline, but an NMI wakes it. */
void vcpu_halt(struct vcpu *v);
/* v stops for good: only vcpu_start runs it again. */
void vcpu_offline(struct vcpu *v);
void vcpu_start(struct vcpu *v);
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
bool vcpu_is_online(const struct vcpu *v);
/* Number of the physical CPU whose run queue v is on: where to route physical interrupts meant for it. */
unsigned vcpu_cpu(const struct vcpu *v);

/* --- life cycle, src/domain --- */

/* reason: SHUTDOWN_*. Dom0: ends the machine as the reason says (does not return then). */
void domain_shutdown(struct domain *d, u8 reason);
/* v halted for good; when all of a guest's have, that is its power-off. Dom0 stays halted, as a machine does. */
void domain_vcpu_halted(struct vcpu *v);
/* v's triple fault: what HVM_PARAM_TRIPLE_FAULT_REASON says. */
void domain_triple_fault(struct vcpu *v);
/* May [start, start + bytes) be mapped 1:1 for d at its first touch? */
bool domain_may_fault_in(struct domain *d, gpa_t start, u64 bytes);
/* The guest did what no guest should (triple fault, broken state): log its registers and shut down with `crash`. */
void domain_crash(struct vcpu *v, const char *fmt, ...) printf_like(2, 3);

#endif
