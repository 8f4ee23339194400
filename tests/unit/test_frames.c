/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/mm/frames.c tests/unit/fake_core.c */
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

#define ORDER_MAX 13
#define FRAMES    (1u << ORDER_MAX)

/* The machine's RAM: address 0 is at arena. */
static u8 *arena;
static u64 bitmap[FRAMES / 64];

void *paddr_to_virt(paddr_t pa)
{
    assert_true(pa < FRAMES * PAGE_SIZE);
    return arena + pa;
}

paddr_t virt_to_paddr(const void *p)
{
    return (u64)((const u8 *)p - arena);
}

static int group_setup(void **state)
{
    arena = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
    return arena ? 0 : -1;
}

static int group_teardown(void **state)
{
    free(arena);
    return 0;
}

/* All frames taken, as after frames_init; the count that remains from the test before is taken back first. */
static int setup(void **state)
{
    while (frames_alloc(0))
        ;
    memset(bitmap, 0xff, sizeof(bitmap));
    frames_init(FRAMES * PAGE_SIZE, bitmap);
    return frames_free_count() ? -1 : 0;
}

static int teardown(void **state)
{
    return (int)fake_locks_held;
}

static void give_all(void)
{
    frames_release_range(0, FRAMES * PAGE_SIZE);
    assert_int_equal(frames_free_count(), FRAMES);
}

static bool is_zero(const void *p, size_t n)
{
    const u64 *w = p;

    for (size_t i = 0; i < n / 8; i++)
        if (w[i])
            return false;
    return true;
}

static void the_bitmap_covers_the_last_partial_word(void **state)
{
    assert_int_equal(frames_bitmap_bytes(0), 0);
    assert_int_equal(frames_bitmap_bytes(PAGE_SIZE), 8);
    assert_int_equal(frames_bitmap_bytes(64 * PAGE_SIZE), 8);
    assert_int_equal(frames_bitmap_bytes(65 * PAGE_SIZE), 16);
    assert_int_equal(frames_bitmap_bytes(1ul << 40), (1ul << 28) / 8);
}

static void nothing_is_free_until_it_is_released(void **state)
{
    for (unsigned order = 0; order <= 40; order++)
        assert_null(frames_alloc(order));
    for (mfn_t mfn = 0; mfn < FRAMES; mfn += 97)
        assert_false(frame_claim(mfn));
    assert_int_equal(frames_free_count(), 0);
}

static void a_range_is_released_less_its_partial_frames(void **state)
{
    frames_release_range(3 * PAGE_SIZE + 1, 5 * PAGE_SIZE - 1);
    assert_int_equal(frames_free_count(), 0);
    frames_release_range(7 * PAGE_SIZE - 1, 9 * PAGE_SIZE + 1);
    assert_int_equal(frames_free_count(), 2);
    frames_release_range(9 * PAGE_SIZE + 1, 9 * PAGE_SIZE + 2);
    frames_release_range(20 * PAGE_SIZE, 20 * PAGE_SIZE);
    assert_int_equal(frames_free_count(), 2);
    assert_true(frame_claim(7));
    assert_true(frame_claim(8));
    assert_false(frame_claim(9));
}

static void a_range_may_begin_and_end_inside_a_word_of_the_bitmap(void **state)
{
    for (mfn_t start = 60; start <= 66; start++)
        for (mfn_t end = start; end <= 200; end += 7) {
            setup(state);
            frames_release_range(start * PAGE_SIZE, end * PAGE_SIZE);
            assert_int_equal(frames_free_count(), end - start);
            for (mfn_t mfn = 0; mfn < 256; mfn++)
                assert_int_equal(frame_claim(mfn), mfn >= start && mfn < end);
        }
}

static void every_order_is_aligned_zeroed_and_exhausts_to_the_last_frame(void **state)
{
    give_all();
    for (unsigned order = 0; order <= ORDER_MAX; order++) {
        static void *got[FRAMES];
        unsigned n = FRAMES >> order;

        memset(arena, 0xa5, FRAMES * PAGE_SIZE);
        for (unsigned i = 0; i < n; i++) {
            got[i] = frames_alloc(order);
            assert_non_null(got[i]);
            assert_int_equal(virt_to_mfn(got[i]) & (BIT(order) - 1), 0);
            assert_true(is_zero(got[i], PAGE_SIZE << order));
            memset(got[i], 0x5a, PAGE_SIZE << order); /* given twice, it would not be zero */
        }
        assert_int_equal(frames_free_count(), 0);
        assert_null(frames_alloc(order));
        assert_null(frames_alloc(0));
        for (unsigned i = 0; i < n; i++)
            frames_free(got[i ^ (n > 1)], order);
        assert_int_equal(frames_free_count(), FRAMES);
    }
}

static void an_order_beyond_the_machine_is_refused(void **state)
{
    give_all();
    for (unsigned order = ORDER_MAX + 1; order <= 70; order++)
        assert_null(frames_alloc(order));
    assert_int_equal(frames_free_count(), FRAMES);
}

static void one_missing_frame_spoils_the_runs_it_lies_in(void **state)
{
    give_all();
    for (unsigned order = 1; order <= ORDER_MAX; order++) {
        mfn_t hole = FRAMES / 2 + order;
        unsigned n = 0;
        void *p;

        assert_true(frame_claim(hole));
        while ((p = frames_alloc(order))) {
            mfn_t mfn = virt_to_mfn(p);

            assert_false(mfn <= hole && hole < mfn + BIT(order));
            n++;
        }
        assert_int_equal(n, (FRAMES >> order) - 1);
        assert_int_equal(frames_free_count(), BIT(order) - 1);
        setup(state);
        give_all();
    }
}

