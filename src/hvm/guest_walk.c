/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's page tables, walked as the processor walks them (SDM vol. 3 ch. 4; APM vol. 2 ch. 5): 32-bit, PAE,
 * 4-level and 5-level. A table that lies outside RAM reads as all ones, which is reserved bits. Accessed and Dirty
 * are set when the walk has succeeded. Entries are read in place: the guest may change them at any time, so each is
 * read once.
 */
#include <torii/atomic.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/guest.h>
#include <torii/hvm.h>

/* Control registers, SDM vol. 3 §2.5; EFER §2.2.1. */
#define CR0_WP    BIT(16)
#define CR0_PG    BIT(31)
#define CR4_PSE   BIT(4)
#define CR4_PAE   BIT(5)
#define CR4_LA57  BIT(12)
#define CR4_SMEP  BIT(20)
#define CR4_SMAP  BIT(21)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define RFLAGS_AC BIT(18)
#define CR3_PAE   0xffffffe0ul /* a PDPT is 32-byte aligned and below 4 GiB */
#define CR3_32BIT 0xfffff000ul

/* Paging-structure entries, SDM vol. 3 §4.3 to §4.5. */
#define PTE_P          BIT(0)
#define PTE_W          BIT(1)
#define PTE_U          BIT(2)
#define PTE_A          BIT(5)
#define PTE_D          BIT(6)
#define PTE_PS         BIT(7)
#define PTE_NX         BIT(63)
#define PTE_ADDR       0x000ffffffffff000ul
#define PTE_LARGE_PAT  BIT(12)      /* the one low address bit that means something in a large page */
#define PDE32_ADDR     0xffc00000ul /* 4 MiB page: bits 31:22, and 39:32 in 20:13 (PSE-36) */
#define PDE32_HIGH(e)  (((e) >> 13 & 0xff) << 32)
#define PDE32_RESERVED BIT(21)

/* Page-fault error code, SDM vol. 3 §4.7. */
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)

#define LEVELS_MAX   5
#define WALK_RETRIES 16

struct walk {
    struct vcpu *v;
    struct hvm_control c;
    u64 gva;
    unsigned access;
    unsigned levels;             /* 2: 32-bit entries; 3: PAE; 4, 5: long mode */
    u64 rights;                  /* PTE_W, PTE_U, PTE_NX as they accumulate down the levels */
    gpa_t entry[LEVELS_MAX + 1]; /* where the entry of each level lies, and what it held */
    u64 held[LEVELS_MAX + 1];
};

static bool long_mode(const struct hvm_control *c)
{
    return c->efer & EFER_LMA;
}

static unsigned level_shift(const struct walk *w, unsigned level)
{
    return PAGE_SHIFT + (level - 1) * (w->levels == 2 ? 10 : 9);
}

static gpa_t entry_address(const struct walk *w, gpa_t table, unsigned level)
{
    u64 index = w->gva >> level_shift(w, level);

    return w->levels == 2 ? table + (index & 0x3ff) * 4 : table + (index & 0x1ff) * 8;
}

/* A PAE page-directory-pointer entry carries no rights and no Accessed bit (SDM vol. 3 §4.4.1). */
static bool is_pae_pdpte(const struct walk *w, unsigned level)
{
    return w->levels == 3 && level == 3;
}

static bool is_large(const struct walk *w, unsigned level, u64 e)
{
    if (!(e & PTE_PS) || is_pae_pdpte(w, level))
        return false;
    if (w->levels == 2)
        return level == 2 && (w->c.cr4 & CR4_PSE);
    return level == 2 || level == 3;
}

/* Bits that must be zero whatever the physical address width. */
static bool has_reserved(const struct walk *w, unsigned level, u64 e)
{
    u64 offset_bits = BIT(level_shift(w, level)) - PAGE_SIZE;

    if (w->levels == 2)
        return is_large(w, level, e) && (e & PDE32_RESERVED);
    if ((e & PTE_NX) && !(w->c.efer & EFER_NXE))
        return true;
    if (level > 3 && (e & PTE_PS))
        return true;
    return is_large(w, level, e) && (e & offset_bits & ~PTE_LARGE_PAT);
}

static int page_fault(const struct walk *w, u64 why, u32 *pf_error)
{
    u32 code = why;

    if (w->access & GUEST_WRITE)
        code |= PF_W;
    if (w->access & GUEST_USER)
        code |= PF_U;
    if ((w->access & GUEST_FETCH) && ((w->levels > 2 && (w->c.efer & EFER_NXE)) || (w->c.cr4 & CR4_SMEP)))
        code |= PF_I;
    if (pf_error)
        *pf_error = code;
    return -XEN_EFAULT;
}

/* SDM vol. 3 §4.6.1. */
static bool allowed(const struct walk *w)
{
    bool user_page = w->rights & PTE_U, user = w->access & GUEST_USER;

    if ((w->access & GUEST_FETCH) && ((w->rights & PTE_NX) || (!user && user_page && (w->c.cr4 & CR4_SMEP))))
        return false;
    if (user && !user_page)
        return false;
    if ((w->access & GUEST_SMAP) && !user && user_page && (w->c.cr4 & CR4_SMAP) && !(w->v->regs.rflags & RFLAGS_AC))
        return false;
    return !(w->access & GUEST_WRITE) || (w->rights & PTE_W) || (!user && !(w->c.cr0 & CR0_WP));
}

