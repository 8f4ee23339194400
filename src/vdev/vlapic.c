/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual local APIC: life cycle, acceptance and end of interrupts, registers in both modes. Sections: SDM vol. 3.
 * The timer is in vlapic_timer.c, messages between APICs are in vlapic_ipi.c.
 */
#include "vlapic.h"

#include <torii/alloc.h>
#include <torii/errno.h>
#include <torii/iomap.h>
#include <torii/vioapic.h>

/* --- accepting and ending interrupts (§11.8) --- */

bool vlapic_post(struct vlapic *l, u8 vector, bool level)
{
    /* A hardware-disabled APIC is software-disabled too: leaving EN resets SVR. */
    if (unlikely(!(READ_ONCE(l->svr) & SVR_ENABLE)))
        return false;
    if (unlikely(vector < APIC_VECTOR_FIRST)) {
        vlapic_error(l, ESR_RECV_ILLEGAL_VECTOR);
        return false;
    }
    /* Before IRR: whoever sees the request must also see how it is to be ended. */
    if (unlikely(level != test_bit64(l->tmr, vector))) {
        if (level)
            test_and_set_bit64(l->tmr, vector);
        else
            test_and_clear_bit64(l->tmr, vector);
    }
    if (!test_and_set_bit64(l->irr, vector))
        vcpu_kick(l->v, TODO_EVENTS);
    return true;
}

void vlapic_set_irq(struct vcpu *v, u8 vector, bool level)
{
    vlapic_post(v->vlapic, vector, level);
}

/* Something that held back requests changed: the entry path must look again. */
static inline void recheck(struct vlapic *l)
{
    if (vlapic_highest(l->irr) >= 0)
        vcpu_kick(l->v, TODO_EVENTS);
}

/* §11.8.3.1: the class of the task or of the interrupt in service, whichever is higher. */
u32 vlapic_ppr(const struct vlapic *l)
{
    int isr = vlapic_highest(l->isr);
    u32 tpr = READ_ONCE(l->tpr), isr_class = isr < 0 ? 0 : isr & 0xf0;

    return (tpr & 0xf0) >= isr_class ? tpr : isr_class;
}

int vlapic_pending_vector(struct vcpu *v)
{
    struct vlapic *l = v->vlapic;
    int irr = vlapic_highest(l->irr);

    /* §11.4.7.2: requests already held when software disables the APIC are still the CPU's to handle. */
    if (irr < 0 || !(l->base & APIC_BASE_EN))
        return -1;
    vlapic_invariant(irr >= (int)APIC_VECTOR_FIRST);
    return (u32)irr >> 4 > vlapic_ppr(l) >> 4 ? irr : -1;
}

void vlapic_accept(struct vcpu *v, u8 vector)
{
    struct vlapic *l = v->vlapic;
    bool requested = test_and_clear_bit64(l->irr, vector);

    vlapic_invariant(requested);
    vlapic_invariant((u32)vector >> 4 > vlapic_ppr(l) >> 4);
    (void)requested;
    l->isr[vector / 64] |= BIT(vector % 64);
}

int vlapic_highest_irr(struct vcpu *v)
{
    return vlapic_highest(v->vlapic->irr);
}

static void eoi(struct vlapic *l)
{
    int vector = vlapic_highest(l->isr);

    if (unlikely(vector < 0))
        return;
    l->isr[vector / 64] &= ~BIT(vector % 64);
    if (unlikely(test_bit64(l->tmr, vector)))
        vioapic_eoi(l->v->d, vector);
    recheck(l);
}

static void tpr_write(struct vlapic *l, u32 tpr)
{
    u32 old = l->tpr;

    WRITE_ONCE(l->tpr, tpr);
    if (tpr < old)
        recheck(l);
}

u8 vlapic_get_cr8(const struct vcpu *v)
{
    return v->vlapic->tpr >> 4 & 0xf;
}

