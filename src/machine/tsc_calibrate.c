/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast the TSC runs: CPUID where it says, else measured against the ACPI PM timer, the HPET or the PIT.
 *
 * In an emulator the CPU may be taken away at any instruction. A reading of the reference is bracketed by two TSC
 * reads, so a disturbed one shows as a wide bracket; the narrowest of several is used, and a window is as long as the
 * brackets' width asks for. What slips through shows as two windows that disagree.
 */
#include <torii/tsc.h>

#include <torii/acpi.h>
#include <torii/alloc.h>
#include <torii/cpu.h>
#include <torii/io.h>
#include <torii/log.h>
#include <torii/rtc.h>

#define NS_PER_S      1000000000ull
#define TARGET_PPM    80
#define AGREE_PPM     100
#define WINDOW_MS     20
#define WINDOW_MS_MAX 320
#define WINDOWS_MAX   6
#define BRACKETS      6
#define STALLED_READS 1000000
#define TSC_HZ_MIN    1000000ull
#define TSC_HZ_MAX    100000000000ull

/* One reading: the TSC was tsc +- gap / 2 when the reference had counted `ticks` since the first. */
struct sample {
    u64 tsc, gap, ticks;
};

struct measurement {
    const struct tsc_reference *ref;
    u64 (*read_tsc)(void);
    u32 last;  /* reference as last read */
    u64 ticks; /* counted since the start; each read is less than one wrap after the one before */
};

static void read_reference(struct measurement *m)
{
    u32 now = m->ref->read();

    m->ticks += (now - m->last) & m->ref->mask;
    m->last = now;
}

static struct sample take_sample(struct measurement *m)
{
    struct sample best = {.gap = ~0ull};

    for (unsigned i = 0; i < BRACKETS; i++) {
        u64 before = m->read_tsc(), after;

        read_reference(m);
        after = m->read_tsc();
        if (after - before < best.gap)
            best = (struct sample){before + (after - before) / 2, after - before, m->ticks};
    }
    return best;
}

/* Wait until `ticks` more have passed. False: the reference stands still. */
static bool wait_ticks(struct measurement *m, u64 until)
{
    unsigned stalled = 0;

    while (m->ticks < until) {
        u64 before = m->ticks;

        read_reference(m);
        stalled = m->ticks == before ? stalled + 1 : 0;
        if (stalled == STALLED_READS)
            return false;
    }
    return true;
}

/* Half of both brackets in TSC ticks, and one tick of the reference, as parts of the window. */
static u64 error_ppm(const struct sample *a, const struct sample *b)
{
    u64 tsc = b->tsc - a->tsc, ticks = b->ticks - a->ticks;

    if (!tsc || !ticks)
        return ~0u;
    return (a->gap + b->gap) / 2 * 1000000 / tsc + 1000000 / ticks;
}

/* Windows are under a second or so: 64 bits hold the product. */
static u64 speed(const struct measurement *m, const struct sample *a, const struct sample *b)
{
    u64 ticks = b->ticks - a->ticks, tsc = b->tsc - a->tsc;

    if (!ticks || tsc > ~0ull / m->ref->hz)
        return 0;
    return (tsc * m->ref->hz + ticks / 2) / ticks;
}

/* From *a on, at least WINDOW_MS and as long as it takes to get TARGET_PPM. */
static bool take_window(struct measurement *m, const struct sample *a, struct sample *b)
{
    for (u64 ms = WINDOW_MS;; ms *= 2) {
        if (!wait_ticks(m, a->ticks + m->ref->hz * ms / 1000))
            return false;
        *b = take_sample(m);
        if (error_ppm(a, b) <= TARGET_PPM || ms >= WINDOW_MS_MAX)
            return true;
    }
}

static bool agree(u64 x, u64 y, u64 ppm)
{
    u64 diff = x > y ? x - y : y - x;

    return diff <= max(x, y) / 1000000 * ppm;
}

