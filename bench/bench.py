#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bare QEMU, Debian's Xen as PVH hypervisor, and Torii: the same emulator, kernel, memory and CPUs, in one run.

Counts are of a TCG plugin (bench/plugin.c); times are of runs without it. Writes docs/bench/: results.csv, costs.csv,
hypercalls.csv, profile.csv, versions.txt and the plots; prints the tables.
"""
import argparse
import csv
import dataclasses
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "guests")]
from lib import elf as pvhelf  # noqa: E402
from lib.vm import BUILD, VM, Config  # noqa: E402
from conformance import Run, config as guest_config  # noqa: E402

OUT = ROOT / "docs" / "bench"
WORK = BUILD / "bench"
PLUGIN = WORK / "plugin.so"
HVS = ["none", "xen", "torii"]
NAMES = {"none": "bare QEMU", "xen": "Xen 4.17 PVH", "torii": "Torii"}
CPUS, MEM = 2, 2048
# q35: PM1a control is at 0x604, S5 is type 0. mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt; jmp back
POWER_OFF = bytes.fromhex("66ba0406" "66b80020" "66ef" "f4" "ebfd")


def tiny_kernel():
    """An 8 KiB kernel that powers the machine off with its first instructions."""
    file = WORK / "tiny"
    notes = (pvhelf.note(pvhelf.NOTE_PHYS32_ENTRY, struct.pack("<Q", 0x1000000)) +
             pvhelf.note(pvhelf.NOTE_SUPPORTED_FEATURES, struct.pack("<Q", 0x801)))
    file.write_bytes(pvhelf.image([(0x1000000, POWER_OFF + b"\0" * (8192 - len(POWER_OFF)), 8192)], notes))
    return file


def boot_config(hv, **more):
    return Config(hv=hv, cpus=CPUS, mem=MEM, threads="multi", **{"cmdline": "torii.run=poweroff", **more})


def cpu_seconds(vm):
    fields = pathlib.Path(f"/proc/{vm._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def plugged(config, name, profile=""):
    """The same with the plugin; where its counts go."""
    counts = WORK / f"{name}.counts"
    counts.unlink(missing_ok=True)
    args = f"-plugin {PLUGIN},out={counts}" + (f",profile={profile}" if profile else "")
    return dataclasses.replace(config, qemu_args=f"{config.qemu_args} {args}".strip()), counts


def read_counts(file):
    return {k: int(v) for k, v in (line.split() for line in file.read_text().splitlines())}


def count(config, name, profile=""):
    """Run to the machine's end; the plugin's counts."""
    config, counts = plugged(config, name, profile)
    with VM(config, f"bench-{name}") as vm:
        vm.wait_exit(400)
        text = vm.text
    return read_counts(counts), text


class Marks:
    """Counts of a running machine: `with` a config, then take() as often as wanted."""

    def __init__(self, config, name):
        self.config, self.counts = plugged(config, name)
        self.mark, self.taken = WORK / f"{name}.mark", 0
        self.mark.unlink(missing_ok=True)
        self.config = dataclasses.replace(self.config, qemu_args=f"{self.config.qemu_args},mark={self.mark}")

    def take(self):
        self.taken += 1
        self.mark.touch()
        end = time.monotonic() + 30
        while self.mark.exists():
            if time.monotonic() > end:
                sys.exit(f"the plugin does not look at {self.mark}")
            time.sleep(0.02)
        return read_counts(self.counts.with_name(f"{self.counts.name}.{self.taken}"))


LOADS = ["disk", "network", "compile"]
LOAD_NAMES = {"disk": "32 MiB from, 16 MiB to an NVMe disk", "network": "8 MiB by TCP through an e1000e",
              "compile": "4000 functions by tcc"}
NETWORK_BYTES = 8 << 20


def serve(listener):
    """Dom0's peer: whoever connects gets NETWORK_BYTES."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(bytes(NETWORK_BYTES))


