/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550 (National PC16550D data sheet, §8) on the console line. The line's speed and format stay Torii's: divisor and
 * LCR are remembered and mean nothing. A byte written to THR is on its way at once, so LSR always says "empty"; what
 * paces a driver is the THRE interrupt, which waits for the physical transmitter. Received bytes stay in the console's
 * queue until RBR is read, so that whoever opens the line finds them: this driver, or the Xen console.
 */
#include <torii/vuart.h>

#include <torii/alloc.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/vioapic.h>

/* §8, table II: registers; RBR, THR and IER give way to the divisor latch while LCR.DLAB is set. */
enum {
    REG_DATA = 0,
    REG_IER = 1,
    REG_IIR_FCR = 2,
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,
    REG_MSR = 6,
    REG_SCR = 7,
    NR_REGS = 8,
};

/* §8.6: interrupt enable. */
#define IER_RX    0x01u
#define IER_THRE  0x02u
#define IER_LINE  0x04u
#define IER_MODEM 0x08u
#define IER_BITS  0x0fu
/* §8.5: interrupt identification, highest priority first. */
#define IIR_NONE    0x01u
#define IIR_LINE    0x06u
#define IIR_RX      0x04u
#define IIR_TIMEOUT 0x0cu /* bytes wait, fewer than the trigger level */
#define IIR_THRE    0x02u
#define IIR_MODEM   0x00u
#define IIR_FIFOS   0xc0u
/* §8.4: FIFO control. */
#define FCR_ENABLE       0x01u
#define FCR_CLEAR_RX     0x02u
#define FCR_TRIGGER(fcr) ((fcr) >> 6 & 3)
/* §8.1. */
#define LCR_DLAB 0x80u
/* §8.7: modem control. OUT2 gates the interrupt line on PCs; in loopback it stays high, which closes the gate. */
#define MCR_DTR  0x01u
#define MCR_RTS  0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_BITS 0x1fu
/* §8.3: line status. */
#define LSR_READY   0x01u
#define LSR_OVERRUN 0x02u
#define LSR_THRE    0x20u
#define LSR_TEMT    0x40u
/* §8.8: modem status; the low half says what changed since it was read. */
#define MSR_CTS     0x10u
#define MSR_DSR     0x20u
#define MSR_RI      0x40u
#define MSR_DCD     0x80u
#define MSR_TERI    0x04u /* in the place of "RI changed": only its end counts */
#define MSR_CHANGED 0x0fu

#define FIFO_BYTES 16u

/* Locked by its own lock. */
struct vuart {
    spinlock_t lock;
    struct domain *d;
    u16 port;
    unsigned gsi;
    u8 ier, fcr, lcr, mcr, scr;
    u8 lines;   /* modem inputs as MSR's upper half shows them */
    u8 changed; /* MSR's lower half */
    u16 divisor;
    bool thre;    /* "holding register empty" is an interrupt to be taken */
    bool waiting; /* the console calls vuart_output_ready */
    bool overrun;
    /* What loopback sent and nobody has read. */
    u8 loop[FIFO_BYTES];
    unsigned loop_count;
};

static unsigned fifo_bytes(const struct vuart *u)
{
    return u->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
}

/* Bytes to read. In loopback the line is cut off. */
static size_t received(const struct vuart *u)
{
    return u->mcr & MCR_LOOP ? u->loop_count : u->loop_count + console_guest_waiting();
}

static u8 receive_cause(const struct vuart *u)
{
    static const u8 trigger[] = {1, 4, 8, 14};
    size_t n = u->ier & IER_RX ? received(u) : 0;

    if (!n)
        return IIR_NONE;
    return u->fcr & FCR_ENABLE && n < trigger[FCR_TRIGGER(u->fcr)] ? IIR_TIMEOUT : IIR_RX;
}

