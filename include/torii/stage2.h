/* SPDX-License-Identifier: BSD-2-Clause */
/* Stage-2 tables (NPT, EPT): guest-physical to machine, with the largest page that fits. */
#ifndef TORII_STAGE2_H
#define TORII_STAGE2_H

#include <torii/types.h>

struct domain;

/* What a guest frame is. Kept in the entry's software bits. */
enum s2_type {
    S2_NONE,    /* nothing: exits */
    S2_RAM,     /* the domain's own memory */
    S2_MMIO,    /* device memory, identity: may not be replaced by the guest */
    S2_FIXUP,   /* device memory mapped at first touch: the guest may map other things over it */
    S2_XEN,     /* a frame of Torii's shown to the guest: shared_info, grant frames, hypercall page */
    S2_GRANT,   /* another domain's frame by a grant */
    S2_GRANT_RO,
    S2_FOREIGN, /* another domain's frame by privilege */
};

#define S2_READ BIT(0)
#define S2_WRITE BIT(1)
#define S2_EXEC BIT(2)
#define S2_RWX (S2_READ | S2_WRITE | S2_EXEC)

int s2_init(struct domain *d);
void s2_free(struct domain *d);
/* Root table's machine address, for nCR3 or the EPT pointer. */
paddr_t s2_root(struct domain *d);

/* Map nr frames gfn.. to mfn..; replaces what was there (the caller flushes if it may have been mapped). 0, -XEN_ENOMEM. */
int s2_map(struct domain *d, gfn_t gfn, mfn_t mfn, u64 nr, enum s2_type type, unsigned access);
/* Make nr frames absent. The guest's TLBs still hold them until s2_flush. */
int s2_unmap(struct domain *d, gfn_t gfn, u64 nr);
/* Look up one frame: S2_NONE if absent. mfn and access may be NULL. */
enum s2_type s2_lookup(struct domain *d, gfn_t gfn, mfn_t *mfn, unsigned *access);
/* The same, and in *nr how many frames from gfn on its entry covers: all of one type, mapped in sequence. */
enum s2_type s2_lookup_run(struct domain *d, gfn_t gfn, u64 *nr);
/* Every CPU running d drops stale translations before this returns. Interrupts disabled; no lock held. */
void s2_flush(struct domain *d);
/* Entries by level: 4 KiB, 2 MiB, 1 GiB pages, and table frames. */
void s2_count(struct domain *d, u64 pages[3], u64 *tables);
/* Frames in leaves that were accessed and that were written; false if there are none, as where the processor does not
 * say. */
bool s2_used(struct domain *d, u64 *accessed, u64 *written);

#endif
