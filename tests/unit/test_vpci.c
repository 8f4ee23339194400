/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vpci.c src/vdev/vpci_access.c src/vdev/vpci_op.c src/vdev/vpci_map.c src/vdev/vpci_header.c src/vdev/vpci_msi.c src/vdev/vpci_msix.c src/vdev/vpci_sriov.c src/vdev/vpci_rebar.c src/machine/pci.c tests/unit/pci_world.c tests/unit/pci_world_irq.c tests/unit/fakes.c */
/* The core of vPCI: both mechanisms, composed accesses, appearing and vanishing devices, physdev operations. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <torii/acpi.h>
#include <torii/errno.h>
#include <torii/vpower.h>
#include <xen/physdev.h>

#include "pci_world.h"
#include "../../src/vdev/vpci_internal.h"

#define NIC    PCI_SBDF(0, 0, 0x18)
#define BRIDGE PCI_SBDF(0, 0, 0x38)
#define ECAM   0xb0000000ul

static struct world_fn *nic;
static unsigned resets, reset_bytes;

void vpower_reset_control(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    resets++;
    reset_bytes = bytes;
    if (!write)
        *val = 0x12;
}

static int setup(void **state)
{
    world_init();
    resets = 0;
    nic = world_add(NIC, 0x10d38086, 0x0200, 0);
    for (unsigned i = 0x40; i < 0x100; i++) {
        nic->cfg[i] = i;
        nic->writable[i] = 0xff;
    }
    acpi_info.nr_mcfg = 1;
    acpi_info.mcfg[0] = (struct acpi_mcfg){ECAM, 0, 0, 3};
    return 0;
}

static int teardown(void **state)
{
    world_fini();
    return 0;
}

/* --- mechanism 1 --- */

static void the_address_register_is_latched_by_four_byte_writes_only(void **state)
{
    world_start();
    guest_out(0xcf8, 4, 0x80001840);
    guest_out(0xcf8, 2, 0x1234);
    guest_out(0xcfb, 1, 1);
    assert_int_equal(guest_in(0xcf8, 4), 0x80001840);
    assert_int_equal(guest_in(0xcf8, 2), 0xffff);
    guest_out(0xcf8, 4, 0xffffffff);
    assert_int_equal(guest_in(0xcf8, 4), 0x80fffffc);
}

static void the_data_register_reaches_each_byte(void **state)
{
    world_start();
    guest_out(0xcf8, 4, 0x80001840);
    assert_int_equal(guest_in(0xcfc, 4), 0x43424140);
    assert_int_equal(guest_in(0xcfe, 2), 0x4342);
    assert_int_equal(guest_in(0xcff, 1), 0x43);
    guest_out(0xcfd, 1, 0x99);
    guest_out(0xcfe, 2, 0x1234);
    assert_int_equal(guest_in(0xcfc, 4), 0x12349940);
}

static void data_accesses_past_the_register_or_without_enable_read_ones(void **state)
{
    world_start();
    guest_out(0xcf8, 4, 0x80001840);
    assert_int_equal(guest_in(0xcfd, 4), 0xffffffff);
    assert_int_equal(guest_in(0xcff, 2), 0xffff);
    nic->writes = 0;
    guest_out(0xcfe, 4, 0);
    guest_out(0xcf8, 4, 0x00001840);
    guest_out(0xcfc, 4, 0);
    assert_int_equal(guest_in(0xcfc, 4), 0xffffffff);
    assert_int_equal(nic->writes, 0);
}

static void data_ports_pass_while_the_address_names_an_absent_function(void **state)
{
    world_ports_left = true;
    world_start();
    guest_out(0xcf8, 4, 0x80001840);
    assert_false(world_data_passes);
    guest_out(0xcf8, 4, 0x80051840);
    assert_true(world_data_passes);
    assert_int_equal(guest_in(0xcf8, 4), 0x80051840);
    /* Another absent one, and a byte that is not the address's: nothing to change. */
    world_flushes = 0;
    guest_out(0xcf8, 4, 0x80061840);
    guest_out(0xcf8, 1, 0x40);
    assert_true(world_data_passes);
    assert_int_equal(world_flushes, 0);
    /* A function that is there: trapped on every vCPU before the write is done. */
    guest_out(0xcf8, 4, 0x80001840);
    assert_false(world_data_passes);
    assert_int_equal(world_flushes, 1);
    assert_int_equal(guest_in(0xcfc, 4), 0x43424140);
    guest_out(0xcf8, 4, 0x00001840);
    assert_true(world_data_passes);
}

