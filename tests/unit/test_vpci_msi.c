/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpci.c src/vdev/vpci_access.c src/vdev/vpci_op.c src/vdev/vpci_map.c src/vdev/vpci_header.c src/vdev/vpci_msi.c src/vdev/vpci_msix.c src/vdev/vpci_sriov.c src/vdev/vpci_rebar.c src/machine/pci.c tests/unit/pci_world.c tests/unit/pci_world_irq.c tests/unit/fakes.c */
/* MSI: the guest's message stays the guest's, the device holds Torii's, and no interrupt is lost in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <torii/boot_info.h>
#include <torii/errno.h>
#include <torii/vpower.h>

#include "pci_world.h"
#include "../../src/vdev/vpci_internal.h"

#define NIC PCI_SBDF(0, 0, 0x18)
#define HBA PCI_SBDF(0, 0, 0x28)

static struct world_fn *nic;

void vpower_reset_control(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
}

static int teardown(void **state)
{
    world_fini();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define CAP     0x50
#define CONTROL (CAP + 2)
#define ADDRESS (CAP + 4)
#define HIGH    (CAP + 8)

static int setup(void **state)
{
    world_init();
    nic = world_add(NIC, 0x10d38086, 0x0200, 0);
    return 0;
}

/* The guest's message: destination `cpu`, fixed, `vector`. */
static void message(unsigned cpu, u8 vector, bool is64)
{
    guest_write(NIC, ADDRESS, 4, 0xfee00000 | cpu << 12);
    if (is64)
        guest_write(NIC, HIGH, 4, 0);
    guest_write(NIC, CAP + (is64 ? 12 : 8), 2, vector);
}

static void enable(bool on)
{
    u16 control = guest_read(NIC, CONTROL, 2);

    guest_write(NIC, CONTROL, 2, on ? control | 1 : control & ~1);
}

static void fire(bool is64, unsigned n)
{
    u64 address = world_get(nic, ADDRESS, 4) | (is64 ? (u64)world_get(nic, HIGH, 4) << 32 : 0);

    assert_true(world_interrupt(address, world_get(nic, CAP + (is64 ? 12 : 8), 2) + n));
}

static const struct world_delivery *last(void)
{
    return &world_delivered[(world_deliveries - 1) % 64];
}

static void enabling_programs_toriis_message_and_shows_the_guests(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(2, 0x41, true);
    assert_int_equal(world_msis_live, 0);
    enable(true);
    assert_int_equal(world_msis_live, 1);
    assert_int_equal(world_msi[0].cpu, 2);
    assert_int_equal(world_get(nic, ADDRESS, 4), world_msi[0].msg.address);
    assert_int_equal(world_get(nic, CAP + 12, 2), world_msi[0].msg.data);
    assert_int_equal(world_get(nic, CONTROL, 2) & 1, 1);
    assert_int_equal(guest_read(NIC, ADDRESS, 4), 0xfee02000);
    assert_int_equal(guest_read(NIC, HIGH, 4), 0);
    assert_int_equal(guest_read(NIC, CAP + 12, 2), 0x41);
    fire(true, 0);
    assert_int_equal(last()->dest, 2);
    assert_int_equal(last()->vector, 0x41);
    assert_int_equal(last()->delivery, 0);
    assert_false(last()->logical);
}

static void a_32_bit_capability_has_its_data_lower(void **state)
{
    world_msi_cap(nic, CAP, false, false, 0);
    world_start();
    message(1, 0x55, false);
    enable(true);
    assert_int_equal(world_get(nic, CAP + 8, 2), world_msi[0].msg.data);
    fire(false, 0);
    assert_int_equal(last()->vector, 0x55);
    assert_int_equal(guest_read(NIC, CAP + 8, 4) & 0xffff, 0x55);
}

static void disabling_frees_and_the_next_enable_uses_the_kept_message(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(1, 0x41, true);
    enable(true);
    enable(false);
    assert_int_equal(world_msis_live, 0);
    assert_int_equal(world_get(nic, CONTROL, 2) & 1, 0);
    enable(true);
    fire(true, 0);
    assert_int_equal(last()->dest, 1);
    assert_int_equal(last()->vector, 0x41);
}

static void logical_lowest_priority_and_extended_destinations_are_decoded(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    guest_write(NIC, ADDRESS, 4, 0xfee0600c);
    guest_write(NIC, CAP + 12, 2, 0x0133);
    enable(true);
    fire(true, 0);
    assert_true(last()->logical);
    assert_int_equal(last()->dest, 6);
    assert_int_equal(last()->delivery, 1);
    assert_int_equal(world_msi[0].cpu, 1);
    guest_write(NIC, ADDRESS, 4, 0xfee01020);
    fire(true, 0);
    assert_int_equal(last()->dest, 0x101);
    guest_write(NIC, CAP + 12, 2, 0x0433);
    fire(true, 0);
    assert_int_equal(last()->delivery, 4);
}

