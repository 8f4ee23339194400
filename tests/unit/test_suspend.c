/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/suspend.c src/acpi/facs.c src/machine/chipset.c tests/unit/fake_core.c */
/* Suspend to RAM: what is refused, in which order everything goes and comes back, and how Dom0 is started. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/hypercall.h>
#include <torii/ioapic.h>
#include <torii/irq.h>
#include <torii/machine.h>
#include <torii/mtrr.h>
#include <torii/pci.h>
#include <torii/pstate.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/suspend.h>
#include <torii/timer_queue.h>
#include <torii/vioapic.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>
#include <torii/vpower.h>

#include "../../src/acpi/defs.h"
#include "event_log.h"
#include "fake_core.h"

#define CPUS       3
#define VCPUS      2
#define FACS       0x7fe0000ul
#define TRAMPOLINE 0x8000ul
#define VECTOR     0x9a1c0u

struct acpi_info acpi_info;
static struct acpi_facs facs;
static struct pcpu cpus[CPUS];
static struct domain dom;
static struct vcpu vcpus[VCPUS];
static struct suspend by_register = {.d = &dom, .val = {0x2401, 0x2400}}, by_call = {.d = &dom, .by_call = true};

/* --- the machine --- */

static u32 config[64]; /* of the LPC bridge */
static bool is_q35, is_qemu;

u32 pci_ports_read(u32 sbdf, unsigned reg, unsigned bytes)
{
    if (reg == PCI_ID)
        return !is_q35 ? ~0u : sbdf ? 0x29188086 : 0x29c08086;
    if (reg == 0x2c)
        return is_qemu ? 0x11001af4 : 0x12348086;
    return sbdf ? config[reg / 4] & (bytes == 1 ? 0xff : ~0u) : 0xb0000001;
}

void pci_ports_write(u32 sbdf, unsigned reg, unsigned bytes, u32 val)
{
    assert_int_equal(sbdf, PCI_SBDF(0, 0, 0xf8));
    config[reg / 4] = val;
    happen("lpc%x", reg);
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    assert_int_equal(pa, FACS);
    return &facs;
}

void machine_unmap(void *p, size_t bytes)
{
}

paddr_t smp_trampoline(void)
{
    return TRAMPOLINE;
}

void cpu_kick(unsigned cpu)
{
    happen("kick%u", cpu);
}

static unsigned absent; /* the CPU that does not come back */

void smp_hold(void)
{
    happen("hold");
}

void smp_release(void)
{
    happen("release");
}

void noreturn_fn smp_park(struct pcpu *c)
{
    fail_msg("CPU %u parks", c->id);
    for (;;)
        ;
}

bool smp_unpark(struct pcpu *c)
{
    happen("start%u", c->id);
    assert_true(c->parked);
    c->parked = false;
    return c->id != absent;
}

bool smp_restore_boot_cpu(struct pcpu *c)
{
    assert_ptr_equal(c, &cpus[0]);
    happen("cpu");
    return true;
}

void smp_aim_trampoline(void (*entry)(void *arg), void *stack, void *arg)
{
    assert_ptr_equal(entry, suspend_wake);
    assert_ptr_equal(stack, &cpus[0]);
    happen("aim");
}

void suspend_wake(void *unused)
{
}

static bool sleeps;

/* What firmware finds while the machine sleeps. */
void vpower_machine_sleep(const struct suspend *s)
{
    assert_ptr_equal(s->d, &dom);
    assert_int_equal(facs.waking_vector, TRAMPOLINE);
    assert_int_equal(facs.x_waking_vector, 0);
    happen("sleep:%x,%x", s->val[0], s->val[1]);
}

bool suspend_save(void (*sleep)(void *stack))
{
    sleep(&cpus[0]);
    memset(config, 0, sizeof(config));
    config[0x68 / 4] = 0x80808080;
    return sleeps;
}

void mtrr_save(void)
{
    happen("mtrr");
}

void console_save(void)
{
    happen("console");
}

void console_restore(void)
{
    happen("console");
}

