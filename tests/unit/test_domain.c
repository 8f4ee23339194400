/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/domain.c src/core/cmdline.c tests/unit/fakes.c */
/* The life of a domain: creation that fails at any step, and every way it can end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <stdlib.h>
#include <cmocka.h>

#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/boot_info.h>
#include <torii/cstate.h>
#include <torii/dom0.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/hypercall.h>
#include <torii/iomap.h>
#include <torii/machine.h>
#include <torii/pcpu.h>
#include <torii/percpu.h>
#include <torii/sched.h>
#include <torii/stage2.h>
#include <torii/trace.h>
#include <torii/vioapic.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>
#include <torii/vpower.h>

#include <xen/sched.h>

#include "fakes.h"

struct boot_info boot_info;
struct acpi_info acpi_info;
struct pcpu *pcpus[MAX_CPUS];
unsigned pcpu_nr;

static struct pcpu cpus[2];
static int steps_left; /* of creation, until one fails; negative: none does */
static unsigned steps, paused, offlined, dumps, traces, clocks, assigned, statistics;
static gpa_t denied_first, denied_last;
static jmp_buf end_of_machine;
static enum { RUNS, OFF, RESET, HALTED } machine;

static int step(void)
{
    steps++;
    return steps_left >= 0 && steps_left-- == 0 ? -XEN_ENOMEM : 0;
}

#define STEP(name)             \
    int name(struct domain *d) \
    {                          \
        return step();         \
    }
#define VCPU_STEP(name)      \
    int name(struct vcpu *v) \
    {                        \
        return step();       \
    }
STEP(io_map_init)
STEP(s2_init)
STEP(hvm_msr_register)
STEP(hypercall_page_register)
STEP(vlapic_register)
STEP(vioapic_init)
STEP(vpower_init)
STEP(legacy_ports_register)
STEP(idle_ports_register)
STEP(pcpu_hotplug_init)
STEP(vpci_init)
STEP(xen_domain_init)
VCPU_STEP(fpu_init_vcpu)
VCPU_STEP(vlapic_init)
VCPU_STEP(xen_vcpu_init)
STEP(hvm_domain_init)
static VCPU_STEP(hvm_vcpu_init)

    int mmio_register(struct domain *d, gpa_t first, gpa_t last, mmio_fn *fn, void *ctx)
{
    assert_ptr_equal(fn, mmio_deny);
    denied_first = first;
    denied_last = last;
    return step();
}

void mmio_deny(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
}

static gpa_t handled = ~0ul;
static mfn_t ram_page = ~0ul, protected_page = ~0ul, mapped_page = ~0ul;

bool mmio_next(const struct domain *d, gpa_t gpa, struct mmio_range *range)
{
    range->first = range->last = handled;
    return gpa <= handled;
}

enum s2_type s2_lookup_run(struct domain *d, gfn_t gfn, u64 *nr)
{
    *nr = mapped_page > gfn ? mapped_page - gfn : 1;
    return gfn == mapped_page ? S2_MMIO : S2_NONE;
}

mfn_t machine_ram_from(mfn_t mfn)
{
    return mfn <= ram_page ? ram_page : INVALID_MFN;
}

mfn_t machine_protected_from(mfn_t mfn)
{
    return mfn <= protected_page ? protected_page : INVALID_MFN;
}

void sched_assign(struct vcpu *v, struct pcpu *c)
{
    assert_ptr_equal(c, &cpus[v->id % 2]);
    assigned++;
}

void vlapic_tsc_moved(struct vcpu *v)
{
    clocks++;
}

void pvclock_update(struct vcpu *v)
{
    clocks++;
}

void vcpu_pause(struct vcpu *v)
{
    paused |= 1u << v->id;
}

void vcpu_offline(struct vcpu *v)
{
    offlined |= 1u << v->id;
}

bool vcpu_is_online(const struct vcpu *v)
{
    return v->state != VCPU_OFFLINE;
}

struct vcpu *current_vcpu(void)
{
    return this_cpu()->current;
}

void exit_stats_dump(const struct domain *d)
{
    statistics++;
}

void hypercall_dump(void)
{
    statistics++;
}

void cstate_dump(void)
{
    statistics++;
}

u64 alloc_count(void)
{
    return 0;
}

void trace_dump(const struct pcpu *c)
{
    traces++;
}

void console_flush(void)
{
}

static void noreturn_fn end(int how)
{
    machine = how;
    longjmp(end_of_machine, 1);
}

void noreturn_fn machine_power_off(void)
{
    end(OFF);
}

void noreturn_fn machine_reset(void)
{
    end(RESET);
}

void noreturn_fn machine_halt(void)
{
    end(HALTED);
}

static void get_control(struct vcpu *v, struct hvm_control *c)
{
    *c = (struct hvm_control){.cr0 = 0x80000011};
}

static unsigned cpl(struct vcpu *v)
{
    return 0;
}

static void dump(struct vcpu *v)
{
    dumps |= 1u << v->id;
}

