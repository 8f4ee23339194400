#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make-debian.sh: an installed Debian 12 as a disk image, from the system's own mirror. Makes, in build/debian:
#   debian.img            ext4 on the whole disk, label "debian"; root has no password on the console
#   vmlinuz, initrd.img   the kernel it installed and the initramfs it built, for the loader
#   release               that kernel's release
#   key                   the ssh key root@ is reached with, made for this image
# Prints the directory. Made once; FORCE=1 makes it anew.
. "$(dirname "$0")/lib.sh"

DIR=$BUILD/debian
SIZE=${SIZE:-2G}
PACKAGES=systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping,procps,e2fsprogs,openssh-server,initramfs-tools,zstd
PACKAGES+=,linux-image-amd64,fio,iperf3,nvme-cli,pciutils,ethtool,usbutils
# Work that would start by itself in the middle of a measurement.
UNWANTED="apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    systemd-networkd-wait-online.service nvmf-autoconnect.service e2scrub_reap.service"

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# configure TREE: what an administrator would have typed after the installation.
configure()
{
    local tree=$1 key=$2 package=$3 unit
    echo debian >"$tree/etc/hostname"
    echo "LABEL=debian / ext4 errors=remount-ro 0 1" >"$tree/etc/fstab"
    printf '[Match]\nName=en* eth*\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n' >"$tree/etc/systemd/network/all.network"
    chroot "$tree" systemctl -q enable systemd-networkd.service
    for unit in $UNWANTED; do
        chroot "$tree" systemctl -q mask "$unit"
    done
    chroot "$tree" passwd -q -d root
    chroot "$tree" systemd-machine-id-setup >/dev/null
    printf 'PermitRootLogin prohibit-password\nUseDNS no\n' >"$tree/etc/ssh/sshd_config.d/torii.conf"
    install -d -m 700 "$tree/root/.ssh"
    install -m 600 "$key" "$tree/root/.ssh/authorized_keys"
    # A package to be installed from a local file.
    install -m 644 "$package" "$tree/root/hello.deb"
}

build()
{
    [ "${FORCE:-0}" = 1 ] || [ ! -e "$DIR/debian.img" ] || return 0
    rm -rf "$DIR.new" && mkdir -p "$DIR.new"
    ssh-keygen -q -t ed25519 -N '' -C torii-test -f "$DIR.new/key"
    apt_ready "$CODENAME"
    (cd "$DIR.new" && apt_in "$CODENAME" apt-get download -qq hello >&2) || die "download failed: hello"
    say "installing $CODENAME into a directory; this takes some minutes"
    as_root mmdebstrap --mode=root --variant=minbase --include="$PACKAGES" \
        --aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$CODENAME" "$DIR.new/tree" "$BUILD/apt/$CODENAME/sources.list" >"$DIR.new/log" 2>&1 ||
        { tail -20 "$DIR.new/log" >&2 && die "mmdebstrap failed"; }
    as_root env UNWANTED="$UNWANTED" bash -euc "$(declare -f configure); configure \"\$@\"" configure \
        "$DIR.new/tree" "$DIR.new/key.pub" "$DIR.new"/hello_*.deb
    as_root cp -L "$DIR.new/tree/vmlinuz" "$DIR.new/tree/initrd.img" "$DIR.new/"
    ls "$DIR.new/tree/lib/modules" >"$DIR.new/release"
    as_root mke2fs -q -t ext4 -L debian -d "$DIR.new/tree" "$DIR.new/debian.img" "$SIZE"
    as_root rm -rf "$DIR.new/tree"
    as_root chown -R "$(id -u):$(id -g)" "$DIR.new"
    rm -rf "$DIR" && mv "$DIR.new" "$DIR"
}

with_lock debian build
echo "$DIR"
