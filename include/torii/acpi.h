/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI: finding the machine's static tables, and building the ones Dom0 gets. Torii never interprets AML. */
#ifndef TORII_ACPI_H
#define TORII_ACPI_H

#include <torii/types.h>

struct domain;

/* ACPI 6.5 §5.2.6. */
struct acpi_header {
    char signature[4];
    u32 length;
    u8 revision, checksum;
    char oem_id[6], oem_table_id[8];
    u32 oem_revision;
    char creator_id[4];
    u32 creator_revision;
} packed;

#define ACPI_CPUS_MAX 256
#define ACPI_IOAPICS_MAX 16
#define ACPI_OVERRIDES_MAX 32
#define ACPI_MCFG_MAX 16
#define ACPI_TABLES_MAX 64

struct acpi_cpu {
    u32 apic_id, uid;
    bool enabled;
    u32 number; /* among the enabled: in the MADT's order, then as they came */
};

struct acpi_ioapic {
    u8 id;
    u32 address, gsi_base;
};

struct acpi_override {
    u8 bus, irq;
    u32 gsi;
    u16 flags; /* MPS INTI flags: polarity bits 1:0, trigger bits 3:2 */
};

struct acpi_nmi {
    bool local;    /* LAPIC NMI (uid, lint) else NMI source (gsi) */
    u32 uid, gsi;
    u16 flags;
    u8 lint;
};

struct acpi_mcfg {
    paddr_t base; /* of bus 0 of the segment, as the table says */
    u16 segment;
    u8 bus_first, bus_last;
};

/* ACPI 6.5 §5.2.3.2. space: 0 memory, 1 I/O. address 0 = not there. */
struct acpi_gas {
    u8 space, width, offset, access;
    u64 address;
} packed;

/* A \_Sn package, found in the AML byte stream without executing it. */
struct acpi_sleep_state {
    bool valid;
    u8 typ[2]; /* SLP_TYPa, SLP_TYPb */
};

struct acpi_table {
    char signature[5];
    paddr_t address;
    u32 length;
    u8 revision;
    unsigned processors; /* processor objects its AML defines */
};

/* What the static tables say, digested once at boot. */
struct acpi_info {
    bool present;
    paddr_t rsdp;
    u8 rsdp_revision;
    unsigned nr_tables;
    struct acpi_table table[ACPI_TABLES_MAX];
    u32 lapic_address;
    bool pcat_compat;
    u8 madt_revision;
    unsigned nr_cpus, nr_ioapics, nr_overrides, nr_nmis, nr_mcfg;
    struct acpi_cpu cpu[ACPI_CPUS_MAX];
    struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
    struct acpi_override override[ACPI_OVERRIDES_MAX];
    struct acpi_nmi nmi[ACPI_OVERRIDES_MAX];
    struct acpi_mcfg mcfg[ACPI_MCFG_MAX];
    /* FADT */
    u16 sci;
    struct acpi_gas pm1a_cnt, pm1b_cnt, pm1a_evt, pm_tmr, reset_reg, sleep_control, sleep_status;
    struct acpi_gas gpe0; /* both halves: status, then enable */
    u8 reset_value;
    bool pm_tmr_32bit, reset_supported, hw_reduced;
    bool no_cmos_rtc;    /* IAPC_BOOT_ARCH bit 5 */
    u8 rtc_century;      /* CMOS register that holds the century, 0: none */
    u32 smi_cmd;
    paddr_t dsdt, facs;
    u32 dsdt_length;          /* 0: none that is usable */
    unsigned dsdt_processors; /* processor objects it defines */
    struct acpi_sleep_state sleep[6]; /* by number */
    /* HPET */
    paddr_t hpet;
    /* SPCR */
    bool spcr_present;
    struct acpi_gas spcr;
    u32 spcr_gsi;  /* 0: polled */
    u32 spcr_baud; /* 0: as firmware left it */
};

extern struct acpi_info acpi_info;

/*
 * Find the tables and fill acpi_info: through boot_info.rsdp_copy or .rsdp, else the EFI configuration tables, else a scan
 * of the BIOS areas. Needs machine_map. 0, or -XEN_ENODEV: no usable RSDP, XSDT or RSDT. A bad table is logged and left
 * out, never an error. Boot context, once.
 */
int acpi_init(void);

/*
 * Who may veto an address before acpi_init reads there (bytes > 0, no wrap): memory of Torii's own. Set before acpi_init.
 * Without one only addresses that no CPU can have are refused.
 */
typedef bool acpi_address_ok_fn(paddr_t pa, size_t bytes);
void acpi_set_address_check(acpi_address_ok_fn *ok);

/* A processor that was not enabled at boot is now: the next in number. */
void acpi_enable_cpu(struct acpi_cpu *cpu);

/* The first table with this signature, or NULL. */
const struct acpi_table *acpi_find(const char signature[4]);

/*
 * Sleep types of Name(\_Sn, Package) in an AML byte stream, found by its encoding and not by running it. `name` is the
 * segment, "_S5_". False, typ untouched, when there is none whose elements are plain integers 0 - 7. Pure.
 */
bool acpi_find_sleep_types(const u8 *aml, size_t bytes, const char name[4], u8 typ[2]);

/* Where firmware goes when the machine wakes up: the FACS's waking vectors (ACPI 6.5 §5.2.10), 0: none. */
struct acpi_waking {
    u32 real; /* in real mode */
    u64 flat; /* in protected mode, before the other one; by long mode if is64 */
    bool is64;
};
/* What the OS has stored; false: no FACS. Then something else in its place. Machine memory, nobody else writes
 * meanwhile. */
bool acpi_waking_get(struct acpi_waking *w);
void acpi_waking_set(const struct acpi_waking *w);

/* To the log, for the debug console. */
void acpi_dump(void);

#endif
