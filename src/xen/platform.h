/* SPDX-License-Identifier: BSD-2-Clause */
/* platform_op: what the files about it share. */
#ifndef TORII_XEN_PLATFORM_H
#define TORII_XEN_PLATFORM_H

#include <xen/platform.h>

#include "hcall.h"

/* Newer than the 4.17 headers: the payload is a dom0_vga_console_info, the result its valid bytes. */
#define XENPF_get_dom0_console 64

/* What firmware said. 0 or -errno; `info` is answered in place. */
int platform_firmware_info(const struct hcall *c, struct xenpf_firmware_info *info);
/* How firmware left the display: valid bytes, or -XEN_ENODEV if there is none. */
long platform_console_info(struct dom0_vga_console_info *info);

#endif
