/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vioapic.c src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
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

static void gsi_update(unsigned gsi)
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
static bool fire(unsigned gsi)
{
    if (!gsi_state[gsi].open)
        return false;
    gsi_state[gsi].fired = gsi_state[gsi].cfg.level;
    gsi_update(gsi);
    gsi_state[gsi].fn(gsi_state[gsi].ctx);
    return true;
}

/* --- as the guest --- */

static u32 reg_read(gpa_t base, u8 reg)
{
    env_mmio_write(0, base, 4, reg);
    return env_mmio_read(0, base + 0x10, 4);
}

static void reg_write(gpa_t base, u8 reg, u32 val)
{
    env_mmio_write(0, base, 4, reg);
    env_mmio_write(0, base + 0x10, 4, val);
}

static gpa_t base_of(unsigned gsi)
{
    return gsi < 24 ? IO0 : IO1;
}

static u8 reg_of(unsigned gsi)
{
    return 0x10 + 2 * (gsi % 24);
}

static void rte_low(unsigned gsi, u32 val)
{
    reg_write(base_of(gsi), reg_of(gsi), val);
}

static void rte_dest(unsigned gsi, u8 dest)
{
    reg_write(base_of(gsi), reg_of(gsi) + 1, (u32)dest << 24);
}

static u32 rte(unsigned gsi)
{
    return reg_read(base_of(gsi), reg_of(gsi));
}

/* Takes what is pending on a vCPU without ending it. */
static void eoi(unsigned vcpu)
{
    env_write(vcpu, APIC_EOI, 0);
}

static int setup(void **state)
{
    memset(gsi_state, 0, sizeof(gsi_state));
    env_init(4);
    for (unsigned i = 0; i < 4; i++)
        env_enable(i);
    assert_int_equal(vioapic_init(&env_domain), 0);
    fake_log_count = 0;
    return 0;
}

static int teardown(void **state)
{
    vioapic_free(&env_domain);
    for (unsigned i = 0; i < GSI_MAX; i++)
        assert_false(gsi_state[i].bound);
    env_fini();
    return 0;
}

/* --- registers --- */

static void it_mirrors_every_physical_ioapic(void **state)
{
    assert_int_equal(reg_read(IO0, 0), 2u << 24);
    assert_int_equal(reg_read(IO0, 1), 0x00170011);
    assert_int_equal(reg_read(IO0, 2), 2u << 24);
    assert_int_equal(reg_read(IO1, 0), 5u << 24);
    assert_int_equal(reg_read(IO1, 1), 0x00070011);
    for (unsigned gsi = 0; gsi < 32; gsi++) {
        assert_int_equal(rte(gsi), MASKED);
        assert_int_equal(reg_read(base_of(gsi), reg_of(gsi) + 1), 0);
    }
}

static void registers_that_do_not_exist_read_0_and_ignore_writes(void **state)
{
    static const u8 none[] = {0x03, 0x0f, 0x20, 0x3f, 0x40, 0xff};

    for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
        reg_write(IO1, none[i], 0xffffffff);
        assert_int_equal(reg_read(IO1, none[i]), 0);
    }
    reg_write(IO0, 1, 0xffffffff);
    reg_write(IO0, 2, 0xffffffff);
    assert_int_equal(reg_read(IO0, 1), 0x00170011);
    assert_int_equal(reg_read(IO0, 2), 2u << 24);
}

static void the_id_has_four_writable_bits(void **state)
{
    reg_write(IO0, 0, 0xffffffff);
    assert_int_equal(reg_read(IO0, 0), 0x0f000000);
    assert_int_equal(reg_read(IO0, 2), 0x0f000000);
}

static void the_select_register_holds_eight_bits(void **state)
{
    env_mmio_write(0, IO0, 4, 0xabcdef01);
    assert_int_equal(env_mmio_read(0, IO0, 4), 1);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 4), 0x00170011);
    env_mmio_write(0, IO0, 1, 2);
    assert_int_equal(env_mmio_read(0, IO0, 1), 2);
}

static void entries_keep_their_writable_bits(void **state)
{
    rte_low(3, 0xffffffff);
    assert_int_equal(rte(3), 0x1afff);
    rte_low(3, MASKED);
    reg_write(IO0, reg_of(3) + 1, 0xffffffff);
    assert_int_equal(reg_read(IO0, reg_of(3) + 1), 0xff000000);
}

