/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 only=torii,xen */
/* The small hypercalls: version, scheduling, hvm, platform, physdev, assists. */
#include "hyper.h"

static char text[4096];

static void version(void)
{
    struct xen_feature_info f = {.submap_idx = 0};
    struct xen_compile_info *compile = (void *)text;

    ok(xen_version(XENVER_version, NULL) >> 16 == 4, "version");
    is(xen_version(XENVER_extraversion, text), 0, "extraversion");
    ok(strlen(text) > 0 && strlen(text) < 16, "is a short string");
    is(xen_version(XENVER_capabilities, text), 0, "capabilities");
    ok(contains(text, "hvm-3.0-x86_32"), "has what the toolstack asks for");
    is(xen_version(XENVER_compile_info, text), 0, "compile_info");
    ok(strlen(compile->compiler) > 0, "names a compiler");
    is(xen_version(XENVER_changeset, text), 0, "changeset");
    is(xen_version(XENVER_pagesize, NULL), PAGE_SIZE, "pagesize");
    is(xen_version(XENVER_guest_handle, text), 0, "guest_handle");
    ok(xen_version(XENVER_commandline, text) >= 0, "commandline");
    is(xen_version(XENVER_get_features, &f), 0, "get_features");
    is(f.submap & ~(3u << 16), 0x00002b05, "has the features of a PVH Dom0");
    ok((f.submap >> 16 & 3) == 1 || (f.submap >> 16 & 3) == 2, "and says whether memory is direct mapped");
    f.submap_idx = 5;
    is(xen_version(XENVER_get_features, &f), ERR(XEN_EINVAL), "a submap that is not");
    is(xen_version(99, NULL), ERR(XEN_ENOSYS), "an operation that is not");
}

static void scheduling(void)
{
    evtchn_port_t port = bind_ipi(0);
    struct sched_poll p = {.nr_ports = 1};
    u64 start;

    set_xen_guest_handle(p.ports, &port);
    is(sched_op(SCHEDOP_yield, NULL), 0, "yield");
    shared_info_map();
    port_mask(port, true);
    evtchn_send(port);
    is(sched_op(SCHEDOP_poll, &p), 0, "poll returns at once if the port pends");
    port_clear(port);
    start = now_ns();
    p.timeout = start + 20000000;
    is(sched_op(SCHEDOP_poll, &p), 0, "poll with a timeout");
    ok(now_ns() - start >= 19000000, "waits for it");
    p.nr_ports = 1000;
    is(sched_op(SCHEDOP_poll, &p), ERR(XEN_EINVAL), "poll of too many ports");
    p.nr_ports = 1;
    port = 1u << 20;
    is(sched_op(SCHEDOP_poll, &p), ERR(XEN_EINVAL), "poll of a port that is not");
    is(sched_op(99, NULL), ERR(XEN_ENOSYS), "an operation that is not");
}

static void hvm(void)
{
    struct xen_hvm_param p = {.domid = 77, .index = HVM_PARAM_CALLBACK_IRQ};

    is(hvm_op(HVMOP_get_param, &p), ERR(XEN_ESRCH), "get_param of a domain that is not");
    p = (struct xen_hvm_param){.domid = DOMID_SELF, .index = 10000};
    is(hvm_op(HVMOP_set_param, &p), ERR(XEN_EINVAL), "set_param that is not");
    ok(hvm_op(HVMOP_pagetable_dying, text) < 0, "pagetable_dying is not offered");
    is(hvm_op(99, text), ERR(XEN_ENOSYS), "an operation that is not");
}

