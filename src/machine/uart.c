/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550 UART (National PC16550D data sheet), polled transmit, receive polled or by interrupt. */
#include <torii/uart.h>

#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/io.h>
#include <torii/lib.h>

/* Registers; RBR/THR and IER give way to the divisor latch while LCR.DLAB is set. */
enum {
    UART_RBR = 0,
    UART_THR = 0,
    UART_DLL = 0,
    UART_IER = 1,
    UART_DLM = 1,
    UART_IIR = 2,
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_REGS = 8,
};
#define IER_RX      0x01
#define IER_THRE    0x02
#define IIR_NONE    0x01 /* no interrupt pending */
#define IIR_FIFO    0xc0 /* both bits: a working FIFO */
#define FCR_ENABLE  0x01
#define FCR_CLEAR   0x06
#define LCR_STOP2   0x04
#define LCR_PARITY  0x08
#define LCR_EVEN    0x10
#define LCR_STICK   0x20
#define LCR_DLAB    0x80
#define MCR_DTR     0x01
#define MCR_RTS     0x02
#define MCR_OUT2    0x08 /* on PCs the gate of the interrupt line */
#define MCR_LOOP    0x10
#define LSR_READY   0x01
#define LSR_OVERRUN 0x02
#define LSR_THRE    0x20
#define LSR_TEMT    0x40
#define LSR_ABSENT  0xff /* nothing drives the bus */
#define MSR_CTS     0x10
#define MSR_DCD     0x80
#define MSR_LINES   0xf0

#define FIFO_BYTES     16
#define DIVISOR_MAX    0xffff
#define CLOCKS_PER_BIT 16
/* A FIFO drains in 17 ms at 9600 baud; a port read takes about a microsecond or more. */
#define DRAIN_POLLS 200000
#define STUCK_POLLS 16
#define PORT_END    0x10000

static u8 port_read(const struct uart *u, unsigned offset)
{
    return inb(u->port + offset);
}

static void port_write(const struct uart *u, unsigned offset, u8 value)
{
    outb(u->port + offset, value);
}

static const struct uart_ops port_ops = {port_read, port_write};

static u8 mmio_read(const struct uart *u, unsigned offset)
{
    volatile u8 *p = (volatile u8 *)u->mmio + offset;

    return u->reg_bytes == 4 ? *(volatile u32 *)p : *p;
}

static void mmio_write(const struct uart *u, unsigned offset, u8 value)
{
    volatile u8 *p = (volatile u8 *)u->mmio + offset;

    if (u->reg_bytes == 4)
        *(volatile u32 *)p = value;
    else
        *p = value;
}

static const struct uart_ops mmio_ops = {mmio_read, mmio_write};

static u8 get(const struct uart *u, unsigned reg)
{
    return u->ops->read(u, reg << u->reg_shift);
}

static void put(const struct uart *u, unsigned reg, u8 value)
{
    u->ops->write(u, reg << u->reg_shift, value);
}

/* In loopback MSR shows what MCR drives: DTR, RTS, OUT1, OUT2 as DSR, CTS, RI, DCD. Sends nothing. */
static bool answers(const struct uart *u)
{
    u8 mcr, lines;

    if (get(u, UART_LSR) == LSR_ABSENT)
        return false;
    mcr = get(u, UART_MCR);
    put(u, UART_MCR, MCR_LOOP | MCR_OUT2 | MCR_RTS);
    lines = get(u, UART_MSR) & MSR_LINES;
    put(u, UART_MCR, mcr);
    return lines == (MSR_DCD | MSR_CTS);
}

static u8 line_control(const struct uart_config *cfg)
{
    u8 lcr = (cfg->data_bits - 5) | (cfg->stop_bits == 2 ? LCR_STOP2 : 0);

    switch (cfg->parity) {
    case 'o':
        return lcr | LCR_PARITY;
    case 'e':
        return lcr | LCR_PARITY | LCR_EVEN;
    case 'm':
        return lcr | LCR_PARITY | LCR_STICK;
    case 's':
        return lcr | LCR_PARITY | LCR_STICK | LCR_EVEN;
    }
    return lcr;
}

static void set_line(struct uart *u, const struct uart_config *cfg)
{
    u32 unit = CLOCKS_PER_BIT * cfg->baud;
    u32 divisor = (cfg->clock_hz + unit / 2) / unit;
    u8 lcr = line_control(cfg);

    divisor = min(max(divisor, 1u), (u32)DIVISOR_MAX);
    put(u, UART_LCR, lcr | LCR_DLAB);
    put(u, UART_DLL, divisor);
    put(u, UART_DLM, divisor >> 8);
    put(u, UART_LCR, lcr);
}

