/* SPDX-License-Identifier: BSD-2-Clause */
/* The waking vectors in the FACS (ACPI 6.5 §5.2.10), which firmware reads when the machine wakes up. */
#include "defs.h"

#include <torii/alloc.h>

static struct acpi_facs *facs;
static paddr_t facs_at; /* what is mapped */

static bool map(void)
{
    if (!acpi_info.facs)
        return false;
    if (facs_at != acpi_info.facs) {
        if (facs_at)
            machine_unmap(facs, sizeof(*facs));
        facs = machine_map(acpi_info.facs, sizeof(*facs), false);
        facs_at = facs ? acpi_info.facs : 0;
    }
    return facs_at;
}

/* The second vector and the flag came with versions 1 and 2; before, their place is reserved and may hold anything. */
bool acpi_waking_get(struct acpi_waking *w)
{
    if (!map())
        return false;
    *w = (struct acpi_waking){.real = facs->waking_vector};
    if (facs->version >= 1)
        w->flat = facs->x_waking_vector;
    if (facs->version >= 2)
        w->is64 = facs->ospm_flags & ACPI_FACS_64BIT_WAKE;
    return true;
}

void acpi_waking_set(const struct acpi_waking *w)
{
    facs->waking_vector = w->real;
    if (facs->version >= 1)
        facs->x_waking_vector = w->flat;
    if (facs->version >= 2)
        facs->ospm_flags = (facs->ospm_flags & ~(u32)ACPI_FACS_64BIT_WAKE) | (w->is64 ? ACPI_FACS_64BIT_WAKE : 0);
}
