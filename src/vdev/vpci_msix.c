/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSI-X capability (PCI 3.0 §6.8.2). The table's pages are trapped: the guest sees the messages it wrote, the
 * device holds Torii's. An entry gets its vector when it first becomes active (unmasked, function enabled and not
 * masked) and keeps it until the function is disabled, so an interrupt pending behind a mask still has where to go.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/log.h>

#include "vpci_internal.h"

#define MSIX_CONTROL        2
#define MSIX_CONTROL_SIZE   0x07ff
#define MSIX_CONTROL_MASK   BIT(14)
#define MSIX_CONTROL_ENABLE BIT(15)
#define MSIX_TABLE          4
#define MSIX_PBA            8
#define MSIX_BIR            0x7u
#define MSIX_BYTES          12

#define ENTRY_BYTES   16
#define ENTRY_ADDRESS 0
#define ENTRY_HIGH    4
#define ENTRY_DATA    8
#define ENTRY_CONTROL 12
#define ENTRY_MASKED  BIT(0)

/* --- the hardware's table --- */

static volatile u32 *hardware_entry(struct vpci_msix *msix, unsigned i)
{
    u64 address = msix->table + i * ENTRY_BYTES;
    unsigned page = (address >> PAGE_SHIFT) - (msix->table >> PAGE_SHIFT);

    return machine_window(msix->page[page]->gfn << PAGE_SHIFT | (address & ~PAGE_MASK));
}

static void entry_interrupt(void *ctx)
{
    struct vpci_msix_entry *e = ctx;

    e->count++;
    vpci_route_deliver(e->dev->vpci->d, READ_ONCE(e->route));
}

static bool entry_active(const struct vpci_msix *msix, const struct vpci_msix_entry *e)
{
    return msix->enabled && !msix->function_masked && !(e->control & ENTRY_MASKED);
}

/* Vector and route of an entry that is active. True if it moved to another CPU: msi_move_done is then due. */
static bool entry_bind(struct vpci_dev *dev, struct vpci_msix_entry *e)
{
    vpci_route_t route = vpci_route(e->address, e->data);
    unsigned cpu = vpci_route_cpu(dev->vpci->d, route);
    struct msi_message msg;

    WRITE_ONCE(e->route, route);
    if (e->handle < 0) {
        e->handle = vpci_vectors_alloc(dev, 1, cpu, entry_interrupt, e, sizeof(*e), &e->physical, &e->cpu);
        e->dirty = true;
        return false;
    }
    if (cpu == e->cpu || msi_move(e->handle, cpu, &msg) < 0)
        return false;
    e->physical = msg;
    e->cpu = cpu;
    e->dirty = true;
    return true;
}

/* The message changes only while the entry is masked (PCI 3.0 §6.8.2, implementation note). */
static void entry_to_hardware(struct vpci_msix *msix, unsigned i)
{
    struct vpci_msix_entry *e = &msix->entry[i];
    volatile u32 *hw = hardware_entry(msix, i);
    u32 control = e->handle < 0 ? e->control | ENTRY_MASKED : e->control;

    if (e->dirty) {
        hw[ENTRY_CONTROL / 4] = control | ENTRY_MASKED;
        if (e->handle >= 0) {
            hw[ENTRY_ADDRESS / 4] = e->physical.address;
            hw[ENTRY_HIGH / 4] = e->physical.address >> 32;
            hw[ENTRY_DATA / 4] = e->physical.data;
        }
        e->dirty = false;
    }
    hw[ENTRY_CONTROL / 4] = control;
    /* Reading back flushes the writes, and brings in every message sent before them. */
    (void)hw[ENTRY_CONTROL / 4];
}

/* Masked ones too: their vectors are in use. */
void vpci_msix_rehome(struct vpci_dev *dev)
{
    for (unsigned i = 0; dev->msix && dev->msix->enabled && dev->msix->table && i < dev->msix->entries; i++)
        if (dev->msix->entry[i].handle >= 0 && entry_bind(dev, &dev->msix->entry[i])) {
            entry_to_hardware(dev->msix, i);
            msi_move_done(dev->msix->entry[i].handle);
        }
}

