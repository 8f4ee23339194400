/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/debug_keys.c src/core/e820.c tests/unit/fake_core.c */
/* The debug console's keys: each asks the room that knows, before Dom0 exists and while it runs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/boot_info.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/evtchn.h>
#include <torii/guest.h>
#include <torii/hvm.h>
#include <torii/hypercall.h>
#include <torii/ioapic.h>
#include <torii/machine.h>
#include <torii/mm.h>
#include <torii/stage2.h>
#include <torii/trace.h>
#include <torii/vioapic.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>

#include "fake_core.h"

extern const struct console_key __start_console_keys[], __stop_console_keys[];

struct boot_info boot_info;
struct torii_region torii_region = {0x7f000000, 0x1000000};
struct domain *dom0;

static struct domain domain;
static struct vcpu vcpus[2];
static struct pcpu cpus[2];
static char asked[64]; /* a letter for each room that was asked */
static jmp_buf end_of_machine;

static void ask(char c)
{
    size_t n = strlen(asked);

    assert_true(n + 1 < sizeof(asked));
    asked[n] = c;
    asked[n + 1] = 0;
}

void gsi_dump(void)
{
    ask('g');
}

void vioapic_dump(const struct domain *d)
{
    ask('o');
}

void vpci_dump(const struct domain *d)
{
    ask('p');
}

void evtchn_dump(const struct domain *d)
{
    ask('e');
}

void exit_stats_dump(const struct domain *d)
{
    ask('x');
}

void hypercall_dump(void)
{
    ask('h');
}

void trace_dump(const struct pcpu *c)
{
    ask('0' + (char)c->id);
}

void vlapic_dump(const struct vcpu *v)
{
    ask('l');
}

void vlapic_set_nmi(struct vcpu *v)
{
    assert_ptr_equal(v, &vcpus[0]);
    ask('n');
}

void heap_count(u64 *objects, u64 *pages)
{
    *objects = 12;
    *pages = 3;
}

unsigned long guest_pinned_pages(struct domain *d)
{
    return 2;
}

u64 alloc_count(void)
{
    return 0;
}

u64 frames_free_count(void)
{
    return 3;
}

void s2_count(struct domain *d, u64 pages[3], u64 *tables)
{
    pages[0] = 11;
    pages[1] = 22;
    pages[2] = 33;
    *tables = 44;
}

/* Frames; 0 where the processor does not say. */
static u64 used;

bool s2_used(struct domain *d, u64 *accessed, u64 *written)
{
    *accessed = 2 * used;
    *written = used;
    return used;
}

void noreturn_fn machine_reset(void)
{
    ask('R');
    longjmp(end_of_machine, 1);
}

static void get_control(struct vcpu *v, struct hvm_control *c)
{
    *c = (struct hvm_control){.cr3 = 0xabc000};
}

static void dump(struct vcpu *v)
{
    ask('v');
}

static const struct hvm_ops ops = {.get_control = get_control, .dump = dump};
const struct hvm_ops *hvm = &ops;

static int start(void **state)
{
    memset(&domain, 0, sizeof(domain));
    memset(&boot_info, 0, sizeof(boot_info));
    for (unsigned i = 0; i < 2; i++) {
        cpus[i] = (struct pcpu){.id = i, .apic_id = 4 * i};
        pcpus[i] = &cpus[i];
        vcpus[i] = (struct vcpu){.id = i, .d = &domain, .cpu = &cpus[i], .state = VCPU_BLOCKED};
        domain.vcpu[i] = &vcpus[i];
    }
    domain.nr_vcpus = pcpu_nr = 2;
    dom0 = &domain;
    asked[0] = 0;
    fake_log_clear();
    return 0;
}

static const struct console_key *find(char key)
{
    const struct console_key *k = __start_console_keys;

    while (k < __stop_console_keys && k->key != key)
        k++;
    assert_true(k < __stop_console_keys);
    return k;
}

