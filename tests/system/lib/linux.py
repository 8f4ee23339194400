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


# /proc/interrupts leaves out processors that are offline, so its sums go down when one goes.
INTERRUPTS = "cd /sys/kernel/irq && grep -s . */chip_name */actions */per_cpu_count; true"


def interrupts(text):
    """{action: (chip, count over all CPUs)} from what INTERRUPTS prints."""
    rows, found = {}, {}
    for number, what, value in re.findall(r"^(\d+)/(\w+):(.*?)\r?$", text, re.M):
        rows.setdefault(number, {})[what] = value
    for row in rows.values():
        count = sum(map(int, row.get("per_cpu_count", "0").split(",")))
        for name in row.get("actions", "").split(","):
            found[name] = (row.get("chip_name", ""), count + found.get(name, ("", 0))[1])
    return found
