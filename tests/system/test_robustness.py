# SPDX-License-Identifier: BSD-2-Clause
"""Samples of the campaigns in docs/robustness.md: a hostile guest for half a minute, some allocations that fail."""
import shutil
import subprocess
import sys

import pytest

from lib.vm import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import robust  # noqa: E402

pytestmark = pytest.mark.torii


def make(*words):
    subprocess.run(["flock", BUILD / ".lock-guests", "make", "-s", "-C", ROOT, *words], check=True)


@pytest.fixture(scope="module")
def kernels():
    make("guests", f"BUILD={BUILD}")


@pytest.fixture(scope="module")
def debug_image(kernels):
    """What counts allocations and lets one fail."""
    build = BUILD / "debug"
    if not (build / "font").exists():
        shutil.copytree(BUILD / "font", build / "font")
    make("all", "DEBUG=1", f"BUILD={build}")
    return str(build / "torii")


def test_a_hostile_guest_neither_stops_torii_nor_makes_it_lose_memory(base, kernels):
    for seed in (1, 2, 3):
        try:
            lines, used = robust.hostile(seed, 12, base.image)
        except robust.EmulatorStopped:
            continue
        assert not robust.leaks(used), used
        return
    pytest.skip("the emulator stopped with each of three seeds")


def test_an_allocation_that_fails_ends_in_words_or_in_nothing(base, debug_image):
    before, _ = robust.allocations(debug_image)
    assert before > 100
    for n in [1] + [before * part // 6 for part in range(1, 7)]:
        assert robust.fault(n, debug_image) in ("refusal", "panic: no memory", "end"), n


def test_dom0_runs_on_when_its_allocations_fail(base, debug_image):
    """Those of a guest that binds, maps and arms what there is: it gets errors."""
    before, total = robust.allocations(debug_image, "evtchn")
    assert total > before
    assert robust.fault(before + 1, debug_image, "evtchn") == "end"
