/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/ioapic.c src/machine/irq.c tests/unit/fake_ioapic.c tests/unit/fake_core.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/ioapic.h>
#include <torii/irq.h>
#include <torii/lapic.h>
#include <torii/timer_queue.h>
#include <torii/traps.h>

#include "../../src/machine/irq_internal.h"
#include "fake_core.h"
#include "fake_ioapic.h"

#define CPUS   3
#define MASKED BIT(16)
#define LEVEL  BIT(15)
#define IRR    BIT(14)
#define LOW    BIT(13)

struct acpi_info acpi_info;

static struct pcpu cpus[CPUS];
static u8 in_service;
static unsigned eois;

/* The local APIC broadcasts the end of a level interrupt. */
void lapic_timer_fired(void)
{
}

void lapic_eoi(void)
{
    eois++;
    fake_ioapic_eoi(in_service);
}

void timer_queue_run(void)
{
}

void lapic_send(u32 dest, u32 icr_low)
{
}

void lapic_write(enum lapic_reg reg, u32 val)
{
}

u32 lapic_read(enum lapic_reg reg)
{
    return 0;
}

static void *allocated[CPUS];
static unsigned nr_allocated;

void *xzalloc(size_t bytes)
{
    return allocated[nr_allocated++] = calloc(1, bytes);
}

/* The CPUs take everything that was sent; returns how many interrupts that was. */
static unsigned take_all(void)
{
    unsigned n = 0;

    while (fake_nr_messages) {
        struct fake_message m = fake_messages[0];
        unsigned cpu = 0;

        memmove(fake_messages, fake_messages + 1, --fake_nr_messages * sizeof(m));
        while (cpu < CPUS && cpus[cpu].apic_id != m.dest)
            cpu++;
        assert_in_range(cpu, 0, CPUS - 1);
        in_service = m.vector;
        fake_this_cpu(&cpus[cpu]);
        irq_dispatch(m.vector);
        fake_this_cpu(&cpus[0]);
        assert_true(++n < 1000); /* else it storms */
    }
    return n;
}

static unsigned calls, last_cpu;
static int a_ctx, b_ctx;

static void handler(void *ctx)
{
    assert_int_equal(fake_locks_held, 0);
    assert_ptr_equal(ctx, &a_ctx);
    last_cpu = this_cpu()->id;
    calls++;
}

static void other_handler(void *ctx)
{
}

static int group_setup(void **state)
{
    fake_ioapic_catch();
    acpi_info.ioapic[0] = (struct acpi_ioapic){2, FAKE_IOAPIC_ADDRESS(0), 0};
    acpi_info.ioapic[1] = (struct acpi_ioapic){3, 0xfed00000, 100};             /* cannot be mapped */
    acpi_info.ioapic[2] = (struct acpi_ioapic){4, FAKE_IOAPIC_ADDRESS(2), 200}; /* does not answer */
    acpi_info.ioapic[3] = (struct acpi_ioapic){5, FAKE_IOAPIC_ADDRESS(1), 24};
    acpi_info.nr_ioapics = 4;
    fake_ioapics[2].dead = true;
    fake_ioapics[0].id = 2u << 24;
    fake_ioapics[1].id = 5u << 24;
    pcpu_nr = CPUS;
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].id = i;
        cpus[i].apic_id = 4 * i;
        cpus[i].started = true;
        pcpus[i] = &cpus[i];
        irq_cpu_init(i);
    }
    fake_this_cpu(&cpus[0]);
    ioapic_init();
    return 0;
}

static int group_teardown(void **state)
{
    while (nr_allocated)
        free(allocated[--nr_allocated]);
    return 0;
}

static int setup(void **state)
{
    fake_ioapic_catch();
    calls = eois = 0;
    fake_now += 10000000000ull;
    acpi_info.nr_overrides = 0;
    return 0;
}

static int teardown(void **state)
{
    fake_ioapic_catch();
    for (unsigned gsi = 0; gsi < GSI_MAX; gsi++)
        gsi_unbind(gsi);
    for (unsigned n = 0; n < 2; n++)
        for (unsigned pin = 0; pin < FAKE_PINS; pin++)
            fake_line(n, pin, false);
    take_all();
    for (unsigned n = 0; n < 2; n++)
        for (unsigned pin = 0; pin < FAKE_PINS; pin++)
            fake_ioapics[n].rte[pin] = MASKED;
    return (int)fake_locks_held;
}

