/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/aml_scan.c src/acpi/processors.c tests/unit/fakes.c */
/* Any bytes as AML: what is understood must be understood again after its processors are hidden, and then have none. */
#include <stdlib.h>
#include <string.h>

#include "../../src/acpi/processors.h"

#define BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct native_processors p;
    unsigned found, hidden;
    u8 *copy;

    if (size > BYTES_MAX)
        return 0;
    processors_begin(&p);
    processors_add(&p, data, size, "DSDT");
    if (!p.sure)
        return 0;
    found = p.nr;
    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    hidden = processors_hide(copy, size);
    processors_begin(&p);
    processors_add(&p, copy, size, "DSDT");
    if (!p.sure || p.nr || hidden < found || processors_hide(copy, size))
        abort();
    free(copy);
    return 0;
}
