# SPDX-License-Identifier: BSD-2-Clause
"""An installed Debian 12 (tools/make-debian.sh) on a machine with real disks and cards, reached by ssh from the host."""
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from . import linux
from .vm import BUILD, ROOT, SCALE, VM, Failure

# What each kind of disk and card is to QEMU; {id} names its drive or net.
DISKS = {"virtio": "virtio-blk-pci,drive={id},serial={id}", "nvme": "nvme,drive={id},serial={id}",
         "sata": "ide-hd,drive={id},bus=ide.{port},serial={id}", "usb": "usb-storage,drive={id},serial={id}"}
CARDS = {"virtio-net": "virtio-net-pci", "e1000e": "e1000e", "igb": "igb"}
DRIVERS = {"virtio-net": "virtio_net", "e1000e": "e1000e", "igb": "igb"}
# What /proc/interrupts calls the vectors that carry each device's data, and on a legacy line.
ROWS = {"virtio": r"virtio\d+-req", "nvme": r"nvme\d+q[1-9]", "sata": r"ahci", "usb": r"xhci.hcd",
        "virtio-net": r"virtio\d+-(input|output)", "e1000e": r"en\w+-(rx|tx)", "igb": r"en\w+-(TxRx|rx|tx)"}
LEGACY_ROWS = {**ROWS, "virtio": r"virtio\d+$", "virtio-net": r"virtio\d+$", "nvme": r"nvme\d+q\d+", "e1000e": r"en\w+$",
               "igb": r"en\w+$"}
# On a line, QEMU's NVMe forgets to lower it where the driver's shadow doorbells save the write that would tell it: on the bare
# emulator two of three interrupts are then nobody's, and where each costs more, Linux gives the line up. QEMU 10 can go without.
LEGACY_OPTIONS = {"nvme": ",dbcs=off"}
SCRATCH_BYTES = 256 << 20
# systemd gives up on what takes 90 seconds; an emulator on a busy host may take longer.
PATIENCE = "systemd.default_timeout_start_sec=900"


@functools.cache
def image_dir():
    """Where tools/make-debian.sh left the image; made now if there is none yet."""
    done = subprocess.run([ROOT / "tools/make-debian.sh"], check=True, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "BUILD": str(BUILD)})
    return pathlib.Path(done.stdout.strip())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclasses.dataclass
class Card:
    kind: str
    net: str  # the first three numbers of its network
    ssh: int  # ports on the host's loopback
    iperf: int


