/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/machine/uart.c src/core/refusal.c tests/unit/fake_memory.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi.h>
#include <torii/errno.h>
#include <torii/uart.h>

/* A 16550 as its data sheet has it, as far as the driver looks. */
static struct {
    bool absent, no_fifo, wedged, no_loopback;
    unsigned shift;
    u8 ier, lcr, mcr, fcr, dll, dlm;
    unsigned in_fifo;     /* bytes waiting to be sent */
    unsigned drain_polls; /* LSR reads until the transmitter is empty */
    unsigned until_empty;
    unsigned overfilled; /* bytes written to a full FIFO */
    char line[4096];
    size_t sent;
    const char *input;
    bool overrun;
    unsigned lsr_reads;
} hw;

static u8 hw_lsr(void)
{
    u8 lsr = 0;

    hw.lsr_reads++;
    if (hw.until_empty && !hw.wedged && !--hw.until_empty)
        hw.in_fifo = 0;
    if (!hw.in_fifo)
        lsr |= 0x60;
    if (hw.input && *hw.input)
        lsr |= 0x01;
    if (hw.overrun)
        lsr |= 0x02;
    hw.overrun = false;
    return lsr;
}

static u8 hw_read(const struct uart *u, unsigned offset)
{
    (void)u;
    assert_int_equal(offset & ((1u << hw.shift) - 1), 0);
    if (hw.absent)
        return 0xff;
    switch (offset >> hw.shift) {
    case 0:
        if (hw.lcr & 0x80)
            return hw.dll;
        return hw.input && *hw.input ? *hw.input++ : 0;
    case 1:
        return hw.lcr & 0x80 ? hw.dlm : hw.ier;
    case 2:
        return (hw.fcr & 1 && !hw.no_fifo ? 0xc0 : 0) | (hw.ier & 1 && hw.input && *hw.input ? 4 : 1);
    case 3:
        return hw.lcr;
    case 4:
        return hw.mcr;
    case 5:
        return hw_lsr();
    case 6:
        if (!(hw.mcr & 0x10) || hw.no_loopback)
            return 0xb0;
        return (hw.mcr & 0x0c) << 4 | (hw.mcr & 2) << 3 | (hw.mcr & 1) << 5;
    }
    return 0;
}

static void hw_send(u8 value)
{
    assert_false(hw.mcr & 0x10);
    if (hw.in_fifo >= (hw.no_fifo ? 1 : 16)) {
        hw.overfilled++;
        return;
    }
    hw.in_fifo++;
    hw.until_empty = hw.drain_polls + 1;
    hw.line[hw.sent++] = value;
}

static void hw_write(const struct uart *u, unsigned offset, u8 value)
{
    (void)u;
    assert_int_equal(offset & ((1u << hw.shift) - 1), 0);
    switch (offset >> hw.shift) {
    case 0:
        if (hw.lcr & 0x80)
            hw.dll = value;
        else
            hw_send(value);
        break;
    case 1:
        *(hw.lcr & 0x80 ? &hw.dlm : &hw.ier) = value;
        break;
    case 2:
        hw.fcr = value;
        break;
    case 3:
        hw.lcr = value;
        break;
    case 4:
        hw.mcr = value;
        break;
    }
}

static const struct uart_ops ops = {hw_read, hw_write};
static struct uart uart;
static struct uart_config cfg;
static struct refusal why;

static int reset(void **state)
{
    (void)state;
    memset(&hw, 0, sizeof(hw));
    memset(&uart, 0, sizeof(uart));
    memset(&why, 0, sizeof(why));
    uart.ops = &ops;
    uart_defaults(0, &cfg);
    return 0;
}

static void setup(void)
{
    assert_int_equal(uart_setup(&uart, &cfg), 0);
}

static void setup_programs_speed_format_and_fifo(void **state)
{
    setup();
    assert_true(uart.present);
    assert_int_equal(hw.dll, 1);
    assert_int_equal(hw.dlm, 0);
    assert_int_equal(hw.lcr, 0x03);
    assert_int_equal(hw.fcr & 1, 1);
    assert_int_equal(hw.mcr, 0x0b);
    assert_int_equal(hw.ier, 0);
    assert_int_equal(uart.fifo, 16);
}

static void slow_lines_need_a_large_divisor(void **state)
{
    cfg.baud = 300;
    cfg.data_bits = 7;
    cfg.parity = 'e';
    cfg.stop_bits = 2;
    setup();
    assert_int_equal(hw.dll | hw.dlm << 8, 384);
    assert_int_equal(hw.lcr, 0x02 | 0x04 | 0x18);
}

