#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make compare: the same Debian image on bare QEMU, as Torii's Dom0 and as that of Debian's Xen, one after the other.

Boot time, fio on each disk, iperf3 over each card, the kernel's log and /proc/interrupts. Prints the table and writes it
into docs/devices.md between its markers; logs and interrupts go to build/compare/.
"""
import argparse
import json
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from lib import dmesg  # noqa: E402
from lib.debian import Debian  # noqa: E402
from lib.vm import BUILD, Config, Failure  # noqa: E402

OUT = BUILD / "compare"
DOCUMENT = ROOT / "docs" / "devices.md"
BEGIN, END = "<!-- make compare -->", "<!-- end -->"
NAMES = {"none": "bare QEMU", "torii": "Torii", "xen": "Xen 4.17 PVH"}
DISKS, CARDS = ["nvme", "sata"], ["virtio-net", "e1000e"]
FIO = {"read 128k": ("read", "--bs=128k --iodepth=8", "read", "MB/s"), "write 128k": ("write", "--bs=128k --iodepth=8", "write", "MB/s"),
       "random read 4k": ("randread", "--bs=4k --iodepth=8", "read", "IOPS"),
       "random read 4k, one at a time": ("randread", "--bs=4k --iodepth=1", "read", "IOPS")}


def start(hv, arguments):
    # Xen's Dom0 reaches virtio devices through the IOMMU alone, as its frames are not the machine's; and half the memory
    # that run-qemu.sh gives Xen is Dom0's.
    options = ",iommu_platform=on,disable-legacy=on" if hv == "xen" else ""
    config = Config(hv=hv, cpus=arguments.cpus, cpu=arguments.cpu, mem=4096 if hv == "xen" else 2048, threads="multi",
                    cmdline=arguments.cmdline)
    return Debian(config, f"compare-{hv}", "virtio", DISKS, CARDS, options)


def fio(d, seconds):
    for kind in [d.root, *d.disks]:
        for name, (rw, more, direction, unit) in FIO.items():
            result = d.fio([kind], rw, seconds, more)[kind][direction]
            yield f"{kind}, {name}", unit, result["bw_bytes"] / 1e6 if unit == "MB/s" else result["iops"]


def network(d, seconds):
    d.ssh("systemd-run -q --unit=iperf iperf3 -s")
    for card in d.cards:
        for reverse, words in ((False, "to Dom0"), (True, "from Dom0")):
            yield f"{card.kind}, {words}", "Mbit/s", d.iperf(card, seconds, reverse)


def compute(d):
    """What a processor does with no device: how much of a difference is the emulator's, with nested paging and exits."""
    clock = "use Time::HiRes 'time'; $t = time; "
    for name, unit, code in (("a fork and its exit", "ms", "for (1..400) { fork // die or exit; wait } printf '%f', (time - $t) / .4"),
                             ("64 MB through sha256sum", "s", "system 'head -c 64M /dev/zero | sha256sum >/dev/null'; "
                              "printf '%f', time - $t")):
        yield name, unit, float(d.ssh(f'perl -e "{clock.replace("$", chr(92) + "$")}{code.replace("$", chr(92) + "$")}"'))


def figures(d, arguments):
    yield "to the login prompt", "s", d.login(600)
    d.ssh("systemctl is-system-running --wait", 600, check=False)
    startup = d.ssh("systemd-analyze")
    for part in ("kernel", "userspace"):
        match = re.search(rf"(?:(\d+)min )?([\d.]+)(m?)s \({part}\)", startup)
        yield f"{part}'s part of it", "s", float(match[2]) / (1000 if match[3] else 1) + 60 * int(match[1] or 0)
    (OUT / f"{d.hv}.dmesg").write_text(d.ssh("dmesg -r"))
    yield from compute(d)
    yield from fio(d, arguments.seconds)
    yield from network(d, arguments.seconds)
    (OUT / f"{d.hv}.interrupts").write_text(d.ssh("cat /proc/interrupts"))


def measure(hv, arguments):
    """One boot's figures, {name: [unit, value]}; kept in a file too, and what there is of them where it breaks off."""
    found = {}
    try:
        with start(hv, arguments) as d:
            d.hv = hv
            for name, unit, value in figures(d, arguments):
                found[name] = [unit, value]
                print(f"{NAMES[hv]}: {name}: {value:.2f} {unit}", file=sys.stderr)
            d.power_off()
    except Failure as failure:
        print(f"{NAMES[hv]}: {failure}", file=sys.stderr)
    (OUT / f"{hv}.json").write_text(json.dumps(found, indent=1))
    return found


def levels(hv):
    lines = re.findall(r"^<(\d+)>\[ *\d+\.\d+\] (.*)$", (OUT / f"{hv}.dmesg").read_text(), re.M)
    return [(int(level) & 7, text) for level, text in lines]


def merged(runs):
    """The median of each figure over the rounds that got to it."""
    names = {name: run[name][0] for run in runs for name in run}
    return {name: (unit, statistics.median(run[name][1] for run in runs if name in run)) for name, unit in names.items()}


def table(results, rounds):
    hvs = list(results)
    lines = [f"| {'median of ' + str(rounds) if rounds > 1 else 'measured'} | " + " | ".join(NAMES[hv] for hv in hvs) +
             " | Torii / bare |", "|---|" + "---|" * (len(hvs) + 1)]
    for name in {name: 0 for hv in hvs for name in results[hv]}:
        cells = []
        for hv in hvs:
            unit, value = results[hv].get(name, ("", None))
            cells.append("-" if value is None else f"{value:.2f} {unit}" if value < 10 else f"{value:.0f} {unit}")
        ratio = "-"
        if name in results.get("torii", ()) and name in results.get("none", ()):
            ratio = f"{results['torii'][name][1] / results['none'][name][1]:.2f}"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hv", default="none,torii,xen", help="which, in this order")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--cpu", default="qemu64,+svm,+npt", help="QEMU's model; this one all three run on without its bugs")
    parser.add_argument("--seconds", type=int, default=10, help="of each fio job and each iperf3")
    parser.add_argument("--rounds", type=int, default=1, help="of all of them, by turns")
    parser.add_argument("--cmdline", default="", help="more for the kernel")
    parser.add_argument("--kept", action="store_true", help="only the table, from each one's last run")
    parser.add_argument("--no-document", action="store_true", help="leave docs/devices.md alone")
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    runs = {hv: [] for hv in arguments.hv.split(",")}
    for _ in range(0 if arguments.kept else arguments.rounds):
        for hv in runs:
            runs[hv].append(measure(hv, arguments))
    if arguments.kept:
        runs = {hv: [json.loads((OUT / f"{hv}.json").read_text())] for hv in runs if (OUT / f"{hv}.json").exists()}
    results = {hv: merged(list_) for hv, list_ in runs.items() if any(list_)}
    if not results:
        sys.exit("none of them got to the end")
    text = table(results, arguments.rounds)
    print(text)
    if "none" in results and "torii" in results:
        print("\nwarnings and errors under Torii alone, unexplained:")
        print("\n".join(dmesg.complaints(levels("torii"), levels("none"))) or "none")
    if not arguments.no_document:
        old = DOCUMENT.read_text()
        DOCUMENT.write_text(old[:old.index(BEGIN) + len(BEGIN)] + "\n" + text + "\n" + old[old.index(END):])


if __name__ == "__main__":
    main()
