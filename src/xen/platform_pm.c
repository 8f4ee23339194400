/* SPDX-License-Identifier: BSD-2-Clause */
/* What Dom0's ACPI driver learned about the physical processors (ACPI 6.5 §8.4), checked and handed to who uses it. */
#include <torii/acpi_build.h>
#include <torii/cstate.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/pstate.h>
#include <torii/vpower.h>

#include "pcpu_info.h"
#include "platform_pm.h"

#define SPACE_IO    1
#define SPACE_FIXED 0x7f

/* Fixed hardware as Intel defines it for _CST: vendor 1, class 2 is MWAIT; class 1, or nothing said, is HLT. */
#define FFH_VENDOR_INTEL 1
#define FFH_CLASS_MWAIT  2

/* "Intel Processor Vendor-Specific ACPI", _PDC bits. */
#define PDC_REVISION 1
#define PDC_P_FFH    BIT(0)
#define PDC_C1_HALT  BIT(1)
#define PDC_SMP_C1PT BIT(3)
#define PDC_SMP_C2C3 BIT(4)
#define PDC_C1_FFH   BIT(8)
#define PDC_C2C3_FFH BIT(9)
#define PDC_ANY_CPU  UINT32_MAX

/* The number of the CPU that an id of Dom0's namespace stands for, or -1. */
static int cpu_of_id(u32 id)
{
    const struct acpi_cpu *cpu = acpi_cpu_of_id(id);

    for (unsigned n = 0; cpu && n < pcpu_present(); n++)
        if (pcpu_acpi(n) == cpu)
            return (int)n;
    return -1;
}

static long read_cx(const struct xen_processor_cx *cx, struct cstate *s)
{
    const struct xen_power_register *r = &cx->reg;

    if (cx->dpcnt > MAX_CPUS)
        return -XEN_EINVAL;
    *s = (struct cstate){.type = cx->type, .latency_us = cx->latency};
    if (r->space_id == SPACE_IO) {
        if (r->bit_width != 8 || r->bit_offset || r->address > UINT16_MAX)
            return -XEN_EINVAL;
        s->method = CSTATE_IO;
        s->address = (u32)r->address;
        return 0;
    }
    if (r->space_id != SPACE_FIXED)
        return -XEN_EINVAL;
    if (r->bit_width == FFH_VENDOR_INTEL && r->bit_offset == FFH_CLASS_MWAIT) {
        if (r->address > UINT32_MAX)
            return -XEN_EINVAL;
        s->method = CSTATE_MWAIT;
        s->address = (u32)r->address;
    }
    return 0;
}

static long set_cx(const struct hcall *c, unsigned cpu, const struct xen_processor_power *power)
{
    struct cstate states[CSTATES_MAX];
    struct xen_processor_cx cx;
    long rc = 0;

    if (!power->count || power->count > CSTATES_MAX)
        return -XEN_EINVAL;
    for (unsigned i = 0; !rc && i < power->count; i++) {
        if (hcall_read(c, &cx, handle_gva(power->states) + i * sizeof(cx), sizeof(cx)))
            return -XEN_EFAULT;
        rc = read_cx(&cx, &states[i]);
    }
    if (!rc)
        rc = cstate_set(cpu, states, power->count);
    for (unsigned i = 0; !rc && i < power->count; i++)
        if (states[i].method == CSTATE_IO && states[i].type > 1)
            idle_port_learned(c->v->d, (u16)states[i].address);
    return rc;
}

static bool read_register(const struct xen_pct_register *from, struct pstate_register *to)
{
    *to = (struct pstate_register){.space = from->space_id, .width = from->bit_width, .address = from->address};
    return from->space_id == SPACE_FIXED || (from->space_id == SPACE_IO && from->address <= UINT16_MAX);
}

