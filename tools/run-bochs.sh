#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-bochs.sh: boot a Linux kernel under Torii in Bochs, which has VMX with EPT, and kinds of SVM that QEMU has not.
# The serial line goes to standard output; ends with 0 if the machine powered itself off. Settings from the environment:
#   MODEL=corei7_sandy_bridge_2600k    processor (bochs --help cpu lists them)      CPUS=1 MEM=1024
#   KERNEL=6.1|6.12|7.2|FILE INITRD=FILE CMDLINE=WORDS TORII_ARGS=WORDS IMAGE=FILE   as in run-qemu.sh
#   LIMIT=300                          seconds until it is killed                    ISO=FILE   boot from this instead
#   DIR=build/bochs/MODEL-CPUS         for serial.log, bochs.log and what else is needed
. "$(dirname "$0")/lib.sh"

MODEL=${MODEL:-corei7_sandy_bridge_2600k} CPUS=${CPUS:-1} MEM=${MEM:-1024} KERNEL=${KERNEL:-6.1} LIMIT=${LIMIT:-300}
ISO=${ISO:-}
DIR=${DIR:-$BUILD/bochs/$MODEL-$CPUS}
command -v bochs >/dev/null || die "bochs is missing: make deps"

# Decompression by an emulated CPU takes longer than the boot: the Dom0 kernel goes in as a bare ELF image.
plain_kernel()
{
    local packed=$1 out
    out=$BUILD/bochs/$(echo "$packed" | cksum | cut -d' ' -f1).elf
    [ -x "$BUILD/image-info" ] || make -s -C "$ROOT" BUILD="$BUILD" "$BUILD/image-info" >&2
    if [ ! "$out" -nt "$packed" ]; then
        "$BUILD/image-info" "$packed" "$out.$$" >/dev/null || die "no kernel: $packed"
        mv "$out.$$" "$out"
    fi
    echo "$out"
}

mkdir -p "$DIR" "$BUILD/bochs"
case $KERNEL in
6.1 | 6.1-cloud | 6.12 | 7.2) KERNEL=$("$ROOT/tools/fetch-kernel.sh" "$KERNEL")/vmlinuz ;;
esac
if [ -z "$ISO" ]; then
    ISO=$DIR/boot.iso
    KERNEL=$(with_lock bochs-kernel plain_kernel "$KERNEL") GRUB_TIMEOUT=0 "$ROOT/tools/make-iso.sh" "$ISO"
fi

# Without "sync" guest time follows executed instructions, so a slow host delays nothing but the end.
cat >"$DIR/bochsrc" <<END
config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
megs: $MEM
cpu: model=$MODEL, count=$CPUS, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
boot: cdrom
ata0-master: type=cdrom, path=$ISO, status=inserted
clock: sync=none, time0=1700000000
com1: enabled=1, mode=file, dev=$DIR/serial.log
panic: action=fatal
sound: driver=dummy
port_e9_hack: enabled=1
END
# Debian's has its debugger built in, which wants to be told to go on.
printf 'continue\nquit\n' >"$DIR/commands"
: >"$DIR/serial.log"

# It ignores SIGTERM, and a CPU halted for good spins: that is the end, too.
TERM=vt100 timeout -s KILL "$LIMIT" bochs -q -f "$DIR/bochsrc" -rc "$DIR/commands" </dev/null >"$DIR/bochs.log" 2>&1 &
bochs=$!
# The terminal it draws on is its own; when nobody reads that, it stops in the middle.
(
    until terminal=$(sed -n 's/^Bochs connected to screen "\(.*\)"/\1/p' "$DIR/bochs.log") && [ -n "$terminal" ]; do
        kill -0 $bochs || exit
        sleep 0.1
    done
    exec cat "$terminal"
) >/dev/null 2>&1 &
drain=$!
(
    until grep -q 'CPU0.*HLT instruction with IF=0' "$DIR/bochs.log"; do
        sleep 1
    done
    kill -KILL -- -$bochs
) 2>/dev/null &
watch=$!
# timeout leads a process group; Bochs is its child's child.
trap 'kill -KILL -- -$bochs $drain $watch 2>/dev/null || true' EXIT
tail -n +1 -f --pid=$bochs "$DIR/serial.log" || true
wait $bochs || true
[ "$ISO" != "$DIR/boot.iso" ] || rm -f "$ISO"
grep -q 'soft power off' "$DIR/bochs.log" || die "no power-off; see $DIR/bochs.log"