static u64 rte(unsigned gsi)
{
    return fake_ioapics[gsi / FAKE_PINS].rte[gsi % FAKE_PINS];
}

static void line(unsigned gsi, bool asserted)
{
    fake_line(gsi / FAKE_PINS, gsi % FAKE_PINS, asserted);
}

static void edge(unsigned gsi)
{
    line(gsi, true);
    line(gsi, false);
}

static const struct gsi_config edge_high, level_low = {.level = true, .active_low = true};

static void bind(unsigned gsi, const struct gsi_config *cfg)
{
    assert_int_equal(gsi_bind(gsi, cfg, handler, &a_ctx), 0);
}

static void only_ioapics_that_answer_are_used_and_start_masked(void **state)
{
    fake_ioapic_catch();
    assert_int_equal(ioapic_count(), 2);
    assert_int_equal(ioapic_get(0)->id, 2);
    assert_int_equal(ioapic_get(0)->nr_pins, FAKE_PINS);
    assert_int_equal(ioapic_get(1)->id, 5);
    assert_int_equal(ioapic_get(1)->base, FAKE_IOAPIC_ADDRESS(1));
    assert_int_equal(ioapic_get(1)->gsi_base, 24);
    assert_null(ioapic_get(2));
    for (unsigned gsi = 0; gsi < 48; gsi++)
        assert_int_equal(rte(gsi), MASKED);
    assert_non_null(strstr(fake_log, "cannot map"));
    assert_non_null(strstr(fake_log, "does not answer"));
}

static void a_line_the_machine_does_not_have_is_refused(void **state)
{
    static const unsigned absent[] = {48, 100, 200, 255, 256, ~0u};

    fake_ioapic_catch();
    for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
        assert_int_equal(gsi_bind(absent[i], &edge_high, handler, &a_ctx), -XEN_EINVAL);
        gsi_mask(absent[i]);
        gsi_unmask(absent[i]);
        gsi_eoi(absent[i]);
        gsi_set_cpu(absent[i], 1);
        gsi_unbind(absent[i]);
    }
    assert_int_equal(gsi_bind(3, &(struct gsi_config){.cpu = CPUS}, handler, &a_ctx), -XEN_EINVAL);
    assert_int_equal(rte(3), MASKED);
}

static void calls_for_an_unbound_line_do_nothing(void **state)
{
    unsigned before;

    fake_ioapic_catch();
    before = fake_ioapics[0].accesses;
    gsi_mask(5);
    gsi_unmask(5);
    gsi_eoi(5);
    gsi_set_cpu(5, 1);
    gsi_unbind(5);
    assert_int_equal(fake_ioapics[0].accesses, before);
    assert_int_equal(rte(5), MASKED);
}

static void binding_programs_trigger_polarity_and_cpu(void **state)
{
    fake_ioapic_catch();
    for (unsigned i = 0; i < 12; i++) {
        struct gsi_config cfg = {.level = i & 1, .active_low = i >> 1 & 1, .cpu = i >> 2};
        unsigned gsi = 20 + i;

        bind(gsi, &cfg);
        assert_in_range(rte(gsi) & 0xff, VECTOR_DEVICE_FIRST, VECTOR_DEVICE_LAST);
        assert_int_equal(rte(gsi) & ~0xffull,
                         (cfg.level ? LEVEL : 0) | (cfg.active_low ? LOW : 0) | (u64)cfg.cpu * 4 << 56);
    }
}

static void a_line_has_one_owner(void **state)
{
    fake_ioapic_catch();
    bind(7, &edge_high);
    assert_int_equal(gsi_bind(7, &edge_high, other_handler, &a_ctx), -XEN_EBUSY);
    assert_int_equal(gsi_bind(7, &edge_high, handler, &b_ctx), -XEN_EBUSY);
    gsi_unbind(7);
    assert_int_equal(gsi_bind(7, &edge_high, other_handler, &b_ctx), 0);
}

static void without_a_vector_a_line_is_not_bound(void **state)
{
    int taken[256];
    unsigned n = 0;

    fake_ioapic_catch();
    while ((taken[n] = vector_alloc(1, 1, NULL, handler, &a_ctx, 0)) >= 0)
        n++;
    assert_int_equal(gsi_bind(9, &(struct gsi_config){.cpu = 1}, handler, &a_ctx), -XEN_ENOSPC);
    assert_int_equal(rte(9), MASKED);
    /* A bound one stays where it is, and goes on. */
    bind(9, &level_low);
    gsi_set_cpu(9, 1);
    line(9, true);
    take_all();
    assert_int_equal(calls, 1);
    assert_int_equal(last_cpu, 0);
    line(9, false);
    gsi_eoi(9);
    assert_false(rte(9) & MASKED);
    while (n)
        vector_retire(1, taken[--n], 1, false);
}

