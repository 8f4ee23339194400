/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/emulate.c src/hvm/emulate_mem.c src/hvm/emulate_alu.c src/hvm/decode.c src/hvm/iomap.c src/hvm/guest_walk.c src/hvm/guest_copy.c tests/unit/fake_guest.c tests/unit/fakes.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <torii/emulate.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/iomap.h>

#include "fake_guest.h"
#include "fakes.h"

#define CODE_VA 0xffffffff81000ffaull /* six bytes before the end of a page */
#define CODE    0x300000ull
#define DEV_VA  0xffffc90000010000ull
#define DEV     0xf0000000ull
#define RAM_VA  0xffff888000400000ull
#define RAM     0x400000ull

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, DF = 0x400, OF = 0x800 };

static struct vcpu *v = &fake_vcpu;
static struct guest_regs *r = &fake_vcpu.regs;

/* A device of two pages that is plain memory, and what was done to it. */
static u8 dev[2 * PAGE_SIZE];
static unsigned dev_reads, dev_writes, dev_last_bytes;
static gpa_t dev_last_gpa;
static u32 port_last, port_value;
static unsigned port_reads, port_writes, hardware_accesses;

static void dev_access(struct vcpu *vcpu, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    assert_ptr_equal(ctx, dev);
    dev_last_gpa = gpa;
    dev_last_bytes = bytes;
    if (write) {
        dev_writes++;
        memcpy(dev + (gpa - DEV), val, bytes);
    } else {
        dev_reads++;
        *val = ~0ull;
        memcpy(val, dev + (gpa - DEV), bytes);
    }
}

void mmio_hardware(struct vcpu *vcpu, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    hardware_accesses++;
    if (!write)
        *val = 0xd00d;
}

void pio_hardware(struct vcpu *vcpu, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    fail();
}

static void port_access(struct vcpu *vcpu, void *ctx, u16 port, unsigned bytes, bool write, u32 *val)
{
    port_last = port;
    if (write) {
        port_writes++;
        port_value = *val;
    } else {
        port_reads++;
        *val = port_value++;
    }
}

static int set_up(void **state)
{
    fake_guest_reset();
    memset(dev, 0, sizeof(dev));
    dev_reads = dev_writes = port_reads = port_writes = hardware_accesses = 0;
    fake_map(CODE_VA, CODE, P);
    fake_map(CODE_VA + PAGE_SIZE, CODE + 0x8000, P);
    fake_map(DEV_VA, DEV, P | W);
    fake_map(DEV_VA + PAGE_SIZE, DEV + PAGE_SIZE, P | W);
    fake_map(RAM_VA, RAM, P | W);
    fake_map(RAM_VA + PAGE_SIZE, RAM + PAGE_SIZE, P | W);
    assert_int_equal(io_map_init(&fake_domain), 0);
    assert_int_equal(mmio_register(&fake_domain, DEV, DEV + sizeof(dev) - 1, dev_access, dev), 0);
    assert_int_equal(pio_register(&fake_domain, 0x1f0, 0x1f7, port_access, NULL), 0);
    r->rip = CODE_VA;
    return 0;
}

static int clean(void **state)
{
    io_map_free(&fake_domain);
    assert_int_equal(fake_locks_held, 0);
    assert_int_equal(fake_allocs_live, 0);
    return 0;
}

/* Place code at RIP in guest memory, across the page. */
static void put_code(const u8 *code, unsigned n)
{
    unsigned i;
    gpa_t gpa;

    for (i = 0; i < n; i++) {
        assert_int_equal(
            guest_walk(v, fake_control.cr0 >> 31 ? r->rip + i : fake_seg[SEG_CS].base + r->rip + i, 0, &gpa, NULL), 0);
        fake_ram[gpa] = code[i];
    }
}

#define RUN_AT(gpa, write, ...)               \
    ({                                        \
        const u8 code_[] = {__VA_ARGS__};     \
        put_code(code_, sizeof(code_));       \
        emulate_mmio(v, gpa, write, NULL, 0); \
    })
#define RUN(write, ...) RUN_AT(DEV, write, __VA_ARGS__)

static void put32(unsigned at, u32 val)
{
    memcpy(dev + at, &val, 4);
}

static u32 get32(unsigned at)
{
    u32 val;

    memcpy(&val, dev + at, 4);
    return val;
}

/* --- registers --- */

static void a_32bit_load_clears_the_upper_half(void **state)
{
    r->rax = ~0ull;
    r->rbx = DEV_VA;
    put32(0x20, 0x80000001);
    assert_int_equal(RUN(false, 0x8b, 0x43, 0x20), 0); /* mov eax, [rbx+0x20] */
    assert_int_equal(r->rax, 0x80000001);
    assert_int_equal(r->rip, CODE_VA + 3);
    assert_int_equal(dev_last_bytes, 4);
}

static void smaller_loads_leave_the_rest_of_the_register(void **state)
{
    r->rax = r->rcx = r->rsi = 0x1111111111111111;
    r->rbx = DEV_VA;
    put32(0, 0xaabbccdd);
    assert_int_equal(RUN(false, 0x66, 0x8b, 0x03), 0); /* mov ax, [rbx] */
    assert_int_equal(r->rax, 0x111111111111ccdd);
    assert_int_equal(RUN(false, 0x8a, 0x2b), 0); /* mov ch, [rbx] */
    assert_int_equal(r->rcx, 0x111111111111dd11);
    assert_int_equal(RUN(false, 0x40, 0x8a, 0x33), 0); /* mov sil, [rbx] */
    assert_int_equal(r->rsi, 0x11111111111111dd);
}

