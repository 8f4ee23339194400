/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpci.c src/vdev/vpci_access.c src/vdev/vpci_op.c src/vdev/vpci_map.c src/vdev/vpci_header.c src/vdev/vpci_msi.c src/vdev/vpci_msix.c src/vdev/vpci_sriov.c src/vdev/vpci_sleep.c src/vdev/vpci_rebar.c src/machine/pci.c tests/unit/pci_world.c tests/unit/pci_world_irq.c tests/unit/fakes.c */
/* MSI-X: trapped tables, entries that take effect when unmasked, malformed capabilities. */
#include "msix_world.h"

static void the_tables_page_is_trapped_and_the_rest_mapped(void **state)
{
    world_start();
    assert_false(world_trapped(TABLE));
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_true(world_trapped(TABLE));
    assert_true(world_trapped(TABLE + 0xfff));
    assert_false(world_trapped(TABLE - 1));
    assert_int_equal(world_s2(BAR + 0x1000), S2_MMIO);
    assert_int_equal(world_s2(TABLE), S2_NONE);
    assert_int_equal(world_s2(BAR + 0x3000), S2_MMIO);
    guest_write(NIC, PCI_COMMAND, 2, 0);
    assert_false(world_trapped(TABLE));
    assert_int_equal(world_s2(BAR + 0x1000), S2_NONE);
}

static void a_page_mapped_at_first_touch_becomes_trapped(void **state)
{
    world_start();
    world_s2_set(TABLE, S2_FIXUP);
    world_flushes = 0;
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(TABLE), S2_NONE);
    assert_int_equal(world_flushes, 1);
}

static void an_entry_takes_effect_when_unmasked(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(1, 2, 0x45, 1);
    assert_int_equal(world_msis_live, 0);
    assert_int_equal(world_mem32(TABLE + 16 + 12) & 1, 1);
    guest_mmio_write(TABLE + 16 + 12, 4, 0);
    assert_int_equal(world_msis_live, 1);
    assert_int_equal(world_msi[0].cpu, 2);
    assert_true(fire(1));
    assert_int_equal(last()->dest, 2);
    assert_int_equal(last()->vector, 0x45);
    assert_false(fire(0));
}

static void the_guest_reads_what_it_wrote(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(guest_mmio_read(TABLE + 12, 4), 1);
    entry(0, 1, 0x4041, 0);
    assert_int_equal(guest_mmio_read(TABLE, 4), 0xfee01000);
    assert_int_equal(guest_mmio_read(TABLE + 8, 4), 0x4041);
    assert_int_equal(guest_mmio_read(TABLE + 8, 8), 0x4041);
    assert_int_equal(guest_mmio_read(TABLE, 8), 0xfee01000);
    assert_int_equal(world_mem32(TABLE), world_msi[0].msg.address);
    assert_int_equal(world_mem32(TABLE + 8), world_msi[0].msg.data);
}

static void entries_programmed_before_enable_start_with_it(void **state)
{
    start();
    entry(0, 0, 0x41, 0);
    entry(3, 1, 0x44, 0);
    assert_int_equal(world_msis_live, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 2);
    assert_int_equal(world_get(nic, CONTROL, 2), ENABLE | 3);
    assert_true(fire(3));
    assert_int_equal(last()->vector, 0x44);
    assert_int_equal(world_mem32(TABLE + 16 + 12) & 1, 1);
}

static void the_function_mask_holds_entries_back(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE | FMASK);
    entry(0, 1, 0x41, 0);
    assert_int_equal(world_msis_live, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 1);
    assert_true(fire(0));
    guest_write(NIC, CONTROL, 2, ENABLE | FMASK);
    assert_int_equal(world_get(nic, CONTROL, 2) & 0xc000, ENABLE | FMASK);
    entry(0, 2, 0x42, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_true(fire(0));
    assert_int_equal(last()->dest, 2);
    assert_int_equal(last()->vector, 0x42);
}

static void a_masked_entry_keeps_its_vector_for_what_is_pending(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    guest_mmio_write(TABLE + 12, 4, 1);
    assert_int_equal(world_msis_live, 1);
    assert_int_equal(world_mem32(TABLE + 12), 1);
    assert_false(fire(0));
    guest_mmio_write(TABLE + 12, 4, 0);
    assert_int_equal(world_mem32(TABLE + 12), 0);
    assert_true(fire(0));
}

