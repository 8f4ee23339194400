/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/pcpu_hotplug.c tests/unit/fakes.c */
/* Dom0's AML handles processor hotplug events, and Torii looks on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi_build.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>

#include "fakes.h"

#define BASE  0xcd8
#define SLOTS 4

struct pcpu *pcpus[MAX_CPUS];
unsigned pcpu_nr;

static struct pcpu cpus[SLOTS];
static struct domain dom;
static struct vcpu vcpu = {.d = &dom};
static struct pio_range range;
static u16 port_of_registers;
static long add_result, online_result;
static int remove_result;
static u32 added, onlined, removed; /* bit per APIC id, per CPU */

/* The device, as its specification has it. */
static struct {
    u32 selector, ost;
    u8 command;
    struct {
        bool enabled, inserted, removing;
    } slot[SLOTS];
} hw;

u16 acpi_cpu_hotplug_port(void)
{
    return port_of_registers;
}

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    range = (struct pio_range){.first = first, .last = last, .fn = fn, .ctx = ctx};
    return 0;
}

static void next_with_event(void)
{
    for (unsigned i = 0; i < SLOTS; i++, hw.selector = (hw.selector + 1) % SLOTS)
        if (hw.slot[hw.selector].inserted || hw.slot[hw.selector].removing)
            return;
}

static u32 hardware_read(unsigned at)
{
    if (at == 4)
        return hw.slot[hw.selector].enabled | hw.slot[hw.selector].inserted << 1 | hw.slot[hw.selector].removing << 2;
    if (at == 8)
        return hw.command == 0 ? hw.selector : hw.command == 3 ? hw.selector * 4 : 0;
    return 0;
}

static void hardware_write(unsigned at, unsigned bytes, u32 val)
{
    if (at == 0 && bytes == 4 && val < SLOTS)
        hw.selector = val;
    if (at == 4 && val & 2)
        hw.slot[hw.selector].inserted = false;
    /* One bit at a time, as the device looks at them. */
    if (at == 4 && !(val & 2) && val & 4)
        hw.slot[hw.selector].removing = false;
    if (at == 4 && val == 8)
        hw.slot[hw.selector].enabled = false;
    if (at == 5) {
        hw.command = (u8)val;
        if (!val)
            next_with_event();
    }
    if (at == 8)
        hw.ost = val;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (write)
        hardware_write(port - BASE, bytes, *val);
    else
        *val = hardware_read(port - BASE);
}

long pcpu_add(u32 apic_id)
{
    if (add_result)
        return add_result;
    added |= (u32)BIT(apic_id);
    return apic_id / 4;
}

long pcpu_set_online(u32 cpu, bool online)
{
    assert_true(online);
    onlined |= (u32)BIT(cpu);
    return online_result;
}

int pcpu_remove(u32 cpu)
{
    removed |= (u32)BIT(cpu);
    return remove_result;
}

static u32 in(unsigned at, unsigned bytes)
{
    u32 val = 0;

    range.fn(&vcpu, range.ctx, (u16)(BASE + at), bytes, false, &val);
    return val;
}

static void out(unsigned at, unsigned bytes, u32 val)
{
    range.fn(&vcpu, range.ctx, (u16)(BASE + at), bytes, true, &val);
}

static int setup(void **state)
{
    memset(&hw, 0, sizeof(hw));
    for (unsigned i = 0; i < SLOTS; i++) {
        cpus[i] = (struct pcpu){.id = i, .apic_id = 4 * i};
        pcpus[i] = i < 2 ? &cpus[i] : NULL;
    }
    pcpu_nr = 2;
    hw.slot[0].enabled = hw.slot[1].enabled = true;
    range = (struct pio_range){0};
    added = onlined = removed = 0;
    add_result = online_result = remove_result = 0;
    port_of_registers = BASE;
    return pcpu_hotplug_init(&dom);
}

/* What the method of the GPE does: every processor with an event, one after the other. */
static unsigned aml_scans(void)
{
    unsigned events = 0;

    out(0, 4, 0);
    for (;;) {
        out(5, 1, 0);
        in(8, 4);
        if (in(4, 1) & 2)
            out(4, 1, 2);
        else if (in(4, 1) & 4)
            out(4, 1, 4);
        else
            return events;
        events++;
    }
}

