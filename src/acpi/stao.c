/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * STAO, "Status Override" (Xen, docs/misc/status-override-table): names of objects that shall count as not present.
 * The machine's UARTs other than Torii's own are Dom0's, so none is to be ignored.
 */
#include "build.h"

#include <torii/lib.h>

#define STAO_UART_BYTES 1

size_t acpi_build_stao(void *at, size_t size, const struct native_processors *natives)
{
    size_t bytes = sizeof(struct acpi_header) + STAO_UART_BYTES;
    char path[AML_PATH_BYTES];

    for (unsigned i = 0; i < natives->nr; i++) {
        size_t n = aml_name_print(&natives->processor[i].name, path) + 1;

        if (bytes + n <= size)
            memcpy((u8 *)at + bytes, path, n);
        bytes += n;
    }
    if (bytes <= size) {
        acpi_fill_header(at, "STAO", 1);
        ((u8 *)at)[sizeof(struct acpi_header)] = 0;
        acpi_seal(at, bytes);
    }
    return bytes;
}
