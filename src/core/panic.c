/* SPDX-License-Identifier: BSD-2-Clause */
/* Torii's own end: registers, backtrace, the CPU's last exits; then stop or reboot. */
#include <torii/atomic.h>
#include <torii/cmdline.h>
#include <torii/boot_info.h>
#include <torii/cpu.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/percpu.h>
#include <torii/trace.h>
#include <torii/traps.h>

bool panic_in_progress;
/* Until stack_guard_init. A zero byte in it stops overruns by strings, which end with one. */
uintptr_t __stack_chk_guard = 0x00000aff0d0a00ffull;
void noreturn_fn __stack_chk_fail(void);

#define BACKTRACE_MAX 24

/*
 * Symbols come from the second link (tools/symbols.sh): sorted addresses relative to image_start, then the
 * names. Weak, because the first link has none.
 */
extern const u32 symbol_count __attribute__((weak));
extern const u32 symbol_offsets[] __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));
extern const char image_start[], text_end[];

const char *symbol_name(u64 addr, char *buf, size_t n)
{
    u32 off = (u32)(addr - (u64)image_start), i;
    const char *name = symbol_names;

    if (!&symbol_count || addr < (u64)image_start || addr >= (u64)text_end) {
        snprintf(buf, n, "?");
        return buf;
    }
    for (i = 0; i + 1 < symbol_count && symbol_offsets[i + 1] <= off; i++)
        name += strlen(name) + 1;
    snprintf(buf, n, "%s+%#x", name, off - symbol_offsets[i]);
    return buf;
}

void backtrace(u64 rip, u64 rbp)
{
    char name[80];

    for (unsigned i = 0; i < BACKTRACE_MAX; i++) {
        const u64 *frame = (const u64 *)rbp;

        log_err("  [%016lx] %s\n", rip, symbol_name(rip, name, sizeof(name)));
        /* A frame pointer below Torii's half, misaligned, or not above the last one ends the walk. */
        if (rbp < 0xffff800000000000ul || rbp & 7 || frame[0] <= rbp)
            break;
        rip = frame[1];
        rbp = frame[0];
        if (rip < (u64)image_start || rip >= (u64)text_end)
            break;
    }
}

void panic_stop_this_cpu(void)
{
    for (;;)
        asm volatile("cli; hlt");
}

static void noreturn_fn panic_end(u64 rip, u64 rbp)
{
    char option[8];

    log_err("backtrace:\n");
    backtrace(rip, rbp);
    trace_dump(this_cpu());
    if (cmdline_get(boot_info.cmdline, "noreboot", option, sizeof(option))) {
        log_err("stopped (noreboot): reset the machine by hand\n");
        panic_stop_this_cpu();
    }
    log_err("rebooting in 5 seconds\n");
    machine_delay_ms(5000);
    machine_reset();
}

static bool panic_begin(void)
{
    if (atomic_xchg(&panic_in_progress, true))
        return false; /* a fault while panicking, or a second CPU: the first one reports */
    console_force();
    stop_all_but_self();
    return true;
}

void panic(const char *fmt, ...)
{
    char line[256];
    va_list ap;

    irq_disable();
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (!panic_begin()) {
        log_err("panic while panicking: %s", line);
        panic_stop_this_cpu();
    }
    log_err("\n*** Torii panic on CPU %u: %s", this_cpu()->id, line);
    panic_end((u64)__builtin_return_address(0), (u64)__builtin_frame_address(0));
}

void panic_frame(const struct trap_frame *f, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (!panic_begin()) {
        log_err("fault while panicking: %s", line);
        panic_stop_this_cpu();
    }
    log_err("\n*** Torii panic on CPU %u: %s", this_cpu()->id, line);
    log_err("rip %04lx:%016lx rsp %016lx rflags %lx cr3 %lx\n", f->cs, f->rip, f->rsp, f->rflags, read_cr3());
    log_err("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    log_err("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
    log_err("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
    log_err("r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
    panic_end(f->rip, f->rbp);
}

void __stack_chk_fail(void)
{
    panic("stack smashed in %p\n", __builtin_return_address(0));
}
