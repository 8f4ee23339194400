/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical IO-APICs (82093AA) and the GSIs behind their pins. */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/ioapic.h>
#include <torii/irq.h>
#include <torii/lapic.h>
#include <torii/log.h>
#include <torii/percpu.h>

#include "irq_internal.h"

/* Indirect registers. */
#define IOAPIC_SELECT  0x00
#define IOAPIC_WINDOW  0x10
#define IOAPIC_ID      0x00
#define IOAPIC_VERSION 0x01
#define IOAPIC_RTE     0x10

/* Redirection table entry, low word. */
#define RTE_ACTIVE_LOW BIT(13)
#define RTE_REMOTE_IRR BIT(14)
#define RTE_LEVEL      BIT(15)
#define RTE_MASKED     BIT(16)

struct ioapic {
    struct ioapic_info info;
    spinlock_t lock; /* LOCK_IOAPIC: the select and window registers go together */
    volatile u32 *regs;
    u32 id; /* register, as firmware set it */
};

struct gsi {
    spinlock_t lock; /* LOCK_GSI: all below but io and pin */
    struct ioapic *io;
    u8 pin;
    bool bound, level;
    bool masked; /* its owner wants it so */
    bool fired;  /* a level interrupt awaits gsi_eoi; the pin is open when neither is true */
    u8 vector;
    unsigned cpu, wanted_cpu;
    u32 rte_low;
    irq_fn *fn;
    void *ctx;
};

static struct ioapic ioapics[ACPI_IOAPICS_MAX];
static unsigned nr_ioapics;
static struct gsi gsis[GSI_MAX];

static u32 ioapic_read(struct ioapic *io, u8 reg)
{
    u32 val;

    spin_lock(&io->lock);
    io->regs[IOAPIC_SELECT / 4] = reg;
    val = io->regs[IOAPIC_WINDOW / 4];
    spin_unlock(&io->lock);
    return val;
}

static void ioapic_write(struct ioapic *io, u8 reg, u32 val)
{
    spin_lock(&io->lock);
    io->regs[IOAPIC_SELECT / 4] = reg;
    io->regs[IOAPIC_WINDOW / 4] = val;
    spin_unlock(&io->lock);
}

static void rte_write_low(struct gsi *g)
{
    ioapic_write(g->io, IOAPIC_RTE + 2 * g->pin, g->rte_low);
}

static void rte_mask(struct gsi *g, bool masked)
{
    u32 low = masked ? g->rte_low | RTE_MASKED : g->rte_low & ~RTE_MASKED;

    if (low == g->rte_low)
        return;
    g->rte_low = low;
    rte_write_low(g);
}

static void rte_update(struct gsi *g)
{
    rte_mask(g, g->masked || g->fired);
}

unsigned ioapic_count(void)
{
    return nr_ioapics;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    return i < nr_ioapics ? &ioapics[i].info : NULL;
}

static void ioapic_add(const struct acpi_ioapic *a)
{
    struct ioapic *io = &ioapics[nr_ioapics];
    u32 version;

    spin_lock_init(&io->lock, LOCK_IOAPIC);
    io->regs = machine_map(a->address, PAGE_SIZE, true);
    if (!io->regs) {
        log_err("IO-APIC at %#x: cannot map\n", a->address);
        return;
    }
    version = ioapic_read(io, IOAPIC_VERSION);
    if (version == ~0u) {
        log_warn("IO-APIC at %#x does not answer, ignored\n", a->address);
        return;
    }
    io->id = ioapic_read(io, IOAPIC_ID);
    io->info = (struct ioapic_info){a->id, a->address, a->gsi_base, (version >> 16 & 0xff) + 1};
    nr_ioapics++;
    for (unsigned pin = 0; pin < io->info.nr_pins; pin++) {
        unsigned gsi = a->gsi_base + pin;

        ioapic_write(io, (u8)(IOAPIC_RTE + 2 * pin), RTE_MASKED);
        if (gsi < GSI_MAX)
            gsis[gsi] = (struct gsi){.lock = SPINLOCK(LOCK_GSI), .io = io, .pin = (u8)pin, .rte_low = RTE_MASKED};
    }
    log_info("IO-APIC %u at %#x: GSI %u-%u\n", a->id, a->address, a->gsi_base, a->gsi_base + io->info.nr_pins - 1);
}

