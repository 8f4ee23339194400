/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vlapic.c src/vdev/vlapic_ipi.c src/vdev/vlapic_timer.c src/core/timer.c tests/unit/vdev_fakes.c tests/unit/fakes.c */
/* The virtual local APIC: priorities, enabling, errors. */
#include "vlapic_world.h"

/* --- priorities, IRR, ISR, EOI --- */

static void interrupts_are_taken_highest_first(void **state)
{
    static const u8 in[] = {0x31, 0xf0, 0x20, 0x80, 0x7f, 0x10, 0xff, 0x40};
    static const u8 out[] = {0xff, 0xf0, 0x80, 0x7f, 0x40, 0x31, 0x20, 0x10};

    env_enable(1);
    for (unsigned i = 0; i < sizeof(in); i++)
        vlapic_set_irq(&env_vcpu[1], in[i], false);
    env_write(1, APIC_TPR, 0);
    for (unsigned i = 0; i < sizeof(out); i++) {
        assert_int_equal(env_take(1), out[i]);
        env_write(1, APIC_EOI, 0);
    }
    assert_int_equal(env_take(1), -1);
}

static void every_legal_vector_arrives(void **state)
{
    env_enable(1);
    for (unsigned vector = 16; vector < 256; vector++) {
        vlapic_set_irq(&env_vcpu[1], vector, vector & 1);
        assert_int_equal(vlapic_highest_irr(&env_vcpu[1]), vector);
        assert_int_equal(env_take(1), vector);
        assert_int_equal(env_read(1, APIC_ISR + vector / 32), 1u << vector % 32);
        assert_int_equal(env_read(1, APIC_IRR + vector / 32), 0);
        env_eois = 0;
        env_write(1, APIC_EOI, 0);
        assert_int_equal(env_eois, vector & 1);
        if (vector & 1)
            assert_int_equal(env_eoi_vector, vector);
    }
}

static void a_higher_class_nests_and_the_same_class_waits(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 0x45, false);
    assert_int_equal(env_take(1), 0x45);
    vlapic_set_irq(&env_vcpu[1], 0x4f, false);
    assert_int_equal(env_take(1), -1);
    vlapic_set_irq(&env_vcpu[1], 0x50, false);
    assert_int_equal(env_take(1), 0x50);
    assert_int_equal(env_read(1, APIC_PPR), 0x50);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_read(1, APIC_PPR), 0x40);
    assert_int_equal(env_take(1), -1);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_take(1), 0x4f);
}

static void eoi_ends_the_highest_in_service(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 0x30, false);
    env_take(1);
    vlapic_set_irq(&env_vcpu[1], 0x90, false);
    env_take(1);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_read(1, APIC_ISR + 4), 0);
    assert_int_equal(env_read(1, APIC_ISR + 1), 1u << 16);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_read(1, APIC_ISR + 1), 0);
}

static void eoi_without_an_interrupt_in_service_does_nothing(void **state)
{
    env_enable(1);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_eois, 0);
    assert_int_equal(env_rec[1].kicks, 0);
}

static void eoi_of_an_edge_is_not_broadcast(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 0x70, true);
    env_take(1);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_eois, 1);
    vlapic_set_irq(&env_vcpu[1], 0x70, false);
    assert_int_equal(env_read(1, APIC_TMR + 3), 0);
    env_take(1);
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_eois, 1);
}

static void eoi_asks_for_another_look_when_something_waits(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 0x70, false);
    env_take(1);
    vlapic_set_irq(&env_vcpu[1], 0x71, false);
    env_rec[1].kicks = 0;
    env_write(1, APIC_EOI, 0);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_int_equal(env_rec[1].todo, TODO_EVENTS);
}

static void tpr_holds_back_its_class_and_below(void **state)
{
    env_enable(1);
    env_write(1, APIC_TPR, 0x50);
    vlapic_set_irq(&env_vcpu[1], 0x5f, false);
    assert_int_equal(vlapic_pending_vector(&env_vcpu[1]), -1);
    assert_int_equal(vlapic_highest_irr(&env_vcpu[1]), 0x5f);
    env_rec[1].kicks = 0;
    env_write(1, APIC_TPR, 0x60);
    assert_int_equal(env_rec[1].kicks, 0);
    env_write(1, APIC_TPR, 0x4f);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_int_equal(vlapic_pending_vector(&env_vcpu[1]), 0x5f);
}

