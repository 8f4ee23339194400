/* SPDX-License-Identifier: BSD-2-Clause */
/* Walking AML without running it (ACPI 6.5 §20.2): which objects a table defines, under which names. */
#ifndef TORII_ACPI_AML_SCAN_H
#define TORII_ACPI_AML_SCAN_H

#include <torii/types.h>

#define AML_SEGMENTS_MAX 16

/* An absolute path; no segments: the root. */
struct aml_name {
    u8 nr;
    char segment[AML_SEGMENTS_MAX][4];
};

#define AML_PATH_BYTES (2 + 5 * AML_SEGMENTS_MAX)

enum aml_definition_kind {
    AML_DEFINES_PROCESSOR,
    AML_DEFINES_DEVICE,
    AML_DEFINES_NAME,
    AML_DEFINES_METHOD,
    AML_DEFINES_REGION,
};

/* Offsets count from the first byte of the stream. */
struct aml_definition {
    enum aml_definition_kind kind;
    const struct aml_name *name;
    size_t opcode;   /* where its opcode begins */
    size_t body;     /* PROCESSOR: its first byte behind the name; NAME: the value's opcode */
    u8 processor_id; /* PROCESSOR */
    u32 p_blk;       /* PROCESSOR: its block of ports, 0: none */
    bool is_integer; /* NAME: a plain integer, in `integer`; REGION: start and length are, in `integer` and `length` */
    bool is_string;  /* NAME: a string; `string` is the offset of its first character */
    u64 integer, length;
    u8 space; /* REGION: its address space */
    size_t string;
};

typedef void aml_visit_fn(void *ctx, const struct aml_definition *d);

/*
 * Call visit for every definition in the term list, method bodies left out: they define things only when they run. A
 * definition comes before those inside it. True if every byte was understood; false and *at, where not: what was
 * visited until then means nothing. Pure; time grows with bytes.
 */
bool aml_scan(const u8 *aml, size_t bytes, aml_visit_fn *visit, void *ctx, size_t *at);

bool aml_name_equal(const struct aml_name *a, const struct aml_name *b);
/* Is b directly below a? */
bool aml_name_is_child(const struct aml_name *a, const struct aml_name *b);
/* As ASL writes it: \_SB.CPUS.C000, padding left out. Bytes without the terminating NUL. */
size_t aml_name_print(const struct aml_name *name, char text[AML_PATH_BYTES]);

#endif