static void a_function_that_appeared_is_trapped_at_the_next_address(void **state)
{
    world_ports_left = true;
    world_start();
    guest_out(0xcf8, 4, 0x80002840);
    assert_true(world_data_passes);
    world_add(PCI_SBDF(0, 0, 0x28), 0x00018086, 0x0200, 0);
    guest_out(0xcf8, 4, 0x80002800);
    assert_false(world_data_passes);
    assert_int_equal(guest_in(0xcfc, 4), 0x00018086);
}

static void data_ports_stay_trapped_while_torii_uses_them(void **state)
{
    world_start();
    guest_out(0xcf8, 4, 0x80051840);
    assert_false(world_data_passes);
    assert_int_equal(guest_in(0xcfc, 4), 0xffffffff);
}

static void the_reset_port_between_goes_to_power(void **state)
{
    world_start();
    guest_out(0xcf9, 1, 6);
    assert_int_equal(guest_in(0xcf9, 1), 0x12);
    guest_out(0xcf9, 2, 6);
    assert_int_equal(resets, 3);
    assert_int_equal(reset_bytes, 2);
    guest_out(0xcfa, 1, 6);
    assert_int_equal(resets, 3);
}

/* --- ECAM --- */

static void ecam_reaches_extended_registers_of_the_bus_it_names(void **state)
{
    struct world_fn *f = world_add(PCI_SBDF(0, 3, 0x51), 0x00018086, 0x0200, 0);

    world_set(f, 0x104, 4, 0xcafe0001);
    memset(f->writable + 0x104, 0xff, 4);
    world_start();
    assert_int_equal(guest_mmio_read(ECAM + (3u << 20) + (0x51u << 12) + 0x104, 4), 0xcafe0001);
    guest_mmio_write(ECAM + (3u << 20) + (0x51u << 12) + 0x106, 2, 0xbeef);
    assert_int_equal(world_get(f, 0x104, 4), 0xbeef0001);
    assert_int_equal(guest_mmio_read(ECAM + (3u << 20) + (0x51u << 12) + 0x107, 1), 0xbe);
    assert_false(world_trapped(ECAM + (4u << 20)));
}

static void an_eight_byte_ecam_access_is_two_of_four(void **state)
{
    world_start();
    assert_int_equal(guest_mmio_read(ECAM + (0x18u << 12) + 0x40, 8), 0x4746454443424140ull);
    guest_mmio_write(ECAM + (0x18u << 12) + 0x40, 8, 0x1122334455667788ull);
    assert_int_equal(guest_mmio_read(ECAM + (0x18u << 12) + 0x40, 8), 0x1122334455667788ull);
    assert_int_equal(guest_mmio_read(ECAM + (0x18u << 12) + 0xffc, 8) >> 32, 0xffffffff);
}

static void a_region_the_guest_reports_is_trapped_once(void **state)
{
    world_start();
    world_s2_set(0x90000000, S2_FIXUP);
    world_flushes = 0;
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, 0x90000000, 1, 0, 1, XEN_PCI_MMCFG_RESERVED), 0);
    assert_true(world_trapped(0x90000000 + (2 << 20) - 1));
    assert_int_equal(world_s2(0x90000000), S2_NONE);
    assert_int_equal(world_flushes, 1);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, 0x90000000, 1, 0, 1, XEN_PCI_MMCFG_RESERVED), 0);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, ECAM, 0, 0, 3, XEN_PCI_MMCFG_RESERVED), 0);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, ECAM, 0, 0, 3, 0), 0);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, 0xa0000000, 0, 0, 3, 1), -XEN_EEXIST);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, 0xa0000001, 2, 0, 3, 1), -XEN_EINVAL);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, 0xa0000000, 2, 3, 0, 1), -XEN_EINVAL);
    assert_int_equal(vpci_op_mmcfg_reserved(&world_domain, 0xa0000000, 2, 0, 3, 2), -XEN_EINVAL);
}

