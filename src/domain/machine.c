/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine as a whole: its end, and which of its pages are nobody's but Torii's. It stands on top of the rooms it needs. */
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
    nmi_all_but_self();
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

bool machine_page_is_protected(mfn_t mfn)
{
    paddr_t pa = mfn << PAGE_SHIFT;

    if (pa >= torii_region.start && pa < torii_region.start + torii_region.size)
        return true;
    if (pa == VLAPIC_BASE || (pa && pa == smp_trampoline()))
        return true;
    for (unsigned i = 0; i < ioapic_count(); i++)
        if (pa == (ioapic_get(i)->base & PAGE_MASK))
            return true;
    return false;
}
