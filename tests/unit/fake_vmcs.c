/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "fake_vmcs.h"
#include "../../src/hvm/vmx/vmx.h"

#define FIELDS 0x8000

static u64 value[FIELDS];
static bool written[FIELDS];

void fake_vmcs_reset(void)
{
    memset(value, 0, sizeof(value));
    memset(written, 0, sizeof(written));
}

bool fake_vmcs_written(u32 field)
{
    return written[field];
}

void fake_vmcs_poke(u32 field, u64 val)
{
    value[field] = val;
}

u64 vmread(u32 field)
{
    return value[field];
}

/* Bits 11:10 of an encoding: 1 is read-only. Bits 14:13: the width. */
void vmwrite(u32 field, u64 val)
{
    static const u64 mask[] = {0xffff, ~0ull, 0xffffffff, ~0ull};

    if (field >= FIELDS || (field >> 10 & 3) == 1 || val & ~mask[field >> 13 & 3])
        abort();
    value[field] = val;
    written[field] = true;
}