/* Make the hardware's entry agree with the guest's. */
static void entry_update(struct vpci_dev *dev, unsigned i)
{
    struct vpci_msix *msix = dev->msix;
    struct vpci_msix_entry *e = &msix->entry[i];
    bool moved = false;

    if (!msix->enabled || !msix->table)
        return;
    if (entry_active(msix, e))
        moved = entry_bind(dev, e);
    entry_to_hardware(msix, i);
    if (moved)
        msi_move_done(e->handle);
}

static void entries_update(struct vpci_dev *dev, bool all_dirty)
{
    unsigned i;

    for (i = 0; i < dev->msix->entries; i++) {
        dev->msix->entry[i].dirty |= all_dirty;
        if (dev->msix->entry[i].dirty || entry_active(dev->msix, &dev->msix->entry[i]))
            entry_update(dev, i);
    }
}

/* Decode must be on in the hardware for this. */
void vpci_msix_sync(struct vpci_dev *dev)
{
    if (dev->msix && dev->msix->enabled)
        entries_update(dev, false);
}

/* --- the capability and the size of its table --- */

/* What is wrong with a table of this size, or NULL. */
static const char *malformed_table(struct vpci_dev *dev, u8 pos, unsigned entries)
{
    u32 table = pci_read(dev->sbdf, pos + MSIX_TABLE, 4), pba = pci_read(dev->sbdf, pos + MSIX_PBA, 4);
    u64 table_at = table & ~MSIX_BIR, pba_at = pba & ~MSIX_BIR;
    u64 table_end = table_at + entries * ENTRY_BYTES, pba_end = pba_at + (entries + 63) / 64 * 8;

    if (!vpci_bar_size(dev, table & MSIX_BIR) || !vpci_bar_size(dev, pba & MSIX_BIR))
        return "names a BAR that is no memory BAR";
    if (table_end > vpci_bar_size(dev, table & MSIX_BIR))
        return "has its table outside the BAR";
    if (pba_end > vpci_bar_size(dev, pba & MSIX_BIR))
        return "has its pending bits outside the BAR";
    if (((table ^ pba) & MSIX_BIR) == 0 && table_at < pba_end && pba_at < table_end)
        return "has table and pending bits overlap";
    return NULL;
}

/* What is wrong with the capability, or NULL. */
static const char *malformed(struct vpci_dev *dev, u8 pos, unsigned entries)
{
    if (dev->msix)
        return "is the second";
    if (pos + MSIX_BYTES > PCI_CONFIG_SIZE || vpci_claimed(dev, pos + MSIX_CONTROL, MSIX_BYTES - MSIX_CONTROL))
        return "overlaps another";
    return malformed_table(dev, pos, entries);
}

/* Room for so many entries; NULL, and all as before, without memory. */
static struct vpci_msix *memory_get(struct vpci_dev *dev, unsigned entries)
{
    struct vpci_msix *msix = dev->msix_memory;
    struct vpci_msix_entry *entry;
    unsigned capacity = 1;

    if (!msix)
        msix = dev->msix_memory = xzalloc(sizeof(*msix));
    if (!msix || entries <= msix->capacity)
        return msix;
    while (capacity < entries)
        capacity *= 2;
    entry = xzalloc(capacity * sizeof(*entry));
    if (!entry)
        return NULL;
    if (msix->entry)
        msix->outgrown[msix->nr_outgrown++] = msix->entry;
    msix->entry = entry;
    msix->capacity = capacity;
    return msix;
}

static void entries_init(struct vpci_dev *dev, unsigned entries)
{
    struct vpci_msix *msix = dev->msix;

    msix->entries = entries;
    for (unsigned i = 0; i < entries; i++)
        msix->entry[i] = (struct vpci_msix_entry){.dev = dev, .control = ENTRY_MASKED, .handle = -1, .dirty = true};
}

