/* SPDX-License-Identifier: BSD-2-Clause */
/* What each test of hypercalls begins with: a new world, and the check that it is left in order. */
#ifndef TORII_TESTS_XEN_TEST_H
#define TORII_TESTS_XEN_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/xen/compat.h"
#include "xen_world.h"

static inline int setup(void **state)
{
    world_setup();
    return 0;
}

static inline int teardown(void **state)
{
    world_teardown();
    return 0;
}

#endif
