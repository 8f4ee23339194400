# SPDX-License-Identifier: BSD-2-Clause
# What Dom0 does while it is measured; bench.py waits for the lines, and marks its counters at them.
port=$(sed -n 's/.*bench.port=\([0-9]*\).*/\1/p' /proc/cmdline)

load()
{
    sleep 1
    echo "bench: begin $1"
    sleep 1
    shift
    "$@" || echo "bench: failed"
    echo "bench: end"
    sleep 1
}

disk()
{
    dd if=/dev/nvme0n1 of=/dev/null bs=64k count=512 && dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=256 conv=fsync
} 2>/dev/null

network()
{
    [ "$(nc 10.0.2.2 "$port" </dev/null | wc -c)" = 8388608 ]
}

# A source of 4000 functions: no headers, so that the compiler is all that is needed.
compile()
{
    tcc -c /tmp/load.c -o /tmp/load.o
}

for device in /sys/class/net/e*; do
    ip=${device##*/}
    ifconfig "$ip" 10.0.2.15 netmask 255.255.255.0 up
done
i=0
while [ $i -lt 4000 ]; do
    echo "int f$i(int a, int b) { int s = 0; for (int i = a; i < b; i++) s += i * $i ^ (s >> 3); return s + a * b; }"
    i=$((i + 1))
done >/tmp/load.c
load "disk" disk
load "network" network
load "compile" compile
