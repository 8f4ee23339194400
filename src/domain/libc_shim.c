/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What zlib, liblzma, libzstd and liblz4 want from a C library besides mem*: an allocator. The decoders get it through
 * each library's own hooks; malloc, calloc and free exist because other paths of the same object files name them.
 */
#include <torii/lib.h>
#include <torii/libc_arena.h>

#define ARENA_ALIGN 16ul

/* In front of each piece. */
struct piece {
    size_t below; /* offset of the piece below, to step back over it */
    bool in_use;
} __attribute__((aligned(ARENA_ALIGN)));

#define NO_PIECE (~(size_t)0)

static struct {
    u8 *base;
    size_t bytes, used, peak;
    size_t top; /* offset of the topmost piece, or NO_PIECE */
} arena = {.top = NO_PIECE};

void libc_arena_set(void *base, size_t bytes)
{
    size_t skip = -(uintptr_t)base & (ARENA_ALIGN - 1);

    skip = min(skip, bytes);
    arena.base = base ? (u8 *)base + skip : NULL;
    arena.bytes = bytes - skip;
    arena.used = arena.peak = 0;
    arena.top = NO_PIECE;
}

void *libc_arena_alloc(size_t bytes)
{
    struct piece *p;
    size_t need;

    if (__builtin_add_overflow(bytes, sizeof(*p) + ARENA_ALIGN - 1, &need))
        return NULL;
    need &= ~(ARENA_ALIGN - 1);
    if (need > arena.bytes - arena.used)
        return NULL;
    p = (struct piece *)(arena.base + arena.used);
    p->below = arena.top;
    p->in_use = true;
    arena.top = arena.used;
    arena.used += need;
    arena.peak = max(arena.peak, arena.used);
    return p + 1;
}

void libc_arena_free(void *ptr)
{
    if (!ptr)
        return;
    ((struct piece *)ptr - 1)->in_use = false;
    while (arena.top != NO_PIECE) {
        struct piece *p = (struct piece *)(arena.base + arena.top);

        if (p->in_use)
            return;
        arena.used = arena.top;
        arena.top = p->below;
    }
}

size_t libc_arena_peak(void)
{
    return arena.peak;
}

#ifndef TORII_HOST
/* Prototypes are <stdlib.h>'s, which a freestanding program does not include. */
void *malloc(size_t bytes);
void *calloc(size_t n, size_t bytes);
void free(void *p);

void *malloc(size_t bytes)
{
    return libc_arena_alloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    size_t total;
    void *p;

    if (__builtin_mul_overflow(n, bytes, &total))
        return NULL;
    p = libc_arena_alloc(total);
    if (p)
        memset(p, 0, total);
    return p;
}

void free(void *p)
{
    libc_arena_free(p);
}
#endif
