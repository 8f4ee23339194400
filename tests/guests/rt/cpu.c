/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts and exceptions, application processors, the local APIC, delays, hypercalls. */
#include "rt.h"
#include "internal.h"

#include <xen/memory.h>

volatile u32 irq_count[MAX_CPUS][256];
void (*irq_handler[256])(void);
bool irq_no_eoi[256] = {[2] = true, [VECTOR_SPURIOUS] = true};

extern const struct {
    u64 from, to;
} extable_start[], extable_end[];

static void caught(struct frame *f)
{
    struct cpu *c = this_cpu();

    c->fault = f->vector;
    c->fault_error = f->error;
    __asm__ volatile("mov %%cr2, %0" : "=r"(c->fault_address));
}

static bool fixed_up(struct frame *f)
{
    /* The target of a call faulted on its first byte: return for it. */
    if (f->rip == this_cpu()->call_target) {
        caught(f);
        f->rip = *(u64 *)f->rsp;
        f->rsp += 8;
        return true;
    }

    for (typeof(&extable_start[0]) e = extable_start; e < extable_end; e++) {
        if (e->from != f->rip)
            continue;
        caught(f);
        f->rip = e->to;
        return true;
    }
    return false;
}

/* Called by entry.S. */
void rt_interrupt(struct frame *f)
{
    struct cpu *c = this_cpu();
    u64 cr2;

    if (f->vector < 32 && f->vector != 2 && !irq_handler[f->vector]) {
        if (fixed_up(f))
            return;
        __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
        bail("exception %lu error 0x%lx at 0x%lx, cr2 0x%lx, CPU %u", f->vector, f->error, f->rip, cr2, c->index);
    }
    irq_count[c->index][f->vector]++;
    if (irq_handler[f->vector])
        irq_handler[f->vector]();
    if (!irq_no_eoi[f->vector] && f->vector >= 16)
        lapic_eoi();
}

