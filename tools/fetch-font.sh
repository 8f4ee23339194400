#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch-font.sh: the 8x16 VGA font of Debian's console-setup, for the log on a framebuffer. Prints its path.
. "$(dirname "$0")/lib.sh"

fetch()
{
    [ ! -e "$BUILD/font/vga16.psf" ] || return 0
    apt_ready "$CODENAME"
    rm -rf "$BUILD/font" "$BUILD/font.new"
    apt_unpack "$CODENAME" "$BUILD/font.new" console-setup-linux
    gzip -dc "$BUILD"/font.new/usr/share/consolefonts/Lat15-VGA16.psf.gz >"$BUILD/font.new/vga16.psf"
    rm -rf "$BUILD/font.new/usr" "$BUILD/font.new/etc" "$BUILD/font.new/lib"
    mv "$BUILD/font.new" "$BUILD/font"
}

with_lock font fetch
echo "$BUILD/font/vga16.psf"
