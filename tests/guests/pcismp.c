/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=2 */
/* The configuration address register is one for all processors: what one latches, the other's data access follows. */
#include "rt.h"

#define HOST_BRIDGE 0x80000000u /* 00:00.0 */
#define ABSENT      0x8000f000u /* 00:1e.0 */
#define ROUNDS      500

static volatile u32 wanted, latched;

static void latch(void *unused)
{
    u32 address;

    for (;;) {
        while ((address = wanted) == latched)
            stay_disabled();
        outl(0xcf8, address);
        latched = address;
    }
}

static u32 data_after(u32 address)
{
    wanted = address;
    while (latched != address)
        cpu_relax();
    return inl(0xcfc);
}

void test(void)
{
    u32 id, class, wrong_absent = 0, wrong_present = 0, wrong_own = 0;

    outl(0xcf8, HOST_BRIDGE);
    id = inl(0xcfc);
    outl(0xcf8, HOST_BRIDGE | 8);
    class = inl(0xcfc);
    if (!ok(ap_start(1, latch, NULL), "CPU 1 starts"))
        return;
    for (unsigned i = 0; i < ROUNDS; i++) {
        wrong_present += data_after(HOST_BRIDGE) != id;
        wrong_absent += data_after(ABSENT) != 0xffffffff;
        wrong_present += data_after(HOST_BRIDGE | 8) != class;
        /* This CPU's own address in between, and the other's again. */
        outl(0xcf8, ABSENT);
        wrong_own += inl(0xcfc) != 0xffffffff;
    }
    is(wrong_absent, 0, "the other CPU's address of no function reads all ones");
    is(wrong_present, 0, "the other CPU's address of a function reads that function");
    is(wrong_own, 0, "this CPU's address follows at once");
}