static void a_new_affinity_moves_the_vector_once_unmasked(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    guest_mmio_write(TABLE + 12, 4, 1);
    guest_mmio_write(TABLE, 8, 0xfee03000);
    guest_mmio_write(TABLE + 8, 4, 0x61);
    assert_int_equal(world_moves, 0);
    guest_mmio_write(TABLE + 12, 4, 0);
    assert_int_equal(world_moves, 1);
    assert_int_equal(world_msi[0].cpu, 3);
    assert_int_equal(world_mem32(TABLE), 0xfee03000);
    assert_true(fire(0));
    assert_int_equal(last()->dest, 3);
    assert_int_equal(last()->vector, 0x61);
}

static void entries_follow_a_vcpu_to_its_new_cpu_masked_or_not(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 2, 0x41, 0);
    entry(1, 2, 0x51, 0);
    guest_mmio_write(TABLE + 16 + 12, 4, 1);
    world_moved_to = 1;
    vpci_rehome(&world_domain);
    vpci_rehome(&world_domain);
    world_moved_to = -1;
    assert_int_equal(world_moves, 2);
    assert_int_equal(world_msi[0].cpu, 1);
    assert_int_equal(world_msi[1].cpu, 1);
    assert_int_equal(world_mem32(TABLE), 0xfee01000);
    assert_int_equal(world_mem32(TABLE + 12), 0);
    assert_int_equal(world_mem32(TABLE + 16 + 12), 1);
    assert_true(fire(0));
    assert_int_equal(last()->dest, 2);
    assert_int_equal(last()->vector, 0x41);
    guest_write(NIC, CONTROL, 2, 0);
    vpci_rehome(&world_domain);
    assert_int_equal(world_moves, 2);
}

static void a_message_rewritten_while_unmasked_is_followed(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    guest_mmio_write(TABLE + 8, 4, 0x71);
    assert_true(fire(0));
    assert_int_equal(last()->vector, 0x71);
    guest_mmio_write(TABLE, 4, 0xfee02000);
    assert_int_equal(world_moves, 1);
    assert_true(fire(0));
    assert_int_equal(last()->dest, 2);
}

static void a_move_without_vectors_keeps_the_entry_alive(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    world_msi_room = 0;
    entry(0, 2, 0x42, 0);
    assert_true(fire(0));
    assert_int_equal(last()->dest, 2);
}

static void an_entry_without_vector_stays_masked_in_the_device(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    world_msi_room = 0;
    entry(0, 1, 0x41, 0);
    assert_int_equal(world_mem32(TABLE + 12), 1);
    assert_int_equal(guest_mmio_read(TABLE + 12, 4), 0);
    world_msi_room = 1;
    guest_mmio_write(TABLE + 12, 4, 0);
    assert_true(fire(0));
}

static void eight_byte_writes_cover_two_fields(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    guest_mmio_write(TABLE + 32, 8, 0xfee02000);
    guest_mmio_write(TABLE + 40, 8, 0x55);
    assert_true(fire(2));
    assert_int_equal(last()->vector, 0x55);
    guest_mmio_write(TABLE + 40, 8, 0x100000055ull);
    assert_false(fire(2));
}

static void other_sizes_and_misaligned_accesses_do_nothing(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    guest_mmio_write(TABLE + 12, 1, 0);
    guest_mmio_write(TABLE + 12, 2, 0);
    guest_mmio_write(TABLE + 12, 8, 0);
    guest_mmio_write(TABLE + 2, 4, 0);
    assert_int_equal(guest_mmio_read(TABLE + 12, 4), 1);
    assert_int_equal(guest_mmio_read(TABLE + 12, 1), 0xff);
    assert_int_equal(guest_mmio_read(TABLE + 12, 2), 0xffff);
    assert_int_equal(guest_mmio_read(TABLE + 4, 8), ~0ull);
    assert_int_equal(world_msis_live, 0);
}

