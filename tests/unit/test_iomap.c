/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/iomap.c tests/unit/fakes.c */
/* libs: -lpthread */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>

#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>

#include "fakes.h"

static struct domain dom;
static struct vcpu cpu = {.d = &dom};

/* What handlers were asked to do, in order. */
static struct access {
    char who; /* the handler's ctx, or 'h' for the hardware */
    u64 at;
    unsigned bytes;
    bool write;
    u64 val;
} seen[16];
static unsigned nr_seen;

static u64 note(char who, u64 at, unsigned bytes, bool write, u64 val)
{
    assert_true(nr_seen < ARRAY_SIZE(seen));
    seen[nr_seen++] = (struct access){who, at, bytes, write, val};
    return 0xa0a1a2a3a4a5a6a7ull + 0x0101010101010101ull * nr_seen;
}

static void pio(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    u64 got = note(*(char *)ctx, port, bytes, write, *val);

    assert_ptr_equal(v, &cpu);
    if (!write)
        *val = got;
}

static void mmio(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    u64 got = note(*(char *)ctx, gpa, bytes, write, *val);

    assert_ptr_equal(v, &cpu);
    if (!write)
        *val = got;
}

void pio_hardware(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    u64 got = note('h', port, bytes, write, *val);

    if (!write)
        *val = got;
}

static int set_up(void **state)
{
    memset(&dom, 0, sizeof(dom));
    nr_seen = 0;
    return io_map_init(&dom);
}

static int clean(void **state)
{
    io_map_free(&dom);
    assert_int_equal(fake_allocs_live, 0);
    assert_int_equal(fake_locks_held, 0);
    return 0;
}

static void check_seen(unsigned i, char who, u64 at, unsigned bytes)
{
    assert_true(i < nr_seen);
    assert_int_equal(seen[i].who, who);
    assert_int_equal(seen[i].at, at);
    assert_int_equal(seen[i].bytes, bytes);
}

static void without_memory_there_is_no_map(void **state)
{
    struct domain d = {0};

    fake_alloc_fail_after = 0;
    assert_int_equal(io_map_init(&d), -XEN_ENOMEM);
    fake_alloc_fail_after = -1;
    assert_null(d.io);
    io_map_free(&d);
}

static void a_port_is_found_in_its_range_only(void **state)
{
    assert_int_equal(pio_register(&dom, 0xcfc, 0xcff, pio, "c"), 0);
    assert_int_equal(pio_register(&dom, 0xcf8, 0xcfb, pio, "a"), 0);
    assert_int_equal(pio_register(&dom, 0x70, 0x71, pio, "r"), 0);
    assert_null(pio_find(&dom, 0x6f));
    assert_int_equal(*(char *)pio_find(&dom, 0x70)->ctx, 'r');
    assert_int_equal(*(char *)pio_find(&dom, 0x71)->ctx, 'r');
    assert_null(pio_find(&dom, 0x72));
    assert_int_equal(*(char *)pio_find(&dom, 0xcfb)->ctx, 'a');
    assert_int_equal(*(char *)pio_find(&dom, 0xcfc)->ctx, 'c');
    assert_null(pio_find(&dom, 0xffff));
}

static void an_overlap_is_refused_whatever_its_shape(void **state)
{
    static const u16 bad[][2] = {{0x100, 0x10f}, {0x0f0, 0x100}, {0x10f, 0x120}, {0x105, 0x106}, {0x0f0, 0x120}};
    unsigned i;

    assert_int_equal(pio_register(&dom, 0x100, 0x10f, pio, "a"), 0);
    assert_int_equal(mmio_register(&dom, 0x100, 0x10f, mmio, "a"), 0);
    assert_int_equal(msr_register(&dom, 0x100, 0x10f, msr_read_gp, NULL), 0);
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(pio_register(&dom, bad[i][0], bad[i][1], pio, "b"), -XEN_EEXIST);
        assert_int_equal(mmio_register(&dom, bad[i][0], bad[i][1], mmio, "b"), -XEN_EEXIST);
        assert_int_equal(msr_register(&dom, bad[i][0], bad[i][1], msr_read_gp, NULL), -XEN_EEXIST);
    }
    assert_int_equal(pio_register(&dom, 0x0ff, 0x0ff, pio, "b"), 0);
    assert_int_equal(mmio_register(&dom, 0x110, 0x110, mmio, "b"), 0);
}

