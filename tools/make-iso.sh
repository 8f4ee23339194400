#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make-iso.sh OUT: a GRUB image that starts Torii and a Dom0 kernel on BIOS and on UEFI.
# KERNEL=, INITRD=, CMDLINE=, TORII_ARGS=, IMAGE= and HV=torii|xen|none as in run-qemu.sh.
. "$(dirname "$0")/lib.sh"

out=${1:?usage: make-iso.sh OUT}
KERNEL=${KERNEL:-6.1} INITRD=${INITRD:-$BUILD/initrd.gz} IMAGE=${IMAGE:-$BUILD/torii} HV=${HV:-torii}
options="console=com1,vga com1=115200,8n1" protocol=2
if [ "$HV" = xen ]; then
    IMAGE=$("$ROOT/tools/fetch-xen.sh")
    options="console=com1 com1=115200,8n1 sync_console dom0=pvh dom0-iommu=none"
    protocol= # by the second, it asks for a graphics mode
fi
case $KERNEL in
6.1 | 6.12 | 7.2) KERNEL=$("$ROOT/tools/fetch-kernel.sh" "$KERNEL")/vmlinuz ;;
esac

# The lines of the menu entry.
boot_commands()
{
    if [ "$HV" = none ]; then
        echo "linux /boot/vmlinuz console=ttyS0,115200 ${CMDLINE:-}"
        echo "initrd /boot/initrd.gz"
    else
        echo "multiboot$protocol /boot/torii $options ${TORII_ARGS:-}"
        echo "module$protocol /boot/vmlinuz console=hvc0 ${CMDLINE:-}"
        echo "module$protocol /boot/initrd.gz"
    fi
}

tree=$(mktemp -d "$BUILD/iso.XXXXXX")
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/boot/grub"
cp -L "$IMAGE" "$tree/boot/torii"
cp -L "$KERNEL" "$tree/boot/vmlinuz"
cp -L "$INITRD" "$tree/boot/initrd.gz"

# On BIOS the VGA console of Torii needs text mode; on UEFI the framebuffer is handed over as it is.
cat >"$tree/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=${GRUB_TIMEOUT:-1}
if [ "\$grub_platform" = pc ]; then set gfxpayload=text; else insmod all_video; fi

menuentry 'Torii with Linux as Dom0' {
$(boot_commands | sed 's/^/    /')
}
END
mkdir -p "$(dirname "$out")"
log=$(mktemp "$BUILD/iso-log.XXXXXX")
grub-mkrescue -o "$out" "$tree" -- -volid TORII >"$log" 2>&1 || { cat "$log" >&2; die "grub-mkrescue failed"; }
rm -f "$log"
say "$out boots $(basename "$KERNEL") on BIOS and UEFI"
