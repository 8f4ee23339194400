# SPDX-License-Identifier: BSD-2-Clause
"""Newer kernels and the newer emulator; the full cross is `make matrix`."""
import pytest

CELLS = [("6.12", "7.2", "qemu64,+svm,+npt"), ("7.2", "7.2", "qemu64,+svm,+npt"), ("6.1", "10.0", "EPYC"),
         ("6.1", "7.2", "max")]


@pytest.mark.parametrize("kernel,qemu,cpu", CELLS, ids=[f"linux-{k}-qemu-{q}-{c.split(',')[0]}" for k, q, c in CELLS])
def test_boots_and_powers_off(boot, base, kernel, qemu, cpu):
    if base.hv == "xen" and qemu == "10.0":
        pytest.skip("the peer's Linux Dom0 dies early on QEMU 10: docs/running.md")
    if base.hv == "xen":
        cpu += ",-rdtscp,-monitor,-xsave"
    vm = boot(kernel=kernel, qemu=qemu, cpu=cpu).shell(quiet=False)
    vm.send("poweroff\n")
    assert vm.wait_exit() == "guest-shutdown"
