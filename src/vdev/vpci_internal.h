/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of vPCI share. */
#ifndef TORII_VPCI_INTERNAL_H
#define TORII_VPCI_INTERNAL_H

#include <torii/irq.h>
#include <torii/lock.h>
#include <torii/pci.h>
#include <torii/vpci.h>

struct vcpu;
struct vpci_dev;

/* --- intercepted registers --- */

/* Both run with the device locked. A register is read and written as a whole; narrower accesses are merged before. */
typedef u32 vpci_read_fn(struct vpci_dev *dev, unsigned reg, void *ctx);
typedef void vpci_write_fn(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx);

struct vpci_register {
    u16 offset;
    u8 bytes;
    vpci_read_fn *read;
    vpci_write_fn *write;
    void *ctx;
    struct vpci_register *next; /* ascending offsets */
};

/* Claim 1, 2 or 4 aligned bytes. NULL read: the hardware's value; NULL write: dropped. -XEN_EINVAL, -XEN_EEXIST,
 * -XEN_ENOMEM. */
int vpci_add_register(struct vpci_dev *dev, unsigned offset, unsigned bytes, vpci_read_fn *read, vpci_write_fn *write,
                      void *ctx);
/* Somebody claimed one of these bytes. */
bool vpci_claimed(struct vpci_dev *dev, unsigned offset, unsigned bytes);
/* The capability list, whose register `link` leads to pos, leads past it, and its control word (pos + 2) is read-only.
 */
int vpci_hide_capability(struct vpci_dev *dev, u8 pos, u8 link);

/* --- base address registers and where they are mapped --- */

enum vpci_bar_type { BAR_NONE, BAR_IO, BAR_MEM, BAR_HIGH, BAR_ROM, BAR_VF };

/*
 * mapped, mapped_size: what takes part in the domain's map now; locked by vpci->map_lock. The rest by the device.
 * sizing_*: the guest wrote all ones while the BAR is decoded; reads give the size until it writes something else.
 */
struct vpci_bar {
    u8 type; /* enum vpci_bar_type; BAR_HIGH is the upper half of the one before */
    bool is64;
    bool sizing_low, sizing_high;
    u16 reg;
    u64 size; /* bytes; of one function for BAR_VF */
    u64 mapped, mapped_size;
};

#define VPCI_BARS_STD 6
#define VPCI_BAR_ROM  6
#define VPCI_BAR_VF0  7 /* a physical function's BARs for its virtual functions */
#define VPCI_BARS     13

/*
 * A page whose accesses are emulated because MSI-X tables live in it. Never freed, only reused: a handler may still be
 * looking at it. Locked by vpci->map_lock.
 */
struct vpci_page {
    gfn_t gfn;
    unsigned users;
    struct vpci *vpci;
    struct vpci_dev *owner; /* the only user, or NULL when there are several */
    struct vpci_page *next;
};

/* --- interrupts --- */

/*
 * Where a message goes, packed so that an interrupt handler reads it with one load and no lock:
 * destination 31:0, vector 39:32, delivery mode 42:40, logical 43, valid 63. 0: nowhere.
 */
typedef u64 vpci_route_t;
#define ROUTE_VALID BIT(63)
vpci_route_t vpci_route(u64 address, u32 data);
/* The physical CPU that should take the interrupt of this route. */
unsigned vpci_route_cpu(struct domain *d, vpci_route_t route);
/* Deliver to the guest; nothing for an invalid route. Any context. */
void vpci_route_deliver(struct domain *d, vpci_route_t route);
/* Vectors for `count` messages, on `cpu` if it has room, else on any other; *got is the CPU. Handle or -XEN_ENOSPC. */
int vpci_vectors_alloc(struct vpci_dev *dev, unsigned count, unsigned cpu, irq_fn *fn, void *ctx, size_t stride,
                       struct msi_message *msg, unsigned *got);

/* With the device locked: its messages go to the CPUs their vCPUs are on now. */
void vpci_msi_rehome(struct vpci_dev *dev);
void vpci_msix_rehome(struct vpci_dev *dev);

#define MSI_VECTORS_MAX 32
struct vpci_msi_vector {
    vpci_route_t route;
    struct domain *d;
    u64 count;
};

