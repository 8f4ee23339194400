# SPDX-License-Identifier: BSD-2-Clause
"""An installed Debian 12 as Dom0, on real drivers: what an administrator would do on a new machine, and what hurts drivers."""
import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import time

import pytest

from lib import linux
from lib.debian import Debian
from lib.vm import BUILD, ROOT

pytestmark = [pytest.mark.xdist_group("debian"),
              pytest.mark.skipif("DEVICES" not in os.environ, reason="long, builds an image: make devices")]

FIO_SECONDS = int(os.environ.get("FIO_SECONDS", "60"))
IPERF_SECONDS = 5
EDU_COUNT = 2000
DISKS = ["virtio", "nvme", "sata", "usb"]
# cpus, disk of the root file system, interrupts, QEMU (10.0 has igb, and an NVMe that can do without shadow doorbells)
MACHINES = [(1, "virtio", "msi", "7.2"), (2, "nvme", "msi", "10.0"), (4, "sata", "msi", "10.0"),
            (4, "virtio", "nomsi", "10.0"), (1, "nvme", "nomsi", "10.0"), (2, "sata", "nomsi", "10.0")]


@pytest.fixture
def debian(request, base):
    """debian(root="nvme", cpus=4, ...) starts a machine that ends with the test."""
    with contextlib.ExitStack() as stack:
        def start(root="virtio", disks=(), cards=("virtio-net",), extra="", **changes):
            name = re.sub(r"^tests/system/", "", request.node.nodeid)
            return stack.enter_context(Debian(dataclasses.replace(base, **changes), name, root, disks, cards, "", extra))

        yield start


def install_package(d):
    assert "hello" not in d.ssh("ls /usr/bin/hello 2>&1", check=False).split("cannot")[0]
    d.ssh("dpkg -i /root/hello.deb", 180)
    assert d.ssh("hello").strip() == "Hello, world!"


def write_and_verify(d, seconds):
    """All disks at once, so that their interrupts come in between one another's."""
    before = {kind: d.count(kind) for kind in [d.root, *d.disks]}
    for kind, job in d.fio_verify(seconds).items():
        assert job["error"] == 0 and job["write"]["total_ios"] > 0 and job["read"]["total_ios"] > 0, (kind, job)
    for kind, count in before.items():
        assert d.count(kind) > count, kind


def both_ways(d):
    for card in d.cards:
        before = d.count(card.kind)
        for reverse in (False, True):
            assert d.iperf(card, IPERF_SECONDS, reverse) > 1, card.kind
        assert d.count(card.kind) > before, card.kind


def check_chips(d, chip):
    for kind in [d.root, *d.disks, *(card.kind for card in d.cards)]:
        for name, (found, _) in d.rows(kind).items():
            assert chip in found, f"{name}: {found}"


def finish(d):
    found = linux.trouble(d.log())
    assert not found, "\n".join(found)
    d.vm.never(r"cannot be bound|\(torii\).*(refused|lost)")
    d.power_off()


def test_an_installed_debian_boots_is_reached_and_ends_clean(debian):
    d = debian(cpus=2)
    d.login()
    assert d.ssh("systemctl is-system-running --wait", 300, check=False).strip() == "running"
    assert d.ssh("cat /sys/hypervisor/type").strip() == "xen"
    install_package(d)
    finish(d)


@pytest.mark.parametrize("cpus,root,msi,qemu", MACHINES)
def test_a_days_work_on_every_device(debian, cpus, root, msi, qemu):
    cards = ["virtio-net", "e1000e"] + (["igb"] if qemu == "10.0" else [])
    d = debian(root, [kind for kind in DISKS if kind != root], cards, cpus=cpus, qemu=qemu,
               cmdline="" if msi == "msi" else "pci=nomsi")
    d.login()
    assert d.ssh("nproc").strip() == str(cpus)
    for card in d.cards:
        assert d.ssh("cat /proc/uptime", card=card)
    install_package(d)
    d.ssh("systemd-run -q --unit=iperf iperf3 -s")
    check_chips(d, "MSI" if msi == "msi" else "IO-APIC")
    both_ways(d)
    write_and_verify(d, FIO_SECONDS)
    both_ways(d)
    finish(d)


@pytest.mark.parametrize("msi", ["msi", "nomsi"])
def test_edu_interrupts_are_counted_exactly(debian, msi):
    module = subprocess.run([ROOT / "tools/make-module.sh", ROOT / "tests/system/module/edu.c"], check=True,
                            stdout=subprocess.PIPE, text=True, env={**os.environ, "BUILD": str(BUILD)}).stdout.strip()
    d = debian(cpus=2, extra="-device edu", cmdline="" if msi == "msi" else "pci=nomsi")
    d.login()
    d.ssh("cat >/root/edu.ko", input=pathlib.Path(module).read_bytes())
    d.ssh(f"insmod /root/edu.ko count={EDU_COUNT}", 300)
    assert re.search(rf"edu .*: {EDU_COUNT} interrupts by {'MSI' if msi == 'msi' else 'line'}", d.log())
    chip, count = d.interrupts()["edu"]
    assert ("MSI" if msi == "msi" else "IO-APIC") in chip
    assert count == EDU_COUNT
    finish(d)


def test_an_nvme_reset_keeps_its_interrupts(debian):
    """By the driver, as a function reset, and as a bus reset where there is one: Xen's PVH Dom0 loses the vectors here."""
    d = debian(disks=["nvme"], cpus=2)
    d.login()
    device = d.ssh("readlink -f /sys/class/nvme/nvme0/device").strip()
    methods = d.ssh(f"cat {device}/reset_method").split()
    assert "flr" in methods
    resets = ["nvme reset /dev/nvme0", "echo 1 >/sys/class/nvme/nvme0/reset_controller"]
    resets += [f"echo {method} >{device}/reset_method; echo 1 >{device}/reset" for method in methods]
    for reset in resets:
        d.ssh(reset, 60)
        time.sleep(2)
        before = d.count("nvme")
        d.fio_verify(3, ["nvme"])
        assert d.count("nvme") > before, reset
        check_chips(d, "MSI")
    finish(d)


def test_functions_of_igb_come_and_go(debian):
    """SR-IOV: virtual functions get addresses, interrupts and traffic of their own."""
    d = debian(cards=["virtio-net", "igb"], cpus=2, qemu="10.0")
    d.login()
    pf = d.interface("igb")
    d.ssh(f"echo 2 >/sys/class/net/{pf}/device/sriov_numvfs", 120)
    time.sleep(3)
    assert d.ssh("ls -d /sys/bus/pci/drivers/igbvf/0000:* | wc -l").strip() == "2"
    vfs = d.ssh("cd /sys/bus/pci/drivers/igbvf; ls 0000:*/net | grep -v : | grep .").split()
    for vf in vfs:
        d.ssh(f"ip link set {vf} up")
    time.sleep(3)
    rows = d.interrupts()
    for vf in vfs:
        mine = {name: row for name, row in rows.items() if vf in name}
        assert mine and all("MSI" in chip for chip, _ in mine.values()), rows
    assert d.ssh("cat /proc/uptime", card=d.cards[1])
    d.ssh(f"echo 0 >/sys/class/net/{pf}/device/sriov_numvfs; sleep 1")
    assert d.ssh("ls -d /sys/bus/pci/drivers/igbvf/0000:* 2>/dev/null | wc -l").strip() == "0"
    assert d.ssh("cat /proc/uptime", card=d.cards[1])
    finish(d)
