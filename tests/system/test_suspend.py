# SPDX-License-Identifier: BSD-2-Clause
"""Dom0 suspends to RAM and the machine wakes it: by the monitor, by the clock's alarm; time, CPUs and devices go on."""
import calendar
import os
import re
import subprocess
import time

import pytest

from lib.vm import BUILD, ROOT, SCALE
from test_devices import Machine, data_everywhere

# `make devices` runs these too.
long = pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")
TROUBLE = r"WARNING: CPU|BUG:|Oops|lockup|\bstall|clocksource.*unstable|time went backwards|failed to (suspend|resume)|PM: .*error"


def events(vm, name):
    return sum(event["event"] == name for event in vm.qmp.events)


def wait_event(vm, name, count, seconds=60):
    end = time.monotonic() + seconds * SCALE
    while events(vm, name) < count:
        assert time.monotonic() < end, f"no {name}; the line's last words:\n{vm.tail()}"
        time.sleep(0.05)


def cycle(vm, wake="monitor"):
    """Sleep, wake, and the shell again."""
    sleeps, wakes = events(vm, "SUSPEND"), events(vm, "WAKEUP")
    # an alarm that has passed before the machine sleeps would not wake it
    clock = "/sys/class/rtc/rtc0/wakealarm"
    alarm = f"echo 0 >{clock}; echo +{round(3 * SCALE)} >{clock}; " if wake == "alarm" else ""
    vm.send(f"{alarm}echo mem >/sys/power/state; echo @'awake'{sleeps} $?\n")
    wait_event(vm, "SUSPEND", sleeps + 1)
    if wake == "monitor":
        assert vm.qmp("query-status")["status"] == "suspended"
        time.sleep(1)
        vm.qmp("system_wakeup")
    wait_event(vm, "WAKEUP", wakes + 1)
    assert vm.expect(rf"^@awake{sleeps} (\d+)\n", 60).group(1) == "0"


def cycle_with_devices(m):
    """
    Linux moves interrupts away from the CPUs it stops, while the devices sleep and cannot be told; and what it tells them when
    they wake, a kernel that knows Xen leaves to the hypervisor, which does not know of the move (docs/acpi.md).
    """
    m.vm.run("for irq in /proc/irq/*/smp_affinity; do echo 1 >$irq; done 2>/dev/null", check=False)
    cycle(m.vm)
    m.vm.run("set_nets", 60)


def utc(vm):
    """How far Dom0's clock is from the host's, s."""
    before = time.time()
    said = vm.run("date -u '+%Y-%m-%d %H:%M:%S'").strip()
    return calendar.timegm(time.strptime(said, "%Y-%m-%d %H:%M:%S")) - before


def uptimes(vm):
    """Seconds since boot with and without sleep."""
    boottime = float(vm.run("cut -d' ' -f1 /proc/uptime"))
    monotonic = int(vm.run("grep '^now at' /proc/timer_list").split()[2]) / 1e9
    return boottime, monotonic


def check_end(vm):
    vm.run("dmesg >/tmp/log")
    assert vm.run(f"grep -E '{TROUBLE}' /tmp/log", check=False) == ""
    vm.never(r"\*\*\* Torii panic|does not come back|did not sleep")
    vm.send("poweroff\n")
    assert vm.wait_exit() == "guest-shutdown"
    if vm.config.hv == "torii":
        assert not vm.triple_fault()


def sleep_and_wake(vm, cpus, cycles, wakes=("monitor", "alarm")):
    off, (boottime, monotonic) = utc(vm), uptimes(vm)
    for n in range(cycles):
        cycle(vm, wakes[n % len(wakes)])
        assert int(vm.run("nproc")) == cpus
    assert abs(utc(vm) - off) < 3 + cycles
    boottime_after, monotonic_after = uptimes(vm)
    # what was slept counts in one and not in the other
    assert boottime_after - boottime - (monotonic_after - monotonic) > 0.5 * cycles
    check_end(vm)


