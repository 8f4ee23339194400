/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers with which an OS sleeps, powers off or resets the machine. All pass through to the hardware, but the
 * write that would end the machine ends the domain, and Torii performs it when it is done.
 */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/log.h>
#include <torii/stage2.h>
#include <torii/vpower.h>

#include <xen/sched.h>

#include "vpower_regs.h"

struct vpower {
    struct domain *d;
    /* A suspend was refused: the OS waits for the wake status bit, so it is shown until the OS clears it. */
    bool wake_status;
};

/* --- PM1 control and SLEEP_CONTROL --- */

enum sleep_verdict { SLEEP_PASS, SLEEP_OFF, SLEEP_REFUSED };

/* What SLP_EN with this type asks for. block: 0 PM1a, 1 PM1b; the types of the two may differ. */
static enum sleep_verdict sleep_verdict(u8 type, unsigned block)
{
    if (!acpi_info.s5_valid) {
        log_warn("power: sleep type %u without a known \\_S5: taken as power-off\n", type);
        return SLEEP_OFF;
    }
    if (type == acpi_info.s5_typ[block])
        return SLEEP_OFF;
    if (acpi_info.s3_valid && type == acpi_info.s3_typ[block])
        return SLEEP_REFUSED;
    return SLEEP_PASS;
}

/* False: the write must not reach the hardware. */
static bool sleep_write(struct vpower *p, u8 type, unsigned block)
{
    switch (sleep_verdict(type, block)) {
    case SLEEP_OFF:
        log_info("power: domain %u powers off\n", p->d->id);
        domain_shutdown(p->d, SHUTDOWN_poweroff);
        return false;
    case SLEEP_REFUSED:
        if (!p->wake_status)
            log_warn("power: suspend to RAM refused, domain %u goes on at once\n", p->d->id);
        p->wake_status = true;
        return false;
    default:
        return true;
    }
}

/*
 * One access to a watched register of `bytes` bytes at offset `at`. Returns whether it is to be performed. SLP_EN and
 * SLP_TYP are in the second byte of PM1 control (ACPI 6.5 §4.8.3.2.1) and in the only one of SLEEP_CONTROL (§4.8.3.7).
 */
static bool pm1_write(struct vpower *p, unsigned at, unsigned bytes, u32 val, unsigned block)
{
    val <<= at * 8;
    if (at > 1 || at + bytes < 2 || !(val & PM1_SLP_EN))
        return true;
    return sleep_write(p, val >> PM1_SLP_TYP_SHIFT & SLP_TYP_MASK, block);
}

static bool sleep_control_write(struct vpower *p, unsigned at, u32 val)
{
    if (at || !(val & SLEEP_CONTROL_SLP_EN))
        return true;
    return sleep_write(p, val >> SLEEP_CONTROL_SLP_TYP_SHIFT & SLP_TYP_MASK, 0);
}

/* --- reset registers --- */

static void reset(struct domain *d)
{
    log_info("power: domain %u resets the machine\n", d->id);
    domain_shutdown(d, SHUTDOWN_reboot);
}

/* PIIX3 §2.6.1: the reset happens when RST_CPU goes from 0 to 1. */
void vpower_reset_control(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    bool fadt = acpi_info.reset_supported && acpi_info.reset_reg.space == GAS_IO &&
                acpi_info.reset_reg.address == port && (u8)*val == acpi_info.reset_value;

    if (write && (*val & RESET_CONTROL_RST_CPU || fadt))
        reset(v->d);
    else
        pio_hardware(v, NULL, port, bytes, write, val);
}

/* Commands 0xf0-0xff pulse output lines low; line 0 is the CPU's reset (8042 data sheet, "pulse output port"). */
static void keyboard_command(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (write && (*val & KBC_PULSE_MASK) == KBC_PULSE_RESET)
        reset(v->d);
    else
        pio_hardware(v, NULL, port, bytes, write, val);
}

