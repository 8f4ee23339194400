/* SPDX-License-Identifier: BSD-2-Clause */
/* multicall: a list of calls in one exit. Each entry gets its own result; the multicall itself fails only with the
 * list. */
#include "compat.h"
#include "hcall.h"

/* Entries per exit: a call is about a microsecond, and interrupts are off meanwhile. */
#define BATCH 64

struct entry {
    u64 op;
    u64 args[HCALL_ARGS];
};

static int read_entry(const struct hcall *c, u64 gva, struct entry *e)
{
    struct compat_multicall_entry n;
    struct multicall_entry w;

    if (!c->compat) {
        if (hcall_read(c, &w, gva, sizeof(w)))
            return -XEN_EFAULT;
        e->op = w.op;
        for (unsigned i = 0; i < ARRAY_SIZE(e->args); i++)
            e->args[i] = w.args[i];
        return 0;
    }
    if (hcall_read(c, &n, gva, sizeof(n)))
        return -XEN_EFAULT;
    e->op = n.op;
    for (unsigned i = 0; i < ARRAY_SIZE(e->args); i++)
        e->args[i] = n.args[i];
    return 0;
}

/* What is left of a preempted entry goes back into the list. */
static int write_args(const struct hcall *c, u64 gva, const u64 *args)
{
    u64 array =
        gva + (c->compat ? offsetof(struct compat_multicall_entry, args) : offsetof(struct multicall_entry, args));
    int rc = 0;

    for (unsigned i = 0; i < HCALL_ARGS && !rc; i++)
        rc = hcall_write_ulong(c, array, i, args[i]);
    return rc;
}

static int write_result(const struct hcall *c, u64 gva, long result)
{
    u64 at =
        gva + (c->compat ? offsetof(struct compat_multicall_entry, result) : offsetof(struct multicall_entry, result));

    return hcall_write_ulong(c, at, 0, (u64)result);
}

/* One entry. 0 or -XEN_EFAULT; *again if it is not finished. */
static int run_entry(const struct hcall *c, u64 gva, bool *again)
{
    struct hcall inner = {.v = c->v, .compat = c->compat};
    struct entry e;
    long result;

    if (read_entry(c, gva, &e))
        return -XEN_EFAULT;
    for (unsigned i = 0; i < ARRAY_SIZE(e.args); i++)
        inner.args[i] = e.args[i];
    if (e.op == __HYPERVISOR_multicall)
        result = -XEN_EINVAL; /* no nesting: the stack is finite */
    else
        result = e.op > UINT32_MAX ? -XEN_ENOSYS : hypercall_dispatch(&inner, (unsigned)e.op);
    *again = inner.again;
    return inner.again ? write_args(c, gva, inner.args) : write_result(c, gva, result);
}

long hypercall_multicall(struct hcall *c)
{
    const size_t size = c->compat ? sizeof(struct compat_multicall_entry) : sizeof(struct multicall_entry);
    u32 left = (u32)c->args[1];
    bool again = false;

    hcall_count(c->v, __HYPERVISOR_multicall, 0);
    for (unsigned done = 0; left; done++) {
        if (done == BATCH) {
            again = true;
            break;
        }
        if (run_entry(c, c->args[0], &again))
            return -XEN_EFAULT;
        if (again)
            break;
        c->args[0] += size;
        left--;
    }
    c->args[1] = left;
    c->again = again;
    return 0;
}
