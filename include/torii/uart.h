/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port Torii speaks through: a 16550 at I/O ports or in memory. Not locked: the console's lock covers it. */
#ifndef TORII_UART_H
#define TORII_UART_H

#include <torii/refusal.h>
#include <torii/types.h>

struct acpi_info;
struct uart;

/* What com1= says. */
struct uart_config {
    u64 address;  /* below 0x10000 an I/O port, else a machine address; 0: no UART */
    u8 reg_shift; /* registers are 1 << reg_shift bytes apart */
    u8 reg_bytes; /* width of an access: 1 or 4 */
    u32 clock_hz; /* input of the divisor, UART_CLOCK_HZ by default */
    u32 baud;     /* 0: leave line speed and format as firmware set them */
    u8 data_bits; /* 5 - 8 */
    char parity;  /* 'n', 'o', 'e', 'm', 's' */
    u8 stop_bits; /* 1, 2 */
    unsigned irq; /* ISA interrupt (GSI if above 15); 0: polled */
};

#define UART_CLOCK_HZ 1843200

/* Register access. offset is in bytes from the base. */
struct uart_ops {
    u8 (*read)(const struct uart *u, unsigned offset);
    void (*write)(const struct uart *u, unsigned offset, u8 value);
};

struct uart {
    const struct uart_ops *ops;
    u16 port;
    volatile void *mmio;
    u8 reg_shift, reg_bytes;
    bool present;
    bool stuck;    /* the transmitter did not drain: bytes are dropped until it does */
    bool drained;  /* the interrupt uart_irq_drained asked for has come; the handler's to clear */
    unsigned fifo; /* bytes it takes when its holding register is empty */
    unsigned room; /* of these, what is certainly free */
    unsigned irq;
    u8 ier;
    u8 lcr, dll, dlm; /* the line's settings while the machine sleeps */
    u64 sent, dropped, overruns;
};

/* Xen's defaults of com1 (index 0: port 0x3f8, IRQ 4) or com2 (1: 0x2f8, IRQ 3), 115200 8n1. */
void uart_defaults(unsigned index, struct uart_config *cfg);

/*
 * Xen's com1=: <baud>[/<clock_hz>][,[<data><parity><stop>][,[<address>][,[<irq>]]]], baud may be "auto"; over what *cfg
 * holds. 0, or -XEN_EINVAL, -XEN_EOPNOTSUPP (pci, amt, msi). Pure.
 */
int uart_parse(const char *spec, struct uart_config *cfg, struct refusal *why);

/* The console the firmware's SPCR names. False: it names none. Pure. */
bool uart_from_spcr(const struct acpi_info *info, struct uart_config *cfg);

/*
 * Find and program the UART. A memory UART needs machine_map. 0, or -XEN_ENODEV (nothing answers), -XEN_ENOMEM.
 * Interrupts stay off.
 */
int uart_init(struct uart *u, const struct uart_config *cfg);
/* The same with the access given: ops, port or mmio are set in *u. For uart_init and tests. */
int uart_setup(struct uart *u, const struct uart_config *cfg);

/* Transmit n bytes as they are, polled; returns when the last is in the FIFO. Bytes a stuck line does not take are
 * dropped. */
void uart_write(struct uart *u, const char *s, size_t n);
/* Wait, bounded, until everything has left the shift register. */
void uart_flush(struct uart *u);
/* Before and after suspend to RAM, which it does not live through: line settings, FIFO and interrupts as they were. */
void uart_save(struct uart *u);
void uart_restore(struct uart *u);
/* Bytes received, at most max; never waits. */
size_t uart_read(struct uart *u, char *buf, size_t max);

/* The interrupt input of config.irq: a GSI when the ISA overrides are applied by the caller; -1: polled. */
int uart_irq_gsi(const struct uart *u);
/* Receive interrupt on or off. */
void uart_irq_enable(struct uart *u, bool on);
/* The transmitter could take a byte without waiting. */
bool uart_ready(struct uart *u);
/* One interrupt when the transmitter has drained; uart_irq sees it and sets u->drained. */
void uart_irq_drained(struct uart *u);
/*
 * In the handler: bytes received to buf, until the UART asks for nothing more (its edge is lost otherwise) or buf is
 * full. Returns their count.
 */
size_t uart_irq(struct uart *u, char *buf, size_t max);

#endif
