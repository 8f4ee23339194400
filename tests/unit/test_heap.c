/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/mm/heap.c src/mm/frames.c tests/unit/fake_core.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/alloc.h>
#include <torii/mm.h>

#include "fake_core.h"

#define FRAMES 2048u

static u8 *arena;
static u64 bitmap[FRAMES / 64];

void *paddr_to_virt(paddr_t pa)
{
    return arena + pa;
}

paddr_t virt_to_paddr(const void *p)
{
    return (u64)((const u8 *)p - arena);
}

/* Once: pages of small objects stay the heap's from test to test. */
static int group_setup(void **state)
{
    arena = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
    memset(arena, 0xa5, FRAMES * PAGE_SIZE);
    frames_init(FRAMES * PAGE_SIZE, bitmap);
    frames_release_range(0, FRAMES * PAGE_SIZE);
    return 0;
}

static int group_teardown(void **state)
{
    free(arena);
    return 0;
}

static int teardown(void **state)
{
    return (int)fake_locks_held;
}

static bool is_filled(const u8 *p, u8 with, size_t n)
{
    while (n--)
        if (p[n] != with)
            return false;
    return true;
}

static void every_size_is_aligned_and_zeroed_also_when_reused(void **state)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t size = 0; size <= 9000; size += size < 300 ? 1 : 37) {
            u8 *p = xzalloc(size);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            assert_true(is_filled(p, 0, size));
            memset(p, 0xa5, size);
            xfree(p);
        }
}

static void live_objects_never_overlap(void **state)
{
    static struct {
        u8 *p;
        size_t size;
        u8 with;
    } live[600];
    u64 seed = 0x7031;

    for (unsigned round = 0; round < 40000; round++) {
        u64 r = fake_random(&seed);
        unsigned i = (unsigned)(r % ARRAY_SIZE(live));

        if (live[i].p) {
            assert_true(is_filled(live[i].p, live[i].with, live[i].size));
            xfree(live[i].p);
            live[i].p = NULL;
            continue;
        }
        live[i].size = (r >> 16) % 64 ? (r >> 24) % 600 : (r >> 24) % 20000;
        live[i].with = (u8)(r >> 40);
        live[i].p = xzalloc(live[i].size);
        assert_non_null(live[i].p);
        assert_true(is_filled(live[i].p, 0, live[i].size));
        memset(live[i].p, live[i].with, live[i].size);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(live); i++) {
        if (live[i].p)
            assert_true(is_filled(live[i].p, live[i].with, live[i].size));
        xfree(live[i].p);
    }
}

static void a_page_gives_as_many_objects_as_fit_behind_its_header(void **state)
{
    static const struct {
        size_t size;
        unsigned nr;
    } classes[] = {{32, 127}, {64, 63}, {128, 31}, {256, 15}, {512, 7}, {1024, 3}, {2048, 1}};

    for (unsigned c = 0; c < ARRAY_SIZE(classes); c++) {
        void *all[4096], *old = NULL;
        unsigned n = 0;
        u64 before;

        /* Use up what other tests left: until a page is taken. */
        before = frames_free_count();
        while (frames_free_count() == before && n < ARRAY_SIZE(all)) {
            all[n] = old = xzalloc(classes[c].size);
            n++;
        }
        assert_non_null(old);
        for (unsigned i = 1; i < classes[c].nr; i++, n++)
            all[n] = xzalloc(classes[c].size);
        assert_int_equal(frames_free_count(), before - 1);
        all[n++] = xzalloc(classes[c].size);
        assert_int_equal(frames_free_count(), before - 2);
        while (n)
            xfree(all[--n]);
        assert_int_equal(frames_free_count(), before - 2); /* kept for the next of that size */
    }
}

static void large_objects_return_their_frames(void **state)
{
    static const struct {
        size_t bytes;
        unsigned frames;
    } large[] = {{2049, 1},  {4064, 1},  {4065, 2},      {8160, 2},      {8161, 4},
                 {16352, 4}, {16353, 8}, {1 << 20, 512}, {4 << 20, 2048}};
    u64 before = frames_free_count();

    for (unsigned i = 0; i < ARRAY_SIZE(large); i++) {
        void *p = xzalloc(large[i].bytes);

        if (large[i].frames > before / 2) {
            assert_null(p);
            continue;
        }
        assert_non_null(p);
        assert_true(is_filled(p, 0, large[i].bytes));
        memset(p, 0x5a, large[i].bytes);
        assert_int_equal(frames_free_count(), before - large[i].frames);
        xfree(p);
        assert_int_equal(frames_free_count(), before);
    }
}

