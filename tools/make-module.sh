#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make-module.sh SOURCE.c: builds a kernel module for the kernel of the Debian image (tools/make-debian.sh), with the
# headers Debian ships for that kernel. Prints the module's file.
. "$(dirname "$0")/lib.sh"

source=$(realpath "${1:?usage: make-module.sh SOURCE.c}")
name=$(basename "$source" .c)
release=$(cat "$("$ROOT/tools/make-debian.sh")/release")
headers=$BUILD/headers/$release
work=$BUILD/modules/$name

fetch()
{
    [ ! -e "$headers" ] || return 0
    rm -rf "$headers.new"
    apt_ready "$CODENAME"
    apt_unpack "$CODENAME" "$headers.new" "linux-headers-$release" "linux-headers-${release%-*}-common" \
        "linux-kbuild-$(cut -d. -f1-2 <<<"$release")"
    # They expect to be installed.
    sed -i "s|/usr/src|$headers/usr/src|" "$headers.new/usr/src/linux-headers-$release/Makefile"
    mv "$headers.new" "$headers"
}

build()
{
    fetch
    mkdir -p "$work"
    cp "$source" "$work/$name.c"
    echo "obj-m := $name.o" >"$work/Makefile"
    env -u MAKEFLAGS -u BUILD make -C "$headers/usr/src/linux-headers-$release" M="$work" CC=gcc modules >"$work/log" 2>&1 ||
        { cat "$work/log" >&2 && die "$name does not build"; }
}

with_lock module build
echo "$work/$name.ko"
