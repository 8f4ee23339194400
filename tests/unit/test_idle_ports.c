/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/idle_ports.c tests/unit/fakes.c */
/* Ports that stop a processor block the vCPU that reads them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi_build.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/iomap.h>
#include <torii/vlapic.h>
#include <torii/vpower.h>

#include "fakes.h"

static struct pio_range range[8];
static unsigned nr_ranges, blocks;
static u32 blk[3];
static u64 base;
static bool has_msr, nmi;
static int vector, callback, result;

bool acpi_p_blk(unsigned i, u32 *p_blk)
{
    *p_blk = i < 3 ? blk[i] : 0;
    return *p_blk != 0;
}

bool rdmsr_safe(u32 msr, u64 *val)
{
    assert_int_equal(msr, 0xc0010073);
    *val = base;
    return has_msr;
}

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    if (!result)
        range[nr_ranges++] = (struct pio_range){.first = first, .last = last, .fn = fn, .ctx = ctx};
    return result;
}

int pio_register_late(struct domain *d, u16 port, pio_fn *fn, void *ctx)
{
    return pio_register(d, port, port, fn, ctx);
}

bool vlapic_nmi_pending(const struct vcpu *v)
{
    return nmi;
}

int vlapic_pending_vector(struct vcpu *v)
{
    return vector;
}

int evtchn_callback_vector(struct vcpu *v)
{
    return callback;
}

void vcpu_block(struct vcpu *v)
{
    blocks++;
}

static struct domain dom;
static struct vcpu vcpu;

static int setup(void **state)
{
    nr_ranges = blocks = 0;
    memset(blk, 0, sizeof(blk));
    base = 0;
    has_msr = nmi = false;
    vector = callback = -1;
    result = 0;
    return 0;
}

static void blocks_of_processors_and_of_the_msr_are_watched(void **state)
{
    blk[0] = 0x410;
    blk[1] = 0x6010;
    has_msr = true;
    base = 0x813;
    assert_int_equal(idle_ports_register(&dom), 0);
    assert_int_equal(nr_ranges, 3);
    assert_int_equal(range[0].first, 0x414);
    assert_int_equal(range[0].last, 0x415);
    assert_int_equal(range[1].first, 0x6014);
    assert_int_equal(range[2].first, 0x813);
    assert_int_equal(range[2].last, 0x81a);
}

static void a_block_that_is_no_port_is_passed_over(void **state)
{
    blk[0] = 0xffff;
    blk[1] = 0xffffffff;
    blk[2] = 0x10000;
    assert_int_equal(idle_ports_register(&dom), 0);
    has_msr = true;
    assert_int_equal(idle_ports_register(&dom), 0);
    assert_int_equal(nr_ranges, 0);
}

static void a_port_that_is_taken_stays_with_who_has_it(void **state)
{
    blk[0] = 0x410;
    result = -XEN_EEXIST;
    assert_int_equal(idle_ports_register(&dom), 0);
    result = -XEN_ENOSPC;
    assert_int_equal(idle_ports_register(&dom), -XEN_ENOSPC);
}

static u32 access_port(bool write)
{
    u32 val = 0xff;

    range[0].fn(&vcpu, range[0].ctx, range[0].first, 1, write, &val);
    return val;
}

static void a_read_blocks_unless_something_is_pending(void **state)
{
    blk[0] = 0x410;
    assert_int_equal(idle_ports_register(&dom), 0);
    assert_int_equal(access_port(false), 0);
    assert_int_equal(blocks, 1);
    vector = 0x40;
    access_port(false);
    vector = -1;
    callback = 0xf3;
    access_port(false);
    callback = -1;
    nmi = true;
    access_port(false);
    nmi = false;
    access_port(true);
    assert_int_equal(blocks, 1);
    access_port(false);
    assert_int_equal(blocks, 2);
}

static void a_port_learned_later_blocks_as_well(void **state)
{
    idle_port_learned(&dom, 0x1771);
    assert_int_equal(range[0].first, 0x1771);
    access_port(false);
    assert_int_equal(blocks, 1);
    result = -XEN_EEXIST;
    idle_port_learned(&dom, 0x1771);
    result = -XEN_ENOSPC;
    idle_port_learned(&dom, 0x1772);
    assert_int_equal(nr_ranges, 1);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(blocks_of_processors_and_of_the_msr_are_watched),
        T(a_block_that_is_no_port_is_passed_over),
        T(a_port_that_is_taken_stays_with_who_has_it),
        T(a_read_blocks_unless_something_is_pending),
        T(a_port_learned_later_blocks_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
