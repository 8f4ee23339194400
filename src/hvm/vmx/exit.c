/* SPDX-License-Identifier: BSD-2-Clause */
/* From VMX's exit reasons to hvm_exit (SDM vol. 3 ch. 28, appendix C). */
#include <torii/log.h>

#include "vmx.h"

/* Outside 64-bit mode the instruction pointer has 32 bits. */
static u64 next_rip(const struct vcpu *v)
{
    u64 next = v->regs.rip + vmread(VMCS_EXIT_INSN_LENGTH);

    if (unlikely(next >> 32 && !(v->regs.rip >> 32)) && !(vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_CS)) & RIGHTS_L))
        next = (u32)next;
    return next;
}

static void decode_io(u64 qual, struct hvm_exit *exit)
{
    exit->reason = EXIT_IO;
    exit->info = exit->io.port = QUAL_IO_PORT(qual);
    exit->io.bytes = (u8)QUAL_IO_BYTES(qual);
    exit->io.in = qual & QUAL_IO_IN;
    exit->io.string = qual & QUAL_IO_STRING;
    exit->io.rep = qual & QUAL_IO_REP;
    if (exit->io.string) {
        u64 info = vmread(VMCS_EXIT_INSN_INFO);

        exit->io.addr_bytes = (u8)INSN_IO_ADDR_BYTES(info);
        exit->io.seg = (u8)INSN_IO_SEG(info);
    }
}

static void decode_ept_violation(const struct vcpu *v, u64 qual, struct hvm_exit *exit)
{
    exit->reason = EXIT_MMIO;
    exit->info = exit->mmio.gpa = vmread(VMCS_GUEST_PHYSICAL);
    exit->mmio.write = qual & QUAL_EPT_WRITE;
    exit->mmio.exec = qual & QUAL_EPT_EXEC;
    exit->mmio.table = (qual & (QUAL_EPT_LINEAR | QUAL_EPT_LAST)) == QUAL_EPT_LINEAR;
    exit->mmio.nr_bytes = 0;
    /* The IRET will run again, so it has not unblocked NMIs yet (§28.2.3). */
    if (unlikely(qual & QUAL_EPT_IRET_NMI) && !(v->hvm->event & EVENT_VALID))
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKED_BY_NMI);
}

/*
 * The guest writes bits of CR0 that are Torii's: they go to the read shadow and the instruction runs again. Then they
 * agree with the shadow, so it does not exit, and the processor does the rest of it: mode switches, PDPTEs, faults.
 */
static void guest_writes_cr0(struct vcpu *v, u64 val)
{
    u64 mask = vmx_caps.cr0_mask;

    if ((val & CR0_NW && !(val & CR0_CD)) || (val & CR0_PG && !(val & CR0_PE)))
        inject_gp(v);
    else
        vmwrite(VMCS_CR0_SHADOW, (vmread(VMCS_CR0_SHADOW) & ~mask) | (val & mask));
}

/* Without a TPR shadow. */
static void access_cr8(struct vcpu *v, u64 qual, const struct hvm_exit *exit)
{
    u64 *gpr = &v->regs.gpr[QUAL_CR_GPR(qual)];

    if (QUAL_CR_TYPE(qual) == CR_MOV_FROM) {
        *gpr = hvm->get_cr8(v);
    } else if (*gpr > 0xf) {
        inject_gp(v);
        return;
    } else {
        hvm->set_cr8(v, (u8)*gpr);
    }
    hvm->skip_insn(v, exit);
}

/* CR4's masked bits are those of VMX and SMX, which are not offered. */
static void decode_cr(struct vcpu *v, u64 qual, struct hvm_exit *exit)
{
    exit->reason = EXIT_CONTROL;
    if (QUAL_CR_NUMBER(qual) == 8)
        access_cr8(v, qual, exit);
    else if (QUAL_CR_NUMBER(qual) == 0 && QUAL_CR_TYPE(qual) == CR_MOV_TO)
        guest_writes_cr0(v, v->regs.gpr[QUAL_CR_GPR(qual)]);
    else
        inject_gp(v);
}

