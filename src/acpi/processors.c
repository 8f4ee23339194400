/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI 6.5 §8.4: a processor is a device with _HID ACPI0007 or, until ACPI 6.4 dropped it, a Processor term. */
#include "processors.h"

#include "defs.h"

#include <torii/lib.h>
#include <torii/log.h>

#define PROCESSOR_HID "ACPI0007"
#define HIDDEN_HID    "TORI0007"
#define HOTPLUG_UID   "CPU Hotplug resources" /* of the device that QEMU's DSDT gives the registers to */
#define HOTPLUG_BYTES 12
#define OP_DEVICE_2   0x82 /* second byte of the opcode */

/* Name(TORI, Zero): as long as the id, the P_BLK address and its length in a Processor term. */
static const u8 hidden_fields[] = {0x08, 'T', 'O', 'R', 'I', 0x00};

const struct processor_method processor_methods[PROCESSOR_METHODS] = {
    {"_CST", 0}, {"_CSD", 0}, {"_PCT", 0}, {"_PSS", 0}, {"_PPC", 0}, {"_PSD", 0}, {"_PDC", 1}, {"_OSC", 4},
};

struct collect {
    struct native_processors *p;
    const u8 *aml;
    size_t bytes;
    bool full;
    struct aml_name uid_of; /* the last _UID seen: it may come before the _HID */
    u32 uid;
    struct aml_name registers; /* the device with the hotplug registers */
};

static struct native_processor *find_name(struct native_processors *p, const struct aml_name *name)
{
    for (unsigned i = 0; i < p->nr; i++)
        if (aml_name_equal(&p->processor[i].name, name))
            return &p->processor[i];
    return NULL;
}

static struct native_processor *add(struct collect *c, const struct aml_name *name)
{
    struct native_processor *cpu = find_name(c->p, name);

    if (cpu)
        return cpu;
    if (c->p->nr == PROCESSORS_MAX) {
        c->full = true;
        return NULL;
    }
    cpu = &c->p->processor[c->p->nr++];
    *cpu = (struct native_processor){.name = *name};
    return cpu;
}

static void set_id(struct native_processor *cpu, u32 id)
{
    cpu->has_id = true;
    cpu->id = id;
}

static struct aml_name parent_of(const struct aml_name *name)
{
    struct aml_name parent = *name;

    if (parent.nr)
        parent.nr--;
    return parent;
}

static bool last_segment_is(const struct aml_name *name, const char segment[4])
{
    return name->nr && !memcmp(name->segment[name->nr - 1], segment, 4);
}

/* `size`: with the NUL. */
static bool string_is(const u8 *aml, size_t bytes, const struct aml_definition *d, const char *text, size_t size)
{
    return d->kind == AML_DEFINES_NAME && d->is_string && bytes - d->string >= size &&
           !memcmp(aml + d->string, text, size);
}

static bool is_processor_hid(const u8 *aml, size_t bytes, const struct aml_definition *d)
{
    return (last_segment_is(d->name, "_HID") || last_segment_is(d->name, "_CID")) &&
           string_is(aml, bytes, d, PROCESSOR_HID, sizeof(PROCESSOR_HID));
}