static bool plausible(u64 hz)
{
    return hz >= TSC_HZ_MIN && hz <= TSC_HZ_MAX;
}

bool tsc_measure(const struct tsc_reference *ref, u64 (*read_tsc)(void), struct tsc_measured *out)
{
    struct measurement m = {.ref = ref, .read_tsc = read_tsc, .last = ref->read()};
    struct sample s[3] = {0};
    u64 previous = 0, hz;

    *out = (struct tsc_measured){.error_ppm = ~0ull};
    s[1] = take_sample(&m);
    for (unsigned i = 0; i < WINDOWS_MAX; i++) {
        if (!take_window(&m, &s[1], &s[2]))
            return false;
        hz = speed(&m, &s[1], &s[2]);
        if (plausible(hz) && plausible(previous) && agree(hz, previous, AGREE_PPM)) {
            out->hz = speed(&m, &s[0], &s[2]);
            out->error_ppm = error_ppm(&s[0], &s[2]);
            out->agreed = true;
            return true;
        }
        /* Never agreed: the window with the least error will do. */
        if (plausible(hz) && error_ppm(&s[1], &s[2]) < out->error_ppm) {
            out->hz = hz;
            out->error_ppm = error_ppm(&s[1], &s[2]);
        }
        previous = hz;
        s[0] = s[1];
        s[1] = s[2];
    }
    return out->hz != 0;
}

/* --- the machine's references --- */

/* ACPI 6.5 §4.8.3.3 */
#define PM_TIMER_HZ 3579545

static u16 pm_timer_port;

static u32 pm_timer_read(void)
{
    return inl(pm_timer_port);
}

/* IA-PC HPET 1.0a §2.3 */
#define HPET_BYTES         1024
#define HPET_CAPABILITY    0x000
#define HPET_CONFIGURATION 0x010
#define HPET_COUNTER       0x0f0
#define HPET_ENABLE        BIT(0)
#define HPET_PERIOD_MAX_FS 100000000u
#define FS_PER_S           1000000000000000ull

static volatile u8 *hpet;

static volatile u32 *hpet_reg(unsigned offset)
{
    return (volatile u32 *)(hpet + offset);
}

static u32 hpet_read(void)
{
    return *hpet_reg(HPET_COUNTER);
}

/* Intel 8254: channel 2, which only beeps, counted down through all 16 bits with the speaker off. */
#define PIT_HZ         1193182
#define PIT_CHANNEL2   0x42
#define PIT_COMMAND    0x43
#define PIT_MODE2_CH2  0xb4 /* channel 2, low then high byte, mode 2, binary */
#define PIT_LATCH_CH2  0x80
#define PORT_B         0x61
#define PORT_B_GATE2   0x01
#define PORT_B_SPEAKER 0x02

static u32 pit_read(void)
{
    u8 low;

    outb(PIT_COMMAND, PIT_LATCH_CH2);
    low = inb(PIT_CHANNEL2);
    return 0x10000 - (low | (u32)inb(PIT_CHANNEL2) << 8);
}

static u64 machine_tsc(void)
{
    asm volatile("lfence" : : : "memory");
    return rdtsc();
}

static bool try_reference(const struct tsc_reference *ref, struct tsc_measured *best, const char **name)
{
    struct tsc_measured got;

    if (!tsc_measure(ref, machine_tsc, &got)) {
        log_warn("tsc: the %s does not count\n", ref->name);
        return false;
    }
    if (!best->hz || got.agreed) {
        *best = got;
        *name = ref->name;
    }
    return got.agreed;
}

static bool try_pm_timer(struct tsc_measured *best, const char **name)
{
    struct tsc_reference ref = {"PM timer", PM_TIMER_HZ, acpi_info.pm_tmr_32bit ? ~0u : 0xffffffu, pm_timer_read};

    if (!acpi_info.pm_tmr.address || acpi_info.pm_tmr.space != 1)
        return false;
    pm_timer_port = acpi_info.pm_tmr.address;
    return try_reference(&ref, best, name);
}

