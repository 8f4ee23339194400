/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies between Torii and guest memory, and pins on pages of guest RAM.
 *
 * A copy looks a frame up in stage 2 and then touches it. Another CPU may take the frame away in between, so the two
 * lie in an access section: each physical CPU has a counter that is odd inside one, and guest_quiesce waits until every
 * counter that was odd has moved on. Entering costs one locked store to a line of the CPU's own; there is no shared
 * one.
 */
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/stage2.h>

static struct access_slot {
    u64 seq;        /* odd: in a section */
    unsigned depth; /* own CPU only */
} __attribute__((aligned(64))) access_slot[MAX_CPUS];

void guest_access_begin(void)
{
    struct access_slot *slot = &access_slot[cpu_this()];

    /* Sequentially consistent: no look-up may pass it. */
    if (slot->depth++ == 0)
        atomic_store(&slot->seq, slot->seq + 1);
}

void guest_access_end(void)
{
    struct access_slot *slot = &access_slot[cpu_this()];

    assert(slot->depth > 0);
    if (--slot->depth == 0)
        __atomic_store_n(&slot->seq, slot->seq + 1, __ATOMIC_RELEASE);
}

void guest_quiesce(void)
{
    unsigned cpu;
    u64 seq;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (cpu = 0; cpu < MAX_CPUS; cpu++) {
        seq = atomic_load(&access_slot[cpu].seq);
        while ((seq & 1) && atomic_load(&access_slot[cpu].seq) == seq)
            cpu_relax();
    }
}

static bool is_ram(enum s2_type type)
{
    switch (type) {
    case S2_RAM:
    case S2_XEN:
    case S2_GRANT:
    case S2_GRANT_RO:
    case S2_FOREIGN:
        return true;
    case S2_NONE:
    case S2_MMIO:
    case S2_FIXUP:
        break;
    }
    return false;
}

void *guest_ram(struct domain *d, gpa_t gpa, bool write)
{
    unsigned access;
    mfn_t mfn;
    enum s2_type type = s2_lookup(d, gpa >> PAGE_SHIFT, &mfn, &access);

    if (!is_ram(type) || !(access & (write ? S2_WRITE : S2_READ)) || (write && type == S2_GRANT_RO))
        return NULL;
    return (u8 *)mfn_to_virt(mfn) + (gpa & (PAGE_SIZE - 1));
}

static size_t bytes_in_page(u64 addr, size_t bytes)
{
    return min(bytes, (size_t)(PAGE_SIZE - (addr & (PAGE_SIZE - 1))));
}

/* bytes lie within one page. */
static int copy_page(struct domain *d, gpa_t gpa, void *buf, size_t bytes, bool to_guest)
{
    void *p = guest_ram(d, gpa, to_guest);

    if (!p)
        return -XEN_EFAULT;
    if (to_guest)
        memcpy(p, buf, bytes);
    else
        memcpy(buf, p, bytes);
    return 0;
}

static int copy_linear(struct vcpu *v, u64 gva, void *buf, size_t bytes, bool to_guest)
{
    size_t chunk;
    gpa_t gpa;
    int rc = 0;

    if (bytes && gva + (bytes - 1) < gva)
        return -XEN_EFAULT;
    for (; bytes && !rc; gva += chunk, buf = (u8 *)buf + chunk, bytes -= chunk) {
        chunk = bytes_in_page(gva, bytes);
        guest_access_begin();
        rc = guest_linear_to_gpa(v, gva, to_guest, &gpa);
        if (!rc)
            rc = copy_page(v->d, gpa, buf, chunk, to_guest);
        guest_access_end();
    }
    return rc;
}

static int copy_physical(struct domain *d, gpa_t gpa, void *buf, size_t bytes, bool to_guest)
{
    size_t chunk;
    int rc = 0;

    if (bytes && gpa + (bytes - 1) < gpa)
        return -XEN_EFAULT;
    for (; bytes && !rc; gpa += chunk, buf = (u8 *)buf + chunk, bytes -= chunk) {
        chunk = bytes_in_page(gpa, bytes);
        guest_access_begin();
        rc = copy_page(d, gpa, buf, chunk, to_guest);
        guest_access_end();
    }
    return rc;
}

int copy_from_guest(struct vcpu *v, void *dst, u64 gva, size_t bytes)
{
    return copy_linear(v, gva, dst, bytes, false);
}

int copy_to_guest(struct vcpu *v, u64 gva, const void *src, size_t bytes)
{
    return copy_linear(v, gva, (void *)src, bytes, true);
}

int copy_from_gpa(struct domain *d, void *dst, gpa_t gpa, size_t bytes)
{
    return copy_physical(d, gpa, dst, bytes, false);
}

int copy_to_gpa(struct domain *d, gpa_t gpa, const void *src, size_t bytes)
{
    return copy_physical(d, gpa, (void *)src, bytes, true);
}

/* --- pins --- */

#define PINS_ORDER   2
#define PINS_BUCKETS (((PAGE_SIZE << PINS_ORDER) - 16) / (2 * sizeof(struct pin *)))

struct pin {
    gfn_t gfn;
    mfn_t mfn;
    u32 count;
    struct pin *next_gfn, *next_mfn; /* in their buckets */
};

