/* SPDX-License-Identifier: BSD-2-Clause */
/* A VMCS that is an array: what was written can be read back. */
#ifndef TORII_TESTS_FAKE_VMCS_H
#define TORII_TESTS_FAKE_VMCS_H

#include <torii/types.h>

/* As in vmx.h. */
u64 vmread(u32 field);
void vmwrite(u32 field, u64 val);

/* All fields 0, none written. */
void fake_vmcs_reset(void);
/* Has vmwrite been called for this field since the reset? */
bool fake_vmcs_written(u32 field);
/* What the processor stores, also in fields that are read-only to vmwrite; does not count as written. */
void fake_vmcs_poke(u32 field, u64 val);

#endif
