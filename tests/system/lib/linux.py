# SPDX-License-Identifier: BSD-2-Clause
"""What a Linux says of its machine: its log and its interrupts."""
import re

# Nothing of this may be in the log of a machine that works.
TROUBLE = (r"nobody cared|Failed to add - passthrough|timed out|[tT]imeout|unchecked MSR access|Call Trace|I/O error|"
           r"Buffer I/O|AER: (?!enabled)|DMAR|No irq handler|cannot be bound|failed command|Disabling IRQ|spurious|"
           r"EXT4-fs error")


def trouble(log):
    """The lines of dmesg that tell of it; those that repeat the command line do not."""
    return [line for line in log.splitlines() if re.search(TROUBLE, line) and not re.search("ommand line:|nomsi", line)]


def interrupts(text):
    """{action: (chip, count over all CPUs)} of /proc/interrupts."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*\d+:((?:\s+\d+)+)\s+(.*?(?:edge|fasteoi|level|MSI\S*))\s+(.*)$", line)
        if match:
            chip, action = match.group(2), re.sub(r"^\d+-\w+\s+", "", match.group(3))
            count = sum(map(int, match.group(1).split()))
            for name in action.split(", "):
                found[name] = (chip, count + found.get(name, ("", 0))[1])
    return found
