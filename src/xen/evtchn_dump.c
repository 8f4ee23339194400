/* SPDX-License-Identifier: BSD-2-Clause */
/* Event channels on the debug console. */
#include "evtchn_internal.h"

#include <torii/log.h>

static void dump_port(const struct domain *d, struct evtchn *c, u32 port)
{
    static const char *const names[] = {[EVTCHNSTAT_unbound] = "unbound, for d",
                                        [EVTCHNSTAT_interdomain] = "interdomain d",
                                        [EVTCHNSTAT_virq] = "virq ",
                                        [EVTCHNSTAT_ipi] = "ipi v"};
    evtchn_status_t s;
    u32 what;

    evtchn_describe(c, &s);
    what = s.status == EVTCHNSTAT_virq ? s.u.virq : s.status == EVTCHNSTAT_ipi ? s.vcpu : s.u.unbound.dom;
    log_info("  %u: %s%u, peer port %u, on v%u priority %u%s\n", port, names[s.status], what,
             s.status == EVTCHNSTAT_interdomain ? s.u.interdomain.port : 0, s.vcpu, c->priority,
             evtchn_is_pending(d, c, port) ? ", pending" : "");
}

void evtchn_dump(const struct domain *d)
{
    const struct evtchn_domain *ed = d->evtchn;

    log_info("d%u event channels: %s, table of %u\n", d->id, ed->fifo ? "FIFO" : "2-level", ed->nr_ports);
    for (u32 port = 1; port < ed->nr_ports; port++) {
        struct evtchn *c = evtchn_at(ed, port);

        if (!evtchn_usable(c))
            continue;
        /* The lock keeps the peer; a machine that hangs may have left it taken. */
        if (!spin_trylock(&c->lock)) {
            log_info("  %u: locked\n", port);
            continue;
        }
        if (evtchn_usable(c))
            dump_port(d, c, port);
        spin_unlock(&c->lock);
    }
}
