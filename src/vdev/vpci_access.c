/* SPDX-License-Identifier: BSD-2-Clause */
/* vPCI: the two ways a domain reaches configuration space, ports 0xcf8-0xcff and ECAM. */
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/stage2.h>
#include <torii/vpower.h>

#include "vpci_internal.h"

#define CONFIG_ADDRESS      0xcf8
#define CONFIG_ADDRESS_LAST 0xcfb
#define RESET_CONTROL       0xcf9
#define CONFIG_DATA         0xcfc
#define CONFIG_LAST         0xcff
#define CONFIG_ENABLE       BIT(31)
#define CONFIG_ADDRESS_BITS 0x80fffffcu

/* --- mechanism 1: ports --- */

static void config_data(struct domain *d, unsigned at, unsigned bytes, bool write, u32 *val)
{
    u32 address = READ_ONCE(d->vpci->cf8);
    u32 sbdf = address >> 8 & 0xffff;
    unsigned reg = (address & 0xfc) + at;

    if (!(address & CONFIG_ENABLE) || at + bytes > 4) {
        if (!write)
            *val = vpci_ones(bytes);
    } else if (write) {
        vpci_config_write(d, sbdf, reg, bytes, *val);
    } else {
        *val = vpci_config_read(d, sbdf, reg, bytes);
    }
}

/*
 * A kernel that looks for devices asks thousands of places where there is none, an exit for the address and one for the
 * data each. Where Torii itself uses ECAM only, the hardware's address register rests disabled for good, and its data
 * port is one that nothing decodes: all ones, as of a function that is absent. So while the domain's own address names
 * such a function its data accesses need no exit. They reach no device, whatever appears there meanwhile; and before a
 * write of another address is done, every vCPU has seen its data port trapped again.
 */
static void config_address(struct vpci *vpci, u32 address)
{
    bool absent, changed;

    if (!pci_ports_left()) {
        WRITE_ONCE(vpci->cf8, address);
        return;
    }
    absent = !(address & CONFIG_ENABLE) || !vpci_device_for_access(vpci, address >> 8 & 0xffff);
    spin_lock(&vpci->cf8_lock);
    WRITE_ONCE(vpci->cf8, address);
    changed = vpci->data_passes != absent && pio_pass(vpci->d, CONFIG_DATA, CONFIG_LAST, absent);
    if (changed)
        vpci->data_passes = absent;
    spin_unlock(&vpci->cf8_lock);
    if (changed && !absent)
        s2_flush(vpci->d);
}

/* Only a 4-byte access is the address register's (PCI 3.0 §3.2.2.3.2); 0xcf9 is the chipset's reset control. */
static void vpci_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    struct vpci *vpci = ctx;

    if (port >= CONFIG_DATA) {
        config_data(vpci->d, port - CONFIG_DATA, bytes, write, val);
    } else if (port == CONFIG_ADDRESS && bytes == 4) {
        if (write)
            config_address(vpci, *val & CONFIG_ADDRESS_BITS);
        else
            *val = READ_ONCE(vpci->cf8);
    } else if (port == RESET_CONTROL && bytes < 4) {
        vpower_reset_control(v, NULL, port, bytes, write, val);
    } else if (!write) {
        *val = vpci_ones(bytes);
    }
}

/* --- ECAM --- */

static void vpci_ecam(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct vpci *vpci = ctx;
    unsigned n, part, reg = gpa & (PCIE_CONFIG_SIZE - 1);
    paddr_t base = 0;
    u8 first = 0, last = 0;
    u16 seg = 0;
    u32 sbdf;
    u64 got = 0;

    for (n = 0; pci_ecam_get(n, &base, &seg, &first, &last); n++)
        if (gpa >= base && gpa - base < (last - first + 1u) * PCI_ECAM_BUS_SIZE)
            break;
    sbdf = PCI_SBDF(seg, first + ((gpa - base) >> 20), (gpa - base) >> 12 & 0xff);
    for (part = 0; part < min(bytes, 8u); part += 4) {
        if (write)
            vpci_config_write(vpci->d, sbdf, reg + part, min(bytes - part, 4u), *val >> part * 8);
        else
            got |= (u64)vpci_config_read(vpci->d, sbdf, reg + part, min(bytes - part, 4u)) << part * 8;
    }
    if (!write)
        *val = got;
}

int vpci_ecam_register(struct domain *d, unsigned n)
{
    paddr_t base;
    u8 first, last;
    u16 seg;
    u64 size;
    int err;

    if (!pci_ecam_get(n, &base, &seg, &first, &last))
        return -XEN_EINVAL;
    size = (last - first + 1u) * PCI_ECAM_BUS_SIZE;
    err = s2_unmap(d, base >> PAGE_SHIFT, size >> PAGE_SHIFT);
    if (!err)
        err = mmio_register(d, base, base + size - 1, vpci_ecam, d->vpci);
    if (err)
        log_err("vPCI: ECAM of segment %04x at 0x%llx not trapped: error %d\n", seg, (unsigned long long)base, err);
    return err;
}

unsigned vpci_ecam_regions(void)
{
    paddr_t base;
    u8 first, last;
    unsigned n = 0;
    u16 seg;

    while (pci_ecam_get(n, &base, &seg, &first, &last))
        n++;
    return n;
}

/* --- both --- */

int vpci_access_register(struct domain *d)
{
    unsigned n, regions = vpci_ecam_regions();
    int err = pio_register(d, CONFIG_ADDRESS, CONFIG_ADDRESS_LAST, vpci_port, d->vpci);

    if (!err)
        err = pio_register(d, CONFIG_DATA, CONFIG_LAST, vpci_port, d->vpci);
    for (n = 0; n < regions && !err; n++)
        err = vpci_ecam_register(d, n);
    return err;
}
