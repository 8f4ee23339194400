# SPDX-License-Identifier: BSD-2-Clause
# Load for soak tests: seconds to run as $1. Every CPU computes, forks, pipes, allocates and sleeps at once.
end=$(($(cut -d. -f1 /proc/uptime) + ${1:-60}))
until_end() { [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ]; }
spin() { while until_end; do i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; done; }
fork() { while until_end; do for i in 1 2 3 4 5 6 7 8; do /bin/true & done; wait; done; }
pipe() { while until_end; do dd if=/dev/zero bs=64k count=200 2>/dev/null | md5sum >/dev/null; done; }
memory() { while until_end; do dd if=/dev/zero of=/tmp/load.$1 bs=1M count=32 2>/dev/null; rm /tmp/load.$1; done; }
naps() { while until_end; do usleep 1500; done; }
for cpu in $(seq "$(nproc)"); do
    spin & fork & pipe & memory "$cpu" & naps &
done
wait
echo "load: done"