static void a_rewrite_while_enabled_reroutes_at_once(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(0, 0x41, true);
    enable(true);
    message(3, 0x61, true);
    fire(true, 0);
    assert_int_equal(last()->dest, 3);
    assert_int_equal(last()->vector, 0x61);
    /* Without masks the device's own message cannot be changed safely. */
    assert_int_equal(world_moves, 0);
    assert_int_equal(world_get(nic, CAP + 12, 2), world_msi[0].msg.data);
}

static void a_maskable_device_follows_to_another_cpu(void **state)
{
    world_msi_cap(nic, CAP, true, true, 0);
    world_start();
    message(0, 0x41, true);
    guest_write(NIC, CAP + 16, 4, 0xfffffffe);
    enable(true);
    message(3, 0x61, true);
    assert_int_equal(world_moves, 1);
    assert_int_equal(world_msi[0].cpu, 3);
    assert_false(world_msi[0].moving);
    assert_int_equal(world_get(nic, ADDRESS, 4), world_msi[0].msg.address);
    assert_int_equal(world_get(nic, CAP + 16, 4), 0xfffffffe);
    fire(true, 0);
    assert_int_equal(last()->dest, 3);
}

/* What the vCPU that has run on another CPU since does to its devices. */
static void rehome(bool maskable)
{
    struct vpci_dev *dev;
    u32 data;

    world_msi_cap(nic, CAP, true, maskable, 0);
    world_start();
    dev = vpci_find(world_domain.vpci, NIC);
    vpci_msi_rehome(dev); /* not enabled: nothing to do */
    message(2, 0x41, true);
    enable(true);
    data = world_get(nic, CAP + 12, 2);
    vpci_msi_rehome(dev);
    assert_int_equal(world_moves, 0);
    world_moved_to = 1;
    vpci_msi_rehome(dev);
    world_moved_to = -1;
    assert_int_equal(world_moves, 1);
    assert_int_equal(world_msi[0].cpu, 1);
    assert_int_equal(world_get(nic, ADDRESS, 4), 0xfee01000);
    assert_int_equal(world_get(nic, CAP + 12, 2) == data, !maskable); /* one write did it */
    fire(true, 0);
    assert_int_equal(last()->dest, 2);
    assert_int_equal(last()->vector, 0x41);
}

static void messages_follow_a_vcpu_to_its_new_cpu(void **state)
{
    rehome(false);
}

static void messages_with_masks_follow_too(void **state)
{
    rehome(true);
}

static void a_message_whose_vectors_are_taken_stays(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(2, 0x41, true);
    enable(true);
    world_msi_room = 0;
    world_moved_to = 1;
    vpci_msi_rehome(vpci_find(world_domain.vpci, NIC));
    world_moved_to = -1;
    assert_int_equal(world_moves, 0);
    assert_int_equal(world_get(nic, ADDRESS, 4), 0xfee02000);
    fire(true, 0);
    assert_int_equal(last()->vector, 0x41);
}

static void a_move_without_vectors_keeps_the_old_ones(void **state)
{
    world_msi_cap(nic, CAP, true, true, 0);
    world_start();
    message(0, 0x41, true);
    enable(true);
    world_msi_room = 0;
    message(3, 0x61, true);
    assert_int_equal(world_moves, 0);
    fire(true, 0);
    assert_int_equal(last()->dest, 3);
    assert_int_equal(last()->vector, 0x61);
}

static void several_vectors_vary_the_low_bits(void **state)
{
    world_msi_cap(nic, CAP, true, true, 3);
    world_start();
    message(1, 0x67, true);
    guest_write(NIC, CONTROL, 2, 2 << 4 | 1);
    assert_int_equal(world_msi[0].count, 4);
    fire(true, 0);
    assert_int_equal(last()->vector, 0x64);
    fire(true, 3);
    assert_int_equal(last()->vector, 0x67);
    message(1, 0x80, true);
    fire(true, 2);
    assert_int_equal(last()->vector, 0x82);
}

static void a_count_above_what_the_device_can_is_limited(void **state)
{
    world_msi_cap(nic, CAP, true, false, 1);
    world_start();
    guest_write(NIC, CONTROL, 2, 7 << 4 | 1);
    assert_int_equal(world_msi[0].count, 2);
    assert_int_equal(world_get(nic, CONTROL, 2) & 0x70, 1 << 4);
    world_fini();
    setup(state);
    world_msi_cap(nic, CAP, true, false, 7); /* reserved encoding */
    world_start();
    guest_write(NIC, CONTROL, 2, 7 << 4 | 1);
    assert_int_equal(world_msi[0].count, 32);
}