static void a_size_no_machine_has_is_refused(void **state)
{
    assert_null(xzalloc(1ul << 40));
    assert_null(xzalloc((1ul << 40) + 1));
    assert_null(xzalloc(SIZE_MAX));
    assert_null(xzalloc(SIZE_MAX - 16));
}

static void freeing_nothing_is_harmless_and_freeing_what_is_no_object_is_not(void **state)
{
    u8 *page = frames_alloc(0), *large = xzalloc(5000);
    u64 before;

    xfree(NULL);
    assert_panics(xfree(page + 32));
    frames_free(page, 0);
    before = frames_free_count();
    xfree(large);
    assert_panics(xfree(large)); /* twice */
    assert_int_equal(frames_free_count(), before + 2);
}

static void a_small_object_freed_twice_or_never_handed_out_is_caught(void **state)
{
    static const size_t sizes[] = {1, 32, 33, 100, 1000, 2048};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        u8 *p = xzalloc(sizes[i]), *q = xzalloc(sizes[i]);

        assert_panics(xfree(p + 16));
        xfree(p);
        assert_panics(xfree(p));
        xfree(q);
        assert_panics(xfree(q));
        assert_panics(xfree(p));
        assert_ptr_equal(xzalloc(sizes[i]), q); /* and the free list is whole */
        assert_ptr_equal(xzalloc(sizes[i]), p);
        xfree(p);
        xfree(q);
    }
}

static void objects_and_their_pages_are_counted(void **state)
{
    u64 objects, pages, before, pages_before;
    void *small, *large;

    heap_count(&before, &pages_before);
    small = xzalloc(40);
    large = xzalloc(5000);
    heap_count(&objects, &pages);
    assert_int_equal(objects, before + 2);
    assert_in_range(pages, pages_before + 2, pages_before + 3);
    xfree(small);
    xfree(large);
    heap_count(&objects, &pages);
    assert_int_equal(objects, before);
}

static unsigned calls, fails_at;

static bool fails(void)
{
    return ++calls == fails_at;
}

static void each_call_of_an_allocator_can_be_made_to_fail(void **state)
{
    void *p;

    alloc_fault = fails;
    calls = 0, fails_at = 2;
    p = xzalloc(64);
    assert_non_null(p);
    xfree(p);
    calls = 0, fails_at = 1;
    assert_null(xzalloc(64));
    assert_null((calls = 0, frames_alloc(3)));
    calls = 0;
    assert_false(frame_claim(7));
    fails_at = 0;
    alloc_fault = NULL;
}

static void without_memory_there_is_null_and_later_memory_again(void **state)
{
    static const size_t sizes[] = {1, 32, 33, 64, 100, 200, 500, 1000, 2000, 2048, 3000, 5000, 100000};
    struct hoard {
        struct hoard *next;
    } *hoard = NULL, *h;
    void *last;

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        void *first = xzalloc(sizes[i]);

        assert_non_null(first);
        while ((h = frames_alloc(0))) {
            h->next = hoard;
            hoard = h;
        }
        if (sizes[i] <= 2048)
            for (h = NULL; (last = xzalloc(max(sizes[i], sizeof(*h)))); h = last)
                ((struct hoard *)last)->next = h;
        else
            h = NULL;
        assert_null(xzalloc(sizes[i]));
        xfree(first);
        if (sizes[i] <= 2048)
            assert_ptr_equal(last = xzalloc(sizes[i]), first);
        else
            assert_non_null(last = xzalloc(sizes[i]));
        xfree(last);
        while (h) {
            struct hoard *next = h->next;

            xfree(h);
            h = next;
        }
        while (hoard) {
            h = hoard->next;
            frames_free(hoard, 0);
            hoard = h;
        }
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        T(every_size_is_aligned_and_zeroed_also_when_reused),
        T(live_objects_never_overlap),
        T(a_page_gives_as_many_objects_as_fit_behind_its_header),
        T(large_objects_return_their_frames),
        T(a_size_no_machine_has_is_refused),
        T(freeing_nothing_is_harmless_and_freeing_what_is_no_object_is_not),
        T(a_small_object_freed_twice_or_never_handed_out_is_caught),
        T(objects_and_their_pages_are_counted),
        T(each_call_of_an_allocator_can_be_made_to_fail),
        T(without_memory_there_is_null_and_later_memory_again),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
