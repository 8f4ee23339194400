/* SPDX-License-Identifier: BSD-2-Clause */
/* hvm_op: parameters of the domain, the upcall vector, and the few services to a guest. */
#include <torii/evtchn.h>
#include <torii/stage2.h>
#include <torii/time.h>

#include <xen/hvm/hvm_op.h>
#include <xen/sched.h>

#include "domain_state.h"
#include "hcall.h"

/* Who may touch a parameter. A privileged domain may set and get those of another one unless PARAM_NONE. */
enum param_access {
    PARAM_TOOLS,      /* only on behalf of another domain */
    PARAM_READ,       /* the domain itself may read it */
    PARAM_READ_WRITE, /* and write it */
    PARAM_NONE,       /* deprecated: no meaning */
};

static const u8 param_access[HVM_NR_PARAMS] = {
    [HVM_PARAM_CALLBACK_IRQ] = PARAM_READ_WRITE,
    [HVM_PARAM_VM86_TSS] = PARAM_READ_WRITE,
    [HVM_PARAM_VM86_TSS_SIZED] = PARAM_READ_WRITE,
    [HVM_PARAM_ACPI_IOPORTS_LOCATION] = PARAM_READ_WRITE,
    [HVM_PARAM_VM_GENERATION_ID_ADDR] = PARAM_READ_WRITE,
    [HVM_PARAM_STORE_EVTCHN] = PARAM_READ_WRITE,
    [HVM_PARAM_CONSOLE_EVTCHN] = PARAM_READ_WRITE,
    [HVM_PARAM_X87_FIP_WIDTH] = PARAM_READ_WRITE,
    [HVM_PARAM_STORE_PFN] = PARAM_READ,
    [HVM_PARAM_CONSOLE_PFN] = PARAM_READ,
    [HVM_PARAM_ALTP2M] = PARAM_READ,
    [HVM_PARAM_PAE_ENABLED] = PARAM_NONE,
    [HVM_PARAM_DM_DOMAIN] = PARAM_NONE,
    [HVM_PARAM_MEMORY_EVENT_CR0] = PARAM_NONE,
    [HVM_PARAM_MEMORY_EVENT_CR3] = PARAM_NONE,
    [HVM_PARAM_MEMORY_EVENT_CR4] = PARAM_NONE,
    [HVM_PARAM_MEMORY_EVENT_INT3] = PARAM_NONE,
    [HVM_PARAM_NESTEDHVM] = PARAM_NONE,
    [HVM_PARAM_MEMORY_EVENT_SINGLE_STEP] = PARAM_NONE,
    [HVM_PARAM_BUFIOREQ_EVTCHN] = PARAM_NONE,
    [HVM_PARAM_MEMORY_EVENT_MSR] = PARAM_NONE,
};

/* 0, -XEN_EPERM or -XEN_EINVAL. `needed`: least access of the domain itself. */
static int check_access(const struct hcall *c, const struct domain *d, u32 index, enum param_access needed)
{
    if (param_access[index] == PARAM_NONE)
        return -XEN_EINVAL;
    return d != c->v->d || param_access[index] >= needed ? 0 : -XEN_EPERM;
}

/* Once these have a value it stays. */
static bool is_write_once(u32 index)
{
    return index == HVM_PARAM_STORE_EVTCHN || index == HVM_PARAM_CONSOLE_EVTCHN || index == HVM_PARAM_ALTP2M ||
           index == HVM_PARAM_VIRIDIAN || index == HVM_PARAM_MCA_CAP || index == HVM_PARAM_IOREQ_SERVER_PFN ||
           index == HVM_PARAM_NR_IOREQ_SERVER_PAGES;
}

/* Values the ABI does not know, and features that are not offered. */
static int check_value(u32 index, u64 value)
{
    switch (index) {
    case HVM_PARAM_TIMER_MODE:
        return value <= HVMPTM_one_missed_tick_pending ? 0 : -XEN_EINVAL;
    case HVM_PARAM_TRIPLE_FAULT_REASON:
        return value <= SHUTDOWN_MAX ? 0 : -XEN_EINVAL;
    case HVM_PARAM_X87_FIP_WIDTH:
        return value == 0 || value == 4 || value == 8 ? 0 : -XEN_EINVAL;
    case HVM_PARAM_ACPI_IOPORTS_LOCATION: /* chooses among ports of emulated power management */
        return value <= 1 ? -XEN_ENODEV : -XEN_EINVAL;
    case HVM_PARAM_ALTP2M:
    case HVM_PARAM_MCA_CAP:
        return value == 0 ? 0 : -XEN_EINVAL;
    case HVM_PARAM_VIRIDIAN:
        return value == 0 ? 0 : -XEN_EOPNOTSUPP;
    default:
        return 0;
    }
}