static const struct hvm_ops ops = {
    .vcpu_init = hvm_vcpu_init, .get_control = get_control, .cpl = cpl, .dump = dump};
const struct hvm_ops *hvm = &ops;

static int start(void **state)
{
    memset(cpus, 0, sizeof(cpus));
    memset(&boot_info, 0, sizeof(boot_info));
    memset(&acpi_info, 0, sizeof(acpi_info));
    for (pcpu_nr = 0; pcpu_nr < 2; pcpu_nr++) {
        cpus[pcpu_nr] = (struct pcpu){.id = pcpu_nr, .self = &cpus[pcpu_nr]};
        pcpus[pcpu_nr] = &cpus[pcpu_nr];
    }
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[0]))
        abort();
    steps_left = -1;
    steps = paused = offlined = dumps = traces = clocks = assigned = statistics = 0;
    denied_first = denied_last = 0;
    handled = ram_page = protected_page = mapped_page = ~0ul;
    machine = RUNS;
    return 0;
}

/* Nothing in src/ frees a domain: Dom0 lives as long as the machine. */
static void discard(struct domain *d)
{
    for (unsigned i = 0; d && i < d->nr_vcpus; i++) {
        if (d->vcpu[i])
            xfree(d->vcpu[i]->exits);
        xfree(d->vcpu[i]);
    }
    xfree(d);
}

static struct domain *create(domid_t id)
{
    struct domain *d = NULL;

    assert_int_equal(domain_create(id, 3, &d), 0);
    return d;
}

/* Each returns when the call does, or when it has ended the machine. */
static void shut_down(struct domain *d, u8 reason)
{
    if (!setjmp(end_of_machine))
        domain_shutdown(d, reason);
}

static void crash(struct vcpu *v)
{
    if (!setjmp(end_of_machine))
        domain_crash(v, "because of %d\n", 42);
}

static void triple_fault(struct vcpu *v)
{
    if (!setjmp(end_of_machine))
        domain_triple_fault(v);
}

static void halted(struct vcpu *v)
{
    if (!setjmp(end_of_machine))
        domain_vcpu_halted(v);
}

/* --- creation --- */

static void vcpus_are_spread_over_the_cpus(void **state)
{
    struct domain *d = create(0);

    assert_int_equal(assigned, 3);
    assert_true(d->privileged);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(d->vcpu[i]->id, i);
        assert_ptr_equal(d->vcpu[i]->d, d);
        assert_int_equal(d->vcpu[i]->state, VCPU_OFFLINE);
    }
    d->tsc_offset_changed(d->vcpu[0]);
    assert_int_equal(clocks, 2);
    discard(d);
    assert_int_equal(fake_allocs_live, 0);
}

static void creation_tells_of_a_failure_at_any_step(void **state)
{
    struct domain *d = create(0);
    unsigned all = steps;

    discard(d);
    assert_true(all > 20);
    for (unsigned n = 0; n < all; n++) {
        start(NULL);
        steps_left = (int)n;
        d = NULL;
        assert_int_equal(domain_create(0, 3, &d), -XEN_ENOMEM);
        assert_int_equal(steps, n + 1); /* and nothing is tried after it */
        discard(d);
    }
}

static void creation_tells_of_missing_memory(void **state)
{
    struct domain *d;

    for (int n = 0; n < 7; n++) {
        start(NULL);
        fake_alloc_fail_after = n;
        d = NULL;
        assert_int_equal(domain_create(0, 3, &d), -XEN_ENOMEM);
        discard(d);
    }
    fake_alloc_fail_after = -1;
    assert_int_equal(fake_allocs_live, 0);
}

static void the_hpets_page_is_denied_if_there_is_one(void **state)
{
    acpi_info.hpet = 0xfed00400;
    discard(create(0));
    assert_int_equal(denied_first, 0xfed00000);
    assert_int_equal(denied_last, 0xfed00fff);
    start(NULL);
    discard(create(0));
    assert_int_equal(denied_last, 0);
}

/* --- faulting in --- */

static void only_pages_nobody_speaks_for_may_be_faulted_in(void **state)
{
    struct domain *d = create(0), *other = create(5);

    assert_true(domain_may_fault_in(d, 0xd0000000, 0x3000));
    assert_false(domain_may_fault_in(other, 0xd0000000, 0x3000));
    handled = 0xd0002000;
    assert_false(domain_may_fault_in(d, 0xd0000000, 0x3000));
    assert_true(domain_may_fault_in(d, 0xd0000000, 0x2000));
    handled = ~0ul;
    ram_page = 0xd0001;
    assert_false(domain_may_fault_in(d, 0xd0000000, 0x3000));
    ram_page = ~0ul;
    protected_page = 0xd0000;
    assert_false(domain_may_fault_in(d, 0xd0000000, 0x3000));
    protected_page = 0xd0003;
    assert_true(domain_may_fault_in(d, 0xd0000000, 0x3000));
    protected_page = ~0ul;
    mapped_page = 0xd0002;
    assert_false(domain_may_fault_in(d, 0xd0000000, 0x3000));
    assert_true(domain_may_fault_in(d, 0xd0000000, 0x2000));
    assert_true(domain_may_fault_in(d, 0xd0003000, 0x1000));
    discard(d);
    discard(other);
}

