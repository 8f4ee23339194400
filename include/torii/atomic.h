/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic bit and word operations, sequentially consistent. */
#ifndef TORII_ATOMIC_H
#define TORII_ATOMIC_H

#include <torii/types.h>

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define atomic_load(p) __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define atomic_store(p, v) __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define atomic_xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define atomic_or(p, v) __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define atomic_and(p, v) __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)
#define atomic_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
/* True when *p held *old and now holds new; otherwise *old is updated to what *p held. */
#define atomic_cmpxchg(p, old, new)                                                                \
    __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/*
 * Single instructions, not compare-and-exchange loops: a guest that keeps writing to the same word cannot make one
 * take long. Host builds also touch the word in C, for the sanitizers.
 */
#ifdef TORII_HOST
#define ATOMIC_TOUCH(p) ((void)READ_ONCE(*(p)))
#else
#define ATOMIC_TOUCH(p) ((void)0)
#endif
#define ATOMIC_BIT_OP(insn, word, n)                                                                                   \
    ({                                                                                                                 \
        bool old_;                                                                                                     \
        ATOMIC_TOUCH(word);                                                                                            \
        asm volatile("lock " insn " %2, %1" : "=@ccc"(old_), "+m"(*(word)) : "r"((__typeof__(*(word)))(n)) : "memory"); \
        old_;                                                                                                          \
    })

/* Bit n of a u32 or u64 array. The test_and_ forms return the bit's old value. */
static inline bool test_bit32(const u32 *map, unsigned n)
{
    return READ_ONCE(map[n / 32]) >> (n % 32) & 1;
}

static inline bool test_and_set_bit32(u32 *map, unsigned n)
{
    return ATOMIC_BIT_OP("btsl", &map[n / 32], n % 32);
}

static inline bool test_and_clear_bit32(u32 *map, unsigned n)
{
    return ATOMIC_BIT_OP("btrl", &map[n / 32], n % 32);
}

static inline bool test_bit64(const u64 *map, unsigned n)
{
    return READ_ONCE(map[n / 64]) >> (n % 64) & 1;
}

static inline bool test_and_set_bit64(u64 *map, unsigned n)
{
    return ATOMIC_BIT_OP("btsq", &map[n / 64], n % 64);
}

static inline bool test_and_clear_bit64(u64 *map, unsigned n)
{
    return ATOMIC_BIT_OP("btrq", &map[n / 64], n % 64);
}

static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}

#endif
