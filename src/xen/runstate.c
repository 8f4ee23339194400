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

/*
 * v->runstate in the layout the guest registered, with state_entry_time's update flag as `updating` says. Returns its size;
 * *entry is the offset of state_entry_time.
 */
static size_t layout(const struct vcpu *v, bool updating, u8 image[sizeof(struct vcpu_runstate_info)], size_t *entry)
{
    struct vcpu_runstate_info rs = v->runstate;
    struct compat_vcpu_runstate_info narrow;

    if (updating)
        rs.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (!v->runstate_compat) {
        memcpy(image, &rs, sizeof(rs));
        *entry = offsetof(struct vcpu_runstate_info, state_entry_time);
        return sizeof(rs);
    }
    compat_runstate(&narrow, &rs);
    memcpy(image, &narrow, sizeof(narrow));
    *entry = offsetof(struct compat_vcpu_runstate_info, state_entry_time);
    return sizeof(narrow);
}

void runstate_publish(struct vcpu *v)
{
    bool flagged = v->d->vm_assist & BIT(VMASST_TYPE_runstate_update_flag);
    u8 image[sizeof(struct vcpu_runstate_info)], last;
    size_t entry, size;

    if (!READ_ONCE(v->runstate_page[0]))
        return;
    guest_access_begin();
    size = layout(v, flagged, image, &entry);
    if (flagged) {
        last = image[entry + UPDATE_BYTE];
        write_area(v, entry + UPDATE_BYTE, &last, 1);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    write_area(v, 0, image, size);
    if (flagged) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        last = image[entry + UPDATE_BYTE] & (u8)~UPDATE_FLAG;
        write_area(v, entry + UPDATE_BYTE, &last, 1);
    }
    guest_access_end();
}

/* The record itself is flagged while it changes, for runstate_read on another CPU. */
void runstate_change(struct vcpu *v, int state)
{
    struct vcpu_runstate_info *rs = &v->runstate;
    u64 now = now_ns(), since = rs->state_entry_time;

    if (state == RUNSTATE_running)
        v->initialised = true;
    atomic_store(&rs->state_entry_time, since | XEN_RUNSTATE_UPDATE);
    if (now > since)
        rs->time[rs->state] += now - since;
    rs->state = state;
    atomic_store(&rs->state_entry_time, now);
    runstate_publish(v);
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
