/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <sys/mman.h>

#include <torii/acpi_build.h>
#include <torii/alloc.h>
#include <torii/console.h>
#include <torii/evtchn.h>
#include <torii/iomap.h>
#include <torii/irq.h>
#include <torii/sched.h>
#include <torii/smp.h>
#include <torii/vlapic.h>
#include <torii/vpci.h>
#include <torii/vpower.h>

#include "xen_world.h"

struct domain world_dom[2], *dom0;
struct vcpu world_vcpu[2][WORLD_VCPUS];
u8 world_ram[WORLD_FRAMES * PAGE_SIZE] __attribute__((aligned(4096)));
u64 world_now;
struct world_s2 world_s2[2][WORLD_GFNS];
struct world_record world_rec;
bool world_upcall_pending, world_event_on_block;
bool world_online[2][WORLD_VCPUS];
const char *world_console_input;
int world_op_result;
int world_s2_map_fails_after;
void (*world_on_flush)(void);
u64 world_tsc_offset;
bool world_frame_free[WORLD_FRAMES];
gfn_t world_readonly_linear;

struct boot_info boot_info;
struct acpi_info acpi_info;
struct tsc_scale tsc_scale;
struct pcpu *pcpus[MAX_CPUS];
unsigned pcpu_nr;
struct pcpu world_cpu[WORLD_VCPUS];

/* --- setting up --- */

static void map(unsigned dom, gfn_t gfn, mfn_t mfn, enum s2_type type)
{
    world_s2[dom][gfn] = (struct world_s2){.type = type, .access = S2_RWX, .mfn = mfn};
}

static void make_domain(unsigned n, bool privileged, unsigned pages)
{
    struct domain *d = &world_dom[n];

    *d = (struct domain){.id = (domid_t)n, .privileged = privileged, .nr_pages = pages, .max_pages = pages + 64};
    spin_lock_init(&d->lock, LOCK_DOMAIN);
    if (xen_domain_init(d))
        abort();
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        world_vcpu[n][i] = (struct vcpu){.id = i, .d = d};
        d->vcpu[i] = &world_vcpu[n][i];
        if (xen_vcpu_init(d->vcpu[i]))
            abort();
        world_online[n][i] = i == 0;
    }
    d->nr_vcpus = WORLD_VCPUS;
}

static void make_machine(void)
{
    memset(&acpi_info, 0, sizeof(acpi_info));
    memset(&boot_info, 0, sizeof(boot_info));
    pcpu_nr = acpi_info.nr_cpus = 2;
    for (unsigned i = 0; i < 2; i++) {
        world_cpu[i] = (struct pcpu){.id = i, .apic_id = 4 * i, .started = true, .online = true};
        pcpus[i] = &world_cpu[i];
        acpi_info.cpu[i] = (struct acpi_cpu){.apic_id = 4 * i, .uid = 10 + i, .enabled = true};
    }
    tsc_scale = (struct tsc_scale){.tsc_at_boot = 1000, .khz = 2000000, .mul = 0x80000000, .shift = 0, .stable = true};
}

void world_setup(void)
{
    /* Zeros, and only what a test touches comes back. */
    if (madvise(world_ram, sizeof(world_ram), MADV_DONTNEED))
        memset(world_ram, 0, sizeof(world_ram));
    memset(world_s2, 0, sizeof(world_s2));
    memset(&world_rec, 0, sizeof(world_rec));
    world_now = 1000000000;
    world_upcall_pending = world_event_on_block = false;
    world_console_input = "";
    world_op_result = 0;
    world_s2_map_fails_after = -1;
    world_on_flush = NULL;
    world_tsc_offset = 0;
    world_readonly_linear = INVALID_GFN;
    for (unsigned i = 0; i < WORLD_FRAMES; i++)
        world_frame_free[i] = i >= FREE_FRAME;
    make_machine();
    for (unsigned i = 0; i < DOM0_PAGES; i++)
        map(0, i, i, S2_RAM);
    map(0, MMIO_GFN, MMIO_GFN, S2_MMIO);
    map(0, FIXUP_GFN, FIXUP_GFN, S2_FIXUP);
    for (unsigned i = 0; i < DOMU_PAGES; i++)
        map(1, i, DOMU_FRAME + i, S2_RAM);
    make_domain(0, true, DOM0_PAGES);
    make_domain(1, false, DOMU_PAGES);
    dom0 = &world_dom[0];
    memset(&world_rec, 0, sizeof(world_rec));
}