/* Trap what so many entries need beyond the pages trapped already. */
static bool trap_entries(struct vpci_dev *dev, unsigned entries)
{
    struct vpci_msix *msix = dev->msix;
    gfn_t first = msix->table >> PAGE_SHIFT, last = (msix->table + entries * ENTRY_BYTES - 1) >> PAGE_SHIFT;

    while (msix->table && first + msix->nr_pages <= last) {
        msix->page[msix->nr_pages] = vpci_map_trap(dev, first + msix->nr_pages);
        if (!msix->page[msix->nr_pages])
            return false;
        msix->nr_pages++;
    }
    return true;
}

/*
 * Tables grow and shrink: a virtual function of an NVMe controller has as many entries as interrupts were assigned to
 * it (NVMe 1.4 §8.5). Whoever uses a table has looked at its size before. True if every entry of the hardware's table
 * is known.
 */
static bool follow_size(struct vpci_dev *dev, u16 control)
{
    struct vpci_msix *msix = dev->msix;
    unsigned entries = (control & MSIX_CONTROL_SIZE) + 1;

    if (msix->enabled || entries == msix->entries || control == 0xffff)
        return true;
    if (malformed_table(dev, msix->pos, entries) || !memory_get(dev, entries) || !trap_entries(dev, entries)) {
        log_warn("vPCI: " PCI_FMT " MSI-X table of %u entries, %u before: cannot be used\n", PCI_ARGS(dev->sbdf),
                 entries, msix->entries);
        return entries < msix->entries;
    }
    entries_init(dev, entries);
    return true;
}

/* --- control --- */

static void msix_disable(struct vpci_dev *dev)
{
    struct vpci_msix_entry *e;
    unsigned i;

    dev->msix->enabled = false;
    for (i = 0; i < dev->msix->entries; i++) {
        e = &dev->msix->entry[i];
        if (e->handle >= 0)
            msi_free(e->handle);
        e->handle = -1;
        WRITE_ONCE(e->route, 0);
    }
}

static u32 control_read(struct vpci_dev *dev, unsigned reg, void *ctx)
{
    u32 control = pci_read(dev->sbdf, reg, 2);

    follow_size(dev, control);
    return control;
}

/*
 * The table is written with the function masked, as it may hold anything when ENABLE was clear: after power-up, or
 * after a reset that neither Torii nor the guest's interrupt code took part in.
 */
static void control_write(struct vpci_dev *dev, unsigned reg, u32 val, void *ctx)
{
    struct vpci_msix *msix = dev->msix;
    u16 old = pci_read(dev->sbdf, reg, 2);
    bool was_masked = msix->function_masked;

    msix->function_masked = val & MSIX_CONTROL_MASK;
    if (val & MSIX_CONTROL_ENABLE && !follow_size(dev, old))
        val &= ~MSIX_CONTROL_ENABLE;
    if (!(val & MSIX_CONTROL_ENABLE)) {
        pci_write(dev->sbdf, reg, 2, val);
        msix_disable(dev);
        return;
    }
    if (!msix->enabled || !(old & MSIX_CONTROL_ENABLE)) {
        msix->enabled = true;
        pci_write(dev->sbdf, reg, 2, val | MSIX_CONTROL_MASK);
        entries_update(dev, true);
    } else if (was_masked && !msix->function_masked) {
        entries_update(dev, false);
    }
    pci_write(dev->sbdf, reg, 2, val);
}

void vpci_msix_restore(struct vpci_dev *dev)
{
    struct vpci_msix *msix = dev->msix;
    unsigned reg;
    u16 control;

    if (!msix || !msix->enabled)
        return;
    reg = msix->pos + MSIX_CONTROL;
    control = pci_read(dev->sbdf, reg, 2) | MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK;
    pci_write(dev->sbdf, reg, 2, control);
    if (vpci_header_decodes(dev))
        entries_update(dev, true);
    if (!msix->function_masked)
        pci_write(dev->sbdf, reg, 2, control & ~MSIX_CONTROL_MASK);
}

