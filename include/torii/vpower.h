/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleep, power-off and reset as an OS asks for them: by the registers it would use on bare metal. Torii watches these
 * and ends the machine itself.
 */
#ifndef TORII_VPOWER_H
#define TORII_VPOWER_H

#include <torii/iomap.h>
#include <torii/types.h>

struct domain;
struct suspend;

/* Watch the registers that acpi_info names, and the legacy reset ports. 0 or -errno of the registration. */
int vpower_init(struct domain *d);
void vpower_free(struct domain *d);

/* The chipset's reset control register, port 0xcf9, which lies between vPCI's ports. */
pio_fn vpower_reset_control;

/*
 * XENPF_enter_acpi_sleep. extended: pm1a is the sleep type for SLEEP_CONTROL, else both are PM1 control values, with
 * or without SLP_EN. S5 ends the domain; S3 takes effect before the calling vCPU runs again. 0; -XEN_EINVAL (no such
 * state, not its sleep type, SLP_EN in only one of the values), -XEN_EPERM (the machine has no such register),
 * -XEN_EOPNOTSUPP (the machine does not have the state, or Torii does not enter it).
 */
int vpower_enter_sleep(struct domain *d, u32 pm1a, u32 pm1b, u8 state, bool extended);

/*
 * End the machine by whatever road works: first the one the firmware's tables name. Any context, interrupts disabled,
 * no lock taken. They return only if nothing worked.
 */
void vpower_machine_off(void);
void vpower_machine_reset(void);

/*
 * Write the sleep registers. vpower_machine_sleep does it with the wake status cleared before, and returns when that
 * is set or, some seconds later, if the machine does not sleep; in S3 it does not return. Interrupts disabled.
 */
void vpower_machine_write(const struct suspend *s);
void vpower_machine_sleep(const struct suspend *s);

/* src/machine/triple_fault.c: an exception with no IDT. Returns only in host tests. */
void machine_triple_fault(void);

/*
 * src/vdev/idle_ports.c: ports whose reading stops the processor (ACPI 6.5 §4.8.3.5). A vCPU that reads one blocks until
 * its next interrupt, as it would have; how deep the processor sleeps is Torii's choice. 0 or -errno.
 */
int idle_ports_register(struct domain *d);
/* Another one, which Dom0's driver found in _CST while d runs. A line says whether it is watched. */
void idle_port_learned(struct domain *d, u16 port);

/* src/vdev/legacy.c: the ports Dom0 must not reach (the 8259s), Xen's own port 0xe9. 0 or -errno. */
int legacy_ports_register(struct domain *d);

#endif