static void every_parity_has_its_bits(void **state)
{
    static const struct {
        char parity;
        u8 bits;
    } want[] = {{'n', 0}, {'o', 0x08}, {'e', 0x18}, {'m', 0x28}, {'s', 0x38}};

    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        reset(NULL);
        cfg.parity = want[i].parity;
        setup();
        assert_int_equal(hw.lcr & 0x38, want[i].bits);
    }
}

static void speed_auto_leaves_the_line_alone(void **state)
{
    hw.dll = 12;
    hw.lcr = 0x1b | 0x80;
    cfg.baud = 0;
    setup();
    assert_int_equal(hw.dll, 12);
    assert_int_equal(hw.lcr, 0x1b);
}

static void nothing_at_the_address_is_found_out(void **state)
{
    hw.absent = true;
    assert_int_equal(uart_setup(&uart, &cfg), -XEN_ENODEV);
    assert_false(uart.present);
    uart_write(&uart, "lost", 4);
    assert_int_equal(uart_read(&uart, (char[4]){0}, 4), 0);
    assert_int_equal(hw.sent, 0);
    assert_int_equal(uart_irq_gsi(&uart), -1);
}

static void a_device_without_loopback_is_no_uart(void **state)
{
    hw.no_loopback = true;
    assert_int_equal(uart_setup(&uart, &cfg), -XEN_ENODEV);
    assert_int_equal(hw.mcr, 0);
    assert_int_equal(hw.sent, 0);
}

static void writes_go_out_in_order_and_never_overfill_the_fifo(void **state)
{
    char text[1000];

    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = 'a' + i % 26;
    hw.drain_polls = 7;
    setup();
    uart_write(&uart, text, sizeof(text));
    assert_int_equal(hw.sent, sizeof(text));
    assert_memory_equal(hw.line, text, sizeof(text));
    assert_int_equal(hw.overfilled, 0);
    assert_int_equal(uart.sent, sizeof(text));
}

static void one_status_read_serves_a_whole_fifo(void **state)
{
    setup();
    hw.lsr_reads = 0;
    uart_write(&uart, "0123456789abcdef0123456789abcdef", 32);
    assert_in_range(hw.lsr_reads, 2, 4);
}

static void a_uart_without_fifo_takes_one_byte_at_a_time(void **state)
{
    hw.no_fifo = true;
    hw.drain_polls = 3;
    setup();
    assert_int_equal(uart.fifo, 1);
    uart_write(&uart, "hello", 5);
    assert_int_equal(hw.sent, 5);
    assert_int_equal(hw.overfilled, 0);
}

static void a_wedged_line_drops_bytes_and_soon_stops_waiting(void **state)
{
    char text[40] = {0};
    unsigned first;

    setup();
    hw.wedged = true;
    hw.lsr_reads = 0;
    uart_write(&uart, text, sizeof(text));
    assert_int_equal(uart.sent, 16);
    assert_int_equal(uart.dropped, 24);
    first = hw.lsr_reads;
    hw.lsr_reads = 0;
    uart_write(&uart, text, sizeof(text));
    assert_true(hw.lsr_reads < first / 100);
    hw.wedged = false;
    uart_write(&uart, text, sizeof(text));
    assert_int_equal(uart.sent, 56);
    assert_false(uart.stuck);
}

static void flush_waits_for_the_transmitter(void **state)
{
    setup();
    hw.drain_polls = 50;
    uart_write(&uart, "x", 1);
    assert_int_equal(hw.in_fifo, 1);
    uart_flush(&uart);
    assert_int_equal(hw.in_fifo, 0);
}

static void input_is_read_up_to_what_there_is_or_fits(void **state)
{
    char buf[8] = {0};

    setup();
    assert_int_equal(uart_read(&uart, buf, sizeof(buf)), 0);
    hw.input = "abc";
    assert_int_equal(uart_read(&uart, buf, sizeof(buf)), 3);
    assert_string_equal(buf, "abc");
    hw.input = "0123456789";
    assert_int_equal(uart_read(&uart, buf, 4), 4);
    assert_int_equal(uart_read(&uart, buf, 4), 4);
    assert_memory_equal(buf, "4567", 4);
}

static void a_vanished_device_gives_no_endless_input(void **state)
{
    char buf[64];

    setup();
    hw.absent = true;
    assert_int_equal(uart_read(&uart, buf, sizeof(buf)), 0);
}

static void overruns_are_counted(void **state)
{
    char buf[4];

    setup();
    hw.input = "a";
    hw.overrun = true;
    assert_int_equal(uart_read(&uart, buf, sizeof(buf)), 1);
    assert_int_equal(uart.overruns, 1);
}