static void lowering_cr8_asks_for_another_look(void **state)
{
    env_enable(1);
    vlapic_set_cr8(&env_vcpu[1], 15);
    vlapic_set_irq(&env_vcpu[1], 0xef, false);
    assert_int_equal(vlapic_pending_vector(&env_vcpu[1]), -1);
    env_rec[1].kicks = 0;
    vlapic_set_cr8(&env_vcpu[1], 0);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_int_equal(vlapic_pending_vector(&env_vcpu[1]), 0xef);
}

static void ppr_is_tpr_or_the_class_in_service(void **state)
{
    env_enable(1);
    env_write(1, APIC_TPR, 0x38);
    assert_int_equal(env_read(1, APIC_PPR), 0x38);
    vlapic_set_irq(&env_vcpu[1], 0x47, false);
    env_take(1);
    assert_int_equal(env_read(1, APIC_PPR), 0x40);
    env_write(1, APIC_TPR, 0x43);
    assert_int_equal(env_read(1, APIC_PPR), 0x43);
    env_write(1, APIC_TPR, 0x92);
    assert_int_equal(env_read(1, APIC_PPR), 0x92);
}

static void apr_takes_requests_into_account(void **state)
{
    env_enable(1);
    env_write(1, APIC_TPR, 0x38);
    assert_int_equal(env_read(1, APIC_APR), 0x38);
    vlapic_set_irq(&env_vcpu[1], 0x47, false);
    assert_int_equal(env_read(1, APIC_APR), 0x40);
    env_take(1);
    assert_int_equal(env_read(1, APIC_APR), 0x40);
}

static void a_second_request_for_a_waiting_vector_does_not_kick(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 0x61, false);
    vlapic_set_irq(&env_vcpu[1], 0x61, false);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_int_equal(env_take(1), 0x61);
    vlapic_set_irq(&env_vcpu[1], 0x61, false);
    assert_int_equal(env_rec[1].kicks, 2);
    assert_true(env_irr(1, 0x61));
}

static void nmi_is_taken_once(void **state)
{
    vlapic_set_nmi(&env_vcpu[1]);
    vlapic_set_nmi(&env_vcpu[1]);
    assert_int_equal(env_rec[1].kicks, 1);
    assert_true(vlapic_nmi_pending(&env_vcpu[1]));
    assert_true(vlapic_take_nmi(&env_vcpu[1]));
    assert_false(vlapic_take_nmi(&env_vcpu[1]));
}

/* --- SVR --- */

static void a_software_disabled_apic_takes_nothing_and_masks_its_lvts(void **state)
{
    vlapic_set_irq(&env_vcpu[1], 0x50, false);
    assert_int_equal(vlapic_highest_irr(&env_vcpu[1]), -1);
    env_write(1, APIC_LVT + LVT_TIMER, 0x40);
    assert_int_equal(env_read(1, APIC_LVT + LVT_TIMER), LVT_MASKED | 0x40);
    env_enable(1);
    env_write(1, APIC_LVT + LVT_TIMER, 0x40);
    env_write(1, APIC_LVT + LVT_LINT1, 0x400);
    env_write(1, APIC_SVR, 0xff);
    assert_int_equal(env_read(1, APIC_LVT + LVT_TIMER), LVT_MASKED | 0x40);
    assert_int_equal(env_read(1, APIC_LVT + LVT_LINT1), LVT_MASKED | 0x400);
    env_enable(1);
    assert_int_equal(env_read(1, APIC_LVT + LVT_TIMER), LVT_MASKED | 0x40);
}

static void requests_held_at_software_disable_are_still_the_cpus(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 0x50, false);
    env_write(1, APIC_SVR, 0xff);
    assert_int_equal(env_take(1), 0x50);
}

static void enabling_asks_senders_to_send_again_once(void **state)
{
    env_enable(1);
    assert_int_equal(env_rec[1].rechecks, 1);
    assert_int_equal(env_resamples, 1);
    env_write(1, APIC_SVR, 0x1f0);
    env_write(1, APIC_SVR, 0xff);
    assert_int_equal(env_rec[1].rechecks, 1);
    env_enable(1);
    assert_int_equal(env_rec[1].rechecks, 2);
}

