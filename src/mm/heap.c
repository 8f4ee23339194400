/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small objects: pages cut into slots of one power-of-two size, each page headed by its class. Objects over half a page get
 * whole frames with the same header. An object never crosses into a page that lacks the header unless it is large.
 */
#include <torii/alloc.h>
#include <torii/lib.h>
#include <torii/lock.h>
#include <torii/log.h>

#define HEAP_MAGIC  0x7031a11c
#define CLASS_LARGE 0xff
#define CLASS_MIN   5 /* 32 bytes */
#define CLASS_MAX   11

struct page_header {
    u32 magic;
    u8 class; /* log2 of the slot size, or CLASS_LARGE */
    u8 order; /* of a large object */
    u64 used[2]; /* a bit for each slot that is handed out */
} __attribute__((aligned(32)));
_Static_assert(PAGE_SIZE >> CLASS_MIN <= 128, "every slot of a page has its bit");

struct slot {
    struct slot *next;
};

static struct slot *free_slots[CLASS_MAX + 1];
static u64 nr_objects, nr_pages;
static spinlock_t lock = SPINLOCK(LOCK_HEAP);

static struct page_header *header_of(const void *p)
{
    return (struct page_header *)((uintptr_t)p & PAGE_MASK);
}

/* The word and bit that tell of the slot at p. */
static u64 *slot_bit(struct page_header *h, const void *p, u64 *bit)
{
    unsigned n = (unsigned)((const char *)p - (const char *)h) >> h->class;

    *bit = BIT(n % 64);
    return &h->used[n / 64];
}

/* The lock is held. */
static void slot_take(const void *p)
{
    u64 bit, *word = slot_bit(header_of(p), p, &bit);

    *word |= bit;
    nr_objects++;
}

static void *large_alloc(size_t bytes)
{
    unsigned order = 0;
    struct page_header *h;

    while (PAGE_SIZE << order < bytes + sizeof(*h))
        order++;
    h = frames_alloc(order);
    if (!h)
        return NULL;
    *h = (struct page_header){.magic = HEAP_MAGIC, .class = CLASS_LARGE, .order = (u8)order};
    spin_lock(&lock);
    nr_objects++;
    nr_pages += 1ull << order;
    spin_unlock(&lock);
    return h + 1;
}

/* Cut a new page into slots; one slot is returned, the others go to the free list. */
static struct slot *refill(unsigned class)
{
    struct page_header *h = frames_alloc(0);
    size_t size = 1ul << class;
    char *first;

    if (!h)
        return NULL;
    first = (char *)h + max(size, sizeof(*h));
    *h = (struct page_header){.magic = HEAP_MAGIC, .class = (u8)class};
    spin_lock(&lock);
    nr_pages++;
    slot_take(first);
    for (char *p = first + size; p + size <= (char *)h + PAGE_SIZE; p += size) {
        struct slot *s = (struct slot *)p;

        s->next = free_slots[class];
        free_slots[class] = s;
    }
    spin_unlock(&lock);
    return (struct slot *)first;
}

void *xzalloc(size_t bytes)
{
    unsigned class = CLASS_MIN;
    struct slot *s;

    if (unlikely(alloc_fault && alloc_fault()))
        return NULL;
    if (bytes > 1ul << CLASS_MAX)
        return bytes > 1ul << 40 ? NULL : large_alloc(bytes);
    while (1ul << class < bytes)
        class ++;
    spin_lock(&lock);
    s = free_slots[class];
    if (s) {
        free_slots[class] = s->next;
        slot_take(s);
    }
    spin_unlock(&lock);
    if (!s)
        s = refill(class);
    return s ? memset(s, 0, 1ul << class) : NULL;
}

void xfree(void *p)
{
    struct page_header *h = header_of(p);
    struct slot *s = p;
    u64 bit, *word;
    bool ours;

    if (!p)
        return;
    assert(h->magic == HEAP_MAGIC);
    if (h->class == CLASS_LARGE) {
        h->magic = 0;
        spin_lock(&lock);
        nr_objects--;
        nr_pages -= 1ull << h->order;
        spin_unlock(&lock);
        frames_free(h, h->order);
        return;
    }
    spin_lock(&lock);
    word = slot_bit(h, p, &bit);
    ours = *word & bit && !((uintptr_t)p & ((1ul << h->class) - 1));
    if (ours) {
        *word &= ~bit;
        nr_objects--;
        s->next = free_slots[h->class];
        free_slots[h->class] = s;
    }
    spin_unlock(&lock);
    assert(ours); /* or freed twice, or never handed out */
}

void heap_count(u64 *objects, u64 *pages)
{
    spin_lock(&lock);
    *objects = nr_objects;
    *pages = nr_pages;
    spin_unlock(&lock);
}
