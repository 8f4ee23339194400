/* SPDX-License-Identifier: BSD-2-Clause */
/* Error numbers are the ABI's (Linux numbering); functions return them negated: -XEN_EINVAL. */
#ifndef TORII_ERRNO_H
#define TORII_ERRNO_H

#include <xen/errno.h>

#endif