static void the_interrupt_drains_the_receiver(void **state)
{
    char buf[64];

    setup();
    uart_irq_enable(&uart, true);
    assert_int_equal(hw.ier, 1);
    hw.input = "typed";
    assert_int_equal(uart_irq(&uart, buf, sizeof(buf)), 5);
    assert_int_equal(hw_read(&uart, 2) & 1, 1);
    uart_irq_enable(&uart, false);
    assert_int_equal(hw.ier, 0);
}

static void single_bytes_wait_only_for_a_full_fifo(void **state)
{
    setup();
    hw.drain_polls = 5;
    hw.lsr_reads = 0;
    for (unsigned i = 0; i < 64; i++)
        uart_write(&uart, "x", 1);
    assert_int_equal(hw.sent, 64);
    assert_int_equal(hw.overfilled, 0);
    assert_true(hw.lsr_reads <= 4 * 6);
}

static void draining_interrupts_once_when_asked(void **state)
{
    char buf[4];

    setup();
    uart_irq_enable(&uart, true);
    assert_true(uart_ready(&uart));
    uart_write(&uart, "0123456789abcdef", 16);
    hw.wedged = true;
    hw.in_fifo = 16;
    assert_false(uart_ready(&uart));
    uart_irq_drained(&uart);
    assert_int_equal(hw.ier, 3);
    assert_int_equal(uart_irq(&uart, buf, sizeof(buf)), 0);
    assert_false(uart.drained); /* something else interrupted */
    hw.wedged = false;
    hw.in_fifo = 0;
    uart_irq(&uart, buf, sizeof(buf));
    assert_true(uart.drained);
    assert_int_equal(hw.ier, 1);
    assert_true(uart_ready(&uart));
}

static void a_full_buffer_ends_the_interrupt(void **state)
{
    char buf[2];

    setup();
    uart_irq_enable(&uart, true);
    hw.input = "typed";
    assert_int_equal(uart_irq(&uart, buf, sizeof(buf)), 2);
}

static void a_line_that_slept_is_as_before(void **state)
{
    cfg.baud = 9600;
    setup();
    hw.dlm = 1;
    hw.lcr = 0x1b;
    uart_irq_enable(&uart, true);
    uart_irq_drained(&uart);
    uart_write(&uart, "some", 4);
    uart_save(&uart);
    assert_int_equal(hw.lcr, 0x1b);
    hw.ier = hw.lcr = hw.mcr = hw.fcr = hw.dll = hw.dlm = 0;
    hw.in_fifo = 0;
    uart_restore(&uart);
    assert_int_equal(hw.dll, 12);
    assert_int_equal(hw.dlm, 1);
    assert_int_equal(hw.lcr, 0x1b);
    assert_int_equal(hw.ier, 3);
    assert_int_equal(hw.mcr, 0x0b);
    assert_int_equal(hw.fcr & 1, 1);
    uart_write(&uart, "more", 4);
    assert_memory_equal(hw.line, "somemore", 8);
    assert_int_equal(hw.overfilled, 0);
}

static void no_line_has_nothing_to_keep(void **state)
{
    uart_save(&uart);
    uart_restore(&uart);
    assert_int_equal(hw.lcr | hw.mcr | hw.fcr, 0);
}

static void registers_may_be_spread(void **state)
{
    hw.shift = cfg.reg_shift = 2;
    setup();
    uart_write(&uart, "ok", 2);
    assert_memory_equal(hw.line, "ok", 2);
}

static void the_irq_is_kept_for_who_routes_it(void **state)
{
    setup();
    assert_int_equal(uart_irq_gsi(&uart), 4);
    cfg.irq = 0;
    setup();
    assert_int_equal(uart_irq_gsi(&uart), -1);
}

static void memory_that_cannot_be_mapped_is_an_error(void **state)
{
    cfg.address = 0xfe030000;
    assert_int_equal(uart_init(&uart, &cfg), -XEN_ENOMEM);
    cfg.address = 0;
    assert_int_equal(uart_init(&uart, &cfg), -XEN_ENODEV);
}

/* --- com1= --- */

static int parse(const char *s)
{
    uart_defaults(0, &cfg);
    why.line[0] = 0;
    return uart_parse(s, &cfg, &why);
}

static void com1_options_are_xens(void **state)
{
    assert_int_equal(parse("9600,7e2,0x2f8,3"), 0);
    assert_int_equal(cfg.baud, 9600);
    assert_int_equal(cfg.data_bits, 7);
    assert_int_equal(cfg.parity, 'e');
    assert_int_equal(cfg.stop_bits, 2);
    assert_int_equal(cfg.address, 0x2f8);
    assert_int_equal(cfg.irq, 3);
    assert_int_equal(parse("115200/3686400,8n1"), 0);
    assert_int_equal(cfg.clock_hz, 3686400);
    assert_int_equal(cfg.address, 0x3f8);
    assert_int_equal(cfg.irq, 4);
}

