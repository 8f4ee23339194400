/* SPDX-License-Identifier: BSD-2-Clause */
/* The reset that every PC has: an exception while none can be delivered (SDM vol. 3 §6.15, #DF). */
#include <torii/vpower.h>

void machine_triple_fault(void)
{
    struct {
        u16 limit;
        u64 base;
    } packed none = {0, 0};

    asm volatile("lidt %0; int3" : : "m"(none));
}
