/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISA ports that are not Dom0's. Only the interrupt controllers are: Torii owns those. The PIT, the speaker, the DMA
 * controller, the RTC and the power management timer are driven by nobody but Dom0 once it runs, so they are not
 * trapped.
 */
#include <torii/console.h>
#include <torii/iomap.h>
#include <torii/vpower.h>

#define DEBUG_PORT 0xe9

/* What reads of the port give where it exists, by the convention of Bochs. */
#define DEBUG_PORT_PRESENT 0xe9u

static const struct {
    u16 first, last;
} denied[] = {
    {0x10, 0x13},   /* DMA alias; a Xen guest reads 0x10 for the unplug protocol, which this machine has not */
    {0x20, 0x21},   /* master 8259 */
    {0x22, 0x23},   /* IMCR, MP specification 1.4 §3.6.2.1 */
    {0xa0, 0xa1},   /* slave 8259 */
    {0x4d0, 0x4d1}, /* ELCR: trigger modes of the 8259s */
};

static void debug_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    char c = *val;

    if (write)
        console_guest_write(&c, 1);
    else
        *val = DEBUG_PORT_PRESENT;
}

int legacy_ports_register(struct domain *d)
{
    unsigned i;
    int err = 0;

    for (i = 0; i < ARRAY_SIZE(denied) && !err; i++)
        err = pio_register(d, denied[i].first, denied[i].last, pio_deny, NULL);
    return err ? err : pio_register(d, DEBUG_PORT, DEBUG_PORT, debug_port, NULL);
}
