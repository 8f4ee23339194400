/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that make Dom0's tables share. */
#ifndef TORII_ACPI_BUILD_LOCAL_H
#define TORII_ACPI_BUILD_LOCAL_H

#include <torii/acpi_build.h>

#include "defs.h"
#include "processors.h"

/* tables.c: filled by acpi_init. */
extern struct native_processors acpi_natives;
/* Does Dom0's namespace describe its vCPUs in place of the native processors? Decided by acpi_init. */
bool acpi_has_own_processors(void);

/* policy.c: kept by its signature, and where Dom0 will still find it. Logs why not. */
bool acpi_policy_keeps(const struct acpi_table *t);

/* cpus.c: the n-th usable processor of the native MADT, or NULL. */
const struct acpi_cpu *acpi_nth_cpu(unsigned n);
/* Give the enabled processors their numbers; once, when the MADT has been read. */
void acpi_number_cpus(void);

/* Torii's names in a header; length and checksum when the rest is there. */
void acpi_fill_header(struct acpi_header *h, const char *signature, u8 revision);
void acpi_seal(struct acpi_header *h, size_t length);

/* The MADT entry of vCPU n; its bytes, at most those of a type 9 entry. */
size_t acpi_madt_processor(void *at, unsigned n, unsigned nr_vcpus, u32 flags);
/*
 * Write a table, if it fits in size; returns the bytes it has, or would have. size 0 measures.
 */
size_t acpi_build_madt(void *at, size_t size, unsigned nr_vcpus, unsigned nr_online);
/* hotplug: gpa of the array, 0: every vCPU stays. */
size_t acpi_build_ssdt(void *at, size_t size, unsigned nr_vcpus, gpa_t hotplug,
                       const struct native_processors *natives);
size_t acpi_build_stao(void *at, size_t size, const struct native_processors *natives);

#endif
