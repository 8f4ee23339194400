# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import dataclasses
import os
import re
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from lib.vm import BUILD, VM, Config  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("torii")
    group.addoption("--hv", default="torii", choices=["torii", "xen", "none"], help="who runs the kernel")
    group.addoption("--kernel", default="6.1", help="6.1, 6.12, 7.2 or a file")
    group.addoption("--qemu", default="7.2", help="7.2, 10.0 or a file")
    group.addoption("--cpu", default="", help="QEMU's CPU model")
    group.addoption("--slow", action="store_true", help="also the tests that make check leaves out")
    group.addoption("--soak", action="store_true", help="also the tests that take SOAK_MINUTES")


def pytest_configure(config):
    config.addinivalue_line("markers", "torii: meaningful under Torii alone")
    config.addinivalue_line("markers", "hypervisor: meaningful under a hypervisor alone")
    config.addinivalue_line("markers", "soak: takes SOAK_MINUTES")
    config.addinivalue_line("markers", "slow: needs --slow, not in make check")


def pytest_collection_modifyitems(config, items):
    hv = config.getoption("--hv")
    for item in items:
        if item.get_closest_marker("torii") and hv != "torii":
            item.add_marker(pytest.mark.skip(reason=f"not for --hv={hv}"))
        if item.get_closest_marker("hypervisor") and hv == "none":
            item.add_marker(pytest.mark.skip(reason="not for --hv=none"))
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="needs --slow (make check-bochs)"))
        if item.get_closest_marker("soak") and not config.getoption("--soak"):
            item.add_marker(pytest.mark.skip(reason="needs --soak (make soak)"))


@pytest.fixture(scope="session")
def base(request, tmp_path_factory):
    """The configuration the command line asks for."""
    option = request.config.getoption
    image = ""
    if option("--hv") == "torii":
        # a rebuild in the middle of a run must not change what is tested
        image = str(tmp_path_factory.mktemp("image") / "torii")
        shutil.copy(BUILD / "torii", image)
    return Config(hv=option("--hv"), kernel=option("--kernel"), qemu=option("--qemu"), cpu=option("--cpu"), image=image)


@pytest.fixture
def boot(request, base):
    """boot(cpus=4, ...) starts a machine that ends with the test."""
    with contextlib.ExitStack() as stack:
        count = 0

        def start(**changes):
            nonlocal count
            count += 1
            name = re.sub(r"^tests/system/", "", request.node.nodeid) + (f"-{count}" if count > 1 else "")
            return stack.enter_context(VM(dataclasses.replace(base, **changes), name))

        yield start


@pytest.fixture(scope="module")
def dom0(request, base):
    """One machine for all tests of a module that only look, at its shell."""
    with VM(base, f"{request.module.__name__}-{base.hv}-dom0") as vm:
        yield vm.shell()


@pytest.fixture(scope="session")
def initrd():
    return BUILD / "initrd.gz"
