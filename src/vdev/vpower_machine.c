/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers that put the machine to sleep or end it, as Torii itself uses them: without a lock and without a page
 * table, since this is also how a panic ends.
 */
#include <torii/acpi.h>
#include <torii/iomap.h>
#include <torii/suspend.h>
#include <torii/vpower.h>

#include "vpower_regs.h"

/* Memory-mapped ones, mapped once so that the end needs no page table and no lock. */
void *vpower_mapped[WATCH_COUNT];

const struct acpi_gas *vpower_gas(enum watched w)
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
    case WATCH_SLEEP_STATUS:
        return &acpi_info.sleep_status;
    default:
        return &acpi_info.reset_reg;
    }
}

unsigned vpower_bytes(enum watched w)
{
    return w == WATCH_SLEEP || w == WATCH_SLEEP_STATUS || w == WATCH_RESET ? 1 : 2;
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
    const struct acpi_gas *gas = vpower_gas(w);

    if (!gas->address)
        return;
    if (gas->space == GAS_IO)
        out(gas->address, vpower_bytes(w), val);
    else if (gas->space == GAS_MEMORY)
        memory_write(vpower_mapped[w], vpower_bytes(w), val);
    else if (gas->space == GAS_PCI)
        config_write(gas->address, vpower_bytes(w), val);
}

u32 vpower_read(enum watched w)
{
    const struct acpi_gas *gas = vpower_gas(w);
    volatile void *p = vpower_mapped[w];

    if (gas->address && gas->space == GAS_IO)
        return in(gas->address, vpower_bytes(w));
    if (!gas->address || gas->space != GAS_MEMORY || !p)
        return 0;
    return vpower_bytes(w) == 1 ? *(volatile u8 *)p : *(volatile u16 *)p;
}

/* First the type, then the type with SLP_EN, in each block (ACPI 6.5 §16.1.3). */
static void pm1_sleep(u32 a, u32 b)
{
    register_write(WATCH_PM1A, a & ~PM1_SLP_EN);
    register_write(WATCH_PM1B, b & ~PM1_SLP_EN);
    register_write(WATCH_PM1A, a | PM1_SLP_EN);
    register_write(WATCH_PM1B, b | PM1_SLP_EN);
}

/* About a microsecond each: a write to the port that chipsets decode to nothing. Works before and after any timer. */
static void wait_us(unsigned us)
{
    while (us--)
        out(PORT_DELAY, 1, 0);
}

/* The other bits of the register stay: SCI_EN among them. */
u32 vpower_pm1_value(enum watched w, u8 type)
{
    return (vpower_read(w) & ~(PM1_SLP_EN | SLP_TYP_MASK << PM1_SLP_TYP_SHIFT)) | (u32)type << PM1_SLP_TYP_SHIFT;
}

/* --- sleep --- */

void vpower_machine_write(const struct suspend *s)
{
    if (s->extended)
        register_write(WATCH_SLEEP, s->val[0] << SLEEP_CONTROL_SLP_TYP_SHIFT | SLEEP_CONTROL_SLP_EN);
    else
        pm1_sleep(s->val[0], s->val[1]);
}

/* Both are cleared by writing a one. */
static bool woken(bool extended)
{
    return extended ? vpower_read(WATCH_SLEEP_STATUS) & SLEEP_STATUS_WAK_STS : vpower_read(WATCH_STATUS) & PM1_WAK_STS;
}

void vpower_machine_sleep(const struct suspend *s)
{
    register_write(WATCH_STATUS, PM1_WAK_STS);
    register_write(WATCH_SLEEP_STATUS, SLEEP_STATUS_WAK_STS);
    vpower_machine_write(s);
    for (unsigned i = 0; i < SLEEP_WAIT_US && !woken(s->extended); i++)
        wait_us(1);
}

/* --- the end --- */

void vpower_machine_off(void)
{
    if (acpi_info.sleep[5].valid && acpi_info.sleep_control.address) {
        register_write(WATCH_SLEEP,
                       (u32)acpi_info.sleep[5].typ[0] << SLEEP_CONTROL_SLP_TYP_SHIFT | SLEEP_CONTROL_SLP_EN);
        wait_us(OFF_WAIT_US);
    }
    if (acpi_info.sleep[5].valid && acpi_info.pm1a_cnt.address) {
        pm1_sleep(vpower_pm1_value(WATCH_PM1A, acpi_info.sleep[5].typ[0]),
                  vpower_pm1_value(WATCH_PM1B, acpi_info.sleep[5].typ[1]));
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