void vlapic_set_cr8(struct vcpu *v, u8 cr8)
{
    /* §11.8.6: MOV to CR8 clears the sub-class. Hardware reports an unchanged value at each exit: keep it then. */
    if (cr8 != vlapic_get_cr8(v))
        tpr_write(v->vlapic, (cr8 & 0xfu) << 4);
}

bool vlapic_take_nmi(struct vcpu *v)
{
    struct vlapic *l = v->vlapic;

    return READ_ONCE(l->nmi) && atomic_xchg(&l->nmi, 0);
}

bool vlapic_nmi_pending(const struct vcpu *v)
{
    return READ_ONCE(v->vlapic->nmi);
}

/* --- errors and the local vector table --- */

void vlapic_error(struct vlapic *l, u32 bit)
{
    /* §11.5.3: one interrupt per error until the guest's write to ESR re-arms it. */
    if (!(atomic_or(&l->esr_pending, bit) & bit))
        vlapic_lvt_raise(l, LVT_ERROR);
}

void vlapic_lvt_raise(struct vlapic *l, enum vlapic_lvt entry)
{
    u32 lvt = READ_ONCE(l->lvt[entry]);

    if (lvt & LVT_MASKED)
        return;
    if (LVT_DELIVERY(lvt) == DELIVERY_FIXED)
        vlapic_post(l, lvt & APIC_VECTOR_MASK, false);
    else
        vlapic_signal(l, LVT_DELIVERY(lvt), 0);
}

void vlapic_lint(struct vcpu *v, unsigned n)
{
    struct vlapic *l = v->vlapic;

    /* §11.4.3: with the APIC globally disabled the pins are INTR and NMI again; nothing drives INTR. */
    if (!vlapic_hw_enabled(v)) {
        if (n)
            vlapic_set_nmi(v);
        return;
    }
    vlapic_lvt_raise(l, n ? LVT_LINT1 : LVT_LINT0);
}

/* --- life cycle --- */

bool vlapic_hw_enabled(const struct vcpu *v)
{
    return READ_ONCE(v->vlapic->base) & APIC_BASE_EN;
}

bool vlapic_sw_enabled(const struct vcpu *v)
{
    return READ_ONCE(v->vlapic->svr) & SVR_ENABLE;
}

u32 vlapic_id(const struct vcpu *v)
{
    return v->vlapic->id;
}

/* §11.4.7.1. SVR first: from then on nobody adds requests. */
static void reset_registers(struct vlapic *l)
{
    atomic_store(&l->svr, SVR_RESET);
    for (unsigned i = 0; i < ARRAY_SIZE(l->irr); i++) {
        atomic_store(&l->irr[i], 0);
        atomic_store(&l->tmr[i], 0);
        l->isr[i] = 0;
    }
    for (unsigned i = 0; i < LVT_COUNT; i++)
        WRITE_ONCE(l->lvt[i], LVT_MASKED);
    l->tpr = l->ldr = l->esr = l->icr = l->icr_dest = 0;
    l->dfr = ~0u;
    atomic_store(&l->esr_pending, 0);
    vlapic_timer_reset(l);
}

void vlapic_reset(struct vcpu *v)
{
    reset_registers(v->vlapic);
    atomic_store(&v->vlapic->nmi, 0);
}

void vlapic_power_up(struct vcpu *v)
{
    struct vlapic *l = v->vlapic;

    atomic_store(&l->base, VLAPIC_BASE | APIC_BASE_EN | (v->id == 0 ? APIC_BASE_BSP : 0));
    /* The boot processor runs from the start; the others wait (§9.4). */
    atomic_store(&l->startup, v->id == 0 ? 0 : STARTUP_WAIT);
    vlapic_reset(v);
}

int vlapic_init(struct vcpu *v)
{
    struct vlapic *l = xzalloc(sizeof(*l));

    if (!l)
        return -XEN_ENOMEM;
    l->v = v;
    l->id = v->id;
    vlapic_timer_init(l);
    v->vlapic = l;
    vlapic_power_up(v);
    return 0;
}