u32 rdmsr_safe(u32 msr, u64 *value)
{
    u32 lo = 0, hi = 0;

    this_cpu()->fault = NO_FAULT;
    __asm__ volatile("1: rdmsr; 2:" EXTABLE(1, 2) : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
    *value = lo | (u64)hi << 32;
    return this_cpu()->fault;
}

u32 wrmsr_safe(u32 msr, u64 value)
{
    this_cpu()->fault = NO_FAULT;
    __asm__ volatile("1: wrmsr; 2:" EXTABLE(1, 2) : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
    return this_cpu()->fault;
}

u32 read64_safe(u64 address, u64 *value)
{
    u64 v = 0;

    this_cpu()->fault = NO_FAULT;
    __asm__ volatile("1: mov (%1), %0; 2:" EXTABLE(1, 2) : "+r"(v) : "r"(address) : "memory");
    *value = v;
    return this_cpu()->fault;
}

u32 call_safe(u64 address)
{
    this_cpu()->fault = NO_FAULT;
    this_cpu()->call_target = address;
    __asm__ volatile("call *%0" : : "r"(address) : "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    this_cpu()->call_target = 0;
    return this_cpu()->fault;
}

void udelay(unsigned us)
{
    u64 end = rdtsc() + us * tsc_khz / 1000;

    while (rdtsc() < end)
        cpu_relax();
}

bool wait_count(volatile u32 *count, u32 n, unsigned ms)
{
    u64 end = rdtsc() + ms * tsc_khz;

    sti();
    while (*count < n && rdtsc() < end)
        cpu_relax();
    cli();
    return *count >= n;
}

void wait_ms(unsigned ms)
{
    sti();
    udelay(ms * 1000);
    cli();
}

/* Local APIC, in this CPU's mode. */
u32 lapic_read(u32 reg)
{
    return this_cpu()->x2apic ? (u32)rdmsr(0x800 + reg / 16) : read32(LAPIC_BASE + reg);
}

void lapic_write(u32 reg, u32 value)
{
    if (this_cpu()->x2apic)
        wrmsr(0x800 + reg / 16, value);
    else
        write32(LAPIC_BASE + reg, value);
}

void lapic_icr(u32 dest, u32 icr)
{
    if (this_cpu()->x2apic) {
        wrmsr(0x830, (u64)dest << 32 | icr);
        return;
    }
    write32(LAPIC_BASE + LAPIC_ICR2, dest << 24);
    write32(LAPIC_BASE + LAPIC_ICR, icr);
}

void lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

bool lapic_bit(u32 bank, u8 vector)
{
    return lapic_read(bank + vector / 32 * 16) >> vector % 32 & 1;
}

void lapic_enable_x2apic(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(10));
    this_cpu()->x2apic = true;
}

/* Application processors. */
static u8 ap_stacks[MAX_CPUS][8192] __attribute__((aligned(16)));
static struct {
    unsigned index;
    void (*fn)(void *);
    void *arg;
} ap_boot;

const struct trampoline_state *trampoline_seen(void)
{
    return (const void *)(u64)(TRAMPOLINE_PAGE + (trampoline_state - trampoline));
}

/* Called by entry.S. */
void rt_ap_main(void)
{
    struct cpu *c = &cpus[ap_boot.index];
    void (*fn)(void *) = ap_boot.fn;
    void *arg = ap_boot.arg;

    cpu_init(c);
    c->online = 1;
    fn(arg);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void ap_prepare(unsigned index, void (*fn)(void *), void *arg)
{
    memcpy((void *)TRAMPOLINE_PAGE, trampoline, trampoline_end - trampoline);
    cpus[index].online = 0;
    cpus[index].index = index;
    ap_boot.index = index;
    ap_boot.fn = fn;
    ap_boot.arg = arg;
    ap_stack = (u64)ap_stacks[index + 1 < MAX_CPUS ? index + 1 : 0];
}

bool ap_wait_online(unsigned index, unsigned ms)
{
    u64 end = rdtsc() + ms * tsc_khz;

    while (!cpus[index].online && rdtsc() < end)
        cpu_relax();
    return cpus[index].online;
}

bool ap_start(unsigned index, void (*fn)(void *), void *arg)
{
    u32 id = cpus[index].apic_id;

    ap_prepare(index, fn, arg);
    lapic_icr(id, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
    udelay(1000);
    lapic_icr(id, ICR_STARTUP | ICR_ASSERT | TRAMPOLINE_PAGE >> 12);
    return ap_wait_online(index, 5000);
}

/* Hypercalls. */
long hypercall5(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    register u64 r10 __asm__("r10") = a4;
    register u64 r8 __asm__("r8") = a5;
    long result = nr;

    if (rt_vendor_vmcall)
        __asm__ volatile("vmcall" : "+a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8) : : "memory");
    else
        __asm__ volatile("vmmcall" : "+a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8) : : "memory");
    return result;
}

struct shared_info *shared_info_map(void)
{
    static u8 page[PAGE_SIZE] PAGE_ALIGNED;
    static bool done;
    struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = (u64)page / PAGE_SIZE};

    if (!done && HYPERCALL(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &x, 0))
        bail("add_to_physmap(shared_info) failed");
    done = true;
    return (struct shared_info *)page;
}

u64 pvclock_ns(const volatile struct vcpu_time_info *t)
{
    u32 version;
    u64 delta, ns;

    do {
        version = t->version;
        __asm__ volatile("" ::: "memory");
        delta = rdtsc() - t->tsc_timestamp;
        delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
        ns = t->system_time + (u64)(((unsigned __int128)delta * t->tsc_to_system_mul) >> 32);
        __asm__ volatile("" ::: "memory");
    } while (version & 1 || version != t->version);
    return ns;
}

u64 now_ns(void)
{
    return pvclock_ns(&shared_info_map()->vcpu_info[0].time);
}