static void odd_accesses_are_sane(void **state)
{
    env_mmio_write(0, IO0, 4, 1);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 1), 0x11);
    assert_int_equal(env_mmio_read(0, IO0 + 0x12, 1), 0x17);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 8), 0x00170011);
    env_mmio_write(0, IO0, 4, reg_of(3));
    env_mmio_write(0, IO0 + 0x10, 1, 0x44);
    env_mmio_write(0, IO0 + 0x10, 2, 0x44);
    env_mmio_write(0, IO0 + 0x12, 4, 0);
    assert_int_equal(env_mmio_read(0, IO0 + 0x10, 4), MASKED);
    env_mmio_write(0, IO0 + 0x40, 4, 0x44); /* the EOI register of later versions */
    env_mmio_write(0, IO0 + 0xffc, 4, 0x44);
    assert_int_equal(env_mmio_read(0, IO0 + 0x40, 4), 0);
    assert_int_equal(env_mmio_read(0, IO0 + 0x20, 4), 0);
}

/* --- binding --- */

static void nothing_is_bound_before_the_first_unmask(void **state)
{
    rte_low(9, MASKED | LEVEL | 0x31);
    rte_dest(9, 2);
    for (unsigned i = 0; i < GSI_MAX; i++)
        assert_int_equal(gsi_state[i].binds, 0);
}

static void unmasking_binds_with_the_entrys_trigger_polarity_and_cpu(void **state)
{
    rte_dest(9, 2);
    rte_low(9, LEVEL | LOW | 0x31);
    assert_true(gsi_state[9].bound);
    assert_true(gsi_state[9].cfg.level);
    assert_true(gsi_state[9].cfg.active_low);
    assert_int_equal(gsi_state[9].cfg.cpu, 102);
    rte_dest(25, 1);
    rte_low(25, 0x32);
    assert_false(gsi_state[25].cfg.level);
    assert_false(gsi_state[25].cfg.active_low);
    assert_int_equal(gsi_state[25].cfg.cpu, 101);
}

static void a_virtual_line_binds_nothing_and_interrupts(void **state)
{
    vioapic_set_virtual(&env_domain, 4);
    vioapic_set_virtual(&env_domain, 200);
    rte_low(4, 0x44);
    assert_false(gsi_state[4].bound);
    vioapic_set_line(&env_domain, 4, true);
    assert_int_equal(env_take(0), 0x44);
    rte_low(4, MASKED);
    rte_low(4, 0x44 | LEVEL);
    assert_int_equal(gsi_state[4].binds + gsi_state[4].masks + gsi_state[4].unmasks, 0);
}

static void masking_closes_the_pin_and_unmasking_opens_it(void **state)
{
    rte_low(9, LEVEL | 0x31);
    rte_low(9, LEVEL | 0x31 | MASKED);
    assert_false(gsi_state[9].open);
    rte_low(9, LEVEL | 0x31);
    assert_true(gsi_state[9].open);
    assert_int_equal(gsi_state[9].binds, 1);
    assert_int_equal(gsi_state[9].unmasks, 1);
}

static void a_new_destination_moves_the_physical_interrupt(void **state)
{
    rte_low(9, LEVEL | 0x31);
    rte_dest(9, 3);
    assert_int_equal(gsi_state[9].cfg.cpu, 103);
    assert_int_equal(gsi_state[9].set_cpus, 1);
    rte_dest(9, 3);
    assert_int_equal(gsi_state[9].set_cpus, 1);
    assert_int_equal(gsi_state[9].binds, 1);
}

static void trigger_and_polarity_changed_while_masked_are_programmed_at_unmask(void **state)
{
    rte_low(9, 0x31);
    rte_low(9, MASKED | LEVEL | LOW | 0x31);
    assert_int_equal(gsi_state[9].binds, 1);
    rte_low(9, LEVEL | LOW | 0x31);
    assert_int_equal(gsi_state[9].binds, 2);
    assert_true(gsi_state[9].cfg.level);
    assert_true(gsi_state[9].cfg.active_low);
}

