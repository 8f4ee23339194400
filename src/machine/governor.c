/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The governor. A timer looks every 50 ms at how much of the time its CPU was idle, and takes the slowest state that
 * would have had some time to spare. A CPU at its slowest that has little to do loses the timer until it next leaves
 * idle, so that an idle machine is left alone. Nothing of this is on the way of an exit.
 */
#include <torii/pstate.h>

#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/log.h>
#include <torii/percpu.h>
#include <torii/time.h>

#define PERIOD_NS    50000000ull
#define BUSY_PERCENT 80 /* more than that, and it might have been faster */
#define SPACE_FIXED  0x7f
#define SW_ALL       0xfc /* _PSD: every CPU of the domain must be told (ACPI 6.5 §8.4.5.5) */

/* Its own CPU's, but for `restart` and what the lock guards. */
struct governed {
    struct timer timer;
    bool asleep;       /* the timer waits for the CPU to leave idle */
    bool restart;      /* the states are new */
    unsigned wanted;   /* by this CPU's own load */
    u64 looked_ns, idle_ns, since_ns;
    struct pstate_statistics stat; /* under pstate_lock */
};

static struct governed *governed[MAX_CPUS];

static u64 idle_of(const struct pcpu *c, u64 now)
{
    return c->idle_ns + (c->idle && now > c->idle_since ? now - c->idle_since : 0);
}

static unsigned fastest(const struct pstates *p)
{
    return min(p->limit, p->nr - 1);
}

/* Which state, if the CPU was that busy in state `cur`. */
static unsigned choose(const struct pstates *p, unsigned cur, unsigned busy)
{
    u64 needed = p->state[cur].mhz * busy / BUSY_PERCENT;
    unsigned n = p->nr - 1;

    if (busy >= BUSY_PERCENT)
        return fastest(p);
    while (n > fastest(p) && p->state[n].mhz < needed)
        n--;
    return n;
}

/* In a domain that software coordinates, the one with most to do decides; who sleeps wants nothing. */
static unsigned coordinate(unsigned cpu, const struct pstates *p, unsigned wanted)
{
    for (unsigned i = 0; p->has & PSTATE_HAS_DOMAIN && p->coordination == SW_ALL && i < cpu_count(); i++) {
        const struct governed *g = atomic_load(&governed[i]);
        const struct pstates *other = pstate_get(i);

        if (i != cpu && g && other->has & PSTATE_HAS_DOMAIN && other->domain == p->domain && !g->asleep)
            wanted = min(wanted, g->wanted);
    }
    return max(wanted, fastest(p));
}

static void move(struct governed *g, const struct pstates *p, unsigned to, u64 now)
{
    struct pstate_statistics *s = &g->stat;

    if (to == s->cur || !pstate_enter(p->state[to].control))
        return;
    s->ns[s->cur] += now - g->since_ns;
    s->moves[s->cur][to]++;
    s->count[to]++;
    s->last = s->cur;
    s->cur = to;
    g->since_ns = now;
}

/* From no known state. */
static void begin(struct governed *g, const struct pstates *p, u64 now)
{
    unsigned first = fastest(p);

    g->restart = false;
    memset(&g->stat, 0, sizeof(g->stat));
    g->stat.nr = p->nr;
    g->stat.cur = g->stat.last = g->wanted = first;
    g->since_ns = now;
    pstate_enter(p->state[first].control);
}

/* True if there is nothing to look at until the CPU does something again. */
static bool look(struct governed *g, const struct pcpu *c, const struct pstates *p, u64 now)
{
    u64 idle = idle_of(c, now), elapsed = now - g->looked_ns, slept = min(idle - g->idle_ns, elapsed);
    unsigned busy = elapsed ? (unsigned)((elapsed - slept) * 100 / elapsed) : 0;

    g->looked_ns = now;
    g->idle_ns = idle;
    if (g->restart) {
        begin(g, p, now);
        return false;
    }
    g->wanted = choose(p, g->stat.cur, busy);
    move(g, p, coordinate(c->id, p, g->wanted), now);
    return g->stat.cur == p->nr - 1 && g->wanted == g->stat.cur && c->idle;
}

static void period_over(struct timer *t)
{
    struct governed *g = container_of(t, struct governed, timer);
    const struct pcpu *c = pcpus[cpu_this()];
    u64 now = now_ns();

    pstate_lock();
    g->asleep = look(g, c, pstate_get(c->id), now);
    pstate_unlock();
    if (!g->asleep)
        timer_start(t, now + PERIOD_NS);
}

void governor_wakes(void)
{
    unsigned cpu = cpu_this();
    struct governed *g = atomic_load(&governed[cpu]);
    u64 now;

    if (likely(!g || !g->asleep))
        return;
    now = now_ns();
    g->asleep = false;
    g->looked_ns = now;
    g->idle_ns = idle_of(pcpus[cpu], now);
    timer_start(&g->timer, now + PERIOD_NS);
}

void governor_stop(unsigned cpu)
{
    struct governed *g = atomic_load(&governed[cpu]);

    if (!g)
        return;
    timer_stop(&g->timer);
    g->asleep = true;
}

static bool can_be_set(const struct pstates *p)
{
    if ((p->has & (PSTATE_HAS_REGISTERS | PSTATE_HAS_STATES)) != (PSTATE_HAS_REGISTERS | PSTATE_HAS_STATES) ||
        p->control.space != SPACE_FIXED)
        return false;
    for (unsigned i = 0; i < p->nr; i++)
        if (!pstate_control_ok(p->state[i].control))
            return false;
    return true;
}

void governor_adopt(unsigned cpu, const struct pstates *p)
{
    static bool said;
    struct governed *g = governed[cpu];
    const char *text;
    bool driven = pstate_driver(&text) != PSTATE_DRIVER_NONE;

    if (!said)
        log_info("P-states: %s\n", text);
    said = true;
    if (!driven || (!g && !can_be_set(p)))
        return;
    if (g) {
        g->restart = true;
        return;
    }
    g = xzalloc(sizeof(*g));
    if (!g)
        return;
    g->timer.fn = period_over;
    g->asleep = g->restart = true;
    atomic_store(&governed[cpu], g);
}

int governor_statistics(unsigned cpu, struct pstate_statistics *out, bool reset)
{
    struct governed *g = cpu < MAX_CPUS ? atomic_load(&governed[cpu]) : NULL;
    u64 now = now_ns();

    if (!g || g->restart)
        return -XEN_ENODEV;
    pstate_lock();
    *out = g->stat;
    out->usable = out->nr - fastest(pstate_get(cpu));
    out->ns[out->cur] += now - g->since_ns;
    if (reset) {
        memset(g->stat.count, 0, sizeof(g->stat.count));
        memset(g->stat.ns, 0, sizeof(g->stat.ns));
        memset(g->stat.moves, 0, sizeof(g->stat.moves));
        g->since_ns = now;
    }
    pstate_unlock();
    return 0;
}