/* The processor has checked CPL and CR4.OSXSAVE; the value it checks now. */
static void decode_xsetbv(struct vcpu *v, struct hvm_exit *exit)
{
    exit->reason = EXIT_CONTROL;
    if (xsetbv_safe((u32)v->regs.rcx, (u32)v->regs.rax | v->regs.rdx << 32))
        hvm->skip_insn(v, exit);
    else
        inject_gp(v);
}

static void close_window(struct vcpu *v, u64 window, struct hvm_exit *exit)
{
    v->hvm->primary &= ~(u32)window;
    exit->reason = EXIT_WINDOW;
}

static void fatal(const struct vcpu *v, u64 reason, u64 qual, const char *why, struct hvm_exit *exit)
{
    log_err("d%uv%u: VMX: %s (exit reason %#lx, qualification %#lx)\n", v->d->id, v->id, why, reason, qual);
    exit->reason = EXIT_OTHER;
    exit->info = exit->code = HVM_CODE_FATAL | reason;
}

/* Exits of instructions, whose length the VMCS gives. */
static void decode_instruction(struct vcpu *v, u64 reason, u64 qual, struct hvm_exit *exit)
{
    exit->next_rip = next_rip(v);
    switch (reason) {
    case VMX_VMCALL:
        exit->reason = EXIT_HYPERCALL;
        exit->call.long_mode =
            vmread(VMCS_GUEST_EFER) & EFER_LMA && vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_CS)) & RIGHTS_L;
        exit->call.cpl = (u8)RIGHTS_DPL(vmread(VMCS_SEG(VMCS_GUEST_RIGHTS, SEG_SS)));
        return;
    case VMX_RDMSR:
        exit->info = v->regs.rcx;
        exit->reason = EXIT_MSR_READ;
        return;
    case VMX_WRMSR:
        exit->info = v->regs.rcx;
        exit->reason = EXIT_MSR_WRITE;
        return;
    case VMX_CPUID:
        exit->reason = EXIT_CPUID;
        return;
    case VMX_HLT:
        exit->reason = EXIT_HLT;
        return;
    case VMX_IO:
        decode_io(qual, exit);
        return;
    case VMX_CR:
        decode_cr(v, qual, exit);
        return;
    case VMX_XSETBV:
        decode_xsetbv(v, exit);
        return;
    case VMX_INVD:
        vmx_write_back_caches();
        hvm->skip_insn(v, exit);
        exit->reason = EXIT_CONTROL;
        return;
    }
    exit->reason = EXIT_OTHER;
    exit->info = exit->code = reason;
}

void vmx_decode_exit(struct vcpu *v, struct hvm_exit *exit)
{
    u64 reason = vmread(VMCS_EXIT_REASON), qual = vmread(VMCS_EXIT_QUALIFICATION);

    v->hvm->last_reason = reason;
    v->hvm->last_qualification = qual;
    exit->info = v->regs.rax;
    if (unlikely(reason & REASON_ENTRY_FAILED)) {
        fatal(v, reason, qual, "the guest's state is refused", exit);
        return;
    }
    switch (REASON_BASIC(reason)) {
    case VMX_INTERRUPT:
        exit->reason = EXIT_INTERRUPT;
        return;
    case VMX_EXCEPTION_NMI:
        vmx_take_nmi();
        exit->reason = EXIT_NMI;
        return;
    case VMX_INTERRUPT_WINDOW:
        close_window(v, PRIMARY_INTERRUPT_WINDOW, exit);
        return;
    case VMX_NMI_WINDOW:
        close_window(v, PRIMARY_NMI_WINDOW, exit);
        return;
    case VMX_TPR_BELOW_THRESHOLD:
        v->hvm->threshold = 0;
        exit->reason = EXIT_WINDOW;
        return;
    case VMX_EPT_VIOLATION:
        decode_ept_violation(v, qual, exit);
        return;
    case VMX_EPT_MISCONFIGURATION:
        fatal(v, reason, vmread(VMCS_GUEST_PHYSICAL), "an EPT entry is malformed", exit);
        return;
    case VMX_TASK_SWITCH:
        fatal(v, reason, qual, "hardware task switches are not supported", exit);
        return;
    case VMX_INIT:
    case VMX_TRIPLE_FAULT:
        exit->reason = EXIT_SHUTDOWN;
        return;
    default:
        decode_instruction(v, REASON_BASIC(reason), qual, exit);
    }
}
