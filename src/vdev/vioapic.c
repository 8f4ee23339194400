/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual IO-APICs: one for each of the machine's, pin for pin. Unmasking a redirection table entry binds the
 * physical line behind it with the trigger and polarity the entry says. Registers are those of the 82093AA data sheet
 * (§3).
 *
 * A level interrupt closes the physical pin when it fires (irq.h) until the guest's EOI has cleared Remote IRR. Masking
 * is apart from that: the pin is open when it is bound, the entry is not masked and no interrupt is in service.
 */
#include <torii/vioapic.h>

#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/irq.h>
#include <torii/log.h>
#include <torii/vlapic.h>

/* §3.1: the memory-mapped registers. */
#define IOREGSEL 0x00u
#define IOWIN    0x10u

/* §3.2: the registers behind the window; the table has two for each pin. */
#define IOAPIC_ID      0x00u
#define IOAPIC_VERSION 0x01u
#define IOAPIC_ARB     0x02u
#define IOAPIC_REDTBL  0x10u

#define IOAPIC_VERSION_VALUE 0x11u
#define IOAPIC_ID_WRITABLE   0x0f000000u

/* §3.2.4 */
#define RTE_VECTOR(rte)   ((u8)(rte))
#define RTE_DELIVERY(rte) ((rte) >> 8 & 7)
#define RTE_LOGICAL       BIT(11)
#define RTE_ACTIVE_LOW    BIT(13)
#define RTE_REMOTE_IRR    BIT(14) /* read-only, as delivery status (bit 12) is, which is never seen pending here */
#define RTE_LEVEL         BIT(15)
#define RTE_MASKED        BIT(16)
#define RTE_DEST(rte)     ((u32)((rte) >> 56))
#define RTE_WRITABLE      0xff0000000001afffull

enum { DELIVERY_FIXED = 0, DELIVERY_LOWEST = 1, DELIVERY_NMI = 4, DELIVERY_INIT = 5 };

/* Locked by its chip. */
struct vioapic_pin {
    struct vioapic_chip *chip;
    unsigned gsi;
    u64 rte;
    bool line;       /* a virtual device drives it */
    bool virtual;    /* no physical line is behind it */
    bool in_service; /* a physical level interrupt fired; its pin is masked until the guest ends it */
    bool bound;      /* the physical line is ours, programmed as `config` */
    bool refused;    /* binding failed, and the log says so */
    struct gsi_config config;
};

struct vioapic_chip {
    spinlock_t lock; /* LOCK_VIOAPIC: everything that changes below */
    struct domain *d;
    gpa_t base;
    unsigned gsi_base, nr_pins;
    u32 id; /* as the register holds it: bits 31:24 */
    u8 select;
    struct vioapic_pin pin[];
};

struct vioapic {
    unsigned nr;
    struct vioapic_chip *chip[];
};

/* --- from a pin to the local APICs --- */

static bool is_masked(const struct vioapic_pin *p)
{
    return p->rte & RTE_MASKED;
}

/* NMI and INIT are edges whatever the entry says (§3.2.4): nothing would end a level one. */
static bool is_level(u64 rte)
{
    return rte & RTE_LEVEL && RTE_DELIVERY(rte) <= DELIVERY_LOWEST;
}

/* ExtINT needs an 8259A, SMI needs SMM, other modes are reserved: there is nothing to route for those. */
static bool is_open(u64 rte)
{
    unsigned delivery = RTE_DELIVERY(rte);

    return !(rte & RTE_MASKED) &&
           (delivery <= DELIVERY_LOWEST || delivery == DELIVERY_NMI || delivery == DELIVERY_INIT);
}

static unsigned send(const struct vioapic_pin *p, bool level)
{
    return vlapic_deliver(p->chip->d, RTE_DEST(p->rte), p->rte & RTE_LOGICAL, RTE_DELIVERY(p->rte), RTE_VECTOR(p->rte),
                          level);
}

/* §3.2.4: an edge on a masked pin is ignored, not held pending. */
static void deliver_edge(struct vioapic_pin *p)
{
    if (!is_masked(p))
        send(p, false);
}

/*
 * A level pin interrupts while it is asserted, not masked, and no earlier one awaits its EOI. Remote IRR is set first:
 * the target may end the interrupt on its CPU before vlapic_deliver returns here. If nobody accepts, the pin waits, its
 * physical line masked, for the entry or a local APIC to change.
 */
