/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 qemu="-device nec-usb-xhci,id=usb,msi=on,msix=off,addr=5 -device usb-tablet,bus=usb.0" */
/*
 * Message signalled interrupts of several vectors (PCI 3.0 §6.8.1.3), on a USB controller (xHCI 1.1): each transfer
 * names the interrupter that tells its end, and interrupter n sends message n.
 */
#include "rt.h"

#define VENDOR 0x1033
#define DEVICE 0x0194

#define VECTOR         0xa0 /* and the three after it */
#define OTHER          0xb0
#define INTERRUPTERS   4
#define LOG2_VECTORS   2
#define MSI_COUNT(n)   ((n) << 4)
#define MSI_CAPABLE(c) ((c) >> 1 & 7)

/* xHCI 1.1 §5.3-5.5: capability, operational, port and runtime registers. */
enum { HCSPARAMS1 = 0x04, DBOFF = 0x14, RTSOFF = 0x18 };
enum { USBCMD = 0x00, USBSTS = 0x04, CRCR = 0x18, DCBAAP = 0x30, CONFIG = 0x38, PORTSC = 0x400 };
enum { IMAN = 0x20, ERSTSZ = 0x28, ERSTBA = 0x30, ERDP = 0x38 };
#define USBCMD_RUN   1u
#define USBCMD_RESET 2u
#define USBCMD_INTE  4u
#define PORTSC_CCS   1u
#define PORTSC_RESET 0x10u
#define PORTSC_POWER 0x200u
#define PORTSC_PRC   0x200000u
#define IMAN_PENDING 1u
#define IMAN_ENABLE  2u
#define ERDP_BUSY    8u

/* §6.4: transfer request blocks. */
struct trb {
    u64 parameter;
    u32 status, control;
};
#define TRB_TYPE(control) ((control) >> 10 & 0x3f)
#define TRB_CYCLE         1u
#define TRB_IOC           0x20u
#define TRB_IMMEDIATE     0x40u
#define TRB_IN            0x10000u
enum { SETUP = 2, STATUS = 4, ENABLE_SLOT = 9, ADDRESS_DEVICE = 11, TRANSFER_EVENT = 32, COMMAND_EVENT = 33 };
#define ADDRESS_BLOCK_SET 0x200u /* no SET_ADDRESS goes to the device */
#define SUCCESS           1u

#define TRBS (PAGE_SIZE / sizeof(struct trb))
static struct trb commands[TRBS] PAGE_ALIGNED, transfers[TRBS] PAGE_ALIGNED;
static volatile struct trb events[INTERRUPTERS][TRBS] PAGE_ALIGNED;
/* §6.5: a table of one segment each; tables are aligned to 64 bytes. */
static struct {
    u64 base;
    u32 trbs, reserved;
} __attribute__((aligned(64))) segments[INTERRUPTERS] PAGE_ALIGNED;
static u64 contexts[256] PAGE_ALIGNED;
static u32 output[1024] PAGE_ALIGNED, input[1024] PAGE_ALIGNED;
static unsigned next_command, next_transfer, next_event[INTERRUPTERS];

static u16 bdf;
static u8 cap;
static u64 op, runtime, doorbell;
static u32 slot, port;
static volatile u32 up;

static void idle(void *unused)
{
    up = 1;
    for (;;)
        halt();
}

static u64 interrupter(unsigned i)
{
    return runtime + 32 * i;
}

static void write_pair(u64 at, u64 value)
{
    write32(at, (u32)value);
    write32(at + 4, value >> 32);
}

/* The interrupter may send its next message. */
static void consume(unsigned i)
{
    next_event[i]++;
    write_pair(interrupter(i) + ERDP, (u64)&events[i][next_event[i]] | ERDP_BUSY);
    write32(interrupter(i) + IMAN, IMAN_ENABLE | IMAN_PENDING);
}

/* The next event of this type; others are passed over. NULL if none comes in a second. */
static const volatile struct trb *event(unsigned i, unsigned type)
{
    u64 end = rdtsc() + 1000 * tsc_khz;

    do {
        const volatile struct trb *e = &events[i][next_event[i]];

        if (!(e->control & TRB_CYCLE))
            continue;
        consume(i);
        if (TRB_TYPE(e->control) == type)
            return e;
    } while (rdtsc() < end);
    return NULL;
}

static const volatile struct trb *command(u64 parameter, u32 control)
{
    commands[next_command++] = (struct trb){.parameter = parameter, .control = control | TRB_CYCLE};
    __asm__ volatile("" ::: "memory");
    write32(doorbell, 0);
    return event(0, COMMAND_EVENT);
}

/* A request without data, whose end interrupter i tells: SET_CONFIGURATION 0. */
static void transfer(unsigned i)
{
    transfers[next_transfer++] =
        (struct trb){.parameter = 9 << 8, .status = 8, .control = SETUP << 10 | TRB_IMMEDIATE | TRB_CYCLE};
    transfers[next_transfer++] =
        (struct trb){.status = i << 22, .control = STATUS << 10 | TRB_IN | TRB_IOC | TRB_CYCLE};
    __asm__ volatile("" ::: "memory");
    write32(doorbell + 4 * slot, 1);
}

/* --- the controller and its one device --- */

