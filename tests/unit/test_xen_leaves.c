/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/xen/xen_leaves.c src/xen/hypercall_page.c src/xen/domain_lookup.c src/hvm/fetch.c tests/unit/fakes.c */
/* How a kernel finds out that it runs on this ABI: CPUID leaves, the hypercall page's MSR; who may name which domain;
 * and the bytes of an instruction that exited. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <torii/cpu.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/hypercall.h>
#include <torii/iomap.h>
#include <torii/time.h>

#include <xen/arch-x86/cpuid.h>

#include "fakes.h"

struct tsc_scale tsc_scale;
struct domain *dom0;

static struct domain domain;
static struct vcpu vcpu;
static u64 tsc_offset;
static struct hvm_control control;
static struct hvm_segment code;

static u64 get_tsc_offset(struct vcpu *v)
{
    return tsc_offset;
}

static void get_control(struct vcpu *v, struct hvm_control *c)
{
    *c = control;
}

static void get_segment(struct vcpu *v, enum hvm_seg seg, struct hvm_segment *s)
{
    assert_int_equal(seg, SEG_CS);
    *s = code;
}

static const struct hvm_ops intel_like = {.get_tsc_offset = get_tsc_offset,
                                          .get_control = get_control,
                                          .get_segment = get_segment,
                                          .hypercall_is_vmcall = true};
const struct hvm_ops *hvm = &intel_like;

/* --- guest memory: one page at RAM_GFN, and linear bytes that say their own address --- */

#define RAM_GFN 5

static u8 page[PAGE_SIZE];
static unsigned pins, fills;
static bool filled_with_vmcall;
static u64 readable_end;
static int (*page_msr_write)(struct vcpu *v, u32 msr, u64 val);

void *guest_page_get(struct domain *d, gfn_t gfn)
{
    if (gfn != RAM_GFN)
        return NULL;
    pins++;
    return page;
}

void guest_page_put(struct domain *d, void *p)
{
    assert_ptr_equal(p, page);
    pins--;
}

void hypercall_page_fill(void *p, bool vmcall)
{
    assert_ptr_equal(p, page);
    assert_int_equal(pins, 1);
    filled_with_vmcall = vmcall;
    fills++;
}

int msr_read_zero(struct vcpu *v, u32 msr, u64 *val)
{
    *val = 0;
    return 0;
}

int msr_register(struct domain *d, u32 first, u32 last, msr_read_fn *read, msr_write_fn *write)
{
    assert_int_equal(first, XEN_CPUID_BASE);
    assert_int_equal(last, first);
    assert_ptr_equal(read, msr_read_zero);
    page_msr_write = write;
    return 0;
}

int copy_from_guest(struct vcpu *v, void *dst, u64 gva, size_t bytes)
{
    if (gva + bytes > readable_end)
        return -XEN_EFAULT;
    for (size_t i = 0; i < bytes; i++)
        ((u8 *)dst)[i] = (u8)(gva + i);
    return 0;
}

static int start(void **state)
{
    domain = (struct domain){.id = 0x1234};
    vcpu = (struct vcpu){.id = 3, .d = &domain};
    tsc_scale = (struct tsc_scale){.khz = 2400000, .mul = 0xd5555555, .shift = -1, .stable = true};
    tsc_offset = 0x123456789abcdef0;
    control = (struct hvm_control){0};
    code = (struct hvm_segment){0};
    readable_end = BIT(40);
    pins = fills = 0;
    dom0 = NULL;
    return 0;
}

static struct cpuid_regs leaf(u32 n, u32 subleaf)
{
    struct cpuid_regs r = {1, 2, 3, 4};

    assert_true(xen_cpuid(&vcpu, XEN_CPUID_BASE + n, subleaf, &r));
    return r;
}

static void the_first_leaf_holds_the_signature_and_the_last_leafs_number(void **state)
{
    struct cpuid_regs r = leaf(0, 0);

    assert_int_equal(r.eax, 0x40000004);
    assert_memory_equal(&r.ebx, "XenV", 4);
    assert_memory_equal(&r.ecx, "MMXe", 4);
    assert_memory_equal(&r.edx, "nVMM", 4);
}

static void version_and_hypercall_page_are_told(void **state)
{
    assert_int_equal(leaf(1, 0).eax, 4 << 16 | 17);
    assert_int_equal(leaf(2, 0).eax, 1);
    assert_int_equal(leaf(2, 0).ebx, 0x40000000);
}

static void time_is_told_in_three_subleaves(void **state)
{
    struct cpuid_regs r = leaf(3, 0);

    assert_true(r.eax & BIT(1));
    assert_int_equal(r.ecx, 2400000);
    r = leaf(3, 1);
    assert_int_equal(r.eax | (u64)r.ebx << 32, tsc_offset);
    assert_int_equal(r.ecx, tsc_scale.mul);
    assert_int_equal((s32)r.edx, -1);
    assert_int_equal(leaf(3, 2).eax, 2400000);
    r = leaf(3, 3);
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
    tsc_scale.stable = false;
    assert_false(leaf(3, 0).eax & BIT(1));
}