/* --- the guest's table --- */

static u32 guest_read(const struct vpci_msix_entry *e, unsigned field)
{
    switch (field) {
    case ENTRY_ADDRESS:
        return e->address;
    case ENTRY_HIGH:
        return e->address >> 32;
    case ENTRY_DATA:
        return e->data;
    default:
        return e->control;
    }
}

static void guest_write(struct vpci_msix_entry *e, unsigned field, u32 val)
{
    switch (field) {
    case ENTRY_ADDRESS:
        e->address = (e->address & ~0xffffffffull) | (val & ~3u);
        break;
    case ENTRY_HIGH:
        e->address = (e->address & 0xffffffffull) | (u64)val << 32;
        break;
    case ENTRY_DATA:
        e->data = val;
        break;
    default:
        e->control = val;
    }
}

/* Aligned accesses of 4 and 8 bytes are all the specification allows (PCI 3.0 §6.8.2). */
static void table_access(struct vpci_dev *dev, unsigned offset, unsigned bytes, bool write, u64 *val)
{
    struct vpci_msix_entry *e = &dev->msix->entry[offset / ENTRY_BYTES];
    unsigned field = offset % ENTRY_BYTES;

    if ((bytes != 4 && bytes != 8) || offset & (bytes - 1)) {
        if (!write)
            *val = ~0ull;
        return;
    }
    if (!write) {
        *val = guest_read(e, field);
        if (bytes == 8)
            *val |= (u64)guest_read(e, field + 4) << 32;
        return;
    }
    guest_write(e, field, *val);
    if (bytes == 8)
        guest_write(e, field + 4, *val >> 32);
    /* A new message takes effect when the entry is unmasked; if it is already, at once. */
    if (field + bytes > ENTRY_CONTROL || entry_active(dev->msix, e))
        entry_update(dev, offset / ENTRY_BYTES);
}

/* gpa lies in dev's table: do the access. False if not. */
static bool try_table(struct vpci_dev *dev, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct vpci_msix *msix;
    bool mine;

    vpci_lock(dev);
    msix = dev->msix;
    mine = msix && msix->table && gpa >= msix->table && gpa - msix->table < (u64)msix->entries * ENTRY_BYTES;
    if (mine)
        table_access(dev, gpa - msix->table, bytes, write, val);
    vpci_unlock(dev);
    return mine;
}

/* Pending bits or other registers that share the page: one hardware access of the guest's size. */
static void forward(struct vpci_page *page, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    volatile void *p;

    if (!write)
        *val = ~0ull;
    spin_lock(&page->vpci->map_lock);
    if (page->users && page->gfn == gpa >> PAGE_SHIFT && !(gpa & (bytes - 1))) {
        p = machine_window(gpa);
        switch (bytes) {
        case 1:
            write ? (void)(*(volatile u8 *)p = *val) : (void)(*val = *(volatile u8 *)p);
            break;
        case 2:
            write ? (void)(*(volatile u16 *)p = *val) : (void)(*val = *(volatile u16 *)p);
            break;
        case 4:
            write ? (void)(*(volatile u32 *)p = *val) : (void)(*val = *(volatile u32 *)p);
            break;
        case 8:
            write ? (void)(*(volatile u64 *)p = *val) : (void)(*val = *(volatile u64 *)p);
            break;
        }
    }
    spin_unlock(&page->vpci->map_lock);
}

void vpci_msix_access(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct vpci_page *page = ctx;
    struct vpci_dev *dev = READ_ONCE(page->owner);

    if (dev) {
        if (try_table(dev, gpa, bytes, write, val))
            return;
    } else {
        for (dev = atomic_load(&page->vpci->all); dev; dev = dev->all_next)
            if (READ_ONCE(dev->msix) && try_table(dev, gpa, bytes, write, val))
                return;
    }
    forward(page, gpa, bytes, write, val);
}