static void start(u64 regs)
{
    u32 params = read32(regs + HCSPARAMS1);

    op = regs + read8(regs);
    runtime = regs + (read32(regs + RTSOFF) & ~0x1fu);
    doorbell = regs + (read32(regs + DBOFF) & ~3u);
    write32(op + USBCMD, USBCMD_RESET);
    while (read32(op + USBCMD) & USBCMD_RESET)
        cpu_relax();
    write32(op + CONFIG, params & 0xff);
    write_pair(op + DCBAAP, (u64)contexts);
    write_pair(op + CRCR, (u64)commands | TRB_CYCLE);
    for (unsigned i = 0; i < INTERRUPTERS; i++) {
        segments[i].base = (u64)events[i];
        segments[i].trbs = TRBS;
        write32(interrupter(i) + ERSTSZ, 1);
        write_pair(interrupter(i) + ERDP, (u64)events[i]);
        write_pair(interrupter(i) + ERSTBA, (u64)&segments[i]);
        write32(interrupter(i) + IMAN, IMAN_ENABLE);
    }
    write32(op + USBCMD, USBCMD_RUN | USBCMD_INTE);
    for (port = 1; port <= params >> 24; port++)
        if (read32(op + PORTSC + 16 * (port - 1)) & PORTSC_CCS)
            break;
    if (port > params >> 24)
        bail("no USB device");
    write32(op + PORTSC + 16 * (port - 1), PORTSC_POWER | PORTSC_RESET);
    while (!(read32(op + PORTSC + 16 * (port - 1)) & PORTSC_PRC))
        cpu_relax();
}

/* §4.3.3: a slot whose endpoint 0 has a ring. Contexts are of 32 bytes. */
static bool address_device(void)
{
    u32 speed = read32(op + PORTSC + 16 * (port - 1)) >> 10 & 0xf;
    const volatile struct trb *e = command(0, ENABLE_SLOT << 10);

    if (!e || e->status >> 24 != SUCCESS)
        return false;
    slot = e->control >> 24;
    contexts[slot] = (u64)output;
    input[1] = 3; /* slot and endpoint 0 */
    input[8] = 1u << 27 | speed << 20;
    input[9] = port << 16;
    input[16 + 1] = 64u << 16 | 4u << 3 | 3u << 1;
    input[16 + 2] = (u32)(u64)transfers | TRB_CYCLE;
    input[16 + 3] = (u64)transfers >> 32;
    e = command((u64)input, slot << 24 | ADDRESS_DEVICE << 10 | ADDRESS_BLOCK_SET);
    return e && e->status >> 24 == SUCCESS;
}

/* --- messages --- */

static void message(unsigned cpu, u16 data)
{
    pci_write(bdf, cap + 4, 4, MSI_ADDRESS(cpus[cpu].apic_id));
    pci_write(bdf, cap + 8, 4, 0);
    pci_write(bdf, cap + 12, 2, data);
}

static void enable(unsigned log2)
{
    pci_write(bdf, cap + 2, 2, MSI_COUNT(log2) | 1);
}

static u32 taken(unsigned cpu)
{
    u32 sum = 0;

    for (unsigned v = VECTOR; v < OTHER + 16; v++)
        sum += irq_count[cpu][v];
    return sum;
}

/* A transfer that interrupter i ends: its vector on that CPU, once, and no other anywhere. */
static bool raised(unsigned i, unsigned cpu, u8 vector)
{
    u32 n = irq_count[cpu][vector], all = taken(0) + taken(1);
    const volatile struct trb *e;
    bool came;

    transfer(i);
    came = wait_count(&irq_count[cpu][vector], n + 1, 500);
    e = event(i, TRANSFER_EVENT);
    wait_ms(5);
    return came && e && e->status >> 24 == SUCCESS && irq_count[cpu][vector] == n + 1 && taken(0) + taken(1) == all + 1;
}

static void four_vectors(void)
{
    for (unsigned i = 0; i < INTERRUPTERS; i++)
        ok(raised(i, 0, VECTOR + i), "message %u has vector base + %u", i, i);
    message(1, OTHER);
    for (unsigned i = 0; i < INTERRUPTERS; i++)
        ok(raised(i, 1, OTHER + i), "rewritten while enabled, message %u follows to the other CPU", i);
    message(0, VECTOR + 3);
    ok(raised(1, 0, VECTOR + 1), "the low bits of the data are the device's");
    for (unsigned n = 0; n < 20; n++)
        if (!raised(n % INTERRUPTERS, 0, VECTOR + n % INTERRUPTERS))
            bail("message %u got lost", n);
    ok(true, "twenty more, none lost or doubled");
}

static void other_counts(void)
{
    enable(0);
    enable(1);
    is(pci_read(bdf, cap + 2, 2) & 0x71, MSI_COUNT(1) | 1, "two vectors are enabled");
    ok(raised(0, 0, VECTOR + 2), "of two the first");
    ok(raised(1, 0, VECTOR + 3), "and the second");
    enable(0);
    ok(raised(2, 0, VECTOR + 3), "one vector is for all, as the data says");
    enable(LOG2_VECTORS);
    ok(raised(2, 0, VECTOR + 2), "four again");
}

void test(void)
{
    bdf = pci_find(VENDOR, DEVICE);
    if (bdf == PCI_NONE)
        bail("no USB controller");
    pci_enable(bdf);
    cap = pci_capability(bdf, PCI_CAP_MSI);
    ap_start(1, idle, NULL);
    while (!up)
        cpu_relax();
    ok(MSI_CAPABLE(pci_read(bdf, cap + 2, 2)) >= LOG2_VECTORS, "the controller can send four messages");
    message(0, VECTOR);
    enable(LOG2_VECTORS);
    is(pci_read(bdf, cap + 2, 2) & 0x71, MSI_COUNT(LOG2_VECTORS) | 1, "four vectors are enabled");
    start(pci_bar(bdf, 0));
    if (!address_device())
        bail("the USB device does not take its slot");
    wait_ms(5); /* what the port and the commands raised */
    four_vectors();
    other_counts();
}