static void platform(void)
{
    struct xen_platform_op o = {.cmd = XENPF_get_cpuinfo, .interface_version = XENPF_INTERFACE_VERSION};

    is(HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0), 0, "get_cpuinfo");
    ok(o.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE && o.u.pcpu_info.max_present >= 1, "says two CPUs, the first online");
    o.u.pcpu_info.xen_cpuid = 200;
    is(HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0), 0, "of one that is not");
    is(o.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID, "says invalid");
    o = (struct xen_platform_op){.cmd = XENPF_get_cpuinfo, .interface_version = 1};
    is(HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0), ERR(XEN_EACCES), "another interface version");
    o = (struct xen_platform_op){.cmd = 9999, .interface_version = XENPF_INTERFACE_VERSION};
    is(HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0), ERR(XEN_ENOSYS), "an operation that is not");
    o = (struct xen_platform_op){.cmd = XENPF_settime64, .interface_version = XENPF_INTERFACE_VERSION};
    o.u.settime64.secs = 1500000000;
    o.u.settime64.system_time = now_ns();
    is(HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0), 0, "settime64");
    {
        struct shared_info *s = shared_info_map();
        u64 now = (s->wc_sec | (u64)s->wc_sec_hi << 32) + (s->wc_nsec + now_ns()) / 1000000000;

        ok(now >= 1500000000 && now < 1500000005, "sets the wall clock");
    }
    o = (struct xen_platform_op){.cmd = XENPF_firmware_info, .interface_version = XENPF_INTERFACE_VERSION};
    o.u.firmware_info.type = XEN_FW_EFI_INFO;
    ok(HYPERCALL(__HYPERVISOR_platform_op, &o, 0, 0) < 0, "no EFI on a BIOS machine");
}

static void physdev(void)
{
    struct physdev_setup_gsi g = {.gsi = 20, .triggering = 1, .polarity = 1};
    struct physdev_setup_gsi none = {.gsi = 5000};
    long rc = physdev_op(PHYSDEVOP_setup_gsi, &g);

    is(rc == -XEN_EEXIST ? 0 : rc, 0, "setup_gsi");
    ok(physdev_op(PHYSDEVOP_setup_gsi, &none) < 0, "of one that is not");
    is(physdev_op(PHYSDEVOP_pirq_eoi_gmfn_v2, text), ERR(XEN_ENOSYS), "PIRQ EOI pages are not offered");
    is(physdev_op(9999, text), ERR(XEN_ENOSYS), "an operation that is not");
}

static void refused(void)
{
    is(HYPERCALL(48 /* mca */, text, 0, 0), ERR(XEN_ENOSYS), "mca is not offered");
    is(HYPERCALL(__HYPERVISOR_kexec_op, 0, text, 0), ERR(XEN_ENOSYS), "kexec_op is not offered");
    is(HYPERCALL(__HYPERVISOR_callback_op, 0, text, 0), ERR(XEN_ENOSYS), "callback_op is not offered");
    is(HYPERCALL(__HYPERVISOR_set_gdt, 0, 0, 0), ERR(XEN_ENOSYS), "set_gdt is not offered");
    is(HYPERCALL(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag, 0), 0, "vm_assist: runstate flag");
    is(HYPERCALL(__HYPERVISOR_vm_assist, 99, VMASST_TYPE_runstate_update_flag, 0), ERR(XEN_ENOSYS), "a vm_assist that is not");
}

/* The interrupt controllers of a PC do not exist; what the hypervisor does not use is the machine's own. */
static void ports(void)
{
    static const struct {
        u16 port;
        const char *what;
    } denied[] = {{0x20, "the PIC"}, {0x21, "the PIC's mask"}, {0xa0, "the second PIC"}, {0xa1, "its mask"},
                  {0x4d0, "the edge/level register"}, {0x4d1, "the second one"}};
    u8 first;
    bool counts = false;

    for (unsigned i = 0; i < ARRAY_SIZE(denied); i++)
        is(inb(denied[i].port), 0xff, "%s reads all ones", denied[i].what);
    outb(0x20, 0x11);
    is(inb(0x21), 0xff, "and takes nothing");
    is(inl(0x20) & 0xffff, 0xffff, "a wide read of denied ports");
    ok(inw(0x10) != 0x49d2, "no unplug protocol");
    outb(0x80, 0x55);
    outb(0x43, 0xb4); /* counter 2: nobody's interrupt */
    outb(0x42, 0xff), outb(0x42, 0xff);
    outb(0x61, (inb(0x61) & ~2) | 1);
    outb(0x43, 0x80);
    first = inb(0x42), inb(0x42);
    for (unsigned i = 0; i < 100 && !counts; i++) {
        outb(0x43, 0x80);
        counts = inb(0x42) != first;
        inb(0x42);
        udelay(10);
    }
    ok(counts, "the PIT counts");
    outb(0x3ff, 0x5a);
    is(inb(0x3ff), 0x5a, "the console's UART answers: a virtual one");
}

void test(void)
{
    version();
    scheduling();
    hvm();
    platform();
    physdev();
    refused();
    ports();
}
