#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch-kernel.sh VERSION: Debian's kernel 6.1 (bookworm), 6.12 (backports) or 7.2 (sid), unpacked, not installed.
# Prints the directory: vmlinuz, config and lib/modules in it.
. "$(dirname "$0")/lib.sh"

version=${1:?usage: fetch-kernel.sh 6.1|6.1-cloud|6.12|7.2}
dir=$BUILD/kernels/$version

suite_of()
{
    case $1 in
    6.1 | 6.1-cloud) echo "$CODENAME" ;;
    6.12) echo "$CODENAME-backports" ;;
    7.*) echo sid ;;
    *) die "unknown kernel $1: 6.1, 6.1-cloud, 6.12 and 7.2 are known" ;;
    esac
}

# The package that holds the image: linux-image-VERSION*-amd64, or, where that is only a frame, linux-binary-VERSION*.
package_of()
{
    local suite=$1 v=${2%-cloud} flavour=amd64 names
    [ "$v" = "$2" ] || flavour=cloud-amd64
    names=$(apt_in "$suite" apt-cache pkgnames linux- | grep -E "^linux-(image|binary)-${v//./\\.}\.[^-]*(-[0-9]+)?-$flavour\$" |
        grep -v -- '-unsigned' || true)
    names=$({ grep '^linux-binary' <<<"$names" || echo "$names"; } | sort -V | tail -1)
    [ -n "$names" ] || die "no kernel $2 in $suite"
    echo "$names"
}

# From 7.x on the modules and the rest of the image's files come in packages beside linux-binary-*.
parts_of()
{
    echo "$2"
    [ "${2#linux-binary}" != "$2" ] || return 0
    apt_in "$1" apt-cache pkgnames linux- | grep -xF -e "linux-modules-${2#linux-binary-}" \
        -e "linux-base-${2#linux-binary-}" || true
}

fetch()
{
    local suite pkg parts
    [ ! -e "$dir/vmlinuz" ] || return 0
    suite=$(suite_of "$version")
    apt_ready "$suite"
    pkg=$(package_of "$suite" "$version")
    rm -rf "$dir" "$dir.new"
    mapfile -t parts < <(parts_of "$suite" "$pkg")
    apt_unpack "$suite" "$dir.new" "${parts[@]}"
    [ -d "$dir.new/lib" ] || ln -s usr/lib "$dir.new/lib"
    release=$(basename "$(ls -d "$dir.new"/lib/modules/*)")
    for f in "$dir.new/boot/vmlinuz-$release" "$dir.new/lib/modules/$release/vmlinuz"; do
        [ ! -e "$f" ] || ln -sf "$(realpath --relative-to="$dir.new" "$f")" "$dir.new/vmlinuz"
    done
    for f in "$dir.new/boot/config-$release" "$dir.new/lib/modules/$release/config"; do
        [ ! -e "$f" ] || ln -sf "$(realpath --relative-to="$dir.new" "$f")" "$dir.new/config"
    done
    [ -e "$dir.new/vmlinuz" ] || die "$pkg holds no vmlinuz"
    mv "$dir.new" "$dir"
    say "kernel $version is $release"
}

with_lock "kernel-$version" fetch
echo "$dir"
