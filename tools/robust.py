#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Robustness campaigns: make hostile, make faults, make boots; docs/robustness.md. As a module: what the tests share.

hostile  random throws of tests/guests/hostile.c, run after run with another seed, until the time is over
faults   one boot for each allocation Torii makes, which fails
boots    boots to init and power-off in a row
"""
import argparse
import contextlib
import dataclasses
import re
import statistics
import sys
import time

sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parents[1] / "tests" / "system"))

from lib.vm import BUILD, SCALE, VM, Config, Failure  # noqa: E402

PANIC = r"\*\*\* Torii panic.*"
DEVICES = "-device edu,addr=5 -device nvme,serial=1,addr=6"
SWITCH = "\x01\x01\x01"
END = PANIC + r"|has shut down.*|crashed.*"
AREAS = 24  # pages that stay pinned: three registered areas of each of four vCPUs, across two pages each
HOSTILE_QEMU = "10.0"  # with threads that run at once 7.2 may go on with code that was replaced: docs/running.md
SILENT = 90  # seconds: as long takes no throw, nor the start of a CPU


# --- hostile guests ---

@dataclasses.dataclass(frozen=True)
class Memory:
    """What Torii uses, by its debug console's key m."""

    free: int  # KiB
    objects: int
    heap: int  # frames
    pinned: int
    dom0: int  # frames
    tables: int

    def frames(self):
        """Of free frames, small objects, stage-2 tables and Dom0: what all together must not shrink."""
        return self.free // 4 + self.heap + self.tables + self.dom0


def memory(vm):
    vm.send(SWITCH)
    vm.expect(r"input goes to the debug console", 60, fatal=PANIC)
    vm.send("m")
    match = vm.expect(r"(\d+) KiB free in all\n(?:.*\n)*?.*small objects: (\d+) in (\d+) pages; pages pinned: (\d+);"
                      r"(?:.*\n)*?.*Dom0 has (\d+) pages of at most \d+; stage 2: .* (\d+) tables", 60, fatal=PANIC)
    vm.send(SWITCH)
    vm.expect(r"input goes to Dom0", 60, fatal=PANIC)
    return Memory(*map(int, match.groups()))


class EmulatorStopped(Failure):
    """QEMU ended itself, or does not even answer its monitor: nothing is known of Torii."""


def where_it_stands(vm):
    """For a run that went silent: what each CPU does, and what Torii says of its vCPUs and their last exits."""
    if vm.emulator_crashed():
        raise EmulatorStopped(f"QEMU ended itself: {vm.errors.splitlines()[-1:]}")
    if not vm.still_running(0):
        return
    try:
        registers = vm.qmp.hmp("info registers -a")
    except Failure:
        raise EmulatorStopped("QEMU's monitor does not answer") from None
    cpus = re.findall(r"RIP=\S+ RFL=\S+", registers)
    print("\n".join(cpus), vm.qmp.hmp("info pic"), *(vm.qmp.hmp(f"info lapic {n}") for n in range(len(cpus))), sep="\n", flush=True)
    vm.send(SWITCH + "dtt")
    vm.still_running(5)
    print(vm.tail(400), flush=True)


def phases_of(vm, seconds, phases):
    used = []
    for phase in range(1, phases + 1):
        while not vm.expect(rf"^# (throws .*|phase {phase} is over)", SILENT, fatal=END).group(1).startswith("phase"):
            pass  # a line each ten seconds or so
        used.append(memory(vm))
        vm.send("\n")
    vm.expect(r"^1\.\.\d+$", 60, fatal=PANIC)
    ended = vm.wait_exit(30)
    vm.never(r"^not ok")
    vm.never(PANIC)
    if ended != "guest-shutdown" or vm.triple_fault():
        raise Failure(f"the machine's end was {ended}")
    return re.findall(r"^# (phase \d+: .*)$", vm.text, re.M), used


