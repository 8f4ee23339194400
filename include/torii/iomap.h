/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who handles which I/O port, guest-physical page and MSR of a domain: three sorted tables. What nobody registered
 * goes to the hardware. The I/O and MSR permission bitmaps and the holes in stage 2 are generated from these tables.
 * Registration happens before the domain runs, MMIO ranges also later (hot-plugged devices) under the table's lock.
 */
#ifndef TORII_IOMAP_H
#define TORII_IOMAP_H

#include <torii/types.h>

struct vcpu;
struct domain;

/* One access of 1, 2 or 4 bytes; for a read fill *val (upper bits ignored). Ports straddling a range end are split. */
typedef void pio_fn(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val);

/* One access of 1, 2, 4 or 8 bytes inside the range. */
typedef void mmio_fn(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val);

/* 0, or -XEN_EINVAL: the guest gets #GP(0). NULL for read or write: that direction goes to the hardware. */
typedef int msr_read_fn(struct vcpu *v, u32 msr, u64 *val);
typedef int msr_write_fn(struct vcpu *v, u32 msr, u64 val);

/* Ranges are inclusive. -XEN_EEXIST if any part is taken, -XEN_ENOSPC if the table is full. */
int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx);
int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx);
int mmio_unregister(struct domain *d, gpa_t first, gpa_t last);
int msr_register(struct domain *d, u32 first, u32 last, msr_read_fn *read, msr_write_fn *write);

/* Ready-made handlers: reads give all ones and writes are dropped; hardware reads, dropped writes. */
pio_fn pio_deny;
pio_fn pio_hardware; /* perform it; for handlers that only watch */
mmio_fn mmio_deny;
msr_read_fn msr_read_gp, msr_read_zero, msr_read_hardware;
msr_write_fn msr_write_gp, msr_write_drop;

#endif
