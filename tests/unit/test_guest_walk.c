/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/guest_walk.c src/hvm/guest_copy.c tests/unit/fake_guest.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>

#include <torii/errno.h>
#include <torii/guest.h>

#include "fake_guest.h"
#include "fakes.h"

#define VA   0xffff888000345678ull
#define PAGE 0x200000ull

/* Error code bits. */
enum { EC_P = 1, EC_W = 2, EC_U = 4, EC_RSVD = 8, EC_I = 16 };

static struct vcpu *v = &fake_vcpu;

static int long_mode(void **state)
{
    fake_guest_reset();
    return 0;
}

static int clean(void **state)
{
    guest_pins_free(&fake_domain);
    assert_int_equal(fake_allocs_live, 0);
    assert_int_equal(fake_locks_held, 0);
    return 0;
}

static void check_fault(u64 gva, unsigned access, u32 expected)
{
    u32 ec = ~0u;
    gpa_t gpa;

    assert_int_equal(guest_walk(v, gva, access, &gpa, &ec), -XEN_EFAULT);
    assert_int_equal(ec, expected);
}

static void check_maps(u64 gva, unsigned access, gpa_t expected)
{
    gpa_t gpa = 0;

    assert_int_equal(guest_walk(v, gva, access, &gpa, NULL), 0);
    assert_int_equal(gpa, expected);
}

static void a_4k_page_translates_with_its_offset(void **state)
{
    fake_map(VA, PAGE, P | W);
    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
}

static void an_absent_entry_faults_not_present(void **state)
{
    check_fault(VA, 0, 0);
    check_fault(VA, GUEST_WRITE | GUEST_USER, EC_W | EC_U);
    fake_map(VA, PAGE, 0);
    check_fault(VA, 0, 0);
}

static void a_write_to_a_read_only_page_faults_unless_wp_is_clear_for_the_supervisor(void **state)
{
    fake_map(VA, PAGE, P | U);
    check_maps(VA, 0, PAGE + 0x678);
    check_fault(VA, GUEST_WRITE, EC_P | EC_W);
    fake_control.cr0 &= ~0x10000ull;
    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
    check_fault(VA, GUEST_WRITE | GUEST_USER, EC_P | EC_W | EC_U);
}

static void a_user_access_to_a_supervisor_page_faults(void **state)
{
    fake_map(VA, PAGE, P | W);
    check_fault(VA, GUEST_USER, EC_P | EC_U);
    fake_map(VA, PAGE, P | W | U);
    check_maps(VA, GUEST_USER | GUEST_WRITE, PAGE + 0x678);
}

static void rights_of_an_upper_level_restrict_the_page(void **state)
{
    fake_map(VA, PAGE, P | W | U);
    fake_write64(0x1000 + (VA >> 39 & 0x1ff) * 8, fake_read64(0x1000 + (VA >> 39 & 0x1ff) * 8) & ~(W | U));
    check_fault(VA, GUEST_WRITE, EC_P | EC_W);
    check_fault(VA, GUEST_USER, EC_P | EC_U);
}

static void nx_stops_fetches_only(void **state)
{
    fake_map(VA, PAGE, P | W | NX);
    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
    check_fault(VA, GUEST_FETCH, EC_P | EC_I);
}

static void nx_at_an_upper_level_stops_fetches(void **state)
{
    gpa_t top = 0x1000 + (VA >> 39 & 0x1ff) * 8;

    fake_map(VA, PAGE, P | W);
    fake_write64(top, fake_read64(top) | NX);
    check_fault(VA, GUEST_FETCH, EC_P | EC_I);
}

static void nx_without_efer_nxe_is_a_reserved_bit(void **state)
{
    fake_map(VA, PAGE, P | W | NX);
    fake_control.efer &= ~0x800ull;
    check_fault(VA, 0, EC_P | EC_RSVD);
    /* No I bit: neither NX nor SMEP is on. */
    check_fault(VA, GUEST_FETCH, EC_P | EC_RSVD);
}

static void smep_stops_the_supervisor_fetching_from_user_pages(void **state)
{
    fake_map(VA, PAGE, P | U);
    check_maps(VA, GUEST_FETCH, PAGE + 0x678);
    fake_control.cr4 |= BIT(20);
    check_fault(VA, GUEST_FETCH, EC_P | EC_I);
    check_maps(VA, GUEST_FETCH | GUEST_USER, PAGE + 0x678);
}