void sleep_time_begin(void)
{
    happen("time");
}

u64 sleep_time_end(void)
{
    happen("time");
    return 61234000000;
}

void ioapic_restore(void)
{
    happen("ioapic");
}

u64 timer_queue_next(void)
{
    return 77;
}

void timer_program(u64 deadline_ns)
{
    assert_int_equal(deadline_ns, 77);
    happen("timer");
}

void timer_queue_abandon(struct timer_queue *dead)
{
    happen("abandon-timers");
}

void governor_stop(unsigned cpu)
{
    happen("governor%u", cpu);
}

void sched_abandon(struct pcpu *dead)
{
    happen("abandon%u", dead->id);
}

/* --- the domain --- */

static struct hvm_state started;

static void set_state(struct vcpu *v, const struct hvm_state *s)
{
    started = *s;
    happen("state%u", v->id);
}

static int enable(void)
{
    happen("enable");
    return 0;
}

static void disable(void)
{
    happen("disable");
}

static const struct hvm_ops ops = {.set_state = set_state, .cpu_enable = enable, .cpu_disable = disable};
const struct hvm_ops *hvm = &ops;

void hvm_state_wake(struct hvm_state *s, u32 vector)
{
    *s = (struct hvm_state){.regs.rip = vector};
}

void hvm_state_wake_flat(struct hvm_state *s, u32 vector)
{
    *s = (struct hvm_state){.regs.rip = vector, .cr0 = 1};
}

void sched_unload(struct pcpu *c)
{
    if (!c->loaded)
        return;
    happen("unload%u", c->loaded->id);
    happen("save%u", c->loaded->id);
    c->loaded = NULL;
}

void fpu_reset(struct vcpu *v)
{
    happen("fpu%u", v->id);
}

void vlapic_power_up(struct vcpu *v)
{
    happen("vlapic%u", v->id);
}

void vioapic_reset(struct domain *d)
{
    happen("vioapic");
}

void vpci_woke(struct domain *d)
{
    happen("vpci");
}

void vcpu_start(struct vcpu *v)
{
    v->state = VCPU_RUNNABLE;
    happen("run%u", v->id);
}

void runstate_change(struct vcpu *v, int state)
{
    assert_int_equal(state, RUNSTATE_offline);
}

static void offset_changed(struct vcpu *v)
{
    happen("clock%u", v->id);
}

void pvclock_update_wall_clock(struct domain *d)
{
    happen("wallclock");
}

/* --- asking --- */

static int setup(void **state)
{
    memset(cpus, 0, sizeof(cpus));
    memset(vcpus, 0, sizeof(vcpus));
    facs = (struct acpi_facs){.length = 64, .version = 2, .waking_vector = VECTOR};
    acpi_info = (struct acpi_info){.facs = FACS};
    dom = (struct domain){.nr_vcpus = VCPUS, .tsc_offset_changed = offset_changed};
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].id = i;
        cpus[i].started = cpus[i].online = true;
        pcpus[i] = &cpus[i];
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i] = (struct vcpu){.id = i, .d = &dom, .state = VCPU_RUNNABLE, .todo = TODO_EVENTS};
        dom.vcpu[i] = &vcpus[i];
    }
    pcpu_nr = CPUS;
    fake_this_cpu(&cpus[0]);
    is_q35 = is_qemu = false;
    sleeps = true;
    absent = CPUS;
    events[0] = '\0';
    fake_log_clear();
    return 0;
}

/* All but the boot CPU have stopped. */
static void park_others(void)
{
    for (unsigned i = 1; i < CPUS; i++) {
        cpus[i].parked = true;
        cpus[i].started = false;
    }
}

static void finish(void)
{
    events[0] = '\0';
    park_others();
    suspend_cpu(&cpus[0]);
}

static int teardown(void **state)
{
    if (suspend_pending)
        finish();
    return (int)fake_locks_held;
}

