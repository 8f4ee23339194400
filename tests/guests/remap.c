/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 qemu="-device edu" */
/*
 * A CPU's local timer while another changes what the machine's addresses mean: it lets a device decode its memory, and stops it
 * again. shots=N of the timer. QEMU 10.0 fails this without a hypervisor, see docs/running.md.
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
    u32 shots = option("shots", 1000), shot, lost = 0, wrong = 0;

    edu = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (edu == PCI_NONE) {
        skip("shots of the timer", "there is no edu device");
        return;
    }
    lapic_write(LAPIC_TDCR, 0xb);
    lapic_write(LAPIC_LVTT, TIMER);
    if (!ap_start(1, change, NULL))
        bail("CPU 1 does not start");
    while (!up)
        cpu_relax();
    for (shot = 0; shot < shots && lost < ENOUGH; shot++) {
        u32 count = 200000 + shot;

        lapic_write(LAPIC_TICR, count);
        wrong += lapic_read(LAPIC_TICR) != count;
        if (!wait_count(&irq_count[0][TIMER], shot + 1 - lost, LOST_MS))
            lost++;
    }
    stop = true;
    is(wrong, 0, "the initial count reads as written");
    is(lost, 0, "every shot of the timer comes");
    note("%u shots beside %u changes", shot, changes);
}
