/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory in which a loader left its information. */
#ifndef TORII_TESTS_MULTIBOOT_WORLD_H
#define TORII_TESTS_MULTIBOOT_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <torii/errno.h>

#include "../../src/boot/multiboot.h"

/* The machine's memory as the loader left it: these bytes at MEM, nothing elsewhere. */
#define MEM       0x10000u
#define MEM_BYTES 0x8000u
static u8 memory[MEM_BYTES];
static struct boot_info bi;
static struct refusal why;

/* A copy that ends where the mapping does, so that ASan sees a read past it. */
static void *window;
static inline const void *map_memory(paddr_t pa, size_t bytes)
{
    if (pa < MEM || bytes > MEM_BYTES || pa - MEM > MEM_BYTES - bytes)
        return NULL;
    return memory + (pa - MEM);
}

static inline const void *map_exact(paddr_t pa, size_t bytes)
{
    const void *p = map_memory(pa, bytes);

    free(window);
    window = p ? malloc(bytes) : NULL;
    return p ? memcpy(window, p, bytes) : NULL;
}

static inline int reset(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(&bi, 0xa5, sizeof(bi));
    memset(&why, 0, sizeof(why));
    return 0;
}

static inline int finish(void **state)
{
    (void)state;
    free(window);
    window = NULL;
    return 0;
}

static inline void *at(u32 pa)
{
    return memory + (pa - MEM);
}

#define MB1_INFO MEM
#define MB1_STR  (MEM + 0x1000)
#define MB1_MODS (MEM + 0x200)
#define MB1_MMAP (MEM + 0x400)

static inline struct mb1_info *mb1(void)
{
    return at(MB1_INFO);
}

static inline u32 mb1_string(const char *s)
{
    static u32 next;
    u32 pa;

    if (!mb1()->cmdline && !mb1()->boot_loader_name && !mb1()->mods_count)
        next = MB1_STR;
    pa = next;
    strcpy(at(pa), s);
    next += strlen(s) + 1;
    return pa;
}

static inline void mb1_range(u64 addr, u64 len, u32 type)
{
    struct mb1_mmap_entry e = {20, addr, len, type};

    mb1()->flags |= MB1_INFO_MMAP;
    mb1()->mmap_addr = MB1_MMAP;
    memcpy(at(MB1_MMAP + mb1()->mmap_length), &e, sizeof(e));
    mb1()->mmap_length += sizeof(e);
}

static inline void mb1_module(u32 start, u32 end, const char *cmdline)
{
    struct mb1_module m = {start, end, cmdline ? mb1_string(cmdline) : 0, 0};

    mb1()->flags |= MB1_INFO_MODULES;
    mb1()->mods_addr = MB1_MODS;
    memcpy(at(MB1_MODS + mb1()->mods_count++ * sizeof(m)), &m, sizeof(m));
}

static inline void mb1_cmdline(const char *s)
{
    u32 pa = mb1_string(s);

    mb1()->flags |= MB1_INFO_CMDLINE;
    mb1()->cmdline = pa;
}

static inline void mb1_loader(const char *s)
{
    u32 pa = mb1_string(s);

    mb1()->flags |= MB1_INFO_LOADER;
    mb1()->boot_loader_name = pa;
}

static inline void mb1_ram(void)
{
    mb1_range(0, 0x9fc00, 1);
    mb1_range(0x9fc00, 0x400, 2);
    mb1_range(0xf0000, 0x10000, 2);
    mb1_range(0x100000, 0x7fe0000 - 0x100000, 1);
    mb1_range(0x7fe0000, 0x20000, 2);
}

static inline int mb1_run(void)
{
    return multiboot_parse(MB1_BOOT_MAGIC, MB1_INFO, map_memory, &bi, &why);
}

static inline void refused(int rc, int error, const char *words)
{
    assert_int_equal(rc, error);
    assert_non_null(strstr(why.line, words));
    assert_null(strchr(why.line, '\n'));
}

#define T(f) cmocka_unit_test_setup_teardown(f, reset, finish)

#endif