void vlapic_free(struct vcpu *v)
{
    if (!v->vlapic)
        return;
    vlapic_timer_reset(v->vlapic);
    xfree(v->vlapic);
    v->vlapic = NULL;
}

/* §11.12.5: the legal transitions between disabled, xAPIC and x2APIC. */
static int base_write(struct vcpu *v, u32 msr, u64 val)
{
    const u64 mode_mask = APIC_BASE_EN | APIC_BASE_EXTD;
    struct vlapic *l = v->vlapic;
    u64 old = l->base & mode_mask, mode = val & mode_mask;

    if ((val & ~(mode_mask | APIC_BASE_BSP)) != VLAPIC_BASE || mode == APIC_BASE_EXTD)
        return -XEN_EINVAL;
    if (old == 0 && mode == mode_mask)
        return -XEN_EINVAL;
    if (old == mode_mask && mode == APIC_BASE_EN)
        return -XEN_EINVAL;
    if (mode == old)
        return 0;
    if (!mode)
        reset_registers(l);
    atomic_store(&l->base, (l->base & ~mode_mask) | mode);
    return 0;
}

static int base_read(struct vcpu *v, u32 msr, u64 *val)
{
    *val = v->vlapic->base;
    return 0;
}

/* --- registers --- */

#define REG(n)   BIT(n)
#define REGS8(n) (0xffull << (n))
#define REGS_LVT (0x3full << APIC_LVT)
#define REGS_COMMON                                                                                                   \
    (REG(APIC_ID) | REG(APIC_VERSION) | REG(APIC_TPR) | REG(APIC_PPR) | REG(APIC_EOI) | REG(APIC_LDR) |               \
     REG(APIC_SVR) | REGS8(APIC_ISR) | REGS8(APIC_TMR) | REGS8(APIC_IRR) | REG(APIC_ESR) | REG(APIC_ICR) | REGS_LVT | \
     REG(APIC_TICR) | REG(APIC_TCCR) | REG(APIC_DCR))

/* Tables 11-1 and 11-6: the registers there are, and in x2APIC mode those WRMSR and RDMSR take. */
static const u64 xapic_regs = REGS_COMMON | REG(APIC_APR) | REG(APIC_RRD) | REG(APIC_DFR) | REG(APIC_ICR_HIGH);
static const u64 x2apic_readable = REGS_COMMON & ~REG(APIC_EOI);
/* EOI and ICR are cases of their own. */
static const u64 x2apic_writable =
    REG(APIC_TPR) | REG(APIC_SVR) | REG(APIC_ESR) | REGS_LVT | REG(APIC_TICR) | REG(APIC_DCR) | REG(APIC_SELF_IPI);

/* Figure 11-8. */
static const u32 lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PMC] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

/* Bits a WRMSR may set without #GP (§11.12.1.3): writable ones and read-only ones that have a meaning. */
static u32 x2apic_allowed(unsigned reg)
{
    switch (reg) {
    case APIC_TPR:
    case APIC_SELF_IPI:
        return 0xff;
    case APIC_SVR:
        return SVR_WRITABLE;
    case APIC_LVT + LVT_LINT0:
    case APIC_LVT + LVT_LINT1:
        return lvt_writable[reg - APIC_LVT] | LVT_STATUS | LVT_REMOTE_IRR;
    case APIC_LVT + LVT_TIMER:
    case APIC_LVT + LVT_THERMAL:
    case APIC_LVT + LVT_PMC:
    case APIC_LVT + LVT_ERROR:
        return lvt_writable[reg - APIC_LVT] | LVT_STATUS;
    case APIC_TICR:
        return ~0u;
    case APIC_DCR:
        return DCR_WRITABLE;
    default: /* ESR */
        return 0;
    }
}

/* Arbitration priority, of P6 and earlier (§11.6.2.4 of their time): the task's class unless something higher is held.
 */