struct vpci_msi {
    u8 pos;
    bool is64, maskable;
    u8 max_log2; /* multiple message capable */
    bool enabled;
    unsigned count, cpu;
    int handle; /* -1: no vectors */
    struct msi_message physical;
    u64 address; /* the guest's */
    u16 data;
    u32 mask;
    struct vpci_msi_vector vector[MSI_VECTORS_MAX];
};

struct vpci_msix_entry {
    vpci_route_t route;
    struct vpci_dev *dev;
    u64 address; /* the guest's message and vector control */
    u32 data, control;
    bool dirty; /* the hardware's entry does not hold what it should */
    int handle; /* -1: no vector */
    unsigned cpu;
    struct msi_message physical;
    u64 count;
};

#define MSIX_GROWTH_MAX  11 /* from 1 entry to 2048 */
#define MSIX_TABLE_PAGES 9  /* 2048 entries of 16 bytes, not page aligned */
struct vpci_msix {
    u8 pos;
    u8 bir;
    u32 offset;                 /* of the table in its BAR, bytes */
    unsigned entries, capacity; /* entry[] has room for capacity */
    bool enabled, function_masked;
    u64 table; /* machine address while the table is trapped, else 0 */
    unsigned nr_pages;
    struct vpci_page *page[MSIX_TABLE_PAGES];
    struct vpci_msix_entry *entry;
    /* What entry[] was before it grew, each time twofold: an interrupt handler may still be looking at it. */
    struct vpci_msix_entry *outgrown[MSIX_GROWTH_MAX];
    unsigned nr_outgrown;
};

struct vpci_sriov {
    u16 pos;
    bool enabled, memory; /* VF Enable, VF MSE as last written */
    u16 first_offset, stride, nr;
};

/* --- a device and a domain's configuration space --- */

/* The buses behind a bridge (PCI-to-PCI bridge 1.2 §3.2.5.3); none while secondary is 0 or above subordinate. */
struct vpci_buses {
    u8 secondary, subordinate;
};

struct vpci_dev {
    struct vpci *vpci;
    u32 sbdf;
    u32 id;          /* device and vendor id it was set up for */
    spinlock_t lock; /* LOCK_VPCI */
    bool present, read_only;
    bool flush;      /* the domain's TLBs hold stale entries: flush after unlocking */
    bool vfs_dirty;  /* VF BARs changed: bring the virtual functions up to date after unlocking */
    bool removed;    /* the guest took it out: nothing is mapped until it looks for it again */
    bool renumbered; /* a bridge's buses changed from buses_before: see to them after unlocking */
    struct vpci_buses buses, buses_before;
    struct vpci_dev *hash_next, *all_next; /* insert only */
    struct vpci_register *registers;
    struct vpci_bar bar[VPCI_BARS];
    struct vpci_msi *msi; /* NULL: no such capability */
    struct vpci_msix *msix;
    struct vpci_sriov *sriov;
    /* Memory of the above, kept for reuse: an interrupt handler may still be looking at it. */
    struct vpci_msi *msi_memory;
    struct vpci_msix *msix_memory;
    struct vpci_sriov *sriov_memory;
    struct vpci_dev *pf; /* virtual function: the physical one */
    unsigned vf_index;
};

#define VPCI_BUCKETS 256
struct vpci {
    struct domain *d;
    u32 cf8;             /* configuration address as the domain latched it */
    bool data_passes;    /* 0xcfc-0xcff go to the hardware: cf8 names nothing that answers */
    spinlock_t cf8_lock; /* LOCK_VPCI_MAP: the two above, where ports may pass */
    spinlock_t map_lock; /* LOCK_VPCI_MAP: BAR placement, trapped pages, insertion of devices, ECAM list */
    struct vpci_dev *bucket[VPCI_BUCKETS];
    struct vpci_dev *all;
    struct vpci_page *pages, *spare_pages;
};

/* All ones, as an absent function reads. */
static inline u32 vpci_ones(unsigned bytes)
{
    return bytes >= 4 ? ~0u : (1u << bytes * 8) - 1;
}

struct vpci_dev *vpci_find(struct vpci *vpci, u32 sbdf);
/* As vpci_find, for an access of the guest's: a device that was not there before is set up. */
struct vpci_dev *vpci_device_for_access(struct vpci *vpci, u32 sbdf);
/* Set a device up, or again if another one has taken its place. */
int vpci_device_add(struct vpci *vpci, u32 sbdf);
/* What the guest's read of the id tells about the device. */
void vpci_id_was_read(struct vpci_dev *dev, unsigned bytes, u32 id);

