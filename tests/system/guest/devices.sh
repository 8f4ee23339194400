# SPDX-License-Identifier: BSD-2-Clause
# What tests/system/test_devices.py calls in Dom0.

wait_for()
{
    tries=0
    until [ -e "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "no $1"; return 1; }
        usleep 200000
    done
}

# A driver has a card and has made of it what it is for, or has none.
wait_card()
{
    case $1 in
    nvme) wait_for /dev/nvme0n1 ;;
    *)
        tries=0
        until [ -n "$(card "$1")" ]; do
            tries=$((tries + 1))
            [ $tries -lt 100 ] || { echo "no $1"; return 1; }
            usleep 200000
        done
        ;;
    esac
}

wait_no_card()
{
    tries=0
    while ls -d /sys/bus/pci/drivers/"$1"/0* >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "$1 is still there"; return 1; }
        usleep 200000
    done
}

# Names that do not depend on which controller was found first: /dev/disk/sata, /dev/disk/usb.
find_disks()
{
    mkdir -p /dev/disk
    tries=0
    until [ -e /dev/disk/sata ] && [ -e /dev/disk/usb ] && [ -e /dev/nvme0n1 ] && [ -e /dev/vda ]; do
        for disk in /sys/block/sd*; do
            case $(readlink -f "$disk") in
            */usb*) ln -sf "/dev/${disk##*/}" /dev/disk/usb ;;
            */ata*) ln -sf "/dev/${disk##*/}" /dev/disk/sata ;;
            esac
        done
        tries=$((tries + 1))
        [ $tries -lt 150 ] || { ls /dev/disk /sys/block; return 1; }
        usleep 200000
    done
}

# The network interface of a driver (of the physical function, where there are virtual ones).
card()
{
    for net in /sys/class/net/*; do
        [ "$(basename "$(readlink -f "$net/device/driver")")" = "$1" ] && echo "${net##*/}" && return
    done
}

set_net() # driver, address
{
    net=$(card "$1")
    ip link set "$net" up
    ip addr add "$2/24" dev "$net" 2>/dev/null
    tries=0
    until [ "$(cat "/sys/class/net/$net/carrier" 2>/dev/null)" = 1 ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "$net: no carrier"; return 1; }
        usleep 200000
    done
}

set_nets()
{
    ip link set lo up
    set_net e1000e 10.0.2.15 && set_net virtio_net 10.0.3.15
}

# /tmp/pattern to a disk, at an offset in MiB, and back, past the cache both ways; the digest of what came back.
copy()
{
    dd if=/tmp/pattern of="$1" bs=64k seek=$(($2 * 16)) oflag=direct conv=fsync 2>/dev/null &&
        dd if="$1" bs=64k skip=$(($2 * 16)) count=64 iflag=direct 2>/dev/null | md5sum
}

# Every interrupt from CPU to CPU until stop_moving, which says how often.
move_interrupts()
{
    rm -f /tmp/stop
    cpus=$(nproc)
    moved=0
    while [ ! -e /tmp/stop ]; do
        for irq in /proc/irq/[0-9]*; do
            { echo $((1 << moved % cpus)) >"$irq/smp_affinity"; } 2>/dev/null && moved=$((moved + 1))
        done
        usleep 5000
    done
    echo $moved >/tmp/stopped
}

stop_moving()
{
    rm -f /tmp/stopped
    : >/tmp/stop
    wait_for /tmp/stopped && usleep 100000 && cat /tmp/stopped
}

# CPUs but the first go and come, one after the other, until stop_cycling, or $1 times.
cycle_cpus()
{
    rm -f /tmp/stop
    cycles=0
    while [ ! -e /tmp/stop ] && [ $cycles -lt "${1:-1000000}" ]; do
        for online in /sys/devices/system/cpu/cpu[1-9]*/online; do
            echo 0 >"$online" && echo 1 >"$online" || echo "$online: failed"
        done
        cycles=$((cycles + 1))
    done
    echo $cycles >/tmp/stopped
}

stop_cycling()
{
    stop_moving
}
