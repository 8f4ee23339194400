/* SPDX-License-Identifier: BSD-2-Clause */
/* A firmware for tests: tables laid out in fake machine memory. */
#ifndef TORII_TESTS_FIRMWARE_H
#define TORII_TESTS_FIRMWARE_H

#include <torii/types.h>

#define FW_TABLES       0x7fe0000u /* tables are placed from here on */
#define FW_TABLES_BYTES 0x20000u
#define FW_BIOS         0xe0000u
#define FW_BIOS_BYTES   0x20000u
#define FW_LOW_BYTES    0x1000u
#define FW_EBDA         0x9fc00u
#define FW_EBDA_BYTES   0x400u

/* Empty memory, no loader information, nothing in any root table. */
void fw_reset(void);
/* Pointer into the fake memory. */
void *fw_at(u32 pa);
/* Write a table with a good checksum; body follows the 36-byte header. Its address. */
u32 fw_table(const char *signature, u8 revision, const void *body, size_t bytes);
/* The same, and list it in the root table. */
u32 fw_listed(const char *signature, u8 revision, const void *body, size_t bytes);
void fw_list(u64 address);
/* Room for something that is no table. */
u32 fw_room(size_t bytes, size_t align);
/* Make bytes add up to 0 by changing *checksum among them. */
void fw_sum(void *p, size_t bytes, u8 *checksum);
/* Close: RSDT (and XSDT if revision is 2 or more) of what is listed, and an RSDP at pa. */
void fw_finish(u8 revision, u32 pa);
/* An RSDP only. */
void fw_rsdp(u32 pa, u8 revision, u32 rsdt, u64 xsdt);
/* Address of the last RSDT and XSDT fw_finish made. */
extern u32 fw_rsdt, fw_xsdt;

#endif