static void a_failing_registration_ends_vpci_init(void **state)
{
    pci_ecam_add(ECAM, 0, 0, 3);
    fake_alloc_fail_after = 0;
    assert_int_equal(vpci_init(&world_domain), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    world_mmio_error = -XEN_ENOSPC;
    assert_int_equal(vpci_init(&world_domain), -XEN_ENOSPC);
}

/* --- composed accesses --- */

static u32 stored[4];
static unsigned handler_writes;

static u32 test_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    return *(u32 *)ctx;
}

static void test_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    *(u32 *)ctx = val;
    handler_writes++;
}

static struct vpci_dev *with_handlers(void)
{
    struct vpci_dev *dev;

    world_start();
    dev = vpci_find(world_domain.vpci, NIC);
    assert_non_null(dev);
    stored[0] = 0xa1;
    stored[1] = 0xb2b3;
    stored[2] = 0xc4c5c6c7;
    assert_int_equal(vpci_add_register(dev, 0x61, 1, test_read, test_write, &stored[0]), 0);
    assert_int_equal(vpci_add_register(dev, 0x66, 2, test_read, test_write, &stored[1]), 0);
    assert_int_equal(vpci_add_register(dev, 0x68, 4, test_read, test_write, &stored[2]), 0);
    handler_writes = 0;
    return dev;
}

static void reads_are_composed_of_handled_and_native_parts(void **state)
{
    with_handlers();
    assert_int_equal(guest_read(NIC, 0x60, 4), 0x6362a160);
    assert_int_equal(guest_read(NIC, 0x61, 1), 0xa1);
    assert_int_equal(guest_read(NIC, 0x60, 2), 0xa160);
    assert_int_equal(guest_read(NIC, 0x62, 2), 0x6362);
    assert_int_equal(guest_read(NIC, 0x64, 4), 0xb2b36564);
    assert_int_equal(guest_read(NIC, 0x67, 1), 0xb2);
    assert_int_equal(guest_read(NIC, 0x67, 4), 0xc5c6c7b2); /* over three registers' borders */
    assert_int_equal(guest_read(NIC, 0x69, 2), 0xc5c6);
    assert_int_equal(guest_read(NIC, 0x6b, 4), 0x6e6d6cc4);
}

static void writes_are_composed_and_keep_what_they_do_not_cover(void **state)
{
    with_handlers();
    guest_write(NIC, 0x60, 4, 0x44332211);
    assert_int_equal(stored[0], 0x22);
    assert_int_equal(world_get(nic, 0x60, 4), 0x44336111);
    guest_write(NIC, 0x67, 1, 0x77);
    assert_int_equal(stored[1], 0x77b3);
    guest_write(NIC, 0x67, 4, 0x11223344);
    assert_int_equal(stored[1], 0x44b3);
    assert_int_equal(stored[2], 0xc4112233);
    assert_int_equal(handler_writes, 4);
    guest_write(NIC, 0x6b, 4, 0xaabbccdd);
    assert_int_equal(stored[2], 0xdd112233);
    assert_int_equal(world_get(nic, 0x6c, 4), 0x6faabbcc);
}

static void a_native_access_keeps_its_size(void **state)
{
    with_handlers();
    guest_read(NIC, 0x70, 4);
    assert_int_equal(nic->last_bytes, 4);
    guest_read(NIC, 0x72, 2);
    assert_int_equal(nic->last_bytes, 2);
    guest_read(NIC, 0x73, 1);
    assert_int_equal(nic->last_bytes, 1);
    assert_int_equal(guest_read(NIC, 0x71, 4), 0x74737271);
}

static void accesses_past_the_end_read_ones(void **state)
{
    world_start();
    assert_int_equal(guest_read(NIC, 0xffe, 4), 0xffffffff);
    nic->writes = 0;
    guest_write(NIC, 0xffe, 4, 0);
    assert_int_equal(nic->writes, 0);
}

static void registers_may_not_overlap_or_be_misaligned(void **state)
{
    struct vpci_dev *dev = with_handlers();

    assert_int_equal(vpci_add_register(dev, 0x64, 4, NULL, NULL, NULL), -XEN_EEXIST);
    assert_int_equal(vpci_add_register(dev, 0x6a, 2, NULL, NULL, NULL), -XEN_EEXIST);
    assert_int_equal(vpci_add_register(dev, 0x61, 1, NULL, NULL, NULL), -XEN_EEXIST);
    assert_int_equal(vpci_add_register(dev, 0x72, 4, NULL, NULL, NULL), -XEN_EINVAL);
    assert_int_equal(vpci_add_register(dev, 0x72, 3, NULL, NULL, NULL), -XEN_EINVAL);
    assert_int_equal(vpci_add_register(dev, 0x1000, 1, NULL, NULL, NULL), -XEN_EINVAL);
    fake_alloc_fail_after = 0;
    assert_int_equal(vpci_add_register(dev, 0x74, 4, NULL, NULL, NULL), -XEN_ENOMEM);
}

