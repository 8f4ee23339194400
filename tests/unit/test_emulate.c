/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/emulate.c src/hvm/emulate_mem.c src/hvm/emulate_alu.c src/hvm/decode.c src/hvm/iomap.c src/hvm/guest_walk.c src/hvm/guest_copy.c tests/unit/fake_guest.c tests/unit/fakes.c */
/* The instruction emulator: registers and operands, pages of all kinds, faults. */
#include "emulate_world.h"

/* --- registers --- */

static void a_32bit_load_clears_the_upper_half(void **state)
{
    r->rax = ~0ull;
    r->rbx = DEV_VA;
    put32(0x20, 0x80000001);
    assert_int_equal(RUN(0x8b, 0x43, 0x20), 0); /* mov eax, [rbx+0x20] */
    assert_int_equal(r->rax, 0x80000001);
    assert_int_equal(r->rip, CODE_VA + 3);
    assert_int_equal(dev_last_bytes, 4);
}

static void smaller_loads_leave_the_rest_of_the_register(void **state)
{
    r->rax = r->rcx = r->rsi = 0x1111111111111111;
    r->rbx = DEV_VA;
    put32(0, 0xaabbccdd);
    assert_int_equal(RUN(0x66, 0x8b, 0x03), 0); /* mov ax, [rbx] */
    assert_int_equal(r->rax, 0x111111111111ccdd);
    assert_int_equal(RUN(0x8a, 0x2b), 0); /* mov ch, [rbx] */
    assert_int_equal(r->rcx, 0x111111111111dd11);
    assert_int_equal(RUN(0x40, 0x8a, 0x33), 0); /* mov sil, [rbx] */
    assert_int_equal(r->rsi, 0x11111111111111dd);
}

static void a_high_byte_register_is_stored(void **state)
{
    r->rdx = 0xabcd;
    r->rbx = DEV_VA;
    assert_int_equal(RUN(0x88, 0x33), 0); /* mov [rbx], dh */
    assert_int_equal(get32(0), 0xab);
    assert_int_equal(RUN(0x40, 0x88, 0x13), 0);
    assert_int_equal(get32(0), 0xcd);
}

static void extensions_widen_as_named(void **state)
{
    r->rbx = DEV_VA;
    put32(0, 0x8000ff80);
    assert_int_equal(RUN(0x0f, 0xb6, 0x03), 0); /* movzx eax, byte */
    assert_int_equal(r->rax, 0x80);
    assert_int_equal(RUN(0x48, 0x0f, 0xbe, 0x03), 0); /* movsx rax, byte */
    assert_int_equal(r->rax, 0xffffffffffffff80);
    assert_int_equal(RUN(0x0f, 0xbf, 0x03), 0); /* movsx eax, word */
    assert_int_equal(r->rax, 0xffffff80);
    assert_int_equal(RUN(0x48, 0x63, 0x03), 0); /* movsxd rax, dword */
    assert_int_equal(r->rax, 0xffffffff8000ff80);
    assert_int_equal(dev_last_bytes, 4);
}

static void a_64bit_immediate_store_is_sign_extended(void **state)
{
    u64 val;

    r->rbx = DEV_VA;
    assert_int_equal(RUN(0x48, 0xc7, 0x43, 0x08, 0xfe, 0xff, 0xff, 0xff), 0);
    memcpy(&val, dev + 8, 8);
    assert_int_equal(val, -2ll);
    assert_int_equal(dev_last_bytes, 8);
    assert_int_equal(dev_reads, 0);
}

static void a_moffs_access_uses_the_accumulator(void **state)
{
    /* movabs eax, [DEV_VA + 4] */
    put32(4, 0x55667788);
    assert_int_equal(RUN(0xa1, 0x04, 0x00, 0x01, 0x00, 0x00, 0xc9, 0xff, 0xff), 0);
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
    assert_int_equal(emulate_mmio(v, DEV, NULL, 0), 0);
    assert_int_equal(get32(0x10), 0x11223344);
}

