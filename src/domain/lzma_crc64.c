/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * liblzma's checksum of xz streams (The .xz File Format, §6: ECMA-182, reflected). The library's own picks its
 * implementation in a constructor, and nothing runs constructors here; defined by us, the library's object stays out.
 */
#include <lzma.h>

#include <torii/types.h>

#define CRC64_POLYNOMIAL 0xc96c5795d7870f42ull

static u64 table[256];

static void fill_table(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        u64 r = i;

        for (unsigned bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1 ? CRC64_POLYNOMIAL : 0);
        table[i] = r;
    }
}

uint64_t lzma_crc64(const uint8_t *buf, size_t size, uint64_t crc)
{
    if (!table[1])
        fill_table();
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = table[(u8)crc ^ buf[i]] ^ crc >> 8;
    return ~crc;
}