static void smap_applies_only_when_asked_and_ac_is_clear(void **state)
{
    fake_map(VA, PAGE, P | W | U);
    fake_control.cr4 |= BIT(21);
    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
    check_fault(VA, GUEST_SMAP, EC_P);
    check_maps(VA, GUEST_SMAP | GUEST_USER, PAGE + 0x678);
    v->regs.rflags |= BIT(18);
    check_maps(VA, GUEST_SMAP, PAGE + 0x678);
}

static void a_read_sets_accessed_at_every_level_and_not_dirty(void **state)
{
    gpa_t leaf = fake_map(VA, PAGE, P | W), top = 0x1000 + (VA >> 39 & 0x1ff) * 8;

    check_maps(VA, 0, PAGE + 0x678);
    assert_int_equal(fake_read64(leaf), PAGE | P | W | A);
    assert_int_equal(fake_read64(top) & (A | D), A);
    assert_int_equal(fake_read64((fake_read64(top) & PAGE_MASK) + (VA >> 30 & 0x1ff) * 8) & (A | D), A);
}

static void a_write_sets_dirty_at_the_leaf_only(void **state)
{
    gpa_t leaf = fake_map(VA, PAGE, P | W), top = 0x1000 + (VA >> 39 & 0x1ff) * 8;

    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
    assert_int_equal(fake_read64(leaf), PAGE | P | W | A | D);
    assert_int_equal(fake_read64(top) & (A | D), A);
}

static void a_refused_access_sets_neither(void **state)
{
    gpa_t leaf = fake_map(VA, PAGE, P);

    check_fault(VA, GUEST_WRITE, EC_P | EC_W);
    assert_int_equal(fake_read64(leaf), PAGE | P);
}

static gpa_t changing_entry;
static unsigned changes;

/* The guest rewrites the leaf each time the walker looks at its table. */
static void rewrite_leaf(gfn_t gfn)
{
    if (gfn == changing_entry >> PAGE_SHIFT && changes) {
        changes--;
        fake_write64(changing_entry, (PAGE + changes * PAGE_SIZE) | P | W);
    }
}

static void an_entry_that_changes_during_the_walk_is_read_again(void **state)
{
    changing_entry = fake_map(VA, PAGE + 0x9000, P | W);
    changes = 2;
    fake_lookup_hook = rewrite_leaf;
    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
    assert_int_equal(fake_read64(changing_entry), PAGE | P | W | A | D);
}

static void an_entry_that_never_stops_changing_ends_in_a_fault(void **state)
{
    changing_entry = fake_map(VA, PAGE + 0x9000, P | W);
    changes = 1000;
    fake_lookup_hook = rewrite_leaf;
    check_fault(VA, GUEST_WRITE, EC_W);
    assert_true(changes > 900);
}

static void a_2m_page_translates(void **state)
{
    gpa_t pde;

    fake_map(VA, PAGE, P | W);
    /* The directory entry: the third table made. */
    pde = 0x3000 + (VA >> 21 & 0x1ff) * 8;
    fake_write64(pde, 0x40000000 | P | W | PS);
    check_maps(VA, GUEST_WRITE, 0x40000000 + (VA & 0x1fffff));
    assert_int_equal(fake_read64(pde), 0x40000000 | P | W | PS | A | D);
    fake_write64(pde, 0x40000000 | 0x1000 | P | W | PS); /* PAT */
    check_maps(VA, 0, 0x40000000 + (VA & 0x1fffff));
    fake_write64(pde, 0x40002000 | P | W | PS);
    check_fault(VA, 0, EC_P | EC_RSVD);
}

static void a_1g_page_translates(void **state)
{
    gpa_t pdpte;

    fake_map(VA, PAGE, P | W);
    pdpte = 0x2000 + (VA >> 30 & 0x1ff) * 8;
    fake_write64(pdpte, 0x8000000000 | P | W | PS);
    check_maps(VA, GUEST_WRITE, 0x8000000000 + (VA & 0x3fffffff));
    fake_write64(pdpte, 0x8000000000 | 0x200000 | P | W | PS);
    check_fault(VA, 0, EC_P | EC_RSVD);
}

