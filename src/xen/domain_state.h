/* SPDX-License-Identifier: BSD-2-Clause */
/* State of the hypercall families that lives in struct domain. */
#ifndef TORII_XEN_DOMAIN_STATE_H
#define TORII_XEN_DOMAIN_STATE_H

#include <torii/domain.h>

/* SCHEDOP_watchdog's timers. */
void watchdog_init(struct domain *d);
void watchdog_stop(struct domain *d);

/* HVM parameters of a new domain. */
void hvm_param_init(struct domain *d);

/* Take shared_info out of the guest's memory map and put RAM back where it covered some. */
void physmap_forget_shared_info(struct domain *d);
/* A frame of Torii's that was at gfn is no longer there; fill the hole where its memory map says RAM. */
void physmap_refill(struct domain *d, gfn_t gfn);

#endif