/* --- where the table is --- */

static void unplace(struct vpci_dev *dev)
{
    struct vpci_msix *msix = dev->msix;

    msix->table = 0;
    while (msix->nr_pages)
        vpci_map_untrap(dev, msix->page[--msix->nr_pages]);
}

void vpci_msix_place(struct vpci_dev *dev, u64 bar)
{
    struct vpci_msix *msix = dev->msix;
    u64 table = bar ? bar + msix->offset : 0, bytes = (u64)msix->entries * ENTRY_BYTES;
    gfn_t gfn;

    if (table && msix->offset + bytes > vpci_bar_size(dev, msix->bir))
        table = 0; /* the BAR was made smaller */
    if (table == msix->table)
        return;
    unplace(dev);
    if (!table)
        return;
    for (gfn = table >> PAGE_SHIFT; gfn <= (table + bytes - 1) >> PAGE_SHIFT; gfn++) {
        msix->page[msix->nr_pages] = vpci_map_trap(dev, gfn);
        if (!msix->page[msix->nr_pages]) {
            unplace(dev);
            return;
        }
        msix->nr_pages++;
    }
    msix->table = table;
}

/* --- life cycle --- */

int vpci_msix_setup(struct vpci_dev *dev, u8 pos, u8 link)
{
    struct vpci_msix *msix;
    const char *wrong;
    unsigned entries;
    u16 control;
    u32 table;

    control = pci_read(dev->sbdf, pos + MSIX_CONTROL, 2);
    if (control & MSIX_CONTROL_ENABLE)
        pci_write(dev->sbdf, pos + MSIX_CONTROL, 2, control & ~(MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK));
    entries = (control & MSIX_CONTROL_SIZE) + 1;
    wrong = malformed(dev, pos, entries);
    if (wrong) {
        log_warn("vPCI: " PCI_FMT " MSI-X capability %s: hidden\n", PCI_ARGS(dev->sbdf), wrong);
        return vpci_hide_capability(dev, pos, link);
    }
    msix = memory_get(dev, entries);
    if (!msix)
        return -XEN_ENOMEM;
    table = pci_read(dev->sbdf, pos + MSIX_TABLE, 4);
    msix->pos = pos;
    msix->bir = table & MSIX_BIR;
    msix->offset = table & ~MSIX_BIR;
    msix->enabled = msix->function_masked = false;
    dev->msix = msix;
    entries_init(dev, entries);
    return vpci_add_register(dev, pos + MSIX_CONTROL, 2, control_read, control_write, NULL);
}

void vpci_msix_teardown(struct vpci_dev *dev)
{
    unsigned reg;

    if (!dev->msix)
        return;
    if (dev->msix->enabled) {
        reg = dev->msix->pos + MSIX_CONTROL;
        pci_write(dev->sbdf, reg, 2, pci_read(dev->sbdf, reg, 2) & ~MSIX_CONTROL_ENABLE);
    }
    msix_disable(dev);
    unplace(dev);
    dev->msix = NULL;
}

void vpci_msix_dump(const struct vpci_dev *dev)
{
    const struct vpci_msix *msix = dev->msix;
    const struct vpci_msix_entry *e;
    unsigned i;

    if (!msix || !msix->enabled)
        return;
    log_info("  msi-x: %u entries, table 0x%llx%s\n", msix->entries, (unsigned long long)msix->table,
             msix->function_masked ? ", function masked" : "");
    for (i = 0; i < msix->entries; i++) {
        e = &msix->entry[i];
        if (e->handle >= 0)
            log_info("  msi-x %u: guest %08llx/%08x route %016llx, device %08llx/%04x cpu %u%s, %llu taken\n", i,
                     (unsigned long long)e->address, e->data, (unsigned long long)e->route,
                     (unsigned long long)e->physical.address, e->physical.data, e->cpu,
                     e->control & ENTRY_MASKED ? ", masked" : "", (unsigned long long)e->count);
    }
}
