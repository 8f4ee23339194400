/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/vdev/vuart.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/vioapic.h>
#include <torii/vuart.h>

#include "fakes.h"

#define BASE 0x3f8
#define GSI  4

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };
enum { RX = 1, THRE = 2, LINE = 4, MODEM = 8 };
enum { OUT2 = 8, LOOP = 0x10 };

static struct domain domain;
static struct {
    pio_fn *fn;
    void *ctx;
    u16 first, last;
    int refuse;
    bool line, virtual;
    unsigned edges;
    char sent[256], input[64];
    size_t nr_sent, in_head, in_tail;
    bool busy; /* the physical transmitter */
} env;

int pio_register(struct domain *d, u16 first, u16 last, pio_fn *fn, void *ctx)
{
    assert_ptr_equal(d, &domain);
    if (env.refuse)
        return env.refuse;
    env.fn = fn, env.ctx = ctx, env.first = first, env.last = last;
    return 0;
}

void vioapic_set_virtual(struct domain *d, unsigned gsi)
{
    assert_int_equal(gsi, GSI);
    env.virtual = true;
}

void vioapic_set_line(struct domain *d, unsigned gsi, bool high)
{
    assert_int_equal(gsi, GSI);
    env.edges += high && !env.line;
    env.line = high;
}

void console_serial_write(const char *s, size_t n)
{
    memcpy(env.sent + env.nr_sent, s, n);
    env.nr_sent += n;
}

size_t console_guest_read(char *buf, size_t max)
{
    size_t n = 0;

    while (n < max && env.in_tail < env.in_head)
        buf[n++] = env.input[env.in_tail++];
    return n;
}

size_t console_guest_waiting(void)
{
    return env.in_head - env.in_tail;
}

bool console_output_ready(void)
{
    return !env.busy;
}

static u8 in(unsigned reg)
{
    u32 val = 0;

    env.fn(NULL, env.ctx, BASE + reg, 1, false, &val);
    assert_int_equal(val & ~0xffu, 0);
    return (u8)val;
}

static void out(unsigned reg, u8 val)
{
    u32 wide = val;

    env.fn(NULL, env.ctx, BASE + reg, 1, true, &wide);
}

/* The user types; true if the serial driver takes it. */
static bool type(const char *s)
{
    memcpy(env.input + env.in_head, s, strlen(s));
    env.in_head += strlen(s);
    return vuart_input_ready(&domain);
}

static int setup(void **state)
{
    memset(&env, 0, sizeof(env));
    memset(&domain, 0, sizeof(domain));
    fake_alloc_fail_after = -1;
    assert_int_equal(vuart_init(&domain, BASE, GSI), 0);
    return 0;
}

static int teardown(void **state)
{
    vuart_free(&domain);
    assert_null(domain.vuart);
    assert_int_equal(fake_allocs_live, 0);
    assert_int_equal(fake_locks_held, 0);
    return 0;
}

static void open_port(u8 ier)
{
    out(FCR, 0x01);
    out(MCR, OUT2);
    out(IER, ier);
}

static void it_takes_eight_ports_and_the_line(void **state)
{
    assert_int_equal(env.first, 0x3f8);
    assert_int_equal(env.last, 0x3ff);
    assert_true(env.virtual);
    assert_false(env.line);
}

static void failures_leave_nothing_behind(void **state)
{
    struct domain other = domain;

    domain.vuart = NULL;
    env.refuse = -XEN_EEXIST;
    assert_int_equal(vuart_init(&domain, BASE, GSI), -XEN_EEXIST);
    assert_null(domain.vuart);
    fake_alloc_fail_after = 0;
    assert_int_equal(vuart_init(&domain, BASE, GSI), -XEN_ENOMEM);
    assert_null(domain.vuart);
    assert_false(vuart_input_ready(&domain));
    vuart_output_ready(&domain);
    fake_alloc_fail_after = -1;
    domain = other;
}

static void scratch_and_divisor_are_remembered(void **state)
{
    out(SCR, 0xa5);
    out(LCR, 0x83);
    out(DATA, 0x0c);
    out(IER, 0x01);
    assert_int_equal(in(DATA), 0x0c);
    assert_int_equal(in(IER), 0x01);
    out(LCR, 0x03);
    assert_int_equal(in(IER), 0);
    assert_int_equal(in(LCR), 0x03);
    assert_int_equal(in(SCR), 0xa5);
    assert_int_equal(env.nr_sent, 0);
}

