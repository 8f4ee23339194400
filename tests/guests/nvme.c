/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 qemu="-drive id=d,if=none,driver=null-co,read-zeroes=on,size=1M -device nvme,drive=d,serial=torii-guest,addr=5" */
/* MSI-X (PCI 3.0 §6.8.2) and DMA, on an NVMe controller: admin queue on entry 0, an I/O queue on entry 1. */
#include "rt.h"

#define VECTOR  0x76
#define ENTRIES 16

struct command {
    u32 opcode, nsid;
    u64 reserved, metadata, prp1, prp2;
    u32 cdw[6];
};
struct completion {
    u32 result, reserved;
    u16 head, queue, id, status;
};
static struct queue {
    struct command sq[ENTRIES];
    u8 pad[PAGE_SIZE - ENTRIES * sizeof(struct command)];
    volatile struct completion cq[ENTRIES];
    u8 pad2[PAGE_SIZE - ENTRIES * sizeof(struct completion)];
    u32 tail, head, phase;
} admin PAGE_ALIGNED, io PAGE_ALIGNED;
static u8 buffer[PAGE_SIZE] PAGE_ALIGNED;
static u16 bdf, next_id;
static u8 cap;
static u64 regs, table, pba;
static volatile u32 up;

static void idle(void *unused)
{
    up = 1;
    for (;;)
        halt();
}

static void submit(struct queue *q, unsigned number, struct command c)
{
    c.opcode |= (u32)++next_id << 16;
    q->sq[q->tail] = c;
    q->tail = (q->tail + 1) % ENTRIES;
    __asm__ volatile("" ::: "memory");
    write32(regs + 0x1000 + 8 * number, q->tail);
}

/* The next completion's status, or -1 if none comes in a second. */
static int complete(struct queue *q, unsigned number)
{
    u64 end = rdtsc() + 1000 * tsc_khz;
    int status;

    while ((q->cq[q->head].status & 1) == q->phase)
        if (rdtsc() > end)
            return -1;
    status = q->cq[q->head].status >> 1;
    if (++q->head == ENTRIES)
        q->head = 0, q->phase ^= 1;
    write32(regs + 0x1004 + 8 * number, q->head);
    return status;
}

static struct command identify(void)
{
    return (struct command){.opcode = 6, .prp1 = (u64)buffer, .cdw = {1}};
}

static void entry(unsigned n, u64 address, u32 data, u32 control)
{
    write32(table + 16 * n, address);
    write32(table + 16 * n + 4, address >> 32);
    write32(table + 16 * n + 8, data);
    write32(table + 16 * n + 12, control);
}

static void function(u16 set, u16 clear)
{
    pci_write(bdf, cap + 2, 2, (pci_read(bdf, cap + 2, 2) & ~clear) | set);
}

