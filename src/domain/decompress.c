/* SPDX-License-Identifier: BSD-2-Clause */
/* Each library's one-shot decoding behind one call; memory only from the arena, through the libraries' own hooks. */
#include <lzma.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <lz4.h>
#define LZ4F_STATIC_LINKING_ONLY
#include <lz4frame.h>

#include <torii/errno.h>
#include <torii/image.h>
#include <torii/lib.h>
#include <torii/libc_arena.h>

/* The legacy lz4 frame (lz4_Frame_format.md, "Legacy frame"): blocks of at most 8 MiB once decompressed. */
#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_LEGACY_BLOCK (8u << 20)

/* Decoder states besides dictionaries and windows: all of them are well below this. */
#define DECODER_STATE_BYTES (1ul << 20)
#define LZ4F_BUFFER_BYTES   (9ul << 20) /* input and output of a frame's largest block, 4 MiB each, and history */

static int damaged(const struct image_source *src, struct refusal *why, const char *what)
{
    return refuse(why, -XEN_EINVAL, "kernel's %s data is damaged: %s", image_compression_name(src->compression), what);
}

static int out_of_arena(const struct image_source *src, struct refusal *why)
{
    return refuse(why, -XEN_ENOMEM, "decoding the kernel's %s data needs more than the %llu bytes set aside",
                  image_compression_name(src->compression), (unsigned long long)src->arena_bytes);
}

static int wrong_length(const struct image_source *src, struct refusal *why, u64 bytes)
{
    return refuse(why, -XEN_EINVAL, "kernel's %s data is damaged: %llu bytes came out instead of %llu",
                  image_compression_name(src->compression), (unsigned long long)bytes,
                  (unsigned long long)src->image_bytes);
}

/* --- gzip --- */

static voidpf zlib_alloc(voidpf ctx, uInt items, uInt size)
{
    (void)ctx;
    return libc_arena_alloc((size_t)items * size);
}

static void zlib_free(voidpf ctx, voidpf p)
{
    (void)ctx;
    libc_arena_free(p);
}

static int gunzip(const struct image_source *src, u8 *dst, struct refusal *why)
{
    z_stream z = {
        .zalloc = zlib_alloc,
        .zfree = zlib_free,
        .next_in = (Bytef *)src->payload,
        .avail_in = src->payload_bytes,
        .next_out = dst,
        .avail_out = src->image_bytes,
    };
    int rc;

    if (src->payload_bytes != z.avail_in)
        return damaged(src, why, "over 4 GiB");
    rc = inflateInit2(&z, 16 + MAX_WBITS); /* 16: a gzip header and trailer */
    if (rc == Z_OK) {
        rc = inflate(&z, Z_FINISH);
        inflateEnd(&z);
    }
    if (rc == Z_MEM_ERROR)
        return out_of_arena(src, why);
    if (rc != Z_STREAM_END)
        return damaged(src, why, z.msg ? z.msg : "it ends too early, or is longer than it says");
    return z.total_out == src->image_bytes ? 0 : wrong_length(src, why, z.total_out);
}

/* --- xz and lzma --- */

static void *lzma_arena_alloc(void *ctx, size_t n, size_t size)
{
    size_t total;

    (void)ctx;
    return __builtin_mul_overflow(n, size, &total) ? NULL : libc_arena_alloc(total);
}

static void lzma_arena_free(void *ctx, void *p)
{
    (void)ctx;
    libc_arena_free(p);
}

static const lzma_allocator lzma_arena = {.alloc = lzma_arena_alloc, .free = lzma_arena_free};

static int lzma_refusal(const struct image_source *src, struct refusal *why, lzma_ret rc)
{
    switch (rc) {
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR:
        return out_of_arena(src, why);
    case LZMA_OPTIONS_ERROR:
        return damaged(src, why, "it uses options liblzma does not know");
    case LZMA_DATA_ERROR:
        return damaged(src, why, "contents or checksum are wrong");
    case LZMA_FORMAT_ERROR:
        return damaged(src, why, "no such header");
    default:
        return damaged(src, why, "it ends too early, or is longer than it says");
    }
}