static void nonsense_is_refused(void **state)
{
    assert_int_equal(pio_register(&dom, 2, 1, pio, NULL), -XEN_EINVAL);
    assert_int_equal(mmio_register(&dom, 2, 1, mmio, NULL), -XEN_EINVAL);
    assert_int_equal(msr_register(&dom, 2, 1, msr_read_gp, NULL), -XEN_EINVAL);
    assert_int_equal(pio_register(&dom, 1, 2, NULL, NULL), -XEN_EINVAL);
    assert_int_equal(mmio_register(&dom, 1, 2, NULL, NULL), -XEN_EINVAL);
    assert_int_equal(msr_register(&dom, 1, 2, NULL, NULL), -XEN_EINVAL);
}

static void a_full_table_says_so_and_still_works(void **state)
{
    struct mmio_range range;
    unsigned n = 0, m = 0, k = 0;

    while (pio_register(&dom, 4 * n, 4 * n, pio, "a") == 0)
        n++;
    while (mmio_register(&dom, 4096ull * m, 4096ull * m + 9, mmio, "a") == 0)
        m++;
    while (msr_register(&dom, 2 * k, 2 * k, msr_read_gp, NULL) == 0)
        k++;
    assert_int_equal(pio_register(&dom, 4 * n, 4 * n, pio, "a"), -XEN_ENOSPC);
    assert_int_equal(mmio_register(&dom, 4096ull * m, 4096ull * m, mmio, "a"), -XEN_ENOSPC);
    assert_int_equal(msr_register(&dom, 2 * k, 2 * k, msr_read_gp, NULL), -XEN_ENOSPC);
    assert_true(n >= 128 && m >= 512 && k >= 256);
    assert_non_null(pio_find(&dom, 4 * (n - 1)));
    assert_true(mmio_find(&dom, 4096ull * (m - 1), &range));
    assert_int_equal(mmio_unregister(&dom, 4096ull * 7, 4096ull * 7 + 9), 0);
    assert_false(mmio_find(&dom, 4096ull * 7, &range));
    assert_int_equal(mmio_register(&dom, 4096ull * m, 4096ull * m, mmio, "a"), 0);
}

static void unregistering_wants_the_exact_range(void **state)
{
    assert_int_equal(mmio_register(&dom, 0x1000, 0x1fff, mmio, "a"), 0);
    assert_int_equal(mmio_unregister(&dom, 0x1000, 0x1ffe), -XEN_ENOENT);
    assert_int_equal(mmio_unregister(&dom, 0x1001, 0x1fff), -XEN_ENOENT);
    assert_int_equal(mmio_unregister(&dom, 0x3000, 0x3fff), -XEN_ENOENT);
    assert_int_equal(mmio_unregister(&dom, 0x1000, 0x1fff), 0);
    assert_int_equal(mmio_unregister(&dom, 0x1000, 0x1fff), -XEN_ENOENT);
}

static void the_end_of_the_address_space_can_be_registered(void **state)
{
    struct mmio_range range;

    assert_int_equal(mmio_register(&dom, ~0ull - 0xfff, ~0ull, mmio, "a"), 0);
    assert_int_equal(pio_register(&dom, 0xffff, 0xffff, pio, "a"), 0);
    assert_int_equal(msr_register(&dom, ~0u, ~0u, msr_read_gp, NULL), 0);
    assert_true(mmio_find(&dom, ~0ull, &range));
    assert_non_null(pio_find(&dom, 0xffff));
    assert_non_null(msr_find(&dom, ~0u));
    assert_null(msr_find(&dom, ~0u - 1));
}

static void a_port_access_inside_a_range_stays_whole(void **state)
{
    u32 val = 0x12345678;

    assert_int_equal(pio_register(&dom, 0xcf8, 0xcff, pio, "a"), 0);
    pio_access(&cpu, 0xcf9, 4, true, &val);
    check_seen(0, 'a', 0xcf9, 4);
    assert_int_equal(seen[0].val, 0x12345678);
    pio_access(&cpu, 0xcfa, 2, false, &val);
    assert_int_equal(val, 0xa8a9);
    assert_int_equal(nr_seen, 2);
}

static void a_port_access_outside_all_ranges_goes_to_the_hardware(void **state)
{
    u32 val;

    pio_access(&cpu, 0x3f8, 1, false, &val);
    check_seen(0, 'h', 0x3f8, 1);
    assert_int_equal(val, 0xa8);
}

