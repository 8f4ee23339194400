/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_world.h: power management of the physical CPUs. */
#include "xen_world.h"

bool world_mwait;
enum pstate_driver world_pstate_driver;

const struct acpi_cpu *acpi_cpu_of_id(u32 id)
{
    for (unsigned i = 0; i < acpi_info.nr_cpus; i++)
        if (acpi_info.cpu[i].uid == id)
            return &acpi_info.cpu[i];
    return NULL;
}

u32 acpi_id_of_cpu(const struct acpi_cpu *cpu)
{
    return cpu->uid;
}

bool cstate_has_mwait(void)
{
    return world_mwait;
}

int cstate_set(unsigned cpu, const struct cstate *states, unsigned nr)
{
    world_rec.power.c_calls++;
    world_rec.power.cpu = cpu;
    world_rec.power.nr = nr;
    memcpy(world_rec.power.c, states, nr * sizeof(*states));
    return world_op_result;
}

/* CPU 1 has two states, of which the second was used; the others halt. */
unsigned cstate_statistics(unsigned cpu, struct cstate_stat stat[CSTATES_MAX + 1], bool reset)
{
    stat[0] = (struct cstate_stat){.entries = 3, .ns = 3000};
    stat[1] = (struct cstate_stat){.entries = 5, .ns = 50000};
    world_rec.power.resets += reset;
    return cpu == 1 ? 2 : 1;
}

/* CPU 1 is governed. */
static struct pstates two_states = {.nr = 2, .state = {{.mhz = 2000}, {.mhz = 1000}}};

const struct pstates *pstate_get(unsigned cpu)
{
    return &two_states;
}

int governor_statistics(unsigned cpu, struct pstate_statistics *out, bool reset)
{
    *out = (struct pstate_statistics){
        .nr = 2, .usable = 2, .cur = 1, .count = {4, 5}, .ns = {40, 50}, .moves = {{0, 7}, {8, 0}}};
    world_rec.power.resets += reset;
    return cpu == 1 ? 0 : -XEN_ENODEV;
}

enum pstate_driver pstate_driver(const char **text)
{
    *text = "";
    return world_pstate_driver;
}

void console_key_pressed(char key)
{
    size_t n = strlen(world_rec.keys);

    if (n + 1 < sizeof(world_rec.keys))
        world_rec.keys[n] = key;
}

int pstate_update(unsigned cpu, const struct pstates *update)
{
    world_rec.power.p_calls++;
    world_rec.power.cpu = cpu;
    world_rec.power.p = *update;
    return world_op_result;
}

void idle_port_learned(struct domain *d, u16 port)
{
    world_rec.power.idle_ports++;
    world_rec.power.idle_port = port;
}

void sched_set_online(struct pcpu *c, bool online)
{
    c->online = online;
}

void sched_new_home(struct pcpu *c)
{
    world_rec.new_homes |= (u32)BIT(c->id);
}

void acpi_enable_cpu(struct acpi_cpu *cpu)
{
    cpu->enabled = true;
}

int smp_add(u32 apic_id)
{
    for (unsigned i = 0; i < pcpu_nr; i++)
        if (pcpus[i]->apic_id == apic_id)
            return -XEN_EEXIST;
    if (world_op_result || pcpu_nr == WORLD_VCPUS)
        return world_op_result ? world_op_result : -XEN_ENOSPC;
    world_cpu[pcpu_nr] = (struct pcpu){.id = pcpu_nr, .apic_id = apic_id};
    pcpus[pcpu_nr] = &world_cpu[pcpu_nr];
    return (int)pcpu_nr++;
}

int smp_start_cpu(unsigned cpu)
{
    if (!pcpus[cpu]->started && world_op_result)
        return world_op_result;
    pcpus[cpu]->started = true;
    return 0;
}
