/* SPDX-License-Identifier: BSD-2-Clause */
/* Layouts of the static tables, ACPI 6.5 (section at each), and what the files of this room share. */
#ifndef TORII_ACPI_DEFS_H
#define TORII_ACPI_DEFS_H

#include <torii/acpi.h>

/* §5.2.5.3 */
struct acpi_rsdp {
    char signature[8]; /* "RSD PTR " */
    u8 checksum;       /* of the first 20 bytes */
    char oem_id[6];
    u8 revision; /* 0: the structure ends before length */
    u32 rsdt;
    u32 length;
    u64 xsdt;
    u8 extended_checksum;
    u8 reserved[3];
} packed;
#define ACPI_RSDP_V1_BYTES 20

/* §5.2.12 */
struct acpi_madt {
    struct acpi_header header;
    u32 lapic_address, flags;
} packed;
#define ACPI_MADT_PCAT_COMPAT BIT(0)

struct acpi_subtable {
    u8 type, length;
} packed;

enum acpi_madt_type {
    ACPI_MADT_LAPIC = 0,
    ACPI_MADT_IOAPIC = 1,
    ACPI_MADT_OVERRIDE = 2,
    ACPI_MADT_NMI_SOURCE = 3,
    ACPI_MADT_LAPIC_NMI = 4,
    ACPI_MADT_LAPIC_ADDRESS = 5,
    ACPI_MADT_X2APIC = 9,
    ACPI_MADT_X2APIC_NMI = 10,
};

struct acpi_madt_lapic {
    struct acpi_subtable head;
    u8 uid, apic_id;
    u32 flags;
} packed;
#define ACPI_MADT_ENABLED        BIT(0)
#define ACPI_MADT_ONLINE_CAPABLE BIT(1)

struct acpi_madt_ioapic {
    struct acpi_subtable head;
    u8 id, reserved;
    u32 address, gsi_base;
} packed;

struct acpi_madt_override {
    struct acpi_subtable head;
    u8 bus, irq;
    u32 gsi;
    u16 flags;
} packed;

struct acpi_madt_nmi_source {
    struct acpi_subtable head;
    u16 flags;
    u32 gsi;
} packed;

struct acpi_madt_lapic_nmi {
    struct acpi_subtable head;
    u8 uid;
    u16 flags;
    u8 lint;
} packed;

struct acpi_madt_lapic_address {
    struct acpi_subtable head;
    u16 reserved;
    u64 address;
} packed;

struct acpi_madt_x2apic {
    struct acpi_subtable head;
    u16 reserved;
    u32 apic_id, flags, uid;
} packed;

struct acpi_madt_x2apic_nmi {
    struct acpi_subtable head;
    u16 flags;
    u32 uid;
    u8 lint, reserved[3];
} packed;

/* §5.2.9: as of revision 6.5; older ones end earlier, and what is missing reads as 0. */
struct acpi_fadt {
    struct acpi_header header;
    u32 facs, dsdt;
    u8 reserved0, profile;
    u16 sci;
    u32 smi_cmd;
    u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    u32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    u8 pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
    u16 p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
    u8 duty_offset, duty_width, day_alarm, month_alarm, century;
    u16 iapc_boot_arch;
    u8 reserved1;
    u32 flags;
    struct acpi_gas reset_reg;
    u8 reset_value;
    u16 arm_boot_arch;
    u8 minor;
    u64 x_facs, x_dsdt;
    struct acpi_gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0, x_gpe1;
    struct acpi_gas sleep_control, sleep_status;
    u64 hypervisor;
} packed;
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 6.5 table 5.9");
#define ACPI_FADT_BYTES_MIN     116 /* revision 1 */
#define ACPI_FADT_TMR_VAL_EXT   BIT(8)
#define ACPI_FADT_RESET_REG_SUP BIT(10)
#define ACPI_FADT_HW_REDUCED    BIT(20)
#define ACPI_BOOT_ARCH_NO_CMOS  BIT(5)

/* §5.2.10; has no checksum. */
struct acpi_facs {
    char signature[4];
    u32 length;
    u32 hardware_signature, waking_vector, global_lock, flags;
    u64 x_waking_vector;
    u8 version, reserved[3];
    u32 ospm_flags;
    u8 reserved2[24];
} packed;
_Static_assert(sizeof(struct acpi_facs) == 64, "ACPI 6.5 table 5.12");
#define ACPI_FACS_64BIT_WAKE BIT(0) /* OSPM flags */
#define ACPI_FACS_BYTES_MIN 64

/* PCI Firmware 3.3 §4.1.2 */
struct acpi_mcfg_table {
    struct acpi_header header;
    u64 reserved;
} packed;

struct acpi_mcfg_entry {
    u64 base;
    u16 segment;
    u8 bus_first, bus_last;
    u32 reserved;
} packed;

/* IA-PC HPET 1.0a §3.2.4 */
struct acpi_hpet_table {
    struct acpi_header header;
    u32 block_id;
    struct acpi_gas base;
    u8 number;
    u16 min_tick;
    u8 attributes;
} packed;

/* Microsoft, "Serial Port Console Redirection Table" */
struct acpi_spcr_table {
    struct acpi_header header;
    u8 interface, reserved0[3];
    struct acpi_gas base;
    u8 interrupt_type, irq;
    u32 gsi;
    u8 baud, parity, stop_bits, flow, terminal, language;
} packed;
#define ACPI_SPCR_16550      0x00
#define ACPI_SPCR_16450      0x01
#define ACPI_SPCR_16550_GAS  0x12
#define ACPI_SPCR_IRQ_PIC    BIT(0)
#define ACPI_SPCR_IRQ_IOAPIC BIT(1)

#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO     1

/* Larger than any table in use; a length above it is damage. */
#define ACPI_TABLE_BYTES_MAX (8u << 20)

/* Bytes add up to 0? */
bool acpi_sum_is_zero(const void *p, size_t bytes);

/* Map `bytes` at pa for reading after the address check; NULL (and a log line naming `what`) if refused. */
const void *acpi_map(paddr_t pa, size_t bytes, const char *what);
void acpi_unmap(const void *p, size_t bytes);
/* Map a whole table whose header, length and checksum are good. Its length is in the header. */
const struct acpi_header *acpi_map_table(paddr_t pa, const char *what);

/* rsdp.c: the first RSDP with good checksums to *out (revision 0: the fields after rsdt are 0); its address, if known.
 */
bool acpi_find_rsdp(struct acpi_rsdp *out, paddr_t *address);

/* digest.c, madt.c: read one table into acpi_info. */
void acpi_digest(const struct acpi_header *table);
void acpi_digest_madt(const struct acpi_header *table);

#endif