def hostile(seed, seconds, image="", phases=2, kinds=0xffff, qemu=HOSTILE_QEMU, options=""):
    """One machine: phases of throws, everything undone after each. (lines of the guest, Memory after each phase)."""
    config = Config(kernel=str(BUILD / "guests" / "hostile"), initrd=str(BUILD / "guests" / "module"), cpus=4, mem=512,
                    image=image, args="noreboot", qemu_args=DEVICES, qemu=qemu, threads="multi",
                    cmdline=f"seed={seed} ms={int(seconds * 1000)} phases={phases} kinds={kinds} wait=1 {options}")
    with VM(config, f"hostile-{seed}") as vm:
        try:
            return phases_of(vm, seconds, phases)
        except Failure:
            where_it_stands(vm)
            raise


def leaks(used):
    """What is less, or more, after the last phase than after the first. Tables and the heap's pages stay once made."""
    first, last = used[0], used[-1]
    found = []
    if last.frames() < first.frames():
        found.append(f"{first.frames() - last.frames()} frames are gone")
    if last.objects > first.objects + AREAS:
        found.append(f"{last.objects - first.objects} small objects more")
    if last.pinned > first.pinned + AREAS:
        found.append(f"{last.pinned - first.pinned} pinned pages more")
    return found


def hostile_main(args):
    end = time.monotonic() + args.time
    seed, bad, runs, void = args.seed, 0, 0, 0
    while time.monotonic() < end and not (bad and args.stop):
        seconds = min(args.phase, max(5, (end - time.monotonic()) / 2))
        try:
            lines, used = hostile(seed, seconds, args.image, qemu=args.qemu)
            found = leaks(used)
            print(f"seed {seed}: {lines[-1]}; {'; '.join(found) or 'no leak'}; {used[-1]}", flush=True)
            bad += bool(found)
        except EmulatorStopped as failure:
            print(f"seed {seed}: void: {failure}", flush=True)
            void += 1
        except Failure as failure:
            print(f"seed {seed}: FAILED: {failure}", flush=True)
            bad += 1
        seed += 1
        runs += 1
    print(f"hostile: {runs} runs, {bad} failed, {void} void because the emulator stopped, {args.time:.0f} s")
    return bad


# --- failing allocations ---

# What a boot may end with. A panic is a refusal only where it says that memory is missing.
REFUSAL = r"Torii cannot start|\*\*\* Torii panic on CPU \d+: .*(?:no memory|out of memory|no room)"
# A line that says so, or the backtrace of a hypercall: then Dom0 has the error, and may stop at it.
LACK = r"(?:cannot|no memory|without|no interrupt|\bhypercall\+)"
TROUBLE = r"\*\*\* Torii panic(?!.*(?:no memory|out of memory|no room)).*\n|fault while panicking.*\n"


def fault_config(args, kernel, image):
    linux = kernel == "linux"
    return Config(kernel="" if linux else str(BUILD / "guests" / kernel), args=f"noreboot {args}", cpus=2, image=image,
                  initrd="" if linux else str(BUILD / "guests" / "module"), mem=1024 if linux else 256,
                  cmdline="torii.run=poweroff" if linux else "", qemu_args="" if linux else DEVICES)


def allocations(image, kernel="smallest"):
    """How many there are before Dom0 runs, and in the whole run."""
    with VM(fault_config("exit-stats", kernel, image), f"faults-{kernel}-count") as vm:
        before = int(vm.expect(r"(\d+) allocations so far", 60).group(1))
        vm.expect(r"Dom0 has shut down|no more to do", 150)
        vm.wait_exit(30)
        counts = re.findall(r"(\d+) allocations in all", vm.text)
    return before, int(counts[-1]) if counts else before


