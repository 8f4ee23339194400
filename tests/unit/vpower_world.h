/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine with sleep and reset registers, and the domain that writes them. */
#ifndef TORII_TESTS_VPOWER_WORLD_H
#define TORII_TESTS_VPOWER_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <torii/acpi.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/stage2.h>
#include <torii/suspend.h>
#include <torii/vpower.h>
#include <xen/sched.h>

#include "fakes.h"

#define PM1A  0x604
#define PM1B  0x704
#define EVT   0x600
#define FIXED 0xfed0000000ull

struct acpi_info acpi_info;
static struct domain domain;
static struct vcpu vcpu = {.d = &domain};
static int ended; /* SHUTDOWN_* or -1 */
static unsigned triple_faults, unmapped;
static u8 ports[0x10000];
static u8 memory[2 * PAGE_SIZE];
static char console[16];
static unsigned console_bytes;
static int register_error;

static struct {
    u16 port;
    unsigned bytes;
    u32 val;
} outs[64];
static unsigned nr_outs;

static struct {
    u16 first, last;
    pio_fn *fn;
    void *ctx;
} pio[32];
static unsigned pios;

static struct {
    gpa_t first, last;
    mmio_fn *fn;
    void *ctx;
} mmio[8];
static unsigned mmios;

void domain_shutdown(struct domain *d, u8 reason)
{
    assert_ptr_equal(d, &domain);
    assert_int_equal(fake_locks_held, 0);
    ended = reason;
}

static struct suspend asked; /* the last suspend_request */
static unsigned suspends;
static int suspend_error;

int suspend_request(const struct suspend *s)
{
    asked = *s;
    suspends++;
    return suspend_error;
}

void machine_triple_fault(void)
{
    triple_faults++;
}

void console_guest_write(const char *s, size_t n)
{
    memcpy(console + console_bytes, s, n);
    console_bytes += n;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (!write) {
        *val = 0;
        memcpy(val, ports + port, bytes);
        return;
    }
    memcpy(ports + port, val, bytes);
    if (port == 0x80 || nr_outs == ARRAY_SIZE(outs))
        return;
    outs[nr_outs].port = port;
    outs[nr_outs].bytes = bytes;
    outs[nr_outs++].val = bytes == 4 ? *val : *val & ((1u << bytes * 8) - 1);
}

void pio_deny(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (!write)
        *val = ~0u;
}

void mmio_hardware(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    u8 *p = memory + (gpa - FIXED);

    if (!write)
        *val = 0;
    write ? memcpy(p, val, bytes) : memcpy(val, p, bytes);
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    assert_true(uncached && pa >= FIXED && pa + bytes <= FIXED + sizeof(memory));
    return memory + (pa - FIXED);
}

int s2_unmap(struct domain *d, gfn_t gfn, u64 nr)
{
    unmapped += nr;
    return 0;
}

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    if (register_error)
        return register_error;
    for (unsigned i = 0; i < pios; i++)
        if (first <= pio[i].last && last >= pio[i].first)
            return -XEN_EEXIST;
    pio[pios].first = first;
    pio[pios].last = last;
    pio[pios].fn = fn;
    pio[pios++].ctx = ctx;
    return 0;
}

int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < mmios; i++)
        if (first <= mmio[i].last && last >= mmio[i].first)
            return -XEN_EEXIST;
    mmio[mmios].first = first;
    mmio[mmios].last = last;
    mmio[mmios].fn = fn;
    mmio[mmios++].ctx = ctx;
    return 0;
}

static inline struct acpi_gas io_gas(u16 port)
{
    return (struct acpi_gas){.space = 1, .width = 16, .address = port};
}

static inline int setup(void **state)
{
    memset(&acpi_info, 0, sizeof(acpi_info));
    memset(ports, 0, sizeof(ports));
    memset(memory, 0, sizeof(memory));
    pios = mmios = nr_outs = triple_faults = console_bytes = unmapped = 0;
    register_error = 0;
    ended = -1;
    fake_alloc_fail_after = -1;
    fake_log_count = 0;
    acpi_info.pm1a_cnt = io_gas(PM1A);
    acpi_info.pm1a_evt = io_gas(EVT);
    suspends = 0;
    suspend_error = 0;
    acpi_info.sleep[5].valid = acpi_info.sleep[3].valid = acpi_info.sleep[4].valid = true;
    acpi_info.sleep[4].typ[0] = 2;
    acpi_info.sleep[4].typ[1] = 3;
    acpi_info.sleep[5].typ[0] = 5;
    acpi_info.sleep[5].typ[1] = 6;
    acpi_info.sleep[3].typ[0] = acpi_info.sleep[3].typ[1] = 1;
    return 0;
}

static inline int teardown(void **state)
{
    if (domain.vpower)
        vpower_free(&domain);
    return 0;
}

static inline void start(void)
{
    assert_int_equal(vpower_init(&domain), 0);
    nr_outs = 0;
}

static inline bool trapped(u16 port)
{
    for (unsigned i = 0; i < pios; i++)
        if (port >= pio[i].first && port <= pio[i].last)
            return true;
    return false;
}

static inline u32 access(u16 port, unsigned bytes, bool write, u32 val)
{
    for (unsigned i = 0; i < pios; i++) {
        if (port >= pio[i].first && port <= pio[i].last) {
            pio[i].fn(&vcpu, pio[i].ctx, port, bytes, write, &val);
            return bytes == 4 ? val : val & ((1u << bytes * 8) - 1);
        }
    }
    fail_msg("port 0x%x is not registered", port);
    return 0;
}

static inline void out(u16 port, unsigned bytes, u32 val)
{
    access(port, bytes, true, val);
}

static inline u32 in(u16 port, unsigned bytes)
{
    return access(port, bytes, false, 0x5a5a5a5a);
}

static inline u64 as_guest(gpa_t gpa, unsigned bytes, bool write, u64 val)
{
    for (unsigned i = 0; i < mmios; i++) {
        if (gpa >= mmio[i].first && gpa <= mmio[i].last) {
            mmio[i].fn(&vcpu, mmio[i].ctx, gpa, bytes, write, &val);
            return val;
        }
    }
    fail_msg("address 0x%lx is not registered", (unsigned long)gpa);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
