/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/cpus.c src/acpi/policy.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/madt.c src/acpi/digest.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
/* What is read from the tables: processors, interrupt controllers, registers. */
#include "acpi_world.h"

/* --- MADT --- */

static u8 madt[4096];
static size_t madt_bytes;

static void madt_begin(u32 lapic, u32 flags)
{
    memcpy(madt, &lapic, 4);
    memcpy(madt + 4, &flags, 4);
    madt_bytes = 8;
}

static void madt_add(const void *entry, size_t bytes)
{
    memcpy(madt + madt_bytes, entry, bytes);
    madt_bytes += bytes;
}

static void madt_init(void)
{
    fw_listed("APIC", 3, madt, madt_bytes);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
}

static void madt_cpu(u8 uid, u8 id, u32 flags)
{
    struct acpi_madt_lapic e = {{0, 8}, uid, id, flags};

    madt_add(&e, sizeof(e));
}

static void madt_x2(u32 uid, u32 id, u32 flags)
{
    struct acpi_madt_x2apic e = {{9, 16}, 0, id, flags, uid};

    madt_add(&e, sizeof(e));
}

static void every_madt_entry_is_digested(void **state)
{
    struct acpi_madt_ioapic io = {{1, 12}, 2, 0, 0xfec00000, 0}, io2 = {{1, 12}, 3, 0, 0xfec01000, 24};
    struct acpi_madt_override o = {{2, 10}, 0, 0, 2, 0}, sci = {{2, 10}, 0, 9, 9, 0xd};
    struct acpi_madt_nmi_source n = {{3, 8}, 5, 17};
    struct acpi_madt_lapic_nmi ln = {{4, 6}, 0xff, 0, 1};
    struct acpi_madt_lapic_address la = {{5, 12}, 0, 0xfee10000};
    struct acpi_madt_x2apic_nmi xn = {{10, 12}, 3, 0xffffffff, 1, {0}};
    u8 unknown[4] = {0x7f, 4};

    madt_begin(0xfee00000, 1);
    madt_cpu(1, 0, 1);
    madt_cpu(2, 2, 0);
    madt_cpu(3, 0xff, 0);
    madt_x2(1000, 300, 1);
    madt_add(&io, sizeof(io));
    madt_add(&io2, sizeof(io2));
    madt_add(&o, sizeof(o));
    madt_add(&sci, sizeof(sci));
    madt_add(&n, sizeof(n));
    madt_add(&ln, sizeof(ln));
    madt_add(&xn, sizeof(xn));
    madt_add(&la, sizeof(la));
    madt_add(unknown, sizeof(unknown));
    madt_init();
    assert_true(a->pcat_compat);
    assert_int_equal(a->madt_revision, 3);
    assert_int_equal(a->lapic_address, 0xfee10000);
    assert_int_equal(a->nr_cpus, 3);
    assert_int_equal(a->cpu[0].uid, 1);
    assert_true(a->cpu[0].enabled);
    assert_false(a->cpu[1].enabled);
    assert_int_equal(a->cpu[2].apic_id, 300);
    assert_int_equal(a->cpu[2].uid, 1000);
    assert_int_equal(a->nr_ioapics, 2);
    assert_int_equal(a->ioapic[1].gsi_base, 24);
    assert_int_equal(a->nr_overrides, 2);
    assert_int_equal(a->override[0].gsi, 2);
    assert_int_equal(a->override[1].flags, 0xd);
    assert_int_equal(a->nr_nmis, 3);
    assert_false(a->nmi[0].local);
    assert_int_equal(a->nmi[0].gsi, 17);
    assert_true(a->nmi[1].local);
    assert_int_equal(a->nmi[2].uid, 0xffffffff);
}

static void a_cpu_listed_twice_counts_once_and_enabled(void **state)
{
    madt_begin(0xfee00000, 0);
    madt_cpu(0, 4, 0);
    madt_x2(7, 4, 1);
    madt_cpu(0, 4, 1);
    madt_init();
    assert_int_equal(a->nr_cpus, 1);
    assert_true(a->cpu[0].enabled);
    assert_int_equal(a->cpu[0].uid, 7);
}

