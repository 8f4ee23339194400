/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine memory for tests: regions at addresses, reached through machine_map. */
#ifndef TORII_TESTS_FAKE_MEMORY_H
#define TORII_TESTS_FAKE_MEMORY_H

#include <torii/types.h>

/* Forget all regions. */
void fake_memory_reset(void);
/* bytes at p are machine memory from pa on. */
void fake_memory_add(paddr_t pa, void *p, size_t bytes);
/* Where pa .. pa + bytes - 1 is, or NULL if not all of it is there. */
void *fake_memory_at(paddr_t pa, size_t bytes);

/* Mappings made and not undone. */
extern unsigned fake_maps_live;
/* machine_map fails from the n-th call on; negative: never. */
extern int fake_map_fail_after;

#endif