static void movbe_swaps(void **state)
{
    r->rbx = DEV_VA;
    put32(0, 0x11223344);
    assert_int_equal(RUN(0x0f, 0x38, 0xf0, 0x03), 0);
    assert_int_equal(r->rax, 0x44332211);
    assert_int_equal(RUN(0x66, 0x0f, 0x38, 0xf1, 0x43, 0x04), 0);
    assert_int_equal(get32(4), 0x1122);
}

static void fs_base_counts_in_64bit_mode_and_ds_base_does_not(void **state)
{
    fake_seg[SEG_FS].base = DEV_VA;
    fake_seg[SEG_DS].base = 0x123000;
    fake_seg[SEG_DS].limit = 0;
    put32(0x30, 77);
    r->rbx = 0x30;
    assert_int_equal(RUN(0x64, 0x8b, 0x03), 0);
    assert_int_equal(r->rax, 77);
    r->rbx = DEV_VA + 0x30;
    assert_int_equal(RUN(0x3e, 0x8b, 0x0b), 0);
    assert_int_equal(r->rcx, 77);
}

static void a_bit_test_reaches_beyond_its_operand(void **state)
{
    r->rbx = DEV_VA + 0x100;
    r->rcx = (u64)-5; /* bit 27 of the word before */
    put32(0xfc, BIT(27));
    assert_int_equal(RUN(0x0f, 0xb3, 0x0b), 0); /* btr [rbx], ecx */
    assert_int_equal(get32(0xfc), 0);
    assert_true(r->rflags & CF);
    r->rcx = 32 * 9 + 3;
    assert_int_equal(RUN(0x0f, 0xab, 0x0b), 0); /* bts */
    assert_int_equal(get32(0x124), 8);
    assert_false(r->rflags & CF);
}

static void a_compare_reads_only(void **state)
{
    r->rbx = DEV_VA;
    put32(0, 5);
    assert_int_equal(RUN(0x83, 0x3b, 0x05), 0); /* cmp dword [rbx], 5 */
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
    assert_int_equal(RUN(0xf0, 0x0f, 0xb1, 0x0b), 0);
    assert_int_equal(r->rax, 5);
    assert_int_equal(get32(0), 5);
    assert_int_equal(dev_writes, 1);
    assert_false(r->rflags & ZF);
    assert_int_equal(RUN(0xf0, 0x0f, 0xb1, 0x0b), 0);
    assert_int_equal(get32(0), 9);
    assert_true(r->rflags & ZF);
}

/* --- operands across pages, other kinds of pages --- */

static void an_access_across_two_handled_pages_is_split(void **state)
{
    r->rbx = DEV_VA + PAGE_SIZE - 2;
    r->rax = 0x11223344;
    assert_int_equal(RUN(0x89, 0x03), 0);
    assert_int_equal(get32(PAGE_SIZE - 2), 0x11223344);
    assert_int_equal(dev_writes, 2);
    assert_int_equal(dev_last_bytes, 2);
    assert_int_equal(RUN_AT(DEV + PAGE_SIZE, 0x8b, 0x0b), 0);
    assert_int_equal(r->rcx, 0x11223344);
}

static void an_access_across_device_and_ram_is_split(void **state)
{
    fake_map(DEV_VA + 2 * PAGE_SIZE, RAM, P | W);
    r->rbx = DEV_VA + 2 * PAGE_SIZE - 1;
    r->rax = 0xaabbccdd;
    assert_int_equal(RUN_AT(DEV + PAGE_SIZE, 0x89, 0x03), 0);
    assert_int_equal(dev[2 * PAGE_SIZE - 1], 0xdd);
    assert_int_equal(fake_read32(RAM), 0xaabbcc);
    assert_int_equal(dev_last_bytes, 1);
}

