/* SPDX-License-Identifier: BSD-2-Clause */
/* Torii's own memory: where it lives, its page tables, the frame allocator's start-up. */
#ifndef TORII_MM_H
#define TORII_MM_H

#include <torii/boot_info.h>
#include <torii/types.h>

/*
 * Virtual layout (all NX but the image's text):
 *   ffff8000_00000000  direct map of all RAM
 *   ffffc000_00000000  vmap: device registers, firmware tables, stacks between guard pages
 *   ffffffff_80200000  the image: text R-X, rodata R--, data RW-
 */
#define DIRECT_MAP_BASE 0xffff800000000000ul
#define VMAP_BASE       0xffffc00000000000ul
#define VMAP_SIZE       (64ul << 30)
#define IMAGE_VIRT      0xffffffff80000000ul

/* The contiguous range Torii keeps for itself: image, then heap. */
struct torii_region {
    paddr_t start;
    u64 size;
};
extern struct torii_region torii_region;

/*
 * Boot, once: choose a home for Torii at the top of RAM below 4 GiB clear of `keep` (modules, boot structures), build
 * page tables, move there. On return the low 4 GiB are no longer identity mapped. load_offset: runtime minus link address.
 */
void mm_init(u64 load_offset);

/* Page table that also maps low memory 1:1, for processors coming out of real mode. */
paddr_t mm_trampoline_cr3(void);
u64 mm_kernel_cr3(void);

/* A stack of `pages` with an unmapped page on either side: its lowest address, or NULL. */
void *stack_alloc(unsigned pages);

/* Frame allocator: note that RAM exists (all frames taken at first); frames in use by nobody are then released. */
void frames_init(paddr_t highest, void *bitmap);
size_t frames_bitmap_bytes(paddr_t highest);
void frames_release_range(paddr_t start, paddr_t end);

/* x86-64 page-table bits. */
#define PTE_P      BIT(0)
#define PTE_W      BIT(1)
#define PTE_U      BIT(2)
#define PTE_PWT    BIT(3)
#define PTE_PCD    BIT(4)
#define PTE_PS     BIT(7)
#define PTE_G      BIT(8)
#define PTE_NX     BIT(63)
#define PTE_ADDR   0x000ffffffffff000ull

#endif