static void deliver_level(struct vioapic_pin *p)
{
    if (!is_level(p->rte) || p->rte & (RTE_MASKED | RTE_REMOTE_IRR) || !(p->line || p->in_service))
        return;
    WRITE_ONCE(p->rte, p->rte | RTE_REMOTE_IRR);
    if (!send(p, true))
        WRITE_ONCE(p->rte, p->rte & ~RTE_REMOTE_IRR);
}

static struct vioapic_pin *lock_pin(struct domain *d, unsigned gsi)
{
    struct vioapic *io = d->vioapic;

    for (unsigned i = 0; io && i < io->nr; i++) {
        struct vioapic_chip *c = io->chip[i];

        if (gsi >= c->gsi_base && gsi - c->gsi_base < c->nr_pins) {
            spin_lock(&c->lock);
            return &c->pin[gsi - c->gsi_base];
        }
    }
    return NULL;
}

/* What the physical pin was programmed for counts: its entry may say something else for a moment. */
static void assert_pin(struct vioapic_pin *p)
{
    if (p->bound ? p->config.level : is_level(p->rte)) {
        p->in_service = true;
        deliver_level(p);
    } else {
        deliver_edge(p);
    }
}

static void physical_fired(void *ctx)
{
    struct vioapic_pin *p = ctx;

    spin_lock(&p->chip->lock);
    assert_pin(p);
    spin_unlock(&p->chip->lock);
}

void vioapic_assert(struct domain *d, unsigned gsi)
{
    struct vioapic_pin *p = lock_pin(d, gsi);

    if (!p)
        return;
    assert_pin(p);
    spin_unlock(&p->chip->lock);
}

void vioapic_set_line(struct domain *d, unsigned gsi, bool high)
{
    struct vioapic_pin *p = lock_pin(d, gsi);
    bool rising;

    if (!p)
        return;
    rising = high && !p->line;
    p->line = high;
    if (is_level(p->rte))
        deliver_level(p);
    else if (rising)
        deliver_edge(p);
    spin_unlock(&p->chip->lock);
}

void vioapic_set_virtual(struct domain *d, unsigned gsi)
{
    struct vioapic_pin *p = lock_pin(d, gsi);

    if (!p)
        return;
    p->virtual = true;
    spin_unlock(&p->chip->lock);
}

static void end_physical(struct vioapic_pin *p)
{
    if (!p->in_service)
        return;
    p->in_service = false;
    if (p->bound)
        gsi_eoi(p->gsi);
}

static bool awaits_eoi(u64 rte, u8 vector)
{
    return (rte & (RTE_LEVEL | RTE_REMOTE_IRR)) == (RTE_LEVEL | RTE_REMOTE_IRR) && RTE_VECTOR(rte) == vector;
}

static void eoi_pin(struct vioapic_pin *p, u8 vector)
{
    spin_lock(&p->chip->lock);
    if (awaits_eoi(p->rte, vector)) {
        WRITE_ONCE(p->rte, p->rte & ~RTE_REMOTE_IRR);
        end_physical(p);
        deliver_level(p);
    }
    spin_unlock(&p->chip->lock);
}

/* The message has a vector and no pin: every entry with it is meant. Only those that wait are worth a lock. */
void vioapic_eoi(struct domain *d, u8 vector)
{
    struct vioapic *io = d->vioapic;

    for (unsigned i = 0; io && i < io->nr; i++)
        for (unsigned pin = 0; pin < io->chip[i]->nr_pins; pin++)
            if (awaits_eoi(READ_ONCE(io->chip[i]->pin[pin].rte), vector))
                eoi_pin(&io->chip[i]->pin[pin], vector);
}

void vioapic_resample(struct domain *d)
{
    struct vioapic *io = d->vioapic;

    for (unsigned i = 0; io && i < io->nr; i++) {
        struct vioapic_chip *c = io->chip[i];

        spin_lock(&c->lock);
        for (unsigned pin = 0; pin < c->nr_pins; pin++)
            deliver_level(&c->pin[pin]);
        spin_unlock(&c->lock);
    }
}

/* --- from an entry to the physical pin --- */

static struct gsi_config wanted_config(const struct vioapic_pin *p)
{
    struct domain *d = p->chip->d;
    struct vcpu *v = vlapic_destination(d, RTE_DEST(p->rte), p->rte & RTE_LOGICAL);

    if (!v)
        v = d->vcpu[0];
    return (struct gsi_config){
        .level = is_level(p->rte), .active_low = p->rte & RTE_ACTIVE_LOW, .cpu = v ? vcpu_cpu(v) : 0};
}