static void enabled_cpus_take_the_place_of_disabled_ones(void **state)
{
    madt_begin(0xfee00000, 0);
    for (unsigned i = 0; i < 200; i++)
        madt_x2(i, i, 0);
    madt_bytes = 8 + 200 * 16;
    madt_init();
    assert_int_equal(a->nr_cpus, 200);
    /* A direct digest of more than the array holds. */
    {
        static u8 big[36 + 8 + 300 * 16];
        struct acpi_header h = {.length = sizeof(big)};

        memcpy(h.signature, "APIC", 4);
        memcpy(big, &h, sizeof(h));
        for (unsigned i = 0; i < 300; i++) {
            struct acpi_madt_x2apic e = {{9, 16}, 0, i, i >= 256, i};

            memcpy(big + 44 + i * 16, &e, sizeof(e));
        }
        memset(&acpi_info, 0, sizeof(acpi_info));
        acpi_digest((const void *)big);
    }
    assert_int_equal(a->nr_cpus, ACPI_CPUS_MAX);
    for (unsigned id = 256; id < 300; id++) {
        unsigned found = 0;

        for (unsigned i = 0; i < a->nr_cpus; i++)
            found += a->cpu[i].apic_id == id && a->cpu[i].enabled;
        assert_int_equal(found, 1);
    }
}

static void a_madt_entry_of_length_0_ends_the_walk(void **state)
{
    u8 bad[2] = {0, 0};

    madt_begin(0xfee00000, 0);
    madt_cpu(0, 0, 1);
    madt_add(bad, sizeof(bad));
    madt_cpu(1, 1, 1);
    madt_init();
    assert_int_equal(a->nr_cpus, 1);
}

static void a_madt_entry_past_the_end_is_not_read(void **state)
{
    struct acpi_madt_lapic e = {{0, 8}, 1, 1, 1};

    madt_begin(0xfee00000, 0);
    madt_cpu(0, 0, 1);
    madt_add(&e, 5);
    madt_init();
    assert_int_equal(a->nr_cpus, 1);
}

static void short_madt_entries_are_skipped(void **state)
{
    static const u8 types[] = {0, 1, 2, 3, 4, 5, 9, 10};

    madt_begin(0xfee00000, 0);
    for (unsigned i = 0; i < sizeof(types); i++) {
        u8 e[4] = {types[i], 4, 0, 0};

        madt_add(e, sizeof(e));
    }
    madt_cpu(0, 0, 1);
    madt_init();
    assert_int_equal(a->nr_cpus, 1);
    assert_int_equal(a->nr_ioapics + a->nr_overrides + a->nr_nmis, 0);
    assert_int_equal(a->lapic_address, 0xfee00000);
}

static void a_madt_without_its_fixed_part_is_ignored(void **state)
{
    madt_begin(0, 0);
    madt_bytes = 4;
    madt_init();
    assert_int_equal(a->nr_cpus, 0);
    assert_int_equal(a->lapic_address, 0);
}

static void repeated_ioapics_and_overrides_are_refused(void **state)
{
    struct acpi_madt_ioapic io = {{1, 12}, 2, 0, 0xfec00000, 0}, same = {{1, 12}, 9, 0, 0xfec00000, 24},
                            gsi = {{1, 12}, 9, 0, 0xfec02000, 0}, none = {{1, 12}, 9, 0, 0, 48};
    struct acpi_madt_override o = {{2, 10}, 0, 0, 2, 0}, o2 = {{2, 10}, 0, 0, 5, 0}, bus = {{2, 10}, 1, 3, 3, 0},
                              irq = {{2, 10}, 0, 16, 3, 0};

    madt_begin(0xfee00000, 0);
    madt_add(&io, sizeof(io));
    madt_add(&same, sizeof(same));
    madt_add(&gsi, sizeof(gsi));
    madt_add(&none, sizeof(none));
    madt_add(&o, sizeof(o));
    madt_add(&o2, sizeof(o2));
    madt_add(&bus, sizeof(bus));
    madt_add(&irq, sizeof(irq));
    madt_init();
    assert_int_equal(a->nr_ioapics, 1);
    assert_int_equal(a->ioapic[0].id, 2);
    assert_int_equal(a->nr_overrides, 1);
    assert_int_equal(a->override[0].gsi, 2);
}