static void trigger_changed_while_open_is_programmed_at_once(void **state)
{
    rte_low(9, 0x31);
    rte_low(9, LEVEL | 0x31);
    assert_int_equal(gsi_state[9].binds, 2);
    assert_true(gsi_state[9].cfg.level);
}

static void a_refused_line_is_logged_once_and_keeps_its_entry(void **state)
{
    gsi_state[4].refuse = true;
    rte_low(4, 0x35);
    rte_low(4, 0x36);
    rte_low(4, 0x36 | MASKED);
    rte_low(4, 0x36);
    rte_dest(4, 1);
    assert_int_equal(fake_log_count, 1);
    assert_int_equal(gsi_state[4].binds, 2);
    assert_int_equal(gsi_state[4].eois + gsi_state[4].masks + gsi_state[4].unmasks + gsi_state[4].set_cpus, 0);
    assert_int_equal(rte(4), 0x36);
}

static void modes_nobody_can_deliver_bind_nothing(void **state)
{
    rte_low(5, DELIVER(DELIVERY_EXTINT));
    rte_low(6, DELIVER(DELIVERY_SMI));
    rte_low(7, DELIVER(3) | 0x40);
    assert_int_equal(gsi_state[5].binds + gsi_state[6].binds + gsi_state[7].binds, 0);
    rte_low(5, 0x41);
    assert_true(gsi_state[5].open);
    rte_low(5, DELIVER(DELIVERY_EXTINT));
    assert_false(gsi_state[5].open);
}

static void an_unreachable_destination_still_binds(void **state)
{
    rte_dest(9, 77);
    rte_low(9, 0x31);
    assert_true(gsi_state[9].bound);
    assert_int_equal(gsi_state[9].cfg.cpu, 100);
}

/* --- edge --- */

static void an_edge_interrupts_each_time(void **state)
{
    rte_dest(1, 1);
    rte_low(1, 0x51);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fire(1));
        assert_int_equal(env_take(1), 0x51);
        eoi(1);
    }
    assert_int_equal(rte(1), 0x51);
    assert_int_equal(gsi_state[1].eois, 0);
}

static void an_edge_on_a_masked_pin_is_lost(void **state)
{
    vioapic_set_line(&env_domain, 1, true);
    vioapic_assert(&env_domain, 2);
    rte_low(1, 0x51);
    rte_low(2, 0x52);
    assert_int_equal(env_take(0), -1);
    vioapic_set_line(&env_domain, 1, true);
    assert_int_equal(env_take(0), -1);
    vioapic_set_line(&env_domain, 1, false);
    vioapic_set_line(&env_domain, 1, true);
    assert_int_equal(env_take(0), 0x51);
}

static void nmi_is_delivered_as_an_edge_even_when_programmed_level(void **state)
{
    rte_dest(1, 2);
    rte_low(1, DELIVER(DELIVERY_NMI) | LEVEL);
    assert_false(gsi_state[1].cfg.level);
    fire(1);
    assert_true(vlapic_take_nmi(&env_vcpu[2]));
    assert_int_equal(rte(1) & RIRR, 0);
    fire(1);
    assert_true(vlapic_take_nmi(&env_vcpu[2]));
}

static void init_by_a_pin_reaches_the_destination(void **state)
{
    u8 vector;

    env_rec[2].online = true;
    rte_dest(1, 2);
    rte_low(1, DELIVER(DELIVERY_INIT));
    fire(1);
    assert_int_equal(vlapic_take_startup(&env_vcpu[2], &vector), STARTUP_INIT);
}

static void logical_and_lowest_priority_destinations_work(void **state)
{
    unsigned got[4] = {0};

    for (unsigned i = 0; i < 4; i++)
        env_write(i, APIC_LDR, 1u << (24 + i));
    rte_dest(1, 0x0c);
    rte_low(1, LOGICAL | 0x51);
    assert_int_equal(gsi_state[1].cfg.cpu, 102);
    fire(1);
    assert_int_equal(env_take(2), 0x51);
    assert_int_equal(env_take(3), 0x51);
    eoi(2);
    eoi(3);
    rte_low(1, LOGICAL | DELIVER(DELIVERY_LOWEST) | 0x51);
    for (unsigned i = 0; i < 4; i++) {
        fire(1);
        for (unsigned v = 0; v < 4; v++) {
            if (env_take(v) == 0x51) {
                got[v]++;
                eoi(v);
            }
        }
    }
    assert_int_equal(got[0] + got[1], 0);
    assert_int_equal(got[2], 2);
    assert_int_equal(got[3], 2);
}

