/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical console, shared by Torii's log, Dom0's console_io and the debug console. */
#ifndef TORII_CONSOLE_H
#define TORII_CONSOLE_H

#include <torii/types.h>

/* Raw bytes of Dom0's console to the line (and to nothing else). Any context. */
void console_guest_write(const char *s, size_t n);
/* The same as they are, for a serial port: a newline stays alone. */
void console_serial_write(const char *s, size_t n);
/* Input typed for Dom0: bytes copied to buf, 0 if none. Input arriving raises VIRQ_CONSOLE. */
size_t console_guest_read(char *buf, size_t max);
/* Input typed for Dom0 and not yet read, in bytes. */
size_t console_guest_waiting(void);
/* The line's transmitter could take more without waiting. If not, console_output_drained is called when it can. */
bool console_output_ready(void);
/* The log ring: copies up to max bytes from ring position *pos (0 = oldest) and advances it. */
size_t console_ring_read(char *buf, size_t max, u64 *pos);
void console_ring_clear(void);

/* What the key does, or a line that it is none. Any CPU, interrupts disabled, no lock held. */
void console_key_pressed(char key);

/* A key of the debug console (Xen's letters where the meaning is Xen's). Registered by the room that knows the answer. */
struct console_key {
    char key;
    const char *help;
    void (*fn)(void);
};
/* Place one in section "console_keys": the linker collects them. */
#define CONSOLE_KEY(letter, text, func)                                                            \
    static const struct console_key console_key_##func                                             \
        __attribute__((used, section("console_keys"), aligned(8))) = {letter, text, func}

#endif
