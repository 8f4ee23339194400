/* SPDX-License-Identifier: BSD-2-Clause */
/* Recognising kernel files: Linux's boot protocol (Linux documentation, x86 boot protocol 2.08 and later), bare ELF. */
#include <asm/bootparam.h>
#include <elf.h>

#include <torii/errno.h>
#include <torii/image.h>
#include <torii/lib.h>

#define HDRS_MAGIC          0x53726448u /* "HdrS" */
#define PROTOCOL_PAYLOAD    0x208       /* the first with payload_offset and payload_length */
#define SECTOR_BYTES        512u
#define SETUP_SECTS_DEFAULT 4u
#define APPENDED_BYTES      4u /* the decompressed length, little-endian, behind the payload */

struct magic {
    const char *name;
    u8 bytes;
    u8 value[6];
};

static const struct magic magics[] = {
    [IMAGE_PLAIN] = {"none", 4, {0x7f, 'E', 'L', 'F'}},    [IMAGE_GZIP] = {"gzip", 2, {0x1f, 0x8b}},
    [IMAGE_XZ] = {"xz", 6, {0xfd, '7', 'z', 'X', 'Z', 0}}, [IMAGE_LZMA] = {"lzma", 3, {0x5d, 0, 0}},
    [IMAGE_ZSTD] = {"zstd", 4, {0x28, 0xb5, 0x2f, 0xfd}},  [IMAGE_LZ4_LEGACY] = {"lz4", 4, {0x02, 0x21, 0x4c, 0x18}},
    [IMAGE_LZ4] = {"lz4", 4, {0x04, 0x22, 0x4d, 0x18}},
};

/* What Linux's build also offers and Torii links no library for. */
static const struct magic refused[] = {
    {"bzip2", 3, {'B', 'Z', 'h'}},
    {"lzo", 4, {0x89, 'L', 'Z', 'O'}},
};

static bool has_magic(const void *p, size_t bytes, const struct magic *m)
{
    return bytes >= m->bytes && !memcmp(p, m->value, m->bytes);
}

const char *image_compression_name(enum image_compression c)
{
    return magics[c].name;
}

static int find_compression(struct image_source *s, struct refusal *why)
{
    const u8 *p = s->payload;

    for (unsigned i = 0; i < ARRAY_SIZE(magics); i++) {
        if (has_magic(p, s->payload_bytes, &magics[i])) {
            s->compression = i;
            return 0;
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        if (has_magic(p, s->payload_bytes, &refused[i]))
            return refuse(why, -XEN_EINVAL,
                          "kernel is compressed with %s, which is not supported: use gzip, xz, lzma, zstd or lz4",
                          refused[i].name);
    }
    return refuse(why, -XEN_EINVAL, "kernel payload starts with %02x %02x %02x %02x: no known compression", p[0], p[1],
                  p[2], p[3]);
}

/* Compressed: take the length from the last four bytes, which only in gzip belong to the stream (RFC 1952 ISIZE). */
static int find_image_bytes(struct image_source *s, struct refusal *why)
{
    u32 length;

    if (s->compression == IMAGE_PLAIN) {
        s->image_bytes = s->payload_bytes;
        return 0;
    }
    memcpy(&length, (const u8 *)s->payload + s->payload_bytes - APPENDED_BYTES, APPENDED_BYTES);
    if (s->compression != IMAGE_GZIP)
        s->payload_bytes -= APPENDED_BYTES;
    s->image_bytes = length;
    if (length < sizeof(Elf32_Ehdr) || length > IMAGE_BYTES_MAX)
        return refuse(why, -XEN_EINVAL, "kernel says it decompresses to %u bytes: %s", length,
                      length > IMAGE_BYTES_MAX ? "over 1 GiB, the file is damaged" : "too few for a kernel");
    return image_decoder_bytes(s, &s->arena_bytes, why);
}

static int probe_bzimage(const u8 *file, size_t bytes, const struct setup_header *h, struct image_source *out,
                         struct refusal *why)
{
    u64 setup_sects = h->setup_sects ? h->setup_sects : SETUP_SECTS_DEFAULT;
    u64 offset = (setup_sects + 1) * SECTOR_BYTES + h->payload_offset;

    out->bzimage = true;
    out->protocol = h->version;
    if (h->version < PROTOCOL_PAYLOAD)
        return refuse(why, -XEN_EINVAL, "bzImage has boot protocol %u.%02u: 2.08 or later is needed", h->version >> 8,
                      h->version & 0xff);
    if (offset > bytes || h->payload_length > bytes - offset)
        return refuse(why, -XEN_EINVAL,
                      "bzImage is cut short: its payload of %u bytes at 0x%llx does not fit in a file of %llu bytes",
                      h->payload_length, (unsigned long long)offset, (unsigned long long)bytes);
    if (h->payload_length < sizeof(magics[0].value) + APPENDED_BYTES)
        return refuse(why, -XEN_EINVAL, "bzImage has a payload of only %u bytes", h->payload_length);
    out->payload = file + offset;
    out->payload_bytes = h->payload_length;
    return 0;
}

static int probe_bare(const u8 *file, size_t bytes, struct image_source *out, struct refusal *why)
{
    if (bytes < sizeof(Elf32_Ehdr))
        return refuse(why, -XEN_EINVAL, "kernel file of %llu bytes is too short to be one", (unsigned long long)bytes);
    if (!has_magic(file, bytes, &magics[IMAGE_PLAIN]) && !has_magic(file, bytes, &magics[IMAGE_GZIP]))
        return refuse(why, -XEN_EINVAL,
                      "kernel file is neither a Linux bzImage nor an ELF image: it starts with %02x %02x %02x %02x",
                      file[0], file[1], file[2], file[3]);
    out->payload = file;
    out->payload_bytes = bytes;
    return 0;
}

int image_probe(const void *file, size_t bytes, struct image_source *out, struct refusal *why)
{
    const size_t at = offsetof(struct boot_params, hdr);
    struct setup_header h;
    int rc;

    memset(out, 0, sizeof(*out));
    why->line[0] = '\0';
    if (bytes >= at + sizeof(h))
        memcpy(&h, (const u8 *)file + at, sizeof(h));
    else
        h.header = 0;
    rc = h.header == HDRS_MAGIC ? probe_bzimage(file, bytes, &h, out, why) : probe_bare(file, bytes, out, why);
    if (!rc)
        rc = find_compression(out, why);
    return rc ? rc : find_image_bytes(out, why);
}
