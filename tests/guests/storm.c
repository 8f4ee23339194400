/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=4 qemu="-device edu,addr=5" timeout=240 */
/* A storm of a device's interrupts while another CPU rewrites where they go: none is lost, none comes twice. */
#include "rt.h"

#define CPUS         4
#define VECTOR_MSI   0x75
#define VECTOR_LEVEL 0x77
#define ROUNDS       5000 /* interrupts at least */
#define MOVES        200  /* and re-routings at least: how many a round sees depends on the host */
#define ROUNDS_MOST  (50 * ROUNDS)

static u16 bdf;
static u64 edu;
static u8 cap;
static u32 gsi;
static volatile u32 up, handled, rewritten;
static void (*volatile rewrite)(u32 n);

static void handler(void)
{
    write32(edu + EDU_ACK, read32(edu + EDU_PENDING));
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

static void idle(void *unused)
{
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    for (;;)
        halt();
}

/* With interrupts on: they come here too. */
static void rewriter(void *unused)
{
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    sti();
    for (u32 n = 0;; n++) {
        void (*now)(u32 n) = rewrite;

        if (now) {
            now(n);
            rewritten++;
        } else {
            cpu_relax();
        }
    }
}

static void move_message(u32 n)
{
    pci_write(bdf, cap + 4, 4, MSI_ADDRESS(cpus[n % CPUS].apic_id));
}

static const struct ioapic *pin_of(u32 line, u8 *reg)
{
    for (unsigned i = 0; i < nr_ioapics; i++)
        if (line - ioapics[i].gsi_base < ioapics[i].pins) {
            *reg = 0x10 + 2 * (line - ioapics[i].gsi_base);
            return &ioapics[i];
        }
    bail("GSI %u is no pin's", line);
}

/* Both ways there are: the destination alone, and between a mask and an unmask. */
static void move_pin(u32 n)
{
    u8 reg;
    const struct ioapic *io = pin_of(gsi, &reg);
    bool mask = n & 4;

    if (mask)
        ioapic_write(io, reg, RTE_MASKED | RTE_LEVEL | VECTOR_LEVEL);
    ioapic_write(io, reg + 1, cpus[n % CPUS].apic_id << 24);
    if (mask)
        ioapic_write(io, reg, RTE_LEVEL | VECTOR_LEVEL);
}

static void stop_rewriting(void)
{
    u32 seen;

    rewrite = NULL;
    do {
        seen = rewritten;
        wait_ms(20);
    } while (seen != rewritten);
}

static void storm(const char *kind, u8 vector, void (*how)(u32 n))
{
    u32 sum = 0, least = ~0u, raised = 0;

    handled = 0;
    for (unsigned i = 0; i < CPUS; i++)
        irq_count[i][vector] = 0;
    irq_handler[vector] = handler;
    rewritten = 0;
    rewrite = how;
    while (!rewritten)
        cpu_relax();
    while (raised < ROUNDS || (rewritten < MOVES && raised < ROUNDS_MOST)) {
        write32(edu + EDU_RAISE, 1);
        raised++;
        if (!wait_count(&handled, raised, 5000))
            break;
    }
    stop_rewriting();
    for (unsigned i = 0; i < CPUS; i++) {
        sum += irq_count[i][vector];
        if (irq_count[i][vector] < least)
            least = irq_count[i][vector];
    }
    note("%s: %u raised, %u handled (%u %u %u %u), routed %u times", kind, raised, sum, irq_count[0][vector],
         irq_count[1][vector], irq_count[2][vector], irq_count[3][vector], rewritten);
    is(handled, raised, "%s: every interrupt arrives", kind);
    is(sum, raised, "%s: and arrives once", kind);
    ok(least > 0, "%s: on every CPU", kind);
    ok(rewritten >= MOVES, "%s: while it was moved again and again", kind);
}

void test(void)
{
    bdf = pci_find(EDU_VENDOR, EDU_DEVICE);
    if (bdf == PCI_NONE)
        bail("no edu device");
    pci_enable(bdf);
    edu = pci_bar(bdf, 0);
    cap = pci_capability(bdf, PCI_CAP_MSI);
    gsi = 20 + (bdf >> 3 & 3);
    for (unsigned i = 1; i < CPUS; i++)
        if (!ap_start(i, i == 1 ? rewriter : idle, NULL))
            bail("CPU %u does not start", i);
    while (up < CPUS - 1)
        cpu_relax();

    pci_write(bdf, cap + 4, 4, MSI_ADDRESS(cpus[0].apic_id));
    pci_write(bdf, cap + 8, 4, 0);
    pci_write(bdf, cap + 12, 2, VECTOR_MSI);
    pci_write(bdf, cap + 2, 2, pci_read(bdf, cap + 2, 2) | 1);
    storm("MSI", VECTOR_MSI, move_message);
    pci_write(bdf, cap + 2, 2, pci_read(bdf, cap + 2, 2) & ~1);

    rte_write(gsi, RTE_LEVEL | VECTOR_LEVEL, cpus[0].apic_id);
    storm("level pin", VECTOR_LEVEL, move_pin);
    is(rte_low(gsi) & RTE_REMOTE_IRR, 0, "Remote IRR is clear in the end");
}
