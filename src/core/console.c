/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: one serial line shared by Torii's log, Dom0's hvc0 and the debug console, a screen until Dom0 takes
 * it, and a ring that keeps the log. Ctrl-A three times switches input between Dom0 and the debug console.
 */
#include <torii/atomic.h>
#include <torii/boot_info.h>
#include <torii/cmdline.h>
#include <torii/console.h>
#include <torii/cpu.h>
#include <torii/console_init.h>
#include <torii/ioapic.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/screen.h>
#include <torii/time.h>
#include <torii/uart.h>

#define RING_BYTES    (64u * 1024)
#define INPUT_BYTES   1024u
#define SWITCH_KEY    1 /* Ctrl-A */
#define SWITCH_PRESSES 3
#define LINE_MAX      320
#define POLL_NS       20000000ull

static spinlock_t lock = SPINLOCK(LOCK_CONSOLE); /* line, screen, rings */
static bool forced;         /* panic: no lock any more */
static struct uart uart;
static bool line_open;      /* the last byte of the log was not a newline */
static bool guest_line_open;
static enum log_level threshold = LOG_INFO;

static char ring[RING_BYTES];
static u64 ring_end, ring_start; /* bytes ever written; oldest kept */

static char input[INPUT_BYTES];
static unsigned input_head, input_tail;
static bool input_to_torii;
static unsigned switch_presses;
static struct timer poll_timer;
static bool line_interrupts; /* the line's interrupt is bound; else it is polled */
void (*console_input_ready)(void), (*console_output_drained)(void);

extern const struct console_key __start_console_keys[], __stop_console_keys[];

static void acquire(void)
{
    if (!forced)
        spin_lock(&lock);
}

static void release(void)
{
    if (!forced)
        spin_unlock(&lock);
}

static void emit(const char *s, size_t n)
{
    /* The line wants CR LF; send runs between newlines whole. */
    while (n) {
        const char *nl = memchr(s, '\n', n);
        size_t run = nl ? (size_t)(nl - s) : n;

        uart_write(&uart, s, run);
        if (nl)
            uart_write(&uart, "\r\n", 2);
        screen_write(s, nl ? run + 1 : run);
        s += nl ? run + 1 : run;
        n -= nl ? run + 1 : run;
    }
}

static void ring_put(const char *s, size_t n)
{
    for (; n; n--)
        ring[ring_end++ % RING_BYTES] = *s++;
    if (ring_end - ring_start > RING_BYTES)
        ring_start = ring_end - RING_BYTES;
}

void log_printf(enum log_level level, const char *fmt, ...)
{
    char line[LINE_MAX];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = (size_t)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    n = min(n, sizeof(line) - 1);
    if (!n)
        return;
    acquire();
    ring_put(line, n);
    if (level <= threshold || forced) {
        if (guest_line_open) {
            emit("\n", 1);
            guest_line_open = false;
        }
        if (!line_open)
            emit("(torii) ", 8);
        emit(line, n);
        line_open = line[n - 1] != '\n';
    }
    release();
}

void console_guest_write(const char *s, size_t n)
{
    if (!n)
        return;
    acquire();
    emit(s, n);
    guest_line_open = s[n - 1] != '\n';
    release();
}

void console_serial_write(const char *s, size_t n)
{
    if (!n)
        return;
    acquire();
    uart_write(&uart, s, n);
    screen_write(s, n);
    guest_line_open = s[n - 1] != '\n';
    release();
}

size_t console_guest_read(char *buf, size_t max)
{
    size_t n = 0;

    acquire();
    while (n < max && input_tail != input_head)
        buf[n++] = input[input_tail++ % INPUT_BYTES];
    release();
    return n;
}

size_t console_guest_waiting(void)
{
    return READ_ONCE(input_head) - READ_ONCE(input_tail);
}

bool console_output_ready(void)
{
    bool ready;

    acquire();
    /* A polled line is written without its being asked: it has no way to say that it has drained. */
    ready = !line_interrupts || uart_ready(&uart);
    if (!ready)
        uart_irq_drained(&uart);
    release();
    return ready;
}

size_t console_ring_read(char *buf, size_t max, u64 *pos)
{
    size_t n = 0;
    u64 at;

    acquire();
    at = max(ring_start + *pos, ring_start);
    while (n < max && at < ring_end)
        buf[n++] = ring[at++ % RING_BYTES];
    *pos = at - ring_start;
    release();
    return n;
}

void console_ring_clear(void)
{
    acquire();
    ring_start = ring_end;
    release();
}

void console_key_pressed(char key)
{
    for (const struct console_key *k = __start_console_keys; k < __stop_console_keys; k++)
        if (k->key == key) {
            k->fn();
            return;
        }
    log_info("no such key: 'h' lists them\n");
}

