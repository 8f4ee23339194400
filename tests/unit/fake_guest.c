/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include <torii/alloc.h>
#include <torii/irq.h>

#include "fake_guest.h"

/* SDM vol. 3: the bits a 64-bit guest runs with. */
#define CR0_PE_WP_PG 0x80010001ull
#define CR4_PAE_BIT  0x20ull
#define EFER_64      0xd00ull /* LME, LMA, NXE */
#define ROOT         0x1000ull
#define TABLES_FIRST 0x2000ull

u8 fake_ram[FAKE_PAGES * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
u8 fake_type[FAKE_PAGES], fake_access[FAKE_PAGES];
enum s2_type fake_type_above;
struct hvm_control fake_control;
struct hvm_segment fake_seg[SEG_COUNT];
unsigned fake_cpl;
struct domain fake_domain;
struct vcpu fake_vcpu;
struct fake_exception fake_exception;
void (*fake_lookup_hook)(gfn_t gfn);
static gpa_t next_table;

static void get_control(struct vcpu *v, struct hvm_control *c)
{
    *c = fake_control;
}

static void get_segment(struct vcpu *v, enum hvm_seg seg, struct hvm_segment *s)
{
    *s = fake_seg[seg];
}

static unsigned cpl(struct vcpu *v)
{
    return fake_cpl;
}

static void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error, u64 cr2)
{
    fake_exception = (struct fake_exception){fake_exception.count + 1, vector, has_error, error, cr2};
}

static const struct hvm_ops fake_ops = {
    .name = "fake",
    .get_control = get_control,
    .get_segment = get_segment,
    .cpl = cpl,
    .inject_exception = inject_exception,
};
const struct hvm_ops *hvm = &fake_ops;

enum s2_type s2_lookup(struct domain *d, gfn_t gfn, mfn_t *mfn, unsigned *access)
{
    bool ram = gfn < FAKE_PAGES;

    if (fake_lookup_hook)
        fake_lookup_hook(gfn);
    if (mfn)
        *mfn = ram ? gfn + FAKE_MFN_OFFSET : gfn;
    if (access)
        *access = ram ? fake_access[gfn] : S2_RWX;
    return ram ? fake_type[gfn] : fake_type_above;
}

void *paddr_to_virt(paddr_t pa)
{
    return fake_ram + (pa - FAKE_MFN_OFFSET * PAGE_SIZE);
}

paddr_t virt_to_paddr(const void *p)
{
    return (const u8 *)p - fake_ram + FAKE_MFN_OFFSET * PAGE_SIZE;
}

unsigned cpu_this(void)
{
    return 3;
}

static void common_reset(void)
{
    unsigned i;

    memset(fake_ram, 0, sizeof(fake_ram));
    memset(fake_type, S2_RAM, sizeof(fake_type));
    memset(fake_access, S2_RWX, sizeof(fake_access));
    memset(&fake_vcpu, 0, sizeof(fake_vcpu));
    memset(&fake_exception, 0, sizeof(fake_exception));
    fake_type_above = S2_NONE;
    fake_vcpu.d = &fake_domain;
    fake_vcpu.regs.rflags = 2;
    fake_cpl = 0;
    fake_lookup_hook = NULL;
    next_table = TABLES_FIRST;
    for (i = 0; i < SEG_COUNT; i++)
        fake_seg[i] = (struct hvm_segment){.sel = 0x10, .attr = 0xc93, .limit = ~0u};
}

void fake_guest_reset(void)
{
    common_reset();
    fake_control = (struct hvm_control){.cr0 = CR0_PE_WP_PG, .cr3 = ROOT, .cr4 = CR4_PAE_BIT, .efer = EFER_64};
    fake_seg[SEG_CS] = (struct hvm_segment){.sel = 8, .attr = 0xa9b, .limit = ~0u};
}

void fake_guest_flat32(void)
{
    common_reset();
    fake_control = (struct hvm_control){.cr0 = 1};
    fake_seg[SEG_CS] = (struct hvm_segment){.sel = 8, .attr = 0xc9b, .limit = ~0u};
}

void fake_guest_real(void)
{
    unsigned i;

    common_reset();
    fake_control = (struct hvm_control){0};
    for (i = 0; i < SEG_COUNT; i++)
        fake_seg[i] = (struct hvm_segment){.attr = 0x93, .limit = 0xffff};
}

u64 fake_read64(gpa_t gpa)
{
    u64 val;

    memcpy(&val, fake_ram + gpa, sizeof(val));
    return val;
}

void fake_write64(gpa_t gpa, u64 val)
{
    memcpy(fake_ram + gpa, &val, sizeof(val));
}

u32 fake_read32(gpa_t gpa)
{
    u32 val;

    memcpy(&val, fake_ram + gpa, sizeof(val));
    return val;
}

void fake_write32(gpa_t gpa, u32 val)
{
    memcpy(fake_ram + gpa, &val, sizeof(val));
}

gpa_t fake_map(u64 gva, gpa_t gpa, u64 flags)
{
    gpa_t entry = ROOT;
    unsigned level;

    for (level = 4;; level--) {
        entry = (entry & 0xffffffffff000ull) + (gva >> (12 + 9 * (level - 1)) & 0x1ff) * 8;
        if (level == 1)
            break;
        if (!(fake_read64(entry) & P)) {
            fake_write64(entry, next_table | P | W | U);
            next_table += PAGE_SIZE;
        }
        entry = fake_read64(entry);
    }
    fake_write64(entry, gpa | flags);
    return entry;
}
