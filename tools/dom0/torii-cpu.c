/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Companion of Dom0 for CPUs: the calls that no stock Linux driver makes, through /dev/xen/privcmd.
 *   torii-cpu add APIC_ID      a processor was plugged in: XENPF_cpu_hotadd; prints its number
 *   torii-cpu online CPU       XENPF_cpu_online, starting it if need be
 *   torii-cpu offline CPU      XENPF_cpu_offline
 *   torii-cpu park NUMBER      XENPF_core_parking: so many CPUs out of use
 *   torii-cpu keys LETTERS     XEN_SYSCTL_debug_keys, as `xl debug-keys`: '+' and '-' bring Dom0's vCPUs and take them
 *   torii-cpu idle CPU         XEN_SYSCTL_get_pmstat: how often and how long (us) in each C-state, C0 first
 *   torii-cpu freq CPU         the same for P-states, fastest first, with MHz; '*' marks the current one
 * Exit status: 0, 1 with the errno's text, 2 usage. Build: cc -static -I/usr/include -o torii-cpu torii-cpu.c
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define __XEN_TOOLS__
#include <xen/xen.h>

#include <xen/platform.h>
#include <xen/sys/privcmd.h>
#include <xen/sysctl.h>

#define STATES_MAX 64

/* What the hypervisor reads and writes: it must not be paged out meanwhile. */
static struct {
    struct xen_platform_op platform;
    struct xen_sysctl sysctl;
    char keys[64];
    uint64_t triggers[STATES_MAX], residencies[STATES_MAX], transitions[STATES_MAX * STATES_MAX];
    pm_px_val_t px[STATES_MAX];
} *shared;

static int privcmd;

static void fail(const char *what)
{
    fprintf(stderr, "torii-cpu: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long call(uint64_t number, void *arg, const char *what)
{
    privcmd_hypercall_t c = {.op = number, .arg = {(uintptr_t)arg}};
    long rc = ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &c);

    if (rc < 0)
        fail(what);
    return rc;
}

static long platform(uint32_t cmd, const char *what)
{
    shared->platform.cmd = cmd;
    shared->platform.interface_version = XENPF_INTERFACE_VERSION;
    return call(__HYPERVISOR_platform_op, &shared->platform, what);
}

static void sysctl(uint32_t cmd, const char *what)
{
    shared->sysctl.cmd = cmd;
    shared->sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    call(__HYPERVISOR_sysctl, &shared->sysctl, what);
}

static void add(uint32_t apic_id)
{
    shared->platform.u.cpu_add.apic_id = apic_id;
    printf("%ld\n", platform(XENPF_cpu_hotadd, "XENPF_cpu_hotadd"));
}

static void set_online(uint32_t cpu, uint32_t cmd)
{
    shared->platform.u.cpu_ol.cpuid = cpu;
    platform(cmd, "XENPF_cpu_online");
}

static void park(uint32_t number)
{
    shared->platform.u.core_parking.type = XEN_CORE_PARKING_SET;
    shared->platform.u.core_parking.idle_nums = number;
    platform(XENPF_core_parking, "XENPF_core_parking");
}

static void keys(const char *letters)
{
    size_t n = strnlen(letters, sizeof(shared->keys));

    memcpy(shared->keys, letters, n);
    set_xen_guest_handle(shared->sysctl.u.debug_keys.keys, shared->keys);
    shared->sysctl.u.debug_keys.nr_keys = n;
    sysctl(XEN_SYSCTL_debug_keys, "XEN_SYSCTL_debug_keys");
}

static void idle(uint32_t cpu)
{
    struct xen_sysctl_get_pmstat *pm = &shared->sysctl.u.get_pmstat;

    pm->cpuid = cpu;
    pm->type = PMSTAT_get_cxstat;
    pm->u.getcx.nr = STATES_MAX;
    set_xen_guest_handle(pm->u.getcx.triggers, shared->triggers);
    set_xen_guest_handle(pm->u.getcx.residencies, shared->residencies);
    sysctl(XEN_SYSCTL_get_pmstat, "XEN_SYSCTL_get_pmstat");
    for (unsigned i = 0; i < pm->u.getcx.nr && i < STATES_MAX; i++)
        printf("%u %llu %llu\n", i, (unsigned long long)shared->triggers[i],
               (unsigned long long)shared->residencies[i] / 1000);
}

static void freq(uint32_t cpu)
{
    struct xen_sysctl_get_pmstat *pm = &shared->sysctl.u.get_pmstat;

    pm->cpuid = cpu;
    pm->type = PMSTAT_get_pxstat;
    pm->u.getpx.total = STATES_MAX;
    set_xen_guest_handle(pm->u.getpx.trans_pt, shared->transitions);
    set_xen_guest_handle(pm->u.getpx.pt, shared->px);
    sysctl(XEN_SYSCTL_get_pmstat, "XEN_SYSCTL_get_pmstat");
    for (unsigned i = 0; i < pm->u.getpx.total && i < STATES_MAX; i++)
        printf("%u%s %llu %llu %llu\n", i, i == pm->u.getpx.cur ? "*" : "", (unsigned long long)shared->px[i].freq,
               (unsigned long long)shared->px[i].count, (unsigned long long)shared->px[i].residency / 1000);
}

static uint32_t number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 0);

    if (end == text || *end || n > UINT32_MAX) {
        fprintf(stderr, "torii-cpu: not a number: %s\n", text);
        exit(2);
    }
    return (uint32_t)n;
}

int main(int argc, char **argv)
{
    const char *what = argc == 3 ? argv[1] : "";

    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (privcmd < 0)
        fail("/dev/xen/privcmd");
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (shared == MAP_FAILED)
        fail("no memory");
    memset(shared, 0, sizeof(*shared));
    if (!strcmp(what, "add"))
        add(number(argv[2]));
    else if (!strcmp(what, "online"))
        set_online(number(argv[2]), XENPF_cpu_online);
    else if (!strcmp(what, "offline"))
        set_online(number(argv[2]), XENPF_cpu_offline);
    else if (!strcmp(what, "park"))
        park(number(argv[2]));
    else if (!strcmp(what, "keys"))
        keys(argv[2]);
    else if (!strcmp(what, "idle"))
        idle(number(argv[2]));
    else if (!strcmp(what, "freq"))
        freq(number(argv[2]));
    else
        return fputs("usage: torii-cpu add|online|offline|park|idle|freq NUMBER, torii-cpu keys LETTERS\n", stderr), 2;
    return 0;
}