static void key_help(void)
{
    log_info("debug console; Ctrl-A three times gives the line back to Dom0\n");
    for (const struct console_key *k = __start_console_keys; k < __stop_console_keys; k++)
        log_info("  %c  %s\n", k->key, k->help);
}
CONSOLE_KEY('h', "this help", key_help);

static void input_switch(void)
{
    input_to_torii = !input_to_torii;
    log_info("*** input goes to %s (Ctrl-A three times switches; 'h' for help)\n",
             input_to_torii ? "the debug console" : "Dom0");
}

/* True if the byte is for Dom0. */
static bool input_byte(char c)
{
    if (c == SWITCH_KEY) {
        if (++switch_presses == SWITCH_PRESSES) {
            switch_presses = 0;
            input_switch();
        }
        return false;
    }
    if (input_to_torii) {
        switch_presses = 0;
        console_key_pressed(c);
        return false;
    }
    return true;
}

static void input_queue(char c)
{
    acquire();
    if (input_head - input_tail < INPUT_BYTES)
        input[input_head++ % INPUT_BYTES] = c;
    release();
}

static void input_received(const char *s, size_t n)
{
    bool any = false;

    for (; n; n--, s++) {
        /* Presses that turn out not to be a switch were meant for Dom0. */
        for (; *s != SWITCH_KEY && !input_to_torii && switch_presses; switch_presses--)
            input_queue(SWITCH_KEY);
        if (input_byte(*s)) {
            input_queue(*s);
            any = true;
        }
    }
    if (any && console_input_ready)
        console_input_ready();
}

static void uart_interrupt(void *ctx)
{
    bool drained;
    char buf[64];
    size_t n;

    (void)ctx;
    acquire();
    n = uart_irq(&uart, buf, sizeof(buf));
    drained = uart.drained;
    uart.drained = false;
    release();
    input_received(buf, n);
    if (drained && console_output_drained)
        console_output_drained();
}

/* For a line that has no interrupt. */
static void uart_poll(struct timer *t)
{
    char buf[64];
    size_t n;

    acquire();
    n = uart_read(&uart, buf, sizeof(buf));
    release();
    input_received(buf, n);
    timer_start(t, now_ns() + POLL_NS);
}

static void parse_loglvl(void)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char value[16];

    if (!cmdline_get(boot_info.cmdline, "loglvl", value, sizeof(value)))
        return;
    if (!strcmp(value, "none"))
        threshold = LOG_ERR;
    else if (!strcmp(value, "all"))
        threshold = LOG_DEBUG;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(value, names[i]))
            threshold = i;
}

/* What was logged before there was anything to show it on. */
static void replay(void)
{
    for (u64 at = ring_start; at < ring_end; at++)
        emit(&ring[at % RING_BYTES], 1);
}

static bool console_wants(const char *name)
{
    char value[64] = "com1,vga";

    cmdline_get(boot_info.cmdline, "console", value, sizeof(value));
    return strstr(value, name);
}

/* com1 and com2 with their options, as Xen names them. `mapped`: UARTs in memory can be reached. */
static void open_line(bool mapped)
{
    bool com2 = console_wants("com2"), bad;
    char spec[64];
    struct uart_config cfg;
    struct refusal why;

    if (uart.present || (!com2 && !console_wants("com1")))
        return;
    uart_defaults(com2 ? 1 : 0, &cfg);
    bad = cmdline_get(boot_info.cmdline, com2 ? "com2" : "com1", spec, sizeof(spec)) && uart_parse(spec, &cfg, &why);
    if (cfg.address > 0xffff && !mapped)
        return;
    if (!uart_init(&uart, &cfg))
        replay();
    if (bad)
        log_warn("%s\n", why.line);
}

void console_init(void)
{
    parse_loglvl();
    open_line(false);
}

void console_init_mapped(void)
{
    open_line(true);
    if (console_wants("vga"))
        screen_init();
}

const struct uart *console_uart(void)
{
    return uart.present ? &uart : NULL;
}

void console_start_input(void)
{
    struct gsi_config cfg = {0};
    int irq;

    if (!uart.present)
        return;
    irq = uart_irq_gsi(&uart);
    if (irq >= 0 && irq < 16)
        irq = (int)isa_irq_to_gsi((u8)irq, &cfg);
    if (irq >= 0 && !gsi_bind((unsigned)irq, &cfg, uart_interrupt, NULL)) {
        uart_irq_enable(&uart, true);
        line_interrupts = true;
        return;
    }
    log_info("serial line: no interrupt, polled\n");
    poll_timer.fn = uart_poll;
    timer_start(&poll_timer, now_ns() + POLL_NS);
}

void console_save(void)
{
    acquire();
    uart_save(&uart);
    release();
}

void console_restore(void)
{
    acquire();
    uart_restore(&uart);
    release();
}

void console_force(void)
{
    forced = true;
}

void console_flush(void)
{
    uart_flush(&uart);
}
