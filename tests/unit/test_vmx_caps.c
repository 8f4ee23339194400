/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/vmx/caps.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../../src/hvm/vmx/vmx.h"

#define CAP(must, may) ((u64)(u32)(must) | (u64)(u32)(may) << 32)

/* Default-1 bits without the true capabilities (SDM vol. 3 appendix A.3). */
#define PIN_DEFAULT     0x16ull
#define PRIMARY_DEFAULT 0x0401e172ull
#define TRUE_PRIMARY    0x04006172ull /* CR3 exits may be off */
#define EXIT_DEFAULT    0x36dffull
#define ENTRY_DEFAULT   0x11ffull

/* A processor of the first kind that has all Torii needs, and nothing more. */
static struct vmx_msrs barely(void)
{
    return (struct vmx_msrs){
        .basic = 0x12345678 | BASIC_TRUE | BASIC_INS_OUTS,
        .pin = CAP(PIN_DEFAULT, PIN_DEFAULT | PIN_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS),
        .primary = CAP(TRUE_PRIMARY, TRUE_PRIMARY | PRIMARY_INTERRUPT_WINDOW | PRIMARY_TSC_OFFSETTING |
                                         PRIMARY_HLT_EXITING | PRIMARY_MWAIT_EXITING | PRIMARY_CR8_LOAD_EXITING |
                                         PRIMARY_CR8_STORE_EXITING | PRIMARY_NMI_WINDOW | PRIMARY_IO_BITMAPS |
                                         PRIMARY_MSR_BITMAPS | PRIMARY_MONITOR_EXITING | PRIMARY_SECONDARY),
        .secondary = CAP(0, SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST),
        .exit = CAP(EXIT_DEFAULT, EXIT_DEFAULT | EXIT_CTL_HOST_64 | EXIT_CTL_SAVE_PAT | EXIT_CTL_LOAD_PAT |
                                      EXIT_CTL_SAVE_EFER | EXIT_CTL_LOAD_EFER),
        .entry = CAP(ENTRY_DEFAULT, ENTRY_DEFAULT | ENTRY_CTL_GUEST_64 | ENTRY_CTL_LOAD_PAT | ENTRY_CTL_LOAD_EFER),
        .misc = MISC_STORES_LMA,
        .ept_vpid = CAP_EPT_FOUR | CAP_EPT_UC | CAP_EPT_2M | CAP_INVEPT | CAP_INVEPT_ALL,
        .cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG,
        .cr4_fixed0 = CR4_VMXE,
    };
}

static struct vmx_msrs rich(void)
{
    struct vmx_msrs m = barely();

    m.primary |= CAP(0, PRIMARY_TPR_SHADOW | PRIMARY_RDTSC_EXITING | PRIMARY_INVLPG_EXITING | PRIMARY_DR_EXITING);
    m.secondary |= CAP(0, SECONDARY_RDTSCP | SECONDARY_VPID | SECONDARY_INVPCID | SECONDARY_XSAVES | BIT(8) | BIT(9));
    m.ept_vpid |= CAP_EPT_WB | CAP_EPT_1G | CAP_INVEPT_SINGLE;
    return m;
}

