/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Torii would make of a kernel file: image-info KERNEL [ELF]
 * The unpacked image goes to the file ELF, if given. `make build/image-info`
 */
#include <stdio.h>
#include <stdlib.h>

#include <torii/image.h>

static void *read_file(const char *name, size_t *bytes)
{
    FILE *f = fopen(name, "rb");
    void *data;
    long end;

    if (!f || fseek(f, 0, SEEK_END) || (end = ftell(f)) < 0) {
        perror(name);
        exit(1);
    }
    rewind(f);
    data = malloc(end ? end : 1);
    if (!data || fread(data, 1, end, f) != (size_t)end) {
        perror(name);
        exit(1);
    }
    fclose(f);
    *bytes = end;
    return data;
}

static void write_file(const char *name, const void *data, size_t bytes)
{
    FILE *f = fopen(name, "wb");

    if (!f || fwrite(data, 1, bytes, f) != bytes || fclose(f)) {
        perror(name);
        exit(1);
    }
}

static _Noreturn void refused(const struct refusal *why)
{
    printf("refused: %s\n", why->line);
    exit(2);
}

static void print_elf(const struct elf_image *e)
{
    printf("ELF%s, %u segments, 0x%llx-0x%llx, PVH entry 0x%llx\n", e->is64 ? "64" : "32", e->nr_segments,
           (unsigned long long)e->start, (unsigned long long)e->end - 1, (unsigned long long)e->entry);
    for (unsigned i = 0; i < e->nr_segments; i++)
        printf("  0x%08llx: 0x%llx bytes of file, 0x%llx of memory\n", (unsigned long long)e->segment[i].paddr,
               (unsigned long long)e->segment[i].filesz, (unsigned long long)e->segment[i].memsz);
    if (e->relocatable)
        printf("may be moved by multiples of 0x%x within 0x%x-0x%x\n", e->align, e->reloc_min, e->reloc_max);
    else
        printf("must be loaded there\n");
    if (e->has_features)
        printf("supported features 0x%x\n", e->features);
    if (e->bsd_symtab)
        printf("would like its symbol table behind it\n");
}

int main(int argc, char **argv)
{
    struct image_source src;
    struct elf_image elf;
    struct refusal why;
    size_t bytes, peak;
    void *file, *image, *arena;

    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: %s KERNEL [ELF]\n", argv[0]);
        return 1;
    }
    file = read_file(argv[1], &bytes);
    if (image_probe(file, bytes, &src, &why))
        refused(&why);
    printf("%s, %zu bytes of payload (compression: %s), %zu bytes of image\n", src.bzimage ? "bzImage" : "no bzImage",
           src.payload_bytes, image_compression_name(src.compression), src.image_bytes);
    if (src.bzimage)
        printf("boot protocol %u.%02u\n", src.protocol >> 8, src.protocol & 0xff);
    image = malloc(src.image_bytes);
    arena = aligned_alloc(16, ALIGN_UP(src.arena_bytes + 16, 16ul));
    if (!image || !arena || image_decompress(&src, image, arena, src.arena_bytes, &peak, &why))
        refused(&why);
    printf("decoder used %zu of %zu bytes set aside\n", peak, src.arena_bytes);
    if (elf_parse(image, src.image_bytes, &elf, &why))
        refused(&why);
    print_elf(&elf);
    if (argc == 3)
        write_file(argv[2], image, src.image_bytes);
    free(arena);
    free(image);
    free(file);
    return 0;
}
