/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakes.h"

char fake_log_last[512];
unsigned fake_log_count;
unsigned fake_locks_held;
int fake_alloc_fail_after = -1;
unsigned fake_allocs_live;

void log_printf(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake_log_last, sizeof(fake_log_last), fmt, ap);
    va_end(ap);
    fake_log_count++;
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    abort();
}

void spin_lock_init(spinlock_t *lock, enum lock_class cls)
{
    *lock = (spinlock_t){.class = cls};
}

/* One thread runs a test, so a lock that is not free would never become free. */
void spin_lock(spinlock_t *lock)
{
    if (lock->next != lock->owner)
        panic("spin_lock: already held (class %u)\n", lock->class);
    lock->next++;
    fake_locks_held++;
}

bool spin_trylock(spinlock_t *lock)
{
    if (lock->next != lock->owner)
        return false;
    spin_lock(lock);
    return true;
}

void spin_unlock(spinlock_t *lock)
{
    if (lock->next == lock->owner)
        panic("spin_unlock: not held (class %u)\n", lock->class);
    lock->owner++;
    fake_locks_held--;
}

static bool alloc_fails(void)
{
    if (fake_alloc_fail_after > 0) {
        fake_alloc_fail_after--;
        return false;
    }
    return fake_alloc_fail_after == 0;
}

void *xzalloc(size_t bytes)
{
    if (alloc_fails())
        return NULL;
    fake_allocs_live++;
    return calloc(1, bytes ? bytes : 1);
}

void xfree(void *p)
{
    if (p)
        fake_allocs_live--;
    free(p);
}

/* Blocks of several frames that are being given back frame by frame; host memory goes as a whole. */
static struct block {
    struct block *next;
    u8 *base;
    unsigned order, live;
} *blocks;

void *frames_alloc(unsigned order)
{
    struct block *b;
    void *p;

    if (alloc_fails())
        return NULL;
    p = aligned_alloc(PAGE_SIZE << order, PAGE_SIZE << order);
    memset(p, 0, PAGE_SIZE << order);
    fake_allocs_live++;
    if (order) {
        b = malloc(sizeof(*b));
        *b = (struct block){blocks, p, order, 1u << order};
        blocks = b;
    }
    return p;
}

void frames_free(void *p, unsigned order)
{
    struct block **link = &blocks, *b;

    if (!p)
        return;
    while ((b = *link) && ((u8 *)p < b->base || (u8 *)p >= b->base + (PAGE_SIZE << b->order)))
        link = &b->next;
    if (b && b->live < 1u << order)
        panic("frames_free: more than was allocated\n");
    if (b && (b->live -= 1u << order) != 0)
        return;
    fake_allocs_live--;
    if (!b) {
        free(p);
        return;
    }
    free(b->base);
    *link = b->next;
    free(b);
}