static void system_control_a(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    if (write && *val & SYSTEM_CONTROL_A_RESET)
        reset(v->d);
    else
        pio_hardware(v, NULL, port, bytes, write, val);
}

/* --- which register a port or an address is --- */

enum watched { WATCH_PM1A, WATCH_PM1B, WATCH_STATUS, WATCH_SLEEP, WATCH_RESET, WATCH_COUNT };

/* Memory-mapped ones, mapped once so that the end needs no page table and no lock. */
static void *mapped[WATCH_COUNT];

static const struct acpi_gas *watched_gas(enum watched w)
{
    switch (w) {
    case WATCH_PM1A:
        return &acpi_info.pm1a_cnt;
    case WATCH_PM1B:
        return &acpi_info.pm1b_cnt;
    case WATCH_STATUS:
        return &acpi_info.pm1a_evt;
    case WATCH_SLEEP:
        return &acpi_info.sleep_control;
    default:
        return &acpi_info.reset_reg;
    }
}

static unsigned watched_bytes(enum watched w)
{
    return w == WATCH_SLEEP || w == WATCH_RESET ? 1 : 2;
}

static bool watched_exists(enum watched w)
{
    return watched_gas(w)->address && (w != WATCH_RESET || acpi_info.reset_supported);
}

/* True: go on with the hardware access. */
static bool watched_write(struct vpower *p, enum watched w, unsigned at, unsigned bytes, u32 val)
{
    switch (w) {
    case WATCH_PM1A:
        return pm1_write(p, at, bytes, val, 0);
    case WATCH_PM1B:
        return pm1_write(p, at, bytes, val, 1);
    case WATCH_STATUS:
        if (at < 2 && val << at * 8 & PM1_WAK_STS)
            p->wake_status = false;
        return true;
    case WATCH_SLEEP:
        return sleep_control_write(p, at, val);
    default:
        if (at || (u8)val != acpi_info.reset_value)
            return true;
        reset(p->d);
        return false;
    }
}

static u32 watched_read(const struct vpower *p, enum watched w, unsigned at, u32 val)
{
    return w == WATCH_STATUS && p->wake_status && at < 2 ? val | PM1_WAK_STS >> at * 8 : val;
}

static void watched_port(struct vcpu *v, struct vpower *p, enum watched w, u16 port, unsigned bytes, bool write,
                         u32 *val)
{
    unsigned at = port - watched_gas(w)->address;

    if (write && !watched_write(p, w, at, bytes, *val))
        return;
    pio_hardware(v, NULL, port, bytes, write, val);
    if (!write)
        *val = watched_read(p, w, at, *val);
}

static void pm1a_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_PM1A, port, bytes, write, val);
}

static void pm1b_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_PM1B, port, bytes, write, val);
}

static void status_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_STATUS, port, bytes, write, val);
}

static void sleep_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_SLEEP, port, bytes, write, val);
}

static void reset_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_RESET, port, bytes, write, val);
}

static pio_fn *const watched_fn[WATCH_COUNT] = {pm1a_port, pm1b_port, status_port, sleep_port, reset_port};

/* Memory-mapped registers share their page with others: those are forwarded as they are. */
static void watched_page(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    const struct acpi_gas *gas;
    enum watched w;

    for (w = 0; w < WATCH_COUNT; w++) {
        gas = watched_gas(w);
        if (watched_exists(w) && gas->space == GAS_MEMORY && gpa >= gas->address &&
            gpa < gas->address + watched_bytes(w))
            break;
    }
    if (write && w < WATCH_COUNT && !watched_write(ctx, w, gpa - watched_gas(w)->address, bytes, *val))
        return;
    mmio_hardware(v, NULL, gpa, bytes, write, val);
    if (!write && w == WATCH_STATUS)
        *val = watched_read(ctx, w, gpa - watched_gas(w)->address, *val);
}

/* --- register access that takes no lock --- */

