/* SPDX-License-Identifier: BSD-2-Clause */
/* Choice of the vendor, and the states a vCPU starts in. */
#include <torii/cpu.h>
#include <torii/errno.h>
#include <torii/hvm.h>
#include <torii/log.h>

#include "hvm_internal.h"

const struct hvm_ops *hvm;

static const struct hvm_ops *const implementations[] = {&svm_ops, &vmx_ops};

int hvm_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(implementations); i++)
        if (!implementations[i]->probe()) {
            hvm = implementations[i];
            return 0;
        }
    for (unsigned i = 0; i < ARRAY_SIZE(implementations); i++)
        log_err("%s: not usable: %s\n", implementations[i]->name, implementations[i]->probe());
    log_err("Torii needs hardware virtualisation with nested paging and cannot run on this CPU\n");
    return -XEN_ENODEV;
}

/* Segment attributes: present, and type. */
#define ATTR_CODE     0x009b
#define ATTR_DATA     0x0093
#define ATTR_LDT      0x0082
#define ATTR_TSS_BUSY 0x008b
#define ATTR_FLAT32   0x0c00 /* 32-bit, 4 KiB granularity */

static void state_segments(struct hvm_state *s, u16 flat, u32 limit)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        s->seg[i] = (struct hvm_segment){.attr = (i == SEG_CS ? ATTR_CODE : ATTR_DATA) | flat, .limit = limit};
    s->seg[SEG_LDTR] = (struct hvm_segment){.attr = ATTR_LDT, .limit = 0xffff};
    s->seg[SEG_TR] = (struct hvm_segment){.attr = ATTR_TSS_BUSY, .limit = 0x67};
    s->seg[SEG_GDTR] = s->seg[SEG_IDTR] = (struct hvm_segment){.limit = 0xffff};
}

void hvm_state_pvh(struct hvm_state *s, u32 entry, u32 start_info)
{
    *s = (struct hvm_state){.cr0 = CR0_PE | CR0_ET, .regs = {.rip = entry, .rbx = start_info, .rflags = 2}};
    state_segments(s, ATTR_FLAT32, 0xffffffff);
    s->seg[SEG_GDTR].limit = s->seg[SEG_IDTR].limit = 0;
}

static void state_real_mode(struct hvm_state *s, u64 cr0, u32 address, unsigned offset)
{
    *s = (struct hvm_state){.cr0 = cr0, .regs = {.rip = offset, .rflags = 2, .rdx = cpuid(1, 0).eax}};
    state_segments(s, 0, 0xffff);
    s->seg[SEG_CS].sel = (u16)((address - offset) >> 4);
    s->seg[SEG_CS].base = address - offset;
}

void hvm_state_sipi(struct hvm_state *s, u8 vector)
{
    state_real_mode(s, CR0_ET | CR0_NW | CR0_CD, (u32)vector << 12, 0);
}

/* Firmware has switched the caches on. */
void hvm_state_wake(struct hvm_state *s, u32 vector)
{
    state_real_mode(s, CR0_ET, vector, vector & 0xf);
}

void hvm_state_wake_flat(struct hvm_state *s, u32 vector)
{
    hvm_state_pvh(s, vector, 0);
}
