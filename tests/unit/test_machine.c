/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/machine.c tests/unit/fakes.c */
/* Which pages of the machine are RAM, and which are nobody's but Torii's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <torii/boot_info.h>
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

#define HOME       0x40000000ul
#define HOME_BYTES 0x400000ul
#define FRAME(pa)  ((pa) >> PAGE_SHIFT)

struct boot_info boot_info;
struct torii_region torii_region;
const struct hvm_ops *hvm;
struct tsc_scale tsc_scale;
static paddr_t trampoline;
static struct ioapic_info ioapics[2] = {{.base = 0xfec00000}, {.base = 0xfec10040}};
static unsigned nr_ioapics;

/* The machine's end is not what is tested here. */
void console_flush(void)
{
}

void stop_all_but_self(void)
{
}

void vpower_machine_reset(void)
{
}

void vpower_machine_off(void)
{
}

u64 now_ns(void)
{
    return 0;
}

paddr_t smp_trampoline(void)
{
    return trampoline;
}

unsigned ioapic_count(void)
{
    return nr_ioapics;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    return &ioapics[i];
}

static int fresh(void **state)
{
    torii_region = (struct torii_region){.start = HOME, .size = HOME_BYTES};
    trampoline = 0x9f000;
    nr_ioapics = 2;
    return 0;
}

static void torii_pages_are_its_memory_and_the_trampoline(void **state)
{
    assert_true(machine_page_is_protected(FRAME(HOME)));
    assert_true(machine_page_is_protected(FRAME(HOME + HOME_BYTES - 1)));
    assert_false(machine_page_is_protected(FRAME(HOME - 1)));
    assert_false(machine_page_is_protected(FRAME(HOME + HOME_BYTES)));
    assert_true(machine_page_is_protected(FRAME(trampoline)));
    assert_false(machine_page_is_protected(FRAME(trampoline) - 1));
    assert_false(machine_page_is_protected(FRAME(trampoline) + 1));
}

static void interrupt_controllers_are_protected(void **state)
{
    assert_true(machine_page_is_protected(FRAME(VLAPIC_BASE)));
    assert_true(machine_page_is_protected(FRAME(0xfec00000)));
    assert_true(machine_page_is_protected(FRAME(0xfec10000))); /* the page its registers are in */
    assert_false(machine_page_is_protected(FRAME(0xfec20000)));
    nr_ioapics = 1;
    assert_false(machine_page_is_protected(FRAME(0xfec10000)));
}

static void without_a_trampoline_page_0_is_free(void **state)
{
    trampoline = 0;
    assert_false(machine_page_is_protected(0));
    assert_int_equal(machine_protected_from(0), FRAME(HOME));
}

static void the_next_protected_page_is_the_nearest(void **state)
{
    static const struct {
        paddr_t from, next;
    } table[] = {
        {0, 0x9f000},
        {0x9f000, 0x9f000},
        {0xa0000, HOME},
        {HOME + 0x5000, HOME + 0x5000},
        {HOME + HOME_BYTES, 0xfec00000},
        {0xfec01000, 0xfec10000},
        {0xfec11000, VLAPIC_BASE},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        assert_int_equal(machine_protected_from(FRAME(table[i].from)), FRAME(table[i].next));
    assert_int_equal(machine_protected_from(FRAME(VLAPIC_BASE) + 1), INVALID_MFN);
}

static void a_page_is_ram_if_all_of_it_is(void **state)
{
    boot_info.e820 = (struct e820){
        .nr = 4,
        .entry = {{0, 0x9fc00, E820_RAM},
                  {0x9fc00, 0x400, E820_RESERVED},
                  {0x100000, 0x100000, E820_RAM},
                  {0x300800, 0x900, E820_RAM}},
    };
    assert_true(machine_page_is_ram(0));
    assert_true(machine_page_is_ram(0x9e));
    assert_false(machine_page_is_ram(0x9f));
    assert_int_equal(machine_ram_from(0x9f), 0x100);
    assert_int_equal(machine_ram_from(0x123), 0x123);
    assert_true(machine_page_is_ram(0x1ff));
    assert_false(machine_page_is_ram(0x200));
    assert_int_equal(machine_ram_from(0x200), INVALID_MFN); /* no whole page in the last entry */
    boot_info.e820.nr = 0;
    assert_int_equal(machine_ram_from(0), INVALID_MFN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(torii_pages_are_its_memory_and_the_trampoline, fresh),
        cmocka_unit_test_setup(interrupt_controllers_are_protected, fresh),
        cmocka_unit_test_setup(without_a_trampoline_page_0_is_free, fresh),
        cmocka_unit_test_setup(the_next_protected_page_is_the_nearest, fresh),
        cmocka_unit_test_setup(a_page_is_ram_if_all_of_it_is, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
