/* SPDX-License-Identifier: BSD-2-Clause */
/* The control domain: its memory is the machine's, its devices are the machine's. */
#include <torii/acpi_build.h>
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/cmdline.h>
#include <torii/console_init.h>
#include <torii/dom0.h>
#include <torii/dom0_layout.h>
#include <torii/domain.h>
#include <torii/e820.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/ioapic.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/percpu.h>
#include <torii/screen.h>
#include <torii/smp.h>
#include <torii/stage2.h>
#include <torii/uart.h>
#include <torii/vcpu_hotplug.h>
#include <torii/vpci.h>
#include <torii/vuart.h>

#define UART_PORTS 8

static struct dom0_memmap memmap;

/* dom0_max_vcpus=N, or MIN-MAX: MIN are there at boot, the rest can come later. *online: how many at boot. */
static unsigned dom0_vcpus(unsigned *online)
{
    unsigned long low = pcpu_nr, high = pcpu_nr;
    char value[16], *end;

    if (cmdline_get(boot_info.cmdline, "dom0_max_vcpus", value, sizeof(value))) {
        low = high = strtoul(value, &end, 0);
        if (*end == '-')
            high = strtoul(end + 1, NULL, 0);
    }
    if (low < 1 || low > high || high > MAX_VCPUS) {
        log_warn("dom0_max_vcpus=%s: not between 1 and %u, ignored\n", value, MAX_VCPUS);
        low = high = pcpu_nr;
    }
    if (low < high && acpi_unused_gpe() < 0) {
        log_warn("dom0_max_vcpus=%s: there is no GPE to tell Dom0 by, so none comes later\n", value);
        high = low;
    }
    *online = (unsigned)low;
    return (unsigned)high;
}

static int build_memmap(unsigned nr_vcpus, struct refusal *why)
{
    struct paddr_range torii[] = {{torii_region.start, torii_region.size}, {smp_trampoline(), PAGE_SIZE}};
    u64 host = e820_bytes(&boot_info.e820, E820_RAM) - torii_region.size, bytes = host;
    unsigned pages = (unsigned)(ALIGN_UP(acpi_build_size(nr_vcpus), PAGE_SIZE) >> PAGE_SHIFT);
    char value[64];

    if (cmdline_get(boot_info.cmdline, "dom0_mem", value, sizeof(value)) && !parse_dom0_mem(value, host, &bytes))
        log_warn("dom0_mem=%s: not understood, Dom0 gets all memory\n", value);
    return dom0_memmap_build(&boot_info.e820, torii, smp_trampoline() ? 2 : 1, bytes, pages, &memmap, why);
}

/* The machine's RAM in [start, end) is free from now on. */
static void release_ram(paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < boot_info.e820.nr; i++) {
        const struct e820_entry *e = &boot_info.e820.entry[i];
        paddr_t from = max(start, e->addr), to = min(end, e->addr + e->size);

        if (e->type == E820_RAM && from < to)
            frames_release_range(from, to);
    }
}

/* RAM that is neither Dom0's nor Torii's home. */
static void release_rest(void)
{
    paddr_t home = torii_region.start, home_end = home + torii_region.size;

    for (unsigned i = 0; i < memmap.map.nr; i++) {
        const struct e820_entry *e = &memmap.map.entry[i];

        if (e->type != E820_UNUSABLE)
            continue;
        release_ram(e->addr, min(e->addr + e->size, home));
        release_ram(max(e->addr, home_end), e->addr + e->size);
    }
}

/* What Dom0 wrote there a processor would run with no guest around it. */
static int keep_trampoline(struct domain *d)
{
    gpa_t page = smp_trampoline();

    return page ? mmio_register(d, page, page + PAGE_SIZE - 1, mmio_deny, NULL) : 0;
}

static int map_range(struct domain *d, u64 start, u64 end, enum s2_type type)
{
    gfn_t gfn = start >> PAGE_SHIFT;

    return s2_map(d, gfn, gfn, (ALIGN_UP(end, PAGE_SIZE) >> PAGE_SHIFT) - gfn, type, S2_RWX);
}

static void unmap_handled(void *ctx, gpa_t first, gpa_t last)
{
    s2_unmap(ctx, first >> PAGE_SHIFT, (last >> PAGE_SHIFT) - (first >> PAGE_SHIFT) + 1);
}

/*
 * Everything by identity: RAM, firmware's areas, the first megabyte with its ROMs and its video memory. What handlers
 * stand for is taken out again. Device memory beyond that comes with its BAR, or at first touch.
 */