static void unused_bits_read_as_zero(void **state)
{
    out(IER, 0xff);
    assert_int_equal(in(IER), 0x0f);
    out(MCR, 0xff);
    assert_int_equal(in(MCR), 0x1f);
}

static void status_registers_ignore_writes(void **state)
{
    in(MSR);
    out(LSR, 0xff);
    out(MSR, 0xff);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(MSR), 0xb0);
}

static void every_byte_goes_out_as_it_is(void **state)
{
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(in(LSR), 0x60);
        out(DATA, i);
    }
    assert_int_equal(env.nr_sent, 256);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal((u8)env.sent[i], i);
    assert_int_equal(env.edges, 0);
}

static void fifos_are_identified_only_when_enabled(void **state)
{
    assert_int_equal(in(IIR), 0x01);
    out(FCR, 0x01);
    assert_int_equal(in(IIR), 0xc1);
    out(FCR, 0xc6); /* the enable bit governs the others */
    assert_int_equal(in(IIR), 0x01);
}

static void turning_the_transmit_interrupt_on_raises_it_each_time(void **state)
{
    open_port(THRE);
    assert_int_equal(env.edges, 1);
    assert_int_equal(in(IIR), 0xc2);
    assert_false(env.line); /* reading it ended it */
    assert_int_equal(in(IIR), 0xc1);
    out(IER, 0);
    out(IER, THRE);
    assert_int_equal(env.edges, 2);
    assert_int_equal(in(IIR), 0xc2);
}

static void a_burst_of_bytes_is_one_interrupt(void **state)
{
    open_port(THRE);
    in(IIR);
    env.edges = 0;
    for (unsigned i = 0; i < 16; i++)
        out(DATA, 'x');
    assert_int_equal(env.edges, 1);
    assert_int_equal(in(IIR), 0xc2);
}

static void transmit_interrupts_keep_pace_with_the_line(void **state)
{
    open_port(THRE);
    in(IIR);
    env.busy = true;
    out(DATA, 'x');
    assert_false(env.line);
    assert_int_equal(in(IIR), 0xc1);
    out(DATA, 'y');
    env.busy = false;
    vuart_output_ready(&domain);
    assert_true(env.line);
    assert_int_equal(in(IIR), 0xc2);
    vuart_output_ready(&domain); /* nobody waits any more */
    assert_false(env.line);
    assert_int_equal(env.nr_sent, 2);
}

static void input_interrupts_and_is_read_in_order(void **state)
{
    open_port(RX);
    assert_true(type("ab"));
    assert_int_equal(env.edges, 1);
    assert_int_equal(in(IIR), 0xc4);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(DATA), 'a');
    assert_true(env.line);
    assert_int_equal(in(DATA), 'b');
    assert_false(env.line);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(IIR), 0xc1);
    assert_int_equal(in(DATA), 0);
}

static void fewer_bytes_than_the_trigger_time_out(void **state)
{
    out(FCR, 0x81); /* 8 bytes */
    out(MCR, OUT2);
    out(IER, RX);
    type("1234567");
    assert_true(env.line);
    assert_int_equal(in(IIR), 0xcc);
    type("8");
    assert_int_equal(in(IIR), 0xc4);
}

static void without_the_receive_interrupt_input_is_the_xen_consoles(void **state)
{
    open_port(THRE);
    in(IIR);
    assert_false(type("a"));
    assert_false(env.line);
    /* but a driver that polls finds it */
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(DATA), 'a');
}

static void out2_gates_the_line(void **state)
{
    out(IER, RX);
    assert_true(type("a"));
    assert_false(env.line);
    out(MCR, OUT2);
    assert_true(env.line);
    out(MCR, OUT2 | LOOP);
    assert_false(env.line);
    out(MCR, OUT2);
    assert_true(env.line);
}

static void receiving_comes_before_transmitting(void **state)
{
    open_port(RX | THRE);
    type("a");
    assert_int_equal(in(IIR), 0xc4);
    in(DATA);
    assert_int_equal(in(IIR), 0xc2);
}

static void clearing_the_fifo_drops_what_the_driver_has_not_read(void **state)
{
    open_port(RX);
    type("abc");
    out(FCR, 0x03);
    assert_int_equal(in(LSR), 0x60);
    assert_false(env.line);
}

