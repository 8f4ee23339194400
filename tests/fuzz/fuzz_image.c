/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/image.c src/domain/decompress.c src/domain/libc_shim.c src/domain/lzma_crc64.c src/domain/elf.c src/core/refusal.c tests/unit/make_images.c */
/* libs: -lz -llzma -lzstd -llz4 */
/*
 * The input is a kernel file, or (by its last byte) the payload of a bzImage whose header is right. What is recognised
 * is unpacked into exactly the memory asked for, parsed and loaded; each step must keep what the header promises of it.
 */
#include <stdlib.h>
#include <string.h>

#include <torii/image.h>

#include "make_images.h"

#define IMAGE_MAX (4ul << 20)
#define ARENA_MAX (64ul << 20)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const struct elf_image *loading;
static u64 loaded_delta, copied, touched;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_place(gpa_t gpa, size_t bytes)
{
    gpa_t at = gpa - loaded_delta;

    check(at >= loading->start && bytes <= loading->end - at);
    touched += bytes;
}

static int sink_copy(void *ctx, gpa_t gpa, const void *src, size_t bytes)
{
    const u8 *p = src;

    check(ctx == &loaded_delta);
    check_place(gpa, bytes);
    check(p >= loading->file && bytes <= (size_t)(loading->file + loading->bytes - p));
    copied += bytes;
    return 0;
}

static int sink_zero(void *ctx, gpa_t gpa, size_t bytes)
{
    check(ctx == &loaded_delta);
    check_place(gpa, bytes);
    return 0;
}

static void check_segments(const struct elf_image *e)
{
    u64 files = 0, memory = 0;

    check(e->nr_segments >= 1 && e->nr_segments <= ELF_SEGMENTS_MAX && e->start < e->end);
    for (unsigned i = 0; i < e->nr_segments; i++) {
        const struct elf_segment *s = &e->segment[i];

        check(s->filesz <= s->memsz && s->offset <= e->bytes && s->filesz <= e->bytes - s->offset);
        check(s->paddr >= e->start && s->memsz <= e->end - s->paddr);
        check(!i || s[-1].paddr + s[-1].memsz <= s->paddr);
        files += s->filesz;
        memory += s->memsz;
    }
    check(e->entry >= e->start && e->entry < e->end);
    copied = touched = 0;
    check(elf_load(e, loaded_delta, &(struct gpa_sink){&loaded_delta, sink_copy, sink_zero}) == 0);
    check(copied == files && touched == memory);
}

static void parse(const void *file, size_t bytes)
{
    struct refusal why = {{0}};
    struct elf_image elf;

    loading = &elf;
    if (elf_parse(file, bytes, &elf, &why)) {
        check(why.line[0] && memchr(why.line, 0, sizeof(why.line)));
        return;
    }
    loaded_delta = 0;
    check_segments(&elf);
    if (elf.relocatable) {
        check(elf.align && !(elf.align & (elf.align - 1)));
        loaded_delta = 0x200000;
        check_segments(&elf);
    }
}

static void unpack(const struct image_source *src)
{
    struct refusal why = {{0}};
    /* Of exactly that size, so that the sanitizer sees a byte too far. */
    u8 *image = malloc(src->image_bytes), *arena = aligned_alloc(16, ALIGN_UP(src->arena_bytes + 16, 16ul));
    size_t peak = 0;

    if (image_decompress(src, image, arena, src->arena_bytes, &peak, &why)) {
        check(why.line[0] && memchr(why.line, 0, sizeof(why.line)));
    } else {
        check(peak <= src->arena_bytes);
        parse(image, src->image_bytes);
    }
    free(arena);
    free(image);
}

static void probe(const u8 *file, size_t bytes)
{
    struct refusal why = {{0}};
    struct image_source src;

    if (image_probe(file, bytes, &src, &why)) {
        check(why.line[0] && memchr(why.line, 0, sizeof(why.line)));
        return;
    }
    check((const u8 *)src.payload >= file && src.payload_bytes <= (size_t)(file + bytes - (const u8 *)src.payload));
    check(src.image_bytes <= IMAGE_BYTES_MAX && (src.compression != IMAGE_PLAIN || !src.arena_bytes));
    check(image_compression_name(src.compression)[0]);
    if (src.image_bytes <= IMAGE_MAX && src.arena_bytes <= ARENA_MAX)
        unpack(&src);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    size_t bytes;
    u8 *file;

    if (!size)
        return 0;
    size--;
    if (data[size] & 1) {
        file = make_bzimage(data, size, data[size] & 2, 4096u << (data[size] >> 4), &bytes);
    } else {
        bytes = size;
        file = malloc(bytes ? bytes : 1);
        memcpy(file, data, bytes);
    }
    probe(file, bytes);
    free(file);
    return 0;
}
