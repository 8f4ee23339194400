/* SPDX-License-Identifier: BSD-2-Clause */
/* run: qemu="-device edu,addr=5 -device virtio-rng-pci,addr=6 -device e1000e,addr=7" */
/* PCI configuration space, both ways in; BARs sized and moved; ROM (PCI 3.0 ch. 6). */
#include "rt.h"
#include "hyper.h"

static u16 edu, rng, nic;

static void mechanisms(void)
{
    u64 ecam = pci_ecam();
    unsigned differ = 0;

    outl(0xcf8, 0x80002810);
    is(inl(0xcf8), 0x80002810, "CF8 reads back");
    outb(0xcf8, 0x55);
    is(inl(0xcf8), 0x80002810, "a byte written to CF8 is none of its business");
    outl(0xcf8, 0x00002800);
    is(inl(0xcfc), 0xffffffff, "without the enable bit CFC reads all ones");
    is(pci_read(0, 0, 2), 0x8086, "the host bridge is there");
    is(pci_read(PCI_NONE >> 8 << 3, 0, 4), 0xffffffff, "no function: all ones, 32 bits");
    is(pci_read(0xf0, 0, 2), 0xffff, "no function: all ones, 16 bits");
    is(pci_read(0xf0, 1, 1), 0xff, "no function: all ones, 8 bits");
    pci_write(0xf0, 0, 4, 0);
    is(pci_read(edu, 0, 4), EDU_VENDOR | EDU_DEVICE << 16, "32 bits");
    is(pci_read(edu, 2, 2), EDU_DEVICE, "16 bits at offset 2");
    is(pci_read(edu, 3, 1), EDU_DEVICE >> 8, "8 bits at offset 3");
    if (!ok(ecam, "there is an ECAM window"))
        return;
    for (unsigned bdf = 0; bdf < 256; bdf++)
        for (unsigned reg = 0; reg < 64; reg += 4)
            differ += read32(ecam + bdf * 4096 + reg) != pci_read(bdf, reg, 4);
    is(differ, 0, "ECAM shows what CFC shows, on all of bus 0");
    is(read16(ecam + edu * 4096 + 2), EDU_DEVICE, "ECAM: 16 bits");
    is(read8(ecam + edu * 4096 + 3), EDU_DEVICE >> 8, "ECAM: 8 bits");
    is(read32(ecam + 0xf0 * 4096), 0xffffffff, "ECAM: no function, all ones");
    write8(ecam + edu * 4096 + 0x3c, 0x5a);
    is(pci_read(edu, 0x3c, 1), 0x5a, "a write by ECAM is there by CFC");
    pci_write(edu, 0x3c, 1, 0xa5);
    is(read8(ecam + edu * 4096 + 0x3c), 0xa5, "a write by CFC is there by ECAM");
    is(read32(ecam + nic * 4096 + 0x100) & 0xffff, 1, "ECAM reaches extended capabilities");
}

/* The mask a 32-bit BAR answers all ones with. */
static u32 size_bar(u16 bdf, unsigned reg)
{
    u32 old = pci_read(bdf, reg, 4), mask;

    pci_write(bdf, reg, 4, 0xffffffff);
    mask = pci_read(bdf, reg, 4);
    pci_write(bdf, reg, 4, old);
    return mask;
}

static bool edu_answers(u64 at)
{
    write32(at + EDU_LIVENESS, 0x12345678);
    return read32(at + EDU_LIVENESS) == ~0x12345678u;
}

