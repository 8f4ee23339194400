/* SPDX-License-Identifier: BSD-2-Clause */
/* How long each vCPU ran, waited, slept; and the guest's copy of it. */
#include <torii/atomic.h>
#include <torii/lib.h>
#include <torii/time.h>

#include "area.h"
#include "compat.h"
#include "vcpu_op.h"

/* The byte of state_entry_time that holds XEN_RUNSTATE_UPDATE. */
#define UPDATE_BYTE 7
#define UPDATE_FLAG ((u8)(XEN_RUNSTATE_UPDATE >> 56))

static void write_area(struct vcpu *v, size_t at, const void *src, size_t bytes)
{
    area_write(v->runstate_page, v->runstate_offset, at, src, bytes);
}

/* rs in the layout the guest registered. Returns its size; *entry is the offset of state_entry_time. */
static size_t layout(const struct vcpu *v, const struct vcpu_runstate_info *rs, u8 image[sizeof(*rs)], size_t *entry)
{
    struct compat_vcpu_runstate_info narrow;

    if (!v->runstate_compat) {
        memcpy(image, rs, sizeof(*rs));
        *entry = offsetof(struct vcpu_runstate_info, state_entry_time);
        return sizeof(*rs);
    }
    compat_runstate(&narrow, rs);
    memcpy(image, &narrow, sizeof(narrow));
    *entry = offsetof(struct compat_vcpu_runstate_info, state_entry_time);
    return sizeof(narrow);
}

/* The guest's copy becomes rs; flagged while it changes, if the guest asked for that. */
static void publish(struct vcpu *v, const struct vcpu_runstate_info *rs)
{
    bool flagged = v->d->vm_assist & BIT(VMASST_TYPE_runstate_update_flag);
    u8 image[sizeof(*rs)], last;
    size_t entry, size;

    if (!READ_ONCE(v->runstate_page[0]))
        return;
    guest_access_begin();
    size = layout(v, rs, image, &entry);
    last = image[entry + UPDATE_BYTE];
    if (flagged) {
        image[entry + UPDATE_BYTE] |= UPDATE_FLAG;
        write_area(v, entry + UPDATE_BYTE, &image[entry + UPDATE_BYTE], 1);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    write_area(v, 0, image, size);
    if (flagged) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        write_area(v, entry + UPDATE_BYTE, &last, 1);
    }
    guest_access_end();
}

/*
 * The update flag in the record itself is its lock: v's own CPU changes it, another may be publishing it to an area just
 * registered. Returns state_entry_time without the flag.
 */
static u64 record_lock(struct vcpu *v)
{
    u64 entry = atomic_load(&v->runstate.state_entry_time) & ~XEN_RUNSTATE_UPDATE;

    while (!atomic_cmpxchg(&v->runstate.state_entry_time, &entry, entry | XEN_RUNSTATE_UPDATE)) {
        entry &= ~XEN_RUNSTATE_UPDATE;
        cpu_relax();
    }
    return entry;
}

/* The guest's copy is written before the record is unlocked, so copies appear in order. */
static void record_unlock(struct vcpu *v, u64 entry)
{
    struct vcpu_runstate_info rs = v->runstate;

    rs.state_entry_time = entry;
    publish(v, &rs);
    atomic_store(&v->runstate.state_entry_time, entry);
}

void runstate_publish(struct vcpu *v)
{
    record_unlock(v, record_lock(v));
}

void runstate_change(struct vcpu *v, int state)
{
    u64 since = record_lock(v), now = now_ns();

    if (state == RUNSTATE_running)
        v->initialised = true;
    if (now > since)
        v->runstate.time[v->runstate.state] += now - since;
    v->runstate.state = state;
    record_unlock(v, max(now, since));
}

void runstate_read(const struct vcpu *v, struct vcpu_runstate_info *rs)
{
    u64 before, now;

    do {
        before = atomic_load(&v->runstate.state_entry_time);
        *rs = v->runstate;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        cpu_relax();
    } while ((before & XEN_RUNSTATE_UPDATE) || atomic_load(&v->runstate.state_entry_time) != before);
    rs->state_entry_time = before;
    now = now_ns();
    if (now > before)
        rs->time[rs->state] += now - before;
}