static void changing_the_count_while_enabled_allocates_anew(void **state)
{
    world_msi_cap(nic, CAP, true, false, 3);
    world_start();
    message(0, 0x40, true);
    enable(true);
    guest_write(NIC, CONTROL, 2, 3 << 4 | 1);
    assert_int_equal(world_msis_live, 1);
    assert_int_equal(world_msi[0].count, 8);
    fire(true, 7);
    assert_int_equal(last()->vector, 0x47);
}

static void without_vectors_the_capability_stays_disabled(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    world_msi_room = 0;
    enable(true);
    assert_int_equal(guest_read(NIC, CONTROL, 2) & 1, 0);
    world_msi_room = ~0u;
    enable(true);
    assert_int_equal(guest_read(NIC, CONTROL, 2) & 1, 1);
}

static void an_address_that_is_no_interrupt_delivers_nothing(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    guest_write(NIC, ADDRESS, 4, 0x12345678);
    enable(true);
    fire(true, 0);
    assert_int_equal(world_deliveries, 0);
    guest_write(NIC, ADDRESS, 4, 0xfee00000);
    guest_write(NIC, HIGH, 4, 1);
    fire(true, 0);
    assert_int_equal(world_deliveries, 0);
    guest_write(NIC, HIGH, 4, 0);
    fire(true, 0);
    assert_int_equal(world_deliveries, 1);
}

static void a_destination_nobody_has_still_gets_vectors(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(0x77, 0x41, true);
    enable(true);
    assert_int_equal(world_msi[0].cpu, 0);
    fire(true, 0);
    assert_int_equal(last()->dest, 0x77);
}

static void masks_reach_the_device_and_pending_bits_come_from_it(void **state)
{
    world_msi_cap(nic, CAP, true, true, 2);
    world_start();
    guest_write(NIC, CAP + 16, 4, 5);
    assert_int_equal(world_get(nic, CAP + 16, 4), 5);
    assert_int_equal(guest_read(NIC, CAP + 16, 4), 5);
    world_set(nic, CAP + 20, 4, 4);
    assert_int_equal(guest_read(NIC, CAP + 20, 4), 4);
}

static void a_capability_firmware_left_on_is_switched_off(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_set(nic, CONTROL, 2, 0x81);
    world_start();
    assert_int_equal(world_get(nic, CONTROL, 2), 0x80);
}

static void enabling_after_a_reset_programs_again(void **state)
{
    world_msi_cap(nic, CAP, true, true, 0);
    world_start();
    message(1, 0x41, true);
    enable(true);
    world_reset(nic);
    assert_int_equal(world_get(nic, ADDRESS, 4), 0);
    enable(true);
    assert_int_equal(world_msis_live, 1);
    fire(true, 0);
    assert_int_equal(last()->vector, 0x41);
}