static void a_local_apic_above_4_gib_is_not_believed(void **state)
{
    struct acpi_madt_lapic_address la = {{5, 12}, 0, 0x1fee00000};

    madt_begin(0xfee00000, 0);
    madt_add(&la, sizeof(la));
    madt_init();
    assert_int_equal(a->lapic_address, 0xfee00000);
}

/* --- FADT --- */

static void fadt_init(const struct acpi_fadt *f, size_t bytes)
{
    fw_listed("FACP", 6, (const u8 *)f + 36, bytes - 36);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
}

static struct acpi_fadt fadt_v1(void)
{
    return (struct acpi_fadt){.sci = 9,
                              .smi_cmd = 0xb2,
                              .pm1a_evt = 0x600,
                              .pm1a_cnt = 0x604,
                              .pm_tmr = 0x608,
                              .pm1_evt_len = 4,
                              .pm1_cnt_len = 2,
                              .pm_tmr_len = 4,
                              .century = 0x32,
                              .flags = ACPI_FADT_RESET_REG_SUP,
                              .reset_reg = {ACPI_SPACE_IO, 8, 0, 1, 0xcf9},
                              .reset_value = 0xf};
}

static void a_revision_1_fadt_gives_ports(void **state)
{
    struct acpi_fadt f = fadt_v1();

    fadt_init(&f, 116);
    assert_int_equal(a->sci, 9);
    assert_int_equal(a->smi_cmd, 0xb2);
    assert_int_equal(a->pm1a_cnt.address, 0x604);
    assert_int_equal(a->pm1a_cnt.space, ACPI_SPACE_IO);
    assert_int_equal(a->pm1a_cnt.width, 16);
    assert_int_equal(a->pm1a_evt.width, 32);
    assert_int_equal(a->pm1b_cnt.address, 0);
    assert_int_equal(a->pm_tmr.address, 0x608);
    assert_false(a->pm_tmr_32bit);
    assert_int_equal(a->rtc_century, 0x32);
    /* The reset register lies past the end of this table. */
    assert_false(a->reset_supported);
}

static void a_revision_3_fadt_has_a_reset_register(void **state)
{
    struct acpi_fadt f = fadt_v1();

    f.flags |= ACPI_FADT_TMR_VAL_EXT;
    fadt_init(&f, 244);
    assert_true(a->reset_supported);
    assert_int_equal(a->reset_reg.address, 0xcf9);
    assert_int_equal(a->reset_value, 0xf);
    assert_true(a->pm_tmr_32bit);
}

static void extended_fields_win_where_they_are_not_0(void **state)
{
    struct acpi_fadt f = fadt_v1();

    f.x_pm1a_cnt = (struct acpi_gas){ACPI_SPACE_IO, 0, 0, 2, 0x1804};
    f.x_pm_tmr = (struct acpi_gas){ACPI_SPACE_MEMORY, 32, 0, 3, 0xfed81000};
    f.sleep_control = (struct acpi_gas){ACPI_SPACE_IO, 8, 0, 1, 0x700};
    f.sleep_status = (struct acpi_gas){ACPI_SPACE_IO, 8, 0, 1, 0x20000};
    fadt_init(&f, sizeof(f));
    assert_int_equal(a->pm1a_cnt.address, 0x1804);
    assert_int_equal(a->pm1a_cnt.width, 16);
    assert_int_equal(a->pm1a_evt.address, 0x600);
    assert_int_equal(a->pm_tmr.address, 0xfed81000);
    assert_int_equal(a->sleep_control.address, 0x700);
    assert_int_equal(a->sleep_status.address, 0);
}

