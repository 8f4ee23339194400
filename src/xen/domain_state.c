/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hypercall families keep for each domain and vCPU: made, reset, looked up. */
#include <torii/alloc.h>
#include <torii/evtchn.h>
#include <torii/grant.h>
#include <torii/lib.h>

#include "area.h"
#include "domain_state.h"
#include "vcpu_op.h"

int xen_domain_init(struct domain *d)
{
    int rc;

    d->shared_info = frames_alloc(0);
    if (!d->shared_info)
        return -XEN_ENOMEM;
    d->shared_info_gfn = INVALID_GFN;
    d->vm_assist = 0;
    hvm_param_init(d);
    watchdog_init(d);
    rc = grant_domain_init(d, GRANT_FRAMES_DEFAULT, MAPTRACK_FRAMES_DEFAULT);
    if (!rc) {
        rc = evtchn_domain_init(d);
        if (rc)
            grant_domain_free(d);
    }
    if (rc) {
        frames_free(d->shared_info, 0);
        d->shared_info = NULL;
        return rc;
    }
    pvclock_update_wall_clock(d);
    return 0;
}

/* Where v's vcpu_info is until the guest registers a place. */
static struct vcpu_info *default_info(struct vcpu *v)
{
    return v->id < XEN_LEGACY_MAX_VCPUS ? &v->d->shared_info->vcpu_info[v->id] : &v->own_info;
}

int xen_vcpu_init(struct vcpu *v)
{
    int rc;

    v->info = default_info(v);
    v->info_registered = false;
    v->runstate = (struct vcpu_runstate_info){.state = RUNSTATE_offline, .state_entry_time = now_ns()};
    vcpu_timers_init(v);
    rc = hypercall_stats_init(v);
    if (!rc)
        rc = evtchn_vcpu_init(v);
    if (rc)
        return rc;
    pvclock_update(v);
    return 0;
}

static void forget_info(struct vcpu *v)
{
    void *page = (void *)((uintptr_t)v->info & PAGE_MASK);

    memset(&v->own_info, 0, sizeof(v->own_info));
    if (!v->info_registered)
        return;
    v->info = default_info(v);
    v->info_registered = false;
    guest_page_put(v->d, page);
}

static void reset_vcpu(struct vcpu *v)
{
    vcpu_timers_stop(v);
    area_forget(v->d, v->runstate_page);
    area_forget(v->d, v->time_page);
    v->runstate_compat = false;
    forget_info(v);
    v->initialised = false;
}

void xen_domain_reset(struct domain *d)
{
    evtchn_domain_reset(d);
    watchdog_stop(d);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        reset_vcpu(d->vcpu[i]);
    grant_domain_reset(d);
    physmap_forget_shared_info(d);
    memset(d->shared_info, 0, PAGE_SIZE);
    d->vm_assist = 0;
    hvm_param_init(d);
    pvclock_update_wall_clock(d);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        pvclock_update(d->vcpu[i]);
}