static void press(char key)
{
    if (!setjmp(end_of_machine))
        find(key)->fn();
}

static void keys_and_helps_are_distinct(void **state)
{
    for (const struct console_key *k = __start_console_keys; k < __stop_console_keys; k++) {
        assert_true(k->help[0] && k->fn);
        for (const struct console_key *o = __start_console_keys; o < k; o++)
            assert_true(o->key != k->key);
    }
}

static void each_key_asks_the_rooms_that_know(void **state)
{
    static const struct {
        char key;
        const char *asks;
    } tests[] = {{'d', "vlvl"}, {'i', "gop"}, {'e', "e"}, {'x', "xh"}, {'t', "01"}, {'N', "n"}, {'R', "R"}};

    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
        start(NULL);
        press(tests[i].key);
        assert_string_equal(asked, tests[i].asks);
    }
}

static void before_dom0_exists_keys_tell_what_there_is(void **state)
{
    static const char keys[] = "dmiexN";

    dom0 = NULL;
    for (unsigned i = 0; keys[i]; i++)
        press(keys[i]);
    assert_string_equal(asked, "g");
    assert_non_null(strstr(fake_log, "CPU 1: APIC id 4"));
    assert_null(strstr(fake_log, "Dom0 has"));
}

static void a_vcpus_state_is_named(void **state)
{
    vcpus[0].running = true;
    vcpus[1].paused = 1;
    press('d');
    assert_non_null(strstr(fake_log, "d0v0 on CPU 0: running"));
    assert_non_null(strstr(fake_log, "d0v1 on CPU 1: paused"));
    assert_non_null(strstr(fake_log, "cr3 0xabc000"));
    start(NULL);
    vcpus[0].state = VCPU_OFFLINE;
    vcpus[1].state = VCPU_RUNNABLE;
    press('d');
    assert_non_null(strstr(fake_log, "d0v0 on CPU 0: offline"));
    assert_non_null(strstr(fake_log, "d0v1 on CPU 1: runnable"));
}

static void memory_is_told_for_the_machine_torii_and_dom0(void **state)
{
    struct e820_entry map[] = {{0x100000, 0x1000, E820_RAM}};

    boot_info.e820.nr = 1;
    boot_info.e820.entry[0] = (struct e820_entry){0, 0x9f000, E820_RAM};
    domain.e820 = map;
    domain.e820_nr = 1;
    domain.nr_pages = 7;
    domain.max_pages = 8;
    press('m');
    assert_non_null(strstr(fake_log, "0x00000009efff"));
    assert_non_null(strstr(fake_log, "Torii 0x7f000000-0x7fffffff; 12 KiB free"));
    assert_non_null(strstr(fake_log, "0x000000100fff"));
    assert_non_null(strstr(fake_log, "7 pages of at most 8"));
    assert_non_null(strstr(fake_log, "33 x 1 GiB, 22 x 2 MiB, 11 x 4 KiB, 44 tables"));
}

static void memory_in_use_is_told_where_the_processor_says_it(void **state)
{
    press('m');
    assert_null(strstr(fake_log, "touched"));
    used = 3 << 8;
    press('m');
    used = 0;
    assert_non_null(strstr(fake_log, "touched pages of 6 MiB, written to pages of 3 MiB"));
}

static void a_panic_can_be_asked_for(void **state)
{
    assert_panics(find('C')->fn());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_and_helps_are_distinct, start),
        cmocka_unit_test_setup(each_key_asks_the_rooms_that_know, start),
        cmocka_unit_test_setup(before_dom0_exists_keys_tell_what_there_is, start),
        cmocka_unit_test_setup(a_vcpus_state_is_named, start),
        cmocka_unit_test_setup(memory_is_told_for_the_machine_torii_and_dom0, start),
        cmocka_unit_test_setup(memory_in_use_is_told_where_the_processor_says_it, start),
        cmocka_unit_test_setup(a_panic_can_be_asked_for, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
