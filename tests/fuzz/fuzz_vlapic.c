/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vioapic.c src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
/*
 * Four vCPUs do to their local APICs and IO-APICs what the input says, in between devices interrupt and time passes.
 * After each step the state must be one the manual allows.
 */
#include <string.h>

#include <torii/irq.h>
#include <torii/vioapic.h>

#include "../unit/vdev_fakes.h"

#define VCPUS       4
#define PINS        8
#define IOAPIC_PAGE 0xfec00000ul

#define RTE_LEVEL  0x8000u
#define RTE_RIRR   0x4000u
#define RTE_MASKED 0x10000u

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const struct ioapic_info info = {1, IOAPIC_PAGE, 0, PINS};
static struct {
    bool bound, masked, fired;
    struct gsi_config cfg;
    irq_fn *fn;
    void *ctx;
} line[PINS];

#define CHECK(cond)                                                 \
    do {                                                            \
        if (!(cond))                                                \
            panic("%s does not hold (line %d)\n", #cond, __LINE__); \
    } while (0)

unsigned ioapic_count(void)
{
    return 1;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    return &info;
}

/* Pin 7 is Torii's own. */
int gsi_bind(unsigned gsi, const struct gsi_config *cfg, irq_fn *fn, void *ctx)
{
    if (gsi == 7)
        return -XEN_EBUSY;
    line[gsi].bound = true;
    line[gsi].masked = line[gsi].fired = false;
    line[gsi].cfg = *cfg;
    line[gsi].fn = fn;
    line[gsi].ctx = ctx;
    return 0;
}

void gsi_unbind(unsigned gsi)
{
    CHECK(line[gsi].bound);
    line[gsi].bound = false;
}

void gsi_mask(unsigned gsi)
{
    CHECK(line[gsi].bound);
    line[gsi].masked = true;
}

void gsi_unmask(unsigned gsi)
{
    CHECK(line[gsi].bound);
    line[gsi].masked = false;
}

void gsi_eoi(unsigned gsi)
{
    CHECK(line[gsi].bound && line[gsi].cfg.level);
    line[gsi].fired = false;
}

void gsi_set_cpu(unsigned gsi, unsigned cpu)
{
    CHECK(line[gsi].bound);
    line[gsi].cfg.cpu = cpu;
}

static bool is_open(unsigned gsi)
{
    return line[gsi].bound && !line[gsi].masked && !line[gsi].fired;
}

static void fire(unsigned gsi)
{
    if (!is_open(gsi))
        return;
    if (line[gsi].cfg.level)
        line[gsi].fired = true;
    line[gsi].fn(line[gsi].ctx);
}

/* --- input --- */

static const u8 *in;
static size_t left;

static u8 byte(void)
{
    if (!left)
        return 0;
    left--;
    return *in++;
}

static u32 word(void)
{
    u32 val = byte();

    val |= (u32)byte() << 8;
    val |= (u32)byte() << 16;
    return val | (u32)byte() << 24;
}

/* --- what must hold --- */

static void check_vcpu(unsigned i)
{
    struct vlapic *l = env_l(i);
    u64 mode = l->base & (APIC_BASE_EN | APIC_BASE_EXTD);
    int pending = vlapic_pending_vector(&env_vcpu[i]);

    CHECK((l->base & ~(APIC_BASE_EN | APIC_BASE_EXTD)) == (VLAPIC_BASE | (i ? 0 : APIC_BASE_BSP)));
    CHECK(mode != APIC_BASE_EXTD);
    CHECK(mode || !(l->svr & SVR_ENABLE));
    CHECK(!(l->irr[0] & 0xffff) && !(l->isr[0] & 0xffff) && !(l->tmr[0] & 0xffff));
    for (unsigned class = 0; class < 16; class ++)
        CHECK(__builtin_popcountll(l->isr[class / 4] >> class % 4 * 16 & 0xffff) <= 1);
    CHECK(vlapic_ppr(l) >= l->tpr || vlapic_ppr(l) >> 4 >= l->tpr >> 4);
    CHECK(pending < 0 || (pending == vlapic_highest(l->irr) && (u32)pending >> 4 > vlapic_ppr(l) >> 4));
    for (unsigned entry = 0; entry < LVT_COUNT; entry++)
        CHECK(l->svr & SVR_ENABLE || l->lvt[entry] & LVT_MASKED);
    CHECK(!l->tsc_deadline || LVT_TIMER_MODE(l->lvt[LVT_TIMER]) == TIMER_TSC_DEADLINE);
    CHECK(!l->counting || LVT_TIMER_MODE(l->lvt[LVT_TIMER]) < TIMER_TSC_DEADLINE);
    CHECK(timer_is_active(&l->timer) == (l->counting || l->tsc_deadline));
    CHECK(vlapic_timer_current(l) <= l->ticr);
}

static void check_pins(void)
{
    for (unsigned pin = 0; pin < PINS; pin++) {
        u32 rte;

        env_mmio_write(0, IOAPIC_PAGE, 4, 0x10 + 2 * pin);
        rte = env_mmio_read(0, IOAPIC_PAGE + 0x10, 4);
        CHECK(!(rte & RTE_RIRR) || rte & RTE_LEVEL);
        CHECK(!is_open(pin) || !(rte & RTE_MASKED));
        CHECK(!is_open(pin) || line[pin].cfg.level == ((rte & RTE_LEVEL) && (rte >> 8 & 7) <= 1));
    }
}

static void check(void)
{
    CHECK(!fake_locks_held);
    for (unsigned i = 0; i < VCPUS; i++)
        check_vcpu(i);
}

/* --- one step --- */

static void register_write(unsigned v)
{
    unsigned reg = byte() % 0x48;
    u32 val = word();

    if (byte() & 1)
        env_wrmsr(v, MSR_X2APIC + reg, reg == APIC_ICR ? val | (u64)byte() << 32 : val);
    else
        env_mmio_write(v, VLAPIC_BASE + reg * 16 + byte() % 16, 1u << byte() % 4, val);
}

static void register_read(unsigned v)
{
    unsigned reg = byte();
    u64 val;

    env_rdmsr(v, MSR_X2APIC + reg, &val);
    env_mmio_read(v, VLAPIC_BASE + reg * 16 + byte() % 16, 1u << byte() % 4);
}

static void ioapic_write(unsigned v)
{
    env_mmio_write(v, IOAPIC_PAGE, 4, byte() % 0x24);
    env_mmio_write(v, IOAPIC_PAGE + 0x10, 4, word());
    check_pins();
}

static void step(void)
{
    u8 op = byte(), v = op >> 6 & 3, vector;

    switch (op & 0xf) {
    case 0:
        env_wrmsr(v, MSR_APIC_BASE, VLAPIC_BASE | (u64)(byte() & 0xf) << 8);
        break;
    case 1:
        env_tsc_offset = byte() & 1 ? -ns_to_tsc(env_now) : 0;
        vlapic_tsc_moved(&env_vcpu[v]);
        break;
    case 2:
        env_wrmsr(v, MSR_TSC_DEADLINE, byte() & 1 ? word() : ~0ull - word());
        break;
    case 3:
        env_run_to(env_now + word() % 1000000);
        break;
    case 4:
        vlapic_set_irq(&env_vcpu[v], byte(), op & 0x10);
        break;
    case 5:
        env_take(v);
        break;
    case 6:
        env_wrmsr(v, MSR_X2APIC_EOI, 0);
        break;
    case 7:
        if (vlapic_take_startup(&env_vcpu[v], &vector) == STARTUP_INIT)
            env_rec[v].online = false;
        break;
    case 8:
        fire(byte() % PINS);
        break;
    case 9:
        vlapic_lint(&env_vcpu[v], op >> 4 & 1);
        break;
    case 10:
        vioapic_set_line(&env_domain, byte() % 16, op & 0x10);
        break;
    case 11:
        vlapic_deliver(&env_domain, byte(), op & 0x10, byte() & 7, byte(), op & 0x20);
        break;
    case 12:
        ioapic_write(v);
        break;
    case 13:
        vlapic_set_cr8(&env_vcpu[v], byte());
        break;
    case 14:
        register_read(v);
        break;
    default:
        register_write(v);
    }
    check();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    in = data;
    left = size;
    memset(line, 0, sizeof(line));
    env_init(VCPUS);
    CHECK(!vioapic_init(&env_domain));
    for (unsigned i = 0; i < VCPUS; i++)
        env_enable(i);
    while (left)
        step();
    vioapic_free(&env_domain);
    env_fini();
    return 0;
}
