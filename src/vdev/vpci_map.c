/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of device memory a domain reaches directly. Nothing is counted: what a page should be follows from all
 * mapped BARs, the trapped pages and the firmware's memory map, and is worked out anew for each range that changes.
 * So BARs smaller than a page, overlapping ones and pages mapped earlier at first touch need no special care.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/boot_info.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/stage2.h>

#include "vpci_internal.h"

enum span_kind { SPAN_NONE, SPAN_DIRECT, SPAN_TRAP, SPAN_FIRMWARE };

/* Cut [pfn, *end] at the border of [first, last]: true if pfn is inside. */
static bool span_cut(mfn_t pfn, mfn_t *end, mfn_t first, mfn_t last)
{
    if (pfn < first) {
        if (first <= *end)
            *end = first - 1;
        return false;
    }
    if (pfn > last)
        return false;
    *end = min(*end, last);
    return true;
}

/* The firmware's map lists the page: RAM, or memory that is mapped for the domain's whole life. */
static bool span_in_e820(mfn_t pfn, mfn_t *end)
{
    const struct e820_entry *e;
    bool inside = false;
    unsigned i;

    for (i = 0; i < boot_info.e820.nr; i++) {
        e = &boot_info.e820.entry[i];
        if (e->size)
            inside |= span_cut(pfn, end, e->addr >> PAGE_SHIFT, (e->addr + e->size - 1) >> PAGE_SHIFT);
    }
    return inside;
}

static bool span_trapped(const struct vpci *vpci, mfn_t pfn, mfn_t *end)
{
    const struct vpci_page *p;
    bool inside = false;

    for (p = vpci->pages; p; p = p->next)
        inside |= span_cut(pfn, end, p->gfn, p->gfn);
    return inside;
}

static bool span_in_bar(const struct vpci *vpci, mfn_t pfn, mfn_t *end)
{
    const struct vpci_dev *dev;
    const struct vpci_bar *bar;
    bool inside = false;

    for (dev = vpci->all; dev; dev = dev->all_next)
        for (bar = dev->bar; bar < dev->bar + VPCI_BARS; bar++)
            if (bar->mapped_size)
                inside |=
                    span_cut(pfn, end, bar->mapped >> PAGE_SHIFT, (bar->mapped + bar->mapped_size - 1) >> PAGE_SHIFT);
    return inside;
}

/* What the pages from pfn on should be, and how far (*end, at most `last`) that goes. */
static enum span_kind span_find(const struct vpci *vpci, mfn_t pfn, mfn_t last, mfn_t *end)
{
    bool trapped, listed, direct;

    *end = last;
    trapped = span_trapped(vpci, pfn, end);
    listed = span_in_e820(pfn, end);
    direct = span_in_bar(vpci, pfn, end);
    if (trapped)
        return SPAN_TRAP;
    if (listed)
        return SPAN_FIRMWARE;
    return direct ? SPAN_DIRECT : SPAN_NONE;
}

static bool device_memory(enum s2_type type)
{
    return type == S2_MMIO || type == S2_FIXUP;
}

/*
 * BARs may have billions of bytes, so the loops below go by entries of stage 2, not by pages. How many pages from pfn
 * on, at most to `last`, are of one type:
 */
static u64 same_type(struct domain *d, mfn_t pfn, mfn_t last, enum s2_type *type)
{
    u64 nr;

    *type = s2_lookup_run(d, pfn, &nr);
    return min(nr, last + 1 - pfn);
}

/* Make device memory of the range absent; other things the guest put there stay. True if something was removed. */
static bool span_unmap(struct domain *d, mfn_t first, mfn_t last)
{
    bool removed = false;
    enum s2_type type;
    mfn_t pfn;
    u64 nr;

    for (pfn = first; pfn <= last; pfn += nr) {
        nr = same_type(d, pfn, last, &type);
        if (!device_memory(type))
            continue;
        s2_unmap(d, pfn, nr);
        removed = true;
    }
    return removed;
}

/* The first page from pfn on that no BAR may uncover: Torii's own, or one whose accesses have a handler (ECAM, ...). */
static mfn_t kept_from(struct domain *d, mfn_t pfn)
{
    mfn_t protected = machine_protected_from(pfn);
    struct mmio_range range;

    return mmio_next(d, pfn << PAGE_SHIFT, &range) ? min(protected, max(range.first >> PAGE_SHIFT, pfn)) : protected;
}

/* How many pages from pfn on may be reached directly, or, if none, are to be left out (*free false): they are kept, or
 * the guest put something else at their addresses. */
static u64 same_use(struct domain *d, mfn_t pfn, mfn_t last, bool *free)
{
    mfn_t kept = kept_from(d, pfn);
    enum s2_type type;
    u64 nr;

    *free = false;
    if (kept == pfn)
        return 1;
    nr = same_type(d, pfn, last, &type);
    *free = type == S2_NONE || device_memory(type);
    return min(nr, kept - pfn);
}

