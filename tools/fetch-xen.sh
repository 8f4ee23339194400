#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch-xen.sh: Debian's Xen 4.17, the peer Torii is compared with, unpacked (QEMU wants the plain image). Prints its path.
. "$(dirname "$0")/lib.sh"

fetch()
{
    [ ! -e "$BUILD/xen/xen" ] || return 0
    apt_ready "$CODENAME"
    rm -rf "$BUILD/xen" "$BUILD/xen.new"
    apt_unpack "$CODENAME" "$BUILD/xen.new" xen-hypervisor-4.17-amd64
    gzip -dc "$BUILD"/xen.new/boot/xen-4.17-amd64.gz >"$BUILD/xen.new/xen"
    mv "$BUILD/xen.new" "$BUILD/xen"
}

with_lock xen fetch
echo "$BUILD/xen/xen"
