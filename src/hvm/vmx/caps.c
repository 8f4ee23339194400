/* SPDX-License-Identifier: BSD-2-Clause */
/* Which controls every VMCS gets, from what the processor allows (SDM vol. 3 appendix A). */
#include "vmx.h"

/* A control that must be 1, or must be 0, and the words for its absence. */
struct requirement {
    u32 bit;
    const char *missing;
};

static const struct requirement pin_on[] = {
    {PIN_INTERRUPT_EXITING, "VMX has no exits for interrupts"},
    {PIN_NMI_EXITING, "VMX has no exits for NMIs"},
    {PIN_VIRTUAL_NMIS, "VMX has no virtual NMIs"},
    {0, NULL},
};
static const struct requirement primary_on[] = {
    {PRIMARY_SECONDARY, "VMX has no nested paging (EPT)"},
    {PRIMARY_INTERRUPT_WINDOW, "VMX has no interrupt window"},
    {PRIMARY_NMI_WINDOW, "VMX has no NMI window"},
    {PRIMARY_TSC_OFFSETTING, "VMX has no TSC offset"},
    {PRIMARY_HLT_EXITING, "VMX has no exits for HLT"},
    {PRIMARY_MWAIT_EXITING, "VMX has no exits for MWAIT"},
    {PRIMARY_MONITOR_EXITING, "VMX has no exits for MONITOR"},
    {PRIMARY_IO_BITMAPS, "VMX has no I/O bitmaps"},
    {PRIMARY_MSR_BITMAPS, "VMX has no MSR bitmaps"},
    {0, NULL},
};
static const struct requirement primary_off[] = {
    {PRIMARY_CR3_LOAD_EXITING | PRIMARY_CR3_STORE_EXITING, "VMX cannot leave CR3 to the guest"},
    {PRIMARY_INVLPG_EXITING, "VMX cannot leave INVLPG to the guest"},
    {PRIMARY_RDTSC_EXITING | PRIMARY_RDPMC_EXITING, "VMX cannot leave RDTSC and RDPMC to the guest"},
    {PRIMARY_DR_EXITING, "VMX cannot leave debug registers to the guest"},
    {0, NULL},
};
static const struct requirement secondary_on[] = {
    {SECONDARY_EPT, "VMX has no nested paging (EPT)"},
    {SECONDARY_UNRESTRICTED_GUEST, "VMX has no unrestricted guest"},
    {0, NULL},
};
static const struct requirement exit_on[] = {
    {EXIT_CTL_HOST_64, "VMX has no 64-bit host"},
    {EXIT_CTL_SAVE_DEBUG, "VMX does not save debug registers"},
    {EXIT_CTL_SAVE_PAT | EXIT_CTL_LOAD_PAT, "VMX does not switch the PAT"},
    {EXIT_CTL_SAVE_EFER | EXIT_CTL_LOAD_EFER, "VMX does not switch EFER"},
    {0, NULL},
};
static const struct requirement entry_on[] = {
    {ENTRY_CTL_GUEST_64, "VMX has no 64-bit guests"},
    {ENTRY_CTL_LOAD_DEBUG, "VMX does not load debug registers"},
    {ENTRY_CTL_LOAD_PAT, "VMX does not switch the PAT"},
    {ENTRY_CTL_LOAD_EFER, "VMX does not switch EFER"},
    {0, NULL},
};
static const struct requirement ept_on[] = {
    {CAP_EPT_FOUR, "EPT has no four-level tables"},
    {CAP_EPT_2M, "EPT has no 2 MiB pages"},
    {CAP_INVEPT, "EPT has no INVEPT"},
    {0, NULL},
};
static const struct requirement none[] = {{0, NULL}};

static const char *unmet(const struct requirement *r, u32 bits)
{
    for (; r->bit; r++)
        if ((bits & r->bit) != r->bit)
            return r->missing;
    return NULL;
}

static u32 bits_of(const struct requirement *r)
{
    u32 bits = 0;

    for (; r->bit; r++)
        bits |= r->bit;
    return bits;
}

/*
 * A capability MSR: bits that must be 1 in its lower half, bits that may be 1 in its upper. `wish`: taken if allowed.
 * Default-1 controls that only old processors force stay as these want them, unless in `off`.
 */
