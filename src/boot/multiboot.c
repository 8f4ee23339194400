/* SPDX-License-Identifier: BSD-2-Clause */
/* What both Multiboot parsers need: bounded strings, the memory map, modules and their checks. */
#include "multiboot.h"

#include <torii/errno.h>
#include <torii/lib.h>
#include <torii/e820.h>

int multiboot_parse(u32 magic, paddr_t info, multiboot_map_fn *map, struct boot_info *out, struct refusal *why)
{
    switch (magic) {
    case MB1_BOOT_MAGIC:
        return multiboot1_parse(info, map, out, why);
    case MB2_BOOT_MAGIC:
        return multiboot2_parse(info, map, out, why);
    }
    return refuse(why, -XEN_EINVAL, "not started by a Multiboot loader (EAX is 0x%x)", magic);
}

/* Reads a NUL-terminated string byte by byte: its length is not known before. */
struct string_reader {
    const struct multiboot_parser *p;
    paddr_t pa;
    size_t left;
    bool fault;
};

static char peek(struct string_reader *r)
{
    const char *c;

    if (!r->left)
        return 0;
    c = r->p->map(r->pa, 1);
    if (!c) {
        r->fault = true;
        return 0;
    }
    return *c;
}

static void advance(struct string_reader *r)
{
    r->pa++;
    r->left--;
}

static void skip_blanks(struct string_reader *r)
{
    while (peek(r) == ' ')
        advance(r);
}

int multiboot_copy_string(const struct multiboot_parser *p, paddr_t pa, size_t limit, char *buf, size_t size,
                          bool strip_name)
{
    struct string_reader r = {p, pa, limit, false};
    size_t n = 0;
    char c;

    skip_blanks(&r);
    if (strip_name) {
        while (peek(&r) && peek(&r) != ' ')
            advance(&r);
        skip_blanks(&r);
    }
    while (n < size - 1 && (c = peek(&r))) {
        buf[n++] = c;
        advance(&r);
    }
    buf[n] = 0;
    if (r.fault)
        return refuse(p->why, -XEN_EFAULT, "string at 0x%llx is out of reach", (unsigned long long)pa);
    return 0;
}

int multiboot_add_range(const struct multiboot_parser *p, u64 addr, u64 size, u32 type)
{
    struct e820 *map = &p->out->e820;

    if (type < E820_RAM || type > E820_UNUSABLE)
        type = E820_RESERVED;
    if (!size || size > ~addr)
        return 0;
    /* Firmware cuts memory into many pieces, UEFI above all: join what touches. */
    for (unsigned i = 0; i < map->nr; i++) {
        struct e820_entry *e = &map->entry[i];

        if (e->type != type)
            continue;
        if (e->addr + e->size == addr) {
            e->size += size;
            return 0;
        }
        if (addr + size == e->addr) {
            e->addr = addr;
            e->size += size;
            return 0;
        }
    }
    if (map->nr == E820_MAX)
        return refuse(p->why, -XEN_E2BIG, "the memory map has more than %u ranges", E820_MAX);
    map->entry[map->nr++] = (struct e820_entry){addr, size, type};
    return 0;
}

int multiboot_add_module(const struct multiboot_parser *p, u64 start, u64 end, paddr_t cmdline, size_t limit,
                         bool strip_name)
{
    struct boot_info *out = p->out;
    struct boot_module *m;

    if (out->nr_modules == BOOT_MODULES_MAX)
        return refuse(p->why, -XEN_E2BIG, "more than %u modules", BOOT_MODULES_MAX);
    if (end <= start)
        return refuse(p->why, -XEN_EINVAL, "module %u is empty (0x%llx-0x%llx)", out->nr_modules,
                      (unsigned long long)start, (unsigned long long)end);
    m = &out->module[out->nr_modules];
    m->start = start;
    m->size = end - start;
    m->cmdline[0] = 0;
    out->nr_modules++;
    if (!cmdline)
        return 0;
    return multiboot_copy_string(p, cmdline, limit, m->cmdline, sizeof(m->cmdline), strip_name);
}

int multiboot_finish(const struct multiboot_parser *p)
{
    struct boot_info *out = p->out;

    if (e820_sanitize(&out->e820))
        return refuse(p->why, -XEN_E2BIG, "the memory map has more than %u ranges", E820_MAX);
    if (!e820_bytes(&out->e820, E820_RAM))
        return refuse(p->why, -XEN_EINVAL, "the memory map has no RAM");

    for (unsigned i = 0; i < out->nr_modules; i++) {
        const struct boot_module *m = &out->module[i];

        if (!e820_covers(&out->e820, m->start, m->start + m->size, E820_RAM))
            return refuse(p->why, -XEN_EINVAL, "module %u (0x%llx-0x%llx) is not in RAM", i,
                          (unsigned long long)m->start, (unsigned long long)m->start + m->size);
        for (unsigned j = 0; j < i; j++) {
            const struct boot_module *o = &out->module[j];

            if (m->start < o->start + o->size && o->start < m->start + m->size)
                return refuse(p->why, -XEN_EINVAL, "modules %u and %u overlap at 0x%llx", j, i,
                              (unsigned long long)max(m->start, o->start));
        }
    }
    return 0;
}