static u8 cause(const struct vuart *u)
{
    u8 rx;

    if (u->overrun && u->ier & IER_LINE)
        return IIR_LINE;
    rx = receive_cause(u);
    if (rx != IIR_NONE)
        return rx;
    if (u->thre && u->ier & IER_THRE)
        return IIR_THRE;
    if (u->changed && u->ier & IER_MODEM)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_line(struct vuart *u)
{
    bool gate = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    vioapic_set_line(u->d, u->gsi, gate && cause(u) != IIR_NONE);
}

/* The holding register is empty again: at once, or when the line says so. Only a driver that asks for interrupts waits.
 */
static void sent(struct vuart *u)
{
    if (u->thre || u->waiting)
        return;
    if (u->ier & IER_THRE && !(u->mcr & MCR_LOOP) && !console_output_ready())
        u->waiting = true;
    else
        u->thre = true;
}

static void loop_byte(struct vuart *u, u8 byte)
{
    if (u->loop_count < fifo_bytes(u)) {
        u->loop[u->loop_count++] = byte;
        return;
    }
    /* §8.4: a full FIFO keeps what it has; without one the register is overwritten. */
    u->overrun = true;
    if (!(u->fcr & FCR_ENABLE))
        u->loop[0] = byte;
}

static void transmit(struct vuart *u, u8 byte)
{
    char c = (char)byte;

    if (u->mcr & MCR_LOOP)
        loop_byte(u, byte);
    else
        console_serial_write(&c, 1);
    sent(u);
}

static u8 receive(struct vuart *u)
{
    char c = 0;

    if (u->loop_count) {
        c = (char)u->loop[0];
        memmove(u->loop, u->loop + 1, --u->loop_count);
    } else if (!(u->mcr & MCR_LOOP)) {
        console_guest_read(&c, 1);
    }
    return (u8)c;
}

/* Without a modem: the other end is there and ready. In loopback the outputs come back (§8.7). */
static u8 modem_lines(u8 mcr)
{
    if (!(mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) |
           (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(struct vuart *u, u8 mcr)
{
    u8 lines = modem_lines(mcr), flips = u->lines ^ lines;

    if (!(u->lines & MSR_RI))
        flips &= ~MSR_RI;
    u->changed |= flips >> 4;
    u->lines = lines;
    u->mcr = mcr;
}

/* §8.6: turning the THRE interrupt on while the register is empty raises it. */
static void write_ier(struct vuart *u, u8 ier)
{
    bool turned_on = ier & ~u->ier & IER_THRE;

    u->ier = ier;
    if (turned_on)
        sent(u);
}

/* §8.4: changing the enable bit clears both FIFOs. What waits on the line is the driver's only while it receives. */
static void write_fcr(struct vuart *u, u8 fcr)
{
    char dropped[FIFO_BYTES];

    if (((fcr ^ u->fcr) & FCR_ENABLE) || (fcr & FCR_ENABLE && fcr & FCR_CLEAR_RX)) {
        u->loop_count = 0;
        u->overrun = false;
        if (u->ier & IER_RX && !(u->mcr & MCR_LOOP))
            console_guest_read(dropped, sizeof(dropped));
    }
    u->fcr = fcr & FCR_ENABLE ? fcr : 0;
}

static u8 read_iir(struct vuart *u)
{
    u8 iir = cause(u);

    if (iir == IIR_THRE)
        u->thre = false;
    return iir | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static u8 read_lsr(struct vuart *u)
{
    u8 lsr = LSR_THRE | LSR_TEMT | (received(u) ? LSR_READY : 0) | (u->overrun ? LSR_OVERRUN : 0);

    u->overrun = false;
    return lsr;
}

static u8 read_msr(struct vuart *u)
{
    u8 msr = u->lines | u->changed;

    u->changed = 0;
    return msr;
}

static u8 read_reg(struct vuart *u, unsigned reg)
{
    bool latch = u->lcr & LCR_DLAB;

    switch (reg) {
    case REG_DATA:
        return latch ? (u8)u->divisor : receive(u);
    case REG_IER:
        return latch ? u->divisor >> 8 : u->ier;
    case REG_IIR_FCR:
        return read_iir(u);
    case REG_LCR:
        return u->lcr;
    case REG_MCR:
        return u->mcr;
    case REG_LSR:
        return read_lsr(u);
    case REG_MSR:
        return read_msr(u);
    default:
        return u->scr;
    }
}

static void write_reg(struct vuart *u, unsigned reg, u8 val)
{
    bool latch = u->lcr & LCR_DLAB;

    switch (reg) {
    case REG_DATA:
        if (latch)
            u->divisor = (u->divisor & 0xff00) | val;
        else
            transmit(u, val);
        break;
    case REG_IER:
        if (latch)
            u->divisor = (u->divisor & 0xff) | val << 8;
        else
            write_ier(u, val & IER_BITS);
        break;
    case REG_IIR_FCR:
        write_fcr(u, val);
        break;
    case REG_LCR:
        u->lcr = val;
        break;
    case REG_MCR:
        write_mcr(u, val & MCR_BITS);
        break;
    case REG_SCR:
        u->scr = val;
        break;
    default: /* LSR and MSR: their write side is for factory tests */
        break;
    }
}

/* A wider access is one of each byte, as the ISA bus makes of it. */
static void ports(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    struct vuart *u = ctx;
    u32 result = 0;

    spin_lock(&u->lock);
    for (unsigned i = 0; i < bytes; i++) {
        unsigned reg = port - u->port + i;

        if (write)
            write_reg(u, reg, (u8)(*val >> i * 8));
        else
            result |= (u32)read_reg(u, reg) << i * 8;
    }
    update_line(u);
    spin_unlock(&u->lock);
    if (!write)
        *val = result;
}

bool vuart_input_ready(struct domain *d)
{
    struct vuart *u = d->vuart;
    bool takes;

    if (!u)
        return false;
    spin_lock(&u->lock);
    takes = u->ier & IER_RX && !(u->mcr & MCR_LOOP);
    update_line(u);
    spin_unlock(&u->lock);
    return takes;
}

void vuart_output_ready(struct domain *d)
{
    struct vuart *u = d->vuart;

    if (!u)
        return;
    spin_lock(&u->lock);
    if (u->waiting) {
        u->waiting = false;
        u->thre = true;
        update_line(u);
    }
    spin_unlock(&u->lock);
}

int vuart_init(struct domain *d, u16 port, unsigned gsi)
{
    struct vuart *u = xzalloc(sizeof(*u));
    int rc;

    if (!u)
        return -XEN_ENOMEM;
    spin_lock_init(&u->lock, LOCK_VUART);
    u->d = d;
    u->port = port;
    u->gsi = gsi;
    u->lines = modem_lines(0);
    u->thre = true;
    rc = pio_register(d, port, port + NR_REGS - 1, ports, u);
    if (rc) {
        xfree(u);
        return rc;
    }
    vioapic_set_virtual(d, gsi);
    d->vuart = u;
    return 0;
}

void vuart_free(struct domain *d)
{
    xfree(d->vuart);
    d->vuart = NULL;
}
