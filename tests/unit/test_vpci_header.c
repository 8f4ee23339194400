/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpci.c src/vdev/vpci_access.c src/vdev/vpci_op.c src/vdev/vpci_map.c src/vdev/vpci_header.c src/vdev/vpci_msi.c src/vdev/vpci_msix.c src/vdev/vpci_sriov.c src/vdev/vpci_rebar.c src/machine/pci.c tests/unit/pci_world.c tests/unit/pci_world_irq.c tests/unit/fakes.c */
/* COMMAND, BARs and ROM: what a domain reaches directly follows them. */
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

static int setup(void **state)
{
    world_init();
    nic = world_add(NIC, 0x10d38086, 0x0200, 0);
    return 0;
}

static void decode(u32 sbdf, bool on)
{
    guest_write(sbdf, PCI_COMMAND, 2, on ? 6 : 4);
}

static void memory_decode_maps_and_unmaps_the_bars(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_bar64(nic, 2, 0x180000000ull, 0x2000);
    world_start();
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    decode(NIC, true);
    assert_int_equal(world_s2(0xcffff000), S2_NONE);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(world_s2(0xd0003000), S2_MMIO);
    assert_int_equal(world_s2(0xd0004000), S2_NONE);
    assert_int_equal(world_s2(0x180001000ull), S2_MMIO);
    assert_int_equal(world_mapped_pages, 6);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 6);
    assert_int_equal(world_flushes, 0);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(world_s2(0x180001000ull), S2_NONE);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 4);
    assert_int_equal(world_flushes, 1);
}

static void decode_left_on_by_firmware_is_mapped_at_start(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_set(nic, PCI_COMMAND, 2, 7);
    world_start();
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 7);
    assert_int_equal(world_get(nic, PCI_BAR0, 4), 0xd0000000);
}

static void writing_command_again_changes_nothing(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_start();
    decode(NIC, true);
    world_mapped_pages = 0;
    guest_write(NIC, PCI_COMMAND, 2, 0x406);
    assert_int_equal(world_mapped_pages, 0);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 0x406);
    assert_int_equal(world_unmapped_pages, 0);
}

static void a_byte_write_to_the_high_half_of_command_keeps_decode(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_start();
    decode(NIC, true);
    guest_write(NIC, PCI_COMMAND + 1, 1, 4);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 0x406);
}

static void io_bars_are_left_alone(void **state)
{
    world_io_bar(nic, 0, 0xc000, 0x20);
    world_start();
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0);
    guest_write(NIC, PCI_BAR0, 4, 0xffffffff);
    assert_int_equal(guest_read(NIC, PCI_BAR0, 4), 0xffffffe1);
}

static void sizing_with_decode_off_is_the_hardwares(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_bar64(nic, 2, 0x200000000ull, 0x200000000ull);
    world_start();
    guest_write(NIC, PCI_BAR0, 4, ~0u);
    assert_int_equal(guest_read(NIC, PCI_BAR0, 4), 0xffffc000);
    guest_write(NIC, PCI_BAR0, 4, 0xe0000000);
    guest_write(NIC, 0x18, 4, ~0u);
    guest_write(NIC, 0x1c, 4, ~0u);
    assert_int_equal(guest_read(NIC, 0x18, 4), 0x0000000c);
    assert_int_equal(guest_read(NIC, 0x1c, 4), 0xfffffffe);
    assert_int_equal(world_mapped_pages, 0);
    guest_write(NIC, 0x18, 4, 0);
    guest_write(NIC, 0x1c, 4, 4);
    decode(NIC, true);
    assert_int_equal(world_s2(0xe0003000), S2_MMIO);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
}

static void sizing_with_decode_on_does_not_move_the_bar(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_bar64(nic, 2, 0x1c0000000ull, 0x10000);
    world_start();
    decode(NIC, true);
    world_unmapped_pages = 0;
    guest_write(NIC, PCI_BAR0, 4, ~0u);
    assert_int_equal(guest_read(NIC, PCI_BAR0, 4), 0xffffc000);
    assert_int_equal(world_get(nic, PCI_BAR0, 4), 0xd0000000);
    guest_write(NIC, PCI_BAR0, 4, 0xd0000000);
    assert_int_equal(guest_read(NIC, PCI_BAR0, 4), 0xd0000000);
    guest_write(NIC, 0x18, 4, ~0u);
    assert_int_equal(guest_read(NIC, 0x18, 4), 0xffff000c);
    guest_write(NIC, 0x1c, 4, ~0u);
    assert_int_equal(guest_read(NIC, 0x1c, 4), 0xffffffff);
    guest_write(NIC, 0x18, 4, 0xc000000c);
    guest_write(NIC, 0x1c, 4, 1);
    assert_int_equal(guest_read(NIC, 0x18, 4), 0xc000000c);
    assert_int_equal(guest_read(NIC, 0x1c, 4), 1);
    assert_int_equal(world_unmapped_pages, 0);
    assert_int_equal(world_s2(0x1c0000000ull), S2_MMIO);
}

