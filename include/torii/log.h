/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: every line goes to the console at or below the console's level, and to the log ring. */
#ifndef TORII_LOG_H
#define TORII_LOG_H

#include <torii/types.h>

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Format one message (a complete line ends in '\n') and emit it. Callable from any context. */
void log_printf(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_err(...) log_printf(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_printf(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_printf(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_printf(LOG_DEBUG, __VA_ARGS__)

/* Stop the machine after printing registers, backtrace and the CPU's last exits. For Torii's own faults only. */
void noreturn_fn panic(const char *fmt, ...) printf_like(1, 2);

#define assert(cond)                                                                               \
    do {                                                                                           \
        if (unlikely(!(cond)))                                                                     \
            panic("assertion failed: %s (%s:%d)\n", #cond, __FILE__, __LINE__);                    \
    } while (0)

#endif
