/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choosing an idle state. A state pays if the sleep is a few times longer than leaving it takes. The sleep ends at the
 * next timer at the latest; what devices do is guessed from the last sleeps.
 */
#include <torii/cstate.h>

#include <torii/alloc.h>
#include <torii/atomic.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/lock.h>
#include <torii/log.h>
#include <torii/time.h>
#include <torii/timer_queue.h>

#define PAYS_FACTOR 3 /* a sleep is worth it from this many latencies on */
#define MEAN_SHIFT  2 /* weight of the newest sleep in the mean: 1/4 */
#define NS_PER_US   1000ull
#define PORTS       0x10000

struct cpu_cstates {
    unsigned nr;
    struct cstate state[CSTATES_MAX + 1]; /* [0] is HLT, then by latency */
    struct cstate_stat stat[CSTATES_MAX + 1];
};

static const struct cstate halt = {.method = CSTATE_HLT, .type = 1};
static struct cstate_stat halt_stat[MAX_CPUS]; /* of CPUs without data */
/* Replaced whole; the CPU that reads it may be in the old one until it leaves idle, so old ones are kept for the next.
 */
static struct cpu_cstates *active[MAX_CPUS], *spare[MAX_CPUS];
static u64 mean_ns[MAX_CPUS];
static struct cstate_limits limits;
static bool limits_known;
static spinlock_t set_lock = SPINLOCK(LOCK_GUEST); /* active, spare */

static const struct cstate_limits *get_limits(void)
{
    if (!limits_known) {
        cstate_limits_read(&limits);
        limits_known = true;
    }
    return &limits;
}

bool cstate_has_mwait(void)
{
    return get_limits()->mwait;
}

/* Hint bits 7:4 are the C-state less one (0xf: C0), bits 3:0 the sub-state; SDM vol. 2, MWAIT. */
static bool hint_exists(u32 hint)
{
    unsigned c = (hint >> 4 & 0xf) + 1, sub = hint & 0xf;

    return hint <= 0xff && c < 8 && sub < (get_limits()->mwait_hints >> (4 * c) & 0xf);
}

static bool is_valid(const struct cstate *s)
{
    if (s->type < 1 || s->type > 3)
        return false;
    switch (s->method) {
    case CSTATE_HLT:
        return s->type == 1;
    case CSTATE_IO:
        return s->address && s->address < PORTS;
    case CSTATE_MWAIT:
        return get_limits()->mwait && hint_exists(s->address);
    }
    return false;
}

static bool is_usable(const struct cstate *s)
{
    const struct cstate_limits *l = get_limits();

    return s->method != CSTATE_HLT && (s->type < 2 || l->timer_runs) && (s->type < 3 || l->tsc_runs);
}

static void insert(struct cpu_cstates *c, const struct cstate *s)
{
    unsigned at = c->nr++;

    while (at > 1 && c->state[at - 1].latency_us > s->latency_us) {
        c->state[at] = c->state[at - 1];
        at--;
    }
    c->state[at] = *s;
}

static void fill(struct cpu_cstates *c, const struct cstate *states, unsigned nr)
{
    memset(c, 0, sizeof(*c));
    c->state[0] = halt;
    c->nr = 1;
    for (unsigned i = 0; i < nr; i++)
        if (is_usable(&states[i]))
            insert(c, &states[i]);
}

int cstate_set(unsigned cpu, const struct cstate *states, unsigned nr)
{
    struct cpu_cstates *c;

    if (cpu >= MAX_CPUS || !nr || nr > CSTATES_MAX)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < nr; i++)
        if (!is_valid(&states[i]))
            return -XEN_EINVAL;
    spin_lock(&set_lock);
    c = spare[cpu] ? spare[cpu] : xzalloc(sizeof(*c));
    if (c) {
        fill(c, states, nr);
        spare[cpu] = atomic_xchg(&active[cpu], c);
    }
    spin_unlock(&set_lock);
    return c ? 0 : -XEN_ENOMEM;
}

/* The last, by latency, that pays for a sleep of that length. */
static unsigned choose(const struct cpu_cstates *c, u64 expected_ns)
{
    unsigned best = 0;

    for (unsigned i = 1; i < c->nr; i++)
        if (c->state[i].latency_us * NS_PER_US * PAYS_FACTOR <= expected_ns)
            best = i;
    return best;
}

void cstate_idle(const bool *wake)
{
    unsigned cpu = cpu_this();
    struct cpu_cstates *c = atomic_load(&active[cpu]);
    u64 start = now_ns(), next = timer_queue_next(), slept;
    unsigned i = c ? choose(c, min(next > start ? next - start : 0, mean_ns[cpu])) : 0;
    struct cstate_stat *stat = c ? &c->stat[i] : &halt_stat[cpu];

    cstate_enter(c ? &c->state[i] : &halt, wake);
    slept = now_ns() - start;
    mean_ns[cpu] += (slept >> MEAN_SHIFT) - (mean_ns[cpu] >> MEAN_SHIFT);
    stat->entries++;
    stat->ns += slept;
}

/* The CPU itself goes on counting meanwhile: a sleep that ends just now may be lost. */
unsigned cstate_statistics(unsigned cpu, struct cstate_stat stat[CSTATES_MAX + 1], bool reset)
{
    struct cpu_cstates *c = cpu < MAX_CPUS ? atomic_load(&active[cpu]) : NULL;
    struct cstate_stat *from = c ? c->stat : &halt_stat[min(cpu, MAX_CPUS - 1u)];
    unsigned nr = c ? c->nr : 1;

    if (cpu >= MAX_CPUS)
        return 0;
    memcpy(stat, from, nr * sizeof(*stat));
    if (reset)
        memset(from, 0, nr * sizeof(*from));
    return nr;
}

static void dump_state(unsigned cpu, const struct cstate *s, const struct cstate_stat *stat)
{
    static const char *const names[] = {[CSTATE_HLT] = "HLT", [CSTATE_IO] = "port", [CSTATE_MWAIT] = "MWAIT"};

    log_info("CPU %u C%u %s %#x, latency %u us: %lu times, %lu us\n", cpu, s->type, names[s->method], s->address,
             s->latency_us, stat->entries, (unsigned long)(stat->ns / NS_PER_US));
}

void cstate_dump(void)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct cpu_cstates *c = atomic_load(&active[cpu]);

        if (halt_stat[cpu].entries)
            dump_state(cpu, &halt, &halt_stat[cpu]);
        for (unsigned i = 0; c && i < c->nr; i++)
            dump_state(cpu, &c->state[i], &c->stat[i]);
    }
}
CONSOLE_KEY('c', "C-states of every CPU: how often and how long", cstate_dump);