static void a_page_size_bit_in_the_root_is_reserved(void **state)
{
    gpa_t top = 0x1000 + (VA >> 39 & 0x1ff) * 8;

    fake_map(VA, PAGE, P | W);
    fake_write64(top, fake_read64(top) | PS);
    check_fault(VA, 0, EC_P | EC_RSVD);
}

static void five_levels_with_la57(void **state)
{
    u64 va = 0x00ab456789abcdefull;

    fake_map(va & 0xffffffffffffull, PAGE, P | W);
    fake_write64(0x100000 + (va >> 48 & 0x1ff) * 8, 0x1000 | P | W | U);
    fake_control.cr3 = 0x100000;
    fake_control.cr4 |= BIT(12);
    check_maps(va, GUEST_WRITE, PAGE + 0xdef);
    assert_int_equal(guest_walk(v, 0x0100000000000000ull, 0, &(gpa_t){0}, NULL), -XEN_EINVAL);
}

static void a_non_canonical_address_is_no_page_fault(void **state)
{
    gpa_t gpa;
    u32 ec;

    assert_int_equal(guest_walk(v, 0x0000800000000000ull, 0, &gpa, &ec), -XEN_EINVAL);
    assert_int_equal(guest_walk(v, 0xffff7fffffffffffull, 0, &gpa, &ec), -XEN_EINVAL);
    assert_int_equal(guest_linear_to_gpa(v, 0x0000800000000000ull, false, &gpa), -XEN_EFAULT);
}

static void a_table_outside_ram_has_reserved_bits(void **state)
{
    gpa_t leaf = fake_map(VA, PAGE, P | W), gpa;
    u32 ec;

    fake_type[leaf >> PAGE_SHIFT] = S2_MMIO;
    assert_int_equal(guest_walk(v, VA, 0, &gpa, &ec), -XEN_EFAULT);
    assert_int_equal(ec, 9);
    assert_int_equal(guest_linear_to_gpa(v, VA, false, &gpa), -XEN_EFAULT);
    fake_type[leaf >> PAGE_SHIFT] = S2_RAM;
    fake_control.cr3 = 0x7000000000;
    assert_int_equal(guest_walk(v, VA, GUEST_WRITE, &gpa, &ec), -XEN_EFAULT);
    assert_int_equal(ec, 11);
}

static void a_table_in_read_only_memory_translates_unmarked(void **state)
{
    gpa_t leaf = fake_map(VA, PAGE, P | W);

    fake_access[leaf >> PAGE_SHIFT] = S2_READ;
    check_maps(VA, GUEST_WRITE, PAGE + 0x678);
    assert_int_equal(fake_read64(leaf), PAGE | P | W);
}

static void without_paging_linear_is_physical_up_to_4g(void **state)
{
    gpa_t gpa;

    fake_guest_flat32();
    check_maps(0xfee00020, GUEST_WRITE, 0xfee00020);
    assert_int_equal(guest_walk(v, BIT(32), 0, &gpa, NULL), -XEN_EINVAL);
}

static void page_tables_32bit(u64 pde, u64 pte)
{
    fake_guest_flat32();
    fake_control.cr0 = 0x80010001;
    fake_control.cr3 = 0x1018; /* PCD, PWT are no address bits */
    fake_write32(0x1000 + 0x345 * 4, pde);
    fake_write32(0x2000 + 0x2ab * 4, pte);
}

#define VA32 (0x345u << 22 | 0x2ab << 12 | 0xcde)

static void a_32bit_page_translates_and_is_marked(void **state)
{
    page_tables_32bit(0x2000 | P | W | U, PAGE | P | W | U);
    check_maps(VA32, GUEST_WRITE | GUEST_USER, PAGE + 0xcde);
    assert_int_equal(fake_read32(0x1000 + 0x345 * 4), 0x2000 | P | W | U | A);
    assert_int_equal(fake_read32(0x2000 + 0x2ab * 4), PAGE | P | W | U | A | D);
    check_fault(0x1000, 0, 0);
}