static void out(u16 port, unsigned bytes, u32 val)
{
    pio_hardware(NULL, NULL, port, bytes, true, &val);
}

static u32 in(u16 port, unsigned bytes)
{
    u32 val = 0;

    pio_hardware(NULL, NULL, port, bytes, false, &val);
    return val;
}

static void memory_write(volatile void *p, unsigned bytes, u32 val)
{
    if (!p)
        return;
    if (bytes == 1)
        *(volatile u8 *)p = val;
    else
        *(volatile u16 *)p = val;
}

/* The register of bus 0 by mechanism 1; the machine ends, so nobody minds the address register. */
static void config_write(u64 gas_address, unsigned bytes, u32 val)
{
    u32 reg = gas_address & 0xff;

    out(CONFIG_ADDRESS, 4,
        CONFIG_ENABLE | (gas_address >> 32 & 31) << 11 | (gas_address >> 16 & 7) << 8 | (reg & 0xfc));
    out(CONFIG_DATA | (reg & 3), bytes, val);
}

static void register_write(enum watched w, u32 val)
{
    const struct acpi_gas *gas = watched_gas(w);

    if (!gas->address)
        return;
    if (gas->space == GAS_IO)
        out(gas->address, watched_bytes(w), val);
    else if (gas->space == GAS_MEMORY)
        memory_write(mapped[w], watched_bytes(w), val);
    else if (gas->space == GAS_PCI)
        config_write(gas->address, watched_bytes(w), val);
}

/* A PM1 control register; 0 if it cannot be read. */
static u32 pm1_read(enum watched w)
{
    const struct acpi_gas *gas = watched_gas(w);

    if (gas->address && gas->space == GAS_IO)
        return in(gas->address, 2);
    return gas->address && gas->space == GAS_MEMORY && mapped[w] ? *(volatile u16 *)mapped[w] : 0;
}

/* --- life cycle --- */

static int watch(struct vpower *p, enum watched w)
{
    const struct acpi_gas *gas = watched_gas(w);
    paddr_t page = gas->address & PAGE_MASK;
    int err;

    if (!watched_exists(w))
        return 0;
    if (gas->space == GAS_MEMORY) {
        mapped[w] = machine_map(gas->address, watched_bytes(w), true);
        err = mapped[w] ? s2_unmap(p->d, page >> PAGE_SHIFT, 1) : -XEN_ENOMEM;
        if (err)
            return err;
        err = mmio_register(p->d, page, page + PAGE_SIZE - 1, watched_page, p);
    } else if (gas->space == GAS_IO && gas->address <= 0xffff) {
        /* vPCI has the ports around reset control and the keyboard controller's has its own handler. */
        if (w == WATCH_RESET &&
            (gas->address == RESET_CONTROL || gas->address == KBC_COMMAND || gas->address == SYSTEM_CONTROL_A))
            return 0;
        err = pio_register(p->d, gas->address, gas->address + watched_bytes(w) - 1, watched_fn[w], p);
    } else {
        return 0;
    }
    /* Two registers in one page, or one register under two names. */
    return err == -XEN_EEXIST ? 0 : err;
}

int vpower_init(struct domain *d)
{
    struct vpower *p = xzalloc(sizeof(*p));
    enum watched w;
    int err = 0;

    if (!p)
        return -XEN_ENOMEM;
    p->d = d;
    d->vpower = p;
    for (w = 0; w < WATCH_COUNT && !err; w++)
        err = watch(p, w);
    if (!err)
        err = pio_register(d, KBC_COMMAND, KBC_COMMAND, keyboard_command, p);
    if (!err)
        err = pio_register(d, SYSTEM_CONTROL_A, SYSTEM_CONTROL_A, system_control_a, p);
    return err;
}

void vpower_free(struct domain *d)
{
    xfree(d->vpower);
    d->vpower = NULL;
}

/* --- XENPF_enter_acpi_sleep --- */

