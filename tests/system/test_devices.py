# SPDX-License-Identifier: BSD-2-Clause
"""Dom0's own drivers on the machine's devices: interrupts arrive, data is what it was, nothing is complained of."""
import contextlib
import functools
import hashlib
import os
import random
import re
import socketserver
import subprocess
import threading

import pytest

from lib.vm import BUILD, ROOT

# One worker for all of them: the emulator is busy enough with one such machine.
pytestmark = pytest.mark.xdist_group("devices")
# `make devices` runs these too.
long = pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")

MODULES = "nvme ahci sd_mod virtio_pci virtio_blk virtio_net virtio-rng e1000e igb igbvf xhci_pci usb_storage"
DISKS = {"nvme": "/dev/nvme0n1", "sata": "/dev/disk/sata", "virtio": "/dev/vda", "usb": "/dev/disk/usb"}
DISK_BYTES, PATTERN_BYTES = 32 << 20, 4 << 20
# Two nets, so that the address says which card a packet takes.
NETS = {"e1000e": "10.0.2", "virtio": "10.0.3"}
# What /proc/interrupts calls the vectors that carry each device's data.
ROWS = {"nvme": r"nvme0q[1-9]", "sata": r"ahci", "virtio-blk": r"virtio\d+-req", "usb": r"xhci.hcd",
        "e1000e": r"eth\d+-(rx|tx)", "virtio-net": r"virtio\d+-(input|output)", "virtio-rng": r"virtio\d+-.*"}
# On a legacy line a device has one action, named for the device alone.
LEGACY_ROWS = {**ROWS, "virtio-blk": r"virtio\d+$", "virtio-net": r"virtio\d+$", "virtio-rng": r"virtio\d+$",
               "e1000e": r"eth\d+$"}
TROUBLE = (r"nobody cared|Failed to add - passthrough|timed out|[tT]imeout|unchecked MSR access|Call Trace|I/O error|"
           r"Buffer I/O|AER:|DMAR|No irq handler|cannot be bound|failed command|Disabling IRQ|spurious")


@functools.cache
def initrd(kernel):
    path = BUILD / f"initrd-devices-{kernel}.gz"
    env = {**os.environ, "BUILD": str(BUILD)}
    tree = subprocess.run([ROOT / "tools/fetch-kernel.sh", kernel], check=True, stdout=subprocess.PIPE, text=True, env=env)
    subprocess.run([ROOT / "tools/make-initramfs.sh", path, "-k", tree.stdout.strip(), "-m", MODULES, "-t",
                    ROOT / "tests/system/guest"], check=True, env=env)
    return str(path)


