#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fetch-qemu.sh 10.0: QEMU of bookworm-backports beside the installed one, unpacked with the libraries it lacks.
# Prints the path of a wrapper that runs it with its own firmware folders.
. "$(dirname "$0")/lib.sh"

version=${1:?usage: fetch-qemu.sh 10.0}
[ "$version" = 10.0 ] || die "unknown QEMU $version: 10.0 is known (7.2 is the installed one)"
dir=$BUILD/qemu-$version
suite=$CODENAME-backports

# What an installation would add to this system: exactly the packages to unpack.
additions()
{
    APT_STATUS=/var/lib/dpkg/status apt_in "$suite" apt-get install -s --no-install-recommends -t "$suite" \
        qemu-system-x86 | awk '/^Inst / { v = $0; sub(/.*\(/, "", v); sub(/[ )].*/, "", v); print $2 "=" v }'
}

wrapper()
{
    cat <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
lib=$here/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH="$lib:$here/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" QEMU_MODULE_DIR="$lib/qemu"
roms=$here/usr/lib/ipxe/qemu
[ -d "$roms" ] || roms=/usr/lib/ipxe/qemu
bios=$here/usr/share/seabios
[ -d "$bios" ] || bios=/usr/share/seabios
exec "$here/usr/bin/qemu-system-x86_64" -L "$here/usr/share/qemu" -L "$bios" -L "$roms" "$@"
END
}

fetch()
{
    local pkgs
    [ ! -x "$dir/qemu-system-x86_64" ] || return 0
    apt_ready "$suite"
    mapfile -t pkgs < <(additions)
    [ ${#pkgs[@]} -gt 0 ] || die "nothing to unpack: is QEMU $version the installed one?"
    rm -rf "$dir" "$dir.new"
    apt_unpack "$suite" "$dir.new" "${pkgs[@]}"
    wrapper >"$dir.new/qemu-system-x86_64"
    chmod +x "$dir.new/qemu-system-x86_64"
    "$dir.new/qemu-system-x86_64" --version >&2
    mv "$dir.new" "$dir"
}

with_lock qemu fetch
echo "$dir/qemu-system-x86_64"
