/* SPDX-License-Identifier: BSD-2-Clause */
/* What each exit asks for, through the tables of iomap.h. */
#include <torii/atomic.h>
#include <torii/cpu.h>
#include <torii/emulate.h>
#include <torii/guest.h>
#include <torii/errno.h>
#include <torii/evtchn.h>
#include <torii/hvm.h>
#include <torii/hvm_policy.h>
#include <torii/hypercall.h>
#include <torii/iomap.h>
#include <torii/log.h>
#include <torii/machine.h>
#include <torii/sched.h>
#include <torii/stage2.h>
#include <torii/traps.h>
#include <torii/vlapic.h>

static bool exit_cpuid(struct vcpu *v, struct hvm_exit *exit)
{
    u32 leaf = (u32)v->regs.rax, subleaf = (u32)v->regs.rcx;
    struct cpuid_regs r;

    if (likely(leaf == 1))
        hvm_cpuid_1(v, &r);
    else if (!xen_cpuid(v, leaf, subleaf, &r))
        hvm_cpuid(v, leaf, subleaf, &r);
    v->regs.rax = r.eax;
    v->regs.rbx = r.ebx;
    v->regs.rcx = r.ecx;
    v->regs.rdx = r.edx;
    return hvm->skip_insn(v, exit);
}

static bool exit_hypercall(struct vcpu *v, struct hvm_exit *exit)
{
    if (unlikely(hypercall(v, exit->call.long_mode, exit->call.cpl)))
        return false;
    return hvm->skip_insn(v, exit);
}

static noinline_fn void msr_refused(struct vcpu *v, bool write)
{
    log_debug("d%uv%u: %s of MSR %#x%s refused at %#lx\n", v->d->id, v->id, write ? "write" : "read", (u32)v->regs.rcx,
              write ? "" : ", which is not there,", v->regs.rip);
    inject_gp(v);
}

static bool exit_msr_read(struct vcpu *v, struct hvm_exit *exit)
{
    u64 val;

    if (hvm_msr_access_read(v, (u32)v->regs.rcx, &val)) {
        msr_refused(v, false);
        return false;
    }
    v->regs.rax = (u32)val;
    v->regs.rdx = val >> 32;
    return hvm->skip_insn(v, exit);
}

/* Refused if rc is negative; else what may be injected has changed if it is positive. */
static noinline_fn bool msr_written(struct vcpu *v, const struct hvm_exit *exit, int rc)
{
    if (unlikely(rc < 0))
        msr_refused(v, true);
    else
        hvm->skip_insn(v, exit);
    return rc || (u32)v->regs.rcx == MSR_APIC_BASE;
}

static bool exit_msr_write(struct vcpu *v, struct hvm_exit *exit)
{
    u32 msr = (u32)v->regs.rcx;
    u64 val = (u32)v->regs.rax | v->regs.rdx << 32;
    int rc;

    if (unlikely(msr - MSR_X2APIC >= 0x100))
        return msr_written(v, exit, hvm_msr_access_write(v, msr, val));
    rc = vlapic_x2apic_write(v, msr, val);
    return likely(!rc) ? hvm->skip_insn(v, exit) : msr_written(v, exit, rc);
}

/* The emulator has moved RIP; its instruction also ends an interrupt shadow and may owe a single-step trap. */
static void end_emulated(struct vcpu *v)
{
    struct hvm_exit done = {.next_rip = v->regs.rip};

    hvm->skip_insn(v, &done);
}

static bool exit_io(struct vcpu *v, struct hvm_exit *exit)
{
    static const u64 keep[5] = {0, ~0xffull, ~0xffffull, 0, 0};
    u32 val = (u32)v->regs.rax;

    if (exit->io.string) {
        int rc = emulate_pio_string(v, exit->io.port, exit->io.bytes, exit->io.in, exit->io.rep,
                                    exit->io.addr_bytes * 8, exit->io.seg);

        if (!rc)
            end_emulated(v);
        else if (rc == -XEN_EOPNOTSUPP)
            inject_ud(v);
        return true;
    }
    if (!exit->io.in && exit->io.bytes < 4)
        val &= (1u << exit->io.bytes * 8) - 1;
    pio_access(v, exit->io.port, exit->io.bytes, !exit->io.in, &val);
    if (exit->io.in)
        v->regs.rax = (v->regs.rax & keep[exit->io.bytes]) | (exit->io.bytes < 4 ? val & ~(u32)keep[exit->io.bytes] : val);
    return hvm->skip_insn(v, exit);
}

static bool exit_hlt(struct vcpu *v, struct hvm_exit *exit)
{
    hvm->skip_insn(v, exit);
    if (vlapic_nmi_pending(v))
        return true;
    if (!(v->regs.rflags & RFLAGS_IF)) {
        /* Nothing but INIT or an NMI could end this: the processor is switched off. */
        vcpu_halt(v);
        domain_vcpu_halted(v);
        return true;
    }
    if (evtchn_callback_vector(v) < 0 && vlapic_pending_vector(v) < 0)
        vcpu_block(v);
    return true;
}

/*
 * A page nobody handles and nobody is denied: device memory that no static table described. Map the largest aligned piece
 * around it that holds neither RAM, nor a page of Torii's, nor one with a handler, nor anything mapped: once, with a line.
 */
