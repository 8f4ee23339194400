/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/image.c src/domain/decompress.c src/domain/libc_shim.c src/domain/lzma_crc64.c src/core/refusal.c tests/unit/make_images.c */
/* libs: -lz -llzma -lzstd -llz4 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/bootparam.h>
#include <stdlib.h>
#include <string.h>

#include <torii/errno.h>
#include <torii/image.h>

#include "make_images.h"

#define HDR offsetof(struct boot_params, hdr)

static struct image_source src;
static struct refusal why;

static const u8 zstd_start[16] = {0x28, 0xb5, 0x2f, 0xfd};

static u8 *zstd_bzimage(size_t *bytes)
{
    return make_bzimage(zstd_start, sizeof(zstd_start), true, 0x10000, bytes);
}

static void the_payload_of_a_bzimage_is_found(void **state)
{
    size_t bytes;
    u8 *file = zstd_bzimage(&bytes);

    assert_int_equal(image_probe(file, bytes, &src, &why), 0);
    assert_true(src.bzimage);
    assert_int_equal(src.protocol, 0x20f);
    assert_int_equal(src.compression, IMAGE_ZSTD);
    assert_ptr_equal(src.payload, file + 4 * 512 + 0x40);
    assert_int_equal(src.payload_bytes, sizeof(zstd_start));
    assert_int_equal(src.image_bytes, 0x10000);
    free(file);
}

static void zero_setup_sectors_mean_four(void **state)
{
    size_t bytes;
    u8 *file = zstd_bzimage(&bytes);
    u8 *longer = calloc(1, bytes + 512);

    memcpy(longer, file, 4 * 512);
    memcpy(longer + 5 * 512, file + 4 * 512, bytes - 4 * 512);
    longer[HDR] = 0;
    assert_int_equal(image_probe(longer, bytes + 512, &src, &why), 0);
    assert_ptr_equal(src.payload, longer + 5 * 512 + 0x40);
    free(longer);
    free(file);
}

static void an_old_boot_protocol_is_refused(void **state)
{
    size_t bytes;
    u8 *file = zstd_bzimage(&bytes);
    u16 version = 0x207;

    memcpy(file + HDR + offsetof(struct setup_header, version), &version, 2);
    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "boot protocol 2.07"));
    free(file);
}

static void a_payload_outside_the_file_is_refused(void **state)
{
    u32 bad[][2] = {{0x41, 20}, {0x40, 21}, {0xffffffff, 20}, {0x40, 0xffffffff}, {0xfffffff0, 0x7fffffff}};
    size_t bytes;
    u8 *file = zstd_bzimage(&bytes);

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        memcpy(file + HDR + offsetof(struct setup_header, payload_offset), &bad[i][0], 4);
        memcpy(file + HDR + offsetof(struct setup_header, payload_length), &bad[i][1], 4);
        assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
        assert_non_null(strstr(why.line, "cut short"));
    }
    free(file);
}

static void a_payload_shorter_than_its_magic_is_refused(void **state)
{
    size_t bytes;
    u8 *file = make_bzimage(zstd_start, 5, true, 0x10000, &bytes);

    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "payload of only 9 bytes"));
    free(file);
}

static void every_truncation_is_refused(void **state)
{
    size_t whole;
    u8 *file = zstd_bzimage(&whole);

    for (size_t n = 0; n < whole; n++) {
        u8 *cut = malloc(n ? n : 1);

        memcpy(cut, file, n);
        assert_int_equal(image_probe(cut, n, &src, &why), -XEN_EINVAL);
        assert_true(why.line[0]);
        free(cut);
    }
    free(file);
}

static void a_decompressed_size_that_is_no_kernels_is_refused(void **state)
{
    size_t bytes;
    u8 *file = make_bzimage(zstd_start, sizeof(zstd_start), true, 0x40000001, &bytes);

    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "over 1 GiB"));
    free(file);
    file = make_bzimage(zstd_start, sizeof(zstd_start), true, 51, &bytes);
    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "too few"));
    free(file);
}

static void compressions_without_a_library_are_named(void **state)
{
    size_t bytes;
    u8 *file = make_bzimage("BZh91AY&SY123456", 16, true, 0x10000, &bytes);

    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "compressed with bzip2"));
    free(file);
    file = make_bzimage("\x89LZO\0\r\n\x1a\n1234567", 16, true, 0x10000, &bytes);
    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "compressed with lzo"));
    free(file);
    file = make_bzimage("\1\2\3\4nonsense1234", 16, true, 0x10000, &bytes);
    assert_int_equal(image_probe(file, bytes, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "starts with 01 02 03 04"));
    free(file);
}

static void magic_numbers_tell_the_compression(void **state)
{
    static const struct {
        u8 start[13];
        enum image_compression compression;
        const char *name;
    } known[] = {
        {{0x1f, 0x8b, 8}, IMAGE_GZIP, "gzip"},          {{0x5d, 0, 0, 0x80, 0}, IMAGE_LZMA, "lzma"},
        {{0x28, 0xb5, 0x2f, 0xfd}, IMAGE_ZSTD, "zstd"}, {{0x02, 0x21, 0x4c, 0x18}, IMAGE_LZ4_LEGACY, "lz4"},
        {{0x04, 0x22, 0x4d, 0x18}, IMAGE_LZ4, "lz4"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        size_t bytes;
        u8 *file = make_bzimage(known[i].start, sizeof(known[i].start), true, 0x10000, &bytes);

        assert_int_equal(image_probe(file, bytes, &src, &why), 0);
        assert_int_equal(src.compression, known[i].compression);
        assert_string_equal(image_compression_name(src.compression), known[i].name);
        assert_true(src.arena_bytes > 0);
        free(file);
    }
}

static void a_bare_elf_image_needs_no_decoder(void **state)
{
    static struct made_elf made;
    struct elf_recipe r = plain_recipe();
    u8 *copy;
    size_t peak = 1;

    make_elf(&made, &r);
    assert_int_equal(image_probe(made.bytes, made.size, &src, &why), 0);
    assert_false(src.bzimage);
    assert_int_equal(src.compression, IMAGE_PLAIN);
    assert_int_equal(src.arena_bytes, 0);
    assert_int_equal(src.image_bytes, made.size);
    copy = malloc(made.size);
    assert_int_equal(image_decompress(&src, copy, NULL, 0, &peak, &why), 0);
    assert_memory_equal(copy, made.bytes, made.size);
    assert_int_equal(peak, 0);
    free(copy);
}

static void other_files_are_refused(void **state)
{
    u8 file[1024] = {'P', 'K', 3, 4};

    assert_int_equal(image_probe(file, sizeof(file), &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "neither a Linux bzImage nor an ELF image: it starts with 50 4b 03 04"));
    assert_int_equal(image_probe(file, 51, &src, &why), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "too short"));
    assert_int_equal(image_probe(file, 0, &src, &why), -XEN_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_payload_of_a_bzimage_is_found),
        cmocka_unit_test(zero_setup_sectors_mean_four),
        cmocka_unit_test(an_old_boot_protocol_is_refused),
        cmocka_unit_test(a_payload_outside_the_file_is_refused),
        cmocka_unit_test(a_payload_shorter_than_its_magic_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_decompressed_size_that_is_no_kernels_is_refused),
        cmocka_unit_test(compressions_without_a_library_are_named),
        cmocka_unit_test(magic_numbers_tell_the_compression),
        cmocka_unit_test(a_bare_elf_image_needs_no_decoder),
        cmocka_unit_test(other_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
