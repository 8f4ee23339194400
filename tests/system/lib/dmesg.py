# SPDX-License-Identifier: BSD-2-Clause
"""A kernel's log: taken from a booted machine, and compared with that of another."""
import re

from .vm import ROOT, VM

ALLOWED = ROOT / "docs" / "dmesg-differences.md"


def collect(config, name):
    """[(level, text)] of a boot with this configuration."""
    import dataclasses

    config = dataclasses.replace(config, cmdline=(config.cmdline + " quiet torii.cmd=dmesg.sh").strip())
    with VM(config, name) as vm:
        vm.expect(r"dmesg: begin\n", 150)
        vm.expect(r"dmesg: end", 60)
        body = vm.text.split("dmesg: begin\n", 1)[1].split("dmesg: end", 1)[0]
        vm.wait_exit(60)
    lines = re.findall(r"^<(\d+)>\[ *\d+\.\d+\] (.*)$", body, re.M)
    return [(int(level) & 7, text) for level, text in lines]


def shape(text):
    """A line without what differs from boot to boot."""
    return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+", "#", text)


def allowed():
    """(regex, reason) rows of the table in docs/dmesg-differences.md."""
    return [(m.group(1), m.group(2)) for m in re.finditer(r"^\| `(.+?)` \| (.+?) \|$", ALLOWED.read_text(), re.M)]


def complaints(log, reference):
    """Warnings and errors of log whose shape the reference does not show and the document does not explain."""
    known = {shape(text) for _, text in reference}
    rules = [re.compile(regex) for regex, _ in allowed()]
    return [text for level, text in log
            if level <= 4 and shape(text) not in known and not any(rule.search(text) for rule in rules)]
