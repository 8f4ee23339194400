/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dom0's processors in its namespace (ACPI 6.5 §8.4): a container \_SB.TCPU with one device per vCPU. Its power
 * management methods are those of the native processor it speaks for, so that what Dom0's driver reads and sends up is
 * the machine's own.
 */
#include "build.h"

#include "aml_write.h"

#include <torii/lib.h>

#define STA_WORKING 0x0f /* §6.3.7: present, enabled, shown, functioning */

static void put_forwards(struct aml *a, const struct native_processor *native)
{
    if (native->name.nr == AML_SEGMENTS_MAX)
        return;
    for (unsigned i = 0; i < PROCESSOR_METHODS; i++) {
        const struct processor_method *m = &processor_methods[i];
        size_t method;

        if (!(native->methods & BIT(i)))
            continue;
        method = aml_method(a, m->name, m->nr_args | (u8)AML_METHOD_SERIALIZED);
        aml_return_call(a, &native->name, m->name, m->nr_args);
        aml_end(a, method);
    }
}

static void put_processor(struct aml *a, unsigned n, unsigned nr_vcpus, const struct native_processors *natives)
{
    const struct acpi_cpu *cpu = acpi_nth_cpu(n);
    const struct native_processor *native = cpu ? processors_find(natives, cpu->uid) : NULL;
    u8 entry[sizeof(struct acpi_madt_x2apic)];
    size_t device;
    char name[8];

    snprintf(name, sizeof(name), "C%03X", n & 0xfff);
    device = aml_device(a, name);
    aml_name_string(a, "_HID", "ACPI0007");
    aml_name_integer(a, "_UID", n);
    aml_name_integer(a, "_STA", STA_WORKING);
    aml_name_buffer(a, "_MAT", entry, acpi_madt_processor(entry, n, nr_vcpus));
    if (native)
        put_forwards(a, native);
    aml_end(a, device);
}

size_t acpi_build_ssdt(void *at, size_t size, unsigned nr_vcpus, const struct native_processors *natives)
{
    struct aml a = {.buf = at ? (u8 *)at + sizeof(struct acpi_header) : NULL,
                    .size = size > sizeof(struct acpi_header) ? size - sizeof(struct acpi_header) : 0};
    size_t scope = aml_scope(&a, "\\_SB"), container = aml_device(&a, "TCPU"), bytes;

    aml_name_string(&a, "_HID", "ACPI0010");
    aml_name_integer(&a, "_UID", 0);
    for (unsigned n = 0; n < nr_vcpus; n++)
        put_processor(&a, n, nr_vcpus, natives);
    aml_end(&a, container);
    aml_end(&a, scope);
    bytes = sizeof(struct acpi_header) + a.used;
    if (bytes <= size) {
        acpi_fill_header(at, "SSDT", 2);
        acpi_seal(at, bytes);
    }
    return bytes;
}
