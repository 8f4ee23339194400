# SPDX-License-Identifier: BSD-2-Clause
"""Every end of Dom0 is the end of the machine it should be."""
import re

import pytest


@pytest.mark.parametrize("cpus", [1, 4])
def test_poweroff_turns_the_machine_off(boot, cpus):
    vm = boot(cpus=cpus).shell(quiet=False)
    vm.send("poweroff\n")
    vm.expect(r"reboot: Power down")
    assert vm.wait_exit() == "guest-shutdown"


@pytest.mark.parametrize("road", ["acpi", "kbd", "triple", "pci", "bios"])
def test_reboot_resets_the_machine(boot, road):
    vm = boot(cmdline=f"reboot={road}").shell(quiet=False)
    vm.send("reboot\n")
    vm.expect(r"reboot: (Restarting system|machine restart)")
    assert vm.wait_exit() == "guest-reset"
    if vm.config.hv == "torii":
        assert not vm.triple_fault()


def test_halt_stops_without_reset(boot):
    vm = boot().shell(quiet=False)
    vm.send("halt\n")
    vm.expect(r"reboot: System halted")
    assert vm.still_running(3)


def test_panic_is_reported_and_resets(boot):
    vm = boot(cmdline="panic=1").shell(quiet=False)
    vm.send("crash\n")
    vm.expect(r"Kernel panic - not syncing: sysrq triggered crash")
    assert vm.wait_exit() == "guest-reset"


@pytest.mark.torii
def test_crash_prints_dom0_registers(boot):
    vm = boot().shell(quiet=False)
    vm.send("crash\n")
    vm.expect(r"Kernel panic - not syncing: sysrq triggered crash")
    vm.expect(r"^\(torii\) vCPU [01]: rip [0-9a-f]{16} rsp [0-9a-f]{16} ")
    vm.expect(r"^\(torii\) +cr0 [0-9a-f]+ cr2 [0-9a-f]+ cr3 [0-9a-f]+ cr4 [0-9a-f]+")
    vm.expect(r"^\(torii\) Dom0 has shut down: crash")
    assert vm.wait_exit() == "guest-reset"


@pytest.mark.torii
def test_noreboot_stops_after_a_crash(boot):
    """All CPUs, with interrupts off."""
    vm = boot(args="noreboot", cpus=4).shell(quiet=False)
    vm.send("crash\n")
    vm.expect(r"^\(torii\) Dom0 has shut down: crash")
    assert vm.still_running(8)
    flags = re.findall(r"RFL=([0-9a-f]+) .* HLT=(\d)", vm.qmp.hmp("info registers -a"))
    assert [(int(rflags, 16) & 0x200, halted) for rflags, halted in flags] == [(0, "1")] * 4


@pytest.mark.torii
def test_exit_statistics_at_the_end_of_dom0(boot):
    vm = boot(args="exit-stats", cmdline="torii.run=poweroff")
    assert vm.wait_exit(150) == "guest-shutdown"
    vm.expect(r"(?i)exit")
    vm.never(r"\*\*\* Torii panic")
