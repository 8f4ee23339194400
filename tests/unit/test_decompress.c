/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/image.c src/domain/decompress.c src/domain/libc_shim.c src/domain/lzma_crc64.c src/core/refusal.c tests/unit/make_images.c */
/* libs: -lz -llzma -lzstd -llz4 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <lz4.h>
#include <lz4frame.h>
#include <lz4hc.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <torii/errno.h>
#include <torii/image.h>
#include <torii/libc_arena.h>

#include "make_images.h"

#define SMALL_BYTES 6000u
#define LARGE_BYTES (17u << 20) /* three blocks of legacy lz4 */
#define ARENA_MAX   (80u << 20)
#define PACKED_MAX  (LARGE_BYTES + (1u << 20))

static struct image_source src;
static struct refusal why;
static u8 *plain, *stream, *arena_end;
static size_t stream_bytes;

/* Code-like contents: compressible, with calls for the BCJ filter, and not all the same. */
static void fill_plain(void)
{
    u32 x = 12345;

    for (size_t i = 0; i < LARGE_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        plain[i] = i % 16 == 0 ? 0xe8 : i % 16 < 5 ? (u8)(i >> 12) : i % 16 < 7 ? x >> 24 : (u8)(i * 3);
    }
}

static int setup(void **state)
{
    plain = malloc(LARGE_BYTES);
    stream = malloc(PACKED_MAX);
    arena_end = (u8 *)malloc(ARENA_MAX) + ARENA_MAX;
    fill_plain();
    return 0;
}

static int teardown(void **state)
{
    free(plain);
    free(stream);
    free(arena_end - ARENA_MAX);
    return 0;
}

static void pack_gzip(size_t n)
{
    z_stream z = {.next_in = plain, .avail_in = n, .next_out = stream, .avail_out = PACKED_MAX};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    stream_bytes = z.total_out;
    deflateEnd(&z);
}

static void pack_xz_with(size_t n, lzma_check check, u32 dict)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {{LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};

    assert_false(lzma_lzma_preset(&options, 1));
    options.dict_size = dict;
    stream_bytes = 0;
    assert_int_equal(lzma_stream_buffer_encode(filters, check, NULL, plain, n, stream, &stream_bytes, PACKED_MAX),
                     LZMA_OK);
}

/* As Debian's 6.1 kernel. */
static void pack_xz(size_t n)
{
    pack_xz_with(n, LZMA_CHECK_CRC32, 32u << 20);
}

static void pack_lzma(size_t n)
{
    lzma_options_lzma options;
    lzma_stream s = LZMA_STREAM_INIT;

    assert_false(lzma_lzma_preset(&options, 1));
    assert_int_equal(lzma_alone_encoder(&s, &options), LZMA_OK);
    s.next_in = plain;
    s.avail_in = n;
    s.next_out = stream;
    s.avail_out = PACKED_MAX;
    assert_int_equal(lzma_code(&s, LZMA_FINISH), LZMA_STREAM_END);
    stream_bytes = s.total_out;
    lzma_end(&s);
}

static void pack_zstd_with(size_t n, int window_log, int content_size)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_inBuffer in = {plain, n, 0};
    ZSTD_outBuffer out = {stream, PACKED_MAX, 0};

    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, content_size);
    /* Fed in two steps, so that the encoder does not know the size and keeps the window. */
    in.size = n / 2;
    assert_false(ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_continue)));
    in.size = n;
    assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    stream_bytes = out.pos;
    ZSTD_freeCCtx(c);
}

/* As Debian's 6.12 kernel. */
static void pack_zstd(size_t n)
{
    pack_zstd_with(n, 27, 0);
}

