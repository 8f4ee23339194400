/* SPDX-License-Identifier: BSD-2-Clause */
/* Two vCPUs with local APICs. */
#ifndef TORII_TESTS_VLAPIC_WORLD_H
#define TORII_TESTS_VLAPIC_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vdev_fakes.h"

#define BASE        VLAPIC_BASE
#define GP          (-XEN_EINVAL)
#define REG_MMIO(r) (BASE + (r)*16)

static inline int setup(void **state)
{
    env_init(4);
    return 0;
}

static inline int teardown(void **state)
{
    env_fini();
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