static void a_register_without_write_handler_drops_writes(void **state)
{
    struct vpci_dev *dev = with_handlers();

    assert_int_equal(vpci_add_register(dev, 0x74, 4, NULL, NULL, NULL), 0);
    guest_write(NIC, 0x74, 4, 0);
    guest_write(NIC, 0x75, 1, 0);
    assert_int_equal(guest_read(NIC, 0x74, 4), 0x77767574);
}

/* --- devices --- */

static void absent_functions_read_all_ones(void **state)
{
    world_start();
    assert_int_equal(guest_read(PCI_SBDF(0, 1, 0), 0, 4), 0xffffffff);
    assert_int_equal(guest_read(PCI_SBDF(0, 1, 0), 2, 2), 0xffff);
    guest_write(PCI_SBDF(0, 1, 0), 4, 2, 7);
    assert_null(vpci_find(world_domain.vpci, PCI_SBDF(0, 1, 0)));
}

static void a_function_that_appears_later_gets_handlers_at_the_first_look(void **state)
{
    u32 sbdf = PCI_SBDF(0, 1, 0);
    struct world_fn *f;

    world_start();
    guest_read(sbdf, 0, 4);
    f = world_add(sbdf, 0x12348086, 0x0200, 0);
    world_bar32(f, 0, 0xd0000000, 0x2000);
    assert_int_equal(guest_read(sbdf, 0, 4), 0x12348086);
    guest_write(sbdf, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xd0001000), S2_MMIO);
}

static void a_function_the_guest_reports_is_added_and_removed(void **state)
{
    struct world_fn *f;
    u32 sbdf = PCI_SBDF(0, 2, 0);

    world_start();
    assert_int_equal(vpci_op_device_add(&world_domain, 0, 2, 0), -XEN_ENODEV);
    f = world_add(sbdf, 0x12348086, 0x0200, 0);
    world_bar32(f, 0, 0xd0000000, 0x2000);
    world_set(f, PCI_COMMAND, 2, 2);
    assert_int_equal(vpci_op_device_add(&world_domain, 0, 2, 0), 0);
    assert_int_equal(vpci_op_device_add(&world_domain, 0, 2, 0), 0);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    f->used = false;
    world_flushes = 0;
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 2, 0), 0);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(world_flushes, 1);
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 2, 0), -XEN_ENODEV);
    assert_int_equal(vpci_op_device_reset(&world_domain, 0, 2, 0), -XEN_ENODEV);
    assert_int_equal(vpci_op_restore_msi(&world_domain, 0, 2, 0), -XEN_ENODEV);
    assert_int_equal(vpci_op_restore_msi(&world_domain, 0, 7, 0), -XEN_ENODEV);
}

static void another_card_in_the_slot_gets_its_own_handlers(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_set(nic, PCI_COMMAND, 2, 2);
    world_start();
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    nic->used = false;
    guest_read(NIC, 0, 4); /* between cards: nothing changes */
    nic = world_add(NIC, 0x55551af4, 0x0100, 0);
    world_bar32(nic, 1, 0xe0000000, 0x1000);
    assert_int_equal(guest_read(NIC, 0, 4), 0x55551af4);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xe0000000), S2_MMIO);
}

static void functions_torii_owns_are_read_only(void **state)
{
    u32 sbdf = PCI_SBDF(0, 0, 0x20);
    struct world_fn *f = world_add(sbdf, 0x00021b36, 0x0700, 0);

    world_bar32(f, 0, 0xd0000000, 0x1000);
    pci_init();
    pci_set_owned(sbdf);
    f->writes = 0;
    world_start();
    assert_int_equal(f->writes, 0);
    guest_write(sbdf, PCI_COMMAND, 2, 2);
    guest_write(sbdf, PCI_BAR0, 4, 0xe0000000);
    assert_int_equal(f->writes, 0);
    assert_int_equal(guest_read(sbdf, 0, 4), 0x00021b36);
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 0, 0x20), 0);
    assert_int_equal(vpci_op_device_reset(&world_domain, 0, 0, 0x20), 0);
    assert_int_equal(f->writes, 0);
}

