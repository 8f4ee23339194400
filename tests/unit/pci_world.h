/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine made of PCI functions: configuration spaces with writable bits, device memory, vectors, stage 2. Everything
 * vPCI asks of other rooms is answered and recorded here.
 */
#ifndef TORII_TESTS_PCI_WORLD_H
#define TORII_TESTS_PCI_WORLD_H

#include <torii/domain.h>
#include <torii/irq.h>
#include <torii/pci.h>
#include <torii/stage2.h>
#include <torii/vpci.h>

#include "fakes.h"

struct world_fn {
    bool used;
    u32 sbdf;
    u8 cfg[PCIE_CONFIG_SIZE], writable[PCIE_CONFIG_SIZE];
    unsigned writes; /* accesses that reached the hardware */
    unsigned last_bytes, last_reg;
};

#define WORLD_FNS     16
#define WORLD_HANDLES 4096
#define WORLD_CPUS    4

struct world_msi {
    bool used, moving;
    unsigned count, cpu, old_cpu;
    irq_fn *fn;
    void *ctx;
    size_t stride;
    struct msi_message msg;
};

struct world_delivery {
    u32 dest;
    bool logical;
    u8 delivery, vector;
};

extern struct world_fn world[WORLD_FNS];
extern struct domain world_domain;
extern struct vcpu world_vcpu[WORLD_CPUS];
extern struct world_msi world_msi[WORLD_HANDLES];
extern unsigned world_msis_live, world_msi_room; /* how many more msi_alloc succeed */
extern struct world_delivery world_delivered[64];
extern unsigned world_deliveries, world_flushes, world_unmapped_pages, world_mapped_pages;
extern unsigned world_lookups; /* of stage 2, by runs */
extern int world_s2_map_error, world_mmio_error;
extern unsigned world_paddr_bits; /* the processors have; set back to 52 */
extern mfn_t world_protected; /* the page machine_page_is_protected names */
extern unsigned world_moves;
extern int world_moved_to; /* the CPU all vCPUs are on; -1: each on its own */
extern bool world_ports_left, world_data_passes; /* Torii leaves the ports alone; 0xcfc-0xcff reach the hardware */

void world_init(void);
/* Ends a test: no lock held, no vector left over after vpci_free. */
void world_fini(void);

/* A function with ids and class; header type 0. */
struct world_fn *world_add(u32 sbdf, u32 id, u16 class, u8 header);
void world_bar32(struct world_fn *f, unsigned n, u32 address, u32 size);
void world_bar64(struct world_fn *f, unsigned n, u64 address, u64 size);
void world_io_bar(struct world_fn *f, unsigned n, u16 address, u16 size);
void world_rom(struct world_fn *f, u32 address, u32 size);
/* Append a capability at `pos`: linked last. */
void world_cap(struct world_fn *f, u8 pos, u8 id);
void world_msi_cap(struct world_fn *f, u8 pos, bool is64, bool maskable, unsigned log2);
void world_msix_cap(struct world_fn *f, u8 pos, unsigned entries, u32 table, u32 pba);
void world_ext_cap(struct world_fn *f, u16 pos, u16 id);
u32 world_get(const struct world_fn *f, unsigned reg, unsigned bytes);
void world_set(struct world_fn *f, unsigned reg, unsigned bytes, u32 val);
void world_writable(struct world_fn *f, unsigned reg, unsigned bytes, u32 mask);
/* What a function-level reset does: registers and MSI-X tables as at power-up. */
void world_reset(struct world_fn *f);

/* Device memory at a machine address. */
u32 world_mem32(paddr_t pa);
void world_mem_set32(paddr_t pa, u32 val);

/* `bytes` of device memory at this offset of the 32-bit BAR in register `reg` follow it wherever it is written to. */
void world_track(struct world_fn *f, unsigned reg, u32 offset, unsigned bytes);

/* vpci_init and vpci_domain_add_devices. */
void world_start(void);

/* As the guest. */
u32 guest_read(u32 sbdf, unsigned reg, unsigned bytes);
void guest_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val);
u32 guest_in(u16 port, unsigned bytes);
void guest_out(u16 port, unsigned bytes, u32 val);
/* Through the registered handler; fails the test if the address is not trapped. */
u64 guest_mmio_read(gpa_t gpa, unsigned bytes);
void guest_mmio_write(gpa_t gpa, unsigned bytes, u64 val);
bool world_trapped(gpa_t gpa);

/* The page's stage-2 type. */
enum s2_type world_s2(gpa_t gpa);
void world_s2_set(gpa_t gpa, enum s2_type type);

/* The device sends this message: runs the handler of the vector it belongs to. False if no vector is bound to it. */
bool world_interrupt(u64 address, u32 data);

/* The world was used in a way that no test may: the end. */
void world_fail(const char *what);
/* The next vector the machine gives out. */
extern u32 world_next_vector;

#endif
