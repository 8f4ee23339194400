/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain's permission bitmaps, from its tables of who handles what. I/O bitmaps are alike in SVM and VMX: a bit per
 * port, set for an exit. MSR bitmaps differ in where the bits of an MSR lie.
 */
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>

#include "hvm_internal.h"

struct marking {
    const struct hvm_bitmap_format *format;
    u8 *map;
};

static void set_bit(u8 *map, u32 bit)
{
    map[bit / 8] |= (u8)(1u << bit % 8);
}

static void mark(void *ctx, u32 first, u32 last, bool read, bool write)
{
    const struct marking *to = ctx;
    const struct hvm_bitmap_format *f = to->format;

    for (const struct hvm_msr_bits *r = f->msr; r < f->msr + f->nr_msr; r++)
        for (u64 msr = max(first, r->first); msr <= last && msr < (u64)r->first + HVM_MSR_RANGE; msr++) {
            u32 n = (u32)(msr - r->first) * f->msr_stride;

            if (read)
                set_bit(to->map, r->read + n);
            if (write)
                set_bit(to->map, r->write + n);
        }
}

int hvm_domain_init(struct domain *d)
{
    const struct hvm_bitmap_format *f = hvm->bitmaps;
    struct hvm_domain *h = d->hvm;
    struct marking to = {.format = f};

    if (!h) {
        h = xzalloc(sizeof(*h));
        if (!h)
            return -XEN_ENOMEM;
        d->hvm = h;
        h->io = frames_alloc(f->io_order);
        h->msr = frames_alloc(f->msr_order);
    }
    if (!h->io || !h->msr)
        return -XEN_ENOMEM;
    to.map = h->msr;
    memset(h->io, 0, PAGE_SIZE << f->io_order);
    memset(h->msr, 0, PAGE_SIZE << f->msr_order);
    pio_bitmap_fill(d, h->io);
    msr_for_each(d, mark, &to);
    return 0;
}

void hvm_domain_free(struct domain *d)
{
    const struct hvm_bitmap_format *f = hvm->bitmaps;

    if (!d->hvm)
        return;
    if (d->hvm->io)
        frames_free(d->hvm->io, f->io_order);
    if (d->hvm->msr)
        frames_free(d->hvm->msr, f->msr_order);
    xfree(d->hvm);
    d->hvm = NULL;
}