static void a_device_that_cannot_be_set_up_stays_read_only(void **state)
{
    unsigned n;

    /* Structure, then one register after the other fails to be allocated. */
    for (n = 1; n < 6; n++) {
        world_fini();
        setup(state);
        world_bar32(nic, 0, 0xd0000000, 0x1000);
        world_bar64(nic, 2, 0xe0000000, 0x1000);
        pci_init();
        vpci_init(&world_domain);
        fake_alloc_fail_after = n;
        vpci_domain_add_devices(&world_domain);
        fake_alloc_fail_after = -1;
        nic->writes = 0;
        guest_write(NIC, 0x60, 4, 0);
        assert_int_equal(nic->writes, n < 5 ? 0 : 1);
    }
}

static void adding_devices_without_memory_is_reported(void **state)
{
    pci_init();
    vpci_init(&world_domain);
    fake_alloc_fail_after = 0;
    assert_int_equal(vpci_domain_add_devices(&world_domain), -XEN_ENOMEM);
}

static void a_device_reset_starts_over(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_set(nic, PCI_COMMAND, 2, 2);
    world_start();
    world_reset(nic);
    assert_int_equal(vpci_op_device_reset(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    guest_write(NIC, PCI_BAR0, 4, 0xd0000000);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
}

static void the_dump_names_devices_and_bars(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x1000);
    world_set(nic, PCI_COMMAND, 2, 2);
    world_start();
    vpci_dump(&world_domain);
    assert_non_null(strstr(fake_log_last, "bar 0: 0xd0000000 size 0x1000"));
}

/* A hot-plug driver writes COMMAND between the removal and the end of the slot's power. */
static void a_removed_function_is_not_mapped_until_it_is_looked_for(void **state)
{
    world_bar32(nic, 0, 0xd0000000, 0x2000);
    world_set(nic, PCI_COMMAND, 2, 2);
    world_start();
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 0, 0x18), 0);
    guest_write(NIC, PCI_COMMAND, 2, 0x402);
    assert_int_equal(world_get(nic, PCI_COMMAND, 2), 0x402);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    guest_read(NIC, PCI_STATUS, 2);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(guest_read(NIC, PCI_ID, 4), 0x10d38086);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(vpci_op_device_remove(&world_domain, 0, 0, 0x18), 0);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(vpci_op_device_add(&world_domain, 0, 0, 0x18), 0);
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
}

static void the_place_of_a_pulled_card_is_free_for_another(void **state)
{
    u32 sbdf = PCI_SBDF(0, 1, 0);
    struct world_fn *f = world_add(sbdf, 0x12348086, 0x0108, 0);

    world_bar32(f, 0, 0xd0000000, 0x4000);
    world_msix_cap(f, 0x40, 4, 0x2000, 0x3000);
    world_set(f, PCI_COMMAND, 2, 2);
    world_start();
    assert_true(world_trapped(0xd0002000));
    f->used = false;
    /* Registers of a card that is not there read all ones: no BAR is to be believed. */
    guest_write(sbdf, PCI_COMMAND, 2, 2);
    assert_false(world_trapped(0xd0002000));
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    f->used = true;
    guest_write(sbdf, PCI_COMMAND, 2, 2);
    assert_true(world_trapped(0xd0002000));
    f->used = false;
    assert_int_equal(guest_read(sbdf, PCI_ID, 4), 0xffffffff);
    assert_false(world_trapped(0xd0002000));
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    world_bar32(nic, 0, 0xd0000000, 0x4000);
    vpci_op_device_reset(&world_domain, 0, 0, 0x18);
    guest_write(NIC, PCI_COMMAND, 2, 2);
    assert_int_equal(world_s2(0xd0002000), S2_MMIO);
}

static struct world_fn *add_bridge(u32 sbdf, u8 secondary, u8 subordinate)
{
    struct world_fn *f = world_add(sbdf, 0x000c1b36, PCI_CLASS_PCI_BRIDGE, 1);

    world_set(f, PCI_BUS_NUMBERS, 4, (u32)subordinate << 16 | secondary << 8);
    world_writable(f, PCI_BUS_NUMBERS, 4, 0xffffffff);
    return f;
}