def fault(n, image, kernel="smallest", more=""):
    """Let the n-th fail. What came of it: "refusal", "panic: no memory", "end" (the guest ran to its end), "no such"."""
    with VM(fault_config(f"fail_alloc={n}{more}", kernel, image), f"faults-{kernel}-{n}") as vm:
        try:
            said = vm.expect(REFUSAL + r"|Dom0 has shut down.*|Dom0 has halted", 150 if kernel == "linux" else 30,
                             fatal=TROUBLE).group(0)
        except Failure:
            # Dom0 waits for what is not there. Torii has said so, and lives.
            if re.search(TROUBLE, vm.text) or not re.search(rf"allocation {n} fails\n(?:.*\n)*?.*{LACK}", vm.text):
                raise
            memory(vm)
            return "Dom0 waits for what is missing"
        if "panic" in said:
            outcome = "panic: no memory"
        elif "cannot start" in said:
            outcome = "refusal"
        elif f"allocation {n} fails" not in vm.text:
            outcome = "no such"
        else:
            outcome = "end"
        vm.still_running(0.3)
        vm.never(TROUBLE)
        if vm.triple_fault():
            raise Failure("triple fault of a physical CPU")
        return outcome


def faults_main(args):
    before, total = allocations(args.image, args.kernel)
    print(f"{args.kernel}: {before} allocations before Dom0 runs, {total} in all", flush=True)
    outcomes, bad = {}, 0
    for n in range(args.first, (args.last or total) + 1, args.step):
        try:
            outcome = fault(n, args.image, args.kernel)
        except Failure as failure:
            outcome = "FAILED"
            bad += 1
            print(f"fail_alloc={n}: {failure}", flush=True)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(f"faults, {args.kernel}: " + ", ".join(f"{k} {v}" for k, v in sorted(outcomes.items())))
    return bad


# --- boots ---

def boots_main(args):
    times, bad = [], 0
    config = Config(cpus=2, mem=512, image=args.image, cmdline="torii.run=poweroff", qemu=args.qemu,
                    threads=args.threads)
    if args.kernel != "linux":
        config = dataclasses.replace(config, kernel=str(BUILD / "guests" / args.kernel), cmdline="",
                                     initrd=str(BUILD / "guests" / "module"), qemu_args=DEVICES)
    for n in range(1, args.n + 1):
        with VM(config, "boots") as vm:
            try:
                vm.expect(r"Dom0 has shut down: power-off", 150, fatal=PANIC + r"|Kernel panic.*|Oops|BUG:.*|WARNING: CPU.*")
                if vm.wait_exit(30) != "guest-shutdown" or vm.triple_fault():
                    raise Failure("the machine did not power off")
                times.append(vm.elapsed())
            except Failure as failure:
                bad += 1
                with contextlib.suppress(EmulatorStopped):
                    where_it_stands(vm)
                kept = BUILD / "test-logs" / f"boots-failed-{n}.log"
                kept.write_text(vm.text)
                print(f"boot {n}: FAILED, {kept}: {failure}", flush=True)
        if n % 10 == 0 and times:
            print(f"{n} boots, {bad} failed; {statistics.median(times):.1f} s each, {max(times):.1f} s at most", flush=True)
    if times:
        print(f"boots: {args.n}, {bad} failed; seconds: {min(times):.1f} to {max(times):.1f}, "
              f"median {statistics.median(times):.1f}")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default="", help="another build of Torii")
    sub = parser.add_subparsers(required=True)
    p = sub.add_parser("hostile")
    p.add_argument("--time", type=float, default=600, help="seconds in all")
    p.add_argument("--phase", type=float, default=60, help="seconds of one phase; a run has two")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--stop", action="store_true", help="at the first failure")
    p.add_argument("--qemu", default=HOSTILE_QEMU, help="10.0, 7.2 or a file")
    p.set_defaults(run=hostile_main)
    p = sub.add_parser("faults")
    p.add_argument("--kernel", default="smallest", help="a kernel of tests/guests, or linux")
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--last", type=int, default=0)
    p.add_argument("--step", type=int, default=1)
    p.set_defaults(run=faults_main)
    p = sub.add_parser("boots")
    p.add_argument("-n", type=int, default=200)
    p.add_argument("--kernel", default="linux", help="linux, or a kernel of tests/guests")
    p.add_argument("--qemu", default="", help="10.0, 7.2 or a file")
    p.add_argument("--threads", default="", help="single or multi")
    p.set_defaults(run=boots_main)
    args = parser.parse_args()
    return 1 if args.run(args) else 0


if __name__ == "__main__":
    assert SCALE > 0
    sys.exit(main())
