/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for Torii itself: whole frames, and small objects. All memory handed out is zeroed. */
#ifndef TORII_ALLOC_H
#define TORII_ALLOC_H

#include <torii/types.h>

/*
 * 2^order contiguous frames aligned to their size, zeroed, as a pointer into the direct map; NULL when there are none.
 * Taken from any free RAM Torii holds.
 */
void *frames_alloc(unsigned order);
void frames_free(void *p, unsigned order);

/* Take exactly this machine frame if it is free RAM that Torii holds: zeroed; false if not. */
bool frame_claim(mfn_t mfn);

/* Give RAM to the allocator (boot, ballooning). The frame's content is dropped. */
void frame_release(mfn_t mfn);

/* Free frames that Torii holds. */
u64 frames_free_count(void);

/* Direct map of all RAM. mfn_to_virt is valid for RAM frames only. */
#ifdef TORII_HOST
void *paddr_to_virt(paddr_t pa);
#else
/* Where it begins; 0 while the firmware's identity mapping is in use. */
extern u64 direct_map;

static inline void *paddr_to_virt(paddr_t pa)
{
    return (void *)(direct_map + pa);
}
#endif
paddr_t virt_to_paddr(const void *p);
static inline void *mfn_to_virt(mfn_t mfn)
{
    return paddr_to_virt(mfn << PAGE_SHIFT);
}
static inline mfn_t virt_to_mfn(const void *p)
{
    return virt_to_paddr(p) >> PAGE_SHIFT;
}

/* Map machine addresses (device registers, firmware tables) for Torii; uncached if `uncached`. NULL on exhaustion. */
void *machine_map(paddr_t pa, size_t bytes, bool uncached);
void machine_unmap(void *p, size_t bytes);
/*
 * The same for pa's page alone: uncached, until the calling CPU asks for another. Interrupts disabled, and not from a
 * handler.
 */
volatile void *machine_window(paddr_t pa);
/* The page of virtual addresses that a CPU needs for it, or NULL. */
void *machine_window_create(void);

/* Small objects, zeroed, 16-byte aligned; NULL when there is no memory. xfree(NULL) is harmless. */
void *xzalloc(size_t bytes);
void xfree(void *p);

/* Small objects that are handed out, and frames all of them and the free slots beside them lie in. */
void heap_count(u64 *objects, u64 *pages);

/*
 * Asked by each of the above before anything else, if set: true makes it fail. Debug builds set it for the option
 * fail_alloc=N (src/mm/alloc_fault.c).
 */
extern bool (*alloc_fault)(void);
/* Read the option. `cmdline` is Torii's; before the first allocation. */
void alloc_fault_init(const char *cmdline);
/* Calls of the allocators so far, 0 where they are not counted. */
u64 alloc_count(void);

#endif
