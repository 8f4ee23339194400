/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame allocator: one bit per frame of the machine, 1 = free and Torii's to give. A bitmap makes "give me exactly
 * this frame" (ballooning of an identity-mapped Dom0) as cheap as "give me any".
 */
#include <torii/alloc.h>
#include <torii/lib.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/mm.h>

static u64 *free_map;
static u64 map_words, nr_free, hint;
static spinlock_t lock = SPINLOCK(LOCK_FRAMES);

bool (*alloc_fault)(void);

size_t frames_bitmap_bytes(paddr_t highest)
{
    return ALIGN_UP(highest >> PAGE_SHIFT, 64) / 8;
}

void frames_init(paddr_t highest, void *bitmap)
{
    free_map = bitmap;
    map_words = frames_bitmap_bytes(highest) / 8;
    memset(free_map, 0, map_words * 8);
}

static bool frame_is_free(mfn_t mfn)
{
    return mfn / 64 < map_words && free_map[mfn / 64] >> mfn % 64 & 1;
}

void frame_release(mfn_t mfn)
{
    spin_lock(&lock);
    assert(mfn / 64 < map_words && !frame_is_free(mfn));
    free_map[mfn / 64] |= BIT(mfn % 64);
    nr_free++;
    spin_unlock(&lock);
}

void frames_release_range(paddr_t start, paddr_t end)
{
    mfn_t mfn = ALIGN_UP(start, PAGE_SIZE) >> PAGE_SHIFT, last = end >> PAGE_SHIFT;

    spin_lock(&lock);
    while (mfn < last) {
        bool whole = !(mfn % 64) && last - mfn >= 64;

        assert(mfn / 64 < map_words && !(whole ? free_map[mfn / 64] : free_map[mfn / 64] & BIT(mfn % 64)));
        free_map[mfn / 64] |= whole ? ~0ull : BIT(mfn % 64);
        nr_free += whole ? 64 : 1;
        mfn += whole ? 64 : 1;
    }
    spin_unlock(&lock);
}

bool frame_claim(mfn_t mfn)
{
    bool ok;

    if (unlikely(alloc_fault && alloc_fault()))
        return false;
    spin_lock(&lock);
    ok = frame_is_free(mfn);
    if (ok) {
        free_map[mfn / 64] &= ~BIT(mfn % 64);
        nr_free--;
    }
    spin_unlock(&lock);
    if (ok)
        memset(mfn_to_virt(mfn), 0, PAGE_SIZE);
    return ok;
}

u64 frames_free_count(void)
{
    return nr_free;
}

/* Bits n-1 .. 0. */
static u64 low_mask(unsigned n)
{
    return n >= 64 ? ~0ull : BIT(n) - 1;
}

/* An aligned run of 2^order <= 64 free frames inside word w, or -1. */
static int find_in_word(u64 word, unsigned order)
{
    unsigned n = 1u << order;

    if (order == 0)
        return word ? __builtin_ctzll(word) : -1;
    for (unsigned bit = 0; bit < 64; bit += n)
        if ((word >> bit & low_mask(n)) == low_mask(n))
            return bit;
    return -1;
}

static s64 find_small(unsigned order)
{
    for (u64 i = 0; i < map_words; i++) {
        u64 w = (hint + i) % map_words;
        int bit = free_map[w] ? find_in_word(free_map[w], order) : -1;

        if (bit >= 0) {
            hint = w;
            free_map[w] &= ~(low_mask(1u << order) << bit);
            return w * 64 + bit;
        }
    }
    return -1;
}

static s64 find_large(unsigned order)
{
    u64 words = 1ull << (order - 6), w, k;

    for (w = 0; w + words <= map_words; w += words) {
        for (k = 0; k < words && free_map[w + k] == ~0ull; k++)
            ;
        if (k == words) {
            memset(&free_map[w], 0, words * 8);
            return w * 64;
        }
    }
    return -1;
}

void *frames_alloc(unsigned order)
{
    s64 mfn;
    void *p;

    if (order > 30 || unlikely(alloc_fault && alloc_fault()))
        return NULL;
    spin_lock(&lock);
    mfn = order <= 6 ? find_small(order) : find_large(order);
    if (mfn >= 0)
        nr_free -= 1ull << order;
    spin_unlock(&lock);
    if (mfn < 0)
        return NULL;
    p = mfn_to_virt(mfn);
    memset(p, 0, PAGE_SIZE << order);
    return p;
}

void frames_free(void *p, unsigned order)
{
    mfn_t mfn;

    if (!p)
        return;
    mfn = virt_to_mfn(p);
    for (u64 i = 0; i < 1ull << order; i++)
        frame_release(mfn + i);
}