/* The card keeps its registers and gets another number. */
static void a_card_is_found_under_its_new_bus_number(void **state)
{
    struct world_fn *bridge = add_bridge(BRIDGE, 1, 1);
    struct world_fn *f = world_add(PCI_SBDF(0, 1, 0), 0x12348086, 0x0108, 0);

    world_bar32(f, 0, 0xd0000000, 0x4000);
    world_msix_cap(f, 0x40, 4, 0x2000, 0x3000);
    world_set(f, PCI_COMMAND, 2, 2);
    world_start();
    assert_true(world_trapped(0xd0002000));
    f->sbdf = PCI_SBDF(0, 5, 0);
    guest_write(BRIDGE, PCI_BUS_NUMBERS + 1, 1, 5);
    guest_write(BRIDGE, PCI_BUS_NUMBERS + 2, 1, 5);
    assert_int_equal(world_get(bridge, PCI_BUS_NUMBERS, 4), 0x00050500);
    assert_false(world_trapped(0xd0002000));
    assert_int_equal(world_s2(0xd0000000), S2_NONE);
    assert_int_equal(guest_read(PCI_SBDF(0, 5, 0), PCI_ID, 4), 0x12348086);
    assert_true(world_trapped(0xd0002000));
    assert_int_equal(world_s2(0xd0000000), S2_MMIO);
    assert_int_equal(guest_read(PCI_SBDF(0, 1, 0), PCI_ID, 4), 0xffffffff);
    assert_true(world_trapped(0xd0002000));
}

static void devices_whose_bus_stays_are_kept(void **state)
{
    struct world_fn *f = world_add(PCI_SBDF(0, 1, 0), 0x12348086, 0x0108, 0);

    add_bridge(BRIDGE, 1, 1);
    world_msi_cap(f, 0x40, true, false, 0);
    world_start();
    guest_write(PCI_SBDF(0, 1, 0), 0x42, 2, 1);
    assert_int_equal(world_msis_live, 1);
    guest_write(BRIDGE, PCI_BUS_NUMBERS + 2, 1, 0xff); /* as a scan does */
    guest_write(BRIDGE, PCI_BUS_NUMBERS, 4, 0x00020100);
    assert_int_equal(world_msis_live, 1);
    guest_write(BRIDGE, PCI_BUS_NUMBERS, 4, 0);
    assert_int_equal(world_msis_live, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_address_register_is_latched_by_four_byte_writes_only),
        TEST(the_data_register_reaches_each_byte),
        TEST(data_accesses_past_the_register_or_without_enable_read_ones),
        TEST(data_ports_pass_while_the_address_names_an_absent_function),
        TEST(a_function_that_appeared_is_trapped_at_the_next_address),
        TEST(data_ports_stay_trapped_while_torii_uses_them),
        TEST(the_reset_port_between_goes_to_power),
        TEST(ecam_reaches_extended_registers_of_the_bus_it_names),
        TEST(an_eight_byte_ecam_access_is_two_of_four),
        TEST(a_region_the_guest_reports_is_trapped_once),
        TEST(a_failing_registration_ends_vpci_init),
        TEST(reads_are_composed_of_handled_and_native_parts),
        TEST(writes_are_composed_and_keep_what_they_do_not_cover),
        TEST(a_native_access_keeps_its_size),
        TEST(accesses_past_the_end_read_ones),
        TEST(registers_may_not_overlap_or_be_misaligned),
        TEST(a_register_without_write_handler_drops_writes),
        TEST(absent_functions_read_all_ones),
        TEST(a_function_that_appears_later_gets_handlers_at_the_first_look),
        TEST(a_function_the_guest_reports_is_added_and_removed),
        TEST(another_card_in_the_slot_gets_its_own_handlers),
        TEST(functions_torii_owns_are_read_only),
        TEST(a_device_that_cannot_be_set_up_stays_read_only),
        TEST(adding_devices_without_memory_is_reported),
        TEST(a_device_reset_starts_over),
        TEST(the_dump_names_devices_and_bars),
        TEST(a_removed_function_is_not_mapped_until_it_is_looked_for),
        TEST(the_place_of_a_pulled_card_is_free_for_another),
        TEST(a_card_is_found_under_its_new_bus_number),
        TEST(devices_whose_bus_stays_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
