/* SPDX-License-Identifier: BSD-2-Clause */
#include <torii/atomic.h>
#include <torii/lib.h>

#include "area.h"

static void *pin_linear(const struct hcall *c, u64 gva)
{
    gpa_t gpa;

    if (guest_linear_to_gpa(c->v, gva, true, &gpa))
        return NULL;
    return guest_page_get(c->v->d, gpa >> PAGE_SHIFT);
}

/* What is there makes way; nobody writes to it any more when its pins go. */
static void area_replace(struct domain *d, void *page[2], void *fresh[2])
{
    void *old[2];

    /* The first page makes the area valid for a writer, so it comes last. */
    old[1] = atomic_xchg(&page[1], fresh[1]);
    old[0] = atomic_xchg(&page[0], fresh[0]);
    if (!old[0] && !old[1])
        return;
    guest_quiesce();
    for (unsigned i = 0; i < 2; i++)
        if (old[i])
            guest_page_put(d, old[i]);
}

void area_forget(struct domain *d, void *page[2])
{
    void *none[2] = {NULL, NULL};

    area_replace(d, page, none);
}

int area_register(const struct hcall *c, struct vcpu *v, void *page[2], u32 *offset, u64 gva, size_t bytes)
{
    u32 at = gva & (PAGE_SIZE - 1);
    void *fresh[2] = {NULL, NULL};

    if (gva) {
        fresh[0] = pin_linear(c, gva);
        if (!fresh[0])
            return -XEN_EFAULT;
        if (at + bytes > PAGE_SIZE) {
            fresh[1] = pin_linear(c, gva + bytes - 1);
            if (!fresh[1]) {
                guest_page_put(v->d, fresh[0]);
                return -XEN_EFAULT;
            }
        }
    }
    area_forget(v->d, page);
    *offset = at;
    /* Another vCPU may have registered one since. */
    area_replace(v->d, page, fresh);
    return 0;
}

void area_write(void *page[2], u32 offset, size_t at, const void *src, size_t bytes)
{
    u8 *p0 = atomic_load(&page[0]), *p1;
    size_t start = offset + at, first;

    if (!p0)
        return;
    p1 = atomic_load(&page[1]);
    first = start < PAGE_SIZE ? min(bytes, (size_t)PAGE_SIZE - start) : 0;
    if (first)
        memcpy(p0 + start, src, first);
    if (first < bytes && p1)
        memcpy(p1 + (start + first - PAGE_SIZE), (const u8 *)src + first, bytes - first);
}