static int map_memory(struct domain *d)
{
    int rc = map_range(d, 0, 0x100000, S2_MMIO);

    for (unsigned i = 0; !rc && i < memmap.map.nr; i++) {
        const struct e820_entry *e = &memmap.map.entry[i];
        bool ram = e->type == E820_RAM || (e->addr <= memmap.acpi_start && memmap.acpi_start < e->addr + e->size);

        if (e->type == E820_UNUSABLE)
            continue;
        rc = map_range(d, ALIGN_DOWN(e->addr, PAGE_SIZE), e->addr + e->size, ram ? S2_RAM : S2_MMIO);
        if (e->type == E820_RAM)
            d->nr_pages += e->size >> PAGE_SHIFT;
    }
    mmio_for_each(d, unmap_handled, d);
    d->max_pages = d->nr_pages;
    return rc;
}

/* The serial line is shared: Dom0 finds a 16550 of its own at the ports of Torii's. If that cannot be had, nothing is
 * there. */
static void share_line(struct domain *d)
{
    const struct uart *u = console_uart();
    struct uart_config usual;
    struct gsi_config unused;
    unsigned irq;

    if (!u || !u->port)
        return;
    uart_defaults(u->port == 0x2f8, &usual);
    irq = u->irq ? u->irq : usual.irq;
    if (irq < 16)
        irq = isa_irq_to_gsi((u8)irq, &unused);
    if (vuart_init(d, u->port, irq) && pio_register(d, u->port, u->port + UART_PORTS - 1, pio_deny, NULL))
        log_warn("serial port %#x: ports are handled by something else already\n", u->port);
}

/* Who takes input: the serial driver if it has the port open, else the Xen console. */
static void dom0_input_ready(void)
{
    if (!vuart_input_ready(dom0))
        evtchn_raise_global_virq(dom0, VIRQ_CONSOLE);
}

static void dom0_output_drained(void)
{
    vuart_output_ready(dom0);
}

/* Built beside their place, which may hold a boot module until Dom0 has been loaded. */
static int build_tables(struct domain *d, void **tables, struct acpi_built *built)
{
    size_t size = ALIGN_UP(acpi_build_size(d->nr_vcpus), PAGE_SIZE);

    *tables = xzalloc(size);
    return *tables ? acpi_build(*tables, size, memmap.acpi_start, d->nr_vcpus, built) : -XEN_ENOMEM;
}

static void log_dom0(const struct domain *d)
{
    u64 pages[3], tables;

    s2_count((struct domain *)d, pages, &tables);
    log_info("Torii uses %lu of its %lu KiB\n", (torii_region.size - (frames_free_count() << PAGE_SHIFT)) >> 10,
             torii_region.size >> 10);
    if (alloc_count())
        log_info("%lu allocations so far\n", alloc_count());
    log_info("Dom0: %u vCPU%s, %lu MiB; stage 2: %lu x 1 GiB, %lu x 2 MiB, %lu x 4 KiB, %lu tables\n", d->nr_vcpus,
             d->nr_vcpus > 1 ? "s" : "", d->nr_pages >> 8, pages[2], pages[1], pages[0], tables);
}

int dom0_build(struct refusal *why)
{
    unsigned online, nr_vcpus = dom0_vcpus(&online);
    struct acpi_built built;
    struct hvm_state state;
    u32 entry, start_info;
    struct domain *d;
    void *tables;
    int rc;

    if (!boot_info.nr_modules)
        return refuse(why, -XEN_ENOENT, "no Dom0 kernel: the first boot module must be one");
    acpi_build_online(online);
    rc = build_memmap(nr_vcpus, why);
    if (rc)
        return rc;
    rc = domain_create(0, nr_vcpus, &d);
    if (rc)
        return refuse(why, rc, "Dom0: cannot be created (error %d)", rc);
    dom0 = d;
    share_line(d);
    d->e820_nr = memmap.map.nr;
    d->e820 = memmap.map.entry;
    rc = build_tables(d, &tables, &built);
    if (!rc && built.hotplug)
        rc = vcpu_hotplug_init(d, built.hotplug);
    if (rc)
        return refuse(why, rc, "Dom0: its ACPI tables cannot be built (error %d)", rc);
    rc = keep_trampoline(d);
    if (!rc)
        rc = map_memory(d);
    if (!rc)
        rc = hvm_domain_init(d);
    if (!rc)
        rc = vpci_domain_add_devices(d);
    if (rc)
        return refuse(why, rc, "Dom0: no memory for its page tables and devices (error %d)", rc);
    rc = dom0_load(&memmap, built.rsdp, &entry, &start_info, why);
    if (rc)
        return rc;
    memcpy(paddr_to_virt(memmap.acpi_start), tables, built.bytes);
    xfree(tables);
    log_dom0(d);
    release_rest();
    console_input_ready = dom0_input_ready;
    console_output_drained = dom0_output_drained;
    screen_release();
    hvm_state_pvh(&state, entry, start_info);
    hvm->set_state(d->vcpu[0], &state);
    d->vcpu[0]->initialised = true;
    vcpu_start(d->vcpu[0]);
    return 0;
}
