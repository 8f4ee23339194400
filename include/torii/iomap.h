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

/*
 * A handler may still be running on another CPU when mmio_unregister returns: what ctx points to lives as long as the
 * domain, or is freed after the domain was paused. Stage 2 is the caller's: unmap a range before registering it.
 */

/*
 * A registered range, named as it was registered, goes to the hardware without an exit for as long as `pass`, then to
 * its handler again. A vCPU in guest mode may still go by the old word until it has been out: s2_flush sees to that.
 * False if the range or the hardware's ability is missing: its accesses exit as ever. Any CPU.
 */
bool pio_pass(struct domain *d, u16 first, u16 last, bool pass);

/*
 * One port of a domain that runs, for good. The vCPUs heed it from their next exit on. 0, -XEN_EEXIST, -XEN_ENOSPC (a few
 * are possible), -XEN_EOPNOTSUPP. Any CPU.
 */
int pio_register_late(struct domain *d, u16 port, pio_fn *fn, void *ctx);

/* Create the empty tables / drop them. 0 or -XEN_ENOMEM. */
int io_map_init(struct domain *d);
void io_map_free(struct domain *d);

/* --- lookups for the exit path; any CPU, no lock --- */

struct pio_range {
    u16 first, last;
    pio_fn *fn;
    void *ctx;
    bool pass; /* no exit for now */
};

struct mmio_range {
    gpa_t first, last;
    mmio_fn *fn;
    void *ctx;
};

struct msr_range {
    u32 first, last;
    msr_read_fn *read;
    msr_write_fn *write;
};

/* The range that holds it, or NULL. MMIO ranges come and go, so theirs is copied out: false if there is none. */
const struct pio_range *pio_find(const struct domain *d, u16 port);
const struct msr_range *msr_find(const struct domain *d, u32 msr);
bool mmio_find(const struct domain *d, gpa_t gpa, struct mmio_range *range);
/* The first range that ends at gpa or above. */
bool mmio_next(const struct domain *d, gpa_t gpa, struct mmio_range *range);

/*
 * One guest access. A part that lies in a range goes to its handler; other ports go to the hardware, other MMIO reads all
 * ones and drops writes. Reads fill *val, zero-extended. mmio_access: false, and nothing done, if no byte has a handler.
 */
void pio_access(struct vcpu *v, u16 port, unsigned bytes, bool write, u32 *val);
bool mmio_access(struct vcpu *v, gpa_t gpa, unsigned bytes, bool write, u64 *val);

/* --- generators of what the hardware looks at --- */

#define PIO_BITMAP_BYTES 8192

/* Bit n set: port n exits. */
void pio_bitmap_fill(const struct domain *d, u8 bitmap[PIO_BITMAP_BYTES]);
/* The same for some ports of a bitmap in use: the other bits are left alone. */
void pio_bitmap_update(const struct domain *d, u8 bitmap[PIO_BITMAP_BYTES], u16 first, u16 last);
/* pio_pass's part in the table: false if [first, last] is no range of it. */
bool pio_set_pass(struct domain *d, u16 first, u16 last, bool pass);
/* pio_register_late's. */
int pio_add_late(struct domain *d, u16 port, pio_fn *fn, void *ctx);
/* Call fn for each MSR range in ascending order; read, write: that direction has a handler and must exit. */
void msr_for_each(const struct domain *d, void (*fn)(void *ctx, u32 first, u32 last, bool read, bool write), void *ctx);
/* Call fn for each MMIO range in ascending order, for the holes in stage 2. fn must not register. */
void mmio_for_each(const struct domain *d, void (*fn)(void *ctx, gpa_t first, gpa_t last), void *ctx);

/* RDMSR that survives #GP: false then. Supplied by the exception code. */
bool rdmsr_safe(u32 msr, u64 *val);

/* Ready-made handlers: reads give all ones and writes are dropped; hardware reads, dropped writes. */
pio_fn pio_deny;
pio_fn pio_hardware; /* perform it; for handlers that only watch */
mmio_fn mmio_deny;
mmio_fn mmio_hardware; /* the same for device memory at its machine address (gpa is identity mapped) */
msr_read_fn msr_read_gp, msr_read_zero, msr_read_hardware;
msr_write_fn msr_write_gp, msr_write_drop;

#endif
