/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest for tests of what walks its page tables and emulates its instructions: RAM, stage 2, registers, exceptions.
 */
#ifndef TORII_TESTS_FAKE_GUEST_H
#define TORII_TESTS_FAKE_GUEST_H

#include <torii/domain.h>
#include <torii/hvm.h>
#include <torii/stage2.h>
#include <torii/types.h>

/* Guest RAM is gpa 0 .. FAKE_PAGES * 4 KiB; the frame of gfn is mfn gfn + FAKE_MFN_OFFSET, so that mixing them up
 * shows. */
#define FAKE_PAGES      2048
#define FAKE_MFN_OFFSET 0x100

/* Page-table entry bits. */
#define P  0x1ull
#define W  0x2ull
#define U  0x4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define NX BIT(63)

extern u8 fake_ram[FAKE_PAGES * PAGE_SIZE];
extern u8 fake_type[FAKE_PAGES];     /* enum s2_type */
extern u8 fake_access[FAKE_PAGES];   /* S2_READ ... */
extern enum s2_type fake_type_above; /* of every gfn that is not RAM */
extern struct hvm_control fake_control;
extern struct hvm_segment fake_seg[SEG_COUNT];
extern unsigned fake_cpl;
extern struct domain fake_domain;
extern struct vcpu fake_vcpu;

extern struct fake_exception {
    unsigned count;
    u8 vector;
    bool has_error;
    u32 error;
    u64 cr2;
} fake_exception;

/* Called by s2_lookup, to change things behind the back of the code under test. */
extern void (*fake_lookup_hook)(gfn_t gfn);

/* All RAM, 64-bit mode with paging, WP and NX, an empty root table, flat segments, CPL 0, nothing injected. */
void fake_guest_reset(void);
/* The same in 32-bit protected mode without paging / real mode with zero-based segments. */
void fake_guest_flat32(void);
void fake_guest_real(void);

/* Read and write guest RAM as the test. */
u64 fake_read64(gpa_t gpa);
void fake_write64(gpa_t gpa, u64 val);
void fake_write32(gpa_t gpa, u32 val);
u32 fake_read32(gpa_t gpa);

/* Map gva to gpa in the four-level tables with `flags` at the leaf (upper levels P|W|U); returns the leaf entry's gpa.
 */
gpa_t fake_map(u64 gva, gpa_t gpa, u64 flags);

#endif
