/* SPDX-License-Identifier: BSD-2-Clause */
/* Basic types and the few macros every room uses. */
#ifndef TORII_TYPES_H
#define TORII_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 paddr_t; /* machine address, bytes */
typedef u64 gpa_t;   /* guest-physical address, bytes */
typedef u64 mfn_t;   /* machine frame number */
typedef u64 gfn_t;   /* guest frame number */

#define INVALID_MFN (~(mfn_t)0)
#define INVALID_GFN (~(gfn_t)0)

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define SIZE_2M (1ul << 21)
#define SIZE_1G (1ul << 30)

#define BIT(n) (1ull << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
/* What CPUID answers. */
struct cpuid_regs {
    u32 eax, ebx, ecx, edx;
};

#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#define min(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define max(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noreturn_fn __attribute__((noreturn))
/* Kept out of a path whose every instruction counts: what is called from it at times, and what is hardly ever. */
#define noinline_fn __attribute__((noinline))
#define cold_fn __attribute__((noinline, cold))
#define packed __attribute__((packed))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
