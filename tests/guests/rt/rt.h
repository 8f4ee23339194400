/* SPDX-License-Identifier: BSD-2-Clause */
/* The test kernels' runtime. One test kernel = one file with test(); the runtime boots, reports in TAP and powers off. */
#ifndef GUESTS_RT_H
#define GUESTS_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "entry.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1ull << (n))
#define MAX_CPUS      16
#define PAGE_SIZE     4096u
#define PAGE_ALIGNED  __attribute__((aligned(4096)))

/* The test, on CPU 0 in 64-bit mode, identity mapped, interrupts off, xAPIC software-enabled with all LVTs masked. */
void test(void);

/* Results (TAP). The format names the check. */
__attribute__((format(printf, 2, 3))) bool ok(bool passed, const char *name, ...);
/* The same with both values printed if they differ. */
__attribute__((format(printf, 3, 4))) bool is(u64 got, u64 want, const char *name, ...);
/* A check this machine cannot answer. */
void skip(const char *name, const char *why);
__attribute__((format(printf, 1, 2))) void note(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void print(const char *fmt, ...);
/* Say why and end the test as failed. */
__attribute__((noreturn, format(printf, 1, 2))) void bail(const char *fmt, ...);
/* What bail() calls before the end, to tell more. */
extern void (*bail_hook)(void);
/* Print 1..N and power off. */
__attribute__((noreturn)) void finish(void);
/* Print 1..N and go on: for tests whose last act is an end of their own. */
void plan(void);
__attribute__((noreturn)) void power_off(void);

/* Strings and memory. */
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
bool contains(const char *s, const char *word);
/* A word NAME=number of the command line, or fallback. */
u64 option(const char *name, u64 fallback);

/* Where we run. */
extern struct hvm_start_info *start_info;
extern bool on_xen;             /* the Xen leaves are there */
extern u32 xen_base;            /* their first */
extern u8 rt_vendor_vmcall;     /* Intel */
extern u64 tsc_khz;
struct entry_state {
    u32 eax, ebx, esp, cr0, cr2, cr3, cr4, dr6, dr7, eflags, efer, ds, es, ss, called;
} __attribute__((packed));
extern const struct entry_state entry_state;
extern u8 image_start[], image_end[];
extern u64 pml4[512], pdpt[512], pd[2048];

/* CPUs. */
struct cpu {
    struct cpu *self;
    u32 index, apic_id;
    u32 fault;       /* vector of the last exception a fixup caught, NO_FAULT if none since it was set so */
    u64 fault_error, fault_address;
    u64 call_target; /* of call_safe() */
    bool x2apic;
    volatile u32 online;
};
#define NO_FAULT 0xffffffffu
#define VECTOR_UD 6u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

extern struct cpu cpus[MAX_CPUS];
extern unsigned nr_cpus; /* enabled in the MADT */
static inline struct cpu *this_cpu(void)
{
    struct cpu *c;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(c));
    return c;
}

struct trampoline_state {
    u32 cr0, edx;
    u16 cs, ip;
} __attribute__((packed));
#define TRAMPOLINE_PAGE 0x8000u
/* As the last AP to start found it. */
const struct trampoline_state *trampoline_seen(void);
/* INIT and SIPI to cpus[index]; fn(arg) runs there. False if it does not come up within a second. */
bool ap_start(unsigned index, void (*fn)(void *), void *arg);
/* The two halves of it. */
void ap_prepare(unsigned index, void (*fn)(void *), void *arg);
bool ap_wait_online(unsigned index, unsigned ms);

/* Interrupts. Handlers run after the count went up and before the EOI. */
extern volatile u32 irq_count[MAX_CPUS][256];
extern void (*irq_handler[256])(void);
extern bool irq_no_eoi[256];
#define VECTOR_SPURIOUS 0xff
static inline void sti(void)
{
    __asm__ volatile("sti; nop" ::: "memory");
}
static inline void cli(void)
{
    __asm__ volatile("cli" ::: "memory");
}
/*
 * In a loop that runs with interrupts disabled for good: they are, as STI lets none in before the instruction that follows it.
 * But Bochs takes a guest that was entered with the flag clear for one that no physical interrupt may leave, under VMX until
 * it writes the flag, under SVM until it sets it.
 */