static void a_high_byte_register_is_stored(void **state)
{
    r->rdx = 0xabcd;
    r->rbx = DEV_VA;
    assert_int_equal(RUN(true, 0x88, 0x33), 0); /* mov [rbx], dh */
    assert_int_equal(get32(0), 0xab);
    assert_int_equal(RUN(true, 0x40, 0x88, 0x13), 0);
    assert_int_equal(get32(0), 0xcd);
}

static void extensions_widen_as_named(void **state)
{
    r->rbx = DEV_VA;
    put32(0, 0x8000ff80);
    assert_int_equal(RUN(false, 0x0f, 0xb6, 0x03), 0); /* movzx eax, byte */
    assert_int_equal(r->rax, 0x80);
    assert_int_equal(RUN(false, 0x48, 0x0f, 0xbe, 0x03), 0); /* movsx rax, byte */
    assert_int_equal(r->rax, 0xffffffffffffff80);
    assert_int_equal(RUN(false, 0x0f, 0xbf, 0x03), 0); /* movsx eax, word */
    assert_int_equal(r->rax, 0xffffff80);
    assert_int_equal(RUN(false, 0x48, 0x63, 0x03), 0); /* movsxd rax, dword */
    assert_int_equal(r->rax, 0xffffffff8000ff80);
    assert_int_equal(dev_last_bytes, 4);
}

static void a_64bit_immediate_store_is_sign_extended(void **state)
{
    u64 val;

    r->rbx = DEV_VA;
    assert_int_equal(RUN(true, 0x48, 0xc7, 0x43, 0x08, 0xfe, 0xff, 0xff, 0xff), 0);
    memcpy(&val, dev + 8, 8);
    assert_int_equal(val, -2ll);
    assert_int_equal(dev_last_bytes, 8);
    assert_int_equal(dev_reads, 0);
}

static void a_moffs_access_uses_the_accumulator(void **state)
{
    /* movabs eax, [DEV_VA + 4] */
    put32(4, 0x55667788);
    assert_int_equal(RUN(false, 0xa1, 0x04, 0x00, 0x01, 0x00, 0x00, 0xc9, 0xff, 0xff), 0);
    assert_int_equal(r->rax, 0x55667788);
    assert_int_equal(r->rip, CODE_VA + 9);
}

static void rip_relative_counts_from_the_next_instruction(void **state)
{
    s32 disp;
    u8 code[10] = {0xc7, 0x05};

    fake_map(0xffffffff81020000ull, DEV, P | W);
    disp = 0xffffffff81020010ull - (CODE_VA + 10);
    memcpy(code + 2, &disp, 4);
    memcpy(code + 6, "\x44\x33\x22\x11", 4);
    put_code(code, 10);
    assert_int_equal(emulate_mmio(v, DEV, true, NULL, 0), 0);
    assert_int_equal(get32(0x10), 0x11223344);
}

static void movbe_swaps(void **state)
{
    r->rbx = DEV_VA;
    put32(0, 0x11223344);
    assert_int_equal(RUN(false, 0x0f, 0x38, 0xf0, 0x03), 0);
    assert_int_equal(r->rax, 0x44332211);
    assert_int_equal(RUN(true, 0x66, 0x0f, 0x38, 0xf1, 0x43, 0x04), 0);
    assert_int_equal(get32(4), 0x1122);
}

static void fs_base_counts_in_64bit_mode_and_ds_base_does_not(void **state)
{
    fake_seg[SEG_FS].base = DEV_VA;
    fake_seg[SEG_DS].base = 0x123000;
    fake_seg[SEG_DS].limit = 0;
    put32(0x30, 77);
    r->rbx = 0x30;
    assert_int_equal(RUN(false, 0x64, 0x8b, 0x03), 0);
    assert_int_equal(r->rax, 77);
    r->rbx = DEV_VA + 0x30;
    assert_int_equal(RUN(false, 0x3e, 0x8b, 0x0b), 0);
    assert_int_equal(r->rcx, 77);
}

static void a_bit_test_reaches_beyond_its_operand(void **state)
{
    r->rbx = DEV_VA + 0x100;
    r->rcx = (u64)-5; /* bit 27 of the word before */
    put32(0xfc, BIT(27));
    assert_int_equal(RUN(true, 0x0f, 0xb3, 0x0b), 0); /* btr [rbx], ecx */
    assert_int_equal(get32(0xfc), 0);
    assert_true(r->rflags & CF);
    r->rcx = 32 * 9 + 3;
    assert_int_equal(RUN(true, 0x0f, 0xab, 0x0b), 0); /* bts */
    assert_int_equal(get32(0x124), 8);
    assert_false(r->rflags & CF);
}

static void a_compare_reads_only(void **state)
{
    r->rbx = DEV_VA;
    put32(0, 5);
    assert_int_equal(RUN(false, 0x83, 0x3b, 0x05), 0); /* cmp dword [rbx], 5 */
    assert_true(r->rflags & ZF);
    assert_int_equal(dev_writes, 0);
    assert_int_equal(dev_reads, 1);
}

static void a_failed_cmpxchg_writes_back_what_it_read(void **state)
{
    r->rbx = DEV_VA;
    r->rax = 1;
    r->rcx = 9;
    put32(0, 5);
    assert_int_equal(RUN(true, 0xf0, 0x0f, 0xb1, 0x0b), 0);
    assert_int_equal(r->rax, 5);
    assert_int_equal(get32(0), 5);
    assert_int_equal(dev_writes, 1);
    assert_false(r->rflags & ZF);
    assert_int_equal(RUN(true, 0xf0, 0x0f, 0xb1, 0x0b), 0);
    assert_int_equal(get32(0), 9);
    assert_true(r->rflags & ZF);
}