static void a_given_frame_is_claimed_once_and_zeroed(void **state)
{
    give_all();
    memset(arena, 0xa5, FRAMES * PAGE_SIZE);
    for (mfn_t mfn = 0; mfn < FRAMES; mfn += 61) {
        assert_true(frame_claim(mfn));
        assert_true(is_zero(mfn_to_virt(mfn), PAGE_SIZE));
        assert_false(frame_claim(mfn));
        frame_release(mfn);
        assert_true(frame_claim(mfn));
    }
    assert_int_equal(arena[PAGE_SIZE], 0xa5); /* a neighbour that nobody claimed */
    assert_false(frame_claim(FRAMES));
    assert_false(frame_claim(INVALID_MFN));
    assert_false(frame_claim(1ull << 52));
}

static void a_frame_freed_twice_stops_the_machine(void **state)
{
    void *p, *big;

    give_all();
    p = frames_alloc(0);
    big = frames_alloc(3);
    frames_free(p, 0);
    assert_panics(frames_free(p, 0));
    frames_free(big, 3);
    assert_panics(frames_free(big, 3));
    assert_panics(frame_release(virt_to_mfn(big) + 1));
    assert_panics(frames_release_range(FRAMES / 2 * PAGE_SIZE, (FRAMES / 2 + 64) * PAGE_SIZE));
    assert_panics(frames_release_range(PAGE_SIZE, 2 * PAGE_SIZE));
    assert_int_equal(frames_free_count(), FRAMES);
}

static void frames_the_machine_does_not_have_cannot_be_released(void **state)
{
    assert_panics(frame_release(FRAMES));
    assert_panics(frame_release(INVALID_MFN));
    assert_panics(frames_release_range(FRAMES * PAGE_SIZE, (FRAMES + 1) * PAGE_SIZE));
    assert_panics(frames_release_range(FRAMES * PAGE_SIZE, (FRAMES + 64) * PAGE_SIZE));
    assert_int_equal(frames_free_count(), 0);
}

/* --- random operations against one byte per frame --- */

enum { ELSEWHERE, FREE, TAKEN };
static u8 oracle[FRAMES];

static bool oracle_has_run(unsigned order)
{
    for (mfn_t mfn = 0; mfn + BIT(order) <= FRAMES; mfn += BIT(order)) {
        u64 n = 0;

        while (n < BIT(order) && oracle[mfn + n] == FREE)
            n++;
        if (n == BIT(order))
            return true;
    }
    return false;
}

static u64 oracle_free(void)
{
    u64 n = 0;

    for (unsigned i = 0; i < FRAMES; i++)
        n += oracle[i] == FREE;
    return n;
}

static void random_operations_agree_with_a_flat_array(void **state)
{
    static struct {
        void *p;
        unsigned order;
    } live[512];
    unsigned nr = 0;
    u64 seed = 0x7031;

    memset(oracle, ELSEWHERE, sizeof(oracle));
    frames_release_range(0, FRAMES / 4 * PAGE_SIZE);
    memset(oracle, FREE, FRAMES / 4);
    for (unsigned round = 0; round < 30000; round++) {
        u64 r = fake_random(&seed);
        unsigned order = (r >> 8) % 10 * ((r >> 16) % 4 == 0), op = r % 8;
        mfn_t mfn = (r >> 20) % FRAMES;

        if (op < 3 && nr < ARRAY_SIZE(live)) {
            void *p = frames_alloc(order);

            if (!p) {
                assert_false(oracle_has_run(order));
                continue;
            }
            mfn = virt_to_mfn(p);
            assert_int_equal(mfn & (BIT(order) - 1), 0);
            assert_true(is_zero(p, PAGE_SIZE << order));
            for (u64 i = 0; i < BIT(order); i++) {
                assert_int_equal(oracle[mfn + i], FREE);
                oracle[mfn + i] = TAKEN;
                *(u64 *)((u8 *)p + i * PAGE_SIZE) = r;
            }
            live[nr].p = p;
            live[nr++].order = order;
        } else if (op < 5 && nr) {
            unsigned i = (unsigned)(mfn % nr);

            memset(&oracle[virt_to_mfn(live[i].p)], FREE, BIT(live[i].order));
            frames_free(live[i].p, live[i].order);
            live[i] = live[--nr];
        } else if (op == 5) {
            assert_int_equal(frame_claim(mfn), oracle[mfn] == FREE);
            if (oracle[mfn] == FREE)
                oracle[mfn] = ELSEWHERE;
        } else if (op >= 6 && oracle[mfn] == ELSEWHERE) {
            frame_release(mfn);
            oracle[mfn] = FREE;
        }
        if (round % 64 == 0)
            assert_int_equal(frames_free_count(), oracle_free());
    }
    assert_int_equal(frames_free_count(), oracle_free());
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_bitmap_covers_the_last_partial_word),
        T(nothing_is_free_until_it_is_released),
        T(a_range_is_released_less_its_partial_frames),
        T(a_range_may_begin_and_end_inside_a_word_of_the_bitmap),
        T(every_order_is_aligned_zeroed_and_exhausts_to_the_last_frame),
        T(an_order_beyond_the_machine_is_refused),
        T(one_missing_frame_spoils_the_runs_it_lies_in),
        T(a_given_frame_is_claimed_once_and_zeroed),
        T(a_frame_freed_twice_stops_the_machine),
        T(frames_the_machine_does_not_have_cannot_be_released),
        T(random_operations_agree_with_a_flat_array),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
