/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports by which an OS idles a processor: where the native Processor objects have them, and where AMD processors decode
 * them. A port that only _CST knows is told by Dom0's driver when it sends the states up.
 */
#include <torii/acpi_build.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/iomap.h>
#include <torii/log.h>
#include <torii/vlapic.h>
#include <torii/vpower.h>

#define P_LVL2          4 /* behind P_BLK */
#define P_LVL3          5
#define PORTS           0x10000
#define MSR_CSTATE_BASE 0xc0010073 /* AMD, "C-state Base Address": eight ports */
#define CSTATE_PORTS    8

static bool something_to_take(struct vcpu *v)
{
    return vlapic_nmi_pending(v) || evtchn_callback_vector(v) >= 0 || vlapic_pending_vector(v) >= 0;
}

/* Interrupts end the sleep whether or not RFLAGS.IF lets them in: the OS looks after it has woken. */
static void idle_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (write)
        return;
    *val = 0;
    if (!something_to_take(v))
        vcpu_block(v);
}

/* Taken by another handler: that one knows better. */
static int add(struct domain *d, u32 first, u32 last)
{
    int rc = first < PORTS && last < PORTS ? pio_register(d, (u16)first, (u16)last, idle_port, NULL) : 0;

    if (rc == -XEN_EEXIST) {
        log_debug("idle ports %#x-%#x are handled by something else already\n", first, last);
        rc = 0;
    }
    return rc;
}

int idle_ports_register(struct domain *d)
{
    u32 p_blk;
    u64 base;
    int rc = 0;

    for (unsigned i = 0; !rc && acpi_p_blk(i, &p_blk); i++)
        rc = add(d, min(p_blk, (u32)PORTS) + P_LVL2, min(p_blk, (u32)PORTS) + P_LVL3);
    if (!rc && rdmsr_safe(MSR_CSTATE_BASE, &base) && (u16)base)
        rc = add(d, (u16)base, (u16)base + CSTATE_PORTS - 1);
    return rc;
}

void idle_port_learned(struct domain *d, u16 port)
{
    int rc = pio_register_late(d, port, idle_port, NULL);

    if (!rc)
        log_info("idle port %#x is watched from now on\n", port);
    else if (rc != -XEN_EEXIST)
        log_info("idle port %#x is not watched: domain %u can enter the state itself\n", port, d->id);
}
