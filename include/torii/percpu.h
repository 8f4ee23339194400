/* SPDX-License-Identifier: BSD-2-Clause */
/* One struct per physical CPU, reached through GS. Fields are its own CPU's unless a comment says otherwise. */
#ifndef TORII_PERCPU_H
#define TORII_PERCPU_H

#include <torii/domain.h>
#include <torii/types.h>

/* AMD64 TSS: only the stack pointers matter. */
struct tss64 {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, iomap;
} packed;

/* IST slots: faults that must not trust the stack they interrupt. */
enum { IST_NMI = 1, IST_DF, IST_MC, IST_COUNT = IST_MC };

#define STACK_PAGES 4

/* GDT selectors. */
enum { SEL_CODE = 0x08, SEL_DATA = 0x10, SEL_TSS = 0x18, GDT_ENTRIES = 5 };

/* The last exits of a CPU, for panic and the debug console. */
#define TRACE_ENTRIES 64
struct trace_entry {
    u64 tsc;
    u64 rip;
    u64 info;   /* exit qualification: port, MSR, guest-physical address, hypercall number */
    u32 reason; /* enum exit_reason */
    struct trace_who {
        u16 vcpu, domain;
    } who;
};

struct pcpu {
    struct pcpu *self;
    unsigned id; /* dense number */
    u32 apic_id;
    bool answered;         /* it came out of the trampoline */
    bool started;          /* it runs Torii */
    bool parked;           /* stopped, until the machine is awake again */
    bool unfit;            /* started, but not to be used */
    bool leaving;          /* set by any CPU: stop, to be taken out of the machine */
    bool gone;             /* taken out of the machine; it may come back */
    bool online;           /* vCPUs run on it */
    bool idle;
    struct vcpu *current;  /* whose exit is being handled */
    struct vcpu *loaded;   /* whose register state is in the hardware */
    void *stack;           /* lowest address */
    void *ist_stack[IST_COUNT];
    u64 gdt[GDT_ENTRIES] __attribute__((aligned(8)));
    struct tss64 tss __attribute__((aligned(16)));
    void *hvm_host;        /* frame the CPU vendor's code keeps host state in */
    paddr_t hvm_host_pa;

    spinlock_t run_lock;   /* LOCK_SCHED: additions to the list of vCPUs that run here */
    struct vcpu *run_head, *run_tail;
    unsigned nr_vcpus;
    bool rebalance;        /* set by any CPU: vCPUs in the list may belong elsewhere now */
    bool resched;          /* set by any CPU: let the scheduler choose again */
    struct timer slice;

    struct timer_queue *timers;
    bool timer_armed;      /* the local APIC's counter may be running */
    u32 locks_held;        /* bit per lock class, debug builds */
    u64 idle_ns;
    u64 idle_since;        /* while idle: when that began */
    void *window;          /* machine_window's page */
    u32 handling;          /* odd: in the handler of a device's interrupt */

    unsigned trace_next;
    struct trace_entry trace[TRACE_ENTRIES];
};

extern struct pcpu *pcpus[MAX_CPUS];
extern unsigned pcpu_nr; /* CPUs there are */

static inline struct pcpu *this_cpu(void)
{
    struct pcpu *p;

    asm("mov %%gs:0, %0" : "=r"(p));
    return p;
}

static inline struct vcpu *current_vcpu_fast(void)
{
    return this_cpu()->current;
}

/* GS, GDT, TSS, IDT of the calling CPU. */
void pcpu_load(struct pcpu *c);
/* Allocate the struct, stacks with guard pages and timers of CPU `id`. NULL when out of memory. */
struct pcpu *pcpu_create(unsigned id, u32 apic_id);

#endif
