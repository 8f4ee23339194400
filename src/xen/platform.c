/* SPDX-License-Identifier: BSD-2-Clause */
/* platform_op: the control domain's services to and from the machine. */
#include <torii/acpi_build.h>
#include <torii/cpu.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/time.h>
#include <torii/vpower.h>

#include "pcpu_info.h"
#include "platform.h"
#include "platform_pm.h"

#define NS_PER_SEC 1000000000ul

/* UTC was secs.nsecs when the system time was system_time. */
static long set_time(const struct hcall *c, u64 secs, u32 nsecs, u64 system_time)
{
    u64 utc;

    if (nsecs >= NS_PER_SEC || __builtin_mul_overflow(secs, NS_PER_SEC, &utc) ||
        __builtin_add_overflow(utc, nsecs, &utc) || utc < system_time)
        return -XEN_EINVAL;
    wall_clock_set(utc, system_time);
    if (dom0)
        pvclock_update_wall_clock(dom0);
    if (c->v->d != dom0)
        pvclock_update_wall_clock(c->v->d);
    return 0;
}

static long set_time64(const struct hcall *c, const struct xenpf_settime64 *t)
{
    return t->mbz ? -XEN_EINVAL : set_time(c, t->secs, t->nsecs, t->system_time);
}

static long get_cpuinfo(struct xenpf_pcpuinfo *info)
{
    const struct acpi_cpu *cpu = pcpu_acpi(info->xen_cpuid);

    info->max_present = pcpu_present() ? pcpu_present() - 1 : 0;
    info->flags = info->apic_id = info->acpi_id = 0;
    if (!cpu) {
        info->flags = XEN_PCPU_FLAGS_INVALID;
        return 0;
    }
    info->apic_id = cpu->apic_id;
    info->acpi_id = acpi_id_of_cpu(cpu);
    if (pcpus[info->xen_cpuid]->online)
        info->flags = XEN_PCPU_FLAGS_ONLINE;
    return 0;
}

/* Family, model and stepping from CPUID 1 EAX (SDM vol. 2, CPUID; APM vol. 3 §E.3.2); all CPUs of a machine are alike.
 */
static long get_cpu_version(struct xenpf_pcpu_version *ver)
{
    struct cpuid_regs vendor = cpuid(0, 0);
    u32 signature = cpuid(1, 0).eax, family = signature >> 8 & 0xf;

    ver->max_present = pcpu_present() ? pcpu_present() - 1 : 0;
    memset(ver->vendor_id, 0, sizeof(ver->vendor_id));
    ver->family = ver->model = ver->stepping = 0;
    if (ver->xen_cpuid >= pcpu_present())
        return 0;
    memcpy(ver->vendor_id, &vendor.ebx, 4);
    memcpy(ver->vendor_id + 4, &vendor.edx, 4);
    memcpy(ver->vendor_id + 8, &vendor.ecx, 4);
    ver->family = family == 0xf ? family + (signature >> 20 & 0xff) : family;
    ver->model = signature >> 4 & 0xf;
    if (family == 0x6 || family == 0xf)
        ver->model |= signature >> 12 & 0xf0;
    ver->stepping = signature & 0xf;
    return 0;
}

/* Proximity domains are eight bits in the SRAT's first revision, and the ABI's. acpi_id is Dom0's: Torii reads its own. */
static long cpu_hotadd(const struct xenpf_cpu_hotadd *add)
{
    return add->pxm > UINT8_MAX ? -XEN_EINVAL : pcpu_add(add->apic_id);
}

static long enter_acpi_sleep(const struct hcall *c, const struct xenpf_enter_acpi_sleep *s)
{
    if ((s->flags & ~XENPF_ACPI_SLEEP_EXTENDED) || s->sleep_state > UINT8_MAX)
        return -XEN_EINVAL;
    return vpower_enter_sleep(c->v->d, s->val_a, s->val_b, (u8)s->sleep_state, s->flags & XENPF_ACPI_SLEEP_EXTENDED);
}

/* Answers in op->u; *reply is set if the caller gets it back. */
static long run(const struct hcall *c, void *arg, bool *reply)
{
    struct xen_platform_op *op = arg;

    *reply = true;
    switch (op->cmd) {
    case XENPF_firmware_info:
        return platform_firmware_info(c, &op->u.firmware_info);
    case XENPF_get_dom0_console:
        return platform_console_info((struct dom0_vga_console_info *)&op->u);
    case XENPF_get_cpuinfo:
        return get_cpuinfo(&op->u.pcpu_info);
    case XENPF_get_cpu_version:
        return get_cpu_version(&op->u.pcpu_version);
    case XENPF_core_parking:
        return platform_core_parking(&op->u.core_parking);
    default:
        break;
    }
    *reply = false;
    switch (op->cmd) {
    case XENPF_settime64:
        return set_time64(c, &op->u.settime64);
    case XENPF_settime32:
        return set_time(c, op->u.settime32.secs, op->u.settime32.nsecs, op->u.settime32.system_time);
    case XENPF_enter_acpi_sleep:
        return enter_acpi_sleep(c, &op->u.enter_acpi_sleep);
    case XENPF_set_processor_pminfo:
        return platform_set_pminfo(c, &op->u.set_pminfo);
    case XENPF_cpu_online:
    case XENPF_cpu_offline:
        return pcpu_set_online(op->u.cpu_ol.cpuid, op->cmd == XENPF_cpu_online);
    case XENPF_cpu_hotadd:
        return cpu_hotadd(&op->u.cpu_add);
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_platform_op(struct hcall *c)
{
    struct xen_platform_op op;

    return hcall_control_op(c, __HYPERVISOR_platform_op, XENPF_INTERFACE_VERSION, &op, sizeof(op), run);
}
