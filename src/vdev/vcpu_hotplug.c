/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One bit of the machine's GPE block 0 (ACPI 6.5 §4.8.4.1) is Torii's: one that no native method handles. Reads and
 * writes of the bytes it lies in reach the hardware for the other seven.
 */
#include <torii/vcpu_hotplug.h>

#include <torii/acpi.h>
#include <torii/acpi_build.h>
#include <torii/alloc.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/vioapic.h>

static struct {
    spinlock_t lock; /* bits below */
    struct acpi_hotplug *vcpu;
    u16 status_port;
    u8 bit;
    bool status, enabled;
} gpe = {.lock = SPINLOCK(LOCK_VUART)};

static void update_line(struct domain *d)
{
    vioapic_set_line(d, acpi_sci_gsi(), gpe.status && gpe.enabled);
}

/* A status bit is cleared by writing 1 to it. */
static void gpe_port(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    bool is_status = port == gpe.status_port;
    u32 native = *val & ~(u32)gpe.bit;

    if (write) {
        pio_hardware(v, ctx, port, bytes, true, &native);
    } else {
        pio_hardware(v, ctx, port, bytes, false, val);
        *val &= ~(u32)gpe.bit;
    }
    spin_lock(&gpe.lock);
    if (!write)
        *val |= (is_status ? gpe.status : gpe.enabled) ? gpe.bit : 0;
    else if (!is_status)
        gpe.enabled = *val & gpe.bit;
    else if (*val & gpe.bit)
        gpe.status = false;
    if (write)
        update_line(v->d);
    spin_unlock(&gpe.lock);
}

int vcpu_hotplug_init(struct domain *d, gpa_t hotplug)
{
    int number = acpi_unused_gpe(), rc;
    u16 enable_port;

    if (number < 0)
        return -XEN_ENODEV;
    gpe.bit = (u8)BIT(number % 8);
    gpe.status_port = (u16)(acpi_info.gpe0.address + (unsigned)number / 8);
    enable_port = (u16)(gpe.status_port + acpi_info.gpe0.width / 16);
    rc = pio_register(d, gpe.status_port, gpe.status_port, gpe_port, NULL);
    if (!rc)
        rc = pio_register(d, enable_port, enable_port, gpe_port, NULL);
    if (!rc)
        gpe.vcpu = paddr_to_virt(hotplug);
    log_info("vCPUs come and go by GPE %#x\n", (unsigned)number);
    return rc;
}

static int notify(struct domain *d, unsigned n, u8 event)
{
    gpe.vcpu[n].event = event;
    spin_lock(&gpe.lock);
    gpe.status = true;
    update_line(d);
    spin_unlock(&gpe.lock);
    log_info("vCPU %u is told to %s\n", n, event == ACPI_NOTIFY_EJECT ? "go" : "come");
    return 0;
}

int vcpu_hotplug_add(struct domain *d)
{
    for (unsigned n = 0; gpe.vcpu && n < d->nr_vcpus; n++) {
        if (gpe.vcpu[n].sta)
            continue;
        gpe.vcpu[n].sta = ACPI_STA_WORKING;
        return notify(d, n, ACPI_NOTIFY_CHECK);
    }
    return -XEN_ENODEV;
}

int vcpu_hotplug_remove(struct domain *d)
{
    for (unsigned n = d->nr_vcpus - 1; gpe.vcpu && n > 0; n--)
        if (gpe.vcpu[n].sta)
            return notify(d, n, ACPI_NOTIFY_EJECT);
    return -XEN_ENODEV;
}

static void key_add(void)
{
    if (!dom0 || vcpu_hotplug_add(dom0))
        log_info("no vCPU to add (dom0_max_vcpus=MIN-MAX)\n");
}
CONSOLE_KEY('+', "add a vCPU to Dom0", key_add);

static void key_remove(void)
{
    if (!dom0 || vcpu_hotplug_remove(dom0))
        log_info("no vCPU to remove\n");
}
CONSOLE_KEY('-', "take a vCPU from Dom0", key_remove);