static void empty_fields_keep_the_defaults(void **state)
{
    assert_int_equal(parse(""), 0);
    assert_int_equal(cfg.baud, 115200);
    assert_int_equal(parse("auto,,0x3e8,0"), 0);
    assert_int_equal(cfg.baud, 0);
    assert_int_equal(cfg.data_bits, 8);
    assert_int_equal(cfg.address, 0x3e8);
    assert_int_equal(cfg.irq, 0);
    assert_int_equal(parse(",,0xfe030000"), 0);
    assert_int_equal(cfg.address, 0xfe030000);
}

static void bad_com1_options_are_refused_and_change_nothing(void **state)
{
    static const char *const bad[] = {"fast",         "0",          "115200/0",     "230400",     "115200/x",
                                      "-9600",        "9600,9n1",   "9600,8x1",     "9600,8n3",   "9600,8n",
                                      "9600,8n1,zz",  "9600,8n1,0", "9600,,0xfffa", "9600,,,300", "9600,,,x",
                                      "9600,,0x3f8x", "9600x"};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct uart_config before;

        uart_defaults(0, &before);
        assert_int_equal(parse(bad[i]), -XEN_EINVAL);
        assert_true(strlen(why.line) > 0);
        assert_memory_equal(&cfg, &before, sizeof(cfg));
    }
}

static void pci_uarts_are_refused_with_advice(void **state)
{
    assert_int_equal(parse("115200,8n1,pci"), -XEN_EOPNOTSUPP);
    assert_non_null(strstr(why.line, "address"));
    assert_int_equal(parse("115200,8n1,amt"), -XEN_EOPNOTSUPP);
    assert_int_equal(parse("115200,8n1,0x3f8,msi"), -XEN_EOPNOTSUPP);
    assert_int_equal(parse("115200,8n1,0x3f8,4,00:1f.0"), -XEN_EOPNOTSUPP);
}

static void com2_has_its_own_defaults(void **state)
{
    uart_defaults(1, &cfg);
    assert_int_equal(cfg.address, 0x2f8);
    assert_int_equal(cfg.irq, 3);
}

static void spcr_names_the_console(void **state)
{
    static struct acpi_info info;

    assert_false(uart_from_spcr(&info, &cfg));
    info.spcr_present = true;
    info.spcr = (struct acpi_gas){1, 8, 0, 1, 0x2f8};
    info.spcr_baud = 9600;
    info.spcr_gsi = 3;
    assert_true(uart_from_spcr(&info, &cfg));
    assert_int_equal(cfg.address, 0x2f8);
    assert_int_equal(cfg.baud, 9600);
    assert_int_equal(cfg.irq, 3);
    assert_int_equal(cfg.reg_shift, 0);
    info.spcr = (struct acpi_gas){0, 32, 0, 3, 0xfe030000};
    assert_true(uart_from_spcr(&info, &cfg));
    assert_int_equal(cfg.reg_shift, 2);
    assert_int_equal(cfg.reg_bytes, 4);
}

#define T(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(setup_programs_speed_format_and_fifo),
        T(slow_lines_need_a_large_divisor),
        T(every_parity_has_its_bits),
        T(speed_auto_leaves_the_line_alone),
        T(nothing_at_the_address_is_found_out),
        T(a_device_without_loopback_is_no_uart),
        T(writes_go_out_in_order_and_never_overfill_the_fifo),
        T(one_status_read_serves_a_whole_fifo),
        T(a_uart_without_fifo_takes_one_byte_at_a_time),
        T(a_wedged_line_drops_bytes_and_soon_stops_waiting),
        T(flush_waits_for_the_transmitter),
        T(input_is_read_up_to_what_there_is_or_fits),
        T(a_vanished_device_gives_no_endless_input),
        T(overruns_are_counted),
        T(the_interrupt_drains_the_receiver),
        T(single_bytes_wait_only_for_a_full_fifo),
        T(draining_interrupts_once_when_asked),
        T(a_full_buffer_ends_the_interrupt),
        T(registers_may_be_spread),
        T(a_line_that_slept_is_as_before),
        T(no_line_has_nothing_to_keep),
        T(the_irq_is_kept_for_who_routes_it),
        T(memory_that_cannot_be_mapped_is_an_error),
        T(com1_options_are_xens),
        T(empty_fields_keep_the_defaults),
        T(bad_com1_options_are_refused_and_change_nothing),
        T(pci_uarts_are_refused_with_advice),
        T(com2_has_its_own_defaults),
        T(spcr_names_the_console),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