static bool start(void)
{
    u64 end = rdtsc() + 5000 * tsc_khz;

    write32(regs + 0x14, 0);
    while (read32(regs + 0x1c) & 1)
        if (rdtsc() > end)
            return false;
    write32(regs + 0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    write64(regs + 0x28, (u64)admin.sq);
    write64(regs + 0x30, (u64)admin.cq);
    write32(regs + 0x14, 4 << 20 | 6 << 16 | 1);
    while (!(read32(regs + 0x1c) & 1))
        if (rdtsc() > end)
            return false;
    return true;
}

static void table_access(void)
{
    is(read32(table + 12) & 1, 1, "entries start masked");
    entry(2, 0xfee01000, 0x4055, 1);
    is(read32(table + 32), 0xfee01000, "an entry's address reads back");
    is(read32(table + 40), 0x4055, "and its data");
    write64(table + 32, 0xfee02000);
    is(read64(table + 32), 0xfee02000, "64 bits at once");
    write64(table + 40, 0x100004066);
    is(read64(table + 40), 0x100004066, "data and control at once");
    is(read32(pba) & 7, 0, "nothing is pending");
}

static void delivery(void)
{
    volatile u32 *count = &irq_count[0][VECTOR];

    entry(0, MSI_ADDRESS(cpus[0].apic_id), VECTOR, 0);
    is(pci_read(bdf, cap + 2, 2) & 0xc000, 0x8000, "the capability reads as enabled");
    submit(&admin, 0, identify());
    ok(wait_count(count, 1, 2000), "a completion interrupts");
    is(complete(&admin, 0), 0, "IDENTIFY succeeds");
    ok(!memcmp(buffer + 4, "torii-guest", 11), "DMA brought the serial number");

    write32(table + 12, 1);
    submit(&admin, 0, identify());
    is(complete(&admin, 0), 0, "masked, the command still completes");
    wait_ms(20);
    is(*count, 1, "but does not interrupt");
    is(read32(pba) & 1, 1, "it is pending");
    write32(table + 12, 0);
    ok(wait_count(count, 2, 2000), "unmasking delivers it");
    is(read32(pba) & 1, 0, "and it is pending no more");

    function(0x4000, 0);
    submit(&admin, 0, identify());
    complete(&admin, 0);
    wait_ms(20);
    is(*count, 2, "the function's mask holds it back");
    function(0, 0x4000);
    ok(wait_count(count, 3, 2000), "and lets it go");

    write32(table + 12, 1);
    entry(0, MSI_ADDRESS(cpus[1].apic_id), VECTOR + 1, 0);
    submit(&admin, 0, identify());
    ok(wait_count(&irq_count[1][VECTOR + 1], 1, 2000), "a rewritten entry: another vector on the other CPU");
    is(complete(&admin, 0), 0, "and the command completed");
    function(0, 0x8000);
    function(0x8000, 0);
    submit(&admin, 0, identify());
    ok(wait_count(&irq_count[1][VECTOR + 1], 2, 2000), "entries survive a disabled capability");
    complete(&admin, 0);
    is(read32(table), (u32)MSI_ADDRESS(cpus[1].apic_id), "the table shows the guest's own address");
    is(read32(table + 8), VECTOR + 1, "and data");
}

static void two_vectors(void)
{
    struct command cq = {.opcode = 5, .prp1 = (u64)io.cq, .cdw = {(ENTRIES - 1) << 16 | 1, 1 << 16 | 3}};
    struct command sq = {.opcode = 1, .prp1 = (u64)io.sq, .cdw = {(ENTRIES - 1) << 16 | 1, 1 << 16 | 1}};
    struct command read = {.opcode = 2, .nsid = 1, .prp1 = (u64)buffer};
    bool zero = true;

    entry(1, MSI_ADDRESS(cpus[0].apic_id), VECTOR + 2, 0);
    submit(&admin, 0, cq);
    is(complete(&admin, 0), 0, "a completion queue on entry 1");
    submit(&admin, 0, sq);
    is(complete(&admin, 0), 0, "its submission queue");
    submit(&io, 1, read);
    ok(wait_count(&irq_count[0][VECTOR + 2], 1, 2000), "a read interrupts by entry 1");
    is(complete(&io, 1), 0, "and succeeds");
    for (unsigned i = 0; i < 512; i++)
        zero &= !buffer[i];
    ok(zero, "DMA brought the block");
    for (unsigned i = 0; i < 100; i++) {
        submit(&io, 1, read);
        if (!wait_count(&irq_count[0][VECTOR + 2], i + 2, 2000) || complete(&io, 1))
            bail("read %u", i);
    }
    ok(true, "a hundred reads, a hundred interrupts");
}

void test(void)
{
    u32 at;

    bdf = pci_find(0x1b36, 0x0010);
    if (bdf == PCI_NONE)
        bail("no NVMe controller");
    pci_enable(bdf);
    regs = pci_bar(bdf, 0);
    cap = pci_capability(bdf, PCI_CAP_MSIX);
    at = pci_read(bdf, cap + 4, 4);
    table = pci_bar(bdf, at & 7) + (at & ~7u);
    at = pci_read(bdf, cap + 8, 4);
    pba = pci_bar(bdf, at & 7) + (at & ~7u);
    ok((pci_read(bdf, cap + 2, 2) & 0x7ff) >= 2, "the table has three entries or more");
    ap_start(1, idle, NULL);
    while (!up)
        cpu_relax();
    table_access();
    /* QEMU's controller looks at MSI-X when a queue is made. */
    function(0x8000, 0x4000);
    ok(start(), "the controller starts");
    delivery();
    two_vectors();
}