static void a_port_access_across_range_ends_is_split(void **state)
{
    u32 val = 0x44332211;

    assert_int_equal(pio_register(&dom, 0x101, 0x101, pio, "a"), 0);
    assert_int_equal(pio_register(&dom, 0x102, 0x10f, pio, "b"), 0);
    pio_access(&cpu, 0x100, 4, true, &val);
    assert_int_equal(nr_seen, 3);
    check_seen(0, 'h', 0x100, 1);
    check_seen(1, 'a', 0x101, 1);
    check_seen(2, 'b', 0x102, 2);
    assert_int_equal(seen[0].val, 0x11);
    assert_int_equal(seen[1].val, 0x22);
    assert_int_equal(seen[2].val, 0x4433);
    nr_seen = 0;
    pio_access(&cpu, 0x100, 4, false, &val);
    assert_int_equal(val, 0xa9aaa9a8); /* one byte of the first answer, one of the second, two of the third */
}

static void a_three_byte_remainder_is_naturally_aligned(void **state)
{
    u32 val = 0;

    assert_int_equal(pio_register(&dom, 0x201, 0x203, pio, "a"), 0);
    pio_access(&cpu, 0x200, 4, true, &val);
    check_seen(0, 'h', 0x200, 1);
    check_seen(1, 'a', 0x201, 1);
    check_seen(2, 'a', 0x202, 2);
    assert_int_equal(nr_seen, 3);
}

static void ports_end_at_ffff(void **state)
{
    u32 val = 0;

    pio_access(&cpu, 0xfffe, 4, false, &val);
    assert_int_equal(nr_seen, 1);
    check_seen(0, 'h', 0xfffe, 2);
    assert_int_equal(val, 0xffffa7a8);
}

static void mmio_without_handler_is_not_done(void **state)
{
    u64 val = 5;

    assert_int_equal(mmio_register(&dom, 0x1000, 0x1fff, mmio, "a"), 0);
    assert_false(mmio_access(&cpu, 0x2000, 4, false, &val));
    assert_false(mmio_access(&cpu, 0xffc, 4, true, &val));
    assert_int_equal(val, 5);
    assert_int_equal(nr_seen, 0);
}

static void mmio_inside_a_range_is_one_access(void **state)
{
    u64 val;

    assert_int_equal(mmio_register(&dom, 0x1000, 0x1fff, mmio, "a"), 0);
    assert_true(mmio_access(&cpu, 0x1003, 4, false, &val));
    check_seen(0, 'a', 0x1003, 4);
    assert_int_equal(val, 0xa5a6a7a8);
    assert_true(mmio_access(&cpu, 0x1ff8, 8, true, &val));
    check_seen(1, 'a', 0x1ff8, 8);
    assert_int_equal(nr_seen, 2);
}

static void mmio_across_a_range_end_is_split_and_the_rest_reads_ones(void **state)
{
    u64 val = 0;

    assert_int_equal(mmio_register(&dom, 0x1000, 0x1fff, mmio, "a"), 0);
    assert_true(mmio_access(&cpu, 0x1ffc, 8, false, &val));
    check_seen(0, 'a', 0x1ffc, 4);
    assert_int_equal(nr_seen, 1);
    assert_int_equal(val, 0xffffffffa5a6a7a8);
    val = 0x8877665544332211;
    nr_seen = 0;
    assert_true(mmio_access(&cpu, 0xffa, 8, true, &val));
    check_seen(0, 'a', 0x1000, 2);
    assert_int_equal(seen[0].val, 0x8877);
}

static void mmio_across_two_ranges_reaches_both(void **state)
{
    u64 val = 0x44332211;

    assert_int_equal(mmio_register(&dom, 0x1000, 0x1fff, mmio, "a"), 0);
    assert_int_equal(mmio_register(&dom, 0x2000, 0x2000, mmio, "b"), 0);
    assert_true(mmio_access(&cpu, 0x1fff, 4, true, &val));
    check_seen(0, 'a', 0x1fff, 1);
    check_seen(1, 'b', 0x2000, 1);
    assert_int_equal(nr_seen, 2);
    assert_int_equal(seen[1].val, 0x22);
}

static void an_odd_size_is_split_into_natural_pieces(void **state)
{
    u64 val = 0x665544332211;

    assert_int_equal(mmio_register(&dom, 0x1000, 0x1fff, mmio, "a"), 0);
    assert_true(mmio_access(&cpu, 0x1002, 6, true, &val));
    check_seen(0, 'a', 0x1002, 2);
    check_seen(1, 'a', 0x1004, 4);
    assert_int_equal(seen[1].val, 0x66554433);
    assert_int_equal(nr_seen, 2);
}

static void the_io_bitmap_has_a_bit_for_each_registered_port(void **state)
{
    u8 bitmap[PIO_BITMAP_BYTES];
    unsigned port;

    assert_int_equal(pio_register(&dom, 0x3f6, 0x409, pio, "a"), 0);
    assert_int_equal(pio_register(&dom, 0xffff, 0xffff, pio, "b"), 0);
    memset(bitmap, 0x5a, sizeof(bitmap));
    pio_bitmap_fill(&dom, bitmap);
    for (port = 0; port <= 0xffff; port++)
        assert_int_equal(bitmap[port / 8] >> port % 8 & 1, (port >= 0x3f6 && port <= 0x409) || port == 0xffff);
}