/*
 * Each granted page in use by another domain is pinned, so there may be as many as a domain has pages: two hash tables
 * of the same entries, by what guest_page_is_pinned and guest_page_put know.
 */
struct guest_pins {
    spinlock_t lock;
    struct pin *by_gfn[PINS_BUCKETS], *by_mfn[PINS_BUCKETS];
};

/* The domain's table, made at the first pin; NULL without memory. */
static struct guest_pins *pins_of(struct domain *d)
{
    struct guest_pins *pins = atomic_load(&d->pins), *fresh;

    _Static_assert(sizeof(struct guest_pins) <= PAGE_SIZE << PINS_ORDER, "the table fits its frames");
    if (pins)
        return pins;
    fresh = frames_alloc(PINS_ORDER);
    if (!fresh)
        return NULL;
    spin_lock_init(&fresh->lock, LOCK_GUEST);
    if (atomic_cmpxchg(&d->pins, &pins, fresh))
        return fresh;
    frames_free(fresh, PINS_ORDER);
    return pins;
}

static struct pin *pin_find(const struct guest_pins *pins, gfn_t gfn)
{
    struct pin *p = pins->by_gfn[gfn % PINS_BUCKETS];

    while (p && p->gfn != gfn)
        p = p->next_gfn;
    return p;
}

static bool pin_insert(struct guest_pins *pins, gfn_t gfn, mfn_t mfn)
{
    struct pin **gfn_head = &pins->by_gfn[gfn % PINS_BUCKETS], **mfn_head = &pins->by_mfn[mfn % PINS_BUCKETS];
    struct pin *p = xzalloc(sizeof(*p));

    if (!p)
        return false;
    *p = (struct pin){gfn, mfn, 1, *gfn_head, *mfn_head};
    *gfn_head = *mfn_head = p;
    return true;
}

/* False without memory, or while a frame that was at gfn before is still in use. */
static bool pin_add(struct guest_pins *pins, gfn_t gfn, mfn_t mfn)
{
    struct pin *p;
    bool added;

    spin_lock(&pins->lock);
    p = pin_find(pins, gfn);
    added = p ? p->mfn == mfn && p->count < UINT32_MAX : pin_insert(pins, gfn, mfn);
    if (p && added)
        p->count++;
    spin_unlock(&pins->lock);
    return added;
}

static void pin_remove(struct guest_pins *pins, struct pin *p)
{
    struct pin **link = &pins->by_gfn[p->gfn % PINS_BUCKETS];

    while (*link != p)
        link = &(*link)->next_gfn;
    *link = p->next_gfn;
    link = &pins->by_mfn[p->mfn % PINS_BUCKETS];
    while (*link != p)
        link = &(*link)->next_mfn;
    *link = p->next_mfn;
    xfree(p);
}

/* False if it is not pinned. */
static bool pin_drop(struct guest_pins *pins, mfn_t mfn)
{
    struct pin *p;

    spin_lock(&pins->lock);
    for (p = pins->by_mfn[mfn % PINS_BUCKETS]; p && p->mfn != mfn;)
        p = p->next_mfn;
    if (p && --p->count == 0)
        pin_remove(pins, p);
    spin_unlock(&pins->lock);
    return p;
}

/*
 * The pin is visible before the section ends, so whoever takes frames away either unmapped the gfn before the look-up
 * here, or finds the pin after guest_quiesce.
 */
void *guest_page_get(struct domain *d, gfn_t gfn)
{
    struct guest_pins *pins = pins_of(d);
    void *page = NULL;
    unsigned access;
    mfn_t mfn;

    if (!pins)
        return NULL;
    guest_access_begin();
    if (s2_lookup(d, gfn, &mfn, &access) == S2_RAM && (access & S2_WRITE) && pin_add(pins, gfn, mfn))
        page = mfn_to_virt(mfn);
    guest_access_end();
    return page;
}

void guest_page_put(struct domain *d, void *page)
{
    struct guest_pins *pins = atomic_load(&d->pins);
    bool held = pins && pin_drop(pins, virt_to_mfn((void *)((uintptr_t)page & PAGE_MASK)));

    assert(held);
}

bool guest_page_is_pinned(struct domain *d, gfn_t gfn)
{
    struct guest_pins *pins = atomic_load(&d->pins);
    bool found;

    if (!pins)
        return false;
    spin_lock(&pins->lock);
    found = pin_find(pins, gfn);
    spin_unlock(&pins->lock);
    return found;
}

unsigned long guest_pinned_pages(struct domain *d)
{
    struct guest_pins *pins = atomic_load(&d->pins);
    unsigned long n = 0;

    if (!pins)
        return 0;
    spin_lock(&pins->lock);
    for (unsigned i = 0; i < PINS_BUCKETS; i++)
        for (const struct pin *p = pins->by_gfn[i]; p; p = p->next_gfn)
            n++;
    spin_unlock(&pins->lock);
    return n;
}

void guest_pins_free(struct domain *d)
{
    struct guest_pins *pins = atomic_xchg(&d->pins, NULL);
    struct pin *p, *next;
    unsigned i;

    if (!pins)
        return;
    for (i = 0; i < PINS_BUCKETS; i++)
        for (p = pins->by_gfn[i]; p; p = next) {
            next = p->next_gfn;
            xfree(p);
        }
    frames_free(pins, PINS_ORDER);
}