/* RAM the domain got from frames_alloc. */
static void free_heap_ram(unsigned n)
{
    for (gfn_t gfn = 0; gfn < WORLD_GFNS; gfn++)
        if (world_s2[n][gfn].type == S2_RAM && world_s2[n][gfn].mfn >= WORLD_FRAMES) {
            frames_free(mfn_to_virt(world_s2[n][gfn].mfn), 0);
            world_s2[n][gfn] = (struct world_s2){0};
        }
}

void world_teardown(void)
{
    /* Each may have mapped what the other granted. */
    for (unsigned n = 0; n < 2; n++)
        grant_domain_reset(&world_dom[n]);
    for (unsigned n = 2; n-- > 0;) {
        struct domain *d = &world_dom[n];

        free_heap_ram(n);
        grant_domain_free(d);
        for (unsigned i = 0; i < WORLD_VCPUS; i++)
            xfree(world_vcpu[n][i].hcalls);
        guest_pins_free(d);
        frames_free(d->shared_info, 0);
    }
    if (fake_locks_held)
        panic("%u locks held\n", fake_locks_held);
    if (fake_allocs_live)
        panic("%u allocations leak\n", fake_allocs_live);
    fake_alloc_fail_after = -1;
}

void *world_mem(unsigned dom, gpa_t gpa)
{
    struct world_s2 *e = &world_s2[dom][gpa >> PAGE_SHIFT];

    return (u8 *)mfn_to_virt(e->mfn) + (gpa & (PAGE_SIZE - 1));
}

enum s2_type world_type(unsigned dom, gfn_t gfn)
{
    return world_s2[dom][gfn].type;
}

/* --- calls --- */

long hc_vcpu(struct vcpu *v, bool compat, unsigned nr, u64 a0, u64 a1, u64 a2)
{
    const u64 args[6] = {a0, a1, a2};

    return hypercall_call(v, compat, nr, args);
}

long hc(unsigned nr, u64 a0, u64 a1, u64 a2)
{
    return hc_vcpu(&world_vcpu[0][0], false, nr, a0, a1, a2);
}

long world_op(unsigned nr, void *op, size_t bytes)
{
    long rc;

    memcpy(world_mem(0, ARG), op, bytes);
    rc = hc(nr, ARG, 0, 0);
    memcpy(op, world_mem(0, ARG), bytes);
    return rc;
}

long hc_domu(unsigned nr, u64 a0, u64 a1, u64 a2)
{
    return hc_vcpu(&world_vcpu[1][0], false, nr, a0, a1, a2);
}

long hc32(unsigned nr, u64 a0, u64 a1, u64 a2)
{
    return hc_vcpu(&world_vcpu[0][0], true, nr, a0, a1, a2);
}

/* --- memory --- */

void *paddr_to_virt(paddr_t pa)
{
    return pa < sizeof(world_ram) ? world_ram + pa : (void *)pa;
}

paddr_t virt_to_paddr(const void *p)
{
    const u8 *b = p;

    return b >= world_ram && b < world_ram + sizeof(world_ram) ? (paddr_t)(b - world_ram) : (paddr_t)p;
}

bool frame_claim(mfn_t mfn)
{
    if (mfn >= WORLD_FRAMES || !world_frame_free[mfn])
        return false;
    world_frame_free[mfn] = false;
    memset(mfn_to_virt(mfn), 0, PAGE_SIZE);
    return true;
}

void frame_release(mfn_t mfn)
{
    world_rec.released++;
    if (mfn >= WORLD_FRAMES) {
        frames_free(mfn_to_virt(mfn), 0);
        return;
    }
    if (world_frame_free[mfn])
        panic("frame %lu freed twice\n", mfn);
    world_frame_free[mfn] = true;
    memset(mfn_to_virt(mfn), 0xdb, PAGE_SIZE);
}

void *machine_map(paddr_t pa, size_t bytes, bool uncached)
{
    (void)uncached;
    return pa + bytes <= sizeof(world_ram) ? world_ram + pa : NULL;
}