/* First the type, then the type with SLP_EN, in each block (ACPI 6.5 §16.1.3). */
static void pm1_sleep(u32 a, u32 b)
{
    register_write(WATCH_PM1A, a & ~PM1_SLP_EN);
    register_write(WATCH_PM1B, b & ~PM1_SLP_EN);
    register_write(WATCH_PM1A, a | PM1_SLP_EN);
    register_write(WATCH_PM1B, b | PM1_SLP_EN);
}

int vpower_enter_sleep(struct domain *d, u32 pm1a, u32 pm1b, u8 state, bool extended)
{
    if (state < 1 || state > 5)
        return -XEN_EINVAL;
    if (extended ? pm1a > SLP_TYP_MASK || (pm1b > SLP_TYP_MASK && pm1b != 0xff) : (pm1a ^ pm1b) & PM1_SLP_EN && pm1b)
        return -XEN_EINVAL;
    if (!(extended ? acpi_info.sleep_control.address : acpi_info.pm1a_cnt.address))
        return -XEN_EPERM;
    switch (state) {
    case 5:
        log_info("power: domain %u powers off\n", d->id);
        domain_shutdown(d, SHUTDOWN_poweroff);
        return 0;
    case 2:
    case 3:
        log_warn("power: S%u refused, domain %u goes on at once\n", state, d->id);
        return -XEN_EOPNOTSUPP;
    default:
        if (extended)
            register_write(WATCH_SLEEP, pm1a << SLEEP_CONTROL_SLP_TYP_SHIFT | SLEEP_CONTROL_SLP_EN);
        else
            pm1_sleep(pm1a, pm1b);
        return 0;
    }
}

/* --- the end --- */

/* About a microsecond each: a write to the port that chipsets decode to nothing. Works before and after any timer. */
static void wait_us(unsigned us)
{
    while (us--)
        out(PORT_DELAY, 1, 0);
}

/* The other bits of the register stay: SCI_EN among them. */
static u32 pm1_off_value(enum watched w, unsigned block)
{
    return (pm1_read(w) & ~(PM1_SLP_EN | SLP_TYP_MASK << PM1_SLP_TYP_SHIFT)) | (u32)acpi_info.s5_typ[block]
                                                                                   << PM1_SLP_TYP_SHIFT;
}

void vpower_machine_off(void)
{
    if (acpi_info.s5_valid && acpi_info.sleep_control.address) {
        register_write(WATCH_SLEEP, (u32)acpi_info.s5_typ[0] << SLEEP_CONTROL_SLP_TYP_SHIFT | SLEEP_CONTROL_SLP_EN);
        wait_us(OFF_WAIT_US);
    }
    if (acpi_info.s5_valid && acpi_info.pm1a_cnt.address) {
        pm1_sleep(pm1_off_value(WATCH_PM1A, 0), pm1_off_value(WATCH_PM1B, 1));
        wait_us(OFF_WAIT_US);
    }
    /* Emulators' PM1 control registers, where no table told of one. */
    out(QEMU_PM1_CONTROL, 2, PM1_SLP_EN);
    out(BOCHS_PM1_CONTROL, 2, PM1_SLP_EN);
    out(VIRTUALBOX_PM1_CONTROL, 2, PM1_SLP_EN | 5 << PM1_SLP_TYP_SHIFT);
    wait_us(OFF_WAIT_US);
}

void vpower_machine_reset(void)
{
    if (acpi_info.reset_supported && acpi_info.reset_reg.address) {
        register_write(WATCH_RESET, acpi_info.reset_value);
        wait_us(RESET_WAIT_US);
    }
    out(RESET_CONTROL, 1, RESET_CONTROL_SYS_RST);
    out(RESET_CONTROL, 1, RESET_CONTROL_SYS_RST | RESET_CONTROL_RST_CPU);
    wait_us(RESET_WAIT_US);
    out(KBC_COMMAND, 1, KBC_RESET);
    wait_us(RESET_WAIT_US);
    machine_triple_fault();
}
