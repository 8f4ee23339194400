/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/core/cmdline.c */
/* The console over a line and a screen that only record: src/core/console.c, included for its state to be reset. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../src/core/console.c"

struct boot_info boot_info;

static char line[256 << 10], shown[256 << 10]; /* what went to the UART, and to the screen */
static size_t line_bytes, shown_bytes;
static const char *typed; /* received by the UART */
static struct uart_config opened;
static int open_result, parse_result, gsi_result, irq_of_line;
static unsigned opens, screens, locks, ready_calls, drained_calls, drain_requests, gsi_bound, saved, restored;
static bool transmitter_ready, irq_on, flushed;
static irq_fn *handler;
static struct timer *polled;

void spin_lock(spinlock_t *l)
{
    assert_int_equal(locks++, 0);
    assert_ptr_equal(l, &lock);
}

void spin_unlock(spinlock_t *l)
{
    assert_int_equal(--locks, 0);
}

void uart_write(struct uart *u, const char *s, size_t n)
{
    if (!u->present)
        return;
    memcpy(line + line_bytes, s, n);
    line_bytes += n;
    line[line_bytes] = 0;
}

size_t uart_read(struct uart *u, char *buf, size_t max)
{
    size_t n = strnlen(typed, max);

    memcpy(buf, typed, n);
    typed += n;
    return n;
}

size_t uart_irq(struct uart *u, char *buf, size_t max)
{
    return uart_read(u, buf, max);
}

bool uart_ready(struct uart *u)
{
    return transmitter_ready;
}

void uart_irq_drained(struct uart *u)
{
    drain_requests++;
}

void uart_irq_enable(struct uart *u, bool on)
{
    irq_on = on;
}

int uart_irq_gsi(const struct uart *u)
{
    return irq_of_line;
}

void uart_flush(struct uart *u)
{
    flushed = true;
}

void uart_defaults(unsigned index, struct uart_config *cfg)
{
    *cfg = (struct uart_config){.address = index ? 0x2f8 : 0x3f8};
}

int uart_parse(const char *spec, struct uart_config *cfg, struct refusal *why)
{
    if (parse_result)
        snprintf(why->line, sizeof(why->line), "com: bad");
    else
        cfg->address = strtoul(spec, NULL, 16);
    return parse_result;
}

int uart_init(struct uart *u, const struct uart_config *cfg)
{
    opened = *cfg;
    opens++;
    u->present = !open_result;
    return open_result;
}

/* Nobody writes while the line's settings are taken or put back. */
void uart_save(struct uart *u)
{
    assert_int_equal(locks, 1);
    saved++;
}

void uart_restore(struct uart *u)
{
    assert_int_equal(locks, 1);
    assert_int_equal(saved, 1);
    restored++;
}

void screen_init(void)
{
    screens++;
}

void screen_write(const char *s, size_t n)
{
    memcpy(shown + shown_bytes, s, n);
    shown_bytes += n;
    shown[shown_bytes] = 0;
}

unsigned isa_irq_to_gsi(u8 irq, struct gsi_config *cfg)
{
    return irq + 100u;
}

int gsi_bind(unsigned gsi, const struct gsi_config *cfg, irq_fn *fn, void *ctx)
{
    gsi_bound = gsi;
    handler = fn;
    return gsi_result;
}

u64 now_ns(void)
{
    return 5000;
}

void timer_start(struct timer *t, u64 deadline)
{
    t->deadline = deadline;
    polled = t;
}

static void input_came(void)
{
    ready_calls++;
}

static void output_drained(void)
{
    drained_calls++;
}

static void clear_output(void)
{
    line_bytes = shown_bytes = 0;
    line[0] = shown[0] = 0;
}

static int start(void **state)
{
    memset(&uart, 0, sizeof(uart));
    memset(&boot_info, 0, sizeof(boot_info));
    ring_end = ring_start = 0;
    input_head = input_tail = switch_presses = 0;
    forced = line_open = guest_line_open = input_to_torii = line_interrupts = false;
    threshold = LOG_INFO;
    typed = "";
    open_result = parse_result = gsi_result = 0;
    irq_of_line = 4;
    opens = screens = locks = ready_calls = drained_calls = drain_requests = gsi_bound = 0;
    transmitter_ready = true;
    irq_on = flushed = false;
    handler = NULL;
    polled = NULL;
    console_input_ready = input_came;
    console_output_drained = output_drained;
    clear_output();
    return 0;
}

static void open_with(const char *cmdline)
{
    snprintf(boot_info.cmdline, sizeof(boot_info.cmdline), "%s", cmdline);
    console_init();
}

static void type(const char *s)
{
    typed = s;
    handler(NULL);
}

static void what_was_logged_before_the_line_opened_is_shown_then(void **state)
{
    log_info("early\n");
    assert_int_equal(line_bytes, 0);
    open_with("");
    assert_string_equal(line, "early\r\n");
    log_info("late\n");
    assert_string_equal(line, "early\r\n(torii) late\r\n");
}