static void a_sizing_cycle_goes_on_when_decode_goes_off(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_start();
    decode(NIC, true);
    guest_write(NIC, PCI_BAR0, 4, ~0u);
    decode(NIC, false);
    assert_int_equal(guest_read(NIC, PCI_BAR0, 4), 0xffffc000);
    guest_write(NIC, PCI_BAR0, 4, 0xd0000000);
    decode(NIC, true);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
}

static void a_bar_that_moves_while_decoded_is_followed(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x2000);
    world_bar64(nic, 2, 0x100000000ull, 0x1000);
    world_start();
    decode(NIC, true);
    guest_write(NIC, PCI_BAR0, 4, 0xd1000000);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(world_s2(0xd1001000), S2_MMIO);
    assert_int_equal(world_flushes, 1);
    guest_write(NIC, 0x1c, 4, 0);
    guest_write(NIC, 0x18, 4, 0xd2000000);
    assert_int_equal(world_s2(0x100000000ull), S2_NONE);
    assert_int_equal(world_s2(0xd2000000), S2_MMIO);
}

static void a_host_bridge_is_sized_without_losing_decode(void **state)
{
    struct world_fn *f = world_add(PCI_SBDF(0, 0, 0), 0x29c08086, PCI_CLASS_HOST_BRIDGE, 0);

    world_bar32(f, 0, 0xd0000000, 0x1000);
    world_set(f, PCI_COMMAND, 2, 2);
    f->writable[PCI_COMMAND] = 0; /* a write that matters would show as a lost size */
    world_start();
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(guest_read(PCI_SBDF(0, 0, 0), PCI_BAR0, 4), 0xd0000000);
}

static void bars_smaller_than_a_page_share_it(void **state)
{
    struct world_fn *hba = world_add(HBA, 0x29228086, 0x0106, 0);

    world_bar32(nic, 0, 0xd0000000, 0x100);
    world_bar32(hba, 5, 0xd0000800, 0x800);
    world_start();
    decode(NIC, true);
    decode(HBA, true);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    decode(NIC, true);
    decode(HBA, false);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
}

static void overlapping_bars_keep_what_is_still_decoded(void **state)
{
    struct world_fn *hba = world_add(HBA, 0x29228086, 0x0106, 0);

    world_bar32(nic, 0, 0xd0000000, 0x8000);
    world_bar32(hba, 0, 0xd0002000, 0x2000);
    world_start();
    decode(NIC, true);
    decode(HBA, true);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0001000), S2_NONE);
    assert_int_equal(world_s2(0xd0002000), S2_MMIO);
    assert_int_equal(world_s2(0xd0003000), S2_MMIO);
    assert_int_equal(world_s2(0xd0004000), S2_NONE);
}

static void pages_in_the_firmware_map_or_of_torii_are_not_touched(void **state)
{
    boot_info.e820.entry[boot_info.e820.nr++] = (struct e820_entry){0xd0001000, 0x1000, E820_RESERVED};
    world_s2_set(0xd0001000, S2_RAM);
    world_protected = 0xd0003;
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_bar32(nic, 1, 0x10000000, 0x1000); /* over RAM */
    world_s2_set(0x10000000, S2_RAM);
    world_start();
    decode(NIC, true);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(world_s2(0xd0001000), S2_RAM);
    assert_int_equal(world_s2(0xd0002000), S2_MMIO);
    assert_int_equal(world_s2(0xd0003000), S2_NONE);
    assert_int_equal(world_s2(0x10000000), S2_RAM);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0001000), S2_RAM);
    assert_int_equal(world_s2(0x10000000), S2_RAM);
}

static void accept(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
}

/* As over ECAM: what has a handler keeps it. */
static void a_bar_over_emulated_registers_does_not_uncover_them(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x8000);
    world_start();
    assert_int_equal(mmio_register(&world_domain, 0xd0003000, 0xd0004fff, accept, NULL), 0);
    assert_int_equal(mmio_register(&world_domain, 0xd0006000, 0xd0006fff, accept, NULL), 0);
    decode(NIC, true);
    for (unsigned page = 0; page < 8; page++)
        assert_int_equal(world_s2(0xd0000000 + page * PAGE_SIZE),
                         page == 3 || page == 4 || page == 6 ? S2_NONE : S2_MMIO);
    decode(NIC, false);
    assert_true(world_trapped(0xd0003000) && world_trapped(0xd0006000));
}

