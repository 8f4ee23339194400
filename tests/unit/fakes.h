/* SPDX-License-Identifier: BSD-2-Clause */
/* What every unit test needs from the rooms below: a log that is remembered, locks that check themselves, memory. */
#ifndef TORII_TESTS_FAKES_H
#define TORII_TESTS_FAKES_H

#include <torii/alloc.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/types.h>

/* The last message given to log_printf, and how many there were. */
extern char fake_log_last[512];
extern unsigned fake_log_count;

/* Spinlocks held now. A test that leaves one held has found a defect. */
extern unsigned fake_locks_held;

/* The next n allocations succeed and then all fail; negative: none ever fails. Applies to xzalloc and frames_alloc. */
extern int fake_alloc_fail_after;

/* Allocations not yet freed. */
extern unsigned fake_allocs_live;

#endif