static void without_the_registers_nothing_is_watched(void **state)
{
    port_of_registers = 0;
    range = (struct pio_range){0};
    assert_int_equal(pcpu_hotplug_init(&dom), 0);
    assert_null(range.fn);
}

static void processors_that_come_are_used(void **state)
{
    assert_int_equal(range.first, BASE);
    assert_int_equal(range.last, BASE + 11);
    hw.slot[2].enabled = hw.slot[2].inserted = hw.slot[3].enabled = hw.slot[3].inserted = true;
    assert_int_equal(aml_scans(), 2); /* which finds them as if nobody looked on */
    assert_int_equal(added, BIT(8) | BIT(12));
    assert_int_equal(onlined, BIT(2) | BIT(3));
    assert_int_equal(removed, 0);
}

static void what_cannot_be_added_is_not_started(void **state)
{
    hw.slot[2].inserted = true;
    add_result = -XEN_ENOSPC;
    assert_int_equal(aml_scans(), 1);
    assert_int_equal(onlined, 0);
    add_result = 0;
    online_result = -XEN_EIO;
    hw.slot[2].inserted = true;
    assert_int_equal(aml_scans(), 1);
}

static void a_processor_that_is_asked_to_go_stops_and_is_ejected(void **state)
{
    hw.slot[1].removing = true;
    assert_int_equal(aml_scans(), 1);
    assert_int_equal(removed, BIT(1));
    assert_false(hw.slot[1].removing);
    assert_false(hw.slot[1].enabled);
    assert_true(hw.slot[0].enabled);
}

static void one_that_torii_never_had_is_ejected_at_once(void **state)
{
    hw.slot[3].enabled = hw.slot[3].removing = true;
    assert_int_equal(aml_scans(), 1);
    cpus[1].gone = true;
    hw.slot[1].removing = true;
    assert_int_equal(aml_scans(), 1);
    assert_int_equal(removed, 0);
    assert_false(hw.slot[3].enabled);
    assert_false(hw.slot[1].enabled);
}

static void one_that_cannot_stop_stays_in_the_machine(void **state)
{
    remove_result = -XEN_EBUSY;
    hw.slot[1].removing = true;
    assert_int_equal(aml_scans(), 1); /* the event is handled all the same: it can be asked again */
    assert_int_equal(removed, BIT(1));
    assert_true(hw.slot[1].enabled);
}

static void an_ejection_by_dom0_waits_until_it_has_stopped(void **state)
{
    out(5, 1, 0);
    out(0, 4, 1);
    hw.slot[0].removing = true; /* which COMMAND_NEXT would move to */
    out(4, 1, 8);
    assert_int_equal(removed, BIT(1));
    assert_false(hw.slot[1].enabled);
    assert_true(hw.slot[0].enabled);

    hw.slot[1].enabled = true;
    remove_result = -XEN_EBUSY;
    out(4, 1, 8);
    assert_true(hw.slot[1].enabled);
}

static void clearing_without_an_event_means_nothing(void **state)
{
    out(0, 4, 2);
    out(4, 1, 6);
    assert_int_equal(added | onlined | removed, 0);
}

static void the_last_command_stays_in_force(void **state)
{
    hw.slot[2].inserted = true;
    out(0, 4, 2);
    out(5, 1, 1);
    out(4, 1, 2);
    assert_int_equal(added, BIT(8));
    assert_int_equal(hw.command, 1);
    out(8, 4, 0x55);
    assert_int_equal(hw.ost, 0x55);
    assert_int_equal(hw.selector, 2);
}

static void other_widths_pass_through(void **state)
{
    hw.slot[2].inserted = true;
    out(0, 4, 2);
    out(4, 2, 2);
    assert_int_equal(added, 0);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(without_the_registers_nothing_is_watched),
        T(processors_that_come_are_used),
        T(what_cannot_be_added_is_not_started),
        T(a_processor_that_is_asked_to_go_stops_and_is_ejected),
        T(one_that_torii_never_had_is_ejected_at_once),
        T(one_that_cannot_stop_stays_in_the_machine),
        T(an_ejection_by_dom0_waits_until_it_has_stopped),
        T(clearing_without_an_event_means_nothing),
        T(the_last_command_stays_in_force),
        T(other_widths_pass_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
