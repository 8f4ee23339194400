# SPDX-License-Identifier: BSD-2-Clause
# The whole kernel log with levels, then the end of Dom0.
dmesg -n 1
sleep 3 # late lines: TSC refinement, deferred probes
echo "dmesg: begin"
dmesg -r
echo "dmesg: end"
