/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "fake_core.h"

#define LOCKS_MAX 16

char fake_log[16384];
unsigned fake_locks_held;
u64 fake_now;
struct pcpu *pcpus[MAX_CPUS];
unsigned pcpu_nr;

static spinlock_t *held[LOCKS_MAX];

void fake_log_clear(void)
{
    fake_log[0] = '\0';
}

void log_printf(enum log_level level, const char *fmt, ...)
{
    size_t n = strlen(fake_log);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake_log + n, sizeof(fake_log) - n, fmt, ap);
    va_end(ap);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    mock_assert(0, fmt, __FILE__, __LINE__);
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
        fail_msg("spin_lock: already held (class %u)", lock->class);
    if (fake_locks_held && held[fake_locks_held - 1]->class >= lock->class)
        fail_msg("spin_lock: class %u inside class %u", lock->class, held[fake_locks_held - 1]->class);
    lock->next++;
    held[fake_locks_held++] = lock;
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
    if (!fake_locks_held || held[fake_locks_held - 1] != lock)
        fail_msg("spin_unlock: not the last lock taken (class %u)", lock->class);
    lock->owner++;
    fake_locks_held--;
}

void fake_locks_break(void)
{
    while (fake_locks_held)
        spin_unlock(held[fake_locks_held - 1]);
}

u64 now_ns(void)
{
    return fake_now;
}

void fake_this_cpu(struct pcpu *c)
{
    c->self = c;
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, c))
        abort();
}

u64 fake_random(u64 *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}