/* --- operands across pages, other kinds of pages --- */

static void an_access_across_two_handled_pages_is_split(void **state)
{
    r->rbx = DEV_VA + PAGE_SIZE - 2;
    r->rax = 0x11223344;
    assert_int_equal(RUN(true, 0x89, 0x03), 0);
    assert_int_equal(get32(PAGE_SIZE - 2), 0x11223344);
    assert_int_equal(dev_writes, 2);
    assert_int_equal(dev_last_bytes, 2);
    assert_int_equal(RUN_AT(DEV + PAGE_SIZE, false, 0x8b, 0x0b), 0);
    assert_int_equal(r->rcx, 0x11223344);
}

static void an_access_across_device_and_ram_is_split(void **state)
{
    fake_map(DEV_VA + 2 * PAGE_SIZE, RAM, P | W);
    r->rbx = DEV_VA + 2 * PAGE_SIZE - 1;
    r->rax = 0xaabbccdd;
    assert_int_equal(RUN_AT(DEV + PAGE_SIZE, true, 0x89, 0x03), 0);
    assert_int_equal(dev[2 * PAGE_SIZE - 1], 0xdd);
    assert_int_equal(fake_read32(RAM), 0xaabbcc);
    assert_int_equal(dev_last_bytes, 1);
}

static void a_page_without_handler_reads_ones_and_drops_writes(void **state)
{
    fake_map(DEV_VA, 0xe0000000, P | W);
    r->rbx = DEV_VA;
    assert_int_equal(RUN_AT(0xe0000000, false, 0x8b, 0x03), 0);
    assert_int_equal(r->rax, 0xffffffff);
    assert_int_equal(RUN_AT(0xe0000000, true, 0x89, 0x03), 0);
    assert_int_equal(hardware_accesses, 0);
}

static void a_mapped_device_page_is_accessed_on_the_guests_behalf(void **state)
{
    fake_map(DEV_VA, 0xe0000000, P | W);
    fake_type_above = S2_MMIO;
    r->rbx = DEV_VA;
    assert_int_equal(RUN_AT(0xe0000000, false, 0x8b, 0x03), 0);
    assert_int_equal(r->rax, 0xd00d);
    assert_int_equal(hardware_accesses, 1);
}

static void a_page_that_is_not_the_faulting_one_means_again(void **state)
{
    r->rbx = DEV_VA + PAGE_SIZE;
    assert_int_equal(RUN(true, 0x89, 0x03), -XEN_EAGAIN);
    assert_int_equal(r->rip, CODE_VA);
    assert_int_equal(dev_writes, 0);
    r->rsi = r->rdi = RAM_VA;
    assert_int_equal(RUN(true, 0xa4), -XEN_EAGAIN);
    assert_int_equal(r->rdi, RAM_VA);
}

static void a_write_fault_on_an_instruction_that_reads_means_again(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(RUN(true, 0x8b, 0x03), -XEN_EAGAIN);
    assert_int_equal(dev_reads, 0);
}

/* --- faults --- */

static void check_exception(u8 vector, u32 error, u64 cr2)
{
    assert_int_equal(fake_exception.count, 1);
    assert_int_equal(fake_exception.vector, vector);
    assert_int_equal(fake_exception.error, error);
    assert_int_equal(fake_exception.cr2, cr2);
    assert_int_equal(r->rip, CODE_VA);
    assert_int_equal(dev_writes + dev_reads, 0);
}

static void an_absent_page_gives_a_page_fault_with_its_address(void **state)
{
    r->rbx = 0x5008;
    assert_int_equal(RUN(true, 0x89, 0x03), -XEN_EFAULT);
    check_exception(EXC_PF, 2, 0x5008);
}

static void an_absent_second_page_faults_there_before_any_access(void **state)
{
    fake_map(DEV_VA + PAGE_SIZE, 0, 0);
    r->rbx = DEV_VA + PAGE_SIZE - 2;
    assert_int_equal(RUN(true, 0x89, 0x03), -XEN_EFAULT);
    check_exception(EXC_PF, 2, DEV_VA + PAGE_SIZE);
}

static void a_user_access_faults_on_a_supervisor_page(void **state)
{
    fake_map(CODE_VA, CODE, P | U);
    fake_map(CODE_VA + PAGE_SIZE, CODE + 0x8000, P | U);
    fake_cpl = 3;
    r->rbx = DEV_VA;
    assert_int_equal(RUN(false, 0x8b, 0x03), -XEN_EFAULT);
    check_exception(EXC_PF, 5, DEV_VA);
}

static void a_non_canonical_operand_gives_gp(void **state)
{
    r->rbx = 0x0000800000000000;
    assert_int_equal(RUN(false, 0x8b, 0x03), -XEN_EFAULT);
    check_exception(EXC_GP, 0, 0);
}

static void an_absent_code_page_gives_a_fetch_fault(void **state)
{
    r->rbx = DEV_VA;
    put_code((const u8[]){0x48, 0xc7, 0x43, 0x08, 0xfe, 0xff, 0xff, 0xff}, 8);
    fake_map(CODE_VA + PAGE_SIZE, 0, 0);
    assert_int_equal(emulate_mmio(v, DEV, true, NULL, 0), -XEN_EFAULT);
    check_exception(EXC_PF, 16, (CODE_VA | 0xfff) + 1);
}

static void the_second_code_page_is_not_needed_by_a_short_instruction(void **state)
{
    fake_map(CODE_VA + PAGE_SIZE, 0, 0);
    r->rbx = DEV_VA;
    r->rax = 3;
    assert_int_equal(RUN(true, 0x89, 0x03), 0);
    assert_int_equal(get32(0), 3);
}

