/* SPDX-License-Identifier: BSD-2-Clause */
/* Why something given to Torii at boot cannot be used, as one line for whoever has to put it right. */
#ifndef TORII_REFUSAL_H
#define TORII_REFUSAL_H

#include <torii/types.h>

struct refusal {
    char line[192]; /* NUL-terminated, without a newline; empty when nothing was refused */
};

/* Write the line and return error (a negative errno), so that a check reads `return refuse(why, -XEN_EINVAL, ...)`. */
int refuse(struct refusal *why, int error, const char *fmt, ...) printf_like(3, 4);

#endif