/* vpci_access.c: claim the ports and every ECAM region known. 0 or -errno. */
int vpci_access_register(struct domain *d);
/* Region n, counted as pci_ecam_get does; how many there are. */
int vpci_ecam_register(struct domain *d, unsigned n);
unsigned vpci_ecam_regions(void);

/* Bring up every capability's handlers of a device that is not present yet / take them down. Device locked. */
int vpci_setup(struct vpci_dev *dev);
void vpci_teardown(struct vpci_dev *dev);
/* Lock; unlock and do what had to wait for it. */
void vpci_lock(struct vpci_dev *dev);
void vpci_unlock(struct vpci_dev *dev);

/* vpci_header.c. All with the device locked but vpci_buses_differ. */
int vpci_header_setup(struct vpci_dev *dev);
/* Make the domain's map agree with the hardware's BARs; `memory`: decode is on. */
void vpci_header_update(struct vpci_dev *dev, bool memory);
void vpci_header_teardown(struct vpci_dev *dev);
/* What answers on the bus may be another device when a bridge goes from `was` to `is`. */
bool vpci_buses_differ(const struct vpci_buses *was, const struct vpci_buses *is, u8 bus);
/* Memory decode is on (a virtual function follows its physical one). */
bool vpci_header_decodes(struct vpci_dev *dev);
/* A BAR's machine address as the hardware has it now, and its size; 0 if it is no memory BAR. */
u64 vpci_bar_address(struct vpci_dev *dev, unsigned n);
u64 vpci_bar_size(struct vpci_dev *dev, unsigned n);
/* Size of a memory BAR by the all-ones cycle; decode must be off. 0: not implemented. */
u64 vpci_bar_probe(u32 sbdf, unsigned reg, bool *is64);

/* vpci_map.c. The set of mapped BARs and trapped pages of a domain, and its effect on stage 2. Device locked. */
/* dev's BAR n is from now on [address, address + size), or nowhere for size 0. */
void vpci_map_bar(struct vpci_dev *dev, unsigned n, u64 address, u64 size);
/* Trap the page; NULL when out of memory. */
struct vpci_page *vpci_map_trap(struct vpci_dev *dev, gfn_t gfn);
void vpci_map_untrap(struct vpci_dev *dev, struct vpci_page *page);

/*
 * vpci_msi.c, vpci_msix.c, vpci_sriov.c, vpci_rebar.c. Device locked. setup: 0 also if the capability is missing, or
 * was hidden for being malformed; pos is where a listed one is, link the register that leads there.
 */
int vpci_msi_setup(struct vpci_dev *dev, u8 pos, u8 link);
void vpci_msi_teardown(struct vpci_dev *dev);
void vpci_msi_restore(struct vpci_dev *dev);
void vpci_msi_dump(const struct vpci_dev *dev);
int vpci_msix_setup(struct vpci_dev *dev, u8 pos, u8 link);
void vpci_msix_teardown(struct vpci_dev *dev);
void vpci_msix_restore(struct vpci_dev *dev);
void vpci_msix_dump(const struct vpci_dev *dev);
/* The table's BAR is decoded at `bar` from now on; 0: nowhere. Before the BAR itself is mapped. */
void vpci_msix_place(struct vpci_dev *dev, u64 bar);
/* Decode is on in the hardware: write the entries that could not be written before. */
void vpci_msix_sync(struct vpci_dev *dev);
/* One access to a trapped page; takes the owner's lock. */
void vpci_msix_access(struct vcpu *v, void *page, gpa_t gpa, unsigned bytes, bool write, u64 *val);
int vpci_sriov_setup(struct vpci_dev *dev);
void vpci_sriov_teardown(struct vpci_dev *dev);
/* Look again whether virtual functions are on: the hardware was reset. */
void vpci_sriov_woke(struct vpci_dev *dev);
/* If sbdf is an enabled virtual function of pf: its index, else -1. */
int vpci_sriov_index(const struct vpci_dev *pf, u32 sbdf);
int vpci_rebar_setup(struct vpci_dev *dev);

#endif
