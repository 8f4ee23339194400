/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's PCI: configuration space access, enumeration, capability lists. Functions are named by their sbdf:
 * segment 31:16, bus 15:8, device 7:3, function 2:0. Registers as in PCI 3.0 ch. 6 and PCIe 5.0 ch. 7.
 */
#ifndef TORII_PCI_H
#define TORII_PCI_H

#include <torii/types.h>

#define PCI_SBDF(seg, bus, devfn) ((u32)(seg) << 16 | (u32)(bus) << 8 | (u32)(devfn))
#define PCI_SEG(sbdf)             ((u16)((sbdf) >> 16))
#define PCI_BUS(sbdf)             ((u8)((sbdf) >> 8))
#define PCI_DEVFN(sbdf)           ((u8)(sbdf))
#define PCI_DEV(sbdf)             ((sbdf) >> 3 & 31)
#define PCI_FUNC(sbdf)            ((sbdf)&7)
/* For log lines. */
#define PCI_FMT        "%04x:%02x:%02x.%u"
#define PCI_ARGS(sbdf) PCI_SEG(sbdf), PCI_BUS(sbdf), (unsigned)PCI_DEV(sbdf), (unsigned)PCI_FUNC(sbdf)

#define PCI_CONFIG_SIZE   256
#define PCIE_CONFIG_SIZE  4096
#define PCI_ECAM_BUS_SIZE (1ul << 20) /* bytes of ECAM per bus, PCIe 5.0 §7.2.2 */

/* Common header, PCI 3.0 §6.1. */
#define PCI_ID                   0x00
#define PCI_COMMAND              0x04
#define PCI_COMMAND_IO           BIT(0)
#define PCI_COMMAND_MEMORY       BIT(1)
#define PCI_COMMAND_INTX_DISABLE BIT(10)
#define PCI_STATUS               0x06
#define PCI_STATUS_CAPS          BIT(4)
#define PCI_CLASS                0x08 /* class, subclass, interface, revision from the top byte down */
#define PCI_HEADER_TYPE          0x0e
#define PCI_HEADER_LAYOUT        0x7f
#define PCI_HEADER_MULTI         0x80
#define PCI_BAR0                 0x10
#define PCI_BUS_NUMBERS          0x18 /* header type 1: primary, secondary, subordinate, latency timer */
#define PCI_ROM                  0x30 /* header type 0 */
#define PCI_ROM_BRIDGE           0x38 /* header type 1 */
#define PCI_ROM_ENABLE           BIT(0)
#define PCI_ROM_MASK             0xfffff800u
#define PCI_CAP_PTR              0x34
#define PCI_CAP_PTR_CARDBUS      0x14
#define PCI_CAP_FIRST            0x40
/* Base address registers, PCI 3.0 §6.2.5.1. */
#define PCI_BAR_IO       BIT(0)
#define PCI_BAR_IO_MASK  0xfffffffcu
#define PCI_BAR_TYPE     0x6u
#define PCI_BAR_64       0x4u
#define PCI_BAR_PREFETCH BIT(3)
#define PCI_BAR_MEM_MASK 0xfffffff0u

/* Class and subclass. */
#define PCI_CLASS_HOST_BRIDGE 0x0600
#define PCI_CLASS_PCI_BRIDGE  0x0604
#define PCI_CLASS_IOMMU       0x0806

/* Capability ids. */
#define PCI_CAP_MSI       0x05
#define PCI_CAP_EXP       0x10
#define PCI_CAP_MSIX      0x11
#define PCI_EXT_CAP_SRIOV 0x0010
#define PCI_EXT_CAP_REBAR 0x0015

struct pci_device {
    u32 sbdf;
    u32 id;     /* device id 31:16, vendor id 15:0 */
    u16 class;  /* class and subclass */
    u8 header;  /* header layout, without the multi-function bit */
    bool owned; /* Torii's: its UART, an IOMMU. Dom0 may look but not touch */
    struct pci_device *next;
};

/* --- access, src/machine/pci_access.c; any context, 1, 2 or 4 bytes, naturally aligned --- */

/* All ones if the function does not answer, or the register is beyond what this machine can reach. */
u32 pci_read(u32 sbdf, unsigned reg, unsigned bytes);
void pci_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val);
/* Registers from 256 up can be reached on this bus. */
bool pci_has_ecam(u32 sbdf);
/*
 * An ECAM region: base is the address of bus 0 of the segment. 0 (also for one already known), -XEN_EINVAL (bus range,
 * alignment), -XEN_EEXIST (overlaps another of the segment), -XEN_ENOSPC.
 */
int pci_ecam_add(paddr_t base, u16 seg, u8 bus_first, u8 bus_last);
/*
 * Boot CPU, after enumeration: if one ECAM region has all buses of segment 0 and shows the functions that the ports show,
 * use the ports 0xcf8-0xcff no more and leave them disabled. True if so; pci_ports_left says it later.
 */
bool pci_leave_ports(void);
/* Segment 0, registers below 256, by the ports even so: while ECAM may be switched off. Nobody else uses them meanwhile. */
u32 pci_ports_read(u32 sbdf, unsigned reg, unsigned bytes);
void pci_ports_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val);
bool pci_ports_left(void);
/* The nth region: false if there is none. base is that of bus_first. */
bool pci_ecam_get(unsigned n, paddr_t *base, u16 *seg, u8 *bus_first, u8 *bus_last);

/* --- enumeration, src/machine/pci.c; boot only unless it says otherwise --- */

/* Take the ECAM regions from acpi_info and find every function of every bus. */
void pci_init(void);
/* Functions found so far, in the order found. The list only grows. */
struct pci_device *pci_first(void);
struct pci_device *pci_find(u32 sbdf);
/* A function appeared: the entry, made if missing. NULL if nothing answers or there is no memory. Not reentrant. */
struct pci_device *pci_probe(u32 sbdf);
/* Torii keeps this function for itself. */
void pci_set_owned(u32 sbdf);

/* --- capability lists; any context. They stop at 48 entries (480 extended), so loops end --- */

/* Offset of the first capability with this id, or 0. */
u8 pci_find_cap(u32 sbdf, u8 id);
/*
 * Walk: the capability after `pos` (0: the first), or 0 at the end. *link is the register that holds the pointer to it.
 * *budget starts at PCI_CAPS_MAX and ends the walk of a looping list.
 */
#define PCI_CAPS_MAX     48
#define PCI_EXT_CAPS_MAX 480
u8 pci_next_cap(u32 sbdf, u8 pos, u8 *link, unsigned *budget);
/* Extended capability with this id, or 0. */
u16 pci_find_ext_cap(u32 sbdf, u16 id);

#endif
