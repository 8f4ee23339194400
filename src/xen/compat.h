/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What 32-bit callers pass where their layout differs from the 64-bit one: xen_ulong_t, xen_pfn_t and guest handles are
 * 32 bits wide, and 64-bit members are aligned to 4 bytes. Structures that are not here are the same in both.
 */
#ifndef TORII_XEN_COMPAT_H
#define TORII_XEN_COMPAT_H

#include <torii/types.h>

#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

typedef u32 compat_ulong_t;
typedef u32 compat_pfn_t;
typedef u32 compat_handle_t;
typedef u64 __attribute__((aligned(4))) compat_u64;

struct compat_multicall_entry {
    compat_ulong_t op, result, args[6];
};

struct compat_memory_reservation {
    compat_handle_t extent_start;
    compat_ulong_t nr_extents;
    u32 extent_order, mem_flags;
    domid_t domid;
};

struct compat_add_to_physmap {
    domid_t domid;
    u16 size;
    u32 space;
    compat_ulong_t idx;
    compat_pfn_t gpfn;
};

struct compat_add_to_physmap_batch {
    domid_t domid;
    u16 space, size, extra;
    compat_handle_t idxs, gpfns, errs;
};

struct compat_remove_from_physmap {
    domid_t domid;
    compat_pfn_t gpfn;
};

struct compat_memory_map {
    u32 nr_entries;
    compat_handle_t buffer;
};

struct compat_mem_acquire_resource {
    domid_t domid;
    u16 type;
    u32 id, nr_frames, pad;
    compat_u64 frame;
    compat_handle_t frame_list;
};

struct compat_vcpu_runstate_info {
    s32 state;
    compat_u64 state_entry_time;
    compat_u64 time[4];
};

struct compat_vcpu_set_singleshot_timer {
    compat_u64 timeout_abs_ns;
    u32 flags;
};

struct compat_sched_poll {
    compat_handle_t ports;
    u32 nr_ports;
    compat_u64 timeout;
};

struct compat_platform_parameters {
    compat_ulong_t virt_start;
};

struct compat_gnttab_setup_table {
    domid_t dom;
    u32 nr_frames;
    s16 status;
    compat_handle_t frame_list;
};

struct compat_gnttab_transfer {
    compat_pfn_t mfn;
    domid_t domid;
    grant_ref_t ref;
    s16 status;
};

struct compat_gnttab_copy_ptr {
    u32 ref_or_gmfn;
    domid_t domid;
    u16 offset;
};

struct compat_gnttab_copy {
    struct compat_gnttab_copy_ptr source, dest;
    u16 len, flags;
    s16 status;
};

struct compat_gnttab_get_status_frames {
    u32 nr_frames;
    domid_t dom;
    s16 status;
    compat_handle_t frame_list;
};

_Static_assert(sizeof(struct compat_multicall_entry) == 32, "32-bit ABI");
_Static_assert(sizeof(struct compat_memory_reservation) == 20, "32-bit ABI");
_Static_assert(sizeof(struct compat_add_to_physmap) == 16, "32-bit ABI");
_Static_assert(sizeof(struct compat_add_to_physmap_batch) == 20, "32-bit ABI");
_Static_assert(sizeof(struct compat_mem_acquire_resource) == 28, "32-bit ABI");
_Static_assert(sizeof(struct compat_vcpu_runstate_info) == 44, "32-bit ABI");
_Static_assert(sizeof(struct compat_vcpu_set_singleshot_timer) == 12, "32-bit ABI");
_Static_assert(sizeof(struct compat_sched_poll) == 16, "32-bit ABI");
_Static_assert(sizeof(struct compat_gnttab_setup_table) == 16, "32-bit ABI");
_Static_assert(sizeof(struct compat_gnttab_copy) == 24, "32-bit ABI");

/*
 * Read a structure from the caller's memory in the caller's layout. Each returns 0 or -XEN_EFAULT; the 64-bit form is
 * filled completely.
 */
struct hcall;
int compat_read_reservation(const struct hcall *c, u64 gva, struct xen_memory_reservation *r);
int compat_read_add_to_physmap(const struct hcall *c, u64 gva, struct xen_add_to_physmap *a);
int compat_read_add_to_physmap_batch(const struct hcall *c, u64 gva, struct xen_add_to_physmap_batch *b);
int compat_read_remove_from_physmap(const struct hcall *c, u64 gva, struct xen_remove_from_physmap *r);
int compat_read_memory_map(const struct hcall *c, u64 gva, struct xen_memory_map *m);
int compat_read_acquire_resource(const struct hcall *c, u64 gva, struct xen_mem_acquire_resource *r);
int compat_read_singleshot(const struct hcall *c, u64 gva, struct vcpu_set_singleshot_timer *s);
int compat_read_poll(const struct hcall *c, u64 gva, struct sched_poll *p);

/* The runstate record in the 32-bit layout. */
void compat_runstate(struct compat_vcpu_runstate_info *to, const struct vcpu_runstate_info *from);

#endif
