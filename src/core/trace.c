/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/domain.h>
#include <torii/log.h>
#include <torii/percpu.h>
#include <torii/time.h>
#include <torii/trace.h>

const char *const exit_reason_names[EXIT_REASONS] = {
    [EXIT_INTERRUPT] = "interrupt", [EXIT_NMI] = "NMI",           [EXIT_WINDOW] = "window",
    [EXIT_CPUID] = "CPUID",         [EXIT_HLT] = "HLT",           [EXIT_IO] = "I/O port",
    [EXIT_MSR_READ] = "MSR read",   [EXIT_MSR_WRITE] = "MSR write", [EXIT_HYPERCALL] = "hypercall",
    [EXIT_MMIO] = "MMIO",           [EXIT_FAULT_IN] = "fault-in", [EXIT_SHUTDOWN] = "shutdown",
    [EXIT_CONTROL] = "control",     [EXIT_OTHER] = "other",
};

void trace_dump(const struct pcpu *c)
{
    unsigned n = min(c->trace_next, (unsigned)TRACE_ENTRIES);

    log_err("last %u exits of CPU %u:\n", n, c->id);
    for (unsigned i = c->trace_next - n; i != c->trace_next; i++) {
        const struct trace_entry *t = &c->trace[i % TRACE_ENTRIES];

        log_err("  %12lu us d%uv%u %-9s %#lx at %#lx\n", tsc_to_ns(t->tsc) / 1000, t->who.domain, t->who.vcpu,
                exit_reason_names[t->reason], t->info, t->rip);
    }
}

void exit_stats_dump(const struct domain *d)
{
    u64 total = 0;

    log_info("exits of domain %u by reason: count, mean cycles if they are timed\n", d->id);
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        const struct vcpu *v = d->vcpu[i];

        for (unsigned r = 0; v && r < EXIT_REASONS; r++) {
            const struct exit_stat *s = &v->exits[r];

            if (!s->count)
                continue;
            log_info("  vCPU %u %-10s %10lu %8lu\n", i, exit_reason_names[r], s->count, s->cycles / s->count);
            total += s->count;
        }
    }
    log_info("  total %lu in %lu ms\n", total, now_ns() / 1000000);
}
