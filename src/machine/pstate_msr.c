/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSRs that set a performance state. AMD: PStateCmd takes the number of one of up to eight (APM vol. 2 §17.1.1).
 * Intel: PERF_CTL takes 16 bits of the processor's own (SDM vol. 3 §15.1). Where hardware chooses by itself, HWP or
 * CPPC, these are without effect, and it is left to it.
 */
#include <torii/cpu.h>
#include <torii/pstate.h>

#define MSR_PSTATE_LIMIT     0xc0010061
#define MSR_PSTATE_CMD       0xc0010062
#define MSR_CPPC_ENABLE      0xc00102b1
#define PSTATE_CMD_MAX       7
#define MSR_PERF_CTL         0x199
#define MSR_MISC_ENABLE      0x1a0
#define MSR_PM_ENABLE        0x770
#define MISC_ENABLE_EST      BIT(16)
#define PERF_CTL_TARGET_MASK 0xffffull

static struct {
    bool known;
    enum pstate_driver driver;
    const char *text;
} found;

static bool bit_is_set(u32 msr, u64 bit)
{
    u64 val;

    return rdmsr_safe(msr, &val) && val & bit;
}

static enum pstate_driver look(const char **text)
{
    struct pstate_features f;
    u64 val;

    pstate_features_read(&f);
    if ((f.hwp && bit_is_set(MSR_PM_ENABLE, 1)) || (f.cppc && bit_is_set(MSR_CPPC_ENABLE, 1))) {
        *text = "the hardware chooses";
        return PSTATE_DRIVER_NONE;
    }
    if (f.hw_pstate && rdmsr_safe(MSR_PSTATE_LIMIT, &val)) {
        *text = "AMD's MSRs, on demand";
        return PSTATE_DRIVER_AMD;
    }
    if (f.est && bit_is_set(MSR_MISC_ENABLE, MISC_ENABLE_EST) && rdmsr_safe(MSR_PERF_CTL, &val)) {
        *text = "Intel's MSRs, on demand";
        return PSTATE_DRIVER_INTEL;
    }
    *text = "the processor has no MSRs to set them";
    return PSTATE_DRIVER_NONE;
}

enum pstate_driver pstate_driver(const char **text)
{
    if (!found.known) {
        found.driver = look(&found.text);
        found.known = true;
    }
    *text = found.text;
    return found.driver;
}

bool pstate_control_ok(u64 control)
{
    return found.driver == PSTATE_DRIVER_AMD     ? control <= PSTATE_CMD_MAX
           : found.driver == PSTATE_DRIVER_INTEL ? control <= PERF_CTL_TARGET_MASK
                                                 : false;
}

bool pstate_enter(u64 control)
{
    u64 val;

    if (found.driver == PSTATE_DRIVER_AMD)
        return wrmsr_safe(MSR_PSTATE_CMD, control);
    /* The bits above disengage turbo: they stay as firmware has them. */
    return rdmsr_safe(MSR_PERF_CTL, &val) && wrmsr_safe(MSR_PERF_CTL, (val & ~PERF_CTL_TARGET_MASK) | control);
}