static void a_4m_page_needs_cr4_pse(void **state)
{
    page_tables_32bit(0x2000 | P | W | PS, PAGE | P | W);
    check_maps(VA32, 0, PAGE + 0xcde);
    page_tables_32bit(0xc0000000 | P | W | PS, 0);
    fake_control.cr4 = BIT(4);
    check_maps(VA32, 0, 0xc0000000 + (VA32 & 0x3fffff));
    assert_int_equal(fake_read32(0x1000 + 0x345 * 4) & A, A);
}

static void pse36_gives_a_4m_page_eight_more_address_bits(void **state)
{
    page_tables_32bit(0x00400000 | 0x5a << 13 | P | W | PS, 0);
    fake_control.cr4 = BIT(4);
    check_maps(VA32, 0, (0x5aull << 32) + 0x400000 + (VA32 & 0x3fffff));
    page_tables_32bit(0x00400000 | BIT(21) | P | W | PS, 0);
    fake_control.cr4 = BIT(4);
    check_fault(VA32, 0, EC_P | EC_RSVD);
}

static void pae_tables(u64 pdpte, u64 pde, u64 pte)
{
    fake_guest_flat32();
    fake_control.cr0 = 0x80010001;
    fake_control.cr4 = BIT(5);
    fake_control.cr3 = 0x1060;
    fake_control.efer = 0x800;
    fake_write64(0x1060 + (VA32 >> 30) * 8, pdpte);
    fake_write64(0x2000 + (VA32 >> 21 & 0x1ff) * 8, pde);
    fake_write64(0x3000 + (VA32 >> 12 & 0x1ff) * 8, pte);
}

static void a_pae_page_translates_and_its_pdpte_stays_unmarked(void **state)
{
    pae_tables(0x2000 | P, 0x3000 | P | W | U, PAGE | P | W | U);
    check_maps(VA32, GUEST_WRITE | GUEST_USER, PAGE + 0xcde);
    assert_int_equal(fake_read64(0x1060 + (VA32 >> 30) * 8), 0x2000 | P);
    assert_int_equal(fake_read64(0x2000 + (VA32 >> 21 & 0x1ff) * 8), 0x3000 | P | W | U | A);
}

static void a_pae_2m_page_and_nx_work(void **state)
{
    pae_tables(0x2000 | P, 0x7fe00000 | P | W | PS | NX, 0);
    check_maps(VA32, GUEST_WRITE, 0x7fe00000 + (VA32 & 0x1fffff));
    check_fault(VA32, GUEST_FETCH, EC_P | EC_I);
    pae_tables(0, 0, 0);
    check_fault(VA32, 0, 0);
}

/* --- copies --- */

