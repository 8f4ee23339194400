/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/hvm/emulate.c src/hvm/emulate_mem.c src/hvm/emulate_alu.c src/hvm/decode.c src/hvm/iomap.c src/hvm/guest_walk.c src/hvm/guest_copy.c tests/unit/fake_guest.c tests/unit/fakes.c */
/* The instruction emulator: string instructions, modes other than 64-bit, INS and OUTS. */
#include "emulate_world.h"

/* --- string instructions --- */

static void rep_movs_from_the_device_to_ram(void **state)
{
    unsigned i;

    for (i = 0; i < 64; i++)
        put32(4 * i, i * 3);
    r->rsi = DEV_VA;
    r->rdi = RAM_VA + PAGE_SIZE - 100;
    r->rcx = 64;
    assert_int_equal(RUN(0xf3, 0xa5), 0);
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
    assert_int_equal(RUN(0xf3, 0xa4), 0);
    assert_memory_equal(dev + 0x10, "abcdefgh", 8);
    assert_int_equal(r->rdi, DEV_VA + 0xf);
}

static void a_rep_without_count_does_nothing(void **state)
{
    r->rdi = DEV_VA;
    assert_int_equal(RUN(0xf3, 0xaa), 0);
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
        assert_int_equal(RUN_AT(DEV + (r->rdi - DEV_VA), 0xf3, 0xaa), 0);
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
    assert_int_equal(RUN_AT(DEV + PAGE_SIZE, 0xf3, 0xaa), 0);
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
    assert_int_equal(RUN(0xf3, 0xa5), -XEN_EFAULT);
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
    assert_int_equal(RUN(0xf3, 0xa6), 0);
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
    assert_int_equal(RUN(0xf2, 0xae), 0);
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
    assert_int_equal(RUN(0x89, 0x03), 0);
    assert_int_equal(get32(0x10), 42);
    fake_seg[SEG_DS].limit = 0x1012;
    assert_int_equal(RUN(0x89, 0x03), -XEN_EFAULT);
    assert_int_equal(fake_exception.vector, EXC_GP);
    fake_seg[SEG_DS].limit = 0x1013;
    assert_int_equal(RUN(0x89, 0x03), 0);
    fake_seg[SEG_DS].attr = 0xc91; /* read-only */
    assert_int_equal(RUN(0x89, 0x03), -XEN_EFAULT);
    assert_int_equal(RUN(0x8b, 0x0b), 0);
    fake_seg[SEG_DS].attr = 0; /* null */
    assert_int_equal(RUN(0x8b, 0x0b), -XEN_EFAULT);
}

static void an_expand_down_segment_ends_at_its_limit(void **state)
{
    fake_guest_flat32();
    r->rip = CODE;
    fake_seg[SEG_DS].attr = 0xc97;
    fake_seg[SEG_DS].limit = (u32)DEV + 0xff;
    r->rbx = DEV + 0x100;
    assert_int_equal(RUN(0x8b, 0x03), 0);
    r->rbx = DEV + 0xff;
    assert_int_equal(RUN(0x8b, 0x03), -XEN_EFAULT);
}

static void a_stack_segment_violation_gives_ss(void **state)
{
    fake_guest_flat32();
    r->rip = CODE;
    fake_seg[SEG_SS].limit = 0xfff;
    r->rbp = DEV;
    assert_int_equal(RUN(0x8b, 0x45, 0x00), -XEN_EFAULT);
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
    assert_int_equal(RUN(0x89, 0x00), 0); /* mov [bx+si], ax */
    assert_int_equal(get32(0x10), 0xbeef);
    assert_int_equal(r->rip, 0x102);
    /* 32-bit operand and address in 16-bit code. */
    r->rbx = 0x20;
    r->rax = 0x12345678;
    assert_int_equal(RUN(0x66, 0x67, 0x89, 0x03), 0);
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
    assert_int_equal(RUN(0xf3, 0xab), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
