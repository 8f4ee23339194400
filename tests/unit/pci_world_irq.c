/* SPDX-License-Identifier: BSD-2-Clause */
/* pci_world.h: interrupts of devices. */
#include <torii/errno.h>

#include "pci_world.h"

u32 world_next_vector;

static struct msi_message new_message(unsigned count, unsigned cpu)
{
    struct msi_message msg;

    world_next_vector = (world_next_vector + count + count - 1) & ~(count - 1);
    msg.address = 0xfee00000u | cpu << 12;
    msg.data = 0x4000 + world_next_vector;
    return msg;
}

int msi_alloc(unsigned count, unsigned cpu, irq_fn *fn, void *ctx, size_t stride, struct msi_message *msg)
{
    int h = 0;

    if (!count || count & (count - 1) || count > 32 || cpu >= WORLD_CPUS)
        world_fail("msi_alloc with arguments it does not take");
    if (!world_msi_room)
        return -XEN_ENOSPC;
    world_msi_room--;
    while (world_msi[h].used)
        h++;
    world_msi[h] = (struct world_msi){true, false, count, cpu, cpu, fn, ctx, stride, new_message(count, cpu)};
    *msg = world_msi[h].msg;
    world_msis_live++;
    return h;
}

int msi_move(int h, unsigned cpu, struct msi_message *msg)
{
    if (!world_msi[h].used || world_msi[h].moving)
        world_fail("msi_move of a handle that is free or already moving");
    if (!world_msi_room)
        return -XEN_ENOSPC;
    world_msi[h].moving = true;
    world_msi[h].cpu = cpu;
    world_msi[h].msg = new_message(world_msi[h].count, cpu);
    *msg = world_msi[h].msg;
    return 0;
}

int msi_move_same(int h, unsigned cpu, struct msi_message *msg)
{
    u32 data = world_msi[h].msg.data;
    int rc = msi_move(h, cpu, msg);

    if (!rc)
        world_msi[h].msg.data = msg->data = data;
    return rc;
}

void msi_move_done(int h)
{
    if (!world_msi[h].moving)
        world_fail("msi_move_done without msi_move");
    world_msi[h].moving = false;
    world_moves++;
}

void msi_free(int h)
{
    if (!world_msi[h].used)
        world_fail("msi_free twice");
    world_msi[h].used = false;
    world_msis_live--;
}

bool world_interrupt(u64 address, u32 data)
{
    for (int h = 0; h < WORLD_HANDLES; h++) {
        struct world_msi *m = &world_msi[h];

        if (!m->used || m->msg.address != address || data < m->msg.data || data >= m->msg.data + m->count)
            continue;
        m->fn((char *)m->ctx + (data - m->msg.data) * m->stride);
        return true;
    }
    return false;
}

unsigned cpu_count(void)
{
    return WORLD_CPUS;
}

unsigned vlapic_deliver(struct domain *d, u32 dest, bool logical, u8 delivery, u8 vector, bool level)
{
    if (fake_locks_held)
        world_fail("delivery with a lock held");
    world_delivered[world_deliveries++ % 64] = (struct world_delivery){dest, logical, delivery, vector};
    return 1;
}

/* APIC id = vCPU number; logical ids are flat bits. */
struct vcpu *vlapic_destination(struct domain *d, u32 dest, bool logical)
{
    for (unsigned i = 0; i < WORLD_CPUS; i++)
        if (logical ? dest >> i & 1 : dest == i)
            return &world_vcpu[i];
    return NULL;
}

int world_moved_to = -1;

unsigned vcpu_cpu(const struct vcpu *v)
{
    return world_moved_to >= 0 ? (unsigned)world_moved_to : v->id;
}
