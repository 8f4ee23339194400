/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/boot/multiboot.c src/boot/multiboot1.c src/boot/multiboot2.c src/core/e820.c src/core/refusal.c */
/*
 * The input is the machine's memory from MEM on, information structure first; its lowest bit of the last byte chooses
 * the protocol. What parses must keep boot_info's promises: sorted map, terminated strings, modules in RAM and apart.
 */
#include <stdlib.h>
#include <string.h>

#include <torii/e820.h>

#include "../../src/boot/multiboot.h"

#define MEM 0x10000u

static const u8 *memory;
static size_t memory_bytes;

static const void *map_memory(paddr_t pa, size_t bytes)
{
    if (pa < MEM || bytes > memory_bytes || pa - MEM > memory_bytes - bytes)
        return NULL;
    return memory + (pa - MEM);
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_terminated(const char *s, size_t size)
{
    check(memchr(s, 0, size) != NULL);
}

static void check_info(const struct boot_info *bi)
{
    const struct e820 *map = &bi->e820;

    check(map->nr > 0 && map->nr <= E820_MAX && e820_bytes(map, E820_RAM) > 0);
    for (unsigned i = 0; i < map->nr; i++) {
        const struct e820_entry *e = &map->entry[i];

        check(e->size && e->size <= ~e->addr && e->type >= E820_RAM && e->type <= E820_UNUSABLE);
        check(!i || e[-1].addr + e[-1].size <= e->addr);
    }
    check_terminated(bi->cmdline, sizeof(bi->cmdline));
    check_terminated(bi->loader, sizeof(bi->loader));
    check(bi->nr_modules <= BOOT_MODULES_MAX);
    for (unsigned i = 0; i < bi->nr_modules; i++) {
        const struct boot_module *m = &bi->module[i];

        check_terminated(m->cmdline, sizeof(m->cmdline));
        check(m->size && e820_covers(map, m->start, m->start + m->size, E820_RAM));
        for (unsigned j = 0; j < i; j++)
            check(m->start + m->size <= bi->module[j].start || bi->module[j].start + bi->module[j].size <= m->start);
    }
    if (bi->efi_memmap)
        check(map_memory(bi->efi_memmap, bi->efi_memmap_size) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info bi;
    struct refusal why = {{0}};
    bool second;
    u8 *copy;
    int rc;

    if (size < 2)
        return 0;
    second = data[--size] & 1;
    copy = malloc(size);
    memcpy(copy, data, size);
    memory = copy;
    memory_bytes = size;
    /* Let the fuzzer search inside the tags: the total is what there is. */
    if (second && size >= sizeof(struct mb2_info))
        memcpy(copy, &(u32){size}, sizeof(u32));
    rc = multiboot_parse(second ? MB2_BOOT_MAGIC : MB1_BOOT_MAGIC, MEM, map_memory, &bi, &why);
    if (rc)
        check(why.line[0] && memchr(why.line, 0, sizeof(why.line)));
    else
        check_info(&bi);
    free(copy);
    return 0;
}
