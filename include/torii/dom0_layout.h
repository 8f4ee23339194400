/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dom0's guest-physical memory: the map it is shown, and where its kernel, initrd and hvm_start_info go in it. Plans
 * only: nothing here touches memory except through a struct gpa_sink.
 */
#ifndef TORII_DOM0_LAYOUT_H
#define TORII_DOM0_LAYOUT_H

#include <torii/e820.h>
#include <torii/image.h>
#include <torii/refusal.h>

struct paddr_range {
    paddr_t start;
    u64 size; /* bytes */
};

/*
 * Linux copies the map into 128 slots without checking and appends one entry of its own, so there is room for no more.
 */
#define DOM0_MEMMAP_MAX 126

struct dom0_memmap {
    struct e820 map;    /* sorted, no overlaps, RAM in whole pages, at most DOM0_MEMMAP_MAX entries */
    u64 ram_bytes;      /* RAM that is Dom0's, without the ACPI area */
    paddr_t acpi_start; /* pages for the tables Torii builds, typed ACPI; 0 if none were asked for */
    unsigned absorbed;  /* entries given up to stay within DOM0_MEMMAP_MAX */
    u64 absorbed_bytes; /* their RAM, lost to Dom0 */
};

/*
 * Dom0's map from the machine's (canonical, see e820_sanitize): Torii's ranges and RAM beyond dom0_bytes (0: no limit,
 * counted from the bottom) become UNUSABLE, so that Dom0 puts no BARs there; Torii's pages below 1 MiB become RESERVED;
 * RAM is cut to whole pages; the rest stays. acpi_pages come off the top of Dom0's highest RAM that lies below 4 GiB
 * and above 1 MiB. Boot only. 0, -XEN_ENOMEM (no RAM for the tables, or none at all) or -XEN_E2BIG, and the reason.
 */
int dom0_memmap_build(const struct e820 *host, const struct paddr_range *torii, unsigned nr_torii, u64 dom0_bytes,
                      unsigned acpi_pages, struct dom0_memmap *out, struct refusal *why);

/*
 * Xen's dom0_mem=: a list of <size>, min:<size>, max:<size> separated by commas; a negative size means all of
 * host_bytes but that much, and <percent>% of host_bytes may stand for a size or follow one after '+'. *bytes is the
 * result, whole pages and never above host_bytes; without <size>, or with an empty or NULL value, it is host_bytes cut
 * to max. False if value is not of that form, or comes to nothing; *bytes is host_bytes then.
 */
bool parse_dom0_mem(const char *value, u64 host_bytes, u64 *bytes);

struct dom0_request {
    const struct e820 *map; /* struct dom0_memmap.map */
    const struct elf_image *kernel;
    bool has_initrd;
    u64 initrd_bytes;
    const char *cmdline, *initrd_cmdline; /* may be empty, not NULL */
    paddr_t rsdp;
    /* Where the planned places must not be, except the kernel's: what is still to be read while they are filled. */
    const struct paddr_range *avoid;
    unsigned nr_avoid;
};

/* Guest-physical addresses. In ascending order if at all possible: FreeBSD takes start_info for the highest object. */
struct dom0_layout {
    u64 delta;                /* added to every address of the kernel image, modulo 2^64 */
    gpa_t kernel, kernel_end; /* [kernel, kernel_end) */
    u32 entry;
    gpa_t initrd; /* page aligned; 0 if none */
    gpa_t cmdline, initrd_cmdline, modlist, memmap;
    gpa_t start_info; /* page aligned, RAM follows */
};

/* Choose the places. 0, or -XEN_ENOMEM and the reason, which names what stands in the way. */
int dom0_layout_plan(const struct dom0_request *req, struct dom0_layout *out, struct refusal *why);
/* Write command lines, module list, memory map and hvm_start_info. 0 or the sink's error. */
int dom0_start_info_write(const struct dom0_request *req, const struct dom0_layout *at, const struct gpa_sink *sink);

#endif