static void a_range_that_passes_has_no_bits_until_it_is_trapped_again(void **state)
{
    u8 bitmap[PIO_BITMAP_BYTES];

    assert_int_equal(pio_register(&dom, 0xcf8, 0xcfb, pio, "a"), 0);
    assert_int_equal(pio_register(&dom, 0xcfc, 0xcff, pio, "b"), 0);
    pio_bitmap_fill(&dom, bitmap);
    assert_int_equal(bitmap[0xcf8 / 8], 0xff);
    assert_true(pio_set_pass(&dom, 0xcfc, 0xcff, true));
    pio_bitmap_update(&dom, bitmap, 0xcfc, 0xcff);
    assert_int_equal(bitmap[0xcf8 / 8], 0x0f);
    pio_bitmap_fill(&dom, bitmap);
    assert_int_equal(bitmap[0xcf8 / 8], 0x0f);
    /* The other ports of an update keep what the table says. */
    assert_true(pio_set_pass(&dom, 0xcfc, 0xcff, false));
    pio_bitmap_update(&dom, bitmap, 0xcf0, 0xcff);
    assert_int_equal(bitmap[0xcf8 / 8], 0xff);
    assert_int_equal(bitmap[0xcf0 / 8], 0);
}

static void only_a_whole_range_can_pass(void **state)
{
    assert_int_equal(pio_register(&dom, 0xcfc, 0xcff, pio, "b"), 0);
    assert_false(pio_set_pass(&dom, 0xcfc, 0xcfd, true));
    assert_false(pio_set_pass(&dom, 0xcfd, 0xcff, true));
    assert_false(pio_set_pass(&dom, 0x100, 0x100, true));
}

static void late_ports_are_found_behind_the_others(void **state)
{
    u8 bitmap[PIO_BITMAP_BYTES];
    u32 val = 0;
    u16 port;

    assert_int_equal(pio_register(&dom, 0x600, 0x60f, pio, "a"), 0);
    pio_bitmap_fill(&dom, bitmap);
    assert_int_equal(pio_add_late(&dom, 0x614, pio, "l"), 0);
    pio_bitmap_update(&dom, bitmap, 0x614, 0x614);
    assert_int_equal(bitmap[0x614 / 8], 0x10);
    pio_bitmap_fill(&dom, bitmap);
    assert_int_equal(bitmap[0x614 / 8], 0x10);
    assert_int_equal(*(char *)pio_find(&dom, 0x614)->ctx, 'l');
    assert_null(pio_find(&dom, 0x615));
    pio_access(&cpu, 0x614, 1, false, &val);
    assert_int_equal(nr_seen, 1);
    assert_int_equal(pio_add_late(&dom, 0x614, pio, "l"), -XEN_EEXIST);
    assert_int_equal(pio_add_late(&dom, 0x600, pio, "l"), -XEN_EEXIST);
    for (port = 0x700; !pio_add_late(&dom, port, pio, "l"); port++)
        assert_true(port < 0x800);
    assert_int_equal(pio_add_late(&dom, port, pio, "l"), -XEN_ENOSPC);
    assert_non_null(pio_find(&dom, port - 1));
}

static unsigned nr_ranges;

static void check_msr(void *ctx, u32 first, u32 last, bool read, bool write)
{
    static const struct {
        u32 first, last;
        bool read, write;
    } expected[] = {{0x1b, 0x1b, true, true}, {0x800, 0x8ff, true, false}, {0xc0000080, 0xc0000080, false, true}};

    assert_ptr_equal(ctx, &nr_ranges);
    assert_true(nr_ranges < ARRAY_SIZE(expected));
    assert_int_equal(first, expected[nr_ranges].first);
    assert_int_equal(last, expected[nr_ranges].last);
    assert_int_equal(read, expected[nr_ranges].read);
    assert_int_equal(write, expected[nr_ranges].write);
    nr_ranges++;
}

static void msr_ranges_come_in_order_with_their_directions(void **state)
{
    assert_int_equal(msr_register(&dom, 0xc0000080, 0xc0000080, NULL, msr_write_gp), 0);
    assert_int_equal(msr_register(&dom, 0x1b, 0x1b, msr_read_zero, msr_write_drop), 0);
    assert_int_equal(msr_register(&dom, 0x800, 0x8ff, msr_read_zero, NULL), 0);
    nr_ranges = 0;
    msr_for_each(&dom, check_msr, &nr_ranges);
    assert_int_equal(nr_ranges, 3);
    assert_ptr_equal(msr_find(&dom, 0x8ff)->read, msr_read_zero);
    assert_null(msr_find(&dom, 0x900));
}

