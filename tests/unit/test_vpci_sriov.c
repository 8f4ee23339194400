/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpci.c src/vdev/vpci_access.c src/vdev/vpci_op.c src/vdev/vpci_map.c src/vdev/vpci_header.c src/vdev/vpci_msi.c src/vdev/vpci_msix.c src/vdev/vpci_sriov.c src/vdev/vpci_sleep.c src/vdev/vpci_rebar.c src/machine/pci.c tests/unit/pci_world.c tests/unit/pci_world_irq.c tests/unit/fakes.c */
/* Virtual functions, their BARs and tables; what a sleep leaves of them and of the card's. */
#include "msix_world.h"

/* --- virtual functions --- */

#define SRIOV  0x160
#define VF(n)  PCI_SBDF(0, 0, 0x20 + 2 * (n) + 8)
#define VF_BAR 0xd4000000ul

static void with_sriov(void)
{
    world_ext_cap(nic, SRIOV, PCI_EXT_CAP_SRIOV);
    world_writable(nic, SRIOV + 8, 2, 0x1f);
    world_writable(nic, SRIOV + 0x10, 2, 0xffff);
    world_set(nic, SRIOV + 0x14, 2, VF(0) - NIC);
    world_set(nic, SRIOV + 0x16, 2, 2);
    world_set(nic, SRIOV + 0x24, 4, VF_BAR);
    world_writable(nic, SRIOV + 0x24, 4, ~0x3fffu);
    start();
    guest_write(NIC, SRIOV + 0x10, 2, 3);
}

static struct world_fn *vf_add(unsigned n)
{
    struct world_fn *f = world_add(VF(n), 0xffffffff, 0x0200, 0);

    world_writable(f, PCI_COMMAND, 2, 4);
    world_msix_cap(f, 0x40, 2, 0x1000, 0x2000);
    return f;
}

/* The first function, with an MSI-X interrupt in use. */
static void with_function_in_use(void)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 9);
    vf_add(0);
    vpci_op_device_add(&world_domain, 0, 0, PCI_DEVFN(VF(0)));
    guest_write(VF(0), 0x42, 2, ENABLE);
    guest_mmio_write(VF_BAR + 0x1008, 8, 0x48);
}

static void vf_bars_are_mapped_while_enabled(void **state)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 1);
    assert_int_equal(world_s2(VF_BAR), S2_NONE);
    guest_write(NIC, SRIOV + 8, 2, 9);
    assert_int_equal(world_s2(VF_BAR), S2_MMIO);
    assert_int_equal(world_s2(VF_BAR + 3 * 0x4000 - 1), S2_MMIO);
    assert_int_equal(world_s2(VF_BAR + 3 * 0x4000), S2_NONE);
    guest_write(NIC, SRIOV + 0x24, 4, 0xd5000000);
    assert_int_equal(world_s2(VF_BAR), S2_NONE);
    assert_int_equal(world_s2(0xd5000000), S2_MMIO);
    guest_write(NIC, SRIOV + 8, 2, 0);
    assert_int_equal(world_s2(0xd5000000), S2_NONE);
}

static void a_virtual_functions_table_is_trapped_at_its_place(void **state)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 9);
    vf_add(1);
    assert_int_equal(vpci_op_device_add(&world_domain, 0, 0, PCI_DEVFN(VF(1))), 0);
    assert_true(world_trapped(VF_BAR + 0x4000 + 0x1000));
    assert_int_equal(world_s2(VF_BAR + 0x5000), S2_NONE);
    assert_int_equal(world_s2(VF_BAR + 0x1000), S2_MMIO);
    guest_write(VF(1), 0x42, 2, ENABLE);
    guest_mmio_write(VF_BAR + 0x5000, 8, 0xfee02000);
    guest_mmio_write(VF_BAR + 0x5008, 8, 0x48);
    assert_true(fire_at(VF_BAR + 0x5000, 0));
    assert_int_equal(last()->dest, 2);
    assert_int_equal(last()->vector, 0x48);
}

static void a_virtual_function_is_found_at_the_first_look(void **state)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 9);
    vf_add(0);
    assert_int_equal(guest_read(VF(0), PCI_ID, 4), 0xffffffff);
    assert_true(world_trapped(VF_BAR + 0x1000));
}