static void a_domain_learns_its_own_names(void **state)
{
    struct cpuid_regs r = leaf(4, 0);

    assert_true(r.eax & XEN_HVM_CPUID_VCPU_ID_PRESENT && r.eax & XEN_HVM_CPUID_DOMID_PRESENT);
    assert_false(r.eax & XEN_HVM_CPUID_UPCALL_VECTOR);
    assert_int_equal(r.ebx, 3);
    assert_int_equal(r.ecx, 0x1234);
    r = leaf(4, 1);
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void leaves_beyond_the_range_are_somebody_elses(void **state)
{
    struct cpuid_regs r;

    assert_false(xen_cpuid(&vcpu, XEN_CPUID_BASE - 1, 0, &r));
    assert_false(xen_cpuid(&vcpu, XEN_CPUID_LAST + 1, 0, &r));
    for (u32 n = XEN_CPUID_BASE + 5; n <= XEN_CPUID_LAST; n++)
        assert_true(xen_cpuid(&vcpu, n, 0, &r) && !(r.eax | r.ebx | r.ecx | r.edx));
}

static void the_msr_fills_a_page_of_ram_and_lets_it_go(void **state)
{
    assert_int_equal(hypercall_page_register(&domain), 0);
    assert_int_equal(page_msr_write(&vcpu, XEN_CPUID_BASE, (u64)RAM_GFN << PAGE_SHIFT), 0);
    assert_int_equal(fills, 1);
    assert_true(filled_with_vmcall);
    assert_int_equal(pins, 0);
}

static void the_msr_refuses_what_is_no_page_of_ram(void **state)
{
    static const u64 bad[] = {((u64)RAM_GFN << PAGE_SHIFT) + 1,
                              ((u64)RAM_GFN << PAGE_SHIFT) + 0x800,
                              0,
                              (RAM_GFN + 1ul) << PAGE_SHIFT,
                              ~0ul,
                              ~0xffful};

    hypercall_page_register(&domain);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(page_msr_write(&vcpu, XEN_CPUID_BASE, bad[i]), -XEN_EINVAL);
    assert_int_equal(fills + pins, 0);
}

static void a_domain_finds_itself_and_the_control_domain(void **state)
{
    struct domain control_domain = {.id = 0};

    assert_ptr_equal(domain_lookup(&domain, DOMID_SELF), &domain);
    assert_ptr_equal(domain_lookup(&domain, 0x1234), &domain);
    assert_null(domain_lookup(&domain, 0));
    dom0 = &control_domain;
    assert_ptr_equal(domain_lookup(&domain, 0), &control_domain);
    assert_null(domain_lookup(&domain, 7));
    assert_null(domain_lookup(&domain, DOMID_XEN));
}

static void fifteen_bytes_are_fetched_across_a_page_end(void **state)
{
    u8 bytes[15];

    control.efer = EFER_LMA;
    code.attr = BIT(9);
    vcpu.regs.rip = 0x7fffff8;
    assert_int_equal(guest_fetch(&vcpu, bytes), 15);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(bytes[i], (u8)(0xf8 + i));
}

static void what_a_missing_page_holds_is_not_needed(void **state)
{
    u8 bytes[15];

    control.efer = EFER_LMA;
    code.attr = BIT(9);
    vcpu.regs.rip = 0x7fffff8;
    readable_end = 0x8000000;
    assert_int_equal(guest_fetch(&vcpu, bytes), 8);
    readable_end = 0;
    assert_int_equal(guest_fetch(&vcpu, bytes), 0);
}

/* Outside 64-bit code the segment counts, and addresses are of 32 bits. */
static void the_code_segments_base_is_added_outside_64_bit_code(void **state)
{
    u8 bytes[15];

    code.base = 0xfffff000;
    vcpu.regs.rip = 0x2010;
    assert_int_equal(guest_fetch(&vcpu, bytes), 15);
    assert_int_equal(bytes[0], 0x10);
    readable_end = 0x1010 + 15; /* so the sum was cut */
    assert_int_equal(guest_fetch(&vcpu, bytes), 15);
    control.efer = EFER_LMA; /* compatibility mode */
    assert_int_equal(guest_fetch(&vcpu, bytes), 15);
    code.attr = BIT(9); /* 64-bit code has no base */
    assert_int_equal(guest_fetch(&vcpu, bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_leaf_holds_the_signature_and_the_last_leafs_number, start),
        cmocka_unit_test_setup(version_and_hypercall_page_are_told, start),
        cmocka_unit_test_setup(time_is_told_in_three_subleaves, start),
        cmocka_unit_test_setup(a_domain_learns_its_own_names, start),
        cmocka_unit_test_setup(leaves_beyond_the_range_are_somebody_elses, start),
        cmocka_unit_test_setup(the_msr_fills_a_page_of_ram_and_lets_it_go, start),
        cmocka_unit_test_setup(the_msr_refuses_what_is_no_page_of_ram, start),
        cmocka_unit_test_setup(a_domain_finds_itself_and_the_control_domain, start),
        cmocka_unit_test_setup(fifteen_bytes_are_fetched_across_a_page_end, start),
        cmocka_unit_test_setup(what_a_missing_page_holds_is_not_needed, start),
        cmocka_unit_test_setup(the_code_segments_base_is_added_outside_64_bit_code, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
