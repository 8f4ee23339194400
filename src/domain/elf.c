/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF images of kernels (System V ABI, ch. 4 and 5) and the notes of owner "Xen" in them (xen/elfnote.h). Segments are
 * loaded by physical address: Linux' per-CPU segment has virtual address 0.
 */
#include <elf.h>

#include <torii/errno.h>
#include <torii/image.h>
#include <torii/lib.h>

#include <xen/elfnote.h>
#include <xen/features.h>

/* Newer than the installed elfnote.h: three u32, alignment, lowest and highest byte the image may occupy. */
#ifndef XEN_ELFNOTE_PHYS32_RELOC
#define XEN_ELFNOTE_PHYS32_RELOC 19
#endif

#define NOTE_OWNER  "Xen"
#define ADDRESS_END BIT(32) /* the entry point is 32-bit code with paging off */

/* Header fields that are the same for both classes. */
struct elf_layout {
    u64 phoff, shoff;
    unsigned phnum, phentsize, shnum, shentsize;
};

static bool in_file(const struct elf_image *e, u64 offset, u64 bytes)
{
    return offset <= e->bytes && bytes <= e->bytes - offset;
}

static int bad_header(struct refusal *why, const char *what)
{
    return refuse(why, -XEN_EINVAL, "kernel's ELF header: %s", what);
}

static int parse_header(struct elf_image *e, struct elf_layout *l, struct refusal *why)
{
    const u8 *ident = e->file;
    u16 type, machine;

    if (e->bytes < sizeof(Elf32_Ehdr) || memcmp(ident, ELFMAG, SELFMAG))
        return refuse(why, -XEN_EINVAL, "kernel is not an ELF image");
    e->is64 = ident[EI_CLASS] == ELFCLASS64;
    if (!e->is64 && ident[EI_CLASS] != ELFCLASS32)
        return bad_header(why, "neither the 32-bit nor the 64-bit class");
    if (ident[EI_DATA] != ELFDATA2LSB || ident[EI_VERSION] != EV_CURRENT)
        return bad_header(why, "not little-endian, or not version 1");
    if (e->is64) {
        Elf64_Ehdr h;

        if (e->bytes < sizeof(h))
            return bad_header(why, "cut short");
        memcpy(&h, ident, sizeof(h));
        *l = (struct elf_layout){h.e_phoff, h.e_shoff, h.e_phnum, h.e_phentsize, h.e_shnum, h.e_shentsize};
        type = h.e_type;
        machine = h.e_machine;
    } else {
        Elf32_Ehdr h;

        memcpy(&h, ident, sizeof(h));
        *l = (struct elf_layout){h.e_phoff, h.e_shoff, h.e_phnum, h.e_phentsize, h.e_shnum, h.e_shentsize};
        type = h.e_type;
        machine = h.e_machine;
    }
    if (machine != (e->is64 ? EM_X86_64 : EM_386))
        return refuse(why, -XEN_EINVAL, "kernel is for another machine: ELF machine %u, wanted %u", machine,
                      e->is64 ? EM_X86_64 : EM_386);
    if (type != ET_EXEC && type != ET_DYN)
        return bad_header(why, "not an executable");
    return 0;
}

/* Program header i, widened to 64 bits. The table is known to lie in the file. */
static Elf64_Phdr program_header(const struct elf_image *e, const struct elf_layout *l, unsigned i)
{
    const u8 *at = e->file + l->phoff + (u64)i * l->phentsize;
    Elf64_Phdr p;

    if (e->is64) {
        memcpy(&p, at, sizeof(p));
    } else {
        Elf32_Phdr n;

        memcpy(&n, at, sizeof(n));
        p = (Elf64_Phdr){.p_type = n.p_type,
                         .p_offset = n.p_offset,
                         .p_paddr = n.p_paddr,
                         .p_filesz = n.p_filesz,
                         .p_memsz = n.p_memsz,
                         .p_align = n.p_align};
    }
    return p;
}

static Elf64_Shdr section_header(const struct elf_image *e, const struct elf_layout *l, unsigned i)
{
    const u8 *at = e->file + l->shoff + (u64)i * l->shentsize;
    Elf64_Shdr s;

    if (e->is64) {
        memcpy(&s, at, sizeof(s));
    } else {
        Elf32_Shdr n;

        memcpy(&n, at, sizeof(n));
        s = (Elf64_Shdr){
            .sh_type = n.sh_type, .sh_offset = n.sh_offset, .sh_size = n.sh_size, .sh_addralign = n.sh_addralign};
    }
    return s;
}