static void a_copy_crosses_pages_that_are_not_neighbours(void **state)
{
    u8 out[6000], in[6000];
    unsigned i;

    for (i = 0; i < sizeof(out); i++)
        out[i] = i * 7;
    fake_map(0x10000, PAGE, P | W);
    fake_map(0x11000, PAGE + 0x5000, P | W);
    fake_map(0x12000, PAGE + 0x3000, P | W);
    assert_int_equal(copy_to_guest(v, 0x10f00, out, sizeof(out)), 0);
    assert_memory_equal(fake_ram + PAGE + 0xf00, out, 0x100);
    assert_memory_equal(fake_ram + PAGE + 0x5000, out + 0x100, 0x1000);
    assert_memory_equal(fake_ram + PAGE + 0x3000, out + 0x1100, sizeof(out) - 0x1100);
    assert_int_equal(copy_from_guest(v, in, 0x10f00, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(in));
}

static void a_copy_that_wraps_or_runs_off_fails(void **state)
{
    u8 buf[32] = {0};

    fake_map(0xfffffffffffff000ull, PAGE, P | W);
    assert_int_equal(copy_from_guest(v, buf, 0xfffffffffffffff0ull, 16), 0);
    assert_int_equal(copy_from_guest(v, buf, 0xfffffffffffffff0ull, 17), -XEN_EFAULT);
    assert_int_equal(copy_from_guest(v, buf, 0x5000, 1), -XEN_EFAULT);
    assert_int_equal(copy_from_guest(v, buf, 0x5000, 0), 0);
}

static void a_copy_to_a_read_only_page_fails_and_leaves_it(void **state)
{
    u8 buf[4] = {1, 2, 3, 4};

    fake_map(0x10000, PAGE, P);
    assert_int_equal(copy_to_guest(v, 0x10000, buf, 4), -XEN_EFAULT);
    assert_int_equal(fake_read32(PAGE), 0);
}

static void user_pages_are_legal_for_hypercalls_despite_smap(void **state)
{
    u32 val = 0x12345678;

    fake_map(0x10000, PAGE, P | W | U);
    fake_control.cr4 |= BIT(21);
    assert_int_equal(copy_to_guest(v, 0x10000, &val, 4), 0);
    assert_int_equal(fake_read32(PAGE), val);
}

static void only_ram_can_be_copied_and_grants_respect_write_access(void **state)
{
    static const struct {
        enum s2_type type;
        unsigned access;
        bool read, write;
    } row[] = {
        {S2_NONE, 0, false, false},       {S2_RAM, S2_RWX, true, true},        {S2_MMIO, S2_RWX, false, false},
        {S2_FIXUP, S2_RWX, false, false}, {S2_XEN, S2_RWX, true, true},        {S2_XEN, S2_READ, true, false},
        {S2_GRANT, S2_RWX, true, true},   {S2_GRANT_RO, S2_READ, true, false}, {S2_GRANT_RO, S2_RWX, true, false},
        {S2_FOREIGN, S2_RWX, true, true}, {S2_RAM, S2_EXEC, false, false},
    };
    unsigned i;
    u32 val = 7;

    for (i = 0; i < ARRAY_SIZE(row); i++) {
        fake_type[PAGE >> PAGE_SHIFT] = row[i].type;
        fake_access[PAGE >> PAGE_SHIFT] = row[i].access;
        assert_int_equal(copy_from_gpa(&fake_domain, &val, PAGE, 4), row[i].read ? 0 : -XEN_EFAULT);
        assert_int_equal(copy_to_gpa(&fake_domain, PAGE, &val, 4), row[i].write ? 0 : -XEN_EFAULT);
    }
    assert_int_equal(copy_from_gpa(&fake_domain, &val, ~0ull - 1, 4), -XEN_EFAULT);
    assert_int_equal(copy_from_gpa(&fake_domain, &val, 0x123400000000, 4), -XEN_EFAULT);
}

static void a_physical_copy_crosses_pages(void **state)
{
    u64 val = 0x1122334455667788, back = 0;

    assert_int_equal(copy_to_gpa(&fake_domain, PAGE - 3, &val, 8), 0);
    assert_int_equal(fake_read64(PAGE - 3), val);
    assert_int_equal(copy_from_gpa(&fake_domain, &back, PAGE - 3, 8), 0);
    assert_int_equal(back, val);
}

/* --- pins --- */

static void a_pinned_page_is_known_until_its_last_put(void **state)
{
    u8 *p = guest_page_get(&fake_domain, 5), *q = guest_page_get(&fake_domain, 5);

    assert_ptr_equal(p, fake_ram + 5 * PAGE_SIZE);
    assert_ptr_equal(q, p);
    assert_true(guest_page_is_pinned(&fake_domain, 5));
    assert_false(guest_page_is_pinned(&fake_domain, 6));
    guest_page_put(&fake_domain, p);
    assert_true(guest_page_is_pinned(&fake_domain, 5));
    guest_page_put(&fake_domain, p + 0x123);
    assert_false(guest_page_is_pinned(&fake_domain, 5));
}

static void only_writable_ram_can_be_pinned(void **state)
{
    fake_access[5] = S2_READ;
    assert_null(guest_page_get(&fake_domain, 5));
    fake_access[5] = S2_RWX;
    fake_type[5] = S2_GRANT;
    assert_null(guest_page_get(&fake_domain, 5));
    fake_type[5] = S2_MMIO;
    assert_null(guest_page_get(&fake_domain, 5));
    assert_null(guest_page_get(&fake_domain, 0xfee00));
    assert_false(guest_page_is_pinned(&fake_domain, 5));
}

static void every_page_can_be_pinned_and_let_go_in_any_order(void **state)
{
    unsigned i;

    for (i = 0; i < FAKE_PAGES; i++)
        assert_ptr_equal(guest_page_get(&fake_domain, i), fake_ram + i * PAGE_SIZE);
    for (i = 0; i < FAKE_PAGES; i++)
        assert_true(guest_page_is_pinned(&fake_domain, i));
    assert_false(guest_page_is_pinned(&fake_domain, FAKE_PAGES));
    for (i = 0; i < FAKE_PAGES; i++)
        guest_page_put(&fake_domain, fake_ram + (i * 77 % FAKE_PAGES) * PAGE_SIZE);
    for (i = 0; i < FAKE_PAGES; i++)
        assert_false(guest_page_is_pinned(&fake_domain, i));
    assert_int_equal(fake_allocs_live, 1);
}

static void without_memory_nothing_is_pinned(void **state)
{
    fake_alloc_fail_after = 0;
    assert_null(guest_page_get(&fake_domain, 5));
    fake_alloc_fail_after = -1;
    assert_false(guest_page_is_pinned(&fake_domain, 5));
    fake_alloc_fail_after = 1; /* the table, and then no entry */
    assert_null(guest_page_get(&fake_domain, 5));
    fake_alloc_fail_after = -1;
    assert_false(guest_page_is_pinned(&fake_domain, 5));
}

static volatile bool quiesced;

static void *quiesce(void *arg)
{
    guest_quiesce();
    quiesced = true;
    return NULL;
}

static void quiesce_waits_for_the_access_sections_there_are(void **state)
{
    struct timespec ms = {.tv_nsec = 20000000};
    pthread_t t;

    guest_quiesce();
    quiesced = false;
    guest_access_begin();
    guest_access_begin();
    assert_int_equal(pthread_create(&t, NULL, quiesce, NULL), 0);
    guest_access_end();
    nanosleep(&ms, NULL);
    assert_false(quiesced);
    guest_access_end();
    pthread_join(t, NULL);
    assert_true(quiesced);
}

#define T(name) cmocka_unit_test_setup_teardown(name, long_mode, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_4k_page_translates_with_its_offset),
        T(an_absent_entry_faults_not_present),
        T(a_write_to_a_read_only_page_faults_unless_wp_is_clear_for_the_supervisor),
        T(a_user_access_to_a_supervisor_page_faults),
        T(rights_of_an_upper_level_restrict_the_page),
        T(nx_stops_fetches_only),
        T(nx_at_an_upper_level_stops_fetches),
        T(nx_without_efer_nxe_is_a_reserved_bit),
        T(smep_stops_the_supervisor_fetching_from_user_pages),
        T(smap_applies_only_when_asked_and_ac_is_clear),
        T(a_read_sets_accessed_at_every_level_and_not_dirty),
        T(a_write_sets_dirty_at_the_leaf_only),
        T(a_refused_access_sets_neither),
        T(an_entry_that_changes_during_the_walk_is_read_again),
        T(an_entry_that_never_stops_changing_ends_in_a_fault),
        T(a_2m_page_translates),
        T(a_1g_page_translates),
        T(a_page_size_bit_in_the_root_is_reserved),
        T(five_levels_with_la57),
        T(a_non_canonical_address_is_no_page_fault),
        T(a_table_outside_ram_has_reserved_bits),
        T(a_table_in_read_only_memory_translates_unmarked),
        T(without_paging_linear_is_physical_up_to_4g),
        T(a_32bit_page_translates_and_is_marked),
        T(a_4m_page_needs_cr4_pse),
        T(pse36_gives_a_4m_page_eight_more_address_bits),
        T(a_pae_page_translates_and_its_pdpte_stays_unmarked),
        T(a_pae_2m_page_and_nx_work),
        T(a_copy_crosses_pages_that_are_not_neighbours),
        T(a_copy_that_wraps_or_runs_off_fails),
        T(a_copy_to_a_read_only_page_fails_and_leaves_it),
        T(user_pages_are_legal_for_hypercalls_despite_smap),
        T(only_ram_can_be_copied_and_grants_respect_write_access),
        T(a_physical_copy_crosses_pages),
        T(a_pinned_page_is_known_until_its_last_put),
        T(only_writable_ram_can_be_pinned),
        T(every_page_can_be_pinned_and_let_go_in_any_order),
        T(without_memory_nothing_is_pinned),
        T(quiesce_waits_for_the_access_sections_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
