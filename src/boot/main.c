/* SPDX-License-Identifier: BSD-2-Clause */
/* From the boot loader's jump to the first guest entry, in order. */
#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/cmdline.h>
#include <torii/console_init.h>
#include <torii/cpu.h>
#include <torii/dom0.h>
#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/ioapic.h>
#include <torii/lapic.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/pci.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/traps.h>
#include <torii/tsc.h>
#include <torii/version.h>

#include "multiboot.h"

#define CPUID_1_ECX_RDRAND BIT(30)

struct boot_info boot_info;
extern uintptr_t __stack_chk_guard;

static struct pcpu boot_cpu = {.self = &boot_cpu};

void noreturn_fn boot_main(u32 magic, u32 info, u64 load_offset);

/* The boot tables map the low 4 GiB 1:1. */
static const void *map_low(paddr_t pa, size_t bytes)
{
    return pa < 1ull << 32 && bytes <= (1ull << 32) - pa ? (const void *)pa : NULL;
}

static bool address_is_not_ours(paddr_t pa, size_t bytes)
{
    return pa >= torii_region.start + torii_region.size || pa + bytes <= torii_region.start;
}

/* A fault of the user's making: say it, and stop as the command line wants. */
static void noreturn_fn refuse_to_start(const char *line)
{
    log_err("%s\n", line);
    log_err("Torii cannot start\n");
    console_flush();
    if (cmdline_bool(boot_info.cmdline, "noreboot", false))
        machine_halt();
    machine_delay_ms(2000);
    machine_reset();
}

/* The one thing still in the loader's memory, which becomes Dom0's: what XENPF_firmware_info reads later. */
static void keep_efi_memmap(void)
{
    void *copy;

    if (!boot_info.efi_memmap)
        return;
    copy = xzalloc(boot_info.efi_memmap_size);
    if (copy)
        memcpy(copy, paddr_to_virt(boot_info.efi_memmap), boot_info.efi_memmap_size);
    else
        log_warn("no memory to keep the EFI memory map\n");
    boot_info.efi_memmap = copy ? virt_to_paddr(copy) : 0;
}

static void log_boot(void)
{
    u64 ram = 0;

    for (unsigned i = 0; i < boot_info.e820.nr; i++)
        if (boot_info.e820.entry[i].type == E820_RAM)
            ram += boot_info.e820.entry[i].size;
    log_info("Torii %s, by %s from %s%s\n", TORII_VERSION, boot_info.protocol, boot_info.loader,
             boot_info.efi ? " (UEFI)" : "");
    log_info("command line: %s\n", boot_info.cmdline);
    log_info("%lu MiB of RAM; Torii lives in %lu MiB at %#lx\n", ram >> 20, torii_region.size >> 20,
             torii_region.start);
    for (unsigned i = 0; i < boot_info.e820.nr; i++) {
        const struct e820_entry *e = &boot_info.e820.entry[i];

        log_debug("  %#018lx-%#018lx %s\n", e->addr, e->addr + e->size - 1, e820_type_name(e->type));
    }
}

/*
 * The value that functions with arrays keep before their return address: another one at each boot. Inline into a function
 * that never returns, as every frame below it: they hold the old value.
 */
static inline __attribute__((always_inline)) void stack_guard_init(void)
{
    u64 random = rdtsc() * 0x9e3779b97f4a7c15ull;
    u64 more = 0;

    if (cpuid(1, 0).ecx & CPUID_1_ECX_RDRAND)
        asm volatile("rdrand %0" : "+r"(more));
    __stack_chk_guard = (random ^ more) & ~0xffull;
}

static void noreturn_fn boot_on_guarded_stack(void);
void noreturn_fn stack_switch(void *top, void (*next)(void));

void boot_main(u32 magic, u32 info, u64 load_offset)
{
    struct refusal why = {0};
    int rc;

    idt_init();
    pcpus[0] = &boot_cpu;
    pcpu_load(&boot_cpu);
    rc = multiboot_parse(magic, info, map_low, &boot_info, &why);
    console_init();
    if (rc)
        refuse_to_start(why.line);
    alloc_fault_init(boot_info.cmdline);
    mm_init(load_offset);
    if (!pcpu_create(0, 0))
        panic("no memory for the boot CPU\n");
    stack_switch((char *)boot_cpu.stack + STACK_PAGES * PAGE_SIZE, boot_on_guarded_stack);
}

static void boot_on_guarded_stack(void)
{
    struct refusal why = {0};
    int rc;

    stack_guard_init();
    pcpu_load(&boot_cpu);
    pcpu_nr = 1;
    cpu_features_init();
    console_init_mapped();
    keep_efi_memmap();
    log_boot();

    acpi_set_address_check(address_is_not_ours);
    if (acpi_init() || !acpi_find("FACP") || !acpi_find("APIC"))
        refuse_to_start("no usable ACPI tables: Torii needs an RSDP, a FADT and a MADT");
    tsc_init();
    if (lapic_init_boot())
        refuse_to_start("no local APIC");
    lapic_init_cpu();
    boot_cpu.apic_id = lapic_id(); /* from here on there is one way to read it */
    lapic_timer_calibrate();
    ioapic_init();
    if (irq_cpu_init(0))
        panic("no memory for interrupt vectors\n");
    if (hvm_init())
        refuse_to_start("no usable hardware virtualisation");
    rc = hvm->cpu_enable();
    if (rc)
        panic("cannot enable %s%s\n", hvm->name, rc == -XEN_ENOMEM ? ": no memory" : "");
    boot_cpu.started = boot_cpu.online = true;
    smp_start();
    pci_init();
    console_start_input();

    if (dom0_build(&why))
        refuse_to_start(why.line);
    smp_release();
    sched_loop();
}
