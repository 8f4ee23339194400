/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/pci.c src/machine/pci_access.c tests/unit/fakes.c */
/* Access by both mechanisms, enumeration and capability walks, over a bus made of arrays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <torii/acpi.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/pci.h>

#include "fakes.h"

struct acpi_info acpi_info;

#define ECAM_BASE 0xb0000000ul

/* Functions of segment 0 are reached by ports; the same arrays are what ECAM shows. */
static struct {
    u32 sbdf;
    u8 cfg[4096];
} fn[24];
static unsigned fns;
static u32 address_register;
static unsigned maps;
static u8 *ecam_bus; /* the bus last mapped */
static paddr_t ecam_bus_at;

static u8 *cfg_of(u32 sbdf)
{
    for (unsigned i = 0; i < fns; i++)
        if (fn[i].sbdf == sbdf)
            return fn[i].cfg;
    return NULL;
}

static u8 *add(u32 sbdf, u32 id, u8 header)
{
    fn[fns].sbdf = sbdf;
    memset(fn[fns].cfg, 0, 4096);
    memcpy(fn[fns].cfg, &id, 4);
    fn[fns].cfg[PCI_HEADER_TYPE] = header;
    return fn[fns++].cfg;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    u8 *cfg = cfg_of(address_register >> 8 & 0xffff);

    assert_true(fake_locks_held == 1);
    if (port == 0xcf8) {
        assert_true(write && bytes == 4);
        address_register = *val;
        return;
    }
    assert_true(address_register >> 31 && port >= 0xcfc && port <= 0xcff);
    if (write && cfg)
        memcpy(cfg + (address_register & 0xfc) + (port & 3), val, bytes);
    if (!write) {
        *val = ~0u;
        if (cfg)
            memcpy(val, cfg + (address_register & 0xfc) + (port & 3), bytes);
    }
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    assert_int_equal(bytes, PCI_ECAM_BUS_SIZE);
    assert_true(uncached);
    maps++;
    ecam_bus = malloc(bytes);
    ecam_bus_at = pa;
    memset(ecam_bus, 0xff, bytes);
    return ecam_bus;
}

void machine_unmap(void *p, size_t bytes)
{
    free(p);
}

static int setup(void **state)
{
    fns = 0;
    fake_alloc_fail_after = -1;
    memset(&acpi_info, 0, sizeof(acpi_info));
    return 0;
}

static void port_access_uses_the_register_and_byte_lane(void **state)
{
    u8 *cfg = add(PCI_SBDF(0, 3, 0x11), 0x12348086, 0);

    cfg[0x42] = 0xab;
    cfg[0x43] = 0xcd;
    assert_int_equal(pci_read(PCI_SBDF(0, 3, 0x11), 0, 4), 0x12348086);
    assert_int_equal(pci_read(PCI_SBDF(0, 3, 0x11), 0x42, 2), 0xcdab);
    assert_int_equal(pci_read(PCI_SBDF(0, 3, 0x11), 0x43, 1), 0xcd);
    pci_write(PCI_SBDF(0, 3, 0x11), 0x41, 1, 0x77);
    assert_int_equal(cfg[0x41], 0x77);
    assert_int_equal(cfg[0x40], 0);
}

static void an_absent_function_reads_all_ones_of_the_width_asked(void **state)
{
    assert_int_equal(pci_read(PCI_SBDF(0, 9, 0), 0, 4), 0xffffffff);
    assert_int_equal(pci_read(PCI_SBDF(0, 9, 0), 0, 2), 0xffff);
    assert_int_equal(pci_read(PCI_SBDF(0, 9, 0), 0, 1), 0xff);
}

static void extended_registers_without_ecam_read_all_ones_and_ignore_writes(void **state)
{
    add(PCI_SBDF(7, 0, 0), 1, 0);
    assert_int_equal(pci_read(PCI_SBDF(0, 200, 0), 0x100, 4), 0xffffffff);
    assert_int_equal(pci_read(PCI_SBDF(7, 0, 0), 0, 4), 0xffffffff);
    pci_write(PCI_SBDF(7, 0, 0), 0, 4, 5);
    assert_int_equal(fn[0].cfg[0], 1);
}

static void ecam_regions_are_checked(void **state)
{
    paddr_t base;
    u16 seg;
    u8 first, last;

    assert_int_equal(pci_ecam_add(ECAM_BASE, 0, 5, 4), -XEN_EINVAL);
    assert_int_equal(pci_ecam_add(ECAM_BASE + 0x1000, 0, 0, 4), -XEN_EINVAL);
    assert_int_equal(pci_ecam_add(0, 0, 0, 4), -XEN_EINVAL);
    assert_int_equal(pci_ecam_add(~0xffffful, 0, 1, 4), -XEN_EINVAL);
    assert_int_equal(pci_ecam_add(ECAM_BASE, 0, 0x10, 0x3f), 0);
    assert_int_equal(pci_ecam_add(ECAM_BASE, 0, 0x10, 0x3f), 0);
    assert_int_equal(pci_ecam_add(ECAM_BASE, 0, 0x3f, 0x5f), -XEN_EEXIST);
    assert_int_equal(pci_ecam_add(ECAM_BASE + 0x10000000, 0, 0x10, 0x3f), -XEN_EEXIST);
    assert_true(pci_ecam_get(0, &base, &seg, &first, &last));
    assert_int_equal(base, ECAM_BASE + 0x1000000);
    assert_int_equal(first, 0x10);
    assert_int_equal(last, 0x3f);
    assert_false(pci_ecam_get(1, &base, &seg, &first, &last));
    fake_alloc_fail_after = 0;
    assert_int_equal(pci_ecam_add(ECAM_BASE, 1, 0, 0), -XEN_ENOMEM);
}

