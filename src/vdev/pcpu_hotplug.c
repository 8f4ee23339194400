/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's processor hotplug registers (its specification "QEMU<->ACPI BIOS CPU hotplug interface"). They are Dom0's: its
 * AML handles the event and tells its processor objects. What Torii sees pass is enough to know which processor came or
 * is asked to go: AML selects it, notifies the object, and clears the event. No driver of Dom0's then ejects it, so
 * Torii does, as the method _EJ0 would. Registers are used by one at a time: AML holds a mutex.
 */
#include <torii/acpi_build.h>
#include <torii/domain.h>
#include <torii/iomap.h>
#include <torii/log.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>

#define REGISTERS    12
#define SELECTOR     0
#define FLAGS        4 /* read: events of the selected processor; written: clear them, or eject it */
#define COMMAND      5
#define DATA         8
#define FLAG_INSERT  BIT(1)
#define FLAG_REMOVE  BIT(2)
#define FLAG_EJECT   BIT(3) /* write */
#define COMMAND_NEXT 0      /* does not move from a processor that has an event */
#define COMMAND_ID   3      /* DATA is the selected processor's APIC id */

static u16 base;
static u8 command; /* the last that Dom0 gave: what DATA means to it */
static u32 selector;
static bool selected; /* by `selector`; COMMAND_NEXT moves on to a processor that has an event */

static u32 read(struct vcpu *v, unsigned at, unsigned bytes)
{
    u32 val = ~0u;

    pio_hardware(v, NULL, (u16)(base + at), bytes, false, &val);
    return val;
}

static void write_byte(struct vcpu *v, unsigned at, u32 val)
{
    pio_hardware(v, NULL, (u16)(base + at), 1, true, &val);
}

static u32 selected_apic_id(struct vcpu *v)
{
    u32 id;

    write_byte(v, COMMAND, COMMAND_ID);
    id = read(v, DATA, 4);
    write_byte(v, COMMAND, command);
    if (selected)
        pio_hardware(v, NULL, base + SELECTOR, 4, true, &(u32){selector});
    return id;
}

static void comes(u32 apic_id)
{
    long n = pcpu_add(apic_id), rc = n < 0 ? n : pcpu_set_online((u32)n, true);

    if (rc)
        log_warn("the processor with APIC id %u, just plugged in, is not used (error %ld)\n", apic_id, rc);
}

/* True if it may leave the machine. One that stays can be asked again. */
static bool goes(u32 apic_id)
{
    for (unsigned i = 0; i < pcpu_nr; i++)
        if (pcpus[i] && pcpus[i]->apic_id == apic_id && !pcpus[i]->gone) {
            int rc = pcpu_remove(i);

            if (rc)
                log_warn("CPU %u is asked to go, and stays (error %d)\n", i, rc);
            return !rc;
        }
    return true;
}

static void flags(struct vcpu *v, u32 val)
{
    u32 events = val & read(v, FLAGS, 1) & (FLAG_INSERT | FLAG_REMOVE), id = 0;

    if (events || val & FLAG_EJECT)
        id = selected_apic_id(v);
    if (val != FLAG_EJECT)
        write_byte(v, FLAGS, val & ~FLAG_EJECT);
    if (events & FLAG_INSERT)
        comes(id);
    if ((events & FLAG_REMOVE || val & FLAG_EJECT) && goes(id))
        write_byte(v, FLAGS, FLAG_EJECT);
}

static void registers(struct vcpu *v, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    unsigned at = port - base;

    if (write && at == FLAGS && bytes == 1) {
        flags(v, *val);
        return;
    }
    if (write && at == SELECTOR && bytes == 4) {
        selector = *val;
        selected = true;
    }
    if (write && at == COMMAND && bytes == 1) {
        command = (u8)*val;
        selected = selected && command != COMMAND_NEXT;
    }
    pio_hardware(v, ctx, port, bytes, write, val);
}

int pcpu_hotplug_init(struct domain *d)
{
    base = acpi_cpu_hotplug_port();
    command = COMMAND_NEXT;
    selected = false;
    if (!base)
        return 0;
    log_info("processors plugged in at ports %#x-%#x are seen\n", base, base + REGISTERS - 1);
    return pio_register(d, base, base + REGISTERS - 1, registers, NULL);
}
