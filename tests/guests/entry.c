/* SPDX-License-Identifier: BSD-2-Clause */
/* The state a PVH kernel is entered in (Xen's docs/misc/pvh; public/arch-x86/hvm/start_info.h). */
#include "rt.h"

static const struct entry_state *e = &entry_state;

static volatile u8 bss[1 << 20];

static void processor(void)
{
    is(e->cr0 & ~0x10u, 1, "CR0 is PE and nothing but ET");
    is(e->cr2, 0, "CR2 is 0");
    is(e->cr3, 0, "CR3 is 0");
    is(e->cr4, 0, "CR4 is 0");
    is(e->efer, 0, "EFER is 0");
    ok(!(e->eflags & 0x20300), "EFLAGS has VM, IF and TF clear");
    is(e->dr6, 0xffff0ff0, "DR6 is as after reset");
    is(e->dr7, 0x400, "DR7 is as after reset");
    ok(e->ds == 0x1234 && e->es == 0x1235 && e->ss == 0x1236, "DS, ES and SS are flat and writable");
    ok(e->called, "a CALL works on a stack in start_info before a GDT is loaded");
}

static void start(void)
{
    ok(e->ebx && !(e->ebx & 3), "EBX is an aligned address");
    is(start_info->magic, XEN_HVM_START_MAGIC_VALUE, "EBX points to hvm_start_info");
    ok(e->ebx < BIT(30), "start_info lies below 1 GiB");
    ok(e->ebx + sizeof(*start_info) <= (u64)image_start || e->ebx >= (u64)image_end, "start_info lies outside the image");
}

static void apic(void)
{
    u64 base = rdmsr(MSR_APIC_BASE);
    bool masked = true;

    is(base & ~0xfffull, LAPIC_BASE, "the local APIC is at 0xfee00000");
    ok(base & BIT(11), "the local APIC is enabled in its MSR");
    ok(base & BIT(8), "this processor is the BSP");
    ok(!(base & BIT(10)), "the local APIC is in xAPIC mode");
    for (u32 lvt = LAPIC_LVTT; lvt <= LAPIC_LVT_ERROR; lvt += 0x10)
        masked &= lapic_read(lvt) >> 16 & 1;
    if (on_xen)
        ok(masked, "every LVT entry is masked");
    else
        skip("every LVT entry is masked", "firmware wires LINT0");
    is(lapic_read(LAPIC_TPR), 0, "TPR is 0");
    is(lapic_read(LAPIC_TICR), 0, "the APIC timer is stopped");
}

void test(void)
{
    u8 set = 0;

    for (unsigned i = 0; i < sizeof(bss); i++)
        set |= bss[i];
    is(set, 0, "memory up to the segment's p_memsz is zero");
    processor();
    start();
    apic();
    ok((u64)image_start == 0x1000000, "the image is at its link address");
}