static void every_edge_calls_the_handler_once_and_masks_nothing(void **state)
{
    fake_ioapic_catch();
    bind(4, &edge_high);
    for (unsigned i = 1; i <= 5; i++) {
        edge(4);
        assert_int_equal(take_all(), 1);
        assert_int_equal(calls, i);
        assert_false(rte(4) & MASKED);
    }
    gsi_eoi(4); /* has no meaning, and no effect */
    assert_int_equal(take_all(), 0);
}

static void a_level_line_is_closed_until_its_end_and_asks_again_if_still_high(void **state)
{
    fake_ioapic_catch();
    bind(10, &level_low);
    line(10, true);
    assert_int_equal(take_all(), 1); /* and no storm, although the line stays */
    assert_true(rte(10) & MASKED);
    assert_false(rte(10) & IRR);
    assert_int_equal(eois, 1);
    gsi_eoi(10);
    assert_int_equal(take_all(), 1);
    assert_int_equal(calls, 2);
    line(10, false);
    gsi_eoi(10);
    assert_int_equal(take_all(), 0);
    assert_false(rte(10) & MASKED);
    line(10, true);
    assert_int_equal(take_all(), 1);
}

static void a_masked_line_waits_for_its_unmasking(void **state)
{
    fake_ioapic_catch();
    bind(11, &level_low);
    gsi_mask(11);
    line(11, true);
    assert_int_equal(take_all(), 0);
    gsi_unmask(11);
    assert_int_equal(take_all(), 1);
    /* Fired: unmasking alone does not open it, nor does its end alone. */
    gsi_unmask(11);
    assert_int_equal(take_all(), 0);
    gsi_mask(11);
    gsi_eoi(11);
    assert_int_equal(take_all(), 0);
    gsi_unmask(11);
    assert_int_equal(take_all(), 1);
}

static void masking_what_is_masked_does_not_touch_the_hardware(void **state)
{
    unsigned before;

    fake_ioapic_catch();
    bind(12, &level_low);
    gsi_mask(12);
    before = fake_ioapics[0].accesses;
    gsi_mask(12);
    gsi_eoi(12);
    assert_int_equal(fake_ioapics[0].accesses, before);
}

static void an_unbound_line_is_closed_and_what_was_on_its_way_is_dropped(void **state)
{
    fake_ioapic_catch();
    bind(13, &level_low);
    line(13, true);
    gsi_unbind(13);
    assert_true(rte(13) & MASKED);
    assert_int_equal(take_all(), 1);
    assert_int_equal(calls, 0);
    assert_int_equal(eois, 1);
    /* Bound again it works, although the interrupt before was never its owner's. */
    fake_now += 2000000000ull;
    bind(13, &level_low);
    assert_int_equal(take_all(), 1);
    assert_int_equal(calls, 1);
}

static void an_edge_line_moves_at_once_and_keeps_what_is_on_its_way(void **state)
{
    fake_ioapic_catch();
    bind(14, &edge_high);
    edge(14);
    gsi_set_cpu(14, 2);
    assert_int_equal(rte(14) >> 56, 8);
    assert_int_equal(take_all(), 1);
    assert_int_equal(calls, 1);
    assert_int_equal(last_cpu, 0);
    edge(14);
    assert_int_equal(take_all(), 1);
    assert_int_equal(last_cpu, 2);
    gsi_set_cpu(14, CPUS); /* there is none */
    assert_int_equal(rte(14) >> 56, 8);
}

static void an_idle_level_line_moves_at_once(void **state)
{
    fake_ioapic_catch();
    bind(15, &level_low);
    gsi_set_cpu(15, 1);
    assert_int_equal(rte(15) >> 56, 4);
    assert_int_equal(rte(15) & ~0xffull & 0xffffffff, LEVEL | LOW);
    line(15, true);
    assert_int_equal(take_all(), 1);
    assert_int_equal(last_cpu, 1);
}