static void a_page_without_handler_reads_ones_and_drops_writes(void **state)
{
    fake_map(DEV_VA, 0xe0000000, P | W);
    r->rbx = DEV_VA;
    assert_int_equal(RUN_AT(0xe0000000, 0x8b, 0x03), 0);
    assert_int_equal(r->rax, 0xffffffff);
    assert_int_equal(RUN_AT(0xe0000000, 0x89, 0x03), 0);
    assert_int_equal(hardware_accesses, 0);
}

static void a_mapped_device_page_is_accessed_on_the_guests_behalf(void **state)
{
    fake_map(DEV_VA, 0xe0000000, P | W);
    fake_type_above = S2_MMIO;
    r->rbx = DEV_VA;
    assert_int_equal(RUN_AT(0xe0000000, 0x8b, 0x03), 0);
    assert_int_equal(r->rax, 0xd00d);
    assert_int_equal(hardware_accesses, 1);
}

static void a_page_that_is_not_the_faulting_one_means_again(void **state)
{
    r->rbx = DEV_VA + PAGE_SIZE;
    assert_int_equal(RUN(0x89, 0x03), -XEN_EAGAIN);
    assert_int_equal(r->rip, CODE_VA);
    assert_int_equal(dev_writes, 0);
    r->rsi = r->rdi = RAM_VA;
    assert_int_equal(RUN(0xa4), -XEN_EAGAIN);
    assert_int_equal(r->rdi, RAM_VA);
}

/* A store exited, and another CPU has written a load in its place: running it again might bring the store back for ever. */
static void what_is_at_rip_now_is_done_whatever_the_processor_wanted(void **state)
{
    static const u8 load[] = {0x8b, 0x03};

    r->rbx = DEV_VA;
    put32(0, 0x55);
    put_code(load, sizeof(load));
    assert_int_equal(emulate_mmio(v, DEV, NULL, 0), 0);
    assert_int_equal(r->rax, 0x55);
    assert_int_equal(dev_writes, 0);
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
    assert_int_equal(RUN(0x89, 0x03), -XEN_EFAULT);
    check_exception(EXC_PF, 2, 0x5008);
}

static void an_absent_second_page_faults_there_before_any_access(void **state)
{
    fake_map(DEV_VA + PAGE_SIZE, 0, 0);
    r->rbx = DEV_VA + PAGE_SIZE - 2;
    assert_int_equal(RUN(0x89, 0x03), -XEN_EFAULT);
    check_exception(EXC_PF, 2, DEV_VA + PAGE_SIZE);
}

static void a_user_access_faults_on_a_supervisor_page(void **state)
{
    fake_map(CODE_VA, CODE, P | U);
    fake_map(CODE_VA + PAGE_SIZE, CODE + 0x8000, P | U);
    fake_cpl = 3;
    r->rbx = DEV_VA;
    assert_int_equal(RUN(0x8b, 0x03), -XEN_EFAULT);
    check_exception(EXC_PF, 5, DEV_VA);
}

static void a_non_canonical_operand_gives_gp(void **state)
{
    r->rbx = 0x0000800000000000;
    assert_int_equal(RUN(0x8b, 0x03), -XEN_EFAULT);
    check_exception(EXC_GP, 0, 0);
}

static void an_absent_code_page_gives_a_fetch_fault(void **state)
{
    r->rbx = DEV_VA;
    put_code((const u8[]){0x48, 0xc7, 0x43, 0x08, 0xfe, 0xff, 0xff, 0xff}, 8);
    fake_map(CODE_VA + PAGE_SIZE, 0, 0);
    assert_int_equal(emulate_mmio(v, DEV, NULL, 0), -XEN_EFAULT);
    check_exception(EXC_PF, 16, (CODE_VA | 0xfff) + 1);
}

static void the_second_code_page_is_not_needed_by_a_short_instruction(void **state)
{
    fake_map(CODE_VA + PAGE_SIZE, 0, 0);
    r->rbx = DEV_VA;
    r->rax = 3;
    assert_int_equal(RUN(0x89, 0x03), 0);
    assert_int_equal(get32(0), 3);
}

