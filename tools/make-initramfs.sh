#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make-initramfs.sh OUT [-k KERNELDIR -m "MODULE..."] [-t DIR]: a busybox initramfs whose /init is tools/initramfs/init.
#   -k, -m  kernel modules, with what they depend on, of an unpacked kernel (see fetch-kernel.sh); /init loads them
#   -t      files for /tests; the kernel command line word torii.cmd=NAME runs one and powers off
#   -p      Debian packages (with their libraries) to unpack into it
. "$(dirname "$0")/lib.sh"

out=${1:?usage: make-initramfs.sh OUT [-k KERNELDIR -m MODULES] [-t DIR] [-p PACKAGES]}
shift
kernel='' modules='' tests='' packages=''
while getopts k:m:t:p: opt; do
    case $opt in
    k) kernel=$OPTARG ;;
    m) modules=$OPTARG ;;
    t) tests=$OPTARG ;;
    p) packages=$OPTARG ;;
    *) exit 1 ;;
    esac
done

busybox=$(command -v busybox) || die "busybox is missing: make deps"
mkdir -p "$BUILD" "$(dirname "$out")"
tree=$(mktemp -d "$BUILD/initramfs.XXXXXX")
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree"/{bin,sbin,etc,proc,sys,dev,tmp,root,run,tests,usr/bin,usr/sbin,lib/modules}
cp "$busybox" "$tree/bin/busybox"
"$busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
done
cp "$ROOT/tools/initramfs/init" "$tree/init"
cp "$ROOT/tools/initramfs/profile" "$tree/etc/profile"
chmod +x "$tree/init"
[ -z "$tests" ] || cp -R "$tests/." "$tree/tests/"

# with_dependencies RELEASE MODULE...: paths below lib/modules/RELEASE, dependencies first.
with_dependencies()
{
    local release=$1 name
    shift
    for name; do
        awk -v n="${name//-/_}" -F: '
            { p = $1; sub(/.*\//, "", p); sub(/\.ko.*/, "", p); gsub(/-/, "_", p) }
            p == n { k = split($2, d, " "); for (i = k; i > 0; i--) print d[i]; print $1; found = 1; exit }
            END { if (!found) exit 1 }' "$kernel/lib/modules/$release/modules.dep" ||
            grep -q "/${name//[-_]/[-_]}\.ko" "$kernel/lib/modules/$release/modules.builtin" ||
            die "kernel $release has no module $name"
    done | awk '!seen[$0]++'
}

if [ -n "$modules" ]; then
    release=$(basename "$(ls -d "$kernel"/lib/modules/*)")
    depmod=$(PATH=$PATH:/sbin:/usr/sbin command -v depmod) || die "kmod is missing: make deps"
    [ -s "$kernel/lib/modules/$release/modules.dep" ] || "$depmod" -b "$kernel" "$release"
    # shellcheck disable=SC2086
    with_dependencies "$release" $modules | while read -r path; do
        mkdir -p "$tree/lib/modules/$release/$(dirname "$path")"
        cp "$kernel/lib/modules/$release/$path" "$tree/lib/modules/$release/$path"
        case $path in # busybox insmod reads plain modules only
        *.xz) xz -d "$tree/lib/modules/$release/$path" ;;
        *.zst) zstd -q -d --rm "$tree/lib/modules/$release/$path" ;;
        esac
        echo "/lib/modules/$release/${path%.[xz]*}" | sed 's/\.zst$//' >>"$tree/etc/modules"
    done
fi

if [ -n "$packages" ]; then
    apt_ready "$CODENAME"
    mapfile -t all < <(apt_in "$CODENAME" apt-get install -s --no-install-recommends $packages | awk '/^Inst / { print $2 }')
    apt_unpack "$CODENAME" "$tree/pkg" "${all[@]}"
    rm -rf "$tree"/pkg/usr/share/{doc,man,locale,perl*,zoneinfo}
    cp -a "$tree"/pkg/. "$tree/" && rm -rf "$tree/pkg"
fi

(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -n -6) >"$out.$$"
mv "$out.$$" "$out"
