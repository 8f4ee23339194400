/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCG plugin that tells hypervisor from guest: whatever runs between VMRUN and the instruction behind it is guest.
 * It counts, per CPU, VMRUNs, VMMCALLs and instructions on either side, and all instructions before the first VMRUN.
 *
 *   -plugin plugin.so,out=FILE[,mark=FILE][,profile=FILE]
 *
 * out: "name value" lines when QEMU ends; and the same in FILE.1, FILE.2, ... each time a file by the name of `mark` has
 * appeared, which is removed then. profile: instructions by translation block of the hypervisor since the first
 * VMRUN, "address instructions executions", for tools/hvprof.
 *
 * The few functions of the plugin interface that are used are declared here (version 1 of it, QEMU 4.2 and later).
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*cb)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*cb)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

#define EXPORT   __attribute__((visibility("default")))
#define MAX_CPUS 64
#define MAX_RUNS 64 /* VMRUN instructions in one hypervisor */
#define VMRUN    "\x0f\x01\xd8"
#define VMMCALL  "\x0f\x01\xd9"

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* A translation block; never freed: QEMU may still run it. */
struct block {
    struct block *next;
    uint64_t vaddr, executions;
    uint32_t instructions, hypercalls;
    bool enters_guest;  /* ends in VMRUN */
    bool leaves_guest;  /* starts behind one */
};

struct cpu {
    uint64_t vmruns, hypervisor, guest, hypercalls;
    bool in_guest;
} __attribute__((aligned(64)));

static struct cpu cpus[MAX_CPUS];
static struct block *blocks;
static void *behind_vmrun[MAX_RUNS]; /* where in the emulator's memory the instruction behind a VMRUN lies */
static unsigned nr_behind;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t before_first;
static bool entered;
static const char *out, *profile, *mark;

static uint64_t total(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < MAX_CPUS; i++)
        sum += cpus[i].hypervisor + cpus[i].guest;
    return sum;
}

static void executed(unsigned index, void *data)
{
    struct cpu *c = &cpus[index % MAX_CPUS];
    struct block *b = data;

    if (b->leaves_guest)
        c->in_guest = false;
    if (c->in_guest) {
        c->guest += b->instructions;
        c->hypercalls += b->hypercalls;
        return;
    }
    c->hypervisor += b->instructions;
    if (entered && profile)
        __atomic_add_fetch(&b->executions, 1, __ATOMIC_RELAXED);
    if (b->enters_guest) {
        if (!__atomic_exchange_n(&entered, true, __ATOMIC_SEQ_CST))
            before_first = total();
        c->vmruns++;
        c->in_guest = true;
    }
}

static bool is_behind_vmrun(const void *haddr)
{
    for (unsigned i = 0; i < nr_behind; i++)
        if (behind_vmrun[i] == haddr)
            return true;
    return false;
}

static bool is_insn(struct qemu_plugin_insn *insn, const char *three_bytes)
{
    return qemu_plugin_insn_size(insn) == 3 && !memcmp(qemu_plugin_insn_data(insn), three_bytes, 3);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0), *last = qemu_plugin_tb_get_insn(tb, n - 1);
    struct block *b = calloc(1, sizeof(*b));
    char *haddr = qemu_plugin_insn_haddr(last);

    (void)id;
    b->vaddr = qemu_plugin_insn_vaddr(first);
    b->instructions = n;
    pthread_mutex_lock(&lock);
    b->leaves_guest = is_behind_vmrun(qemu_plugin_insn_haddr(first));
    for (size_t i = 0; i < n; i++)
        b->hypercalls += is_insn(qemu_plugin_tb_get_insn(tb, i), VMMCALL);
    if (is_insn(last, VMRUN)) {
        b->enters_guest = true;
        if (!is_behind_vmrun(haddr + 3) && nr_behind < MAX_RUNS)
            behind_vmrun[nr_behind++] = haddr + 3;
    }
    b->next = blocks;
    blocks = b;
    pthread_mutex_unlock(&lock);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, NO_REGISTERS, b);
}

static void write_profile(void)
{
    FILE *f = fopen(profile, "w");

    if (!f)
        return;
    for (struct block *b = blocks; b; b = b->next)
        if (b->executions)
            fprintf(f, "%llx %llu %llu\n", (unsigned long long)b->vaddr,
                    (unsigned long long)(b->executions * b->instructions), (unsigned long long)b->executions);
    fclose(f);
}

static void write_counts(FILE *f)
{
    struct cpu sum = {0};

    for (unsigned i = 0; i < MAX_CPUS; i++) {
        struct cpu *c = &cpus[i];

        if (!c->hypervisor && !c->guest)
            continue;
        fprintf(f, "cpu%u.vmruns %llu\ncpu%u.hypervisor %llu\ncpu%u.guest %llu\n", i, (unsigned long long)c->vmruns, i,
                (unsigned long long)c->hypervisor, i, (unsigned long long)c->guest);
        sum.vmruns += c->vmruns, sum.hypervisor += c->hypervisor, sum.guest += c->guest;
        sum.hypercalls += c->hypercalls;
    }
    fprintf(f, "before_first_entry %llu\nvmruns %llu\nhypervisor %llu\nguest %llu\nhypercalls %llu\n",
            (unsigned long long)before_first,
            (unsigned long long)sum.vmruns, (unsigned long long)sum.hypervisor, (unsigned long long)sum.guest,
            (unsigned long long)sum.hypercalls);
}

static void ended(plugin_id id, void *data)
{
    FILE *f = out ? fopen(out, "w") : stderr;

    (void)id, (void)data;
    if (f)
        write_counts(f);
    if (f && out)
        fclose(f);
    if (profile)
        write_profile();
}

/* The counters are other threads': each is read whole, and what is a moment old does not matter over seconds. */
static void *watch_mark(void *unused)
{
    char name[4096];
    FILE *f;

    for (unsigned n = 1;; usleep(20000)) {
        if (access(mark, F_OK))
            continue;
        snprintf(name, sizeof(name), "%s.%u", out, n++);
        f = fopen(name, "w");
        if (f) {
            write_counts(f);
            fclose(f);
        }
        unlink(mark);
    }
    return unused;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    pthread_t watcher;

    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4))
            out = strdup(argv[i] + 4);
        else if (!strncmp(argv[i], "profile=", 8))
            profile = strdup(argv[i] + 8);
        else if (!strncmp(argv[i], "mark=", 5))
            mark = strdup(argv[i] + 5);
    }
    if (out && mark && pthread_create(&watcher, NULL, watch_mark, NULL))
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