static void pack_lz4_legacy(size_t n)
{
    stream_bytes = 0;
    memcpy(stream, "\x02\x21\x4c\x18", 4);
    stream_bytes = 4;
    for (size_t at = 0; at < n; at += 8u << 20) {
        size_t block = n - at < 8u << 20 ? n - at : 8u << 20;
        u32 packed_bytes = LZ4_compress_default((char *)plain + at, (char *)stream + stream_bytes + 4, block,
                                                PACKED_MAX - stream_bytes - 4);

        assert_true(packed_bytes);
        memcpy(stream + stream_bytes, &packed_bytes, 4);
        stream_bytes += 4 + packed_bytes;
    }
}

static void pack_lz4(size_t n)
{
    LZ4F_preferences_t p = {
        .frameInfo = {.blockSizeID = LZ4F_max4MB, .contentChecksumFlag = LZ4F_contentChecksumEnabled}};

    stream_bytes = LZ4F_compressFrame(stream, PACKED_MAX, plain, n, &p);
    assert_false(LZ4F_isError(stream_bytes));
}

static const struct {
    enum image_compression compression;
    void (*pack)(size_t n);
    bool checked; /* damage to the contents is always found */
} format[] = {
    {IMAGE_GZIP, pack_gzip, true}, {IMAGE_XZ, pack_xz, true},   {IMAGE_LZMA, pack_lzma, false},
    {IMAGE_ZSTD, pack_zstd, true}, {IMAGE_LZ4, pack_lz4, true}, {IMAGE_LZ4_LEGACY, pack_lz4_legacy, false},
};

/*
 * Probe and decode the first `bytes` of the stream as a bzImage's payload that claims `length`; all blocks are exactly
 * as large as they say, so that ASan sees every step beyond. *out is the result, to be freed, or NULL.
 */
static int unpack(size_t bytes, u32 length, u8 **out)
{
    size_t file_bytes, peak = 0;
    u8 *file = make_bzimage(stream, bytes, stream[0] != 0x1f, length, &file_bytes);
    int rc = image_probe(file, file_bytes, &src, &why);

    *out = NULL;
    if (!rc) {
        if (src.arena_bytes > ARENA_MAX) {
            free(file);
            return -XEN_ENOMEM;
        }
        *out = malloc(src.image_bytes);
        rc = image_decompress(&src, *out, arena_end - src.arena_bytes, src.arena_bytes, &peak, &why);
        assert_true(peak <= src.arena_bytes);
    }
    free(file);
    assert_int_equal(!!rc, !!why.line[0]);
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

static void expect_round_trip(size_t n)
{
    u8 *out;

    assert_int_equal(unpack(stream_bytes, n, &out), 0);
    assert_int_equal(src.image_bytes, n);
    assert_memory_equal(out, plain, n);
    free(out);
}

static void every_format_round_trips(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(format); i++) {
        format[i].pack(SMALL_BYTES);
        expect_round_trip(SMALL_BYTES);
        assert_int_equal(src.compression, format[i].compression);
        format[i].pack(LARGE_BYTES);
        expect_round_trip(LARGE_BYTES);
    }
}

static void a_128_mib_zstd_window_needs_no_window_memory(void **state)
{
    for (int content_size = 0; content_size < 2; content_size++) {
        pack_zstd_with(LARGE_BYTES, 27, content_size);
        expect_round_trip(LARGE_BYTES);
        assert_true(src.arena_bytes <= 1u << 20);
    }
}

static void xz_checks_of_every_kind_are_verified(void **state)
{
    lzma_check checks[] = {LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64, LZMA_CHECK_SHA256};
    u8 *out;

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        u32 check_bytes = lzma_check_size(checks[i]);

        pack_xz_with(SMALL_BYTES, checks[i], 1u << 20);
        expect_round_trip(SMALL_BYTES);
        if (!check_bytes)
            continue;
        /* Behind the block come an index of 8 bytes here and a footer of 12. */
        stream[stream_bytes - 12 - 8 - 1] ^= 1;
        assert_int_equal(unpack(stream_bytes, SMALL_BYTES, &out), -XEN_EINVAL);
    }
}