class Debian:
    """with Debian(config, name, root="nvme", disks=["sata"], cards=["igb"]) as d: d.login(); d.ssh("lspci"); ...

    `root` is the kind of disk the system is on, `disks` are empty ones beside it; the first card carries ssh.
    """

    def __init__(self, config, name, root="virtio", disks=(), cards=("virtio-net",), options="", extra=""):
        self.files = image_dir()
        self.work = BUILD / "debian-run" / re.sub(r"[^A-Za-z0-9.-]+", "_", name)
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.root, self.disks = root, list(disks)
        self.legacy = "nomsi" in config.cmdline
        self.image = self.work / "root.img"
        subprocess.run(["cp", "--sparse=always", self.files / "debian.img", self.image], check=True)
        self.cards = [Card(kind, f"10.0.{2 + n}", free_port(), free_port()) for n, kind in enumerate(cards)]
        args = self._disk_args(options) + self._card_args(options) + extra.split()
        self.vm = VM(dataclasses.replace(
            config, kernel=str(self.files / "vmlinuz"), initrd=str(self.files / "initrd.img"),
            cmdline=f"root=LABEL=debian ro {PATIENCE} {config.cmdline}".strip(), mem=max(config.mem, 2048),
            qemu_args=" ".join([config.qemu_args, *args]).strip()), name)

    def _disk_args(self, options):
        args = ["-device", "qemu-xhci"] if "usb" in [self.root, *self.disks] else []
        for port, (kind, id) in enumerate([(self.root, "root")] + [(kind, f"scratch-{kind}") for kind in self.disks]):
            file = self.work / f"{id}.img"
            if id != "root":
                with open(file, "wb") as f:
                    f.truncate(SCRATCH_BYTES)
            device = DISKS[kind].format(id=id, port=port)
            args += ["-drive", f"file={file},if=none,id={id},format=raw", "-device",
                     device + (options if kind == "virtio" else "") + (LEGACY_OPTIONS.get(kind, "") if self.legacy else "")]
        return args

    def _card_args(self, options):
        args = []
        for n, card in enumerate(self.cards):
            forward = f"hostfwd=tcp:127.0.0.1:{card.ssh}-:22,hostfwd=tcp:127.0.0.1:{card.iperf}-:5201"
            args += ["-netdev", f"user,id=net{n},net={card.net}.0/24,{forward}", "-device",
                     f"{CARDS[card.kind]},netdev=net{n},mac=52:54:00:00:00:{n + 1:02x}" +
                     (options if card.kind == "virtio-net" else "")]
        return args

    def __enter__(self):
        self.vm.__enter__()
        return self

    def __exit__(self, *_):
        self.vm.__exit__()
        for image in self.work.glob("*.img"):
            image.unlink()

    def login(self, timeout=240):
        """To the login prompt; a shell on the console, as root without a password. The seconds the prompt took."""
        self.vm.expect(r"^debian login: ", timeout, fatal=r"Kernel panic|\*\*\* Torii panic|emergency mode|^\(initramfs\)")
        took = self.vm.elapsed()
        self.vm.send("root\n")
        self.vm.expect(r"root@debian:.*# ", 60)
        self.vm.send("exec dash\n")  # no line editor, so no escape sequences between what it prints
        self.vm.expect(r"# \Z", 60)
        self.vm.run("dmesg -n 1; stty cols 500", 30)
        return took

    def ssh_command(self, card=None):
        card = card or self.cards[0]
        return ["ssh", "-q", "-i", str(self.files / "key"), "-p", str(card.ssh), "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ControlMaster=auto", "-o",
                f"ControlPath={self.vm._dir}/ssh-{card.ssh}", "-o", "ControlPersist=yes", "-o",
                f"ConnectTimeout={int(30 * SCALE)}", "root@127.0.0.1"]

    def ssh(self, command, timeout=120, check=True, card=None, input=None):
        """A command over the network; what it printed."""
        try:
            done = subprocess.run(self.ssh_command(card) + [command], input=input, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=timeout * SCALE)
        except subprocess.TimeoutExpired:
            raise Failure(f"ssh {command!r} did not end; the line's last words:\n{self.vm.tail()}") from None
        text = done.stdout.decode("utf-8", "replace")
        if check and done.returncode:
            raise Failure(f"ssh {command!r} ended with status {done.returncode}:\n{text}")
        return text

    def interrupts(self):
        """{action: (chip, count over all CPUs)}, as lib/linux.py reads it."""
        return linux.interrupts(self.ssh(linux.INTERRUPTS))

    def rows(self, kind):
        pattern = (LEGACY_ROWS if self.legacy else ROWS)[kind]
        if kind in CARDS and not kind.startswith("virtio"):
            pattern = pattern.replace(r"en\w+", re.escape(self.interface(kind)))
        if kind in ("virtio", "virtio-net"):
            pattern = pattern.replace(r"virtio\d+", self.virtio(kind))
        rows = {name: row for name, row in self.interrupts().items() if re.match(pattern, name)}
        assert rows, f"{kind} has no interrupt"
        return rows

    def count(self, kind):
        return sum(count for _, count in self.rows(kind).values())

    def virtio(self, kind):
        """The alternatives of virtioN that are disks, or cards."""
        driver = {"virtio": "virtio_blk", "virtio-net": "virtio_net"}[kind]
        return "(" + "|".join(self.ssh(f"cd /sys/bus/virtio/drivers/{driver}; ls -d virtio*").split()) + ")"

    def interface(self, kind):
        """The name of the first card of a kind."""
        return self.ssh(f"for i in /sys/class/net/*; do case $(readlink $i/device/driver) in */{DRIVERS[kind]}) "
                        "echo ${i##*/};; esac; done").split()[0]

    def device(self, kind):
        """The block device of a scratch disk."""
        return self.ssh(f"readlink -f $(ls /dev/disk/by-id/*scratch-{kind}* | grep -v -- -part | head -1)").strip()

    def target(self, kind):
        """What fio may write to: a file on the disk of the root file system, the whole of another."""
        return "/root/fio" if kind == self.root else self.device(kind)

    def fio(self, kinds, rw, seconds, more=""):
        """{kind: a job's results by fio's JSON}, the disks all at once."""
        jobs = " ".join(f"--name={kind} --filename={self.target(kind)}" for kind in kinds)
        out = self.ssh(f"fio --rw={rw} --direct=1 --ioengine=libaio --size=200M --time_based --runtime={seconds} "
                       f"--output-format=json {more} {jobs}", seconds + 240)
        results = json.loads(out[out.index("{"):])["jobs"]
        assert len(results) == len(kinds) and all(job["error"] == 0 for job in results), out
        return {job["jobname"]: job for job in results}

    def fio_verify(self, seconds, kinds=None):
        """Random writes on all disks, each block read back and its checksum compared soon after."""
        return self.fio(kinds or [self.root, *self.disks], "randwrite", seconds,
                        "--bs=16k --iodepth=8 --verify=crc32c --verify_backlog=128 --verify_fatal=1")

    def iperf(self, card, seconds, reverse=False):
        """Mbit/s to Dom0, or with `reverse` from it; the server is Dom0's."""
        command = ["iperf3", "-c", "127.0.0.1", "-p", str(card.iperf), "-t", str(seconds), "-J"] + (["-R"] if reverse else [])
        # A server that is still busy with the last client resets a connection; on a slow machine that takes a while.
        for pause in (1, 3, 10):
            time.sleep(pause * SCALE)
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=(seconds + 120) * SCALE)
            result = json.loads(done.stdout)
            if "error" not in result:
                return result["end"]["sum_received"]["bits_per_second"] / 1e6
        raise Failure(f"iperf3: {result['error']}")

    def log(self):
        return self.ssh("dmesg")

    def power_off(self):
        """By systemd; then the file system must be clean, which this checks from outside."""
        self.ssh("systemctl poweroff", check=False)
        reason = self.vm.wait_exit(180)
        assert reason == "guest-shutdown", reason
        check = subprocess.run(["/sbin/e2fsck", "-fn", self.image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert check.returncode == 0 and "recovery" not in check.stdout, check.stdout
        return check.stdout