static void unusable_extended_fields_fall_back(void **state)
{
    struct acpi_fadt f = fadt_v1();

    f.x_pm1a_cnt = (struct acpi_gas){0x7f, 16, 0, 2, 0x1804};
    f.x_pm1a_evt = (struct acpi_gas){ACPI_SPACE_IO, 16, 0, 2, 0x123456};
    f.pm1b_cnt = 0x12345678;
    f.pm_tmr_len = 0;
    fadt_init(&f, sizeof(f));
    assert_int_equal(a->pm1a_cnt.address, 0x604);
    assert_int_equal(a->pm1a_evt.address, 0x600);
    assert_int_equal(a->pm1b_cnt.address, 0);
    assert_int_equal(a->pm_tmr.address, 0);
}

static void hardware_reduced_machines_have_no_pm1(void **state)
{
    struct acpi_fadt f = fadt_v1();

    f.flags |= ACPI_FADT_HW_REDUCED;
    f.iapc_boot_arch = ACPI_BOOT_ARCH_NO_CMOS;
    fadt_init(&f, sizeof(f));
    assert_true(a->hw_reduced);
    assert_true(a->no_cmos_rtc);
    assert_int_equal(a->pm1a_cnt.address, 0);
    assert_int_equal(a->pm_tmr.address, 0);
}

static void a_short_fadt_is_ignored(void **state)
{
    struct acpi_fadt f = fadt_v1();

    fadt_init(&f, 115);
    assert_int_equal(a->sci, 0);
}

static void a_longer_fadt_than_known_is_read_as_far_as_known(void **state)
{
    struct {
        struct acpi_fadt f;
        u8 more[100];
    } packed t = {.f = fadt_v1()};

    fadt_init(&t.f, sizeof(t));
    assert_int_equal(a->sci, 9);
}

static void facs_and_dsdt_prefer_64_bits_and_are_checked(void **state)
{
    struct acpi_fadt f = fadt_v1();
    u32 facs = fw_room(64, 64);
    struct acpi_facs head = {.length = 64};

    memcpy(head.signature, "FACS", 4);
    memcpy(fw_at(facs), &head, sizeof(head));
    f.facs = 0x1234;
    f.x_facs = facs;
    f.dsdt = 0x5678;
    f.x_dsdt = fw_table("DSDT", 2, "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05", 12);
    fadt_init(&f, sizeof(f));
    assert_int_equal(a->facs, facs);
    assert_true(a->sleep[5].valid);
    assert_int_equal(a->sleep[5].typ[0], 5);
    assert_false(a->sleep[3].valid);
}

static void a_facs_without_its_signature_is_dropped(void **state)
{
    struct acpi_fadt f = fadt_v1();

    f.facs = fw_room(64, 64);
    fadt_init(&f, 116);
    assert_int_equal(a->facs, 0);
    assert_non_null(strstr(fake_log_last, "no FACS"));
}

static void a_dsdt_of_another_kind_is_not_scanned(void **state)
{
    struct acpi_fadt f = fadt_v1();

    f.dsdt = fw_table("OEM1", 2, "\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05", 12);
    fadt_init(&f, 116);
    assert_false(a->sleep[5].valid);
}

/* --- the other tables --- */

static void mcfg_entries_are_checked(void **state)
{
    struct {
        u64 reserved;
        struct acpi_mcfg_entry e[5];
    } packed body = {0,
                     {{0xb0000000, 0, 0, 255, 0},
                      {0xc0000000, 1, 16, 8, 0},
                      {0, 2, 0, 1, 0},
                      {0xd0001000, 3, 0, 1, 0},
                      {0x100000000000, 4, 0, 127, 0}}};

    fw_listed("MCFG", 1, &body, sizeof(body));
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_mcfg, 2);
    assert_int_equal(a->mcfg[0].base, 0xb0000000);
    assert_int_equal(a->mcfg[0].bus_last, 255);
    assert_int_equal(a->mcfg[1].segment, 4);
    assert_int_equal(a->mcfg[1].base, 0x100000000000);
}