static void code_outside_ram_is_not_emulated(void **state)
{
    r->rip = DEV_VA;
    assert_int_equal(emulate_mmio(v, DEV, NULL, 0), -XEN_EOPNOTSUPP);
    assert_int_equal(fake_exception.count, 0);
}

/* The processor marks what it walks, so it cannot walk a table it may not write: reads exit as writes, for ever. */
static void an_instruction_is_done_through_a_read_only_page_table(void **state)
{
    gpa_t leaf = fake_map(RAM_VA, RAM, P | W);

    fake_access[leaf >> PAGE_SHIFT] = S2_READ;
    fake_ram[RAM] = 0x5a;
    r->rbx = RAM_VA;
    assert_int_equal(RUN_AT(EMULATE_TABLE, 0x8a, 0x03), 0);
    assert_int_equal(r->rax & 0xff, 0x5a);
    assert_int_equal(r->rip, CODE_VA + 2);
}

static void a_page_table_outside_ram_gives_a_fault_of_reserved_bits(void **state)
{
    gpa_t leaf = fake_map(RAM_VA, RAM, P | W);

    put_code((const u8[]){0x88, 0x03}, 2);
    fake_type[leaf >> PAGE_SHIFT] = S2_MMIO;
    r->rbx = RAM_VA;
    assert_int_equal(emulate_mmio(v, EMULATE_TABLE, (const u8[]){0x88, 0x03}, 2), -XEN_EFAULT);
    check_exception(EXC_PF, 11, RAM_VA);
}

static void the_processors_bytes_are_used_and_completed_from_memory(void **state)
{
    static const u8 store[] = {0xc7, 0x03, 0x78, 0x56, 0x34, 0x12};

    r->rbx = DEV_VA;
    /* Nothing sensible in memory. */
    assert_int_equal(emulate_mmio(v, DEV, store, sizeof(store)), 0);
    assert_int_equal(get32(0), 0x12345678);
    put32(0, 0);
    r->rip = CODE_VA;
    put_code(store, sizeof(store));
    assert_int_equal(emulate_mmio(v, DEV, store, 3), 0);
    assert_int_equal(get32(0), 0x12345678);
}

static void lock_on_a_mov_gives_ud(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(RUN(0xf0, 0x89, 0x03), -XEN_EFAULT);
    check_exception(EXC_UD, 0, 0);
    assert_false(fake_exception.has_error);
}

static void sixteen_bytes_give_gp(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(
        RUN(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x89, 0x03),
        -XEN_EFAULT);
    check_exception(EXC_GP, 0, 0);
}

static void an_sse_store_is_not_supported(void **state)
{
    r->rbx = DEV_VA;
    assert_int_equal(RUN(0x0f, 0x11, 0x03), -XEN_EOPNOTSUPP);
    assert_int_equal(fake_exception.count, 0);
    assert_int_equal(r->rip, CODE_VA);
}

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
        T(what_is_at_rip_now_is_done_whatever_the_processor_wanted),
        T(an_absent_page_gives_a_page_fault_with_its_address),
        T(an_absent_second_page_faults_there_before_any_access),
        T(a_user_access_faults_on_a_supervisor_page),
        T(a_non_canonical_operand_gives_gp),
        T(an_absent_code_page_gives_a_fetch_fault),
        T(the_second_code_page_is_not_needed_by_a_short_instruction),
        T(code_outside_ram_is_not_emulated),
        T(an_instruction_is_done_through_a_read_only_page_table),
        T(a_page_table_outside_ram_gives_a_fault_of_reserved_bits),
        T(the_processors_bytes_are_used_and_completed_from_memory),
        T(lock_on_a_mov_gives_ud),
        T(sixteen_bytes_give_gp),
        T(an_sse_store_is_not_supported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
