/* SPDX-License-Identifier: BSD-2-Clause */
/* memory_op: the sub-op is in the low bits of the first register, progress of a preempted call above it. */
#ifndef TORII_XEN_MEMORY_OP_H
#define TORII_XEN_MEMORY_OP_H

#include "hcall.h"

#define MEMOP_EXTENT_SHIFT 6
#define MEMOP_CMD_MASK     ((1u << MEMOP_EXTENT_SHIFT) - 1)

/* increase_reservation, decrease_reservation, populate_physmap. */
long memory_reservation(struct hcall *c, unsigned cmd, u64 start);

/* add_to_physmap, its batch form, remove_from_physmap, acquire_resource. */
long memory_add_to_physmap(struct hcall *c);
long memory_add_to_physmap_batch(struct hcall *c, u64 start);
long memory_remove_from_physmap(const struct hcall *c);
long memory_acquire_resource(struct hcall *c, u64 start);

#endif
