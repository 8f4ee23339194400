# SPDX-License-Identifier: BSD-2-Clause
"""Dom0's own drivers on the machine's devices: interrupts arrive, data is what it was, nothing is complained of."""
import contextlib
import hashlib
import os
import re
import time

import pytest

from lib.devices import DISKS, NETS, ROWS, Machine

# One worker for all of them: the emulator is busy enough with one such machine.
pytestmark = pytest.mark.xdist_group("devices")
# `make devices` runs these too.
long = pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")


@pytest.fixture
def machine(boot, tmp_path):
    with contextlib.ExitStack() as stack:
        def start(**changes):
            made = Machine(boot, tmp_path, **changes)
            stack.callback(made.peer.close)
            return made

        yield start


def data_everywhere(m, offset=0):
    """Every device moves the pattern and interrupts while it does."""
    before = {device: m.count(device) for device in ROWS if device != "virtio-rng"}
    for net in NETS:
        m.transfer(net)
    for disk in DISKS:
        m.copy(disk, offset)
    for device, count in before.items():
        assert m.count(device) > count, device


def random_bytes(m):
    before = m.count("virtio-rng")
    words = m.vm.run("cat /sys/class/misc/hw_random/rng_current; dd if=/dev/hwrng bs=64 count=4 2>/dev/null | md5sum", 60).split()
    assert words[0].startswith("virtio_rng") and words[1] != hashlib.md5(b"").hexdigest()
    assert m.count("virtio-rng") > before


def all_on_images(m, offset=0):
    for disk in DISKS:
        assert m.on_image(disk, offset), disk


def check_chips(m, chip):
    for device in ROWS:
        for name, (found, _) in m.rows(device).items():
            assert chip in found, f"{name}: {found}"


def nvme_reset(m):
    """A function reset and a controller reset: the queues' interrupts are there after it (restore_msi)."""
    assert "flr" in m.vm.run("cat /sys/class/nvme/nvme0/device/reset_method")
    for reset in ("reset_controller", "device/reset"):
        m.vm.run(f"echo 1 >/sys/class/nvme/nvme0/{reset} && sleep 1 && wait_for {DISKS['nvme']}", 60)
        before = m.count("nvme")
        m.copy("nvme", 8)
        assert m.count("nvme") > before, reset


def remove_and_rescan(m):
    """A card taken away and found again."""
    m.vm.run("device=$(readlink -f /sys/class/net/$(card e1000e)/device); echo 1 >$device/remove; sleep 1; "
             "test ! -e $device; echo 1 >/sys/bus/pci/rescan; wait_for $device/net; set_nets", 60)
    m.transfer("e1000e")
    check_chips(m, "MSI")


def test_devices_with_msi(machine):
    m = machine(cpus=2)
    check_chips(m, "MSI")
    data_everywhere(m)
    random_bytes(m)
    nvme_reset(m)
    remove_and_rescan(m)
    m.finish()
    all_on_images(m)
    assert m.on_image("nvme", 8)


def test_devices_without_msi(machine):
    m = machine(cpus=2, cmdline="pci=nomsi")
    check_chips(m, "IO-APIC")
    data_everywhere(m)
    random_bytes(m)
    m.finish()
    all_on_images(m)


@long
@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("msi", ["msi", "nomsi"])
@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_devices_on_cpus(machine, kernel, msi, cpus):
    m = machine(kernel=kernel, cpus=cpus, cmdline="" if msi == "msi" else "pci=nomsi")
    check_chips(m, "MSI" if msi == "msi" else "IO-APIC")
    data_everywhere(m)
    random_bytes(m)
    m.finish()
    all_on_images(m)


@long
@pytest.mark.parametrize("msi", ["msi", "nomsi"])
def test_no_interrupt_is_lost_while_affinity_changes(machine, msi):
    m = machine(cpus=4, cmdline="" if msi == "msi" else "pci=nomsi")
    m.vm.run("move_interrupts & echo")
    for round_ in range(3):
        data_everywhere(m, 4 * round_)
    assert int(m.vm.run("stop_moving")) > 50
    m.finish()
    for round_ in range(3):
        all_on_images(m, 4 * round_)


@long
@pytest.mark.parametrize("msi", ["msi", "nomsi"])
def test_no_interrupt_is_lost_while_cpus_go_and_come(machine, msi):
    m = machine(cpus=4, cmdline="" if msi == "msi" else "pci=nomsi")
    m.vm.run("cycle_cpus & echo")
    for round_ in range(3):
        data_everywhere(m, 4 * round_)
    assert int(m.vm.run("stop_cycling", 120)) > 3
    m.finish()
    for round_ in range(3):
        all_on_images(m, 4 * round_)


@long
@pytest.mark.torii
@pytest.mark.parametrize("msi", ["msi", "nomsi"])
def test_interrupts_leave_a_processor_that_is_taken_out(machine, msi):
    """All that can be is directed at it; then device_del, and the devices work on."""
    m = machine(cpus="2,maxcpus=4", args="dom0_max_vcpus=2-3", qemu="10.0", threads="multi",
                cmdline="" if msi == "msi" else "pci=nomsi")
    m.vm.qmp.hmp("device_add EPYC-x86_64-cpu,id=cpu2,socket-id=0,core-id=2,thread-id=0")
    m.vm.expect(r"\(torii\) CPU 2 is in use")
    for text in ("\x01\x01\x01", "+", "\x01\x01\x01"):
        m.vm.send(text)
        time.sleep(1)
    m.vm.run("wait_for /sys/devices/system/cpu/cpu2 && echo 1 >/sys/devices/system/cpu/cpu2/online", 60)
    m.vm.run("for irq in /proc/irq/*/smp_affinity; do echo 4 >$irq; done 2>/dev/null", check=False)
    data_everywhere(m)
    m.vm.qmp.hmp("device_del cpu2")
    m.vm.expect(r"\(torii\) CPU 2 has stopped", fatal="CPU 2 stays")
    data_everywhere(m, 4)
    assert len(m.vm.qmp("query-cpus-fast")) == 2
    m.finish()
    all_on_images(m)
    all_on_images(m, 4)