static void a_request_calls_every_cpu_to_its_scheduler(void **state)
{
    fake_this_cpu(&cpus[1]);
    cpus[2].started = false; /* never came up */
    assert_int_equal(suspend_request(&by_register), 0);
    assert_true(suspend_pending);
    assert_events("kick0");
    assert_true(cpus[0].resched && cpus[1].resched && cpus[2].resched);
    fake_this_cpu(&cpus[0]);
}

static void without_a_facs_nobody_sleeps(void **state)
{
    acpi_info.facs = 0;
    assert_int_equal(suspend_request(&by_register), -XEN_EOPNOTSUPP);
    assert_int_equal(suspend_request(&by_call), -XEN_EOPNOTSUPP);
    assert_false(suspend_pending);
    assert_events("");
}

static void a_waking_vector_that_firmware_cannot_go_to_is_refused(void **state)
{
    static const struct {
        u32 real, flags;
        u64 flat;
    } bad[] = {{0, 0, 0},         {0x100000, 0, 0}, {~0u, 0, 0}, {VECTOR, 0, 1ull << 32}, {VECTOR, 1, 0x1000000},
               {VECTOR, 0, ~0ull}};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        facs.waking_vector = bad[i].real;
        facs.x_waking_vector = bad[i].flat;
        facs.ospm_flags = bad[i].flags;
        assert_int_equal(suspend_request(&by_register), -XEN_EINVAL);
        assert_false(suspend_pending);
        assert_int_equal(facs.waking_vector, bad[i].real);
    }
    assert_events("");
}

static void the_hypercall_needs_no_waking_vector(void **state)
{
    facs.waking_vector = 0;
    assert_int_equal(suspend_request(&by_call), 0);
}

static void a_second_request_has_to_wait(void **state)
{
    assert_int_equal(suspend_request(&by_register), 0);
    assert_int_equal(suspend_request(&by_call), -XEN_EBUSY);
    finish();
    assert_false(suspend_pending);
    assert_int_equal(suspend_request(&by_call), 0);
}

/* --- going and coming --- */

static void everything_goes_and_comes_back_in_order(void **state)
{
    cpus[0].loaded = &vcpus[0];
    assert_int_equal(suspend_request(&by_register), 0);
    assert_events("kick1 kick2");
    park_others();
    suspend_cpu(&cpus[0]);
    assert_events(
        "unload0 save0 hold mtrr console time disable aim sleep:2401,2400 cpu time console start1 start2 ioapic "
        "enable vpci vioapic vlapic0 fpu0 vlapic1 fpu1 state0 run0 clock0 clock1 wallclock timer release");
    assert_null(cpus[0].loaded);
    assert_int_equal(started.regs.rip, VECTOR);
    assert_int_equal(started.cr0, 0);
    assert_int_equal(vcpus[0].state, VCPU_RUNNABLE);
    assert_int_equal(vcpus[1].state, VCPU_OFFLINE);
    assert_int_equal(vcpus[0].todo | vcpus[1].todo, 0);
    assert_int_equal(facs.waking_vector, VECTOR);
    assert_non_null(strstr(fake_log, "awake after 61.234 s"));
}

static void vcpus_go_on_where_they_were_after_the_hypercall(void **state)
{
    facs.waking_vector = 0x12345678; /* whatever it is, it stays */
    assert_int_equal(suspend_request(&by_call), 0);
    finish();
    assert_events(
        "hold mtrr console time disable aim sleep:0,0 cpu time console start1 start2 ioapic enable vpci clock0 clock1 "
        "wallclock timer release");
    assert_int_equal(vcpus[1].state, VCPU_RUNNABLE);
    assert_int_equal(vcpus[1].todo, TODO_EVENTS);
    assert_int_equal(facs.waking_vector, 0x12345678);
}

static void the_flat_vector_comes_before_the_other(void **state)
{
    facs.x_waking_vector = 0x1000850;
    assert_int_equal(suspend_request(&by_register), 0);
    finish();
    assert_int_equal(started.regs.rip, 0x1000850);
    assert_int_equal(started.cr0, 1);
    assert_int_equal(facs.x_waking_vector, 0x1000850);
}

