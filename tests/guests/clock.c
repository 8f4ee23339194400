/* SPDX-License-Identifier: BSD-2-Clause */
/* run: cpus=4 only=torii,xen */
/* Time: the time areas on all CPUs, wall clock, single-shot timers, runstate (public/xen.h, public/vcpu.h). */
#include "hyper.h"

#define VECTOR 0xf3
#define CPUS   4

static struct shared_info *s;
static volatile u64 latest;
static volatile u32 backwards, rounds, up;

static const volatile struct vcpu_time_info *mine(void)
{
    return &s->vcpu_info[this_cpu()->index].time;
}

/* Each takes a turn at a shared clock; none may see it go back. */
static void race(void *unused)
{
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    while (up < CPUS)
        cpu_relax();
    for (unsigned i = 0; i < 20000; i++) {
        u64 before = latest, now = pvclock_ns(mine());

        if (now < before)
            backwards++;
        __atomic_compare_exchange_n(&latest, &before, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    __atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST);
}

static void clock(void)
{
    const volatile struct vcpu_time_info *t = &s->vcpu_info[0].time;
    u64 a, b, spent;

    is(t->version & 1, 0, "the version is even");
    ok(t->tsc_to_system_mul && t->tsc_shift >= -32 && t->tsc_shift <= 32, "the scale is sane");
    for (unsigned i = 1; i < CPUS; i++)
        ok(s->vcpu_info[i].time.tsc_to_system_mul == t->tsc_to_system_mul, "CPU %u has the same scale", i);
    a = now_ns(), spent = rdtsc();
    udelay(100000);
    b = now_ns(), spent = rdtsc() - spent;
    spent = spent * 1000000 / tsc_khz;
    ok(b - a > spent * 999 / 1000 - 10000 && b - a < spent * 1001 / 1000 + 1000000, "100 ms are 100 ms of the TSC");
    ok(a < 3600ull * 1000000000, "it counts from the hypervisor's start");
    for (unsigned i = 1; i < CPUS; i++)
        ap_start(i, race, NULL);
    race(NULL);
    while (rounds < CPUS)
        cpu_relax();
    is(backwards, 0, "80000 readings on four CPUs never go back");
}

static u8 rtc(u8 reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static unsigned bcd(u8 v)
{
    return v / 16 * 10 + v % 16;
}

static void wall_clock(void)
{
    u64 sec = s->wc_sec | (u64)s->wc_sec_hi << 32, now = sec + now_ns() / 1000000000, day;
    unsigned seconds;

    is(s->wc_version & 1, 0, "the wall clock's version is even");
    ok(now > 1600000000ull && now < 4000000000ull, "the wall clock is of this century");
    day = now % 86400;
    seconds = bcd(rtc(4)) * 3600 + bcd(rtc(2)) * 60 + bcd(rtc(0));
    note("wall clock %lu s of the day, RTC %u s", day, seconds);
    ok((day + 86400 - seconds + 5) % 86400 <= 10, "and agrees with the RTC to 5 s");
}

static long port;
static volatile u32 ticks;
static volatile u64 tick_at;

static void upcall(void)
{
    s->vcpu_info[0].evtchn_upcall_pending = 0;
    s->vcpu_info[0].evtchn_pending_sel = 0;
    if (port_pending(port)) {
        port_clear(port);
        tick_at = now_ns();
        ticks++;
    }
}

static long single_shot(u64 at, u32 flags)
{
    struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = at, .flags = flags};

    return vcpu_op(VCPUOP_set_singleshot_timer, 0, &t);
}

static void timers(void)
{
    u64 at, early = 0, late = 0;
    struct vcpu_set_periodic_timer periodic = {.period_ns = 10000000};

    irq_handler[VECTOR] = upcall;
    upcall_vector(0, VECTOR);
    port = bind_virq(VIRQ_TIMER, 0);
    is(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop_periodic_timer");
    wait_ms(30);
    ticks = 0;
    at = now_ns() + 20000000;
    is(single_shot(at, 0), 0, "set_singleshot_timer");
    ok(wait_count(&ticks, 1, 1000), "it fires");
    ok(tick_at >= at, "not before its time");
    wait_ms(50);
    is(ticks, 1, "once");
    is(single_shot(now_ns() - 1000, 0), 0, "a deadline in the past is accepted");
    ok(wait_count(&ticks, 2, 1000), "and fires at once");
    is(single_shot(now_ns() - 1000, VCPU_SSHOTTMR_future), ERR(XEN_ETIME), "VCPU_SSHOTTMR_future refuses it");
    wait_ms(20);
    ticks = 0;
    single_shot(now_ns() + 20000000, 0);
    is(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stop_singleshot_timer");
    wait_ms(50);
    is(ticks, 0, "stops it");
    at = now_ns() + 200000000;
    single_shot(now_ns() + 100000000, 0);
    single_shot(at, 0);
    ok(wait_count(&ticks, 1, 1000) && tick_at >= at, "a new deadline replaces the old one");
    ticks = 0;
    for (unsigned i = 0; i < 200; i++) {
        at = now_ns() + 200000;
        single_shot(at, 0);
        if (!wait_count(&ticks, i + 1, 1000))
            break;
        early += tick_at < at;
        late += tick_at - at;
    }
    is(ticks, 200, "two hundred shots of 200 us all come");
    is(early, 0, "none early");
    note("on average %lu us late", late / 200000);
    {
        struct vcpu_set_singleshot_timer t = {.timeout_abs_ns = 1};

        is(vcpu_op(VCPUOP_set_singleshot_timer, 1, &t), ERR(XEN_EINVAL), "another vCPU's timer is refused");
    }
    ticks = 0;
    is(HYPERCALL(__HYPERVISOR_set_timer_op, now_ns() + 5000000, 0, 0), 0, "set_timer_op");
    ok(wait_count(&ticks, 1, 1000), "fires as well");
    is(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), 0, "set_periodic_timer");
    ok(wait_count(&ticks, 6, 2000), "fires again and again");
    vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
    periodic.period_ns = 1000;
    is(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), ERR(XEN_EINVAL), "a period below a millisecond is refused");
}

static void runstate(void)
{
    static struct vcpu_runstate_info area, got;
    struct vcpu_register_runstate_memory_area r;
    u64 sum, before;

    is(vcpu_op(VCPUOP_get_runstate_info, 0, &got), 0, "get_runstate_info");
    is(got.state, RUNSTATE_running, "says running");
    ok(got.time[RUNSTATE_running] > 0, "has run");
    sum = got.time[0] + got.time[1] + got.time[2] + got.time[3];
    before = got.time[RUNSTATE_blocked];
    single_shot(now_ns() + 50000000, 0);
    while (ticks = 0, single_shot(now_ns() + 50000000, 0), halt(), !ticks)
        ;
    vcpu_op(VCPUOP_get_runstate_info, 0, &got);
    ok(got.time[RUNSTATE_blocked] - before > 40000000, "a 50 ms sleep counts as blocked");
    ok(got.time[0] + got.time[1] + got.time[2] + got.time[3] > sum, "the times add up to more");
    set_xen_guest_handle(r.addr.h, &area);
    is(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &r), 0, "register_runstate_memory_area");
    is(area.state, RUNSTATE_running, "is filled at once");
    before = area.time[RUNSTATE_blocked];
    while (ticks = 0, single_shot(now_ns() + 50000000, 0), halt(), !ticks)
        ;
    ok(area.time[RUNSTATE_blocked] - before > 40000000, "and follows");
    is(vcpu_op(VCPUOP_get_runstate_info, 99, &got), ERR(XEN_ENOENT), "a vCPU that is not");
    is(vcpu_op(VCPUOP_is_up, 0, NULL), 1, "is_up: this one is");
    is(vcpu_op(99, 0, NULL), ERR(XEN_ENOSYS), "an operation that is not");
}

static void time_area(void)
{
    static struct vcpu_time_info area;
    struct vcpu_register_time_memory_area r = {.addr.p = (u64)&area};

    set_xen_guest_handle(r.addr.h, &area);
    is(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &r), 0, "register_vcpu_time_memory_area");
    is(area.tsc_to_system_mul, s->vcpu_info[0].time.tsc_to_system_mul, "has the same scale");
    ok(now_ns() / 1000000 - pvclock_ns(&area) / 1000000 < 1000, "and the same time");
}

void test(void)
{
    s = shared_info_map();
    clock();
    wall_clock();
    timers();
    runstate();
    time_area();
}