static const char *choose(u64 msr, const struct requirement *on, const struct requirement *off, u32 wish, u32 *out)
{
    u32 must = (u32)msr, may = (u32)(msr >> 32);
    const char *missing = unmet(on, may);

    if (!missing)
        missing = unmet(off, ~must);
    *out = must | ((bits_of(on) | wish) & may);
    return missing;
}

static void choose_control_registers(const struct vmx_msrs *m, struct vmx_caps *c)
{
    u64 cr0_fixed = m->cr0_fixed0 & ~(CR0_PE | CR0_PG); /* both the guest's, being unrestricted (§24.8) */

    /*
     * CD and NW are not switched by entries and exits (§27.3.2.1, §28.5.1): Torii would go on with the guest's. So the
     * guest changes its shadow only; memory types stay what the PATs and the EPT say.
     */
    c->cr0_fixed = cr0_fixed;
    c->cr0_mask = cr0_fixed | CR0_CD | CR0_NW;
    c->cr4_fixed = m->cr4_fixed0;
    c->cr4_mask = m->cr4_fixed0 | CR4_VMXE | CR4_SMXE;
}

const char *vmx_choose(const struct vmx_msrs *m, struct vmx_caps *c)
{
    const char *missing;

    *c = (struct vmx_caps){.revision = BASIC_REVISION(m->basic)};
    missing = choose(m->pin, pin_on, none, 0, &c->pin);
    if (!missing)
        missing = choose(m->primary, primary_on, primary_off, PRIMARY_TPR_SHADOW, &c->primary);
    if (!missing)
        missing = choose(m->secondary, secondary_on, none,
                         SECONDARY_RDTSCP | SECONDARY_VPID | SECONDARY_INVPCID | SECONDARY_XSAVES, &c->secondary);
    if (!missing)
        missing = choose(m->exit, exit_on, none, 0, &c->exit);
    if (!missing)
        missing = choose(m->entry, entry_on, none, 0, &c->entry);
    if (!missing)
        missing = unmet(ept_on, (u32)m->ept_vpid);
    if (!missing && !(m->ept_vpid & (CAP_INVEPT_SINGLE | CAP_INVEPT_ALL)))
        missing = "EPT has no INVEPT";
    if (!missing && !(m->ept_vpid & (CAP_EPT_WB | CAP_EPT_UC)))
        missing = "EPT tables have no memory type";
    /* What follows from unrestricted guests, and from their being newer than the rest. */
    if (!missing && !(m->misc & MISC_STORES_LMA))
        missing = "VMX does not follow the guest into long mode";
    if (!missing && !(m->basic & BASIC_INS_OUTS))
        missing = "VMX does not report the operands of INS and OUTS";
    if (missing)
        return missing;

    c->primary &= ~(u32)(PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW);
    c->entry &= ~(u32)ENTRY_CTL_GUEST_64;
    c->tpr_shadow = c->primary & PRIMARY_TPR_SHADOW;
    if (!c->tpr_shadow)
        c->primary |= PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING;
    c->vpid = c->secondary & SECONDARY_VPID;
    c->ept_1g = m->ept_vpid & CAP_EPT_1G;
    c->invept_single = m->ept_vpid & CAP_INVEPT_SINGLE;
    c->eptp_bits = (m->ept_vpid & CAP_EPT_WB ? EPTP_WB : EPTP_UC) | EPTP_FOUR_LEVELS |
                   (m->ept_vpid & CAP_EPT_AD ? EPTP_ACCESSED_DIRTY : 0);
    choose_control_registers(m, c);
    return NULL;
}

/* Member by member: between them lie bytes that mean nothing. */
bool vmx_caps_equal(const struct vmx_caps *a, const struct vmx_caps *b)
{
    return a->revision == b->revision && a->pin == b->pin && a->primary == b->primary && a->secondary == b->secondary &&
           a->exit == b->exit && a->entry == b->entry && a->cr0_mask == b->cr0_mask && a->cr4_mask == b->cr4_mask &&
           a->cr0_fixed == b->cr0_fixed && a->cr4_fixed == b->cr4_fixed && a->eptp_bits == b->eptp_bits &&
           a->tpr_shadow == b->tpr_shadow && a->vpid == b->vpid && a->ept_1g == b->ept_1g &&
           a->invept_single == b->invept_single;
}
