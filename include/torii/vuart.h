/* SPDX-License-Identifier: BSD-2-Clause */
/* The 16550 a domain finds at the ports of the line Torii owns, and shares with Torii's log and the Xen console. */
#ifndef TORII_VUART_H
#define TORII_VUART_H

#include <torii/types.h>

struct domain;

/*
 * Put a 16550 at `port` .. port + 7 for d, its interrupt an edge of `gsi`, which no physical line shares. Before d
 * runs. 0, -XEN_ENOMEM, -XEN_EEXIST (ports taken) or -XEN_ENOSPC.
 */
int vuart_init(struct domain *d, u16 port, unsigned gsi);
void vuart_free(struct domain *d);
/* There is input: true if d's serial driver takes it (receive interrupts on). Any context, no lock held. */
bool vuart_input_ready(struct domain *d);
/* The line's transmitter has drained, after console_output_ready() said it had not. Any context, no lock held. */
void vuart_output_ready(struct domain *d);

#endif
