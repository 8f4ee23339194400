#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make check: both compilers, static analysis, unit tests, fuzz corpora, system tests. The last line counts all of them."""
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = os.environ.get("BUILD", "build")
JOBS = os.environ.get("JOBS", "2")
total = {"passed": 0, "failed": 0, "skipped": 0}


def report(suite, passed, failed, skipped=0, seconds=0.0, failures=()):
    for key, value in zip(total, (passed, failed, skipped)):
        total[key] += value
    for line in failures:
        print(f"  FAILED {line}")
    extra = f", {skipped} skipped" if skipped else ""
    print(f"== {suite}: {passed} passed, {failed} failed{extra} ({seconds:.0f} s)", flush=True)


def run(*command, **options):
    """Exit status and output; never asks anything."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **options)
    return done.returncode, done.stdout


def make(*arguments):
    return run("make", "--no-print-directory", *arguments, env={k: v for k, v in os.environ.items() if k not in
                                                                ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})


def builds():
    """build/torii by both compilers, warnings being errors."""
    start = time.monotonic()
    bad = []
    for compiler, where in (("gcc", BUILD), ("clang", f"{BUILD.rstrip('/')}-clang")):
        status, output = make(f"-j{JOBS}", "all", f"CC={compiler}", f"BUILD={where}")
        if status:
            bad.append(compiler)
            print(output[-4000:])
    report("build with gcc and clang", 2 - len(bad), len(bad), 0, time.monotonic() - start, bad)
    return "gcc" not in bad


def lint():
    """gcc -fanalyzer, clang-tidy and cppcheck."""
    start = time.monotonic()
    status, output = make("-k", f"-j{JOBS}", "lint")
    bad = sorted(set(re.findall(r"^(\S+?:\d+:\d+: (?:warning|error): .*)", output, re.M)))
    if status and not bad:
        print(output[-4000:])
        bad = [f"make lint ended with status {status}"]
    report("static analysis, 3 analyzers", 3 if not bad else 0, len(bad), 0, time.monotonic() - start, bad)


def cmocka_counts(status, output):
    """(passed, failed, skipped, names of the failed) of one cmocka program's output."""
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (?!\d+ test)(?:\S+: )?(\S+)", output, re.M)))
    passed = len(re.findall(r"^\[       OK \]", output, re.M))
    skipped = len(re.findall(r"^\[  SKIPPED \] (?!\d+ test)", output, re.M))
    if status and not failed:
        failed = [f"ended with status {status}"]
    return passed, len(failed), skipped, failed


def unit():
    """Every tests/unit/test_*.c; one that does not build, crashes or asserts nothing is a failure."""
    start = time.monotonic()
    names = sorted(path.stem for path in (ROOT / "tests/unit").glob("test_*.c"))
    make("-k", f"-j{JOBS}", *(f"{BUILD}/unit/{name}" for name in names)) if names else None
    sums, bad = [0, 0, 0], []
    for name in names:
        status, output = make(f"{BUILD}/unit/{name}")
        if status == 0:
            try:
                status, output = run(str(ROOT / BUILD / "unit" / name), timeout=600)
            except subprocess.TimeoutExpired:
                status, output = 124, ""
            passed, failed, skipped, failures = cmocka_counts(status, output)
            if passed + failed + skipped == 0:
                failed, failures = 1, ["no test in it"]
        else:
            passed, failed, skipped, failures = 0, 1, 0, ["does not build"]
        sums = [a + b for a, b in zip(sums, (passed, failed, skipped))]
        bad += [f"{name}: {failure}" for failure in failures]
        if failures:
            print(output[-4000:])
    report(f"unit tests, {len(names)} programs", *sums, time.monotonic() - start, bad)


def fuzz():
    """Every libFuzzer target replays its corpus, tests/fuzz/corpus/NAME for tests/fuzz/fuzz_NAME.c."""
    start = time.monotonic()
    targets = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))
    if not targets:
        return
    make("-k", f"-j{JOBS}", *(f"{BUILD}/fuzz/{target}" for target in targets))
    passed, bad = 0, []
    for target in targets:
        corpus = ROOT / "tests/fuzz/corpus" / target.removeprefix("fuzz_")
        status, output = make(f"{BUILD}/fuzz/{target}")
        if status == 0:
            # Replay alone: what fuzzing finds belongs to `make fuzz`, and a check must not differ from run to run.
            work = ["-runs=0", str(corpus)] if corpus.is_dir() else ["-runs=2000", "-seed=1"]
            status, output = run(str(ROOT / BUILD / "fuzz" / target), f"-artifact_prefix={BUILD}/fuzz/", *work)
        if status:
            bad.append(target)
            print(output[-3000:])
        else:
            passed += 1
    report("fuzz corpora", passed, len(bad), 0, time.monotonic() - start, bad)


def system():
    start = time.monotonic()
    status, output = make(f"{BUILD}/initrd.gz")
    result = ROOT / BUILD / "system.xml"
    result.unlink(missing_ok=True)
    if status == 0:
        status, output = run("/usr/bin/python3", "-m", "pytest", "-q", "-n", JOBS,
                             "--tb=short", f"--junitxml={result}", "tests/system", timeout=40 * 60)
    if not result.exists():
        print(output[-4000:])
        report("system tests", 0, 1, 0, time.monotonic() - start, ["did not run"])
        return
    sums, bad = [0, 0, 0], []
    for case in xml.parse(result).iter("testcase"):
        kind = {child.tag for child in case}
        index = 1 if kind & {"failure", "error"} else 2 if "skipped" in kind else 0
        sums[index] += 1
        if index == 1:
            bad.append(f"{case.get('classname')}::{case.get('name')}")
    if bad or status not in (0, 1):
        print(output[-20000:])
    if status not in (0, 1) and not bad:
        sums[1] += 1
        bad.append(f"pytest ended with status {status}")
    report("system tests", *sums, time.monotonic() - start, bad)


def main():
    wanted = sys.argv[1:] or ["builds", "lint", "unit", "fuzz", "system"]
    for suite in wanted:
        {"builds": builds, "lint": lint, "unit": unit, "fuzz": fuzz, "system": system}[suite]()
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
