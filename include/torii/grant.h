/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables (public/grant_table.h), version 1: pages a domain lets others map or copy. A table has the shared
 * entries its owner writes, Torii's record of which of them are in use, and the mappings the owner has of other
 * domains' grants.
 */
#ifndef TORII_GRANT_H
#define TORII_GRANT_H

#include <torii/types.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

struct domain;

/* What a domain gets when its creator names no limits; the ABI's customary values. */
#define GRANT_FRAMES_DEFAULT    64
#define MAPTRACK_FRAMES_DEFAULT 1024

/* Create d's table with one frame. Limits are in frames; more shared frames than the default are cut to it. 0 or
 * -XEN_ENOMEM. */
int grant_domain_init(struct domain *d, unsigned max_frames, unsigned max_maptrack_frames);
/* Drop every mapping d has, hide its frames, clear entries nobody uses. No lock held, no vCPU of d runs. */
void grant_domain_reset(struct domain *d);
/* The same, and free the table. No other domain has a grant of d's in use. */
void grant_domain_free(struct domain *d);

unsigned grant_max_frames(const struct domain *d);
/* What the status frames of a version 2 table would need; never 0. */
unsigned grant_max_status_frames(const struct domain *d);
unsigned grant_nr_frames(const struct domain *d);
/* Mappings d has of others' grants. */
u64 grant_nr_maps(const struct domain *d);

/*
 * Shared frame idx, growing the table up to it: its machine frame, and where d remembers at which of its own gfns it
 * shows (INVALID_GFN: nowhere). 0, -XEN_EINVAL beyond the limit, -XEN_ENOMEM.
 */
int grant_frame(struct domain *d, u64 idx, mfn_t *mfn, gfn_t **place);
/* What d had at gfn is gone; if it was a grant frame, remember that it shows nowhere. d's lock is held. */
void grant_frame_forget(struct domain *d, gfn_t gfn);

/*
 * Use grant `ref` of rd on behalf of domain `who`: marks the shared entry and pins the page. GNTST_okay and the page's
 * direct-map address, or another GNTST_ code. Each success is undone by grant_unpin with the same `write`.
 */
int grant_pin(struct domain *rd, grant_ref_t ref, domid_t who, bool write, void **page);
void grant_unpin(struct domain *rd, grant_ref_t ref, bool write);

/* Exchange two entries of d's. GNTST_okay, GNTST_bad_gntref, GNTST_eagain (one is in use). */
int grant_swap(struct domain *d, grant_ref_t a, grant_ref_t b);

/* Debug console. */
void grant_dump(const struct domain *d);

#endif