/* --- level --- */

static void a_physical_level_interrupt_is_closed_until_the_guests_eoi(void **state)
{
    rte_dest(9, 1);
    rte_low(9, LEVEL | 0x61);
    assert_true(fire(9));
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
    assert_false(gsi_state[9].open);
    assert_int_equal(env_take(1), 0x61);
    assert_int_equal(gsi_state[9].eois, 0);
    eoi(1);
    assert_int_equal(rte(9), LEVEL | 0x61);
    assert_int_equal(gsi_state[9].eois, 1);
    assert_true(gsi_state[9].open);
    assert_true(fire(9));
    assert_int_equal(env_take(1), 0x61);
}

static void a_level_interrupt_asserts_again_after_eoi(void **state)
{
    rte_low(30, LEVEL | 0x61);
    vioapic_set_line(&env_domain, 30, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(env_take(0), 0x61);
        eoi(0);
    }
    vioapic_set_line(&env_domain, 30, false);
    assert_int_equal(env_take(0), 0x61);
    eoi(0);
    assert_int_equal(env_take(0), -1);
    assert_int_equal(rte(30) & RIRR, 0);
}

static void a_level_line_high_while_masked_interrupts_at_unmask(void **state)
{
    vioapic_set_line(&env_domain, 30, true);
    rte_low(30, LEVEL | MASKED | 0x61);
    assert_int_equal(env_take(0), -1);
    rte_low(30, LEVEL | 0x61);
    assert_int_equal(env_take(0), 0x61);
}

static void a_level_line_that_fell_before_unmask_does_not_interrupt(void **state)
{
    rte_low(30, LEVEL | MASKED | 0x61);
    vioapic_set_line(&env_domain, 30, true);
    vioapic_set_line(&env_domain, 30, false);
    rte_low(30, LEVEL | 0x61);
    assert_int_equal(env_take(0), -1);
}

static void remote_irr_holds_back_a_second_interrupt(void **state)
{
    rte_low(30, LEVEL | 0x61);
    vioapic_set_line(&env_domain, 30, true);
    assert_int_equal(env_take(0), 0x61);
    vioapic_set_line(&env_domain, 30, false);
    vioapic_set_line(&env_domain, 30, true);
    assert_false(env_irr(0, 0x61));
    rte_low(30, LEVEL | MASKED | 0x61);
    rte_low(30, LEVEL | 0x61);
    assert_false(env_irr(0, 0x61));
    eoi(0);
    assert_true(env_irr(0, 0x61));
}

static void eoi_ends_every_pin_with_the_vector(void **state)
{
    rte_low(9, LEVEL | 0x61);
    rte_low(11, LEVEL | 0x61);
    rte_low(26, LEVEL | 0x61);
    rte_low(12, LEVEL | 0x62);
    fire(9);
    fire(11);
    fire(26);
    fire(12);
    assert_int_equal(env_take(0), 0x62);
    eoi(0);
    assert_int_equal(gsi_state[12].eois, 1);
    assert_int_equal(rte(9) & RIRR, RIRR);
    assert_int_equal(env_take(0), 0x61);
    eoi(0);
    assert_int_equal(gsi_state[9].eois, 1);
    assert_int_equal(gsi_state[11].eois, 1);
    assert_int_equal(gsi_state[26].eois, 1);
    assert_int_equal((rte(9) | rte(11) | rte(26)) & RIRR, 0);
}

static void eoi_of_another_vector_changes_nothing(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    vioapic_eoi(&env_domain, 0x62);
    vioapic_eoi(&env_domain, 0);
    assert_int_equal(rte(9) & RIRR, RIRR);
    assert_int_equal(gsi_state[9].eois, 0);
}