static void restore_brings_message_mask_and_enable_back(void **state)
{
    world_msi_cap(nic, CAP, true, true, 2);
    world_start();
    message(1, 0x40, true);
    guest_write(NIC, CAP + 16, 4, 2);
    guest_write(NIC, CONTROL, 2, 2 << 4 | 1);
    world_reset(nic);
    assert_int_equal(vpci_op_restore_msi(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_get(nic, CONTROL, 2) & 0x71, 0x21);
    assert_int_equal(world_get(nic, CAP + 16, 4), 2);
    fire(true, 3);
    assert_int_equal(last()->vector, 0x43);
    guest_write(NIC, CONTROL, 2, 0);
    assert_int_equal(vpci_op_restore_msi(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_get(nic, CONTROL, 2) & 1, 0);
}

static void the_way_linux_restores_keeps_the_interrupt(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(1, 0x41, true);
    enable(true);
    world_reset(nic);
    enable(false);
    vpci_op_restore_msi(&world_domain, 0, 0, 0x18);
    enable(true);
    fire(true, 0);
    assert_int_equal(last()->dest, 1);
    assert_int_equal(last()->vector, 0x41);
}

static void a_four_byte_write_to_control_takes_only_its_half(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(1, 0x41, true);
    guest_write(NIC, CAP, 4, 0x0081ffff);
    assert_int_equal(world_msis_live, 1);
    assert_int_equal(guest_read(NIC, CAP, 1), PCI_CAP_MSI);
    fire(true, 0);
    assert_int_equal(last()->vector, 0x41);
}

static void removing_the_device_frees_its_vectors(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    enable(true);
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_msis_live, 0);
    assert_int_equal(world_get(nic, CONTROL, 2) & 1, 0);
}

static void the_dump_shows_both_messages(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_start();
    message(1, 0x41, true);
    enable(true);
    fire(true, 0);
    vpci_dump(&world_domain);
    assert_non_null(strstr(fake_log_last, "guest fee01000/0041"));
    assert_non_null(strstr(fake_log_last, "1 taken"));
}

/* The walk of the guest meets no MSI capability. */
static unsigned capabilities_seen(u8 id)
{
    unsigned seen = 0, pos = guest_read(NIC, PCI_CAP_PTR, 1);

    for (unsigned i = 0; pos && i < 48; i++, pos = guest_read(NIC, pos + 1, 1))
        seen += guest_read(NIC, pos, 1) == id;
    return seen;
}

static void a_second_capability_is_hidden_and_stays_off(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_msi_cap(nic, 0x80, true, false, 0);
    world_cap(nic, 0xa0, 1);
    world_start();
    assert_int_equal(capabilities_seen(PCI_CAP_MSI), 1);
    assert_int_equal(capabilities_seen(1), 1);
    guest_write(NIC, 0x82, 2, 1);
    assert_int_equal(world_get(nic, 0x82, 2) & 1, 0);
    message(1, 0x41, true);
    enable(true);
    assert_int_equal(world_msis_live, 1);
}

static void a_capability_over_another_is_hidden_and_the_device_kept(void **state)
{
    world_msi_cap(nic, CAP, true, true, 0);
    world_set(nic, CAP + 0x10, 4, 0);
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_msix_cap(nic, CAP + 8, 4, 0x2000, 0x3000);
    world_start();
    assert_int_equal(capabilities_seen(PCI_CAP_MSI), 1);
    assert_int_equal(capabilities_seen(PCI_CAP_MSIX), 0);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xd0002000), S2_MMIO);
}

static void a_capability_that_does_not_fit_is_hidden(void **state)
{
    world_msi_cap(nic, 0xf4, true, false, 0);
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_start();
    assert_int_equal(capabilities_seen(PCI_CAP_MSI), 0);
    guest_write(NIC, 0xf6, 2, 1);
    assert_int_equal(world_get(nic, 0xf6, 2) & 1, 0);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
}

static void two_hidden_neighbours_are_both_skipped(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_msi_cap(nic, 0x80, true, false, 0);
    world_msi_cap(nic, 0xa0, true, false, 0);
    world_cap(nic, 0xc0, 1);
    world_start();
    assert_int_equal(capabilities_seen(PCI_CAP_MSI), 1);
    assert_int_equal(capabilities_seen(1), 1);
}

static void a_list_that_loops_hides_nothing(void **state)
{
    world_msi_cap(nic, CAP, true, false, 0);
    world_set(nic, CAP + 1, 1, CAP);
    world_start();
    message(1, 0x41, true);
    enable(true);
    assert_int_equal(world_msis_live, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enabling_programs_toriis_message_and_shows_the_guests),
        TEST(a_32_bit_capability_has_its_data_lower),
        TEST(disabling_frees_and_the_next_enable_uses_the_kept_message),
        TEST(logical_lowest_priority_and_extended_destinations_are_decoded),
        TEST(a_rewrite_while_enabled_reroutes_at_once),
        TEST(a_maskable_device_follows_to_another_cpu),
        TEST(messages_follow_a_vcpu_to_its_new_cpu),
        TEST(messages_with_masks_follow_too),
        TEST(a_message_whose_vectors_are_taken_stays),
        TEST(a_move_without_vectors_keeps_the_old_ones),
        TEST(several_vectors_vary_the_low_bits),
        TEST(a_count_above_what_the_device_can_is_limited),
        TEST(changing_the_count_while_enabled_allocates_anew),
        TEST(without_vectors_the_capability_stays_disabled),
        TEST(an_address_that_is_no_interrupt_delivers_nothing),
        TEST(a_destination_nobody_has_still_gets_vectors),
        TEST(masks_reach_the_device_and_pending_bits_come_from_it),
        TEST(a_capability_firmware_left_on_is_switched_off),
        TEST(enabling_after_a_reset_programs_again),
        TEST(restore_brings_message_mask_and_enable_back),
        TEST(the_way_linux_restores_keeps_the_interrupt),
        TEST(a_four_byte_write_to_control_takes_only_its_half),
        TEST(removing_the_device_frees_its_vectors),
        TEST(the_dump_shows_both_messages),
        TEST(a_second_capability_is_hidden_and_stays_off),
        TEST(a_capability_over_another_is_hidden_and_the_device_kept),
        TEST(a_capability_that_does_not_fit_is_hidden),
        TEST(two_hidden_neighbours_are_both_skipped),
        TEST(a_list_that_loops_hides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