static int store_param(struct domain *d, u32 index, u64 value)
{
    int rc = 0;

    spin_lock(&d->lock);
    if (is_write_once(index) && d->hvm_param[index] && d->hvm_param[index] != value)
        rc = -XEN_EEXIST;
    else
        d->hvm_param[index] = value;
    spin_unlock(&d->lock);
    return rc;
}

/* The argument, the domain it names, and whether the caller may do that to the parameter. */
static int read_param(const struct hcall *c, enum param_access access, struct xen_hvm_param *a, struct domain **d)
{
    int rc;

    if (hcall_read(c, a, c->args[1], sizeof(*a)))
        return -XEN_EFAULT;
    if (a->index >= HVM_NR_PARAMS)
        return -XEN_EINVAL;
    rc = hcall_domain(c, a->domid, d);
    return rc ? rc : check_access(c, *d, a->index, access);
}

static long set_param(const struct hcall *c)
{
    struct xen_hvm_param a;
    struct domain *d;
    int rc = read_param(c, PARAM_READ_WRITE, &a, &d);

    if (!rc)
        rc = check_value(a.index, a.value);
    if (!rc && a.index == HVM_PARAM_CALLBACK_IRQ)
        rc = evtchn_set_callback_irq(d, a.value);
    return rc ? rc : store_param(d, a.index, a.value);
}

static long get_param(const struct hcall *c)
{
    struct xen_hvm_param a;
    struct domain *d;
    int rc = read_param(c, PARAM_READ, &a, &d);

    if (rc)
        return rc;
    a.value = d->hvm_param[a.index];
    return hcall_write(c, c->args[1], &a, sizeof(a));
}

void hvm_param_init(struct domain *d)
{
    for (unsigned i = 0; i < HVM_NR_PARAMS; i++)
        d->hvm_param[i] = 0;
    d->hvm_param[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_reboot;
}

static long set_upcall_vector(const struct hcall *c)
{
    struct xen_hvm_evtchn_upcall_vector u;
    struct domain *d = c->v->d;

    if (hcall_read(c, &u, c->args[1], sizeof(u)))
        return -XEN_EFAULT;
    if (u.vcpu >= d->nr_vcpus)
        return -XEN_ENOENT;
    return evtchn_set_upcall_vector(d->vcpu[u.vcpu], u.vector);
}

static long get_time(const struct hcall *c)
{
    struct xen_hvm_get_time t = {.now = now_ns()};

    return hcall_write(c, c->args[1], &t, sizeof(t));
}

/* A hint for shadow paging, which does not exist here. */
static long pagetable_dying(const struct hcall *c)
{
    struct xen_hvm_pagetable_dying p;

    return hcall_read(c, &p, c->args[1], sizeof(p)) ? -XEN_EFAULT : -XEN_EINVAL;
}

static u16 mem_type(enum s2_type type)
{
    switch (type) {
    case S2_RAM:
    case S2_XEN:
    case S2_GRANT:
    case S2_FOREIGN:
        return HVMMEM_ram_rw;
    case S2_GRANT_RO:
        return HVMMEM_ram_ro;
    case S2_NONE:
    case S2_MMIO:
    case S2_FIXUP:
        break;
    }
    return HVMMEM_mmio_dm;
}

static long get_mem_type(const struct hcall *c)
{
    struct xen_hvm_get_mem_type a;
    struct domain *d;
    int rc;

    if (hcall_read(c, &a, c->args[1], sizeof(a)))
        return -XEN_EFAULT;
    rc = hcall_domain(c, a.domid, &d);
    if (rc)
        return rc;
    a.mem_type = mem_type(s2_lookup(d, a.pfn, NULL, NULL));
    return hcall_write(c, c->args[1], &a, sizeof(a));
}

static long flush_tlbs(const struct hcall *c)
{
    if (c->args[1])
        return -XEN_EINVAL;
    s2_flush(c->v->d);
    return 0;
}

long hypercall_hvm_op(struct hcall *c)
{
    switch ((u32)c->args[0]) {
    case HVMOP_set_param:
        return set_param(c);
    case HVMOP_get_param:
        return get_param(c);
    case HVMOP_set_evtchn_upcall_vector:
        return set_upcall_vector(c);
    case HVMOP_get_time:
        return get_time(c);
    case HVMOP_pagetable_dying:
        return pagetable_dying(c);
    case HVMOP_get_mem_type:
        return get_mem_type(c);
    case HVMOP_flush_tlbs:
        return flush_tlbs(c);
    case HVMOP_altp2m:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}