static void clearing_the_fifo_of_a_closed_port_leaves_the_line_alone(void **state)
{
    type("abc");
    out(FCR, 0x07);
    out(FCR, 0x00);
    assert_int_equal(console_guest_waiting(), 3);
}

static void loopback_returns_outputs_as_inputs(void **state)
{
    out(MCR, LOOP | 0x0a);
    assert_int_equal(in(MSR)&0xf0, 0x90);
    out(MCR, LOOP | 0x05);
    assert_int_equal(in(MSR)&0xf0, 0x60);
    out(MCR, 0);
    assert_int_equal(in(MSR)&0xf0, 0xb0);
}

static void modem_changes_interrupt_until_read(void **state)
{
    open_port(MODEM);
    in(MSR);
    assert_false(env.line);
    out(MCR, OUT2 | LOOP);
    out(MCR, OUT2);
    assert_true(env.line);
    assert_int_equal(in(IIR), 0xc0);
    assert_int_equal(in(MSR), 0xbb & ~8); /* DCD came back from OUT2 and never changed */
    assert_false(env.line);
    assert_int_equal(in(MSR), 0xb0);
}

static void only_the_end_of_ring_counts(void **state)
{
    in(MSR);
    out(MCR, LOOP | 0x0f);
    assert_int_equal(in(MSR)&4, 0);
    out(MCR, LOOP | 0x0b);
    assert_int_equal(in(MSR)&4, 4);
}

static void loopback_bytes_stay_inside(void **state)
{
    out(FCR, 1);
    type("typed");
    out(MCR, LOOP);
    out(DATA, 'l');
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(DATA), 'l');
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(env.nr_sent, 0);
    assert_int_equal(console_guest_waiting(), 5);
}

static void a_full_loopback_fifo_overruns_once(void **state)
{
    out(FCR, 1);
    out(MCR, LOOP);
    out(IER, LINE);
    for (unsigned i = 0; i < 17; i++)
        out(DATA, 'a' + i);
    assert_int_equal(in(IIR), 0xc6);
    assert_int_equal(in(LSR), 0x63);
    assert_int_equal(in(LSR), 0x61);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(DATA), 'a' + i);
    assert_int_equal(in(LSR), 0x60);
}

static void without_a_fifo_the_last_byte_stays(void **state)
{
    out(MCR, LOOP);
    out(DATA, 'a');
    out(DATA, 'b');
    assert_int_equal(in(LSR), 0x63);
    assert_int_equal(in(DATA), 'b');
    assert_int_equal(in(LSR), 0x60);
}

static void wide_accesses_are_their_bytes(void **state)
{
    u32 val = 0x0000a508;

    env.fn(NULL, env.ctx, BASE + MCR, 4, true, &val);
    val = 0xffff035a;
    env.fn(NULL, env.ctx, BASE + SCR, 1, true, &val);
    env.fn(NULL, env.ctx, BASE + LCR, 2, true, &(u32){0x0803});
    env.fn(NULL, env.ctx, BASE + LCR, 2, false, &val);
    assert_int_equal(val, 0x0803);
    assert_int_equal(in(SCR), 0x5a);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(it_takes_eight_ports_and_the_line),
        T(failures_leave_nothing_behind),
        T(scratch_and_divisor_are_remembered),
        T(unused_bits_read_as_zero),
        T(status_registers_ignore_writes),
        T(every_byte_goes_out_as_it_is),
        T(fifos_are_identified_only_when_enabled),
        T(turning_the_transmit_interrupt_on_raises_it_each_time),
        T(a_burst_of_bytes_is_one_interrupt),
        T(transmit_interrupts_keep_pace_with_the_line),
        T(input_interrupts_and_is_read_in_order),
        T(fewer_bytes_than_the_trigger_time_out),
        T(without_the_receive_interrupt_input_is_the_xen_consoles),
        T(out2_gates_the_line),
        T(receiving_comes_before_transmitting),
        T(clearing_the_fifo_drops_what_the_driver_has_not_read),
        T(clearing_the_fifo_of_a_closed_port_leaves_the_line_alone),
        T(loopback_returns_outputs_as_inputs),
        T(modem_changes_interrupt_until_read),
        T(only_the_end_of_ring_counts),
        T(loopback_bytes_stay_inside),
        T(a_full_loopback_fifo_overruns_once),
        T(without_a_fifo_the_last_byte_stays),
        T(wide_accesses_are_their_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