static bool fault_in(struct vcpu *v, gpa_t gpa)
{
    static const u64 sizes[] = {SIZE_2M, PAGE_SIZE};
    bool done;

    /* Nobody puts anything else there meanwhile; another CPU's first touch may have come before. */
    spin_lock(&v->d->lock);
    done = s2_lookup(v->d, gpa >> PAGE_SHIFT, NULL, NULL) != S2_NONE;
    for (unsigned i = 0; i < ARRAY_SIZE(sizes) && !done; i++) {
        gpa_t start = ALIGN_DOWN(gpa, sizes[i]);

        if (!domain_may_fault_in(v->d, start, sizes[i]))
            continue;
        if (s2_map(v->d, start >> PAGE_SHIFT, start >> PAGE_SHIFT, sizes[i] >> PAGE_SHIFT, S2_FIXUP, S2_RWX))
            break;
        log_debug("d%u: device memory mapped at first touch: %#lx-%#lx\n", v->d->id, start, start + sizes[i] - 1);
        done = true;
    }
    spin_unlock(&v->d->lock);
    return done;
}

/* No instruction does this access, so there is none to emulate. */
static noinline_fn void no_delivery(struct vcpu *v, gpa_t gpa)
{
    domain_crash(v, "delivery of an interrupt or exception reaches %#lx, where there is no memory for it\n", gpa);
}

static bool exit_mmio(struct vcpu *v, struct hvm_exit *exit)
{
    gpa_t gpa = exit->mmio.gpa;
    bool delivering = hvm->event_queued(v);
    struct mmio_range range;
    unsigned access = 0;
    enum s2_type type;
    int rc;

    /* An entry that ends in a delivery takes no physical interrupt: a guest that does nothing else must not keep them out. */
    if (unlikely(delivering))
        irq_window();
    type = s2_lookup(v->d, gpa >> PAGE_SHIFT, NULL, &access);
    if (type != S2_NONE && (!exit->mmio.write || access & S2_WRITE) && (!exit->mmio.exec || access & S2_EXEC))
        return false; /* another CPU mapped it meanwhile */
    if (type == S2_NONE && !mmio_find(v->d, gpa, &range) && fault_in(v, gpa)) {
        exit->reason = EXIT_FAULT_IN;
        return false;
    }
    if (exit->mmio.exec) {
        domain_crash(v, "instruction fetch from %#lx, where there is no memory for programs\n", gpa);
        return false;
    }
    if (unlikely(delivering) && !exit->mmio.table) {
        no_delivery(v, gpa);
        return false;
    }
    rc = emulate_mmio(v, exit->mmio.table ? EMULATE_TABLE : gpa, exit->mmio.bytes, exit->mmio.nr_bytes);
    if (!rc) {
        end_emulated(v);
    } else if (unlikely(delivering) && rc == -XEN_EOPNOTSUPP) {
        no_delivery(v, gpa);
    } else if (rc == -XEN_EOPNOTSUPP) {
        static u32 told;
        u8 b[15] = {0};

        guest_fetch(v, b);
        /* A guest must not fill the log. */
        if (__atomic_fetch_add(&told, 1, __ATOMIC_RELAXED) < 16)
            log_warn("d%uv%u: cannot emulate the access to %#lx at %#lx: %02x %02x %02x %02x %02x %02x\n", v->d->id,
                     v->id, gpa, v->regs.rip, b[0], b[1], b[2], b[3], b[4], b[5]);
        inject_ud(v);
    }
    return true;
}

static bool exit_other(struct vcpu *v, struct hvm_exit *exit)
{
    /* Instructions of virtualisation itself, MONITOR and MWAIT: not offered, so they do not exist. */
    log_debug("d%uv%u: exit code %#lx at %#lx: #UD\n", v->d->id, v->id, exit->code, v->regs.rip);
    if (exit->code & HVM_CODE_FATAL)
        domain_crash(v, "the processor refuses the guest's state (exit code %#lx)\n", exit->code);
    else
        inject_ud(v);
    return true;
}

static bool exit_nmi(struct vcpu *v, struct hvm_exit *exit)
{
    nmi_forward();
    return true;
}

static bool exit_shutdown(struct vcpu *v, struct hvm_exit *exit)
{
    domain_triple_fault(v);
    return false;
}

static bool exit_interrupt(struct vcpu *v, struct hvm_exit *exit)
{
    irq_window();
    /* One that could not be taken has no window while the guest keeps IF clear. */
    return vlapic_nmi_pending(v);
}

static bool exit_window(struct vcpu *v, struct hvm_exit *exit)
{
    return true;
}

static bool exit_control(struct vcpu *v, struct hvm_exit *exit)
{
    return false;
}

static bool (*const handlers[EXIT_REASONS])(struct vcpu *v, struct hvm_exit *exit) = {
    [EXIT_INTERRUPT] = exit_interrupt,
    [EXIT_NMI] = exit_nmi,
    [EXIT_WINDOW] = exit_window,
    [EXIT_CPUID] = exit_cpuid,
    [EXIT_HLT] = exit_hlt,
    [EXIT_IO] = exit_io,
    [EXIT_MSR_READ] = exit_msr_read,
    [EXIT_MSR_WRITE] = exit_msr_write,
    [EXIT_HYPERCALL] = exit_hypercall,
    [EXIT_MMIO] = exit_mmio,
    [EXIT_FAULT_IN] = exit_other, /* what an EXIT_MMIO turns out to be; nobody reports it */
    [EXIT_SHUTDOWN] = exit_shutdown,
    [EXIT_CONTROL] = exit_control,
    [EXIT_OTHER] = exit_other,
};

/* Nothing but a jump: the handlers' frames are their own. */
bool vcpu_handle_exit(struct vcpu *v, struct hvm_exit *exit)
{
    return handlers[exit->reason](v, exit);
}
