/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/cpus.c src/acpi/policy.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/madt.c src/acpi/digest.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
/* Finding the root pointer, and the way from there to the tables. */
#include "acpi_world.h"

/* --- root pointer --- */

static void seabios_revision_0_rsdp_leads_to_the_rsdt(void **state)
{
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(0, 0xf5ad0);
    assert_int_equal(acpi_init(), 0);
    assert_true(a->present);
    assert_int_equal(a->rsdp, 0xf5ad0);
    assert_int_equal(a->rsdp_revision, 0);
    assert_int_equal(a->nr_tables, 1);
    assert_string_equal(a->table[0].signature, "SSDT");
    assert_int_equal(a->table[0].length, 37);
}

static void the_ebda_is_searched_before_the_bios_area(void **state)
{
    u16 segment = FW_EBDA >> 4;

    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    memcpy(fw_at(0x40e), &segment, sizeof(segment));
    fw_finish(2, FW_EBDA + 0x20);
    fw_rsdp(0xf0000, 0, 0x1234, 0);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp, FW_EBDA + 0x20);
    assert_int_equal(a->rsdp_revision, 2);
}

static void an_rsdp_with_wrong_checksum_is_passed_over(void **state)
{
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(0, 0xf5ad0);
    fw_rsdp(0xe0000, 0, 0x1234, 0);
    *(u8 *)fw_at(0xe0009) ^= 1;
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp, 0xf5ad0);
}

static void an_unaligned_rsdp_is_not_found(void **state)
{
    fw_finish(0, 0xf5ad8);
    assert_int_equal(acpi_init(), -XEN_ENODEV);
    assert_false(a->present);
}

static void the_last_slot_of_the_bios_area_holds_no_rsdp_of_20_bytes(void **state)
{
    memcpy(fw_at(0xffff0), "RSD PTR ", 8);
    assert_int_equal(acpi_init(), -XEN_ENODEV);
    fw_finish(0, 0xfffe0);
    assert_int_equal(acpi_init(), 0);
}

static void a_damaged_extended_part_falls_back_on_the_rsdt(void **state)
{
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(2, 0xf0000);
    *(u8 *)fw_at(0xf0000 + 24) ^= 0xff;
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp_revision, 0);
    assert_int_equal(a->nr_tables, 1);
}

static void a_damaged_xsdt_falls_back_on_the_rsdt(void **state)
{
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(2, 0xf0000);
    *(u8 *)fw_at(fw_xsdt + 20) ^= 1;
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 1);
}

static void a_loaders_copy_of_the_rsdp_is_used_first(void **state)
{
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(2, 0xf0000);
    memcpy(boot_info.rsdp_copy, fw_at(0xf0000), 36);
    boot_info.rsdp_copied = true;
    memset(fw_at(0xf0000), 0, 36);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp_revision, 2);
    assert_int_equal(a->nr_tables, 1);
}

static void a_damaged_copy_is_not_the_end_of_the_search(void **state)
{
    fw_finish(0, 0xf0000);
    boot_info.rsdp_copied = true;
    boot_info.rsdp = 0xe0000;
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp, 0xf0000);
}

static void a_loaders_address_of_the_rsdp_is_used(void **state)
{
    u32 pa = fw_room(36, 16);

    fw_finish(2, pa);
    boot_info.rsdp = pa;
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp, pa);
}

static u32 efi_system_table(u32 acpi1, u32 acpi2)
{
    static const u8 guid2[16] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                 0xbc, 0x22, 0,    0x80, 0xc7, 0x3c, 0x88, 0x81};
    static const u8 guid1[16] = {0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                 0x9a, 0x16, 0,    0x90, 0x27, 0x3f, 0xc1, 0x4d};
    u32 st = fw_room(120, 8), tables = fw_room(3 * 24, 8);
    u8 *p = fw_at(st), *t = fw_at(tables);
    u64 nr = 3, at = tables, a1 = acpi1, a2 = acpi2;

    memcpy(p, "IBI SYST", 8);
    memcpy(p + 104, &nr, 8);
    memcpy(p + 112, &at, 8);
    memset(t, 0x11, 24);
    memcpy(t + 24, guid1, 16);
    memcpy(t + 40, &a1, 8);
    memcpy(t + 48, guid2, 16);
    memcpy(t + 64, &a2, 8);
    boot_info.efi = true;
    boot_info.efi_system_table = st;
    return st;
}

