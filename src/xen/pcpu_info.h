/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical CPUs as the ABI numbers them. */
#ifndef TORII_XEN_PCPU_INFO_H
#define TORII_XEN_PCPU_INFO_H

#include <torii/acpi.h>

/* CPU n is the n-th usable processor of the MADT; NULL past the last. */
const struct acpi_cpu *pcpu_acpi(unsigned n);
unsigned pcpu_present(void);

#endif