static void eoi_while_masked_leaves_the_pin_closed_until_unmask(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(env_take(0), 0x61);
    rte_low(9, LEVEL | MASKED | 0x61);
    eoi(0);
    assert_int_equal(rte(9), LEVEL | MASKED | 0x61);
    assert_false(gsi_state[9].open);
    rte_low(9, LEVEL | 0x61);
    assert_true(gsi_state[9].open);
    assert_true(fire(9));
    assert_int_equal(env_take(0), 0x61);
}

static void mask_and_unmask_in_service_leave_the_pin_closed(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    rte_low(9, LEVEL | MASKED | 0x61);
    rte_low(9, LEVEL | 0x61);
    assert_false(gsi_state[9].open);
    assert_int_equal(env_take(0), 0x61);
    eoi(0);
    assert_true(gsi_state[9].open);
}

static void flipping_to_edge_and_back_ends_a_stuck_interrupt(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
    /* What Linux does with an IO-APIC that has no EOI register. */
    rte_low(9, MASKED | 0x61);
    assert_int_equal(rte(9), MASKED | 0x61);
    rte_low(9, LEVEL | 0x61);
    assert_true(gsi_state[9].open);
    assert_int_equal(gsi_state[9].binds, 1);
    assert_true(fire(9));
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
}

static void flipping_to_edge_while_open_ends_the_interrupt_too(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    rte_low(9, 0x61);
    assert_int_equal(rte(9), 0x61);
    assert_true(gsi_state[9].open);
    assert_false(gsi_state[9].cfg.level);
    assert_true(fire(9));
}

static void masking_alone_keeps_remote_irr(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fire(9);
    rte_low(9, LEVEL | MASKED | 0x61);
    assert_int_equal(rte(9), LEVEL | MASKED | RIRR | 0x61);
}

static void a_level_interrupt_that_fires_during_the_flip_is_delivered_after_it(void **state)
{
    rte_low(9, LEVEL | 0x61);
    gsi_state[9].fired = true;
    gsi_update(9);
    rte_low(9, MASKED | 0x61);
    gsi_state[9].fn(gsi_state[9].ctx); /* was on its way when the pin closed */
    assert_int_equal(env_take(0), -1);
    rte_low(9, LEVEL | 0x61);
    assert_int_equal(env_take(0), 0x61);
    assert_false(gsi_state[9].open);
    eoi(0);
    assert_true(gsi_state[9].open);
}

static void guests_cannot_write_remote_irr(void **state)
{
    rte_low(9, LEVEL | RIRR | 0x1000 | 0x61);
    assert_int_equal(rte(9), LEVEL | 0x61);
    fire(9);
    rte_low(9, LEVEL | 0x61);
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
}

/* --- nobody accepts --- */

static void a_level_interrupt_without_a_target_waits_for_one(void **state)
{
    env_write(1, APIC_SVR, 0xff);
    rte_dest(9, 1);
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(rte(9), LEVEL | 0x61);
    assert_false(gsi_state[9].open);
    env_enable(1);
    assert_int_equal(rte(9), LEVEL | RIRR | 0x61);
    assert_int_equal(env_take(1), 0x61);
    eoi(1);
    assert_true(gsi_state[9].open);
}

static void a_new_destination_receives_what_the_old_one_could_not(void **state)
{
    rte_dest(9, 99);
    rte_low(9, LEVEL | 0x61);
    fire(9);
    assert_int_equal(rte(9) & RIRR, 0);
    rte_dest(9, 2);
    assert_int_equal(env_take(2), 0x61);
    eoi(2);
    assert_true(gsi_state[9].open);
}

static void an_illegal_vector_does_not_set_remote_irr(void **state)
{
    rte_low(9, LEVEL | 0x05);
    fire(9);
    assert_int_equal(rte(9), LEVEL | 0x05);
    rte_low(9, LEVEL | 0x55);
    assert_int_equal(env_take(0), 0x55);
}

static void an_edge_without_a_target_is_lost(void **state)
{
    rte_dest(1, 99);
    rte_low(1, 0x51);
    fire(1);
    rte_dest(1, 0);
    assert_int_equal(env_take(0), -1);
}

static void lines_outside_all_ioapics_are_ignored(void **state)
{
    vioapic_assert(&env_domain, 32);
    vioapic_set_line(&env_domain, 4096, true);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(env_rec[i].kicks, 0);
}