static void extended_registers_go_through_ecam_mapped_once_per_bus(void **state)
{
    u32 sbdf = PCI_SBDF(0, 0x12, 0x0a), val;

    assert_true(pci_has_ecam(sbdf));
    assert_false(pci_has_ecam(PCI_SBDF(0, 0x40, 0)));
    maps = 0;
    pci_read(sbdf, 0x100, 4);
    assert_int_equal(ecam_bus_at, ECAM_BASE + 0x1200000);
    pci_write(sbdf, 0x104, 4, 0x11223344);
    pci_write(sbdf, 0x105, 1, 0xaa);
    pci_write(sbdf, 0x106, 2, 0xbbcc);
    memcpy(&val, ecam_bus + 0xa000 + 0x104, 4);
    assert_int_equal(val, 0xbbccaa44);
    assert_int_equal(pci_read(sbdf, 0x104, 4), 0xbbccaa44);
    assert_int_equal(pci_read(sbdf, 0x106, 2), 0xbbcc);
    assert_int_equal(pci_read(sbdf, 0x105, 1), 0xaa);
    assert_int_equal(maps, 1);
    assert_int_equal(pci_read(sbdf, 0x1000, 4), 0xffffffff);
}

static void every_bus_slot_and_function_is_found(void **state)
{
    unsigned n = 0;
    struct pci_device *dev;

    add(PCI_SBDF(0, 0, 0), 0x11118086, 0);
    add(PCI_SBDF(0, 0, 0xf8), 0x22228086, 0x80);
    add(PCI_SBDF(0, 0, 0xfa), 0x33338086, 0x81);
    add(PCI_SBDF(0, 0, 0x09), 0x44448086, 0); /* function 1 without function 0: no device */
    add(PCI_SBDF(0, 0xff, 0x10), 0x55558086, 0);
    add(PCI_SBDF(0, 0xff, 0x11), 0x66668086, 0); /* device 2 is not multi-function */
    add(PCI_SBDF(0, 0x20, 0), 0x00000001, 0);    /* retry status */
    pci_init();
    for (dev = pci_first(); dev; dev = dev->next)
        n++;
    assert_int_equal(n, 4);
    assert_int_equal(pci_find(PCI_SBDF(0, 0, 0xfa))->id, 0x33338086);
    assert_int_equal(pci_find(PCI_SBDF(0, 0, 0xfa))->header, 1);
    assert_null(pci_find(PCI_SBDF(0, 0, 0x09)));
    assert_null(pci_find(PCI_SBDF(0, 0xff, 0x11)));
    pci_init();
    for (n = 0, dev = pci_first(); dev; dev = dev->next)
        n++;
    assert_int_equal(n, 4);
}

static void iommu_functions_and_named_ones_are_owned(void **state)
{
    u8 *cfg = add(PCI_SBDF(0, 1, 2), 0x14511022, 0);

    cfg[0x0a] = 0x06;
    cfg[0x0b] = 0x08;
    assert_true(pci_probe(PCI_SBDF(0, 1, 2))->owned);
    add(PCI_SBDF(0, 1, 3), 0x00011234, 0);
    assert_false(pci_probe(PCI_SBDF(0, 1, 3))->owned);
    pci_set_owned(PCI_SBDF(0, 1, 3));
    assert_true(pci_probe(PCI_SBDF(0, 1, 3))->owned);
    pci_set_owned(PCI_SBDF(0, 1, 4)); /* not there: ignored */
    assert_null(pci_find(PCI_SBDF(0, 1, 4)));
}

static void a_virtual_function_answers_by_its_class(void **state)
{
    u8 *cfg = add(PCI_SBDF(0, 2, 2), 0xffffffff, 0);

    cfg[0x0b] = 0x02;
    assert_non_null(pci_probe(PCI_SBDF(0, 2, 2)));
    assert_null(pci_probe(PCI_SBDF(0, 2, 3)));
}

static void a_probe_without_memory_finds_nothing(void **state)
{
    add(PCI_SBDF(0, 4, 0), 0x11118086, 0);
    fake_alloc_fail_after = 0;
    assert_null(pci_probe(PCI_SBDF(0, 4, 0)));
    assert_null(pci_find(PCI_SBDF(0, 4, 0)));
}

