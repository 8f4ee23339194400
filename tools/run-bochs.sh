#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-bochs.sh: boot a Linux kernel under Torii in Bochs, which has VMX with EPT, and kinds of SVM that QEMU has not.
# The serial line is standard input and output; Ctrl-] x at a terminal ends it. Status: 0 if the machine powered itself off,
# 3 if it was reset, 4 if its boot processor halted with interrupts off, else 1.
# Settings from the environment:
#   MODEL=corei7_sandy_bridge_2600k    processor (bochs --help cpu lists them)      CPUS=1 MEM=1024
#   KERNEL=6.1|6.12|7.2|FILE INITRD=FILE CMDLINE=WORDS TORII_ARGS=WORDS IMAGE=FILE HV=torii|xen|none   as in run-qemu.sh
#   LIMIT=300                          seconds until it is killed                    ISO=FILE   boot from this instead
#   KEEP_HALTED=1                      a boot processor that halts with interrupts off may be a guest's: it goes on
#   DIR=build/bochs/MODEL-CPUS         for serial.log, bochs.log, times (CPU time) and what else is needed
. "$(dirname "$0")/lib.sh"

MODEL=${MODEL:-corei7_sandy_bridge_2600k} CPUS=${CPUS:-1} MEM=${MEM:-1024} KERNEL=${KERNEL:-6.1} LIMIT=${LIMIT:-300}
ISO=${ISO:-} KEEP_HALTED=${KEEP_HALTED:-}
DIR=${DIR:-$BUILD/bochs/$MODEL-$CPUS}
command -v bochs >/dev/null || die "bochs is missing: make deps"

# Decompression by an emulated CPU takes longer than the boot: the Dom0 kernel goes in as a bare ELF image. GRUB boots none.
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
    [ "${HV:-}" = none ] || KERNEL=$(with_lock bochs-kernel plain_kernel "$KERNEL")
    KERNEL=$KERNEL GRUB_TIMEOUT=0 "$ROOT/tools/make-iso.sh" "$ISO"
fi

rm -f "$DIR/port"
python3 "$ROOT/tools/serial-line.py" "$DIR/port" "$DIR/serial.log" <&0 &
line=$!
trap 'kill $line 2>/dev/null || true' EXIT
until [ -s "$DIR/port" ]; do
    kill -0 $line 2>/dev/null || die "no serial line"
    sleep 0.1
done
port=$(cat "$DIR/port")
sync=none
[ ! -t 0 ] || sync=slowdown

# Without "sync" guest time follows executed instructions, so a slow host delays nothing but the end. A person at a terminal
# wants seconds to last as long as they do.
cat >"$DIR/bochsrc" <<END
config_interface: textconfig
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
megs: $MEM
cpu: model=$MODEL, count=$CPUS, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
boot: cdrom
ata0-master: type=cdrom, path=$ISO, status=inserted
clock: sync=$sync, time0=1700000000
com1: enabled=1, mode=socket-client, dev=127.0.0.1:$port
panic: action=fatal
sound: driver=dummy
port_e9_hack: enabled=1
END
# Debian's has its debugger built in, which wants to be told to go on.
printf 'continue\nquit\n' >"$DIR/commands"

# It ignores SIGTERM. It never ends by itself when processors halt for good or the machine is reset.
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
halted() { [ -z "$KEEP_HALTED" ] && grep -q 'CPU0.*HLT instruction with IF=0' "$DIR/bochs.log"; }
was_reset() { [ "$(grep -c 'Reset(HARDWARE) called' "$DIR/bochs.log")" -ge 2 ]; }
(
    until halted || was_reset; do
        sleep 1
    done
    kill -KILL -- -$bochs
) 2>/dev/null &
watch=$!
# timeout leads a process group; Bochs is its child's child.
trap 'kill -KILL -- -$bochs $drain $watch $line 2>/dev/null || true' EXIT
trap 'exit 1' TERM INT HUP
wait $line || die "ended from the keyboard"
wait $bochs || true
times >"$DIR/times"
[ "$ISO" != "$DIR/boot.iso" ] || rm -f "$ISO"
if grep -q 'soft power off' "$DIR/bochs.log"; then exit 0; fi
if was_reset; then exit 3; fi
if halted; then exit 4; fi
die "no end; see $DIR/bochs.log"
