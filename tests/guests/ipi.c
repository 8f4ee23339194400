/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=4 */
/* Interprocessor interrupts: destinations, shorthands, priorities (SDM vol. 3 §11.6-11.8). */
#include "rt.h"

#define VECTOR 0x51
#define CPUS   4

static volatile u32 up;

static void idle(void *unused)
{
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    for (;;)
        halt();
}

static void reset_counts(void)
{
    for (unsigned i = 0; i < CPUS; i++)
        irq_count[i][VECTOR] = irq_count[i][2] = 0;
}

/* Exactly the CPUs of mask got one each. */
static bool got(u32 mask)
{
    bool right = true;

    for (unsigned i = 0; i < CPUS; i++)
        if (mask >> i & 1)
            wait_count(&irq_count[i][VECTOR], 1, 2000);
    wait_ms(10);
    for (unsigned i = 0; i < CPUS; i++)
        right &= irq_count[i][VECTOR] == (mask >> i & 1);
    if (!right)
        note("got %u %u %u %u", irq_count[0][VECTOR], irq_count[1][VECTOR], irq_count[2][VECTOR], irq_count[3][VECTOR]);
    return right;
}

static void send(u32 dest, u32 icr)
{
    reset_counts();
    lapic_icr(dest, icr | VECTOR);
}

static void destinations(void)
{
    for (unsigned i = 0; i < CPUS; i++) {
        send(cpus[i].apic_id, 0);
        ok(got(1u << i), "physical destination: CPU %u alone", i);
    }
    send(0, ICR_SELF);
    ok(got(1), "shorthand self");
    send(0, ICR_ALL);
    ok(got(0xf), "shorthand all");
    send(0, ICR_OTHERS);
    ok(got(0xe), "shorthand all but self");
    send(0xff, 0);
    ok(got(0xf), "physical destination 0xff is everyone");
    send(0x5a, 0);
    ok(got(0), "a destination nobody has");
}

static u32 dfr_value;

static void set_logical(void)
{
    lapic_write(LAPIC_DFR, dfr_value);
    lapic_write(LAPIC_LDR, dfr_value >> 28 ? 1u << (24 + this_cpu()->index)
                                           : (this_cpu()->index / 2 << 4 | 1u << this_cpu()->index % 2) << 24);
}

static void set_logical_everywhere(u32 dfr)
{
    dfr_value = dfr;
    irq_handler[VECTOR] = set_logical;
    send(0, ICR_ALL);
    got(0xf);
    irq_handler[VECTOR] = NULL;
}

static void logical(void)
{
    unsigned sum = 0;

    set_logical_everywhere(0xffffffff);
    send(0x2, ICR_LOGICAL);
    ok(got(0x2), "logical flat: one");
    send(0xd, ICR_LOGICAL);
    ok(got(0xd), "logical flat: three");
    send(0xff, ICR_LOGICAL);
    ok(got(0xf), "logical flat: 0xff is everyone");
    reset_counts();
    lapic_icr(0xf, ICR_LOGICAL | ICR_LOWEST | VECTOR);
    wait_ms(50);
    for (unsigned i = 0; i < CPUS; i++)
        sum += irq_count[i][VECTOR];
    is(sum, 1, "lowest priority: one of four");
    set_logical_everywhere(0x0fffffff);
    send(0x12, ICR_LOGICAL);
    ok(got(0x8), "logical cluster: one of cluster 1");
    send(0x03, ICR_LOGICAL);
    ok(got(0x3), "logical cluster: both of cluster 0");
    set_logical_everywhere(0xffffffff);
}

static void nmi(void)
{
    reset_counts();
    lapic_icr(cpus[1].apic_id, ICR_NMI);
    ok(wait_count(&irq_count[1][2], 1, 2000), "an NMI reaches a halted CPU");
    lapic_icr(0, ICR_OTHERS | ICR_NMI);
    ok(wait_count(&irq_count[1][2], 2, 2000) && wait_count(&irq_count[2][2], 1, 2000) &&
           wait_count(&irq_count[3][2], 1, 2000),
       "NMIs to all but self");
    is(irq_count[0][2], 0, "and none to self");
}

static u8 order[8];
static unsigned nr_order;
static u8 nested_from, nested_to;

static void log_a(void)
{
    order[nr_order++] = 0x91;
}
static void log_b(void)
{
    order[nr_order++] = 0x51;
}
static void log_c(void)
{
    order[nr_order++] = 0x31;
}

static void nest(void)
{
    u32 before;

    /* Higher class: interrupts this handler. Lower class: waits for its EOI. */
    before = irq_count[0][0x91];
    lapic_icr(0, ICR_SELF | 0x91);
    sti();
    udelay(1000);
    nested_to = irq_count[0][0x91] - before;
    before = irq_count[0][0x31];
    lapic_icr(0, ICR_SELF | 0x31);
    udelay(1000);
    nested_from = irq_count[0][0x31] - before;
    cli();
}

static void priorities(void)
{
    irq_handler[0x91] = log_a;
    irq_handler[0x51] = log_b;
    irq_handler[0x31] = log_c;
    lapic_icr(0, ICR_SELF | 0x51);
    lapic_icr(0, ICR_SELF | 0x31);
    lapic_icr(0, ICR_SELF | 0x91);
    wait_ms(20);
    ok(nr_order == 3 && order[0] == 0x91 && order[1] == 0x51 && order[2] == 0x31, "the highest vector comes first");
    irq_handler[0x91] = irq_handler[0x31] = NULL;
    irq_handler[0x61] = nest;
    lapic_icr(0, ICR_SELF | 0x61);
    wait_ms(20);
    is(nested_to, 1, "a higher class interrupts a handler");
    is(nested_from, 0, "a lower class waits for the EOI");
    is(irq_count[0][0x31], 2, "and then comes");
    irq_handler[0x51] = NULL;
    reset_counts();
    for (unsigned i = 0; i < 5; i++)
        lapic_icr(0, ICR_SELF | VECTOR);
    wait_ms(10);
    is(irq_count[0][VECTOR], 1, "one vector pends once");
}

static volatile u32 pongs;

static void pong(void)
{
    if (this_cpu()->index)
        lapic_icr(cpus[0].apic_id, VECTOR);
    else
        pongs++;
}

static void storm(void)
{
    irq_handler[VECTOR] = pong;
    for (unsigned i = 0; i < 1000; i++) {
        lapic_icr(cpus[1 + i % 3].apic_id, VECTOR);
        if (!wait_count(&pongs, i + 1, 3000))
            break;
    }
    is(pongs, 1000, "a thousand round trips to halted CPUs lose none");
    irq_handler[VECTOR] = NULL;
}

void test(void)
{
    is(nr_cpus, CPUS, "the MADT has the machine's CPUs");
    for (unsigned i = 1; i < CPUS; i++)
        if (!ap_start(i, idle, NULL))
            bail("CPU %u does not start", i);
    while (up < CPUS - 1)
        cpu_relax();
    destinations();
    logical();
    nmi();
    priorities();
    storm();
}
