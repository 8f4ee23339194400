/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that lose, regain or get their exits while the domain runs. */
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/iomap.h>

bool pio_pass(struct domain *d, u16 first, u16 last, bool pass)
{
    if (!hvm->pio_update || !pio_set_pass(d, first, last, pass))
        return false;
    hvm->pio_update(d, first, last);
    return true;
}

int pio_register_late(struct domain *d, u16 port, pio_fn *fn, void *ctx)
{
    int rc = hvm->pio_update ? pio_add_late(d, port, fn, ctx) : -XEN_EOPNOTSUPP;

    if (!rc)
        hvm->pio_update(d, port, port);
    return rc;
}
