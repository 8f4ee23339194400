/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers with which an OS sleeps, powers off or resets the machine. All pass through to the hardware, but the
 * write that would end the machine or put it to sleep is Torii's to perform, when it is done itself.
 */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/log.h>
#include <torii/stage2.h>
#include <torii/suspend.h>
#include <torii/vpower.h>

#include <xen/sched.h>

#include "vpower_regs.h"

struct vpower {
    struct domain *d;
    /* A suspend was refused: the OS waits for the wake status bit, so it is shown until the OS clears it. */
    bool wake_status;
};

/* --- PM1 control and SLEEP_CONTROL --- */

/* The sleeping state that SLP_EN with this type enters, 0: none that a table names. block: the types of PM1a (0) and
 * PM1b may differ. */
static unsigned state_of_type(u8 type, unsigned block)
{
    static const u8 order[] = {5, 3, 4, 1, 2};

    if (!acpi_info.sleep[5].valid) {
        log_warn("power: sleep type %u without a known \\_S5: taken as power-off\n", type);
        return 5;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        if (acpi_info.sleep[order[i]].valid && type == acpi_info.sleep[order[i]].typ[block])
            return order[i];
    return 0;
}

/*
 * SLP_EN is about to be written to a register, with values that would be the last ones before sleep. False: the write
 * must not reach the hardware. A processor keeps its state in S1 and loses the machine's in S4; in any state that is
 * not known it may wake up where Dom0 wants, without Torii.
 */
static bool sleep_write(struct vpower *p, u8 type, unsigned block, const struct suspend *s)
{
    unsigned state = state_of_type(type, block);
    int err = -XEN_EOPNOTSUPP;

    switch (state) {
    case 5:
        log_info("power: domain %u powers off\n", p->d->id);
        domain_shutdown(p->d, SHUTDOWN_poweroff);
        return false;
    case 1:
    case 4:
        return true;
    case 3:
        err = suspend_request(s);
        break;
    }
    if (err && !p->wake_status)
        log_warn("power: sleep type %u refused (%d), domain %u goes on at once\n", type, err, p->d->id);
    p->wake_status = err;
    return false;
}

/*
 * One access to a watched register of `bytes` bytes at offset `at`. Returns whether it is to be performed. SLP_EN and
 * SLP_TYP are in the second byte of PM1 control (ACPI 6.5 §4.8.3.2.1) and in the only one of SLEEP_CONTROL (§4.8.3.7).
 * The other block, if there is one, has its type already: it gets SLP_EN when this one does (§16.1.3).
 */
static bool pm1_write(struct vpower *p, unsigned at, unsigned bytes, u32 val, unsigned block)
{
    struct suspend s = {.d = p->d};
    unsigned other = !block;

    val <<= at * 8;
    if (at > 1 || at + bytes < 2 || !(val & PM1_SLP_EN))
        return true;
    if (at || bytes == 1)
        val = (val & 0xff00) | (vpower_read(block ? WATCH_PM1B : WATCH_PM1A) & 0xff);
    s.val[block] = val;
    s.val[other] = vpower_pm1_value(other ? WATCH_PM1B : WATCH_PM1A, acpi_info.sleep[3].typ[other]);
    return sleep_write(p, val >> PM1_SLP_TYP_SHIFT & SLP_TYP_MASK, block, &s);
}

static bool sleep_control_write(struct vpower *p, unsigned at, u32 val)
{
    u8 type = val >> SLEEP_CONTROL_SLP_TYP_SHIFT & SLP_TYP_MASK;
    struct suspend s = {.d = p->d, .extended = true, .val = {type}};

    if (at || !(val & SLEEP_CONTROL_SLP_EN))
        return true;
    return sleep_write(p, type, 0, &s);
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

static bool watched_exists(enum watched w)
{
    return vpower_gas(w)->address && (w != WATCH_RESET || acpi_info.reset_supported);
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
    case WATCH_SLEEP_STATUS:
        if (!at && val & SLEEP_STATUS_WAK_STS)
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
    if (!p->wake_status)
        return val;
    if (w == WATCH_SLEEP_STATUS && !at)
        return val | SLEEP_STATUS_WAK_STS;
    return w == WATCH_STATUS && at < 2 ? val | PM1_WAK_STS >> at * 8 : val;
}

static void watched_port(struct vcpu *v, struct vpower *p, enum watched w, u16 port, unsigned bytes, bool write,
                         u32 *val)
{
    unsigned at = port - vpower_gas(w)->address;

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

static void sleep_status_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_SLEEP_STATUS, port, bytes, write, val);
}

static void reset_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    watched_port(v, ctx, WATCH_RESET, port, bytes, write, val);
}