static u32 arbitration_priority(const struct vlapic *l)
{
    int irr = vlapic_highest(l->irr), isr = vlapic_highest(l->isr);
    u32 irr_class = irr < 0 ? 0 : irr & 0xf0, isr_class = isr < 0 ? 0 : isr & 0xf0, tpr_class = l->tpr & 0xf0;

    if (tpr_class >= irr_class && tpr_class > isr_class)
        return l->tpr;
    return max(max(tpr_class, irr_class), isr_class);
}

static u32 map_word(const u64 *map, unsigned n)
{
    return READ_ONCE(map[n / 2]) >> (n % 2 * 32);
}

/* One 32-bit register that exists; write-only ones read as 0. */
static u32 reg_read(struct vlapic *l, unsigned reg)
{
    bool x2 = vlapic_in_x2apic(l);

    switch (reg) {
    case APIC_ID:
        return x2 ? l->id : l->id << 24;
    case APIC_VERSION:
        return APIC_VERSION_VALUE;
    case APIC_TPR:
        return l->tpr;
    case APIC_APR:
        return arbitration_priority(l);
    case APIC_PPR:
        return vlapic_ppr(l);
    case APIC_LDR:
        return x2 ? vlapic_x2apic_ldr(l->id) : l->ldr;
    case APIC_DFR:
        return l->dfr;
    case APIC_SVR:
        return l->svr;
    case APIC_ISR ... APIC_ISR + 7:
        return map_word(l->isr, reg - APIC_ISR);
    case APIC_TMR ... APIC_TMR + 7:
        return map_word(l->tmr, reg - APIC_TMR);
    case APIC_IRR ... APIC_IRR + 7:
        return map_word(l->irr, reg - APIC_IRR);
    case APIC_ESR:
        return l->esr;
    case APIC_ICR:
        return l->icr;
    case APIC_ICR_HIGH:
        return l->icr_dest << 24;
    case APIC_LVT ... APIC_LVT + LVT_COUNT - 1:
        return l->lvt[reg - APIC_LVT];
    case APIC_TICR:
        return l->ticr;
    case APIC_TCCR:
        return vlapic_timer_current(l);
    case APIC_DCR:
        return l->dcr;
    default:
        return 0;
    }
}

static void svr_write(struct vlapic *l, u32 svr)
{
    u32 old = l->svr;

    atomic_store(&l->svr, svr & SVR_WRITABLE);
    if ((old & SVR_ENABLE) && !(svr & SVR_ENABLE)) {
        /* §11.4.7.2: the mask bits of all LVT entries are set. */
        for (unsigned i = 0; i < LVT_COUNT; i++)
            WRITE_ONCE(l->lvt[i], l->lvt[i] | LVT_MASKED);
    } else if (!(old & SVR_ENABLE) && (svr & SVR_ENABLE)) {
        /* What was sent while nothing could be accepted is lost, unless its sender still holds it up. */
        evtchn_upcall_recheck(l->v);
        vioapic_resample(l->v->d);
    }
}

static void lvt_write(struct vlapic *l, enum vlapic_lvt entry, u32 val)
{
    val &= lvt_writable[entry];
    if (!(l->svr & SVR_ENABLE))
        val |= LVT_MASKED; /* §11.4.7.2: and cannot be reset */
    if (entry == LVT_TIMER)
        vlapic_timer_write_lvt(l, val);
    else
        WRITE_ONCE(l->lvt[entry], val);
}

