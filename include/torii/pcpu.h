/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical CPUs that come, go out of use and come back while the machine runs. */
#ifndef TORII_PCPU_H
#define TORII_PCPU_H

#include <torii/types.h>

struct domain;

/*
 * A processor was plugged in; it is not started. Its number, -XEN_EINVAL (the MADT does not list that APIC id),
 * -XEN_EEXIST, -XEN_ENOSPC, -XEN_ENOMEM, -XEN_EBUSY.
 */
long pcpu_add(u32 apic_id);
/*
 * CPU `cpu` runs vCPUs or not; one that was added is started. 0, -XEN_EINVAL (no such CPU), -XEN_EOPNOTSUPP (the boot
 * CPU stays), -XEN_EIO (it does not start), -XEN_EBUSY. Takes 10 ms and more for one that has to start.
 */
long pcpu_set_online(u32 cpu, bool online);

/*
 * CPU `cpu` stops, to be taken out of the machine: its vCPUs, timers and device interrupts go to the boot CPU. Takes
 * 10 ms and more. 0, -XEN_EINVAL, -XEN_EOPNOTSUPP (the boot CPU), -XEN_EBUSY (it is the calling CPU, or a device
 * cannot be told to interrupt another one; it is out of use then). pcpu_add takes it back. src/domain/eject.c
 */
int pcpu_remove(u32 cpu);
/* Dom0 learns that CPUs came, went or changed. */
void pcpu_changed(void);

/* src/vdev/pcpu_hotplug.c: follow d's use of the machine's processor hotplug registers, if there are any. 0 or -errno. */
int pcpu_hotplug_init(struct domain *d);

#endif