static void note_method(struct native_processor *cpu, const struct aml_name *name)
{
    for (unsigned i = 0; i < PROCESSOR_METHODS; i++)
        if (last_segment_is(name, processor_methods[i].name))
            cpu->methods |= (u32)BIT(i);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ACPI 6.5 §5.6.4.1: \_GPE._Exx and _Lxx. */
static void note_gpe(struct native_processors *p, const struct aml_name *name)
{
    const char *s = name->segment[1];
    int high, low;

    if (name->nr != 2 || memcmp(name->segment[0], "_GPE", 4) || s[0] != '_' || (s[1] != 'E' && s[1] != 'L'))
        return;
    high = hex_digit(s[2]);
    low = hex_digit(s[3]);
    if (high >= 0 && low >= 0)
        p->gpe_used[high * 2 + low / 8] |= (u8)BIT(low % 8);
}

/* The device by its _UID, then its only region of twelve ports. */
static void note_hotplug(struct collect *c, const struct aml_definition *d, const struct aml_name *parent)
{
    if (last_segment_is(d->name, "_UID") && string_is(c->aml, c->bytes, d, HOTPLUG_UID, sizeof(HOTPLUG_UID)))
        c->registers = *parent;
    if (d->kind == AML_DEFINES_REGION && d->is_integer && d->space == ACPI_SPACE_IO && d->length == HOTPLUG_BYTES &&
        d->integer && d->integer <= UINT16_MAX - HOTPLUG_BYTES && c->registers.nr &&
        aml_name_equal(&c->registers, parent))
        c->p->hotplug_port = (u16)d->integer;
}

static void collect(void *ctx, const struct aml_definition *d)
{
    struct aml_name parent = parent_of(d->name);
    struct collect *c = ctx;
    struct native_processor *cpu;

    if (d->kind == AML_DEFINES_PROCESSOR) {
        cpu = add(c, d->name);
        if (cpu) {
            set_id(cpu, d->processor_id);
            cpu->p_blk = d->p_blk;
        }
        return;
    }
    if (d->kind == AML_DEFINES_DEVICE || !d->name->nr)
        return;
    if (is_processor_hid(c->aml, c->bytes, d)) {
        cpu = add(c, &parent);
        if (cpu && aml_name_equal(&c->uid_of, &parent))
            set_id(cpu, c->uid);
        return;
    }
    note_hotplug(c, d, &parent);
    if (d->kind == AML_DEFINES_METHOD)
        note_gpe(c->p, d->name);
    cpu = find_name(c->p, &parent);
    if (last_segment_is(d->name, "_UID") && d->is_integer) {
        c->uid_of = parent;
        c->uid = (u32)d->integer;
        if (cpu)
            set_id(cpu, c->uid);
    }
    if (cpu)
        note_method(cpu, d->name);
}

void processors_begin(struct native_processors *p)
{
    p->nr = 0;
    p->sure = true;
    p->hotplug_port = 0;
    memset(p->gpe_used, 0, sizeof(p->gpe_used));
}

void processors_add(struct native_processors *p, const u8 *aml, size_t bytes, const char *what)
{
    struct collect c = {.p = p, .aml = aml, .bytes = bytes};
    size_t at;

    if (!aml_scan(aml, bytes, collect, &c, &at)) {
        log_warn("acpi: %s: byte %zu of its AML is not understood: its processors stay as they are\n", what, at);
        p->sure = false;
    } else if (c.full) {
        log_warn("acpi: %s: more than %u processors: they stay as they are\n", what, PROCESSORS_MAX);
        p->sure = false;
    }
}

struct hide {
    u8 *aml;
    size_t bytes;
    unsigned nr;
};

static void hide(void *ctx, const struct aml_definition *d)
{
    struct hide *h = ctx;

    if (d->kind == AML_DEFINES_PROCESSOR) {
        h->aml[d->opcode + 1] = OP_DEVICE_2;
        memcpy(h->aml + d->body, hidden_fields, sizeof(hidden_fields));
        h->nr++;
    } else if (is_processor_hid(h->aml, h->bytes, d)) {
        memcpy(h->aml + d->string, HIDDEN_HID, sizeof(HIDDEN_HID));
        h->nr++;
    }
}

/* The walk is past what it visits, so changing it there does not change the walk. */
unsigned processors_hide(u8 *aml, size_t bytes)
{
    struct hide h = {.aml = aml, .bytes = bytes};
    size_t at;

    aml_scan(aml, bytes, hide, &h, &at);
    return h.nr;
}

const struct native_processor *processors_find(const struct native_processors *p, u32 id)
{
    for (unsigned i = 0; i < p->nr; i++)
        if (p->processor[i].has_id && p->processor[i].id == id)
            return &p->processor[i];
    return NULL;
}
