/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the machine's PCI functions, and walking their capability lists. */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/log.h>
#include <torii/pci.h>

#define PCI_ID_NONE 0xffffffffu

static struct pci_device *devices, *last_device;

struct pci_device *pci_first(void)
{
    return devices;
}

struct pci_device *pci_find(u32 sbdf)
{
    struct pci_device *dev;

    for (dev = devices; dev; dev = dev->next)
        if (dev->sbdf == sbdf)
            return dev;
    return NULL;
}

/*
 * Does a function answer here? Virtual functions answer with vendor and device id all ones (SR-IOV 1.1 §3.4.1.1), so
 * the class register is asked too. A vendor id of 0 or 1 is no vendor: 0001 is "retry" (PCIe 5.0 §2.3.2).
 */
static bool function_answers(u32 sbdf)
{
    u32 id = pci_read(sbdf, PCI_ID, 4);

    if (id == PCI_ID_NONE)
        return pci_read(sbdf, PCI_CLASS, 4) != ~0u;
    return (id & 0xffff) > 1 && (id & 0xffff) != 0xffff;
}

struct pci_device *pci_probe(u32 sbdf)
{
    struct pci_device *dev = pci_find(sbdf);

    if (!function_answers(sbdf))
        return NULL;
    if (!dev) {
        dev = xzalloc(sizeof(*dev));
        if (!dev)
            return NULL;
        dev->sbdf = sbdf;
        if (last_device)
            last_device->next = dev;
        else
            devices = dev;
        last_device = dev;
    }
    dev->id = pci_read(sbdf, PCI_ID, 4);
    dev->class = pci_read(sbdf, PCI_CLASS, 4) >> 16;
    dev->header = pci_read(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT;
    if (dev->class == PCI_CLASS_IOMMU)
        dev->owned = true;
    return dev;
}

void pci_set_owned(u32 sbdf)
{
    struct pci_device *dev = pci_find(sbdf);

    if (dev)
        dev->owned = true;
}

/* Every bus is tried, not only those behind known bridges: further root buses appear only in AML. */
static unsigned scan_bus(u16 seg, unsigned bus)
{
    unsigned slot, func, funcs, found = 0;
    u32 sbdf;

    for (slot = 0; slot < 32; slot++) {
        sbdf = PCI_SBDF(seg, bus, slot << 3);
        if (!pci_probe(sbdf))
            continue;
        found++;
        funcs = pci_read(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI ? 8 : 1;
        for (func = 1; func < funcs; func++)
            if (pci_probe(sbdf | func))
                found++;
    }
    return found;
}

static unsigned scan_segment(u16 seg, unsigned first, unsigned last)
{
    unsigned bus, found = 0;

    for (bus = first; bus <= last; bus++)
        found += scan_bus(seg, bus);
    return found;
}

void pci_init(void)
{
    const struct acpi_mcfg *m;
    unsigned i, found;
    int err;

    for (i = 0; i < acpi_info.nr_mcfg; i++) {
        m = &acpi_info.mcfg[i];
        err = pci_ecam_add(m->base, m->segment, m->bus_first, m->bus_last);
        if (err)
            log_warn("PCI: ECAM of segment %04x buses %02x-%02x at 0x%llx refused: error %d\n", m->segment,
                     m->bus_first, m->bus_last, (unsigned long long)m->base, err);
    }
    found = scan_segment(0, 0, 255);
    for (i = 0; i < acpi_info.nr_mcfg; i++) {
        m = &acpi_info.mcfg[i];
        if (m->segment)
            found += scan_segment(m->segment, m->bus_first, m->bus_last);
    }
    log_info("PCI: %u functions, %u ECAM region%s%s\n", found, acpi_info.nr_mcfg, acpi_info.nr_mcfg == 1 ? "" : "s",
             pci_leave_ports() ? " and no ports used" : "");
}

u8 pci_next_cap(u32 sbdf, u8 pos, u8 *link, unsigned *budget)
{
    u8 at, next;

    if (pos) {
        at = pos + 1;
    } else {
        if (!(pci_read(sbdf, PCI_STATUS, 2) & PCI_STATUS_CAPS))
            return 0;
        at = (pci_read(sbdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_LAYOUT) == 2 ? PCI_CAP_PTR_CARDBUS : PCI_CAP_PTR;
    }
    /* The two low bits are reserved: software masks them (PCI 3.0 §6.7). */
    next = pci_read(sbdf, at, 1) & 0xfc;
    if (!*budget || next < PCI_CAP_FIRST || next == 0xfc)
        return 0;
    (*budget)--;
    *link = at;
    return next;
}

u8 pci_find_cap(u32 sbdf, u8 id)
{
    unsigned budget = PCI_CAPS_MAX;
    u8 pos = 0, link;

    while ((pos = pci_next_cap(sbdf, pos, &link, &budget)))
        if (pci_read(sbdf, pos, 1) == id)
            return pos;
    return 0;
}

u16 pci_find_ext_cap(u32 sbdf, u16 id)
{
    unsigned budget = PCI_EXT_CAPS_MAX;
    unsigned pos = PCI_CONFIG_SIZE;
    u32 head;

    if (!pci_has_ecam(sbdf))
        return 0;
    while (pos >= PCI_CONFIG_SIZE && budget--) {
        head = pci_read(sbdf, pos, 4);
        if (!head || head == ~0u)
            return 0;
        if ((head & 0xffff) == id)
            return pos;
        pos = head >> 20 & 0xffc;
    }
    return 0;
}