static bool try_hpet(struct tsc_measured *best, const char **name)
{
    struct tsc_reference ref = {"HPET", 0, ~0u, hpet_read};
    bool done = false;
    u32 period, configuration;

    if (!acpi_info.hpet)
        return false;
    hpet = machine_map(acpi_info.hpet, HPET_BYTES, true);
    if (!hpet)
        return false;
    period = *hpet_reg(HPET_CAPABILITY + 4);
    if (period && period <= HPET_PERIOD_MAX_FS) {
        ref.hz = (FS_PER_S + period / 2) / period;
        configuration = *hpet_reg(HPET_CONFIGURATION);
        *hpet_reg(HPET_CONFIGURATION) = configuration | HPET_ENABLE;
        done = try_reference(&ref, best, name);
        *hpet_reg(HPET_CONFIGURATION) = configuration;
    }
    machine_unmap((void *)hpet, HPET_BYTES);
    return done;
}

static bool try_pit(struct tsc_measured *best, const char **name)
{
    struct tsc_reference ref = {"PIT", PIT_HZ, 0xffff, pit_read};
    u8 port_b = inb(PORT_B);
    bool done;

    outb(PORT_B, (port_b & ~PORT_B_SPEAKER) | PORT_B_GATE2);
    outb(PIT_COMMAND, PIT_MODE2_CH2);
    outb(PIT_CHANNEL2, 0);
    outb(PIT_CHANNEL2, 0);
    done = try_reference(&ref, best, name);
    outb(PORT_B, port_b);
    return done;
}

/* CPUID leaf 0x15 (SDM vol. 2A): TSC / crystal = EBX / EAX, crystal in ECX or 0. */
static u64 cpuid_hz(void)
{
    struct cpuid_regs r;
    u64 hz;

    if (cpuid(0, 0).eax < 0x15)
        return 0;
    r = cpuid(0x15, 0);
    if (!r.eax || !r.ebx || !r.ecx)
        return 0;
    hz = (u64)r.ecx * r.ebx / r.eax;
    return plausible(hz) ? hz : 0;
}

/* CPUID Fn8000_0007 EDX bit 8 (AMD APM vol. 3 §E.4.6): same rate in all power states. */
#define CPUID_INVARIANT_TSC BIT(8)

static bool invariant(void)
{
    return cpuid(0x80000000, 0).eax >= 0x80000007 && (cpuid(0x80000007, 0).edx & CPUID_INVARIANT_TSC);
}

static void read_wall_clock(void)
{
    u64 utc;

    if (rtc_read(&utc)) {
        log_warn("tsc: the real-time clock holds no date, starting at 1970\n");
        utc = 0;
    }
    wall_clock_set(utc * NS_PER_S, now_ns());
}

void tsc_init(void)
{
    struct tsc_measured best = {.error_ppm = 0, .agreed = true};
    const char *name = "CPUID";
    u64 start = machine_tsc();

    best.hz = cpuid_hz();
    if (!best.hz && !try_pm_timer(&best, &name) && !try_hpet(&best, &name))
        try_pit(&best, &name);
    if (!best.hz)
        panic("tsc: nothing on this machine tells how fast the TSC runs\n");
    tsc_scale_set(&tsc_scale, best.hz);
    tsc_scale.tsc_at_boot = start;
    tsc_scale.stable = true; /* until tsc_warp_check finds otherwise */
    log_info("TSC: %llu.%03llu MHz by %s, within %llu ppm%s\n", (unsigned long long)best.hz / 1000000,
             (unsigned long long)best.hz / 1000 % 1000, name, (unsigned long long)best.error_ppm,
             invariant() ? "" : ", not invariant");
    if (!best.agreed)
        log_warn("tsc: windows disagree; time may run wrong\n");
    read_wall_clock();
}
