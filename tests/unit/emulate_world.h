/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel with a page of code, one of RAM and a device of two pages: for tests of the instruction emulator. */
#ifndef TORII_TESTS_EMULATE_WORLD_H
#define TORII_TESTS_EMULATE_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <torii/emulate.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/iomap.h>

#include "fake_guest.h"
#include "fakes.h"

#define CODE_VA 0xffffffff81000ffaull /* six bytes before the end of a page */
#define CODE    0x300000ull
#define DEV_VA  0xffffc90000010000ull
#define DEV     0xf0000000ull
#define RAM_VA  0xffff888000400000ull
#define RAM     0x400000ull

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800 };

static struct vcpu *v = &fake_vcpu;
static struct guest_regs *r = &fake_vcpu.regs;

/* A device of two pages that is plain memory, and what was done to it. */
static u8 dev[2 * PAGE_SIZE];
static unsigned dev_reads, dev_writes, dev_last_bytes;
static gpa_t dev_last_gpa;
static u32 port_last, port_value;
static unsigned port_reads, port_writes, hardware_accesses;

static inline void dev_access(struct vcpu *vcpu, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    assert_ptr_equal(ctx, dev);
    dev_last_gpa = gpa;
    dev_last_bytes = bytes;
    if (write) {
        dev_writes++;
        memcpy(dev + (gpa - DEV), val, bytes);
    } else {
        dev_reads++;
        *val = ~0ull;
        memcpy(val, dev + (gpa - DEV), bytes);
    }
}

void mmio_hardware(struct vcpu *vcpu, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    hardware_accesses++;
    if (!write)
        *val = 0xd00d;
}

void pio_hardware(struct vcpu *vcpu, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    fail();
}

static inline void port_access(struct vcpu *vcpu, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    port_last = port;
    if (write) {
        port_writes++;
        port_value = *val;
    } else {
        port_reads++;
        *val = port_value++;
    }
}

static inline int set_up(void **state)
{
    fake_guest_reset();
    memset(dev, 0, sizeof(dev));
    dev_reads = dev_writes = port_reads = port_writes = hardware_accesses = 0;
    fake_map(CODE_VA, CODE, P);
    fake_map(CODE_VA + PAGE_SIZE, CODE + 0x8000, P);
    fake_map(DEV_VA, DEV, P | W);
    fake_map(DEV_VA + PAGE_SIZE, DEV + PAGE_SIZE, P | W);
    fake_map(RAM_VA, RAM, P | W);
    fake_map(RAM_VA + PAGE_SIZE, RAM + PAGE_SIZE, P | W);
    assert_int_equal(io_map_init(&fake_domain), 0);
    assert_int_equal(mmio_register(&fake_domain, DEV, DEV + sizeof(dev) - 1, dev_access, dev), 0);
    assert_int_equal(pio_register(&fake_domain, 0x1f0, 0x1f7, port_access, NULL), 0);
    r->rip = CODE_VA;
    return 0;
}

static inline int clean(void **state)
{
    io_map_free(&fake_domain);
    assert_int_equal(fake_locks_held, 0);
    assert_int_equal(fake_allocs_live, 0);
    return 0;
}

/* Place code at RIP in guest memory, across the page. */
static inline void put_code(const u8 *code, unsigned n)
{
    unsigned i;
    gpa_t gpa;

    for (i = 0; i < n; i++) {
        assert_int_equal(
            guest_walk(v, fake_control.cr0 >> 31 ? r->rip + i : fake_seg[SEG_CS].base + r->rip + i, 0, &gpa, NULL), 0);
        fake_ram[gpa] = code[i];
    }
}

#define RUN_AT(gpa, ...)                      \
    ({                                        \
        const u8 code_[] = {__VA_ARGS__};     \
        put_code(code_, sizeof(code_));       \
        emulate_mmio(v, gpa, NULL, 0); \
    })
#define RUN(...) RUN_AT(DEV, __VA_ARGS__)

static inline void put32(unsigned at, u32 val)
{
    memcpy(dev + at, &val, 4);
}

static inline u32 get32(unsigned at)
{
    u32 val;

    memcpy(&val, dev + at, 4);
    return val;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, clean)

#endif
