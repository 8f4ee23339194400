/* SPDX-License-Identifier: BSD-2-Clause */
/* base: 0x200000 */
/* run: only=torii,xen */
/* An image at 2 MiB that must not move, as FreeBSD's: what FreeBSD assumes of the things around it. */
#include "rt.h"

void test(void)
{
    const struct hvm_modlist_entry *m = (const void *)start_info->modlist_paddr;
    u64 info = entry_state.ebx;
    volatile u64 *behind = (volatile u64 *)((info & ~4095ull) + 4096);

    is((u64)image_start, 0x200000, "the image is at 2 MiB");
    ok(info >= (u64)image_end && info < BIT(30), "start_info lies above the image and below 1 GiB");
    ok(start_info->modlist_paddr < info, "the module list lies below start_info");
    ok(m->paddr < info, "the module lies below start_info");
    ok(start_info->cmdline_paddr < info, "the command line lies below start_info");
    if (start_info->version)
        ok(start_info->memmap_paddr < info, "the memory map lies below start_info");
    for (unsigned i = 0; i < 1024; i++)
        behind[i * 512] = i;
    for (unsigned i = 0; i < 1024; i++)
        if (behind[i * 512] != i)
            bail("page %u behind start_info is no memory", i);
    ok(true, "4 MiB behind start_info are free memory");
}