static void code_outside_ram_is_not_emulated(void **state)
{
    r->rip = DEV_VA;
    assert_int_equal(emulate_mmio(v, DEV, true, NULL, 0), -XEN_EOPNOTSUPP);
    assert_int_equal(fake_exception.count, 0);
}

static void the_processors_bytes_are_used_and_completed_from_memory(void **state)
{
    static const u8 store[] = {0xc7, 0x03, 0x78, 0x56, 0x34, 0x12};

    r->rbx = DEV_VA;
    /* Nothing sensible in memory. */
    assert_int_equal(emulate_mmio(v, DEV, true, store, sizeof(store)), 0);
    assert_int_equal(get32(0), 0x12345678);
    put32(0, 0);
    r->rip = CODE_VA;
    put_code(store, sizeof(store));
    assert_int_equal(emulate_mmio(v, DEV, true, store, 3), 0);
    assert_int_equal(get32(0), 0x12345678);
}

static void lock_on_a_mov_gives_ud(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(RUN(true, 0xf0, 0x89, 0x03), -XEN_EFAULT);
    check_exception(EXC_UD, 0, 0);
    assert_false(fake_exception.has_error);
}

static void sixteen_bytes_give_gp(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(
        RUN(true, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x89, 0x03),
        -XEN_EFAULT);
    check_exception(EXC_GP, 0, 0);
}

static void an_sse_store_is_not_supported(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(RUN(true, 0x0f, 0x11, 0x03), -XEN_EOPNOTSUPP);
    assert_int_equal(fake_exception.count, 0);
    assert_int_equal(r->rip, CODE_VA);
}

/* --- string instructions --- */

static void rep_movs_from_the_device_to_ram(void **state)
{
    unsigned i;

    for (i = 0; i < 64; i++)
        put32(4 * i, i * 3);
    r->rsi = DEV_VA;
    r->rdi = RAM_VA + PAGE_SIZE - 100;
    r->rcx = 64;
    assert_int_equal(RUN(false, 0xf3, 0xa5), 0);
    assert_memory_equal(fake_ram + RAM + PAGE_SIZE - 100, dev, 256);
    assert_int_equal(r->rcx, 0);
    assert_int_equal(r->rsi, DEV_VA + 256);
    assert_int_equal(r->rdi, RAM_VA + PAGE_SIZE + 156);
    assert_int_equal(r->rip, CODE_VA + 2);
    assert_int_equal(dev_reads, 64);
}

static void rep_movs_to_the_device_downwards(void **state)
{
    memcpy(fake_ram + RAM, "abcdefgh", 8);
    r->rsi = RAM_VA + 7;
    r->rdi = DEV_VA + 0x17;
    r->rcx = 8;
    r->rflags |= DF;
    assert_int_equal(RUN(true, 0xf3, 0xa4), 0);
    assert_memory_equal(dev + 0x10, "abcdefgh", 8);
    assert_int_equal(r->rdi, DEV_VA + 0xf);
}

static void a_rep_without_count_does_nothing(void **state)
{
    r->rdi = DEV_VA;
    assert_int_equal(RUN(true, 0xf3, 0xaa), 0);
    assert_int_equal(dev_writes, 0);
    assert_int_equal(r->rip, CODE_VA + 2);
}

static void a_long_rep_stays_at_its_instruction_until_done(void **state)
{
    unsigned exits = 0;

    r->rax = 0x5a;
    r->rdi = DEV_VA;
    r->rcx = 8192;
    while (r->rip == CODE_VA) {
        assert_int_equal(RUN_AT(DEV + (r->rdi - DEV_VA), true, 0xf3, 0xaa), 0);
        exits++;
        assert_true(exits < 100);
    }
    assert_int_equal(exits, 8);
    assert_int_equal(r->rcx, 0);
    assert_int_equal(dev[0], 0x5a);
    assert_int_equal(dev[8191], 0x5a);
}

static void a_rep_that_leaves_the_device_goes_on_natively(void **state)
{
    fake_map(DEV_VA + 2 * PAGE_SIZE, RAM, P | W);
    r->rdi = DEV_VA + 2 * PAGE_SIZE - 4;
    r->rcx = 100;
    r->rax = 1;
    assert_int_equal(RUN_AT(DEV + PAGE_SIZE, true, 0xf3, 0xaa), 0);
    assert_int_equal(r->rip, CODE_VA);
    assert_int_equal(r->rcx, 95);
    assert_int_equal(r->rdi, DEV_VA + 2 * PAGE_SIZE + 1);
}

static void a_fault_in_a_rep_keeps_what_was_done(void **state)
{
    fake_map(RAM_VA + PAGE_SIZE, 0, 0);
    r->rsi = DEV_VA;
    r->rdi = RAM_VA + PAGE_SIZE - 8;
    r->rcx = 5;
    assert_int_equal(RUN(false, 0xf3, 0xa5), -XEN_EFAULT);
    assert_int_equal(fake_exception.vector, EXC_PF);
    assert_int_equal(fake_exception.cr2, RAM_VA + PAGE_SIZE);
    assert_int_equal(r->rcx, 3);
    assert_int_equal(r->rsi, DEV_VA + 8);
    assert_int_equal(dev_reads, 2);
    assert_int_equal(r->rip, CODE_VA);
}

