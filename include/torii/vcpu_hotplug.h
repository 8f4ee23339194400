/* SPDX-License-Identifier: BSD-2-Clause */
/* Dom0's vCPUs coming and going as processors do on bare metal: a GPE, and a notification of the processor object. */
#ifndef TORII_VCPU_HOTPLUG_H
#define TORII_VCPU_HOTPLUG_H

#include <torii/types.h>

struct domain;

/*
 * Watch the status and enable bit of GPE acpi_unused_gpe(). `hotplug`: the array the SSDT's methods work on, at its gpa
 * in d's memory. Before d runs. 0 or -errno of the registration.
 */
int vcpu_hotplug_init(struct domain *d, gpa_t hotplug);

/* The first vCPU that is not there comes; the last that came goes. 0, -XEN_ENODEV (no such vCPU, or no GPE). */
int vcpu_hotplug_add(struct domain *d);
int vcpu_hotplug_remove(struct domain *d);

#endif