static pio_fn *const watched_fn[WATCH_COUNT] = {pm1a_port,  pm1b_port,         status_port,
                                                sleep_port, sleep_status_port, reset_port};

/* Memory-mapped registers share their page with others: those are forwarded as they are. */
static void watched_page(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    const struct acpi_gas *gas;
    enum watched w;

    for (w = 0; w < WATCH_COUNT; w++) {
        gas = vpower_gas(w);
        if (watched_exists(w) && gas->space == GAS_MEMORY && gpa >= gas->address &&
            gpa < gas->address + vpower_bytes(w))
            break;
    }
    if (write && w < WATCH_COUNT && !watched_write(ctx, w, gpa - vpower_gas(w)->address, bytes, *val))
        return;
    mmio_hardware(v, NULL, gpa, bytes, write, val);
    if (!write && w < WATCH_COUNT)
        *val = watched_read(ctx, w, gpa - vpower_gas(w)->address, *val);
}

/* --- life cycle --- */

static int watch(struct vpower *p, enum watched w)
{
    const struct acpi_gas *gas = vpower_gas(w);
    paddr_t page = gas->address & PAGE_MASK;
    int err;

    if (!watched_exists(w))
        return 0;
    if (gas->space == GAS_MEMORY) {
        vpower_mapped[w] = machine_map(gas->address, vpower_bytes(w), true);
        err = vpower_mapped[w] ? s2_unmap(p->d, page >> PAGE_SHIFT, 1) : -XEN_ENOMEM;
        if (err)
            return err;
        err = mmio_register(p->d, page, page + PAGE_SIZE - 1, watched_page, p);
    } else if (gas->space == GAS_IO && gas->address <= 0xffff) {
        /* vPCI has the ports around reset control and the keyboard controller's has its own handler. */
        if (w == WATCH_RESET &&
            (gas->address == RESET_CONTROL || gas->address == KBC_COMMAND || gas->address == SYSTEM_CONTROL_A))
            return 0;
        err = pio_register(p->d, gas->address, gas->address + vpower_bytes(w) - 1, watched_fn[w], p);
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

static u8 pm1_type(u32 val)
{
    return val >> PM1_SLP_TYP_SHIFT & SLP_TYP_MASK;
}

/* Are these the values that enter the state? */
static bool values_fit(u32 a, u32 b, u8 state, bool extended)
{
    const struct acpi_sleep_state *s = &acpi_info.sleep[state];

    if (extended)
        return a == s->typ[0];
    return pm1_type(a) == s->typ[0] && (!acpi_info.pm1b_cnt.address || pm1_type(b) == s->typ[1]);
}

/* public/platform.h: XENPF_enter_acpi_sleep. S2 loses the processor as S3 does, and nobody has it. */
static int check_sleep(u32 a, u32 b, u8 state, bool extended)
{
    if (state < 1 || state > 5)
        return -XEN_EINVAL;
    if (extended ? a > SLP_TYP_MASK || (b > SLP_TYP_MASK && b != 0xff) : (a ^ b) & PM1_SLP_EN && b)
        return -XEN_EINVAL;
    if (!(extended ? acpi_info.sleep_control.address : acpi_info.pm1a_cnt.address))
        return -XEN_EPERM;
    if (state == 5)
        return 0;
    if (state == 2 || !acpi_info.sleep[state].valid)
        return -XEN_EOPNOTSUPP;
    return values_fit(a, b, state, extended) ? 0 : -XEN_EINVAL;
}

int vpower_enter_sleep(struct domain *d, u32 a, u32 b, u8 state, bool extended)
{
    struct suspend s = {.d = d, .by_call = true, .extended = extended, .val = {a, b}};
    int err = check_sleep(a, b, state, extended);

    if (!err && state == 3)
        err = suspend_request(&s);
    if (err) {
        log_warn("power: S%u refused (%d), domain %u goes on at once\n", state, err, d->id);
        return err;
    }
    if (state == 5) {
        log_info("power: domain %u powers off\n", d->id);
        domain_shutdown(d, SHUTDOWN_poweroff);
    } else if (state != 3) {
        vpower_machine_write(&s);
    }
    return 0;
}
