/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of the decompression libraries: one caller-given block, handed out from the bottom up. Freeing the topmost
 * piece gives it back, other pieces come back with the next libc_arena_set. Boot only, one user at a time.
 */
#ifndef TORII_LIBC_ARENA_H
#define TORII_LIBC_ARENA_H

#include <torii/types.h>

/* Start afresh with the block [base, base + bytes); NULL and 0 to have every allocation fail. */
void libc_arena_set(void *base, size_t bytes);
/* 16-byte aligned and not cleared; NULL when it does not fit. */
void *libc_arena_alloc(size_t bytes);
void libc_arena_free(void *p);
/* The most bytes in use since libc_arena_set. */
size_t libc_arena_peak(void);

#endif
