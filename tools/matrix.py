#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make matrix: boots over kernels, emulators, CPU models, machines and sizes; a table in build/matrix.md.

Not the full product: rows are chosen so that every pair of values of any two columns occurs in one (--full runs all).
"""
import argparse
import concurrent.futures
import dataclasses
import itertools
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))

from lib.vm import BUILD, VM, Config, Failure  # noqa: E402

COLUMNS = {
    "kernel": ["6.1", "6.12", "7.2"],
    "qemu": ["7.2", "10.0"],
    "cpu": ["EPYC", "max", "qemu64,+svm,+npt"],
    "machine": ["q35", "pc"],
    "cpus": [1, 2, 4],
    "mem": [512, 2048, 6144],
}


def pairs(row):
    return set(itertools.combinations(enumerate(row), 2))


def cover(rows):
    """Greedy: the row with the most pairs not seen yet, until all are."""
    left = set().union(*map(pairs, rows))
    chosen = []
    while left:
        best = max(rows, key=lambda row: len(pairs(row) & left))
        left -= pairs(best)
        chosen.append(best)
    return sorted(chosen, key=str)


def boot(row, hv, image):
    values = dict(zip(COLUMNS, row))
    name = f"matrix-{hv}-" + "-".join(map(str, row))
    config = Config(hv=hv, image=image, **values)
    if hv == "xen":
        config = dataclasses.replace(config, cpu=config.cpu + ",-rdtscp,-monitor,-xsave")
    try:
        with VM(config, name) as vm:
            vm.shell(timeout=180)
            seconds = vm.elapsed()
            cpus = int(vm.run("nproc"))
            memory = int(re.search(r"MemTotal:\s+(\d+)", vm.run("cat /proc/meminfo")).group(1)) // 1024
            trouble = vm.run("dmesg | grep -E 'detected .*stall|self-detected|lockup|Call Trace|BUG:'", check=False).strip()
            vm.send("poweroff\n")
            reason = vm.wait_exit()
        if cpus != values["cpus"]:
            return seconds, f"{cpus} CPUs in Dom0"
        if trouble:
            return seconds, trouble.splitlines()[0]
        if reason != "guest-shutdown":
            return seconds, f"ended by {reason}"
        return seconds, f"ok, {memory} MiB"
    except Failure as failure:
        lines = str(failure).splitlines()
        return None, f"{lines[0][:80]} … `{lines[-1][:100]}`"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hv", default="torii", choices=["torii", "xen", "none"])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    rows = list(itertools.product(*COLUMNS.values()))
    if not options.full:
        rows = cover(rows)
    if options.list:
        for row in rows:
            print(*row)
        return 0
    table = ["| " + " | ".join(COLUMNS) + " | to the shell | result |", "|" + "---|" * (len(COLUMNS) + 2)]
    bad = 0
    image = ""
    if options.hv == "torii":  # as it is now, whatever is built meanwhile
        image = shutil.copy(BUILD / "torii", tempfile.mkdtemp(prefix="torii-matrix-"))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for row, (seconds, result) in zip(rows, pool.map(lambda row: boot(row, options.hv, image), rows)):
            bad += not result.startswith("ok")
            took = f"{seconds:.0f} s" if seconds else "-"
            table.append("| " + " | ".join(f"`{v}`" if "," in str(v) else str(v) for v in row) + f" | {took} | {result} |")
            print(table[-1], flush=True)
    out = BUILD / ("matrix.md" if options.hv == "torii" else f"matrix-{options.hv}.md")
    out.write_text("\n".join(table) + "\n")
    print(f"{len(rows) - bad} passed, {bad} failed; table in {out.relative_to(pathlib.Path.cwd())}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