/* The address an entry at the last level of the walk gives for gva. */
static gpa_t leaf_address(const struct walk *w, unsigned level, u64 e)
{
    u64 offset_mask = BIT(level_shift(w, level)) - 1;

    if (w->levels == 2 && level == 2)
        return (e & PDE32_ADDR) | PDE32_HIGH(e) | (w->gva & offset_mask);
    return (e & PTE_ADDR & ~offset_mask) | (w->gva & offset_mask);
}

static bool read_entry(struct walk *w, unsigned level)
{
    const void *p = guest_ram(w->v->d, w->entry[level], false);

    if (!p)
        return false;
    w->held[level] = w->levels == 2 ? READ_ONCE(*(const u32 *)p) : READ_ONCE(*(const u64 *)p);
    return true;
}

/* Set `bits` in an entry unless it has changed since it was read: false then. A read-only table stays as it is. */
static bool mark_entry(struct walk *w, unsigned level, u64 bits)
{
    void *p;
    u64 old = w->held[level];
    u32 old32 = old;

    if ((old & bits) == bits)
        return true;
    p = guest_ram(w->v->d, w->entry[level], true);
    if (!p)
        return true;
    return w->levels == 2 ? atomic_cmpxchg((u32 *)p, &old32, old32 | (u32)bits)
                          : atomic_cmpxchg((u64 *)p, &old, old | bits);
}

static bool mark_accessed(struct walk *w, unsigned leaf)
{
    unsigned level;

    for (level = w->levels; level >= leaf; level--)
        if (!is_pae_pdpte(w, level) &&
            !mark_entry(w, level, level == leaf && (w->access & GUEST_WRITE) ? PTE_A | PTE_D : PTE_A))
            return false;
    return true;
}

/* -XEN_EAGAIN: an entry changed before it could be marked. */
static int walk_once(struct walk *w, gpa_t table, gpa_t *gpa, u32 *pf_error)
{
    unsigned level;
    u64 e;

    w->rights = PTE_W | PTE_U;
    for (level = w->levels;; level--) {
        w->entry[level] = entry_address(w, table, level);
        if (!read_entry(w, level))
            return page_fault(w, PF_P | PF_RSVD, pf_error);
        e = w->held[level];
        if (!(e & PTE_P))
            return page_fault(w, 0, pf_error);
        if (!is_pae_pdpte(w, level)) {
            if (has_reserved(w, level, e))
                return page_fault(w, PF_P | PF_RSVD, pf_error);
            w->rights = (w->rights & (e | PTE_NX)) | (e & PTE_NX);
        }
        if (level == 1 || is_large(w, level, e))
            break;
        table = e & PTE_ADDR;
    }
    if (!allowed(w))
        return page_fault(w, PF_P, pf_error);
    if (!mark_accessed(w, level))
        return -XEN_EAGAIN;
    *gpa = leaf_address(w, level, e);
    return 0;
}

/* Number of levels and the root's address. */
static gpa_t walk_root(struct walk *w)
{
    if (long_mode(&w->c)) {
        w->levels = w->c.cr4 & CR4_LA57 ? 5 : 4;
        return w->c.cr3 & PTE_ADDR;
    }
    w->levels = w->c.cr4 & CR4_PAE ? 3 : 2;
    return w->levels == 3 ? w->c.cr3 & CR3_PAE : w->c.cr3 & CR3_32BIT;
}

static bool linear_is_valid(const struct walk *w)
{
    unsigned unused = w->c.cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

    if (!long_mode(&w->c))
        return w->gva >> 32 == 0;
    return (u64)((s64)(w->gva << unused) >> unused) == w->gva;
}

int guest_walk(struct vcpu *v, u64 gva, unsigned access, gpa_t *gpa, u32 *pf_error)
{
    struct walk w; /* its arrays are filled level by level, and read where they were */
    unsigned tries = 0;
    gpa_t root;
    int rc;

    w.v = v;
    w.gva = gva;
    w.access = access;
    hvm->get_control(v, &w.c);
    if (!linear_is_valid(&w))
        return -XEN_EINVAL;
    if (!(w.c.cr0 & CR0_PG)) {
        *gpa = gva;
        return 0;
    }
    root = walk_root(&w);
    guest_access_begin();
    do
        rc = walk_once(&w, root, gpa, pf_error);
    while (rc == -XEN_EAGAIN && ++tries < WALK_RETRIES);
    guest_access_end();
    /* A guest that keeps rewriting the very entry gets what a TLB miss at the wrong moment would give: a fault. */
    return rc == -XEN_EAGAIN ? page_fault(&w, 0, pf_error) : rc;
}

int guest_linear_to_gpa(struct vcpu *v, u64 gva, bool write, gpa_t *gpa)
{
    return guest_walk(v, gva, write ? GUEST_WRITE : 0, gpa, NULL) ? -XEN_EFAULT : 0;
}