static void pages_mapped_at_first_touch_become_the_bars(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x2000);
    world_start();
    world_s2_set(0xd0000000, S2_FIXUP);
    decode(NIC, true);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    decode(NIC, false);
    world_s2_set(0xd0001000, S2_FIXUP);
    decode(NIC, true);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0001000), S2_NONE);
}

static void other_mappings_of_the_guest_are_kept(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    world_start();
    world_s2_set(0xd0001000, S2_FOREIGN);
    decode(NIC, true);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(world_s2(0xd0001000), S2_FOREIGN);
    assert_int_equal(world_s2(0xd0002000), S2_MMIO);
    decode(NIC, false);
    assert_int_equal(world_s2(0xd0001000), S2_FOREIGN);
}

static void the_rom_needs_both_its_enable_bit_and_decode(void **state)
{
    world_rom(nic, 0xd8000000, 0x10000);
    world_start();
    guest_write(NIC, PCI_ROM, 4, 0xd8000001);
    assert_int_equal(world_s2(0xd8000000), S2_NONE);
    decode(NIC, true);
    assert_int_equal(world_s2(0xd800f000), S2_MMIO);
    guest_write(NIC, PCI_ROM, 4, PCI_ROM_MASK);
    assert_int_equal(guest_read(NIC, PCI_ROM, 4), 0xffff0000);
    assert_int_equal(world_s2(0xd8000000), S2_NONE);
    guest_write(NIC, PCI_ROM, 4, 0xd9000001);
    assert_int_equal(world_s2(0xd9000000), S2_MMIO);
    guest_write(NIC, PCI_ROM, 4, 0xd9000000);
    assert_int_equal(world_s2(0xd9000000), S2_NONE);
}

static void a_bridge_has_two_bars_and_its_rom_elsewhere(void **state)
{
    u32 sbdf = PCI_SBDF(0, 0, 0xe0);
    struct world_fn *f = world_add(sbdf, 0x34208086, PCI_CLASS_PCI_BRIDGE, 1);

    world_bar32(f, 0, 0xd0000000, 0x1000);
    world_bar32(f, 1, 0xd0100000, 0x1000);
    world_rom(f, 0xd0200000, 0x800);
    world_writable(f, 0x18, 4, 0xffffffff);
    world_set(f, 0x18, 4, 0x00040100); /* bus numbers */
    world_start();
    assert_int_equal(world_get(f, 0x18, 4), 0x00040100);
    decode(sbdf, true);
    guest_write(sbdf, PCI_ROM_BRIDGE, 4, 0xd0200001);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(world_s2(0xd0100000), S2_MMIO);
    assert_int_equal(world_s2(0xd0200000), S2_MMIO);
    guest_write(sbdf, 0x18, 4, 0x00050200);
    assert_int_equal(world_get(f, 0x18, 4), 0x00050200);
}

static void a_64_bit_bar_in_the_last_slot_is_ignored(void **state)
{
    world_bar32(nic, 5, 0xd0000004, 0x1000);
    world_start();
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0);
    assert_non_null(strstr(fake_log_last, "vPCI"));
}

static void addresses_no_machine_has_are_not_mapped(void **state)
{
    world_bar64(nic, 0, 0, 0x1000);
    world_start();
    guest_write(NIC, 0x10, 4, 0xfffff000);
    guest_write(NIC, 0x14, 4, 0xffffff00);
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0);
    guest_write(NIC, 0x14, 4, 0);
    assert_int_equal(world_mapped_pages, 1);
}

static void a_reset_behind_the_scenes_is_caught_up_with(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_start();
    decode(NIC, true);
    world_reset(nic);
    guest_write(NIC, PCI_BAR0, 4, 0xd4000000);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(world_s2(0xd4000000), S2_NONE);
    decode(NIC, true);
    assert_int_equal(world_s2(0xd4000000), S2_MMIO);
}

static void a_map_without_memory_leaves_the_device_usable(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_start();
    world_s2_map_error = -XEN_ENOMEM;
    decode(NIC, true);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 6);
    assert_non_null(strstr(fake_log_last, "first touch"));
}

