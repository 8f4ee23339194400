/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that lose, regain or get their exits while the domain runs. */
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>

#include "hvm_internal.h"

bool pio_pass(struct domain *d, u16 first, u16 last, bool pass)
{
    if (!hvm->bitmaps->io_in_use || !pio_set_pass(d, first, last, pass))
        return false;
    pio_bitmap_update(d, d->hvm->io, first, last);
    return true;
}

int pio_register_late(struct domain *d, u16 port, pio_fn *fn, void *ctx)
{
    int rc = hvm->bitmaps->io_in_use ? pio_add_late(d, port, fn, ctx) : -XEN_EOPNOTSUPP;

    if (!rc)
        pio_bitmap_update(d, d->hvm->io, port, port);
    return rc;
}