/* --- the end --- */

static void power_off_ends_the_machine_and_pauses_the_other_vcpus(void **state)
{
    struct domain *d = create(0);

    cpus[0].current = d->vcpu[1];
    shut_down(d, SHUTDOWN_poweroff);
    assert_int_equal(machine, OFF);
    assert_int_equal(paused, 1u << 0 | 1u << 2);
    assert_int_equal(dumps | statistics, 0);
    discard(d);
}

static void any_other_reason_resets_the_machine_unless_noreboot(void **state)
{
    static const u8 reasons[] = {SHUTDOWN_reboot, SHUTDOWN_suspend, SHUTDOWN_watchdog, SHUTDOWN_soft_reset, 77};

    for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++) {
        struct domain *d = create(0);

        shut_down(d, reasons[i]);
        assert_int_equal(machine, RESET);
        assert_int_equal(d->shutdown_reason, reasons[i]);
        d->is_shut_down = false;
        strcpy(boot_info.cmdline, "noreboot exit-stats");
        shut_down(d, reasons[i]);
        assert_int_equal(machine, HALTED);
        assert_int_equal(statistics, 3);
        discard(d);
        start(NULL);
    }
}

static void the_second_vcpu_to_end_the_domain_only_stops(void **state)
{
    struct domain *d = create(0);

    d->is_shut_down = true;
    cpus[0].current = d->vcpu[2];
    shut_down(d, SHUTDOWN_reboot);
    assert_int_equal(machine, RUNS);
    assert_int_equal(offlined, 1u << 2);
    cpus[0].current = NULL; /* nor does a timer that comes late do anything */
    shut_down(d, SHUTDOWN_reboot);
    assert_int_equal(machine, RUNS);
    discard(d);
}

static void a_crash_shows_the_vcpu_and_its_last_exits(void **state)
{
    struct domain *d = create(0);

    cpus[0].current = d->vcpu[0];
    crash(d->vcpu[0]);
    assert_int_equal(machine, RESET);
    assert_int_equal(d->shutdown_reason, SHUTDOWN_crash);
    assert_int_equal(traces, 1);
    assert_int_equal(dumps, 1);
    discard(d);
}

static void a_triple_fault_ends_as_the_domain_asked(void **state)
{
    static const struct {
        u64 param;
        u8 reason;
    } tests[] = {{SHUTDOWN_reboot, SHUTDOWN_reboot},
                 {SHUTDOWN_crash, SHUTDOWN_crash},
                 {SHUTDOWN_MAX, SHUTDOWN_MAX},
                 {SHUTDOWN_MAX + 1, SHUTDOWN_reboot},
                 {0x100000000, SHUTDOWN_reboot}};

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
        struct domain *d = create(0);

        d->hvm_param[HVM_PARAM_TRIPLE_FAULT_REASON] = tests[i].param;
        triple_fault(d->vcpu[0]);
        assert_int_equal(d->shutdown_reason, tests[i].reason);
        discard(d);
    }
}

static void a_halted_dom0_stays_and_a_halted_guest_is_off(void **state)
{
    struct domain *d = create(0), *guest = create(9);

    d->vcpu[1]->state = VCPU_BLOCKED;
    halted(d->vcpu[0]);
    assert_false(d->is_shut_down);
    d->vcpu[1]->state = VCPU_OFFLINE;
    strcpy(boot_info.cmdline, "exit-stats");
    halted(d->vcpu[1]);
    assert_false(d->is_shut_down);
    assert_int_equal(statistics, 3);
    halted(guest->vcpu[0]);
    assert_true(guest->is_shut_down);
    assert_int_equal(guest->shutdown_reason, SHUTDOWN_poweroff);
    discard(d);
    discard(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(vcpus_are_spread_over_the_cpus, start),
        cmocka_unit_test_setup(creation_tells_of_a_failure_at_any_step, start),
        cmocka_unit_test_setup(creation_tells_of_missing_memory, start),
        cmocka_unit_test_setup(the_hpets_page_is_denied_if_there_is_one, start),
        cmocka_unit_test_setup(only_pages_nobody_speaks_for_may_be_faulted_in, start),
        cmocka_unit_test_setup(power_off_ends_the_machine_and_pauses_the_other_vcpus, start),
        cmocka_unit_test_setup(any_other_reason_resets_the_machine_unless_noreboot, start),
        cmocka_unit_test_setup(the_second_vcpu_to_end_the_domain_only_stops, start),
        cmocka_unit_test_setup(a_crash_shows_the_vcpu_and_its_last_exits, start),
        cmocka_unit_test_setup(a_triple_fault_ends_as_the_domain_asked, start),
        cmocka_unit_test_setup(a_halted_dom0_stays_and_a_halted_guest_is_off, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