static void efi_configuration_tables_lead_to_the_newer_rsdp(void **state)
{
    u32 old = fw_room(36, 16), new = fw_room(36, 16);

    fw_rsdp(old, 0, 0x1234, 0);
    fw_finish(2, new);
    efi_system_table(old, new);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->rsdp, new);
}

static void efi_machines_do_not_have_their_bios_area_scanned(void **state)
{
    fw_finish(0, 0xf0000);
    efi_system_table(0, 0);
    assert_int_equal(acpi_init(), -XEN_ENODEV);
}

static void a_damaged_efi_system_table_is_survived(void **state)
{
    u32 st = efi_system_table(0, 0);
    u64 many = ~0ull;

    memcpy(fw_at(st + 104), &many, 8);
    assert_int_equal(acpi_init(), -XEN_ENODEV);
    memset(fw_at(st), 0, 8);
    assert_int_equal(acpi_init(), -XEN_ENODEV);
    boot_info.efi_system_table = 0x123456789000;
    assert_int_equal(acpi_init(), -XEN_ENODEV);
}

/* --- walking --- */

static void bad_entries_are_left_out_and_good_ones_stay(void **state)
{
    struct acpi_header h = {.length = 0x7fffffff};
    u32 pa, huge = fw_room(sizeof(h), 4), small = fw_room(sizeof(h), 4);

    memcpy(h.signature, "SSDT", 4);
    memcpy(fw_at(huge), &h, sizeof(h));
    h.length = 8;
    memcpy(fw_at(small), &h, sizeof(h));
    fw_list(0);
    fw_list(0x50000000);
    fw_list(huge);
    fw_list(small);
    fw_list(FW_TABLES + FW_TABLES_BYTES - 8);
    pa = fw_listed("SSDT", 1, "bad sum", 7);
    ((u8 *)fw_at(pa))[40] ^= 1;
    fw_listed("\x01\x02\x03\x04", 1, "x", 1);
    fw_listed("SSDT", 2, "good", 4);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 1);
    assert_int_equal(a->table[0].revision, 2);
}

static void the_same_address_twice_counts_once(void **state)
{
    u32 pa = fw_listed("SSDT", 1, "\xa3", 1); /* Noop */

    fw_list(pa);
    fw_list(pa);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 1);
}

static void a_root_table_that_lists_a_root_table_does_not_loop(void **state)
{
    u64 self = 0;
    u32 pa = fw_table("XSDT", 1, &self, sizeof(self));
    struct acpi_header *h = fw_at(pa);

    self = pa;
    memcpy(h + 1, &self, sizeof(self));
    fw_sum(h, h->length, &h->checksum);
    fw_rsdp(0xf0000, 2, 0, pa);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 0);
    assert_non_null(strstr(fake_log_last, "does not belong"));
}

static void an_xsdt_pointer_to_another_table_is_not_walked(void **state)
{
    u64 entry = 0;
    u32 pa = fw_table("SSDT", 1, &entry, sizeof(entry));

    fw_rsdp(0xf0000, 2, 0, pa);
    assert_int_equal(acpi_init(), -XEN_ENODEV);
    assert_false(a->present);
}

static bool not_torii(paddr_t pa, size_t bytes)
{
    return pa + bytes <= FW_TABLES + 0x10000 || pa >= FW_TABLES + 0x11000;
}