static void span_map(struct domain *d, mfn_t first, mfn_t last)
{
    mfn_t pfn, run = first;
    int err = 0;
    bool free;
    u64 nr;

    for (pfn = first; pfn <= last && !err; pfn += nr) {
        nr = same_use(d, pfn, last, &free);
        if (!free) {
            if (pfn > run)
                err = s2_map(d, run, run, pfn - run, S2_MMIO, S2_READ | S2_WRITE);
            run = pfn + nr;
        }
    }
    if (!err && pfn > run)
        err = s2_map(d, run, run, pfn - run, S2_MMIO, S2_READ | S2_WRITE);
    if (err)
        log_warn("vPCI: device memory 0x%llx-0x%llx left to be mapped at first touch: error %d\n",
                 (unsigned long long)first << PAGE_SHIFT, ((unsigned long long)(last + 1) << PAGE_SHIFT) - 1, err);
}

/* Bring stage 2 of the pages first..last up to date. map_lock held. True if translations were removed. */
static bool span_apply(struct vpci *vpci, mfn_t first, mfn_t last)
{
    bool removed = false;
    mfn_t pfn, end;

    for (pfn = first; pfn <= last; pfn = end + 1) {
        switch (span_find(vpci, pfn, last, &end)) {
        case SPAN_DIRECT:
            span_map(vpci->d, pfn, end);
            break;
        case SPAN_TRAP:
        case SPAN_NONE:
            removed |= span_unmap(vpci->d, pfn, end);
            break;
        case SPAN_FIRMWARE:
            break;
        }
    }
    return removed;
}

static bool bar_apply(struct vpci *vpci, u64 address, u64 size)
{
    return size && span_apply(vpci, address >> PAGE_SHIFT, (address + size - 1) >> PAGE_SHIFT);
}

void vpci_map_bar(struct vpci_dev *dev, unsigned n, u64 address, u64 size)
{
    struct vpci_bar *bar = &dev->bar[n];
    u64 old = bar->mapped, old_size = bar->mapped_size, limit = machine_paddr_limit();

    if (address >= limit || size > limit - address)
        size = 0;
    if (!size)
        address = 0;
    if (old == address && old_size == size)
        return;
    spin_lock(&dev->vpci->map_lock);
    bar->mapped = address;
    bar->mapped_size = size;
    dev->flush |= bar_apply(dev->vpci, old, old_size);
    dev->flush |= bar_apply(dev->vpci, address, size);
    spin_unlock(&dev->vpci->map_lock);
}

/* --- trapped pages --- */

static struct vpci_page *page_find(struct vpci *vpci, gfn_t gfn)
{
    struct vpci_page *p = vpci->pages;

    while (p && p->gfn != gfn)
        p = p->next;
    return p;
}

static struct vpci_page *page_new(struct vpci *vpci)
{
    struct vpci_page *p = vpci->spare_pages;

    if (p) {
        vpci->spare_pages = p->next;
        return p;
    }
    p = xzalloc(sizeof(*p));
    if (p)
        p->vpci = vpci;
    return p;
}

static void page_release(struct vpci *vpci, struct vpci_page *p)
{
    p->next = vpci->spare_pages;
    vpci->spare_pages = p;
}

static struct vpci_page *page_create(struct vpci_dev *dev, gfn_t gfn)
{
    struct vpci *vpci = dev->vpci;
    struct vpci_page *p = page_new(vpci);
    int err;

    if (!p)
        return NULL;
    err = mmio_register(vpci->d, gfn << PAGE_SHIFT, (gfn << PAGE_SHIFT) + PAGE_SIZE - 1, vpci_msix_access, p);
    if (err) {
        log_err("vPCI: " PCI_FMT " MSI-X page 0x%llx not trapped: error %d\n", PCI_ARGS(dev->sbdf),
                (unsigned long long)gfn << PAGE_SHIFT, err);
        page_release(vpci, p);
        return NULL;
    }
    p->gfn = gfn;
    p->next = vpci->pages;
    vpci->pages = p;
    return p;
}

/* A BAR may stand anywhere while it is not assigned; RAM and Torii's pages are no tables. */
static bool page_may_trap(gfn_t gfn)
{
    return gfn < machine_paddr_limit() >> PAGE_SHIFT && !machine_page_is_ram(gfn) && !machine_page_is_protected(gfn);
}

struct vpci_page *vpci_map_trap(struct vpci_dev *dev, gfn_t gfn)
{
    struct vpci *vpci = dev->vpci;
    struct vpci_page *p;

    if (!page_may_trap(gfn))
        return NULL;
    spin_lock(&vpci->map_lock);
    p = page_find(vpci, gfn);
    if (!p)
        p = page_create(dev, gfn);
    if (p) {
        WRITE_ONCE(p->owner, p->users++ ? NULL : dev);
        dev->flush |= span_apply(vpci, gfn, gfn);
    }
    spin_unlock(&vpci->map_lock);
    return p;
}

void vpci_map_untrap(struct vpci_dev *dev, struct vpci_page *page)
{
    struct vpci *vpci = dev->vpci;
    struct vpci_page **link = &vpci->pages;

    spin_lock(&vpci->map_lock);
    if (--page->users == 0) {
        while (*link != page)
            link = &(*link)->next;
        *link = page->next;
        mmio_unregister(vpci->d, page->gfn << PAGE_SHIFT, (page->gfn << PAGE_SHIFT) + PAGE_SIZE - 1);
        page->owner = NULL;
        dev->flush |= span_apply(vpci, page->gfn, page->gfn);
        page->gfn = INVALID_MFN;
        page_release(vpci, page);
    }
    spin_unlock(&vpci->map_lock);
}
