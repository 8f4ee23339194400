# SPDX-License-Identifier: BSD-2-Clause
"""Long runs: an idle Dom0 and a loaded one keep time and complain of nothing. SOAK_MINUTES (60), SOAK_LOAD_MINUTES (10)."""
import os
import subprocess
import time

import pytest

from lib.vm import BUILD, ROOT

pytestmark = pytest.mark.soak
IDLE = float(os.environ.get("SOAK_MINUTES", "60")) * 60
LOAD = float(os.environ.get("SOAK_LOAD_MINUTES", str(min(10, IDLE / 60)))) * 60
TROUBLE = r"detected .*stall|self-detected|lockup|LOCKUP|blocked for more|clocksource.*unstable|WARNING: CPU|BUG:|Oops"


def clock(vm):
    """(host, guest) seconds of one moment: the tightest of ten round trips, asked on a tick of /proc/uptime."""
    best = None
    for _ in range(10):
        before = time.monotonic()
        guest = float(vm.run("cut -d' ' -f1 /proc/uptime", timeout=120))
        after = time.monotonic()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) / 2, guest)
    return best[1], best[2], best[0]


def drift_ppm(first, last):
    """Drift, and what the measurement itself can be off by: round trips and the 10 ms of /proc/uptime."""
    span = last[0] - first[0]
    return ((last[1] - first[1]) / span - 1) * 1e6, (first[2] / 2 + last[2] / 2 + 0.01) / span * 1e6


def check(vm, first, record_property):
    drift, error = drift_ppm(first, clock(vm))
    record_property("drift_ppm", round(drift, 1))
    print(f"\ndrift {drift:.1f} ppm, measured to {error:.1f} ppm")
    assert abs(drift) < 100 + error
    vm.run("dmesg >/tmp/log")
    assert vm.run(f"grep -E '{TROUBLE}' /tmp/log", check=False) == ""
    vm.send("poweroff\n")
    assert vm.wait_exit() == "guest-shutdown"


@pytest.mark.parametrize("cpus", [2])
def test_idle_dom0_keeps_time(boot, cpus, record_property):
    vm = boot(cpus=cpus).shell()
    first = clock(vm)
    end = time.monotonic() + IDLE
    while time.monotonic() < end:
        time.sleep(min(60, max(0, end - time.monotonic())))
        assert vm.run("echo ok", timeout=60) == "ok\n"
    check(vm, first, record_property)


@pytest.fixture(scope="module")
def stress_initrd():
    """The initramfs with Debian's stress-ng and its libraries in it."""
    path = BUILD / "initrd-stress.gz"
    subprocess.run([ROOT / "tools/make-initramfs.sh", path, "-t", ROOT / "tests/system/guest", "-p", "stress-ng"],
                   check=True)
    return str(path)


@pytest.mark.parametrize("load", ["busybox", "stress-ng"])
def test_loaded_dom0_keeps_time(boot, stress_initrd, load, record_property):
    vm = boot(cpus=4, mem=3072, initrd=stress_initrd).shell()
    first = clock(vm)
    script = "load.sh" if load == "busybox" else "stress.sh"
    vm.run(f"sh /tests/{script} {int(LOAD)} >/tmp/load.log 2>&1", timeout=LOAD * 1.5 + 600)
    assert "load: done" in vm.run("tail -5 /tmp/load.log")
    check(vm, first, record_property)
