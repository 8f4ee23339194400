/* SPDX-License-Identifier: BSD-2-Clause */
/* run: only=torii,xen */
/* A 32-bit kernel, paging off and then on: the 32-bit form of the hypercall ABI. A runtime of its own: nothing is shared. */
#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

__asm__(".pushsection .note.Xen, \"a\", @note\n"
        ".long 4, 4, 18; .asciz \"Xen\"; .long pvh_entry\n"
        ".long 4, 4, 17; .asciz \"Xen\"; .long 0x801\n"
        ".popsection\n"
        ".pushsection .text.entry, \"ax\"\n"
        ".globl pvh_entry\n"
        "pvh_entry: mov $stack + 16384, %esp; lgdt gdtr; ljmp $8, $1f\n"
        "1: mov $16, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %ss; call main32\n"
        "2: cli; hlt; jmp 2b\n"
        ".balign 8\n"
        "gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
        "gdtr: .word 23; .long gdt\n"
        ".popsection\n");

uint8_t stack[16384] __attribute__((aligned(16)));
static char line[128];
static unsigned used, checks;

void main32(void);

static long hypercall(long nr, long a1, long a2, long a3)
{
    uint32_t b = 0, leaf = 0, c, d;
    bool intel;

    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "=c"(c), "=d"(d));
    intel = b == 0x756e6547;
    if (intel)
        __asm__ volatile("vmcall" : "+a"(nr), "+b"(a1), "+c"(a2), "+d"(a3) : : "memory");
    else
        __asm__ volatile("vmmcall" : "+a"(nr), "+b"(a1), "+c"(a2), "+d"(a3) : : "memory");
    return nr;
}

static void put(const char *s)
{
    while (*s)
        line[used++] = *s++;
}

static void put_hex(uint32_t n)
{
    for (int i = 28; i >= 0; i -= 4)
        line[used++] = "0123456789abcdef"[n >> i & 15];
}

static void put_number(unsigned n)
{
    if (n >= 10)
        put_number(n / 10);
    line[used++] = '0' + n % 10;
}

static void end_line(void)
{
    line[used++] = '\n';
    hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, used, (long)line);
    used = 0;
}

static void is(uint32_t got, uint32_t want, const char *name)
{
    put(got == want ? "ok " : "not ok ");
    put_number(++checks);
    put(" - ");
    put(name);
    if (got != want) {
        put(" (got 0x");
        put_hex(got);
        put(" want 0x");
        put_hex(want);
        put(")");
    }
    end_line();
}

static union {
    struct shared_info info;
    uint8_t page[4096]; /* nothing else lies in it */
} shared __attribute__((aligned(4096)));
static uint32_t page_directory[1024] __attribute__((aligned(4096)));
static uint8_t hypercall_page[4096] __attribute__((aligned(4096)));

static void calls(const char *where)
{
    struct xen_feature_info f = {.submap_idx = 0};
    long version = hypercall(__HYPERVISOR_xen_version, XENVER_version, 0, 0);

    (void)where;
    is(version >> 16, 4, where);
    is(hypercall(__HYPERVISOR_xen_version, XENVER_get_features, (long)&f, 0), 0, "get_features");
    is(f.submap & 1u << XENFEAT_dom0, 1u << XENFEAT_dom0, "says Dom0");
    is(hypercall(__HYPERVISOR_xen_version, XENVER_get_features, 0x40000000, 0) < 0, 1, "an address of no memory");
    is(hypercall(63, 0, 0, 0), (uint32_t)-38, "a hypercall that is not: -ENOSYS");
}

static void structures(void)
{
    struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info};
    struct evtchn_bind_ipi b = {.vcpu = 0};
    struct evtchn_close c;
    struct xen_memory_map m = {.nr_entries = 128};
    static uint8_t map[128 * 20];
    domid_t self = DOMID_SELF;

    x.gpfn = (uint32_t)&shared / 4096;
    is(hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, (long)&x, 0), 0, "add_to_physmap, structure in 32-bit layout");
    is(shared.info.vcpu_info[0].time.tsc_to_system_mul != 0, 1, "shared_info has the time");
    is(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, (long)&b, 0), 0, "bind_ipi");
    c.port = b.port;
    is(hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_close, (long)&c, 0), 0, "close");
    m.buffer.p = (void *)map;
    is(hypercall(__HYPERVISOR_memory_op, XENMEM_memory_map, (long)&m, 0), 0, "memory_map, with a handle of 32 bits");
    is(m.nr_entries > 3 && m.nr_entries < 128, 1, "fills entries");
    is(hypercall(__HYPERVISOR_memory_op, XENMEM_current_reservation, (long)&self, 0) > 10000, 1, "current_reservation");
    is(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0, "stop_periodic_timer");
}

static void by_page(void)
{
    long (*call)(void) = (void *)(hypercall_page + 32 * __HYPERVISOR_xen_version);
    long result, b = XENVER_version, c = 0;

    __asm__ volatile("wrmsr" : : "c"(0x40000000), "a"((uint32_t)hypercall_page), "d"(0) : "memory");
    __asm__ volatile("call *%3" : "=a"(result), "+b"(b), "+c"(c) : "r"(call) : "edx", "memory");
    is(result >> 16, 4, "a call through the hypercall page");
}

void main32(void)
{
    struct sched_shutdown off = {.reason = SHUTDOWN_poweroff};
    uint32_t cr;

    calls("hypercalls without paging");
    structures();
    by_page();
    for (unsigned i = 0; i < 256; i++)
        page_directory[i] = i << 22 | 0x87;
    __asm__ volatile("mov %%cr4, %0; or $0x10, %0; mov %0, %%cr4" : "=r"(cr));
    __asm__ volatile("mov %0, %%cr3" : : "r"(page_directory));
    __asm__ volatile("mov %%cr0, %0; or $0x80000000, %0; mov %0, %%cr0" : "=r"(cr) : : "memory");
    calls("hypercalls with 32-bit paging");
    is(hypercall(__HYPERVISOR_xen_version, XENVER_get_features, 0x7ffffff0, 0), (uint32_t)-14, "an address not mapped: -EFAULT");
    put("1..");
    put_number(checks);
    end_line();
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (long)&off, 0);
}
