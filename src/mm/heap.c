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
    u16 pad;
    u64 reserved[3];
} __attribute__((aligned(32)));

struct slot {
    struct slot *next;
};

static struct slot *free_slots[CLASS_MAX + 1];
static spinlock_t lock = SPINLOCK(LOCK_HEAP);

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

    if (bytes > 1ul << CLASS_MAX)
        return bytes > 1ul << 40 ? NULL : large_alloc(bytes);
    while (1ul << class < bytes)
        class ++;
    spin_lock(&lock);
    s = free_slots[class];
    if (s)
        free_slots[class] = s->next;
    spin_unlock(&lock);
    if (!s)
        s = refill(class);
    return s ? memset(s, 0, 1ul << class) : NULL;
}

void xfree(void *p)
{
    struct page_header *h = (struct page_header *)((uintptr_t)p & PAGE_MASK);
    struct slot *s = p;

    if (!p)
        return;
    assert(h->magic == HEAP_MAGIC);
    if (h->class == CLASS_LARGE) {
        h->magic = 0;
        frames_free(h, h->order);
        return;
    }
    spin_lock(&lock);
    s->next = free_slots[h->class];
    free_slots[h->class] = s;
    spin_unlock(&lock);
}