def loads_config(hv, port):
    initrd, disk = WORK / "initrd-loads.gz", WORK / "disk.img"
    if not initrd.exists():
        env = {**os.environ, "BUILD": str(BUILD)}
        kernel = subprocess.run([ROOT / "tools/fetch-kernel.sh", "6.1"], check=True, stdout=subprocess.PIPE, text=True, env=env)
        subprocess.run([ROOT / "tools/make-initramfs.sh", initrd, "-k", kernel.stdout.strip(), "-m", "nvme e1000e",
                        "-t", ROOT / "bench/guest", "-p", "tcc"], check=True, env=env)
    with open(disk, "wb") as f:
        f.truncate(64 << 20)
    devices = (f"-drive file={disk},if=none,id=disk,format=raw -device nvme,drive=disk,serial=bench "
               "-netdev user,id=net -device e1000e,netdev=net")
    return boot_config(hv, initrd=str(initrd), cmdline=f"torii.cmd=loads.sh bench.port={port}", qemu_args=devices)


def one_load(vm, load, at):
    """What at() says at the beginning and at the end of a load."""
    vm.expect(rf"bench: begin {load}", 400)
    before = at()
    vm.expect(r"bench: (end|failed)", 600)
    after = at()
    if "bench: failed" in vm.text:
        sys.exit(f"{load}: the load fails")
    return before, after


def loads(table):
    """Disk, network and compiler in Dom0: times without the plugin, counts with it."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    for hv in HVS:
        config = loads_config(hv, listener.getsockname()[1])
        with VM(config, f"bench-loads-{hv}") as vm:
            for load in LOADS:
                (cpu, wall), (cpu_end, wall_end) = one_load(vm, load, lambda: (cpu_seconds(vm), vm.elapsed()))
                # the script sleeps a second first, so that the counters can be marked
                table.set(f"{LOAD_NAMES[load]}: host CPU", "s", hv, round(cpu_end - cpu, 2))
                table.set(f"{LOAD_NAMES[load]}: wall clock", "s", hv, round(wall_end - wall - 1, 2))
            vm.wait_exit(120)
        marks = Marks(config, f"loads-{hv}")
        with VM(marks.config, f"bench-loads-counted-{hv}") as vm:
            for load in LOADS:
                before, after = one_load(vm, load, marks.take)
                for key, what, unit in COUNTED if hv != "none" else []:
                    table.set(f"{LOAD_NAMES[load]}: {what}", unit, hv, after[key] - before[key])
            vm.wait_exit(120)
    listener.close()


def timed(config, name, lines):
    """Seconds of the host's CPUs and of the clock at each of the lines."""
    found = []
    with VM(config, f"bench-{name}") as vm:
        for line in lines:
            vm.expect(line, 400)
            found.append((cpu_seconds(vm), vm.elapsed()))
        vm.wait_exit(120)
    return found


class Table:
    """rows: (group, what, unit) -> {hv: value}"""

    def __init__(self):
        self.rows = {}

    def read(self, file):
        """The rows of an earlier run."""
        with open(file, newline="") as f:
            for row in csv.DictReader(f):
                for hv in HVS:
                    if row[hv]:
                        value = float(row[hv]) if "." in row[hv] else int(row[hv])
                        self.set(row["what"], row["unit"], hv, value)

    def set(self, what, unit, hv, value):
        self.rows.setdefault((what, unit), {})[hv] = value

    def get(self, what, hv):
        return next((v.get(hv) for (w, _), v in self.rows.items() if w == what), None)

    def lines(self):
        yield f"{'':58}" + "".join(f"{NAMES[h]:>16}" for h in HVS) + f"{'Torii / Xen':>14}"
        for (what, unit), values in self.rows.items():
            cells = "".join(f"{number(values.get(h)):>16}" for h in HVS)
            ratio = ""
            if values.get("xen") and values.get("torii") is not None:
                ratio = f"{values['torii'] / values['xen']:.3f}"
            yield f"{what + (f' [{unit}]' if unit else ''):58}{cells}{ratio:>14}"

    def write(self, file):
        with open(file, "w", newline="") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(["what", "unit"] + HVS)
            for (what, unit), values in self.rows.items():
                writer.writerow([what, unit] + [values.get(h, "") for h in HVS])


def number(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}".replace(",", " ")


