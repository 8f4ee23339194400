/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which physical processor an ACPI id stands for. Dom0 says processor ids as its namespace has them: where that
 * describes vCPUs, object n speaks for the n-th processor of the machine; else ids are firmware's.
 */
#include "build.h"

const struct acpi_cpu *acpi_nth_cpu(unsigned n)
{
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].enabled && acpi_info.cpu[i].number == n)
            return &acpi_info.cpu[i];
    return NULL;
}

void acpi_number_cpus(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].enabled)
            acpi_info.cpu[i].number = n++;
}

void acpi_enable_cpu(struct acpi_cpu *cpu)
{
    unsigned n = 0;

    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        n += acpi_info.cpu[i].enabled;
    cpu->number = n;
    cpu->enabled = true;
}

const struct acpi_cpu *acpi_cpu_of_id(u32 id)
{
    if (acpi_has_own_processors())
        return acpi_nth_cpu(id);
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].enabled && acpi_info.cpu[i].uid == id)
            return &acpi_info.cpu[i];
    return NULL;
}

u32 acpi_id_of_cpu(const struct acpi_cpu *cpu)
{
    return acpi_has_own_processors() ? cpu->number : cpu->uid;
}

bool acpi_p_blk(unsigned i, u32 *p_blk)
{
    for (unsigned n = 0; n < acpi_natives.nr; n++) {
        u32 this = acpi_natives.processor[n].p_blk;
        bool repeated = !this;

        for (unsigned before = 0; before < n && !repeated; before++)
            repeated = acpi_natives.processor[before].p_blk == this;
        if (repeated || i--)
            continue;
        *p_blk = this;
        return true;
    }
    return false;
}

int acpi_unused_gpe(void)
{
    int gpes = acpi_info.gpe0.space == ACPI_SPACE_IO && acpi_info.gpe0.address ? acpi_info.gpe0.width / 2 : 0;

    if (!acpi_has_own_processors())
        return -1;
    for (int n = gpes - 1; n >= 0; n--)
        if (!(acpi_natives.gpe_used[n / 8] & BIT(n % 8)))
            return n;
    return -1;
}

u16 acpi_cpu_hotplug_port(void)
{
    return acpi_natives.sure ? acpi_natives.hotplug_port : 0;
}

unsigned acpi_sci_gsi(void)
{
    for (unsigned i = 0; i < acpi_info.nr_overrides; i++)
        if (acpi_info.override[i].irq == acpi_info.sci)
            return acpi_info.override[i].gsi;
    return acpi_info.sci;
}
