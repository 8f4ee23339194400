/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 qemu="-device edu" */
/*
 * A CPU's local timer while another changes what the machine's addresses mean: it lets a device decode its memory, and
 * stops it again. writes=N of a register, shots=N of the timer. Without a hypervisor QEMU 10.0 lost some of millions of
 * such writes, see docs/running.md.
 */
#include "rt.h"

#define TIMER   0x61
#define LOST_MS 3000
#define ENOUGH  20

static volatile u32 up, stop, changes;
static u16 edu;

static void change(void *unused)
{
    up = true;
    while (!stop) {
        pci_write(edu, PCI_COMMAND, 2, 0);
        pci_write(edu, PCI_COMMAND, 2, PCI_COMMAND_MEM);
        changes++;
    }
    for (;;)
        halt();
}

void test(void)
{
    u32 writes = option("writes", 2000), shots = option("shots", 1000), shot, lost = 0, wrong = 0;

    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NONE) {
        skip("shots of the timer", "there is no edu device");
        return;
    }
    lapic_write(LAPIC_TDCR, 0xb);
    lapic_write(LAPIC_LVTT, LVT_MASKED);
    if (!ap_start(1, change, NULL))
        bail("CPU 1 does not start");
    while (!up)
        cpu_relax();
    for (u32 count = 0x10000000; count < 0x10000000 + writes; count++) {
        lapic_write(LAPIC_TICR, count);
        wrong += lapic_read(LAPIC_TICR) != count;
    }
    lapic_write(LAPIC_TICR, 0);
    lapic_write(LAPIC_LVTT, TIMER);
    for (shot = 0; shot < shots && lost < ENOUGH; shot++) {
        lapic_write(LAPIC_TICR, 200000);
        if (!wait_count(&irq_count[0][TIMER], shot + 1 - lost, LOST_MS))
            lost++;
    }
    stop = true;
    is(wrong, 0, "the initial count reads as written");
    is(lost, 0, "every shot of the timer comes");
    note("%u writes and %u shots beside %u changes", writes, shot, changes);
}
