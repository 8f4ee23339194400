/* SPDX-License-Identifier: BSD-2-Clause */
/* Start-up of the console; everyone else needs only console.h and log.h. */
#ifndef TORII_CONSOLE_INIT_H
#define TORII_CONSOLE_INIT_H

#include <torii/types.h>

struct uart;

/* Open what console= names: a line at I/O ports at once, lines in memory and the screen when memory can be mapped. */
void console_init(void);
void console_init_mapped(void);
/* Input: bind the line's interrupt, or poll it. After the IO-APICs and timers are up. */
void console_start_input(void);
/* Called when Dom0 has input to read; any context. */
extern void (*console_input_ready)(void);
/* Called when the transmitter has drained, once for each console_output_ready() that was false; any context. */
extern void (*console_output_drained)(void);
/* The line Torii owns, or NULL. */
const struct uart *console_uart(void);

#endif
