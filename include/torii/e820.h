/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on memory maps (struct e820, boot_info.h). */
#ifndef TORII_E820_H
#define TORII_E820_H

#include <torii/boot_info.h>

/*
 * Make a map from firmware or a loader canonical: sorted, without overlaps (where entries overlap the higher type
 * number, which is the more restrictive, wins), touching entries of one type joined, entries of size 0 or reaching past
 * 2^64 dropped, type 0 read as reserved. Boot only: works in a static buffer. 0, or -XEN_E2BIG when more than E820_MAX
 * entries would result; the map then holds the lowest ones.
 */
int e820_sanitize(struct e820 *map);

/* Give [start, end) the type, whatever was there; map canonical before and after. 0, or -XEN_E2BIG with map unchanged.
 */
int e820_set(struct e820 *map, u64 start, u64 end, u32 type);
/* The same for those parts of [start, end) that have the type `from`. */
int e820_convert(struct e820 *map, u64 start, u64 end, u32 from, u32 to);

/* The entry that covers address, or NULL. */
const struct e820_entry *e820_find(const struct e820 *map, u64 address);
/* Does every byte of [start, end) have the type? */
bool e820_covers(const struct e820 *map, u64 start, u64 end, u32 type);
/* Sum of the entries of a type, bytes. */
u64 e820_bytes(const struct e820 *map, u32 type);
/* "RAM", "reserved", ... */
const char *e820_type_name(u32 type);

#endif