static int unxz(const struct image_source *src, u8 *dst, struct refusal *why)
{
    u64 memlimit = src->arena_bytes;
    size_t in = 0, out = 0;
    lzma_ret rc = lzma_stream_buffer_decode(&memlimit, 0, &lzma_arena, src->payload, &in, src->payload_bytes, dst, &out,
                                            src->image_bytes);

    if (rc != LZMA_OK)
        return lzma_refusal(src, why, rc);
    return out == src->image_bytes ? 0 : wrong_length(src, why, out);
}

static int unlzma(const struct image_source *src, u8 *dst, struct refusal *why)
{
    lzma_stream s = LZMA_STREAM_INIT;
    lzma_ret rc;
    u8 beyond;

    s.allocator = &lzma_arena;
    s.next_in = src->payload;
    s.avail_in = src->payload_bytes;
    s.next_out = dst;
    s.avail_out = src->image_bytes;
    rc = lzma_alone_decoder(&s, src->arena_bytes);
    if (rc == LZMA_OK)
        rc = lzma_code(&s, LZMA_FINISH);
    if (rc == LZMA_OK && !s.avail_out) {
        /* The end marker, which is there when the header has no length, is read only while there is room for output. */
        s.next_out = &beyond;
        s.avail_out = 1;
        rc = lzma_code(&s, LZMA_FINISH);
    }
    lzma_end(&s);
    if (rc != LZMA_STREAM_END)
        return lzma_refusal(src, why, rc);
    return s.total_out == src->image_bytes ? 0 : wrong_length(src, why, s.total_out);
}

/* An xz stream's first block names its filters, and so the dictionary's size. */
static int xz_decoder_bytes(const struct image_source *src, size_t *bytes, struct refusal *why)
{
    static lzma_filter filters[LZMA_FILTERS_MAX + 1];
    static u8 room[4096]; /* filter options, from when the arena does not exist yet */
    lzma_block block = {.version = 0, .filters = filters};
    lzma_stream_flags flags;
    const u8 *p = src->payload;
    u64 usage;

    if (src->payload_bytes <= LZMA_STREAM_HEADER_SIZE || lzma_stream_header_decode(&flags, p) != LZMA_OK)
        return damaged(src, why, "no such header");
    p += LZMA_STREAM_HEADER_SIZE;
    block.check = flags.check;
    block.header_size = lzma_block_header_size_decode(*p);
    if (!*p || src->payload_bytes - LZMA_STREAM_HEADER_SIZE < block.header_size)
        return damaged(src, why, "no block");
    libc_arena_set(room, sizeof(room));
    usage =
        lzma_block_header_decode(&block, &lzma_arena, p) == LZMA_OK ? lzma_raw_decoder_memusage(filters) : UINT64_MAX;
    libc_arena_set(NULL, 0);
    if (usage > IMAGE_BYTES_MAX)
        return damaged(src, why, "its first block has no filters that can be used");
    *bytes = usage + DECODER_STATE_BYTES;
    return 0;
}

/* The lzma header (lzma-file-format.txt): properties, dictionary size, uncompressed size. */
static int lzma_decoder_bytes(const struct image_source *src, size_t *bytes, struct refusal *why)
{
    u32 dict;

    if (src->payload_bytes < 13)
        return damaged(src, why, "no such header");
    memcpy(&dict, (const u8 *)src->payload + 1, sizeof(dict));
    if (dict > IMAGE_BYTES_MAX)
        return refuse(why, -XEN_EINVAL, "kernel's lzma data asks for a dictionary of %u bytes: over 1 GiB", dict);
    *bytes = dict + DECODER_STATE_BYTES;
    return 0;
}

/* --- zstd --- */

static void *zstd_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return libc_arena_alloc(bytes);
}

static void zstd_free(void *ctx, void *p)
{
    (void)ctx;
    libc_arena_free(p);
}

/* Decoding in one call needs no window besides the output, however large the window is. */
static int unzstd(const struct image_source *src, u8 *dst, struct refusal *why)
{
    ZSTD_customMem mem = {.customAlloc = zstd_alloc, .customFree = zstd_free};
    ZSTD_DCtx *ctx = ZSTD_createDCtx_advanced(mem);
    size_t n;

    if (!ctx)
        return out_of_arena(src, why);
    n = ZSTD_decompressDCtx(ctx, dst, src->image_bytes, src->payload, src->payload_bytes);
    ZSTD_freeDCtx(ctx);
    if (ZSTD_isError(n))
        return damaged(src, why, ZSTD_getErrorName(n));
    return n == src->image_bytes ? 0 : wrong_length(src, why, n);
}

