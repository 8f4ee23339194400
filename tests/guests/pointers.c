/* SPDX-License-Identifier: BSD-2-Clause */
/* run: only=torii,xen */
/* Hypercall arguments that are bad in every way: the answer is an error, never a fault, here or there. */
#include "hyper.h"

#define NOT_MAPPED    0x8000000000ull     /* behind what the page tables map */
#define NOT_CANONICAL 0x8000000000000000ull

static u64 pt[512] PAGE_ALIGNED;
static u8 window[4 * PAGE_SIZE] __attribute__((aligned(1 << 21)));

static void reload(void)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(pml4) : "memory");
}

/* window in 4 KiB pages: 0 writable, 1 not present, 2 read-only, 3 to where nothing is. */
static void map_window(void)
{
    u64 at = (u64)window;

    for (unsigned i = 0; i < 512; i++)
        pt[i] = (at + i * PAGE_SIZE) | 7;
    pt[1] = 0;
    pt[2] &= ~2ull;
    pt[3] = 0xfffffff000ull | 7;
    pd[at >> 21] = (u64)pt | 7;
    reload();
}

static void reads(void)
{
    is(evtchn_op(EVTCHNOP_send, NULL), ERR(XEN_EINVAL), "address 0 is memory like any: a port of no meaning");
    is(evtchn_op(EVTCHNOP_send, (void *)NOT_MAPPED), ERR(XEN_EFAULT), "an address that is not mapped");
    ok(evtchn_op(EVTCHNOP_send, (void *)NOT_CANONICAL) < 0, "one that is not canonical");
    is(evtchn_op(EVTCHNOP_send, (void *)~0ull), ERR(XEN_EFAULT), "the last byte of the address space");
    is(evtchn_op(EVTCHNOP_send, (void *)0x7fffffffffff), ERR(XEN_EFAULT), "the edge of the canonical half");
    is(evtchn_op(EVTCHNOP_send, window + PAGE_SIZE), ERR(XEN_EFAULT), "a page that is not present");
    is(evtchn_op(EVTCHNOP_send, window + PAGE_SIZE - 2), ERR(XEN_EFAULT), "a structure that reaches into one");
    ok(evtchn_op(EVTCHNOP_send, window + 3 * PAGE_SIZE) < 0, "a page that leads to no memory");
    ok(evtchn_op(EVTCHNOP_send, (void *)LAPIC_BASE) < 0, "the local APIC's page");
    ok(evtchn_op(EVTCHNOP_send, (void *)ioapics[0].base) < 0, "the IO-APIC's page");
}

static void writes(void)
{
    char *text = (char *)window + 2 * PAGE_SIZE;
    struct evtchn_bind_ipi b = {.vcpu = 0};

    is(xen_version(XENVER_extraversion, text), ERR(XEN_EFAULT), "a read-only page is not written");
    is(xen_version(XENVER_extraversion, window + PAGE_SIZE - 8), ERR(XEN_EFAULT), "a structure that reaches out of its page");
    is(xen_version(XENVER_extraversion, window + 64), 0, "a good page is");
    memcpy(window, &b, sizeof(b));
    is(evtchn_op(EVTCHNOP_bind_ipi, window), 0, "an argument that is read and written");
    memcpy(&b, window, sizeof(b));
    evtchn_close(b.port);
}

/* The walk follows the guest's tables: two addresses for one page, a large page, a structure across two frames. */
static void walks(void)
{
    u32 *split = (u32 *)(window + PAGE_SIZE - 4);
    struct evtchn_bind_ipi b = {.vcpu = 0};
    u64 other = (u64)window + 8 * PAGE_SIZE;

    pt[1] = other | 7;
    reload();
    split[0] = 0; /* vcpu, on page 0 */
    split[1] = 0x5555;
    is(evtchn_op(EVTCHNOP_bind_ipi, split), 0, "a structure across two pages whose frames are apart");
    ok(split[1] && split[1] != 0x5555, "its second half was written");
    is(*(u32 *)other, split[1], "to the right frame");
    evtchn_close(split[1]);
    pml4[511] = pml4[0];
    reload();
    is(evtchn_op(EVTCHNOP_bind_ipi, (void *)(0xffffff8000000000ull + (u64)&b)), 0, "a kernel's upper-half address");
    evtchn_close(b.port);
    pml4[511] = 0;
    reload();
}

