/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations that fail on purpose, in debug builds: fail_alloc=N lets the N-th call of an allocator fail, fail_alloc=N+
 * that and all after it. What fails is told with a backtrace, so that what comes of it can be laid at its door.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/cmdline.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/traps.h>

#if TORII_DEBUG

static u64 calls, fail_first, fail_last;

static bool this_one_fails(void)
{
    u64 n = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);

    if (likely(n < fail_first || n > fail_last))
        return false;
    if (n == fail_first) {
        log_info("fail_alloc: allocation %lu fails\n", n);
        backtrace((u64)__builtin_return_address(0), (u64)__builtin_frame_address(0));
    }
    return true;
}

void alloc_fault_init(const char *cmdline)
{
    char value[24], *end;

    fail_first = ~0ull;
    if (cmdline_get(cmdline, "fail_alloc", value, sizeof(value))) {
        fail_first = strtoul(value, &end, 0);
        fail_last = *end == '+' ? ~0ull : fail_first;
    }
    alloc_fault = this_one_fails;
}

u64 alloc_count(void)
{
    return READ_ONCE(calls);
}

#else

void alloc_fault_init(const char *cmdline)
{
    (void)cmdline;
}

u64 alloc_count(void)
{
    return 0;
}

#endif
