#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""make coverage: runs the unit tests that were built with --coverage and tells which lines of the core they reach."""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PRIVILEGED = re.compile(
    r"\t(?:in[bwl]?|out[bwl]?|ins[bwl]|outs[bwl]|rdmsr|wrmsr|rdpmc|cli|sti|hlt|lgdt|lidt|lldt|ltr|sgdt|invlpg|invept"
    r"|invvpid|vm[a-z]+|stgi|clgi|xsetbv|wbinvd|clts|lmsw|swapgs|iretq?|monitor|mwait)\b|%(?:cr|db)\d|%gs:")


def is_pure(build, source):
    """Whether Torii's own object of a source file could run in a process."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", build / pathlib.Path(source).with_suffix(".o")],
                          capture_output=True, text=True, check=True).stdout
    return not PRIVILEGED.search(code)


def run(program):
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, timeout=600)
    return program.name, done.returncode


def lines_of(data):
    """{source: {line: count}} of one .gcda or .gcno file."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", data], capture_output=True, text=True, check=True,
                          cwd=data.parent)
    found = collections.defaultdict(dict)
    for text in done.stdout.splitlines():
        for file in json.loads(text)["files"]:
            # Tests that include a source under other names do so by a relative path.
            path = re.sub(r"^.*?(?=src/[a-z]+/)", "", str(pathlib.PurePath(file["file"])))
            for line in file["lines"]:
                number = line["line_number"]
                found[path][number] = max(found[path].get(number, 0), line["count"])
    return found


def ranges(numbers):
    """Line numbers, neighbours joined."""
    out = []
    for n in sorted(numbers):
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def unlinked(source, build):
    """Lines with code in a source no unit test links: those its object's line table names."""
    table = subprocess.run(["objdump", "--dwarf=decodedline", build / pathlib.Path(source).with_suffix(".o")],
                           capture_output=True, text=True, check=True).stdout
    name = re.escape(pathlib.Path(source).name)
    return {int(n): 0 for n in re.findall(rf"^{name}\s+(\d+)\s+0x", table, re.M) if int(n)}


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--build", type=pathlib.Path, required=True)
    parse.add_argument("--start", nargs="*", default=[])
    options = parse.parse_args()
    build = (ROOT / options.build).resolve()
    where = build / "coverage"
    wanted = {path.stem for path in (ROOT / "tests/unit").glob("test_*.c")}
    for old in where.glob("*.gcda"):
        old.unlink()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failed = [f"{name} (status {status})" for name, status in pool.map(run, [where / n for n in sorted(wanted)])
                  if status]
        seen = collections.defaultdict(dict)
        for found in pool.map(lines_of, sorted(where.glob("*.gcno"))):
            for path, lines in found.items():
                for number, count in lines.items():
                    seen[path][number] = max(seen[path].get(number, 0), count)

    sources = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("src/**/*.c"))
    core = [s for s in sources if s not in options.start and (s in seen or is_pure(build, s))]
    total, reached, missed = 0, 0, []
    print(f"{'file':34}{'lines':>7}{'reached':>9}{'':>8}")
    for source in core:
        lines = seen.get(source) or unlinked(source, build)
        if not lines:  # of another configuration
            continue
        hit = sum(1 for count in lines.values() if count)
        total, reached = total + len(lines), reached + hit
        print(f"{source:34}{len(lines):7}{hit:9}{100 * hit / max(len(lines), 1):7.1f}%"
              + ("" if source in seen else "  in no unit test"))
        if hit < len(lines):
            missed.append(f"{source}: {ranges(n for n, count in lines.items() if not count)}")
    (where / "lines.txt").write_text("\n".join(missed) + "\n")
    print(f"{'pure core':34}{total:7}{reached:9}{100 * reached / total:7.1f}%   ({len(core)} files; the rest of src/, "
          f"{len(sources) - len(core)} files, is hardware access)")
    for name in failed:
        print(f"FAILED {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
