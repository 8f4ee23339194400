/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers that end or suspend the machine. */
#ifndef TORII_VPOWER_REGS_H
#define TORII_VPOWER_REGS_H

#include <torii/acpi.h>
#include <torii/types.h>

/* Generic address structure, address space id (ACPI 6.5 §5.2.3.2). */
#define GAS_MEMORY 0
#define GAS_IO     1
#define GAS_PCI    2 /* bus 0: device 47:32, function 31:16, register 15:0 */

/* PM1 status and control (ACPI 6.5 §4.8.3.1.1, §4.8.3.2.1). */
#define PM1_WAK_STS       0x8000u
#define PM1_SLP_EN        0x2000u
#define PM1_SLP_TYP_SHIFT 10
#define SLP_TYP_MASK      7u

/* SLEEP_CONTROL of hardware-reduced ACPI (§4.8.3.7). */
#define SLEEP_CONTROL_SLP_EN        0x20u
#define SLEEP_CONTROL_SLP_TYP_SHIFT 2

/* SLEEP_STATUS (§4.8.3.7). */
#define SLEEP_STATUS_WAK_STS 0x80u

/* PCI configuration mechanism 1, for a reset register that is there. */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

/* Chipset reset control (Intel 82371 §2.6.1). */
#define RESET_CONTROL         0xcf9
#define RESET_CONTROL_SYS_RST 0x02u
#define RESET_CONTROL_RST_CPU 0x04u

/* Keyboard controller (8042): a command that pulses output line 0. */
#define KBC_COMMAND     0x64
#define KBC_RESET       0xfeu
#define KBC_PULSE_MASK  0xf1u
#define KBC_PULSE_RESET 0xf0u

/* System control port A (PS/2): fast reset. */
#define SYSTEM_CONTROL_A       0x92
#define SYSTEM_CONTROL_A_RESET 0x01u

/* PM1 control as emulators place it: QEMU, Bochs and QEMU before 1.5, VirtualBox. */
#define QEMU_PM1_CONTROL       0x604
#define BOCHS_PM1_CONTROL      0xb004
#define VIRTUALBOX_PM1_CONTROL 0x4004

#define PORT_DELAY    0x80
#define RESET_WAIT_US 50000
#define OFF_WAIT_US   500000
#define SLEEP_WAIT_US 5000000

/* --- vpower_machine.c: the registers of the tables --- */

enum watched { WATCH_PM1A, WATCH_PM1B, WATCH_STATUS, WATCH_SLEEP, WATCH_SLEEP_STATUS, WATCH_RESET, WATCH_COUNT };

/* Memory-mapped ones; set by whoever maps them. */
extern void *vpower_mapped[WATCH_COUNT];
const struct acpi_gas *vpower_gas(enum watched w);
/* How wide the register is. */
unsigned vpower_bytes(enum watched w);
/* A PM1 or sleep register; 0 if it cannot be read. */
u32 vpower_read(enum watched w);
/* PM1 control as it is, with this sleep type and without SLP_EN. */
u32 vpower_pm1_value(enum watched w, u8 type);

#endif