static void an_mcfg_without_entries_is_empty(void **state)
{
    fw_listed("MCFG", 1, "abc", 3);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->nr_mcfg, 0);
}

static void hpet_gives_its_address(void **state)
{
    struct acpi_hpet_table t = {.base = {ACPI_SPACE_MEMORY, 64, 0, 0, 0xfed00000}};

    fw_listed("HPET", 1, (u8 *)&t + 36, sizeof(t) - 36);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->hpet, 0xfed00000);
}

static void a_short_hpet_table_or_one_at_a_port_is_ignored(void **state)
{
    struct acpi_hpet_table t = {.base = {ACPI_SPACE_IO, 64, 0, 0, 0x100}};

    fw_listed("HPET", 1, (u8 *)&t + 36, sizeof(t) - 36);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->hpet, 0);
    fw_reset();
    fw_listed("HPET", 1, (u8 *)&t + 36, 10);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_int_equal(a->hpet, 0);
}

static void spcr_init(u8 interface, u8 space, u64 address, u8 kind)
{
    struct acpi_spcr_table t = {.interface = interface,
                                .base = {space, 8, 0, 1, address},
                                .interrupt_type = kind,
                                .irq = 4,
                                .gsi = 36,
                                .baud = 7};

    fw_listed("SPCR", 2, (u8 *)&t + 36, sizeof(t) - 36);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
}

static void spcr_names_a_16550(void **state)
{
    spcr_init(0, ACPI_SPACE_IO, 0x3f8, 3);
    assert_true(a->spcr_present);
    assert_int_equal(a->spcr.address, 0x3f8);
    assert_int_equal(a->spcr_baud, 115200);
    assert_int_equal(a->spcr_gsi, 36);
}

static void spcr_with_a_pic_interrupt_gives_the_irq(void **state)
{
    spcr_init(0x12, ACPI_SPACE_MEMORY, 0xfe030000, 1);
    assert_int_equal(a->spcr_gsi, 4);
}

static void spcr_of_another_uart_or_none_is_ignored(void **state)
{
    spcr_init(3, ACPI_SPACE_MEMORY, 0xfe030000, 1);
    assert_false(a->spcr_present);
    fw_reset();
    spcr_init(0, ACPI_SPACE_IO, 0, 1);
    assert_false(a->spcr_present);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_madt_entry_is_digested),
        T(a_cpu_listed_twice_counts_once_and_enabled),
        T(enabled_cpus_take_the_place_of_disabled_ones),
        T(a_madt_entry_of_length_0_ends_the_walk),
        T(a_madt_entry_past_the_end_is_not_read),
        T(short_madt_entries_are_skipped),
        T(a_madt_without_its_fixed_part_is_ignored),
        T(repeated_ioapics_and_overrides_are_refused),
        T(a_local_apic_above_4_gib_is_not_believed),
        T(a_revision_1_fadt_gives_ports),
        T(a_revision_3_fadt_has_a_reset_register),
        T(extended_fields_win_where_they_are_not_0),
        T(unusable_extended_fields_fall_back),
        T(hardware_reduced_machines_have_no_pm1),
        T(a_short_fadt_is_ignored),
        T(a_longer_fadt_than_known_is_read_as_far_as_known),
        T(facs_and_dsdt_prefer_64_bits_and_are_checked),
        T(a_facs_without_its_signature_is_dropped),
        T(a_dsdt_of_another_kind_is_not_scanned),
        T(mcfg_entries_are_checked),
        T(an_mcfg_without_entries_is_empty),
        T(hpet_gives_its_address),
        T(a_short_hpet_table_or_one_at_a_port_is_ignored),
        T(spcr_names_a_16550),
        T(spcr_with_a_pic_interrupt_gives_the_irq),
        T(spcr_of_another_uart_or_none_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
