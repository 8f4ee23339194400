/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dom0's processors in its namespace (ACPI 6.5 §8.4): a container \_SB.TCPU with one device per vCPU. Its power
 * management methods are those of the native processor it speaks for, so that what Dom0's driver reads and sends up is
 * the machine's own.
 */
#include "build.h"

#include "aml_write.h"

#include <torii/lib.h>

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

/* C: processor, S: its status byte, E: its event byte. */
static const char *named(char what, unsigned n, char name[8])
{
    snprintf(name, 8, "%c%03X", what, n & 0xfff);
    return name;
}

/* _STA, and _EJ0 but for the first: it cannot go. */
static void put_coming_and_going(struct aml *a, unsigned n)
{
    char name[8];
    size_t method = aml_method(a, "_STA", 0);

    aml_return(a, named('S', n, name));
    aml_end(a, method);
    if (!n)
        return;
    method = aml_method(a, "_EJ0", 1);
    aml_store(a, 0, name);
    aml_end(a, method);
}

static void put_region(struct aml *a, gpa_t hotplug, unsigned nr_vcpus)
{
    size_t field;
    char name[8];

    aml_memory_region(a, "TREG", hotplug, nr_vcpus * sizeof(struct acpi_hotplug));
    field = aml_byte_field(a, "TREG");
    for (unsigned n = 0; n < nr_vcpus; n++) {
        aml_byte_unit(a, named('S', n, name));
        aml_byte_unit(a, named('E', n, name));
    }
    aml_end(a, field);
}

/* SCAN: whoever has an event is notified with it. */
static void put_scan(struct aml *a, unsigned nr_vcpus)
{
    size_t method = aml_method(a, "SCAN", AML_METHOD_SERIALIZED);
    char name[8];

    for (unsigned n = 0; n < nr_vcpus; n++) {
        size_t branch;

        aml_load_local0(a, named('E', n, name));
        branch = aml_if_local0(a);
        aml_store(a, 0, name);
        aml_notify_local0(a, named('C', n, name));
        aml_end(a, branch);
    }
    aml_end(a, method);
}

static void put_event(struct aml *a)
{
    size_t scope = aml_scope(a, "\\_GPE"), method;
    char name[8];

    snprintf(name, sizeof(name), "_E%02X", (unsigned)acpi_unused_gpe() & 0xff);
    method = aml_method(a, name, 0);
    aml_call(a, "\\_SB.TCPU.SCAN");
    aml_end(a, method);
    aml_end(a, scope);
}

static void put_processor(struct aml *a, unsigned n, unsigned nr_vcpus, bool hotplug,
                          const struct native_processors *natives)
{
    const struct acpi_cpu *cpu = acpi_nth_cpu(n);
    const struct native_processor *native = cpu ? processors_find(natives, cpu->uid) : NULL;
    u8 entry[sizeof(struct acpi_madt_x2apic)];
    size_t device;
    char name[8];

    device = aml_device(a, named('C', n, name));
    aml_name_string(a, "_HID", "ACPI0007");
    aml_name_integer(a, "_UID", n);
    if (hotplug)
        put_coming_and_going(a, n);
    else
        aml_name_integer(a, "_STA", ACPI_STA_WORKING);
    aml_name_buffer(a, "_MAT", entry, acpi_madt_processor(entry, n, nr_vcpus, ACPI_MADT_ENABLED));
    if (native)
        put_forwards(a, native);
    aml_end(a, device);
}

size_t acpi_build_ssdt(void *at, size_t size, unsigned nr_vcpus, gpa_t hotplug, const struct native_processors *natives)
{
    struct aml a = {.buf = at ? (u8 *)at + sizeof(struct acpi_header) : NULL,
                    .size = size > sizeof(struct acpi_header) ? size - sizeof(struct acpi_header) : 0};
    size_t scope = aml_scope(&a, "\\_SB"), container = aml_device(&a, "TCPU"), bytes;

    aml_name_string(&a, "_HID", "ACPI0010");
    aml_name_integer(&a, "_UID", 0);
    if (hotplug)
        put_region(&a, hotplug, nr_vcpus);
    for (unsigned n = 0; n < nr_vcpus; n++)
        put_processor(&a, n, nr_vcpus, hotplug != 0, natives);
    if (hotplug)
        put_scan(&a, nr_vcpus);
    aml_end(&a, container);
    aml_end(&a, scope);
    if (hotplug)
        put_event(&a);
    bytes = sizeof(struct acpi_header) + a.used;
    if (bytes <= size) {
        acpi_fill_header(at, "SSDT", 2);
        acpi_seal(at, bytes);
    }
    return bytes;
}