/* More than the ring keeps: the line opens late, in memory, and gets what is left. */
static void a_ring_that_has_wrapped_is_replayed_from_its_oldest_byte(void **state)
{
    static const char oldest[] = "000000000000000000000000000000000000000000000000000000000001024\n";
    char text[64];
    u64 pos = 0;

    for (unsigned i = 0; i < 2 * RING_BYTES / 64; i++)
        log_info("%063u\n", i);
    open_with("com1=fe000000");
    assert_int_equal(opens, 0); /* not before memory can be mapped */
    console_init_mapped();
    assert_int_equal(opened.address, 0xfe000000);
    assert_int_equal(line_bytes, RING_BYTES + RING_BYTES / 64);
    assert_memory_equal(line, oldest, 63);
    assert_int_equal(console_ring_read(text, 64, &pos), 64);
    assert_memory_equal(text, oldest, 64);
}

static void lines_above_the_threshold_stay_in_the_ring(void **state)
{
    char text[64] = "";
    u64 pos = 0;

    open_with("loglvl=warning");
    log_info("quiet\n");
    log_warn("loud\n");
    assert_string_equal(line, "(torii) loud\r\n");
    assert_int_equal(console_ring_read(text, sizeof(text), &pos), 11);
    assert_string_equal(text, "quiet\nloud\n");
    assert_int_equal(pos, 11);
    assert_int_equal(console_ring_read(text, sizeof(text), &pos), 0);
}

static void every_name_of_a_level_is_understood(void **state)
{
    static const struct {
        const char *option;
        enum log_level level;
    } tests[] = {{"loglvl=none", LOG_ERR},
                 {"loglvl=all", LOG_DEBUG},
                 {"loglvl=error", LOG_ERR},
                 {"loglvl=debug", LOG_DEBUG},
                 {"loglvl=nonsense", LOG_INFO}};

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
        start(NULL);
        open_with(tests[i].option);
        assert_int_equal(threshold, tests[i].level);
    }
}

static void the_ring_can_be_cleared_and_a_position_beyond_its_end_reads_nothing(void **state)
{
    char text[8];
    u64 pos = 0;

    log_info("gone\n");
    console_ring_clear();
    assert_int_equal(console_ring_read(text, sizeof(text), &pos), 0);
    pos = UINT64_MAX;
    assert_int_equal(console_ring_read(text, sizeof(text), &pos), 0);
    log_info("new\n");
    pos = 0;
    assert_int_equal(console_ring_read(text, 2, &pos), 2);
    assert_memory_equal(text, "ne", 2);
}

static void a_line_is_cut_at_its_longest(void **state)
{
    open_with("");
    log_info("%0400d", 1);
    assert_int_equal(line_bytes, strlen("(torii) ") + LINE_MAX - 1);
    clear_output();
    log_info("%s", "");
    assert_int_equal(line_bytes, 0);
}

static void the_log_does_not_go_on_in_the_middle_of_dom0s_line(void **state)
{
    open_with("");
    console_guest_write("login: ", 7);
    log_info("a");
    log_info("b\n");
    assert_string_equal(line, "login: \r\n(torii) ab\r\n");
    clear_output();
    console_guest_write("done\n", 5);
    log_info("c\n");
    assert_string_equal(line, "done\r\n(torii) c\r\n");
    assert_string_equal(shown, "done\n(torii) c\n");
}

static void a_serial_ports_bytes_pass_unchanged(void **state)
{
    open_with("");
    console_serial_write("a\nb", 3);
    assert_string_equal(line, "a\nb");
    console_serial_write("x", 0);
    console_guest_write("x", 0);
    assert_string_equal(line, "a\nb");
}

static void com2_is_opened_where_console_names_it(void **state)
{
    open_with("console=com2");
    assert_int_equal(opened.address, 0x2f8);
    console_init_mapped();
    assert_int_equal(opens, 1);
    assert_int_equal(screens, 0);
    assert_non_null(console_uart());
}

static void without_a_name_there_is_neither_line_nor_screen(void **state)
{
    open_with("console=none");
    console_init_mapped();
    console_start_input();
    assert_int_equal(opens + screens, 0);
    assert_null(console_uart());
    assert_null(handler);
}

static void a_bad_setting_is_told_on_the_line_with_its_defaults(void **state)
{
    parse_result = -1;
    open_with("com1=rubbish");
    assert_int_equal(opened.address, 0x3f8);
    assert_string_equal(line, "(torii) com: bad\r\n");
    console_init_mapped();
    assert_int_equal(screens, 1);
}

static void typed_bytes_are_dom0s(void **state)
{
    char buf[16] = "";

    open_with("");
    console_start_input();
    assert_int_equal(gsi_bound, 104);
    assert_true(irq_on);
    type("ls\n");
    assert_int_equal(ready_calls, 1);
    assert_int_equal(console_guest_waiting(), 3);
    assert_int_equal(console_guest_read(buf, 2), 2);
    assert_int_equal(console_guest_read(buf + 2, 14), 1);
    assert_string_equal(buf, "ls\n");
    assert_int_equal(console_guest_read(buf, 16), 0);
}

