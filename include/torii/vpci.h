/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PCI configuration space a domain sees. Registers nobody claimed go to the hardware; a claimed one has a handler
 * pair that belongs to the capability it is part of. Interrupts are virtual: the device is programmed with Torii's
 * messages, the guest keeps seeing its own.
 */
#ifndef TORII_VPCI_H
#define TORII_VPCI_H

#include <torii/types.h>

struct domain;

/* Ports 0xcf8-0xcff and every known ECAM region become virtual for d. 0, or -errno of the registration. */
int vpci_init(struct domain *d);
/* Give d every function pci_init found. MSIs that firmware left on are switched off. Before d runs. 0 or -XEN_ENOMEM.
 */
int vpci_domain_add_devices(struct domain *d);
/* Mappings, vectors and traps of all devices go; the domain is paused. */
void vpci_free(struct domain *d);

/*
 * One access of d to its configuration space; 1, 2 or 4 bytes at any alignment. Beyond the space: all ones, dropped.
 * No lock held; may flush the guest's TLBs.
 */
u32 vpci_config_read(struct domain *d, u32 sbdf, unsigned reg, unsigned bytes);
void vpci_config_write(struct domain *d, u32 sbdf, unsigned reg, unsigned bytes, u32 val);

/*
 * physdev_op on behalf of d; no lock held. 0 or -errno:
 * mmcfg_reserved: -XEN_EINVAL for a senseless region, -XEN_EEXIST if it contradicts a known one.
 * device_add, device_remove, device_reset, restore_msi: -XEN_ENODEV if there is no such function; adding a known one is
 * 0.
 */
int vpci_op_mmcfg_reserved(struct domain *d, u64 address, u16 segment, u8 start_bus, u8 end_bus, u32 flags);
int vpci_op_device_add(struct domain *d, u16 seg, u8 bus, u8 devfn);
int vpci_op_device_remove(struct domain *d, u16 seg, u8 bus, u8 devfn);
int vpci_op_device_reset(struct domain *d, u16 seg, u8 bus, u8 devfn);
int vpci_op_restore_msi(struct domain *d, u16 seg, u8 bus, u8 devfn);

/* The machine has slept: d's map follows what the devices decode now. d does not run. */
void vpci_woke(struct domain *d);

/* d's vCPUs have moved to other physical CPUs: interrupts follow as far as the devices' registers let them. Any CPU. */
void vpci_rehome(struct domain *d);

/* Debug console: BARs as mapped, MSI and MSI-X routing. */
void vpci_dump(const struct domain *d);

#endif