static void a_resizable_bar_changes_size_with_decode_off(void **state)
{
    world_bar64(nic, 0, 0x100000000ull, 0x100000);
    world_ext_cap(nic, 0x100, PCI_EXT_CAP_REBAR);
    world_set(nic, 0x104, 4, 0xfff0);
    world_set(nic, 0x108, 4, 0x20);
    world_writable(nic, 0x108, 4, 0x3f00);
    world_start();
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0x100);
    guest_write(NIC, 0x108, 4, 0x220);
    assert_int_equal(world_get(nic, 0x108, 4), 0x20);
    decode(NIC, false);
    guest_write(NIC, 0x108, 4, 0x220);
    decode(NIC, true);
    assert_int_equal(world_s2(0x1003ff000ull), S2_MMIO);
    assert_int_equal(world_s2(0x100400000ull), S2_NONE);
}

/* An entry of a page table that leads further is a fault of whoever follows it. */
static void a_bar_beyond_the_processors_reach_is_not_mapped(void **state)
{
    world_paddr_bits = 40;
    world_bar64(nic, 0, BIT(40), 0x100000);
    world_start();
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0);
    guest_write(NIC, PCI_BAR0, 4, 0xfff00000);
    guest_write(NIC, PCI_BAR0 + 4, 4, 0xff);
    assert_int_equal(world_mapped_pages, 0x100);
    decode(NIC, false);
    world_paddr_bits = 52;
}

/* Interrupts are disabled meanwhile: the time must not grow with the pages of the BAR. */
static void a_bar_of_64_gib_is_mapped_in_few_steps(void **state)
{
    world_bar64(nic, 0, 0x1000000000ull, 0x1000000000ull);
    world_start();
    world_lookups = 0;
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0x1000000);
    decode(NIC, false);
    assert_true(world_lookups < 100);
}

static void a_size_no_bar_has_is_not_mapped(void **state)
{
    world_bar64(nic, 0, 0x100000000ull, 0x100000);
    world_ext_cap(nic, 0x100, PCI_EXT_CAP_REBAR);
    world_set(nic, 0x104, 4, 0xfff0);
    world_set(nic, 0x108, 4, 0x20);
    world_writable(nic, 0x108, 4, 0x3f00);
    world_start();
    guest_write(NIC, 0x108, 4, 0x3f20);
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0);
    decode(NIC, false);
    guest_write(NIC, 0x108, 4, 0x020);
    decode(NIC, true);
    assert_int_equal(world_mapped_pages, 0x100);
}

/* The last register the extended space has room for is the capability's header. */
static void extended_capabilities_that_do_not_fit_are_not_used(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_ext_cap(nic, 0x100, 0xfff);
    world_ext_cap(nic, 0xff8, PCI_EXT_CAP_SRIOV);
    world_ext_cap(nic, 0xffc, PCI_EXT_CAP_REBAR);
    world_start();
    decode(NIC, true);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_decode_maps_and_unmaps_the_bars),
        TEST(decode_left_on_by_firmware_is_mapped_at_start),
        TEST(writing_command_again_changes_nothing),
        TEST(a_byte_write_to_the_high_half_of_command_keeps_decode),
        TEST(io_bars_are_left_alone),
        TEST(sizing_with_decode_off_is_the_hardwares),
        TEST(sizing_with_decode_on_does_not_move_the_bar),
        TEST(a_sizing_cycle_goes_on_when_decode_goes_off),
        TEST(a_bar_that_moves_while_decoded_is_followed),
        TEST(a_host_bridge_is_sized_without_losing_decode),
        TEST(bars_smaller_than_a_page_share_it),
        TEST(overlapping_bars_keep_what_is_still_decoded),
        TEST(pages_in_the_firmware_map_or_of_torii_are_not_touched),
        TEST(a_bar_over_emulated_registers_does_not_uncover_them),
        TEST(pages_mapped_at_first_touch_become_the_bars),
        TEST(other_mappings_of_the_guest_are_kept),
        TEST(the_rom_needs_both_its_enable_bit_and_decode),
        TEST(a_bridge_has_two_bars_and_its_rom_elsewhere),
        TEST(a_64_bit_bar_in_the_last_slot_is_ignored),
        TEST(addresses_no_machine_has_are_not_mapped),
        TEST(a_bar_beyond_the_processors_reach_is_not_mapped),
        TEST(a_reset_behind_the_scenes_is_caught_up_with),
        TEST(a_map_without_memory_leaves_the_device_usable),
        TEST(a_resizable_bar_changes_size_with_decode_off),
        TEST(a_bar_of_64_gib_is_mapped_in_few_steps),
        TEST(a_size_no_bar_has_is_not_mapped),
        TEST(extended_capabilities_that_do_not_fit_are_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