static void crc64_has_the_value_of_the_standard(void **state)
{
    const u8 text[] = "123456789";

    assert_true(lzma_crc64(text, 9, 0) == 0x995dc9bbdf1939faull);
    assert_true(lzma_crc64(text + 4, 5, lzma_crc64(text, 4, 0)) == 0x995dc9bbdf1939faull);
    assert_true(lzma_crc64(text, 0, 0) == 0);
}

static void the_arena_follows_the_dictionary(void **state)
{
    pack_xz_with(SMALL_BYTES, LZMA_CHECK_CRC32, 1u << 20);
    expect_round_trip(SMALL_BYTES);
    assert_in_range(src.arena_bytes, 1u << 20, 3u << 20);
    pack_xz_with(SMALL_BYTES, LZMA_CHECK_CRC32, 64u << 20);
    expect_round_trip(SMALL_BYTES);
    assert_in_range(src.arena_bytes, 64u << 20, 66u << 20);
}

static void every_truncation_is_an_error(void **state)
{
    u8 *out;

    for (size_t i = 0; i < ARRAY_SIZE(format); i++) {
        format[i].pack(SMALL_BYTES);
        /* gzip: the last four bytes are the length too, whatever they are then. */
        for (size_t n = 0; n < stream_bytes; n += n < 64 || n + 64 > stream_bytes ? 1 : 17)
            assert_int_not_equal(unpack(n, SMALL_BYTES, &out), 0);
    }
}

static void every_flipped_bit_is_survived_and_checksums_find_it(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(format); i++) {
        unsigned found = 0, tried = 0;

        format[i].pack(1500);
        for (size_t bit = 0; bit < stream_bytes * 8; bit += bit < 512 ? 1 : 5) {
            u8 *out;

            stream[bit / 8] ^= 1 << bit % 8;
            if (stream[bit / 8] == 0x1f || format[i].compression != IMAGE_GZIP || bit >= 16) {
                int rc = unpack(stream_bytes, 1500, &out);

                tried++;
                found += rc || memcmp(out, plain, 1500);
                /* What a checksum covers does not come out wrong. */
                assert_true(rc || !format[i].checked || !memcmp(out, plain, 1500));
                free(out);
            }
            stream[bit / 8] ^= 1 << bit % 8;
        }
        assert_true(found > tried / 2);
    }
}

static void a_wrong_decompressed_size_is_an_error(void **state)
{
    u8 *out;

    for (size_t i = 0; i < ARRAY_SIZE(format); i++) {
        format[i].pack(SMALL_BYTES);
        if (format[i].compression == IMAGE_GZIP) {
            stream[stream_bytes - 4]++;
            assert_int_equal(unpack(stream_bytes, 0, &out), -XEN_EINVAL);
            stream[stream_bytes - 4] -= 2;
            assert_int_equal(unpack(stream_bytes, 0, &out), -XEN_EINVAL);
            continue;
        }
        assert_int_equal(unpack(stream_bytes, SMALL_BYTES + 1, &out), -XEN_EINVAL);
        assert_int_equal(unpack(stream_bytes, SMALL_BYTES - 1, &out), -XEN_EINVAL);
        assert_int_equal(unpack(stream_bytes, 100, &out), -XEN_EINVAL);
    }
}

static void an_arena_too_small_is_said_and_never_left(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(format); i++) {
        size_t file_bytes, arena_bytes = 256;
        u8 *file, *out = malloc(SMALL_BYTES), *arena = malloc(arena_bytes);

        format[i].pack(SMALL_BYTES);
        file = make_bzimage(stream, stream_bytes, stream[0] != 0x1f, SMALL_BYTES, &file_bytes);
        assert_int_equal(image_probe(file, file_bytes, &src, &why), 0);
        if (format[i].compression != IMAGE_LZ4_LEGACY) {
            assert_int_equal(image_decompress(&src, out, arena, arena_bytes, NULL, &why), -XEN_ENOMEM);
            assert_non_null(strstr(why.line, "needs more than"));
        } else {
            assert_int_equal(image_decompress(&src, out, NULL, 0, NULL, &why), 0);
        }
        free(arena);
        free(out);
        free(file);
    }
}