int uart_setup(struct uart *u, const struct uart_config *cfg)
{
    u->present = false;
    u->reg_shift = cfg->reg_shift;
    u->reg_bytes = cfg->reg_bytes;
    u->irq = cfg->irq;
    if (!answers(u))
        return -XEN_ENODEV;
    /* Firmware may have left the latch open, which hides IER. */
    put(u, UART_LCR, get(u, UART_LCR) & (u8)~LCR_DLAB);
    u->ier = 0;
    put(u, UART_IER, 0);
    if (cfg->baud)
        set_line(u, cfg);
    put(u, UART_FCR, FCR_ENABLE | FCR_CLEAR);
    u->fifo = (get(u, UART_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_BYTES : 1;
    put(u, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    u->present = true;
    return 0;
}

int uart_init(struct uart *u, const struct uart_config *cfg)
{
    size_t bytes = (size_t)UART_REGS << cfg->reg_shift;
    int rc;

    memset(u, 0, sizeof(*u));
    if (!cfg->address)
        return -XEN_ENODEV;
    if (cfg->address < PORT_END) {
        u->ops = &port_ops;
        u->port = cfg->address;
        return uart_setup(u, cfg);
    }
    u->ops = &mmio_ops;
    u->mmio = machine_map(cfg->address, bytes, true);
    if (!u->mmio)
        return -XEN_ENOMEM;
    rc = uart_setup(u, cfg);
    if (rc) {
        machine_unmap((void *)u->mmio, bytes);
        u->mmio = NULL;
    }
    return rc;
}

static bool wait_for(struct uart *u, u8 bits)
{
    unsigned polls = u->stuck ? STUCK_POLLS : DRAIN_POLLS;

    while (polls--) {
        if ((get(u, UART_LSR) & bits) == bits) {
            u->stuck = false;
            return true;
        }
        cpu_relax();
    }
    u->stuck = true;
    return false;
}

void uart_write(struct uart *u, const char *s, size_t n)
{
    if (!u->present)
        return;
    while (n) {
        size_t burst;

        if (!u->room && !wait_for(u, LSR_THRE)) {
            u->dropped += n;
            return;
        }
        if (!u->room)
            u->room = u->fifo;
        burst = min(n, (size_t)u->room);
        for (size_t i = 0; i < burst; i++)
            put(u, UART_THR, s[i]);
        u->room -= burst;
        u->sent += burst;
        s += burst;
        n -= burst;
    }
}

void uart_save(struct uart *u)
{
    if (!u->present)
        return;
    uart_flush(u);
    u->lcr = get(u, UART_LCR) & (u8)~LCR_DLAB;
    put(u, UART_LCR, u->lcr | LCR_DLAB);
    u->dll = get(u, UART_DLL);
    u->dlm = get(u, UART_DLM);
    put(u, UART_LCR, u->lcr);
}

void uart_restore(struct uart *u)
{
    if (!u->present)
        return;
    put(u, UART_LCR, u->lcr | LCR_DLAB);
    put(u, UART_DLL, u->dll);
    put(u, UART_DLM, u->dlm);
    put(u, UART_LCR, u->lcr);
    put(u, UART_FCR, FCR_ENABLE | FCR_CLEAR);
    put(u, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    put(u, UART_IER, u->ier);
    u->room = 0;
}

bool uart_ready(struct uart *u)
{
    if (!u->room && u->present && get(u, UART_LSR) & LSR_THRE)
        u->room = u->fifo;
    return u->room;
}

void uart_flush(struct uart *u)
{
    if (u->present)
        wait_for(u, LSR_TEMT);
}

size_t uart_read(struct uart *u, char *buf, size_t max)
{
    size_t n = 0;

    if (!u->present)
        return 0;
    while (n < max) {
        u8 lsr = get(u, UART_LSR);

        /* A device that goes away reads all ones, which has the ready bit set. */
        if (!(lsr & LSR_READY) || lsr == LSR_ABSENT)
            break;
        if (lsr & LSR_OVERRUN)
            u->overruns++;
        buf[n++] = get(u, UART_RBR);
    }
    return n;
}

int uart_irq_gsi(const struct uart *u)
{
    return u->present && u->irq ? (int)u->irq : -1;
}

void uart_irq_enable(struct uart *u, bool on)
{
    if (!u->present)
        return;
    u->ier = on ? IER_RX : 0;
    put(u, UART_IER, u->ier);
}

void uart_irq_drained(struct uart *u)
{
    if (!u->present)
        return;
    u->ier |= IER_THRE;
    put(u, UART_IER, u->ier);
}

/* The transmit interrupt is asked for once. */
static void transmit_irq(struct uart *u)
{
    if (!(u->ier & IER_THRE) || !(get(u, UART_LSR) & LSR_THRE))
        return;
    u->ier &= ~IER_THRE;
    put(u, UART_IER, u->ier);
    u->drained = true;
}

size_t uart_irq(struct uart *u, char *buf, size_t max)
{
    size_t n = 0, got;

    if (!u->present)
        return 0;
    transmit_irq(u);
    do {
        got = uart_read(u, buf + n, max - n);
        n += got;
        /* Reading IIR acknowledges what RBR does not; more may have come in meanwhile. */
    } while (!(get(u, UART_IIR) & IIR_NONE) && got);
    return n;
}

/* --- configuration --- */

void uart_defaults(unsigned index, struct uart_config *cfg)
{
    *cfg = (struct uart_config){
        .address = index ? 0x2f8 : 0x3f8,
        .reg_bytes = 1,
        .clock_hz = UART_CLOCK_HZ,
        .baud = 115200,
        .data_bits = 8,
        .parity = 'n',
        .stop_bits = 1,
        .irq = index ? 3 : 4,
    };
}

/* The next field of a comma-separated list to buf; false when the list has ended. */
static bool next_field(const char **spec, char *buf, size_t size)
{
    size_t n = 0;

    if (!*spec)
        return false;
    for (; **spec && **spec != ','; ++*spec)
        if (n < size - 1)
            buf[n++] = **spec;
    buf[n] = 0;
    *spec = **spec ? *spec + 1 : NULL;
    return true;
}

static bool parse_number(const char *s, char stop, u64 *value, const char **end)
{
    char *e;

    if (*s < '0' || *s > '9')
        return false;
    *value = strtoul(s, &e, 0);
    if (end)
        *end = e;
    return !*e || (stop && *e == stop);
}

static int parse_speed(const char *s, struct uart_config *cfg, struct refusal *why)
{
    const char *end;
    u64 baud, clock = cfg->clock_hz;

    if (!strcmp(s, "auto")) {
        cfg->baud = 0;
        return 0;
    }
    if (!parse_number(s, '/', &baud, &end) || (*end && !parse_number(end + 1, 0, &clock, NULL)) || !baud || !clock ||
        clock > ~0u || baud > clock / CLOCKS_PER_BIT)
        return refuse(why, -XEN_EINVAL, "com: line speed \"%s\" is not possible", s);
    cfg->baud = baud;
    cfg->clock_hz = clock;
    return 0;
}

static int parse_format(const char *s, struct uart_config *cfg, struct refusal *why)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): three characters are there */
    if (strlen(s) != 3 || s[0] < '5' || s[0] > '8' || !strchr("noems", s[1]) || (s[2] != '1' && s[2] != '2'))
        return refuse(why, -XEN_EINVAL, "com: line format \"%s\" is not one like 8n1", s);
    cfg->data_bits = s[0] - '0';
    cfg->parity = s[1];
    cfg->stop_bits = s[2] - '0';
    return 0;
}

static int parse_address(const char *s, struct uart_config *cfg, struct refusal *why)
{
    u64 address;

    if (!strcmp(s, "pci") || !strcmp(s, "amt"))
        return refuse(why, -XEN_EOPNOTSUPP, "com: \"%s\": give the UART's address instead", s);
    if (!parse_number(s, 0, &address, NULL) || !address || (address < PORT_END && address > PORT_END - UART_REGS))
        return refuse(why, -XEN_EINVAL, "com: \"%s\" is no address", s);
    cfg->address = address;
    return 0;
}

static int parse_irq(const char *s, struct uart_config *cfg, struct refusal *why)
{
    u64 irq;

    if (!strcmp(s, "msi"))
        return refuse(why, -XEN_EOPNOTSUPP, "com: \"msi\": give 0 to poll");
    if (!parse_number(s, 0, &irq, NULL) || irq > 255)
        return refuse(why, -XEN_EINVAL, "com: \"%s\" is no interrupt", s);
    cfg->irq = irq;
    return 0;
}

int uart_parse(const char *spec, struct uart_config *cfg, struct refusal *why)
{
    static int (*const parse[])(const char *, struct uart_config *, struct refusal *) = {parse_speed, parse_format,
                                                                                         parse_address, parse_irq};
    struct uart_config new = *cfg;
    const char *rest = spec;
    char field[24];

    for (unsigned i = 0; next_field(&rest, field, sizeof(field)); i++) {
        int rc;

        if (!field[0])
            continue;
        if (i == ARRAY_SIZE(parse))
            return refuse(why, -XEN_EOPNOTSUPP, "com: \"%s\": PCI addresses are not understood", field);
        rc = parse[i](field, &new, why);
        if (rc)
            return rc;
    }
    *cfg = new;
    return 0;
}

/* In a GAS the access size says how wide, the register width how far apart (ACPI 6.5 §5.2.3.2). */
bool uart_from_spcr(const struct acpi_info *info, struct uart_config *cfg)
{
    if (!info->spcr_present || !info->spcr.address)
        return false;
    uart_defaults(0, cfg);
    cfg->address = info->spcr.address;
    cfg->baud = info->spcr_baud;
    cfg->irq = info->spcr_gsi <= 255 ? info->spcr_gsi : 0;
    if (cfg->address >= PORT_END && info->spcr.width == 32) {
        cfg->reg_shift = 2;
        cfg->reg_bytes = info->spcr.access == 1 ? 1 : 4;
    }
    return true;
}