static inline void stay_disabled(void)
{
    __asm__ volatile("sti; cli" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}
static inline void halt(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}
/* Interrupts on until *count reaches n or ms pass; off again. True if it did. */
bool wait_count(volatile u32 *count, u32 n, unsigned ms);
/* Interrupts on for that long. */
void wait_ms(unsigned ms);

/* Instructions. */
struct cpuid {
    u32 eax, ebx, ecx, edx;
};
static inline struct cpuid cpuid(u32 leaf, u32 sub)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(sub));
    return r;
}
static inline u64 rdtsc(void)
{
    u32 lo, hi;

    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return lo | (u64)hi << 32;
}
#define PORT_IO(suffix, type)                                                                                          \
    static inline type in##suffix(u16 port)                                                                            \
    {                                                                                                                  \
        type v;                                                                                                        \
                                                                                                                       \
        __asm__ volatile("in %1, %0" : "=a"(v) : "Nd"(port) : "memory");                                               \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void out##suffix(u16 port, type v)                                                                   \
    {                                                                                                                  \
        __asm__ volatile("out %0, %1" : : "a"(v), "Nd"(port) : "memory");                                              \
    }
PORT_IO(b, u8)
PORT_IO(w, u16)
PORT_IO(l, u32)
#define MMIO(bits)                                                                                                     \
    static inline u##bits read##bits(u64 a)                                                                            \
    {                                                                                                                  \
        return *(volatile u##bits *)a;                                                                                 \
    }                                                                                                                  \
    static inline void write##bits(u64 a, u##bits v)                                                                   \
    {                                                                                                                  \
        *(volatile u##bits *)a = v;                                                                                    \
    }
MMIO(8)
MMIO(16)
MMIO(32)
MMIO(64)
void udelay(unsigned us);

/* An exception at label 1 goes on at label 2 with this_cpu()->fault set. */
#define EXTABLE(from, to) ".pushsection .extable, \"a\"; .quad " #from "b, " #to "b; .popsection;"
/* The vector of the exception, or NO_FAULT. */
u32 rdmsr_safe(u32 msr, u64 *value);
u32 wrmsr_safe(u32 msr, u64 value);
u32 read64_safe(u64 address, u64 *value);
u32 call_safe(u64 address);
static inline u64 rdmsr(u32 msr)
{
    u32 lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (u64)hi << 32;
}
static inline void wrmsr(u32 msr, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
long rt_call_user(long (*fn)(void));
long rt_hypercall_compat(u32 nr, u32 a1, u32 a2, u32 a3);

/* Hypercalls. */
long hypercall5(unsigned nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
#define HYPERCALL(nr, a1, a2, a3) hypercall5(nr, (u64)(a1), (u64)(a2), (u64)(a3), 0, 0)
/* shared_info mapped over a page of the image, at the first call. */
struct shared_info *shared_info_map(void);
/* ns since the hypervisor started, from a time area. */
u64 pvclock_ns(const volatile struct vcpu_time_info *t);
u64 now_ns(void);

/* Local APIC: register numbers are the xAPIC page's offsets. */
enum {
    LAPIC_ID = 0x20, LAPIC_VERSION = 0x30, LAPIC_TPR = 0x80, LAPIC_PPR = 0xa0, LAPIC_EOI = 0xb0, LAPIC_LDR = 0xd0,
    LAPIC_DFR = 0xe0, LAPIC_SVR = 0xf0, LAPIC_ISR = 0x100, LAPIC_TMR = 0x180, LAPIC_IRR = 0x200, LAPIC_ESR = 0x280,
    LAPIC_ICR = 0x300, LAPIC_ICR2 = 0x310, LAPIC_LVTT = 0x320, LAPIC_LVT_THERMAL = 0x330, LAPIC_LVT_PMC = 0x340,
    LAPIC_LVT0 = 0x350, LAPIC_LVT1 = 0x360, LAPIC_LVT_ERROR = 0x370, LAPIC_TICR = 0x380, LAPIC_TCCR = 0x390,
    LAPIC_TDCR = 0x3e0, LAPIC_SELF_IPI = 0x3f0,
};
#define LAPIC_BASE         0xfee00000ull
#define MSR_APIC_BASE      0x1bu
#define MSR_TSC_DEADLINE   0x6e0u
#define LVT_MASKED         0x10000u
#define LVT_PERIODIC       0x20000u
#define LVT_TSC_DEADLINE   0x40000u
#define ICR_FIXED          0x000u
#define ICR_LOWEST         0x100u
#define ICR_NMI            0x400u
#define ICR_INIT           0x500u
#define ICR_STARTUP        0x600u
#define ICR_LOGICAL        0x800u
#define ICR_ASSERT         0x4000u
#define ICR_LEVEL          0x8000u
#define ICR_SELF           0x40000u
#define ICR_ALL            0x80000u
#define ICR_OTHERS         0xc0000u
u32 lapic_read(u32 reg);
void lapic_write(u32 reg, u32 value);
void lapic_icr(u32 dest, u32 icr);
void lapic_eoi(void);
/* This CPU into x2APIC mode. */
void lapic_enable_x2apic(void);
bool lapic_bit(u32 bank, u8 vector);

/* IO-APICs, from the MADT. */
struct ioapic {
    u64 base;
    u32 id, gsi_base, pins;
};
extern struct ioapic ioapics[8];
extern unsigned nr_ioapics;
u32 ioapic_read(const struct ioapic *io, u8 reg);
void ioapic_write(const struct ioapic *io, u8 reg, u32 value);
#define RTE_MASKED     0x10000u
#define RTE_LEVEL      0x8000u
#define RTE_REMOTE_IRR 0x4000u
#define RTE_LOW        0x2000u
#define RTE_LOGICAL    0x800u
void rte_write(u32 gsi, u32 low, u32 dest);
u32 rte_low(u32 gsi);
/* The GSI of a legacy interrupt, and its flags as an RTE's low word has them. */
u32 isa_gsi(u8 irq, u32 *rte_flags);

/* ACPI. */
struct acpi_header {
    char signature[4];
    u32 length;
    u8 revision, checksum;
    char oem[6], oem_table[8];
    u32 oem_revision, creator, creator_revision;
} __attribute__((packed));
const struct acpi_header *acpi_table(const char *signature);
u8 byte_sum(const void *p, size_t n);
/* Fixed hardware from the FADT: port numbers, 0 if absent. */
struct acpi_ports {
    u16 pm1a_event, pm1a_control, pm1b_control, pm_timer, sci;
    u8 s5_type, s3_type;
};
extern struct acpi_ports acpi_ports;

/* PCI: bdf = bus << 8 | device << 3 | function. */
u32 pci_read(u16 bdf, unsigned reg, unsigned bytes);
void pci_write(u16 bdf, unsigned reg, unsigned bytes, u32 value);
#define PCI_NONE 0xffffu
/* The first function of that vendor and device. */
u16 pci_find(u16 vendor, u16 device);
/* Offset of a capability, 0 if absent. */
u8 pci_capability(u16 bdf, u8 id);
u64 pci_bar(u16 bdf, unsigned bar);
/* Decode and bus mastering on. */
void pci_enable(u16 bdf);
/* ECAM of segment 0's bus 0, 0 if there is none. */
u64 pci_ecam(void);
/* 64-bit BARs may lie above what the page tables of the start map. */
#define MSI_ADDRESS(apic_id) (0xfee00000u | (apic_id) << 12)
enum { PCI_CAP_MSI = 5, PCI_CAP_MSIX = 0x11, PCI_CAP_VENDOR = 9 };
#define PCI_COMMAND          4u
#define PCI_COMMAND_IO       1u
#define PCI_COMMAND_MEM      2u
#define PCI_COMMAND_MASTER   4u
#define PCI_COMMAND_NO_INTX  0x400u

/* QEMU's edu device: PCI 1234:11e8, MSI and INTx on command. */
#define EDU_VENDOR    0x1234
#define EDU_DEVICE    0x11e8
#define EDU_ID        0x00
#define EDU_LIVENESS  0x04
#define EDU_RAISE     0x60
#define EDU_ACK       0x64
#define EDU_PENDING   0x24

#endif
