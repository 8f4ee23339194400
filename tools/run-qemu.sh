#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run-qemu.sh: boot a Linux kernel under Torii in QEMU; also on bare QEMU and under Debian's Xen, to compare.
# All settings come from the environment:
#   HV=torii|xen|none   who runs the kernel                      KERNEL=6.1|6.12|7.2|FILE|none   INITRD=FILE
#   CMDLINE=WORDS       the kernel's own; console= is added      TORII_ARGS=WORDS           the hypervisor's
#   CPUS=2 MEM=2048     processors, MiB                          CPU=EPYC MACHINE=q35       QEMU's models
#   QEMU=7.2|10.0|FILE  emulator                                 QEMU_ARGS=WORDS            added at the end
#   THREADS=single|multi  processors take turns, or each has a thread of the host
#   IMAGE=build/torii   the hypervisor                           ISO=FILE                   boot from this instead
#   FIRMWARE=bios|uefi  for ISO=
# For programs: SERIAL=-serial's argument, QMP=socket path (QEMU waits for a client), DRY_RUN=1 prints the command.
. "$(dirname "$0")/lib.sh"

HV=${HV:-torii} KERNEL=${KERNEL:-6.1} INITRD=${INITRD:-} CMDLINE=${CMDLINE:-} TORII_ARGS=${TORII_ARGS:-}
CPUS=${CPUS:-2} MEM=${MEM:-2048} CPU=${CPU:-} MACHINE=${MACHINE:-q35} QEMU=${QEMU:-7.2} QEMU_ARGS=${QEMU_ARGS:-}
THREADS=${THREADS:-single}
IMAGE=${IMAGE:-$BUILD/torii} ISO=${ISO:-} FIRMWARE=${FIRMWARE:-bios} SERIAL=${SERIAL:-} QMP=${QMP:-}
UART="com1=115200,8n1"

kernel_file()
{
    case $KERNEL in
    6.1 | 6.1-cloud | 6.12 | 7.2) echo "$("$ROOT/tools/fetch-kernel.sh" "$KERNEL")/vmlinuz" ;;
    *) echo "$KERNEL" ;;
    esac
}

qemu_file()
{
    case $QEMU in
    7.2) echo qemu-system-x86_64 ;;
    10.0) "$ROOT/tools/fetch-qemu.sh" 10.0 ;;
    *) echo "$QEMU" ;;
    esac
}

# A comma separates modules in -initrd; one meant literally is written twice.
commas() { echo "${1//,/,,}"; }

modules()
{
    local kernel initrd=$INITRD
    kernel=$(kernel_file)
    [ -n "$initrd" ] || initrd=$BUILD/initrd.gz
    echo "$(commas "$kernel $1"),$(commas "$initrd")"
}

args=() devices=()
# Xen needs an IOMMU; and on this emulator no RDTSCP and MONITOR, and its lazy FPU switching kept out of the way.
case $HV in
torii)
    cpu=EPYC machine=$MACHINE
    args+=(-kernel "$IMAGE" -append "console=com1 $UART${TORII_ARGS:+ $TORII_ARGS}")
    [ "$KERNEL" = none ] || args+=(-initrd "$(modules "console=hvc0${CMDLINE:+ $CMDLINE}")")
    ;;
xen)
    cpu=EPYC,-rdtscp,-monitor,-xsave machine=$MACHINE,kernel-irqchip=off
    devices=(-device amd-iommu)
    args+=(-kernel "$("$ROOT/tools/fetch-xen.sh")"
        -append "console=com1 $UART dom0=pvh spec-ctrl=eager-fpu dom0_vcpus_pin dom0_mem=$((MEM / 2))M${TORII_ARGS:+ $TORII_ARGS}"
        -initrd "$(modules "console=hvc0${CMDLINE:+ $CMDLINE}")")
    ;;
none)
    cpu=EPYC machine=$MACHINE
    args+=(-kernel "$(kernel_file)" -append "console=ttyS0${CMDLINE:+ $CMDLINE}" -initrd "${INITRD:-$BUILD/initrd.gz}")
    ;;
*) die "HV=$HV: torii, xen or none" ;;
esac
if [ -n "$ISO" ]; then
    args=(-boot d -cdrom "$ISO")
    [ "$FIRMWARE" = bios ] || args+=(-bios /usr/share/ovmf/OVMF.fd)
fi
if [ -n "$SERIAL" ]; then
    args+=(-serial "$SERIAL" -monitor none)
else
    args+=(-serial mon:stdio -echr 0x1d)
    echo "Ctrl-] x ends QEMU, Ctrl-] c is its monitor; Ctrl-A three times reaches Torii's debug console." >&2
fi
[ -z "$QMP" ] || args+=(-qmp "unix:$QMP,server=on,wait=on")

# Kernels that patch their code do not always survive threads that run at once (docs/running.md).
case $THREADS in
single) accel=tcg,thread=single ;;
multi)
    accel=tcg
    # This one loses accesses to memory-mapped registers then, the local APIC's among them; MSRs it does not lose.
    [ "$QEMU:$HV" != 10.0:torii ] || cpu+=,+x2apic
    ;;
*) die "THREADS=$THREADS: single or multi" ;;
esac
emulator=$(qemu_file)
# shellcheck disable=SC2206
extra=($QEMU_ARGS)
set -- "$emulator" -accel "$accel" -machine "$machine" -cpu "${CPU:-$cpu}" -m "$MEM" -smp "$CPUS" -display none \
    -no-reboot "${devices[@]}" "${args[@]}" "${extra[@]}"
if [ "${DRY_RUN:-0}" = 1 ]; then
    printf '%q ' "$@"
    echo
    exit 0
fi
exec "$@"
