/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain's permission bitmaps, from its tables of who handles what. */
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>

#include "vmx.h"

#define IO_ORDER 1

/* Quarters of the MSR bitmap (§25.6.9): reads, then writes, of each range. */
static const struct {
    u32 first;
    unsigned read, write;
} msr_ranges[] = {{0, 0, 0x800}, {0xc0000000, 0x400, 0xc00}};
#define MSR_RANGE_MSRS 0x2000

static void msr_mark(void *ctx, u32 first, u32 last, bool read, bool write)
{
    u8 *map = ctx;

    for (unsigned i = 0; i < ARRAY_SIZE(msr_ranges); i++) {
        u32 base = msr_ranges[i].first;

        for (u64 msr = max(first, base); msr <= last && msr < (u64)base + MSR_RANGE_MSRS; msr++) {
            unsigned n = (unsigned)(msr - base);

            if (read)
                map[msr_ranges[i].read + n / 8] |= (u8)(1u << n % 8);
            if (write)
                map[msr_ranges[i].write + n / 8] |= (u8)(1u << n % 8);
        }
    }
}

int vmx_domain_init(struct domain *d)
{
    struct hvm_domain *h = d->hvm;

    if (!h) {
        h = xzalloc(sizeof(*h));
        if (!h)
            return -XEN_ENOMEM;
        d->hvm = h;
        h->io = frames_alloc(IO_ORDER);
        h->msr = frames_alloc(0);
        if (!h->io || !h->msr)
            return -XEN_ENOMEM;
    }
    memset(h->msr, 0, PAGE_SIZE);
    pio_bitmap_fill(d, h->io);
    msr_for_each(d, msr_mark, h->msr);
    return 0;
}

void vmx_domain_free(struct domain *d)
{
    if (!d->hvm)
        return;
    if (d->hvm->io)
        frames_free(d->hvm->io, IO_ORDER);
    if (d->hvm->msr)
        frames_free(d->hvm->msr, 0);
    xfree(d->hvm);
    d->hvm = NULL;
}
