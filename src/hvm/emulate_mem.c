/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator's way to memory: logical address to linear (SDM vol. 3 ch. 3), linear to guest-physical, and the access
 * itself, to a handler, to RAM or to a device that is mapped through.
 */
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/iomap.h>
#include <torii/lib.h>
#include <torii/stage2.h>

#include "emulate_internal.h"

/* Segment attributes in the VMCB's packed form (hvm.h). */
#define ATTR_WRITABLE BIT(1) /* data */
#define ATTR_READABLE BIT(1) /* code */
#define ATTR_DOWN     BIT(2) /* data: expand-down */
#define ATTR_CODE     BIT(3)
#define ATTR_P        BIT(7)
#define ATTR_BIG      BIT(10)

#define CR4_LA57 BIT(12)

static int fault(struct emul *e, u8 vector, u32 error, u64 cr2)
{
    hvm->inject_exception(e->v, vector, true, error, cr2);
    return -XEN_EFAULT;
}

static int segment_fault(struct emul *e, enum hvm_seg seg)
{
    return fault(e, seg == SEG_SS ? EXC_SS : EXC_GP, 0, 0);
}

static bool is_canonical(const struct emul *e, u64 linear)
{
    unsigned unused = e->c.cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

    return (u64)((s64)(linear << unused) >> unused) == linear;
}

static bool type_allows(const struct hvm_segment *s, bool write)
{
    if (!(s->attr & ATTR_P))
        return false;
    if (s->attr & ATTR_CODE)
        return !write && (s->attr & ATTR_READABLE);
    return !write || (s->attr & ATTR_WRITABLE);
}

/* offset .. offset + bytes - 1 within the limit; offsets do not wrap. */
static bool within_limit(const struct hvm_segment *s, u64 offset, unsigned bytes)
{
    u64 last = offset + bytes - 1;

    if (!(s->attr & ATTR_CODE) && (s->attr & ATTR_DOWN))
        return offset > s->limit && last <= (s->attr & ATTR_BIG ? 0xffffffffu : 0xffffu);
    return last <= s->limit;
}

static int linear_address(struct emul *e, enum hvm_seg seg, u64 offset, unsigned bytes, bool write, u64 *linear)
{
    struct hvm_segment s = {0};

    if (e->mode == INSN_MODE_64) {
        /* Only FS and GS have a base, and nothing has a limit. */
        if (seg == SEG_FS || seg == SEG_GS)
            hvm->get_segment(e->v, seg, &s);
        *linear = s.base + offset;
        if (!is_canonical(e, *linear) || !is_canonical(e, *linear + bytes - 1))
            return segment_fault(e, seg);
        return 0;
    }
    hvm->get_segment(e->v, seg, &s);
    if (!type_allows(&s, write) || !within_limit(&s, offset, bytes))
        return segment_fault(e, seg);
    *linear = (u32)(s.base + offset);
    return 0;
}

/* guest_walk with its error turned into what the guest sees. */
static int walk(struct emul *e, u64 linear, unsigned access, gpa_t *gpa)
{
    u32 pf_error = 0;

    if (e->cpl == 3)
        access |= GUEST_USER;
    switch (guest_walk(e->v, linear, access, gpa, &pf_error)) {
    case 0:
        return 0;
    case -XEN_EFAULT:
        return fault(e, EXC_PF, pf_error, linear);
    default:
        return fault(e, EXC_GP, 0, 0);
    }
}

int emul_translate(struct emul *e, enum hvm_seg seg, u64 offset, unsigned bytes, bool write, struct emul_ref *ref)
{
    unsigned done = 0, chunk;
    u64 linear, at;
    int rc = linear_address(e, seg, offset, bytes, write, &linear);

    *ref = (struct emul_ref){.bytes = bytes};
    while (!rc && done < bytes) {
        at = e->mode == INSN_MODE_64 ? linear + done : (u32)(linear + done);
        chunk = min((u64)(bytes - done), PAGE_SIZE - (at & (PAGE_SIZE - 1)));
        rc = walk(e, at, GUEST_SMAP | (write ? GUEST_WRITE : 0), &ref->part[ref->nr].gpa);
        if (!rc && ((ref->part[ref->nr].gpa ^ e->fault_gpa) & PAGE_MASK) == 0)
            e->touched = true;
        ref->part[ref->nr++].bytes = chunk;
        done += chunk;
    }
    return rc;
}