static void bind(struct vioapic_pin *p, const struct gsi_config *config)
{
    int rc = gsi_bind(p->gsi, config, physical_fired, p);

    if (rc) {
        if (!p->refused)
            log_warn("vIO-APIC: GSI %u cannot be bound (%d): it will not interrupt domain %u\n", p->gsi, rc,
                     p->chip->d->id);
        p->refused = true;
        return;
    }
    p->bound = true;
    p->config = *config;
    p->in_service = false; /* binding opens the pin: what is still asserted fires again */
}

/* The entry changed from `old`: make the physical pin follow it. */
static void route(struct vioapic_pin *p, u64 old)
{
    bool opened = is_open(p->rte) && !is_open(old);
    struct gsi_config config;

    if (p->virtual)
        return;
    if (!is_open(p->rte)) {
        if (p->bound && is_open(old))
            gsi_mask(p->gsi);
        return;
    }
    config = wanted_config(p);
    if (!p->bound || config.level != p->config.level || config.active_low != p->config.active_low) {
        if (opened || p->bound || !p->refused)
            bind(p, &config);
        return;
    }
    if (config.cpu != p->config.cpu) {
        gsi_set_cpu(p->gsi, config.cpu);
        p->config.cpu = config.cpu;
    }
    if (opened)
        gsi_unmask(p->gsi);
}

/*
 * Going from level to edge forgets Remote IRR and with it the interrupt in service: what an OS does, mask and edge and
 * back, to end an interrupt of a pin without the EOI register that later versions have.
 */
static void write_rte(struct vioapic_pin *p, u64 rte)
{
    u64 old = p->rte;

    rte = (rte & RTE_WRITABLE) | (old & RTE_REMOTE_IRR);
    if (is_level(old) && !is_level(rte)) {
        rte &= ~RTE_REMOTE_IRR;
        end_physical(p);
    }
    WRITE_ONCE(p->rte, rte);
    route(p, old);
    deliver_level(p);
}

/* --- registers --- */

/* The pin whose entry the selected register is half of, or NULL. */
static struct vioapic_pin *selected_pin(struct vioapic_chip *c)
{
    unsigned pin = (c->select - IOAPIC_REDTBL) / 2;

    return c->select >= IOAPIC_REDTBL && pin < c->nr_pins ? &c->pin[pin] : NULL;
}

static u32 window_read(struct vioapic_chip *c)
{
    struct vioapic_pin *p = selected_pin(c);

    if (p)
        return c->select & 1 ? p->rte >> 32 : p->rte;
    switch (c->select) {
    case IOAPIC_ID:
    case IOAPIC_ARB: /* loaded whenever the id is (§3.2.3) */
        return c->id;
    case IOAPIC_VERSION:
        return IOAPIC_VERSION_VALUE | (c->nr_pins - 1) << 16;
    default:
        return 0;
    }
}

static void window_write(struct vioapic_chip *c, u32 val)
{
    struct vioapic_pin *p = selected_pin(c);

    if (p)
        write_rte(p, c->select & 1 ? (u64)val << 32 | (u32)p->rte : (p->rte & ~0xffffffffull) | val);
    else if (c->select == IOAPIC_ID)
        c->id = val & IOAPIC_ID_WRITABLE;
}

/* §3.1: registers are accessed as 32 bits; the select register is 8 bits wide and narrower stores reach it. */
static void mmio(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct vioapic_chip *c = ctx;
    unsigned offset = gpa - c->base, reg = offset & ~3u, shift = (offset & 3) * 8;

    spin_lock(&c->lock);
    if (!write)
        *val = (reg == IOREGSEL ? c->select : reg == IOWIN ? window_read(c) : 0) >> shift;
    else if (offset == IOREGSEL)
        c->select = *val;
    else if (offset == IOWIN && bytes >= 4)
        window_write(c, *val);
    spin_unlock(&c->lock);
}

/* --- life cycle --- */

static struct vioapic_chip *chip_create(struct domain *d, const struct ioapic_info *info)
{
    struct vioapic_chip *c = xzalloc(sizeof(*c) + info->nr_pins * sizeof(c->pin[0]));

    if (!c)
        return NULL;
    spin_lock_init(&c->lock, LOCK_VIOAPIC);
    c->d = d;
    c->base = info->base;
    c->gsi_base = info->gsi_base;
    c->nr_pins = info->nr_pins;
    c->id = (u32)info->id << 24;
    for (unsigned pin = 0; pin < c->nr_pins; pin++)
        c->pin[pin] = (struct vioapic_pin){.chip = c, .gsi = c->gsi_base + pin, .rte = RTE_MASKED};
    return c;
}