/* --- life cycle --- */

static void a_failed_init_leaves_nothing(void **state)
{
    vioapic_free(&env_domain);
    for (int after = 0; after < 3; after++) {
        fake_alloc_fail_after = after;
        assert_int_equal(vioapic_init(&env_domain), -XEN_ENOMEM);
        assert_null(env_domain.vioapic);
        assert_false(env_mmio_registered(IO0));
    }
    fake_alloc_fail_after = -1;
    vioapic_eoi(&env_domain, 0x30);
    vioapic_resample(&env_domain);
    vioapic_assert(&env_domain, 1);
    vioapic_free(&env_domain);
}

static void a_taken_page_is_an_error(void **state)
{
    struct vioapic *first = env_domain.vioapic;

    env_domain.vioapic = NULL;
    assert_int_equal(vioapic_init(&env_domain), -XEN_EEXIST);
    assert_null(env_domain.vioapic);
    env_domain.vioapic = first;
}

static void free_gives_the_lines_back(void **state)
{
    rte_low(9, LEVEL | 0x61);
    rte_low(25, 0x62 | MASKED);
    vioapic_free(&env_domain);
    assert_false(gsi_state[9].bound);
    assert_false(env_mmio_registered(IO0));
    assert_false(env_mmio_registered(IO1));
}

static void dump_prints_pins_in_use(void **state)
{
    rte_low(9, LEVEL | 0x61);
    fake_log_count = 0;
    vioapic_dump(&env_domain);
    assert_int_equal(fake_log_count, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(it_mirrors_every_physical_ioapic),
        T(registers_that_do_not_exist_read_0_and_ignore_writes),
        T(the_id_has_four_writable_bits),
        T(the_select_register_holds_eight_bits),
        T(entries_keep_their_writable_bits),
        T(odd_accesses_are_sane),
        T(nothing_is_bound_before_the_first_unmask),
        T(unmasking_binds_with_the_entrys_trigger_polarity_and_cpu),
        T(a_virtual_line_binds_nothing_and_interrupts),
        T(masking_closes_the_pin_and_unmasking_opens_it),
        T(a_new_destination_moves_the_physical_interrupt),
        T(trigger_and_polarity_changed_while_masked_are_programmed_at_unmask),
        T(trigger_changed_while_open_is_programmed_at_once),
        T(a_refused_line_is_logged_once_and_keeps_its_entry),
        T(modes_nobody_can_deliver_bind_nothing),
        T(an_unreachable_destination_still_binds),
        T(an_edge_interrupts_each_time),
        T(an_edge_on_a_masked_pin_is_lost),
        T(nmi_is_delivered_as_an_edge_even_when_programmed_level),
        T(init_by_a_pin_reaches_the_destination),
        T(logical_and_lowest_priority_destinations_work),
        T(a_physical_level_interrupt_is_closed_until_the_guests_eoi),
        T(a_level_interrupt_asserts_again_after_eoi),
        T(a_level_line_high_while_masked_interrupts_at_unmask),
        T(a_level_line_that_fell_before_unmask_does_not_interrupt),
        T(remote_irr_holds_back_a_second_interrupt),
        T(eoi_ends_every_pin_with_the_vector),
        T(eoi_of_another_vector_changes_nothing),
        T(eoi_while_masked_leaves_the_pin_closed_until_unmask),
        T(mask_and_unmask_in_service_leave_the_pin_closed),
        T(flipping_to_edge_and_back_ends_a_stuck_interrupt),
        T(flipping_to_edge_while_open_ends_the_interrupt_too),
        T(masking_alone_keeps_remote_irr),
        T(a_level_interrupt_that_fires_during_the_flip_is_delivered_after_it),
        T(guests_cannot_write_remote_irr),
        T(a_level_interrupt_without_a_target_waits_for_one),
        T(a_new_destination_receives_what_the_old_one_could_not),
        T(an_illegal_vector_does_not_set_remote_irr),
        T(an_edge_without_a_target_is_lost),
        T(lines_outside_all_ioapics_are_ignored),
        T(a_failed_init_leaves_nothing),
        T(a_taken_page_is_an_error),
        T(free_gives_the_lines_back),
        T(dump_prints_pins_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