static void pending_bits_and_neighbours_are_the_hardwares(void **state)
{
    start();
    world_mem_set32(TABLE + 0x800, 0x0000000a);
    world_mem_set32(TABLE + 0x804, 0x11223344);
    assert_int_equal(guest_mmio_read(TABLE + 0x800, 8), 0x112233440000000aull);
    assert_int_equal(guest_mmio_read(TABLE + 0x806, 2), 0x1122);
    assert_int_equal(guest_mmio_read(TABLE + 0x807, 1), 0x11);
    guest_mmio_write(TABLE + 0x900, 8, 0x8877665544332211ull);
    assert_int_equal(world_mem32(TABLE + 0x904), 0x88776655);
    guest_mmio_write(TABLE + 0x901, 1, 0xee);
    guest_mmio_write(TABLE + 0x902, 2, 0xddcc);
    guest_mmio_write(TABLE + 0x904, 4, 1);
    assert_int_equal(guest_mmio_read(TABLE + 0x900, 8), 0x1ddccee11ull);
    assert_int_equal(guest_mmio_read(TABLE + 0x901, 4), 0xffffffff);
    /* Just behind the last entry. */
    world_mem_set32(TABLE + 0x40, 77);
    assert_int_equal(guest_mmio_read(TABLE + 0x40, 4), 77);
}

static void disabling_frees_every_vector(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    entry(1, 1, 0x42, 0);
    guest_write(NIC, CONTROL, 2, 0);
    assert_int_equal(world_msis_live, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 2);
    assert_true(fire(1));
    assert_int_equal(last()->vector, 0x42);
}

static void the_trap_follows_the_bar(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    guest_write(NIC, PCI_BAR0, 4, 0xe0000000);
    assert_false(world_trapped(TABLE));
    assert_int_equal(world_s2(TABLE), S2_NONE);
    assert_true(world_trapped(0xe0002000));
    assert_int_equal(world_s2(0xe0001000), S2_MMIO);
    assert_int_equal(guest_mmio_read(0xe0002008, 4), 0x41);
    guest_mmio_write(0xe000200c, 4, 1);
    assert_int_equal(world_mem32(0xe000200c), 1);
}

static void entries_enabled_while_decode_is_off_start_with_decode(void **state)
{
    start();
    entry(0, 1, 0x41, 0);
    guest_write(NIC, PCI_COMMAND, 2, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 0);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_msis_live, 1);
    assert_true(fire(0));
}

static void two_devices_tables_share_a_page(void **state)
{
    struct world_fn *hba = world_add(HBA, 0x29228086, 0x0106, 0);

    world_bar32(nic, 1, 0xd8000000, 0x100);
    world_bar32(hba, 1, 0xd8000400, 0x100);
    world_set(nic, CAP + 4, 4, 1);
    world_set(nic, CAP + 8, 4, 0x80 | 1);
    world_msix_cap(hba, 0x40, 2, 1, 0x80 | 1);
    start();
    guest_write(HBA, PCI_COMMAND, 2, 2);
    guest_write(NIC, CONTROL, 2, ENABLE);
    guest_write(HBA, 0x42, 2, ENABLE);
    guest_mmio_write(0xd8000000 + 8, 8, 0x41);
    guest_mmio_write(0xd8000400 + 8, 8, 0x51);
    assert_int_equal(world_msis_live, 2);
    assert_int_equal(guest_mmio_read(0xd8000408, 4), 0x51);
    world_mem_set32(0xd8000800, 9);
    assert_int_equal(guest_mmio_read(0xd8000800, 4), 9);
    guest_write(NIC, PCI_COMMAND, 2, 0);
    assert_true(world_trapped(0xd8000400));
    assert_int_equal(guest_mmio_read(0xd8000408, 4), 0x51);
    guest_write(HBA, PCI_COMMAND, 2, 0);
    assert_false(world_trapped(0xd8000400));
}

static void a_large_table_covers_several_pages(void **state)
{
    world_bar32(nic, 1, 0xd8000000, 0x10000);
    world_set(nic, CONTROL, 2, 0x7ff);
    world_set(nic, CAP + 4, 4, 0x800 | 1);
    world_set(nic, CAP + 8, 4, 0xf000 | 1);
    start();
    assert_true(world_trapped(0xd8000000));
    assert_true(world_trapped(0xd8008000));
    assert_false(world_trapped(0xd8009000));
    guest_write(NIC, CONTROL, 2, ENABLE);
    guest_mmio_write(0xd8000800 + 2047 * 16 + 8, 8, 0x66);
    assert_int_equal(world_msis_live, 1);
    assert_true(fire_at(0xd8000800, 2047));
    assert_int_equal(guest_mmio_read(0xd8000800 + 2047 * 16 + 8, 4), 0x66);
}

