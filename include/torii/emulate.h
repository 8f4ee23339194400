/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulation of the guest instruction that touched a page with a handler, and of string I/O to an intercepted port. Both
 * run on v's own CPU during its exit, with v->regs current, and do not block.
 *
 * Common results:
 *   0                 handled: RIP is past the instruction (a REP with iterations left keeps it in place and continues
 * when the guest is entered again). The caller ends an interrupt shadow. -XEN_EFAULT       an exception was injected;
 * RIP is at the instruction. -XEN_EAGAIN       nothing was done: the instruction now at RIP does not make this access
 * (another CPU changed it, or the page tables). Enter the guest again. -XEN_EOPNOTSUPP   not an instruction or a place
 * of code the emulator knows: the caller's decision (log, #UD). A single-step trap after an emulated instruction is
 * taken after the following one.
 */
#ifndef TORII_EMULATE_H
#define TORII_EMULATE_H

#include <torii/hvm.h>
#include <torii/types.h>

/*
 * A data access to fault_gpa caused a stage-2 exit. bytes: what the processor fetched at RIP, if it reports that
 * (nbytes > 0); else, or when they do not suffice, they are read from guest memory: what is there now is done, and if
 * another CPU has just changed it from a write to a read, it is a read.
 * EMULATE_TABLE for fault_gpa: the processor could not use an entry of the guest's page tables, which lies in no RAM it may
 * write. The instruction is done with the entries read, and left unmarked, by guest_walk.
 */
#define EMULATE_TABLE (~0ull)
int emulate_mmio(struct vcpu *v, gpa_t fault_gpa, const u8 *bytes, unsigned nbytes);

/*
 * INS (`in`) or OUTS of `bytes` (1, 2, 4) to port, addr_bits 16, 32 or 64. seg is the source's segment of OUTS; the
 * destination's of INS is ES.
 */
int emulate_pio_string(struct vcpu *v, u16 port, unsigned bytes, bool in, bool rep, unsigned addr_bits,
                       enum hvm_seg seg);

#endif
