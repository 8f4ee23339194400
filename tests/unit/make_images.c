/* SPDX-License-Identifier: BSD-2-Clause */
#include <asm/bootparam.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "make_images.h"

#include <xen/elfnote.h>

#define NOTE_PHYS32_RELOC 19
#define DATA_AT           0x1000u
#define SETUP_SECTS       3u
#define PAYLOAD_OFFSET    0x40u

u8 made_byte(unsigned n, u64 i)
{
    return (u8)(i * 7 + n * 31 + (i >> 8));
}

struct elf_recipe plain_recipe(void)
{
    return (struct elf_recipe){
        .is64 = true,
        .segment = {{0x1000000, 0x300, 0x5000}},
        .entry_bytes = 8,
        .entry = 0x1000100,
        .features_bytes = 4,
        .features = 0x8801,
    };
}

static void put(struct made_elf *e, const void *p, size_t n)
{
    memcpy(e->bytes + e->size, p, n);
    e->size += n;
}

static void put_note(struct made_elf *e, const char *owner, u32 type, const void *desc, u32 bytes)
{
    Elf64_Nhdr n = {.n_namesz = strlen(owner) + 1, .n_descsz = bytes, .n_type = type};

    put(e, &n, sizeof(n));
    put(e, owner, n.n_namesz);
    e->size = (e->size + 3) & ~3ul;
    put(e, desc, bytes);
    e->size = (e->size + 3) & ~3ul;
}

static void put_notes(struct made_elf *e, const struct elf_recipe *r)
{
    u64 zero = 0;

    e->notes = e->size;
    put_note(e, "GNU", XEN_ELFNOTE_PHYS32_ENTRY, &zero, 8); /* another owner's type 18 */
    put_note(e, "Xen", XEN_ELFNOTE_GUEST_OS, "test", 5);
    if (r->features_bytes)
        put_note(e, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES, &r->features, r->features_bytes);
    if (r->reloc_bytes)
        put_note(e, "Xen", NOTE_PHYS32_RELOC, r->reloc, r->reloc_bytes);
    if (r->bsd_symtab)
        put_note(e, "Xen", XEN_ELFNOTE_BSD_SYMTAB, "yes", 4);
    if (r->entry_bytes)
        put_note(e, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &r->entry, r->entry_bytes);
    e->notes_size = e->size - e->notes;
}

static void put_phdr(struct made_elf *e, bool is64, u32 type, u64 offset, const struct made_segment *s)
{
    if (is64) {
        Elf64_Phdr p = {.p_type = type,
                        .p_offset = offset,
                        .p_paddr = s->paddr,
                        .p_filesz = s->filesz,
                        .p_memsz = s->memsz,
                        .p_align = 4};
        put(e, &p, sizeof(p));
    } else {
        Elf32_Phdr p = {.p_type = type,
                        .p_offset = offset,
                        .p_paddr = s->paddr,
                        .p_filesz = s->filesz,
                        .p_memsz = s->memsz,
                        .p_align = 4};
        put(e, &p, sizeof(p));
    }
}

static void put_shdr(struct made_elf *e, bool is64)
{
    if (is64) {
        Elf64_Shdr s = {.sh_type = SHT_NOTE, .sh_offset = e->notes, .sh_size = e->notes_size, .sh_addralign = 4};
        put(e, &s, sizeof(s));
    } else {
        Elf32_Shdr s = {.sh_type = SHT_NOTE, .sh_offset = e->notes, .sh_size = e->notes_size, .sh_addralign = 4};
        put(e, &s, sizeof(s));
    }
}

static void set_ehdr(struct made_elf *e, const struct elf_recipe *r, unsigned phnum)
{
    u8 ident[EI_NIDENT] = {ELFMAG0,     ELFMAG1,   ELFMAG2, ELFMAG3, r->is64 ? ELFCLASS64 : ELFCLASS32,
                           ELFDATA2LSB, EV_CURRENT};

    if (r->is64) {
        Elf64_Ehdr h = {.e_type = ET_EXEC,
                        .e_machine = EM_X86_64,
                        .e_phoff = e->phdr,
                        .e_phnum = phnum,
                        .e_phentsize = sizeof(Elf64_Phdr),
                        .e_shoff = e->shdr,
                        .e_shnum = r->notes_in_section,
                        .e_shentsize = sizeof(Elf64_Shdr)};
        memcpy(h.e_ident, ident, sizeof(ident));
        memcpy(e->bytes, &h, sizeof(h));
    } else {
        Elf32_Ehdr h = {.e_type = ET_EXEC,
                        .e_machine = EM_386,
                        .e_phoff = e->phdr,
                        .e_phnum = phnum,
                        .e_phentsize = sizeof(Elf32_Phdr),
                        .e_shoff = e->shdr,
                        .e_shnum = r->notes_in_section,
                        .e_shentsize = sizeof(Elf32_Shdr)};
        memcpy(h.e_ident, ident, sizeof(ident));
        memcpy(e->bytes, &h, sizeof(h));
    }
}

void make_elf(struct made_elf *e, const struct elf_recipe *r)
{
    size_t offset = DATA_AT;
    unsigned phnum = 0;

    memset(e, 0, sizeof(*e));
    e->size = 0x400;
    put_notes(e, r);
    if (r->notes_in_section) {
        e->shdr = e->size;
        put_shdr(e, r->is64);
    }
    e->phdr = e->size = 0x80;
    for (unsigned n = 0; n < MADE_SEGMENTS; n++) {
        if (!r->segment[n].memsz && !r->segment[n].filesz)
            continue;
        put_phdr(e, r->is64, PT_LOAD, offset, &r->segment[n]);
        phnum++;
        for (u64 i = 0; i < r->segment[n].filesz && offset + i < MADE_BYTES_MAX; i++)
            e->bytes[offset + i] = made_byte(n, i);
        offset += r->segment[n].filesz;
    }
    if (!r->notes_in_section) {
        put_phdr(e, r->is64, PT_NOTE, e->notes, &(struct made_segment){0, e->notes_size, e->notes_size});
        phnum++;
    }
    set_ehdr(e, r, phnum);
    e->size = offset < MADE_BYTES_MAX ? offset : MADE_BYTES_MAX;
}

u8 *make_bzimage(const void *payload, size_t payload_bytes, bool append, u32 length, size_t *bytes)
{
    size_t at = (SETUP_SECTS + 1) * 512 + PAYLOAD_OFFSET;
    struct setup_header h = {
        .setup_sects = SETUP_SECTS,
        .header = 0x53726448,
        .version = 0x20f,
        .payload_offset = PAYLOAD_OFFSET,
        .payload_length = payload_bytes + (append ? sizeof(length) : 0),
    };
    u8 *file;

    *bytes = at + h.payload_length;
    file = calloc(1, *bytes);
    memcpy(file + offsetof(struct boot_params, hdr), &h, sizeof(h));
    memcpy(file + at, payload, payload_bytes);
    if (append)
        memcpy(file + at + payload_bytes, &length, sizeof(length));
    return file;
}