static void expect_hidden(void)
{
    world_msi_cap(nic, 0x90, true, false, 0);
    start();
    assert_int_equal(guest_read(NIC, PCI_CAP_PTR, 1), 0x90);
    assert_int_equal(guest_read(NIC, 0x90, 1), PCI_CAP_MSI);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_get(nic, CONTROL, 2) & ENABLE, 0);
    assert_false(world_trapped(TABLE));
    assert_int_equal(world_s2(TABLE), S2_MMIO);
    assert_null(vpci_find(world_domain.vpci, NIC)->msix);
}

static void a_table_in_no_memory_bar_hides_the_capability(void **state)
{
    world_set(nic, CAP + 4, 4, 0x2003);
    expect_hidden();
}

static void a_reserved_bar_number_hides_the_capability(void **state)
{
    world_set(nic, CAP + 4, 4, 0x2007);
    expect_hidden();
}

static void a_table_outside_its_bar_hides_the_capability(void **state)
{
    world_set(nic, CAP + 4, 4, 0x3fd0);
    expect_hidden();
}

static void pending_bits_outside_their_bar_hide_the_capability(void **state)
{
    world_set(nic, CAP + 8, 4, 0x4000);
    expect_hidden();
}

static void table_over_pending_bits_hides_the_capability(void **state)
{
    world_set(nic, CAP + 8, 4, 0x2038);
    expect_hidden();
}

static void a_trap_that_fails_leaves_the_device_without_table(void **state)
{
    world_start();
    world_mmio_error = -XEN_ENOSPC;
    guest_write(NIC, PCI_COMMAND, 2, 2);
    world_mmio_error = 0;
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 0);
    guest_write(NIC, PCI_COMMAND, 2, 0);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    entry(0, 1, 0x41, 0);
    assert_true(fire(0));
}

static void a_table_that_lies_over_ram_is_not_trapped(void **state)
{
    start();
    world_s2_set(0x40002000, S2_RAM);
    guest_write(NIC, PCI_BAR0, 4, 0x40000000);
    assert_false(world_trapped(0x40002000));
    assert_int_equal(world_s2(0x40002000), S2_RAM);
    guest_write(NIC, PCI_BAR0, 4, 0);
    assert_false(world_trapped(0x2000));
    world_protected = 0xd0002;
    guest_write(NIC, PCI_BAR0, 4, BAR);
    assert_false(world_trapped(TABLE));
    world_protected = 0;
}

/* A window there would be a fault of Torii's own. */
static void a_table_beyond_the_processors_reach_is_not_trapped(void **state)
{
    start();
    world_paddr_bits = 31;
    guest_write(NIC, PCI_BAR0, 4, 0xe0000000);
    assert_false(world_trapped(0xe0002000));
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 0);
    guest_write(NIC, CONTROL, 2, 0);
    world_paddr_bits = 52;
}

static void a_table_left_on_by_firmware_is_switched_off(void **state)
{
    world_set(nic, CONTROL, 2, ENABLE | FMASK | 3);
    world_start();
    assert_int_equal(world_get(nic, CONTROL, 2), 3);
}

static void wipe_table(void)
{
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < 12; j += 4)
            world_mem_set32(TABLE + i * 16 + j, 0);
        world_mem_set32(TABLE + i * 16 + 12, 1);
    }
}

static void the_way_linux_restores_after_a_reset_keeps_interrupts(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    entry(2, 2, 0x43, 0);
    world_reset(nic);
    wipe_table();
    guest_write(NIC, PCI_BAR0, 4, BAR);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    guest_write(NIC, CONTROL, 2, ENABLE | FMASK);
    assert_int_equal(vpci_op_restore_msi(&world_domain, 0, 0, 0x18), 0);
    guest_mmio_write(TABLE + 12, 4, 0);
    guest_mmio_write(TABLE + 44, 4, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_msis_live, 2);
    assert_true(fire(0));
    assert_int_equal(last()->vector, 0x41);
    assert_true(fire(2));
    assert_int_equal(last()->vector, 0x43);
    assert_false(fire(1));
}

