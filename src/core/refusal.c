/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/lib.h>
#include <torii/refusal.h>

int refuse(struct refusal *why, int error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->line, sizeof(why->line), fmt, ap);
    va_end(ap);
    return error;
}
