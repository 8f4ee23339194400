/* SPDX-License-Identifier: BSD-2-Clause */
/* iasl for tests: ASL in, AML out (errors of taste are ignored), and the other way round. A test skips if there is no
 * iasl. */
#ifndef TORII_TESTS_ASL_H
#define TORII_TESTS_ASL_H

#include <torii/types.h>

bool asl_available(void);
/* A whole table compiled from ASL, malloc'ed; fails the test if iasl makes none. */
u8 *asl_compile(const char *source, size_t *bytes);
/* What iasl makes of these tables together (external references resolved); fails the test on any error or warning. */
const char *asl_disassemble(const void *const table[], const size_t bytes[], unsigned nr, unsigned wanted);

#endif
