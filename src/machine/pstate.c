/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/pstate.h>

#include <torii/alloc.h>
#include <torii/console.h>
#include <torii/domain.h>
#include <torii/errno.h>
#include <torii/irq.h>
#include <torii/lib.h>
#include <torii/lock.h>
#include <torii/log.h>

static struct pstates *known[MAX_CPUS];
static spinlock_t lock = SPINLOCK(LOCK_GUEST); /* known, and the governor's counters */

void pstate_lock(void)
{
    spin_lock(&lock);
}

void pstate_unlock(void)
{
    spin_unlock(&lock);
}

static void merge(struct pstates *p, const struct pstates *update)
{
    if (update->has & PSTATE_HAS_REGISTERS) {
        p->control = update->control;
        p->status = update->status;
    }
    if (update->has & PSTATE_HAS_STATES) {
        p->nr = update->nr;
        memcpy(p->state, update->state, sizeof(p->state));
    }
    if (update->has & PSTATE_HAS_LIMIT)
        p->limit = update->limit;
    if (update->has & PSTATE_HAS_DOMAIN) {
        p->domain = update->domain;
        p->coordination = update->coordination;
        p->shared = update->shared;
    }
    p->has |= update->has;
}

int pstate_update(unsigned cpu, const struct pstates *update)
{
    const struct pstates *states;
    int rc = 0;

    if (cpu >= MAX_CPUS || update->nr > PSTATES_MAX)
        return -XEN_EINVAL;
    spin_lock(&lock);
    states = update->has & PSTATE_HAS_STATES ? update : known[cpu];
    if ((update->has & PSTATE_HAS_LIMIT) && (!states || update->limit >= states->nr))
        rc = -XEN_EINVAL;
    if (!rc && !known[cpu]) {
        known[cpu] = xzalloc(sizeof(*known[cpu]));
        rc = known[cpu] ? 0 : -XEN_ENOMEM;
    }
    if (!rc) {
        merge(known[cpu], update);
        if (update->has & (PSTATE_HAS_STATES | PSTATE_HAS_REGISTERS))
            governor_adopt(cpu, known[cpu]);
    }
    spin_unlock(&lock);
    return rc;
}

const struct pstates *pstate_get(unsigned cpu)
{
    return cpu < MAX_CPUS ? known[cpu] : NULL;
}

static void dump_cpu(unsigned cpu, const struct pstates *p, struct pstate_statistics *stat)
{
    bool is_governed = !governor_statistics(cpu, stat, false);

    for (unsigned i = 0; i < p->nr; i++)
        if (is_governed)
            log_info("CPU %u P%u %lu MHz: %lu times, %lu ms%s%s\n", cpu, i, p->state[i].mhz, stat->count[i],
                     stat->ns[i] / 1000000, i == stat->cur ? ", now" : "", i < p->limit ? ", shut out" : "");
        else
            log_info("CPU %u P%u %lu MHz, %lu mW, %lu us%s\n", cpu, i, p->state[i].mhz, p->state[i].power_mw,
                     p->state[i].latency_us, i < p->limit ? ", not now" : "");
}

void pstate_dump(void)
{
    struct pstate_statistics *stat = xzalloc(sizeof(*stat));
    const char *text;

    pstate_driver(&text);
    log_info("P-states: %s\n", text);
    for (unsigned cpu = 0; stat && cpu < cpu_count(); cpu++)
        if (known[cpu])
            dump_cpu(cpu, known[cpu], stat);
    xfree(stat);
}
CONSOLE_KEY('P', "P-states of every CPU", pstate_dump);
