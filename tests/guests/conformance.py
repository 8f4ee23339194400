#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boot the test kernels as Dom0 and collect their results (TAP).

As a program: a table of one hypervisor's results; each run is kept in build/conformance/HV.json, and what the other
hypervisors said in their last runs stands beside it. With --model they run in Bochs, on that processor; the results are kept in
HV@MODEL.json. As a module: runs() and execute() for the system tests.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import shlex
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from lib.bochs import Bochs  # noqa: E402
from lib.vm import BUILD, VM, Config, Failure  # noqa: E402

GUESTS = ROOT / "tests" / "guests"
KEPT = BUILD / "conformance"
RESULT = re.compile(r"^(ok|not ok) (\d+) - (.*?)(?: # SKIP (.*))?$", re.M)
DIFFERENCE = re.compile(r"^\| `([\w:]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
# What a difference.md row ends with when it speaks of QEMU.
OF_QEMU = "emulator"


@dataclasses.dataclass(frozen=True)
class Run:
    """One boot of one kernel."""

    guest: str
    name: str
    cpus: int = 1
    mem: int = 512
    qemu: str = ""
    cmdline: str = ""
    exit: str = "guest-shutdown"  # none: the machine goes on
    only: str = ""  # hypervisors it makes sense on, comma-separated
    timeout: int = 120


@dataclasses.dataclass
class Outcome:
    results: dict  # check -> "ok", "skip" or "not ok"
    details: dict  # check -> the line's tail where it failed
    problem: str = ""  # why the run as a whole failed

    @property
    def failed(self):
        return [c for c, r in self.results.items() if r == "not ok"]


def runs(hv=""):
    """Every run of every kernel, from their `run:` comments."""
    found = []
    for source in sorted(GUESTS.glob("*.c")):
        lines = re.findall(r"\brun: *(.*?) *(?:\*/)?$", source.read_text(), re.M) or [""]
        for line in lines:
            fields = dict(word.split("=", 1) for word in shlex.split(line))
            fields = {k: int(v) if k in ("cpus", "mem", "timeout") else v for k, v in fields.items()}
            name = source.stem + (":" + fields.pop("name") if "name" in fields else "")
            found.append(Run(source.stem, name, **fields))
    return [r for r in found if not hv or not r.only or hv in r.only.split(",")]


def bochs_runs(hv=""):
    """Those that need no device Bochs has not."""
    return [r for r in runs(hv) if not r.qemu]


# Bochs' speed beside QEMU's; and what Xen needs for two processors there.
BOCHS_TIMES = 6
XEN_ON_BOCHS = "x2apic=false"


def config(run, hv, **more):
    # Xen gives Dom0 half, and has no room for it in less.
    mem = run.mem * 2 if hv == "xen" else run.mem
    return Config(hv=hv, kernel=str(BUILD / "guests" / run.guest), initrd=str(BUILD / "guests" / "module"),
                  cmdline=run.cmdline, cpus=run.cpus, mem=mem, qemu_args=run.qemu, threads="multi", **more)


def machine(run, hv, model="", **more):
    name = f"guest-{run.name}-{hv}"
    if not model:
        return VM(config(run, hv, **more), name)
    return Bochs(f"{name}-{model}", model, HV=hv, KERNEL=BUILD / "guests" / run.guest, CMDLINE=run.cmdline, CPUS=run.cpus,
                 INITRD=BUILD / "guests" / "module", MEM=max(256, run.mem), IMAGE=more.get("image", ""), KEEP_HALTED=1,
                 TORII_ARGS=XEN_ON_BOCHS if hv == "xen" else "")


def execute(run, hv, model="", **more):
    """Boot it; what it said."""
    outcome = Outcome({}, {})
    with machine(run, hv, model, **more) as vm:
        slow = BOCHS_TIMES if model else 1
        try:
            vm.expect(r"^1\.\.\d+$", run.timeout * slow, fatal=r"\*\*\* Torii panic|Panic on CPU")
            if run.exit == "none":
                ended = "none" if vm.still_running(2 * slow) else vm.wait_exit(15 * slow)
            else:
                ended = vm.wait_exit(15 * slow)
            if ended != run.exit:
                outcome.problem = f"the machine's end was {ended}, not {run.exit}"
            if vm.triple_fault():
                outcome.problem = "triple fault of a physical CPU"
        except Failure as e:
            outcome.problem = str(e)
        text = vm.text
    for verdict, _, name, skipped in RESULT.findall(text):
        plain = re.sub(r" \(got .*\)$", "", name)
        outcome.results[plain] = "skip" if skipped else verdict
        if verdict == "not ok":
            outcome.details[plain] = name[len(plain):]
    planned = re.search(r"^1\.\.(\d+)$", text, re.M)
    if planned and int(planned.group(1)) != len(RESULT.findall(text)) and not outcome.problem:
        outcome.problem = f"{len(RESULT.findall(text))} results of {planned.group(1)} planned"
    return outcome


def rows(page):
    return DIFFERENCE.findall((ROOT / "docs" / page).read_text())


def explained(model=""):
    """{(run, check): who fails it}, from docs/differences.md; in Bochs docs/intel.md comes first, and what is QEMU's does not
    count."""
    if not model:
        return {(run, check): who for run, check, who, _ in rows("differences.md")}
    return {(run, check): who for run, check, who, why in rows("differences.md") if not why.endswith(OF_QEMU)} | {
        (run, check): who for run, check, who, _ in rows("intel.md")}


WHOLE_RUN = "(the run)"
TABLE_START, TABLE_END = "<!-- conformance on Bochs -->", "<!-- end -->"


def expected(run, check, hv, model=""):
    """What the documents say this hypervisor answers, on this processor: "ok" unless it is listed there."""
    listed = explained(model).get((run.name, check), "").split()
    return "not ok" if hv in listed or (hv == "torii" and model in listed) else "ok"


def unexplained(run, outcome, hv, model=""):
    """Checks that failed though no document says so, and those that passed though one says they fail."""
    wrong = []
    for check, result in outcome.results.items():
        want = expected(run, check, hv, model)
        if result == "not ok" and want == "ok":
            wrong.append(f"{check}{outcome.details.get(check, '')}")
        elif result == "ok" and want != "ok":
            wrong.append(f"{check}: passes, but the documents say it does not")
    if outcome.problem and expected(run, WHOLE_RUN, hv, model) == "ok":
        wrong.append(outcome.problem)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hv", default="torii", choices=["torii", "xen", "none"])
    parser.add_argument("--image", default="", help="another build of Torii")
    parser.add_argument("--model", default="", help="run in Bochs on this processor")
    parser.add_argument("--document", action="store_true", help="write what is kept of Bochs into docs/intel.md, and run nothing")
    parser.add_argument("guests", nargs="*")
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    if args.document:
        return document()
    column = f"{args.hv}@{args.model}" if args.model else args.hv
    file = KEPT / f"{column}.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    bad = 0
    for run in bochs_runs(args.hv) if args.model else runs(args.hv):
        if args.guests and run.guest not in args.guests and run.name not in args.guests:
            continue
        outcome = execute(run, args.hv, args.model, image=args.image)
        wrong = unexplained(run, outcome, args.hv, args.model)
        count = list(outcome.results.values()).count
        print(f"{run.name:24} {count('ok'):4} ok {count('not ok'):3} not ok {count('skip'):3} skipped", flush=True)
        for check in outcome.failed:
            mark = "  (explained)" if expected(run, check, args.hv, args.model) != "ok" else ""
            print(f"    not ok: {check}{outcome.details[check]}{mark}")
        if outcome.problem:
            print("    " + outcome.problem.splitlines()[0])
        bad += len(wrong)
        kept[run.name] = {**outcome.results, WHOLE_RUN: "not ok" if outcome.problem else "ok"}
        file.write_text(json.dumps(kept, indent=1))
    if args.model:
        return 1 if bad else 0
    table(args.hv)
    # An emulator without a hypervisor is no peer: it accepts much that processors refuse.
    return 1 if bad and args.hv != "none" else 0


def table(hv):
    """Counts of all hypervisors' last runs, and the checks on which they differ."""
    all_runs = {f.stem: json.loads(f.read_text()) for f in sorted(KEPT.glob("*.json"))}
    hvs = [h for h in ("none", "xen", "torii") if h in all_runs]
    print(f"\n{'':24}" + "".join(f"{h:>16}" for h in hvs))
    total = dict.fromkeys(hvs, (0, 0))
    for run in runs():
        row = f"{run.name:24}"
        for h in hvs:
            results = [r for c, r in all_runs[h].get(run.name, {}).items() if c != WHOLE_RUN]
            passed, of = results.count("ok"), len(results) - results.count("skip")
            total[h] = (total[h][0] + passed, total[h][1] + of)
            row += f"{f'{passed}/{of}' if results else '-':>16}"
        print(row)
    print(f"{'all':24}" + "".join(f"{f'{p}/{n}':>16}" for p, n in total.values()))
    # Bare QEMU stands there for information: it is no hypervisor, and as an emulator lax.
    peers = [h for h in hvs if h != "none"]
    differ = [(run, check) for run in runs() for check in {c for h in hvs for c in all_runs[h].get(run.name, {})}
              if len({all_runs[h].get(run.name, {}).get(check, "skip") for h in peers} - {"skip"}) > 1]
    if differ:
        print("\ndiffering checks:")
    for run, check in sorted(differ, key=lambda d: (d[0].name, d[1])):
        row = " ".join(f"{h}={all_runs[h].get(run.name, {}).get(check, '-').replace(' ', '-')}" for h in hvs)
        print(f"  {run.name}: {check}: {row}{'' if (run.name, check) in explained() else '  UNEXPLAINED'}")


def tally(results):
    """"31 of 32", skipped checks left out; "failed" where the run did not end as it should and no check says so."""
    checks = [r for check, r in results.items() if check != WHOLE_RUN and r != "skip"]
    passed = f"{checks.count('ok')} of {len(checks)}" if checks else "skipped"
    return passed + (", failed" if results.get(WHOLE_RUN) != "ok" else "")


def document():
    """The table between docs/intel.md's marks: each run on each processor it was seen on."""
    columns = {f.stem.split("@")[1]: json.loads(f.read_text()) for f in sorted(KEPT.glob("torii@*.json"))}
    lines = ["| kernel | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for run in bochs_runs("torii"):
        cells = [tally(c[run.name]) if run.name in c else "" for c in columns.values()]
        lines.append(f"| {run.name} | " + " | ".join(cells) + " |")
    page = ROOT / "docs" / "intel.md"
    head, rest = page.read_text().split(TABLE_START, 1)
    tail = rest.split(TABLE_END, 1)[1]
    page.write_text(head + TABLE_START + "\n" + "\n".join(lines) + "\n" + TABLE_END + tail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
