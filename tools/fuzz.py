#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make fuzz: libFuzzer targets in turn, each for a time, one line of figures for each.

What a target finds new is kept in build/fuzz/corpus/NAME; an input that breaks something in build/fuzz/NAME-crash-*.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def last(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def fuzz(build, name, seconds):
    """One target: its line of figures, and whether it ended well."""
    own = build / "corpus" / name
    own.mkdir(parents=True, exist_ok=True)
    kept = ROOT / "tests/fuzz/corpus" / name
    log = build / f"{name}.log"
    with open(log, "wb") as output:
        # A process of its own for each target; one core.
        status = subprocess.run(
            [build / f"fuzz_{name}", f"-max_total_time={seconds}", "-print_final_stats=1", "-timeout=60", "-max_len=8192",
             "-rss_limit_mb=4096", f"-artifact_prefix={build}/{name}-", own, *([kept] if kept.is_dir() else [])],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT).returncode
    text = log.read_text(errors="replace")
    runs, edges = last(r"stat::number_of_executed_units: (\d+)", text), last(r"cov: (\d+)", text)
    total = last(r"\((\d+) inline 8-bit counters\)", text)
    print(f"{name:12}{runs:12} runs{seconds:6} s{edges:7} of {total} edges ({100 * edges / max(total, 1):.0f} %)"
          f"{last('corp: ([0-9]+)/', text):7} inputs   " + ("nothing found" if status == 0 else f"FAILED, see {log}"),
          flush=True)
    return status == 0


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--build", type=pathlib.Path, required=True)
    parse.add_argument("--seconds", type=int, default=60)
    parse.add_argument("names", nargs="*", help="all of tests/fuzz without")
    options = parse.parse_args()
    build = (ROOT / options.build).resolve() / "fuzz"
    names = options.names or sorted(path.stem.removeprefix("fuzz_") for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))
    return 1 if not all([fuzz(build, name, options.seconds) for name in names]) else 0


if __name__ == "__main__":
    sys.exit(main())
