/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine as a whole: its end, and which of its pages are RAM or nobody's but Torii's. It stands on top of the rooms
 * it needs. */
#include <torii/atomic.h>
#include <torii/boot_info.h>
#include <torii/cpu.h>
#include <torii/hvm.h>
#include <torii/irq.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/percpu.h>
#include <torii/smp.h>
#include <torii/time.h>
#include <torii/vlapic.h>
#include <torii/vpower.h>

void machine_halt(void)
{
    console_flush();
    stop_all_but_self();
    for (;;)
        asm volatile("cli; hlt");
}

void machine_reset(void)
{
    irq_disable();
    console_flush();
    /* A processor in VMX operation ignores INIT, which is how some resets reach it (SDM vol. 3 §24.8). */
    if (hvm && this_cpu()->hvm_host)
        hvm->cpu_disable();
    vpower_machine_reset();
    machine_halt();
}

void machine_power_off(void)
{
    irq_disable();
    console_flush();
    vpower_machine_off();
    log_err("the machine does not power off; it is safe to switch it off\n");
    machine_halt();
}

void machine_delay_ms(unsigned ms)
{
    u64 end = now_ns() + ms * 1000000ull;

    while (tsc_scale.khz && now_ns() < end)
        asm volatile("pause");
}

/* The page of [first, last], which may be empty, that is the next at mfn or above, or best if that is nearer. */
static mfn_t nearer(mfn_t mfn, mfn_t best, mfn_t first, mfn_t last)
{
    return first > last || mfn > last ? best : min(best, max(mfn, first));
}

mfn_t machine_protected_from(mfn_t mfn)
{
    mfn_t best = INVALID_MFN, lapic = VLAPIC_BASE >> PAGE_SHIFT, page = smp_trampoline() >> PAGE_SHIFT;

    best = nearer(mfn, best, torii_region.start >> PAGE_SHIFT,
                  ((torii_region.start + torii_region.size) >> PAGE_SHIFT) - 1);
    best = nearer(mfn, best, lapic, lapic);
    if (page) /* 0 without one */
        best = nearer(mfn, best, page, page);
    for (unsigned i = 0; i < ioapic_count(); i++) {
        page = ioapic_get(i)->base >> PAGE_SHIFT;
        best = nearer(mfn, best, page, page);
    }
    return best;
}

/* CPUID 0x80000008 EAX[7:0]; 36 bits without that leaf (APM vol. 3 §E.4.7). */
paddr_t machine_paddr_limit(void)
{
    static paddr_t limit;

    if (!READ_ONCE(limit))
        WRITE_ONCE(limit, BIT(cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36));
    return READ_ONCE(limit);
}

bool machine_page_is_protected(mfn_t mfn)
{
    return machine_protected_from(mfn) == mfn;
}

mfn_t machine_ram_from(mfn_t mfn)
{
    const struct e820 *map = &boot_info.e820;
    mfn_t best = INVALID_MFN;

    for (const struct e820_entry *e = map->entry; e < map->entry + map->nr; e++)
        if (e->type == E820_RAM && e->addr + e->size >= PAGE_SIZE)
            best = nearer(mfn, best, ALIGN_UP(e->addr, PAGE_SIZE) >> PAGE_SHIFT, ((e->addr + e->size) >> PAGE_SHIFT) - 1);
    return best;
}

bool machine_page_is_ram(mfn_t mfn)
{
    return machine_ram_from(mfn) == mfn;
}