/* Constant sizes, so that the compiler makes one load or store: other CPUs see a natural access whole. */
static void copy_bytes(void *dst, const void *src, unsigned bytes)
{
    switch (bytes) {
    case 1:
        memcpy(dst, src, 1);
        break;
    case 2:
        memcpy(dst, src, 2);
        break;
    case 4:
        memcpy(dst, src, 4);
        break;
    case 8:
        memcpy(dst, src, 8);
        break;
    default:
        memcpy(dst, src, bytes);
    }
}

static bool ram_access(struct emul *e, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    void *p;

    guest_access_begin();
    p = guest_ram(e->v->d, gpa, write);
    if (p && write)
        copy_bytes(p, val, bytes);
    else if (p)
        copy_bytes(val, p, bytes);
    guest_access_end();
    return p != NULL;
}

/* A page with no handler that is not RAM: a device mapped through, or nothing (all ones, writes dropped). */
static void device_access(struct emul *e, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    unsigned access = 0;
    enum s2_type type = s2_lookup(e->v->d, gpa >> PAGE_SHIFT, NULL, &access);

    if ((type == S2_MMIO || type == S2_FIXUP) && (access & (write ? S2_WRITE : S2_READ)))
        mmio_hardware(e->v, NULL, gpa, bytes, write, val);
    else
        mmio_deny(e->v, NULL, gpa, bytes, write, val);
}

static void part_access(struct emul *e, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    if (mmio_access(e->v, gpa, bytes, write, val)) {
        e->emulated = true;
        return;
    }
    if (ram_access(e, gpa, bytes, write, val))
        return;
    e->emulated = true;
    device_access(e, gpa, bytes, write, val);
}

u64 emul_read(struct emul *e, const struct emul_ref *ref)
{
    u64 val = 0, part;
    unsigned i, shift = 0;

    for (i = 0; i < ref->nr; i++) {
        part = 0;
        part_access(e, ref->part[i].gpa, ref->part[i].bytes, false, &part);
        val |= emul_truncate(part, ref->part[i].bytes) << shift;
        shift += 8 * ref->part[i].bytes;
    }
    return val;
}

void emul_write(struct emul *e, const struct emul_ref *ref, u64 val)
{
    u64 part;
    unsigned i, shift = 0;

    for (i = 0; i < ref->nr; i++) {
        part = emul_truncate(val >> shift, ref->part[i].bytes);
        part_access(e, ref->part[i].gpa, ref->part[i].bytes, true, &part);
        shift += 8 * ref->part[i].bytes;
    }
}

/* Append the code bytes up to the end of their page. */
int emul_fetch(struct emul *e)
{
    u64 offset = e->v->regs.rip + e->nr_code, linear = offset;
    unsigned bytes;
    const void *p;
    gpa_t gpa;
    int rc;

    if (e->mode != INSN_MODE_64) {
        if (offset > e->cs.limit)
            return fault(e, EXC_GP, 0, 0);
        linear = (u32)(e->cs.base + offset);
    }
    rc = walk(e, linear, GUEST_FETCH, &gpa);
    if (rc)
        return rc;
    bytes = min((u64)(INSN_MAX - e->nr_code), PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
    guest_access_begin();
    p = guest_ram(e->v->d, gpa, false);
    if (p)
        memcpy(e->code + e->nr_code, p, bytes);
    guest_access_end();
    if (!p)
        return -XEN_EOPNOTSUPP;
    e->nr_code += bytes;
    return 0;
}
