# SPDX-License-Identifier: BSD-2-Clause
"""Dom0 with the devices QEMU emulates: an initramfs with their drivers, data over them, and what /proc/interrupts says."""
import functools
import hashlib
import os
import random
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading

from . import linux
from .vm import BUILD, ROOT

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


@functools.cache
def initrd(kernel):
    """An initramfs with the drivers of this kernel, the scripts of tests/system/guest, and nvme-virt."""
    path = BUILD / f"initrd-devices-{kernel}.gz"
    env = {**os.environ, "BUILD": str(BUILD)}
    tree = subprocess.run([ROOT / "tools/fetch-kernel.sh", kernel], check=True, stdout=subprocess.PIPE, text=True, env=env)
    with tempfile.TemporaryDirectory(dir=BUILD) as tests:
        shutil.copytree(ROOT / "tests/system/guest", tests, dirs_exist_ok=True)
        subprocess.run(["gcc", "-O2", "-static", "-o", f"{tests}/nvme-virt", ROOT / "tests/system/nvme_virt.c"], check=True)
        subprocess.run([ROOT / "tools/make-initramfs.sh", path, "-k", tree.stdout.strip(), "-m", MODULES, "-t", tests],
                       check=True, env=env)
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


def interrupts(vm):
    """{action: (chip, count over all CPUs)}, as lib/linux.py reads it."""
    return linux.interrupts(vm.run(linux.INTERRUPTS))


def check_log(vm):
    """Dom0's log and Torii's tell of no trouble."""
    found = linux.trouble(vm.run("dmesg", 60))
    assert not found, "\n".join(found)
    vm.never(r"cannot be bound|\(torii\).*(refused|lost)")


def power_off(vm):
    vm.send("poweroff\n")
    assert vm.wait_exit(60) == "guest-shutdown"


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

    def rows(self, device):
        rows = {name: row for name, row in interrupts(self.vm).items() if re.match(self.names[device], name)}
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
        check_log(self.vm)
        power_off(self.vm)
        self.peer.close()