static void a_cpu_that_does_not_come_back_is_given_up(void **state)
{
    absent = 2;
    assert_int_equal(suspend_request(&by_register), 0);
    finish();
    assert_non_null(strstr(events, "start1 start2 abandon2 abandon-timers governor2 ioapic"));
    assert_true(cpus[2].unfit);
    assert_false(cpus[1].unfit);
}

static void a_cpu_that_never_ran_is_not_started(void **state)
{
    assert_int_equal(suspend_request(&by_register), 0);
    park_others();
    cpus[2].parked = false;
    events[0] = '\0';
    suspend_cpu(&cpus[0]);
    assert_non_null(strstr(events, "start1 ioapic"));
}

static void a_machine_that_does_not_sleep_goes_on(void **state)
{
    sleeps = false;
    assert_int_equal(suspend_request(&by_register), 0);
    finish();
    assert_non_null(strstr(events, "run0"));
    assert_non_null(strstr(fake_log, "did not sleep"));
}

/* --- chipsets --- */

static void fill_config(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(config); i++)
        config[i] = 0x601 + i;
    config[0x68 / 4] = 0x80808080;
}

static void registers_that_seabios_forgets_are_written_again(void **state)
{
    is_q35 = is_qemu = true;
    fill_config();
    assert_int_equal(suspend_request(&by_register), 0);
    finish();
    assert_non_null(strstr(events, "cpu lpc40 lpc44 lpc60 lpcf0 time"));
    assert_int_equal(config[0x40 / 4], 0x601 + 0x10);
    assert_int_equal(config[0x44 / 4], (0x601 + 0x11) & 0xff);
    assert_int_equal(config[0x80 / 4], 0);
}

static void of_other_boards_no_register_is_written(void **state)
{
    is_q35 = true;
    fill_config();
    assert_int_equal(suspend_request(&by_register), 0);
    finish();
    assert_null(strstr(events, "lpc"));
}

/* --- the FACS --- */

static void an_old_facs_has_one_vector_and_its_reserved_bytes_stay(void **state)
{
    facs.version = 0;
    facs.x_waking_vector = 0x1234567;
    facs.ospm_flags = 3;
    assert_int_equal(suspend_request(&by_register), 0);
    facs.x_waking_vector = 0; /* or the sleep would object */
    finish();
    assert_int_equal(started.regs.rip, VECTOR);
    assert_int_equal(facs.ospm_flags, 3);
}

static void vectors_and_flag_are_given_back(void **state)
{
    const struct acpi_waking ours = {.real = 0x8000};
    struct acpi_waking theirs;

    facs.x_waking_vector = 0x1234567;
    facs.ospm_flags = 3;
    assert_true(acpi_waking_get(&theirs));
    assert_true(theirs.is64);
    acpi_waking_set(&ours);
    assert_int_equal(facs.ospm_flags, 2);
    acpi_waking_set(&theirs);
    assert_int_equal(facs.waking_vector, VECTOR);
    assert_int_equal(facs.x_waking_vector, 0x1234567);
    assert_int_equal(facs.ospm_flags, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_request_calls_every_cpu_to_its_scheduler),
        T(without_a_facs_nobody_sleeps),
        T(a_waking_vector_that_firmware_cannot_go_to_is_refused),
        T(the_hypercall_needs_no_waking_vector),
        T(a_second_request_has_to_wait),
        T(everything_goes_and_comes_back_in_order),
        T(vcpus_go_on_where_they_were_after_the_hypercall),
        T(the_flat_vector_comes_before_the_other),
        T(a_cpu_that_does_not_come_back_is_given_up),
        T(a_cpu_that_never_ran_is_not_started),
        T(a_machine_that_does_not_sleep_goes_on),
        T(registers_that_seabios_forgets_are_written_again),
        T(of_other_boards_no_register_is_written),
        T(an_old_facs_has_one_vector_and_its_reserved_bytes_stay),
        T(vectors_and_flag_are_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