void ioapic_init(void)
{
    for (unsigned i = 0; i < acpi_info.nr_ioapics; i++)
        ioapic_add(&acpi_info.ioapic[i]);
}

/* Nothing is in service any more: a level entry that awaits its end stays masked until gsi_eoi. */
static void gsi_restore(struct gsi *g)
{
    spin_lock(&g->lock);
    if (g->bound) {
        ioapic_write(g->io, IOAPIC_RTE + 2 * g->pin + 1, pcpus[g->cpu]->apic_id << 24);
        rte_write_low(g);
    }
    spin_unlock(&g->lock);
}

void ioapic_restore(void)
{
    for (unsigned i = 0; i < nr_ioapics; i++) {
        ioapic_write(&ioapics[i], IOAPIC_ID, ioapics[i].id);
        for (unsigned pin = 0; pin < ioapics[i].info.nr_pins; pin++)
            ioapic_write(&ioapics[i], (u8)(IOAPIC_RTE + 2 * pin), RTE_MASKED);
    }
    for (unsigned i = 0; i < GSI_MAX; i++)
        if (gsis[i].io)
            gsi_restore(&gsis[i]);
}

unsigned isa_irq_to_gsi(u8 irq, struct gsi_config *cfg)
{
    *cfg = (struct gsi_config){.level = false, .active_low = false};
    for (unsigned i = 0; i < acpi_info.nr_overrides; i++) {
        const struct acpi_override *o = &acpi_info.override[i];

        if (o->bus == 0 && o->irq == irq) {
            cfg->active_low = (o->flags & 3) == 3;
            cfg->level = (o->flags >> 2 & 3) == 3;
            return o->gsi;
        }
    }
    return irq;
}

/*
 * A level line is masked until its end has been reported, so that it cannot storm meanwhile. The local APIC is told its
 * end only then, and before the handler: once the handler has run, Remote IRR of the pin is clear.
 */
static void gsi_hold(void *ctx)
{
    struct gsi *g = ctx;

    spin_lock(&g->lock);
    if (g->level) {
        g->fired = true;
        rte_update(g);
    }
    spin_unlock(&g->lock);
}

static void gsi_fired(void *ctx)
{
    struct gsi *g = ctx;

    if (g->fn)
        g->fn(g->ctx);
}

static struct gsi *gsi_get(unsigned gsi)
{
    return gsi < GSI_MAX && gsis[gsi].io ? &gsis[gsi] : NULL;
}

static bool rte_remote_irr(struct gsi *g)
{
    return ioapic_read(g->io, IOAPIC_RTE + 2 * g->pin) & RTE_REMOTE_IRR;
}

/*
 * Point the pin at g->vector on g->cpu with g's trigger; masked meanwhile. If Remote IRR is set, the EOI that would
 * clear it has the old vector: an entry that is edge for a moment forgets it.
 */
static void gsi_program(struct gsi *g, bool active_low)
{
    u32 low = g->vector | RTE_MASKED | (active_low ? RTE_ACTIVE_LOW : 0);

    rte_mask(g, true);
    ioapic_write(g->io, IOAPIC_RTE + 2 * g->pin + 1, pcpus[g->cpu]->apic_id << 24);
    g->rte_low = low;
    if (!g->level || rte_remote_irr(g))
        rte_write_low(g);
    if (g->level) {
        g->rte_low = low | RTE_LEVEL;
        rte_write_low(g);
    }
}