static void repe_cmps_stops_at_the_difference(void **state)
{
    memcpy(dev, "compare me", 10);
    memcpy(fake_ram + RAM, "compare it", 10);
    r->rsi = DEV_VA;
    r->rdi = RAM_VA;
    r->rcx = 10;
    assert_int_equal(RUN(false, 0xf3, 0xa6), 0);
    assert_int_equal(r->rcx, 1);
    assert_false(r->rflags & ZF);
    assert_int_equal(r->rip, CODE_VA + 2);
}

static void repne_scas_stops_at_the_match(void **state)
{
    memcpy(dev, "look for x here", 16);
    r->rdi = DEV_VA;
    r->rax = 'x';
    r->rcx = 100;
    assert_int_equal(RUN(false, 0xf2, 0xae), 0);
    assert_int_equal(r->rdi, DEV_VA + 10);
    assert_true(r->rflags & ZF);
}

/* --- other modes --- */

static void a_32bit_segment_base_and_limit_apply(void **state)
{
    fake_guest_flat32();
    fake_control.cr0 = 1;
    r->rip = CODE;
    fake_seg[SEG_DS].base = DEV - 0x1000;
    r->rbx = 0xdead00001010; /* the upper half does not exist here */
    r->rax = 42;
    assert_int_equal(RUN(true, 0x89, 0x03), 0);
    assert_int_equal(get32(0x10), 42);
    fake_seg[SEG_DS].limit = 0x1012;
    assert_int_equal(RUN(true, 0x89, 0x03), -XEN_EFAULT);
    assert_int_equal(fake_exception.vector, EXC_GP);
    fake_seg[SEG_DS].limit = 0x1013;
    assert_int_equal(RUN(true, 0x89, 0x03), 0);
    fake_seg[SEG_DS].attr = 0xc91; /* read-only */
    assert_int_equal(RUN(true, 0x89, 0x03), -XEN_EFAULT);
    assert_int_equal(RUN(false, 0x8b, 0x0b), 0);
    fake_seg[SEG_DS].attr = 0; /* null */
    assert_int_equal(RUN(false, 0x8b, 0x0b), -XEN_EFAULT);
}

static void an_expand_down_segment_ends_at_its_limit(void **state)
{
    fake_guest_flat32();
    r->rip = CODE;
    fake_seg[SEG_DS].attr = 0xc97;
    fake_seg[SEG_DS].limit = (u32)DEV + 0xff;
    r->rbx = DEV + 0x100;
    assert_int_equal(RUN(false, 0x8b, 0x03), 0);
    r->rbx = DEV + 0xff;
    assert_int_equal(RUN(false, 0x8b, 0x03), -XEN_EFAULT);
}

static void a_stack_segment_violation_gives_ss(void **state)
{
    fake_guest_flat32();
    r->rip = CODE;
    fake_seg[SEG_SS].limit = 0xfff;
    r->rbp = DEV;
    assert_int_equal(RUN(false, 0x8b, 0x45, 0x00), -XEN_EFAULT);
    assert_int_equal(fake_exception.vector, EXC_SS);
}

static void real_mode_addresses_wrap_at_16_bits(void **state)
{
    fake_guest_real();
    fake_seg[SEG_DS].base = DEV;
    fake_seg[SEG_CS].base = 0x10000;
    r->rip = 0x100;
    r->rbx = 0xfffe;
    r->rsi = 0x12;
    r->rax = 0xbeef;
    assert_int_equal(RUN(true, 0x89, 0x00), 0); /* mov [bx+si], ax */
    assert_int_equal(get32(0x10), 0xbeef);
    assert_int_equal(r->rip, 0x102);
    /* 32-bit operand and address in 16-bit code. */
    r->rbx = 0x20;
    r->rax = 0x12345678;
    assert_int_equal(RUN(true, 0x66, 0x67, 0x89, 0x03), 0);
    assert_int_equal(get32(0x20), 0x12345678);
}

static void a_16bit_rep_uses_cx_si_di_and_keeps_the_rest(void **state)
{
    fake_guest_real();
    fake_seg[SEG_ES].base = DEV;
    r->rip = 0x100;
    r->rdi = 0xaaaa0010;
    r->rcx = 0xbbbb0002;
    r->rax = 0x1234;
    assert_int_equal(RUN(true, 0xf3, 0xab), 0);
    assert_int_equal(get32(0x10), 0x12341234);
    assert_int_equal(r->rdi, 0xaaaa0014);
    assert_int_equal(r->rcx, 0xbbbb0000);
}

/* --- string I/O --- */

static int pio_string(const u8 *code, unsigned n, unsigned bytes, bool in, bool rep, enum hvm_seg seg)
{
    put_code(code, n);
    return emulate_pio_string(v, 0x1f0, bytes, in, rep, 64, seg);
}

static void rep_ins_fills_ram(void **state)
{
    port_value = 0x1000;
    r->rdi = RAM_VA + PAGE_SIZE - 2;
    r->rcx = 3;
    assert_int_equal(pio_string((const u8[]){0xf3, 0x66, 0x6d}, 3, 2, true, true, SEG_DS), 0);
    assert_int_equal(fake_read64(RAM + PAGE_SIZE - 2) & 0xffffffffffff, 0x100210011000);
    assert_int_equal(r->rip, CODE_VA + 3);
    assert_int_equal(r->rdi, RAM_VA + PAGE_SIZE + 4);
    assert_int_equal(port_last, 0x1f0);
}

static void ins_to_an_absent_page_faults_before_the_port_is_read(void **state)
{
    r->rdi = 0x5000;
    r->rcx = 1;
    assert_int_equal(pio_string((const u8[]){0xf3, 0x6c}, 2, 1, true, true, SEG_DS), -XEN_EFAULT);
    assert_int_equal(port_reads, 0);
    assert_int_equal(fake_exception.error, 2);
    assert_int_equal(r->rcx, 1);
}

