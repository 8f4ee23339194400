/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/pci.c src/machine/pci_access.c tests/unit/fakes.c */
/* When Torii leaves the ports of configuration mechanism 1 alone, and how. One machine: the steps build on each other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include <torii/acpi.h>
#include <torii/iomap.h>
#include <torii/pci.h>

#include "fakes.h"

#define BASE  0xb0000000ul
#define BYTES (256 * PCI_ECAM_BUS_SIZE)
#define NIC   PCI_SBDF(0, 2, 0x10)

struct acpi_info acpi_info;
static u8 *ecam;
static u32 address, port_id;
static unsigned port_uses;
static bool map_fails;

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    port_uses++;
    if (port == 0xcf8)
        address = *val;
    else if (!write)
        *val = (address & ~0xfcu) == (1u << 31 | NIC << 8) ? (address & 0xfc) == PCI_ID ? port_id : 0 : ~0u;
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    assert_true(uncached && pa >= BASE && pa + bytes <= BASE + BYTES);
    return map_fails ? NULL : ecam + (pa - BASE);
}

void machine_unmap(void *p, size_t bytes)
{
}

static int setup(void **state)
{
    ecam = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ecam == MAP_FAILED)
        return -1;
    port_id = 0x10d38086;
    memcpy(ecam + ((size_t)NIC << 12), &port_id, 4);
    /* The boot's: the NIC is known, and there is no table yet. */
    return pci_probe(NIC) ? 0 : -1;
}

static void without_ecam_of_all_buses_the_ports_are_used(void **state)
{
    assert_false(pci_leave_ports());
    assert_int_equal(pci_ecam_add(BASE, 7, 0, 255), 0);
    assert_false(pci_leave_ports());
    assert_false(pci_ports_left());
}

static void without_room_for_the_mapping_too(void **state)
{
    assert_int_equal(pci_ecam_add(BASE, 0, 0, 255), 0);
    map_fails = true;
    assert_false(pci_leave_ports());
    map_fails = false;
}

static void a_function_that_ecam_shows_otherwise_keeps_the_ports_in_use(void **state)
{
    port_id ^= 0x10000;
    assert_false(pci_leave_ports());
    port_id ^= 0x10000;
    assert_int_equal(pci_read(NIC, PCI_ID, 4), port_id);
    assert_int_equal(address, 1u << 31 | NIC << 8);
}

static void ports_once_left_rest_disabled_and_are_not_used_again(void **state)
{
    u8 *cfg = ecam + ((size_t)NIC << 12);

    assert_true(pci_leave_ports());
    assert_true(pci_ports_left());
    assert_int_equal(address, 0);
    port_uses = 0;
    cfg[0x40] = 0x12;
    assert_int_equal(pci_read(NIC, 0x40, 2), 0x12);
    pci_write(NIC, 0x41, 1, 0x34);
    assert_int_equal(cfg[0x41], 0x34);
    assert_int_equal(port_uses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_ecam_of_all_buses_the_ports_are_used),
        cmocka_unit_test(without_room_for_the_mapping_too),
        cmocka_unit_test(a_function_that_ecam_shows_otherwise_keeps_the_ports_in_use),
        cmocka_unit_test(ports_once_left_rest_disabled_and_are_not_used_again),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