class Peer:
    """What Dom0 talks to over its network cards: sends the pattern to who connects, or takes it and says its digest."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.servers = []
        self.send = self._serve(lambda request: request.sendall(pattern))
        self.take = self._serve(self._digest)

    def _serve(self, act):
        handler = type("Handler", (socketserver.BaseRequestHandler,), {"handle": lambda self: act(self.request)})
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return server.server_address[1]

    def _digest(self, request):
        digest, left = hashlib.md5(), len(self.pattern)
        while left:
            data = request.recv(min(left, 65536))
            if not data:
                break
            digest.update(data)
            left -= len(data)
        request.sendall((digest.hexdigest() + "\n").encode())

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Machine:
    """Dom0 with one of each device."""

    def __init__(self, boot, tmp_path, kernel="6.1", **changes):
        self.names = LEGACY_ROWS if "nomsi" in changes.get("cmdline", "") else ROWS
        self.pattern = random.Random(3).randbytes(PATTERN_BYTES)
        self.digest = hashlib.md5(self.pattern).hexdigest()
        self.peer = Peer(self.pattern)
        self.images = {name: tmp_path / f"{name}.img" for name in DISKS}
        for image in self.images.values():
            with open(image, "wb") as file:
                file.truncate(DISK_BYTES)
        drives = " ".join(f"-drive file={image},if=none,id={name},format=raw" for name, image in self.images.items())
        nets = " ".join(f"-netdev user,id={name},net={net}.0/24" for name, net in NETS.items())
        devices = ("-device nvme,drive=nvme,serial=torii -device ide-hd,drive=sata,bus=ide.0 -device qemu-xhci "
                   "-device usb-storage,drive=usb -device virtio-blk-pci,drive=virtio -device e1000e,netdev=e1000e "
                   "-device virtio-net-pci,netdev=virtio -device virtio-rng-pci")
        changes["qemu_args"] = f"{drives} {nets} {devices} {changes.get('qemu_args', '')}".strip()
        self.vm = boot(kernel=kernel, initrd=initrd(kernel), **changes).shell()
        self.vm.run(". /tests/devices.sh; find_disks; set_nets")

    def interrupts(self):
        """{action: (chip, count over all CPUs)} of /proc/interrupts."""
        found = {}
        for line in self.vm.run("cat /proc/interrupts").splitlines():
            match = re.match(r"\s*\d+:((?:\s+\d+)+)\s+(.*?(?:edge|fasteoi|level|MSI\S*))\s+(.*)$", line)
            if match:
                chip, action = match.group(2), re.sub(r"^\d+-\w+\s+", "", match.group(3))
                count = sum(map(int, match.group(1).split()))
                for name in action.split(", "):
                    found[name] = (chip, count + found.get(name, ("", 0))[1])
        return found

    def rows(self, device):
        rows = {name: row for name, row in self.interrupts().items() if re.match(self.names[device], name)}
        assert rows, f"{device} has no interrupt"
        return rows

    def count(self, device):
        return sum(count for _, count in self.rows(device).values())

    def transfer(self, name):
        """The pattern over a card, both ways."""
        host = f"{NETS[name]}.2"
        assert "2 packets received" in self.vm.run(f"ping -c 2 {host}", 60)
        assert self.vm.run(f"nc {host} {self.peer.send} >/tmp/pattern; md5sum </tmp/pattern", 120).split()[0] == self.digest
        assert self.vm.run(f"nc {host} {self.peer.take} </tmp/pattern", 120).strip() == self.digest

    def copy(self, name, offset):
        """The pattern to a disk at an offset in MiB, past the cache, and back."""
        digest = self.vm.run(f"copy {DISKS[name]} {offset}", 180).split()[0]
        assert digest == self.digest, name

    def on_image(self, name, offset):
        with open(self.images[name], "rb") as file:
            file.seek(offset << 20)
            return file.read(PATTERN_BYTES) == self.pattern

    def finish(self):
        log = self.vm.run("dmesg", 60)
        found = [line for line in log.splitlines() if re.search(TROUBLE, line) and "nomsi" not in line]
        assert not found, "\n".join(found)
        self.vm.never(r"cannot be bound|\(torii\).*(refused|lost)")
        self.vm.send("poweroff\n")
        assert self.vm.wait_exit(60) == "guest-shutdown"
        self.peer.close()


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
    for reset in ("/sys/class/nvme/nvme0/reset_controller", "/sys/class/nvme/nvme0/device/reset"):
        if m.vm.run(f"test -e {reset} && echo yes", check=False).strip():
            m.vm.run(f"echo 1 >{reset}; sleep 1; wait_for {DISKS['nvme']}", 60)
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
def test_no_interrupt_is_lost_while_cpus_go_and_come(machine):
    m = machine(cpus=4)
    m.vm.run("cycle_cpus & echo")
    for round_ in range(3):
        data_everywhere(m, 4 * round_)
    assert int(m.vm.run("stop_cycling", 120)) > 3
    m.finish()
    for round_ in range(3):
        all_on_images(m, 4 * round_)


@long
def test_virtual_functions_pass_traffic(machine):
    """igb, which QEMU has from 8.0 on: a virtual function gets its interrupts and moves data."""
    m = machine(cpus=2, qemu="10.0", qemu_args="-netdev user,id=igb,net=10.0.4.0/24 -device igb,netdev=igb")
    m.vm.run("pf=$(readlink -f /sys/class/net/$(card igb)/device); echo 2 >$pf/sriov_numvfs; sleep 3; "
             "ls -d $pf/virtfn*/net/*", 120)
    assert m.vm.run("ls -d /sys/bus/pci/drivers/igbvf/0000:* | wc -l").strip() == "2"
    assert re.search(r"MSI", "".join(chip for name, (chip, _) in m.interrupts().items() if "eth" in name))
    m.vm.run("ip link set $(card igb) up; sleep 3; ip addr add 10.0.4.15/24 dev $(card igb)")
    assert "2 packets received" in m.vm.run("ping -c 2 10.0.4.2", 60)
    m.vm.run("echo 0 >$pf/sriov_numvfs; sleep 1")
    assert m.vm.run("ls -d /sys/bus/pci/drivers/igbvf/0000:* 2>/dev/null | wc -l").strip() == "0"
    assert "2 packets received" in m.vm.run("ping -c 2 10.0.4.2", 60)
    m.vm.send("poweroff\n")
    assert m.vm.wait_exit(60) == "guest-shutdown"
