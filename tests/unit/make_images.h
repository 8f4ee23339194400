/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel files made to order. */
#ifndef TORII_TESTS_MAKE_IMAGES_H
#define TORII_TESTS_MAKE_IMAGES_H

#include <torii/types.h>

#define MADE_SEGMENTS  3
#define MADE_BYTES_MAX (64ul << 10)

struct made_segment {
    u64 paddr, filesz, memsz;
};

/* A zeroed member leaves the thing out. */
struct elf_recipe {
    bool is64;
    struct made_segment segment[MADE_SEGMENTS]; /* filesz counts from data that differs by segment */
    bool notes_in_section;                      /* as FreeBSD's; else in a PT_NOTE segment */
    u32 entry_bytes;                            /* PHYS32_ENTRY's size */
    u64 entry;
    u32 reloc_bytes; /* PHYS32_RELOC's size */
    u32 reloc[3];
    u32 features_bytes;
    u32 features;
    bool bsd_symtab;
};

/* Offsets in the image that the tests spoil. */
struct made_elf {
    u8 bytes[MADE_BYTES_MAX];
    size_t size;
    size_t phdr, notes, notes_size, shdr;
};

/* One 64-bit segment of 0x300 bytes at 16 MiB with entry, notes and features of a Dom0 kernel. */
struct elf_recipe plain_recipe(void);
void make_elf(struct made_elf *out, const struct elf_recipe *r);
/* Byte i of segment n's contents. */
u8 made_byte(unsigned n, u64 i);

/*
 * A bzImage around a payload; `length` is appended as the decompressed size if append is set. Returns malloc'ed memory
 * of exactly *bytes.
 */
u8 *make_bzimage(const void *payload, size_t payload_bytes, bool append, u32 length, size_t *bytes);

#endif
