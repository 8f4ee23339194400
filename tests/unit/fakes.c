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

void *frames_alloc(unsigned order)
{
    void *p;

    if (alloc_fails())
        return NULL;
    p = aligned_alloc(PAGE_SIZE << order, PAGE_SIZE << order);
    memset(p, 0, PAGE_SIZE << order);
    fake_allocs_live++;
    return p;
}

void frames_free(void *p, unsigned order)
{
    if (p)
        fake_allocs_live--;
    free(p);
}