def first_entry(table):
    for hv in ("xen", "torii"):
        counts, _ = count(Config(hv=hv, kernel=str(tiny_kernel()), initrd=str(BUILD / "guests" / "module"), cpus=CPUS,
                                 mem=MEM, threads="multi"), f"tiny-{hv}")
        table.set("8 KiB Dom0: before its first instruction", "instructions", hv, counts["before_first_entry"])


def boot(table, hypercalls):
    for hv in HVS:
        profile = WORK / "torii.profile" if hv == "torii" else ""
        counts, text = count(boot_config(hv, args="exit-stats" if hv == "torii" else ""), f"boot-{hv}", profile=profile)
        hypervisor, guest = counts["hypervisor"] - counts["before_first_entry"], counts["guest"]
        if hv == "none":
            guest, hypervisor = counts["hypervisor"], 0
        else:
            table.set("Debian 6.1: before its first instruction", "instructions", hv, counts["before_first_entry"])
        table.set("boot to power-off: VMRUNs", "", hv, counts["vmruns"])
        table.set("boot to power-off: hypervisor", "instructions", hv, hypervisor)
        table.set("boot to power-off: hypervisor, each exit", "instructions", hv, hypervisor // max(counts["vmruns"], 1))
        table.set("boot to power-off: guest", "instructions", hv, guest)
        table.set("boot to power-off: hypercalls", "", hv, counts["hypercalls"])
        if hv == "torii":
            for op, sub, n in re.findall(r"\(torii\) +(\w+) (\d+): (\d+)$", text, re.M):
                hypercalls.append((op, int(sub), int(n)))
            resident = re.search(r"Torii uses (\d+) of its", text)
            if resident:
                table.set("memory it keeps", "KiB", hv, int(resident.group(1)))
    console = sum(n for op, sub, n in hypercalls if op == "console_io")
    for hv in ("xen", "torii"):
        total = table.get("boot to power-off: hypercalls", hv)
        # the kernel's log is the same, so its writes are as well
        table.set("boot to power-off: hypercalls, console aside", "", hv, max(total - console, 0))


def times(table, runs):
    best = {}
    for _ in range(runs):
        for hv in HVS:  # in turn, so that a busy host hits all of them
            at = timed(boot_config(hv), f"time-{hv}", [r"Linux version", r"torii-dom0: poweroff"])
            best[hv] = [tuple(map(min, old, new)) for old, new in zip(best[hv], at)] if hv in best else at
    for hv in HVS:
        for which, what in enumerate(["to Linux' first line", "to init's last"]):
            table.set(f"{what}: host CPU", "s", hv, round(best[hv][which][0], 2))
            table.set(f"{what}: wall clock", "s", hv, round(best[hv][which][1], 2))


COUNTED = [("vmruns", "VMRUNs", ""), ("hypervisor", "hypervisor", "instructions"), ("guest", "guest", "instructions")]


def idle_minute(table, seconds):
    for hv in ("xen", "torii"):
        marks = Marks(boot_config(hv, cmdline="torii.run=shell"), f"idle-{hv}")
        with VM(marks.config, f"bench-idle-{hv}") as vm:
            vm.expect(r"torii-dom0: shell", 400)
            time.sleep(5)
            before = marks.take()
            time.sleep(seconds)
            after = marks.take()
            vm.qmp("quit")
            vm._process.wait(60)
        for key, what, unit in COUNTED:
            table.set(f"an idle {seconds} s at the shell: {what}", unit, hv, after[key] - before[key])


def costs():
    """{operation: {hv: instructions}} of tests/guests/micro.c, the TSC counting instructions."""
    found = {}
    for hv in HVS:
        run = Run("micro", "micro", cpus=2, mem=512, qemu="-icount shift=0,sleep=off -device edu,addr=5", cmdline="rounds=50")
        with VM(guest_config(run, hv), f"bench-micro-{hv}") as vm:
            vm.expect(r"^1\.\.\d+$", 300)
            vm.wait_exit(60)
            for name, cycles in re.findall(r"^cost (.+?) = (\d+)$", vm.text, re.M):
                if int(cycles) < 1 << 40:
                    found.setdefault(name, {})[hv] = int(cycles)
    return found


def cost_lines(found):
    yield f"{'cost of one operation [instructions, guest and hypervisor]':58}" + "".join(f"{NAMES[h]:>16}" for h in HVS)
    for name, values in found.items():
        yield f"{name:58}" + "".join(f"{number(values.get(hv)):>16}" for hv in HVS)


def write_rows(file, header, rows):
    with open(file, "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def profile():
    listing = subprocess.run([ROOT / "tools" / "hvprof", WORK / "torii.profile", BUILD / "torii.elf"], check=True,
                             capture_output=True, text=True).stdout
    print("\nTorii's instructions behind the first VMRUN, by function (tools/hvprof):")
    print("\n".join(listing.splitlines()[:16]))
    rows = [(m[3], int(m[0]), m[1]) for m in re.findall(r"^ *(\d+) +([\d.]+)% +(\d+) +\S+ +(\S+)$", listing, re.M)]
    write_rows(OUT / "profile.csv", ["function", "instructions", "percent"], rows)


def versions():
    def said(*command):
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()

    package = "${Package} ${Version}\n"
    text = [said("qemu-system-x86_64", "--version").splitlines()[0], said("dpkg-query", "-W", "-f", package, "qemu-system-x86"),
            "Torii " + said("git", "describe", "--always", "--dirty", "--tags")]
    with open(BUILD / "xen" / "xen", "rb") as f:
        version = re.search(rb"4\.17[\x20-\x7e]{0,60}", f.read())
        text.append("Xen " + version.group(0).decode() if version else "Xen 4.17")
    kernel = BUILD / "kernels" / "6.1"
    text += ["Linux " + p.name[len("config-"):] for p in kernel.glob("**/config-*")][:1] or ["Linux 6.1 (Debian)"]
    text.append(f"{CPUS} CPUs, {MEM} MiB (Xen's Dom0 has half), -cpu EPYC")
    (OUT / "versions.txt").write_text("\n".join(text) + "\n")
    return text


def plot():
    subprocess.run(["gnuplot", ROOT / "bench" / "plots.gp"], check=True, cwd=OUT)


PARTS = ["entry", "boot", "times", "idle", "loads", "costs"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="timed boots of each; the best counts")
    parser.add_argument("--idle", type=int, default=60, help="seconds of idleness; 0 leaves it out")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure these; the other rows stay")
    args = parser.parse_args()
    wanted = args.only or PARTS
    for directory in (OUT, WORK):
        directory.mkdir(parents=True, exist_ok=True)
    table, hypercalls, found = Table(), [], {}
    if args.only and (OUT / "results.csv").exists():
        table.read(OUT / "results.csv")
    if "entry" in wanted:
        first_entry(table)
    if "boot" in wanted:
        boot(table, hypercalls)
    if "times" in wanted:
        times(table, args.runs)
    if "idle" in wanted and args.idle:
        idle_minute(table, args.idle)
    if "loads" in wanted:
        loads(table)
    if "costs" in wanted:
        found = costs()
    print("\n".join(versions()))
    print("\n" + "\n".join(table.lines()))
    if hypercalls:
        print("\nTorii's hypercalls: " + ", ".join(f"{op}.{sub} {n}" for op, sub, n in
                                                   sorted(hypercalls, key=lambda h: -h[2])[:12]))
        profile()
    if found:
        print("\n" + "\n".join(cost_lines(found)))
    table.write(OUT / "results.csv")
    if hypercalls:
        write_rows(OUT / "hypercalls.csv", ["hypercall", "sub-op", "count"], hypercalls)
    if found:
        write_rows(OUT / "costs.csv", ["operation"] + HVS,
                   [(name, *(v.get(hv, "") for hv in HVS)) for name, v in found.items()])
    with open(OUT / "costs.csv", newline="") as f:
        found = {row["operation"]: {hv: int(row[hv]) for hv in HVS if row.get(hv)} for row in csv.DictReader(f)}
    (OUT / "table.txt").write_text("\n".join([*table.lines(), "", *cost_lines(found), ""]))
    plot()


main()