static void outs_takes_the_segment_it_is_told(void **state)
{
    fake_seg[SEG_GS].base = RAM_VA;
    fake_write32(RAM + 8, 0xcafe1234);
    r->rsi = 8;
    assert_int_equal(pio_string((const u8[]){0x65, 0x6f}, 2, 4, false, false, SEG_GS), 0);
    assert_int_equal(port_value, 0xcafe1234);
    assert_int_equal(r->rsi, 12);
    assert_int_equal(r->rip, CODE_VA + 2);
}

static void a_long_outs_is_bounded(void **state)
{
    r->rsi = RAM_VA;
    r->rcx = 1500;
    assert_int_equal(pio_string((const u8[]){0xf3, 0x6e}, 2, 1, false, true, SEG_DS), 0);
    assert_int_equal(r->rip, CODE_VA);
    assert_int_equal(r->rcx, 1500 - 1024);
    assert_int_equal(emulate_pio_string(v, 0x1f0, 1, false, true, 64, SEG_DS), 0);
    assert_int_equal(r->rip, CODE_VA + 2);
    assert_int_equal(port_writes, 1500);
}

static void string_io_that_is_no_instruction_is_not_supported(void **state)
{
    memset(fake_ram + CODE, 0x62, PAGE_SIZE);
    memset(fake_ram + CODE + 0x8000, 0x62, PAGE_SIZE);
    assert_int_equal(emulate_pio_string(v, 0x1f0, 1, false, true, 64, SEG_DS), -XEN_EOPNOTSUPP);
    assert_int_equal(port_writes, 0);
}

/* --- against the processor this test runs on --- */

struct native {
    u64 gpr[16];
    u64 rflags;
};

static u8 *native_code, *native_page; /* executable; the memory operand's page and its neighbours */

static unsigned emit(unsigned at, const void *bytes, unsigned n)
{
    memcpy(native_code + at, bytes, n);
    return at + n;
}

/* mov reg, [rdi + 8 * reg], or the other way round with opcode 0x89. */
static unsigned emit_move(unsigned at, u8 opcode, unsigned reg)
{
    u8 code[] = {0x48 | (reg >> 3) << 2, opcode, 0x47 | (reg & 7) << 3, 8 * reg};

    return emit(at, code, 4);
}