static void addresses_inside_torii_are_refused(void **state)
{
    u32 gap;

    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    gap = fw_room(0x10000, 0x10000);
    assert_int_equal(gap, FW_TABLES + 0x10000);
    memset(fw_at(gap), 0, 0x100);
    {
        struct acpi_header h = {.length = sizeof(h)};

        memcpy(h.signature, "SSDT", 4);
        fw_sum(&h, sizeof(h), &h.checksum);
        memcpy(fw_at(gap), &h, sizeof(h));
    }
    fw_list(gap);
    fw_rsdp(0xf0000, 0, 0, 0);
    /* The root table lies before the gap: build it by hand in the BIOS area. */
    {
        struct {
            struct acpi_header h;
            u32 entry[2];
        } packed rsdt = {.h.length = sizeof(rsdt), .entry = {FW_TABLES, gap}};

        memcpy(rsdt.h.signature, "RSDT", 4);
        fw_sum(&rsdt, sizeof(rsdt), &rsdt.h.checksum);
        memcpy(fw_at(0xf1000), &rsdt, sizeof(rsdt));
    }
    fw_rsdp(0xf0000, 0, 0xf1000, 0);
    acpi_set_address_check(not_torii);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 1);
    acpi_set_address_check(NULL);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 2);
}

static void an_address_beyond_any_cpu_is_refused(void **state)
{
    fw_list(~0ull - 10);
    fw_list(BIT(52));
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, 0);
}

static void more_tables_than_fit_are_left_out(void **state)
{
    for (unsigned i = 0; i < ACPI_TABLES_MAX + 5; i++)
        fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_tables, ACPI_TABLES_MAX);
    assert_non_null(strstr(fake_log_last, "more than 64"));
}

static void a_second_table_of_a_kind_is_not_used(void **state)
{
    struct acpi_mcfg_entry e = {.base = 0xe0000000, .bus_last = 255};
    u8 body[8 + sizeof(e)] = {0};

    memcpy(body + 8, &e, sizeof(e));
    fw_listed("MCFG", 1, body, sizeof(body));
    fw_listed("MCFG", 1, body, sizeof(body));
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_mcfg, 1);
    assert_int_equal(a->nr_tables, 1);
}

static void a_failing_map_is_survived_at_every_point(void **state)
{
    struct acpi_fadt f = {.dsdt = 0, .sci = 9};
    int rc = -1;

    f.dsdt = fw_table("DSDT", 1, "\x08_S5_\x12\x04\x02\x01\x01", 10);
    fw_listed("FACP", 1, (u8 *)&f + 36, 116 - 36);
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_finish(2, 0xf0000);
    for (int n = 0; n < 40; n++) {
        fake_map_fail_after = n;
        rc = acpi_init();
        assert_int_equal(fake_maps_live, 0);
        assert_true(rc == 0 || rc == -XEN_ENODEV);
    }
    assert_int_equal(rc, 0);
    assert_true(a->sleep[5].valid);
}

static void a_table_is_found_by_signature(void **state)
{
    fw_listed("SSDT", 1, "\xa3", 1); /* Noop */
    fw_listed("OEMX", 3, "x", 1);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(acpi_find("OEMX")->revision, 3);
    assert_null(acpi_find("FACP"));
    acpi_dump();
    assert_non_null(strstr(fake_log_last, "S5 none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(seabios_revision_0_rsdp_leads_to_the_rsdt),
        T(the_ebda_is_searched_before_the_bios_area),
        T(an_rsdp_with_wrong_checksum_is_passed_over),
        T(an_unaligned_rsdp_is_not_found),
        T(the_last_slot_of_the_bios_area_holds_no_rsdp_of_20_bytes),
        T(a_damaged_extended_part_falls_back_on_the_rsdt),
        T(a_damaged_xsdt_falls_back_on_the_rsdt),
        T(a_loaders_copy_of_the_rsdp_is_used_first),
        T(a_damaged_copy_is_not_the_end_of_the_search),
        T(a_loaders_address_of_the_rsdp_is_used),
        T(efi_configuration_tables_lead_to_the_newer_rsdp),
        T(efi_machines_do_not_have_their_bios_area_scanned),
        T(a_damaged_efi_system_table_is_survived),
        T(bad_entries_are_left_out_and_good_ones_stay),
        T(the_same_address_twice_counts_once),
        T(a_root_table_that_lists_a_root_table_does_not_loop),
        T(an_xsdt_pointer_to_another_table_is_not_walked),
        T(addresses_inside_torii_are_refused),
        T(an_address_beyond_any_cpu_is_refused),
        T(more_tables_than_fit_are_left_out),
        T(a_second_table_of_a_kind_is_not_used),
        T(a_failing_map_is_survived_at_every_point),
        T(a_table_is_found_by_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
