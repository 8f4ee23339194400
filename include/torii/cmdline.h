/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torii's command line, read as Xen reads its own: options separated by spaces, `name=value`, or a boolean as `name` or
 * `no-name`. The last occurrence wins, a bare "--" ends the options, double quotes keep spaces inside a value, and '-'
 * and '_' are the same in names.
 */
#ifndef TORII_CMDLINE_H
#define TORII_CMDLINE_H

#include <torii/types.h>

/*
 * The value of option `name` to buf, NUL-terminated and cut to n bytes: "" for a bare `name`, "no" for `no-name`.
 * False, with buf untouched, when the option is not there.
 */
bool cmdline_get(const char *cmdline, const char *name, char *buf, size_t n);

/* A boolean option: `name`, `name=yes|on|true|enable|1`, `no-name`, `name=no|off|false|disable|0`; else the fallback.
 */
bool cmdline_bool(const char *cmdline, const char *name, bool fallback);

/*
 * A size in bytes: decimal or 0x hexadecimal with suffix B, K, M, G or T in either case; KiB without one, as Xen has
 * it. *end is where reading stopped, and is s itself when there is no number or it does not fit in 64 bits.
 */
u64 parse_size(const char *s, const char **end);

#endif