static void restore_alone_brings_the_table_back(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    world_set(nic, CONTROL, 2, 3);
    wipe_table();
    assert_int_equal(vpci_op_restore_msi(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_get(nic, CONTROL, 2), ENABLE | 3);
    assert_true(fire(0));
}

/* A virtual function of an NVMe controller: interrupts are assigned to it after it was found. */
static void a_table_that_grows_is_followed(void **state)
{
    world_set(nic, CONTROL, 2, 0);
    start();
    world_set(nic, CONTROL, 2, 3);
    assert_int_equal(guest_read(NIC, CONTROL, 2), 3);
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(3, 1, 0x43, 0);
    assert_int_equal(world_msis_live, 1);
    assert_int_equal(world_mem32(TABLE + 0x38), world_msi[0].msg.data);
    guest_write(NIC, CONTROL, 2, 0);
    assert_int_equal(world_msis_live, 0);
}

static void a_table_that_grows_over_a_page_or_its_bar_is_trapped_or_refused(void **state)
{
    world_set(nic, CAP + 8, 4, 0x1000);
    start();
    world_set(nic, CONTROL, 2, 511);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_true(world_trapped(TABLE + 0x1fff));
    assert_int_equal(world_s2(TABLE + 0x1000), S2_NONE);
    entry(511, 1, 0x43, 0);
    assert_int_equal(world_msis_live, 1);
    guest_write(NIC, CONTROL, 2, 0);
    world_set(nic, CONTROL, 2, 1023);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_get(nic, CONTROL, 2) & ENABLE, 0);
    world_set(nic, CONTROL, 2, 3);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_int_equal(world_get(nic, CONTROL, 2) & ENABLE, ENABLE);
}

static void a_table_that_grows_without_memory_stays_off(void **state)
{
    world_set(nic, CONTROL, 2, 0);
    start();
    world_set(nic, CONTROL, 2, 3);
    fake_alloc_fail_after = 0;
    guest_write(NIC, CONTROL, 2, ENABLE);
    fake_alloc_fail_after = -1;
    assert_int_equal(world_get(nic, CONTROL, 2) & ENABLE, 0);
}

static void removing_the_device_unmaps_and_frees(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x41, 0);
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_msis_live, 0);
    assert_false(world_trapped(TABLE));
}

static void the_dump_shows_entries(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(2, 1, 0x41, 0);
    vpci_dump(&world_domain);
    assert_non_null(strstr(fake_log_last, "msi-x 2: guest fee01000/00000041"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_tables_page_is_trapped_and_the_rest_mapped),
        TEST(a_page_mapped_at_first_touch_becomes_trapped),
        TEST(an_entry_takes_effect_when_unmasked),
        TEST(the_guest_reads_what_it_wrote),
        TEST(entries_programmed_before_enable_start_with_it),
        TEST(the_function_mask_holds_entries_back),
        TEST(a_masked_entry_keeps_its_vector_for_what_is_pending),
        TEST(a_new_affinity_moves_the_vector_once_unmasked),
        TEST(entries_follow_a_vcpu_to_its_new_cpu_masked_or_not),
        TEST(a_message_rewritten_while_unmasked_is_followed),
        TEST(a_move_without_vectors_keeps_the_entry_alive),
        TEST(an_entry_without_vector_stays_masked_in_the_device),
        TEST(eight_byte_writes_cover_two_fields),
        TEST(other_sizes_and_misaligned_accesses_do_nothing),
        TEST(pending_bits_and_neighbours_are_the_hardwares),
        TEST(disabling_frees_every_vector),
        TEST(the_trap_follows_the_bar),
        TEST(entries_enabled_while_decode_is_off_start_with_decode),
        TEST(two_devices_tables_share_a_page),
        TEST(a_large_table_covers_several_pages),
        TEST(a_table_in_no_memory_bar_hides_the_capability),
        TEST(a_reserved_bar_number_hides_the_capability),
        TEST(a_table_outside_its_bar_hides_the_capability),
        TEST(pending_bits_outside_their_bar_hide_the_capability),
        TEST(table_over_pending_bits_hides_the_capability),
        TEST(a_trap_that_fails_leaves_the_device_without_table),
        TEST(a_table_that_lies_over_ram_is_not_trapped),
        TEST(a_table_beyond_the_processors_reach_is_not_trapped),
        TEST(a_table_left_on_by_firmware_is_switched_off),
        TEST(the_way_linux_restores_after_a_reset_keeps_interrupts),
        TEST(restore_alone_brings_the_table_back),
        TEST(a_table_that_grows_is_followed),
        TEST(a_table_that_grows_over_a_page_or_its_bar_is_trapped_or_refused),
        TEST(a_table_that_grows_without_memory_stays_off),
        TEST(removing_the_device_unmaps_and_frees),
        TEST(the_dump_shows_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