static void count_mmio(void *ctx, gpa_t first, gpa_t last)
{
    assert_true(first == (nr_ranges ? ~0ull - 0xfff : 0xfee00000));
    assert_true(last == first + 0xfff);
    nr_ranges++;
}

static void mmio_ranges_come_in_order(void **state)
{
    assert_int_equal(mmio_register(&dom, ~0ull - 0xfff, ~0ull, mmio, "a"), 0);
    assert_int_equal(mmio_register(&dom, 0xfee00000, 0xfee00fff, mmio, "a"), 0);
    nr_ranges = 0;
    mmio_for_each(&dom, count_mmio, NULL);
    assert_int_equal(nr_ranges, 2);
}

static void ready_made_handlers_do_what_they_are_called(void **state)
{
    u64 val64 = 0;
    u32 val32 = 0;

    pio_deny(&cpu, NULL, 1, 4, false, &val32);
    mmio_deny(&cpu, NULL, 1, 8, false, &val64);
    assert_int_equal(val32, ~0u);
    assert_int_equal(val64, ~0ull);
    val32 = 7;
    pio_deny(&cpu, NULL, 1, 4, true, &val32);
    assert_int_equal(val32, 7);
    assert_int_equal(msr_read_gp(&cpu, 1, &val64), -XEN_EINVAL);
    assert_int_equal(msr_write_gp(&cpu, 1, 0), -XEN_EINVAL);
    assert_int_equal(msr_write_drop(&cpu, 1, 0), 0);
    assert_int_equal(msr_read_zero(&cpu, 1, &val64), 0);
    assert_int_equal(val64, 0);
}

/* One range stays; others around it come and go. Every look-up finds it whole. */
static volatile bool stop;

static void *look_up(void *arg)
{
    struct mmio_range range;
    unsigned long bad = 0;

    while (!stop) {
        bad += !mmio_find(&dom, 0x80123, &range) || range.first != 0x80000 || range.last != 0x80fff ||
               range.fn != mmio || range.ctx != (void *)&dom;
        bad += mmio_find(&dom, 0x81000, &range);
    }
    return (void *)bad;
}

static void look_ups_need_no_lock_while_ranges_come_and_go(void **state)
{
    void *bad = NULL;
    unsigned i, j;
    pthread_t t;

    assert_int_equal(mmio_register(&dom, 0x80000, 0x80fff, mmio, &dom), 0);
    stop = false;
    assert_int_equal(pthread_create(&t, NULL, look_up, NULL), 0);
    for (i = 0; i < 500; i++) {
        for (j = 0; j < 100; j++)
            assert_int_equal(mmio_register(&dom, 0x1000 * j, 0x1000 * j + 0xfff, mmio, "x"), 0);
        for (j = 0; j < 100; j++)
            assert_int_equal(mmio_unregister(&dom, 0x1000 * j, 0x1000 * j + 0xfff), 0);
    }
    stop = true;
    pthread_join(t, &bad);
    assert_ptr_equal(bad, NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(without_memory_there_is_no_map),
        T(a_port_is_found_in_its_range_only),
        T(an_overlap_is_refused_whatever_its_shape),
        T(nonsense_is_refused),
        T(a_full_table_says_so_and_still_works),
        T(unregistering_wants_the_exact_range),
        T(the_end_of_the_address_space_can_be_registered),
        T(a_port_access_inside_a_range_stays_whole),
        T(a_port_access_outside_all_ranges_goes_to_the_hardware),
        T(a_port_access_across_range_ends_is_split),
        T(a_three_byte_remainder_is_naturally_aligned),
        T(ports_end_at_ffff),
        T(mmio_without_handler_is_not_done),
        T(mmio_inside_a_range_is_one_access),
        T(mmio_across_a_range_end_is_split_and_the_rest_reads_ones),
        T(mmio_across_two_ranges_reaches_both),
        T(an_odd_size_is_split_into_natural_pieces),
        T(the_io_bitmap_has_a_bit_for_each_registered_port),
        T(a_range_that_passes_has_no_bits_until_it_is_trapped_again),
        T(only_a_whole_range_can_pass),
        T(late_ports_are_found_behind_the_others),
        T(msr_ranges_come_in_order_with_their_directions),
        T(mmio_ranges_come_in_order),
        T(ready_made_handlers_do_what_they_are_called),
        T(look_ups_need_no_lock_while_ranges_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