/* Load all registers but RSP and the flags from *n, run the instruction, and store them again. */
static void run_native(const u8 *insn, unsigned len, struct native *n)
{
    unsigned at = 0, reg;

    at = emit(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57\x57", 11); /* push rbx rbp r12-r15 rdi */
    at = emit(at, "\xff\xb7\x80\x00\x00\x00\x9d", 7);                  /* push [rdi+128]; popf */
    for (reg = 0; reg < 16; reg++)
        if (reg != 4 && reg != 7)
            at = emit_move(at, 0x8b, reg);
    at = emit_move(at, 0x8b, 7);
    at = emit(at, insn, len);
    at = emit(at, "\x48\x87\x3c\x24", 4); /* xchg rdi, [rsp] */
    for (reg = 0; reg < 16; reg++)
        if (reg != 4 && reg != 7)
            at = emit_move(at, 0x89, reg);
    at = emit(at, "\x58\x48\x89\x47\x38", 5);                          /* pop rax; mov [rdi+56], rax */
    at = emit(at, "\x9c\x58\x48\x89\x87\x80\x00\x00\x00\xfc", 10);     /* pushf; pop rax; mov [rdi+128], rax; cld */
    at = emit(at, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11); /* pop r15-r12 rbp rbx; ret */
    ((void (*)(struct native *))(uintptr_t)native_code)(n);
}

struct pattern {
    u8 map, opcode, group; /* group: ModRM.reg, or 0xff: any register */
    u8 imm;                /* bytes; 0xff: operand size, at most 4 */
    bool lockable;
    u32 undefined; /* flags */
};

#define ALU(op)                                                                                     \
    {0, 8 * (op), 0xff, 0, (op) != 7, LOGIC(op)}, {0, 8 * (op) + 1, 0xff, 0, (op) != 7, LOGIC(op)}, \
        {0, 8 * (op) + 2, 0xff, 0, false, LOGIC(op)}, {0, 8 * (op) + 3, 0xff, 0, false, LOGIC(op)}, \
        {0, 0x80, op, 1, (op) != 7, LOGIC(op)}, {0, 0x81, op, 0xff, (op) != 7, LOGIC(op)},          \
    {                                                                                               \
        0, 0x83, op, 1, (op) != 7, LOGIC(op)                                                        \
    }
#define LOGIC(op) ((op) == 1 || (op) == 4 || (op) == 6 ? AF : 0)
#define BIT_UNDEF (OF | SF | AF | PF)

static const struct pattern pattern[] = {
    ALU(0),
    ALU(1),
    ALU(2),
    ALU(3),
    ALU(4),
    ALU(5),
    ALU(6),
    ALU(7),
    {0, 0x63, 0xff, 0, false, 0},
    {0, 0x84, 0xff, 0, false, AF},
    {0, 0x85, 0xff, 0, false, AF},
    {0, 0x86, 0xff, 0, true, 0},
    {0, 0x87, 0xff, 0, true, 0},
    {0, 0x88, 0xff, 0, false, 0},
    {0, 0x89, 0xff, 0, false, 0},
    {0, 0x8a, 0xff, 0, false, 0},
    {0, 0x8b, 0xff, 0, false, 0},
    {0, 0xc6, 0, 1, false, 0},
    {0, 0xc7, 0, 0xff, false, 0},
    {0, 0xf6, 0, 1, false, AF},
    {0, 0xf7, 0, 0xff, false, AF},
    {0, 0xf6, 2, 0, true, 0},
    {0, 0xf7, 2, 0, true, 0},
    {0, 0xf6, 3, 0, true, 0},
    {0, 0xf7, 3, 0, true, 0},
    {0, 0xfe, 0, 0, true, 0},
    {0, 0xfe, 1, 0, true, 0},
    {0, 0xff, 0, 0, true, 0},
    {0, 0xff, 1, 0, true, 0},
    {1, 0xa3, 0xff, 0, false, BIT_UNDEF},
    {1, 0xab, 0xff, 0, true, BIT_UNDEF},
    {1, 0xb3, 0xff, 0, true, BIT_UNDEF},
    {1, 0xbb, 0xff, 0, true, BIT_UNDEF},
    {1, 0xba, 4, 1, false, BIT_UNDEF},
    {1, 0xba, 5, 1, true, BIT_UNDEF},
    {1, 0xba, 6, 1, true, BIT_UNDEF},
    {1, 0xba, 7, 1, true, BIT_UNDEF},
    {1, 0xb0, 0xff, 0, true, 0},
    {1, 0xb1, 0xff, 0, true, 0},
    {1, 0xc0, 0xff, 0, true, 0},
    {1, 0xc1, 0xff, 0, true, 0},
    {1, 0xb6, 0xff, 0, false, 0},
    {1, 0xb7, 0xff, 0, false, 0},
    {1, 0xbe, 0xff, 0, false, 0},
    {1, 0xbf, 0xff, 0, false, 0},
    {1, 0xc3, 0xff, 0, false, 0},
    {2, 0xf0, 0xff, 0, false, 0},
    {2, 0xf1, 0xff, 0, false, 0},
};

static const u8 string_opcode[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

static u64 rnd(void)
{
    static u64 s = 0x9e3779b97f4a7c15;

    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return s;
}

/* Values where carries and signs change. */
static u64 interesting(void)
{
    static const u64 value[] = {0,
                                1,
                                0x7f,
                                0x80,
                                0xff,
                                0x7fff,
                                0x8000,
                                0xffff,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x7fffffffffffffff,
                                0x8000000000000000,
                                ~0ull};

    return rnd() % 3 ? rnd() : value[rnd() % ARRAY_SIZE(value)];
}

static void seed_state(struct native *n)
{
    unsigned i;

    for (i = 0; i < 16; i++)
        n->gpr[i] = interesting();
    n->gpr[3] = (u64)(uintptr_t)native_page + 0x800 + rnd() % 64;
    n->rflags = 0x202 | (rnd() & (CF | PF | AF | ZF | SF | OF));
    for (i = 0; i < PAGE_SIZE; i += 8) {
        u64 val = interesting();
        memcpy(native_page + i, &val, 8);
    }
    /* CMPXCHG should succeed now and then. */
    if (rnd() % 2)
        memcpy(native_page + (n->gpr[3] & 0xfff), &n->gpr[0], 8);
}

static bool uses_bit_offset(const struct pattern *p)
{
    return p->map == 1 && (p->opcode == 0xa3 || p->opcode == 0xab || p->opcode == 0xb3 || p->opcode == 0xbb);
}

/* Emulate the same from the same state and compare registers, flags and memory. */
static void compare_with_native(const u8 *code, unsigned len, struct native *n, u32 undefined)
{
    struct native start = *n;
    int rc;

    memcpy(dev, native_page, PAGE_SIZE);
    memcpy(r->gpr, start.gpr, sizeof(r->gpr));
    r->rflags = start.rflags;
    r->rip = CODE_VA;
    run_native(code, len, n);
    rc = emulate_mmio(v, DEV, false, code, len);
    if (rc == -XEN_EAGAIN)
        rc = emulate_mmio(v, DEV, true, code, len);
    n->gpr[4] = r->gpr[4];
    if (rc || memcmp(n->gpr, r->gpr, sizeof(r->gpr)) || memcmp(dev, native_page, PAGE_SIZE) ||
        ((n->rflags ^ r->rflags) & ~undefined & (CF | PF | AF | ZF | SF | OF | DF))) {
        unsigned i;

        fprintf(stderr, "rc %d, flags %#lx -> processor %#lx, emulator %#lx:", rc, start.rflags, n->rflags, r->rflags);
        for (i = 0; i < len; i++)
            fprintf(stderr, " %02x", code[i]);
        for (i = 0; i < 16; i++)
            if (n->gpr[i] != r->gpr[i])
                fprintf(stderr, "\n  register %u: %#lx, processor %#lx, emulator %#lx", i, start.gpr[i], n->gpr[i],
                        r->gpr[i]);
        fprintf(stderr, "\n");
        fail();
    }
    assert_int_equal(r->rip, CODE_VA + len);
}

static void map_native_page(void)
{
    fake_map((u64)(uintptr_t)native_page, DEV, P | W);
}

static bool cpu_has_movbe(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & 1u << 22);
}

static void every_instruction_does_what_the_processor_does(void **state)
{
    unsigned i, round, len, modrm, reg, size, imm;
    const struct pattern *p;
    struct native n;
    u8 code[16];

    map_native_page();
    for (i = 0; i < ARRAY_SIZE(pattern) * 300; i++) {
        p = &pattern[i % ARRAY_SIZE(pattern)];
        round = i / ARRAY_SIZE(pattern);
        if (p->map == 2 && !cpu_has_movbe())
            continue;
        len = 0;
        size = 4;
        if (p->lockable && round % 5 == 0)
            code[len++] = 0xf0;
        if (round % 4 == 1 && p->opcode != 0xc3 && p->opcode != 0x63) {
            code[len++] = 0x66;
            size = 2;
        }
        reg = p->group == 0xff ? rnd() & 7 : p->group;
        if (round % 4 >= 2) {
            u8 rex = 0x40 | (round % 4 == 3 ? 8 : 0) | (p->group == 0xff ? rnd() & 4 : 0);
            code[len++] = rex;
            if (rex & 8)
                size = 8;
        }
        if (reg == 4) /* not the stack pointer */
            reg = p->group == 0xff ? 5 : reg;
        if (p->map)
            code[len++] = 0x0f;
        if (p->map == 2)
            code[len++] = 0x38;
        code[len++] = p->opcode;
        modrm = 0x43 | reg << 3; /* [rbx + disp8] */
        code[len++] = modrm;
        code[len++] = rnd() % 32;
        for (imm = p->imm == 0xff ? min(size, 4u) : p->imm; imm; imm--)
            code[len++] = interesting();
        seed_state(&n);
        if (uses_bit_offset(p)) {
            unsigned k;
            for (k = 0; k < 16; k++)
                if (k != 3 && k != 4)
                    n.gpr[k] = (u64)((s64)(rnd() % 8000) - 4000);
            if (reg == 3)
                continue;
        }
        compare_with_native(code, len, &n, p->undefined);
    }
}

static void every_string_instruction_does_what_the_processor_does(void **state)
{
    unsigned i, len;
    struct native n;
    u8 code[8];

    map_native_page();
    for (i = 0; i < 6000; i++) {
        len = 0;
        if (i / 10 % 4)
            code[len++] = i / 10 % 4 == 1 ? 0xf2 : i / 10 % 4 == 2 ? 0xf3 : 0x66;
        if (rnd() % 3 == 0)
            code[len++] = 0x48;
        code[len++] = string_opcode[i % 10];
        seed_state(&n);
        n.gpr[1] = rnd() % 20;
        n.gpr[6] = (u64)(uintptr_t)native_page + 0x400 + rnd() % 0x200;
        n.gpr[7] = (u64)(uintptr_t)native_page + 0x800 + rnd() % 0x200;
        if (rnd() % 2) /* runs of equal elements for REPE */
            memset(native_page + 0x300, 0x11, 0x800);
        if (rnd() % 2)
            n.gpr[0] = 0x1111111111111111;
        if (rnd() % 3 == 0)
            n.rflags |= DF;
        compare_with_native(code, len, &n, 0);
    }
}

static int native_set_up(void **state)
{
    native_code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    native_page = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (native_code == MAP_FAILED || native_page == MAP_FAILED)
        return -1;
    native_page += PAGE_SIZE;
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_32bit_load_clears_the_upper_half),
        T(smaller_loads_leave_the_rest_of_the_register),
        T(a_high_byte_register_is_stored),
        T(extensions_widen_as_named),
        T(a_64bit_immediate_store_is_sign_extended),
        T(a_moffs_access_uses_the_accumulator),
        T(rip_relative_counts_from_the_next_instruction),
        T(movbe_swaps),
        T(fs_base_counts_in_64bit_mode_and_ds_base_does_not),
        T(a_bit_test_reaches_beyond_its_operand),
        T(a_compare_reads_only),
        T(a_failed_cmpxchg_writes_back_what_it_read),
        T(an_access_across_two_handled_pages_is_split),
        T(an_access_across_device_and_ram_is_split),
        T(a_page_without_handler_reads_ones_and_drops_writes),
        T(a_mapped_device_page_is_accessed_on_the_guests_behalf),
        T(a_page_that_is_not_the_faulting_one_means_again),
        T(a_write_fault_on_an_instruction_that_reads_means_again),
        T(an_absent_page_gives_a_page_fault_with_its_address),
        T(an_absent_second_page_faults_there_before_any_access),
        T(a_user_access_faults_on_a_supervisor_page),
        T(a_non_canonical_operand_gives_gp),
        T(an_absent_code_page_gives_a_fetch_fault),
        T(the_second_code_page_is_not_needed_by_a_short_instruction),
        T(code_outside_ram_is_not_emulated),
        T(the_processors_bytes_are_used_and_completed_from_memory),
        T(lock_on_a_mov_gives_ud),
        T(sixteen_bytes_give_gp),
        T(an_sse_store_is_not_supported),
        T(rep_movs_from_the_device_to_ram),
        T(rep_movs_to_the_device_downwards),
        T(a_rep_without_count_does_nothing),
        T(a_long_rep_stays_at_its_instruction_until_done),
        T(a_rep_that_leaves_the_device_goes_on_natively),
        T(a_fault_in_a_rep_keeps_what_was_done),
        T(repe_cmps_stops_at_the_difference),
        T(repne_scas_stops_at_the_match),
        T(a_32bit_segment_base_and_limit_apply),
        T(an_expand_down_segment_ends_at_its_limit),
        T(a_stack_segment_violation_gives_ss),
        T(real_mode_addresses_wrap_at_16_bits),
        T(a_16bit_rep_uses_cx_si_di_and_keeps_the_rest),
        T(rep_ins_fills_ram),
        T(ins_to_an_absent_page_faults_before_the_port_is_read),
        T(outs_takes_the_segment_it_is_told),
        T(a_long_outs_is_bounded),
        T(string_io_that_is_no_instruction_is_not_supported),
        T(every_instruction_does_what_the_processor_does),
        T(every_string_instruction_does_what_the_processor_does),
    };

    return cmocka_run_group_tests(tests, native_set_up, NULL);
}
