/* SPDX-License-Identifier: BSD-2-Clause */
/* From entry.S to test(): where do we run, descriptor tables, CPUs; and the way out. */
#include "rt.h"
#include "internal.h"

#include <xen/sched.h>

struct hvm_start_info *start_info;
bool on_xen;
u32 xen_base;
u8 rt_vendor_vmcall;
u64 tsc_khz;
struct cpu cpus[MAX_CPUS];
unsigned nr_cpus;

static struct {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_mid;
    u32 offset_high, zero;
} idt[256];

static struct {
    u32 zero;
    u64 rsp[3], zero2, ist[7], zero3;
    u16 zero4, iomap;
} __attribute__((packed)) tss;

static u8 fault_stack[8192] __attribute__((aligned(16)));

static void gate(unsigned vector, u64 to, u8 type)
{
    idt[vector].offset_low = to;
    idt[vector].offset_mid = to >> 16;
    idt[vector].offset_high = to >> 32;
    idt[vector].selector = SEL_CODE64;
    idt[vector].type = type;
}

static void tables_init(void)
{
    u64 base = (u64)&tss;

    for (unsigned i = 0; i < 256; i++)
        gate(i, (u64)isr_stubs + 16 * i, 0x8e);
    gate(0x81, (u64)isr_leave_user, 0xee);
    tss.rsp[0] = (u64)fault_stack + sizeof(fault_stack);
    tss.iomap = sizeof(tss);
    gdt_tss[0] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt_tss[1] = base >> 32;
}

void cpu_init(struct cpu *c)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (u64)idt};

    __asm__ volatile("lidt %0" : : "m"(idtr));
    c->self = c;
    c->fault = NO_FAULT;
    wrmsr(0xc0000101, (u64)c); /* GS base */
    c->x2apic = rdmsr(MSR_APIC_BASE) & BIT(10);
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
}

static void find_hypervisor(void)
{
    struct cpuid r;

    rt_vendor_vmcall = cpuid(0, 0).ebx == 0x756e6547; /* "Genu"ineIntel */
    for (u32 base = 0x40000000; base < 0x40010000 && !on_xen; base += 0x100) {
        r = cpuid(base, 0);
        on_xen = r.ebx == 0x566e6558 && r.ecx == 0x65584d4d && r.edx == 0x4d4d566e;
        xen_base = base;
    }
    /* Its leaf says the frequency; on a bare machine the ACPI timer (3.579545 MHz, 24 bits) measures it. */
    if (on_xen)
        tsc_khz = cpuid(xen_base + 3, 0).ecx;
}

/* Without 1 GiB pages what is above 4 GiB ends at 36 GiB, in 2 MiB pages. */
#define FIRST_HIGH 4
static void map_high(void)
{
    static u64 tables[32][512] PAGE_ALIGNED;

    if (cpuid(0x80000001, 0).edx & BIT(26))
        return;
    for (u64 i = 0; i < ARRAY_SIZE(tables) * 512; i++)
        tables[i / 512][i % 512] = (FIRST_HIGH * 512 + i) << 21 | 0x87;
    for (u64 i = FIRST_HIGH; i < 512; i++)
        pdpt[i] = i - FIRST_HIGH < ARRAY_SIZE(tables) ? (u64)tables[i - FIRST_HIGH] | 7 : 0;
    __asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

static void calibrate_tsc(void)
{
    u32 start = inl(acpi_ports.pm_timer);
    u64 tsc = rdtsc();

    while (((inl(acpi_ports.pm_timer) - start) & 0xffffff) < 357955)
        cpu_relax();
    tsc_khz = (rdtsc() - tsc) / 100;
}

__attribute__((noreturn)) void power_off(void)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_poweroff};

    if (acpi_ports.pm1a_control)
        outw(acpi_ports.pm1a_control, acpi_ports.s5_type << 10 | 1 << 13);
    udelay(200000);
    if (on_xen)
        HYPERCALL(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &s, 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}

__attribute__((noreturn)) void finish(void)
{
    plan();
    power_off();
}

/* Called by entry.S. */
void rt_main(void)
{
    start_info = (struct hvm_start_info *)(u64)entry_state.ebx;
    find_hypervisor();
    tables_init();
    map_high();
    cpus[0].apic_id = cpuid(1, 0).ebx >> 24;
    cpu_init(&cpus[0]);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
    acpi_init();
    if (!tsc_khz)
        calibrate_tsc();
    if (!on_xen)
        outb(0x21, 0xff), outb(0xa1, 0xff); /* the PIC of a bare machine */
    print("# %s, %u CPUs, TSC %lu kHz\n", on_xen ? "Xen interface" : "bare machine", nr_cpus, tsc_khz);
    test();
    finish();
}
