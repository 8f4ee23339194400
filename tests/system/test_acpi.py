# SPDX-License-Identifier: BSD-2-Clause
"""ACPI as Dom0 sees it, and processors that come and go with it."""
import re
import time

import pytest

HOTPLUG = "device_add EPYC-x86_64-cpu,id=cpu{0},socket-id=0,core-id={0},thread-id=0"


def keys(vm, letters):
    """Keys of the debug console."""
    for text in ("\x01\x01\x01", letters, "\x01\x01\x01"):
        vm.send(text)
        time.sleep(1)


def wait_for(vm, command, expected, seconds=30):
    for _ in range(seconds):
        got = vm.run(command, check=False).strip()
        if got == expected:
            return
        time.sleep(1)
    raise AssertionError(f"{command!r} says {got!r}, not {expected!r}")


@pytest.mark.torii
@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_a_processor_plugged_into_the_machine_runs_vcpus(boot, machine):
    """device_add: SCI, Dom0's AML, Torii starts it; a vCPU that comes then runs on it; offline and online by sysfs."""
    xen_cpu = "/sys/devices/system/xen_cpu/xen_cpu2/online"
    vm = boot(machine=machine, cpus="2,maxcpus=4", args="dom0_max_vcpus=2-4").shell()
    assert vm.run("nproc").strip() == "2"
    vm.qmp.hmp(HOTPLUG.format(2))
    vm.expect(r"\(torii\) CPU 2, APIC id 2, is there")
    vm.expect(r"\(torii\) CPU 2 is in use")
    wait_for(vm, f"cat {xen_cpu}", "1")
    keys(vm, "+")
    wait_for(vm, "test -d /sys/devices/system/cpu/cpu2 && echo yes", "yes")
    vm.run("echo 1 >/sys/devices/system/cpu/cpu2/online")
    assert vm.run("nproc").strip() == "3"
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 2:")
    vm.run(f"echo 0 >{xen_cpu}")
    assert vm.run("taskset 4 sh -c 'cut -d\" \" -f39 /proc/self/stat'").strip() == "2"
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 0:")
    vm.run(f"echo 1 >{xen_cpu}")
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 2:")
    vm.qmp.hmp("device_del cpu2")
    vm.expect(r"\(torii\) CPU 2 is out of use")
    assert vm.run("nproc").strip() == "3"
    vm.never(r"\*\*\* Torii panic")
    assert not re.search(r"Call Trace|BUG:", vm.run("dmesg"))