/* A register that exists; writes to read-only ones have no effect. ICR comes here in xAPIC mode only. */
static void reg_write(struct vlapic *l, unsigned reg, u32 val)
{
    switch (reg) {
    case APIC_EOI:
        eoi(l);
        break;
    case APIC_ICR:
        l->icr = val & ICR_WRITABLE;
        vlapic_icr_write(l, l->icr, l->icr_dest, false);
        break;
    case APIC_ICR_HIGH:
        l->icr_dest = val >> 24;
        break;
    case APIC_TPR:
        tpr_write(l, val & 0xff);
        break;
    case APIC_LDR:
        WRITE_ONCE(l->ldr, val & LDR_WRITABLE);
        break;
    case APIC_DFR:
        WRITE_ONCE(l->dfr, val | ~DFR_WRITABLE);
        break;
    case APIC_SVR:
        svr_write(l, val);
        break;
    case APIC_ESR:
        l->esr = atomic_xchg(&l->esr_pending, 0);
        break;
    case APIC_LVT ... APIC_LVT + LVT_COUNT - 1:
        lvt_write(l, reg - APIC_LVT, val);
        break;
    case APIC_TICR:
        vlapic_timer_write_ticr(l, val);
        break;
    case APIC_DCR:
        vlapic_timer_write_dcr(l, val & DCR_WRITABLE);
        break;
    }
}

/* --- x2APIC (§11.12) --- */

static int self_ipi_write(struct vlapic *l, u8 vector)
{
    if (vector < APIC_VECTOR_FIRST)
        vlapic_error(l, ESR_SEND_ILLEGAL_VECTOR);
    else
        vlapic_post(l, vector, false);
    return 0;
}

/* What is neither EOI nor ICR nor a good TPR. The initial count has nothing to do with what can be injected. */
static cold_fn int msr_write_cold(struct vlapic *l, u32 msr, u64 val)
{
    unsigned reg = msr - MSR_X2APIC;

    if (reg >= APIC_NR_REGS || !(x2apic_writable & REG(reg)) || val & ~(u64)x2apic_allowed(reg))
        return -XEN_EINVAL;
    if (reg == APIC_SELF_IPI)
        return self_ipi_write(l, val);
    reg_write(l, reg, val);
    return reg != APIC_TICR;
}

int vlapic_x2apic_write(struct vcpu *v, u32 msr, u64 val)
{
    struct vlapic *l = v->vlapic;

    if (unlikely(!(l->base & APIC_BASE_EXTD)))
        return -XEN_EINVAL;
    if (likely(msr == MSR_X2APIC_EOI)) {
        if (unlikely(val))
            return -XEN_EINVAL;
        eoi(l);
        return 0;
    }
    if (msr == MSR_X2APIC_ICR) {
        if (unlikely((u32)val & ~ICR_WRITABLE))
            return -XEN_EINVAL;
        l->icr = val;
        l->icr_dest = val >> 32;
        vlapic_icr_write(l, val, val >> 32, true);
        return 0;
    }
    if (msr == MSR_X2APIC_TPR && val <= 0xff) {
        tpr_write(l, val);
        return 1;
    }
    return msr_write_cold(l, msr, val);
}

int vlapic_msr_write(struct vcpu *v, u32 msr, u64 val)
{
    if (msr == MSR_TSC_DEADLINE) {
        vlapic_timer_write_deadline(v->vlapic, val);
        return 0;
    }
    return min(vlapic_x2apic_write(v, msr, val), 0);
}

int vlapic_msr_read(struct vcpu *v, u32 msr, u64 *val)
{
    struct vlapic *l = v->vlapic;
    unsigned reg = msr - MSR_X2APIC;

    if (msr == MSR_TSC_DEADLINE) {
        *val = vlapic_timer_read_deadline(l);
        return 0;
    }
    if (!(l->base & APIC_BASE_EXTD) || reg >= APIC_NR_REGS || !(x2apic_readable & REG(reg)))
        return -XEN_EINVAL;
    *val = reg_read(l, reg);
    if (reg == APIC_ICR)
        *val |= (u64)l->icr_dest << 32;
    return 0;
}

/* --- xAPIC page (§11.4.1) --- */

static bool xapic_reg_exists(struct vlapic *l, unsigned reg)
{
    if (reg < APIC_NR_REGS && xapic_regs & REG(reg))
        return true;
    vlapic_error(l, ESR_ILLEGAL_REGISTER);
    return false;
}

/*
 * A register is the first four bytes of sixteen. Loads of another width or alignment see those bytes and zeroes after
 * them; the manual leaves them to the model.
 */