static void the_least_processor_is_accepted(void **state)
{
    struct vmx_msrs m = barely();
    struct vmx_caps c;

    assert_null(vmx_choose(&m, &c));
    assert_int_equal(c.revision, 0x12345678);
    assert_int_equal(c.pin, PIN_DEFAULT | PIN_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
    assert_int_equal(c.secondary, SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST);
    assert_false(c.vpid);
    assert_false(c.ept_1g);
    assert_false(c.invept_single);
    assert_int_equal(c.eptp_bits, EPTP_UC | EPTP_FOUR_LEVELS);
}

static void accessed_and_dirty_bits_are_kept_where_they_are_offered(void **state)
{
    struct vmx_msrs m = barely();
    struct vmx_caps c;

    m.ept_vpid |= CAP_EPT_AD;
    assert_null(vmx_choose(&m, &c));
    assert_int_equal(c.eptp_bits, EPTP_UC | EPTP_FOUR_LEVELS | EPTP_ACCESSED_DIRTY);
}

static void any_type_of_invept_will_do(void **state)
{
    struct vmx_msrs m = barely();
    struct vmx_caps c;

    m.ept_vpid &= ~(CAP_INVEPT_ALL | CAP_INVEPT_SINGLE);
    assert_string_equal(vmx_choose(&m, &c), "EPT has no INVEPT");
    m.ept_vpid |= CAP_INVEPT_SINGLE;
    assert_null(vmx_choose(&m, &c));
    assert_true(c.invept_single);
}

static void without_a_tpr_shadow_cr8_exits(void **state)
{
    struct vmx_msrs m = barely();
    struct vmx_caps c;

    assert_null(vmx_choose(&m, &c));
    assert_false(c.tpr_shadow);
    assert_int_equal(c.primary & (PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING | PRIMARY_TPR_SHADOW),
                     PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING);
}

static void what_is_offered_is_taken_and_what_exits_for_nothing_is_not(void **state)
{
    struct vmx_msrs m = rich();
    struct vmx_caps c;

    assert_null(vmx_choose(&m, &c));
    assert_true(c.tpr_shadow && c.vpid && c.ept_1g && c.invept_single);
    assert_int_equal(c.secondary, SECONDARY_EPT | SECONDARY_UNRESTRICTED_GUEST | SECONDARY_RDTSCP | SECONDARY_VPID |
                                      SECONDARY_INVPCID | SECONDARY_XSAVES);
    assert_int_equal(c.primary & (PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING | PRIMARY_RDTSC_EXITING |
                                  PRIMARY_INVLPG_EXITING | PRIMARY_DR_EXITING | PRIMARY_CR3_LOAD_EXITING),
                     0);
    assert_int_equal(c.eptp_bits, EPTP_WB | EPTP_FOUR_LEVELS);
}

static void no_window_is_open_and_no_mode_chosen_at_first(void **state)
{
    struct vmx_msrs m = rich();
    struct vmx_caps c;

    assert_null(vmx_choose(&m, &c));
    assert_int_equal(c.primary & (PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW), 0);
    assert_int_equal(c.entry & ENTRY_CTL_GUEST_64, 0);
    assert_int_equal(c.exit & EXIT_CTL_HOST_64, EXIT_CTL_HOST_64);
}

static void every_forced_bit_is_set(void **state)
{
    struct vmx_msrs m = rich();
    struct vmx_caps c;

    m.secondary |= BIT(16) | BIT(48);
    assert_null(vmx_choose(&m, &c));
    assert_int_equal(c.pin & (u32)m.pin, (u32)m.pin);
    assert_int_equal(c.primary & (u32)m.primary, (u32)m.primary);
    assert_int_equal(c.secondary & (u32)m.secondary, (u32)m.secondary);
    assert_int_equal(c.exit & (u32)m.exit, (u32)m.exit);
    assert_int_equal(c.entry & (u32)m.entry, (u32)m.entry);
}

static void the_guest_owns_all_bits_of_cr0_and_cr4_but_those_of_vmx_and_caching(void **state)
{
    struct vmx_msrs m = rich();
    struct vmx_caps c;

    assert_null(vmx_choose(&m, &c));
    assert_int_equal(c.cr0_mask, CR0_NE | CR0_CD | CR0_NW);
    assert_int_equal(c.cr0_fixed, CR0_NE);
    assert_int_equal(c.cr4_mask, CR4_VMXE | CR4_SMXE);
    assert_int_equal(c.cr4_fixed, CR4_VMXE);
}

struct lack {
    size_t offset;
    u64 clear, set;
    const char *word;
};

#define LACK(field, clear, set, word)                      \
    {                                                      \
        offsetof(struct vmx_msrs, field), clear, set, word \
    }
#define MAY(bit) ((bit) << 32)

static const struct lack lacks[] = {
    LACK(pin, MAY(PIN_INTERRUPT_EXITING), 0, "interrupts"),
    LACK(pin, MAY(PIN_NMI_EXITING), 0, "NMIs"),
    LACK(pin, MAY(PIN_VIRTUAL_NMIS), 0, "virtual NMIs"),
    LACK(primary, MAY(PRIMARY_SECONDARY), 0, "EPT"),
    LACK(primary, MAY(PRIMARY_MSR_BITMAPS), 0, "MSR bitmaps"),
    LACK(primary, MAY(PRIMARY_IO_BITMAPS), 0, "I/O bitmaps"),
    LACK(primary, MAY(PRIMARY_INTERRUPT_WINDOW), 0, "interrupt window"),
    LACK(primary, MAY(PRIMARY_NMI_WINDOW), 0, "NMI window"),
    LACK(primary, MAY(PRIMARY_TSC_OFFSETTING), 0, "TSC offset"),
    LACK(primary, MAY(PRIMARY_HLT_EXITING), 0, "HLT"),
    LACK(primary, MAY(PRIMARY_MWAIT_EXITING), 0, "MWAIT"),
    LACK(primary, MAY(PRIMARY_MONITOR_EXITING), 0, "MONITOR"),
    LACK(primary, 0, PRIMARY_CR3_LOAD_EXITING, "CR3"),
    LACK(primary, 0, PRIMARY_INVLPG_EXITING, "INVLPG"),
    LACK(primary, 0, PRIMARY_RDTSC_EXITING, "RDTSC"),
    LACK(primary, 0, PRIMARY_DR_EXITING, "debug registers"),
    LACK(secondary, MAY(SECONDARY_EPT), 0, "EPT"),
    LACK(secondary, MAY(SECONDARY_UNRESTRICTED_GUEST), 0, "unrestricted guest"),
    LACK(exit, MAY(EXIT_CTL_HOST_64), 0, "64-bit host"),
    LACK(exit, MAY(EXIT_CTL_SAVE_DEBUG), 0, "debug registers"),
    LACK(exit, MAY(EXIT_CTL_LOAD_PAT), 0, "PAT"),
    LACK(exit, MAY(EXIT_CTL_SAVE_EFER), 0, "EFER"),
    LACK(entry, MAY(ENTRY_CTL_GUEST_64), 0, "64-bit guests"),
    LACK(entry, MAY(ENTRY_CTL_LOAD_DEBUG), 0, "debug registers"),
    LACK(entry, MAY(ENTRY_CTL_LOAD_PAT), 0, "PAT"),
    LACK(entry, MAY(ENTRY_CTL_LOAD_EFER), 0, "EFER"),
    LACK(misc, MISC_STORES_LMA, 0, "long mode"),
    LACK(basic, BASIC_INS_OUTS, 0, "INS and OUTS"),
    LACK(ept_vpid, CAP_EPT_FOUR, 0, "four-level"),
    LACK(ept_vpid, CAP_EPT_2M, 0, "2 MiB"),
    LACK(ept_vpid, CAP_INVEPT, 0, "INVEPT"),
    LACK(ept_vpid, CAP_EPT_UC | CAP_EPT_WB, 0, "memory type"),
};

static void each_thing_missing_is_named(void **state)
{
    for (unsigned i = 0; i < ARRAY_SIZE(lacks); i++) {
        struct vmx_msrs m = rich();
        struct vmx_caps c;
        u64 *msr = (u64 *)((char *)&m + lacks[i].offset);
        const char *missing;

        *msr = (*msr & ~lacks[i].clear) | lacks[i].set;
        missing = vmx_choose(&m, &c);
        assert_non_null(missing);
        assert_non_null(strstr(missing, lacks[i].word));
    }
}

static void a_processor_without_vmx_msrs_lacks_everything(void **state)
{
    struct vmx_msrs m = {0};
    struct vmx_caps c;

    assert_non_null(vmx_choose(&m, &c));
}

/* Bytes between the members differ here, as they do when they are left over from other calls. */
static void processors_compare_by_what_they_can_do(void **state)
{
    struct vmx_msrs m = rich(), poor = barely();
    struct vmx_caps a, b, c;

    memset(&a, 0x00, sizeof(a));
    memset(&b, 0xff, sizeof(b));
    a.revision = b.revision = 0;
    assert_null(vmx_choose(&m, &c));
#define COPY(member) a.member = b.member = c.member
    COPY(revision), COPY(pin), COPY(primary), COPY(secondary), COPY(exit), COPY(entry), COPY(cr0_mask), COPY(cr4_mask);
    COPY(cr0_fixed), COPY(cr4_fixed), COPY(eptp_bits), COPY(tpr_shadow), COPY(vpid), COPY(ept_1g), COPY(invept_single);
#undef COPY
    assert_memory_not_equal(&a, &b, sizeof(a));
    assert_true(vmx_caps_equal(&a, &b));
    b.invept_single = !b.invept_single;
    assert_false(vmx_caps_equal(&a, &b));
    assert_null(vmx_choose(&poor, &b));
    assert_false(vmx_caps_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_processor_is_accepted),
        cmocka_unit_test(processors_compare_by_what_they_can_do),
        cmocka_unit_test(accessed_and_dirty_bits_are_kept_where_they_are_offered),
        cmocka_unit_test(any_type_of_invept_will_do),
        cmocka_unit_test(without_a_tpr_shadow_cr8_exits),
        cmocka_unit_test(what_is_offered_is_taken_and_what_exits_for_nothing_is_not),
        cmocka_unit_test(no_window_is_open_and_no_mode_chosen_at_first),
        cmocka_unit_test(every_forced_bit_is_set),
        cmocka_unit_test(the_guest_owns_all_bits_of_cr0_and_cr4_but_those_of_vmx_and_caching),
        cmocka_unit_test(each_thing_missing_is_named),
        cmocka_unit_test(a_processor_without_vmx_msrs_lacks_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
