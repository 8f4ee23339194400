/* SPDX-License-Identifier: BSD-2-Clause */
/* Building the ACPI tables Dom0 gets in place of the native root: RSDP, XSDT, and what
 * describes its virtual CPUs: MADT, SSDT and STAO. */
#ifndef TORII_ACPI_BUILD_H
#define TORII_ACPI_BUILD_H

#include <torii/types.h>

struct acpi_built {
    gpa_t rsdp, xsdt, madt;
    gpa_t ssdt, stao; /* 0: none */
    gpa_t hotplug;    /* struct acpi_hotplug of each vCPU; 0: none */
    size_t bytes;     /* used from gpa on */
    unsigned nr_kept; /* native tables the XSDT lists */
    unsigned nr_withheld;
};

/*
 * How Torii and the methods of the SSDT talk about vCPUs that come and go: one per vCPU in Dom0's memory, written by both.
 */
struct acpi_hotplug {
    u8 sta;   /* what _STA returns: Torii sets it, ejecting clears it */
    u8 event; /* value to notify the processor with; cleared when that was done */
};
#define ACPI_STA_WORKING        0x0f /* ACPI 6.5 §6.3.7: present, enabled, shown, functioning */
#define ACPI_NOTIFY_CHECK       1    /* §5.6.6 */
#define ACPI_NOTIFY_EJECT       3

/* A GPE in block 0 that no native method handles, or -1; the GSI of the SCI. */
int acpi_unused_gpe(void);
unsigned acpi_sci_gsi(void);

/* Only this many vCPUs are there when Dom0 starts, the rest come by GPE acpi_unused_gpe(); 0: all. Before
 * acpi_build_size. */
void acpi_build_online(unsigned nr);

/* Bytes acpi_build may need for this many vCPUs with the tables and IO-APICs found. */
size_t acpi_build_size(unsigned nr_vcpus);

/*
 * Write the tables to buf, which Dom0 will see at gpa (16-byte aligned, all below 4 GiB, to be ACPI-typed in its E820).
 * Works from acpi_info, boot_info.e820 and the IO-APICs of irq.h. vCPU n has uid n and APIC id n. 0, -XEN_EINVAL
 * (alignment, nr_vcpus 0, above 4 GiB), -XEN_ENOSPC, -XEN_ENOMEM (a native table cannot be mapped). Boot context.
 */
int acpi_build(void *buf, size_t size, gpa_t gpa, unsigned nr_vcpus, struct acpi_built *out);

struct acpi_cpu;
/*
 * The physical processor that a processor id of Dom0's namespace stands for, or NULL; and the other way round, for an
 * enabled entry of acpi_info.
 */
const struct acpi_cpu *acpi_cpu_of_id(u32 id);
u32 acpi_id_of_cpu(const struct acpi_cpu *cpu);

/* The i-th block of ports with P_LVL2 and P_LVL3 that a native processor object names; false past the last. */
bool acpi_p_blk(unsigned i, u32 *p_blk);

/* The first of the ports of QEMU's processor hotplug registers, or 0: the native namespace has none. */
u16 acpi_cpu_hotplug_port(void);

/* Is a native table with this signature shown to Dom0? *why (may be NULL) says why or why not. */
bool acpi_table_is_kept(const char signature[4], const char **why);

#endif