void machine_unmap(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

static unsigned index_of(const struct domain *d)
{
    return (unsigned)(d - world_dom);
}

enum s2_type s2_lookup(struct domain *d, gfn_t gfn, mfn_t *mfn, unsigned *access)
{
    struct world_s2 none = {0}, *e = gfn < WORLD_GFNS ? &world_s2[index_of(d)][gfn] : &none;

    if (mfn)
        *mfn = e->mfn;
    if (access)
        *access = e->access;
    return e->type;
}

int s2_map(struct domain *d, gfn_t gfn, mfn_t mfn, u64 nr, enum s2_type type, unsigned access)
{
    for (u64 i = 0; i < nr; i++) {
        if (gfn + i >= WORLD_GFNS || (world_s2_map_fails_after >= 0 && world_s2_map_fails_after-- == 0))
            return -XEN_ENOMEM;
        world_s2[index_of(d)][gfn + i] = (struct world_s2){.type = (u8)type, .access = (u8)access, .mfn = mfn + i};
    }
    return 0;
}

int s2_unmap(struct domain *d, gfn_t gfn, u64 nr)
{
    for (u64 i = 0; i < nr && gfn + i < WORLD_GFNS; i++)
        world_s2[index_of(d)][gfn + i] = (struct world_s2){0};
    return 0;
}

void s2_flush(struct domain *d)
{
    (void)d;
    world_rec.flushes++;
    if (fake_locks_held)
        panic("s2_flush with %u locks held\n", fake_locks_held);
    if (world_on_flush)
        world_on_flush();
}

int guest_linear_to_gpa(struct vcpu *v, u64 gva, bool write, gpa_t *gpa)
{
    (void)v;
    if (gva >> PAGE_SHIFT >= WORLD_GFNS || (write && gva >> PAGE_SHIFT == world_readonly_linear))
        return -XEN_EFAULT;
    *gpa = gva;
    return 0;
}

/* --- time --- */

u64 now_ns(void)
{
    return world_now;
}

u64 wall_clock_at_boot(void)
{
    return world_rec.wall_utc - world_rec.wall_system;
}

void wall_clock_set(u64 utc_ns, u64 system_time)
{
    world_rec.wall_utc = utc_ns;
    world_rec.wall_system = system_time;
    world_rec.wall_sets++;
}

void timer_start(struct timer *t, u64 deadline)
{
    t->deadline = deadline;
    t->queue = (struct timer_queue *)t;
}

void timer_stop(struct timer *t)
{
    t->queue = NULL;
}

/* --- scheduling and life cycle --- */

struct domain *domain_lookup(struct domain *caller, domid_t id)
{
    if (id == DOMID_SELF)
        return caller;
    return id < ARRAY_SIZE(world_dom) ? &world_dom[id] : NULL;
}

void vcpu_kick(struct vcpu *v, u64 todo)
{
    v->todo |= todo;
    world_rec.kicks++;
}

void vcpu_block(struct vcpu *v)
{
    (void)v;
    world_rec.blocks++;
    world_upcall_pending |= world_event_on_block;
}

void vcpu_offline(struct vcpu *v)
{
    world_online[index_of(v->d)][v->id] = false;
    world_rec.offlines++;
}

void vcpu_start(struct vcpu *v)
{
    world_online[index_of(v->d)][v->id] = true;
    world_rec.starts++;
}

bool vcpu_is_online(const struct vcpu *v)
{
    return world_online[index_of(v->d)][v->id];
}

unsigned vcpu_cpu(const struct vcpu *v)
{
    return v->id;
}

void domain_shutdown(struct domain *d, u8 reason)
{
    world_rec.shutdowns++;
    world_rec.shutdown_domain = d;
    world_rec.shutdown_reason = reason;
}

unsigned cpu_this(void)
{
    return 0;
}

unsigned cpu_count(void)
{
    return pcpu_nr;
}

/* --- interrupt controllers --- */

int vlapic_pending_vector(struct vcpu *v)
{
    (void)v;
    return -1;
}

bool vlapic_nmi_pending(const struct vcpu *v)
{
    (void)v;
    return false;
}

void vlapic_set_nmi(struct vcpu *v)
{
    (void)v;
    world_rec.nmis++;
}

unsigned ioapic_count(void)
{
    return 1;
}

const struct ioapic_info *ioapic_get(unsigned i)
{
    static const struct ioapic_info io = {.id = 1, .gsi_base = 0, .nr_pins = 24};

    return i == 0 ? &io : NULL;
}

/* --- event channels --- */

int evtchn_domain_init(struct domain *d)
{
    (void)d;
    return 0;
}

int evtchn_vcpu_init(struct vcpu *v)
{
    (void)v;
    return 0;
}

void evtchn_domain_reset(struct domain *d)
{
    (void)d;
}

long evtchn_op(struct vcpu *v, unsigned cmd, u64 arg)
{
    (void)v;
    return (long)((cmd * 1000 + arg) & INT32_MAX); /* never an error */
}

void evtchn_raise_virq(struct vcpu *v, unsigned virq)
{
    world_rec.virqs++;
    world_rec.virq = (u8)virq;
    world_rec.virq_vcpu = v;
}

void evtchn_raise_global_virq(struct domain *d, unsigned virq)
{
    evtchn_raise_virq(d->vcpu[0], virq);
}

int evtchn_set_upcall_vector(struct vcpu *v, u8 vector)
{
    world_rec.upcalls++;
    world_rec.upcall_vcpu = v;
    world_rec.upcall_vector = vector;
    return vector < 0x10 ? -XEN_EINVAL : 0;
}

int evtchn_set_callback_irq(struct domain *d, u64 param)
{
    (void)d;
    world_rec.callbacks++;
    world_rec.callback = param;
    return 0;
}

bool evtchn_upcall_pending(const struct vcpu *v)
{
    (void)v;
    return world_upcall_pending;
}

void evtchn_info_moved(struct vcpu *v)
{
    v->info->evtchn_upcall_pending = 1;
    v->info->evtchn_pending_sel = ~0ul;
    world_rec.info_moves++;
}

int evtchn_poll(struct vcpu *v, u64 ports_gva, unsigned nr_ports, u64 deadline_ns)
{
    (void)v;
    world_rec.polls++;
    world_rec.poll_ports = ports_gva;
    world_rec.poll_nr = nr_ports;
    world_rec.poll_deadline = deadline_ns;
    return 0;
}

/* --- console --- */

void console_guest_write(const char *s, size_t n)
{
    if (world_rec.console_len + n > sizeof(world_rec.console))
        world_rec.console_len = 0;
    memcpy(world_rec.console + world_rec.console_len, s, n);
    world_rec.console_len += n;
}

size_t console_guest_read(char *buf, size_t max)
{
    size_t n = strnlen(world_console_input, max);

    memcpy(buf, world_console_input, n);
    world_console_input += n;
    return n;
}

/* --- hardware virtualisation --- */

static u64 get_tsc_offset(struct vcpu *v)
{
    (void)v;
    return world_tsc_offset;
}

void hvm_state_pvh(struct hvm_state *s, u32 entry, u32 start_info)
{
    *s = (struct hvm_state){.regs = {.rip = entry, .rbx = start_info, .rflags = 2}, .cr0 = 0x11};
}

static void set_state(struct vcpu *v, const struct hvm_state *s)
{
    world_rec.state = *s;
    v->regs = s->regs;
}

static const struct hvm_ops ops = {.get_tsc_offset = get_tsc_offset, .set_state = set_state};
const struct hvm_ops *hvm = &ops;

/* --- devices --- */

static int record_pci(const char *op, u16 seg, u8 bus, u8 devfn)
{
    world_rec.pci.op = op;
    world_rec.pci.seg = seg;
    world_rec.pci.bus = bus;
    world_rec.pci.devfn = devfn;
    return world_op_result;
}

int vpci_op_mmcfg_reserved(struct domain *d, u64 address, u16 segment, u8 start_bus, u8 end_bus, u32 flags)
{
    (void)d;
    (void)flags;
    world_rec.pci.address = address;
    return record_pci("mmcfg", segment, start_bus, end_bus);
}

int vpci_op_device_add(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    (void)d;
    return record_pci("add", seg, bus, devfn);
}

int vpci_op_device_remove(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    (void)d;
    return record_pci("remove", seg, bus, devfn);
}

int vpci_op_device_reset(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    (void)d;
    return record_pci("reset", seg, bus, devfn);
}

int vpci_op_restore_msi(struct domain *d, u16 seg, u8 bus, u8 devfn)
{
    (void)d;
    return record_pci("restore", seg, bus, devfn);
}

int vpower_enter_sleep(struct domain *d, u32 pm1a, u32 pm1b, u8 state, bool extended)
{
    (void)d;
    world_rec.sleep.calls++;
    world_rec.sleep.a = pm1a;
    world_rec.sleep.b = pm1b;
    world_rec.sleep.state = state;
    world_rec.sleep.extended = extended;
    return world_op_result;
}
