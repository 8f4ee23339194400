/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the file a boot loader handed over to a kernel in memory: image_probe finds the ELF image in the file,
 * image_decompress unpacks it, elf_parse reads it, elf_load puts it where it belongs. Input is not trusted: whatever is
 * wrong with it gives -XEN_EINVAL and one line saying what and where.
 */
#ifndef TORII_IMAGE_H
#define TORII_IMAGE_H

#include <torii/refusal.h>
#include <torii/types.h>

/* The largest image accepted once decompressed: a damaged length must not ask for all memory. */
#define IMAGE_BYTES_MAX SIZE_1G

enum image_compression {
    IMAGE_PLAIN, /* an ELF image as it is */
    IMAGE_GZIP,
    IMAGE_XZ,
    IMAGE_LZMA,
    IMAGE_ZSTD,
    IMAGE_LZ4_LEGACY,
    IMAGE_LZ4,
};

struct image_source {
    bool bzimage; /* a Linux bzImage; else a bare ELF image, or one packed by gzip */
    u16 protocol; /* bzImage: boot protocol, 0x20f = 2.15 */
    enum image_compression compression;
    const void *payload;  /* in the file: the ELF image or the compressed stream */
    size_t payload_bytes; /* without the length that the kernel's build appends */
    size_t image_bytes;   /* of the image once decompressed */
    size_t arena_bytes;   /* working memory that image_decompress needs; 0 for IMAGE_PLAIN */
};

/* Recognise a kernel file. 0, or -XEN_EINVAL and the reason. Reads no byte beyond file[bytes]. */
int image_probe(const void *file, size_t bytes, struct image_source *out, struct refusal *why);
/* "gzip", "xz", ... */
const char *image_compression_name(enum image_compression c);

/*
 * Unpack to dst, which has room for src->image_bytes, with arena (at least src->arena_bytes, 16-byte aligned) as the
 * decoder's only working memory. Fills all of dst or fails with -XEN_EINVAL and the reason. *peak (may be NULL) is how
 * much of the arena was in use at most. The decoders use SSE registers and read %fs:0x28: the caller has seen to both.
 * Boot only: one at a time.
 */
int image_decompress(const struct image_source *src, void *dst, void *arena, size_t arena_bytes, size_t *peak,
                     struct refusal *why);
/* Working memory the stream's decoder needs, bytes. 0 and *bytes, or -XEN_EINVAL and the reason. For image_probe. */
int image_decoder_bytes(const struct image_source *src, size_t *bytes, struct refusal *why);

#define ELF_SEGMENTS_MAX 32

struct elf_segment {
    u64 offset, filesz; /* bytes of the file to copy */
    gpa_t paddr;
    u64 memsz; /* zero up to here */
};

struct elf_image {
    const u8 *file;
    size_t bytes;
    bool is64;
    unsigned nr_segments;
    struct elf_segment segment[ELF_SEGMENTS_MAX]; /* PT_LOADs in order of paddr */
    gpa_t start, end;                             /* what the segments span: [start, end) */
    gpa_t entry;                                  /* XEN_ELFNOTE_PHYS32_ENTRY */
    bool relocatable;                /* XEN_ELFNOTE_PHYS32_RELOC: may be moved as a whole by a multiple of align */
    u32 align, reloc_min, reloc_max; /* lowest and highest byte it may occupy then */
    bool has_features;               /* XEN_ELFNOTE_SUPPORTED_FEATURES exists */
    u32 features;                    /* BIT(XENFEAT_*) */
    bool bsd_symtab;                 /* XEN_ELFNOTE_BSD_SYMTAB says "yes" */
};

/* Read a kernel's ELF image and its Xen notes; out refers to file. 0, or -XEN_EINVAL and the reason. */
int elf_parse(const void *file, size_t bytes, struct elf_image *out, struct refusal *why);

/* Where loaded bytes go: guest-physical memory. Each returns 0 or a negative errno, which ends the load. */
struct gpa_sink {
    void *ctx;
    int (*copy)(void *ctx, gpa_t gpa, const void *src, size_t bytes);
    int (*zero)(void *ctx, gpa_t gpa, size_t bytes);
};

/* Copy and zero every segment, moved by delta bytes (modulo 2^64, from dom0_layout). */
int elf_load(const struct elf_image *elf, u64 delta, const struct gpa_sink *sink);

#endif