/* Check a PT_LOAD and put it in order of paddr. */
static int add_segment(struct elf_image *e, const Elf64_Phdr *p, struct refusal *why)
{
    unsigned at = e->nr_segments;

    if (!p->p_memsz && !p->p_filesz)
        return 0;
    if (e->nr_segments == ELF_SEGMENTS_MAX)
        return refuse(why, -XEN_EINVAL, "kernel has more than %u segments to load", ELF_SEGMENTS_MAX);
    if (p->p_filesz > p->p_memsz)
        return refuse(why, -XEN_EINVAL, "kernel segment at 0x%llx: 0x%llx bytes of file for 0x%llx of memory",
                      (unsigned long long)p->p_paddr, (unsigned long long)p->p_filesz, (unsigned long long)p->p_memsz);
    if (!in_file(e, p->p_offset, p->p_filesz))
        return refuse(why, -XEN_EINVAL,
                      "kernel segment at 0x%llx: bytes 0x%llx+0x%llx lie beyond the image's 0x%llx bytes",
                      (unsigned long long)p->p_paddr, (unsigned long long)p->p_offset, (unsigned long long)p->p_filesz,
                      (unsigned long long)e->bytes);
    if (p->p_paddr >= ADDRESS_END || p->p_memsz > ADDRESS_END - p->p_paddr)
        return refuse(why, -XEN_EINVAL, "kernel segment at 0x%llx, 0x%llx bytes: not below 4 GiB",
                      (unsigned long long)p->p_paddr, (unsigned long long)p->p_memsz);
    for (; at && e->segment[at - 1].paddr > p->p_paddr; at--)
        e->segment[at] = e->segment[at - 1];
    e->segment[at] = (struct elf_segment){p->p_offset, p->p_filesz, p->p_paddr, p->p_memsz};
    e->nr_segments++;
    return 0;
}

