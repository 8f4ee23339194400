/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory type range registers of the physical processors. Dom0 sees a copy of its own (src/hvm/msr.c). */
#ifndef TORII_MTRR_H
#define TORII_MTRR_H

#include <torii/types.h>

/* Note the memory types of the calling CPU, which is the boot CPU. */
void mtrr_save(void);
/* Give the calling CPU those, if it has others: true. Interrupts disabled. */
bool mtrr_restore(void);

/* --- src/machine/caches.c: the calling CPU without caches and without old translations, and as it was before --- */
struct cache_state {
    u64 cr0, cr4;
};
void caches_off(struct cache_state *before);
void caches_on(const struct cache_state *before);

#endif
