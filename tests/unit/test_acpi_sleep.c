/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/acpi/aml.c src/acpi/rsdp.c src/acpi/tables.c src/acpi/cpus.c src/acpi/policy.c src/acpi/processors.c src/acpi/aml_scan.c src/acpi/madt.c src/acpi/digest.c tests/unit/firmware.c tests/unit/fake_memory.c tests/unit/fakes.c */
/* Sleep types, as _S5 and the like have them in AML that is not run. */
#include "acpi_world.h"

static bool find(const char *aml, size_t bytes, u8 typ[2])
{
    u8 *exact = malloc(bytes);
    bool found;

    memcpy(exact, aml, bytes);
    typ[0] = typ[1] = 0xee;
    found = acpi_find_sleep_types(exact, bytes, "_S5_", typ);
    free(exact);
    return found;
}
#define FIND(aml, typ) find(aml, sizeof(aml) - 1, typ)

static void sleep_types_are_read_in_every_integer_encoding(void **state)
{
    u8 t[2];

    assert_true(FIND("\x08_S5_\x12\x06\x04\x00\x00\x00\x00", t));
    assert_int_equal(t[0], 0);
    assert_true(FIND("\x08_S5_\x12\x06\x02\x0a\x07\x0a\x06", t));
    assert_int_equal(t[0], 7);
    assert_int_equal(t[1], 6);
    assert_true(FIND("\x08\\_S5_\x12\x05\x02\x01\x0a\x03", t));
    assert_int_equal(t[0], 1);
    assert_int_equal(t[1], 3);
    assert_true(FIND("\x08_S5_\x12\x08\x02\x0b\x05\x00\x0b\x04\x00", t));
    assert_int_equal(t[1], 4);
    assert_true(FIND("\x08_S5_\x12\x0c\x02\x0c\x05\x00\x00\x00\x0c\x02\x00\x00\x00", t));
    assert_int_equal(t[1], 2);
    assert_true(FIND("\x08_S5_\x12\x0c\x02\x0e\x05\x00\x00\x00\x00\x00\x00\x00\x01", t));
    assert_int_equal(t[0], 5);
    assert_int_equal(t[1], 1);
}

static void long_package_lengths_are_understood(void **state)
{
    u8 t[2];

    assert_true(FIND("\x08_S5_\x12\x47\x00\x04\x0a\x05\x0a\x05", t));
    assert_int_equal(t[1], 5);
    assert_true(FIND("\x08_S5_\x12\x88\x00\x00\x04\x0a\x05\x0a\x05", t));
    assert_true(FIND("\x08_S5_\x12\xc9\x00\x00\x00\x04\x0a\x05\x0a\x05", t));
}

static void a_package_of_one_element_gives_0_for_the_second(void **state)
{
    u8 t[2];

    assert_true(FIND("\x08_S5_\x12\x04\x01\x0a\x05", t));
    assert_int_equal(t[0], 5);
    assert_int_equal(t[1], 0);
    assert_true(FIND("\x08_S5_\x12\x04\x04\x0a\x05", t));
    assert_int_equal(t[1], 0);
}

static void a_mention_without_a_name_is_passed_over(void **state)
{
    u8 t[2];

    assert_true(FIND("xx_S5_\x12\x06\x04\x0a\x01\x0a\x01\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05", t));
    assert_int_equal(t[0], 5);
    assert_true(FIND("\x08_S5_\x0d text\0\x08_S5_\x12\x06\x04\x0a\x06\x0a\x06", t));
    assert_int_equal(t[0], 6);
}

static void packages_that_do_not_fit_are_refused(void **state)
{
    u8 t[2];

    assert_false(FIND("\x08_S5_\x12\x3f\x04\x0a\x05\x0a\x05", t)); /* longer than the table */
    assert_false(FIND("\x08_S5_\x12\x00\x04\x0a\x05\x0a\x05", t)); /* shorter than its own length */
    assert_false(FIND("\x08_S5_\x12\x03\x04\x0a\x05\x0a\x05", t)); /* ends inside an element */
    assert_false(FIND("\x08_S5_\x12\x02\x04\x0a\x05\x0a\x05", t)); /* no elements present */
    assert_false(FIND("\x08_S5_\x12\x06\x00\x0a\x05\x0a\x05", t)); /* of no elements */
    assert_false(FIND("\x08_S5_\x12\x06\x02\x0a\x08\x0a\x05", t)); /* no sleep type */
    assert_false(FIND("\x08_S5_\x12\x06\x02\x0a\x05NAME", t));     /* a name */
    assert_false(FIND("\x08_S5_\x12\xc0", t));
    assert_false(FIND("\x08_S5_\x12", t));
    assert_false(FIND("\x08_S5_", t));
    assert_false(FIND("_S5_", t));
    assert_false(FIND("\\_S5_", t));
    assert_int_equal(t[0], 0xee);
}

static void sleep_types_may_stand_in_an_ssdt(void **state)
{
    fw_listed("SSDT", 1, "nothing", 7);
    fw_listed("SSDT", 1, "\x08_S5_\x12\x04\x02\x00\x01\x08_S3_\x12\x04\x02\x01\x01", 20);
    fw_finish(2, 0xf0000);
    assert_int_equal(acpi_init(), 0);
    assert_true(a->sleep[5].valid);
    assert_int_equal(a->sleep[5].typ[0], 0);
    assert_int_equal(a->sleep[5].typ[1], 1);
    assert_true(a->sleep[3].valid);
    assert_int_equal(a->sleep[3].typ[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sleep_types_may_stand_in_an_ssdt),        T(sleep_types_are_read_in_every_integer_encoding),
        T(long_package_lengths_are_understood),     T(a_package_of_one_element_gives_0_for_the_second),
        T(a_mention_without_a_name_is_passed_over), T(packages_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