@pytest.mark.parametrize("machine,cpus", [("q35", 2), ("pc", 1)])
def test_dom0_sleeps_and_wakes(boot, machine, cpus):
    sleep_and_wake(boot(machine=machine, cpus=cpus).shell(), cpus, 2)


@long
def test_devices_work_after_sleep(boot, tmp_path):
    m = Machine(boot, tmp_path, cpus=2)
    for offset in (0, 4):
        cycle_with_devices(m)
        data_everywhere(m, offset)
    m.finish()


TWENTY = [(1, "6.1", "7.2")] + [(cpus, kernel, qemu) for kernel, qemu in (
    ("6.1", "7.2"), ("6.12", "7.2"), ("7.2", "7.2"), ("6.1", "10.0")) for cpus in (2, 4)]


@long
@pytest.mark.parametrize("cpus,kernel,qemu", TWENTY)
def test_twenty_cycles(boot, cpus, kernel, qemu):
    sleep_and_wake(boot(cpus=cpus, kernel=kernel, qemu=qemu).shell(), cpus, 20, ["monitor"] * 4 + ["alarm"])


@long
@pytest.mark.parametrize("kernel", ["6.12", "7.2"])
def test_kernels_on_pc(boot, kernel):
    sleep_and_wake(boot(kernel=kernel, machine="pc", cpus=2).shell(), 2, 3)


@long
@pytest.mark.torii
@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_uefi_wakes_it_too(boot, base, machine):
    path = BUILD / "test-suspend.iso"
    env = dict(os.environ, BUILD=str(BUILD), KERNEL="6.1", CMDLINE="", TORII_ARGS="loglvl=all", IMAGE=base.image)
    subprocess.run([ROOT / "tools/make-iso.sh", path], check=True, env=env, capture_output=True)
    vm = boot(iso=str(path), firmware="uefi", machine=machine, cpus=2).shell(timeout=240)
    sleep_and_wake(vm, 2, 3)


@long
def test_twenty_cycles_with_devices(boot, tmp_path):
    m = Machine(boot, tmp_path, cpus=2)
    for n in range(20):
        cycle_with_devices(m)
        if n % 5 == 4:
            data_everywhere(m, n // 5 * 4)
    m.finish()


def vcpus_are_on(vm, cpus):
    """The debug console's answer, for each vCPU in order."""
    seen = len(vm.text)
    for text in ("\x01\x01\x01", "d", "\x01\x01\x01"):
        vm.send(text)
        time.sleep(1)
    return re.findall(r"d0v\d on CPU (\d)", vm.text[seen:]) == [str(cpu) for cpu in cpus]


@long
@pytest.mark.torii
def test_cpus_out_of_use_stay_so(boot):
    """Of four processors two have a vCPU; of each kind one is out of use when the machine sleeps, and used again later."""
    vm = boot(cpus=4, args="loglvl=all dom0_max_vcpus=2").shell()
    online = "/sys/devices/system/xen_cpu/xen_cpu%d/online"
    for state, homes in (("0", (0, 0)), ("1", (0, 1))):
        for cpu in (1, 3):
            vm.run(f"echo {state} >{online % cpu}")
        for _ in range(2):
            cycle(vm)
            assert [vm.run(f"cat {online % cpu}").strip() for cpu in (1, 2, 3)] == [state, "1", state]
            assert vm.run("nproc").strip() == "2"
            assert vcpus_are_on(vm, homes)
    check_end(vm)


@long
@pytest.mark.torii
@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_every_cpu_gets_its_memory_types_back(boot, machine):
    """A processor that was reset has none. SeaBIOS sets up the first one's again and leaves the others to Torii."""
    vm = boot(machine=machine, cpus=2, args="loglvl=all").shell()
    for _ in range(2):
        cycle(vm)
        assert "CPU 1: memory types set as the boot CPU has them" in vm.text.split("suspend to RAM")[-1]
    check_end(vm)