static int gsi_route(struct gsi *g, unsigned cpu)
{
    int vector = vector_alloc(cpu, 1, gsi_hold, gsi_fired, g, 0);

    if (vector < 0)
        return vector;
    if (g->bound) {
        rte_mask(g, true);
        vector_retire(g->cpu, g->vector, 1, true);
    }
    g->vector = (u8)vector;
    g->cpu = cpu;
    return 0;
}

/*
 * Go to the CPU it shall be on. A level interrupt that the old CPU has accepted and not yet ended stays until its end:
 * the EOI has to find the vector it is for. Local APICs are told before the handler runs, so gsi_eoi finds it ended.
 */
static void gsi_follow(struct gsi *g)
{
    if (g->cpu == g->wanted_cpu)
        return;
    if (g->level) {
        rte_mask(g, true);
        if (rte_remote_irr(g))
            return;
    }
    if (!gsi_route(g, g->wanted_cpu))
        gsi_program(g, g->rte_low & RTE_ACTIVE_LOW);
}

int gsi_bind(unsigned gsi, const struct gsi_config *cfg, irq_fn *fn, void *ctx)
{
    unsigned cpu = irq_reachable(cfg->cpu);
    struct gsi *g = gsi_get(gsi);
    int rc = 0;

    if (!g || cpu >= pcpu_nr)
        return -XEN_EINVAL;
    spin_lock(&g->lock);
    if (g->bound && (g->fn != fn || g->ctx != ctx))
        rc = -XEN_EBUSY;
    else if (!g->bound || g->cpu != cpu)
        rc = gsi_route(g, cpu);
    if (!rc) {
        g->fn = fn;
        g->ctx = ctx;
        g->level = cfg->level;
        g->bound = true;
        g->wanted_cpu = g->cpu;
        g->masked = g->fired = false;
        gsi_program(g, cfg->active_low);
        rte_update(g);
    }
    spin_unlock(&g->lock);
    return rc;
}

void gsi_unbind(unsigned gsi)
{
    struct gsi *g = gsi_get(gsi);

    if (!g)
        return;
    spin_lock(&g->lock);
    if (g->bound) {
        rte_mask(g, true);
        vector_retire(g->cpu, g->vector, 1, false);
        g->bound = false;
    }
    spin_unlock(&g->lock);
}

void gsi_mask(unsigned gsi)
{
    struct gsi *g = gsi_get(gsi);

    if (!g)
        return;
    spin_lock(&g->lock);
    if (g->bound) {
        g->masked = true;
        rte_update(g);
    }
    spin_unlock(&g->lock);
}

void gsi_unmask(unsigned gsi)
{
    struct gsi *g = gsi_get(gsi);

    if (!g)
        return;
    spin_lock(&g->lock);
    if (g->bound) {
        g->masked = false;
        rte_update(g);
    }
    spin_unlock(&g->lock);
}

void gsi_eoi(unsigned gsi)
{
    struct gsi *g = gsi_get(gsi);

    if (!g)
        return;
    spin_lock(&g->lock);
    if (g->bound) {
        g->fired = false;
        gsi_follow(g);
        rte_update(g);
    }
    spin_unlock(&g->lock);
}

void gsi_set_cpu(unsigned gsi, unsigned cpu)
{
    struct gsi *g = gsi_get(gsi);

    if (!g || cpu >= pcpu_nr)
        return;
    spin_lock(&g->lock);
    if (g->bound) {
        g->wanted_cpu = irq_reachable(cpu);
        gsi_follow(g);
        rte_update(g);
    }
    spin_unlock(&g->lock);
}

void gsi_dump(void)
{
    for (unsigned i = 0; i < GSI_MAX; i++) {
        const struct gsi *g = &gsis[i];

        if (g->bound)
            log_info("GSI %3u: CPU %u vector %#04x %s %s%s\n", i, g->cpu, g->vector, g->level ? "level" : "edge",
                     g->rte_low & RTE_ACTIVE_LOW ? "low" : "high",
                     g->masked  ? " masked"
                     : g->fired ? " fired"
                                : "");
    }
}