/* --- ESR --- */

static void esr_shows_errors_only_after_a_write(void **state)
{
    env_enable(1);
    vlapic_set_irq(&env_vcpu[1], 5, false);
    assert_int_equal(env_read(1, APIC_ESR), 0);
    env_write(1, APIC_ESR, 0);
    assert_int_equal(env_read(1, APIC_ESR), ESR_RECV_ILLEGAL_VECTOR);
    env_write(1, APIC_ESR, 0);
    assert_int_equal(env_read(1, APIC_ESR), 0);
}

static void illegal_vectors_never_reach_irr(void **state)
{
    env_enable(1);
    for (unsigned vector = 0; vector < 16; vector++)
        vlapic_set_irq(&env_vcpu[1], vector, true);
    assert_int_equal(env_read(1, APIC_IRR), 0);
    assert_int_equal(env_read(1, APIC_TMR), 0);
}

static void reserved_addresses_are_an_error_in_xapic_mode(void **state)
{
    static const unsigned reserved[] = {0x00, 0x01, 0x04, 0x07, 0x29, 0x2f, 0x3a, 0x3d, 0x3f, 0x40, 0x80, 0xff};

    for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) {
        assert_int_equal(env_mmio_read(1, REG_MMIO(reserved[i]), 4), 0);
        env_write(1, APIC_ESR, 0);
        assert_int_equal(env_read(1, APIC_ESR), ESR_ILLEGAL_REGISTER);
        env_mmio_write(1, REG_MMIO(reserved[i]), 4, 0xffffffff);
        env_write(1, APIC_ESR, 0);
        assert_int_equal(env_read(1, APIC_ESR), ESR_ILLEGAL_REGISTER);
    }
    env_mmio_write(1, REG_MMIO(APIC_PPR), 4, 1);
    env_write(1, APIC_ESR, 0);
    assert_int_equal(env_read(1, APIC_ESR), 0);
}

static void an_error_interrupts_once_until_esr_is_written(void **state)
{
    env_enable(1);
    env_write(1, APIC_LVT + LVT_ERROR, 0xfe);
    vlapic_set_irq(&env_vcpu[1], 1, false);
    assert_int_equal(env_take(1), 0xfe);
    env_write(1, APIC_EOI, 0);
    vlapic_set_irq(&env_vcpu[1], 1, false);
    assert_int_equal(env_take(1), -1);
    env_write(1, APIC_ESR, 0);
    vlapic_set_irq(&env_vcpu[1], 1, false);
    assert_int_equal(env_take(1), 0xfe);
}

static void an_error_interrupt_with_an_illegal_vector_ends_there(void **state)
{
    env_enable(1);
    env_write(1, APIC_LVT + LVT_ERROR, 3);
    env_mmio_read(1, REG_MMIO(0x40), 4);
    env_write(1, APIC_ESR, 0);
    assert_int_equal(env_read(1, APIC_ESR), ESR_ILLEGAL_REGISTER | ESR_RECV_ILLEGAL_VECTOR);
    assert_int_equal(vlapic_highest_irr(&env_vcpu[1]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(interrupts_are_taken_highest_first),
        T(every_legal_vector_arrives),
        T(a_higher_class_nests_and_the_same_class_waits),
        T(eoi_ends_the_highest_in_service),
        T(eoi_without_an_interrupt_in_service_does_nothing),
        T(eoi_of_an_edge_is_not_broadcast),
        T(eoi_asks_for_another_look_when_something_waits),
        T(tpr_holds_back_its_class_and_below),
        T(lowering_cr8_asks_for_another_look),
        T(ppr_is_tpr_or_the_class_in_service),
        T(apr_takes_requests_into_account),
        T(a_second_request_for_a_waiting_vector_does_not_kick),
        T(nmi_is_taken_once),
        T(a_software_disabled_apic_takes_nothing_and_masks_its_lvts),
        T(requests_held_at_software_disable_are_still_the_cpus),
        T(enabling_asks_senders_to_send_again_once),
        T(esr_shows_errors_only_after_a_write),
        T(illegal_vectors_never_reach_irr),
        T(reserved_addresses_are_an_error_in_xapic_mode),
        T(an_error_interrupts_once_until_esr_is_written),
        T(an_error_interrupt_with_an_illegal_vector_ends_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
