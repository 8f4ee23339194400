# SPDX-License-Identifier: BSD-2-Clause
"""Dom0's CPUs: going and coming again and again, and what the machine tells them outside interrupts: NMI, machine checks."""
import os
import re
import time

import pytest

long = pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")
TROUBLE = r"(?i)rcu.*stall|lockup|hung task|timed out|Call Trace|BUG:|Oops:|do_boot_cpu failed|unchecked MSR"


def interrupts(vm, name):
    """A line of /proc/interrupts: its count on each CPU."""
    line = re.search(rf"(?m)^ *{name}:((?: +\d+)+)", vm.run("cat /proc/interrupts")).group(1)
    return [int(count) for count in line.split()]


@long
@pytest.mark.parametrize("cpus", [2, 4])
def test_cpus_go_and_come_under_load(boot, cpus):
    vm = boot(cpus=cpus).shell()
    vm.run(". /tests/devices.sh; while :; do dd if=/dev/zero bs=64k count=50 2>/dev/null | md5sum >/dev/null; usleep 2000; done & "
           "echo $! >/tmp/load")
    vm.run("cycle_cpus 20", 400)
    assert vm.run("cat /tmp/stopped; kill $(cat /tmp/load)").split()[0] == "20"
    assert vm.run("nproc").strip() == str(cpus)
    for cpu in range(cpus):
        assert vm.run(f"taskset -p {1 << cpu:x} $$ >/dev/null; cut -d' ' -f39 /proc/self/stat").strip() == str(cpu)
    assert vm.run(f"dmesg | grep -E -i '{TROUBLE[4:]}'", check=False) == ""
    vm.send("poweroff\n")
    assert vm.wait_exit() == "guest-shutdown"


def test_nmi_and_machine_checks_reach_dom0(boot):
    vm = boot(cpus=2).shell()
    before = interrupts(vm, "NMI")[0]
    vm.qmp("inject-nmi")
    time.sleep(1)
    assert interrupts(vm, "NMI")[0] > before
    assert "NMI received for unknown reason" in vm.run("dmesg")

    # A corrected error lies in a bank until Dom0 looks: the banks are its own. Valid, enabled, corrected, an address.
    vm.run("echo 1 >/sys/devices/system/machinecheck/machinecheck0/check_interval")
    vm.qmp.hmp("mce 0 4 0x9400000000000151 0 0x12345000 0")
    for _ in range(30):
        log = vm.run("dmesg")
        if "Hardware Error" in log:
            break
        time.sleep(1)
    assert re.search(r"Hardware Error.*", log), "a corrected error is not seen"
    vm.never(r"\*\*\* Torii panic")

    # An uncorrected one is an exception. Wherever it meets the processor, in the guest or in Torii, Dom0's handler has it.
    vm.qmp.hmp("mce 1 4 0xb400000000000151 5 0x12345000 0")
    vm.expect(r"Machine [Cc]heck|machine check|mce: \[Hardware Error\]", 60, fatal=r"\*\*\* Torii panic")
