/* SPDX-License-Identifier: BSD-2-Clause */
/* Around a change of memory types no cache line and no translation may live on (SDM vol. 3 §12.11.7.2). */
#include <torii/mtrr.h>

#include <torii/cpu.h>

/* Clearing CR4.PGE drops global translations too. */
void caches_off(struct cache_state *before)
{
    before->cr0 = read_cr0();
    before->cr4 = read_cr4();
    write_cr0((before->cr0 | CR0_CD) & ~CR0_NW);
    asm volatile("wbinvd" : : : "memory");
    write_cr4(before->cr4 & ~CR4_PGE);
    write_cr3(read_cr3());
}

void caches_on(const struct cache_state *before)
{
    asm volatile("wbinvd" : : : "memory");
    write_cr3(read_cr3());
    write_cr4(before->cr4);
    write_cr0(before->cr0);
}
