/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical CPUs as the ABI numbers them. */
#ifndef TORII_XEN_PCPU_INFO_H
#define TORII_XEN_PCPU_INFO_H

#include <torii/acpi.h>

/* The MADT's entry of CPU n; NULL past the last. */
const struct acpi_cpu *pcpu_acpi(unsigned n);
unsigned pcpu_present(void);

#endif