static void capabilities_are_found_by_id_with_reserved_pointer_bits_masked(void **state)
{
    u8 *cfg = add(PCI_SBDF(0, 5, 0), 0x11118086, 0);

    cfg[PCI_STATUS] = PCI_STATUS_CAPS;
    cfg[PCI_CAP_PTR] = 0x43;
    cfg[0x40] = PCI_CAP_EXP;
    cfg[0x41] = 0x81;
    cfg[0x80] = PCI_CAP_MSI;
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 5, 0), PCI_CAP_EXP), 0x40);
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 5, 0), PCI_CAP_MSI), 0x80);
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 5, 0), PCI_CAP_MSIX), 0);
    cfg[PCI_STATUS] = 0;
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 5, 0), PCI_CAP_MSI), 0);
}

static void a_looping_capability_list_ends(void **state)
{
    u8 *cfg = add(PCI_SBDF(0, 6, 0), 0x11118086, 0);

    cfg[PCI_STATUS] = PCI_STATUS_CAPS;
    cfg[PCI_CAP_PTR] = 0x40;
    cfg[0x40] = 1;
    cfg[0x41] = 0x50;
    cfg[0x50] = 2;
    cfg[0x51] = 0x40;
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 6, 0), PCI_CAP_MSI), 0);
    cfg[0x51] = 0x20; /* into the header */
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 6, 0), PCI_CAP_MSI), 0);
    cfg[0x51] = 0xff;
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 6, 0), PCI_CAP_MSI), 0);
}

static void a_cardbus_bridge_has_its_list_elsewhere(void **state)
{
    u8 *cfg = add(PCI_SBDF(0, 7, 0), 0x11118086, 2);

    cfg[PCI_STATUS] = PCI_STATUS_CAPS;
    cfg[PCI_CAP_PTR_CARDBUS] = 0xa0;
    cfg[0xa0] = PCI_CAP_MSI;
    assert_int_equal(pci_find_cap(PCI_SBDF(0, 7, 0), PCI_CAP_MSI), 0xa0);
}

static void extended_capabilities_are_found_and_loops_end(void **state)
{
    u32 sbdf = PCI_SBDF(0, 0x13, 0);

    pci_write(sbdf, 0x100, 4, 0x14010001);
    pci_write(sbdf, 0x140, 4, 0x18010000 | PCI_EXT_CAP_SRIOV);
    pci_write(sbdf, 0x180, 4, 0x10010003); /* back to the start */
    assert_int_equal(pci_find_ext_cap(sbdf, PCI_EXT_CAP_SRIOV), 0x140);
    assert_int_equal(pci_find_ext_cap(sbdf, PCI_EXT_CAP_REBAR), 0);
    pci_write(sbdf, 0x180, 4, 0x08010003); /* below the extended space */
    assert_int_equal(pci_find_ext_cap(sbdf, PCI_EXT_CAP_REBAR), 0);
    pci_write(sbdf, 0x100, 4, 0);
    assert_int_equal(pci_find_ext_cap(sbdf, PCI_EXT_CAP_SRIOV), 0);
    assert_int_equal(pci_find_ext_cap(PCI_SBDF(3, 0, 0), PCI_EXT_CAP_SRIOV), 0);
}

static void bad_ecam_tables_are_logged_and_skipped(void **state)
{
    acpi_info.nr_mcfg = 2;
    acpi_info.mcfg[0] = (struct acpi_mcfg){0xc0000123, 4, 0, 1};
    acpi_info.mcfg[1] = (struct acpi_mcfg){0xd0000000, 5, 0, 0};
    fake_log_count = 0;
    pci_init();
    assert_int_equal(fake_log_count, 2);
    assert_false(pci_has_ecam(PCI_SBDF(4, 0, 0)));
    assert_true(pci_has_ecam(PCI_SBDF(5, 0, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(port_access_uses_the_register_and_byte_lane, setup),
        cmocka_unit_test_setup(an_absent_function_reads_all_ones_of_the_width_asked, setup),
        cmocka_unit_test_setup(extended_registers_without_ecam_read_all_ones_and_ignore_writes, setup),
        cmocka_unit_test_setup(ecam_regions_are_checked, setup),
        cmocka_unit_test_setup(extended_registers_go_through_ecam_mapped_once_per_bus, setup),
        cmocka_unit_test_setup(every_bus_slot_and_function_is_found, setup),
        cmocka_unit_test_setup(iommu_functions_and_named_ones_are_owned, setup),
        cmocka_unit_test_setup(a_virtual_function_answers_by_its_class, setup),
        cmocka_unit_test_setup(a_probe_without_memory_finds_nothing, setup),
        cmocka_unit_test_setup(capabilities_are_found_by_id_with_reserved_pointer_bits_masked, setup),
        cmocka_unit_test_setup(a_looping_capability_list_ends, setup),
        cmocka_unit_test_setup(a_cardbus_bridge_has_its_list_elsewhere, setup),
        cmocka_unit_test_setup(extended_capabilities_are_found_and_loops_end, setup),
        cmocka_unit_test_setup(bad_ecam_tables_are_logged_and_skipped, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
