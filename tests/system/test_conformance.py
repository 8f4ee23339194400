# SPDX-License-Identifier: BSD-2-Clause
"""The test kernels of tests/guests, one test each: every check passes unless docs/differences.md says why not."""
import subprocess
import sys

import pytest

from lib.vm import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "guests"))
import conformance  # noqa: E402


@pytest.fixture(scope="session")
def kernels():
    """Built once, whoever of the workers comes first."""
    subprocess.run(["flock", BUILD / ".lock-guests", "make", "-s", "-C", ROOT, "guests", f"BUILD={BUILD}"], check=True)


@pytest.mark.parametrize("run", conformance.runs(), ids=lambda run: run.name)
def test_guest(base, kernels, run):
    if run.only and base.hv not in run.only.split(","):
        pytest.skip(f"not for --hv={base.hv}")
    outcome = conformance.execute(run, base.hv, image=base.image, qemu=base.qemu, cpu=base.cpu)
    assert outcome.results, outcome.problem
    if base.hv == "none":
        return  # bare QEMU is there to look at; it accepts what processors refuse
    wrong = conformance.unexplained(run, outcome, base.hv)
    assert not wrong, "\n".join(wrong)


def test_every_explained_difference_names_a_check_that_exists():
    named = {run.name for run in conformance.runs()}
    for run, check in conformance.explained():
        assert run in named, run
        if check == conformance.WHOLE_RUN:
            continue
        source = (conformance.GUESTS / f"{run.split(':')[0]}.c").read_text()
        # names made with a format hold what varies in one of their words
        assert check in source or all(word in source for word in check.split()[1:3]), check