/* The whole page, unless the register block shares it. */
static gpa_t chip_last(const struct vioapic_chip *c)
{
    return c->base + (c->base & ~PAGE_MASK ? 0xff : PAGE_SIZE - 1);
}

static int chip_add(struct domain *d, struct vioapic *io, const struct ioapic_info *info)
{
    struct vioapic_chip *c = chip_create(d, info);
    int rc;

    if (!c)
        return -XEN_ENOMEM;
    rc = mmio_register(d, c->base, chip_last(c), mmio, c);
    if (rc) {
        xfree(c);
        return rc;
    }
    io->chip[io->nr++] = c;
    return 0;
}

int vioapic_init(struct domain *d)
{
    unsigned count = ioapic_count();
    struct vioapic *io = xzalloc(sizeof(*io) + count * sizeof(io->chip[0]));
    int rc = 0;

    if (!io)
        return -XEN_ENOMEM;
    d->vioapic = io;
    for (unsigned i = 0; i < count && !rc; i++)
        rc = chip_add(d, io, ioapic_get(i));
    if (rc)
        vioapic_free(d);
    return rc;
}

static void pin_reset(struct vioapic_pin *p)
{
    if (p->bound)
        gsi_unbind(p->gsi);
    p->bound = p->refused = p->in_service = false;
    WRITE_ONCE(p->rte, RTE_MASKED);
}

void vioapic_reset(struct domain *d)
{
    struct vioapic *io = d->vioapic;

    for (unsigned i = 0; io && i < io->nr; i++) {
        struct vioapic_chip *c = io->chip[i];

        spin_lock(&c->lock);
        c->select = 0;
        for (unsigned pin = 0; pin < c->nr_pins; pin++)
            pin_reset(&c->pin[pin]);
        spin_unlock(&c->lock);
    }
}

static void pin_rehome(struct vioapic_pin *p)
{
    if (!p->bound)
        return;
    p->config.cpu = wanted_config(p).cpu;
    gsi_set_cpu(p->gsi, p->config.cpu);
}

void vioapic_rehome(struct domain *d)
{
    struct vioapic *io = d->vioapic;

    for (unsigned i = 0; io && i < io->nr; i++) {
        struct vioapic_chip *c = io->chip[i];

        spin_lock(&c->lock);
        for (unsigned pin = 0; pin < c->nr_pins; pin++)
            pin_rehome(&c->pin[pin]);
        spin_unlock(&c->lock);
    }
}

static void chip_free(struct vioapic_chip *c)
{
    for (unsigned pin = 0; pin < c->nr_pins; pin++)
        if (c->pin[pin].bound)
            gsi_unbind(c->pin[pin].gsi);
    mmio_unregister(c->d, c->base, chip_last(c));
    xfree(c);
}

void vioapic_free(struct domain *d)
{
    struct vioapic *io = d->vioapic;

    if (!io)
        return;
    d->vioapic = NULL;
    for (unsigned i = 0; i < io->nr; i++)
        chip_free(io->chip[i]);
    xfree(io);
}

/* --- debug console --- */

static void dump_pin(const struct vioapic_pin *p)
{
    u64 rte = p->rte;

    if (rte == RTE_MASKED && !p->bound)
        return;
    log_info("    gsi %3u vector %02x mode %u dest %s %02x %s %s%s%s%s%s%s cpu %u\n", p->gsi, RTE_VECTOR(rte),
             (unsigned)RTE_DELIVERY(rte), rte & RTE_LOGICAL ? "logical" : "physical", RTE_DEST(rte),
             rte & RTE_LEVEL ? "level" : "edge", rte & RTE_ACTIVE_LOW ? "low" : "high",
             rte & RTE_MASKED ? " masked" : "", rte & RTE_REMOTE_IRR ? " remote-irr" : "",
             p->in_service ? " in-service" : "", p->line ? " line" : "",
             p->bound     ? " bound"
             : p->refused ? " refused"
                          : "",
             p->config.cpu);
}

void vioapic_dump(const struct domain *d)
{
    const struct vioapic *io = d->vioapic;

    for (unsigned i = 0; io && i < io->nr; i++) {
        const struct vioapic_chip *c = io->chip[i];

        log_info("  vIO-APIC %u at %#llx: GSI %u-%u\n", c->id >> 24, (unsigned long long)c->base, c->gsi_base,
                 c->gsi_base + c->nr_pins - 1);
        for (unsigned pin = 0; pin < c->nr_pins; pin++)
            dump_pin(&c->pin[pin]);
    }
}
