/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/atomic.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/percpu.h>

/* A lock of a class may be taken only when no lock of the same or an inner class is held by this CPU. */
static void order_acquire(const spinlock_t *lock)
{
#if TORII_DEBUG
    struct pcpu *c = this_cpu();

    if (c->locks_held >> lock->class)
        panic("lock order: class %u wanted while holding classes %#x\n", lock->class, c->locks_held);
    c->locks_held |= 1u << lock->class;
#else
    (void)lock;
#endif
}

static void order_release(const spinlock_t *lock)
{
#if TORII_DEBUG
    this_cpu()->locks_held &= ~(1u << lock->class);
#else
    (void)lock;
#endif
}

void spin_lock_init(spinlock_t *lock, enum lock_class cls)
{
    *lock = (spinlock_t)SPINLOCK(cls);
}

void spin_lock(spinlock_t *lock)
{
    u16 ticket;

    order_acquire(lock);
    ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
        cpu_relax();
}

bool spin_trylock(spinlock_t *lock)
{
    u16 owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED), expected = owner;

    if (!__atomic_compare_exchange_n(&lock->next, &expected, (u16)(owner + 1), false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
#if TORII_DEBUG
    this_cpu()->locks_held |= 1u << lock->class;
#endif
    return true;
}

void spin_unlock(spinlock_t *lock)
{
    order_release(lock);
    __atomic_store_n(&lock->owner, (u16)(lock->owner + 1), __ATOMIC_RELEASE);
}