static void input_that_nobody_reads_is_bounded(void **state)
{
    static char buf[2 * INPUT_BYTES];

    open_with("");
    console_start_input();
    for (unsigned i = 0; i < INPUT_BYTES / 32 + 4; i++)
        type("0123456789abcdef0123456789abcdef");
    assert_int_equal(console_guest_read(buf, sizeof(buf)), INPUT_BYTES);
}

static void three_presses_switch_to_the_debug_console_and_back(void **state)
{
    char buf[16];

    open_with("");
    console_start_input();
    type("\1\1\1");
    assert_non_null(strstr(line, "input goes to the debug console"));
    clear_output();
    type("h");
    assert_non_null(strstr(line, "h  this help"));
    type("?");
    assert_non_null(strstr(line, "no such key"));
    assert_int_equal(console_guest_waiting(), 0);
    type("\1\1\1x");
    assert_non_null(strstr(line, "input goes to Dom0"));
    assert_int_equal(console_guest_read(buf, sizeof(buf)), 1);
    assert_int_equal(buf[0], 'x');
}

static void presses_that_are_no_switch_reach_dom0(void **state)
{
    char buf[16];

    open_with("");
    console_start_input();
    type("\1\1");
    assert_int_equal(console_guest_waiting(), 0);
    type("a");
    assert_int_equal(console_guest_read(buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "\1\1a", 3);
}

static void a_line_without_an_interrupt_is_polled(void **state)
{
    gsi_result = -1;
    open_with("");
    console_start_input();
    assert_non_null(strstr(line, "polled"));
    assert_int_equal(polled->deadline, 5000 + POLL_NS);
    typed = "k";
    polled->deadline = 0;
    polled->fn(polled);
    assert_int_equal(console_guest_waiting(), 1);
    assert_int_equal(polled->deadline, 5000 + POLL_NS);
    transmitter_ready = false;
    assert_true(console_output_ready());
}

static void a_gsi_above_the_isa_ones_is_bound_as_it_is(void **state)
{
    irq_of_line = 20;
    open_with("");
    console_start_input();
    assert_int_equal(gsi_bound, 20);
}

static void who_waits_for_the_transmitter_is_told_once(void **state)
{
    open_with("");
    console_start_input();
    assert_true(console_output_ready());
    assert_int_equal(drain_requests, 0);
    transmitter_ready = false;
    assert_false(console_output_ready());
    assert_int_equal(drain_requests, 1);
    uart.drained = true;
    type("");
    type("");
    assert_int_equal(drained_calls, 1);
}

static void a_panic_takes_no_lock_and_shows_everything(void **state)
{
    open_with("loglvl=error");
    locks = 1; /* somebody died holding it */
    console_force();
    log_debug("last words\n");
    console_flush();
    assert_string_equal(line, "(torii) last words\r\n");
    assert_true(flushed);
    locks = 0;
}

static void the_line_is_saved_and_restored_alone(void **state)
{
    saved = restored = 0;
    console_save();
    console_restore();
    assert_int_equal(saved, 1);
    assert_int_equal(restored, 1);
    assert_int_equal(locks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_logged_before_the_line_opened_is_shown_then, start),
        cmocka_unit_test_setup(a_ring_that_has_wrapped_is_replayed_from_its_oldest_byte, start),
        cmocka_unit_test_setup(lines_above_the_threshold_stay_in_the_ring, start),
        cmocka_unit_test_setup(every_name_of_a_level_is_understood, start),
        cmocka_unit_test_setup(the_ring_can_be_cleared_and_a_position_beyond_its_end_reads_nothing, start),
        cmocka_unit_test_setup(a_line_is_cut_at_its_longest, start),
        cmocka_unit_test_setup(the_log_does_not_go_on_in_the_middle_of_dom0s_line, start),
        cmocka_unit_test_setup(a_serial_ports_bytes_pass_unchanged, start),
        cmocka_unit_test_setup(com2_is_opened_where_console_names_it, start),
        cmocka_unit_test_setup(without_a_name_there_is_neither_line_nor_screen, start),
        cmocka_unit_test_setup(a_bad_setting_is_told_on_the_line_with_its_defaults, start),
        cmocka_unit_test_setup(typed_bytes_are_dom0s, start),
        cmocka_unit_test_setup(input_that_nobody_reads_is_bounded, start),
        cmocka_unit_test_setup(three_presses_switch_to_the_debug_console_and_back, start),
        cmocka_unit_test_setup(presses_that_are_no_switch_reach_dom0, start),
        cmocka_unit_test_setup(a_line_without_an_interrupt_is_polled, start),
        cmocka_unit_test_setup(a_gsi_above_the_isa_ones_is_bound_as_it_is, start),
        cmocka_unit_test_setup(who_waits_for_the_transmitter_is_told_once, start),
        cmocka_unit_test_setup(the_line_is_saved_and_restored_alone, start),
        cmocka_unit_test_setup(a_panic_takes_no_lock_and_shows_everything, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