static void headers_that_ask_for_too_much_memory_are_refused(void **state)
{
    u32 dict = 0x7fffffff;
    u8 *out;

    pack_lzma(SMALL_BYTES);
    memcpy(stream + 1, &dict, 4);
    stream[1] = stream[2] = 0; /* the magic number */
    assert_int_equal(unpack(stream_bytes, SMALL_BYTES, &out), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "dictionary"));
}

static void concatenated_legacy_lz4_streams_are_joined(void **state)
{
    pack_lz4_legacy(SMALL_BYTES);
    memcpy(stream + stream_bytes, stream, stream_bytes);
    stream_bytes *= 2;
    memcpy(plain + SMALL_BYTES, plain, SMALL_BYTES);
    expect_round_trip(2 * SMALL_BYTES);
    fill_plain();
}

static void a_gzipped_elf_image_is_accepted(void **state)
{
    static struct made_elf made;
    struct elf_recipe r = plain_recipe();
    u8 *arena = malloc(1u << 20), *out = malloc(MADE_BYTES_MAX);

    make_elf(&made, &r);
    memcpy(plain, made.bytes, made.size);
    pack_gzip(made.size);
    fill_plain();
    assert_int_equal(image_probe(stream, stream_bytes, &src, &why), 0);
    assert_int_equal(src.compression, IMAGE_GZIP);
    assert_false(src.bzimage);
    assert_int_equal(src.image_bytes, made.size);
    assert_int_equal(image_decompress(&src, out, arena, 1u << 20, NULL, &why), 0);
    assert_memory_equal(out, made.bytes, made.size);
    free(arena);
    free(out);
}

static void the_arena_reuses_what_is_freed_from_the_top(void **state)
{
    u8 *block = malloc(1024 + 1);
    void *a, *b, *c;

    libc_arena_set(block + 1, 1024);
    a = libc_arena_alloc(100);
    b = libc_arena_alloc(100);
    c = libc_arena_alloc(100);
    assert_non_null(c);
    assert_int_equal((uintptr_t)a % 16, 0);
    assert_int_equal((uintptr_t)b % 16, 0);
    libc_arena_free(b); /* not on top: comes back when c does */
    assert_null(libc_arena_alloc(800));
    libc_arena_free(c);
    assert_ptr_equal(libc_arena_alloc(100), b);
    assert_null(libc_arena_alloc(SIZE_MAX));
    assert_null(libc_arena_alloc(SIZE_MAX - 20));
    libc_arena_free(NULL);
    assert_true(libc_arena_peak() >= 300 && libc_arena_peak() <= 1024);
    libc_arena_set(NULL, 0);
    assert_null(libc_arena_alloc(0));
    assert_int_equal(libc_arena_peak(), 0);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_round_trips),
        cmocka_unit_test(a_128_mib_zstd_window_needs_no_window_memory),
        cmocka_unit_test(xz_checks_of_every_kind_are_verified),
        cmocka_unit_test(crc64_has_the_value_of_the_standard),
        cmocka_unit_test(the_arena_follows_the_dictionary),
        cmocka_unit_test(every_truncation_is_an_error),
        cmocka_unit_test(every_flipped_bit_is_survived_and_checksums_find_it),
        cmocka_unit_test(a_wrong_decompressed_size_is_an_error),
        cmocka_unit_test(an_arena_too_small_is_said_and_never_left),
        cmocka_unit_test(headers_that_ask_for_too_much_memory_are_refused),
        cmocka_unit_test(concatenated_legacy_lz4_streams_are_joined),
        cmocka_unit_test(a_gzipped_elf_image_is_accepted),
        cmocka_unit_test(the_arena_reuses_what_is_freed_from_the_top),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
