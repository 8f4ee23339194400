/* SPDX-License-Identifier: BSD-2-Clause */
/* xen_version: what the guest runs on. */
#include <torii/boot_info.h>
#include <torii/lib.h>

#include "compat.h"
#include "hcall.h"

#ifndef TORII_BUILD_DATE
#define TORII_BUILD_DATE "unrecorded" /* builds are reproducible; a packager may set it */
#endif
#ifndef TORII_CHANGESET
#define TORII_CHANGESET "unavailable"
#endif

/* Buffers stay out of the dispatch function (noinline_fn), which then needs no stack guard: XENVER_version is the ABI's
 * null call. */

/* What an unprivileged domain reads where the text is none of its business. */
static const char denied[] = "<denied>";

/* Guest types that can be created: PVH and HVM of all widths; PV ("xen-3.0-...") is not offered. */
static const char capabilities[] = "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";

/* A fixed-size text field of the ABI: NUL-padded, always terminated. */
static void set_text(char *field, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);

    memset(field, 0, size);
    memcpy(field, text, n);
}

static noinline_fn long copy_text(const struct hcall *c, size_t size, const char *text)
{
    char buf[1024];

    set_text(buf, size, text);
    return hcall_write(c, c->args[1], buf, size);
}

static noinline_fn long compile_info(const struct hcall *c)
{
    struct xen_compile_info info;

    set_text(info.compiler, sizeof(info.compiler), __VERSION__);
    set_text(info.compile_by, sizeof(info.compile_by), "torii");
    set_text(info.compile_domain, sizeof(info.compile_domain), "torii");
    set_text(info.compile_date, sizeof(info.compile_date), TORII_BUILD_DATE);
    return hcall_write(c, c->args[1], &info, sizeof(info));
}

/* No part of a guest's address space is Torii's. */
static long platform_parameters(const struct hcall *c)
{
    return hcall_write_ulong(c, c->args[1], 0, 0);
}

static noinline_fn long get_features(const struct hcall *c)
{
    struct xen_feature_info fi;

    if (hcall_read(c, &fi, c->args[1], sizeof(fi)))
        return -XEN_EFAULT;
    if (fi.submap_idx >= XENFEAT_NR_SUBMAPS)
        return -XEN_EINVAL;
    fi.submap = BIT(XENFEAT_writable_page_tables) | BIT(XENFEAT_auto_translated_physmap) |
                BIT(XENFEAT_hvm_callback_vector) | BIT(XENFEAT_hvm_safe_pvclock) |
                BIT(XENFEAT_memory_op_vnode_supported);
    fi.submap |= c->v->d->privileged ? BIT(XENFEAT_dom0) | BIT(XENFEAT_direct_mapped) : BIT(XENFEAT_not_direct_mapped);
    return hcall_write(c, c->args[1], &fi, sizeof(fi));
}

/* The toolstack's UUID of the domain; the control domain has none. */
static long guest_handle(const struct hcall *c)
{
    static const xen_domain_handle_t none;

    return hcall_write(c, c->args[1], none, sizeof(none));
}

long hypercall_xen_version(struct hcall *c)
{
    switch ((u32)c->args[0]) {
    case XENVER_version:
        return TORII_XEN_MAJOR << 16 | TORII_XEN_MINOR;
    case XENVER_extraversion:
        return copy_text(c, sizeof(xen_extraversion_t), TORII_EXTRAVERSION);
    case XENVER_compile_info:
        return compile_info(c);
    case XENVER_capabilities:
        return copy_text(c, sizeof(xen_capabilities_info_t), capabilities);
    case XENVER_changeset:
        return copy_text(c, sizeof(xen_changeset_info_t), TORII_CHANGESET);
    case XENVER_platform_parameters:
        return platform_parameters(c);
    case XENVER_get_features:
        return get_features(c);
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_guest_handle:
        return guest_handle(c);
    case XENVER_commandline:
        return copy_text(c, sizeof(xen_commandline_t), c->v->d->privileged ? boot_info.cmdline : denied);
    case XENVER_build_id:
        /* The image carries no build-id note. */
        return c->v->d->privileged ? -XEN_ENODATA : -XEN_EPERM;
    default:
        return -XEN_ENOSYS;
    }
}
