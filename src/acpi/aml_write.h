/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing AML (ACPI 6.5 §20.2): just the terms Torii's SSDT is made of, each in its shortest form. */
#ifndef TORII_ACPI_AML_WRITE_H
#define TORII_ACPI_AML_WRITE_H

#include "aml_scan.h"

/* Writes past size are counted and not done: a writer with size 0 measures. used > size afterwards: it did not fit. */
struct aml {
    u8 *buf;
    size_t size, used;
};

/* A term that has a length begins, and ends with aml_end(mark). Names may be paths in ASL's notation, padded or not. */
size_t aml_scope(struct aml *a, const char *path);
size_t aml_device(struct aml *a, const char *path);
/* flags: bits 2:0 arguments, bit 3 serialized. */
size_t aml_method(struct aml *a, const char *path, u8 flags);
#define AML_METHOD_SERIALIZED BIT(3)
void aml_end(struct aml *a, size_t mark);

/* Name(path, value) */
void aml_name_integer(struct aml *a, const char *path, u64 value);
void aml_name_string(struct aml *a, const char *path, const char *value);
void aml_name_buffer(struct aml *a, const char *path, const void *bytes, size_t n);

/* OperationRegion(path, SystemMemory, address, bytes) */
void aml_memory_region(struct aml *a, const char *path, u64 address, u64 bytes);
/* Field(region, ByteAcc, NoLock, Preserve) of units that are a byte each; ends with aml_end. */
size_t aml_byte_field(struct aml *a, const char *region);
void aml_byte_unit(struct aml *a, const char *segment);

/* Statements in a method: Return(path); Store(value, path); Local0 = path; If(Local0), which ends with aml_end;
 * Notify(path, Local0); path(). */
void aml_return(struct aml *a, const char *path);
void aml_store(struct aml *a, u64 value, const char *path);
void aml_load_local0(struct aml *a, const char *path);
size_t aml_if_local0(struct aml *a);
void aml_notify_local0(struct aml *a, const char *path);
void aml_call(struct aml *a, const char *path);

/* Return(object.member(Arg0, ...)) of nr_args arguments. */
void aml_return_call(struct aml *a, const struct aml_name *object, const char member[4], unsigned nr_args);

#endif
