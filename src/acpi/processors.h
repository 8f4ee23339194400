/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor objects of the native namespace: found in the byte streams of its tables, and taken out of copies. */
#ifndef TORII_ACPI_PROCESSORS_H
#define TORII_ACPI_PROCESSORS_H

#include "aml_scan.h"

#define PROCESSORS_MAX 256

/* What processors have for the power management of the CPU they stand for (ACPI 6.5 §8.4). */
extern const struct processor_method {
    char name[5];
    u8 nr_args;
} processor_methods[];
#define PROCESSOR_METHODS 8

struct native_processor {
    struct aml_name name;
    bool has_id; /* a plain number */
    u32 id;
    u32 p_blk;   /* its block of ports (ACPI 6.5 §4.8.3.5); 0: none */
    u32 methods; /* bit n: has processor_methods[n] */
};

struct native_processors {
    u8 gpe_used[32]; /* bit per general purpose event that has a method */
    u16 hotplug_port; /* of QEMU's processor hotplug registers; 0: none */
    bool sure;       /* every table was understood: these are all there are */
    unsigned nr;
    struct native_processor processor[PROCESSORS_MAX];
};

/* From nothing, table by table: DSDT first, then SSDTs, as an OS loads them. */
void processors_begin(struct native_processors *p);
/* aml: behind the table's header. Clears p->sure, with a log line naming `what`, if it is not understood. Pure. */
void processors_add(struct native_processors *p, const u8 *aml, size_t bytes, const char *what);

/*
 * In a copy of a table that processors_add understood: make processors something else, at the same length. Returns how
 * many. A Processor becomes a Device without identity, an ACPI0007 device gets an identity no driver knows; what else
 * is in them and whoever refers to them stays.
 */
unsigned processors_hide(u8 *aml, size_t bytes);

/* The one with this id, or NULL. */
const struct native_processor *processors_find(const struct native_processors *p, u32 id);

#endif