static long read_px(const struct hcall *c, const struct xen_processor_performance *perf, struct pstates *p)
{
    struct xen_processor_px px;

    if (!perf->state_count || perf->state_count > PSTATES_MAX)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < perf->state_count; i++) {
        if (hcall_read(c, &px, handle_gva(perf->states) + i * sizeof(px), sizeof(px)))
            return -XEN_EFAULT;
        /* ACPI 6.5 §8.4.5.2: fastest first. */
        if (!px.core_frequency || (i && px.core_frequency > p->state[i - 1].mhz))
            return -XEN_EINVAL;
        p->state[i] = (struct pstate){.mhz = px.core_frequency,
                                      .power_mw = px.power,
                                      .latency_us = px.transition_latency,
                                      .control = px.control,
                                      .status = px.status};
    }
    p->nr = perf->state_count;
    return 0;
}

static long set_px(const struct hcall *c, unsigned cpu, const struct xen_processor_performance *perf)
{
    static const u32 all = XEN_PX_PCT | XEN_PX_PSS | XEN_PX_PPC | XEN_PX_PSD;
    struct pstates p = {.limit = perf->platform_limit};
    long rc = 0;

    if (!perf->flags || perf->flags & ~all)
        return -XEN_EINVAL;
    if (perf->flags & XEN_PX_PCT) {
        p.has |= PSTATE_HAS_REGISTERS;
        if (!read_register(&perf->control_register, &p.control) || !read_register(&perf->status_register, &p.status))
            return -XEN_EINVAL;
    }
    if (perf->flags & XEN_PX_PSS) {
        p.has |= PSTATE_HAS_STATES;
        rc = read_px(c, perf, &p);
    }
    /* Of no processors: there was no _PSD. Linux sets the flag all the same, above zeros. */
    if (perf->flags & XEN_PX_PSD && perf->domain_info.num_processors) {
        p.has |= PSTATE_HAS_DOMAIN;
        p.domain = perf->domain_info.domain;
        p.coordination = perf->domain_info.coord_type;
        p.shared = perf->shared_type;
        if (p.shared < XEN_CPUPERF_SHARED_TYPE_HW || p.shared > XEN_CPUPERF_SHARED_TYPE_ANY)
            return -XEN_EINVAL;
    }
    if (perf->flags & XEN_PX_PPC)
        p.has |= PSTATE_HAS_LIMIT;
    return rc ? rc : pstate_update(cpu, &p);
}

/* Which of the capabilities that the driver would tell firmware are Torii's: it idles the CPUs, and may set P-states. */
static long set_pdc(const struct hcall *c, u64 gva)
{
    static const u32 mwait_bits = PDC_C1_FFH | PDC_C2C3_FFH, idle_bits = PDC_C1_HALT | PDC_SMP_C1PT | PDC_SMP_C2C3;
    const char *text;
    u32 pdc[3];

    if (hcall_read(c, pdc, gva, sizeof(pdc)))
        return -XEN_EFAULT;
    if (pdc[0] != PDC_REVISION || pdc[1] != 1)
        return -XEN_EINVAL;
    pdc[2] = (pdc[2] & ~(mwait_bits | (u32)PDC_P_FFH)) | idle_bits | (cstate_has_mwait() ? mwait_bits : 0);
    if (pstate_driver(&text) == PSTATE_DRIVER_INTEL)
        pdc[2] |= PDC_P_FFH;
    return hcall_write(c, gva, pdc, sizeof(pdc)) ? -XEN_EFAULT : 0;
}

long platform_set_pminfo(const struct hcall *c, const struct xenpf_set_processor_pminfo *info)
{
    int cpu = cpu_of_id(info->id);

    if (c->compat)
        return -XEN_ENOSYS;
    if (cpu < 0 && !(info->type == XEN_PM_PDC && info->id == PDC_ANY_CPU))
        return -XEN_EINVAL;
    switch (info->type) {
    case XEN_PM_CX:
        return set_cx(c, (unsigned)cpu, &info->u.power);
    case XEN_PM_PX:
        return set_px(c, (unsigned)cpu, &info->u.perf);
    case XEN_PM_PDC:
        return set_pdc(c, handle_gva(info->u.pdc));
    case XEN_PM_TX:
        return -XEN_ENOSYS;
    default:
        return -XEN_EINVAL;
    }
}