static void a_virtual_function_may_be_looked_at_before_its_memory_is_decoded(void **state)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 1);
    vf_add(0);
    guest_read(VF(0), PCI_ID, 4);
    assert_false(world_trapped(VF_BAR + 0x1000));
    guest_write(NIC, SRIOV + 8, 2, 9);
    assert_true(world_trapped(VF_BAR + 0x1000));
    assert_int_equal(world_get(nic, SRIOV + 0x24, 4), VF_BAR);
}

static void virtual_functions_go_with_vf_enable(void **state)
{
    with_function_in_use();
    assert_int_equal(world_msis_live, 1);
    guest_write(NIC, SRIOV + 8, 2, 0);
    assert_int_equal(world_msis_live, 0);
    assert_false(world_trapped(VF_BAR + 0x1000));
    assert_false(vpci_find(world_domain.vpci, VF(0))->present);
}

static void virtual_functions_left_on_are_taken_over(void **state)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 9);
    vf_add(0);
    vpci_op_device_add(&world_domain, 0, 0, PCI_DEVFN(VF(0)));
    assert_int_equal(vpci_op_device_reset(&world_domain, 0, 0, PCI_DEVFN(NIC)), 0);
    assert_int_equal(world_get(nic, SRIOV + 8, 2), 9);
    assert_int_equal(world_get(nic, SRIOV + 0x24, 4), VF_BAR);
    assert_int_equal(world_s2(VF_BAR), S2_MMIO);
    assert_true(world_trapped(VF_BAR + 0x1000));
    guest_write(NIC, SRIOV + 8, 2, 0);
    assert_false(world_trapped(VF_BAR + 0x1000));
}

/* --- suspend to RAM --- */

static void after_a_sleep_nothing_is_mapped_until_the_guest_restores_it(void **state)
{
    start();
    guest_write(NIC, CONTROL, 2, ENABLE);
    entry(0, 1, 0x47, 0);
    assert_int_equal(world_msis_live, 1);
    world_reset(nic);
    vpci_woke(&world_domain);
    assert_int_equal(world_s2(BAR), S2_NONE);
    assert_false(world_trapped(TABLE));
    /* What Linux does: registers, then messages off, on with all masked, the table, the mask. */
    guest_write(NIC, PCI_BAR0, 4, BAR);
    guest_write(NIC, PCI_COMMAND, 2, 6);
    assert_int_equal(world_s2(BAR), S2_MMIO);
    assert_true(world_trapped(TABLE));
    guest_write(NIC, CONTROL, 2, ENABLE | FMASK);
    entry(0, 1, 0x47, 0);
    guest_write(NIC, CONTROL, 2, ENABLE);
    assert_true(fire(0));
    assert_int_equal(last()->vector, 0x47);
    assert_int_equal(world_msis_live, 1);
}

static void after_a_sleep_virtual_functions_are_gone_until_the_guest_enables_them(void **state)
{
    with_function_in_use();
    world_set(nic, SRIOV + 8, 2, 0);
    vpci_woke(&world_domain);
    assert_int_equal(world_msis_live, 0);
    assert_int_equal(world_s2(VF_BAR), S2_NONE);
    guest_write(NIC, SRIOV + 8, 2, 9);
    assert_int_equal(world_s2(VF_BAR), S2_MMIO);
    guest_read(VF(0), PCI_ID, 4);
    assert_true(world_trapped(VF_BAR + 0x1000));
}

static void behind_a_bridge_that_lost_its_numbers_nothing_is_believed(void **state)
{
    with_sriov();
    guest_write(NIC, SRIOV + 8, 2, 9);
    memset(nic->cfg, 0xff, sizeof(nic->cfg)); /* nobody answers */
    vpci_woke(&world_domain);
    assert_int_equal(world_s2(BAR), S2_NONE);
    assert_int_equal(world_s2(VF_BAR), S2_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vf_bars_are_mapped_while_enabled),
        TEST(a_virtual_functions_table_is_trapped_at_its_place),
        TEST(a_virtual_function_is_found_at_the_first_look),
        TEST(a_virtual_function_may_be_looked_at_before_its_memory_is_decoded),
        TEST(virtual_functions_go_with_vf_enable),
        TEST(virtual_functions_left_on_are_taken_over),
        TEST(after_a_sleep_nothing_is_mapped_until_the_guest_restores_it),
        TEST(after_a_sleep_virtual_functions_are_gone_until_the_guest_enables_them),
        TEST(behind_a_bridge_that_lost_its_numbers_nothing_is_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