static void a_level_line_that_was_sent_moves_only_after_its_end(void **state)
{
    fake_ioapic_catch();
    bind(16, &level_low);
    line(16, true); /* CPU 0 has not taken it yet */
    gsi_set_cpu(16, 2);
    assert_int_equal(rte(16) >> 56, 0);
    assert_int_equal(take_all(), 1);
    assert_int_equal(last_cpu, 0);
    gsi_eoi(16);
    assert_int_equal(rte(16) >> 56, 8);
    assert_int_equal(take_all(), 1); /* the line is still high */
    assert_int_equal(last_cpu, 2);
    line(16, false);
    gsi_eoi(16);
    assert_false(rte(16) & (MASKED | IRR));
}

static void a_line_that_fired_stays_closed_while_it_moves(void **state)
{
    fake_ioapic_catch();
    bind(17, &level_low);
    line(17, true);
    assert_int_equal(take_all(), 1);
    gsi_set_cpu(17, 1);
    assert_int_equal(take_all(), 0);
    gsi_eoi(17);
    assert_int_equal(take_all(), 1);
    assert_int_equal(last_cpu, 1);
}

static void binding_again_changes_trigger_and_forgets_a_stuck_remote_irr(void **state)
{
    fake_ioapic_catch();
    bind(18, &level_low);
    line(18, true);
    fake_nr_messages = 0; /* lost on its way: its end never comes */
    assert_true(rte(18) & IRR);
    bind(18, &level_low);
    assert_int_equal(take_all(), 1);
    line(18, false);
    gsi_eoi(18);
    bind(18, &edge_high);
    assert_int_equal(rte(18) & ~0xffull, 0);
    edge(18);
    assert_int_equal(take_all(), 1);
    bind(18, &(struct gsi_config){.level = true, .cpu = 2});
    assert_int_equal(rte(18) & ~0xffull, LEVEL | 8ull << 56);
}

static void isa_lines_follow_the_overrides(void **state)
{
    struct gsi_config cfg = {.cpu = 9};

    fake_ioapic_catch();
    acpi_info.nr_overrides = 4;
    acpi_info.override[0] = (struct acpi_override){0, 0, 2, 0};
    acpi_info.override[1] = (struct acpi_override){0, 9, 20, 0xf};  /* low, level */
    acpi_info.override[2] = (struct acpi_override){1, 5, 21, 0xf};  /* not the ISA bus */
    acpi_info.override[3] = (struct acpi_override){0, 11, 11, 0x7}; /* low, edge */
    assert_int_equal(isa_irq_to_gsi(0, &cfg), 2);
    assert_false(cfg.level || cfg.active_low || cfg.cpu);
    assert_int_equal(isa_irq_to_gsi(9, &cfg), 20);
    assert_true(cfg.level && cfg.active_low);
    assert_int_equal(isa_irq_to_gsi(5, &cfg), 5);
    assert_false(cfg.level || cfg.active_low);
    assert_int_equal(isa_irq_to_gsi(11, &cfg), 11);
    assert_true(!cfg.level && cfg.active_low);
}

static void power_lost(void)
{
    for (unsigned n = 0; n < 2; n++)
        for (unsigned pin = 0; pin < FAKE_PINS; pin++)
            fake_ioapics[n].rte[pin] = pin & 1 ? 0 : 0xff000000000000ffull; /* firmware may have left anything */
    fake_ioapics[0].id = fake_ioapics[1].id = 0;
}

static void after_a_sleep_every_pin_is_as_before(void **state)
{
    static const struct gsi_config edge_on_1 = {.cpu = 1}, level_low_on_2 = {.level = true, .active_low = true, .cpu = 2};
    u64 before[2];

    fake_ioapic_catch();
    bind(3, &edge_on_1);
    bind(26, &level_low_on_2);
    before[0] = fake_ioapics[0].rte[3];
    before[1] = fake_ioapics[1].rte[2];
    power_lost();
    ioapic_restore();
    assert_int_equal(fake_ioapics[0].rte[3], before[0]);
    assert_int_equal(fake_ioapics[1].rte[2], before[1]);
    assert_int_equal(fake_ioapics[0].id, 2u << 24);
    assert_int_equal(fake_ioapics[1].id, 5u << 24);
    for (unsigned pin = 0; pin < FAKE_PINS; pin++) {
        if (pin != 3)
            assert_true(fake_ioapics[0].rte[pin] & MASKED);
        if (pin != 2)
            assert_true(fake_ioapics[1].rte[pin] & MASKED);
    }
    edge(3);
    assert_int_equal(take_all(), 1);
    line(26, true);
    assert_int_equal(take_all(), 1);
    assert_int_equal(calls, 2);
}

