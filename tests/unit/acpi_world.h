/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware tables as a machine has them, digested: for tests of what Torii reads of ACPI. */
#ifndef TORII_TESTS_ACPI_WORLD_H
#define TORII_TESTS_ACPI_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/boot_info.h>
#include <torii/errno.h>

#include "../../src/acpi/defs.h"
#include "fake_memory.h"
#include "fakes.h"
#include "firmware.h"

static inline int reset(void **state)
{
    (void)state;
    fw_reset();
    acpi_set_address_check(NULL);
    memset(&acpi_info, 0xa5, sizeof(acpi_info));
    fake_log_last[0] = 0;
    return 0;
}

static inline int nothing_stays_mapped(void **state)
{
    (void)state;
    assert_int_equal(fake_maps_live, 0);
    return 0;
}

static const struct acpi_info *a = &acpi_info;

#define T(f) cmocka_unit_test_setup_teardown(f, reset, nothing_stays_mapped)

#endif
