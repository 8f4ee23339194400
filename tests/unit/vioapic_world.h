/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine with IO-APICs, and a guest that programs the virtual ones. */
#ifndef TORII_TESTS_VIOAPIC_WORLD_H
#define TORII_TESTS_VIOAPIC_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <torii/irq.h>
#include <torii/vioapic.h>

#include "vdev_fakes.h"

#define IO0 0xfec00000ul
#define IO1 0xfec01000ul

#define LOW        0x2000u
#define LEVEL      0x8000u
#define MASKED     0x10000u
#define RIRR       0x4000u
#define LOGICAL    0x800u
#define DELIVER(m) ((m) << 8)

/* --- the machine's IO-APICs: a pin is bound, open, and a level one closes itself when it fires --- */

static const struct ioapic_info infos[] = {{2, IO0, 0, 24}, {5, IO1, 24, 8}};
static struct {
    bool bound, open, masked, fired, refuse;
    struct gsi_config cfg;
    irq_fn *fn;
    void *ctx;
    unsigned binds, eois, masks, unmasks, set_cpus;
} gsi_state[GSI_MAX];

unsigned ioapic_count(void)
{
    return ARRAY_SIZE(infos);
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    return &infos[i];
}

int gsi_bind(unsigned gsi, const struct gsi_config *cfg, irq_fn *fn, void *ctx)
{
    gsi_state[gsi].binds++;
    if (gsi_state[gsi].refuse)
        return -XEN_EBUSY;
    gsi_state[gsi].bound = gsi_state[gsi].open = true;
    gsi_state[gsi].masked = gsi_state[gsi].fired = false;
    gsi_state[gsi].cfg = *cfg;
    gsi_state[gsi].fn = fn;
    gsi_state[gsi].ctx = ctx;
    return 0;
}

void gsi_unbind(unsigned gsi)
{
    assert_true(gsi_state[gsi].bound);
    gsi_state[gsi].bound = gsi_state[gsi].open = false;
}

static inline void gsi_update(unsigned gsi)
{
    gsi_state[gsi].open = !gsi_state[gsi].masked && !gsi_state[gsi].fired;
}

void gsi_mask(unsigned gsi)
{
    assert_true(gsi_state[gsi].bound);
    gsi_state[gsi].masks++;
    gsi_state[gsi].masked = true;
    gsi_update(gsi);
}

void gsi_unmask(unsigned gsi)
{
    assert_true(gsi_state[gsi].bound);
    gsi_state[gsi].unmasks++;
    gsi_state[gsi].masked = false;
    gsi_update(gsi);
}

void gsi_eoi(unsigned gsi)
{
    assert_true(gsi_state[gsi].bound);
    gsi_state[gsi].eois++;
    gsi_state[gsi].fired = false;
    gsi_update(gsi);
}

void gsi_set_cpu(unsigned gsi, unsigned cpu)
{
    assert_true(gsi_state[gsi].bound);
    gsi_state[gsi].set_cpus++;
    gsi_state[gsi].cfg.cpu = cpu;
}

/* The device interrupts: nothing happens at a closed pin. */
static inline bool fire(unsigned gsi)
{
    if (!gsi_state[gsi].open)
        return false;
    gsi_state[gsi].fired = gsi_state[gsi].cfg.level;
    gsi_update(gsi);
    gsi_state[gsi].fn(gsi_state[gsi].ctx);
    return true;
}

/* --- as the guest --- */

static inline u32 reg_read(gpa_t base, u8 reg)
{
    env_mmio_write(0, base, 4, reg);
    return env_mmio_read(0, base + 0x10, 4);
}

static inline void reg_write(gpa_t base, u8 reg, u32 val)
{
    env_mmio_write(0, base, 4, reg);
    env_mmio_write(0, base + 0x10, 4, val);
}

static inline gpa_t base_of(unsigned gsi)
{
    return gsi < 24 ? IO0 : IO1;
}

static inline u8 reg_of(unsigned gsi)
{
    return 0x10 + 2 * (gsi % 24);
}

static inline void rte_low(unsigned gsi, u32 val)
{
    reg_write(base_of(gsi), reg_of(gsi), val);
}

static inline void rte_dest(unsigned gsi, u8 dest)
{
    reg_write(base_of(gsi), reg_of(gsi) + 1, (u32)dest << 24);
}

static inline u32 rte(unsigned gsi)
{
    return reg_read(base_of(gsi), reg_of(gsi));
}

/* Takes what is pending on a vCPU without ending it. */
static inline void eoi(unsigned vcpu)
{
    env_write(vcpu, APIC_EOI, 0);
}

static inline int setup(void **state)
{
    memset(gsi_state, 0, sizeof(gsi_state));
    env_init(4);
    for (unsigned i = 0; i < 4; i++)
        env_enable(i);
    assert_int_equal(vioapic_init(&env_domain), 0);
    fake_log_count = 0;
    return 0;
}

static inline int teardown(void **state)
{
    vioapic_free(&env_domain);
    for (unsigned i = 0; i < GSI_MAX; i++)
        assert_false(gsi_state[i].bound);
    env_fini();
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
