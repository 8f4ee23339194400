/* SPDX-License-Identifier: BSD-2-Clause */
/* The log on the screen, until Dom0 takes it: VGA text mode, or a framebuffer the loader set up. */
#ifndef TORII_SCREEN_H
#define TORII_SCREEN_H

#include <torii/types.h>

/* Find the screen in boot_info; harmless without one. */
void screen_init(void);
void screen_write(const char *s, size_t n);
/* Dom0 draws from now on. */
void screen_release(void);

#endif