static void bars(void)
{
    u64 at = pci_bar(edu, 0), high;
    u16 command = pci_read(edu, PCI_COMMAND, 2);
    u32 elsewhere;

    pci_enable(edu);
    ok(at && edu_answers(at), "a device answers at its BAR");
    is(size_bar(edu, 0x10), 0xfff00000, "sizing with decoding on gives the size");
    is(pci_bar(edu, 0), at, "and leaves the address");
    ok(edu_answers(at), "and the device");
    pci_write(edu, PCI_COMMAND, 2, command & ~PCI_COMMAND_MEM);
    is(pci_read(edu, PCI_COMMAND, 2) & PCI_COMMAND_MEM, 0, "decoding goes off");
    is(size_bar(edu, 0x10), 0xfff00000, "sizing with decoding off");
    is(size_bar(edu, 0x14), 0, "a BAR that is not there sizes to 0");
    elsewhere = at >= 0xfd000000 ? 0xf0000000 : 0xfd000000;
    pci_write(edu, 0x10, 4, elsewhere);
    pci_write(edu, PCI_COMMAND, 2, command | PCI_COMMAND_MEM);
    is(pci_bar(edu, 0), elsewhere, "a BAR moves");
    ok(edu_answers(elsewhere), "and the device with it");
    ok(!edu_answers(at), "it left its old place");
    pci_write(edu, PCI_COMMAND, 2, command & ~PCI_COMMAND_MEM);
    pci_write(edu, 0x10, 4, at);
    pci_write(edu, PCI_COMMAND, 2, command | PCI_COMMAND_MEM);
    ok(edu_answers(at), "and came back");

    command = pci_read(rng, PCI_COMMAND, 2);
    pci_write(rng, PCI_COMMAND, 2, command & ~PCI_COMMAND_MEM);
    high = pci_read(rng, 0x24, 4);
    is(pci_read(rng, 0x20, 4) & 7, 4, "virtio's BAR 4 is of 64 bits");
    is(size_bar(rng, 0x20) & ~0xfu, 0xffffc000, "its lower half sizes");
    is(size_bar(rng, 0x24), 0xffffffff, "its upper half sizes");
    is(pci_read(rng, 0x24, 4), high, "and is restored");
    pci_write(rng, PCI_COMMAND, 2, command);

    is(pci_read(nic, 0x18, 4) & 1, 1, "the network card's BAR 2 is of ports");
    is(size_bar(nic, 0x18) & 0xffff, 0xffe1, "a BAR of ports sizes");
}

static void rom(void)
{
    u32 old = pci_read(nic, 0x30, 4), mask, elsewhere = 0xfd800000;

    pci_enable(nic);
    pci_write(nic, 0x30, 4, 0xfffff800);
    mask = pci_read(nic, 0x30, 4);
    is(mask, 0xfffc0000, "the ROM's BAR sizes");
    pci_write(nic, 0x30, 4, elsewhere | 1);
    is(pci_read(nic, 0x30, 4), elsewhere | 1, "the ROM is enabled elsewhere");
    is(read16(elsewhere), 0xaa55, "and has its signature");
    pci_write(nic, 0x30, 4, old);
    is(pci_read(nic, 0x30, 4), old, "and is off again");
}

static void command_and_status(void)
{
    u16 old = pci_read(edu, PCI_COMMAND, 2);

    pci_write(edu, PCI_COMMAND, 2, old | PCI_COMMAND_NO_INTX);
    is(pci_read(edu, PCI_COMMAND, 2), old | PCI_COMMAND_NO_INTX, "INTx disable sticks");
    pci_write(edu, PCI_COMMAND, 1, old & ~PCI_COMMAND_MASTER);
    is(pci_read(edu, PCI_COMMAND, 2), (old & ~PCI_COMMAND_MASTER) | PCI_COMMAND_NO_INTX, "a byte write changes a byte");
    pci_write(edu, PCI_COMMAND, 4, old | 0xffff0000);
    is(pci_read(edu, PCI_COMMAND, 2), old, "status bits written with command do no harm");
    pci_write(edu, 0, 4, 0);
    is(pci_read(edu, 0, 4), EDU_VENDOR | EDU_DEVICE << 16, "vendor and device are read-only");
    ok(pci_capability(edu, PCI_CAP_MSI), "edu has MSI");
    ok(pci_capability(rng, PCI_CAP_MSIX), "virtio has MSI-X");
    ok(pci_capability(rng, PCI_CAP_VENDOR), "virtio has its own capabilities");
    ok(pci_capability(nic, 0x10), "the network card has PCI Express");
    ok(!pci_capability(edu, 0x42), "a capability nobody has is not found");
}

static void reports(void)
{
    struct physdev_pci_device_add add = {.devfn = edu};
    struct physdev_pci_device_add none = {.bus = 0x77};
    struct physdev_pci_mmcfg_reserved ecam = {.address = pci_ecam(), .end_bus = 255, .flags = XEN_PCI_MMCFG_RESERVED};

    is(physdev_op(PHYSDEVOP_pci_device_add, &add), 0, "a known device may be reported");
    ok(physdev_op(PHYSDEVOP_pci_device_add, &none) <= 0, "an unknown one does no harm");
    is(physdev_op(PHYSDEVOP_pci_mmcfg_reserved, &ecam), 0, "the known ECAM window may be reported");
    is(read16(pci_ecam() + edu * 4096 + 2), EDU_DEVICE, "and works as before");
}

void test(void)
{
    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    rng = pci_find(0x1af4, 0x1005);
    nic = pci_find(0x8086, 0x10d3);
    if (edu == PCI_NONE || rng == PCI_NONE || nic == PCI_NONE)
        bail("edu, virtio-rng or e1000e is missing: %x %x %x", edu, rng, nic);
    mechanisms();
    bars();
    rom();
    command_and_status();
    if (on_xen)
        reports();
}
