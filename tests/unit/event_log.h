/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened, in order: words, separated by blanks. Fakes tell it, tests compare it. */
#ifndef TORII_TESTS_EVENT_LOG_H
#define TORII_TESTS_EVENT_LOG_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fakes.h"

static char events[4096];

static inline void printf_like(1, 2) happen(const char *fmt, ...)
{
    char word[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(word, sizeof(word), fmt, ap);
    va_end(ap);
    assert_true(strlen(events) + strlen(word) + 2 < sizeof(events));
    if (events[0])
        strcat(events, " ");
    strcat(events, word);
    assert_int_equal(fake_locks_held, 0);
}

/* And starts over. */
static inline void assert_events(const char *expected)
{
    assert_string_equal(events, expected);
    events[0] = '\0';
}

#endif