static void a_level_interrupt_in_service_over_a_sleep_asks_again_at_its_end(void **state)
{
    static const struct gsi_config level = {.level = true};

    fake_ioapic_catch();
    bind(5, &level);
    line(5, true);
    assert_int_equal(take_all(), 1);
    power_lost();
    ioapic_restore();
    assert_true(fake_ioapics[0].rte[5] & MASKED);
    assert_int_equal(take_all(), 0);
    gsi_eoi(5);
    assert_int_equal(take_all(), 1);
    assert_int_equal(calls, 2);
}

static void what_its_owner_masked_stays_masked_over_a_sleep(void **state)
{
    static const struct gsi_config level = {.level = true};

    fake_ioapic_catch();
    bind(5, &level);
    gsi_mask(5);
    power_lost();
    ioapic_restore();
    line(5, true);
    assert_int_equal(take_all(), 0);
    gsi_unmask(5);
    assert_int_equal(take_all(), 1);
}

static void the_dump_shows_what_is_bound(void **state)
{
    fake_ioapic_catch();
    bind(30, &level_low);
    gsi_mask(30);
    bind(31, &edge_high);
    fake_log_clear();
    gsi_dump();
    assert_non_null(strstr(fake_log, "GSI  30: CPU 0 vector 0x"));
    assert_non_null(strstr(fake_log, "level low masked\n"));
    assert_non_null(strstr(fake_log, "edge high\n"));
}

/* Whatever order masks, ends and moves come in: a line that stays high gets through, and one that is low does not. */
static void no_order_of_operations_loses_a_level_interrupt(void **state)
{
    u64 seed = 0x7031;

    fake_ioapic_catch();
    bind(19, &level_low);
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned i = fake_random(&seed) % 8; i; i--) {
            switch (fake_random(&seed) % 8) {
            case 0:
                line(19, true);
                break;
            case 1:
                line(19, false);
                break;
            case 2:
                take_all();
                break;
            case 3:
                gsi_eoi(19);
                break;
            case 4:
                gsi_mask(19);
                break;
            case 5:
                gsi_unmask(19);
                break;
            case 6:
                gsi_set_cpu(19, (unsigned)(fake_random(&seed) % CPUS));
                break;
            case 7:
                fake_now += fake_random(&seed) % 2000000000;
                break;
            }
        }
        /* In the end the guest unmasks, ends what it got, and the device still asks. */
        take_all();
        gsi_unmask(19);
        line(19, true);
        take_all();
        calls = 0;
        gsi_eoi(19);
        take_all();
        if (calls != 1)
            fail_msg("round %u: %u calls, entry %#lx", round, calls, rte(19));
        line(19, false);
        gsi_eoi(19);
        assert_int_equal(take_all(), 0);
        assert_false(rte(19) & (MASKED | IRR));
        fake_now += 100000000;
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(only_ioapics_that_answer_are_used_and_start_masked),
        T(a_line_the_machine_does_not_have_is_refused),
        T(calls_for_an_unbound_line_do_nothing),
        T(binding_programs_trigger_polarity_and_cpu),
        T(a_line_has_one_owner),
        T(without_a_vector_a_line_is_not_bound),
        T(every_edge_calls_the_handler_once_and_masks_nothing),
        T(a_level_line_is_closed_until_its_end_and_asks_again_if_still_high),
        T(a_masked_line_waits_for_its_unmasking),
        T(masking_what_is_masked_does_not_touch_the_hardware),
        T(an_unbound_line_is_closed_and_what_was_on_its_way_is_dropped),
        T(an_edge_line_moves_at_once_and_keeps_what_is_on_its_way),
        T(an_idle_level_line_moves_at_once),
        T(a_level_line_that_was_sent_moves_only_after_its_end),
        T(a_line_that_fired_stays_closed_while_it_moves),
        T(binding_again_changes_trigger_and_forgets_a_stuck_remote_irr),
        T(isa_lines_follow_the_overrides),
        T(the_dump_shows_what_is_bound),
        T(after_a_sleep_every_pin_is_as_before),
        T(a_level_interrupt_in_service_over_a_sleep_asks_again_at_its_end),
        T(what_its_owner_masked_stays_masked_over_a_sleep),
        T(no_order_of_operations_loses_a_level_interrupt),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