static int parse_segments(struct elf_image *e, const struct elf_layout *l, struct refusal *why)
{
    if (!l->phnum || l->phnum == PN_XNUM || l->phentsize != (e->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
        !in_file(e, l->phoff, (u64)l->phnum * l->phentsize))
        return bad_header(why, "no program headers, or they lie outside the image");
    for (unsigned i = 0; i < l->phnum; i++) {
        Elf64_Phdr p = program_header(e, l, i);
        int rc = p.p_type == PT_LOAD ? add_segment(e, &p, why) : 0;

        if (rc)
            return rc;
    }
    if (!e->nr_segments)
        return refuse(why, -XEN_EINVAL, "kernel has no segment to load");
    for (unsigned i = 1; i < e->nr_segments; i++) {
        const struct elf_segment *below = &e->segment[i - 1], *s = &e->segment[i];

        if (below->paddr + below->memsz > s->paddr)
            return refuse(why, -XEN_EINVAL, "kernel segments overlap: 0x%llx+0x%llx and 0x%llx",
                          (unsigned long long)below->paddr, (unsigned long long)below->memsz,
                          (unsigned long long)s->paddr);
    }
    e->start = e->segment[0].paddr;
    e->end = e->segment[e->nr_segments - 1].paddr + e->segment[e->nr_segments - 1].memsz;
    return 0;
}

static int take_note(struct elf_image *e, u32 type, const u8 *desc, u32 bytes, struct refusal *why)
{
    u32 word[3] = {0};
    u64 entry = 0;

    switch (type) {
    case XEN_ELFNOTE_PHYS32_ENTRY:
        if (bytes != 4 && bytes != 8)
            return refuse(why, -XEN_EINVAL, "kernel's PHYS32_ENTRY note has %u bytes, wanted 4 or 8", bytes);
        memcpy(&entry, desc, bytes);
        e->entry = entry;
        return 0;
    case XEN_ELFNOTE_PHYS32_RELOC:
        if (bytes < sizeof(word))
            return refuse(why, -XEN_EINVAL, "kernel's PHYS32_RELOC note has %u bytes, wanted 12", bytes);
        memcpy(word, desc, sizeof(word));
        if (!word[0] || (word[0] & (word[0] - 1)) || word[1] > word[2])
            return refuse(why, -XEN_EINVAL, "kernel's PHYS32_RELOC note: alignment 0x%x, from 0x%x to 0x%x", word[0],
                          word[1], word[2]);
        e->relocatable = true;
        e->align = word[0];
        e->reloc_min = word[1];
        e->reloc_max = word[2];
        return 0;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        if (bytes < sizeof(word[0]))
            return refuse(why, -XEN_EINVAL, "kernel's SUPPORTED_FEATURES note has %u bytes, wanted 4 or more", bytes);
        memcpy(&e->features, desc, sizeof(e->features));
        e->has_features = true;
        return 0;
    case XEN_ELFNOTE_BSD_SYMTAB:
        e->bsd_symtab = bytes >= 3 && !memcmp(desc, "yes", 3);
        return 0;
    default: /* for PV kernels and crash dumps */
        return 0;
    }
}

/* Read the notes in one region of the file: header, name and descriptor, the latter two padded to align. */
static int parse_notes(struct elf_image *e, u64 offset, u64 bytes, u64 align, struct refusal *why)
{
    align = align == 8 ? 8 : 4;
    if (!in_file(e, offset, bytes))
        return refuse(why, -XEN_EINVAL, "kernel's notes at 0x%llx+0x%llx lie beyond the image's 0x%llx bytes",
                      (unsigned long long)offset, (unsigned long long)bytes, (unsigned long long)e->bytes);
    while (bytes >= sizeof(Elf64_Nhdr)) {
        const u8 *at = e->file + offset;
        u64 name_bytes, used;
        Elf64_Nhdr n; /* the same in both classes */
        int rc;

        memcpy(&n, at, sizeof(n));
        name_bytes = ALIGN_UP((u64)n.n_namesz, align);
        used = sizeof(n) + name_bytes + n.n_descsz;
        if (used > bytes)
            return refuse(why, -XEN_EINVAL, "kernel's note at 0x%llx does not end inside its section",
                          (unsigned long long)offset);
        if (n.n_namesz == sizeof(NOTE_OWNER) && !memcmp(at + sizeof(n), NOTE_OWNER, sizeof(NOTE_OWNER))) {
            rc = take_note(e, n.n_type, at + sizeof(n) + name_bytes, n.n_descsz, why);
            if (rc)
                return rc;
        }
        used = min(ALIGN_UP(used, align), bytes);
        offset += used;
        bytes -= used;
    }
    return 0;
}

static int parse_note_segments(struct elf_image *e, const struct elf_layout *l, struct refusal *why)
{
    for (unsigned i = 0; i < l->phnum; i++) {
        Elf64_Phdr p = program_header(e, l, i);
        int rc = p.p_type == PT_NOTE ? parse_notes(e, p.p_offset, p.p_filesz, p.p_align, why) : 0;

        if (rc)
            return rc;
    }
    return 0;
}

/* FreeBSD's Xen notes are in a section only. */
static int parse_note_sections(struct elf_image *e, const struct elf_layout *l, struct refusal *why)
{
    if (!l->shnum || l->shentsize != (e->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) ||
        !in_file(e, l->shoff, (u64)l->shnum * l->shentsize))
        return 0; /* an image without sections is legal */
    for (unsigned i = 0; i < l->shnum; i++) {
        Elf64_Shdr s = section_header(e, l, i);
        int rc = s.sh_type == SHT_NOTE ? parse_notes(e, s.sh_offset, s.sh_size, s.sh_addralign, why) : 0;

        if (rc)
            return rc;
    }
    return 0;
}

static int check_notes(const struct elf_image *e, struct refusal *why)
{
    if (!e->entry)
        return refuse(why, -XEN_EINVAL,
                      "kernel has no PVH entry point (no PHYS32_ENTRY note of owner \"Xen\"): "
                      "Linux needs CONFIG_PVH");
    if (e->has_features && !(e->features & BIT(XENFEAT_dom0)))
        return refuse(why, -XEN_EINVAL,
                      "kernel is not built for Dom0 (supported features 0x%x lack dom0): "
                      "Linux needs CONFIG_XEN_DOM0",
                      e->features);
    for (unsigned i = 0; i < e->nr_segments; i++) {
        if (e->entry >= e->segment[i].paddr && e->entry - e->segment[i].paddr < e->segment[i].filesz)
            return 0;
    }
    return refuse(why, -XEN_EINVAL, "kernel's PVH entry 0x%llx lies outside its segments 0x%llx-0x%llx",
                  (unsigned long long)e->entry, (unsigned long long)e->start, (unsigned long long)e->end - 1);
}

int elf_parse(const void *file, size_t bytes, struct elf_image *out, struct refusal *why)
{
    struct elf_layout l = {0};
    int rc;

    memset(out, 0, sizeof(*out));
    out->file = file;
    out->bytes = bytes;
    why->line[0] = '\0';
    rc = parse_header(out, &l, why);
    if (!rc)
        rc = parse_segments(out, &l, why);
    if (!rc)
        rc = parse_note_segments(out, &l, why);
    if (!rc && !out->entry)
        rc = parse_note_sections(out, &l, why);
    return rc ? rc : check_notes(out, why);
}

int elf_load(const struct elf_image *elf, u64 delta, const struct gpa_sink *sink)
{
    for (unsigned i = 0; i < elf->nr_segments; i++) {
        const struct elf_segment *s = &elf->segment[i];
        gpa_t at = s->paddr + delta;
        int rc = s->filesz ? sink->copy(sink->ctx, at, elf->file + s->offset, s->filesz) : 0;

        if (!rc && s->memsz > s->filesz)
            rc = sink->zero(sink->ctx, at + s->filesz, s->memsz - s->filesz);
        if (rc)
            return rc;
    }
    return 0;
}
