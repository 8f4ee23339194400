/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vcpu_hotplug.c tests/unit/fakes.c */
/* One bit of the machine's GPE block is Torii's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi.h>
#include <torii/acpi_build.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/vcpu_hotplug.h>
#include <torii/vioapic.h>

#include "fakes.h"

#define STATUS 0x627
#define ENABLE 0x62f
#define OURS   0x80

struct acpi_info acpi_info;
struct domain *dom0;

static struct domain dom = {.nr_vcpus = 4};
static struct vcpu vcpu = {.d = &dom};
static struct acpi_hotplug shared[4];
static struct pio_range range[2];
static unsigned nr_ranges;
static int gpe_number;
static bool line;
static u8 hardware[0x10000];

int acpi_unused_gpe(void)
{
    return gpe_number;
}

unsigned acpi_sci_gsi(void)
{
    return 20;
}

void *paddr_to_virt(paddr_t pa)
{
    assert_int_equal(pa, 0x1000);
    return shared;
}

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    assert_int_equal(first, last);
    range[nr_ranges++] = (struct pio_range){.first = first, .last = last, .fn = fn, .ctx = ctx};
    return 0;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    assert_int_equal(bytes, 1);
    if (!write)
        *val = hardware[port];
    else if (port == STATUS)
        hardware[port] &= (u8) ~*val;
    else
        hardware[port] = (u8)*val;
}

void vioapic_set_line(struct domain *d, unsigned gsi, bool high)
{
    assert_ptr_equal(d, &dom);
    assert_int_equal(gsi, 20);
    line = high;
}

static u8 in(u16 port)
{
    u32 val = 0;

    range[port != range[0].first].fn(&vcpu, NULL, port, 1, false, &val);
    return (u8)val;
}

static void out(u16 port, u8 byte)
{
    u32 val = byte;

    range[port != range[0].first].fn(&vcpu, NULL, port, 1, true, &val);
}

static int setup(void **state)
{
    memset(shared, 0, sizeof(shared));
    memset(hardware, 0, sizeof(hardware));
    nr_ranges = 0;
    line = false;
    gpe_number = 0x3f;
    acpi_info.gpe0 = (struct acpi_gas){.space = 1, .width = 128, .address = 0x620};
    shared[0].sta = shared[1].sta = 0xf;
    assert_int_equal(vcpu_hotplug_init(&dom, 0x1000), 0);
    out(STATUS, OURS);
    out(ENABLE, 0);
    return 0;
}

static void the_two_bytes_of_the_event_are_watched(void **state)
{
    assert_int_equal(nr_ranges, 2);
    assert_int_equal(range[0].first, STATUS);
    assert_int_equal(range[1].first, ENABLE);
    gpe_number = -1;
    assert_int_equal(vcpu_hotplug_init(&dom, 0x1000), -XEN_ENODEV);
}

static void the_other_bits_are_the_hardware_s(void **state)
{
    hardware[STATUS] = 0xff;
    hardware[ENABLE] = 0x93;
    assert_int_equal(in(STATUS), 0x7f);
    assert_int_equal(in(ENABLE), 0x13);
    out(ENABLE, 0xff);
    assert_int_equal(hardware[ENABLE], 0x7f);
    assert_int_equal(in(ENABLE), 0xff);
    out(STATUS, 0x83);
    assert_int_equal(hardware[STATUS], 0xfc); /* bit 7 was never written to it */
}

static void a_vcpu_comes_by_an_sci_that_lasts_until_it_is_acknowledged(void **state)
{
    out(ENABLE, OURS);
    assert_false(line);
    assert_int_equal(vcpu_hotplug_add(&dom), 0);
    assert_int_equal(shared[2].sta, 0xf);
    assert_int_equal(shared[2].event, ACPI_NOTIFY_CHECK);
    assert_int_equal(in(STATUS), OURS);
    assert_true(line);
    out(ENABLE, 0);
    assert_false(line);
    out(ENABLE, OURS);
    assert_true(line);
    out(STATUS, 1);
    assert_true(line);
    out(STATUS, OURS);
    assert_false(line);
    assert_int_equal(in(STATUS), 0);
    assert_int_equal(fake_locks_held, 0);
}

static void an_event_that_is_not_enabled_waits(void **state)
{
    assert_int_equal(vcpu_hotplug_add(&dom), 0);
    assert_false(line);
    assert_int_equal(in(STATUS), OURS);
    out(ENABLE, OURS);
    assert_true(line);
}

static void vcpus_come_in_order_and_the_last_goes_first(void **state)
{
    assert_int_equal(vcpu_hotplug_add(&dom), 0);
    assert_int_equal(vcpu_hotplug_add(&dom), 0);
    assert_int_equal(shared[3].sta, 0xf);
    assert_int_equal(vcpu_hotplug_add(&dom), -XEN_ENODEV);
    assert_int_equal(vcpu_hotplug_remove(&dom), 0);
    assert_int_equal(shared[3].event, ACPI_NOTIFY_EJECT);
    assert_int_equal(shared[3].sta, 0xf); /* until Dom0 ejects it */
    shared[1].sta = shared[2].sta = shared[3].sta = 0;
    assert_int_equal(vcpu_hotplug_remove(&dom), -XEN_ENODEV); /* the first stays */
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_two_bytes_of_the_event_are_watched),
        T(the_other_bits_are_the_hardware_s),
        T(a_vcpu_comes_by_an_sci_that_lasts_until_it_is_acknowledged),
        T(an_event_that_is_not_enabled_waits),
        T(vcpus_come_in_order_and_the_last_goes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
