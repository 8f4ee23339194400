/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/cpu.h>
#include <torii/guest.h>
#include <torii/hvm.h>

unsigned guest_fetch(struct vcpu *v, u8 bytes[15])
{
    struct hvm_control c;
    struct hvm_segment cs;
    u64 linear = v->regs.rip;
    unsigned in_page;

    hvm->get_control(v, &c);
    hvm->get_segment(v, SEG_CS, &cs);
    if (!(c.efer & EFER_LMA && cs.attr & BIT(9)))
        linear = (u32)(cs.base + linear);
    in_page = (unsigned)min(PAGE_SIZE - (linear & (PAGE_SIZE - 1)), 15ul);
    if (copy_from_guest(v, bytes, linear, in_page))
        return 0;
    if (in_page < 15 && !copy_from_guest(v, bytes + in_page, linear + in_page, 15 - in_page))
        in_page = 15;
    return in_page;
}
