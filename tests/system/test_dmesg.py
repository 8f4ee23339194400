# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own log: what it found, and that it complains of nothing it does not complain of on bare QEMU."""
import dataclasses
import re
import subprocess

import pytest

from lib import dmesg
from lib.vm import BUILD, ROOT

pytestmark = pytest.mark.xdist_group("dmesg")


@pytest.fixture(scope="module")
def log(base):
    return dmesg.collect(base, f"test_dmesg-{base.hv}")


@pytest.fixture(scope="module")
def bare(base):
    return dmesg.collect(dataclasses.replace(base, hv="none"), "test_dmesg-bare")


def one(log, pattern):
    found = [m for _, text in log if (m := re.search(pattern, text))]
    assert found, f"no line like {pattern!r}"
    return found[0]


@pytest.mark.hypervisor
def test_kernel_boots_as_pvh_on_xen_abi(log):
    one(log, r"^Booting kernel on Xen PVH$")
    one(log, r"^Hypervisor detected: Xen HVM$")


@pytest.mark.hypervisor
def test_kernel_knows_it_is_dom0(log):
    one(log, r"xen:events: Using FIFO-based ABI|Xen: Using FIFO-based|FIFO")
    one(log, r"[Gg]rant table initialized")


def test_all_cpus_are_brought_up(log, base):
    one(log, rf"smp: Brought up 1 node, {base.cpus} CPUs?$")


def test_memory_map_is_that_of_the_machine(log, base):
    match = one(log, r"Memory: (\d+)K/(\d+)K available")
    share = base.mem // 2 if base.hv == "xen" else base.mem
    assert share * 1024 - 24 * 1024 < int(match.group(2)) <= share * 1024


def test_tsc_rate_is_the_hosts_within_100_ppm(log, bare, base):
    tool = BUILD / "hosttsc"
    subprocess.run(["gcc", "-O2", ROOT / "tests/system/lib/hosttsc.c", "-o", tool], check=True)
    host = float(subprocess.run([tool], check=True, capture_output=True, text=True).stdout)
    if base.hv == "none":
        guest = float(one(log, r"Refined TSC clocksource calibration: ([\d.]+) MHz").group(1)) * 1e6
    else:
        guest = float(one(log, r"tsc: Detected ([\d.]+) MHz processor").group(1)) * 1e6
    assert abs(guest / host - 1) * 1e6 < 100, f"guest {guest / 1e6:.3f} MHz, host {host / 1e6:.3f} MHz"


@pytest.mark.hypervisor
def test_no_warning_that_bare_qemu_does_not_show(log, bare):
    assert len(log) > 200 and len(bare) > 200
    complaints = dmesg.complaints(log, bare)
    assert not complaints, "\n".join(complaints)


def test_every_listed_difference_has_a_reason():
    rules = dmesg.allowed()
    assert all(reason.strip() for _, reason in rules)
    for regex, _ in rules:
        re.compile(regex)