static long from_user(void)
{
    return xen_version(XENVER_version, NULL);
}

static void callers(void)
{
    is(rt_call_user(from_user), ERR(XEN_EPERM), "a hypercall at CPL 3 is refused");
    is(rt_hypercall_compat(__HYPERVISOR_xen_version, XENVER_version, 0, 0), xen_version(XENVER_version, NULL),
       "one from a 32-bit code segment works");
    is(hypercall5(63, 1, 2, 3, 4, 5), ERR(XEN_ENOSYS), "a hypercall that is not");
    is(hypercall5(0xffffffff, 1, 2, 3, 4, 5), ERR(XEN_ENOSYS), "the last one");
    is(hypercall5(__HYPERVISOR_mmu_update, 0, 0, 0, 0, 0), ERR(XEN_ENOSYS), "one for PV only");
    is(hypercall5(__HYPERVISOR_iret, 0, 0, 0, 0, 0), ERR(XEN_ENOSYS), "iret is for PV only");
}

static long registers_kept(void)
{
    u64 rbx = 0x1111, r12 = 0x2222, rax = __HYPERVISOR_xen_version, rdi = XENVER_version, rsi = 0;
    register u64 r13 __asm__("r13") = 0x3333;
    register u64 r9 __asm__("r9") = 0x4444;
    register u64 r11 __asm__("r11") = 0x5555;

    if (rt_vendor_vmcall)
        __asm__ volatile("vmcall" : "+a"(rax), "+D"(rdi), "+S"(rsi), "+b"(rbx), "+r"(r12), "+r"(r13), "+r"(r9), "+r"(r11));
    else
        __asm__ volatile("vmmcall" : "+a"(rax), "+D"(rdi), "+S"(rsi), "+b"(rbx), "+r"(r12), "+r"(r13), "+r"(r9), "+r"(r11));
    return rbx == 0x1111 && r12 == 0x2222 && r13 == 0x3333 && r9 == 0x4444 && r11 == 0x5555;
}

static void multicall(void)
{
    static struct multicall_entry m[3];

    m[0] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    m[1] = (struct multicall_entry){.op = 63};
    m[2] = (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
    is(HYPERCALL(__HYPERVISOR_multicall, m, 3, 0), 0, "multicall");
    ok((long)m[0].result > 0 && m[0].result == m[2].result, "has each call's result");
    is(m[1].result, ERR(XEN_ENOSYS), "errors included");
    is(HYPERCALL(__HYPERVISOR_multicall, NOT_MAPPED, 3, 0), ERR(XEN_EFAULT), "a list that is not mapped");
}

static void lengths(void)
{
    is(HYPERCALL(__HYPERVISOR_console_io, CONSOLEIO_write, 100, NOT_MAPPED), ERR(XEN_EFAULT), "text that is not mapped");
    is(HYPERCALL(__HYPERVISOR_console_io, 99, 0, 0), ERR(XEN_ENOSYS), "a console operation that is not");
    is(HYPERCALL(__HYPERVISOR_console_io, CONSOLEIO_read, 100, window), 0, "no input: nothing read");
    is(grant_op(GNTTABOP_query_size, (void *)NOT_MAPPED, 1), ERR(XEN_EFAULT), "grant arguments that are not mapped");
    ok(grant_op(99, window, 1) < 0, "a grant operation that is not");
    ok(grant_op(GNTTABOP_query_size, window, 0) <= 0, "a count of 0");
}

void test(void)
{
    map_window();
    reads();
    writes();
    walks();
    callers();
    ok(registers_kept(), "a hypercall keeps the other registers");
    multicall();
    lengths();
}