static u64 mmio_read(struct vlapic *l, unsigned offset)
{
    unsigned reg = offset >> 4, shift = (offset & 0xf) * 8;

    if (!xapic_reg_exists(l, reg))
        return 0;
    return shift < 32 ? reg_read(l, reg) >> shift : 0;
}

/* Narrow stores merge with what the register reads as, so that a byte store to TPR does what it says. */
static void mmio_write(struct vlapic *l, unsigned offset, unsigned bytes, u32 val)
{
    unsigned reg = offset >> 4, shift = (offset & 0xf) * 8;
    u32 mask;

    if (!xapic_reg_exists(l, reg) || shift >= 32)
        return;
    if (bytes < 4 || shift) {
        mask = (bytes < 4 ? (1u << bytes * 8) - 1 : ~0u) << shift;
        val = (reg_read(l, reg) & ~mask) | (val << shift & mask);
    }
    reg_write(l, reg, val);
}

static void mmio(struct vcpu *v, void *ctx, gpa_t gpa, unsigned bytes, bool write, u64 *val)
{
    struct vlapic *l = v->vlapic;
    unsigned offset = gpa & ~PAGE_MASK;

    /* Disabled, or in x2APIC mode (§11.12.2), there is no page. */
    if (unlikely((l->base & (APIC_BASE_EN | APIC_BASE_EXTD)) != APIC_BASE_EN)) {
        if (!write)
            *val = ~0ull;
    } else if (write) {
        mmio_write(l, offset, bytes, *val);
    } else {
        *val = mmio_read(l, offset);
    }
}

int vlapic_register(struct domain *d)
{
    int rc = mmio_register(d, VLAPIC_BASE, VLAPIC_BASE + PAGE_SIZE - 1, mmio, NULL);

    if (!rc)
        rc = msr_register(d, MSR_APIC_BASE, MSR_APIC_BASE, base_read, base_write);
    if (!rc)
        rc = msr_register(d, MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, vlapic_msr_read, vlapic_msr_write);
    if (!rc)
        rc = msr_register(d, MSR_X2APIC, MSR_X2APIC_LAST, vlapic_msr_read, vlapic_msr_write);
    return rc;
}

/* --- debug console --- */

static void dump_map(const char *name, const u64 *map)
{
    log_info("    %s %016llx:%016llx:%016llx:%016llx\n", name, (unsigned long long)map[3], (unsigned long long)map[2],
             (unsigned long long)map[1], (unsigned long long)map[0]);
}

void vlapic_dump(const struct vcpu *v)
{
    const struct vlapic *l = v->vlapic;

    log_info("  vLAPIC %u: base %#llx svr %#x tpr %#x ppr %#x ldr %#x dfr %#x icr %#x:%#x esr %#x/%#x%s%s\n", l->id,
             (unsigned long long)l->base, l->svr, l->tpr, vlapic_ppr(l),
             vlapic_in_x2apic(l) ? vlapic_x2apic_ldr(l->id) : l->ldr, l->dfr, l->icr_dest, l->icr, l->esr,
             l->esr_pending, l->nmi ? " NMI pending" : "", l->startup & STARTUP_WAIT ? " waits for SIPI" : "");
    log_info("    lvt timer %#x thermal %#x pmc %#x lint0 %#x lint1 %#x error %#x\n", l->lvt[LVT_TIMER],
             l->lvt[LVT_THERMAL], l->lvt[LVT_PMC], l->lvt[LVT_LINT0], l->lvt[LVT_LINT1], l->lvt[LVT_ERROR]);
    log_info("    timer ticr %#x dcr %#x %s deadline %llu ns, tsc deadline %#llx\n", l->ticr, l->dcr,
             timer_is_active(&l->timer) ? "armed," : "stopped,", (unsigned long long)l->timer.deadline,
             (unsigned long long)l->tsc_deadline);
    dump_map("irr", l->irr);
    dump_map("isr", l->isr);
    dump_map("tmr", l->tmr);
}
