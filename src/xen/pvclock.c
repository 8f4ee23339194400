/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time as the guest computes it: system_time + ((tsc - tsc_timestamp) scaled). The record anchors at system time 0, so
 * the guest's arithmetic is the same as tsc_to_ns and both agree to the nanosecond.
 */
#include <torii/atomic.h>
#include <torii/hvm.h>
#include <torii/lib.h>
#include <torii/time.h>

#include "area.h"

#define NS_PER_SEC 1000000000ul

static void time_info_now(struct vcpu *v, struct vcpu_time_info *t)
{
    u64 offset = hvm && v->hvm ? hvm->get_tsc_offset(v) : 0;

    *t = (struct vcpu_time_info){
        .tsc_timestamp = tsc_scale.tsc_at_boot + offset,
        .system_time = 0,
        .tsc_to_system_mul = tsc_scale.mul,
        .tsc_shift = tsc_scale.shift,
        .flags = tsc_scale.stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
    };
}

/* ABI: version is odd while the rest changes. */
static void publish(struct vcpu_time_info *to, const struct vcpu_time_info *t)
{
    u32 version = READ_ONCE(to->version) | 1;

    atomic_store(&to->version, version);
    to->tsc_timestamp = t->tsc_timestamp;
    to->system_time = t->system_time;
    to->tsc_to_system_mul = t->tsc_to_system_mul;
    to->tsc_shift = t->tsc_shift;
    to->flags = t->flags;
    atomic_store(&to->version, version + 1);
}

/* The secondary area may straddle a page, so its fields are written as bytes; only the version's order matters. */
static void publish_secondary(struct vcpu *v, struct vcpu_time_info *t)
{
    u32 version = v->info->time.version;

    t->version = version - 1;
    area_write(v->time_page, v->time_offset, 0, &t->version, sizeof(t->version));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    area_write(v->time_page, v->time_offset, sizeof(t->version), (u8 *)t + sizeof(t->version),
               sizeof(*t) - sizeof(t->version));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    area_write(v->time_page, v->time_offset, 0, &version, sizeof(version));
}

void pvclock_update(struct vcpu *v)
{
    struct shared_info *shared = v->d->shared_info;
    struct vcpu_time_info t;

    time_info_now(v, &t);
    guest_access_begin();
    publish(&v->info->time, &t);
    if (v->info_registered && v->id < XEN_LEGACY_MAX_VCPUS)
        publish(&shared->vcpu_info[v->id].time, &t);
    publish_secondary(v, &t);
    guest_access_end();
}

void pvclock_update_wall_clock(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    u32 version = READ_ONCE(s->wc_version) | 1;
    u64 utc = wall_clock_at_boot(), sec = utc / NS_PER_SEC;

    atomic_store(&s->wc_version, version);
    s->wc_sec = (u32)sec;
    s->wc_sec_hi = (u32)(sec >> 32);
    s->wc_nsec = (u32)(utc % NS_PER_SEC);
    atomic_store(&s->wc_version, version + 1);
}