/* --- lz4 --- */

static int unlz4_legacy(const struct image_source *src, u8 *dst, struct refusal *why)
{
    const u8 *p = src->payload, *end = p + src->payload_bytes;
    size_t out = 0;

    while (end - p >= (ptrdiff_t)sizeof(u32)) {
        u32 word;
        int n;

        memcpy(&word, p, sizeof(word));
        p += sizeof(word);
        if (word == LZ4_LEGACY_MAGIC) /* at the start, and where another stream follows */
            continue;
        if (!word || word > end - p || word > (u32)LZ4_compressBound(LZ4_LEGACY_BLOCK))
            return damaged(src, why, "a block ends beyond the payload");
        n = LZ4_decompress_safe((const char *)p, (char *)dst + out, word,
                                min(src->image_bytes - out, (size_t)LZ4_LEGACY_BLOCK));
        if (n < 0)
            return damaged(src, why, "a block's contents are wrong, or are longer than the payload says");
        p += word;
        out += n;
    }
    if (p != end)
        return damaged(src, why, "bytes are left over behind the last block");
    return out == src->image_bytes ? 0 : wrong_length(src, why, out);
}

static int unlz4_frame(const struct image_source *src, u8 *dst, struct refusal *why)
{
    LZ4F_CustomMem mem = {.customAlloc = zstd_alloc, .customFree = zstd_free};
    LZ4F_dctx *ctx = LZ4F_createDecompressionContext_advanced(mem, LZ4F_VERSION);
    const u8 *p = src->payload;
    size_t in = src->payload_bytes, out = 0, hint = 1;

    if (!ctx)
        return out_of_arena(src, why);
    while (hint && !LZ4F_isError(hint)) {
        size_t took = in, gave = src->image_bytes - out;

        hint = LZ4F_decompress(ctx, dst + out, &gave, p, &took, NULL);
        p += took;
        in -= took;
        out += gave;
        if (!took && !gave)
            break;
    }
    LZ4F_freeDecompressionContext(ctx);
    if (LZ4F_isError(hint))
        return damaged(src, why, LZ4F_getErrorName(hint));
    if (hint)
        return damaged(src, why, "it ends too early, or is longer than it says");
    return out == src->image_bytes ? 0 : wrong_length(src, why, out);
}

/* --- all --- */

int image_decoder_bytes(const struct image_source *src, size_t *bytes, struct refusal *why)
{
    switch (src->compression) {
    case IMAGE_PLAIN:
        *bytes = 0;
        return 0;
    case IMAGE_XZ:
        return xz_decoder_bytes(src, bytes, why);
    case IMAGE_LZMA:
        return lzma_decoder_bytes(src, bytes, why);
    case IMAGE_LZ4:
        *bytes = LZ4F_BUFFER_BYTES;
        return 0;
    default:
        *bytes = DECODER_STATE_BYTES;
        return 0;
    }
}

static int decode(const struct image_source *src, u8 *dst, struct refusal *why)
{
    switch (src->compression) {
    case IMAGE_PLAIN:
        memcpy(dst, src->payload, src->image_bytes);
        return 0;
    case IMAGE_GZIP:
        return gunzip(src, dst, why);
    case IMAGE_XZ:
        return unxz(src, dst, why);
    case IMAGE_LZMA:
        return unlzma(src, dst, why);
    case IMAGE_ZSTD:
        return unzstd(src, dst, why);
    case IMAGE_LZ4_LEGACY:
        return unlz4_legacy(src, dst, why);
    case IMAGE_LZ4:
        return unlz4_frame(src, dst, why);
    }
    return -XEN_EINVAL;
}

int image_decompress(const struct image_source *src, void *dst, void *arena, size_t arena_bytes, size_t *peak,
                     struct refusal *why)
{
    int rc;

    why->line[0] = '\0';
    libc_arena_set(arena, arena_bytes);
    rc = decode(src, dst, why);
    if (peak)
        *peak = libc_arena_peak();
    libc_arena_set(NULL, 0);
    return rc;
}
